//! Questions about finished trials: the best of a row, its front, its marginals. They are answered
//! from the row's ranking, which has what filters need. Tables over a whole row are kept as views.

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

/// A selection of trials.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    /// The trials of one sweep, or of all.
    pub(crate) sweep: Option<SweepId>,
    /// Conditions on what the trials of a row share.
    of_row: Vec<Condition>,
    /// Conditions on the rest.
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

    /// The same selection, restricted to NRP networks unless a condition is on the model. This is
    /// for properties that only networks have, such as sizes.
    pub(crate) fn of_networks(mut self) -> Self {
        let is_of_model = |condition: &Condition| condition.axis() == Axis::Model;
        if !self.of_row.iter().any(is_of_model) {
            let networks = Value::Word(NRP_NETWORK.to_owned());
            self.of_row.push(Condition::is(Axis::Model, networks));
        }
        self
    }

    /// Whether a row can have such trials, judged by one of its trials.
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
    /// The `top` selected finished trials of a row, the lowest validation loss first.
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

    /// The selected finished trials of a row that no network with as few parameters beats, the
    /// smallest first.
    pub(crate) fn front(
        &self,
        row: RowId,
        asked: &Asked,
        measure: Measure,
    ) -> Result<Vec<TrialRecord>, IndexError> {
        let table = self.table(row, asked, &Shape::Front(measure))?;
        match &*table {
            Table::Front(front) => self.records(&front.trials()),
            Table::Marginals(_) => Err(IndexError::new("the view of a front has marginals")),
        }
    }

    /// Mean and best scores of the selected finished trials of a row, or `None` if there are too
    /// many cells.
    pub(crate) fn marginals(
        &self,
        row: RowId,
        asked: &Asked,
        by: &[Axis],
    ) -> Result<Option<Cells>, IndexError> {
        let table = self.table(row, asked, &Shape::Marginals(by.to_vec()))?;
        match &*table {
            Table::Marginals(marginals) => Ok(marginals.cells().cloned()),
            Table::Front(_) => Err(IndexError::new("the view of marginals has a front")),
        }
    }

    /// A table of a row: a view if the whole row is selected, else computed for this question.
    fn table(&self, row: RowId, asked: &Asked, shape: &Shape) -> Result<Arc<Table>, IndexError> {
        let whole = asked.of_trial.is_empty() && self.has_all_of(asked.sweep, row)?;
        let since = if whole {
            match self.views.ask(row, shape, || self.applied())? {
                Known::Ready(table) => return Ok(table),
                Known::Begun { since } => Some(since),
                Known::UnderWay => None,
            }
        } else {
            None
        };
        let mut table = Table::new(shape);
        let read = self.walk_ranking(row, asked, |standing| {
            // The view adds later trials by itself.
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

    /// Visits the selected finished trials of a row, the lowest validation loss first, as long as
    /// `visit` returns true.
    fn walk_ranking(
        &self,
        row: RowId,
        asked: &Asked,
        mut visit: impl FnMut(Standing) -> bool,
    ) -> Result<(), IndexError> {
        let sweep = if self.has_all_of(asked.sweep, row)? {
            None
        } else {
            asked.sweep
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

    /// Whether all trials of a row belong to the selected sweep, if one is selected.
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
