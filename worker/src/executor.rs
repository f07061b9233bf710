//! The executor: takes one job to its outcomes. It knows nothing of the coordinator; whoever calls
//! it hears through [`Control`] what happens and says there when to stop.
//!
//! A trial that fails is an outcome of its own. What hinders the whole job (a file that is missing,
//! a full disk) is an error of this worker, and no trial is blamed for it.

#[cfg(test)]
mod tests;
mod watched;

use crate::activation::{
    self, ActivationError, Cache, CachedLayer, Dtype, Extraction, Stage, ensure, ensure_projected,
};
use crate::ann::{AnnError, OpenedAnn, Pruning};
use crate::baseline::{Gram, linear_path};
use crate::device;
use crate::nrp::{
    self, Activations, Data, InputScaling, InputStatistics, NetworkShape, Protocol, TargetScaling,
    TrainError, Training, train,
};
use crate::recording::split::SplitError;
use crate::recording::{RecordingError, Recordings, Source};
use crate::resolve::{self, ResolveError};
use crate::totals;
use burn::tensor::Device;
use miette::Diagnostic;
use nrp_proto::id::NO_LINEAR_PATH;
use nrp_proto::panics::said;
use nrp_proto::state::{Doing, ProgressUnit};
use nrp_proto::sweep::{Baseline, Projection, Scheme};
use nrp_proto::wire::{Activity, Job, Outcome, TrainingSpec, TrialSpec};
use nrp_proto::word::UnknownWord;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Instant;
use thiserror::Error;
use watched::{Heard, Watched};

/// What hinders a job on this worker.
#[derive(Debug, Error, Diagnostic)]
pub enum ExecuteError {
    /// Activations could not be had.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Activation(#[from] ActivationError),
    /// The ANN or its weights could not be had.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Ann(#[from] AnnError),
    /// The recordings could not be had.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Recording(#[from] RecordingError),
    /// The stimuli could not be split.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Split(#[from] SplitError),
    /// A file here is not the one the sweep was submitted with.
    #[error("the {what} here have digest {found}, and the sweep was submitted with {wanted}")]
    #[diagnostic(help(
        "point `--data-dir` at the files the sweep was submitted with, or submit it again"
    ))]
    OtherFiles {
        /// What differs.
        what: &'static str,
        /// Digest of the file here.
        found: String,
        /// Digest in the trial.
        wanted: String,
    },
    /// The job does not say what to do.
    #[error("the job cannot be understood: {0}")]
    #[diagnostic(help("coordinator and worker must be of one version"))]
    Job(String),
    /// Something panicked outside of any one trial.
    #[error("the job ended in a panic: {message}")]
    #[diagnostic(help(
        "this is a fault in nrp or in a library: please report it with the message"
    ))]
    Panicked {
        /// What it said.
        message: String,
    },
    /// Training was hindered by the machine.
    #[error("NRP networks on {layers} cannot be trained here")]
    Train {
        /// The layer set.
        layers: String,
        /// Why.
        #[source]
        #[diagnostic_source]
        source: TrainError,
    },
}

impl From<ResolveError> for ExecuteError {
    fn from(error: ResolveError) -> Self {
        match error {
            ResolveError::Ann { ann: _, source } => source.into(),
            ResolveError::Recording(source) => source.into(),
            ResolveError::Split(source) => source.into(),
            error @ ResolveError::Components { .. } => Self::Job(error.to_string()),
        }
    }
}

/// What a job's caller hears and says.
pub trait Control: Sync {
    /// Something else is being done now.
    fn on_activity(&self, activity: Activity);
    /// Whether a trial goes on that has trained `epochs`, a rung of its job, to this validation loss.
    fn on_rung(&self, trial: &str, epochs: u32, validation_mse: f64) -> bool;
    /// A trial has its outcome.
    fn on_outcome(&self, trial: &str, outcome: Outcome);
    /// Whether the whole job is to be broken off.
    fn stopped(&self) -> bool;
    /// Whether a trial is still wanted.
    fn wanted(&self, trial: &str) -> bool;
}

/// Runs jobs on one device.
pub struct Executor {
    device: Device,
    device_name: String,
    data_dir: Option<PathBuf>,
    cache: Cache,
    /// The recordings opened last: the next job mostly has the same.
    opened: Option<Opened>,
    /// Inner products of the activations that a linear baseline was fitted to last, with what they
    /// are of: the other baselines, and other regions, have the same.
    kernel: Option<(TrialSpec, Gram)>,
}

