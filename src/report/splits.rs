//! Splits: what predicts a region best in each split, chosen by that split's validation loss alone, and
//! what it scores over all of them.

use super::brain_score::BrainScore;
use super::compare::LINEAR_FIT;
use super::gather::{Report, better, found};
use super::table::{Field, OnPage, Table, Value, field};
use super::tables;
use crate::best::Row;
use crate::row::{self, TestScores};
use nrp_proto::wire::{Details, TrialSpec};
use serde::Serialize;

/// NRP networks on an ANN, or one linear baseline, in every split.
#[derive(Debug, Serialize)]
pub(super) struct Model {
    /// `nrp`, or a linear baseline.
    pub(super) model: String,
    pub(super) splits: Vec<Split>,
    /// Over the splits that have finished; absent where none has.
    pub(super) over_splits: Option<OverSplits>,
}

/// One split of the stimuli.
#[derive(Debug, Serialize)]
pub(super) struct Split {
    pub(super) split: u32,
    pub(super) trials: u64,
    /// Trials without an outcome.
    pub(super) open: u64,
    pub(super) best: Option<Best>,
}

/// The trial with the split's lowest validation loss.
#[derive(Debug, Serialize)]
pub(super) struct Best {
    #[serde(flatten)]
    pub(super) row: Row,
    /// Absent where the trial was recorded without.
    #[serde(skip)]
    pub(super) details: Option<Details>,
}

/// Scores of the splits' best trials.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct OverSplits {
    /// Splits of which all trials have an outcome, and one has scores.
    pub(super) finished: usize,
    /// A score is absent where a split has none.
    pub(super) nrp_error: Option<Spread>,
    pub(super) r2_median: Option<Spread>,
    pub(super) pearson_median: Option<Spread>,
    pub(super) brain_score: Option<BrainScore>,
}

/// A score over splits.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Spread {
    pub(super) mean: f64,
    /// Sample standard deviation; absent of one split.
    pub(super) sd: Option<f64>,
}

impl Model {
    pub(super) fn new(model: &str) -> Self {
        Self {
            model: model.to_owned(),
            splits: Vec::new(),
            over_splits: None,
        }
    }

    /// Takes in a trial of it, whose row is there once it has scores.
    pub(super) fn take(&mut self, row: Option<&Row>, spec: &TrialSpec, is_open: bool) {
        let number = spec.split_number();
        let split = found(
            &mut self.splits,
            |split| split.split == number,
            || Split {
                split: number,
                trials: 0,
                open: 0,
                best: None,
            },
        );
        split.trials += 1;
        split.open += u64::from(is_open);
        if let Some(row) = row {
            let best = split.best.get_or_insert_with(|| Best {
                row: row.clone(),
                details: None,
            });
            better(&mut best.row, row);
        }
    }

    /// Works out what follows from all splits together.
    pub(super) fn conclude(&mut self) {
        self.splits.sort_by_key(|split| split.split);
        let rows: Vec<&Row> = self.finished().map(|(_, best)| &best.row).collect();
        self.over_splits = OverSplits::new(&rows);
    }

    /// The best trial of each split that has one.
    pub(super) fn bests(&self) -> impl Iterator<Item = &Best> {
        self.splits.iter().filter_map(|split| split.best.as_ref())
    }

    pub(super) fn bests_mut(&mut self) -> impl Iterator<Item = &mut Best> {
        let splits = self.splits.iter_mut();
        splits.filter_map(|split| split.best.as_mut())
    }

    /// The same of the first split.
    pub(super) fn first(&self) -> Option<&Best> {
        let first = self.splits.iter().find(|split| split.split == 0)?;
        first.best.as_ref()
    }

    /// Splits of which all trials have an outcome, by number, with their best trial.
    pub(super) fn finished(&self) -> impl Iterator<Item = (u32, &Best)> {
        let finished = self.splits.iter().filter(|split| split.open == 0);
        finished.filter_map(|split| Some((split.split, split.best.as_ref()?)))
    }
}

impl OverSplits {
    fn new(rows: &[&Row]) -> Option<Self> {
        let of = |score: fn(&TestScores) -> Option<f64>| {
            let scores = rows.iter().map(|row| score(&row.scores));
            scores.collect::<Option<Vec<f64>>>()
        };
        let spread = |score| of(score).and_then(|scores| Spread::new(&scores));
        // It is of the recordings, and so the same in all.
        let ceiling = rows.first()?.scores.split_half_consistency;
        Some(Self {
            finished: rows.len(),
            nrp_error: spread(|scores| scores.nrp_error),
            r2_median: spread(|scores| scores.r2_median),
            pearson_median: spread(|scores| scores.pearson_median),
            brain_score: of(|scores| scores.pearson_median)
                .and_then(|medians| BrainScore::new(&medians, ceiling)),
        })
    }
}

impl Spread {
    fn new(scores: &[f64]) -> Option<Self> {
        let count = scores.len();
        let mean = scores.iter().sum::<f64>() / count as f64;
        let squares: f64 = scores.iter().map(|score| (score - mean).powi(2)).sum();
        (count > 0).then(|| Self {
            mean,
            sd: (count > 1).then(|| (squares / (count - 1) as f64).sqrt()),
        })
    }
}

