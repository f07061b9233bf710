//! Records: a trial with its outcome. What all trials of a job group share is most of a trial's
//! content, and a smaller index is faster. So it is kept once, under the group, and added again
//! when a record is read.

use super::{IndexError, keys, message, recorded};
use crate::expand;
use crate::scheduler::{GroupId, RowId, TrialId};
use nrp_proto::Message;
use nrp_proto::wire::{TrialRecord, TrialSpec};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The most groups whose shared part is kept in memory; beyond that, they are read again.
const GROUPS_MAX: usize = 1_024;

/// A record in its stored form: it has only the cell of its trial's content, and no id.
pub(super) struct Packed {
    pub(super) group: GroupId,
    pub(super) record: TrialRecord,
}

impl Packed {
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(8 + self.record.encoded_len());
        bytes.extend(self.group.0.to_be_bytes());
        let encoded = self.record.encode(&mut bytes);
        encoded.expect("a vector takes any record");
        bytes
    }

    /// Whether the record says no more than the trial's sweep does.
    pub(super) fn is_untouched(&self) -> bool {
        let untouched = || TrialRecord {
            spec: self.record.spec.clone(),
            ..TrialRecord::default()
        };
        self.record.state == recorded::OPEN && self.record == untouched()
    }

    pub(super) fn read(trial: TrialId, bytes: &[u8]) -> Result<Self, IndexError> {
        let short = || IndexError::new(format!("the record of trial {trial} is too short"));
        let (group, record) = bytes.split_first_chunk().ok_or_else(short)?;
        Ok(Self {
            group: GroupId(u64::from_be_bytes(*group)),
            record: message(record)?,
        })
    }

    /// Adds the shared content of the record's trial.
    pub(super) fn unpack(self, trial: TrialId, shared: &Shared) -> TrialRecord {
        let spec = self.record.spec.map(|cell| shared.spec.with_cell(&cell));
        TrialRecord {
            id: trial.to_string(),
            spec,
            ..self.record
        }
    }
}

/// The content that the trials of a job group share.
pub(super) struct Shared {
    pub(super) spec: TrialSpec,
    /// The row in which they compete.
    pub(super) row: RowId,
}

/// The shared contents that were read so far.
#[derive(Default)]
pub(super) struct Groups(Mutex<HashMap<GroupId, Arc<Shared>>>);

impl Groups {
    /// Forgets everything that was read.
    pub(super) fn clear(&self) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    /// The shared content of a group. `get` reads the index.
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
