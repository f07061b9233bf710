//! Subjects: Brain-Score's aggregate of a region whose subjects are regions of their own, the mean over them.

use super::brain_score::{self, standard_error};
use super::{similarity, splits};
use crate::model::{
    BrainScore, ModelBrainScore, ModelOverSubjects, ModelResult, OverSubjects, RegionResult,
    SetOverSplits, Similarity, SubjectScore, SubjectsResult,
};
use nrp_proto::id::NRP_NETWORK;
use nrp_proto::wire::RegionSites;

/// A subject's region, as the sweep describes it.
struct Subject<'a> {
    described: &'a RegionSites,
    result: Option<&'a RegionResult>,
}

/// A model in one subject, on the layer set that all subjects are scored on.
pub(crate) struct Scored<'a> {
    /// The subject.
    pub(crate) subject: &'a str,
    /// Its aggregate.
    pub(crate) of_set: BrainScore,
    /// r of each split that has one, by the split's number.
    pub(crate) splits: Vec<(u32, f64)>,
}

/// The regions of all subjects, of those that are `described` as parts of one.
pub(crate) fn conclude(regions: &[RegionResult], described: &[RegionSites]) -> Vec<SubjectsResult> {
    let of_whole = |(region, subjects): (&str, Vec<Subject<'_>>)| {
        let models = models(&subjects);
        SubjectsResult {
            region: region.to_owned(),
            subjects: subjects
                .iter()
                .map(|of| of.described.subject.clone())
                .collect(),
            brain_score: standing(&models),
            similarities: similarities(&subjects),
            models,
        }
    };
    wholes(regions, described)
        .into_iter()
        .map(of_whole)
        .collect()
}

/// The layer sets on which the models of several subjects are scored, once for each subject.
pub(crate) fn scored_sets<'a>(
    regions: &'a [RegionResult],
    described: &'a [RegionSites],
) -> Vec<&'a SetOverSplits> {
    let mut sets = Vec::new();
    for (_, subjects) in wholes(regions, described) {
        for name in names(&subjects) {
            let Some(models) = in_subjects(name, &subjects) else {
                continue;
            };
            let layers = common_set(&models).unwrap_or_default();
            let of_models = models.iter().flat_map(|(_, model)| &model.layer_sets);
            sets.extend(of_models.filter(|set| set.layers == layers));
        }
    }
    sets
}

