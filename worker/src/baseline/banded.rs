//! Leave-one-out errors of ridge regression, for many penalties from one factorisation in place.
//!
//! `K = Q B Qᵀ` with B zero but for a band. For a penalty α, `(B + αI)⁻¹` takes a number of operations in
//! the order of n for each vector, so eigenvalues are not needed; Q is kept as reflections below the band,
//! and applied to some of the stimuli at a time.
//!
//! A band takes products of matrices where a tridiagonal form takes products with vectors, half of which
//! wait for memory: from some thousand stimuli on it is several times as fast.

use super::cholesky;
use super::penalties::{self, Nodes, Sums};
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::householder::{
    apply_block_householder_sequence_transpose_on_the_left_in_place_scratch as apply_scratch,
    apply_block_householder_sequence_transpose_on_the_left_in_place_with_conj as apply,
};
use faer::linalg::matmul::matmul;
use faer::linalg::matmul::triangular::{BlockStructure, matmul as matmul_of_parts};
use faer::linalg::qr::no_pivoting::factor::{qr_in_place, qr_in_place_scratch};
use faer::linalg::triangular_solve::solve_lower_triangular_in_place;
use faer::prelude::IntoConst;
use faer::{Accum, Conj, Mat, MatMut, MatRef, Par, Side, Spec};
use rayon::prelude::*;

/// Stimuli whose errors one thread takes at once.
const COLUMNS: usize = 128;

/// Between bounds of the least eigenvalue that are tried.
const STEP: f64 = 10.0;

const WHOLE: BlockStructure = BlockStructure::Rectangular;

/// A symmetric matrix as `Q B Qᵀ`. B consists of square blocks on the diagonal, and blocks below them.
pub(super) struct Banded<'a> {
    /// Q's reflections, below the band: `[n - width, reflections]`
    reflections: MatRef<'a, f64>,
    /// What belongs to them: `[width, reflections]`
    factors: Mat<f64>,
    /// Rows and columns of a block; the last may have fewer.
    width: usize,
    /// Blocks on the diagonal, of which the lower triangles are valid.
    diagonal: Vec<Mat<f64>>,
    /// The blocks below these, one fewer.
    below: Vec<Mat<f64>>,
}

/// `B + αI = L Lᵀ`
struct Factor {
    /// L's blocks, as B's.
    diagonal: Vec<Mat<f64>>,
    below: Vec<Mat<f64>>,
}

/// Rows and columns of the blocks for a matrix of n rows: wide ones are reduced at the speed of products,
/// narrow ones are solved with fewer operations.
fn width(n: usize) -> usize {
    (n / 64).next_multiple_of(16).clamp(16, 64)
}

/// Bytes that reducing and solving take for n stimuli, beside the matrix and the panel of stimuli.
pub(super) fn bytes(n: usize) -> u64 {
    let threads = rayon::current_num_threads();
    8 * n as u64 * (4 * width(n) + COLUMNS * threads) as u64
}

impl<'a> Banded<'a> {
    /// Reduces a matrix in place: its lower triangle, which alone is read and written.
    pub(super) fn of(mut matrix: MatMut<'a, f64>) -> Self {
        let (n, width) = (matrix.nrows(), width(matrix.nrows()));
        let mut factors = Mat::zeros(width, n);
        let mut reflections = 0;
        while n > reflections + 2 * width {
            let below = n - reflections - width;
            let rest = matrix.as_mut().submatrix_mut(
                reflections + width,
                reflections,
                below,
                width + below,
            );
            let (panel, right) = rest.split_at_col_mut(width);
            reduce(
                panel,
                right,
                factors.as_mut().subcols_mut(reflections, width),
            );
            reflections += width;
        }
        factors.truncate(width, reflections);
        let matrix = matrix.into_const();
        let starts = (0..n).step_by(width);
        let block = |first: usize, after: usize| {
            let rows = width.min(n - first - after);
            matrix.submatrix(first + after, first, rows, width.min(n - first))
        };
        Self {
            diagonal: starts
                .clone()
                .map(|first| block(first, 0).to_owned())
                .collect(),
            below: starts
                .take_while(|first| first + width < n)
                .map(|first| {
                    let of = block(first, width);
                    let reduced = first < reflections;
                    Mat::from_fn(of.nrows(), of.ncols(), |row, column| {
                        if reduced && row > column {
                            0.0
                        } else {
                            of[(row, column)]
                        }
                    })
                })
                .collect(),
            reflections: matrix.submatrix(width.min(n), 0, n - width.min(n), reflections),
            factors,
            width,
        }
    }

