//! The two products of a dense layer on the host: activations times weights, and the gradient,
//! which Adam applies while it is still in registers.
//!
//! Every sum has one fixed order, over units or over stimuli: a lane's numbers do not depend on the
//! other lanes, on threads or on blocks, bit for bit.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::adam::{BETA_1, BETA_2, EPSILON, NEGLIGIBLE};

/// Columns of a matrix are a multiple of this, so that a row is whole vectors on every machine.
pub(super) const PADDING: usize = 16;
/// Rows of a tile with 32 vector registers, and with 16.
const TILE_ROWS: usize = 8;
const TILE_ROWS_FEW_REGISTERS: usize = 4;
/// Vectors side by side in a tile, at most.
const TILE_VECTORS: usize = 3;

/// Columns of a panel: those of the widest tile with the longest vectors.
const PANEL: usize = TILE_VECTORS * PADDING;

/// The memory layout of a matrix `[units, columns]` of weights: panel by panel, each row-major. So
/// tiles below one another read memory in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Panels {
    /// Columns of the matrix.
    pub(super) columns: usize,
    /// Columns of each panel but the last, which may have fewer.
    width: usize,
}

/// Rows of a matrix, some distance apart.
#[derive(Debug, Clone, Copy)]
pub(super) struct Matrix<'a> {
    /// Row-major, whole rows.
    pub(super) values: &'a [f32],
    /// From one row to the next.
    pub(super) width: usize,
}

/// The parts of Adam's step that differ between the columns of a matrix.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rates<'a> {
    /// Per column: learning rate over the first moment's bias correction.
    pub(super) rate: &'a [f32],
    /// Per column: the factor by which weight decay shrinks a weight.
    pub(super) keep: &'a [f32],
    /// One over the root of the second moment's bias correction.
    pub(super) unroot: f32,
}

/// Weights and the running means of their gradients and of the squares: `[units, columns]` each.
pub(super) struct Learning<'a> {
    /// The weights.
    pub(super) weights: &'a mut [f32],
    /// Means of gradients.
    pub(super) first: &'a mut [f32],
    /// Means of squared gradients.
    pub(super) second: &'a mut [f32],
}

impl<'a> Matrix<'a> {
    /// Some columns of each row.
    ///
    /// Bounds are checked once, which spares the innermost loops their checks.
    #[inline(always)]
    fn columns(self, columns: Range<usize>) -> impl Iterator<Item = &'a [f32]> {
        assert!(columns.start <= columns.end && columns.end <= self.width);
        let rows = self.values.chunks_exact(self.width);
        rows.map(move |row| &row[columns.clone()])
    }
}

impl Panels {
    /// Panels that tiles read in the order of memory.
    pub(super) fn of(columns: usize) -> Self {
        Self {
            columns,
            width: PANEL,
        }
    }

    /// One panel: row-major.
    pub(super) fn one(columns: usize) -> Self {
        Self {
            columns,
            width: columns,
        }
    }

    /// The start of the panel of `column` among `units` rows, the distance between its rows, and
    /// the column's position in a row.
    #[inline(always)]
    fn place(self, units: usize, column: usize) -> (usize, usize, usize) {
        let within = column % self.width;
        let start = column - within;
        let stride = self.width.min(self.columns - start);
        (units * start, stride, within)
    }

    /// The pieces of memory that hold some columns of row `unit` of `units`.
    pub(super) fn pieces(
        self,
        units: usize,
        unit: usize,
        columns: Range<usize>,
    ) -> impl Iterator<Item = Range<usize>> {
        let mut from = columns.start;
        std::iter::from_fn(move || {
            let until = ((from / self.width + 1) * self.width).min(columns.end);
            (from < until).then(|| {
                let (panel, stride, within) = self.place(units, from);
                let place = panel + unit * stride + within;
                let piece = place..place + (until - from);
                from = until;
                piece
            })
        })
    }
}

/// Adds `x · weights` to `out`.
///
/// # Shapes
/// - `x`: `[stimuli, units]`
/// - `weights`: `[units, columns]`, in `panels`
/// - `out`: `[stimuli, columns]`, row-major
pub(super) fn accumulate(x: Matrix<'_>, weights: &[f32], panels: Panels, out: &mut [f32]) {
    assert_eq!(panels.columns % PADDING, 0, "whole vectors");
    Arch::new().dispatch(Accumulate {
        x,
        units: weights.len() / panels.columns,
        weights,
        panels,
        out,
    });
}

