//! A job as it comes over the wire, checked once: every word of it becomes an enum, every part that must
//! be there is. No file is opened in here.

use super::error::{ExecuteError, JobError};
use crate::ann::{Pruning, WeightsSource};
use crate::nrp::{self, NetworkShape, Protocol};
use crate::recording::Source;
use crate::recording::split::SplitError;
use crate::resolve;
use nrp_proto::sweep::{Baseline, Comparison, LinearPath, Model as Word, Projection, Scheme};
use nrp_proto::wire::{self, AnnSpec, SplitSpec, TrainingSpec, TrialSpec};
use nrp_proto::word::UnknownWord;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// A job that says what to do.
pub(super) struct Job<'a> {
    /// As it came over the wire.
    pub(super) wire: &'a wire::Job,
    /// What its trials share.
    pub(super) shared: &'a TrialSpec,
    pub(super) ann: &'a AnnSpec,
    pub(super) split: &'a SplitSpec,
    pub(super) scheme: Scheme,
    pub(super) pruning: Pruning,
    pub(super) projection: Projection,
    pub(super) protocol: Protocol,
    /// Where the recordings are on this machine.
    pub(super) recordings: Source,
    /// Where the file that lists the splits is, if there is one.
    pub(super) split_file: Option<PathBuf>,
    /// Where the weights are on this machine.
    pub(super) weights: WeightsSource,
    pub(super) model: Model,
}

/// What the trials of a job fit, one for each of its cells.
pub(super) enum Model {
    /// NRP networks.
    Networks(Vec<nrp::Trial>),
    /// One linear baseline.
    Baseline(Baseline),
    /// One comparison, which predicts no site.
    Comparison(Comparison),
}

impl<'a> Job<'a> {
    /// Parses `job`, whose paths are relative to `data_dir`, or to the directory that the job names.
    ///
    /// # Errors
    /// When a part is missing or a word is unknown.
    pub(super) fn parse(job: &'a wire::Job, data_dir: Option<&Path>) -> Result<Self, ExecuteError> {
        let shared = required(&job.shared, "shared part")?;
        let ann = required(&shared.ann, "ann")?;
        let split = required(&shared.split, "split")?;
        let training = required(&shared.training, "training protocol")?;
        let files = required(&job.files, "recordings files")?;
        let data_dir = data_dir.unwrap_or_else(|| Path::new(&job.data_dir));
        Ok(Self {
            wire: job,
            shared,
            ann,
            split,
            scheme: Scheme::of(split).map_err(SplitError::from)?,
            pruning: Pruning::try_from(ann)?,
            projection: word(&training.projection)?,
            protocol: protocol(training)?,
            recordings: resolve::recordings_source(files, data_dir),
            split_file: resolve::split_file(files, data_dir),
            weights: resolve::weights_source(&job.weights, &job.weights_key, data_dir)?,
            model: model(job, shared)?,
        })
    }

    /// The id of a trial, by its number.
    pub(super) fn trial(&self, number: usize) -> &'a str {
        &self.wire.cells[number].id
    }

    /// The layer set in words.
    pub(super) fn layers(&self) -> String {
        self.shared.layers.join("+")
    }

    /// Whether test predictions come from a fit to training and validation stimuli together.
    pub(super) fn refits(&self) -> bool {
        self.scheme.refits()
    }
}

fn model(job: &wire::Job, shared: &TrialSpec) -> Result<Model, JobError> {
    if !shared.is_nrp_network() {
        return Ok(match word(&shared.model)? {
            Word::Linear(baseline) => Model::Baseline(baseline),
            Word::Comparison(comparison) => Model::Comparison(comparison),
        });
    }
    let networks = job
        .cells
        .iter()
        .map(|cell| network(required(&cell.values, "cell of a trial")?));
    Ok(Model::Networks(networks.collect::<Result<_, _>>()?))
}

