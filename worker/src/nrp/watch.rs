//! What training reports: epochs while it runs, and the scores or the error each trial ends with.

use std::ops::ControlFlow;

use super::error::TrainError;
use super::scores::RegionScores;

/// A trial's losses after one epoch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EpochReport {
    /// Which network of an ensemble, from 0.
    pub network: usize,
    /// The epoch, from 1.
    pub epoch: usize,
    /// Mean squared error over the epoch's batches, in fitted target units.
    pub training_mse: f64,
    /// Mean squared error on the validation stimuli after the epoch, in fitted target units, of the
    /// sites that select.
    pub validation_mse: f64,
    /// The epoch with the lowest validation loss so far.
    pub best_epoch: usize,
}

/// A finished trial.
#[derive(Debug, Clone, PartialEq)]
pub struct Trained {
    /// Scores of the best weights on the test stimuli, in the recordings' units.
    pub test: RegionScores,
    /// Mean squared error of the best weights over the present validation cells of the sites that
    /// select, in fitted target units: with standardised targets the mean predictor gets about 1.
    /// For an ensemble, the error of its mean prediction.
    pub validation_mse: f64,
    /// The epoch of the best weights, from 1; for an ensemble the latest one; 0 if a linear path
    /// alone was best.
    pub best_epoch: usize,
    /// Epochs trained; for an ensemble the largest number.
    pub epochs: usize,
    /// Sites of the region whose validation error does not count, in increasing order: their
    /// training responses have too little information.
    pub left_out: Vec<usize>,
}

/// The caller's side of training: told of every epoch and end, and asked whether to go on. A trial
/// is named by its index among those that are trained.
pub trait Watch {
    /// The trial is about to begin; [`ControlFlow::Break`] skips it without another call.
    fn on_start(&mut self, trial: usize) -> ControlFlow<()>;

    /// The trial has trained an epoch, or a network of its ensemble has; [`ControlFlow::Break`] stops
    /// it.
    fn on_epoch(&mut self, trial: usize, report: EpochReport) -> ControlFlow<()>;

    /// The trial has ended: with scores, or because it diverged, was stopped or cannot be trained.
    fn on_end(&mut self, trial: usize, ended: Result<Trained, TrainError>);
}