/// Moves weights one step against their gradient `xᵀ · upstream`.
///
/// # Shapes
/// - `x`: `[stimuli, units]`
/// - `upstream`: `[stimuli, columns]`
/// - `to`: `[units, columns]` each, in `panels`
pub(super) fn descend(
    x: Matrix<'_>,
    upstream: Matrix<'_>,
    rates: Rates<'_>,
    panels: Panels,
    to: Learning<'_>,
) {
    assert_eq!(panels.columns % PADDING, 0, "whole vectors");
    Arch::new().dispatch(Descend {
        x,
        upstream,
        rates,
        units: to.weights.len() / panels.columns,
        to,
        panels,
    });
}

struct Accumulate<'a> {
    x: Matrix<'a>,
    weights: &'a [f32],
    units: usize,
    panels: Panels,
    out: &'a mut [f32],
}

struct Descend<'a> {
    x: Matrix<'a>,
    upstream: Matrix<'a>,
    rates: Rates<'a>,
    to: Learning<'a>,
    units: usize,
    panels: Panels,
}

/// Work that is cut into tiles of rows and vectors.
trait Tiled<S: Simd> {
    /// `R` rows from `row` on, `V` vectors from `column` on.
    fn tile<const R: usize, const V: usize>(&mut self, simd: S, row: usize, column: usize);
}

/// Covers `rows × columns` with tiles, panel by panel.
#[inline(always)]
fn cover<S: Simd>(simd: S, work: &mut impl Tiled<S>, rows: usize, panels: Panels) {
    let tall = match S::REGISTER_COUNT {
        32.. => TILE_ROWS,
        _ => TILE_ROWS_FEW_REGISTERS,
    };
    let mut column = 0;
    while column < panels.columns {
        let left = (panels.columns - column).min(panels.width - column % panels.width);
        let wide = (left / S::F32_LANES).min(TILE_VECTORS);
        let mut row = 0;
        while row < rows {
            let height = if rows - row >= tall { tall } else { 1 };
            match (height, wide) {
                (TILE_ROWS, 1) => work.tile::<TILE_ROWS, 1>(simd, row, column),
                (TILE_ROWS, 2) => work.tile::<TILE_ROWS, 2>(simd, row, column),
                (TILE_ROWS, _) => work.tile::<TILE_ROWS, 3>(simd, row, column),
                (1, 1) => work.tile::<1, 1>(simd, row, column),
                (1, 2) => work.tile::<1, 2>(simd, row, column),
                (1, _) => work.tile::<1, 3>(simd, row, column),
                (_, 1) => work.tile::<TILE_ROWS_FEW_REGISTERS, 1>(simd, row, column),
                (_, 2) => work.tile::<TILE_ROWS_FEW_REGISTERS, 2>(simd, row, column),
                (_, _) => work.tile::<TILE_ROWS_FEW_REGISTERS, 3>(simd, row, column),
            }
            row += height;
        }
        column += wide * S::F32_LANES;
    }
}

impl WithSimd for Accumulate<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let (rows, panels) = (self.out.len() / self.panels.columns, self.panels);
        cover(simd, &mut self, rows, panels);
    }
}

impl<S: Simd> Tiled<S> for Accumulate<'_> {
    #[inline(always)]
    fn tile<const R: usize, const V: usize>(&mut self, simd: S, row: usize, column: usize) {
        let across = column..column + V * S::F32_LANES;
        let x: [&[f32]; R] =
            std::array::from_fn(|r| &self.x.values[(row + r) * self.x.width..][..self.units]);
        let mut sums: [[S::f32s; V]; R] = std::array::from_fn(|r| {
            vectors::<S, V>(&self.out[(row + r) * self.panels.columns..][across.clone()])
        });
        let (panel, width, within) = self.panels.place(self.units, column);
        let weights = Matrix {
            values: &self.weights[panel..panel + self.units * width],
            width,
        };
        let weights = weights.columns(within..within + across.len());
        for (unit, weights) in (0..self.units).zip(weights) {
            let weights = vectors::<S, V>(weights);
            for (sums, x) in sums.iter_mut().zip(&x) {
                let x = simd.splat_f32s(x[unit]);
                for (sum, weight) in sums.iter_mut().zip(weights) {
                    *sum = simd.mul_add_f32s(x, weight, *sum);
                }
            }
        }
        for (r, sums) in sums.into_iter().enumerate() {
            let out = &mut self.out[(row + r) * self.panels.columns..][across.clone()];
            vectors_mut::<S>(out).copy_from_slice(&sums);
        }
    }
}

impl WithSimd for Descend<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let (units, panels) = (self.units, self.panels);
        cover(simd, &mut self, units, panels);
    }
}