/// Scores over splits, where there are several.
pub(super) fn table(report: &Report) -> Table {
    let mut rows = Vec::new();
    for network in report
        .networks
        .iter()
        .filter(|_| report.protocol.splits > 1)
    {
        for region in &network.regions {
            for model in &region.models {
                let Some(any) = model.bests().next() else {
                    continue;
                };
                let mut fields = tables::names(network, &any.row);
                let label = row::model_label(&model.model);
                fields.push(field("model", "model", Value::Word(label)));
                fields.push(field(
                    "splits",
                    "splits",
                    Value::Count(Some(report.protocol.splits.into())),
                ));
                fields.extend(scores(model.over_splits.as_ref()));
                fields.extend(tables::weights(network));
                rows.push(fields);
            }
        }
    }
    Table {
        name: "splits",
        title: "Scores over splits",
        note: format!(
            "Of each split the trial that its own validation loss chooses, so that configurations and \
               layers may differ between splits; splits of which all trials have an outcome. S.d. is \
               the sample standard deviation. As Brain-Score aggregates: the center is the mean over \
               splits of the median over sites of Pearson's r, the score (center / ceiling)², the error \
               the standard deviation over splits of that median r (divided by the number of splits, \
               not by one less, and not by the ceiling). A square has no sign: where the center is \
               negative, the score says nothing.{LINEAR_FIT}"
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
    let spreads = [
        (
            ["NRP-error, mean", "s.d."],
            ["mean_nrp_error", "sd_nrp_error"],
            over.and_then(|over| over.nrp_error),
        ),
        (
            ["r median, mean", "s.d."],
            ["mean_pearson_median", "sd_pearson_median"],
            over.and_then(|over| over.pearson_median),
        ),
        (
            ["R² median, mean", "s.d."],
            ["mean_r2_median", "sd_r2_median"],
            over.and_then(|over| over.r2_median),
        ),
    ];
    for (heads, columns, spread) in spreads {
        let values = [
            spread.map(|spread| spread.mean),
            spread.and_then(|spread| spread.sd),
        ];
        for ((head, column), value) in heads.into_iter().zip(columns).zip(values) {
            fields.push(field(head, column, Value::Score(value)));
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::best;
    use crate::setting::Origin;
    use nrp_proto::wire::{Scores, SplitSpec, TrialRecord};

    /// Of a trial: its split, its state, and its validation loss and NRP-error if it has them.
    type Taken = (u32, &'static str, Option<(f64, f64)>);

    fn taken(outcomes: &[Taken]) -> Model {
        let mut model = Model::new("nrp");
        for (number, (split, state, scores)) in outcomes.iter().enumerate() {
            let spec = TrialSpec {
                split: Some(SplitSpec {
                    number: *split,
                    ..SplitSpec::default()
                }),
                ..TrialSpec::default()
            };
            let record = TrialRecord {
                id: format!("{number:032x}"),
                spec: Some(spec.clone()),
                state: (*state).to_owned(),
                scores: scores.map(|(validation_mse, nrp_error)| Scores {
                    validation_mse,
                    nrp_error,
                    pearson_median: Some(1.0 - nrp_error),
                    split_half_consistency: Some(0.8),
                    ..Scores::default()
                }),
                ..TrialRecord::default()
            };
            let has_scores = record.scores.is_some();
            let row = best::shown(record, &Origin::default());
            model.take(has_scores.then_some(&row), &spec, *state == "waiting");
        }
        model.conclude();
        model
    }

    #[test]
    fn each_split_chooses_by_its_own_validation_loss() {
        let model = taken(&[
            (0, "finished", Some((0.1, 0.6))),
            (0, "finished", Some((0.2, 0.3))),
            (1, "finished", Some((0.5, 0.4))),
            (1, "failed", None),
        ]);
        let over = model.over_splits.expect("two splits");
        assert_eq!(over.finished, 2);
        let error = over.nrp_error.expect("errors");
        assert!((error.mean - 0.5).abs() < 1e-12);
        assert!((error.sd.expect("two splits") - 0.02f64.sqrt()).abs() < 1e-12);
        assert_eq!(over.r2_median, None);
        let brain_score = over.brain_score.expect("correlations");
        assert!((brain_score.center - 0.5).abs() < 1e-12);
        assert!((brain_score.error - 0.1).abs() < 1e-12);
        assert!((brain_score.score.expect("a ceiling") - (0.5f64 / 0.8).powi(2)).abs() < 1e-12);
    }

    #[test]
    fn a_split_with_an_open_trial_does_not_count() {
        let model = taken(&[
            (0, "finished", Some((0.1, 0.6))),
            (1, "finished", Some((0.5, 0.4))),
            (1, "waiting", None),
        ]);
        let over = model.over_splits.as_ref().expect("a split");
        assert_eq!(over.finished, 1);
        assert_eq!(
            over.nrp_error,
            Some(Spread {
                mean: 0.6,
                sd: None
            })
        );
        assert_eq!(model.bests().count(), 2);
        assert_eq!(taken(&[(0, "waiting", None)]).over_splits, None);
    }
}