struct Opened {
    source: Source,
    recordings_digest: String,
    stimulus_digest: String,
    recordings: Recordings,
}

/// Cached layers as training wants them.
struct Rows {
    layers: Vec<CachedLayer>,
    /// Units of each, from its first on.
    units: Vec<usize>,
}

impl Activations for Rows {
    fn units(&self) -> &[usize] {
        &self.units
    }

    fn read(
        &self,
        layer: usize,
        stimulus: usize,
        first: usize,
        out: &mut [f32],
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.layers[layer].read(stimulus, first, out)?)
    }

    fn dtype(&self, layer: usize) -> Dtype {
        self.layers[layer].dtype()
    }

    fn bits(
        &self,
        layer: usize,
        stimulus: usize,
        out: &mut [u16],
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.layers[layer].bits(stimulus, out)?)
    }
}

impl Executor {
    /// An executor on `device`, which results call `device_name`, with activations in `cache`.
    /// `data_dir` overrides where the submitting client found the files.
    pub fn new(
        device: Device,
        device_name: String,
        data_dir: Option<PathBuf>,
        cache: Cache,
    ) -> Self {
        Self {
            device,
            device_name,
            data_dir,
            cache,
            opened: None,
            kernel: None,
        }
    }

    /// Where its activations lie.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// Runs `job` until all its trials have their outcome or `control` says stop.
    ///
    /// # Errors
    /// When the job is hindered here, by a panic too; trials without outcome are then as before.
    pub fn run(&mut self, job: &Job, control: &dyn Control) -> Result<(), ExecuteError> {
        let ended = catch_unwind(AssertUnwindSafe(|| self.attempt(job, control)));
        ended.unwrap_or_else(|panic| {
            // They may be half made.
            (self.opened, self.kernel) = (None, None);
            let message = said(&*panic).unwrap_or("no reason given").to_owned();
            Err(ExecuteError::Panicked { message })
        })
    }

    fn attempt(&mut self, job: &Job, control: &dyn Control) -> Result<(), ExecuteError> {
        let Some(first) = job.trials.first().and_then(|trial| trial.spec.as_ref()) else {
            return Ok(());
        };
        let device = self.device.clone();
        let data_dir = match &self.data_dir {
            Some(directory) => directory.clone(),
            None => PathBuf::from(&job.data_dir),
        };
        let files = required(&job.files, "recordings files")?;
        self.open(resolve::recordings_source(files, &data_dir), first)?;
        let opened = self.opened.as_ref().expect("opened just before");
        let split = required(&first.split, "split")?;
        let scheme = Scheme::of(split).map_err(SplitError::from)?;
        let (split, _) = resolve::split(&opened.recordings, split)?;
        let Some(rows) = self.rows(job, first, &split.train, &data_dir, control)? else {
            return Ok(());
        };
        let opened = self.opened.as_ref().expect("opened just before");
        let region = opened.recordings.region(&first.region).ok_or_else(|| {
            ExecuteError::Job(format!(
                "region `{}` is not in the recordings",
                first.region
            ))
        })?;
        let data = Data {
            activations: &rows,
            responses: &region.responses,
            noise: region.noise.as_ref(),
            sites: region.sites.len(),
            train: &split.train,
            validation: &split.validation,
            test: &split.test,
            linear_path: None,
        };
        let hindered = |source| ExecuteError::Train {
            layers: first.layers.join("+"),
            source,
        };
        let protocol = protocol(first)?;
        let trials = job.trials.iter().map(|trial| {
            let spec = required(&trial.spec, "trial")?;
            of_spec(spec)
        });
        let trials: Vec<nrp::Trial> = trials.collect::<Result<_, ExecuteError>>()?;
        let mut watched = Watched {
            job,
            trials: &trials,
            data: &data,
            max_epochs: protocol.max_epochs,
            dtype: self.cache.dtype(),
            device: &self.device_name,
            control,
            started: Instant::now(),
            heard: vec![Heard::default(); trials.len()],
        };
        let started = Instant::now();
        let baseline = baseline(first)?;
        let stimuli = opened.recordings.stimuli.len();
        let refit = scheme == Scheme::Shuffle;
        let needs_kernel = baseline.is_some() || trials.iter().any(|trial| trial.linear_path);
        let kernel = match needs_kernel {
            true => kernel(&mut self.kernel, first, &rows, stimuli, &protocol, &watched).map(Some),
            false => {
                // Memory that lanes may use.
                self.kernel = None;
                Ok(None)
            }
        };
        let fitted = kernel.and_then(|kernel| match (baseline, kernel) {
            (Some(baseline), Some(kernel)) => {
                watched.fit(baseline, kernel, protocol.targets, refit)
            }
            (_, kernel) => {
                let path = kernel.map(|kernel| linear_path(kernel, &data, protocol.targets, refit));
                let path = path.transpose()?;
                let data = Data {
                    linear_path: path.as_deref(),
                    ..data
                };
                let statistics = InputStatistics::measure(&rows, data.train)?;
                let training = Training {
                    protocol: &protocol,
                    data: &data,
                    statistics: &statistics,
                    device: &device,
                };
                train(&training, &trials, &mut watched)
            }
        });
        totals::trained(started.elapsed());
        match fitted {
            // Whoever asked to stop knows.
            Err(TrainError::Interrupted { epoch: _ }) => Ok(()),
            fitted => fitted.map_err(hindered),
        }
    }

