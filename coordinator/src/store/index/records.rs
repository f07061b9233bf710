//! Records: a trial with what came of it. What all trials of its job group share is kept once, under
//! the group, and put back when a record is read: it is most of a trial's content, and the index is
//! the faster the smaller it is.

use super::{IndexError, keys, message};
use crate::expand;
use crate::scheduler::{GroupId, RowId, TrialId};
use nrp_proto::Message;
use nrp_proto::wire::{TrialRecord, TrialSpec};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Groups whose shared part is kept at hand, at most; then they are read again.
const GROUPS_MAX: usize = 1_024;

/// A record as it is stored: of its trial's content it has the cell alone, and it has no id.
pub(super) struct Packed {
    pub(super) group: GroupId,
    pub(super) record: TrialRecord,
}

impl Packed {
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(8 + self.record.encoded_len());
        self.append_to(&mut bytes);
        bytes
    }

    pub(super) fn append_to(&self, bytes: &mut Vec<u8>) {
        bytes.extend(self.group.0.to_be_bytes());
        let encoded = self.record.encode(bytes);
        encoded.expect("a vector takes any record");
    }

    pub(super) fn read(trial: TrialId, bytes: &[u8]) -> Result<Self, IndexError> {
        let short = || IndexError::new(format!("the record of trial {trial} is too short"));
        let (group, record) = bytes.split_first_chunk().ok_or_else(short)?;
        Ok(Self {
            group: GroupId(u64::from_be_bytes(*group)),
            record: message(record)?,
        })
    }

    /// The record with all of its trial's content.
    pub(super) fn unpack(self, trial: TrialId, shared: &Shared) -> TrialRecord {
        let spec = self.record.spec.map(|cell| shared.spec.with_cell(&cell));
        TrialRecord {
            id: trial.to_string(),
            spec,
            ..self.record
        }
    }
}

/// What the trials of a job group share.
pub(super) struct Shared {
    pub(super) spec: TrialSpec,
    /// The row they compete in.
    pub(super) row: RowId,
}

/// What groups share, as far as it was read.
#[derive(Default)]
pub(super) struct Groups(Mutex<HashMap<GroupId, Arc<Shared>>>);

impl Groups {
    /// Forgets all that was read.
    pub(super) fn clear(&self) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    /// What a group shares. `get` reads the index.
    pub(super) fn shared(
        &self,
        group: GroupId,
        get: impl FnOnce(&[u8]) -> Result<Option<Vec<u8>>, IndexError>,
    ) -> Result<Arc<Shared>, IndexError> {
        let known = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = known().get(&group) {
            return Ok(shared.clone());
        }
        let bytes = get(&keys::group(group))?;
        let bytes = bytes.ok_or_else(|| IndexError::missing("job group", group))?;
        let spec: TrialSpec = message(&bytes)?;
        let row = expand::row(&spec);
        let shared = Arc::new(Shared { spec, row });
        let mut known = known();
        if known.len() >= GROUPS_MAX {
            known.clear();
        }
        known.insert(group, shared.clone());
        Ok(shared)
    }
}
