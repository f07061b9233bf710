//! Why a sweep's files do not fit it.

use crate::ann::AnnError;
use crate::recording::RecordingError;
use crate::recording::split::SplitError;
use miette::Diagnostic;
use thiserror::Error;

/// Why a sweep's files do not fit it.
#[derive(Debug, Error, Diagnostic)]
pub enum ResolveError {
    /// The ANN or its weights cannot be used.
    #[error("the weights of ANN `{ann}` cannot be used")]
    Ann {
        /// The ANN.
        ann: String,
        /// The cause.
        #[source]
        #[diagnostic_source]
        source: AnnError,
    },
    /// The recordings or their stimuli cannot be used.
    #[error("the recordings cannot be used")]
    Recording(
        #[from]
        #[diagnostic_source]
        RecordingError,
    ),
    /// The split leaves a part empty.
    #[error("the stimuli cannot be split")]
    Split(
        #[from]
        #[diagnostic_source]
        SplitError,
    ),
    /// Too few stimuli for a comparison in any split.
    #[error("`{model}` needs {least} stimuli, and {stimuli} are compared")]
    #[diagnostic(help(
        "use recordings with more stimuli, or leave `{model}` out of `baselines` in `[training]`"
    ))]
    Compared {
        /// The comparison.
        model: String,
        /// How many stimuli there are.
        stimuli: usize,
        /// How many are needed.
        least: usize,
    },
    /// More principal components are asked for than the training stimuli can have.
    #[error(
        "`projection` asks for {asked} principal components, but {stimuli} training stimuli have at most {limit}"
    )]
    #[diagnostic(help("the limit is `pca:{limit}`; `\"row-space\"` uses all components"))]
    Components {
        /// What was asked for.
        asked: u32,
        /// Training stimuli of the split.
        stimuli: usize,
        /// One fewer than training stimuli, because their mean is subtracted.
        limit: usize,
    },
}
