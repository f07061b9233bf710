//! Plausible: whether a trial can have the scores that are reported of it. Whether they are right cannot
//! be told here, but impossible ones are not recorded.

mod comparison;

use nrp_proto::score::{Kind, Score};
use nrp_proto::sweep::Model;
use nrp_proto::wire::{Details, Scores, TrialSpec};
use nrp_proto::{EPOCHS_MAX, SITES_MAX};

/// How far a coefficient may lie beyond 1 by rounding; those of single sites are kept in 32 bits.
const SLACK: f64 = 1e-6;

/// Checks the scores of a trial.
///
/// # Errors
/// When a trial cannot have them: the text says which score, and its limit.
pub(super) fn check(scores: &Scores, trial: &TrialSpec) -> Result<(), String> {
    for score in Score::ALL {
        let (least, most) = score.range();
        within(score.words(), score.of(scores), least, most)?;
    }
    let varying = scores.pearson_median_varying;
    within(
        "median r where predictions vary",
        varying,
        -1.0 - SLACK,
        1.0 + SLACK,
    )?;
    let error = scores.split_half_error;
    within("error of the split-half consistency", error, 0.0, f64::MAX)?;
    let seconds = Some(scores.train_seconds);
    within("training time", seconds, 0.0, f64::INFINITY)?;
    within(
        "reached sparsity",
        scores.reached_sparsity,
        0.0,
        1.0 + SLACK,
    )?;
    check_alpha(scores.alpha, trial)?;
    comparison::check_kind(scores, trial)?;
    counts(scores, trial)?;
    let details = scores.details.as_ref();
    details.map_or(Ok(()), |of| check_details(of, scores))
}

/// Ridge regression with one penalty for all sites has that, and no other model.
fn check_alpha(alpha: Option<f64>, trial: &TrialSpec) -> Result<(), String> {
    let tried = match trial.model.parse() {
        Ok(Model::Linear(baseline)) => baseline.alphas(),
        Ok(Model::Comparison(_)) | Err(_) => Vec::new(),
    };
    match alpha {
        Some(alpha) if tried.contains(&alpha) => Ok(()),
        Some(alpha) if tried.is_empty() => Err(format!("the alpha is {alpha}; its model has none")),
        Some(alpha) => Err(format!(
            "the alpha is {alpha}, which its model does not try"
        )),
        None if tried.is_empty() => Ok(()),
        None => Err("it has no alpha".to_owned()),
    }
}

fn counts(scores: &Scores, trial: &TrialSpec) -> Result<(), String> {
    let most = match (&trial.training, trial.model.is_empty()) {
        (Some(training), true) => training.max_epochs,
        (Some(_), false) => 0,
        (None, _) => u32::MAX,
    };
    let (epochs, best) = (scores.epochs, scores.best_epoch);
    let (sites, scored) = (scores.sites, scores.sites_scored);
    match () {
        () if epochs > most => Err(format!(
            "it was trained for {epochs} epochs; the sweep's limit is {most}"
        )),
        () if best > epochs => Err(format!("its best epoch is {best}, of {epochs}")),
        () if scored > sites => Err(format!("{scored} of its {sites} sites are scored")),
        () if sites == 0 => Err("it has no sites".to_owned()),
        () if scores.parameters == 0 && scores.kind() == Kind::Prediction => {
            Err("it has no parameters".to_owned())
        }
        () => Ok(()),
    }
}

fn check_details(details: &Details, scores: &Scores) -> Result<(), String> {
    let sites = match scores.sites as usize {
        sites if sites > SITES_MAX => 0,
        sites => sites,
    };
    let errors = &details.site_error;
    let pearson = &details.site_pearson;
    for (what, found) in [("errors", errors.len()), ("Pearson r", pearson.len())] {
        if found != 0 && found != sites {
            return Err(format!("it has {what} of {found} sites, of {sites}"));
        }
    }
    // An undefined error is not a number.
    let error = errors
        .iter()
        .find(|error| **error < 0.0 || error.is_infinite());
    let error = error.map(|error| f64::from(*error));
    within("error of a site", error, 0.0, f64::MAX)?;
    for r in pearson {
        let r = Some(f64::from(*r)).filter(|r| !r.is_nan());
        within("Pearson r of a site", r, -1.0 - SLACK, 1.0 + SLACK)?;
    }
    let trained = EPOCHS_MAX.min(scores.epochs as usize);
    let losses = [&details.training_mse, &details.validation_mse];
    for losses in losses {
        let found = losses.len();
        if found > trained {
            return Err(format!("it has losses of {found} epochs, of {trained}"));
        }
        for loss in losses {
            let loss = Some(f64::from(*loss)).filter(|loss| !loss.is_nan());
            within("loss of an epoch", loss, 0.0, f64::INFINITY)?;
        }
    }
    Ok(())
}

