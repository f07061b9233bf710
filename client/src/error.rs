//! What can go wrong between a client and a coordinator, in the words that every program shows.

use miette::Diagnostic;
use nrp_proto::Refusal;
use thiserror::Error;
use tonic::Code;

/// Why a call has no answer.
#[derive(Debug, Error, Diagnostic)]
pub enum ClientError {
    /// The text given as an address is not one.
    #[error("`{address}` is not an address of a coordinator")]
    #[diagnostic(help("write it as HOST:PORT, for example 127.0.0.1:7321"))]
    Address {
        /// What the user wrote.
        address: String,
    },
    /// Nothing answers at the address, or the connection broke. Trying again may help.
    #[error("the coordinator at {address} cannot be reached")]
    #[diagnostic(help(
        "is it running there? `nrp coordinator --listen HOST:PORT` starts one; check address, \
         port and firewall"
    ))]
    Unreachable {
        /// The address that was tried.
        address: String,
        /// What the last try ended with.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The coordinator answers in the terms of another version of the contract.
    #[error("the coordinator at {address} is of another version of nrp")]
    #[diagnostic(help("run the same version of nrp on both sides"))]
    OtherVersion {
        /// The coordinator's address.
        address: String,
    },
    /// The coordinator answered that it does not do this, and why.
    #[error("the coordinator refused the request")]
    Refused(
        #[source]
        #[diagnostic_source]
        Refusal,
    ),
}

impl ClientError {
    /// Whether nothing answered, so that trying again may help.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }

    /// What kind of refusal the coordinator answered with, if it answered.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            Self::Address { .. } | Self::Unreachable { .. } | Self::OtherVersion { .. } => None,
        }
    }

    /// The failure that `status`, from the coordinator at `address`, stands for.
    pub(crate) fn of(address: &str, status: tonic::Status) -> Self {
        let refusal = Refusal::from(status);
        if refusal.is_unreachable() || refusal.code == Code::DeadlineExceeded {
            Self::Unreachable {
                address: address.to_owned(),
                source: Box::new(refusal),
            }
        } else {
            Self::Refused(refusal)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic::Status;

    #[test]
    fn a_refusal_keeps_its_hint_and_a_broken_connection_is_worth_another_try() {
        let status = Refusal::status(Code::NotFound, "no sweep `v4`", Some("did you mean `V4`?"));
        let refused = ClientError::of("here:1", status);
        let hint = refused
            .refusal()
            .and_then(|refusal| refusal.hint.as_deref());
        assert_eq!(hint, Some("did you mean `V4`?"));
        assert!(!refused.is_unreachable());
        for code in [Code::Unavailable, Code::Cancelled, Code::DeadlineExceeded] {
            let away = ClientError::of("here:1", Status::new(code, "gone"));
            assert!(away.is_unreachable(), "{code:?}");
            assert_eq!(
                away.to_string(),
                "the coordinator at here:1 cannot be reached"
            );
        }
    }
}
