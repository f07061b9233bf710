//! The matrix product behind convolutions and dense layers: rows from anywhere in a map, times
//! weights packed once, plus bias and residual, cut off at both ends, in one pass.
//!
//! A value's terms are added in one fixed order, whatever rows are computed beside it: a stimulus's
//! activations have the same bits in every batch.
#![allow(unsafe_code)] // the innermost loop reads rows through pointers

use pulp::{Arch, Simd, WithSimd};

/// Rows computed from one set of pointers; their inputs stay in the second-level cache.
const BLOCK_ROWS: usize = 96;
/// Rows of the largest tile, with 32 vector registers and with 16.
const TILE_ROWS: usize = 12;
const TILE_ROWS_FEW_REGISTERS: usize = 6;
/// Vectors side by side in a tile.
const TILE_VECTORS: usize = 2;

/// Weights `[inputs, outputs]` in the order in which the product reads them.
#[derive(Debug)]
pub(super) struct Packed {
    /// Panels of `TILE_VECTORS` vectors of outputs, each `[inputs, panel width]`; the last is filled
    /// up with zeros.
    panels: Vec<f32>,
    /// One per output, filled up with zeros.
    bias: Vec<f32>,
    inputs: usize,
    outputs: usize,
}

/// What happens to a product before it is written.
#[derive(Clone, Copy)]
pub(super) struct End<'a> {
    /// Added to the product: values laid out as the output.
    pub(super) residual: Option<&'a [f32]>,
    /// Smaller values become this. NaN stays.
    pub(super) low: f32,
    /// Larger values become this. NaN stays.
    pub(super) high: f32,
}

/// Where a product's rows are: each is made of `taps` runs of `run` values in the input.
pub(super) trait Rows {
    /// How many rows there are.
    fn rows(&self) -> usize;
    /// Runs of a row.
    fn taps(&self) -> usize;
    /// Values in a run.
    fn run(&self) -> usize;
    /// Where in the input each run of `row` begins; `None` for a run of zeros.
    fn starts(&self, row: usize, each: impl FnMut(Option<usize>));
}

/// Where a product goes.
pub(super) struct Output<'a> {
    /// Row-major.
    pub(super) values: &'a mut [f32],
    /// Values in a row.
    pub(super) width: usize,
    /// The product's first column in it.
    pub(super) column: usize,
}

impl Packed {
    /// Packs `weights`, `[inputs, outputs]` row-major.
    pub(super) fn new(weights: &[f32], outputs: usize, bias: &[f32]) -> Self {
        struct Lanes;
        impl WithSimd for Lanes {
            type Output = usize;
            #[inline(always)]
            fn with_simd<S: Simd>(self, _: S) -> usize {
                S::F32_LANES
            }
        }
        let width = TILE_VECTORS * Arch::new().dispatch(Lanes);
        let inputs = weights.len() / outputs;
        let padded = outputs.next_multiple_of(width);
        let mut panels = vec![0.0; inputs * padded];
        for (panel, values) in panels.chunks_exact_mut(inputs * width).enumerate() {
            let columns = panel * width..outputs.min((panel + 1) * width);
            for (to, from) in values
                .chunks_exact_mut(width)
                .zip(weights.chunks_exact(outputs))
            {
                to[..columns.len()].copy_from_slice(&from[columns.clone()]);
            }
        }
        let mut bias = bias.to_vec();
        bias.resize(padded, 0.0);
        Self {
            panels,
            bias,
            inputs,
            outputs,
        }
    }

    /// Multiplies `rows` of `input` and writes the product to `output`.
    pub(super) fn multiply(
        &self,
        input: &[f32],
        rows: &impl Rows,
        output: &mut Output<'_>,
        end: End<'_>,
    ) {
        assert_eq!(
            rows.taps() * rows.run(),
            self.inputs,
            "rows of another product"
        );
        assert!(
            output.column + self.outputs <= output.width,
            "columns within the row"
        );
        assert!(
            output.values.len() >= rows.rows() * output.width,
            "rows within the output"
        );
        assert!(
            end.residual.is_none_or(|r| r.len() == output.values.len()),
            "residual as output"
        );
        let zeros = vec![0.0; rows.run()];
        let mut starts = Vec::new();
        for first in (0..rows.rows()).step_by(BLOCK_ROWS) {
            let count = BLOCK_ROWS.min(rows.rows() - first);
            starts.clear();
            for row in first..first + count {
                rows.starts(row, |start| {
                    starts.push(match start {
                        Some(start) => input[start..start + rows.run()].as_ptr(),
                        None => zeros.as_ptr(),
                    });
                });
            }
            assert_eq!(starts.len(), count * rows.taps(), "every run has its start");
            let from = first * output.width + output.column;
            Arch::new().dispatch(Block {
                weights: self,
                starts: &starts,
                rows: count,
                taps: rows.taps(),
                run: rows.run(),
                width: output.width,
                output: &mut output.values[from..],
                residual: end.residual.map(|residual| &residual[from..]),
                end,
            });
        }
    }
}

