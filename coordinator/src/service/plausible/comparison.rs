//! Comparisons: whether a trial can have the scores of its kind. One that compares has a similarity and
//! nothing of a prediction; one that predicts sites has no similarity.

use super::{SLACK, within};
use nrp_proto::score::{Kind, Score};
use nrp_proto::sweep::{Comparison, Model};
use nrp_proto::wire::{Scores, TrialSpec};

/// Checks that the scores are of the kind of the trial's model.
///
/// # Errors
/// When the trial cannot have them: the text says which score.
pub(super) fn check_kind(scores: &Scores, trial: &TrialSpec) -> Result<(), String> {
    let comparison = match trial.model.parse() {
        Ok(Model::Comparison(comparison)) => Some(comparison),
        Ok(Model::Linear(_)) | Err(_) => None,
    };
    let kind = match comparison {
        Some(_) => Kind::Comparison,
        None => Kind::Prediction,
    };
    let mut set = Score::ALL.into_iter().filter(|score| score.is_set(scores));
    if let Some(other) = set.find(|score| !kind.has(*score)) {
        return Err(format!("it has a {}; its model has none", other.words()));
    }
    let (between, named) = (&scores.between_subjects, &scores.other_subjects);
    let Some(comparison) = comparison else {
        return match between.len().max(named.len()) {
            0 => Ok(()),
            n => Err(format!(
                "it has {n} similarities of subjects; its model has none"
            )),
        };
    };
    let is_set = |score: Score| score.is_set(scores);
    let has_details = scores.details.as_ref().is_some_and(|of| {
        let lists = [
            &of.site_error,
            &of.site_pearson,
            &of.training_mse,
            &of.validation_mse,
        ];
        lists.iter().any(|list| !list.is_empty())
    });
    let (bounds, subjects, parameters) = match comparison {
        Comparison::Rdm => (true, false, false),
        Comparison::Cka | Comparison::CkaBiased => (false, true, false),
        Comparison::ReversePls(_) => (false, false, true),
    };
    match () {
        () if !is_set(Score::Similarity) => Err("it has no similarity".to_owned()),
        () if !bounds && (is_set(Score::SimilarityUpper) || is_set(Score::SimilarityLower)) => {
            Err("it has bounds of the similarity; its model has none".to_owned())
        }
        () if !subjects && !between.is_empty() => {
            Err("it has similarities of subjects; its model has none".to_owned())
        }
        () if !named.is_empty() && named.len() != between.len() => Err(format!(
            "it has {} similarities of subjects, and names {}",
            between.len(),
            named.len()
        )),
        () if !parameters && scores.parameters > 0 => Err(format!(
            "it has {} parameters; its model has none",
            scores.parameters
        )),
        () if scores.sites_scored > 0 || has_details => {
            Err("it has scores of sites; its model has none".to_owned())
        }
        () => between.iter().try_for_each(|of| {
            let what = "similarity of two subjects";
            if of.is_nan() {
                return Err(format!("the {what} is not a number"));
            }
            within(what, Some(*of), -1.0 - SLACK, 1.0 + SLACK)
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::super::check;
    use super::super::tests::{possible, trial};
    use super::*;

    #[test]
    fn a_comparison_has_a_similarity_and_nothing_of_a_prediction() {
        let with = |model: &str, change: fn(&mut Scores)| {
            let trial = TrialSpec {
                model: model.to_owned(),
                ..trial()
            };
            let mut scores = Scores {
                similarity: Some(-0.5),
                similarity_split: Some(1.0 + 1e-9),
                sites: 2,
                ..Scores::default()
            };
            change(&mut scores);
            check(&scores, &trial).err().unwrap_or_default()
        };
        for model in ["rdm", "cka", "cka-biased", "reverse-pls", "reverse-pls:5"] {
            assert_eq!(with(model, |_| ()), "", "{model}");
        }
        let bounded: fn(&mut Scores) = |of| of.similarity_upper = Some(0.5);
        let paired: fn(&mut Scores) = |of| of.between_subjects = vec![0.25];
        let of_many: fn(&mut Scores) = |of| of.parameters = 10;
        assert_eq!(with("rdm", bounded), "");
        // The split's part may have too few stimuli.
        assert_eq!(with("rdm", |of| of.similarity_split = None), "");
        assert_eq!(with("cka", paired), "");
        assert_eq!(with("reverse-pls", of_many), "");
        type Edit = fn(&mut Scores);
        let refused: [(&str, Edit, &str); 12] = [
            ("rdm", |of| of.similarity = None, "it has no similarity"),
            (
                "rdm",
                |of| of.similarity = Some(1.5),
                "the most possible is 1",
            ),
            (
                "rdm",
                |of| of.nrp_error = 0.5,
                "it has a NRP-error; its model has none",
            ),
            (
                "rdm",
                |of| of.validation_mse = f64::NAN,
                "it has a validation loss",
            ),
            (
                "rdm",
                |of| of.pearson_median = Some(0.0),
                "it has a median Pearson r",
            ),
            ("rdm", of_many, "it has 10 parameters"),
            (
                "rdm",
                paired,
                "similarities of subjects; its model has none",
            ),
            (
                "cka",
                bounded,
                "bounds of the similarity; its model has none",
            ),
            (
                "cka",
                |of| of.between_subjects = vec![1.5],
                "similarity of two subjects is 1.5",
            ),
            (
                "cka",
                |of| of.between_subjects = vec![f64::NAN],
                "not a number",
            ),
            ("cka", |of| of.sites_scored = 1, "scores of sites"),
            ("ridge", |_| (), "it has a similarity; its model has none"),
        ];
        for (model, change, told) in refused {
            let said = with(model, change);
            assert!(said.contains(told), "{model}: {said}, {told}");
        }
        let nets = with("", |of| {
            *of = possible();
            of.between_subjects = vec![0.5];
        });
        assert!(nets.contains("it has 1 similarities of subjects"), "{nets}");
    }
}
