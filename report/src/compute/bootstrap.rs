//! Bootstrap: the uncertainty of a mean over sites, from the sites themselves. The resamples come from a
//! fixed seed, so that the same sites give the same interval.

use crate::model::Interval;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Number of times that the sites are resampled.
pub(crate) const RESAMPLES: usize = 10_000;
/// Fractions of the resamples' means below each end of the interval.
const ENDS: [f64; 2] = [0.025, 0.975];
const SEED: u64 = 1;

/// The mean of `values`, one for each site, and its 95 % interval; none if there are no values.
///
/// Each resample draws as many sites as there are, with replacement. To compare two predictors, give
/// their difference at each site, so that the pairs are kept together.
pub(crate) fn of_mean(values: &[f64]) -> Option<Interval> {
    resampled(values, RESAMPLES, SEED)
}

fn resampled(values: &[f64], resamples: usize, seed: u64) -> Option<Interval> {
    if values.is_empty() {
        return None;
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mean = |sum: f64| sum / values.len() as f64;
    let mut means: Vec<f64> = (0..resamples)
        .map(|_| {
            mean(
                (0..values.len())
                    .map(|_| values[below(&mut rng, values.len())])
                    .sum(),
            )
        })
        .collect();
    means.sort_by(f64::total_cmp);
    let [low, high] = ENDS.map(|part| percentile(&means, part));
    Some(Interval {
        mean: mean(values.iter().sum()),
        low,
        high,
    })
}

/// A random index below `bound`; the probabilities differ by less than `bound` / 2^32.
fn below(rng: &mut ChaCha8Rng, bound: usize) -> usize {
    ((u64::from(rng.next_u32()) * bound as u64) >> 32) as usize
}

/// The percentile at `part` of sorted values, interpolated linearly as by NumPy's default.
fn percentile(sorted: &[f64], part: f64) -> f64 {
    let place = part * (sorted.len() - 1) as f64;
    let (low, high) = (
        sorted[place.floor() as usize],
        sorted[place.ceil() as usize],
    );
    low + (high - low) * place.fract()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    /// A nearly normal variable with mean 0 and variance 1: the sum of 12 uniform draws.
    fn normal(rng: &mut ChaCha8Rng) -> f64 {
        let unit = |rng: &mut ChaCha8Rng| f64::from(rng.next_u32()) / f64::from(u32::MAX);
        (0..12).map(|_| unit(rng)).sum::<f64>() - 6.0
    }

    /// A case computed by NumPy; see `testdata/make_bootstrap.py`.
    #[derive(Deserialize)]
    struct Case {
        name: String,
        differences: Vec<f64>,
        mean: f64,
        low: f64,
        high: f64,
        standard_error: f64,
    }

    #[test]
    fn the_interval_matches_numpys_within_resampling_noise() {
        let cases: Vec<Case> = serde_json::from_str(include_str!("testdata/bootstrap.json"))
            .expect("readable fixture");
        for case in cases {
            let interval = of_mean(&case.differences).expect("there are sites");
            // An end is the 250th of 10,000 means: its standard error is 2.7 % of theirs.
            let tolerance = 0.1 * case.standard_error;
            assert!((interval.mean - case.mean).abs() < 1e-12, "{}", case.name);
            assert!((interval.low - case.low).abs() < tolerance, "{}", case.name);
            assert!(
                (interval.high - case.high).abs() < tolerance,
                "{}",
                case.name
            );
        }
    }

    #[test]
    fn a_normal_mean_lies_within_two_standard_errors() {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let values: Vec<f64> = (0..400).map(|_| 0.3 + normal(&mut rng)).collect();
        let interval = of_mean(&values).expect("there are sites");
        let mean = values.iter().sum::<f64>() / 400.0;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let standard_error = (squares / 399.0).sqrt() / 20.0;
        // Resampling noise moves each end by about 0.0013.
        assert!((interval.low - (mean - 1.96 * standard_error)).abs() < 0.006);
        assert!((interval.high - (mean + 1.96 * standard_error)).abs() < 0.006);
        assert!(!interval.holds_zero());
    }

    #[test]
    fn nineteen_of_twenty_intervals_hold_the_true_mean() {
        let mut rng = ChaCha8Rng::seed_from_u64(11);
        let worlds = 1_000;
        let held = (0..worlds).filter(|seed| {
            let values: Vec<f64> = (0..60).map(|_| 0.5 + normal(&mut rng)).collect();
            let interval = resampled(&values, 1_000, *seed).expect("there are sites");
            interval.low <= 0.5 && 0.5 <= interval.high
        });
        // The coverage has a standard error of 0.7 %; with 60 sites, percentile intervals cover half a
        // per cent too little.
        let coverage = held.count() as f64 / worlds as f64;
        assert!((0.925..0.97).contains(&coverage), "{coverage}");
    }

    #[test]
    fn equal_predictors_differ_by_nothing() {
        let interval = of_mean(&[0.0; 30]).expect("there are sites");
        assert_eq!(
            (interval.mean, interval.low, interval.high),
            (0.0, 0.0, 0.0)
        );
        assert!(interval.holds_zero());
        assert_eq!(of_mean(&[]), None);
    }

    #[test]
    fn the_same_sites_give_the_same_interval() {
        let values: Vec<f64> = (0..50).map(|n| f64::from(n).sin()).collect();
        assert_eq!(of_mean(&values), of_mean(&values));
    }

    #[test]
    fn a_single_site_gives_an_interval_of_one_point() {
        let interval = of_mean(&[0.25]).expect("a site");
        assert_eq!((interval.low, interval.high), (0.25, 0.25));
    }
}
