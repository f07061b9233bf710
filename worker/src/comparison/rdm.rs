//! Representational dissimilarity: 1 − Pearson's r between two stimuli's rows, and the rank correlation of
//! two matrices of these (Kriegeskorte et al. 2008). Only the triangle above the diagonal is kept.

use super::error::ComparisonError;
use super::kernel::Kernel;
use rayon::prelude::*;

/// Fewest stimuli: three pairs have an order.
pub(super) const LEAST_STIMULI: usize = 3;
/// Fewest values of a row.
pub(super) const LEAST_WIDTH: usize = 3;
/// Dissimilarities, which are at most 2, are equal to the least of those that differ from it by no more than
/// this: those of two pairs of equal pictures differ by rounding alone.
const TIE: f64 = 1e-14;

/// Dissimilarities between the stimuli of `part`: of the first and each later one, then of the second, and
/// so on.
///
/// # Errors
/// When there are too few stimuli or values, or a row is constant.
pub(super) fn rdm(kernel: &Kernel, part: &[usize]) -> Result<Vec<f64>, ComparisonError> {
    let found = part.len();
    if found < LEAST_STIMULI {
        return Err(ComparisonError::Stimuli {
            model: "rdm",
            found,
            least: LEAST_STIMULI,
        });
    }
    let (width, of) = kernel.width();
    if width < LEAST_WIDTH {
        return Err(ComparisonError::Width {
            of,
            found: width,
            least: LEAST_WIDTH,
        });
    }
    let norms = kernel.norms(part)?;
    let rows = (0..found).into_par_iter().flat_map_iter(|a| {
        let norms = &norms;
        (a + 1..found)
            .map(move |b| 1.0 - kernel.correlation([part[a], part[b]], [norms[a], norms[b]]))
    });
    Ok(rows.collect())
}

/// The ranks of values from 1, those of equal ones averaged.
pub(super) fn ranks(values: &[f64]) -> Vec<f64> {
    let mut sorted: Vec<(f64, usize)> = values.iter().copied().zip(0..).collect();
    sorted.par_sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let mut ranks = vec![0.0; values.len()];
    let mut first = 0;
    while first < sorted.len() {
        let least = sorted[first].0;
        let equal = sorted[first..].iter();
        let equal = equal.take_while(|(value, _)| value - least <= TIE).count();
        let rank = first as f64 + (equal + 1) as f64 / 2.0;
        let (_, rest) = sorted.split_at(first);
        rest[..equal]
            .iter()
            .for_each(|(_, place)| ranks[*place] = rank);
        first += equal;
    }
    ranks
}

/// Pearson's r of two lists of ranks: Spearman's correlation. `None` if one has no order.
pub(super) fn correlation(a: &[f64], b: &[f64]) -> Option<f64> {
    // Ranks from 1 have this mean, with or without equal ones.
    let mean = (a.len() as f64 + 1.0) / 2.0;
    let (mut aa, mut bb, mut ab) = (0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(b) {
        let (a, b) = (a - mean, b - mean);
        aa += a * a;
        bb += b * b;
        ab += a * b;
    }
    let spread = aa.sqrt() * bb.sqrt();
    (spread > 0.0).then(|| (ab / spread).clamp(-1.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_differ_by_rounding_are_equal_and_many_close_ones_are_not() {
        let one = 1.0_f64;
        let equal = [one, one + f64::EPSILON, one - f64::EPSILON, 0.5];
        assert_eq!(ranks(&equal), [3.0, 3.0, 3.0, 1.0]);
        // Each as close to the next as dissimilarities of almost equal rows are.
        let close: Vec<f64> = (0..1000).map(|at| f64::from(at) * 1e-13).collect();
        let expected: Vec<f64> = (1..=1000).map(f64::from).collect();
        assert_eq!(ranks(&close), expected);
        let closer: Vec<f64> = (0..1000).map(|at| f64::from(at) * 1e-15).collect();
        let found = ranks(&closer);
        assert!(found.first() < found.last(), "they are no chain");
    }
}
