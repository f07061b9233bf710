//! Activations: what an ANN's layers answer to the stimuli, extracted once and kept on disk.
//!
//! `key` says what a cached layer is, `file` how it lies on disk, `cache` where, and `extract` fills
//! it. Nothing in here knows of trials or recordings' responses.

mod cache;
mod extract;
mod file;
mod key;

pub use cache::Cache;
pub use extract::{Extraction, Progress, ensure};
pub use file::CachedLayer;
pub use key::CacheKey;

use miette::Diagnostic;
use std::path::PathBuf;
use thiserror::Error;

/// Why activations could not be had.
#[derive(Debug, Error, Diagnostic)]
pub enum ActivationError {
    /// The cache could not be written.
    #[error("the activation cache cannot write `{}`", path.display())]
    #[diagnostic(help(
        "free space or permissions there, or name another directory with `--cache`; \
         what was finished is kept, run the same command again to go on"
    ))]
    Write {
        /// The file being written.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The cache could not be read.
    #[error("the activation cache cannot read `{}`", path.display())]
    #[diagnostic(help("check the disk; deleting the file makes it be extracted again"))]
    Read {
        /// The file being read.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The ANN could not be loaded or run.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Ann(#[from] crate::ann::AnnError),
    /// A stimulus could not be read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Recording(#[from] crate::recording::RecordingError),
    /// An ANN's layer has a value that is no number.
    #[error("layer `{layer}` answers stimulus `{stimulus}` with a value that is not finite")]
    #[diagnostic(help("the weights are broken, or of another net: try `nrp ann verify`"))]
    NotFinite {
        /// The layer.
        layer: String,
        /// The stimulus's id.
        stimulus: String,
    },
    /// Somebody asked to stop.
    #[error("interrupted while extracting activations")]
    Interrupted,
}
