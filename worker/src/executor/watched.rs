//! A job's networks while they are trained: tells its caller how far they are, and asks whether they go
//! on. It trains nothing itself.

use super::outcomes::{Losses, Outcomes, short};
use crate::nrp::{self, EpochReport, TrainError, Trained, Watch};
use nrp_proto::EPOCHS_MAX;
use nrp_proto::state::{Doing, ProgressUnit};
use nrp_proto::wire::Activity;
use std::ops::ControlFlow;
use std::time::Instant;

/// A job's networks while they are trained.
pub(super) struct Watched<'a> {
    pub(super) outcomes: &'a Outcomes<'a>,
    pub(super) networks: &'a [nrp::Trial],
    /// When the trial begun last began.
    started: Instant,
    /// What was heard of each trial.
    heard: Vec<Heard>,
}

/// What was heard of a trial, from an ensemble's first network alone.
#[derive(Clone)]
struct Heard {
    /// Its lowest validation loss so far.
    lowest: f64,
    losses: Losses,
}

impl<'a> Watched<'a> {
    pub(super) fn new(outcomes: &'a Outcomes<'a>, networks: &'a [nrp::Trial]) -> Self {
        let heard = Heard {
            lowest: f64::INFINITY,
            losses: Losses::default(),
        };
        Self {
            outcomes,
            networks,
            started: Instant::now(),
            heard: vec![heard; networks.len()],
        }
    }

    fn activity(&self, trial: usize, epoch: usize) -> Activity {
        let job = self.outcomes.job;
        let (id, config) = (job.trial(trial), &self.networks[trial]);
        Activity {
            doing: Doing::Training.to_wire(),
            subject: format!(
                "{} {} {} L1 {} L2 {} rate {:e}",
                id.get(..8).unwrap_or(id),
                job.shared.region,
                job.layers(),
                config.network.l1,
                config.network.l2,
                config.learning_rate,
            ),
            done: epoch as u64,
            total: job.protocol.max_epochs as u64,
            unit: ProgressUnit::Epochs.to_wire(),
        }
    }
}

impl Watch for Watched<'_> {
    fn on_start(&mut self, trial: usize) -> ControlFlow<()> {
        self.started = Instant::now();
        go_on(self.outcomes.goes_on(trial))
    }

    fn on_epoch(&mut self, trial: usize, report: EpochReport) -> ControlFlow<()> {
        let is_first = report.network == 0;
        let heard = &mut self.heard[trial];
        if is_first {
            heard.lowest = heard.lowest.min(report.validation_mse);
        }
        if is_first && report.epoch <= EPOCHS_MAX {
            let Losses {
                training_mse,
                validation_mse,
            } = &mut heard.losses;
            // Lanes that ran out of memory start again from their first epoch.
            training_mse.truncate(report.epoch - 1);
            validation_mse.truncate(report.epoch - 1);
            training_mse.push(short(report.training_mse));
            validation_mse.push(short(report.validation_mse));
        }
        let lowest = heard.lowest;
        let Outcomes { job, control, .. } = self.outcomes;
        control.on_activity(self.activity(trial, report.epoch));
        let epochs = report.epoch as u32;
        let at_rung = is_first && job.wire.rungs.contains(&epochs);
        go_on(
            self.outcomes.goes_on(trial)
                && (!at_rung || control.on_rung(job.trial(trial), epochs, lowest)),
        )
    }

    fn on_end(&mut self, trial: usize, ended: Result<Trained, TrainError>) {
        let parameters = self.networks[trial].parameters(self.outcomes.data);
        let losses = std::mem::take(&mut self.heard[trial].losses);
        self.outcomes
            .report(trial, ended, parameters, self.started, losses);
    }
}

fn go_on(goes_on: bool) -> ControlFlow<()> {
    if goes_on {
        ControlFlow::Continue(())
    } else {
        ControlFlow::Break(())
    }
}
