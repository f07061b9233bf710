//! One trial as users see it: the same fields in `best`, `trials` and `export`, which
//! [`columns`](crate::columns) lists.

use crate::setting::{Origin, Setting};
use crate::text::{self, present};
use nrp_proto::axis::{Axis, Place, Value};
use nrp_proto::id::{NO_PROJECTION, NRP_NETWORK, RANDOM_PREFIX};
use nrp_proto::score::Kind;
pub use nrp_proto::score::TestScores;
use nrp_proto::state::TrialState;
use nrp_proto::sweep::{FEATURES, ONNX, Scheme};
use nrp_proto::wire::{AnnSpec, Scores, TrialRecord, TrialSpec};
use nrp_proto::word;

/// What a row is of: a trial, or the mean of several, which has only what they share.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    /// What all trials of the sweep share.
    pub setting: Setting,
    /// Where it lies on each axis.
    pub place: Place,
    /// Digest of the weights, or `random:SEED`.
    pub weights: String,
    /// How images are made into the ANN's input.
    pub preprocessing: Option<String>,
    /// The layer set.
    pub layers: Option<Vec<String>>,
    /// How the zeros were chosen; absent at sparsity 0.
    pub pruning: Option<String>,
    /// The trial's id.
    pub trial: Option<String>,
    /// Whether the recordings are simulated.
    pub simulated: bool,
    /// Whether the ANN's weights are random rather than trained.
    pub random_weights: bool,
}

/// Where and how a trial was trained; absent where it has no scores, or was recorded before this was
/// kept.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Provenance {
    /// Epochs trained.
    pub epochs: Option<u32>,
    /// The epoch whose weights were kept.
    pub best_epoch: Option<u32>,
    /// The penalty of ridge regression that all sites share.
    pub alpha: Option<f64>,
    /// Format in which the activations were stored.
    pub cache_dtype: Option<String>,
    /// Fraction of zero weights in the ANN's kernels, counted.
    pub reached_sparsity: Option<f64>,
    /// Version of the worker's program.
    pub worker_version: Option<String>,
    /// Device that the trial was trained on.
    pub device: Option<String>,
    /// When the coordinator took the scores, in UTC.
    pub recorded_at: Option<String>,
}

/// A trial with its scores, or the mean of several.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Which trial it is.
    pub cell: Cell,
    /// Its scores.
    pub scores: TestScores,
    /// What aggregates take of it besides its scores. Not a column.
    pub beside: BesideScores,
    /// Where and how it was trained.
    pub provenance: Provenance,
}

/// What aggregates over splits and subjects take of a trial besides its scores; absent from a mean.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BesideScores {
    /// The median Pearson's r without sites whose prediction is constant, where it differs from
    /// [`Score::PearsonMedian`](nrp_proto::score::Score::PearsonMedian).
    pub pearson_median_varying: Option<f64>,
    /// Standard error of the split-half consistency.
    pub split_half_error: Option<f64>,
    /// Similarities of the subject's responses with those of the other subjects of the recordings, in their order.
    pub between_subjects: Vec<f64>,
    /// These subjects; empty in outcomes of earlier versions.
    pub other_subjects: Vec<String>,
}

impl From<&Scores> for BesideScores {
    fn from(scores: &Scores) -> Self {
        Self {
            pearson_median_varying: scores.pearson_median_varying,
            split_half_error: scores.split_half_error,
            between_subjects: scores.between_subjects.clone(),
            other_subjects: scores.other_subjects.clone(),
        }
    }
}

/// One trial with its state.
#[derive(Debug, Clone, PartialEq)]
pub struct TrialRow {
    /// Which trial it is, with its scores.
    pub row: Row,
    /// The trial's state.
    pub state: String,
    /// Sites of the region.
    pub sites: Option<u32>,
    /// Sites that have scores.
    pub sites_scored: Option<u32>,
    /// Sites that do not select, since their training responses say too little.
    pub sites_left_out: Option<u32>,
    /// Seconds of training.
    pub train_seconds: Option<f64>,
    /// Attempts so far.
    pub attempts: u32,
    /// The worker of the latest attempt.
    pub worker: Option<String>,
    /// Why the trial failed.
    pub reason: Option<String>,
}

/// An ANN that its file defines, as tables show it: its word and the file's digest.
pub fn file_label(ann: &str, digest: &str) -> String {
    format!("{ann} {}", digest.get(..8).unwrap_or(digest))
}

/// An ANN as tables show it: random weights are never shown as trained ones, and ONNX nets and files of
/// activations are told apart.
pub fn ann_label(ann: &str, weights: &str) -> String {
    if weights.starts_with(RANDOM_PREFIX) {
        format!("{ann} (random weights)")
    } else if ann == ONNX || ann == FEATURES {
        file_label(ann, weights)
    } else {
        ann.to_owned()
    }
}