    /// The job's activations, extracted and projected where that is missing; nothing when told to
    /// stop.
    fn rows(
        &self,
        job: &Job,
        spec: &TrialSpec,
        training: &[usize],
        data_dir: &Path,
        control: &dyn Control,
    ) -> Result<Option<Rows>, ExecuteError> {
        let opened = self.opened.as_ref().expect("opened just before");
        let ann = required(&spec.ann, "ann")?;
        let weights = resolve::weights_source(&job.weights, data_dir)?;
        let opened_ann = OpenedAnn::open(&ann.name, &weights, &ann.preprocessing)?;
        let digest = opened_ann.weights_digest(&weights)?;
        same("weights", digest, &ann.weights_digest)?;
        let mut extraction = Extraction {
            ann: &opened_ann,
            weights: &weights,
            weights_digest: &ann.weights_digest,
            pruning: Pruning::try_from(ann)?,
            recordings: &opened.recordings,
            stimulus_digest: &opened.stimulus_digest,
            layers: &spec.layers,
            also: &job.ann_layers,
        };
        let subject = format!("{} {}", ann.name, spec.layers.join("+"));
        let mut progress = |progress: activation::Progress| {
            let (doing, unit) = match progress.stage {
                Stage::Extracting => (Doing::Extracting, ProgressUnit::Stimuli),
                Stage::Projecting => (Doing::Projecting, ProgressUnit::Units),
            };
            control.on_activity(Activity {
                doing: doing.to_wire(),
                subject: subject.clone(),
                done: progress.done as u64,
                total: progress.total as u64,
                unit: unit.to_wire(),
            });
            match control.stopped() {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        };
        let (cache, device) = (&self.cache, &self.device);
        let projection = projection(spec)?;
        let mut ensured = |extraction: &Extraction<'_>| match projection {
            Projection::None => ensure(cache, extraction, device, &mut progress),
            Projection::RowSpace | Projection::Pca(_) => {
                ensure_projected(cache, extraction, training, device, &mut progress)
            }
        };
        let mut layers = ensured(&extraction);
        if let Err(error) = &layers
            && !extraction.also.is_empty()
            && !matches!(error, ActivationError::Interrupted)
        {
            // It may be a fault of what another sweep wants, and is no concern of this one.
            tracing::warn!(%error, "the layers that other trials want are left out");
            extraction.also = &[];
            layers = ensured(&extraction);
        }
        match layers {
            Ok(layers) => {
                if let Err(error) = self.cache.note_held(&job.activations, &layers) {
                    tracing::warn!(%error, "the coordinator will not hear of these activations");
                }
                let units = |layer: &CachedLayer| match projection {
                    Projection::None | Projection::RowSpace => layer.units(),
                    Projection::Pca(components) => layer.units().min(components.get() as usize),
                };
                Ok(Some(Rows {
                    units: layers.iter().map(units).collect(),
                    layers,
                }))
            }
            Err(ActivationError::Interrupted) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Opens the recordings, unless the last job had the same, and checks that they are the
    /// sweep's.
    fn open(&mut self, source: Source, spec: &TrialSpec) -> Result<(), ExecuteError> {
        let fits = |opened: &Opened| {
            opened.source == source && opened.recordings.region(&spec.region).is_some()
        };
        if !self.opened.as_ref().is_some_and(fits) {
            let regions = [spec.region.clone()];
            self.opened = Some(Opened {
                recordings_digest: resolve::recordings_digest(&source)?,
                stimulus_digest: source.stimulus_digest()?,
                recordings: Recordings::open(&source, &regions)?,
                source,
            });
        }
        let opened = self.opened.as_ref().expect("opened just before");
        let found = opened.recordings_digest.clone();
        same("recordings", found, &spec.recordings_digest)
    }
}

fn same(what: &'static str, found: String, wanted: &str) -> Result<(), ExecuteError> {
    match found == wanted {
        true => Ok(()),
        false => Err(ExecuteError::OtherFiles {
            what,
            found,
            wanted: wanted.to_owned(),
        }),
    }
}

fn required<'a, T>(part: &'a Option<T>, name: &str) -> Result<&'a T, ExecuteError> {
    part.as_ref()
        .ok_or_else(|| ExecuteError::Job(format!("it has no {name}")))
}

