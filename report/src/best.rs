//! A finished trial and its scores as one row, and the mean of several such rows.

use crate::row::{Cell, Provenance, TestScores};
use crate::setting::Origin;
use nrp_proto::wire::TrialRecord;
use serde::Serialize;

/// The region of a row that averages over regions.
pub const MEAN: &str = "mean";

/// A finished trial, or the mean of several.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// Which trial it is.
    #[serde(flatten)]
    pub cell: Cell,
    /// Its scores.
    #[serde(flatten)]
    pub scores: TestScores,
    /// Where and how it was trained.
    #[serde(flatten)]
    pub provenance: Provenance,
    /// Free parameters of the NRP network.
    pub parameters: Option<u64>,
}

/// The row of a finished trial.
pub fn shown(record: TrialRecord, origin: &Origin) -> Row {
    Row {
        provenance: record
            .scores
            .as_ref()
            .map(Provenance::from)
            .unwrap_or_default(),
        scores: record
            .scores
            .as_ref()
            .map(TestScores::from)
            .unwrap_or_default(),
        parameters: record.scores.as_ref().map(|scores| scores.parameters),
        cell: Cell::new(record.id, record.spec.unwrap_or_default(), origin),
    }
}

/// The mean of several rows' scores, with the fields that the rows share. `rows` must not be empty.
pub fn mean(rows: &[Row]) -> Row {
    /// The value that all rows have in common, if there is one.
    fn all<T: PartialEq + Clone>(rows: &[Row], of: impl Fn(&Row) -> Option<T>) -> Option<T> {
        let first = of(&rows[0])?;
        rows.iter()
            .all(|row| of(row).as_ref() == Some(&first))
            .then_some(first)
    }
    fn shared<T: PartialEq + Clone>(rows: &[Row], of: impl Fn(&Cell) -> Option<T>) -> Option<T> {
        all(rows, |row| of(&row.cell))
    }
    /// Absent if a row lacks the score: a mean over fewer regions would be another number.
    fn average(rows: &[Row], of: impl Fn(&TestScores) -> Option<f64>) -> Option<f64> {
        let values: Option<Vec<f64>> = rows.iter().map(|row| of(&row.scores)).collect();
        values.map(|values| values.iter().sum::<f64>() / values.len() as f64)
    }
    let first = &rows[0].cell;
    Row {
        cell: Cell {
            setting: first.setting.clone(),
            ann: first.ann.clone(),
            weights: first.weights.clone(),
            preprocessing: shared(rows, |cell| cell.preprocessing.clone()),
            region: MEAN.to_owned(),
            model: first.model.clone(),
            layers: shared(rows, |cell| cell.layers.clone()),
            l1: shared(rows, |cell| cell.l1),
            l2: shared(rows, |cell| cell.l2),
            depth: shared(rows, |cell| cell.depth),
            learning_rate: shared(rows, |cell| cell.learning_rate),
            weight_decay: shared(rows, |cell| cell.weight_decay),
            dropout: shared(rows, |cell| cell.dropout),
            sparsity: shared(rows, |cell| cell.sparsity),
            pruning: shared(rows, |cell| cell.pruning.clone()),
            projection: shared(rows, |cell| cell.projection.clone()),
            linear_path: shared(rows, |cell| cell.linear_path.clone()),
            ensemble: shared(rows, |cell| cell.ensemble),
            split: shared(rows, |cell| cell.split),
            seed: shared(rows, |cell| cell.seed),
            trial: shared(rows, |cell| cell.trial.clone()),
            simulated: rows.iter().any(|row| row.cell.simulated),
            random_weights: rows.iter().any(|row| row.cell.random_weights),
        },
        scores: TestScores {
            nrp_error: average(rows, |scores| scores.nrp_error),
            mean_predictor_error: average(rows, |scores| scores.mean_predictor_error),
            noise_floor: average(rows, |scores| scores.noise_floor),
            r2_mean: average(rows, |scores| scores.r2_mean),
            r2_median: average(rows, |scores| scores.r2_median),
            r2_pooled: average(rows, |scores| scores.r2_pooled),
            pearson_median: average(rows, |scores| scores.pearson_median),
            ceiling_median: average(rows, |scores| scores.ceiling_median),
            pearson2_over_ceiling: average(rows, |scores| scores.pearson2_over_ceiling),
            split_half_consistency: average(rows, |scores| scores.split_half_consistency),
            validation_mse: average(rows, |scores| scores.validation_mse),
        },
        provenance: Provenance {
            epochs: all(rows, |row| row.provenance.epochs),
            best_epoch: all(rows, |row| row.provenance.best_epoch),
            cache_dtype: all(rows, |row| row.provenance.cache_dtype.clone()),
            reached_sparsity: all(rows, |row| row.provenance.reached_sparsity),
            worker_version: all(rows, |row| row.provenance.worker_version.clone()),
            device: all(rows, |row| row.provenance.device.clone()),
            recorded_at: all(rows, |row| row.provenance.recorded_at.clone()),
        },
        parameters: all(rows, |row| row.parameters),
    }
}
