//! ANNs: for each one, with certain weights, what its trials showed in each region.

use super::published::Published;
use super::similarity::Similarity;
use super::splits::{Best, ModelBrainScore, ModelResult};
use super::spread::Spread;
use super::subjects::Regions;
use crate::row;
use crate::row::Row;
use nrp_proto::id::NRP_NETWORK;
use nrp_proto::sweep::{Pruning, ZEROS_OF_DENSE};
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;
use std::ops::Deref;

/// The ANNs of a sweep, in the order of the grid.
#[derive(Debug, Default, Serialize)]
#[serde(transparent)]
pub struct AnnResults(pub Vec<AnnResult>);

/// An ANN with certain weights: a line of Table 1.
#[derive(Debug, Serialize)]
pub struct AnnResult {
    /// The ANN's name in sweep files.
    pub ann: String,
    /// Digest of the weights, or `random:SEED`.
    pub weights: String,
    /// The weights' file, as the sweep file names it.
    pub weights_file: String,
    /// Whether the weights are random rather than trained.
    pub random_weights: bool,
    /// How images are turned into the ANN's input.
    pub preprocessing: String,
    /// Requested fraction of zero weights.
    pub sparsity: f64,
    /// Counted fraction of zero weights in the kernels; absent for ONNX models and where it was never counted.
    pub reached_sparsity: Option<f64>,
    /// How the zeros were chosen; empty at sparsity 0.
    pub pruning: String,
    /// The paper's numbers; absent for an ANN that the paper lacks, and for pruned weights: the paper's
    /// ANNs are dense.
    pub published: Option<Published>,
    /// What was found in each region.
    pub regions: Regions,
    /// The mean over regions of the best trials, once all trials have an outcome.
    pub mean: Option<Winner>,
}

/// What predicts one region from one ANN. All fields but `models`, `brain_score` and `similarities` are about
/// the first split, and all but these and `baselines` about NRP networks.
#[derive(Debug, Serialize)]
pub struct RegionResult {
    /// The region.
    pub region: String,
    /// Trials.
    pub trials: u64,
    /// Trials without an outcome.
    pub open: u64,
    /// The trial with the lowest validation loss.
    pub best: Option<Winner>,
    /// The best trial of each layer set.
    pub layer_sets: Vec<LayerSet>,
    /// The best trial of each network size, by depth, NRP-L1 and NRP-L2.
    pub sizes: Vec<Size>,
    /// The best finished trial of each linear baseline, each on its best layer set.
    pub baselines: Vec<Row>,
    /// The NRP network and each linear baseline in every split.
    pub models: Vec<ModelResult>,
    /// Brain-Score's aggregate of the first linear baseline in the order of the sweep's, as Brain-Score's
    /// models are linear; of the NRP networks if there is none. Those of all models are in `models`.
    pub brain_score: Option<ModelBrainScore>,
    /// What comparisons without a prediction found, in the order of the sweep's `baselines`.
    pub similarities: Vec<Similarity>,
    /// Each comparison in every split.
    #[serde(skip)]
    pub(crate) compared: Vec<ModelResult>,
}

/// The trial with the lowest validation loss, or the mean of several such trials.
#[derive(Debug, Serialize)]
pub struct Winner {
    /// The trial.
    #[serde(flatten)]
    pub row: Row,
    /// NRP-error of the trial's configuration over its seeds; absent with fewer than two finished seeds.
    #[serde(serialize_with = "over_seeds")]
    pub over_seeds: Option<Spread>,
    /// NRP-error by seed.
    #[serde(skip)]
    pub errors: BTreeMap<u64, f64>,
}

/// The best trial on one layer set.
#[derive(Debug, Serialize)]
pub struct LayerSet {
    /// Trials on the layer set that have scores.
    pub trials: u64,
    /// The trial with the lowest validation loss.
    #[serde(flatten)]
    pub best: Row,
}

/// The best trial of one network size: a cell of Figure 3A.
#[derive(Debug, Serialize)]
pub struct Size {
    /// Trials of the size that have scores.
    pub trials: u64,
    /// Mean of their NRP-errors.
    pub mean_nrp_error: f64,
    /// The trial with the lowest validation loss.
    #[serde(flatten)]
    pub best: Row,
}

fn over_seeds<S: Serializer>(over: &Option<Spread>, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Written {
        seeds: usize,
        mean_nrp_error: f64,
        sd_nrp_error: Option<f64>,
    }
    let written = over.map(|over| Written {
        seeds: over.count,
        mean_nrp_error: over.mean,
        sd_nrp_error: over.sd,
    });
    written.serialize(serializer)
}

impl Deref for AnnResults {
    type Target = [AnnResult];

    fn deref(&self) -> &[AnnResult] {
        &self.0
    }
}

