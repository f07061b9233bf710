//! Scores over splits.

use super::fields::{LINEAR_FIT, names, weights};
use crate::model::{AnnResults, OverSplits};
use crate::pages::table::{Field, OnPage, Table, Value, field};
use crate::row;

/// Scores over splits; empty if the scheme has a single split.
pub(crate) fn table(anns: &AnnResults, splits: u32) -> Table {
    let mut rows = Vec::new();
    for ann in anns.iter().filter(|_| splits > 1) {
        for region in &ann.regions {
            for model in &region.models {
                let Some(any) = model.bests().next() else {
                    continue;
                };
                let mut fields = names(ann, &any.row);
                let label = row::model_label(&model.model);
                fields.push(field("model", "model", Value::Word(label)));
                let count = Value::Count(Some(splits.into()));
                fields.push(field("splits", "splits", count));
                fields.extend(scores(model.over_splits.as_ref()));
                fields.extend(weights(ann));
                rows.push(fields);
            }
        }
    }
    Table {
        name: "splits",
        title: "Scores over splits",
        note: format!(
            "Each split's trial is chosen by that split's validation loss, so configurations and layers \
             may differ between splits. Only splits in which all trials have an outcome count. S.d. is \
             the sample standard deviation. Brain-Score's aggregate: the center is the mean over splits \
             of the median Pearson's r over sites; the score is (center / ceiling)²; the error is the \
             population standard deviation of that median r over splits, not divided by the ceiling. A \
             square has no sign: if the center is negative, the score says nothing.{LINEAR_FIT}"
        ),
        rows,
        on_page: OnPage::All,
    }
}

fn scores(over: Option<&OverSplits>) -> Vec<Field> {
    let finished = over.map_or(0, |over| over.finished as u64);
    let mut fields = vec![field(
        "finished",
        "splits_finished",
        Value::Count(Some(finished)),
    )];
    for score in OverSplits::SCORES {
        let spread = over.and_then(|over| over.get(score));
        fields.push(field(
            format!("{}, mean", score.label()),
            format!("mean_{}", score.name()),
            Value::Score(spread.map(|spread| spread.mean)),
        ));
        fields.push(field(
            "s.d.",
            format!("sd_{}", score.name()),
            Value::Score(spread.and_then(|spread| spread.sd)),
        ));
    }
    let brain_score = over.and_then(|over| over.brain_score);
    let parts = [
        (
            "Brain-Score's center",
            "brain_score_center",
            brain_score.map(|of| of.center),
        ),
        (
            "its ceiling",
            "brain_score_ceiling",
            brain_score.and_then(|of| of.ceiling),
        ),
        (
            "its score",
            "brain_score",
            brain_score.and_then(|of| of.score),
        ),
        (
            "its error",
            "brain_score_error",
            brain_score.map(|of| of.error),
        ),
    ];
    fields.extend(parts.map(|(head, column, value)| field(head, column, Value::Score(value))));
    fields
}
