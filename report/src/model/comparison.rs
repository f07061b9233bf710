//! Comparisons: whether two predictors of one region differ by more than chance among its sites.

use serde::Serialize;

/// Two predictors of one region, compared site by site.
#[derive(Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// The region.
    pub region: String,
    /// The predictor whose error counts as positive in the difference.
    pub first: Predictor,
    /// The predictor whose error is subtracted.
    pub second: Predictor,
    /// Finished splits over which each site is averaged.
    pub splits: usize,
    /// Sites at which both predictors have an error.
    pub sites: usize,
    /// The first predictor's error minus the second's, averaged over sites, with its 95 % interval.
    #[serde(flatten)]
    pub difference: Interval,
    /// The difference in words.
    pub verdict: String,
}

/// The best trials of one model on one ANN.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Predictor {
    /// The ANN's label.
    pub ann: String,
    /// `nrp`, or a linear baseline.
    pub model: String,
}

/// A mean over sites and its 95 % interval: percentiles of the means of resamples.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    /// The mean.
    pub mean: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

impl Interval {
    /// Whether the interval contains 0, so that the sign of the mean is uncertain.
    pub fn holds_zero(self) -> bool {
        self.low <= 0.0 && self.high >= 0.0
    }
}
