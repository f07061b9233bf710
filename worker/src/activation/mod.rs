//! Activations: the output of an ANN's layers for the stimuli, extracted once and kept on disk.
//!
//! `key` identifies a cached layer, `file` reads one, `partial` writes one and `lock` controls
//! access to it. `cache` is the directory with its budget, `inventory` lists and prunes it, `held`
//! records what jobs find in it, and `extract` fills it. `projection` adds to a layer its
//! coordinates in the span of some stimuli; `row_space` computes them from inner products, which
//! `products` sums. Nothing in here knows of trials or recordings' responses.

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

/// Why activations are not available.
#[derive(Debug, Error, Diagnostic)]
pub enum ActivationError {
    /// The cache could not be written.
    #[error("the activation cache cannot write `{}`", path.display())]
    #[diagnostic(help(
        "free space or permissions there, or name another directory with `--cache`; \
         finished batches are kept; run the same command again to go on"
    ))]
    Write {
        /// The file being written.
        path: PathBuf,
        /// The operating system's error.
        #[source]
        source: std::io::Error,
    },
    /// The cache could not be read.
    #[error("the activation cache cannot read `{}`", path.display())]
    #[diagnostic(help("check the disk; if you delete the file, the layer is extracted again"))]
    Read {
        /// The file being read.
        path: PathBuf,
        /// The operating system's error.
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
    /// A layer has an activation that is not finite.
    #[error("layer `{layer}` has a value for stimulus `{stimulus}` that is not finite")]
    #[diagnostic(help(
        "the weights are damaged or belong to another network: try `nrp ann verify`; in an ONNX file, an \
         operation divides by zero or overflows: name another layer"
    ))]
    NotFinite {
        /// The layer.
        layer: String,
        /// The stimulus's id.
        stimulus: String,
    },
    /// A layer has an activation that the cache's number format cannot represent.
    #[error(
        "layer `{layer}` has the value {value} for stimulus `{stimulus}`, which {dtype} cannot store"
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
    /// A layer's projection does not converge.
    #[error("the spectrum of layer `{layer}` cannot be computed: its eigenvalues do not converge")]
    #[diagnostic(help("train on the activations themselves: `projection = \"none\"`"))]
    Spectrum {
        /// The layer.
        layer: String,
    },
    /// The layers of one job need more bytes than the cache's budget.
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
        /// The cache's budget in bytes.
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
    /// The caller asked to stop.
    #[error("interrupted while extracting activations")]
    Interrupted,
}

fn write_error(path: &Path, source: std::io::Error) -> ActivationError {
    ActivationError::Write {
        path: path.to_owned(),
        source,
    }
}
