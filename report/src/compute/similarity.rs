//! Comparisons over splits and subjects.

use crate::model::{Best, ModelResult, OverParts, SetOverSplits, Similarity, SubjectSimilarity};
use std::collections::BTreeMap;

/// A comparison on one layer set.
struct Found {
    similarity: Similarity,
    /// The similarity in each split's part of the stimuli, by the split's number.
    of_splits: BTreeMap<u32, f64>,
    /// The similarities with the other subjects of the recordings, in their order, and these subjects, if they
    /// are known.
    between: Vec<f64>,
    others: Vec<String>,
}

/// What a comparison found on the layer set with the highest mean similarity; none before a split has
/// finished.
pub(crate) fn of(model: &ModelResult) -> Option<Similarity> {
    Some(of_set(model, model.scored_set()?)?.similarity)
}

/// The mean over subjects of what the comparison `name` found in each, all on the layer set with the highest
/// mean similarity; none unless each subject has one.
pub(crate) fn over_subjects(name: &str, subjects: &[(&str, &ModelResult)]) -> Option<Similarity> {
    let layers = common_set(subjects)?;
    let each = subjects.iter().map(|(_, model)| {
        let set = model.layer_sets.iter().find(|set| set.layers == layers)?;
        of_set(model, set)
    });
    let each: Vec<Found> = each.collect::<Option<_>>()?;
    let mean_of = |get: fn(&Similarity) -> Option<f64>| {
        let values = each.iter().map(|found| get(&found.similarity));
        mean(&values.collect::<Option<Vec<f64>>>()?)
    };
    let similarity = mean_of(|of| Some(of.similarity))?;
    let upper = mean_of(|of| of.upper);
    let pairs = pairs(subjects, &each);
    let (ceiling, ceiling_error) = if pairs.is_empty() {
        (mean_of(|of| of.ceiling), None)
    } else {
        (mean(&pairs), error(&pairs))
    };
    // Of reverse PLS, each subject's own.
    let ceiled = match upper {
        Some(upper) => (upper > 0.0).then_some(similarity / upper),
        None => mean_of(|of| of.ceiled),
    };
    let numbers = |found: &Found| found.of_splits.keys().copied().collect::<Vec<_>>();
    let common = numbers(each.first()?);
    let parts = common.iter().filter_map(|split| {
        let of_split = each.iter().map(|found| found.of_splits.get(split).copied());
        mean(&of_split.collect::<Option<Vec<f64>>>()?)
    });
    let parts: Vec<f64> = parts.collect();
    Some(Similarity {
        model: name.to_owned(),
        layers: layers.to_vec(),
        similarity,
        over_splits: over(&parts),
        upper,
        lower: mean_of(|of| of.lower),
        ceiling,
        ceiling_error,
        ceiled,
        subjects: Some(each.len()),
        per_subject: each
            .into_iter()
            .zip(subjects)
            .map(|(found, (subject, _))| SubjectSimilarity {
                subject: (*subject).to_owned(),
                similarity: found.similarity,
            })
            .collect(),
    })
}

fn of_set(model: &ModelResult, set: &SetOverSplits) -> Option<Found> {
    let finished = model.finished().map(|(split, _)| split);
    let bests: Vec<(u32, &Best)> = finished
        .filter_map(|split| Some((split, set.bests.get(&split)?)))
        .collect();
    let whole = bests.iter().map(|(_, best)| best.row.scores.similarity);
    let whole = mean(&whole.collect::<Option<Vec<f64>>>()?)?;
    let parts = bests
        .iter()
        .filter_map(|(split, best)| Some((*split, best.row.scores.similarity_split?)));
    let of_splits: BTreeMap<u32, f64> = parts.collect();
    // These depend on the recordings alone, so any split has them.
    let any = &bests.first()?.1.row;
    let (upper, consistency) = (
        any.scores.similarity_upper,
        any.scores.split_half_consistency,
    );
    let between = any.beside.between_subjects.clone();
    let above = |of: Option<f64>| of.filter(|of| *of > 0.0);
    let of_upper = above(upper).map(|upper| whole / upper);
    let of_consistency = above(consistency).map(|ceiling| whole.powi(2) / ceiling);
    Some(Found {
        similarity: Similarity {
            model: model.model.clone(),
            layers: set.layers.clone(),
            similarity: whole,
            over_splits: over(&of_splits.values().copied().collect::<Vec<_>>()),
            upper,
            lower: any.scores.similarity_lower,
            ceiling: consistency.or(mean(&between)),
            ceiling_error: any.beside.split_half_error.or(error(&between)),
            ceiled: of_upper.or(of_consistency),
            subjects: None,
            per_subject: Vec::new(),
        },
        of_splits,
        others: any.beside.other_subjects.clone(),
        between,
    })
}