/// The regions of which subjects are parts, with these.
fn wholes<'a>(
    regions: &'a [RegionResult],
    described: &'a [RegionSites],
) -> Vec<(&'a str, Vec<Subject<'a>>)> {
    let mut wholes: Vec<(&str, Vec<Subject<'_>>)> = Vec::new();
    for described in described.iter().filter(|of| !of.part_of.is_empty()) {
        let result = regions.iter().find(|of| of.region == described.region);
        let subject = Subject { described, result };
        let whole = described.part_of.as_str();
        match wholes.iter_mut().find(|(known, _)| *known == whole) {
            Some((_, subjects)) => subjects.push(subject),
            None => wholes.push((whole, vec![subject])),
        }
    }
    wholes
}

/// The comparisons that have similarities in every subject.
fn similarities(subjects: &[Subject<'_>]) -> Vec<Similarity> {
    let of_first = subjects.first().and_then(|first| first.result);
    let names = of_first.iter().flat_map(|region| &region.compared);
    let over = |compared: &ModelResult| {
        let name = compared.model.as_str();
        let in_subjects = subjects.iter().map(|subject| {
            let mut compared = subject.result?.compared.iter();
            let compared = compared.find(|of| of.model == name)?;
            Some((subject.described.subject.as_str(), compared))
        });
        similarity::over_subjects(name, &in_subjects.collect::<Option<Vec<_>>>()?)
    };
    names.filter_map(over).collect()
}

/// The models that have scores in every subject.
fn models(subjects: &[Subject<'_>]) -> Vec<ModelOverSubjects> {
    let names = names(subjects);
    names.filter_map(|name| over(name, subjects)).collect()
}

/// The models of the first subject.
fn names<'a>(subjects: &[Subject<'a>]) -> impl Iterator<Item = &'a str> + use<'a> {
    let of_first = subjects.first().and_then(|first| first.result);
    let models = of_first.into_iter().flat_map(|region| &region.models);
    models.map(|model| model.model.as_str())
}

/// The model `name` in each subject; none unless all have it.
fn in_subjects<'a>(
    name: &str,
    subjects: &[Subject<'a>],
) -> Option<Vec<(&'a RegionSites, &'a ModelResult)>> {
    let in_subjects = subjects.iter().map(|subject| {
        let mut models = subject.result?.models.iter();
        let model = models.find(|model| model.model == name)?;
        Some((subject.described, model))
    });
    in_subjects.collect()
}

fn over(name: &str, subjects: &[Subject<'_>]) -> Option<ModelOverSubjects> {
    let in_subjects = in_subjects(name, subjects)?;
    let layers = common_set(&in_subjects)?;
    let scored = in_subjects.iter().map(|(described, model)| {
        let set = model.layer_sets.iter().find(|set| set.layers == layers)?;
        let (of_set, splits) = splits::of_set(model, set, &described.ceilings)?;
        Some(Scored {
            subject: &described.subject,
            of_set,
            splits,
        })
    });
    let scored: Vec<Scored<'_>> = scored.collect::<Option<_>>()?;
    let (any, _) = in_subjects.first()?;
    let brain_score = mean(scored, Some(any))?;
    Some(ModelOverSubjects {
        model: name.to_owned(),
        over_splits: OverSubjects {
            finished: brain_score.splits,
            brain_score,
        },
    })
}

/// The layer set with the lowest mean validation loss over splits and subjects, of those with a trial in every
/// split that has finished: Brain-Score scores one layer in all subjects.
fn common_set<'a>(models: &[(&RegionSites, &'a ModelResult)]) -> Option<&'a [String]> {
    let (_, first) = models.first()?;
    let loss = |layers: &[String]| {
        let losses = models.iter().map(|(_, model)| {
            let set = model.layer_sets.iter().find(|set| set.layers == layers)?;
            model.loss(set)
        });
        let losses = losses.collect::<Option<Vec<f64>>>()?;
        Some(losses.iter().sum::<f64>())
    };
    let sets = first.layer_sets.iter();
    let sets = sets.filter_map(|set: &SetOverSplits| Some((loss(&set.layers)?, set)));
    let best = sets.min_by(|(a, _), (b, _)| a.total_cmp(b));
    best.map(|(_, set)| set.layers.as_slice())
}

/// The mean over subjects: of r, and of r² over the ceiling. The ceiling is that over the sites of all subjects
/// together, where `any` of their regions has it, and otherwise the mean. The error is the standard error over
/// splits of the mean r of each; there is none with a single split, or unless all subjects have the same.
pub(crate) fn mean(subjects: Vec<Scored<'_>>, any: Option<&RegionSites>) -> Option<BrainScore> {
    let each = |get: fn(&BrainScore) -> Option<f64>| {
        let values = subjects.iter().map(|of| get(&of.of_set));
        brain_score::mean(&values.collect::<Option<Vec<f64>>>()?)
    };
    let first = subjects.first()?;
    let numbers = |of: &Scored<'_>| {
        of.splits
            .iter()
            .map(|(split, _)| *split)
            .collect::<Vec<_>>()
    };
    let are_alike = subjects.iter().all(|of| numbers(of) == numbers(first));
    let of_splits = (0..first.splits.len()).map(|at| {
        let r: Vec<f64> = subjects.iter().map(|of| of.splits[at].1).collect();
        brain_score::mean(&r)
    });
    let splits = subjects.iter().map(|of| of.of_set.splits).min()?;
    let center_error = (are_alike && splits > 1)
        .then(|| standard_error(&of_splits.collect::<Option<Vec<f64>>>()?, splits))
        .flatten();
    let is_constant = |of: &Scored<'_>| of.of_set.center_with_constant.is_some();
    let with_constant = subjects.iter().any(is_constant);
    let score = each(|of| of.score);
    // Beside its score, Brain-Score gives the ceiling over the sites of all subjects together.
    let of_all = any.filter(|of| of.ceiling_of_all.is_some());
    Some(BrainScore {
        version: BrainScore::VERSION,
        layers: first.of_set.layers.clone(),
        center: each(|of| Some(of.center))?,
        center_error,
        center_with_constant: each(|of| of.center_with_constant.or(Some(of.center)))
            .filter(|_| with_constant),
        ceiling: of_all.map_or_else(|| each(|of| of.ceiling), |of| of.ceiling_of_all),
        ceiling_error: of_all.and_then(|of| of.ceiling_of_all_error),
        score,
        score_error: score.and(center_error),
        score_site_wise: each(|of| of.score_site_wise),
        score_site_wise_with_constant: each(|of| {
            of.score_site_wise_with_constant.or(of.score_site_wise)
        })
        .filter(|_| {
            let mut subjects = subjects.iter();
            subjects.any(|of| of.of_set.score_site_wise_with_constant.is_some())
        }),
        score_before_2026: each(|of| of.score_before_2026),
        subjects: Some(subjects.len()),
        splits,
        per_subject: subjects
            .into_iter()
            .map(|of| SubjectScore {
                subject: of.subject.to_owned(),
                brain_score: of.of_set,
            })
            .collect(),
    })
}

