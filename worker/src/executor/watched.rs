//! A job's trials while they are trained or fitted: what its caller hears of them.

use super::Control;
use crate::activation::Dtype;
use crate::baseline::{self, Gram};
use crate::nrp::{self, Data, EpochReport, TargetScaling, TrainError, Trained, Watch};
use nrp_proto::state::{Doing, ProgressUnit};
use nrp_proto::sweep::Baseline;
use nrp_proto::wire::{Activity, Details, Failure, Job, Outcome, Scores, outcome};
use nrp_proto::{EPOCHS_MAX, SITES_MAX};
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

/// A job's trials while they are trained.
pub(super) struct Watched<'a> {
    pub(super) job: &'a Job,
    pub(super) trials: &'a [nrp::Trial],
    pub(super) data: &'a Data<'a>,
    pub(super) max_epochs: usize,
    pub(super) dtype: Dtype,
    pub(super) control: &'a dyn Control,
    /// What trains.
    pub(super) device: &'a str,
    /// When the trials under way began.
    pub(super) started: Instant,
    /// Per trial.
    pub(super) heard: Vec<Heard>,
}

/// What was heard of a trial, of an ensemble's first network alone.
#[derive(Clone)]
pub(super) struct Heard {
    /// Its lowest validation loss so far.
    lowest: f64,
    /// Losses after each epoch that is kept.
    training_mse: Vec<f32>,
    validation_mse: Vec<f32>,
}

impl Default for Heard {
    fn default() -> Self {
        Self {
            lowest: f64::INFINITY,
            training_mse: Vec::new(),
            validation_mse: Vec::new(),
        }
    }
}

impl Watched<'_> {
    /// Tells how many units have been multiplied; whether that goes on.
    pub(super) fn on_units(&self, done: usize) -> bool {
        let units: usize = self.data.activations.units().iter().sum();
        let spec = self
            .job
            .trials
            .first()
            .and_then(|trial| trial.spec.as_ref());
        self.control.on_activity(Activity {
            doing: Doing::Training.to_wire(),
            subject: spec.map_or(String::new(), |spec| {
                format!("{} {} {}", spec.model(), spec.region, spec.layers.join("+"))
            }),
            done: done as u64,
            total: units as u64,
            unit: ProgressUnit::Units.to_wire(),
        });
        !self.control.stopped()
    }

    /// Fits a linear baseline, as each trial of the job asks.
    pub(super) fn fit(
        &mut self,
        baseline: Baseline,
        gram: &Gram,
        targets: TargetScaling,
        refit: bool,
    ) -> Result<(), TrainError> {
        for trial in 0..self.trials.len() {
            if self.on_start(trial).is_break() {
                continue;
            }
            let fit = || baseline::evaluate(baseline, gram, self.data, targets, refit);
            let fitted = catch_unwind(AssertUnwindSafe(fit));
            match fitted.unwrap_or_else(|panic| Err(TrainError::of_panic(&*panic))) {
                Err(error) if !error.is_of_the_trial() => return Err(error),
                ended => self.report(trial, ended, nrp::linear_parameters(self.data)),
            }
        }
        Ok(())
    }

    /// What a trial's scores are made of.
    fn details(&self, trial: usize, trained: &Trained) -> Details {
        let test = &trained.test;
        let kept = |values: &[Option<f64>]| match values.len() <= SITES_MAX {
            true => values
                .iter()
                .map(|value| value.map_or(f32::NAN, short))
                .collect(),
            false => Vec::new(),
        };
        let heard = &self.heard[trial];
        Details {
            site_error: kept(&test.site_error),
            site_pearson: kept(&test.site_pearson),
            training_mse: heard.training_mse.clone(),
            validation_mse: heard.validation_mse.clone(),
            worker_version: env!("CARGO_PKG_VERSION").to_owned(),
            device: self.device.to_owned(),
            sites_left_out: trained
                .left_out
                .iter()
                .take(SITES_MAX)
                .map(|&site| site as u32)
                .collect(),
        }
    }

    /// Tells what a trial ended with.
    fn report(&self, trial: usize, ended: Result<Trained, TrainError>, parameters: u64) {
        let result = match ended {
            Ok(trained) => outcome::Result::Scores(Scores {
                cache_dtype: self.dtype.name().to_owned(),
                reached_sparsity: self.job.reached_sparsity,
                sites_left_out: trained.left_out.len() as u32,
                details: Some(self.details(trial, &trained)),
                ..scores(&trained, parameters, self.started)
            }),
            // It was stopped, and has no outcome.
            Err(TrainError::Interrupted { epoch: _ }) => return,
            Err(error) => outcome::Result::Failure(Failure {
                reason: error.to_string(),
                // A panic may be of this machine: it is tried again, a few times at most.
                r#final: !matches!(error, TrainError::Panicked { .. }),
            }),
        };
        let result = Some(result);
        self.control
            .on_outcome(&self.job.trials[trial].id, Outcome { result });
    }
}

impl Watch for Watched<'_> {
    fn on_start(&mut self, trial: usize) -> ControlFlow<()> {
        self.started = Instant::now();
        let id = &self.job.trials[trial].id;
        match self.control.stopped() || !self.control.wanted(id) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }

    fn on_epoch(&mut self, trial: usize, report: EpochReport) -> ControlFlow<()> {
        let heard = &mut self.heard[trial];
        let is_first = report.network == 0;
        if is_first {
            heard.lowest = heard.lowest.min(report.validation_mse);
        }
        if is_first && report.epoch <= EPOCHS_MAX {
            // Lanes that memory ran out for begin anew.
            heard.training_mse.truncate(report.epoch - 1);
            heard.validation_mse.truncate(report.epoch - 1);
            heard.training_mse.push(short(report.training_mse));
            heard.validation_mse.push(short(report.validation_mse));
        }
        let lowest = heard.lowest;
        let (id, config) = (&self.job.trials[trial].id, &self.trials[trial]);
        let spec = self.job.trials[trial].spec.as_ref();
        self.control.on_activity(Activity {
            doing: Doing::Training.to_wire(),
            subject: format!(
                "{} {} {} L1 {} L2 {} rate {:e}",
                id.get(..8).unwrap_or(id),
                spec.map_or("", |spec| &spec.region),
                spec.map_or(String::new(), |spec| spec.layers.join("+")),
                config.network.l1,
                config.network.l2,
                config.learning_rate,
            ),
            done: report.epoch as u64,
            total: self.max_epochs as u64,
            unit: ProgressUnit::Epochs.to_wire(),
        });
        let epochs = report.epoch as u32;
        let at_rung = is_first && self.job.rungs.contains(&epochs);
        let goes_on = !self.control.stopped()
            && self.control.wanted(id)
            && (!at_rung || self.control.on_rung(id, epochs, lowest));
        match goes_on {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        }
    }

    fn on_end(&mut self, trial: usize, ended: Result<Trained, TrainError>) {
        let parameters = self.trials[trial].parameters(self.data);
        self.report(trial, ended, parameters);
    }
}

/// The scores of a trial: those of its predictions, and what its training adds.
fn scores(trained: &Trained, parameters: u64, started: Instant) -> Scores {
    Scores {
        validation_mse: trained.validation_mse,
        epochs: trained.epochs as u32,
        best_epoch: trained.best_epoch as u32,
        train_seconds: started.elapsed().as_secs_f64(),
        parameters,
        ..trained.test.scores.clone()
    }
}

/// A number to six significant digits, whatever its unit: what is kept of it is for statistics and
/// pictures.
fn short(value: f64) -> f32 {
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
