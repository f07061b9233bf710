//! One trial as users see it: the same fields in the same order wherever trials are shown.

use crate::setting::{Origin, Setting};
use crate::text::{self, present};
use nrp_proto::id::{NO_PROJECTION, NRP_NETWORK, RANDOM_PREFIX};
use nrp_proto::sweep::{ONNX, Scheme};
use nrp_proto::wire::{AnnSpec, Scores, TrialRecord, TrialSpec};
use serde::Serialize;

/// Which trial it is, and its place in the grid. A field is absent if the rows of a mean differ in it, and
/// if a linear baseline has no such thing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cell {
    /// What all trials of the sweep share.
    #[serde(flatten)]
    pub setting: Setting,
    /// The ANN's name in sweep files.
    pub ann: String,
    /// Digest of the weights, or `random:SEED`.
    pub weights: String,
    /// How images are turned into the ANN's input.
    pub preprocessing: Option<String>,
    /// The region.
    pub region: String,
    /// What predicts the responses: `nrp`, or a linear baseline.
    pub model: String,
    /// The layer set.
    pub layers: Option<Vec<String>>,
    /// Units of NRP-L1.
    pub l1: Option<u32>,
    /// Units of NRP-L2.
    pub l2: Option<u32>,
    /// Intermediate layers of the NRP network.
    pub depth: Option<u32>,
    /// The learning rate.
    pub learning_rate: Option<f64>,
    /// The weight decay.
    pub weight_decay: Option<f64>,
    /// The dropout probability.
    pub dropout: Option<f64>,
    /// Requested fraction of zero weights.
    pub sparsity: Option<f64>,
    /// How the zeros were chosen; absent at sparsity 0.
    pub pruning: Option<String>,
    /// What activations are projected onto, as the sweep file spells it.
    pub projection: Option<String>,
    /// The linear model beside the network, as the sweep file spells it.
    pub linear_path: Option<String>,
    /// Networks whose predictions are averaged.
    pub ensemble: Option<u32>,
    /// The split's number in its scheme, from 0.
    pub split: Option<u32>,
    /// The seed.
    pub seed: Option<u64>,
    /// The trial's id.
    pub trial: Option<String>,
    /// Whether the recordings are simulated.
    pub simulated: bool,
    /// Whether the ANN's weights are random rather than trained.
    pub random_weights: bool,
}

/// Scores on test stimuli; a score is absent if the trial lacks it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct TestScores {
    /// Mean absolute error over test stimuli and sites, in the recordings' units.
    pub nrp_error: Option<f64>,
    /// The error of a predictor that always answers each site's training mean.
    pub mean_predictor_error: Option<f64>,
    /// The error that noise leaves to a perfect predictor; absent, as the ceilings, if no stimulus was
    /// repeated.
    pub noise_floor: Option<f64>,
    /// Mean R² over sites.
    pub r2_mean: Option<f64>,
    /// Median R² over sites.
    pub r2_median: Option<f64>,
    /// R² over all sites together.
    pub r2_pooled: Option<f64>,
    /// Median Pearson's r over sites.
    pub pearson_median: Option<f64>,
    /// Median noise ceiling over sites.
    pub ceiling_median: Option<f64>,
    /// Median of r² over the ceiling.
    pub pearson2_over_ceiling: Option<f64>,
    /// Ceiling as Brain-Score aggregates it.
    pub split_half_consistency: Option<f64>,
    /// Mean squared error on the validation stimuli, in fitted units.
    pub validation_mse: Option<f64>,
}

/// Where and how a trial was trained. Fields are absent if the trial has no scores, or if it was recorded
/// by a version that kept none of this.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Provenance {
    /// Epochs trained.
    pub epochs: Option<u32>,
    /// The epoch whose weights were kept.
    pub best_epoch: Option<u32>,
    /// Format in which the activations were stored.
    pub cache_dtype: Option<String>,
    /// Counted fraction of zero weights in the ANN's kernels.
    pub reached_sparsity: Option<f64>,
    /// Version of the worker's program.
    pub worker_version: Option<String>,
    /// Device that the trial was trained on.
    pub device: Option<String>,
    /// When the coordinator recorded the scores, in UTC.
    pub recorded_at: Option<String>,
}

