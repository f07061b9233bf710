//! The Gram matrix: inner products of all stimuli's scaled activations, summed over the layers of a set
//! as if their units were one long row.

use crate::activation::products::{BLOCK_BYTES, Products};
use crate::nrp::{Activations, InputScaling, InputStatistics, TrainError};
use bytesize::ByteSize;
use faer::Mat;

/// Matrices of stimuli × stimuli that a fit has in memory at once.
const MATRICES: u64 = 5;

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

impl Gram {
    /// Computes the products of `stimuli` stimuli. The origin is their mean, for precision: each
    /// fit then subtracts the mean of its own stimuli.
    ///
    /// Calls `on_units` before each block with the number of units done, and stops if that returns
    /// false. `free_bytes` is the memory that a fit may take.
    ///
    /// # Errors
    /// When the activations cannot be read, memory does not suffice, or `on_units` returns false.
    pub fn of(
        activations: &dyn Activations,
        stimuli: usize,
        statistics: &InputStatistics,
        scaling: InputScaling,
        free_bytes: u64,
        on_units: &mut dyn FnMut(usize) -> bool,
    ) -> Result<Self, TrainError> {
        let needed = MATRICES * 8 * (stimuli as u64).pow(2);
        if needed > free_bytes {
            let [needed, free] = [needed, free_bytes].map(|n| ByteSize::b(n).display().si());
            let reason = format!("{stimuli} stimuli need {needed}, and {free} are free");
            return Err(TrainError::OutOfMemory { reason });
        }
        let all: Vec<usize> = (0..stimuli).collect();
        let mut products = Mat::<f64>::zeros(stimuli, stimuli);
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
            let of_layer = Products::of(units, &all, &[], BLOCK_BYTES, &read, &mut on_layer)?;
            products += of_layer.gram;
            before += units;
        }
        for column in 0..stimuli {
            for row in 0..column {
                products[(row, column)] = products[(column, row)];
            }
        }
        Ok(Self {
            products,
            units: before,
        })
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
        let products = &self.products;
        let mean = |stimulus: &usize| {
            let column = fitted.iter().map(|&other| products[(other, *stimulus)]);
            column.sum::<f64>() / fitted.len() as f64
        };
        let of_fitted: Vec<f64> = fitted.iter().map(mean).collect();
        let of_others: Vec<f64> = others.iter().map(mean).collect();
        let of_all = of_fitted.iter().sum::<f64>() / fitted.len() as f64;
        Centred {
            gram: Mat::from_fn(fitted.len(), fitted.len(), |row, column| {
                let product = products[(fitted[row], fitted[column])];
                product - of_fitted[row] - of_fitted[column] + of_all
            }),
            cross: Mat::from_fn(others.len(), fitted.len(), |row, column| {
                let product = products[(others[row], fitted[column])];
                product - of_others[row] - of_fitted[column] + of_all
            }),
        }
    }
}