/// The layer set with the highest mean similarity over subjects, of those with a trial in every split that has
/// finished.
fn common_set<'a>(subjects: &[(&str, &'a ModelResult)]) -> Option<&'a [String]> {
    let (_, first) = subjects.first()?;
    let rank = |layers: &[String]| {
        let ranks = subjects.iter().map(|(_, model)| {
            let set = model.layer_sets.iter().find(|set| set.layers == layers)?;
            model.loss(set)
        });
        Some(ranks.collect::<Option<Vec<f64>>>()?.iter().sum::<f64>())
    };
    let sets = first.layer_sets.iter();
    let sets = sets.filter_map(|set| Some((rank(&set.layers)?, set)));
    let best = sets.min_by(|(a, _), (b, _)| a.total_cmp(b));
    best.map(|(_, set)| set.layers.as_slice())
}

/// Each pair of these subjects once. The recordings may have more subjects; where an outcome does not name them,
/// they are told by their number.
fn pairs(subjects: &[(&str, &ModelResult)], each: &[Found]) -> Vec<f64> {
    let later = each.iter().enumerate().flat_map(|(subject, found)| {
        let later = subjects.iter().enumerate().skip(subject + 1);
        later.filter_map(move |(other, (name, _))| {
            if found.others.is_empty() {
                // A subject's list lacks itself.
                let are_all = found.between.len() + 1 == subjects.len();
                return are_all.then(|| found.between[other - 1]);
            }
            let at = found.others.iter().position(|of| of == name)?;
            found.between.get(at).copied()
        })
    });
    later.collect()
}

fn over(parts: &[f64]) -> OverParts {
    OverParts {
        mean: mean(parts),
        error: error(parts),
        splits: parts.len(),
    }
}