fn projection(spec: &TrialSpec) -> Result<Projection, ExecuteError> {
    let training = required(&spec.training, "training protocol")?;
    let projection = training.projection.parse();
    projection.map_err(|error: UnknownWord| ExecuteError::Job(error.to_string()))
}

/// The linear baseline that a trial is of, if it is of one.
fn baseline(spec: &TrialSpec) -> Result<Option<Baseline>, ExecuteError> {
    match spec.is_nrp_network() {
        true => Ok(None),
        false => {
            let baseline = spec.model.parse().map(Some);
            baseline.map_err(|error: UnknownWord| ExecuteError::Job(error.to_string()))
        }
    }
}

/// The inner products of a job's activations: `last`, if they are of the same.
fn kernel<'a>(
    last: &'a mut Option<(TrialSpec, Gram)>,
    spec: &TrialSpec,
    rows: &Rows,
    stimuli: usize,
    protocol: &Protocol,
    watched: &Watched<'_>,
) -> Result<&'a Gram, TrainError> {
    let training = spec.training.as_ref();
    let of = TrialSpec {
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
    };
    let known = last.take().filter(|(known, _)| *known == of);
    let (of, kernel) = match known {
        Some(known) => known,
        None => {
            let statistics = InputStatistics::measure(rows, watched.data.train)?;
            let mut on_units = |done| watched.on_units(done);
            let kernel = Gram::of(
                rows,
                stimuli,
                &statistics,
                protocol.inputs,
                device::host_free_bytes(),
                &mut on_units,
            )?;
            (of, kernel)
        }
    };
    Ok(&last.insert((of, kernel)).1)
}

fn protocol(spec: &TrialSpec) -> Result<Protocol, ExecuteError> {
    let training = required(&spec.training, "training protocol")?;
    let unknown = |key: &str, word: &str| ExecuteError::Job(format!("{key} = `{word}`"));
    Ok(Protocol {
        batch_size: training.batch_size as usize,
        max_epochs: training.max_epochs as usize,
        patience: training.patience as usize,
        inputs: match training.inputs.as_str() {
            "none" => InputScaling::None,
            "centred" => InputScaling::Centred,
            "per-unit" => InputScaling::PerUnit,
            other => return Err(unknown("inputs", other)),
        },
        targets: match training.targets.as_str() {
            "none" => TargetScaling::None,
            "centred" => TargetScaling::Centred,
            "standardised" => TargetScaling::Standardised,
            other => return Err(unknown("targets", other)),
        },
    })
}

fn of_spec(spec: &TrialSpec) -> Result<nrp::Trial, ExecuteError> {
    let linear_path = match spec.linear_path() {
        NO_LINEAR_PATH => false,
        path if path == Baseline::Ridge.name() => true,
        other => return Err(ExecuteError::Job(format!("linear_path = `{other}`"))),
    };
    Ok(nrp::Trial {
        network: NetworkShape {
            l1: spec.l1.unwrap_or_default() as usize,
            l2: spec.l2.unwrap_or_default() as usize,
            depth: spec.depth as usize,
            dropout: spec.dropout,
        },
        learning_rate: spec.learning_rate,
        weight_decay: spec.weight_decay,
        linear_path,
        ensemble: spec.ensemble() as usize,
        seed: spec.seed,
    })
}
