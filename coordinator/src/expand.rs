//! From a sweep's content to its trials and the keys under which the scheduler knows them. Pure,
//! and the same at submission and at every replay.

use crate::scheduler::{ActivationsId, GroupId, PassId, RowId, TrialId, TrialKey};
use nrp_proto::sweep::{GridError, Trials};
use nrp_proto::wire::{SweepSpec, TrialSpec};
use std::collections::HashSet;
use std::convert::Infallible;
use std::ops::Range;
use std::thread;

/// The most threads that hash the ids of one sweep.
const THREADS_MAX: usize = 4;

/// Trials for which a thread of its own is worth its start.
const TRIALS_OF_THREAD: u64 = 8_192;

/// A sweep's trials, expanded once for the scheduler and for the index.
pub(crate) struct Expanded {
    parts: Vec<Part>,
    /// In grid order, each once.
    trials: Vec<Place>,
    /// The positions of the trials, sorted by id.
    by_id: Vec<u32>,
}

/// Neighbours in grid order that share all but their cell.
pub(crate) struct Part {
    /// The key of each of them, apart from its id.
    pub(crate) key: TrialKey,
    pub(crate) shared: TrialSpec,
    /// The cell of the first of them.
    pub(crate) first: TrialSpec,
}

/// A trial: its id, its part, and the number of its cell, if it has a cell.
#[derive(Clone, Copy)]
struct Place {
    id: u128,
    cell: Option<CellNumber>,
    part: u32,
}

/// The number of a cell in the grid, stored as its successor, so that a missing one takes no space.
type CellNumber = std::num::NonZeroU64;

impl Expanded {
    /// Expands a sweep.
    ///
    /// # Errors
    /// When the sweep has more trials than it may have, or none.
    pub(crate) fn of(spec: &SweepSpec) -> Result<Self, GridError> {
        let trials = spec.positions()?;
        let positions = trials.positions();
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let worth = (positions / TRIALS_OF_THREAD) as usize;
        let threads = cores.min(THREADS_MAX).min(worth).max(1) as u64;
        let each = positions.div_ceil(threads);
        let ranges = (0..threads).map(|at| at * each..positions.min((at + 1) * each));
        let mut pieces = thread::scope(|scope| {
            let trials = &trials;
            let running: Vec<_> = ranges
                .map(|range| scope.spawn(move || Piece::of(trials, range)))
                .collect();
            let pieces = running.into_iter().map(thread::ScopedJoinHandle::join);
            let pieces: Vec<_> = pieces
                .map(|piece| piece.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect();
            pieces
        });
        let whole = pieces.remove(0);
        let mut whole = pieces.into_iter().fold(whole, Piece::and);
        if whole.has_twice() {
            whole = whole.each_once();
        }
        Ok(Self {
            parts: whole.parts,
            trials: whole.trials,
            by_id: whole.by_id.into_iter().map(|(_, at)| at).collect(),
        })
    }

    /// How many trials there are.
    pub(crate) fn len(&self) -> usize {
        self.trials.len()
    }

    pub(crate) fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The trials' keys, in grid order.
    pub(crate) fn keys(&self) -> Vec<TrialKey> {
        let keys = self.trials.iter().map(|trial| TrialKey {
            id: TrialId(trial.id),
            ..self.parts[trial.part as usize].key
        });
        keys.collect()
    }

    /// The trials' ids, in grid order.
    pub(crate) fn ids(&self) -> impl Iterator<Item = TrialId> + '_ {
        self.trials.iter().map(|trial| TrialId(trial.id))
    }

    /// The trials sorted by id, each with its job group and the number of its cell.
    pub(crate) fn sorted(&self) -> impl Iterator<Item = (TrialId, GroupId, Option<u64>)> + '_ {
        self.by_id.iter().map(|at| {
            let trial = &self.trials[*at as usize];
            let group = self.parts[trial.part as usize].key.group;
            let number = trial.cell.map(|cell| cell.get() - 1);
            (TrialId(trial.id), group, number)
        })
    }
}

/// The trials at some positions of a sweep.
#[derive(Default)]
struct Piece {
    parts: Vec<Part>,
    trials: Vec<Place>,
    /// Ids, sorted, each with its position among the trials.
    by_id: Vec<(u128, u32)>,
}

impl Piece {
    fn of(trials: &Trials<'_>, positions: Range<u64>) -> Self {
        let mut piece = Piece::default();
        // Reserved at once: growing would need twice the memory for a moment.
        let count = (positions.end - positions.start) as usize;
        piece.trials.reserve_exact(count);
        piece.by_id.reserve_exact(count);
        let visited = trials.for_each(positions, |trial| {
            // Besides the id, a key depends only on what many trials share.
            if trial.is_first {
                piece.parts.push(Part {
                    key: shared_key(trial.shared),
                    shared: trial.shared.clone(),
                    first: trial.cell.clone(),
                });
            }
            let at = piece.trials.len() as u32;
            piece.by_id.push((trial.id, at));
            piece.trials.push(Place {
                id: trial.id,
                cell: trial.number.and_then(|n| CellNumber::MIN.checked_add(n)),
                part: piece.parts.len() as u32 - 1,
            });
            Ok::<_, Infallible>(())
        });
        match visited {
            Ok(()) => {}
            Err(never) => match never {},
        }
        piece.by_id.sort_unstable();
        piece
    }

