//! Scores: how well predicted responses match measured ones, over the stimuli they are given.
//!
//! Pure host code in f64. A measured value that is NaN is missing and skipped everywhere.
//! No result is ever NaN: what is undefined is `None`.

use super::sites::ROUNDING;
use crate::recording::Noise;
use crate::statistics::{mean, median};
use nrp_proto::wire::Scores;

/// The scores of one region.
///
/// A site is *scored* where R² and Pearson r are defined: at least two present values that are
/// not all equal. Sites that are not scored still count towards the two errors.
#[derive(Debug, Clone, PartialEq)]
pub struct RegionScores {
    /// The scores that follow from predictions and measurements, as the wire has them:
    /// [`Score`](nrp_proto::score::Score) documents each. What training knows is left at 0.
    pub scores: Scores,
    /// Mean absolute error of each site, in the recordings' units; `None` if nothing was recorded.
    pub site_error: Vec<Option<f64>>,
    /// Pearson r of each site that is scored.
    pub site_pearson: Vec<Option<f64>>,
}

/// Scores predictions against measurements.
///
/// R² of a site is scikit-learn's `r2_score` on its present cells (the mean it compares with is
/// that of the scored stimuli), r is NumPy's `corrcoef`; pooled R² is `r2_score` with
/// `multioutput="variance_weighted"`. Where a prediction is constant, r is undefined and counts as
/// 0, because the prediction says nothing about the stimuli; leaving it out would reward a network
/// that gives up. Brain-Score's median leaves it out, so that median is kept beside ours where the two
/// differ.
///
/// # Shapes
/// - `predicted`, `measured`: `[stimuli, sites]`, row-major, in the recordings' units, each less its
///   site's training mean, so that no offset costs precision
/// - `training_mean`: `[sites]`, what was subtracted
/// - `noise`: of these stimuli and sites, where stimuli were repeated
///
/// r² over the ceiling is computed from the two medians, as in Brain-Score, not site by site: a
/// single site's ceiling may be 0 or below by chance.
///
/// # Panics
/// When the shapes disagree, a prediction is not finite, or no measured value is present.
pub fn score(
    predicted: &[f64],
    measured: &[f64],
    sites: usize,
    training_mean: &[f64],
    noise: Option<&Noise>,
) -> RegionScores {
    assert!(sites > 0, "a region has sites");
    assert_eq!(predicted.len(), measured.len(), "one prediction per cell");
    assert_eq!(measured.len() % sites, 0, "whole rows of sites");
    assert_eq!(training_mean.len(), sites, "one training mean per site");
    if let Some(noise) = noise {
        assert_eq!(noise.errors.len(), measured.len(), "one error per cell");
    }

    let (mut cells, mut error, mut mean_error) = (0_usize, 0.0, 0.0);
    let (mut residual, mut total) = (0.0, 0.0);
    let (mut r2, mut pearson, mut ceilings) = (Vec::new(), Vec::new(), Vec::new());
    let mut varying = Vec::new();
    let (mut site_error, mut site_pearson) = (Vec::new(), Vec::new());
    let (mut x, mut y) = (Vec::new(), Vec::new());
    for (site, site_mean) in training_mean.iter().enumerate() {
        x.clear();
        y.clear();
        for cell in (site..measured.len()).step_by(sites) {
            if measured[cell].is_nan() {
                continue;
            }
            assert!(predicted[cell].is_finite(), "predictions are finite");
            x.push(predicted[cell]);
            y.push(measured[cell]);
        }
        cells += y.len();
        let of_site = x.iter().zip(&y).map(|(x, y)| (x - y).abs()).sum::<f64>();
        error += of_site;
        site_error.push((!y.is_empty()).then(|| of_site / y.len() as f64));
        mean_error += y.iter().map(|y| y.abs()).sum::<f64>();
        let fit = fit(&x, &y, *site_mean);
        site_pearson.push(fit.as_ref().map(|fit| fit.pearson));
        let Some(fit) = fit else { continue };
        r2.push(1.0 - fit.residual / fit.total);
        pearson.push(fit.pearson);
        varying.extend((!fit.is_constant).then_some(fit.pearson));
        ceilings.extend(noise.and_then(|noise| noise.ceilings[site]));
        residual += fit.residual;
        total += fit.total;
    }
    assert!(cells > 0, "at least one measured value is present");

    let pearson_median = median(&mut pearson);
    let ceiling_median = median(&mut ceilings);
    let varying_median = median(&mut varying).filter(|of| Some(*of) != pearson_median);
    RegionScores {
        scores: Scores {
            nrp_error: error / cells as f64,
            mean_predictor_error: mean_error / cells as f64,
            r2_mean: mean(r2.iter().copied()),
            sites: sites as u32,
            sites_scored: r2.len() as u32,
            r2_median: median(&mut r2),
            r2_pooled: (total > 0.0).then(|| 1.0 - residual / total),
            pearson_median,
            noise_floor: noise.and_then(Noise::floor),
            ceiling_median,
            // The explained share of the variance that can be explained. It keeps the sign of r.
            pearson2_over_ceiling: pearson_median
                .zip(ceiling_median.filter(|ceiling| *ceiling > 0.0))
                .map(|(r, ceiling)| r * r.abs() / ceiling),
            split_half_consistency: noise.and_then(|noise| noise.consistency),
            split_half_error: noise.and_then(|noise| noise.consistency_error),
            pearson_median_varying: varying_median,
            ..Scores::default()
        },
        site_error,
        site_pearson,
    }
}

