//! Adding a sweep to the index: its rows, its groups, the order of its trials, and the trials
//! themselves.
//!
//! Trials come in grid order, and their ids are hashes. If they were written in that order, each
//! would change a page of its own, and every page would be read, changed and written again and
//! again. So they are sorted first, and what is written together is stored together.

use super::members::MEMBERS_IN_BLOCK;
use super::records::Packed;
use super::{Changes, IndexError, keys};
use crate::expand;
use crate::scheduler::{GroupId, RowId, SweepId, TrialId, TrialKey};
use nrp_proto::Message;
use nrp_proto::sweep::GridTrial;
use nrp_proto::wire::{SweepSpec, TrialRecord, TrialSpec};
use std::collections::{BTreeMap, BTreeSet};

/// How many trials a stretch of a sweep's list has.
const STRETCH_TRIALS: usize = 1_024;

/// The number of changes after which a part of a sweep is written out. Until then, sled keeps some
/// kilobytes that each change has replaced.
const CHANGES_MAX: usize = 4_096;

/// A trial of a sweep that is being added.
struct Found {
    id: TrialId,
    /// The position and the length of its record among those of the sweep.
    start: usize,
    bytes: u32,
    /// Whether its group is new, which makes the trial new, too.
    is_new: bool,
}

/// The content of a sweep that is being added, as far as it has been expanded.
#[derive(Default)]
struct Entered {
    rows: BTreeSet<RowId>,
    /// Whether each group is new.
    groups: BTreeMap<GroupId, bool>,
    stretches: u32,
    stretch: Vec<u8>,
    found: Vec<Found>,
    /// The records of all trials, one after the other.
    records: Vec<u8>,
}

impl Changes<'_> {
    pub(super) fn add_trials(
        &mut self,
        sweep: SweepId,
        spec: &SweepSpec,
    ) -> Result<(), IndexError> {
        let mut entered = Entered::default();
        expand::for_each::<IndexError>(spec, |key, trial| {
            self.enter(sweep, &mut entered, &key, &trial)
        })?;
        if !entered.stretch.is_empty() {
            let last = std::mem::take(&mut entered.stretch);
            self.put(keys::stretch(sweep, entered.stretches), last)?;
        }
        let Entered {
            mut found, records, ..
        } = entered;
        found.sort_unstable_by_key(|found| found.id);
        for found in &found {
            let key = keys::trial(found.id);
            if found.is_new || self.get(&key)?.is_none() {
                self.known += 1;
                let record = &records[found.start..][..found.bytes as usize];
                self.put(key, record.to_vec())?;
            }
            self.write_above(CHANGES_MAX)?;
        }
        for block in found.chunks(MEMBERS_IN_BLOCK) {
            let ids = block.iter().flat_map(|found| found.id.0.to_be_bytes());
            let last = block.last().expect("no chunk is empty").id;
            self.put(keys::members(sweep, last), ids.collect())?;
            self.write_above(CHANGES_MAX)?;
        }
        Ok(())
    }

    /// Adds the next trial in grid order.
    fn enter(
        &mut self,
        sweep: SweepId,
        entered: &mut Entered,
        key: &TrialKey,
        trial: &GridTrial<'_>,
    ) -> Result<(), IndexError> {
        if entered.rows.insert(key.row) {
            let example = trial.shared.with_cell(trial.cell);
            self.put(keys::row(key.row), example.encode_to_vec())?;
            self.put(keys::sweep_row(sweep, key.row), Vec::new())?;
            self.put(keys::row_sweep(key.row, sweep), Vec::new())?;
        }
        let is_new = match entered.groups.get(&key.group) {
            Some(is_new) => *is_new,
            None => {
                let is_new = self.add_group(key.group, trial.shared)?;
                entered.groups.insert(key.group, is_new);
                is_new
            }
        };
        let packed = Packed {
            group: key.group,
            record: TrialRecord {
                spec: Some(trial.cell.clone()),
                ..TrialRecord::default()
            },
        };
        let start = entered.records.len();
        packed.append_to(&mut entered.records);
        entered.found.push(Found {
            id: key.id,
            start,
            bytes: (entered.records.len() - start) as u32,
            is_new,
        });
        entered.stretch.extend(key.id.0.to_be_bytes());
        if entered.stretch.len() >= STRETCH_TRIALS * size_of::<TrialId>() {
            let full = std::mem::take(&mut entered.stretch);
            self.put(keys::stretch(sweep, entered.stretches), full)?;
            entered.stretches += 1;
        }
        Ok(())
    }

    /// Adds what a trial shares with its group. Returns whether the group is new.
    fn add_group(&mut self, group: GroupId, trial: &TrialSpec) -> Result<bool, IndexError> {
        let key = keys::group(group);
        let is_new = self.get(&key)?.is_none();
        if is_new {
            self.put(key, trial.without_cell().encode_to_vec())?;
        }
        Ok(is_new)
    }
}

