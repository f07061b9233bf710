//! Tables over a row's finished trials: the front of a score against the network's size, and
//! marginals over axes. Trials are added one at a time, in any order, and the tables stay small.
//! This module is pure.

use super::standing::Standing;
use crate::scheduler::TrialId;
use nrp_proto::axis::{Axis, Value};
use nrp_proto::score::Kind;
use std::collections::BTreeMap;

/// The most cells that marginals may have.
pub(crate) const CELLS_MAX: usize = 10_000;

/// The score of a front.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Measure {
    /// The validation loss, which selects trials.
    ValidationMse,
    /// The NRP-error, which is a test score.
    NrpError,
}

impl Measure {
    fn of(self, standing: &Standing) -> f64 {
        let scores = standing.scores();
        match (self, scores.kind()) {
            (Measure::NrpError, Kind::Prediction) => scores.nrp_error,
            // A comparison has no error, and is ranked by its similarity.
            (Measure::ValidationMse, _) | (Measure::NrpError, Kind::Comparison) => scores.rank(),
        }
    }
}

/// The trials that no network with as few parameters beats, by parameters.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Front {
    measure: Measure,
    points: BTreeMap<u64, (f64, TrialId)>,
}

impl Front {
    pub(super) fn new(measure: Measure) -> Self {
        Self {
            measure,
            points: BTreeMap::new(),
        }
    }

    pub(super) fn take(&mut self, standing: &Standing) {
        let parameters = standing.scores().parameters;
        let score = self.measure.of(standing);
        let smaller = self.points.range(..=parameters).next_back();
        if let Some((size, (best, trial))) = smaller {
            // Of two equal trials, the one with the lower id stays, whichever came first.
            let alike = *best == score && *size == parameters && standing.trial < *trial;
            if *best <= score && !alike {
                return;
            }
        }
        let larger = self.points.range(parameters..);
        let beaten: Vec<u64> = larger
            .take_while(|(_, (best, _))| *best >= score)
            .map(|(size, _)| *size)
            .collect();
        for size in beaten {
            self.points.remove(&size);
        }
        self.points.insert(parameters, (score, standing.trial));
    }

    /// The trials of the front, the smallest network first.
    pub(super) fn trials(&self) -> Vec<TrialId> {
        self.points.values().map(|(_, trial)| *trial).collect()
    }
}

/// A cell: the finished trials that share a value on each axis.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Cell {
    pub(crate) trials: u64,
    nrp_error_sum: f64,
    validation_mse_sum: f64,
    /// The best trial, by its rank, with its scores.
    pub(crate) best: TrialId,
    best_rank: f64,
    pub(crate) best_validation_mse: f64,
    pub(crate) best_nrp_error: f64,
}

impl Cell {
    pub(crate) fn mean_nrp_error(&self) -> f64 {
        self.nrp_error_sum / self.trials as f64
    }

    pub(crate) fn mean_validation_mse(&self) -> f64 {
        self.validation_mse_sum / self.trials as f64
    }
}

/// Cells by their values, one for each axis. A value is absent if the trials have none on that
/// axis.
pub(crate) type Cells = BTreeMap<Vec<Option<Value>>, Cell>;

/// Mean and best scores over axes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Marginals {
    by: Vec<Axis>,
    /// `None` once there are more than [`CELLS_MAX`] cells.
    cells: Option<Cells>,
}

impl Marginals {
    pub(super) fn new(by: Vec<Axis>) -> Self {
        Self {
            by,
            cells: Some(Cells::new()),
        }
    }

    pub(super) fn take(&mut self, standing: &Standing) {
        let Some(cells) = &mut self.cells else {
            return;
        };
        let axes = self.by.iter().map(|axis| axis.of(standing.record()));
        let scores = standing.scores();
        let cell = cells.entry(axes.collect()).or_insert(Cell {
            trials: 0,
            nrp_error_sum: 0.0,
            validation_mse_sum: 0.0,
            best: standing.trial,
            best_rank: scores.rank(),
            best_validation_mse: scores.validation_mse,
            best_nrp_error: scores.nrp_error,
        });
        cell.trials += 1;
        cell.nrp_error_sum += scores.nrp_error;
        cell.validation_mse_sum += scores.validation_mse;
        if (scores.rank(), standing.trial) < (cell.best_rank, cell.best) {
            cell.best = standing.trial;
            cell.best_rank = scores.rank();
            cell.best_validation_mse = scores.validation_mse;
            cell.best_nrp_error = scores.nrp_error;
        }
        if cells.len() > CELLS_MAX {
            self.cells = None;
        }
    }

