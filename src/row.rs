//! One trial as users see it: the same fields, in the same order, in `best`, `trials` and `export`.

use crate::output;
use crate::setting::{Origin, Setting};
use nrp_proto::id::{NO_PROJECTION, NRP_NETWORK, RANDOM_PREFIX};
use nrp_proto::sweep::Scheme;
use nrp_proto::wire::{AnnSpec, Scores, TrialRecord, TrialSpec};
use nrp_worker::ann;
use serde::Serialize;

/// Which trial, and what it is of. A field is absent where rows joined into a mean differ in it, and
/// where a linear baseline has no such thing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Cell {
    #[serde(flatten)]
    pub(crate) setting: Setting,
    pub(crate) ann: String,
    /// Digest of the weights, or `random:SEED`.
    pub(crate) weights: String,
    /// How images are made into the ANN's input.
    pub(crate) preprocessing: Option<String>,
    pub(crate) region: String,
    /// What predicts the responses: `nrp`, or a linear baseline.
    pub(crate) model: String,
    pub(crate) layers: Option<Vec<String>>,
    pub(crate) l1: Option<u32>,
    pub(crate) l2: Option<u32>,
    pub(crate) depth: Option<u32>,
    pub(crate) learning_rate: Option<f64>,
    pub(crate) weight_decay: Option<f64>,
    pub(crate) dropout: Option<f64>,
    /// Fraction of zero weights that was asked for.
    pub(crate) sparsity: Option<f64>,
    /// How the zeros were chosen; absent at sparsity 0.
    pub(crate) pruning: Option<String>,
    /// What activations are projected onto, as the sweep file spells it.
    pub(crate) projection: Option<String>,
    /// What predicts beside the network, as the sweep file spells it.
    pub(crate) linear_path: Option<String>,
    /// Networks whose predictions are averaged.
    pub(crate) ensemble: Option<u32>,
    /// Which of the scheme's splits, from 0.
    pub(crate) split: Option<u32>,
    pub(crate) seed: Option<u64>,
    pub(crate) trial: Option<String>,
    /// Whether the recordings are simulated.
    pub(crate) simulated: bool,
    /// Whether the ANN's weights are random rather than trained.
    pub(crate) random_weights: bool,
}

/// Scores on test stimuli; a score is absent where the trial has none.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct TestScores {
    pub(crate) nrp_error: Option<f64>,
    pub(crate) mean_predictor_error: Option<f64>,
    /// Absent, as the ceiling, where no stimulus was repeated.
    pub(crate) noise_floor: Option<f64>,
    pub(crate) r2_mean: Option<f64>,
    pub(crate) r2_median: Option<f64>,
    pub(crate) r2_pooled: Option<f64>,
    pub(crate) pearson_median: Option<f64>,
    pub(crate) ceiling_median: Option<f64>,
    pub(crate) pearson2_over_ceiling: Option<f64>,
    /// Ceiling as Brain-Score aggregates it.
    pub(crate) split_half_consistency: Option<f64>,
    pub(crate) validation_mse: Option<f64>,
}

/// Where and how a trial was trained; absent where it has no scores, or was recorded before this was
/// kept.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Provenance {
    /// Epochs trained, and the one whose weights were kept.
    pub(crate) epochs: Option<u32>,
    pub(crate) best_epoch: Option<u32>,
    /// Format in which the activations were stored.
    pub(crate) cache_dtype: Option<String>,
    /// Fraction of zero weights in the ANN's kernels, counted.
    pub(crate) reached_sparsity: Option<f64>,
    /// Version of the worker's program, and the device it trained on.
    pub(crate) worker_version: Option<String>,
    pub(crate) device: Option<String>,
    /// When the coordinator took the scores, in UTC.
    pub(crate) recorded_at: Option<String>,
}