#[cfg(test)]
mod tests {
    use super::super::ordered::{Memory, Ordered, Pair};
    use super::super::{Index, compare, members};
    use super::*;
    use crate::store::samples::{id, submitted, sweep, trials};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// A map that fails at one of its writes, as if the process had died.
    struct CutOff {
        map: Arc<Memory>,
        writes: AtomicUsize,
    }

    impl Ordered for CutOff {
        fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
            self.map.get(key)
        }

        fn scan(
            &self,
            prefix: &[u8],
            after: Option<&[u8]>,
            limit: usize,
        ) -> Result<Vec<Pair>, IndexError> {
            self.map.scan(prefix, after, limit)
        }

        fn write(&self, changes: BTreeMap<Vec<u8>, Option<Vec<u8>>>) -> Result<(), IndexError> {
            let left = |writes: usize| writes.checked_sub(1);
            match self
                .writes
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, left)
            {
                Ok(_) => self.map.write(changes),
                Err(_) => Err(IndexError::new("the process was killed")),
            }
        }

        fn fresh(&self) -> Result<Box<dyn Ordered>, IndexError> {
            self.map.fresh()
        }

        fn replace(&self, fresh: Box<dyn Ordered>) -> Result<(), IndexError> {
            self.map.replace(fresh)
        }
    }

    fn index(map: &Arc<Memory>, writes: usize) -> Index {
        let map = CutOff {
            map: map.clone(),
            writes: AtomicUsize::new(writes),
        };
        Index::over(Box::new(map)).expect("opens")
    }

    #[test]
    fn a_sweep_whose_entering_was_cut_off_anywhere_is_entered_whole_by_the_next_start() {
        let specs = [sweep("a", 5_000), sweep("b", 7_000)];
        let facts = specs.each_ref().map(submitted);
        let whole = Index::in_memory();
        for (seq, fact) in (1..).zip(&facts) {
            whole.apply(seq, [fact]).expect("applies");
        }
        let known = trials(&specs[1]).len() as u64;
        assert_eq!(
            whole.totals().expect("reads"),
            (known, 0),
            "shared ones count once"
        );
        for writes in 0.. {
            let map = Arc::new(Memory::default());
            let cut_off = index(&map, writes);
            let done = (1..)
                .zip(&facts)
                .try_for_each(|(seq, fact)| cut_off.apply(seq, [fact]));
            if done.is_ok() {
                assert!(writes > 3, "each is written in parts");
                break;
            }
            let next = index(&map, usize::MAX);
            let applied = next.applied().expect("reads") as usize;
            for (seq, fact) in (1..).zip(&facts).skip(applied) {
                next.apply(seq, [fact]).expect("applies");
            }
            compare(&next, &whole, &mut |difference| {
                assert_eq!(difference, None, "cut off at write {writes}");
            })
            .expect("reads");
        }
    }

    #[test]
    fn trials_are_listed_in_grid_order_and_each_is_a_member_of_its_sweeps_alone() {
        let specs = [sweep("a", 700), sweep("b", 900)];
        let index = Index::in_memory();
        index
            .apply(2, &specs.each_ref().map(submitted))
            .expect("applies");
        for spec in &specs {
            let stretches =
                (0..).map_while(|number| index.stretch(id(spec), number).expect("reads"));
            assert_eq!(stretches.flatten().collect::<Vec<_>>(), trials(spec));
        }
        let first = trials(&specs[0]);
        for trial in trials(&specs[1]) {
            let is_member = |spec| members::is_member(&*index.map, id(spec), trial).expect("reads");
            assert_eq!(is_member(&specs[0]), first.contains(&trial));
            assert!(is_member(&specs[1]));
            assert!(index.trial(trial).expect("reads").is_some());
        }
    }
}
