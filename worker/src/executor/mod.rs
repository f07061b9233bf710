//! The executor: takes one job to its outcomes. It knows nothing of the coordinator: its caller hears
//! through [`Control`] what happens, and says there when to stop.
//!
//! A trial that fails is an outcome of its own. What prevents the whole job (a missing file, a full
//! disk) is an error of this worker, and no trial is blamed for it.
//!
//! - `parse`: a job from the wire, checked once
//! - `inputs`, `layers`: its recordings and activations on this machine
//! - `watched`: its networks while they are trained
//! - `compare`: its comparisons of activations and responses
//! - `linear`: its linear baselines, and the linear path beside its networks
//! - `outcomes`: what its trials end with, as it goes over the wire

mod compare;
mod control;
mod error;
mod inputs;
mod layers;
mod linear;
mod outcomes;
mod parse;
#[cfg(test)]
mod tests;
mod watched;

use crate::activation::Cache;
use crate::baseline::linear_path;
use crate::nrp::{self, Data, InputStatistics, TrainError, Training, train};
use crate::totals;
use burn::tensor::Device;
use nrp_proto::panics::said;
use nrp_proto::sweep::Baseline;
use nrp_proto::wire;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::Instant;

pub use control::Control;
pub use error::{ExecuteError, JobError};

use inputs::{Files, Inputs};
use linear::Known;
use outcomes::Outcomes;
use parse::{Job, Model};
use watched::Watched;

/// Runs jobs on one device.
pub struct Executor {
    device: Device,
    device_name: String,
    data_dir: Option<PathBuf>,
    cache: Cache,
    files: Files,
    known: Known,
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
            files: Files::default(),
            known: Known::default(),
        }
    }

    /// The cache of its activations.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// Runs `job` until all its trials have their outcome or `control` says stop.
    ///
    /// # Errors
    /// When this machine cannot run the job, also because of a panic; trials without an outcome are
    /// left unchanged.
    pub fn run(&mut self, job: &wire::Job, control: &dyn Control) -> Result<(), ExecuteError> {
        let ended = catch_unwind(AssertUnwindSafe(|| self.attempt(job, control)));
        ended.unwrap_or_else(|panic| {
            // A panic may have left them half built.
            (self.files, self.known) = (Files::default(), Known::default());
            let message = said(&*panic).unwrap_or("no reason given").to_owned();
            Err(ExecuteError::Panicked { message })
        })
    }

    fn attempt(&mut self, job: &wire::Job, control: &dyn Control) -> Result<(), ExecuteError> {
        if job.cells.is_empty() {
            return Ok(());
        }
        let job = Job::parse(job, self.data_dir.as_deref())?;
        let inputs = Inputs::prepare(&job, &mut self.files, &self.cache, &self.device, control)?;
        let Some(inputs) = inputs else {
            return Ok(());
        };
        let data = inputs.data();
        let outcomes = Outcomes {
            job: &job,
            data: &data,
            dtype: self.cache.dtype(),
            device: &self.device_name,
            control,
        };
        let started = Instant::now();
        let ended = fit(&inputs, &outcomes, &mut self.known, &self.device);
        totals::trained(started.elapsed());
        match ended {
            // The caller that asked to stop knows.
            Err(TrainError::Interrupted { epoch: _ }) => Ok(()),
            ended => ended.map_err(|source| ExecuteError::Train {
                layers: job.layers(),
                source,
            }),
        }
    }
}

/// Fits what the job's trials are, and reports each outcome.
fn fit(
    inputs: &Inputs<'_>,
    outcomes: &Outcomes<'_>,
    known: &mut Known,
    device: &Device,
) -> Result<(), TrainError> {
    let Outcomes { job, data, .. } = *outcomes;
    match &job.model {
        Model::Baseline(baseline) => linear::fit(*baseline, known, inputs, outcomes),
        Model::Comparison(comparison) => compare::compare(*comparison, known, inputs, outcomes),
        Model::Networks(networks) if networks.iter().any(|trial| trial.linear_path) => {
            let gram = known.gram(linear::Fit {
                baseline: Baseline::Ridge,
                inputs,
                outcomes,
            })?;
            let path = linear_path(gram, data, job.protocol.targets, job.refits())?;
            let data = Data {
                linear_path: Some(&path),
                ..*data
            };
            train_networks(networks, &data, outcomes, device)
        }
        Model::Networks(networks) => {
            // Lanes may use its memory.
            known.forget();
            train_networks(networks, data, outcomes, device)
        }
    }
}

fn train_networks(
    networks: &[nrp::Trial],
    data: &Data<'_>,
    outcomes: &Outcomes<'_>,
    device: &Device,
) -> Result<(), TrainError> {
    let training = Training {
        protocol: &outcomes.job.protocol,
        data,
        statistics: &InputStatistics::measure(data.activations, data.train)?,
        device,
    };
    train(&training, networks, &mut Watched::new(outcomes, networks))
}
