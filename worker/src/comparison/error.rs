//! Why activations and responses cannot be compared.

use miette::Diagnostic;
use thiserror::Error;

/// Why activations and responses cannot be compared.
#[derive(Debug, Error, Diagnostic, PartialEq, Eq)]
pub enum ComparisonError {
    /// Stimuli without a response at some site.
    #[error("{stimuli} of {of} stimuli lack a response at one of the {sites} sites")]
    #[diagnostic(help(
        "a comparison takes whole rows and fills in nothing: drop these stimuli or sites from the recordings; `nrp data check` counts the missing values"
    ))]
    Missing {
        /// How many lack one.
        stimuli: usize,
        /// How many are compared.
        of: usize,
        /// Sites of the region.
        sites: usize,
    },
    /// Too few stimuli.
    #[error("{found} stimuli cannot be compared; `{model}` needs {least}")]
    #[diagnostic(help("use recordings with more stimuli, or a split with a larger part"))]
    Stimuli {
        /// The comparison.
        model: &'static str,
        /// How many there are.
        found: usize,
        /// How many are needed.
        least: usize,
    },
    /// Rows too short for a correlation that says anything.
    #[error("{found} {of} make no dissimilarities: `rdm` needs {least}")]
    #[diagnostic(help("over two values every correlation is 1 or -1; `cka` takes any number"))]
    Width {
        /// `units` or `sites`.
        of: &'static str,
        /// How many there are.
        found: usize,
        /// How many are needed.
        least: usize,
    },
    /// A row without variation has no correlation.
    #[error(
        "stimulus {stimulus} has the same value at all {of}: its dissimilarities are undefined"
    )]
    #[diagnostic(help(
        "drop that stimulus from the recordings, or choose another layer; `cka` needs no correlations"
    ))]
    Constant {
        /// The stimulus's row in the recordings.
        stimulus: usize,
        /// `units` or `sites`.
        of: &'static str,
    },
    /// All dissimilarities are equal.
    #[error("all dissimilarities between {of} are equal: they have no order")]
    #[diagnostic(help("leave `rdm` out of `baselines`"))]
    NoOrder {
        /// `activations` or `responses`.
        of: &'static str,
    },
    /// All stimuli are alike.
    #[error("the {of} are the same for all stimuli: there is nothing to align")]
    #[diagnostic(help("leave `cka` out of `baselines`, or choose another layer"))]
    Alike {
        /// `activations` or `responses`.
        of: &'static str,
    },
    /// More components than predictors or stimuli.
    #[error("{components} components cannot be fitted to {found} {of}")]
    #[diagnostic(help(
        "write fewer: `reverse-pls:K` has K components, at most as many as sites and training stimuli"
    ))]
    Components {
        /// Components asked for.
        components: u32,
        /// `sites` or `training stimuli`.
        of: &'static str,
        /// How many there are.
        found: usize,
    },
    /// No unit whose prediction can be correlated.
    #[error("no unit varies over the {stimuli} test stimuli: there is nothing to predict")]
    #[diagnostic(help("choose another layer, or a split with more test stimuli"))]
    NoUnit {
        /// Test stimuli.
        stimuli: usize,
    },
}