/// One trial with its state.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TrialRow {
    /// The trial's state.
    pub state: String,
    /// Which trial it is.
    #[serde(flatten)]
    pub cell: Cell,
    /// Its scores.
    #[serde(flatten)]
    pub scores: TestScores,
    /// Sites of the region.
    pub sites: Option<u32>,
    /// Sites that have scores.
    pub sites_scored: Option<u32>,
    /// Sites that do not select, because their training responses say too little.
    pub sites_left_out: Option<u32>,
    /// Free parameters of the NRP network or baseline.
    pub parameters: Option<u64>,
    /// Where and how it was trained.
    #[serde(flatten)]
    pub provenance: Provenance,
    /// Seconds of training.
    pub train_seconds: Option<f64>,
    /// Attempts so far.
    pub attempts: u32,
    /// The worker of the latest attempt.
    pub worker: Option<String>,
    /// Why the trial failed.
    pub reason: Option<String>,
}

/// An ONNX net as tables show it, by its file's digest.
pub fn onnx_label(digest: &str) -> String {
    format!("{} {}", ONNX, digest.get(..8).unwrap_or(digest))
}

/// An ANN as tables show it: random weights are never shown as trained ones, and ONNX nets are told
/// apart.
pub fn ann_label(ann: &str, weights: &str) -> String {
    match weights.starts_with(RANDOM_PREFIX) {
        true => format!("{ann} (random weights)"),
        false if ann == ONNX => onnx_label(weights),
        false => ann.to_owned(),
    }
}

/// A region as tables show it: simulated recordings are never shown as real ones.
pub fn region_label(region: &str, simulated: bool) -> String {
    match simulated {
        true => format!("{region} (simulated)"),
        false => region.to_owned(),
    }
}

/// A model as tables show it, by its word.
pub fn model_label(model: &str) -> String {
    match model {
        NRP_NETWORK => "NRP".to_owned(),
        baseline => baseline.to_owned(),
    }
}

/// A trial's id as tables of results show it.
pub fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}

impl Cell {
    /// All fields of a trial are named here, so that one that is added is not forgotten.
    pub fn new(id: String, spec: TrialSpec, origin: &Origin) -> Self {
        let simulated = spec.simulated();
        let random_weights = spec.random_weights();
        let projection = spec.projection().to_owned();
        let model_name = spec.model().to_owned();
        let of_network = spec.is_nrp_network();
        let (linear_path_name, networks) = (spec.linear_path().to_owned(), spec.ensemble());
        let TrialSpec {
            ann,
            recordings_digest,
            region,
            split,
            layers,
            l1,
            l2,
            depth,
            learning_rate,
            weight_decay,
            dropout,
            seed,
            training,
            model: _,
            linear_path: _,
            ensemble: _,
        } = spec;
        let AnnSpec {
            name,
            weights_digest,
            preprocessing,
            sparsity,
            pruning,
        } = ann.unwrap_or_default();
        let split = split.unwrap_or_default();
        let number = split.number;
        let training = training.unwrap_or_default();
        Self {
            setting: Setting::new(origin, recordings_digest, split, training, of_network),
            model: model_name,
            ann: name,
            weights: weights_digest,
            preprocessing: present(preprocessing),
            region,
            layers: Some(layers),
            l1,
            l2,
            depth: of_network.then_some(depth),
            learning_rate: of_network.then_some(learning_rate),
            weight_decay: of_network.then_some(weight_decay),
            dropout: of_network.then_some(dropout),
            sparsity: Some(sparsity),
            pruning: present(pruning),
            projection: Some(projection),
            linear_path: of_network.then_some(linear_path_name),
            ensemble: of_network.then_some(networks),
            split: Some(number),
            seed: of_network.then_some(seed),
            trial: Some(id),
            simulated,
            random_weights,
        }
    }

