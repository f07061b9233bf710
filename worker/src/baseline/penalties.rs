//! Errors at stimuli that are left out, for many penalties from those of few.
//!
//! The error of ridge regression at a stimulus is a quotient of two sums over the eigenvalues λ of the
//! inner products, whose terms depend on the penalty α by `1/(λ+α)` alone. Over a spectrum, such functions
//! of many penalties are sums of those of few, to the last digits: of Brain-Score's 99, about 20 to 40 are
//! enough ([`Nodes`]). So only their sums are computed, and combined for the others.
//!
//! Source of the method: interpolative decomposition, Cheng, Gimbutas, Martinsson and Rokhlin 2005
//! (doi:10.1137/030602678).

use super::spectrum::product;
use faer::linalg::matmul::matmul;
use faer::linalg::triangular_solve::solve_upper_triangular_in_place;
use faer::{Accum, Col, Mat, Par, Scale};
use rayon::prelude::*;

/// What a sum of the few may leave of a function, relative to the function.
const TOLERANCE: f64 = 1e-11;

/// Points for each decade of a spectrum that is known by its ends alone.
const POINTS: f64 = 25.0;

/// From this part of the least penalty on, eigenvalues are as 0.
pub(super) const NOTHING: f64 = 1e-7;

/// The few penalties, and how much of each the others are made of.
pub(super) struct Nodes {
    /// Places of the few among all penalties.
    at: Vec<usize>,
    /// Of an infinite penalty, and of `at`, for each penalty: `[1 + nodes, penalties]`
    parts: Mat<f64>,
    penalties: Vec<f64>,
    /// The least eigenvalue.
    least: f64,
}

impl Nodes {
    /// For a spectrum that has these eigenvalues, and none below 0.
    ///
    /// Multiplied by `least + α`, the functions of all penalties are of one size, and that of an infinite
    /// penalty is 1.
    pub(super) fn of(penalties: &[f64], eigenvalues: &[f64]) -> Self {
        let least = eigenvalues.iter().copied().fold(f64::INFINITY, f64::min);
        let values = |penalty: f64| {
            let values = eigenvalues
                .iter()
                .map(move |value| (least + penalty) / (value + penalty));
            values.collect::<Col<f64>>()
        };
        let mut basis = vec![normal(Col::full(eigenvalues.len(), 1.0))];
        let whole: Vec<Col<f64>> = penalties.iter().map(|penalty| values(*penalty)).collect();
        let mut rest = whole.clone();
        let norms: Vec<f64> = whole.iter().map(|of| of.norm_l2()).collect();
        let mut at = Vec::new();
        loop {
            let last = basis.last().expect("an infinite penalty is first");
            rest.par_iter_mut().for_each(|rest| without(rest, last));
            let left = rest
                .iter()
                .zip(&norms)
                .map(|(rest, norm)| rest.norm_l2() / norm);
            let most = left.enumerate().max_by(|a, b| a.1.total_cmp(&b.1));
            let Some((next, _)) = most.filter(|(_, left)| *left > TOLERANCE) else {
                break;
            };
            // Once more, since differences have lost digits.
            let mut column = rest[next].clone();
            basis.iter().for_each(|of| without(&mut column, of));
            basis.push(normal(column));
            at.push(next);
        }
        let basis = Mat::from_fn(eigenvalues.len(), basis.len(), |row, of| basis[of][row]);
        let of_nodes = Mat::from_fn(eigenvalues.len(), at.len() + 1, |row, of| {
            of.checked_sub(1).map_or(1.0, |of| whole[at[of]][row])
        });
        let whole = Mat::from_fn(eigenvalues.len(), penalties.len(), |row, of| whole[of][row]);
        let triangle = product(basis.transpose(), of_nodes.as_ref());
        let mut parts = product(basis.transpose(), whole.as_ref());
        solve_upper_triangular_in_place(triangle.as_ref(), parts.as_mut(), Par::Seq);
        Self {
            at,
            parts,
            penalties: penalties.to_vec(),
            least,
        }
    }

    /// For a spectrum between two eigenvalues.
    pub(super) fn between(penalties: &[f64], least: f64, most: f64) -> Self {
        let smallest = penalties.iter().copied().fold(f64::INFINITY, f64::min);
        let first = least.max(smallest * NOTHING);
        let decades = (most / first).max(1.0).log10();
        let steps = (decades * POINTS).ceil().max(1.0);
        let points =
            (0..=steps as usize).map(|at| first * 10_f64.powf(decades * at as f64 / steps));
        let mut eigenvalues: Vec<f64> = points.collect();
        if first > least {
            eigenvalues.push(least);
        }
        Self::of(penalties, &eigenvalues)
    }

