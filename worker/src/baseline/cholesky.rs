//! Cholesky factors in place, which touch nothing above the diagonal.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt::factor::{
    LltRegularization, cholesky_in_place, cholesky_in_place_scratch,
};
use faer::linalg::matmul::triangular::{BlockStructure, matmul};
use faer::linalg::triangular_solve::{
    solve_lower_triangular_in_place, solve_upper_triangular_in_place,
};
use faer::{Accum, Mat, MatMut, MatRef, Par, Spec};

/// Columns that are factored at once.
const BLOCK: usize = 256;

/// Replaces the lower triangle of a positive definite matrix by its factor L, `matrix = LLᵀ`.
///
/// `least` is a lower bound of the eigenvalues. No pivot is below it but by rounding, so one that is
/// becomes `least`.
pub(super) fn factor(mut matrix: MatMut<'_, f64>, least: f64) {
    let n = matrix.nrows();
    let par = Par::rayon(0);
    for first in (0..n).step_by(BLOCK) {
        let width = BLOCK.min(n - first);
        let rest = matrix
            .as_mut()
            .submatrix_mut(first, first, n - first, n - first);
        let (mut corner, _, mut below, right) = rest.split_at_mut(width, width);
        // The library writes above the diagonal of what it factors.
        let factor = small(corner.as_ref(), least);
        for column in 0..width {
            for row in column..width {
                corner[(row, column)] = factor[(row, column)];
            }
        }
        solve_lower_triangular_in_place(factor.as_ref(), below.as_mut().transpose_mut(), par);
        let [lower, whole] = [BlockStructure::TriangularLower, BlockStructure::Rectangular];
        let below = below.as_ref();
        matmul(
            right,
            lower,
            Accum::Add,
            below,
            whole,
            below.transpose(),
            whole,
            -1.0,
            par,
        );
    }
}

/// The factor of one block, whose entries above the diagonal mean nothing.
pub(super) fn small(block: MatRef<'_, f64>, least: f64) -> Mat<f64> {
    let n = block.nrows();
    let mut factor = block.to_owned();
    let regularization = LltRegularization {
        dynamic_regularization_delta: least,
        dynamic_regularization_epsilon: least,
    };
    let params = Spec::default();
    let mut memory = MemBuffer::new(cholesky_in_place_scratch::<f64>(n, Par::Seq, params));
    let stack = MemStack::new(&mut memory);
    let factored = cholesky_in_place(factor.as_mut(), regularization, Par::Seq, stack, params);
    factored.expect("pivots below the limit are raised to it");
    factor
}

/// Solves `LLᵀ x = right` in place.
pub(super) fn solve(factor: MatRef<'_, f64>, mut right: MatMut<'_, f64>) {
    let par = Par::rayon(0);
    solve_lower_triangular_in_place(factor, right.as_mut(), par);
    solve_upper_triangular_in_place(factor.transpose(), right, par);
}
