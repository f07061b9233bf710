//! What keeps a job from being run on this worker.

use crate::activation::ActivationError;
use crate::ann::AnnError;
use crate::nrp::TrainError;
use crate::recording::RecordingError;
use crate::recording::split::SplitError;
use crate::resolve::ResolveError;
use miette::Diagnostic;
use thiserror::Error;

/// Why this worker cannot run a job. None of its trials is at fault.
#[derive(Debug, Error, Diagnostic)]
pub enum ExecuteError {
    /// Activations could not be read or extracted.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Activation(#[from] ActivationError),
    /// The ANN or its weights could not be loaded.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Ann(#[from] AnnError),
    /// The recordings could not be opened.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Recording(#[from] RecordingError),
    /// The stimuli could not be split.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Split(#[from] SplitError),
    /// A file here differs from the one that the sweep was submitted with.
    #[error("the {what} here have digest {found}; the sweep was submitted with {expected}")]
    #[diagnostic(help(
        "point `--data-dir` at the files the sweep was submitted with, or submit it again"
    ))]
    OtherFiles {
        /// Which files differ.
        what: &'static str,
        /// Digest of the files here.
        found: String,
        /// Digest in the trial.
        expected: String,
    },
    /// The job does not say what to do.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Job(#[from] JobError),
    /// A panic outside any one trial.
    #[error("the job ended in a panic: {message}")]
    #[diagnostic(help("this is a bug in nrp or in a library; please report it with the message"))]
    Panicked {
        /// The panic's message.
        message: String,
    },
    /// The machine kept the job from training.
    #[error("NRP networks on {layers} cannot be trained here")]
    Train {
        /// The layer set.
        layers: String,
        /// The cause.
        #[source]
        #[diagnostic_source]
        source: TrainError,
    },
}

/// Why a job cannot be understood.
#[derive(Debug, Error, Diagnostic)]
#[error("the job cannot be understood: {0}")]
#[diagnostic(help("coordinator and worker must be of the same version"))]
pub struct JobError(String);

impl JobError {
    pub(super) fn new(problem: impl Into<String>) -> Self {
        Self(problem.into())
    }
}

impl From<ResolveError> for ExecuteError {
    fn from(error: ResolveError) -> Self {
        match error {
            ResolveError::Ann { ann: _, source } => source.into(),
            ResolveError::Recording(source) => source.into(),
            ResolveError::Split(source) => source.into(),
            error @ (ResolveError::Components { .. } | ResolveError::Compared { .. }) => {
                JobError::new(error.to_string()).into()
            }
        }
    }
}