    /// This piece and the one behind it.
    fn and(mut self, next: Self) -> Self {
        let (parts, trials) = (self.parts.len() as u32, self.trials.len() as u32);
        self.parts.extend(next.parts);
        let of_next = |trial: Place| Place {
            part: trial.part + parts,
            ..trial
        };
        self.trials.extend(next.trials.into_iter().map(of_next));
        let mut merged = Vec::with_capacity(self.by_id.len() + next.by_id.len());
        let mut ours = self.by_id.iter().copied().peekable();
        for (id, at) in next.by_id {
            while let Some(before) = ours.next_if(|(our, _)| *our <= id) {
                merged.push(before);
            }
            merged.push((id, at + trials));
        }
        merged.extend(ours);
        self.by_id = merged;
        self
    }

    /// Whether a trial is in it more than once: an axis may list a value twice.
    fn has_twice(&self) -> bool {
        let mut pairs = self.by_id.array_windows();
        pairs.any(|[(one, _), (next, _)]| one == next)
    }

    /// The same trials, each once, where it comes first.
    fn each_once(mut self) -> Self {
        let mut seen = HashSet::new();
        self.trials.retain(|trial| seen.insert(trial.id));
        let ids = (0..).zip(&self.trials).map(|(at, trial)| (trial.id, at));
        self.by_id = ids.collect();
        self.by_id.sort_unstable();
        self
    }
}

/// The keys alone, where the contents are not needed.
pub(crate) fn keys(spec: &SweepSpec) -> Result<Vec<TrialKey>, GridError> {
    Ok(Expanded::of(spec)?.keys())
}

/// The key of a trial, apart from its id, by what it shares with others.
fn shared_key(shared: &TrialSpec) -> TrialKey {
    let group: GroupId = shared
        .job_group()
        .parse()
        .expect("a job group has 16 digits");
    let activations: ActivationsId = shared
        .activations()
        .parse()
        .expect("activations have 16 digits");
    let pass: PassId = shared.pass().parse().expect("a pass has 16 digits");
    TrialKey {
        id: TrialId(0),
        group,
        activations,
        pass,
        row: row(shared),
    }
}

/// The row of `best` that a trial belongs to: its comparable group and its region.
pub(crate) fn row(trial: &TrialSpec) -> RowId {
    let comparable = trial.comparable_group();
    // FNV-1a: there are few rows, and no hostile input. Indexes contain these ids.
    let bytes = comparable.bytes().chain([0]).chain(trial.region.bytes());
    RowId(bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::samples::sweep;

    /// Everything that an expansion says, by the sweep's trials alone.
    fn check(spec: &SweepSpec) {
        let trials = spec.trials().expect("a grid");
        let expanded = Expanded::of(spec).expect("a grid");
        assert_eq!(expanded.len(), trials.len());
        let ids: Vec<_> = expanded.ids().map(|id| id.to_string()).collect();
        assert_eq!(ids, trials.iter().map(TrialSpec::id).collect::<Vec<_>>());
        for (key, trial) in expanded.keys().iter().zip(&trials) {
            assert_eq!(key.group.to_string(), trial.job_group());
            assert_eq!(key.row, row(trial));
        }
        let sorted: Vec<_> = expanded.sorted().collect();
        assert!(sorted.is_sorted_by(|one, next| one.0 < next.0));
        let cells = nrp_proto::sweep::Cells::of(spec.grid.as_ref().expect("a grid"));
        let mut by_id: Vec<_> = trials.iter().collect();
        by_id.sort_by_cached_key(|trial| trial.id());
        for ((id, group, number), trial) in sorted.into_iter().zip(by_id) {
            assert_eq!(
                (id.to_string(), group.to_string()),
                (trial.id(), trial.job_group())
            );
            let cell = number.map_or(TrialSpec::default(), |n| cells.at(n).expect("a cell"));
            assert_eq!(cell, trial.cell());
        }
    }

    #[test]
    fn several_threads_find_what_the_grid_lists_and_each_trial_once() {
        let mut spec = sweep("a", 3 * TRIALS_OF_THREAD as u32 / 2);
        spec.baselines = vec!["ridge".to_owned(), "pls".to_owned()];
        check(&spec);
        let grid = spec.grid.as_mut().expect("a grid");
        let last = grid.seed.len() - 1;
        grid.seed[last] = grid.seed[0];
        check(&spec);
    }
}