    /// Label of the ANN.
    pub fn ann_label(&self) -> String {
        ann_label(&self.ann, &self.weights)
    }

    /// Label of the region.
    pub fn region_label(&self) -> String {
        region_label(&self.region, self.simulated)
    }

    /// What predicts the responses, as tables show it.
    pub fn model_label(&self) -> String {
        model_label(&self.model)
    }

    /// Which split, as tables show it: one that was tested on what it was selected on is never shown
    /// as another.
    pub fn split_label(&self) -> String {
        match (self.setting.scheme.as_deref(), self.split) {
            (Some(scheme), _) if scheme == Scheme::ValidationIsTest.name() => scheme.to_owned(),
            (_, split) => text::count(split),
        }
    }

    /// Its ANN's fraction of zero weights as tables show it: counted, and as asked for where nobody
    /// has counted.
    pub fn zeros_label(&self, reached: Option<f64>) -> String {
        match (reached, self.sparsity) {
            (Some(reached), _) => text::score(Some(reached)),
            (None, Some(asked)) if asked > 0.0 => format!("{asked} asked"),
            (None, _) => "–".to_owned(),
        }
    }

    /// The layer set as tables show it, with what it is projected onto.
    pub fn layers_label(&self) -> String {
        let layers = self.layers.as_ref();
        let layers = layers.map_or_else(|| "–".to_owned(), |layers| layers.join("+"));
        match self.projection.as_deref() {
            None | Some(NO_PROJECTION) => layers,
            Some(projection) => format!("{layers} ({projection})"),
        }
    }
}

impl From<&Scores> for TestScores {
    fn from(scores: &Scores) -> Self {
        Self {
            nrp_error: Some(scores.nrp_error),
            mean_predictor_error: Some(scores.mean_predictor_error),
            noise_floor: scores.noise_floor,
            r2_mean: scores.r2_mean,
            r2_median: scores.r2_median,
            r2_pooled: scores.r2_pooled,
            pearson_median: scores.pearson_median,
            ceiling_median: scores.ceiling_median,
            pearson2_over_ceiling: scores.pearson2_over_ceiling,
            split_half_consistency: scores.split_half_consistency,
            validation_mse: Some(scores.validation_mse),
        }
    }
}

impl From<&Scores> for Provenance {
    fn from(scores: &Scores) -> Self {
        let details = scores.details.clone().unwrap_or_default();
        let recorded = (scores.recorded_at_ms > 0).then_some(scores.recorded_at_ms);
        Self {
            epochs: Some(scores.epochs),
            best_epoch: Some(scores.best_epoch),
            cache_dtype: present(scores.cache_dtype.clone()),
            reached_sparsity: scores.reached_sparsity,
            worker_version: present(details.worker_version),
            device: present(details.device),
            recorded_at: recorded.map(text::time),
        }
    }
}

impl TrialRow {
    /// The row of a trial.
    pub fn new(record: TrialRecord, origin: &Origin) -> Self {
        let scores = record.scores.as_ref();
        // The epoch at which a trial stopped matters until it finishes.
        let stop = record.stop.filter(|_| record.state == "stopped");
        let mut test = scores.map(TestScores::from).unwrap_or_default();
        if let Some(stop) = &stop {
            test.validation_mse = Some(stop.validation_mse);
        }
        Self {
            sites: scores.map(|scores| scores.sites),
            sites_scored: scores.map(|scores| scores.sites_scored),
            sites_left_out: scores.map(|scores| scores.sites_left_out),
            parameters: scores.map(|scores| scores.parameters),
            train_seconds: scores.map(|scores| scores.train_seconds),
            provenance: match (scores, &stop) {
                (Some(scores), _) => Provenance::from(scores),
                (None, stop) => Provenance {
                    epochs: stop.map(|stop| stop.epochs),
                    ..Provenance::default()
                },
            },
            scores: test,
            cell: Cell::new(record.id, record.spec.unwrap_or_default(), origin),
            state: record.state,
            attempts: record.attempts,
            worker: present(record.worker),
            reason: present(record.reason),
        }
    }
}
