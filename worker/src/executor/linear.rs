//! Linear baselines of a job, and the linear path beside its networks: both are fitted from one Gram
//! matrix, which is kept for the jobs that follow.

use super::inputs::Inputs;
use super::outcomes::Outcomes;
use super::parse::Job;
use crate::baseline::{self, Gram};
use crate::device;
use crate::nrp::{self, Data, InputStatistics, TrainError};
use nrp_proto::sweep::Baseline;
use nrp_proto::wire::{TrainingSpec, TrialSpec};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

/// The Gram matrix computed last, with what it is of: other baselines and other regions have the same.
#[derive(Default)]
pub(super) struct KnownGram(Option<(TrialSpec, Gram)>);

impl KnownGram {
    /// Frees its memory.
    pub(super) fn forget(&mut self) {
        self.0 = None;
    }

    /// The Gram matrix of a job's activations: the last one, if it is of the same.
    ///
    /// # Errors
    /// When the activations cannot be read, memory does not suffice, or the job is stopped.
    pub(super) fn of(
        &mut self,
        job: &Job<'_>,
        inputs: &Inputs<'_>,
        outcomes: &Outcomes<'_>,
    ) -> Result<&Gram, TrainError> {
        let of = subject(job.shared);
        let gram = match self.0.take().filter(|(known, _)| *known == of) {
            Some((_, gram)) => gram,
            None => {
                let train = inputs.data().train;
                Gram::of(
                    &inputs.layers,
                    inputs.stimuli,
                    &InputStatistics::measure(&inputs.layers, train)?,
                    job.protocol.inputs,
                    device::host_free_bytes(),
                    &mut |done| outcomes.on_units(done),
                )?
            }
        };
        Ok(&self.0.insert((of, gram)).1)
    }
}

/// The parts of a trial that determine its Gram matrix.
fn subject(spec: &TrialSpec) -> TrialSpec {
    let training = spec.training.as_ref();
    TrialSpec {
        ann: spec.ann.clone(),
        recordings_digest: spec.recordings_digest.clone(),
        split: spec.split.clone(),
        layers: spec.layers.clone(),
        training: training.map(|training| TrainingSpec {
            inputs: training.inputs.clone(),
            projection: training.projection.clone(),
            ..TrainingSpec::default()
        }),
        ..TrialSpec::default()
    }
}

/// Fits a linear baseline for each trial of the job, and reports its scores.
///
/// # Errors
/// When the machine prevents it; a trial that is at fault itself has a failure as its outcome.
pub(super) fn fit(
    baseline: Baseline,
    gram: &Gram,
    job: &Job<'_>,
    data: &Data<'_>,
    outcomes: &Outcomes<'_>,
) -> Result<(), TrainError> {
    for trial in 0..job.wire.cells.len() {
        let started = Instant::now();
        if !outcomes.goes_on(trial) {
            continue;
        }
        let fit = || baseline::evaluate(baseline, gram, data, job.protocol.targets, job.refits());
        let fitted = catch_unwind(AssertUnwindSafe(fit));
        match fitted.unwrap_or_else(|panic| Err(TrainError::of_panic(&*panic))) {
            Err(error) if !error.is_of_the_trial() => return Err(error),
            ended => {
                let parameters = nrp::linear_parameters(data);
                outcomes.report(trial, ended, parameters, started, Default::default());
            }
        }
    }
    Ok(())
}
