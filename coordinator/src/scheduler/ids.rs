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

/// The sweeps of a trial, in the order first submitted: hardly ever more than one, which then lies in place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum SweepNos {
    #[default]
    None,
    One(SweepNo),
    #[expect(
        clippy::box_collection,
        reason = "more than one is rare, and must not widen the others"
    )]
    Many(Box<Vec<SweepNo>>),
}

impl SweepNos {
    pub(super) fn push(&mut self, sweep: SweepNo) {
        *self = match std::mem::take(self) {
            SweepNos::None => SweepNos::One(sweep),
            SweepNos::One(first) => SweepNos::Many(Box::new(vec![first, sweep])),
            SweepNos::Many(mut sweeps) => {
                sweeps.push(sweep);
                SweepNos::Many(sweeps)
            }
        };
    }

    pub(super) fn remove(&mut self, sweep: SweepNo) {
        let left: Vec<_> = self.iter().copied().filter(|of| *of != sweep).collect();
        *self = match left.as_slice() {
            [] => SweepNos::None,
            [one] => SweepNos::One(*one),
            [_, _, ..] => SweepNos::Many(Box::new(left)),
        };
    }
}

impl std::ops::Deref for SweepNos {
    type Target = [SweepNo];

    fn deref(&self) -> &[SweepNo] {
        match self {
            SweepNos::None => &[],
            SweepNos::One(sweep) => std::slice::from_ref(sweep),
            SweepNos::Many(sweeps) => sweeps,
        }
    }
}

impl<'a> IntoIterator for &'a SweepNos {
    type Item = &'a SweepNo;
    type IntoIter = std::slice::Iter<'a, SweepNo>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Hashes ids of trials, which are hashes already.
#[derive(Debug, Default)]
pub(super) struct IdHasher(u64);

impl std::hash::Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u128(&mut self, id: u128) {
        // Both halves: tests number their trials.
        self.0 = (id as u64) ^ ((id >> 64) as u64);
    }
}

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
    fn sweeps_of_a_trial_come_and_go_in_order() {
        let mut sweeps = SweepNos::default();
        assert!(sweeps.is_empty());
        for number in [3, 1, 2] {
            sweeps.push(SweepNo(number));
        }
        assert_eq!(*sweeps, [SweepNo(3), SweepNo(1), SweepNo(2)]);
        sweeps.remove(SweepNo(1));
        assert_eq!(*sweeps, [SweepNo(3), SweepNo(2)]);
        sweeps.remove(SweepNo(3));
        assert_eq!(sweeps, SweepNos::One(SweepNo(2)));
        sweeps.remove(SweepNo(2));
        assert_eq!(sweeps, SweepNos::None);
    }

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
