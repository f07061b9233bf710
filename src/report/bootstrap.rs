//! Bootstrap: how sure a mean over sites is, from the sites that there are. Chance comes from a seed,
//! so that a report made again is the same.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::Serialize;

/// Times that the sites are drawn anew.
pub(super) const RESAMPLES: usize = 10_000;
/// Parts of the resamples' means that lie below either end of the interval.
const ENDS: [f64; 2] = [0.025, 0.975];
const SEED: u64 = 1;

/// A mean, and between what it lies: 95 %, percentiles of the means of resamples.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Interval {
    pub(super) mean: f64,
    pub(super) low: f64,
    pub(super) high: f64,
}

impl Interval {
    /// Of the mean of `values`, one for each site; none where there are none.
    ///
    /// Sites are drawn with replacement, as many as there are. Whoever compares two predictors gives
    /// their difference at each site, so that what is drawn are pairs.
    pub(super) fn of_mean(values: &[f64]) -> Option<Self> {
        Self::resampled(values, RESAMPLES, SEED)
    }

    fn resampled(values: &[f64], resamples: usize, seed: u64) -> Option<Self> {
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
        Some(Self {
            mean: mean(values.iter().sum()),
            low,
            high,
        })
    }

    /// Whether it leaves open on which side of 0 the mean is.
    pub(super) fn holds_zero(self) -> bool {
        self.low <= 0.0 && self.high >= 0.0
    }
}

/// A place below `bound`, each as likely to one part in 2^32 of `bound`.
fn below(rng: &mut ChaCha8Rng, bound: usize) -> usize {
    ((u64::from(rng.next_u32()) * bound as u64) >> 32) as usize
}

/// Linear between the two values beside it, as NumPy has it.
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

    /// Nearly normal, with mean 0 and variance 1: the sum of 12 uniform draws.
    fn normal(rng: &mut ChaCha8Rng) -> f64 {
        let unit = |rng: &mut ChaCha8Rng| f64::from(rng.next_u32()) / f64::from(u32::MAX);
        (0..12).map(|_| unit(rng)).sum::<f64>() - 6.0
    }

    /// See `testdata/make_bootstrap.py`.
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
    fn the_interval_is_numpys_but_for_chance() {
        let cases: Vec<Case> = serde_json::from_str(include_str!("testdata/bootstrap.json"))
            .expect("readable fixture");
        for case in cases {
            let interval = Interval::of_mean(&case.differences).expect("there are sites");
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
        let interval = Interval::of_mean(&values).expect("there are sites");
        let mean = values.iter().sum::<f64>() / 400.0;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let standard_error = (squares / 399.0).sqrt() / 20.0;
        // Chance of the resamples moves either end by 0.0013.
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
            let interval = Interval::resampled(&values, 1_000, *seed).expect("there are sites");
            interval.low <= 0.5 && 0.5 <= interval.high
        });
        // Its standard error is 0.7 %, and percentiles are narrow by half a per cent at 60 sites.
        let coverage = held.count() as f64 / worlds as f64;
        assert!((0.925..0.97).contains(&coverage), "{coverage}");
    }

    #[test]
    fn equal_predictors_differ_by_nothing() {
        let interval = Interval::of_mean(&[0.0; 30]).expect("there are sites");
        assert_eq!(
            (interval.mean, interval.low, interval.high),
            (0.0, 0.0, 0.0)
        );
        assert!(interval.holds_zero());
        assert_eq!(Interval::of_mean(&[]), None);
    }

    #[test]
    fn the_same_sites_give_the_same_interval() {
        let values: Vec<f64> = (0..50).map(|n| f64::from(n).sin()).collect();
        assert_eq!(Interval::of_mean(&values), Interval::of_mean(&values));
    }

    #[test]
    fn one_site_is_all_that_is_drawn() {
        let interval = Interval::of_mean(&[0.25]).expect("a site");
        assert_eq!((interval.low, interval.high), (0.25, 0.25));
    }
}