/// One block of rows, all outputs.
struct Block<'a> {
    weights: &'a Packed,
    /// `[rows, taps]`, each good for `run` values.
    starts: &'a [*const f32],
    rows: usize,
    taps: usize,
    run: usize,
    width: usize,
    output: &'a mut [f32],
    residual: Option<&'a [f32]>,
    end: End<'a>,
}

impl WithSimd for Block<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let lanes = S::F32_LANES;
        let width = TILE_VECTORS * lanes;
        for column in (0..self.weights.outputs).step_by(width) {
            let left = self.weights.outputs - column;
            // As even as possible: a low tile at the end would wait for its few sums.
            let most = match S::REGISTER_COUNT {
                32.. => TILE_ROWS,
                _ => TILE_ROWS_FEW_REGISTERS,
            };
            let tiles = self.rows.div_ceil(most);
            for tile in 0..tiles {
                let row = tile * self.rows / tiles;
                let height = (tile + 1) * self.rows / tiles - row;
                match height {
                    1 => self.tile::<S, 1>(simd, row, column, left),
                    2 => self.tile::<S, 2>(simd, row, column, left),
                    3 => self.tile::<S, 3>(simd, row, column, left),
                    4 => self.tile::<S, 4>(simd, row, column, left),
                    5 => self.tile::<S, 5>(simd, row, column, left),
                    6 => self.tile::<S, 6>(simd, row, column, left),
                    7 if S::REGISTER_COUNT >= 32 => self.tile::<S, 7>(simd, row, column, left),
                    8 if S::REGISTER_COUNT >= 32 => self.tile::<S, 8>(simd, row, column, left),
                    9 if S::REGISTER_COUNT >= 32 => self.tile::<S, 9>(simd, row, column, left),
                    10 if S::REGISTER_COUNT >= 32 => self.tile::<S, 10>(simd, row, column, left),
                    11 if S::REGISTER_COUNT >= 32 => self.tile::<S, 11>(simd, row, column, left),
                    12 if S::REGISTER_COUNT >= 32 => self.tile::<S, 12>(simd, row, column, left),
                    height => unreachable!("a tile of {height} rows"),
                }
            }
        }
    }
}

impl Block<'_> {
    /// `R` rows of one panel, whose second vector may be empty.
    #[inline(always)]
    fn tile<S: Simd, const R: usize>(&mut self, simd: S, row: usize, column: usize, left: usize) {
        if left > S::F32_LANES {
            self.tile_of::<S, R, 2>(simd, row, column, left);
        } else {
            self.tile_of::<S, R, 1>(simd, row, column, left);
        }
    }

    #[inline(always)]
    fn tile_of<S: Simd, const R: usize, const V: usize>(
        &mut self,
        simd: S,
        row: usize,
        column: usize,
        left: usize,
    ) {
        let lanes = S::F32_LANES;
        let panel = &self.weights.panels[column * self.weights.inputs..];
        let starts = &self.starts[row * self.taps..(row + R) * self.taps];
        let sums = product::<S, R, V>(simd, panel, starts, self.taps, self.run);
        let low = simd.splat_f32s(self.end.low);
        let high = simd.splat_f32s(self.end.high);
        for (r, sums) in sums.into_iter().enumerate() {
            for (v, sum) in sums.into_iter().enumerate() {
                let at = column + v * lanes;
                let place = (row + r) * self.width + at;
                let place = place..place + lanes.min(left - v * lanes);
                let mut value = simd.add_f32s(sum, load(simd, &self.weights.bias[at..at + lanes]));
                if let Some(residual) = self.residual {
                    value = simd.add_f32s(value, load(simd, &residual[place.clone()]));
                }
                // In this order of operands, a NaN stays one.
                let value = simd.min_f32s(high, simd.max_f32s(low, value));
                store(simd, &mut self.output[place], value);
            }
        }
    }
}

/// A vector of up to as many values as it has lanes.
#[inline(always)]
pub(super) fn load<S: Simd>(simd: S, values: &[f32]) -> S::f32s {
    match S::as_simd_f32s(values) {
        ([whole], []) => *whole,
        // Several times slower.
        _ => simd.partial_load_f32s(values),
    }
}