    /// The cells, or `None` if there are more than [`CELLS_MAX`].
    pub(super) fn cells(&self) -> Option<&Cells> {
        self.cells.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nrp_proto::wire::{Scores, TrialRecord, TrialSpec};
    use proptest::prelude::*;

    fn standing(trial: u128, parameters: u64, validation_mse: f64) -> Standing {
        let record = TrialRecord {
            spec: Some(TrialSpec {
                l1: (parameters > 1).then_some(parameters as u32 % 3),
                seed: trial as u64,
                ..TrialSpec::default()
            }),
            scores: Some(Scores {
                parameters,
                validation_mse,
                nrp_error: 10.0 - validation_mse,
                ..Scores::default()
            }),
            ..TrialRecord::default()
        };
        Standing::of(TrialId(trial), 1, &TrialSpec::default(), &record).expect("has scores")
    }

    fn front(standings: &[Standing]) -> Vec<TrialId> {
        let mut front = Front::new(Measure::ValidationMse);
        standings.iter().for_each(|standing| front.take(standing));
        front.trials()
    }

    proptest! {
        #[test]
        fn a_front_has_what_nothing_beats_in_any_order(
            points in proptest::collection::vec((0_u64..8, 0_u8..8), 0..40),
            seed in any::<u64>(),
        ) {
            let mut standings: Vec<_> = (0..)
                .zip(&points)
                .map(|(trial, (parameters, mse))| standing(trial, *parameters, f64::from(*mse)))
                .collect();
            let beats = |a: &Standing, b: &Standing| {
                let of = |s: &Standing| (s.scores().parameters, s.scores().validation_mse);
                let ((size_a, mse_a), (size_b, mse_b)) = (of(a), of(b));
                size_a <= size_b && mse_a <= mse_b && (of(a) != of(b) || a.trial < b.trial)
            };
            let mut expected: Vec<_> = standings
                .iter()
                .filter(|one| !standings.iter().any(|other| beats(other, one)))
                .collect();
            expected.sort_by_key(|one| one.scores().parameters);
            let expected: Vec<_> = expected.into_iter().map(|one| one.trial).collect();
            prop_assert_eq!(&front(&standings), &expected);
            let length = standings.len().max(1);
            standings.rotate_left(seed as usize % length);
            standings.reverse();
            prop_assert_eq!(&front(&standings), &expected);
        }
    }

    #[test]
    fn marginals_count_average_and_keep_the_best() {
        let mut table = Marginals::new(vec![Axis::L1]);
        for (trial, parameters, mse) in [(1, 4, 1.0), (2, 4, 0.5), (3, 3, 2.0), (4, 1, 3.0)] {
            table.take(&standing(trial, parameters, mse));
        }
        let cells = table.cells().expect("few");
        let values: Vec<_> = cells.keys().map(|key| key[0].clone()).collect();
        assert_eq!(values, [None, Some(Value::Whole(0)), Some(Value::Whole(1))]);
        let cell = &cells[&vec![Some(Value::Whole(1))]];
        assert_eq!((cell.trials, cell.best), (2, TrialId(2)));
        assert_eq!((cell.best_validation_mse, cell.best_nrp_error), (0.5, 9.5));
        assert_eq!(
            (cell.mean_validation_mse(), cell.mean_nrp_error()),
            (0.75, 9.25)
        );
    }

    #[test]
    fn marginals_with_too_many_cells_have_none() {
        let mut table = Marginals::new(vec![Axis::Seed]);
        for trial in 0..=CELLS_MAX {
            assert!(table.cells().is_some());
            table.take(&standing(trial as u128, 1, 1.0));
        }
        assert_eq!(table.cells(), None);
    }
}