/// One trial with its state.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct TrialRow {
    pub(crate) state: String,
    #[serde(flatten)]
    pub(crate) cell: Cell,
    #[serde(flatten)]
    pub(crate) scores: TestScores,
    pub(crate) sites: Option<u32>,
    pub(crate) sites_scored: Option<u32>,
    /// Sites that do not select, since their training responses say too little.
    pub(crate) sites_left_out: Option<u32>,
    pub(crate) parameters: Option<u64>,
    #[serde(flatten)]
    pub(crate) provenance: Provenance,
    pub(crate) train_seconds: Option<f64>,
    pub(crate) attempts: u32,
    pub(crate) worker: Option<String>,
    pub(crate) reason: Option<String>,
}

/// An ONNX net as tables show it, by its file's digest.
pub(crate) fn onnx_label(digest: &str) -> String {
    format!("{} {}", ann::ONNX, digest.get(..8).unwrap_or(digest))
}

/// An ANN as tables show it: random weights are never shown as trained ones, and ONNX nets are told
/// apart.
pub(crate) fn ann_label(ann: &str, weights: &str) -> String {
    match weights.starts_with(RANDOM_PREFIX) {
        true => format!("{ann} (random weights)"),
        false if ann == ann::ONNX => onnx_label(weights),
        false => ann.to_owned(),
    }
}

/// A region as tables show it: simulated recordings are never shown as real ones.
pub(crate) fn region_label(region: &str, simulated: bool) -> String {
    match simulated {
        true => format!("{region} (simulated)"),
        false => region.to_owned(),
    }
}

/// A model as tables show it, by its word.
pub(crate) fn model_label(model: &str) -> String {
    match model {
        NRP_NETWORK => "NRP".to_owned(),
        baseline => baseline.to_owned(),
    }
}

/// A trial's id as tables of results show it.
pub(crate) fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}

/// A text that is absent when empty.
pub(crate) fn text(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

impl Cell {
    /// All fields of a trial are named here, so that one that is added is not forgotten.
    pub(crate) fn new(id: String, spec: TrialSpec, origin: &Origin) -> Self {
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
            preprocessing: text(preprocessing),
            region,
            layers: Some(layers),
            l1,
            l2,
            depth: of_network.then_some(depth),
            learning_rate: of_network.then_some(learning_rate),
            weight_decay: of_network.then_some(weight_decay),
            dropout: of_network.then_some(dropout),
            sparsity: Some(sparsity),
            pruning: text(pruning),
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

    pub(crate) fn ann_label(&self) -> String {
        ann_label(&self.ann, &self.weights)
    }

    pub(crate) fn region_label(&self) -> String {
        region_label(&self.region, self.simulated)
    }

    /// What predicts the responses, as tables show it.
    pub(crate) fn model_label(&self) -> String {
        model_label(&self.model)
    }

    /// Which split, as tables show it: one that was tested on what it was selected on is never shown
    /// as another.
    pub(crate) fn split_label(&self) -> String {
        match (self.setting.scheme.as_deref(), self.split) {
            (Some(scheme), _) if scheme == Scheme::ValidationIsTest.name() => scheme.to_owned(),
            (_, split) => output::count(split),
        }
    }

    /// Its ANN's fraction of zero weights as tables show it: counted, and as asked for where nobody
    /// has counted.
    pub(crate) fn zeros_label(&self, reached: Option<f64>) -> String {
        match (reached, self.sparsity) {
            (Some(reached), _) => output::score(Some(reached)),
            (None, Some(asked)) if asked > 0.0 => format!("{asked} asked"),
            (None, _) => "–".to_owned(),
        }
    }

    /// The layer set as tables show it, with what it is projected onto.
    pub(crate) fn layers_label(&self) -> String {
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
            cache_dtype: text(scores.cache_dtype.clone()),
            reached_sparsity: scores.reached_sparsity,
            worker_version: text(details.worker_version),
            device: text(details.device),
            recorded_at: recorded.map(output::time),
        }
    }
}

impl TrialRow {
    pub(crate) fn new(record: TrialRecord, origin: &Origin) -> Self {
        let scores = record.scores.as_ref();
        // Where it stopped is of interest while it is not finished.
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
            worker: text(record.worker),
            reason: text(record.reason),
        }
    }
}
