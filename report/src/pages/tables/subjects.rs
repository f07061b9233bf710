//! Brain-Score's scores of regions whose subjects are regions of their own.

use super::fields::weights;
use crate::model::{AnnResults, BrainScore};
use crate::pages::table::{Field, OnPage, Table, Value, field};
use crate::row;

/// Each subject's scores, and the means over subjects; empty unless subjects are regions.
pub(crate) fn table(anns: &AnnResults, with_before_2026: bool) -> Table {
    let mut rows = Vec::new();
    for ann in anns {
        for region in &ann.regions.of_subjects {
            for model in &region.models {
                let mean = &model.over_splits.brain_score;
                let subjects = mean.per_subject.iter();
                let subjects = subjects.map(|of| (of.subject.as_str(), &of.brain_score));
                for (subject, score) in subjects.chain([("mean", mean)]) {
                    let mut fields = vec![
                        field("ANN", "ann", Value::Word(ann.label())),
                        field("region", "region", Value::Word(region.region.clone())),
                        field(
                            "model",
                            "model",
                            Value::Word(row::model_label(&model.model)),
                        ),
                        field("subject", "subject", Value::Word(subject.to_owned())),
                    ];
                    fields.extend(scores(score, with_before_2026));
                    fields.extend(weights(ann));
                    rows.push(fields);
                }
            }
        }
    }
    Table {
        name: "subjects",
        title: "Scores over subjects",
        note: "Each subject's sites are fitted, and have a ceiling, by themselves, on one layer set: that of \
               the lowest mean validation loss over subjects and splits. The rows `mean` are means over \
               subjects of the centers and of center² / ceiling of each; their ceiling is over the sites of all \
               subjects together, which no score is divided by. All are by \
               Brain-Score's formulas of January 2026 (brainscore-vision 2.4.2, brainscore-core 2.5.0). The \
               mean's error is the standard error over splits of the mean over subjects; with a single split \
               there is none."
            .to_owned(),
        rows,
        on_page: OnPage::All,
    }
}

fn scores(of: &BrainScore, with_before_2026: bool) -> Vec<Field> {
    let score = |head: &'static str, column: &'static str, value: Option<f64>| {
        field(head, column, Value::Score(value))
    };
    let count = |of: usize| Value::Count(Some(of as u64));
    let mut fields = vec![
        field("subjects", "subjects", count(of.subjects.unwrap_or(1))),
        field("splits", "splits", count(of.splits)),
        field("layers", "layers", Value::Word(of.layers.join("+"))),
        score("center", "center", Some(of.center)),
        score("center's s.e.", "center_error", of.center_error),
        score(
            "center with r = 0 where constant",
            "center_with_constant",
            of.center_with_constant,
        ),
        score("ceiling", "ceiling", of.ceiling),
        score("ceiling's s.e.", "ceiling_error", of.ceiling_error),
        score("score", "score", of.score),
        score("score's s.e.", "score_error", of.score_error),
        score("score, site by site", "score_site_wise", of.score_site_wise),
    ];
    if with_before_2026 {
        fields.push(score(
            "score before 2026",
            "score_before_2026",
            of.score_before_2026,
        ));
    }
    fields
}
