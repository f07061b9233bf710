//! What a job's trials end with, as it goes over the wire.

use super::control::Control;
use super::parse::Job;
use crate::activation::Dtype;
use crate::nrp::{Data, TrainError, Trained};
use nrp_proto::SITES_MAX;
use nrp_proto::state::{Doing, ProgressUnit};
use nrp_proto::wire::{Activity, Details, Failure, Outcome, Scores, outcome};
use std::time::Instant;

/// Where the outcomes of a job's trials go, and what they say about where they were computed.
pub(super) struct Outcomes<'a> {
    pub(super) job: &'a Job<'a>,
    pub(super) data: &'a Data<'a>,
    /// Number format of the cached activations.
    pub(super) dtype: Dtype,
    /// Name of the device that trains.
    pub(super) device: &'a str,
    pub(super) control: &'a dyn Control,
}

/// A trial's losses after each epoch that is kept.
#[derive(Clone, Default)]
pub(super) struct Losses {
    pub(super) training_mse: Vec<f32>,
    pub(super) validation_mse: Vec<f32>,
}

impl Outcomes<'_> {
    /// Whether the trial is still needed, and its job still runs.
    pub(super) fn goes_on(&self, trial: usize) -> bool {
        !self.control.stopped() && self.control.wanted(self.job.trial(trial))
    }

    /// Tells how many units have been multiplied; returns whether to go on.
    pub(super) fn on_units(&self, done: usize) -> bool {
        let units: usize = self.data.activations.units().iter().sum();
        let spec = self.job.shared;
        self.control.on_activity(Activity {
            doing: Doing::Training.to_wire(),
            subject: format!("{} {} {}", spec.model(), spec.region, self.job.layers()),
            done: done as u64,
            total: units as u64,
            unit: ProgressUnit::Units.to_wire(),
        });
        !self.control.stopped()
    }

    /// Reports what a trial ended with, unless it was stopped: then it has no outcome.
    pub(super) fn report(
        &self,
        trial: usize,
        ended: Result<Trained, TrainError>,
        parameters: u64,
        started: Instant,
        losses: Losses,
    ) {
        let result = match ended {
            Ok(trained) => {
                let train_seconds = started.elapsed().as_secs_f64();
                let scores = self.scores(&trained, parameters, train_seconds, losses);
                outcome::Result::Scores(scores)
            }
            Err(TrainError::Interrupted { epoch: _ }) => return,
            Err(error) => outcome::Result::Failure(Failure {
                reason: error.to_string(),
                // This machine may have caused a panic: the trial is tried again a few times.
                r#final: !matches!(error, TrainError::Panicked { .. }),
            }),
        };
        let result = Some(result);
        self.control
            .on_outcome(self.job.trial(trial), Outcome { result });
    }

    /// The scores of a trial: those of its predictions, and what its training adds.
    fn scores(
        &self,
        trained: &Trained,
        parameters: u64,
        train_seconds: f64,
        losses: Losses,
    ) -> Scores {
        Scores {
            validation_mse: trained.validation_mse,
            sites_left_out: trained.left_out.len() as u32,
            epochs: trained.epochs as u32,
            best_epoch: trained.best_epoch as u32,
            train_seconds,
            parameters,
            cache_dtype: self.dtype.name().to_owned(),
            reached_sparsity: self.job.wire.reached_sparsity,
            details: Some(self.details(trained, losses)),
            ..trained.test.scores.clone()
        }
    }

    fn details(&self, trained: &Trained, losses: Losses) -> Details {
        let test = &trained.test;
        let kept = |values: &[Option<f64>]| -> Vec<f32> {
            if values.len() > SITES_MAX {
                return Vec::new();
            }
            let values = values.iter();
            values.map(|value| value.map_or(f32::NAN, short)).collect()
        };
        let left_out = trained.left_out.iter().take(SITES_MAX);
        Details {
            site_error: kept(&test.site_error),
            site_pearson: kept(&test.site_pearson),
            training_mse: losses.training_mse,
            validation_mse: losses.validation_mse,
            worker_version: env!("CARGO_PKG_VERSION").to_owned(),
            device: self.device.to_owned(),
            sites_left_out: left_out.map(|&site| site as u32).collect(),
        }
    }
}

/// Rounds to six significant digits, whatever the unit: enough for statistics and figures.
pub(super) fn short(value: f64) -> f32 {
    let rounded = format!("{value:.5e}");
    rounded.parse().unwrap_or(value as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_in_small_units_keep_their_digits() {
        let kept = [1.234_567_8e-6, 0.123_456_78, -12.345_678, 3e-24, 0.0].map(short);
        assert_eq!(kept, [1.23457e-6, 0.123_457, -12.3457, 3e-24, 0.0]);
        assert!(short(f64::NAN).is_nan());
        assert_eq!(short(1e300), f32::INFINITY);
    }
}
