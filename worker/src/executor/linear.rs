//! Linear baselines of a job, and the linear path beside its networks: both are fitted from one Gram
//! matrix, or from the activations themselves where units are few, which are kept for the jobs that
//! follow.

use super::inputs::Inputs;
use super::outcomes::Outcomes;
use super::parse::Job;
use crate::baseline::{self, Gram, Rows, through_units};
use crate::comparison::Kernel;
use crate::device;
use crate::nrp::{self, Activations, InputStatistics, TrainError, Trained};
use bytesize::ByteSize;
use nrp_proto::sweep::Baseline;
use nrp_proto::wire::{TrainingSpec, TrialSpec};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

/// What linear models were fitted from last, or what was compared last, with what it is of: other models and
/// other regions have the same.
#[derive(Default)]
pub(super) struct Known {
    of: TrialSpec,
    gram: Option<Gram>,
    rows: Option<Rows>,
    kernel: Option<Kernel>,
}

impl Known {
    /// Frees its memory.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// The Gram matrix of a job's activations, for a fit of `baseline`: the last one, if it is of the
    /// same.
    ///
    /// # Errors
    /// When the activations cannot be read, memory does not suffice, or the job is stopped.
    pub(super) fn gram(
        &mut self,
        baseline: Baseline,
        job: &Job<'_>,
        inputs: &Inputs<'_>,
        outcomes: &Outcomes<'_>,
    ) -> Result<&mut Gram, TrainError> {
        self.turn_to(job);
        let held = self
            .gram
            .as_ref()
            .map_or(0, |_| Gram::bytes(inputs.stimuli));
        check_memory(baseline, inputs, held)?;
        let gram = match self.gram.take() {
            Some(gram) => gram,
            None => Gram::of(
                &inputs.layers,
                inputs.stimuli,
                &InputStatistics::measure(&inputs.layers, inputs.data().train)?,
                job.protocol.inputs,
                &mut |done| outcomes.on_units(done),
            )?,
        };
        Ok(self.gram.insert(gram))
    }

    /// The activations themselves, for a fit through the units.
    ///
    /// # Errors
    /// As [`Known::gram`].
    fn rows(
        &mut self,
        baseline: Baseline,
        job: &Job<'_>,
        inputs: &Inputs<'_>,
        outcomes: &Outcomes<'_>,
    ) -> Result<&Rows, TrainError> {
        self.turn_to(job);
        let bytes = Rows::bytes(inputs.stimuli, units(inputs));
        let held = self.rows.as_ref().map_or(0, |_| bytes);
        check_memory(baseline, inputs, held)?;
        let rows = match self.rows.take() {
            Some(rows) => rows,
            None => Rows::of(
                &inputs.layers,
                inputs.stimuli,
                &InputStatistics::measure(&inputs.layers, inputs.data().train)?,
                job.protocol.inputs,
                &mut |done| outcomes.on_units(done),
            )?,
        };
        Ok(self.rows.insert(rows))
    }

    /// The kernel of a job's activations as they are, which is the same in every split: the last one, if it is
    /// of the same.
    ///
    /// # Errors
    /// As [`Known::gram`].
    pub(super) fn kernel(
        &mut self,
        job: &Job<'_>,
        make: impl FnOnce() -> Result<Kernel, TrainError>,
    ) -> Result<&Kernel, TrainError> {
        self.turn(TrialSpec {
            split: None,
            ..subject(job.shared)
        });
        let kernel = match self.kernel.take() {
            Some(kernel) => kernel,
            None => make()?,
        };
        Ok(self.kernel.insert(kernel))
    }

    /// Forgets what is of other activations than the job's.
    fn turn_to(&mut self, job: &Job<'_>) {
        self.turn(subject(job.shared));
    }

    fn turn(&mut self, of: TrialSpec) {
        if self.of != of {
            *self = Self {
                of,
                ..Self::default()
            };
        }
    }
}

/// Units of a layer set.
pub(super) fn units(inputs: &Inputs<'_>) -> usize {
    inputs.layers.units().iter().sum()
}

/// Refuses a fit that needs more memory than is free, beside the `held` bytes that it has already.
fn check_memory(baseline: Baseline, inputs: &Inputs<'_>, held: u64) -> Result<(), TrainError> {
    let (stimuli, sites) = (inputs.stimuli, inputs.data().sites);
    let needed = baseline::bytes(baseline, stimuli, units(inputs), sites).saturating_sub(held);
    refuse_beyond(needed, stimuli)
}

/// Refuses what needs more memory for its `stimuli` than is free.
pub(super) fn refuse_beyond(needed: u64, stimuli: usize) -> Result<(), TrainError> {
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
    known: &mut Known,
    inputs: &Inputs<'_>,
    outcomes: &Outcomes<'_>,
) -> Result<(), TrainError> {
    let Outcomes { job, data, .. } = *outcomes;
    let (targets, refits) = (job.protocol.targets, job.refits());
    let parameters = nrp::linear_parameters(data);
    if baseline == Baseline::SingleUnit {
        // Refuses activations that are no numbers, as for all that is fitted.
        InputStatistics::measure(data.activations, data.train)?;
        // A factor and a constant.
        let parameters = 2 * data.sites as u64;
        return fit_each(outcomes, parameters, &mut || {
            let mut on_units = |done| outcomes.on_units(done);
            baseline::evaluate_single_unit(data, targets, refits, &mut on_units)
        });
    }
    if through_units(baseline, inputs.stimuli, units(inputs)) {
        let rows = known.rows(baseline, job, inputs, outcomes)?;
        return fit_each(outcomes, parameters, &mut || {
            baseline::evaluate_rows(baseline, rows, data, targets, refits)
        });
    }
    let gram = known.gram(baseline, job, inputs, outcomes)?;
    fit_each(outcomes, parameters, &mut || {
        baseline::evaluate(baseline, gram, data, targets, refits)
    })
}

pub(super) fn fit_each(
    outcomes: &Outcomes<'_>,
    parameters: u64,
    fit: &mut dyn FnMut() -> Result<Trained, TrainError>,
) -> Result<(), TrainError> {
    let job = outcomes.job;
    for trial in 0..job.wire.cells.len() {
        let started = Instant::now();
        if !outcomes.goes_on(trial) {
            continue;
        }
        let fitted = catch_unwind(AssertUnwindSafe(&mut *fit));
        match fitted.unwrap_or_else(|panic| Err(TrainError::of_panic(&*panic))) {
            Err(error) if !error.is_of_the_trial() => return Err(error),
            ended => {
                outcomes.report(trial, ended, parameters, started, Default::default());
            }
        }
    }
    Ok(())
}