    /// The penalties whose sums are computed, each with the factor `least + α` that both sums have.
    pub(super) fn penalties(&self) -> impl ExactSizeIterator<Item = (f64, f64)> {
        let penalties = self.at.iter().map(|at| self.penalties[*at]);
        penalties.map(|penalty| (penalty, self.least + penalty))
    }

    /// Memory of what [`squared_errors`](Self::squared_errors) takes of a stimulus, with `sites` sites.
    pub(super) fn bytes(&self, sites: usize) -> usize {
        8 * (self.at.len() + 1) * (sites + 1)
    }

    /// Squared errors at some stimuli, summed over these and sites, for each penalty.
    pub(super) fn squared_errors(&self, sums: &Sums) -> Vec<f64> {
        let of_stimulus = |stimulus: usize| {
            let at_infinity = &sums.numerators[0];
            let (sites, penalties) = (at_infinity.nrows(), self.penalties.len());
            let numerators = Mat::from_fn(sites, sums.numerators.len(), |site, of| {
                sums.numerators[of][(site, stimulus)]
            });
            let mut combined = Mat::zeros(sites, penalties);
            let parts = self.parts.as_ref();
            matmul(
                &mut combined,
                Accum::Replace,
                &numerators,
                parts,
                1.0,
                Par::Seq,
            );
            let squares = combined.col_iter().zip(parts.col_iter());
            let errors = squares.map(|(numerators, parts)| {
                let denominators = sums.denominators.iter().zip(parts.iter());
                let denominator: f64 = denominators.map(|(of, part)| of[stimulus] * part).sum();
                numerators.squared_norm_l2() / denominator.powi(2)
            });
            errors.collect::<Vec<f64>>()
        };
        let stimuli = (0..sums.numerators[0].ncols()).into_par_iter();
        let of_stimuli: Vec<Vec<f64>> = stimuli.map(of_stimulus).collect();
        let mut errors = vec![0.0; self.penalties.len()];
        // Summed in order, so that the sum does not depend on threads.
        for of_stimulus in of_stimuli {
            for (error, of) in errors.iter_mut().zip(of_stimulus) {
                *error += of;
            }
        }
        errors
    }
}

/// The two sums whose quotient is an error, at some stimuli: those of an infinite penalty, where the
/// first is the response, then those of each of [`Nodes::penalties`].
pub(super) struct Sums {
    /// `[sites, stimuli]` each
    pub(super) numerators: Vec<Mat<f64>>,
    /// `[stimuli]` each
    pub(super) denominators: Vec<Vec<f64>>,
}

/// Subtracts from a column what a column of length 1 is of it.
fn without(column: &mut Col<f64>, of: &Col<f64>) {
    let along = of.transpose() * &*column;
    column
        .iter_mut()
        .zip(of.iter())
        .for_each(|(to, of)| *to -= along * of);
}

fn normal(column: Col<f64>) -> Col<f64> {
    let norm = column.norm_l2();
    column * Scale(norm.recip())
}

#[cfg(test)]
mod tests {
    use super::*;
    use nrp_proto::sweep::Baseline;

    /// The functions of 1/(λ+α) at any λ between, from those of the nodes.
    #[test]
    fn few_penalties_determine_all_over_any_spectrum() {
        let penalties = Baseline::RidgeCv.alphas();
        for (least, most) in [
            (0.0, 1e8),
            (0.0, 1e-3),
            (2e4, 3e8),
            (1.0, 1e3),
            (5.0, 5.0),
            (1e-12, 1e12),
        ] {
            let nodes = Nodes::between(&penalties, least, most);
            let few = nodes.penalties();
            assert!(few.len() < 50, "{least} {most}: {}", few.len());
            let few: Vec<(f64, f64)> = few.collect();
            for step in 0..=1000 {
                let value = match step {
                    0 => least,
                    step => {
                        most * (least.max(most * 1e-20) / most).powf(1.0 - f64::from(step) / 1000.0)
                    }
                };
                for (column, penalty) in nodes.parts.col_iter().zip(&penalties) {
                    let of_nodes = few
                        .iter()
                        .map(|(penalty, factor)| factor / (value + penalty));
                    let values = std::iter::once(1.0).chain(of_nodes);
                    let found: f64 = values
                        .zip(column.iter())
                        .map(|(value, part)| value * part)
                        .sum();
                    let expected = (least + penalty) / (value + penalty);
                    let off = (found - expected).abs();
                    assert!(
                        off < 1e-10,
                        "{least} {most} {value} {penalty}: {found} {expected}"
                    );
                }
            }
        }
    }
}
