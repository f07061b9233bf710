//! Scores over splits, of the trials that each split's own validation loss chooses.

use super::brain_score::{Correlations, brain_score};
use crate::model::{
    Best, BrainScore, ModelBrainScore, ModelResult, OverSplits, SetOverSplits, Spread,
};
use nrp_proto::id::NRP_NETWORK;
use nrp_proto::score::Score;

/// Sorts a model's splits and computes its scores over the finished ones. `ceilings` are those of the
/// region's sites; empty if unknown.
pub(crate) fn conclude(model: &mut ModelResult, ceilings: &[f32]) {
    model.splits.sort_by_key(|split| split.split);
    let bests: Vec<&Best> = model.finished().map(|(_, best)| best).collect();
    let brain_score = of_one_set(model, ceilings);
    model.over_splits = over_splits(&bests, brain_score);
}

/// The scores of each of `bests`; none if one lacks the score.
fn each(bests: &[&Best], score: Score) -> Option<Vec<f64>> {
    let scores = bests.iter().map(|best| best.row.scores.get(score));
    scores.collect()
}

/// Brain-Score's aggregate of the layer set that it is of: Brain-Score scores one layer over all splits.
fn of_one_set(model: &ModelResult, ceilings: &[f32]) -> Option<BrainScore> {
    let set = model.scored_set()?;
    of_set(model, set, ceilings).map(|(brain_score, _)| brain_score)
}

/// Brain-Score's aggregate of one layer `set` of a model, and r of each split that has one, by the split's
/// number.
pub(crate) fn of_set(
    model: &ModelResult,
    set: &SetOverSplits,
    ceilings: &[f32],
) -> Option<(BrainScore, Vec<(u32, f64)>)> {
    let numbers: Vec<u32> = model
        .finished()
        .map(|(split, _)| split)
        .filter(|split| set.bests.contains_key(split))
        .collect();
    let bests: Vec<&Best> = numbers.iter().map(|split| &set.bests[split]).collect();
    // The ceiling depends on the recordings alone, so any split has it.
    let any = &bests.first()?.row;
    let medians = each(&bests, Score::PearsonMedian)?;
    let varying = bests
        .iter()
        .map(|best| best.row.beside.pearson_median_varying);
    let varying: Vec<Option<f64>> = varying.collect();
    let sites = bests.iter().map(|best| {
        let r = &best.details.as_ref()?.site_pearson;
        (!r.is_empty() && r.len() == ceilings.len()).then_some(r.as_slice())
    });
    let sites = sites.collect::<Option<Vec<&[f32]>>>();
    let correlations = Correlations {
        layers: &set.layers,
        medians: &medians,
        varying: &varying,
        ceiling: any.scores.split_half_consistency,
        ceiling_error: any.beside.split_half_error,
        sites: sites.map(|sites| (sites, ceilings)),
    };
    let of_splits = numbers.into_iter().zip(correlations.theirs());
    let of_splits = of_splits.filter_map(|(split, r)| Some((split, r?)));
    Some((brain_score(&correlations)?, of_splits.collect()))
}

/// The model whose aggregate stands for the region: the first linear baseline, or the NRP networks.
pub(crate) fn standing(models: &[ModelResult]) -> Option<ModelBrainScore> {
    let of = |model: &ModelResult| {
        let brain_score = model.over_splits.as_ref()?.brain_score.clone()?;
        Some(ModelBrainScore {
            model: model.model.clone(),
            brain_score,
        })
    };
    let (networks, linear): (Vec<_>, Vec<_>) =
        models.iter().partition(|model| model.model == NRP_NETWORK);
    linear.into_iter().chain(networks).find_map(of)
}

