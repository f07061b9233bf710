//! The kernel: inner products of stimuli's rows, each less its own mean, and those means. It gives both the
//! correlations between stimuli and the products of the rows as they are.

use super::error::ComparisonError;
use crate::activation::products::BLOCK_BYTES;
use crate::nrp::{Activations, TrainError};
use faer::linalg::matmul::{triangular, triangular::BlockStructure};
use faer::{Accum, Mat, MatRef, Par};
use rayon::prelude::*;

/// How much of its magnitude a constant row may vary by rounding.
const ROUNDING: f64 = 1e-14;

/// Part of the rows' squared norms up to which what differs between rows is rounding: of a sum of products in 64
/// bits. Numbers of 32 bits that differ in the last of them alone may be below.
const ALIKE: f64 = 1e-13;

/// Copies values of a stimulus from one on: arguments are the layer, the stimulus, the first value, and the
/// buffer.
type Read<'a> = &'a (dyn Fn(usize, usize, usize, &mut [f64]) -> Result<(), TrainError> + Sync);

/// Inner products of rows of activations, or of responses.
pub struct Kernel {
    /// Of the rows about their means: `[stimuli, stimuli]`, both triangles.
    products: Mat<f64>,
    /// Mean of each row.
    means: Vec<f64>,
    /// Length of the rows.
    width: usize,
    /// What the rows are over: `units` or `sites`.
    of: &'static str,
    /// The stimuli, by their rows in the recordings.
    stimuli: Vec<usize>,
}

impl Kernel {
    /// Of the activations of these stimuli, the units of all layers in one row.
    ///
    /// Calls `on_units` before each block with the number of units done, and stops if that returns false.
    /// Memory is one matrix of stimuli × stimuli.
    ///
    /// # Errors
    /// When the activations cannot be read or are not finite, or `on_units` returns false.
    pub fn of_activations(
        activations: &dyn Activations,
        stimuli: &[usize],
        on_units: &mut dyn FnMut(usize) -> bool,
    ) -> Result<Self, TrainError> {
        let read = |layer: usize, stimulus: usize, first: usize, out: &mut [f64]| {
            activations
                .read_wide(layer, stimulus, first, out)
                .map_err(|source| TrainError::Activations { layer, source })?;
            match out.iter().position(|value| !value.is_finite()) {
                None => Ok(()),
                Some(at) => Err(TrainError::NonFiniteActivation {
                    layer,
                    unit: first + at,
                }),
            }
        };
        Self::of("units", activations.units(), stimuli, &read, on_units)
    }

    /// Of the responses to these stimuli; `responses` are to all, `[stimuli, sites]`, row-major.
    ///
    /// # Errors
    /// When a response is missing.
    pub fn of_responses(
        responses: &[f64],
        sites: usize,
        stimuli: &[usize],
    ) -> Result<Self, TrainError> {
        let rows = stimuli.iter().map(|of| &responses[of * sites..][..sites]);
        let lack = rows.filter(|row| row.iter().any(|response| !response.is_finite()));
        let lack = lack.count();
        if lack > 0 {
            return Err(TrainError::Comparison(ComparisonError::Missing {
                stimuli: lack,
                of: stimuli.len(),
                sites,
            }));
        }
        let read = |_: usize, stimulus: usize, first: usize, out: &mut [f64]| {
            out.copy_from_slice(&responses[stimulus * sites + first..][..out.len()]);
            Ok(())
        };
        Self::of("sites", &[sites], stimuli, &read, &mut |_| true)
    }

    fn of(
        of: &'static str,
        layers: &[usize],
        stimuli: &[usize],
        read: Read<'_>,
        on_units: &mut dyn FnMut(usize) -> bool,
    ) -> Result<Self, TrainError> {
        let width = layers.iter().sum();
        let n = stimuli.len();
        let blocks = Blocks { layers, stimuli: n };
        let mut go_on = |done: usize| {
            if on_units(done) {
                Ok(())
            } else {
                Err(TrainError::Interrupted { epoch: 0 })
            }
        };
        let mut means = vec![0.0; n];
        blocks.each(&mut |layer, first, length, _| {
            go_on(0)?;
            let sums = means.par_iter_mut().zip(stimuli);
            sums.try_for_each_init(
                || vec![0.0; length],
                |values, (sum, stimulus)| {
                    read(layer, *stimulus, first, values)?;
                    *sum += values.iter().sum::<f64>();
                    Ok::<_, TrainError>(())
                },
            )
        })?;
        means.iter_mut().for_each(|sum| *sum /= width as f64);
        let mut products = Mat::<f64>::zeros(n, n);
        let mut block = Vec::new();
        blocks.each(&mut |layer, first, length, done| {
            go_on(done)?;
            block.resize(n * length, 0.0);
            let rows = block.par_chunks_mut(length).zip(&means).zip(stimuli);
            rows.try_for_each(|((row, mean), stimulus)| {
                read(layer, *stimulus, first, row)?;
                row.iter_mut().for_each(|value| *value -= mean);
                Ok::<_, TrainError>(())
            })?;
            let rows = MatRef::from_row_major_slice(&block, n, length);
            let [lower, whole] = [BlockStructure::TriangularLower, BlockStructure::Rectangular];
            triangular::matmul(
                products.as_mut(),
                lower,
                Accum::Add,
                rows,
                whole,
                rows.transpose(),
                whole,
                1.0,
                Par::rayon(0),
            );
            Ok(())
        })?;
        for column in 0..n {
            for row in 0..column {
                products[(row, column)] = products[(column, row)];
            }
        }
        Ok(Self {
            products,
            means,
            width,
            of,
            stimuli: stimuli.to_vec(),
        })
    }

