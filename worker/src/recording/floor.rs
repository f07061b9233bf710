//! The noise floor: the mean absolute error that noise leaves to a predictor of the true rates.
//!
//! Where noise is Gaussian and independent between repetitions, an average of n with standard deviation
//! σ misses the true rate by √(2/π) σ/√n on average. σ is estimated for each stimulus and site from its
//! own repetitions, so that noise may grow with the rate.
//!
//! What all stimuli of a repetition share (a drift from block to block) is removed first, by an
//! additive fit of stimuli and repetitions. Averages over the same repetitions all contain the same
//! part of it, which a predictor learns as part of the site's mean; a stimulus that lacks some
//! repetitions is off by the rest. A drift that the repetitions of one stimulus share is invisible:
//! then the true floor is higher than the one computed here.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_PI, PI};

use super::presentations::{MIN_STIMULI, Presentations};
use crate::statistics::mean;

/// Most rounds of the additive fit. Where each stimulus has every repetition, one suffices.
const ROUNDS: usize = 500;
/// The fit has converged when the drift changes by less than this fraction of the largest deviation
/// of a value from its stimulus's mean.
const SETTLED: f64 = 1e-12;

/// A recorded value: its repetition number, and the response.
type Cell = (usize, f64);

/// Expected absolute error of one site's average response to each stimulus. A stimulus recorded
/// once is assumed to be as noisy as the site's other stimuli. NaN where nothing was recorded, and
/// everywhere if no stimulus was repeated.
pub(super) fn errors(column: &[f64], shown: &Presentations, groups: &[Vec<usize>]) -> Vec<f32> {
    let cell = |&presentation: &usize| (shown.repetition_of[presentation], column[presentation]);
    let recorded = |group: &Vec<usize>| -> Vec<Cell> {
        let cells = group.iter().map(cell);
        cells.filter(|(_, value)| value.is_finite()).collect()
    };
    let mut cells: Vec<Vec<Cell>> = groups.iter().map(recorded).collect();
    let (drift, inflation) = drift(&cells, shown.repetitions);
    for (repetition, value) in cells.iter_mut().flatten() {
        *value -= drift[*repetition];
    }
    // Each average's share of the drift.
    let shares: Vec<Option<f64>> = cells
        .iter()
        .map(|cells| mean(cells.iter().map(|(repetition, _)| drift[*repetition])))
        .collect();
    let common = mean(shares.iter().flatten().copied()).unwrap_or(0.0);
    let deviations: Vec<f64> = cells
        .iter()
        .map(|cells| inflation * deviation(cells))
        .collect();
    let typical = mean(deviations.iter().copied().filter(|sd| !sd.is_nan()));
    let error = |((cells, sd), share): ((&Vec<Cell>, &f64), &Option<f64>)| {
        let sd = match cells.len() {
            1 => typical.unwrap_or(f64::NAN),
            _ => *sd,
        };
        let of_mean = sd / (cells.len() as f64).sqrt();
        share.map_or(f64::NAN, |share| folded(share - common, of_mean)) as f32
    };
    cells
        .iter()
        .zip(&deviations)
        .zip(&shares)
        .map(error)
        .collect()
}

/// The drift of each repetition, by least squares beside a mean of each stimulus, and the factor by
/// which standard deviations of the residuals are too small. 0 and 1 if there are too few
/// repetitions to tell.
fn drift(cells: &[Vec<Cell>], repetitions: usize) -> (Vec<f64>, f64) {
    let repeated: Vec<&Vec<Cell>> = cells.iter().filter(|cells| cells.len() >= 2).collect();
    let mut drift = vec![0.0; repetitions];
    let mut counts = vec![0.0; repetitions];
    for (repetition, _) in repeated.iter().copied().flatten() {
        counts[*repetition] += 1.0;
    }
    let about_means: f64 = repeated.iter().map(|cells| cells.len() as f64 - 1.0).sum();
    let free = about_means + 1.0 - counts.iter().filter(|count| **count > 0.0).count() as f64;
    if repeated.len() < MIN_STIMULI || free <= 0.0 {
        return (drift, 1.0);
    }
    for _ in 0..ROUNDS {
        let (mut sums, mut furthest) = (vec![0.0; repetitions], 0.0_f64);
        for cells in &repeated {
            let left = |(repetition, value): &Cell| value - drift[*repetition];
            let of_stimulus = cells.iter().map(left).sum::<f64>() / cells.len() as f64;
            for (repetition, value) in *cells {
                sums[*repetition] += value - of_stimulus;
                furthest = furthest.max((value - of_stimulus).abs());
            }
        }
        let next = sums.iter().zip(&counts);
        let next = next.map(|(sum, count)| if *count > 0.0 { sum / count } else { 0.0 });
        let next: Vec<f64> = next.collect();
        let change = next.iter().zip(&drift).map(|(a, b)| (a - b).abs());
        let change = change.fold(0.0, f64::max);
        drift = next;
        if change <= SETTLED * furthest {
            break;
        }
    }
    (drift, (about_means / free).sqrt())
}

/// Mean absolute value of a normal draw about `mean`.
fn folded(mean: f64, sd: f64) -> f64 {
    if sd > 0.0 {
        let ratio = mean / sd * FRAC_1_SQRT_2;
        FRAC_2_PI.sqrt() * sd * (-ratio * ratio).exp() + mean * libm::erf(ratio)
    } else {
        mean.abs() + sd
    }
}

/// The unbiased estimate of the standard deviation, NaN for fewer than two values. The root of the
/// sample variance is too small on average, by the factor c₄(n) = √(2/(n−1)) Γ(n/2)/Γ((n−1)/2):
/// 0.80 at two values, 0.97 at ten.
fn deviation(cells: &[Cell]) -> f64 {
    let n = cells.len();
    if n < 2 {
        return f64::NAN;
    }
    let mean = cells.iter().map(|(_, x)| x).sum::<f64>() / n as f64;
    let squares: f64 = cells.iter().map(|(_, x)| (x - mean) * (x - mean)).sum();
    // Γ(n/2)/Γ((n−1)/2) times the same for n+1 is (n−1)/2.
    let gammas = (2..n).fold(1.0 / PI.sqrt(), |ratio, n| (n as f64 - 1.0) / 2.0 / ratio);
    (squares / 2.0).sqrt() / gammas
}
