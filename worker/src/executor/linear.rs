//! Linear baselines of a job, and the linear path beside its networks: both are fitted from one Gram
//! matrix, which is kept for the jobs that follow.

use super::inputs::Inputs;
use super::outcomes::Outcomes;
use super::parse::Job;
use crate::baseline::{self, Gram};
use crate::device;
use crate::nrp::{self, Data, InputStatistics, TrainError};
use bytesize::ByteSize;
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

    /// The Gram matrix of a job's activations, for a fit of `baseline`: the last one, if it is of the
    /// same.
    ///
    /// # Errors
    /// When the activations cannot be read, memory does not suffice, or the job is stopped.
    pub(super) fn of(
        &mut self,
        baseline: Baseline,
        job: &Job<'_>,
        inputs: &Inputs<'_>,
        outcomes: &Outcomes<'_>,
    ) -> Result<&mut Gram, TrainError> {
        let of = subject(job.shared);
        let known = self.0.take().filter(|(known, _)| *known == of);
        let data = inputs.data();
        let needed = baseline::bytes(baseline, inputs.stimuli, data.sites);
        let held = known.as_ref().map_or(0, |_| Gram::bytes(inputs.stimuli));
        check_memory(needed.saturating_sub(held), inputs.stimuli)?;
        let gram = match known {
            Some((_, gram)) => gram,
            None => Gram::of(
                &inputs.layers,
                inputs.stimuli,
                &InputStatistics::measure(&inputs.layers, data.train)?,
                job.protocol.inputs,
                &mut |done| outcomes.on_units(done),
            )?,
        };
        Ok(&mut self.0.insert((of, gram)).1)
    }
}

fn check_memory(needed: u64, stimuli: usize) -> Result<(), TrainError> {
    let free = device::host_free_bytes();
    if needed <= free {
        return Ok(());
    }
    let [needed, free] = [needed, free].map(|n| ByteSize::b(n).display().si());
    let reason = format!("{stimuli} stimuli need {needed}, and {free} are free");
    Err(TrainError::OutOfMemory { reason })
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
    gram: &mut Gram,
    job: &Job<'_>,
    data: &Data<'_>,
    outcomes: &Outcomes<'_>,
) -> Result<(), TrainError> {
    for trial in 0..job.wire.cells.len() {
        let started = Instant::now();
        if !outcomes.goes_on(trial) {
            continue;
        }
        let (targets, refits) = (job.protocol.targets, job.refits());
        let fit = || baseline::evaluate(baseline, gram, data, targets, refits);
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
