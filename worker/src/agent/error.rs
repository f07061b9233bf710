//! Why a worker ends with an error.

use super::spool::SpoolError;
use crate::activation::ActivationError;
use crate::device::DeviceError;
use crate::executor::ExecuteError;
use miette::Diagnostic;
use nrp_client::ClientError;
use thiserror::Error;

/// Why a worker ended.
#[derive(Debug, Error, Diagnostic)]
pub enum WorkerError {
    /// The device cannot be used.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Device(#[from] DeviceError),
    /// The cache cannot be used.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Cache(#[from] ActivationError),
    /// The spool cannot be used.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Spool(#[from] SpoolError),
    /// The coordinator cannot be reached, or refused the worker.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Coordinator(#[from] ClientError),
    /// This machine prevented a job, and the worker was told to end then.
    #[error("a job cannot be run on this machine; its trials wait")]
    Job(
        #[source]
        #[diagnostic_source]
        ExecuteError,
    ),
}
