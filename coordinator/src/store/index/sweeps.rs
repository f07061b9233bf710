//! The sweeps in the index, with their grids. A trial has a record of its own once something has
//! happened to it. Until then its content follows from its sweep: from its job group and the number
//! of its cell.

use super::members::{self, Member};
use super::ordered::Ordered;
use super::records::Packed;
use super::{IndexError, keys, message};
use crate::expand::Expanded;
use crate::scheduler::{SweepId, TrialId};
use nrp_proto::sweep::Cells;
use nrp_proto::wire::{Grid, TrialRecord, TrialSpec};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};

/// The sweeps, as far as they were read, and those that are to come.
#[derive(Default)]
pub(super) struct Sweeps {
    /// `None` until they are asked for, and again after each change.
    known: RwLock<Option<Arc<Vec<Known>>>>,
    /// The place of the sweep that was found last. Neighbouring questions are about one sweep.
    last: AtomicUsize,
    /// Sweeps that are expanded already and whose submission is on its way to the index.
    expected: Mutex<Vec<(SweepId, Weak<Expanded>)>>,
}

struct Known {
    id: SweepId,
    cells: Cells,
}

impl Sweeps {
    /// Forgets what was read. Called when a sweep has been written or the index replaced.
    pub(super) fn forget(&self) {
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Keeps the expansion of a sweep for its submission, as long as somebody else keeps it, too.
    pub(super) fn expect(&self, sweep: SweepId, expanded: &Arc<Expanded>) {
        let mut expected = self.expected.lock().unwrap_or_else(PoisonError::into_inner);
        expected.retain(|(_, expanded)| expanded.strong_count() > 0);
        expected.push((sweep, Arc::downgrade(expanded)));
    }

    /// The expansion of a sweep that was expected.
    pub(super) fn expanded(&self, sweep: SweepId) -> Option<Arc<Expanded>> {
        let expected = self.expected.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = expected.iter().filter(|(id, _)| *id == sweep);
        found.find_map(|(_, expanded)| expanded.upgrade())
    }

    /// The record of a trial to which nothing has happened, or `None` if no sweep has the trial.
    pub(super) fn untouched(
        &self,
        map: &dyn Ordered,
        trial: TrialId,
    ) -> Result<Option<Packed>, IndexError> {
        let known = self.known(map)?;
        let last = self.last.load(Ordering::Relaxed).min(known.len());
        for at in (last..known.len()).chain(0..last) {
            let Known { id, cells } = &known[at];
            let Some(Member { group, cell, .. }) = members::member(map, *id, trial)? else {
                continue;
            };
            self.last.store(at, Ordering::Relaxed);
            let cell = match cell {
                None => TrialSpec::default(),
                Some(number) => cells.at(number).ok_or_else(|| {
                    IndexError::new(format!("trial {trial} is outside the grid of its sweep"))
                })?,
            };
            let record = TrialRecord {
                spec: Some(cell),
                ..TrialRecord::default()
            };
            return Ok(Some(Packed { group, record }));
        }
        Ok(None)
    }

    fn known(&self, map: &dyn Ordered) -> Result<Arc<Vec<Known>>, IndexError> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = &*known {
            return Ok(known.clone());
        }
        drop(known);
        // Read under the lock: what is written meanwhile is forgotten behind it.
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let pairs = map.scan(keys::SWEEPS, None, usize::MAX)?;
        let read = pairs.iter().map(|(key, grid)| {
            let short = || IndexError::new("a short key");
            let grid: Grid = message(grid)?;
            Ok(Known {
                id: SweepId(keys::last_u64(key).ok_or_else(short)?),
                cells: Cells::of(&grid),
            })
        });
        let read = Arc::new(read.collect::<Result<Vec<_>, IndexError>>()?);
        *known = Some(read.clone());
        Ok(read)
    }
}
