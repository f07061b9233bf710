//! Records: a trial with what came of it. What all trials of its job group share is kept once, under
//! the group, and put back when a record is read: it is most of a trial's content, and the index is
//! the faster the smaller it is.

use super::{IndexError, keys, message};
use crate::scheduler::{GroupId, TrialId};
use nrp_proto::Message;
use nrp_proto::wire::{TrialRecord, TrialSpec};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Groups whose shared part is kept at hand, at most; then they are read again.
const GROUPS_MAX: usize = 1_024;

/// A record as it is stored.
pub(super) fn pack(group: GroupId, record: &TrialRecord) -> Vec<u8> {
    let packed = TrialRecord {
        id: String::new(),
        spec: record.spec.as_ref().map(TrialSpec::cell),
        state: record.state.clone(),
        scores: record.scores.clone(),
        reason: record.reason.clone(),
        attempts: record.attempts,
        worker: record.worker.clone(),
        stop: record.stop,
    };
    let mut bytes = Vec::with_capacity(8 + packed.encoded_len());
    bytes.extend(group.0.to_be_bytes());
    bytes.extend(packed.encode_to_vec());
    bytes
}

/// A record that was stored, and its group. `get` reads the index.
pub(super) fn unpack(
    trial: TrialId,
    bytes: &[u8],
    groups: &Groups,
    get: impl FnOnce(&[u8]) -> Result<Option<Vec<u8>>, IndexError>,
) -> Result<(GroupId, TrialRecord), IndexError> {
    let short = || IndexError::new(format!("the record of trial {trial} is too short"));
    let (group, packed) = bytes.split_first_chunk().ok_or_else(short)?;
    let group = GroupId(u64::from_be_bytes(*group));
    let mut record: TrialRecord = message(packed)?;
    record.id = trial.to_string();
    let shared = groups.shared(group, get)?;
    record.spec = record.spec.map(|cell| shared.with_cell(&cell));
    Ok((group, record))
}

/// What groups share, as far as it was read.
#[derive(Default)]
pub(super) struct Groups(Mutex<HashMap<GroupId, Arc<TrialSpec>>>);

impl Groups {
    fn shared(
        &self,
        group: GroupId,
        get: impl FnOnce(&[u8]) -> Result<Option<Vec<u8>>, IndexError>,
    ) -> Result<Arc<TrialSpec>, IndexError> {
        let known = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = known().get(&group) {
            return Ok(shared.clone());
        }
        let bytes = get(&keys::group(group))?;
        let bytes = bytes.ok_or_else(|| IndexError::missing("job group", group))?;
        let shared: Arc<TrialSpec> = Arc::new(message(&bytes)?);
        let mut known = known();
        if known.len() >= GROUPS_MAX {
            known.clear();
        }
        known.insert(group, shared.clone());
        Ok(shared)
    }
}
