//! The index: what clients ask for, made from the journal and made again from it at any time.
//!
//! It is never the truth. Applying a fact twice is harmless, so that an index that is behind
//! catches up from wherever it stands.

mod keys;
mod ordered;
mod query;
mod results;
mod standing;
mod tables;
mod views;

pub(crate) use query::Row;
pub(crate) use results::Asked;
pub(crate) use tables::{CELLS_MAX, Cells, Measure};

use super::IndexError;
use crate::expand;
use crate::scheduler::{Ending, Fact, RowId, SweepId, TrialId};
use nrp_proto::Message;
use nrp_proto::wire::{SweepSpec, TrialRecord, TrialSpec};
use ordered::{Memory, Ordered, Sled};
use standing::Standing;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use views::Views;

/// The format this version writes; an index of another is rebuilt.
const FORMAT: u64 = 2;

/// Trials in one stretch of a sweep's list.
const STRETCH_TRIALS: usize = 1_024;

/// Changes after which a long batch is written out.
const CHANGES_MAX: usize = 20_000;

/// What a trial's record says of its state here: only what has come of it. Whether it waits or is
/// leased, the scheduler knows.
pub(crate) mod recorded {
    pub(crate) const OPEN: &str = "";
    pub(crate) const FINISHED: &str = "finished";
    pub(crate) const FAILED: &str = "failed";
}

/// The index.
pub(crate) struct Index {
    map: Box<dyn Ordered>,
    views: Views,
}

impl Index {
    /// Opens the index in `dir`, made if it is not there.
    pub(super) fn open(dir: &Path) -> Result<Self, IndexError> {
        Self::over(Box::new(Sled::open(dir)?))
    }

    /// An index that is gone with the process.
    pub(super) fn in_memory() -> Self {
        Self {
            map: Box::new(Memory::default()),
            views: Views::default(),
        }
    }

    fn over(map: Box<dyn Ordered>) -> Result<Self, IndexError> {
        let index = Self {
            map,
            views: Views::default(),
        };
        match (index.number(keys::FORMAT)?, index.applied()?) {
            (Some(FORMAT), _) | (None, 0) => Ok(index),
            (Some(format), _) => Err(IndexError::new(format!("it is of format {format}"))),
            (None, _) => Err(IndexError::new("its format is missing")),
        }
    }

    /// The last journal entry that is in here; 0 where none is.
    pub(super) fn applied(&self) -> Result<u64, IndexError> {
        Ok(self.number(keys::APPLIED)?.unwrap_or(0))
    }

    /// Takes in facts, the last of which is journal entry `last_seq`.
    pub(super) fn apply<'a>(
        &self,
        last_seq: u64,
        facts: impl IntoIterator<Item = &'a Fact>,
    ) -> Result<(), IndexError> {
        let mut changes = Changes {
            map: &*self.map,
            seq: last_seq,
            pending: BTreeMap::new(),
            finished: Vec::new(),
        };
        for fact in facts {
            changes.take(fact)?;
        }
        changes.put(keys::FORMAT.to_vec(), FORMAT.to_be_bytes().to_vec())?;
        changes.put(keys::APPLIED.to_vec(), last_seq.to_be_bytes().to_vec())?;
        changes.write()?;
        self.views.take(&changes.finished);
        Ok(())
    }

    fn number(&self, key: &[u8]) -> Result<Option<u64>, IndexError> {
        match self.map.get(key)? {
            None => Ok(None),
            Some(bytes) => match bytes.try_into() {
                Ok(bytes) => Ok(Some(u64::from_be_bytes(bytes))),
                Err(_) => Err(IndexError::new("a number in it has the wrong length")),
            },
        }
    }
}

/// Reads a message that was written here.
fn message<M: Message + Default>(bytes: &[u8]) -> Result<M, IndexError> {
    M::decode(bytes).map_err(|error| IndexError::new(format!("a record in it: {error}")))
}

/// A batch under way: read through, written at the end.
struct Changes<'a> {
    map: &'a dyn Ordered,
    /// The last journal entry of the batch.
    seq: u64,
    pending: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Trials that finish with it, for the views.
    finished: Vec<(RowId, Standing)>,
}

