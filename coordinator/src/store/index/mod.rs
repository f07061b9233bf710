//! The index: what clients ask for, built from the journal, and rebuilt from it at any time.
//!
//! The index is never the truth. Applying a fact twice is harmless, so an index that is behind can
//! catch up from any point.

mod keys;
mod members;
mod ordered;
mod query;
mod records;
mod results;
mod standing;
mod submission;
mod sweeps;
mod tables;
mod views;

pub(crate) use query::Row;
pub(crate) use results::Asked;
pub(crate) use tables::{CELLS_MAX, Cells, Measure};

use super::{IndexError, StoreError};
use crate::expand::Expanded;
use crate::scheduler::{Ending, Fact, RowId, SweepId, TrialId};
use nrp_proto::Message;
use nrp_proto::wire::{Details, Stop, SweepSpec, TrialRecord};
use ordered::{Memory, Ordered, Pair, Sled};
use records::{Groups, Packed};
use standing::Standing;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use std::sync::Arc;
use sweeps::Sweeps;
use views::Views;

/// The format that this version writes. An index with another format is rebuilt.
const FORMAT: u64 = 9;

/// How many pairs are read at once when all are read.
const WALK_PAIRS: usize = 1_024;

/// The number of changes after which a long batch is written out.
const CHANGES_MAX: usize = 20_000;

/// The state in a trial's record: its outcome only. Whether the trial waits or is leased, the
/// scheduler knows.
pub(crate) mod recorded {
    use nrp_proto::state::TrialState;

    pub(crate) const OPEN: i32 = 0;
    pub(crate) const FINISHED: i32 = TrialState::Finished.to_wire();
    pub(crate) const FAILED: i32 = TrialState::Failed.to_wire();
    pub(crate) const STOPPED: i32 = TrialState::Stopped.to_wire();
}

/// The index.
pub(crate) struct Index {
    map: Box<dyn Ordered>,
    views: Views,
    groups: Groups,
    sweeps: Sweeps,
}

impl Index {
    /// Opens the index in `dir`, and creates it if it does not exist.
    pub(super) fn open(dir: &Path) -> Result<Self, IndexError> {
        Self::over(Box::new(Sled::open(dir)?))
    }

    /// An index in memory.
    pub(super) fn in_memory() -> Self {
        Self {
            map: Box::new(Memory::default()),
            views: Views::default(),
            groups: Groups::default(),
            sweeps: Sweeps::default(),
        }
    }

    fn over(map: Box<dyn Ordered>) -> Result<Self, IndexError> {
        let index = Self {
            map,
            views: Views::default(),
            groups: Groups::default(),
            sweeps: Sweeps::default(),
        };
        match (index.number(keys::FORMAT)?, index.applied()?) {
            (Some(FORMAT), _) | (None, 0) => Ok(index),
            (Some(found), _) => Err(IndexError::OtherFormat {
                found,
                expected: FORMAT,
            }),
            (None, _) => Err(IndexError::new("its format is missing")),
        }
    }

    /// The number of the last journal entry that the index has, or 0 if it has none.
    pub(super) fn applied(&self) -> Result<u64, IndexError> {
        Ok(self.number(keys::APPLIED)?.unwrap_or(0))
    }

    /// Applies facts, the last of which is journal entry `last_seq`.
    pub(crate) fn apply<'a>(
        &self,
        last_seq: u64,
        facts: impl IntoIterator<Item = &'a Fact>,
    ) -> Result<(), IndexError> {
        let (known, closed) = self.totals()?;
        let mut changes = Changes {
            map: &*self.map,
            groups: &self.groups,
            sweeps: &self.sweeps,
            seq: last_seq,
            pending: BTreeMap::new(),
            known,
            closed,
            finished: Vec::new(),
            retracted: BTreeSet::new(),
        };
        for fact in facts {
            changes.take(fact)?;
        }
        changes.put(keys::FORMAT.to_vec(), FORMAT.to_be_bytes().to_vec())?;
        changes.put(keys::APPLIED.to_vec(), last_seq.to_be_bytes().to_vec())?;
        changes.write()?;
        self.views.forget(&changes.retracted);
        self.views.take(&changes.finished);
        Ok(())
    }

    /// Announces the submission of a sweep that was expanded already, so that the index need not
    /// expand it again.
    pub(crate) fn expect(&self, sweep: SweepId, expanded: &Arc<Expanded>) {
        self.sweeps.expect(sweep, expanded);
    }

    /// Marks the index as one of another version.
    #[cfg(test)]
    pub(super) fn set_format(&self, format: u64) {
        let changes = [(keys::FORMAT.to_vec(), Some(format.to_be_bytes().to_vec()))];
        self.map.write(changes.into()).expect("writes");
    }

    /// Rebuilds the index: `fill` fills an empty index, which then replaces this one and takes only
    /// the space that its content needs.
    pub(super) fn remake(
        &self,
        fill: impl FnOnce(&Index) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let fresh = Self::over(self.map.fresh()?)?;
        fill(&fresh)?;
        self.map.replace(fresh.map)?;
        self.views.clear();
        self.groups.clear();
        self.sweeps.forget();
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

/// Compares an index, record by record, with the one built from the journal. Calls `tell` for each
/// record with `None` if the two agree, or with the difference.
pub(super) fn compare(
    found: &Index,
    expected: &Index,
    tell: &mut dyn FnMut(Option<String>),
) -> Result<(), IndexError> {
    let mut walks = [found, expected].map(|index| Walk::new(&*index.map));
    loop {
        let [found, expected] = &mut walks;
        let order = match (found.peek()?, expected.peek()?) {
            (None, None) => return Ok(()),
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
            (Some(found), Some(expected)) => found.0.cmp(&expected.0),
        };
        match order {
            Ordering::Less => {
                let (key, _) = found.pop();
                tell(Some(format!(
                    "{} should not be there",
                    keys::describe(&key)
                )));
            }
            Ordering::Greater => {
                let (key, _) = expected.pop();
                tell(Some(format!("{} is missing", keys::describe(&key))));
            }
            Ordering::Equal => {
                let ((key, found), (_, expected)) = (found.pop(), expected.pop());
                let differs = keys::lasting(&key, &found) != keys::lasting(&key, &expected);
                let problem = "is not what the journal says";
                tell(differs.then(|| format!("{} {problem}", keys::describe(&key))));
            }
        }
    }
}

/// Visits all pairs of a map, in order.
struct Walk<'a> {
    map: &'a dyn Ordered,
    pairs: VecDeque<Pair>,
    after: Option<Vec<u8>>,
}

