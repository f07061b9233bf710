//! Network: one ANN of a report, with certain weights, and whether it is dense or pruned, as counted.

use super::gather::{Region, Winner};
use super::published::Published;
use super::splits::{Best, Model};
use crate::row;
use nrp_proto::id::NRP_NETWORK;
use nrp_proto::sweep::Pruning;
use nrp_worker::resolve::ZEROS_OF_DENSE;
use serde::Serialize;

/// An ANN with certain weights: a line of Table 1.
#[derive(Debug, Serialize)]
pub(super) struct Network {
    pub(super) ann: String,
    /// Digest of the weights, or `random:SEED`.
    pub(super) weights: String,
    /// As the sweep file names it.
    pub(super) weights_file: String,
    pub(super) random_weights: bool,
    pub(super) preprocessing: String,
    /// Fraction of zero weights that was asked for.
    pub(super) sparsity: f64,
    /// The same in its kernels, counted; absent of an ONNX net, and where nobody has counted.
    pub(super) reached_sparsity: Option<f64>,
    /// How the zeros were chosen; empty at sparsity 0.
    pub(super) pruning: String,
    /// Absent where the paper has no such ANN, and where weights are zero: the paper's are of dense nets.
    pub(super) published: Option<Published>,
    pub(super) regions: Vec<Region>,
    /// The best trials' mean over regions, once all have finished.
    pub(super) mean: Option<Winner>,
}

impl Network {
    /// As figures and tables show it.
    pub(super) fn label(&self) -> String {
        let ann = row::ann_label(&self.ann, &self.weights);
        match (self.is_dense(), self.reached_sparsity) {
            (true, _) => ann,
            (false, Some(zeros)) => format!("{ann}, {:.1} % zeros", 100.0 * zeros),
            (false, None) => format!("{ann}, {:.1} % zeros asked for", 100.0 * self.sparsity),
        }
    }

    /// Whether nearly all of its weights are other than zero, as counted.
    pub(super) fn is_dense(&self) -> bool {
        self.sparsity == 0.0 && self.zeros() < ZEROS_OF_DENSE
    }

    /// How its zeros were chosen; those of a file that the sweep says nothing of are the file's own.
    pub(super) fn pruned_by(&self) -> &str {
        match (self.pruning.as_str(), self.is_dense()) {
            ("", false) => Pruning::CHECKPOINT,
            (pruning, _) => pruning,
        }
    }

    /// Fraction of zero weights: counted, and as asked for where nobody has counted.
    pub(super) fn zeros(&self) -> f64 {
        self.reached_sparsity.unwrap_or(self.sparsity)
    }

    /// The best trial in a region.
    pub(super) fn best_in(&self, region: &str) -> Option<&Winner> {
        let region = self.regions.iter().find(|of| of.region == region)?;
        region.best.as_ref()
    }

    /// What predicts a region.
    pub(super) fn model(&self, region: &str, model: &str) -> Option<&Model> {
        let region = self.regions.iter().find(|of| of.region == region)?;
        region.models.iter().find(|of| of.model == model)
    }

    /// The best NRP network in a region, of the first split.
    pub(super) fn network_in(&self, region: &str) -> Option<&Best> {
        self.model(region, NRP_NETWORK)?.first()
    }
}