/// The standard error with divisor n; none with a single value.
fn error(values: &[f64]) -> Option<f64> {
    let center = mean(values).filter(|_| values.len() > 1)?;
    let squares: Vec<f64> = values.iter().map(|of| (of - center).powi(2)).collect();
    Some((mean(&squares)? / values.len() as f64).sqrt())
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::Row;
    use crate::setting::Origin;
    use nrp_proto::wire::{Scores, TrialRecord, TrialSpec};

    /// A trial: its layer, its split, and its scores.
    type Trial = (&'static str, u32, Scores);

    fn taken(model: &str, trials: &[Trial]) -> ModelResult {
        let mut found = ModelResult::new(model);
        for (number, (layer, split, scores)) in trials.iter().enumerate() {
            let record = TrialRecord {
                id: format!("{number:032x}"),
                spec: Some(TrialSpec {
                    model: model.to_owned(),
                    layers: vec![(*layer).to_owned()],
                    ..TrialSpec::default()
                }),
                scores: Some(scores.clone()),
                ..TrialRecord::default()
            };
            found.take(Some(&Row::new(&record, &Origin::default())), *split, false);
        }
        found
    }

    fn scores(similarity: f64, similarity_split: f64) -> Scores {
        Scores {
            similarity: Some(similarity),
            similarity_split: Some(similarity_split),
            ..Scores::default()
        }
    }

    fn near(found: Option<f64>, expected: f64) {
        let found = found.expect("has one");
        assert!((found - expected).abs() < 1e-12, "{found}, {expected}");
    }

    #[test]
    fn the_layer_set_has_the_highest_similarity_and_its_error_is_over_splits() {
        let model = taken(
            "cka",
            &[
                ("low", 0, scores(0.2, 0.9)),
                ("high", 0, scores(0.5, 0.4)),
                ("low", 1, scores(0.2, 0.9)),
                ("high", 1, scores(0.5, 0.6)),
            ],
        );
        let found = of(&model).expect("two splits");
        assert_eq!(found.layers, ["high"]);
        near(Some(found.similarity), 0.5);
        near(found.over_splits.mean, 0.5);
        near(found.over_splits.error, 0.1 / 2.0f64.sqrt());
        assert_eq!((found.over_splits.splits, found.subjects), (2, None));
        assert_eq!(
            (found.upper, found.ceiling, found.ceiled),
            (None, None, None)
        );
        let one = of(&taken("cka", &[("a", 0, scores(0.5, 0.5))])).expect("one split");
        assert_eq!(one.over_splits.error, None);
        assert_eq!(of(&ModelResult::new("cka")), None);
    }

    /// The parts of splits may have too few stimuli.
    #[test]
    fn a_split_without_a_similarity_of_its_part_is_skipped() {
        let without = |similarity: f64| Scores {
            similarity_split: None,
            ..scores(similarity, 0.0)
        };
        let model = taken(
            "cka",
            &[("a", 0, without(0.5)), ("a", 1, scores(0.5, 0.25))],
        );
        let found = of(&model).expect("two splits");
        near(Some(found.similarity), 0.5);
        near(found.over_splits.mean, 0.25);
        assert_eq!(
            (found.over_splits.splits, found.over_splits.error),
            (1, None)
        );
        let none = of(&taken("cka", &[("a", 0, without(0.5))])).expect("a similarity");
        assert_eq!((none.over_splits.splits, none.over_splits.mean), (0, None));
        let whole = over_subjects("cka", &[("F", &model), ("N", &model)]).expect("both have one");
        near(whole.over_splits.mean, 0.25);
    }

    #[test]
    fn reverse_pls_is_squared_over_the_ceiling() {
        let with = |r: f64| Scores {
            split_half_consistency: Some(0.8),
            split_half_error: Some(0.02),
            ..scores(r, r)
        };
        let model = taken("reverse-pls", &[("a", 0, with(0.5)), ("a", 1, with(0.7))]);
        let found = of(&model).expect("two splits");
        near(Some(found.similarity), 0.6);
        near(found.ceiled, 0.36 / 0.8);
        near(found.ceiling_error, 0.02);
    }

    /// Three subjects, of whom the first alone would choose another layer.
    #[test]
    fn subjects_are_averaged_on_one_layer_set() {
        let with = |similarity: f64, upper: f64| Scores {
            similarity_upper: Some(upper),
            similarity_lower: Some(upper - 0.5),
            ..scores(similarity, similarity + 0.1)
        };
        let models = [(0.5, 0.4, 0.9), (0.1, 0.6, 0.8), (0.2, 0.8, 0.7)].map(|(a, b, upper)| {
            taken("rdm", &[("a", 0, with(a, upper)), ("b", 0, with(b, upper))])
        });
        let subjects: Vec<(&str, &ModelResult)> =
            ["F", "N", "O"].into_iter().zip(&models).collect();
        let found = over_subjects("rdm", &subjects).expect("all have one");
        assert_eq!(found.layers, ["b"]);
        near(Some(found.similarity), 0.6);
        near(found.upper, 0.8);
        near(found.lower, 0.3);
        near(found.ceiled, 0.75);
        near(found.over_splits.mean, 0.7);
        assert_eq!(found.subjects, Some(3));
        assert_eq!(found.per_subject[1].subject, "N");
        near(Some(found.per_subject[1].similarity.similarity), 0.6);
        let open = ModelResult::new("rdm");
        assert_eq!(
            over_subjects("rdm", &[("F", &models[0]), ("N", &open)]),
            None
        );
    }

    #[test]
    fn each_pair_of_subjects_counts_once() {
        let with = |between: &[f64]| Scores {
            between_subjects: between.to_vec(),
            ..scores(0.5, 0.5)
        };
        let lists: [&[f64]; 3] = [&[0.1, 0.2], &[0.1, 0.6], &[0.2, 0.6]];
        let models = lists.map(|between| taken("cka", &[("a", 0, with(between))]));
        let subjects: Vec<(&str, &ModelResult)> =
            ["F", "N", "O"].into_iter().zip(&models).collect();
        let found = over_subjects("cka", &subjects).expect("all have one");
        near(found.ceiling, 0.3);
        let squares = 0.2f64.powi(2) + 0.1f64.powi(2) + 0.3f64.powi(2);
        near(found.ceiling_error, (squares / 9.0).sqrt());
        assert_eq!((found.upper, found.ceiled), (None, None));
        near(found.per_subject[0].similarity.ceiling, 0.15);
        // The recordings have a fourth, whom the sweep leaves out.
        let named = |between: &[f64], others: [&str; 3]| Scores {
            between_subjects: between.to_vec(),
            other_subjects: others.map(str::to_owned).to_vec(),
            ..scores(0.5, 0.5)
        };
        let models = [
            named(&[0.9, 0.1, 0.2], ["A", "N", "O"]),
            named(&[0.9, 0.1, 0.6], ["A", "F", "O"]),
            named(&[0.9, 0.2, 0.6], ["A", "F", "N"]),
        ]
        .map(|scores| taken("cka", &[("a", 0, scores)]));
        let subjects: Vec<(&str, &ModelResult)> =
            ["F", "N", "O"].into_iter().zip(&models).collect();
        let found = over_subjects("cka", &subjects).expect("all have one");
        near(found.ceiling, 0.3);
        // Of one pair there is no error.
        let models = [[0.4], [0.4]].map(|between| taken("cka", &[("a", 0, with(&between))]));
        let subjects: Vec<(&str, &ModelResult)> = ["F", "N"].into_iter().zip(&models).collect();
        let found = over_subjects("cka", &subjects).expect("both have one");
        near(found.ceiling, 0.4);
        assert_eq!(found.ceiling_error, None);
    }
}
