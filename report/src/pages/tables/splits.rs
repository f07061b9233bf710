//! Scores over splits.

use super::fields::{linear_fit, names, weights};
use crate::model::{AnnResults, BrainScore, OverSplits, Protocol};
use crate::pages::table::{Field, OnPage, Table, Value, field};
use crate::row;

/// Scores over splits; empty if the scheme has a single split.
/// The table also has Brain-Score's score until January 2026 if it is asked for.
pub(crate) fn table(anns: &AnnResults, protocol: &Protocol, with_before_2026: bool) -> Table {
    let splits = protocol.splits;
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
                fields.extend(scores(model.over_splits.as_ref(), with_before_2026));
                fields.extend(weights(ann));
                rows.push(fields);
            }
        }
    }
    let before = if with_before_2026 {
        " Until January 2026 the score was (center / ceiling)²."
    } else {
        ""
    };
    Table {
        name: "splits",
        title: "Scores over splits",
        note: format!(
            "Each split's trial is chosen by that split's validation loss, so configurations and layers \
             may differ between splits. Only splits in which all trials have an outcome count. S.d. is \
             the sample standard deviation. Brain-Score's aggregate is of one layer set in all \
             splits, that of the lowest mean validation loss, by the formulas of January 2026 \
             (brainscore-vision 2.4.2, brainscore-core 2.5.0): the center is the mean over splits of the \
             median Pearson's r over sites, without sites whose prediction is constant; where that \
             matters, the center with r = 0 at these sites stands beside it. The score is center² / \
             ceiling; site by site, it is the mean over sites of r² / the site's ceiling, without splits in \
             which the site's prediction is constant. Errors are standard errors, of the center over \
             splits and of the ceiling over halvings of the repetitions, or over resamples of the sites \
             where a coordinate is the ceiling; the score has the center's, not divided by the ceiling. A square has no sign: \
             if the center is negative, the score says nothing.{before}{}",
            linear_fit(&protocol.split)
        ),
        rows,
        on_page: OnPage::All,
    }
}

fn scores(over: Option<&OverSplits>, with_before_2026: bool) -> Vec<Field> {
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
    let brain_score = over.and_then(|over| over.brain_score.as_ref());
    let part = |head: &'static str, column: &'static str, get: fn(&BrainScore) -> Option<f64>| {
        field(head, column, Value::Score(brain_score.and_then(get)))
    };
    let layers = brain_score.map(|of| of.layers.join("+"));
    fields.push(field(
        "Brain-Score's layers",
        "brain_score_layers",
        Value::Word(layers.unwrap_or_default()),
    ));
    fields.extend([
        part("Brain-Score's center", "brain_score_center", |of| {
            Some(of.center)
        }),
        part("center's s.e.", "brain_score_center_error", |of| {
            of.center_error
        }),
        part(
            "center with r = 0 where constant",
            "brain_score_center_with_constant",
            |of| of.center_with_constant,
        ),
        part("its ceiling", "brain_score_ceiling", |of| of.ceiling),
        part("ceiling's s.e.", "brain_score_ceiling_error", |of| {
            of.ceiling_error
        }),
        part("its score", "brain_score", |of| of.score),
        part("score's s.e.", "brain_score_error", |of| of.score_error),
        part("its score, site by site", "brain_score_site_wise", |of| {
            of.score_site_wise
        }),
        part(
            "site by site with r = 0 where constant",
            "brain_score_site_wise_with_constant",
            |of| of.score_site_wise_with_constant,
        ),
    ]);
    if with_before_2026 {
        fields.push(part(
            "its score before 2026",
            "brain_score_before_2026",
            |of| of.score_before_2026,
        ));
    }
    fields
}