/// The fit of one site.
struct SiteFit {
    residual: f64,
    total: f64,
    pearson: f64,
    /// Whether the prediction is constant, so that r is 0 by convention.
    is_constant: bool,
}

/// The fit of predictions `x` to measurements `y`, both about `training_mean`, or `None` where `y`
/// is constant.
fn fit(x: &[f64], y: &[f64], training_mean: f64) -> Option<SiteFit> {
    let n = y.len() as f64;
    let (x_mean, y_mean) = (x.iter().sum::<f64>() / n, y.iter().sum::<f64>() / n);
    let (mut residual, mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0, 0.0);
    for (x, y) in x.iter().zip(y) {
        residual += (x - y) * (x - y);
        xx += (x - x_mean) * (x - x_mean);
        yy += (y - y_mean) * (y - y_mean);
        xy += (x - x_mean) * (y - y_mean);
    }
    // Compared with each other, not with their mean, which may be off by rounding. Equal responses
    // may also differ by rounding if they were averaged over different repetitions.
    let rounding = |value: &f64| ROUNDING * (training_mean + value).abs();
    let is_silent = y
        .iter()
        .all(|value| (value - y[0]).abs() <= rounding(value));
    // As over the training stimuli, a subnormal deviation counts as 0.
    if is_silent || (yy / n).sqrt() < f64::from(f32::MIN_POSITIVE) {
        return None;
    }
    let constant = xx.sqrt() <= ROUNDING * yy.sqrt() || x.iter().all(|value| *value == x[0]);
    let spread = xx.sqrt() * yy.sqrt();
    let is_constant = constant || spread == 0.0;
    let pearson = if is_constant {
        0.0
    } else {
        (xy / spread).clamp(-1.0, 1.0)
    };
    Some(SiteFit {
        residual,
        total: yy,
        pearson,
        is_constant,
    })
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::{RegionScores, score};
    use crate::recording::Noise;
    use nrp_proto::wire::Scores;

    /// Numbers of scikit-learn and NumPy; see `testdata/make_fixtures.py`.
    #[derive(Deserialize)]
    struct Fixture {
        sites: usize,
        predicted: Vec<f32>,
        measured: Vec<Option<f32>>,
        training_mean: Vec<f64>,
        nrp_error: f64,
        mean_predictor_error: f64,
        r2_mean: f64,
        r2_median: f64,
        r2_pooled: f64,
        pearson_median: f64,
        sites_scored: u32,
    }

    /// Scores of numbers with their means.
    fn scored(
        predicted: &[f64],
        measured: &[f64],
        training_mean: &[f64],
        noise: Option<&Noise>,
    ) -> RegionScores {
        let sites = training_mean.len();
        let less = |values: &[f64]| -> Vec<f64> {
            let cells = values.iter().zip(training_mean.iter().cycle());
            cells.map(|(value, mean)| value - mean).collect()
        };
        score(
            &less(predicted),
            &less(measured),
            sites,
            training_mean,
            noise,
        )
    }

    #[test]
    fn agrees_with_scikit_learn() {
        let cases: Vec<Fixture> =
            serde_json::from_str(include_str!("testdata/metrics.json")).expect("readable fixture");
        assert!(cases.len() >= 3);
        for case in cases {
            let measured: Vec<f64> = case
                .measured
                .iter()
                .map(|value| value.map_or(f64::NAN, f64::from))
                .collect();
            let predicted: Vec<f64> = case.predicted.iter().map(|&value| value.into()).collect();
            assert_eq!(case.training_mean.len(), case.sites);
            let found = scored(&predicted, &measured, &case.training_mean, None);
            // Both sides compute in f64; only the order of the sums differs.
            let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-11, "{a} is not {b}");
            close(found.scores.nrp_error, case.nrp_error);
            close(found.scores.mean_predictor_error, case.mean_predictor_error);
            close(found.scores.r2_mean.expect("defined"), case.r2_mean);
            close(found.scores.r2_median.expect("defined"), case.r2_median);
            close(found.scores.r2_pooled.expect("defined"), case.r2_pooled);
            close(
                found.scores.pearson_median.expect("defined"),
                case.pearson_median,
            );
            assert_eq!(found.scores.sites_scored, case.sites_scored);
        }
    }

    #[test]
    fn responses_that_differ_by_rounding_alone_are_constant() {
        // 0.1, averaged over three and over two repetitions.
        let thirds = (0.1 + 0.1 + 0.1) / 3.0;
        assert_ne!(thirds, 0.1);
        let found = scored(&[0.2, 0.1], &[thirds, 0.1], &[0.1], None);
        assert_eq!((found.scores.sites_scored, found.scores.r2_mean), (0, None));
        // And those of a subnormal deviation, of which any prediction is further off than they vary.
        let found = scored(&[0.1, 0.2], &[0.0, 1e-42], &[0.0], None);
        assert_eq!((found.scores.sites_scored, found.scores.r2_mean), (0, None));
    }

    #[test]
    fn undefined_is_none_not_nan() {
        let found = scored(&[1.0, 2.0], &[3.0, 3.0], &[2.5], None);
        assert_eq!(
            found,
            RegionScores {
                // No other score is defined.
                scores: Scores {
                    nrp_error: 1.5,
                    mean_predictor_error: 0.5,
                    sites: 1,
                    ..Scores::default()
                },
                site_error: vec![Some(1.5)],
                site_pearson: vec![None],
            }
        );
    }

    #[test]
    fn a_constant_prediction_correlates_with_nothing() {
        let found = scored(&[2.0, 2.0, 2.0], &[1.0, 2.0, 3.0], &[2.0], None);
        assert_eq!(found.scores.pearson_median, Some(0.0));
        assert_eq!(found.scores.r2_mean, Some(0.0));
        assert_eq!(found.scores.sites_scored, 1);
        // There is no other median where no prediction varies.
        assert_eq!(found.scores.pearson_median_varying, None);
    }

    #[test]
    fn the_median_without_constant_predictions_is_kept_where_it_differs() {
        // Three sites: r = 1, a constant prediction, r = -1 or 1.
        let median = |last: [f64; 3]| {
            let predicted = [1.0, 4.0, last[0], 2.0, 4.0, last[1], 3.0, 4.0, last[2]];
            let measured = [1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 3.0, 3.0, 3.0];
            let found = scored(&predicted, &measured, &[2.0; 3], None).scores;
            [found.pearson_median, found.pearson_median_varying]
        };
        let near = |found: Option<f64>, expected: f64| {
            // Both are of exact numbers; only the root rounds.
            assert!((found.expect("defined") - expected).abs() < 1e-15);
        };
        let [ours, theirs] = median([1.0, 2.0, 3.0]);
        near(ours, 1.0);
        assert_eq!(theirs, None);
        let [ours, theirs] = median([2.0, 3.0, 1.0]);
        near(ours, 0.0);
        near(theirs, 0.25);
    }

    #[test]
    fn a_constant_site_is_left_out_of_r2_but_not_of_the_error() {
        let measured = [1.0, 5.0, 2.0, 5.0];
        let found = scored(&[1.0, 0.0, 2.0, 0.0], &measured, &[1.5, 5.0], None);
        assert_eq!(found.scores.nrp_error, 2.5);
        assert_eq!(found.scores.r2_mean, Some(1.0));
        assert_eq!(found.scores.sites_scored, 1);
    }

    #[test]
    fn noise_is_that_of_the_cells_and_sites_that_are_scored() {
        // Four sites: r = 1, r = -1, a constant one that is not scored, one without a ceiling.
        let predicted = [1.0, 2.0, 0.0, 1.0, 2.0, 1.0, 0.0, 2.0];
        let measured = [1.0, 1.0, 7.0, 1.0, 2.0, 2.0, 7.0, f64::NAN];
        let mut noise = Noise {
            ceilings: vec![Some(0.9), Some(0.5), Some(0.1), None],
            errors: vec![0.1, 0.2, 0.3, 0.2, 0.1, 0.2, 0.3, f32::NAN],
            consistency: Some(0.6),
            consistency_error: Some(0.01),
        };
        let mean = [1.5, 1.5, 7.0, 1.0];
        let found = scored(&predicted, &measured, &mean, Some(&noise));
        // The errors are f32.
        assert!((found.scores.noise_floor.expect("known") - 0.2).abs() < 1e-7);
        assert!((found.scores.ceiling_median.expect("known") - 0.7).abs() < 1e-12);
        assert_eq!(found.scores.pearson2_over_ceiling, Some(0.0));
        assert_eq!(found.scores.split_half_consistency, Some(0.6));
        assert_eq!(
            found.site_error,
            [Some(0.0), Some(1.0), Some(7.0), Some(0.0)]
        );
        let signs = found.site_pearson.iter().map(|r| r.map(f64::round));
        assert_eq!(
            signs.collect::<Vec<_>>(),
            [Some(1.0), Some(-1.0), None, None]
        );

        // One site: the ratio has the sign of r, and needs a ceiling above 0.
        noise.ceilings = vec![Some(0.5)];
        noise.errors = vec![f32::NAN; 2];
        let one =
            |predicted: &[f64], noise: &Noise| scored(predicted, &[1.0, 2.0], &[1.5], Some(noise));
        for (predicted, expected) in [([1.0, 2.0], 2.0), ([2.0, 1.0], -2.0)] {
            let found = one(&predicted, &noise).scores.pearson2_over_ceiling;
            assert!((found.expect("defined") - expected).abs() < 1e-12);
        }
        assert_eq!(one(&[2.0, 1.0], &noise).scores.noise_floor, None);
        noise.ceilings = vec![Some(-0.1)];
        assert_eq!(one(&[1.0, 2.0], &noise).scores.pearson2_over_ceiling, None);
        assert_eq!(one(&[1.0, 2.0], &noise).scores.ceiling_median, Some(-0.1));
    }
}