impl<S: Simd> Tiled<S> for Descend<'_> {
    #[inline(always)]
    fn tile<const R: usize, const V: usize>(&mut self, simd: S, unit: usize, column: usize) {
        let across = column..column + V * S::F32_LANES;
        let mut sums = [[simd.splat_f32s(0.0); V]; R];
        let x = self.x.columns(unit..unit + R);
        for (x, upstream) in x.zip(self.upstream.columns(across.clone())) {
            let upstream = vectors::<S, V>(upstream);
            for (sums, x) in sums.iter_mut().zip(x) {
                let x = simd.splat_f32s(*x);
                for (sum, upstream) in sums.iter_mut().zip(upstream) {
                    *sum = simd.mul_add_f32s(x, upstream, *sum);
                }
            }
        }
        let rate = vectors::<S, V>(&self.rates.rate[across.clone()]);
        let keep = vectors::<S, V>(&self.rates.keep[across.clone()]);
        let unroot = simd.splat_f32s(self.rates.unroot);
        let (panel, stride, within) = self.panels.place(self.units, column);
        for (r, gradient) in sums.into_iter().enumerate() {
            let from = panel + (unit + r) * stride + within;
            let place = from..from + across.len();
            let weights = vectors_mut::<S>(&mut self.to.weights[place.clone()]);
            let first = vectors_mut::<S>(&mut self.to.first[place.clone()]);
            let second = vectors_mut::<S>(&mut self.to.second[place]);
            for (v, gradient) in gradient.into_iter().enumerate() {
                let (w, m, s) = (&mut weights[v], &mut first[v], &mut second[v]);
                adam(simd, gradient, (rate[v], keep[v], unroot), w, m, s);
            }
        }
    }
}

/// Adam's step on one vector.
#[inline(always)]
fn adam<S: Simd>(
    simd: S,
    gradient: S::f32s,
    (rate, keep, unroot): (S::f32s, S::f32s, S::f32s),
    weight: &mut S::f32s,
    first: &mut S::f32s,
    second: &mut S::f32s,
) {
    let splat = |value: f64| simd.splat_f32s(value as f32);
    let slope = simd.mul_f32s(splat(1.0 - BETA_1), gradient);
    let mean = simd.mul_add_f32s(splat(BETA_1), *first, slope);
    // Two comparisons: AVX2 has no instruction for the absolute value, and pulp's does not inline.
    let (zero, some) = (simd.splat_f32s(0.0), simd.splat_f32s(NEGLIGIBLE));
    let above = simd.less_than_f32s(simd.splat_f32s(-NEGLIGIBLE), mean);
    let below = simd.less_than_f32s(mean, some);
    let mean = simd.select_f32s(below, simd.select_f32s(above, zero, mean), mean);
    let curve = simd.mul_f32s(splat(1.0 - BETA_2), simd.mul_f32s(gradient, gradient));
    let square = simd.mul_add_f32s(splat(BETA_2), *second, curve);
    let root = simd.mul_add_f32s(simd.sqrt_f32s(square), unroot, splat(EPSILON));
    let change = simd.div_f32s(simd.mul_f32s(rate, mean), root);
    *weight = simd.sub_f32s(simd.mul_f32s(keep, *weight), change);
    *first = mean;
    *second = square;
}

/// `values` as `V` vectors.
#[inline(always)]
fn vectors<S: Simd, const V: usize>(values: &[f32]) -> [S::f32s; V] {
    let (vectors, _) = S::as_simd_f32s(values);
    std::array::from_fn(|v| vectors[v])
}

