//! Views: tables that were asked for are kept, and take in what finishes from then on, so that they
//! are read from a row's ranking once and not at every question. A cache: gone with the process.

use super::standing::Standing;
use super::tables::{Front, Marginals, Measure};
use crate::scheduler::RowId;
use nrp_proto::axis::Axis;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Views that are kept, at most; another takes the place of the one asked for longest ago.
const VIEWS_MAX: usize = 256;

/// Trials that may finish while a view is made; it is not kept if more do.
const MISSED_MAX: usize = 100_000;

/// Which table of a row.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Shape {
    Front(Measure),
    Marginals(Vec<Axis>),
}

/// A table.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Table {
    Front(Front),
    Marginals(Marginals),
}

impl Table {
    pub(super) fn new(shape: &Shape) -> Self {
        match shape {
            Shape::Front(measure) => Table::Front(Front::new(*measure)),
            Shape::Marginals(by) => Table::Marginals(Marginals::new(by.clone())),
        }
    }

    pub(super) fn take(&mut self, standing: &Standing) {
        match self {
            Table::Front(front) => front.take(standing),
            Table::Marginals(marginals) => marginals.take(standing),
        }
    }
}

/// The views.
#[derive(Default)]
pub(super) struct Views(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    views: HashMap<(RowId, Shape), View>,
    /// Counts questions, to know which view was asked for longest ago.
    asked: u64,
}

struct View {
    asked: u64,
    /// Up to which journal entry the ranking had everything when the view was begun.
    since: u64,
    state: State,
}

enum State {
    /// It is being read from the ranking; this finished meanwhile.
    Begun {
        missed: Vec<Standing>,
    },
    Ready(Arc<Table>),
}

/// What is known of a view.
pub(super) enum Known {
    Ready(Arc<Table>),
    /// Now begun: who asked reads the ranking up to this entry, and then calls [`Views::finish`].
    Begun {
        since: u64,
    },
    /// Somebody else is at it: who asked reads the ranking for itself.
    UnderWay,
}

impl Views {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets all of them.
    pub(super) fn clear(&self) {
        self.kept().views.clear();
    }

    /// Asks for a view, and begins it if there is none. `applied` tells the last journal entry that
    /// can be read.
    pub(super) fn ask<E>(
        &self,
        row: RowId,
        shape: &Shape,
        applied: impl FnOnce() -> Result<u64, E>,
    ) -> Result<Known, E> {
        let mut kept = self.kept();
        kept.asked += 1;
        let asked = kept.asked;
        if let Some(view) = kept.views.get_mut(&(row, shape.clone())) {
            view.asked = asked;
            return Ok(match &view.state {
                State::Begun { .. } => Known::UnderWay,
                State::Ready(table) => Known::Ready(table.clone()),
            });
        }
        // Read under the lock: what is written later comes by `take`.
        let since = applied()?;
        if kept.views.len() >= VIEWS_MAX {
            let oldest = kept.views.iter().min_by_key(|(_, view)| view.asked);
            if let Some(key) = oldest.map(|(key, _)| key.clone()) {
                kept.views.remove(&key);
            }
        }
        let state = State::Begun { missed: Vec::new() };
        let view = View {
            asked,
            since,
            state,
        };
        kept.views.insert((row, shape.clone()), view);
        Ok(Known::Begun { since })
    }

    /// Keeps a view that was read from the ranking up to `since`, with what it missed; answers it.
    pub(super) fn finish(
        &self,
        row: RowId,
        shape: &Shape,
        since: u64,
        mut table: Table,
    ) -> Arc<Table> {
        let mut kept = self.kept();
        // It may have made way meanwhile, and have been begun again by another.
        let view = kept.views.get_mut(&(row, shape.clone()));
        if let Some(view) = view.filter(|view| view.since == since)
            && let State::Begun { missed } = &mut view.state
        {
            missed.iter().for_each(|standing| table.take(standing));
            let table = Arc::new(table);
            view.state = State::Ready(table.clone());
            return table;
        }
        Arc::new(table)
    }

    /// Gives up a view that could not be read.
    pub(super) fn give_up(&self, row: RowId, shape: &Shape) {
        self.kept().views.remove(&(row, shape.clone()));
    }

    /// Gives up the views of rows of which something was taken back, after it can no longer be read.
    pub(super) fn forget(&self, rows: &BTreeSet<RowId>) {
        if !rows.is_empty() {
            self.kept().views.retain(|(row, _), _| !rows.contains(row));
        }
    }

    /// Takes in trials that have finished, after they can be read.
    pub(super) fn take(&self, finished: &[(RowId, Standing)]) {
        let mut kept = self.kept();
        if kept.views.is_empty() {
            return;
        }
        kept.views.retain(|(row, _), view| {
            let since = view.since;
            let new = finished
                .iter()
                .filter(|(of, standing)| of == row && standing.seq > since)
                .map(|(_, standing)| standing);
            match &mut view.state {
                State::Ready(table) => {
                    // A reader's copy stays as it is.
                    let mut new = new.peekable();
                    if new.peek().is_some() {
                        let table = Arc::make_mut(table);
                        new.for_each(|standing| table.take(standing));
                    }
                }
                State::Begun { missed } => {
                    missed.extend(new.cloned());
                    return missed.len() <= MISSED_MAX;
                }
            }
            true
        });
    }
}