    /// Replaces a matrix `[n, columns]` by Qᵀ times itself.
    fn turn(&self, matrix: MatMut<'_, f64>) {
        let (rows, columns) = (self.reflections.nrows(), matrix.ncols());
        if self.reflections.ncols() == 0 {
            return;
        }
        let mut memory = MemBuffer::new(apply_scratch::<f64>(rows, self.width, columns));
        apply(
            self.reflections,
            self.factors.as_ref(),
            Conj::No,
            matrix.subrows_mut(self.width, rows),
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
        let (n, sites) = responses.shape();
        let nodes = Nodes::between(penalties, self.least(penalties), self.trace());
        let mut turned = responses.clone();
        self.turn(turned.as_mut());
        let mut errors = vec![0.0; penalties.len()];
        let width = (panel_bytes / (8 * n + nodes.bytes(sites))).clamp(1, n);
        for first in (0..n).step_by(width) {
            let width = width.min(n - first);
            let mut panel = Mat::zeros(n, width);
            for at in 0..width {
                panel[(first + at, at)] = 1.0;
            }
            self.turn(panel.as_mut());
            let responses = responses.as_ref().subrows(first, width);
            let mut sums = Sums {
                numerators: vec![responses.transpose().to_owned()],
                denominators: vec![vec![1.0 - (n as f64).recip(); width]],
            };
            for (penalty, factor) in nodes.penalties() {
                let constant = (n as f64 * (mean + penalty)).recip();
                let of_penalty = self.factor(penalty);
                let mut solved = turned.clone();
                let columns = solved.as_mut().par_col_chunks_mut(COLUMNS);
                columns.for_each(|columns| of_penalty.solve(columns));
                let mut numerators = Mat::zeros(sites, width);
                let mut denominators = vec![0.0; width];
                let columns = panel.as_ref().par_col_chunks(COLUMNS);
                let columns = columns.zip(numerators.as_mut().par_col_chunks_mut(COLUMNS));
                let columns = columns.zip(denominators.par_chunks_mut(COLUMNS));
                columns.for_each(|((columns, numerators), denominators)| {
                    let mut columns = columns.to_owned();
                    of_penalty.solve(columns.as_mut());
                    let solved = solved.as_ref().transpose();
                    product(numerators, solved, columns.as_ref(), factor);
                    for (column, to) in columns.col_iter().zip(denominators) {
                        *to = factor * (column.squared_norm_l2() - constant);
                    }
                });
                sums.numerators.push(numerators);
                sums.denominators.push(denominators);
            }
            for (error, of_panel) in errors.iter_mut().zip(nodes.squared_errors(&sums)) {
                *error += of_panel;
            }
        }
        errors
    }

    /// The sum of all eigenvalues, which no eigenvalue exceeds.
    fn trace(&self) -> f64 {
        let blocks = self.diagonal.iter();
        let entries = blocks.flat_map(|block| block.diagonal().column_vector().iter());
        entries.sum()
    }

    /// What no eigenvalue is below, to within a factor of [`STEP`]; 0 if it is far below all `penalties`.
    fn least(&self, penalties: &[f64]) -> f64 {
        let rows: usize = self.diagonal.iter().map(Mat::nrows).sum();
        let smallest = penalties.iter().copied().fold(f64::INFINITY, f64::min);
        let mut bound = self.trace() / rows as f64;
        while bound > smallest * penalties::NOTHING {
            bound /= STEP;
            if self.is_above(bound) {
                return bound;
            }
        }
        0.0
    }

    /// No pivot is below the penalty but by rounding: B has no eigenvalue below 0.
    fn factor(&self, penalty: f64) -> Factor {
        let factor = self.factored(penalty, |block| Some(cholesky::small(block, penalty)));
        factor.expect("pivots below the penalty are raised to it")
    }

    /// Whether no eigenvalue is below `bound`.
    fn is_above(&self, bound: f64) -> bool {
        let small = |block: MatRef<'_, f64>| Some(block.llt(Side::Lower).ok()?.L().to_owned());
        self.factored(-bound, small).is_some()
    }

    /// The factor of B + αI, from those of blocks.
    fn factored(
        &self,
        penalty: f64,
        small: impl Fn(MatRef<'_, f64>) -> Option<Mat<f64>>,
    ) -> Option<Factor> {
        let mut factor = Factor {
            diagonal: Vec::with_capacity(self.diagonal.len()),
            below: Vec::with_capacity(self.below.len()),
        };
        for (at, block) in self.diagonal.iter().enumerate() {
            let mut block = block.clone();
            for row in 0..block.nrows() {
                block[(row, row)] += penalty;
            }
            if let Some(above) = factor.below.last() {
                let mut of_above = block.as_mut();
                product(of_above.as_mut(), above.as_ref(), above.transpose(), -1.0);
            }
            let block = small(block.as_ref())?;
            if let Some(below) = self.below.get(at) {
                let mut below = below.clone();
                let right = below.as_mut().transpose_mut();
                solve_lower_triangular_in_place(block.as_ref(), right, Par::Seq);
                factor.below.push(below);
            }
            factor.diagonal.push(block);
        }
        Some(factor)
    }
}

/// Makes a panel upper triangular by reflections, which it then has below that, and applies these to the
/// symmetric matrix at its right, from both sides.
fn reduce(mut panel: MatMut<'_, f64>, mut right: MatMut<'_, f64>, mut factor: MatMut<'_, f64>) {
    let (rows, width) = (panel.nrows(), panel.ncols());
    let (par, params) = (Par::rayon(0), Spec::default());
    let scratch = qr_in_place_scratch::<f64>(rows, width, width, par, params);
    let mut memory = MemBuffer::new(scratch);
    let stack = MemStack::new(&mut memory);
    qr_in_place(panel.as_mut(), factor.as_mut(), par, stack, params);
    // Q = I − V T⁻¹ Vᵀ, so Qᵀ A Q = A − W Vᵀ − V Wᵀ with W = A V T⁻¹ − ½ V T⁻ᵀ Vᵀ A V T⁻¹.
    let (vectors, lower) = (reflectors(panel.as_ref()), factor.transpose());
    let vectors = vectors.as_ref();
    let mut changes = Mat::zeros(rows, width);
    let of_lower = right.as_ref();
    for (part, accumulate, structure) in [
        (of_lower, Accum::Replace, BlockStructure::TriangularLower),
        (
            of_lower.transpose(),
            Accum::Add,
            BlockStructure::StrictTriangularUpper,
        ),
    ] {
        let changes = changes.as_mut();
        matmul_of_parts(
            changes, WHOLE, accumulate, part, structure, vectors, WHOLE, 1.0, par,
        );
    }
    solve_lower_triangular_in_place(lower, changes.as_mut().transpose_mut(), par);
    let mut both = Mat::zeros(width, width);
    let of_vectors = vectors.transpose();
    matmul(&mut both, Accum::Replace, of_vectors, &changes, 1.0, par);
    solve_lower_triangular_in_place(lower, both.as_mut(), par);
    matmul(&mut changes, Accum::Add, vectors, &both, -0.5, par);
    for (a, b) in [(changes.as_ref(), vectors), (vectors, changes.as_ref())] {
        let (right, b) = (right.as_mut(), b.transpose());
        let lower = BlockStructure::TriangularLower;
        matmul_of_parts(right, lower, Accum::Add, a, WHOLE, b, WHOLE, -1.0, par);
    }
}

/// The reflections' vectors that a panel has below its diagonal.
fn reflectors(panel: MatRef<'_, f64>) -> Mat<f64> {
    Mat::from_fn(panel.nrows(), panel.ncols(), |row, column| {
        match row.cmp(&column) {
            std::cmp::Ordering::Greater => panel[(row, column)],
            std::cmp::Ordering::Equal => 1.0,
            std::cmp::Ordering::Less => 0.0,
        }
    })
}

/// Adds `factor a b` to `to`, on this thread.
fn product(to: MatMut<'_, f64>, a: MatRef<'_, f64>, b: MatRef<'_, f64>, factor: f64) {
    matmul(to, Accum::Add, a, b, factor, Par::Seq);
}

impl Factor {
    /// `L⁻¹ x`, in place.
    fn solve(&self, mut x: MatMut<'_, f64>) {
        let mut done = 0;
        for (at, block) in self.diagonal.iter().enumerate() {
            let (above, rest) = x.as_mut().split_at_row_mut(done);
            let mut rows = rest.subrows_mut(0, block.nrows());
            if let Some(before) = at.checked_sub(1) {
                let below = self.below[before].as_ref();
                let above = above.as_ref().subrows(done - below.ncols(), below.ncols());
                product(rows.as_mut(), below, above, -1.0);
            }
            solve_lower_triangular_in_place(block.as_ref(), rows, Par::Seq);
            done += block.nrows();
        }
    }
}
