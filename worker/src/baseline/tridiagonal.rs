//! Leave-one-out errors of ridge regression, for many penalties from one factorisation in place.
//!
//! `K = Q T Qᵀ` with T tridiagonal. For each penalty α, `(T + αI)⁻¹` takes a number of operations in the
//! order of n for each vector, so eigenvalues are not needed; Q is kept as reflections below the
//! diagonal, and applied to some of the stimuli at a time.

use super::spectrum::product;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::evd::tridiag::{tridiag_in_place, tridiag_in_place_scratch};
use faer::linalg::householder::{
    apply_block_householder_sequence_transpose_on_the_left_in_place_scratch as apply_scratch,
    apply_block_householder_sequence_transpose_on_the_left_in_place_with_conj as apply,
};
use faer::prelude::IntoConst;
use faer::{ColMut, Conj, Mat, MatMut, MatRef, Par, Spec};
use rayon::prelude::*;

/// Reflections that are applied at once.
const REFLECTIONS: usize = 64;

/// A symmetric matrix as `Q T Qᵀ`.
pub(super) struct Tridiagonal<'a> {
    /// Q's reflections, below the diagonal.
    reflections: MatRef<'a, f64>,
    /// What belongs to them: `[reflections at once, n - 1]`
    factors: Mat<f64>,
    diagonal: Vec<f64>,
    /// Below the diagonal: `[n - 1]`
    below: Vec<f64>,
}

/// `T + αI = L D Lᵀ`, with L a unit diagonal and one below it.
struct Factor {
    /// Below the diagonal: `[n - 1]`
    below: Vec<f64>,
    /// D⁻¹, `[n]`
    inverse: Vec<f64>,
}

impl<'a> Tridiagonal<'a> {
    /// Factors a matrix of two rows or more in place: its lower triangle.
    pub(super) fn of(mut matrix: MatMut<'a, f64>) -> Self {
        let n = matrix.nrows();
        let mut factors = Mat::zeros(REFLECTIONS.min(n - 1), n - 1);
        let (par, params) = (Par::rayon(0), Spec::default());
        let mut memory = MemBuffer::new(tridiag_in_place_scratch::<f64>(n, par, params));
        let stack = MemStack::new(&mut memory);
        tridiag_in_place(matrix.as_mut(), factors.as_mut(), par, stack, params);
        Self {
            factors,
            diagonal: (0..n).map(|at| matrix[(at, at)]).collect(),
            below: (1..n).map(|at| matrix[(at, at - 1)]).collect(),
            reflections: matrix.into_const(),
        }
    }

    /// Replaces a matrix `[n, columns]` by Qᵀ times itself.
    fn turn(&self, matrix: MatMut<'_, f64>) {
        let (n, columns) = (matrix.nrows(), matrix.ncols());
        let scratch = apply_scratch::<f64>(n - 1, self.factors.nrows(), columns);
        let mut memory = MemBuffer::new(scratch);
        apply(
            self.reflections.submatrix(1, 0, n - 1, n - 1),
            self.factors.as_ref(),
            Conj::No,
            matrix.subrows_mut(1, n - 1),
            Par::rayon(0),
            MemStack::new(&mut memory),
        );
    }

    /// Squared errors of ridge regression at stimuli that are left out, summed over stimuli and sites,
    /// for each of `penalties`.
    ///
    /// The matrix is the centred Gram matrix plus `mean / n` everywhere, as in
    /// [`Spectrum`](super::spectrum::Spectrum); `responses`, `[n, sites]`, are centred. The error at a
    /// stimulus is as in [`ridge`](super::ridge::fit).
    ///
    /// `panel_bytes` is the memory of the stimuli that are taken at once.
    pub(super) fn left_out(
        &self,
        mean: f64,
        responses: &Mat<f64>,
        penalties: &[f64],
        panel_bytes: usize,
    ) -> Vec<f64> {
        let n = self.diagonal.len();
        let mut turned = responses.clone();
        self.turn(turned.as_mut());
        let factors: Vec<Factor> = penalties.iter().map(|of| self.factor(*of)).collect();
        let mut errors = vec![0.0; penalties.len()];
        let width = (panel_bytes / 8 / n).clamp(1, n);
        for first in (0..n).step_by(width) {
            let width = width.min(n - first);
            let mut panel = Mat::zeros(n, width);
            for at in 0..width {
                panel[(first + at, at)] = 1.0;
            }
            self.turn(panel.as_mut());
            for ((error, factor), penalty) in errors.iter_mut().zip(&factors).zip(penalties) {
                let constant = (n as f64 * (mean + penalty)).recip();
                let mut solved = turned.clone();
                let columns = solved.as_mut().par_col_iter_mut();
                columns.for_each(|column| factor.solve(column));
                let coefficients = product(panel.transpose(), solved.as_ref());
                let columns = panel.as_ref().par_col_iter().enumerate();
                let of_stimuli = columns.map(|(at, column)| {
                    let inverse = factor.quadratic(column.iter().copied()) - constant;
                    let row = coefficients.row(at).iter();
                    row.map(|c| (c / inverse).powi(2)).sum::<f64>()
                });
                // Summed in order, so that the sum does not depend on threads.
                *error += of_stimuli.collect::<Vec<f64>>().iter().sum::<f64>();
            }
        }
        errors
    }

    /// No pivot is below the penalty but by rounding: T has no eigenvalue below 0.
    fn factor(&self, penalty: f64) -> Factor {
        let mut pivot = (self.diagonal[0] + penalty).max(penalty);
        let mut inverse = vec![pivot.recip()];
        let mut below = Vec::with_capacity(self.below.len());
        for (off, diagonal) in self.below.iter().zip(&self.diagonal[1..]) {
            let multiple = off / pivot;
            pivot = (diagonal + penalty - multiple * off).max(penalty);
            below.push(multiple);
            inverse.push(pivot.recip());
        }
        Factor { below, inverse }
    }
}

impl Factor {
    /// `(T + αI)⁻¹ x`, in place.
    fn solve(&self, mut x: ColMut<'_, f64>) {
        let n = self.inverse.len();
        for at in 1..n {
            x[at] -= self.below[at - 1] * x[at - 1];
        }
        x[n - 1] *= self.inverse[n - 1];
        for at in (1..n).rev() {
            x[at - 1] = x[at - 1] * self.inverse[at - 1] - self.below[at - 1] * x[at];
        }
    }

    /// `xᵀ (T + αI)⁻¹ x`
    fn quadratic(&self, x: impl Iterator<Item = f64>) -> f64 {
        let (mut before, mut sum) = (0.0, 0.0);
        let below = std::iter::once(&0.0).chain(&self.below);
        for ((x, below), inverse) in x.zip(below).zip(&self.inverse) {
            before = x - below * before;
            sum += before * before * inverse;
        }
        sum
    }
}
