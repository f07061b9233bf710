//! The best single unit: Brain-Score's `neuron_to_neuron`. For each site it is the unit with the highest
//! Pearson r over the stimuli that are fitted, its sign counted; the unit's activation predicts the site.
//!
//! No weights are fitted, so a pass over the activations is all it takes. The activation is brought to
//! the responses' mean and scale by a factor that is never negative, which changes no correlation.

use super::groups::{Group, Predicted, groups};
use crate::activation::products::BLOCK_BYTES;
use crate::nrp::{Activations, TrainError};
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, Par};
use nrp_proto::sweep::Baseline;
use rayon::prelude::*;

/// A site's best unit so far.
#[derive(Clone, Copy)]
struct Unit {
    layer: usize,
    unit: usize,
    pearson: f64,
    /// Its mean activation over the stimuli that are fitted.
    mean: f64,
    /// Response for each unit of activation.
    factor: f64,
}

/// Predictions for `others`, as [`predict`](super::fit::predict) has them. A site without any unit whose
/// correlation is defined is predicted by its mean.
///
/// Calls `on_units` before each block with the number of units done, and stops if that returns false.
///
/// # Errors
/// When the activations cannot be read, or `on_units` returns false.
pub(super) fn predict(
    activations: &dyn Activations,
    fitted: &[usize],
    responses: &Mat<f64>,
    others: &[usize],
    on_units: &mut dyn FnMut(usize) -> bool,
) -> Result<Predicted, TrainError> {
    let groups = groups(Baseline::SingleUnit, fitted, responses);
    let mut best: Vec<Vec<Option<Unit>>> = groups
        .iter()
        .map(|group| vec![None; group.sites.len()])
        .collect();
    let mut before = 0;
    for (layer, &units) in activations.units().iter().enumerate() {
        let width = (BLOCK_BYTES / 8 / fitted.len().max(1)).clamp(1, units.max(1));
        for first in (0..units).step_by(width) {
            if !on_units(before + first) {
                return Err(TrainError::Interrupted { epoch: 0 });
            }
            let block = Block {
                layer,
                first,
                width: width.min(units - first),
            };
            let rows = block.read(activations, fitted)?;
            for (group, best) in groups.iter().zip(&mut best) {
                block.compare(&rows, group, best);
            }
        }
        before += units;
    }
    let mut predicted = Mat::zeros(others.len(), responses.ncols());
    for (group, best) in groups.iter().zip(&best) {
        let mut of_group = Mat::zeros(others.len(), group.sites.len());
        for (site, unit) in best.iter().enumerate() {
            let Some(unit) = unit else { continue };
            for (row, &stimulus) in others.iter().enumerate() {
                let activation = unit.activation(activations, stimulus)?;
                of_group[(row, site)] = unit.factor * (activation - unit.mean);
            }
        }
        group.put(&of_group, &mut predicted);
    }
    Ok(Predicted {
        responses: predicted,
        alpha: None,
    })
}

impl Unit {
    fn activation(&self, of: &dyn Activations, stimulus: usize) -> Result<f64, TrainError> {
        let mut value = [0.0_f32];
        let layer = self.layer;
        of.read(layer, stimulus, self.unit, &mut value)
            .map_err(|source| TrainError::Activations { layer, source })?;
        Ok(f64::from(value[0]))
    }
}

/// Units of a layer that are read at once.
struct Block {
    layer: usize,
    first: usize,
    width: usize,
}

impl Block {
    /// The block's activations: `[stimuli, width]`, row-major.
    fn read(&self, of: &dyn Activations, stimuli: &[usize]) -> Result<Vec<f64>, TrainError> {
        let Self {
            layer,
            first,
            width,
        } = *self;
        let mut rows = vec![0.0; stimuli.len() * width];
        let each = rows.par_chunks_mut(width).zip(stimuli);
        each.try_for_each_init(
            || vec![0.0_f32; width],
            |values, (row, &stimulus)| {
                of.read(layer, stimulus, first, values)
                    .map_err(|source| TrainError::Activations { layer, source })?;
                row.iter_mut()
                    .zip(&*values)
                    .for_each(|(to, of)| *to = f64::from(*of));
                Ok::<_, TrainError>(())
            },
        )?;
        Ok(rows)
    }

    /// Compares the block's units with the best so far of each site of a group. Of equal ones the first
    /// stays.
    fn compare(&self, rows: &[f64], group: &Group, best: &mut [Option<Unit>]) {
        let (n, width) = (group.rows.len(), self.width);
        let mut units: Vec<f64> = Vec::with_capacity(n * width);
        for row in &group.rows {
            units.extend(&rows[row * width..][..width]);
        }
        let mut mean = vec![0.0; width];
        let add = |to: &mut [f64], values: &[f64]| {
            to.iter_mut()
                .zip(values)
                .for_each(|(sum, value)| *sum += value);
        };
        units.chunks(width).for_each(|row| add(&mut mean, row));
        mean.iter_mut().for_each(|sum| *sum /= n as f64);
        let mut squares = vec![0.0; width];
        for row in units.chunks_mut(width) {
            for ((value, mean), square) in row.iter_mut().zip(&mean).zip(&mut squares) {
                *value -= mean;
                *square += *value * *value;
            }
        }
        let units = MatRef::from_row_major_slice(&units, n, width);
        let mut products = Mat::<f64>::zeros(width, group.sites.len());
        let (replace, par) = (Accum::Replace, Par::rayon(0));
        matmul(
            &mut products,
            replace,
            units.transpose(),
            &group.responses,
            1.0,
            par,
        );
        for (site, best) in best.iter_mut().enumerate() {
            let spread = group.responses.col(site).norm_l2();
            for (unit, product) in products.col(site).iter().enumerate() {
                let pearson = product / (squares[unit].sqrt() * spread);
                // Where either is constant it is not a number, and never greater.
                if pearson > best.map_or(f64::NEG_INFINITY, |best| best.pearson) {
                    *best = Some(Unit {
                        layer: self.layer,
                        unit: self.first + unit,
                        pearson,
                        mean: mean[unit],
                        factor: product.abs() / squares[unit],
                    });
                }
            }
        }
    }
}