/// Scores over the best trials of splits, one for each; none if there are none.
fn over_splits(bests: &[&Best], brain_score: Option<BrainScore>) -> Option<OverSplits> {
    let spread = |score| (score, each(bests, score).and_then(|of| Spread::of(&of)));
    (!bests.is_empty()).then(|| OverSplits {
        finished: bests.len(),
        scores: OverSplits::SCORES.map(spread).into(),
        brain_score,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::Row;
    use crate::setting::Origin;
    use nrp_proto::wire::{Details, Scores, TrialRecord, TrialSpec};

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
                    split_half_error: Some(0.02),
                    pearson_median_varying: (nrp_error == 0.6).then_some(0.7),
                    ..Scores::default()
                }),
                ..TrialRecord::default()
            };
            let has_scores = record.scores.is_some();
            let row = Row::new(&record, &Origin::default());
            model.take(has_scores.then_some(&row), *split, *is_open);
        }
        let sets = model.layer_sets.iter_mut();
        for best in sets.flat_map(|set| set.bests.values_mut()) {
            let r = 1.0 - best.row.scores.nrp_error.expect("an error") as f32;
            best.details = Some(Details {
                site_pearson: vec![r, -r],
                ..Details::default()
            });
        }
        conclude(&mut model, &[0.8, 0.5]);
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
        // The first split's median skips constant predictions: 0.7 instead of 0.4, beside 0.6.
        assert!((brain_score.center - 0.65).abs() < 1e-12);
        assert!((brain_score.center_with_constant.expect("differs") - 0.5).abs() < 1e-12);
        assert!((brain_score.center_error.expect("splits") - 0.05 / 2.0f64.sqrt()).abs() < 1e-12);
        assert!((brain_score.score.expect("a ceiling") - 0.65f64.powi(2) / 0.8).abs() < 1e-12);
        assert_eq!(brain_score.ceiling_error, Some(0.02));
        // Both sites have a mean r of ±0.5, in 32 bits.
        let site_wise = brain_score.score_site_wise.expect("sites");
        assert!((site_wise - (0.25 / 0.8 + 0.25 / 0.5) / 2.0).abs() < 1e-6);
    }

    #[test]
    fn brain_scores_aggregate_is_of_one_layer_set_in_all_splits() {
        let mut model = ModelResult::new("ridge");
        // In the second split the other layer has the lower loss, and a higher mean over both.
        let trials = [
            ("a", 0, 0.2, 0.5),
            ("b", 0, 0.9, 0.8),
            ("a", 1, 0.4, 0.7),
            ("b", 1, 0.3, 0.9),
            ("half", 0, 0.1, 0.1),
        ];
        for (number, (layer, split, validation_mse, r)) in trials.into_iter().enumerate() {
            let record = TrialRecord {
                id: format!("{number:032x}"),
                spec: Some(TrialSpec {
                    layers: vec![layer.to_owned()],
                    ..TrialSpec::default()
                }),
                scores: Some(Scores {
                    validation_mse,
                    pearson_median: Some(r),
                    ..Scores::default()
                }),
                ..TrialRecord::default()
            };
            model.take(Some(&Row::new(&record, &Origin::default())), split, false);
        }
        conclude(&mut model, &[]);
        let over = model.over_splits.expect("two splits");
        let brain_score = over.brain_score.as_ref().expect("correlations");
        assert_eq!(brain_score.layers, ["a"]);
        assert!((brain_score.center - 0.6).abs() < 1e-12);
        // Of each split's own best trials: `half`, which lacks the second split, and `b`.
        let median = over.get(Score::PearsonMedian).expect("correlations");
        assert!((median.mean - 0.5).abs() < 1e-12);
    }

    #[test]
    fn a_linear_baseline_stands_for_its_region_before_the_networks() {
        let trials = [(0, false, Some((0.1, 0.5)))];
        let models = ["nrp", "pls", "ridge"].map(|name| ModelResult {
            model: name.to_owned(),
            ..taken(&trials)
        });
        let standing = |models: &[ModelResult]| standing(models).map(|of| of.model);
        assert_eq!(standing(&models).as_deref(), Some("pls"));
        assert_eq!(standing(&models[..1]).as_deref(), Some("nrp"));
        assert_eq!(standing(&[]), None);
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
