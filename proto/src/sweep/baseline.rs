//! Linear baselines and linear paths, as sweep files and trials spell them. The worker computes them.

use crate::word::word_enum;

/// The baseline whose error stands beside every trial's scores. It has no trials of its own.
pub(super) const MEAN_PREDICTOR: &str = "mean";

word_enum! {
    /// A linear baseline: a model that is fitted to the same activations and responses as NRP networks.
    pub enum Baseline: "linear baseline" {
        /// Least squares of least norm.
        Ols = "ols",
        /// Ridge regression, its penalty cross-validated for each site.
        Ridge = "ridge",
        /// Partial least squares regression with 25 components.
        Pls = "pls",
    }
}

word_enum! {
    /// What predicts beside an NRP network, which is fitted to what that leaves.
    pub enum LinearPath: "linear path" {
        /// Nothing.
        None = "none",
        /// Ridge regression on the same activations.
        Ridge = "ridge",
    }
}
