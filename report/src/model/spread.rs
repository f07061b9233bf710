//! Spread: a score over several trials, its mean and its standard deviation.

use serde::Serialize;

/// Mean and standard deviation of a score over splits or seeds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// Number of values.
    #[serde(skip)]
    pub count: usize,
    /// Their mean.
    pub mean: f64,
    /// Their sample standard deviation; absent for a single value.
    pub sd: Option<f64>,
}

impl Spread {
    /// Mean and sample standard deviation of `values`; none if there are no values.
    pub(crate) fn of(values: &[f64]) -> Option<Self> {
        let count = values.len();
        let mean = values.iter().sum::<f64>() / count as f64;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        (count > 0).then(|| Self {
            count,
            mean,
            sd: (count > 1).then(|| (squares / (count - 1) as f64).sqrt()),
        })
    }
}
