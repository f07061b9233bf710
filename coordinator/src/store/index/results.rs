//! Questions about what has finished: the best of a row, its front, its marginals. Answered from the
//! row's ranking, which has what filters need; tables over a whole row are kept as views.

use super::standing::Standing;
use super::tables::{Cells, Measure};
use super::views::{Known, Shape, Table};
use super::{Index, keys, members};
use crate::scheduler::{RowId, SweepId, TrialId};
use crate::store::IndexError;
use nrp_proto::axis::{Axis, Condition, Value};
use nrp_proto::id::NRP_NETWORK;
use nrp_proto::wire::{TrialRecord, TrialSpec};
use std::sync::Arc;

/// Which trials are asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    /// Of one sweep, or of all.
    pub(crate) sweep: Option<SweepId>,
    /// On what a row's trials share.
    of_row: Vec<Condition>,
    /// On the rest.
    of_trial: Vec<Condition>,
}

impl Asked {
    pub(crate) fn new(sweep: Option<SweepId>, conditions: Vec<Condition>) -> Self {
        let (of_row, of_trial) = conditions.into_iter().partition(|condition| {
            matches!(condition.axis(), Axis::Ann | Axis::Region | Axis::Model)
        });
        Self {
            sweep,
            of_row,
            of_trial,
        }
    }

    /// These, and of NRP networks alone unless a condition is on the model: of what only networks
    /// have, as sizes.
    pub(crate) fn of_networks(mut self) -> Self {
        let is_of_model = |condition: &Condition| condition.axis() == Axis::Model;
        if !self.of_row.iter().any(is_of_model) {
            let networks = Value::Word(NRP_NETWORK.to_owned());
            self.of_row.push(Condition::is(Axis::Model, networks));
        }
        self
    }

    /// Whether a row may have such trials, by one of its own.
    pub(crate) fn may_be_in(&self, example: &TrialSpec) -> bool {
        let example = TrialRecord {
            spec: Some(example.clone()),
            ..TrialRecord::default()
        };
        self.of_row
            .iter()
            .all(|condition| condition.holds(&example))
    }
}

impl Index {
    /// The `top` finished trials of a row that were asked for, the lowest validation loss first.
    pub(crate) fn best(
        &self,
        row: RowId,
        asked: &Asked,
        top: usize,
    ) -> Result<Vec<TrialRecord>, IndexError> {
        let mut best = Vec::new();
        self.walk_ranking(row, asked, |standing| {
            best.push(standing.trial);
            best.len() < top
        })?;
        best.truncate(top);
        self.records(&best)
    }

    /// The finished trials of a row that were asked for, of which no network with as few parameters
    /// is better; the smallest first.
    pub(crate) fn front(
        &self,
        row: RowId,
        asked: &Asked,
        measure: Measure,
    ) -> Result<Vec<TrialRecord>, IndexError> {
        let table = self.table(row, asked, &Shape::Front(measure))?;
        match &*table {
            Table::Front(front) => self.records(&front.trials()),
            Table::Marginals(_) => unreachable!("a front was asked for"),
        }
    }

    /// Mean and best scores of the finished trials of a row that were asked for; none where there
    /// are too many cells.
    pub(crate) fn marginals(
        &self,
        row: RowId,
        asked: &Asked,
        by: &[Axis],
    ) -> Result<Option<Cells>, IndexError> {
        let table = self.table(row, asked, &Shape::Marginals(by.to_vec()))?;
        match &*table {
            Table::Marginals(marginals) => Ok(marginals.cells().cloned()),
            Table::Front(_) => unreachable!("marginals were asked for"),
        }
    }

    /// A table of a row: a view where all of the row is asked for, else read for the occasion.
    fn table(&self, row: RowId, asked: &Asked, shape: &Shape) -> Result<Arc<Table>, IndexError> {
        let whole = asked.of_trial.is_empty() && self.has_all_of(asked.sweep, row)?;
        let since = match whole {
            false => None,
            true => match self.views.ask(row, shape, || self.applied())? {
                Known::Ready(table) => return Ok(table),
                Known::Begun { since } => Some(since),
                Known::UnderWay => None,
            },
        };
        let mut table = Table::new(shape);
        let read = self.walk_ranking(row, asked, |standing| {
            // What came later comes to the view by itself.
            if since.is_none_or(|since| standing.seq <= since) {
                table.take(&standing);
            }
            true
        });
        match (read, since) {
            (Ok(()), Some(since)) => Ok(self.views.finish(row, shape, since, table)),
            (Ok(()), None) => Ok(Arc::new(table)),
            (Err(error), Some(_)) => {
                self.views.give_up(row, shape);
                Err(error)
            }
            (Err(error), None) => Err(error),
        }
    }

    /// Visits the finished trials of a row that were asked for, the lowest validation loss first,
    /// while `visit` says so.
    fn walk_ranking(
        &self,
        row: RowId,
        asked: &Asked,
        mut visit: impl FnMut(Standing) -> bool,
    ) -> Result<(), IndexError> {
        let sweep = match self.has_all_of(asked.sweep, row)? {
            true => None,
            false => asked.sweep,
        };
        self.walk(&keys::ranking(row), |key, value| {
            let standing = Standing::read(key, value)?;
            let mut conditions = asked.of_trial.iter();
            if !conditions.all(|condition| condition.holds(standing.record())) {
                return Ok(true);
            }
            if let Some(sweep) = sweep
                && !members::is_member(&*self.map, sweep, standing.trial)?
            {
                return Ok(true);
            }
            Ok(visit(standing))
        })
    }

    /// Whether all trials of a row are of the sweep, if one is asked for.
    fn has_all_of(&self, sweep: Option<SweepId>, row: RowId) -> Result<bool, IndexError> {
        if sweep.is_none() {
            return Ok(true);
        }
        let sweeps = self.map.scan(&keys::row_sweeps(row), None, 2)?;
        let sweeps: Vec<_> = sweeps.iter().map(|(key, _)| keys::last_u64(key)).collect();
        Ok(sweeps == [sweep.map(|sweep| sweep.0)])
    }

    fn records(&self, trials: &[TrialId]) -> Result<Vec<TrialRecord>, IndexError> {
        let records = trials.iter().map(|id| {
            let record = self.trial(*id)?;
            record.ok_or_else(|| IndexError::missing("trial", id))
        });
        records.collect()
    }
}
