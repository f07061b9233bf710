//! Brain-Score's aggregate of correlations over splits: formulas over plain numbers.

use crate::model::BrainScore;

/// What is aggregated of a model's splits.
pub(crate) struct Correlations<'a> {
    /// The layer set that they are of.
    pub(crate) layers: &'a [String],
    /// The median over sites of Pearson's r in each split. A site whose prediction is constant counts
    /// as 0.
    pub(crate) medians: &'a [f64],
    /// The same without such sites, as far as it differs.
    pub(crate) varying: &'a [Option<f64>],
    /// The recordings' ceiling.
    pub(crate) ceiling: Option<f64>,
    /// Its standard error.
    pub(crate) ceiling_error: Option<f64>,
    /// Pearson's r of each site in each split, `[splits][sites]`, and each site's ceiling.
    pub(crate) sites: Option<(Vec<&'a [f32]>, &'a [f32])>,
}

/// Aggregates correlations; none if there is no split, or none in which a prediction varies.
///
/// As brainscore-vision 2.4.2 (formula of January 2026): each split's correlation is over its own test
/// stimuli, the median over sites skips those whose prediction is constant, the mean over splits skips
/// those in which every site's is, and the division by the ceiling comes after averaging over splits. The
/// error is the standard error over splits, not divided by the ceiling: the standard deviation of those
/// that are not skipped over the root of the number of all. A single split has none.
pub(crate) fn brain_score(of: &Correlations<'_>) -> Option<BrainScore> {
    let theirs: Vec<f64> = of.theirs().into_iter().flatten().collect();
    let center = mean(&theirs)?;
    let error = standard_error(&theirs, of.medians.len());
    let sites = of.sites.as_ref();
    let site_wise = |skips: bool| sites.and_then(|(r, ceilings)| site_wise(r, ceilings, skips));
    let (theirs_site_wise, all_site_wise) = (site_wise(true), site_wise(false));
    let differs = theirs.len() < of.medians.len() || of.varying.iter().any(Option::is_some);
    let with_constant = mean(of.medians).filter(|_| differs);
    let reached = of.ceiling.filter(|ceiling| *ceiling > 0.0);
    let score = reached.map(|ceiling| center.powi(2) / ceiling);
    Some(BrainScore {
        version: BrainScore::VERSION,
        layers: of.layers.to_vec(),
        center,
        center_error: error,
        center_with_constant: with_constant,
        ceiling: of.ceiling,
        ceiling_error: of.ceiling_error,
        score,
        score_error: score.and(error),
        score_site_wise: theirs_site_wise,
        score_site_wise_with_constant: all_site_wise.filter(|_| all_site_wise != theirs_site_wise),
        score_before_2026: reached.map(|ceiling| (center / ceiling).powi(2)),
        subjects: None,
        splits: of.medians.len(),
        per_subject: Vec::new(),
    })
}

impl Correlations<'_> {
    /// r of each split as Brain-Score's mean over splits takes it; none in a split in which no prediction varies.
    pub(crate) fn theirs(&self) -> Vec<Option<f64>> {
        let splits = self.medians.iter().zip(self.varying);
        // No correlation is 0 to the last bit but by definition.
        let of_split =
            |(all, varying): (&f64, &Option<f64>)| varying.or(Some(*all).filter(|all| *all != 0.0));
        splits.map(of_split).collect()
    }
}

/// The standard error over so many `splits` of their values, some of which may be missing: the standard deviation
/// with divisor n, over the root of the number of splits. There is none of a single split.
pub(crate) fn standard_error(values: &[f64], splits: usize) -> Option<f64> {
    if splits < 2 {
        return None;
    }
    let center = mean(values)?;
    let squares: Vec<f64> = values.iter().map(|of| (of - center).powi(2)).collect();
    Some((mean(&squares)? / splits as f64).sqrt())
}

/// The mean over sites of r² over the site's ceiling, r being the mean over splits. A site without r or
/// without a ceiling is skipped; a split in which the site's prediction is constant too, as by xarray's mean, or
/// it counts as r = 0.
fn site_wise(correlations: &[&[f32]], ceilings: &[f32], skips_constant: bool) -> Option<f64> {
    let of_site = |(site, ceiling): (usize, &f32)| {
        let splits = correlations.iter().map(|split| f64::from(split[site]));
        // No correlation is 0 to the last bit but by definition.
        let has_r = |r: &f64| !r.is_nan() && (!skips_constant || *r != 0.0);
        let r = mean(&splits.filter(has_r).collect::<Vec<_>>())?;
        Some(r.powi(2) / f64::from(*ceiling)).filter(|of| !of.is_nan())
    };
    let sites = ceilings.iter().enumerate().filter_map(of_site);
    mean(&sites.collect::<Vec<_>>()).filter(|of| of.is_finite())
}

