//! The Gram matrix: inner products of all stimuli's scaled activations, summed over the layers of a set
//! as if their units were one long row.

use crate::activation::products::Sums;
use crate::nrp::{Activations, InputScaling, InputStatistics, TrainError};
use faer::{Mat, MatMut};

/// Bytes of a block of units in f64: what the processor's caches mostly hold while it is read, centred and
/// multiplied.
const BLOCK_BYTES: usize = 16 << 20;

/// Inner products of stimuli's activations about some origin.
pub struct Gram {
    /// `[stimuli, stimuli]`
    products: Mat<f64>,
    /// Units of the layer set.
    units: usize,
}

/// Inner products about the mean of the stimuli that are fitted.
pub(super) struct Centred {
    /// `[fitted, fitted]`
    pub(super) gram: Mat<f64>,
    /// `[others, fitted]`
    pub(super) cross: Mat<f64>,
}

/// What centring subtracts: means over the fitted stimuli of the products with them.
struct Means {
    /// `[fitted]`
    of_fitted: Vec<f64>,
    of_all: f64,
}

impl Gram {
    /// Computes the products of `stimuli` stimuli. The origin is their mean, for precision: each
    /// fit then subtracts the mean of its own stimuli.
    ///
    /// Calls `on_units` before each block with the number of units done, and stops if that returns
    /// false. Memory is one matrix of stimuli × stimuli.
    ///
    /// # Errors
    /// When the activations cannot be read, or `on_units` returns false.
    pub fn of(
        activations: &dyn Activations,
        stimuli: usize,
        statistics: &InputStatistics,
        scaling: InputScaling,
        on_units: &mut dyn FnMut(usize) -> bool,
    ) -> Result<Self, TrainError> {
        let all: Vec<usize> = (0..stimuli).collect();
        let mut products = Mat::<f64>::zeros(stimuli, stimuli);
        let mut diagonal = vec![0.0; stimuli];
        let mut before = 0;
        for (layer, &units) in activations.units().iter().enumerate() {
            let read = |stimulus: usize, first: usize, out: &mut [f32]| {
                activations
                    .read(layer, stimulus, first, out)
                    .map_err(|source| TrainError::Activations { layer, source })?;
                statistics.scale_units(layer, scaling, first, out);
                Ok(())
            };
            let mut on_layer = |done| {
                if on_units(before + done) {
                    Ok(())
                } else {
                    Err(TrainError::Interrupted { epoch: 0 })
                }
            };
            // A layer's products are summed below the diagonal, and those of the set above it.
            let mut sums = Sums {
                gram: products.as_mut(),
                cross: MatMut::from_column_major_slice_mut(&mut [], 0, stimuli),
            };
            sums.add(units, &all, &[], BLOCK_BYTES, &read, &mut on_layer)?;
            for (column, of_itself) in diagonal.iter_mut().enumerate() {
                *of_itself += std::mem::take(&mut products[(column, column)]);
                for row in 0..column {
                    let product = std::mem::take(&mut products[(column, row)]);
                    products[(row, column)] += product;
                }
            }
            before += units;
        }
        mirror(&mut products, &diagonal);
        Ok(Self {
            products,
            units: before,
        })
    }

    /// Bytes of the products of `stimuli` stimuli.
    pub fn bytes(stimuli: usize) -> u64 {
        8 * (stimuli as u64).pow(2)
    }

    /// Multiplies the products: those of activations in another unit.
    #[cfg(test)]
    pub(super) fn scale(&mut self, by: f64) {
        self.products *= faer::Scale(by);
    }

    /// Whether all products are finite: by the stimuli's mean, one activation that is not affects
    /// them all.
    pub(super) fn is_finite(&self) -> bool {
        (0..self.products.nrows()).all(|at| self.products[(at, at)].is_finite())
    }

    /// Units of the layer set.
    pub(super) fn units(&self) -> usize {
        self.units
    }

    /// The products about the mean of the `fitted` stimuli.
    pub(super) fn centred(&self, fitted: &[usize], others: &[usize]) -> Centred {
        let means = self.means(fitted);
        Centred {
            gram: Mat::from_fn(fitted.len(), fitted.len(), |row, column| {
                let product = self.products[(fitted[row], fitted[column])];
                product - means.of_fitted[row] - means.of_fitted[column] + means.of_all
            }),
            cross: self.cross(fitted, others, &means),
        }
    }