/// Writes the first lanes of a vector.
#[inline(always)]
pub(super) fn store<S: Simd>(simd: S, values: &mut [f32], vector: S::f32s) {
    match S::as_mut_simd_f32s(values) {
        ([whole], []) => *whole = vector,
        _ => simd.partial_store_f32s(values, vector),
    }
}

/// Sums of `R` rows times `V` vectors of a panel.
#[inline(always)]
fn product<S: Simd, const R: usize, const V: usize>(
    simd: S,
    panel: &[f32],
    starts: &[*const f32],
    taps: usize,
    run: usize,
) -> [[S::f32s; V]; R] {
    let width = TILE_VECTORS * S::F32_LANES;
    assert!(panel.len() >= taps * run * width, "a whole panel");
    assert!(starts.len() == R * taps, "a start for every run");
    let mut sums = [[simd.splat_f32s(0.0); V]; R];
    let mut weights = panel.as_ptr();
    for tap in 0..taps {
        let rows: [*const f32; R] = std::array::from_fn(|r| starts[r * taps + tap]);
        for i in 0..run {
            // SAFETY: the panel holds `taps * run` rows of `width` values, of which this is one not
            // yet read; every start was made from a slice of `run` values that lives as long.
            unsafe {
                let vectors: [S::f32s; V] = std::array::from_fn(|v| {
                    weights
                        .add(v * S::F32_LANES)
                        .cast::<S::f32s>()
                        .read_unaligned()
                });
                for r in 0..R {
                    let x = simd.splat_f32s(*rows[r].add(i));
                    for v in 0..V {
                        sums[r][v] = simd.mul_add_f32s(x, vectors[v], sums[r][v]);
                    }
                }
                weights = weights.add(width);
            }
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whole rows, one after another.
    struct Whole {
        rows: usize,
        run: usize,
    }

    impl Rows for Whole {
        fn rows(&self) -> usize {
            self.rows
        }

        fn taps(&self) -> usize {
            2
        }

        fn run(&self) -> usize {
            self.run
        }

        /// The row, then zeros.
        fn starts(&self, row: usize, mut each: impl FnMut(Option<usize>)) {
            each(Some(row * self.run));
            each(None);
        }
    }

    fn multiplied(input: &[f32], rows: usize, outputs: usize, end: End<'_>) -> Vec<f32> {
        let run = input.len() / rows;
        let weights: Vec<f32> = (0..2 * run * outputs)
            .map(|i| (i % 13) as f32 - 6.0)
            .collect();
        let bias: Vec<f32> = (0..outputs).map(|i| i as f32).collect();
        let mut values = vec![-1.0; rows * (outputs + 1)];
        let mut output = Output {
            values: &mut values,
            width: outputs + 1,
            column: 1,
        };
        let packed = Packed::new(&weights, outputs, &bias);
        packed.multiply(input, &Whole { rows, run }, &mut output, end);
        values
    }

    /// Small whole numbers, so that f32 is exact and the order of terms plays no part.
    #[test]
    fn any_number_of_rows_and_outputs_is_a_product() {
        let everything = End {
            residual: None,
            low: f32::NEG_INFINITY,
            high: f32::INFINITY,
        };
        for rows in (1..15).chain([95, 96, 97, 200]) {
            for outputs in (1..35).chain([64, 100]) {
                let input: Vec<f32> = (0..rows * 3).map(|i| (i % 7) as f32 - 3.0).collect();
                let values = multiplied(&input, rows, outputs, everything);
                for (row, values) in values.chunks_exact(outputs + 1).enumerate() {
                    assert_eq!(values[0], -1.0, "a column of somebody else");
                    for (column, value) in values[1..].iter().enumerate() {
                        let term = |i: usize| {
                            let weight = (i * outputs + column) % 13;
                            input[row * 3 + i] * (weight as f32 - 6.0)
                        };
                        let sum: f32 = (0..3).map(term).sum();
                        assert_eq!(*value, sum + column as f32, "{rows} {outputs}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_no_number_is_not_cut_off() {
        let residual = vec![1.0; 2 * 4];
        let end = End {
            residual: Some(&residual),
            low: 0.0,
            high: 6.0,
        };
        let values = multiplied(&[f32::NAN, 1.0, 100.0, -100.0], 2, 3, end);
        assert!(
            values[1..4].iter().all(|value| value.is_nan()),
            "{values:?}"
        );
        assert!(
            values[5..].iter().all(|x| (0.0..=6.0).contains(x)),
            "{values:?}"
        );
    }
}
