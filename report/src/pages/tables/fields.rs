//! Fields and sentences that several tables share.

use crate::model::{AnnResult, Winner};
use crate::pages::table::{Field, Value, field};
use crate::row::{self, Row};
use nrp_proto::axis;
use nrp_proto::axis::Axis;
use nrp_proto::score::{Kind, Score};
use nrp_proto::sweep::Scheme;
use nrp_proto::wire::SplitSpec;

/// How linear baselines are fitted, other than NRP networks, where a scheme does so; begins with a space.
pub(crate) fn linear_fit(split: &SplitSpec) -> &'static str {
    if Scheme::of(split).is_ok_and(Scheme::refits) {
        " Linear baselines do not stop early, so they are fitted to the validation stimuli as well."
    } else {
        ""
    }
}

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
    let score = Score::NrpError;
    field(
        score.label(),
        score.name(),
        Value::Score(of.scores.get(score)),
    )
}

/// The scores that stand beside every NRP-error.
pub(crate) fn context(of: &Row) -> Vec<Field> {
    /// In columns of their own: the consistency as Brain-Score's ceiling, over splits.
    const ELSEWHERE: [Score; 2] = [Score::NrpError, Score::SplitHalfConsistency];
    let scores = Score::ALL.into_iter();
    let others = scores.filter(|score| Kind::Prediction.has(*score) && !ELSEWHERE.contains(score));
    let fields = others.map(|score| {
        let value = Value::Score(of.scores.get(score));
        field(score.label(), score.name(), value)
    });
    fields.collect()
}

/// The configuration of a trial: its layers, and every axis that has no column elsewhere.
pub(crate) fn configuration(of: &Row) -> Vec<Field> {
    /// Named by other columns: the projection with the layers, the sparsity with the ANN.
    const ELSEWHERE: [Axis; 7] = [
        Axis::Ann,
        Axis::Region,
        Axis::Model,
        Axis::Layers,
        Axis::Sparsity,
        Axis::Projection,
        Axis::Split,
    ];
    let cell = &of.cell;
    let mut fields = vec![field("layers", "layers", Value::Word(cell.layers_label()))];
    let axes = Axis::ALL.into_iter();
    let axes = axes.filter(|axis| !ELSEWHERE.contains(axis));
    fields.extend(axes.map(|axis| {
        let place = &cell.place;
        let value = match axis.kind() {
            axis::Kind::Word => Value::Word(place.word(axis).unwrap_or_default().to_owned()),
            axis::Kind::Whole => Value::Count(place.whole(axis)),
            axis::Kind::Real => Value::Number(place.number(axis)),
        };
        field(axis.label(), axis.name(), value)
    }));
    let trial = cell.trial.clone().unwrap_or_default();
    fields.push(field("trial", "trial", Value::Word(trial)));
    fields
}