/// A region as tables show it: simulated recordings are never shown as real ones.
pub fn region_label(region: &str, simulated: bool) -> String {
    if simulated {
        format!("{region} (simulated)")
    } else {
        region.to_owned()
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
    /// A trial. Its axes are in its place.
    pub fn new(record: &TrialRecord, origin: &Origin) -> Self {
        let spec = record.spec.clone().unwrap_or_default();
        let place = Place::of(&spec, record.scores.as_ref());
        let simulated = spec.simulated();
        let random_weights = spec.random_weights();
        let of_network = spec.is_nrp_network();
        let TrialSpec {
            ann,
            recordings_digest,
            split,
            layers,
            training,
            ..
        } = spec;
        let AnnSpec {
            // Axes.
            name: _,
            sparsity: _,
            weights_digest,
            preprocessing,
            pruning,
        } = ann.unwrap_or_default();
        let split = split.unwrap_or_default();
        let training = training.unwrap_or_default();
        Self {
            setting: Setting::new(origin, recordings_digest, split, training, of_network),
            place,
            weights: weights_digest,
            preprocessing: present(preprocessing),
            layers: Some(layers),
            pruning: present(pruning),
            trial: Some(record.id.clone()),
            simulated,
            random_weights,
        }
    }

    /// What several cells share. The first says which sweep and which ANN they are of.
    ///
    /// # Panics
    /// When there is none.
    pub fn shared(cells: &[&Cell]) -> Self {
        fn all<T: PartialEq + Clone>(cells: &[&Cell], of: fn(&Cell) -> &Option<T>) -> Option<T> {
            shared(cells.iter().map(|cell| of(cell)))
        }
        let first = cells[0];
        Self {
            setting: first.setting.clone(),
            place: Place::shared(cells.iter().map(|cell| &cell.place)),
            weights: first.weights.clone(),
            preprocessing: all(cells, |cell| &cell.preprocessing),
            layers: all(cells, |cell| &cell.layers),
            pruning: all(cells, |cell| &cell.pruning),
            trial: all(cells, |cell| &cell.trial),
            simulated: cells.iter().any(|cell| cell.simulated),
            random_weights: cells.iter().any(|cell| cell.random_weights),
        }
    }

    /// The ANN's name.
    pub fn ann(&self) -> &str {
        self.place.word(Axis::Ann).unwrap_or_default()
    }

    /// The region, or `mean`.
    pub fn region(&self) -> &str {
        self.place.word(Axis::Region).unwrap_or_default()
    }

    /// What predicts the responses: `nrp`, or a linear baseline.
    pub fn model(&self) -> &str {
        self.place.word(Axis::Model).unwrap_or_default()
    }

    /// Label of the ANN.
    pub fn ann_label(&self) -> String {
        ann_label(self.ann(), &self.weights)
    }

    /// Label of the region.
    pub fn region_label(&self) -> String {
        region_label(self.region(), self.simulated)
    }

    /// What predicts the responses, as tables show it.
    pub fn model_label(&self) -> String {
        model_label(self.model())
    }

    /// Which split, as tables show it: one that was tested on what it was selected on is never shown
    /// as another.
    pub fn split_label(&self) -> String {
        match self.setting.scheme.as_deref() {
            Some(scheme) if scheme == Scheme::ValidationIsTest.name() => scheme.to_owned(),
            Some(_) | None => text::count(self.place.whole(Axis::Split)),
        }
    }

    /// Its ANN's fraction of zero weights as tables show it: counted, or as asked for where it was not
    /// counted.
    pub fn zeros_label(&self, reached: Option<f64>) -> String {
        match (reached, self.place.number(Axis::Sparsity)) {
            (Some(reached), _) => text::score(Some(reached)),
            (None, Some(asked)) if asked > 0.0 => format!("{asked} asked"),
            (None, _) => "–".to_owned(),
        }
    }

    /// The layer set as tables show it, with what it is projected onto.
    pub fn layers_label(&self) -> String {
        let layers = self.layers.as_ref();
        let layers = layers.map_or_else(|| "–".to_owned(), |layers| layers.join("+"));
        match self.place.word(Axis::Projection) {
            None | Some(NO_PROJECTION) => layers,
            Some(projection) => format!("{layers} ({projection})"),
        }
    }
}

/// The value that all of several have, if they have one.
fn shared<'a, T: PartialEq + Clone + 'a>(
    values: impl IntoIterator<Item = &'a Option<T>>,
) -> Option<T> {
    let mut values = values.into_iter();
    let first = values.next()?.as_ref()?;
    let is_shared = values.all(|value| value.as_ref() == Some(first));
    is_shared.then(|| first.clone())
}

impl From<&Scores> for Provenance {
    fn from(scores: &Scores) -> Self {
        let details = scores.details.clone().unwrap_or_default();
        let recorded = (scores.recorded_at_ms > 0).then_some(scores.recorded_at_ms);
        let predicted = scores.kind() == Kind::Prediction;
        Self {
            // A comparison has no epochs, not even 0 of them.
            epochs: predicted.then_some(scores.epochs),
            best_epoch: predicted.then_some(scores.best_epoch),
            alpha: scores.alpha,
            cache_dtype: present(scores.cache_dtype.clone()),
            reached_sparsity: scores.reached_sparsity,
            worker_version: present(details.worker_version),
            device: present(details.device),
            recorded_at: recorded.map(text::time),
        }
    }
}

impl Provenance {
    /// What several rows share.
    fn shared(rows: &[&Provenance]) -> Self {
        fn all<T: PartialEq + Clone>(
            rows: &[&Provenance],
            of: fn(&Provenance) -> &Option<T>,
        ) -> Option<T> {
            shared(rows.iter().map(|row| of(row)))
        }
        Self {
            epochs: all(rows, |row| &row.epochs),
            best_epoch: all(rows, |row| &row.best_epoch),
            alpha: all(rows, |row| &row.alpha),
            cache_dtype: all(rows, |row| &row.cache_dtype),
            reached_sparsity: all(rows, |row| &row.reached_sparsity),
            worker_version: all(rows, |row| &row.worker_version),
            device: all(rows, |row| &row.device),
            recorded_at: all(rows, |row| &row.recorded_at),
        }
    }
}

impl Row {
    /// A trial; a score is absent where it has none.
    pub fn new(record: &TrialRecord, origin: &Origin) -> Self {
        let scores = record.scores.as_ref();
        Self {
            cell: Cell::new(record, origin),
            scores: scores.map(TestScores::from).unwrap_or_default(),
            beside: scores.map(BesideScores::from).unwrap_or_default(),
            provenance: scores.map(Provenance::from).unwrap_or_default(),
        }
    }

    /// The mean of several rows' scores; of what they are, only what they share.
    ///
    /// # Panics
    /// When there is none.
    pub fn mean(rows: &[&Row]) -> Self {
        let cells: Vec<&Cell> = rows.iter().map(|row| &row.cell).collect();
        let mut cell = Cell::shared(&cells);
        let region = Value::Word(MEAN.to_owned());
        cell.place.set(Axis::Region, Some(region));
        let provenance: Vec<_> = rows.iter().map(|row| &row.provenance).collect();
        Self {
            cell,
            // Absent where a row has no such score: a mean over fewer regions would be another figure.
            scores: TestScores::each(|score| {
                let values = rows.iter().map(|row| row.scores.get(score));
                let values = values.collect::<Option<Vec<f64>>>()?;
                Some(values.iter().sum::<f64>() / values.len() as f64)
            }),
            beside: BesideScores::default(),
            provenance: Provenance::shared(&provenance),
        }
    }
}

/// The region of a row that averages over regions.
pub const MEAN: &str = "mean";

impl TrialRow {
    /// The row of a trial.
    pub fn new(record: TrialRecord, origin: &Origin) -> Self {
        let mut row = Row::new(&record, origin);
        // Where it stopped matters while it has not finished.
        let is_stopped = record.state == TrialState::Stopped.to_wire();
        if let Some(stop) = record.stop.filter(|_| is_stopped) {
            row.scores.validation_mse = Some(stop.validation_mse);
            row.provenance.epochs = row.provenance.epochs.or(Some(stop.epochs));
        }
        let scores = record.scores.as_ref();
        let predicted = scores.filter(|scores| scores.kind() == Kind::Prediction);
        Self {
            sites: scores.map(|scores| scores.sites),
            sites_scored: predicted.map(|scores| scores.sites_scored),
            sites_left_out: predicted.map(|scores| scores.sites_left_out),
            train_seconds: scores.map(|scores| scores.train_seconds),
            state: word::shown::<TrialState>(record.state),
            attempts: record.attempts,
            worker: present(record.worker),
            reason: present(record.reason),
            row,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nrp_proto::score::Score;

    /// The scores of predictions, numbered.
    fn numbered() -> impl Iterator<Item = (u32, Score)> {
        let scores = Score::ALL.into_iter();
        (0..).zip(scores.filter(|score| Kind::Prediction.has(*score)))
    }

    #[test]
    fn a_mean_has_every_score_and_the_axes_that_rows_share() {
        let row = |value: f64, region: &str| {
            let mut scores = Scores::default();
            for (number, score) in numbered() {
                score.set(&mut scores, Some(value + f64::from(number)));
            }
            let record = TrialRecord {
                spec: Some(TrialSpec {
                    region: region.to_owned(),
                    ..TrialSpec::default()
                }),
                scores: Some(scores),
                ..TrialRecord::default()
            };
            Row::new(&record, &Origin::default())
        };
        let (one, other) = (row(1.0, "V4"), row(3.0, "IT"));
        let mean = Row::mean(&[&one, &other]);
        for (number, score) in numbered() {
            let expected = Some(2.0 + f64::from(number));
            assert_eq!(mean.scores.get(score), expected, "{score:?}");
        }
        assert_eq!(mean.cell.region(), MEAN);
        for axis in Axis::ALL.into_iter().filter(|axis| *axis != Axis::Region) {
            assert_eq!(
                mean.cell.place.get(axis),
                one.cell.place.get(axis),
                "{axis}"
            );
        }
    }
}
