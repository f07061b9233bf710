//! Refusals: how an error crosses the wire with its hint, so that a user sees at the client what the
//! coordinator would have told.

use crate::HINT_METADATA;
use miette::Diagnostic;
use std::fmt::Display;
use thiserror::Error;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Status};

/// A call that was refused, or that nobody answered.
#[derive(Debug, Clone, Error)]
#[error("{message}")]
pub struct Refusal {
    /// What kind of refusal it is.
    pub code: Code,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Refusal {
    /// The refusal as it travels.
    pub fn status(code: Code, message: impl Into<String>, hint: Option<&str>) -> Status {
        let mut metadata = MetadataMap::new();
        if let Some(hint) = hint {
            metadata.insert_bin(HINT_METADATA, MetadataValue::from_bytes(hint.as_bytes()));
        }
        Status::with_metadata(code, message, metadata)
    }

    /// Whether the other side could not be reached, so that trying again may help.
    pub fn is_unreachable(&self) -> bool {
        matches!(
            self.code,
            Code::Unavailable | Code::Cancelled | Code::Unknown
        )
    }
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Self {
        let hint = status
            .metadata()
            .get_bin(HINT_METADATA)
            .and_then(|value| value.to_bytes().ok())
            .and_then(|bytes| String::from_utf8(bytes.to_vec()).ok());
        Self {
            code: status.code(),
            message: status.message().to_owned(),
            hint,
        }
    }
}

impl Diagnostic for Refusal {
    fn help<'a>(&'a self) -> Option<Box<dyn Display + 'a>> {
        self.hint
            .as_ref()
            .map(|hint| Box::new(hint) as Box<dyn Display>)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_and_hint_survive_the_wire() {
        let status = Refusal::status(Code::NotFound, "no sweep `v4`", Some("did you mean `V4`?"));
        let refusal = Refusal::from(status);
        assert_eq!(refusal.to_string(), "no sweep `v4`");
        assert_eq!(refusal.hint.as_deref(), Some("did you mean `V4`?"));
        assert!(!refusal.is_unreachable());
    }
}
