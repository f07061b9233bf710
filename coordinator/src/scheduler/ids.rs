//! Ids as the core holds them: small, ordered, copied. On the wire and in the journal they are the
//! hexadecimal text that `nrp_proto::id` makes. Nothing is hashed or invented in here. Within the core,
//! trials and sweeps are numbered.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// A text that is not an id.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[error("`{found}` is not a {what} id; expected {digits} hexadecimal digits")]
pub struct IdError {
    what: &'static str,
    found: String,
    digits: usize,
}

macro_rules! hex_id {
    ($(#[$doc:meta])* $name:ident, $repr:ty, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $repr);

        impl $name {
            const DIGITS: usize = size_of::<$repr>() * 2;
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:0width$x}", self.0, width = Self::DIGITS)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let refused = || IdError {
                    what: $what,
                    found: text.chars().take(64).collect(),
                    digits: Self::DIGITS,
                };
                let canonical = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
                if text.len() != Self::DIGITS || !canonical {
                    return Err(refused());
                }
                <$repr>::from_str_radix(text, 16).map($name).map_err(|_| refused())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

hex_id!(
    /// A trial: the hash of everything that determines its outcome.
    TrialId, u128, "trial"
);
hex_id!(
    /// A sweep: the hash of its name and of what it computes.
    SweepId, u64, "sweep"
);
hex_id!(
    /// A job group: what trials of one job share.
    GroupId, u64, "job group"
);
hex_id!(
    /// The activations that trials are trained on: layers of a pass. Groups share them.
    ActivationsId, u64, "activations"
);
hex_id!(
    /// One pass of an ANN over a stimulus set, which gives the activations of several groups.
    PassId, u64, "pass"
);
hex_id!(
    /// A row of the answer to `best`: comparable trials of one region. Opaque to the core, which
    /// only counts its open trials.
    RowId, u64, "row"
);

/// A trial's rank: the order first submitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TrialNo(pub(super) u32);

/// A sweep's rank: the order first submitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SweepNo(pub(super) u32);

/// A job: trials leased together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(pub u64);

/// A fencing token: grows with every lease, over all jobs. The journal calls it an epoch.
#[derive(
    Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Fence(pub u64);

/// One lease of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LeaseRef {
    /// The job.
    pub job: JobId,
    /// Which lease of the job.
    #[serde(rename = "epoch")]
    pub fence: Fence,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_as_it_is_written() {
        let id = TrialId(0xab);
        assert_eq!(id.to_string(), "000000000000000000000000000000ab");
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn other_text_is_refused_with_what_was_found() {
        for text in ["", "xyz", "+0000000000000ab", "00000000000000AB", "12"] {
            let error = text.parse::<SweepId>().expect_err("refused");
            assert!(
                error
                    .to_string()
                    .starts_with(&format!("`{text}` is not a sweep id"))
            );
        }
    }
}