/// The mean; none of nothing.
pub(crate) fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    /// A case computed by NumPy; see `testdata/make_brain_score.py`.
    #[derive(Deserialize)]
    struct Case {
        name: String,
        /// `[splits][sites]`; none where the prediction is constant.
        correlations: Vec<Vec<Option<f64>>>,
        site_ceilings: Vec<f64>,
        ceiling: f64,
        ceiling_error: f64,
        center: f64,
        error: Option<f64>,
        center_with_constant: f64,
        score: f64,
        score_before_2026: f64,
        site_wise: f64,
        site_wise_with_constant: f64,
    }

    fn median(mut values: Vec<f64>) -> f64 {
        values.sort_by(f64::total_cmp);
        let (low, high) = ((values.len() - 1) / 2, values.len() / 2);
        (values[low] + values[high]) / 2.0
    }

    fn of<'a>(medians: &'a [f64], varying: &'a [Option<f64>]) -> Correlations<'a> {
        Correlations {
            layers: &[],
            medians,
            varying,
            ceiling: None,
            ceiling_error: None,
            sites: None,
        }
    }

    #[test]
    fn the_aggregate_is_numpys() {
        let cases: Vec<Case> = serde_json::from_str(include_str!("testdata/brain_score.json"))
            .expect("readable fixture");
        assert!(cases.len() >= 6);
        for case in cases {
            let splits = case.correlations.iter();
            let medians: Vec<f64> = splits
                .clone()
                .map(|of| median(of.iter().map(|r| r.unwrap_or(0.0)).collect()))
                .collect();
            let varying = splits.clone().zip(&medians).map(|(of, all)| {
                Some(median(of.iter().copied().flatten().collect())).filter(|of| of != all)
            });
            let varying: Vec<Option<f64>> = varying.collect();
            let sites: Vec<Vec<f32>> = splits
                .map(|of| of.iter().map(|r| r.map_or(0.0, |r| r as f32)).collect())
                .collect();
            let ceilings: Vec<f32> = case.site_ceilings.iter().map(|of| *of as f32).collect();
            let found = brain_score(&Correlations {
                ceiling: Some(case.ceiling),
                ceiling_error: Some(case.ceiling_error),
                sites: Some((sites.iter().map(Vec::as_slice).collect(), &ceilings)),
                ..of(&medians, &varying)
            });
            let found = found.expect("there are splits");
            // NumPy may add in another order.
            let close = |found: Option<f64>, expected: f64| {
                let found = found.expect("defined");
                assert!((found - expected).abs() < 1e-12, "{}: {found}", case.name);
            };
            close(Some(found.center), case.center);
            assert_eq!(found.center_error.is_some(), medians.len() > 1);
            for (found, expected) in [found.center_error, found.score_error]
                .into_iter()
                .zip([case.error; 2])
            {
                assert_eq!(found.is_some(), expected.is_some(), "{}", case.name);
                close(found.or(Some(0.0)), expected.unwrap_or(0.0));
            }
            close(found.score, case.score);
            close(found.score_before_2026, case.score_before_2026);
            close(found.ceiling_error, case.ceiling_error);
            match found.center_with_constant {
                Some(with) => close(Some(with), case.center_with_constant),
                None => close(Some(found.center), case.center_with_constant),
            }
            // Sites are kept in 32 bits.
            let theirs = found.score_site_wise.expect("defined");
            let all = found.score_site_wise_with_constant;
            assert_eq!(
                all.is_some(),
                case.site_wise != case.site_wise_with_constant
            );
            for (found, expected) in [
                (theirs, case.site_wise),
                (all.unwrap_or(theirs), case.site_wise_with_constant),
            ] {
                assert!(
                    (found / expected - 1.0).abs() < 1e-6,
                    "{}: {found}",
                    case.name
                );
            }
            assert_eq!((found.version, found.splits), ("2026-01", medians.len()));
        }
    }

    #[test]
    fn an_anticorrelated_prediction_has_a_negative_center_and_the_same_score() {
        let [with, against] = [[0.4, 0.6], [-0.4, -0.6]].map(|medians| {
            let correlations = Correlations {
                ceiling: Some(0.8),
                ..of(&medians, &[None; 2])
            };
            brain_score(&correlations).expect("two splits")
        });
        assert_eq!((with.center, against.center), (0.5, -0.5));
        assert_eq!(with.score, against.score);
        assert!((with.score.expect("a ceiling") - 0.3125).abs() < 1e-12);
    }

    /// What xarray's mean and standard deviation, which skip what is not a number, make of two splits.
    #[test]
    fn a_split_in_which_every_prediction_is_constant_is_skipped() {
        let found = brain_score(&of(&[0.4, 0.0, 0.6], &[None; 3])).expect("two splits");
        assert_eq!(found.center, 0.5);
        let error = 0.1 / 3.0f64.sqrt();
        assert!((found.center_error.expect("two splits") - error).abs() < 1e-12);
        let with = found.center_with_constant.expect("differs");
        assert!((with - 1.0 / 3.0).abs() < 1e-12);
        assert_eq!(found.splits, 3);
        assert_eq!(brain_score(&of(&[0.0, 0.0], &[None; 2])), None);
    }

    #[test]
    fn without_repetitions_there_is_a_center_and_no_score() {
        let one = |ceiling| {
            let correlations = Correlations {
                ceiling,
                ..of(&[0.5], &[None])
            };
            brain_score(&correlations).expect("a split")
        };
        let score = one(None);
        assert_eq!((score.center, score.center_error), (0.5, None));
        let ceiled = one(Some(0.8));
        assert!(ceiled.score.is_some() && ceiled.score_error.is_none());
        assert_eq!((score.score, score.score_error), (None, None));
        assert_eq!(one(Some(-0.1)).score, None);
        assert_eq!(brain_score(&of(&[], &[])), None);
    }

    #[test]
    fn a_site_without_a_ceiling_has_no_part_in_the_site_wise_score() {
        let (one, other) = ([0.5, f32::NAN, 0.9], [0.7, 0.4, 0.9]);
        let found = site_wise(&[&one, &other], &[0.9, 0.8, f32::NAN], true).expect("two sites");
        // Of the second site, one split has no r.
        let expected = (0.36 / 0.9 + 0.16 / 0.8) / 2.0;
        assert!((found - expected).abs() < 1e-6, "{found}");
        assert_eq!(site_wise(&[&one], &[0.0, 0.5, 0.5], true), None);
        // xarray 2022.3: `r.mean("split")` of [.8, .6], [nan, .6] and [.7, .5]; then the mean of r² / ceiling.
        let splits: [&[f32]; 3] = [&[0.8, 0.6], &[0.0, 0.6], &[0.7, 0.5]];
        for (skips, expected) in [(true, 0.5132), (false, 0.3396)] {
            let found = site_wise(&splits, &[0.9, 0.8], skips).expect("two sites");
            assert!((found - expected).abs() < 5e-5, "{found}");
        }
    }

    /// What Brain-Score itself made of its correlations; see `../shared/brain-score`.
    #[test]
    fn scores_are_brain_scores() {
        #[derive(Deserialize)]
        struct Golden {
            internal_consistency: Score<Vec<Vec<f64>>>,
            pls: Score<Vec<Vec<f64>>>,
            ridge: Score<Vec<Vec<f64>>>,
            neuron_to_neuron: Score<Vec<Vec<f64>>>,
            ridgecv_split: Score<Vec<f64>>,
            neuroid_wise: f64,
        }
        #[derive(Deserialize)]
        struct Score<T> {
            value: f64,
            error: Option<f64>,
            ceiled: Option<f64>,
            /// `[splits][sites]`
            raw: T,
        }
        let shared = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../shared/brain-score/golden.json"
        );
        let Ok(text) = std::fs::read_to_string(shared) else {
            #[expect(
                clippy::print_stderr,
                reason = "a test that did nothing must not pass in silence"
            )]
            {
                eprintln!("skipped: there is no {shared}");
            }
            return;
        };
        let golden: Golden = serde_json::from_str(&text).expect("its shape");
        let consistency = &golden.internal_consistency;
        let close = |found: Option<f64>, expected: Option<f64>, tolerance: f64| {
            let (found, expected) = (found.expect("found"), expected.expect("expected"));
            assert!((found - expected).abs() < tolerance, "{found}, {expected}");
        };
        for score in [golden.pls, golden.ridge, golden.neuron_to_neuron] {
            let medians: Vec<f64> = score.raw.into_iter().map(median).collect();
            let found = brain_score(&Correlations {
                ceiling: Some(consistency.value),
                ceiling_error: consistency.error,
                ..of(&medians, &[None; 10])
            });
            let found = found.expect("ten splits");
            close(Some(found.center), Some(score.value), 1e-12);
            close(found.center_error, score.error, 1e-12);
            close(found.score, score.ceiled, 1e-12);
            close(found.score_error, score.error, 1e-12);
        }
        // Correlations of sites are kept to six digits, and their ceilings in 32 bits.
        let kept = |r: &f64| format!("{r:.5e}").parse::<f32>().expect("a number");
        let r: Vec<f32> = golden.ridgecv_split.raw.iter().map(kept).collect();
        let ceilings = (0..r.len()).map(|site| {
            let splits = consistency.raw.iter().map(|split| split[site]);
            (splits.sum::<f64>() / consistency.raw.len() as f64) as f32
        });
        let ceilings: Vec<f32> = ceilings.collect();
        close(
            site_wise(&[&r], &ceilings, true),
            Some(golden.neuroid_wise),
            1e-6,
        );
    }
}
