//! Scores over splits, of the trials that each split's own validation loss chooses.

use super::brain_score::brain_score;
use crate::model::{ModelResult, OverSplits, Spread};
use crate::row::Row;
use nrp_proto::score::Score;

/// Sorts a model's splits and computes its scores over the finished ones.
pub(crate) fn conclude(model: &mut ModelResult) {
    model.splits.sort_by_key(|split| split.split);
    let rows: Vec<&Row> = model.finished().map(|(_, best)| &best.row).collect();
    model.over_splits = over_splits(&rows);
}

/// Scores over `rows`, one for each split; none if there are no rows.
fn over_splits(rows: &[&Row]) -> Option<OverSplits> {
    let of = |score: Score| {
        let scores = rows.iter().map(|row| row.scores.get(score));
        scores.collect::<Option<Vec<f64>>>()
    };
    let spread = |score| (score, of(score).and_then(|scores| Spread::of(&scores)));
    // The ceiling depends on the recordings alone, so any split has it.
    let ceiling = rows.first()?.scores.split_half_consistency;
    Some(OverSplits {
        finished: rows.len(),
        scores: OverSplits::SCORES.map(spread).into(),
        brain_score: of(Score::PearsonMedian).and_then(|medians| brain_score(&medians, ceiling)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setting::Origin;
    use nrp_proto::wire::{Scores, TrialRecord};

    /// A trial's split, whether it waits, and its validation loss and NRP-error if it has them.
    type Taken = (u32, bool, Option<(f64, f64)>);

    fn taken(outcomes: &[Taken]) -> ModelResult {
        let mut model = ModelResult::new("nrp");
        for (number, (split, is_open, scores)) in outcomes.iter().enumerate() {
            let record = TrialRecord {
                id: format!("{number:032x}"),
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
            let row = Row::new(&record, &Origin::default());
            model.take(has_scores.then_some(&row), *split, *is_open);
        }
        conclude(&mut model);
        model
    }

    #[test]
    fn each_split_chooses_by_its_own_validation_loss() {
        let model = taken(&[
            (0, false, Some((0.1, 0.6))),
            (0, false, Some((0.2, 0.3))),
            (1, false, Some((0.5, 0.4))),
            (1, false, None),
        ]);
        let over = model.over_splits.expect("two splits");
        assert_eq!(over.finished, 2);
        let error = over.get(Score::NrpError).expect("errors");
        assert!((error.mean - 0.5).abs() < 1e-12);
        assert!((error.sd.expect("two splits") - 0.02f64.sqrt()).abs() < 1e-12);
        assert_eq!(over.get(Score::R2Median), None);
        let brain_score = over.brain_score.expect("correlations");
        assert!((brain_score.center - 0.5).abs() < 1e-12);
        assert!((brain_score.error - 0.1).abs() < 1e-12);
        assert!((brain_score.score.expect("a ceiling") - (0.5f64 / 0.8).powi(2)).abs() < 1e-12);
    }

    #[test]
    fn a_split_with_an_open_trial_does_not_count() {
        let model = taken(&[
            (0, false, Some((0.1, 0.6))),
            (1, false, Some((0.5, 0.4))),
            (1, true, None),
        ]);
        let over = model.over_splits.as_ref().expect("a split");
        assert_eq!(over.finished, 1);
        assert_eq!(
            over.get(Score::NrpError),
            Some(Spread {
                count: 1,
                mean: 0.6,
                sd: None
            })
        );
        assert_eq!(model.bests().count(), 2);
        assert_eq!(taken(&[(0, true, None)]).over_splits, None);
    }
}