/// `values` as vectors.
#[inline(always)]
fn vectors_mut<S: Simd>(values: &mut [f32]) -> &mut [S::f32s] {
    S::as_mut_simd_f32s(values).0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nrp::draws::{Draws, Purpose};

    fn random(length: usize, seed: u64) -> Vec<f32> {
        let mut draws = Draws::new(seed, Purpose::Order);
        (0..length).map(|_| draws.unit() - 0.5).collect()
    }

    /// A product of 13 stimuli, 37 units and as many columns as asked for: tiles of every size.
    fn product(x: &[f32], weights: &[f32], columns: usize) -> Vec<f32> {
        let mut out = vec![1.0; 13 * columns];
        let x = Matrix {
            values: x,
            width: 40,
        };
        accumulate(
            x,
            &laid(weights, columns, 37),
            Panels::of(columns),
            &mut out,
        );
        out
    }

    /// The first `columns` of each row.
    fn narrow(values: &[f32], from: usize, columns: usize) -> Vec<f32> {
        let rows = values.chunks_exact(from);
        rows.flat_map(|row| &row[..columns]).copied().collect()
    }

    /// Rows of a matrix `[units, columns]`, as panels have them.
    fn laid(rows: &[f32], columns: usize, units: usize) -> Vec<f32> {
        let mut laid = vec![f32::NAN; rows.len()];
        for (unit, row) in rows.chunks_exact(columns).enumerate() {
            let mut row = row.iter();
            for place in Panels::of(columns).pieces(units, unit, 0..columns) {
                laid[place].fill_with(|| *row.next().expect("as many"));
            }
        }
        laid
    }

    /// Panels, as the rows of a matrix `[units, columns]`.
    fn rows(laid: &[f32], columns: usize, units: usize) -> Vec<f32> {
        let pieces = |unit| Panels::of(columns).pieces(units, unit, 0..columns);
        let pieces = (0..units).flat_map(pieces);
        pieces.flat_map(|place| &laid[place]).copied().collect()
    }

    #[test]
    fn panels_hold_every_number_once() {
        for columns in [16, 48, 64, 112, 160] {
            let matrix = random(5 * columns, columns as u64);
            let laid = laid(&matrix, columns, 5);
            assert_eq!(rows(&laid, columns, 5), matrix);
        }
    }

    #[test]
    fn products_are_right_and_do_not_depend_on_what_lies_beside() {
        let columns = 7 * PADDING;
        let (x, weights) = (random(13 * 40, 1), random(37 * columns, 2));
        let found = product(&x, &weights, columns);
        for (row, found) in found.chunks_exact(columns).enumerate() {
            for (column, found) in found.iter().enumerate() {
                let terms = (0..37).map(|unit| {
                    f64::from(x[row * 40 + unit]) * f64::from(weights[unit * columns + column])
                });
                // 37 terms below 1/4 in f32.
                let expected = 1.0 + terms.sum::<f64>();
                assert!((f64::from(*found) - expected).abs() < 1e-6);
            }
        }
        for less in 1..7 {
            let less = less * PADDING;
            let alone = product(&x, &narrow(&weights, columns, less), less);
            assert_eq!(alone, narrow(&found, columns, less), "{less} columns");
        }
    }

    #[test]
    fn steps_are_adams_and_do_not_depend_on_what_lies_beside() {
        let columns = 5 * PADDING;
        let (x, upstream) = (random(13 * 40, 3), random(13 * columns, 4));
        let start = random(37 * columns, 5);
        let (rate, keep) = (random(columns, 6), random(columns, 7));
        let step = |columns: usize, all: usize| {
            let mut weights = laid(&narrow(&start, all, columns), columns, 37);
            let (mut first, mut second) = (vec![0.25; weights.len()], vec![0.5; weights.len()]);
            let upstream = narrow(&upstream, all, columns);
            let rates = Rates {
                rate: &rate[..columns],
                keep: &keep[..columns],
                unroot: 1.5,
            };
            let matrix = |values, width| Matrix { values, width };
            let learning = Learning {
                weights: &mut weights,
                first: &mut first,
                second: &mut second,
            };
            let upstream = matrix(&upstream, columns);
            descend(
                matrix(&x, 40),
                upstream,
                rates,
                Panels::of(columns),
                learning,
            );
            [weights, first, second].map(|values| rows(&values, columns, 37))
        };
        let [weights, first, second] = step(columns, columns);
        for unit in 0..37 {
            for column in 0..columns {
                let at = unit * columns + column;
                let terms = (0..13).map(|row| {
                    f64::from(x[row * 40 + unit]) * f64::from(upstream[row * columns + column])
                });
                let gradient = terms.sum::<f64>();
                let m = BETA_1 * 0.25 + (1.0 - BETA_1) * gradient;
                let v = BETA_2 * 0.5 + (1.0 - BETA_2) * gradient * gradient;
                let change = f64::from(rate[column]) * m / (v.sqrt() * 1.5 + EPSILON);
                let w = f64::from(keep[column]) * f64::from(start[at]) - change;
                // 13 terms below 1/4 in f32.
                for (found, expected) in [(first[at], m), (second[at], v), (weights[at], w)] {
                    assert!(
                        (f64::from(found) - expected).abs() < 1e-6,
                        "{found} {expected}"
                    );
                }
            }
        }
        let less = 2 * PADDING;
        let alone = step(less, columns);
        let all = [weights, first, second];
        assert_eq!(alone, all.map(|values| narrow(&values, columns, less)));
    }

    #[test]
    fn what_is_negligible_is_nothing() {
        let mut weights = [1.0; PADDING];
        let (mut first, mut second) = ([1e-30; PADDING], [0.0; PADDING]);
        let nothing = [0.0; PADDING];
        let matrix = |values, width| Matrix { values, width };
        let rates = Rates {
            rate: &[1e-3; PADDING],
            keep: &[1.0; PADDING],
            unroot: 1.0,
        };
        let learning = Learning {
            weights: &mut weights,
            first: &mut first,
            second: &mut second,
        };
        descend(
            matrix(&[1.0], 1),
            matrix(&nothing, PADDING),
            rates,
            Panels::one(PADDING),
            learning,
        );
        assert_eq!((weights, first), ([1.0; PADDING], [0.0; PADDING]));
    }
}