impl<'a> Walk<'a> {
    fn new(map: &'a dyn Ordered) -> Self {
        Self {
            map,
            pairs: VecDeque::new(),
            after: None,
        }
    }

    fn peek(&mut self) -> Result<Option<&Pair>, IndexError> {
        if self.pairs.is_empty() {
            let pairs = self.map.scan(b"", self.after.as_deref(), WALK_PAIRS)?;
            self.after = pairs.last().map(|(key, _)| key.clone());
            self.pairs.extend(pairs);
        }
        Ok(self.pairs.front())
    }

    fn pop(&mut self) -> Pair {
        self.pairs.pop_front().expect("was just seen")
    }
}

/// Decodes a message that the index has written.
fn message<M: Message + Default>(bytes: &[u8]) -> Result<M, IndexError> {
    M::decode(bytes).map_err(|error| IndexError::new(format!("a record in it: {error}")))
}

/// A batch in progress: reads see its changes, and they are written at the end.
struct Changes<'a> {
    map: &'a dyn Ordered,
    groups: &'a Groups,
    sweeps: &'a Sweeps,
    /// The last journal entry of the batch.
    seq: u64,
    pending: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    /// The numbers of trials, and of trials with an outcome, including this batch.
    known: u64,
    closed: u64,
    /// Trials that finish in this batch, for the views.
    finished: Vec<(RowId, Standing)>,
    /// Rows in which this batch retracts outcomes.
    retracted: BTreeSet<RowId>,
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
            } => {
                let Some(mut packed) = self.packed(*trial)? else {
                    return Ok(());
                };
                packed.record.attempts = *attempts;
                packed.record.reason.clone_from(reason);
                packed.record.worker.clone_from(worker);
                self.keep(*trial, &packed)
            }
            Fact::OutcomeRecorded {
                trial,
                worker,
                attempts,
                outcome,
                ..
            } => self.close(*trial, worker, *attempts, outcome),
            Fact::OutcomeRetracted { trial, reason, .. } => self.retract(*trial, reason),
            // The index does not answer what runs now or next.
            Fact::SweepCancelled { .. }
            // The index is rebuilt without a deleted sweep.
            | Fact::SweepDeleted { .. }
            | Fact::SweepPaused { .. }
            | Fact::SweepPrioritised { .. }
            | Fact::LeaseGranted { .. }
            | Fact::LeaseEnded { .. }
            | Fact::GroupParked { .. }
            | Fact::GroupUnparked { .. }
            | Fact::LeasesRemembered { .. }
            | Fact::TrialCarried { .. }
            | Fact::FenceReached { .. }
            | Fact::RungReached { .. } => Ok(()),
        }
    }

    fn submit(&mut self, sweep: SweepId, spec: &SweepSpec) -> Result<(), IndexError> {
        // A known sweep has the same trials; only its paths may differ.
        if self.get(&keys::sweep(sweep))?.is_some() {
            return Ok(());
        }
        self.add_trials(sweep, spec)
    }

    fn close(
        &mut self,
        trial: TrialId,
        worker: &str,
        attempts: u32,
        outcome: &Ending,
    ) -> Result<(), IndexError> {
        let Some(mut packed) = self.packed(trial)? else {
            return Ok(());
        };
        let record = &mut packed.record;
        self.closed += u64::from(record.state == recorded::OPEN);
        worker.clone_into(&mut record.worker);
        record.attempts = attempts;
        match outcome {
            Ending::Finished(scores) => {
                let again = record.state == recorded::FINISHED;
                record.state = recorded::FINISHED;
                record.reason.clear();
                // Kept apart: few ask for the details, and they are larger than everything else.
                let mut scores = (**scores).clone();
                let details = scores.details.take();
                // The part of the details that every row shows.
                scores.details = details.as_ref().map(|details| Details {
                    worker_version: details.worker_version.clone(),
                    device: details.device.clone(),
                    ..Details::default()
                });
                record.scores = Some(scores);
                self.rank(trial, &packed, again)?;
                if let Some(details) = details {
                    self.put(keys::details(trial), details.encode_to_vec())?;
                }
            }
            Ending::Failed { reason } => {
                record.state = recorded::FAILED;
                record.reason.clone_from(reason);
            }
            Ending::Stopped {
                epochs,
                validation_mse,
            } => {
                record.stop = Some(Stop {
                    epochs: *epochs,
                    validation_mse: *validation_mse,
                });
                // Idempotent: a trial that has finished or failed since stays so; for others, attempts
                // restart at zero.
                if ![recorded::FINISHED, recorded::FAILED].contains(&record.state) {
                    record.state = recorded::STOPPED;
                    record.worker.clear();
                    record.reason.clear();
                    record.attempts = 0;
                }
            }
        }
        self.keep(trial, &packed)
    }

    /// Adds a finished trial to its row's ranking; `again` if it was there before.
    fn rank(&mut self, trial: TrialId, packed: &Packed, again: bool) -> Result<(), IndexError> {
        let shared = self.groups.shared(packed.group, |key| self.get(key))?;
        // A trial that is applied again was there before any view.
        let seq = if again { 0 } else { self.seq };
        let Some(standing) = Standing::of(trial, seq, &shared.spec, &packed.record) else {
            return Ok(());
        };
        let key = keys::rank(shared.row, standing.scores().rank(), trial);
        self.put(key, standing.value())?;
        if !again {
            self.finished.push((shared.row, standing));
        }
        Ok(())
    }

    /// Removes a trial's outcome, and keeps the reason why it no longer counts.
    fn retract(&mut self, trial: TrialId, reason: &str) -> Result<(), IndexError> {
        let Some(mut packed) = self.packed(trial)? else {
            return Ok(());
        };
        let shared = self.groups.shared(packed.group, |key| self.get(key))?;
        let record = &mut packed.record;
        self.closed -= u64::from(record.state != recorded::OPEN);
        if let Some(scores) = record.scores.take() {
            let rank = keys::rank(shared.row, scores.rank(), trial);
            self.set(rank, None)?;
            self.set(keys::details(trial), None)?;
            self.retracted.insert(shared.row);
            self.finished
                .retain(|(_, standing)| standing.trial != trial);
        }
        packed.record = TrialRecord {
            spec: packed.record.spec,
            reason: format!("retracted: {reason}"),
            ..TrialRecord::default()
        };
        self.keep(trial, &packed)
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
                let mut packed = Packed::read(trial, &bytes)?;
                let record = &mut packed.record;
                if record.state == recorded::FAILED {
                    let before = match record.stop {
                        Some(_) => recorded::STOPPED,
                        None => recorded::OPEN,
                    };
                    record.state = before;
                    record.attempts = 0;
                    record.reason.clear();
                    record.worker.clear();
                    self.closed -= u64::from(record.stop.is_none());
                    self.keep(trial, &packed)?;
                }
            }
        }
        Ok(())
    }

    /// A trial's record, or `None` if its sweep is unknown because the sweep's line is lost; the
    /// scheduler does the same.
    fn packed(&self, trial: TrialId) -> Result<Option<Packed>, IndexError> {
        match self.get(&keys::trial(trial))? {
            Some(bytes) => Packed::read(trial, &bytes).map(Some),
            None => self.sweeps.untouched(self.map, trial),
        }
    }

    /// Writes a trial's record, or removes it if nothing has happened to the trial.
    fn keep(&mut self, trial: TrialId, packed: &Packed) -> Result<(), IndexError> {
        let record = (!packed.is_untouched()).then(|| packed.bytes());
        self.set(keys::trial(trial), record)
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
        match self.pending.get(key) {
            Some(value) => Ok(value.clone()),
            None => self.map.get(key),
        }
    }

    fn put(&mut self, key: Vec<u8>, value: Vec<u8>) -> Result<(), IndexError> {
        self.set(key, Some(value))
    }

    /// Sets or removes the value of a key.
    fn set(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) -> Result<(), IndexError> {
        self.pending.insert(key, value);
        self.write_above(CHANGES_MAX)
    }

    /// Writes out the pending changes once there are enough of them.
    fn write_above(&mut self, changes_max: usize) -> Result<(), IndexError> {
        if self.pending.len() >= changes_max {
            self.write()
        } else {
            Ok(())
        }
    }

    /// Every write includes the totals, so they always match the content.
    fn write(&mut self) -> Result<(), IndexError> {
        let totals = [self.known.to_be_bytes(), self.closed.to_be_bytes()];
        self.pending
            .insert(keys::TOTALS.to_vec(), Some(totals.concat()));
        self.map.write(std::mem::take(&mut self.pending))
    }
}
