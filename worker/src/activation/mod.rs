//! Activations: what an ANN's layers answer to the stimuli, extracted once and kept on disk.
//!
//! `key` says what a cached layer is, `file` how it lies on disk, `partial` how it gets there and
//! `lock` who may touch it; `cache` is the directory with its budget, `inventory` lists and prunes it,
//! `held` tells what jobs find in it, `extract` fills it, and `projection` puts beside a layer its
//! coordinates in the span of some stimuli, which `row_space` finds from their inner products, which
//! `products` takes. Nothing in here knows of trials or recordings' responses.

mod cache;
mod extract;
mod file;
mod held;
mod inventory;
mod key;
mod lock;
mod partial;
pub(crate) mod products;
mod projection;
mod row_space;
#[cfg(test)]
mod tests;

pub use cache::{Cache, CacheConfig};
pub use extract::{Extraction, OnProgress, Progress, Stage, ensure};
pub use file::CachedLayer;
pub use inventory::{Entry, Prune, Pruned, State};
pub use key::{CacheKey, Dtype, RowSpace, UnknownDtype};
pub use projection::ensure_projected;
pub(crate) use row_space::most as rank_max;

use bytesize::ByteSize;
use miette::Diagnostic;
use std::path::{Path, PathBuf};
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
    /// An ANN's layer has a value that the format it is to be stored in has not.
    #[error(
        "layer `{layer}` answers stimulus `{stimulus}` with {value}, which {dtype} cannot store"
    )]
    #[diagnostic(help("store activations as bf16 or f32: `--cache-dtype bf16`"))]
    OutOfRange {
        /// The layer.
        layer: String,
        /// The stimulus's id.
        stimulus: String,
        /// The value.
        value: f32,
        /// The format.
        dtype: &'static str,
    },
    /// A layer's projection does not come to an end.
    #[error("the spectrum of layer `{layer}` cannot be had: its eigenvalues do not converge")]
    #[diagnostic(help("train on the activations themselves: `projection = \"none\"`"))]
    Spectrum {
        /// The layer.
        layer: String,
    },
    /// The layers of one job have more bytes than the whole cache may have.
    #[error(
        "the activations of {} take {} as {dtype}, and the cache may take {}",
        layers.join("+"), needed.display().si(), budget.display().si()
    )]
    #[diagnostic(help(
        "give it more with `--cache-size`, or store half as much with `--cache-dtype f16` or \
         `bf16`, or take smaller layer sets"
    ))]
    TooLarge {
        /// The job's layers.
        layers: Vec<String>,
        /// Bytes of all of them.
        needed: ByteSize,
        /// Bytes that the cache may have.
        budget: ByteSize,
        /// The format.
        dtype: &'static str,
    },
    /// There is no cache.
    #[error("there is no activation cache in `{}`", path.display())]
    #[diagnostic(help("`nrp run` makes one; `--cache DIR` names another directory"))]
    NoCache {
        /// The directory.
        path: PathBuf,
    },
    /// Somebody asked to stop.
    #[error("interrupted while extracting activations")]
    Interrupted,
}

fn write_error(path: &Path, source: std::io::Error) -> ActivationError {
    ActivationError::Write {
        path: path.to_owned(),
        source,
    }
}