fn network(cell: &TrialSpec) -> Result<nrp::Trial, JobError> {
    let linear_path = match word(cell.linear_path())? {
        LinearPath::None => false,
        LinearPath::Ridge => true,
    };
    Ok(nrp::Trial {
        network: NetworkShape {
            l1: cell.l1.unwrap_or_default() as usize,
            l2: cell.l2.unwrap_or_default() as usize,
            depth: cell.depth as usize,
            dropout: cell.dropout,
        },
        learning_rate: cell.learning_rate,
        weight_decay: cell.weight_decay,
        linear_path,
        ensemble: cell.ensemble() as usize,
        seed: cell.seed,
    })
}

fn protocol(training: &TrainingSpec) -> Result<Protocol, JobError> {
    Ok(Protocol {
        batch_size: training.batch_size as usize,
        max_epochs: training.max_epochs as usize,
        patience: training.patience as usize,
        inputs: word(&training.inputs)?,
        targets: word(&training.targets)?,
    })
}

fn required<'a, T>(part: &'a Option<T>, name: &str) -> Result<&'a T, JobError> {
    part.as_ref()
        .ok_or_else(|| JobError::new(format!("it has no {name}")))
}

fn word<T: FromStr<Err = UnknownWord>>(word: &str) -> Result<T, JobError> {
    word.parse()
        .map_err(|unknown: UnknownWord| JobError::new(unknown.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::executor::tests::small_job;

    fn refusal(change: impl FnOnce(&mut wire::Job)) -> String {
        let mut job = small_job();
        change(&mut job);
        let refused = Job::parse(&job, None).err();
        refused.expect("does not parse").to_string()
    }

    fn shared(job: &mut wire::Job) -> &mut TrialSpec {
        job.shared.as_mut().expect("a shared part")
    }

    fn training(job: &mut wire::Job) -> &mut TrainingSpec {
        shared(job).training.as_mut().expect("a protocol")
    }

    #[test]
    fn a_job_is_its_shared_part_and_a_trial_for_each_cell() {
        let job = small_job();
        let parsed = Job::parse(&job, Some(Path::new("/data"))).expect("parses");
        assert_eq!(parsed.trial(1), "1");
        assert_eq!(parsed.layers(), "global_average_pooling2d");
        let Model::Networks(networks) = parsed.model else {
            panic!("a baseline");
        };
        let rates: Vec<f64> = networks.iter().map(|trial| trial.learning_rate).collect();
        assert_eq!(rates, [1e-3, 3e-3, 1e-2]);
    }

    #[test]
    fn what_is_missing_or_unknown_is_named() {
        let said = [
            refusal(|job| job.shared = None),
            refusal(|job| job.files = None),
            refusal(|job| shared(job).ann = None),
            refusal(|job| shared(job).split = None),
            refusal(|job| shared(job).training = None),
            refusal(|job| job.cells[1].values = None),
            refusal(|job| shared(job).model = "lasso".to_owned()),
            refusal(|job| training(job).inputs = "log".to_owned()),
            refusal(|job| training(job).targets = "log".to_owned()),
            refusal(|job| training(job).projection = "pca:0".to_owned()),
            refusal(|job| {
                let cell = job.cells[0].values.as_mut().expect("a cell");
                cell.linear_path = "pls".to_owned();
            }),
        ];
        insta::assert_snapshot!(said.join("\n"), @r"
        the job cannot be understood: it has no shared part
        the job cannot be understood: it has no recordings files
        the job cannot be understood: it has no ann
        the job cannot be understood: it has no split
        the job cannot be understood: it has no training protocol
        the job cannot be understood: it has no cell of a trial
        the job cannot be understood: unknown model `lasso`
        the job cannot be understood: unknown scaling of inputs `log`
        the job cannot be understood: unknown scaling of targets `log`
        the job cannot be understood: unknown projection `pca:0`; did you mean `pca:K`?
        the job cannot be understood: unknown linear path `pls`
        ");
    }
}
