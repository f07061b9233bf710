//! Linear baselines of a job, and the linear path beside its networks: both are fitted from one Gram
//! matrix, or from the activations themselves where units are few, which are kept for the jobs that
//! follow.

use super::inputs::Inputs;
use super::outcomes::Outcomes;
use super::parse::Job;
use crate::baseline::{self, Gram, Rows, through_units};
use crate::comparison::Kernel;
use crate::device;
use crate::nrp::{self, Activations, InputScaling, InputStatistics, TrainError, Trained};
use bytesize::ByteSize;
use nrp_proto::sweep::{Baseline, Projection};
use nrp_proto::wire::{TrainingSpec, TrialSpec};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

/// What linear models were fitted from last, or what was compared last, with what it is of: other models and
/// other regions have the same, and where nothing is learned from the training stimuli, other splits, too.
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

    /// The Gram matrix of a job's activations, for a fit: the last one, if it is of the same.
    ///
    /// # Errors
    /// When the activations cannot be read, memory does not suffice, or the job is stopped.
    pub(super) fn gram(&mut self, fit: Fit<'_>) -> Result<&mut Gram, TrainError> {
        self.turn_to(fit.outcomes.job);
        let bytes = Gram::bytes(fit.inputs.stimuli);
        fit.kept(&mut self.gram, bytes, Gram::of)
    }

    /// The activations themselves, for a fit through the units.
    ///
    /// # Errors
    /// As [`Known::gram`].
    fn rows(&mut self, fit: Fit<'_>) -> Result<&mut Rows, TrainError> {
        self.turn_to(fit.outcomes.job);
        let bytes = Rows::bytes(fit.inputs.stimuli, units(fit.inputs));
        fit.kept(&mut self.rows, bytes, Rows::of)
    }

    /// The kernel of a job's activations of these stimuli as they are, which is the same in every split: the last
    /// one, if it is of the same.
    ///
    /// # Errors
    /// As [`Known::gram`].
    pub(super) fn kernel(
        &mut self,
        job: &Job<'_>,
        stimuli: &[usize],
        make: impl FnOnce() -> Result<Kernel, TrainError>,
    ) -> Result<&Kernel, TrainError> {
        self.turn(TrialSpec {
            split: None,
            ..subject(job)
        });
        let last = self.kernel.take();
        let kernel = match last.filter(|last| last.is_of(stimuli)) {
            Some(kernel) => kernel,
            None => make()?,
        };
        Ok(self.kernel.insert(kernel))
    }

    /// Forgets what is of other activations than the job's.
    fn turn_to(&mut self, job: &Job<'_>) {
        self.turn(subject(job));
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

/// A fit: of which model, to what, and who hears of it.
#[derive(Clone, Copy)]
pub(super) struct Fit<'a> {
    pub(super) baseline: Baseline,
    pub(super) inputs: &'a Inputs<'a>,
    pub(super) outcomes: &'a Outcomes<'a>,
}

/// What makes of a job's activations what is fitted from.
type Make<T> = fn(
    &dyn Activations,
    usize,
    &InputStatistics,
    InputScaling,
    &mut dyn FnMut(usize) -> bool,
) -> Result<T, TrainError>;

impl Fit<'_> {
    /// What is in `place`, or is made and put there; it takes `bytes`.
    fn kept<'k, T>(
        &self,
        place: &'k mut Option<T>,
        bytes: u64,
        make: Make<T>,
    ) -> Result<&'k mut T, TrainError> {
        let inputs = self.inputs;
        let held = place.as_ref().map_or(0, |_| bytes);
        check_memory(self.baseline, inputs, held)?;
        let made = match place.take() {
            Some(made) => made,
            None => make(
                &inputs.layers,
                inputs.stimuli,
                &self.statistics()?,
                self.outcomes.job.protocol.inputs,
                &mut |done| self.outcomes.on_units(done),
            )?,
        };
        Ok(place.insert(made))
    }

    /// What scaling needs, which reads the activations only where they are scaled.
    fn statistics(&self) -> Result<InputStatistics, TrainError> {
        let layers = &self.inputs.layers;
        match self.outcomes.job.protocol.inputs {
            InputScaling::None => Ok(InputStatistics::unscaled(layers.units())),
            InputScaling::Centred | InputScaling::PerUnit => {
                InputStatistics::measure(layers, self.inputs.data().train)
            }
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

/// The parts of a job that determine its Gram matrix. The split is among them where its training stimuli
/// determine how activations are scaled or projected.
fn subject(job: &Job<'_>) -> TrialSpec {
    let spec = job.shared;
    let learned = job.protocol.inputs != InputScaling::None || job.projection != Projection::None;
    let training = spec.training.as_ref();
    TrialSpec {
        ann: spec.ann.clone(),
        recordings_digest: spec.recordings_digest.clone(),
        split: spec.split.clone().filter(|_| learned),
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
    let of = Fit {
        baseline,
        inputs,
        outcomes,
    };
    if through_units(baseline, inputs.stimuli, units(inputs)) {
        let rows = known.rows(of)?;
        return fit_each(outcomes, parameters, &mut || {
            baseline::evaluate_rows(baseline, rows, data, targets, refits)
        });
    }
    let gram = known.gram(of)?;
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