impl<'a> IntoIterator for &'a AnnResults {
    type Item = &'a AnnResult;
    type IntoIter = std::slice::Iter<'a, AnnResult>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl AnnResults {
    /// A label for each ANN, different for each.
    pub fn labels(&self) -> Vec<String> {
        let labels: Vec<String> = self.iter().map(AnnResult::label).collect();
        let anns = self.iter().zip(&labels);
        let labels =
            anns.map(
                |(ann, label)| match labels.iter().filter(|other| *other == label).count() {
                    1 => label.clone(),
                    _ => format!("{label} {}", row::short(&ann.weights)),
                },
            );
        labels.collect()
    }

    /// All regions, each once.
    pub fn regions(&self) -> Vec<&str> {
        let mut names = Vec::new();
        for region in self.region_results() {
            if !names.contains(&region.region.as_str()) {
                names.push(&region.region);
            }
        }
        names
    }

    /// Whether figures that compare ANNs show `ann`. They leave out a pruned ANN if the sweep has the same
    /// ANN unpruned: Figure 3B compares those.
    pub fn is_compared(&self, ann: &AnnResult) -> bool {
        let is_dense_twin = |of: &AnnResult| of.ann == ann.ann && of.is_dense();
        ann.is_dense() || !self.iter().any(is_dense_twin)
    }

    /// The ANNs that figures which compare ANNs show, each with its index.
    pub fn compared(&self) -> impl Iterator<Item = (usize, &AnnResult)> {
        let anns = self.iter().enumerate();
        anns.filter(|(_, ann)| self.is_compared(ann))
    }

    /// ANNs with many zero weights although the sweep asks for none.
    pub fn undeclared(&self) -> impl Iterator<Item = &AnnResult> {
        self.iter()
            .filter(|ann| ann.pruning.is_empty() && !ann.is_dense())
    }

    /// The best NRP network of each ANN and region.
    pub fn winners(&self) -> impl Iterator<Item = &Winner> {
        self.region_results()
            .filter_map(|region| region.best.as_ref())
    }

    /// The best trial of each ANN, region, model and split.
    pub fn bests(&self) -> impl Iterator<Item = &Best> {
        self.models().flat_map(ModelResult::bests)
    }

    /// The models of each ANN and region.
    pub(crate) fn models(&self) -> impl Iterator<Item = &ModelResult> {
        self.region_results().flat_map(|region| &region.models)
    }

    /// As [`AnnResults::models`], to change them.
    pub(crate) fn models_mut(&mut self) -> impl Iterator<Item = &mut ModelResult> {
        let regions = self.0.iter_mut().flat_map(|ann| &mut ann.regions);
        regions.flat_map(|region| &mut region.models)
    }

    fn region_results(&self) -> impl Iterator<Item = &RegionResult> {
        self.iter().flat_map(|ann| &ann.regions)
    }
}

impl AnnResult {
    /// The ANN's label in figures and tables.
    pub fn label(&self) -> String {
        let ann = row::ann_label(&self.ann, &self.weights);
        if self.is_dense() {
            return ann;
        }
        match self.reached_sparsity {
            Some(zeros) => format!("{ann}, {:.1} % zeros", 100.0 * zeros),
            None => format!("{ann}, {:.1} % zeros asked for", 100.0 * self.sparsity),
        }
    }

    /// Whether nearly all weights are nonzero, as counted.
    pub fn is_dense(&self) -> bool {
        self.sparsity == 0.0 && self.zeros() < ZEROS_OF_DENSE
    }

    /// How the zeros were chosen. Zeros that the sweep does not mention come from the file itself.
    pub fn pruned_by(&self) -> &str {
        if self.pruning.is_empty() && !self.is_dense() {
            Pruning::CHECKPOINT
        } else {
            &self.pruning
        }
    }

    /// Fraction of zero weights: as counted, or as requested if never counted.
    pub fn zeros(&self) -> f64 {
        self.reached_sparsity.unwrap_or(self.sparsity)
    }

    /// The best NRP network in a region.
    pub fn best_in(&self, region: &str) -> Option<&Winner> {
        let region = self.regions.iter().find(|of| of.region == region)?;
        region.best.as_ref()
    }

    /// A model's trials in a region.
    pub fn model(&self, region: &str, model: &str) -> Option<&ModelResult> {
        let region = self.regions.iter().find(|of| of.region == region)?;
        region.models.iter().find(|of| of.model == model)
    }

    /// The best NRP network in a region and the first split, with its details.
    pub fn network_in(&self, region: &str) -> Option<&Best> {
        self.model(region, NRP_NETWORK)?.first()
    }
}

impl Winner {
    /// A winner whose other seeds are not known yet.
    pub(crate) fn new(row: &Row) -> Self {
        Self {
            row: row.clone(),
            over_seeds: None,
            errors: BTreeMap::new(),
        }
    }

    /// The trial's NRP-error, and the standard deviation over its seeds.
    pub fn error(&self) -> Option<(f64, Option<f64>)> {
        let sd = self.over_seeds.and_then(|over| over.sd);
        Some((self.row.scores.nrp_error?, sd))
    }
}