/// Checks that a value, where there is one, is from `least` to `most`, which may be infinite.
fn within(what: &str, value: Option<f64>, least: f64, most: f64) -> Result<(), String> {
    let limit = |limit: f64| (limit * 1e3).round() / 1e3;
    match value {
        Some(value) if value.is_infinite() && most.is_finite() => {
            Err(format!("the {what} is {value}, not a finite number"))
        }
        Some(value) if value < least => Err(format!(
            "the {what} is {value}; the least possible is {}",
            limit(least)
        )),
        Some(value) if value > most => Err(format!(
            "the {what} is {value}; the most possible is {}",
            limit(most)
        )),
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nrp_proto::wire::TrainingSpec;

    pub(super) fn trial() -> TrialSpec {
        TrialSpec {
            training: Some(TrainingSpec {
                max_epochs: 40,
                ..TrainingSpec::default()
            }),
            ..TrialSpec::default()
        }
    }

    /// As of a network over two sites, at the limits of what can be.
    pub(super) fn possible() -> Scores {
        Scores {
            nrp_error: 0.0,
            mean_predictor_error: 0.5,
            r2_mean: Some(-1e300),
            r2_median: Some(1.0),
            r2_pooled: Some(1.0 + 1e-9),
            pearson_median: Some(-1.0 - 1e-12),
            validation_mse: 1e300,
            sites: 2,
            sites_scored: 1,
            epochs: 40,
            best_epoch: 40,
            parameters: 1,
            noise_floor: Some(0.25),
            ceiling_median: Some(-7.0),
            pearson2_over_ceiling: Some(1e9),
            reached_sparsity: Some(1.0),
            split_half_consistency: Some(1.0),
            split_half_error: Some(0.0),
            pearson_median_varying: Some(1.0),
            details: Some(Details {
                site_error: vec![0.0, f32::NAN],
                site_pearson: vec![1.0, f32::NAN],
                training_mse: vec![0.5; 40],
                validation_mse: vec![f32::INFINITY, f32::NAN],
                ..Details::default()
            }),
            ..Scores::default()
        }
    }

    #[test]
    fn scores_that_can_be_are_taken() {
        assert_eq!(check(&possible(), &trial()), Ok(()));
        let baseline = TrialSpec {
            model: "ridge".to_owned(),
            ..trial()
        };
        let scores = Scores {
            epochs: 0,
            best_epoch: 0,
            details: None,
            ..possible()
        };
        assert_eq!(check(&scores, &baseline), Ok(()));
        let of_many = Scores {
            sites: 5_000,
            details: Some(Details::default()),
            ..possible()
        };
        assert_eq!(check(&of_many, &trial()), Ok(()));
    }

    #[test]
    fn an_alpha_is_one_that_its_model_tries() {
        let of = |model: &str, alpha: Option<f64>| {
            let trial = TrialSpec {
                model: model.to_owned(),
                ..trial()
            };
            let scores = Scores {
                alpha,
                epochs: 0,
                best_epoch: 0,
                details: None,
                ..possible()
            };
            check(&scores, &trial).err().unwrap_or_default()
        };
        for (model, alpha) in [
            ("ridgecv", Some(0.01)),
            ("ridgecv", Some(1e7)),
            ("ridge-1", Some(1.0)),
            ("ridge", None),
            ("", None),
        ] {
            assert_eq!(of(model, alpha), "", "{model}");
        }
        for (model, alpha, told) in [
            (
                "ridgecv",
                Some(0.001),
                "the alpha is 0.001, which its model does not try",
            ),
            (
                "ridgecv",
                Some(2e7),
                "the alpha is 20000000, which its model does not try",
            ),
            (
                "ridgecv",
                Some(5.0),
                "the alpha is 5, which its model does not try",
            ),
            ("ridgecv", None, "it has no alpha"),
            (
                "ridge-1",
                Some(2.0),
                "the alpha is 2, which its model does not try",
            ),
            ("ridge", Some(1.0), "the alpha is 1; its model has none"),
            ("", Some(1.0), "the alpha is 1; its model has none"),
        ] {
            assert_eq!(of(model, alpha), told);
        }
    }

    #[test]
    fn every_score_beyond_its_range_is_refused_by_name() {
        for score in Score::ALL {
            let (least, most) = score.range();
            let beyond = [least - 0.5, most + 0.5].into_iter();
            for value in beyond.filter(|value| value.is_finite()) {
                let mut scores = possible();
                score.set(&mut scores, Some(value));
                let refused = check(&scores, &trial()).expect_err(score.words());
                let expected = format!("the {} is {value}; the ", score.words());
                assert!(refused.starts_with(&expected), "{refused}");
            }
        }
    }

    #[test]
    fn scores_that_cannot_be_are_refused_with_what_they_cannot_be() {
        type Edit = fn(&mut Scores);
        fn details(scores: &mut Scores) -> &mut Details {
            scores.details.as_mut().expect("has some")
        }
        let edits: [(Edit, &str); 23] = [
            (|of| of.nrp_error = -1e-300, "the NRP-error is -0.000"),
            (
                |of| of.mean_predictor_error = -1.0,
                "the mean predictor's error is -1",
            ),
            (|of| of.validation_mse = -0.5, "the validation loss is -0.5"),
            (|of| of.train_seconds = -1.0, "the training time is -1"),
            (|of| of.noise_floor = Some(-0.1), "the noise floor is -0.1"),
            (
                |of| of.r2_mean = Some(1.1),
                "the mean R2 is 1.1; the most possible is 1",
            ),
            (|of| of.r2_median = Some(2.0), "the median R2 is 2"),
            (|of| of.r2_pooled = Some(2.0), "the pooled R2 is 2"),
            (
                |of| of.pearson_median = Some(1.5),
                "the median Pearson r is 1.5",
            ),
            (
                |of| of.pearson_median = Some(-1.5),
                "the least possible is -1",
            ),
            (
                |of| of.ceiling_median = Some(1.2),
                "the median noise ceiling is 1.2",
            ),
            (
                |of| of.pearson_median_varying = Some(1.5),
                "the median r where predictions vary is 1.5",
            ),
            (
                |of| of.split_half_error = Some(-0.1),
                "the error of the split-half consistency is -0.1",
            ),
            (
                |of| of.reached_sparsity = Some(-0.1),
                "the reached sparsity is -0.1",
            ),
            (
                |of| of.epochs = 41,
                "it was trained for 41 epochs; the sweep's limit is 40",
            ),
            (|of| of.epochs = 39, "its best epoch is 40, of 39"),
            (|of| of.sites_scored = 3, "3 of its 2 sites are scored"),
            (|of| of.parameters = 0, "it has no parameters"),
            (
                |of| details(of).site_error = vec![1.0; 3],
                "it has errors of 3 sites, of 2",
            ),
            (
                |of| details(of).site_error[0] = -1.0,
                "the error of a site is -1",
            ),
            (
                |of| details(of).site_error[0] = f32::INFINITY,
                "is inf, not a finite number",
            ),
            (
                |of| details(of).site_pearson[0] = 1.01,
                "the Pearson r of a site is 1.0",
            ),
            (
                |of| details(of).training_mse.push(0.5),
                "it has losses of 41 epochs, of 40",
            ),
        ];
        for (edit, told) in edits {
            let mut scores = possible();
            edit(&mut scores);
            let refused = check(&scores, &trial()).expect_err(told);
            assert!(refused.contains(told), "{told}: {refused}");
        }
        let baseline = TrialSpec {
            model: "ols".to_owned(),
            ..trial()
        };
        let refused = check(&possible(), &baseline).expect_err("has no epochs");
        assert!(refused.contains("limit is 0"), "{refused}");
    }
}
