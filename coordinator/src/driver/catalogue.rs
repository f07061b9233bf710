//! The catalogue: which sweeps there are, by name and by id, and which is the latest.

use crate::scheduler::{Scheduler, Snapshot, SweepId};
use nrp_proto::wire::SweepSpec;
use nrp_proto::{Message, near_miss};
use std::sync::Arc;
use thiserror::Error;

/// Why a name or an id does not stand for one sweep.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub(crate) enum LookupError {
    #[error("no sweep has been submitted yet")]
    Empty,
    #[error("unknown sweep `{asked}`")]
    Unknown {
        asked: String,
        near_miss: Option<String>,
    },
    #[error("unknown trial `{asked}`")]
    NoTrial { asked: String },
    #[error("`{asked}` is a prefix of more than one sweep's id")]
    Ambiguous { asked: String, ids: Vec<String> },
}

/// Sweeps, in the order they were last submitted.
#[derive(Debug, Default)]
pub(crate) struct Catalogue {
    sweeps: Vec<(SweepId, Arc<SweepSpec>)>,
}

impl Catalogue {
    /// Enters a sweep, or moves a known one to the end with its new content. Answers whether it was known.
    pub(crate) fn enter(&mut self, id: SweepId, spec: Box<SweepSpec>) -> bool {
        let before = self.sweeps.len();
        self.sweeps.retain(|(known, _)| *known != id);
        let known = self.sweeps.len() < before;
        self.sweeps.push((id, spec.into()));
        known
    }

    /// Forgets a sweep.
    pub(super) fn remove(&mut self, id: SweepId) {
        self.sweeps.retain(|(known, _)| *known != id);
    }

    /// Whether a submission of this sweep would change nothing in the catalogue.
    pub(crate) fn is_latest(&self, id: SweepId, spec: &SweepSpec) -> bool {
        self.sweeps
            .last()
            // Compared as bytes, since NaN does not equal itself.
            .is_some_and(|(last, content)| {
                *last == id && content.encode_to_vec() == spec.encode_to_vec()
            })
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (SweepId, &SweepSpec)> {
        self.sweeps.iter().map(|(id, spec)| (*id, &**spec))
    }

    pub(crate) fn get(&self, id: SweepId) -> Option<&Arc<SweepSpec>> {
        let mut all = self.sweeps.iter();
        all.find(|(known, _)| *known == id).map(|(_, spec)| spec)
    }

    /// A snapshot of the scheduler whose sweeps these are.
    pub(super) fn snapshot(&self, core: &Scheduler) -> Snapshot {
        core.snapshot(&|id| {
            let spec = self.get(id).expect("the catalogue follows the scheduler");
            Box::new(SweepSpec::clone(spec))
        })
    }

    /// Finds a sweep by its id, its name (the latest of that name) or a prefix of its id; an empty text
    /// finds the latest sweep.
    pub(crate) fn find(&self, asked: &str) -> Result<SweepId, LookupError> {
        if asked.is_empty() {
            let last = self.sweeps.last().map(|(id, _)| *id);
            return last.ok_or(LookupError::Empty);
        }
        let exact = asked.parse().ok().filter(|id| self.get(*id).is_some());
        let named = || self.all().filter(|(_, spec)| spec.name == asked).last();
        if let Some(id) = exact.or_else(|| named().map(|(id, _)| id)) {
            return Ok(id);
        }
        let ids = self.all().map(|(id, _)| id);
        let started: Vec<_> = ids.filter(|id| id.to_string().starts_with(asked)).collect();
        match started.as_slice() {
            [id] => Ok(*id),
            [] if self.sweeps.is_empty() => Err(LookupError::Empty),
            [] => Err(LookupError::Unknown {
                asked: asked.to_owned(),
                near_miss: near_miss(asked, self.all().map(|(_, spec)| spec.name.as_str()))
                    .map(str::to_owned),
            }),
            several => Err(LookupError::Ambiguous {
                asked: asked.to_owned(),
                ids: several.iter().map(SweepId::to_string).collect(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalogue() -> Catalogue {
        let mut catalogue = Catalogue::default();
        for (id, name) in [
            (0xab00 << 48, "v4"),
            (0xab11 << 48, "it"),
            (0xcd00 << 48, "v4"),
        ] {
            let spec = SweepSpec {
                name: name.to_owned(),
                ..SweepSpec::default()
            };
            catalogue.enter(SweepId(id), Box::new(spec));
        }
        catalogue
    }

    #[test]
    fn a_sweep_is_found_by_name_id_or_start_of_id() {
        let catalogue = catalogue();
        let id = |id: u64| Ok(SweepId(id << 48));
        assert_eq!(catalogue.find(""), id(0xcd00));
        assert_eq!(catalogue.find("v4"), id(0xcd00));
        assert_eq!(catalogue.find("it"), id(0xab11));
        assert_eq!(catalogue.find("ab1"), id(0xab11));
        assert_eq!(catalogue.find("ab00000000000000"), id(0xab00));
    }

    #[test]
    fn what_is_not_found_is_named_with_a_near_miss() {
        let error = catalogue().find("v5").expect_err("unknown");
        let near_miss = Some("v4".to_owned()).filter(|_| near_miss("v5", ["v4"]).is_some());
        let asked = "v5".to_owned();
        assert_eq!(error, LookupError::Unknown { asked, near_miss });
        assert!(matches!(
            catalogue().find("ab"),
            Err(LookupError::Ambiguous { .. })
        ));
        assert_eq!(Catalogue::default().find("v4"), Err(LookupError::Empty));
    }

    #[test]
    fn a_sweep_submitted_again_is_the_latest() {
        let mut catalogue = catalogue();
        let first = SweepId(0xab00 << 48);
        let spec = SweepSpec::clone(catalogue.get(first).expect("known"));
        assert!(!catalogue.is_latest(first, &spec));
        assert!(catalogue.enter(first, Box::new(spec.clone())));
        assert!(catalogue.is_latest(first, &spec));
        assert_eq!(catalogue.find("v4"), Ok(first));
    }
}