    /// Whether it is of these stimuli.
    pub fn is_of(&self, stimuli: &[usize]) -> bool {
        self.stimuli == stimuli
    }

    /// Length of the rows, and what they are over.
    pub(super) fn width(&self) -> (usize, &'static str) {
        (self.width, self.of)
    }

    /// Pearson's r of the rows of two stimuli, by their places in the kernel, given the roots of their squared norms.
    pub(super) fn correlation(&self, [a, b]: [usize; 2], norms: [f64; 2]) -> f64 {
        let r = self.products[(a, b)] / norms[0] / norms[1];
        r.clamp(-1.0, 1.0)
    }

    /// The root of the squared norm of each of `part`'s rows about its mean.
    ///
    /// # Errors
    /// When a row is constant but for rounding.
    pub(super) fn norms(&self, part: &[usize]) -> Result<Vec<f64>, ComparisonError> {
        let norm = |&at: &usize| {
            let square = self.products[(at, at)];
            let rounding = ROUNDING * self.means[at].abs();
            if square > self.width as f64 * rounding.powi(2) {
                Ok(square.sqrt())
            } else {
                Err(ComparisonError::Constant {
                    stimulus: self.stimuli[at],
                    of: self.of,
                })
            }
        };
        part.iter().map(norm).collect()
    }

    /// How much of the trace of [`centred`](Self::centred) rounding can be.
    pub(super) fn rounding(&self, part: &[usize]) -> f64 {
        let squares = part.iter().map(|&at| {
            let of_mean = self.width as f64 * (ROUNDING * self.means[at]).powi(2);
            ALIKE * self.products[(at, at)] + of_mean
        });
        squares.sum()
    }

    /// Products of `part`'s rows about the mean row of these stimuli: `[part, part]`.
    pub(super) fn centred(&self, part: &[usize]) -> Mat<f64> {
        let n = part.len() as f64;
        let mean = part.iter().map(|at| self.means[*at]).sum::<f64>() / n;
        let column_mean = |column: usize| {
            let rows = part.iter().map(|row| self.products[(*row, column)]);
            rows.sum::<f64>() / n
        };
        let of_columns: Vec<f64> = part.par_iter().map(|column| column_mean(*column)).collect();
        let of_all = of_columns.iter().sum::<f64>() / n;
        Mat::from_fn(part.len(), part.len(), |row, column| {
            let [a, b] = [part[row], part[column]];
            let means = (self.means[a] - mean) * (self.means[b] - mean);
            let product = self.products[(a, b)] - of_columns[row] - of_columns[column] + of_all;
            product + self.width as f64 * means
        })
    }
}

/// Blocks of values that fit in memory.
pub(super) struct Blocks<'a> {
    /// Units of each layer.
    pub(super) layers: &'a [usize],
    pub(super) stimuli: usize,
}

impl Blocks<'_> {
    /// Visits the blocks: arguments are the layer, the first unit in it, how many there are, and how many
    /// units of all layers came before.
    pub(super) fn each(
        &self,
        visit: &mut dyn FnMut(usize, usize, usize, usize) -> Result<(), TrainError>,
    ) -> Result<(), TrainError> {
        let mut before = 0;
        for (layer, &units) in self.layers.iter().enumerate() {
            let width = (BLOCK_BYTES / 8 / self.stimuli.max(1)).clamp(1, units.max(1));
            for first in (0..units).step_by(width) {
                visit(layer, first, width.min(units - first), before + first)?;
            }
            before += units;
        }
        Ok(())
    }
}