impl Changes<'_> {
    fn take(&mut self, fact: &Fact) -> Result<(), IndexError> {
        match fact {
            Fact::SweepSubmitted { sweep, spec } => self.submit(*sweep, spec),
            Fact::SweepResumed { sweep } => self.reopen_failed(*sweep),
            Fact::AttemptFailed {
                trial,
                worker,
                reason,
                attempts,
            } => self.update(*trial, |record| {
                record.attempts = *attempts;
                record.reason.clone_from(reason);
                record.worker.clone_from(worker);
            }),
            Fact::OutcomeRecorded {
                trial,
                worker,
                attempts,
                outcome,
                ..
            } => self.close(*trial, worker, *attempts, outcome),
            // What runs now, and what next, is not asked of the index.
            Fact::SweepCancelled { .. }
            | Fact::SweepPaused { .. }
            | Fact::SweepPrioritised { .. }
            | Fact::LeaseGranted { .. }
            | Fact::LeaseEnded { .. } => Ok(()),
        }
    }

    fn submit(&mut self, sweep: SweepId, spec: &SweepSpec) -> Result<(), IndexError> {
        let known = self.get(&keys::sweep(sweep))?.is_some();
        let trials = expand::expand(spec).map_err(IndexError::new)?;
        let mut rows = BTreeSet::new();
        for (number, stretch) in (0..).zip(trials.chunks(STRETCH_TRIALS)) {
            // A known sweep has the same trials, at most other paths.
            if known {
                break;
            }
            for (key, trial) in stretch {
                if rows.insert(key.row) {
                    self.put(keys::row(key.row), trial.encode_to_vec())?;
                    self.put(keys::sweep_row(sweep, key.row), Vec::new())?;
                    self.put(keys::row_sweep(key.row, sweep), Vec::new())?;
                }
                self.put(keys::member(sweep, key.id), Vec::new())?;
                self.add(key.id, trial)?;
            }
            let ids = stretch.iter().flat_map(|(key, _)| key.id.0.to_be_bytes());
            self.put(keys::stretch(sweep, number), ids.collect())?;
        }
        // Last: it says that the rest is there.
        self.put(keys::sweep(sweep), spec.encode_to_vec())
    }

    /// Adds a trial that another sweep may have brought already.
    fn add(&mut self, id: TrialId, trial: &TrialSpec) -> Result<(), IndexError> {
        let key = keys::trial(id);
        if self.get(&key)?.is_some() {
            return Ok(());
        }
        let record = TrialRecord {
            id: id.to_string(),
            spec: Some(trial.clone()),
            ..TrialRecord::default()
        };
        self.put(key, record.encode_to_vec())
    }

    fn close(
        &mut self,
        trial: TrialId,
        worker: &str,
        attempts: u32,
        outcome: &Ending,
    ) -> Result<(), IndexError> {
        let mut place = None;
        let mut again = false;
        let seq = self.seq;
        self.update(trial, |record| {
            worker.clone_into(&mut record.worker);
            record.attempts = attempts;
            match outcome {
                Ending::Finished(scores) => {
                    again = record.state == recorded::FINISHED;
                    recorded::FINISHED.clone_into(&mut record.state);
                    record.scores = Some((**scores).clone());
                    let row = record.spec.as_ref().map(expand::row);
                    // What is taken in again was there before any view.
                    let seq = if again { 0 } else { seq };
                    place = row.zip(Standing::of(trial, seq, record));
                }
                Ending::Failed { reason } => {
                    recorded::FAILED.clone_into(&mut record.state);
                    record.reason.clone_from(reason);
                }
            }
        })?;
        let Some((row, standing)) = place else {
            return Ok(());
        };
        let key = keys::rank(row, standing.scores().validation_mse, trial);
        self.put(key, standing.value())?;
        if !again {
            self.finished.push((row, standing));
        }
        Ok(())
    }

    fn reopen_failed(&mut self, sweep: SweepId) -> Result<(), IndexError> {
        for number in 0.. {
            let Some(stretch) = self.get(&keys::stretch(sweep, number))? else {
                break;
            };
            for trial in query::trials_in(&stretch) {
                let Some(bytes) = self.get(&keys::trial(trial))? else {
                    continue;
                };
                let mut record: TrialRecord = message(&bytes)?;
                if record.state == recorded::FAILED {
                    recorded::OPEN.clone_into(&mut record.state);
                    record.attempts = 0;
                    self.put(keys::trial(trial), record.encode_to_vec())?;
                }
            }
        }
        Ok(())
    }

    fn update(
        &mut self,
        trial: TrialId,
        change: impl FnOnce(&mut TrialRecord),
    ) -> Result<(), IndexError> {
        let key = keys::trial(trial);
        let Some(bytes) = self.get(&key)? else {
            return Err(IndexError::new(format!("trial {trial} is not in it")));
        };
        let mut record: TrialRecord = message(&bytes)?;
        change(&mut record);
        self.put(key, record.encode_to_vec())
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
        match self.pending.get(key) {
            Some(value) => Ok(Some(value.clone())),
            None => self.map.get(key),
        }
    }

    fn put(&mut self, key: Vec<u8>, value: Vec<u8>) -> Result<(), IndexError> {
        self.pending.insert(key, value);
        match self.pending.len() >= CHANGES_MAX {
            true => self.write(),
            false => Ok(()),
        }
    }

    fn write(&mut self) -> Result<(), IndexError> {
        self.map.write(std::mem::take(&mut self.pending))
    }
}
