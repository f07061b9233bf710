//! Fields and sentences that several tables share.

use crate::best::Row;
use crate::model::{AnnResult, Winner};
use crate::pages::table::{Field, Value, field};
use crate::row;

/// How linear baselines are fitted in a scheme of several splits, other than NRP networks; begins with a
/// space.
pub(crate) const LINEAR_FIT: &str = " Linear baselines need no stimuli to stop by, and are fitted to the validation stimuli as well.";

/// Which ANN and region a row is about.
pub(crate) fn names(ann: &AnnResult, of: &Row) -> Vec<Field> {
    vec![
        field("ANN", "ann", Value::Word(ann.label())),
        field("region", "region", Value::Word(of.cell.region_label())),
    ]
}

/// What else tells ANNs apart; these fields come last.
pub(crate) fn weights(ann: &AnnResult) -> [Field; 4] {
    let digest = row::short(&ann.weights).to_owned();
    let sparsity = Value::Number(Some(ann.sparsity));
    [
        field("weights", "weights", Value::Word(digest)),
        field(
            "zeros",
            "reached_sparsity",
            Value::Score(ann.reached_sparsity),
        ),
        field("sparsity asked", "sparsity", sparsity),
        field("pruning", "pruning", Value::Word(ann.pruning.clone())),
    ]
}

/// The error of the winning configuration over its seeds.
pub(crate) fn over_seeds(winner: &Winner) -> [Field; 3] {
    let over = winner.over_seeds;
    [
        field(
            "seeds",
            "seeds",
            Value::Count(over.map(|over| over.count as u64)),
        ),
        field(
            "NRP-error, mean over seeds",
            "mean_nrp_error_over_seeds",
            Value::Score(over.map(|over| over.mean)),
        ),
        field(
            "s.d. over seeds",
            "sd_nrp_error_over_seeds",
            Value::Score(over.and_then(|over| over.sd)),
        ),
    ]
}

/// How many trials a row is the best of.
pub(crate) fn trials(count: u64) -> Field {
    field("trials", "trials", Value::Count(Some(count)))
}

/// The NRP-error.
pub(crate) fn nrp_error(of: &Row) -> Field {
    field("NRP-error", "nrp_error", Value::Score(of.scores.nrp_error))
}

/// The scores that stand beside every NRP-error.
pub(crate) fn context(of: &Row) -> Vec<Field> {
    let scores = &of.scores;
    let all = [
        (
            "mean predictor",
            "mean_predictor_error",
            scores.mean_predictor_error,
        ),
        ("noise floor", "noise_floor", scores.noise_floor),
        ("R² mean", "r2_mean", scores.r2_mean),
        ("R² median", "r2_median", scores.r2_median),
        ("R² pooled", "r2_pooled", scores.r2_pooled),
        ("r median", "pearson_median", scores.pearson_median),
        ("ceiling", "ceiling_median", scores.ceiling_median),
        (
            "r²/ceiling",
            "pearson2_over_ceiling",
            scores.pearson2_over_ceiling,
        ),
        ("validation MSE", "validation_mse", scores.validation_mse),
    ];
    all.map(|(head, column, score)| field(head, column, Value::Score(score)))
        .into()
}

/// The configuration of a trial.
pub(crate) fn configuration(of: &Row) -> Vec<Field> {
    let cell = &of.cell;
    let count = |count: Option<u32>| Value::Count(count.map(u64::from));
    vec![
        field("layers", "layers", Value::Word(cell.layers_label())),
        field("L1", "l1", count(cell.l1)),
        field("L2", "l2", count(cell.l2)),
        field("depth", "depth", count(cell.depth)),
        field("rate", "learning_rate", Value::Number(cell.learning_rate)),
        field("decay", "weight_decay", Value::Number(cell.weight_decay)),
        field("dropout", "dropout", Value::Number(cell.dropout)),
        field(
            "linear path",
            "linear_path",
            Value::Word(cell.linear_path.clone().unwrap_or_default()),
        ),
        field("ensemble", "ensemble", count(cell.ensemble)),
        field("seed", "seed", Value::Count(cell.seed)),
        field("parameters", "parameters", Value::Count(of.parameters)),
        field(
            "trial",
            "trial",
            Value::Word(cell.trial.clone().unwrap_or_default()),
        ),
    ]
}
