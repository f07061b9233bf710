//! Views: a table that was asked for once is kept, and trials are added to it as they finish. So it
//! is read from a row's ranking once and not for every question. Views are a cache in memory.

use super::standing::Standing;
use super::tables::{Front, Marginals, Measure};
use crate::scheduler::RowId;
use nrp_proto::axis::Axis;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The most views that are kept. Another view replaces the one that was asked for longest ago.
const VIEWS_MAX: usize = 256;

/// How many trials may finish while a view is built. If more finish, the view is not kept.
const MISSED_MAX: usize = 100_000;

/// The identity of a view: a table of a row.
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
    /// Counts questions, so that the view that was asked for longest ago can be found.
    asked: u64,
}

struct View {
    asked: u64,
    /// The last journal entry in the ranking when the view was begun.
    since: u64,
    state: State,
}

enum State {
    /// The view is being read from the ranking; these trials finished meanwhile.
    Begun {
        missed: Vec<Standing>,
    },
    Ready(Arc<Table>),
}

/// The answer to a question for a view.
pub(super) enum Known {
    Ready(Arc<Table>),
    /// The view has been begun: the caller reads the ranking up to this entry and then calls
    /// [`Views::finish`].
    Begun {
        since: u64,
    },
    /// Another caller is building the view: this caller reads the ranking for itself.
    UnderWay,
}

impl Views {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets all views.
    pub(super) fn clear(&self) {
        self.kept().views.clear();
    }

    /// Asks for a view, and begins it if it does not exist. `applied` returns the last journal
    /// entry that can be read.
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
        // Read under the lock: trials that are written later come through `take`.
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

    /// Keeps a view that was read from the ranking up to `since`, adds what it missed, and returns
    /// it.
    pub(super) fn finish(
        &self,
        row: RowId,
        shape: &Shape,
        since: u64,
        mut table: Table,
    ) -> Arc<Table> {
        let mut kept = self.kept();
        // The view may have been replaced meanwhile, and begun again by another caller.
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

    /// Gives up the views of rows in which outcomes were retracted, once these can no longer be
    /// read.
    pub(super) fn forget(&self, rows: &BTreeSet<RowId>) {
        if !rows.is_empty() {
            self.kept().views.retain(|(row, _), _| !rows.contains(row));
        }
    }

    /// Adds trials that have finished, once they can be read.
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
                    // A reader's copy does not change.
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
