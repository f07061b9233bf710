//! Adding a sweep to the index: its rows, its groups, the order of its trials, and its members.
//!
//! A trial gets a record of its own only when something happens to it. Until then it is one of its
//! sweep's members, which are sorted by id and written in blocks: so a million trials take a few
//! thousand changes.

use super::members::{self, MEMBERS_IN_BLOCK, Member};
use super::{Changes, IndexError, keys};
use crate::expand::{Expanded, Part};
use crate::scheduler::{SweepId, TrialId};
use nrp_proto::Message;
use nrp_proto::wire::{SweepSpec, TrialSpec};
use std::collections::BTreeSet;
use std::sync::Arc;

/// How many trials a stretch of a sweep's list has.
const STRETCH_TRIALS: usize = 1_024;

/// The number of changes, most of them blocks of some kilobytes, after which a part of a sweep is
/// written out. Until then, sled keeps what each change has replaced.
const BLOCKS_MAX: usize = 256;

/// How many blocks of another sweep's members are read at once.
const BLOCKS_READ: usize = 64;

impl Changes<'_> {
    /// Adds a sweep with its trials, and writes it out.
    pub(super) fn add_trials(
        &mut self,
        sweep: SweepId,
        spec: &SweepSpec,
    ) -> Result<(), IndexError> {
        let expanded = match self.sweeps.expanded(sweep) {
            Some(expanded) => expanded,
            None => Arc::new(Expanded::of(spec)?),
        };
        for part in expanded.parts() {
            self.add_part(sweep, part)?;
        }
        let ids: Vec<_> = expanded.ids().map(|id| id.0.to_be_bytes()).collect();
        for (number, stretch) in (0..).zip(ids.chunks(STRETCH_TRIALS)) {
            self.put(keys::stretch(sweep, number), stretch.concat())?;
            self.write_above(BLOCKS_MAX)?;
        }
        drop(ids);
        self.add_members(sweep, &expanded)?;
        let shared = self.shared_with_others(sweep, &expanded)?;
        // Written last and together, because the sweep's own key marks that the rest is complete.
        self.write()?;
        self.known += expanded.len() as u64 - shared;
        let grid = spec.grid.as_ref().map(Message::encode_to_vec);
        self.put(keys::sweep(sweep), grid.unwrap_or_default())?;
        self.write()?;
        self.sweeps.forget();
        Ok(())
    }

    /// Adds the row and the job group of neighbouring trials.
    fn add_part(&mut self, sweep: SweepId, part: &Part) -> Result<(), IndexError> {
        let (row, group) = (part.key.row, keys::group(part.key.group));
        let mark = keys::sweep_row(sweep, row);
        if self.get(&mark)?.is_none() {
            let example: TrialSpec = part.shared.with_cell(&part.first);
            self.put(keys::row(row), example.encode_to_vec())?;
            self.put(mark, Vec::new())?;
            self.put(keys::row_sweep(row, sweep), Vec::new())?;
        }
        if self.get(&group)?.is_none() {
            self.put(group, part.shared.without_cell().encode_to_vec())?;
        }
        Ok(())
    }

    fn add_members(&mut self, sweep: SweepId, expanded: &Expanded) -> Result<(), IndexError> {
        let mut block = Vec::new();
        for (at, (trial, group, cell)) in (1..).zip(expanded.sorted()) {
            Member { trial, group, cell }.append_to(&mut block);
            if at % MEMBERS_IN_BLOCK == 0 || at == expanded.len() {
                let full = std::mem::take(&mut block);
                self.put(keys::members(sweep, trial), full)?;
                self.write_above(BLOCKS_MAX)?;
            }
        }
        Ok(())
    }

    /// How many trials of a sweep belong to other sweeps, too. Only sweeps that have a row in common
    /// can have a trial in common.
    fn shared_with_others(
        &mut self,
        sweep: SweepId,
        expanded: &Expanded,
    ) -> Result<u64, IndexError> {
        // The rows of this sweep are among what is found.
        self.write()?;
        let mut others = BTreeSet::new();
        let rows: BTreeSet<_> = expanded.parts().iter().map(|part| part.key.row).collect();
        for row in rows {
            for (key, _) in self.map.scan(&keys::row_sweeps(row), None, usize::MAX)? {
                others.extend(keys::last_u64(&key).map(SweepId));
            }
        }
        others.remove(&sweep);
        if others.is_empty() {
            return Ok(0);
        }
        let mut alone: Vec<TrialId> = expanded.sorted().map(|(trial, _, _)| trial).collect();
        for other in others {
            self.remove_members(other, &mut alone)?;
        }
        Ok((expanded.len() - alone.len()) as u64)
    }

    /// Removes the members of a sweep from a sorted list.
    fn remove_members(&self, sweep: SweepId, trials: &mut Vec<TrialId>) -> Result<(), IndexError> {
        let prefix = keys::all_members(sweep);
        let mut after: Option<Vec<u8>> = None;
        let mut left = Vec::with_capacity(trials.len());
        let mut rest = trials.drain(..).peekable();
        loop {
            let blocks = self.map.scan(&prefix, after.as_deref(), BLOCKS_READ)?;
            let members = blocks
                .iter()
                .flat_map(|(_, block)| members::trials_in(block));
            for member in members {
                while let Some(before) = rest.next_if(|trial| *trial < member) {
                    left.push(before);
                }
                rest.next_if_eq(&member);
            }
            match blocks.into_iter().next_back() {
                Some((last, _)) => after = Some(last),
                None => break,
            }
        }
        left.extend(rest);
        *trials = left;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::ordered::{Memory, Ordered, Pair};
    use super::super::{Index, compare, recorded};
    use super::*;
    use crate::scheduler::Fact;
    use crate::store::samples::{failed, id, submitted, sweep, trials};
    use std::collections::BTreeMap;
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
    fn a_trial_that_failed_and_was_taken_up_again_leaves_nothing_behind() {
        let spec = sweep("a", 3);
        let (trial, other) = (trials(&spec)[1], trials(&spec)[2]);
        let resumed = Fact::SweepResumed { sweep: id(&spec) };
        let found = Index::in_memory();
        found
            .apply(4, &[submitted(&spec), failed(trial), failed(other)])
            .expect("applies");
        let record = found.trial(trial).expect("reads").expect("is there");
        assert_eq!(record.state, recorded::FAILED);
        assert_eq!(found.totals().expect("reads"), (6, 2));
        found.apply(5, [&resumed]).expect("applies");
        let expected = Index::in_memory();
        expected.apply(5, &[submitted(&spec)]).expect("applies");
        compare(&found, &expected, &mut |difference| {
            assert_eq!(difference, None);
        })
        .expect("reads");
        let record = found.trial(trial).expect("reads").expect("is there");
        let content = &spec.trials().expect("a grid")[1];
        assert_eq!(
            (record.state, record.spec.as_ref()),
            (recorded::OPEN, Some(content))
        );
    }

    #[test]
    fn an_expansion_that_was_announced_enters_the_same_and_one_that_is_gone_is_made_again() {
        let spec = sweep("a", 700);
        let made = Index::in_memory();
        made.apply(1, [&submitted(&spec)]).expect("applies");
        for is_kept in [true, false] {
            let announced = Index::in_memory();
            let expanded = Arc::new(Expanded::of(&spec).expect("a grid"));
            announced.expect(id(&spec), &expanded);
            let kept = is_kept.then_some(expanded);
            assert_eq!(announced.sweeps.expanded(id(&spec)).is_some(), is_kept);
            announced.apply(1, [&submitted(&spec)]).expect("applies");
            drop(kept);
            assert!(announced.sweeps.expanded(id(&spec)).is_none());
            compare(&announced, &made, &mut |difference| {
                assert_eq!(difference, None);
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