    /// Products of `others` with the `fitted` stimuli about the mean of the latter: `[others, fitted]`.
    pub(super) fn centred_cross(&self, fitted: &[usize], others: &[usize]) -> Mat<f64> {
        self.cross(fitted, others, &self.means(fitted))
    }

    fn cross(&self, fitted: &[usize], others: &[usize], means: &Means) -> Mat<f64> {
        let of_others: Vec<f64> = others
            .iter()
            .map(|other| self.mean(fitted, *other))
            .collect();
        Mat::from_fn(others.len(), fitted.len(), |row, column| {
            let product = self.products[(others[row], fitted[column])];
            product - of_others[row] - means.of_fitted[column] + means.of_all
        })
    }

    fn means(&self, fitted: &[usize]) -> Means {
        let of_fitted: Vec<f64> = fitted.iter().map(|of| self.mean(fitted, *of)).collect();
        let of_all = of_fitted.iter().sum::<f64>() / fitted.len() as f64;
        Means { of_fitted, of_all }
    }

    /// Mean over the `fitted` stimuli of their products with `stimulus`.
    fn mean(&self, fitted: &[usize], stimulus: usize) -> f64 {
        let column = fitted.iter().map(|&other| self.products[(other, stimulus)]);
        column.sum::<f64>() / fitted.len() as f64
    }

    /// Lends the lower triangle to a factorisation in place, which needs no second matrix.
    pub(super) fn lower<'a>(&'a mut self, fitted: &'a [usize]) -> Lower<'a> {
        let stimuli = self.products.nrows();
        Lower {
            means: self.means(fitted),
            diagonal: (0..stimuli).map(|at| self.products[(at, at)]).collect(),
            products: &mut self.products,
            fitted,
        }
    }
}

/// The lower triangle of a Gram matrix on loan. The products remain above the diagonal, and dropping
/// this restores those below it.
pub(super) struct Lower<'a> {
    products: &'a mut Mat<f64>,
    diagonal: Vec<f64>,
    fitted: &'a [usize],
    means: Means,
}

impl Lower<'_> {
    /// Mean eigenvalue of the products about the mean of the fitted stimuli.
    pub(super) fn mean_eigenvalue(&self) -> f64 {
        let centred = (0..self.fitted.len()).map(|at| self.centred(at, at));
        centred.sum::<f64>() / self.fitted.len() as f64
    }

    /// Fills the triangle with the products about the mean of the fitted stimuli, plus `all`, and plus
    /// `diagonal` on the diagonal: `[fitted, fitted]`, of which only the lower triangle is valid and
    /// only that may be written to.
    pub(super) fn fill(&mut self, all: f64, diagonal: f64) -> MatMut<'_, f64> {
        let n = self.fitted.len();
        for row in 0..n {
            for column in 0..row {
                self.products[(row, column)] = self.centred(row, column) + all;
            }
            self.products[(row, row)] = self.centred(row, row) + all + diagonal;
        }
        self.products.submatrix_mut(0, 0, n, n)
    }

    /// The product of two fitted stimuli about their mean, from above the diagonal.
    fn centred(&self, row: usize, column: usize) -> f64 {
        let [a, b] = [self.fitted[row], self.fitted[column]];
        let product = if a == b {
            self.diagonal[a]
        } else {
            self.products[(a.min(b), a.max(b))]
        };
        product - self.means.of_fitted[row] - self.means.of_fitted[column] + self.means.of_all
    }
}

impl Drop for Lower<'_> {
    fn drop(&mut self) {
        mirror(self.products, &self.diagonal);
    }
}

/// Copies the products above the diagonal to below it.
fn mirror(products: &mut Mat<f64>, diagonal: &[f64]) {
    for (column, of_itself) in diagonal.iter().enumerate() {
        products[(column, column)] = *of_itself;
        for row in 0..column {
            products[(column, row)] = products[(row, column)];
        }
    }
}