/// The model whose aggregate stands for the region.
fn standing(models: &[ModelOverSubjects]) -> Option<ModelBrainScore> {
    let (networks, linear): (Vec<_>, Vec<_>) =
        models.iter().partition(|model| model.model == NRP_NETWORK);
    let first = linear.into_iter().chain(networks).next()?;
    Some(ModelBrainScore {
        model: first.model.clone(),
        brain_score: first.over_splits.brain_score.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Fold, Report};
    use nrp_proto::state::TrialState;
    use nrp_proto::wire::{
        AnnSpec, Details, Scores, SplitSpec, SweepSpec, SweepStatus, TrialRecord, TrialSpec,
    };

    /// A subject, its ceiling, and the r of each split on each layer.
    type Case<'a> = (&'a str, f64, &'a [(&'a str, &'a [f64])]);

    /// The report on subjects in one region whose name has a slash, as one of another region has.
    fn report(cases: &[Case<'_>]) -> Report {
        let described = |(subject, ceiling, _): &Case<'_>| RegionSites {
            region: format!("V/4/{subject}"),
            part_of: "V/4".to_owned(),
            subject: (*subject).to_owned(),
            ceiling_of_all: Some(0.82),
            ceiling_of_all_error: Some(0.01),
            ceilings: vec![*ceiling as f32, *ceiling as f32],
            ..RegionSites::default()
        };
        let alone = RegionSites {
            region: "IT/d".to_owned(),
            ..RegionSites::default()
        };
        let spec = SweepSpec {
            split: Some(SplitSpec {
                scheme: "shuffle".to_owned(),
                ..SplitSpec::default()
            }),
            sites: cases.iter().map(described).chain([alone]).collect(),
            ..SweepSpec::default()
        };
        let mut fold = Fold::new(SweepStatus::default(), spec);
        for (subject, ceiling, layers) in cases {
            for (layer, splits) in *layers {
                for (number, r) in splits.iter().enumerate() {
                    fold.take(&TrialRecord {
                        id: format!("{subject}-{layer}-{number}"),
                        state: TrialState::Finished.to_wire(),
                        spec: Some(TrialSpec {
                            ann: Some(AnnSpec::default()),
                            region: format!("V/4/{subject}"),
                            model: "ridgecv".to_owned(),
                            layers: vec![(*layer).to_owned()],
                            split: Some(SplitSpec {
                                number: number as u32,
                                ..SplitSpec::default()
                            }),
                            ..TrialSpec::default()
                        }),
                        scores: Some(Scores {
                            validation_mse: 1.0 - r,
                            pearson_median: Some(*r),
                            split_half_consistency: Some(*ceiling),
                            ..Scores::default()
                        }),
                        ..TrialRecord::default()
                    });
                }
            }
        }
        // A site at r, and one at 0.
        for trial in fold.wants_details() {
            let (subject, rest) = trial.split_once('-').expect("a subject");
            let (layer, number) = rest.split_once('-').expect("a layer");
            let of = |case: &&Case<'_>| case.0 == subject;
            let (_, _, layers) = cases.iter().find(of).expect("its case");
            let of_layer = layers.iter().find(|(of, _)| *of == layer);
            let (_, splits) = of_layer.expect("its layer");
            let r = splits[number.parse::<usize>().expect("a number")];
            let details = Details {
                site_pearson: vec![r as f32, 0.0],
                ..Details::default()
            };
            fold.take_details(&trial, details);
        }
        Report::new(fold)
    }

    fn close(found: Option<f64>, expected: f64) {
        let found = found.expect("defined");
        assert!((found - expected).abs() < 1e-12, "{found}, {expected}");
    }

    /// Sites are kept in 32 bits.
    fn close_to_32_bits(found: Option<f64>, expected: Option<f64>) {
        let (found, expected) = (found.expect("defined"), expected.expect("defined"));
        assert!((found / expected - 1.0).abs() < 1e-6, "{found}, {expected}");
    }

    #[test]
    fn the_score_is_the_mean_over_subjects_on_one_layer_set() {
        // Alone, F would be scored on `a` and N on `b`; over both, `b` is better.
        let report = report(&[
            ("F", 0.8, &[("a", &[0.6, 0.5]), ("b", &[0.5, 0.4])]),
            ("N", 0.9, &[("a", &[0.1, 0.2]), ("b", &[0.7, 0.8])]),
        ]);
        let [whole] = &report.networks[0].regions.of_subjects[..] else {
            panic!("one region");
        };
        assert_eq!((whole.region.as_str(), whole.subjects.len()), ("V/4", 2));
        let found = whole.brain_score.as_ref().expect("a score");
        assert_eq!(found.model, "ridgecv");
        let found = &found.brain_score;
        assert_eq!((found.subjects, found.splits), (Some(2), 2));
        assert_eq!(found.layers, ["b"]);
        close(Some(found.center), (0.45 + 0.75) / 2.0);
        close(found.ceiling, 0.82);
        close(found.ceiling_error, 0.01);
        close(
            found.score,
            (0.45_f64.powi(2) / 0.8 + 0.75_f64.powi(2) / 0.9) / 2.0,
        );
        // Neither subject's own best layer set alone has it. A constant prediction is skipped, which leaves one site.
        close_to_32_bits(found.score_site_wise, found.score);
        close_to_32_bits(
            found.score_site_wise_with_constant,
            found.score.map(|score| score / 2.0),
        );
        // In both splits the mean over subjects is 0.6.
        close(found.center_error, 0.0);
        close(found.score_error, 0.0);
        close(
            found.per_subject[1].brain_score.center_error,
            0.05 / 2.0_f64.sqrt(),
        );
        assert_eq!(found.per_subject[0].subject, "F");
        // A program reads it in the list of regions.
        let json: serde_json::Value = serde_json::from_str(&report.json()).expect("JSON");
        let last = &json["networks"][0]["regions"][2];
        assert_eq!(last["region"], "V/4");
        assert_eq!(last["brain_score"]["subjects"], 2);
        assert_eq!(last["brain_score"]["per_subject"][1]["subject"], "N");
        assert_eq!(last["models"][0]["over_splits"]["brain_score"]["splits"], 2);
        let tables = report.tables();
        let table = tables
            .iter()
            .find(|table| table.name == "subjects")
            .expect("a table");
        assert_eq!(table.rows.len(), 3);
    }

    #[test]
    fn there_is_no_error_of_one_split_nor_a_score_without_all_subjects_ceilings() {
        let one = report(&[("F", 0.8, &[("a", &[0.6])]), ("N", 0.0, &[("a", &[0.4])])]);
        let found = one.networks[0].regions.of_subjects[0].brain_score.as_ref();
        let found = &found.expect("a center").brain_score;
        close(Some(found.center), 0.5);
        assert_eq!((found.center_error, found.score), (None, None));
        // Of a subject without trials there is no mean.
        let lacking = report(&[("F", 0.8, &[("a", &[0.6])]), ("N", 0.9, &[])]);
        assert!(lacking.networks[0].regions.of_subjects[0].models.is_empty());
    }
}
