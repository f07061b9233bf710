//! Scaling of inputs and targets, learned from the training stimuli alone.
//!
//! Statistics are gathered in one streaming pass in f64; a layer's activations are never held.

pub use nrp_proto::sweep::{InputScaling, TargetScaling};
use rayon::prelude::*;

use super::activations::Activations;
use super::error::TrainError;

/// Bytes of activations held at once while statistics are gathered.
const STATISTICS_CHUNK_BYTES: usize = 32 << 20;
/// Units that one thread sums up at a time.
const UNITS_PER_TASK: usize = 4096;

/// Mean and spread of every unit over the training stimuli, per layer of the layer set.
///
/// Gathered once per job and shared by its trials. Standard deviations are the population's
/// (divided by n), as in scikit-learn's `StandardScaler`.
#[derive(Debug, Clone, PartialEq)]
pub struct InputStatistics {
    layers: Vec<LayerStatistics>,
}

#[derive(Debug, Clone, PartialEq)]
struct LayerStatistics {
    /// `[units]`
    mean: Vec<f32>,
    /// `[units]`: one over the standard deviation, 1 for a constant unit. Finite: a subnormal deviation
    /// counts as 0.
    unit_scale: Vec<f32>,
    /// One over the root of the mean variance, 1 for a constant layer.
    layer_scale: f32,
}

impl InputStatistics {
    /// Of layers with this many `units` each, for [`InputScaling::None`]: nothing is read.
    pub(crate) fn unscaled(units: &[usize]) -> Self {
        let of = |&units: &usize| LayerStatistics {
            mean: vec![0.0; units],
            unit_scale: vec![1.0; units],
            layer_scale: 1.0,
        };
        Self {
            layers: units.iter().map(of).collect(),
        }
    }

    /// Reads the training stimuli's activations once.
    ///
    /// # Errors
    /// When the activations cannot be read or are not finite.
    pub fn measure(activations: &dyn Activations, training: &[usize]) -> Result<Self, TrainError> {
        let layers = (0..activations.units().len())
            .map(|layer| LayerStatistics::measure(activations, layer, training))
            .collect::<Result<_, _>>()?;
        Ok(Self { layers })
    }

    /// How many units each layer has.
    pub(crate) fn units(&self) -> Vec<usize> {
        self.layers.iter().map(|layer| layer.mean.len()).collect()
    }

    /// What [`Self::scale`] subtracts from a layer's activations, `[units]`, and the factors by
    /// which it then multiplies them, `[units]` or `[1]`; `None` if it does nothing.
    pub(crate) fn mean_and_factor(
        &self,
        layer: usize,
        scaling: InputScaling,
    ) -> Option<(&[f32], &[f32])> {
        let LayerStatistics {
            mean,
            unit_scale,
            layer_scale,
        } = &self.layers[layer];
        match scaling {
            InputScaling::None => None,
            InputScaling::Centred => Some((mean, std::slice::from_ref(layer_scale))),
            InputScaling::PerUnit => Some((mean, unit_scale)),
        }
    }

    /// Scales activations in place.
    ///
    /// # Shapes
    /// - `rows`: `[stimuli, units]` of layer `layer`, row-major
    pub(crate) fn scale(&self, layer: usize, scaling: InputScaling, rows: &mut [f32]) {
        for row in rows.chunks_mut(self.layers[layer].mean.len()) {
            self.scale_units(layer, scaling, 0, row);
        }
    }

    /// Scales activations of one stimulus in place.
    ///
    /// # Shapes
    /// - `values`: `[any]`, the layer's units from `first` on
    pub(crate) fn scale_units(
        &self,
        layer: usize,
        scaling: InputScaling,
        first: usize,
        values: &mut [f32],
    ) {
        let LayerStatistics {
            mean,
            unit_scale,
            layer_scale,
        } = &self.layers[layer];
        let means = &mean[first..];
        match scaling {
            InputScaling::None => {}
            InputScaling::Centred => {
                for (value, mean) in values.iter_mut().zip(means) {
                    *value = (*value - mean) * layer_scale;
                }
            }
            InputScaling::PerUnit => {
                let scales = &unit_scale[first..];
                for ((value, mean), scale) in values.iter_mut().zip(means).zip(scales) {
                    *value = (*value - mean) * scale;
                }
            }
        }
    }
}

impl LayerStatistics {
    fn measure(
        activations: &dyn Activations,
        layer: usize,
        training: &[usize],
    ) -> Result<Self, TrainError> {
        let units = activations.units()[layer];
        let rows = (STATISTICS_CHUNK_BYTES / (4 * units.max(1))).clamp(1, training.len().max(1));
        let mut chunk = vec![0.0_f32; rows * units];
        // Sums of the differences from the first stimulus: no cancellation where means are large.
        let mut shift: Option<Vec<f32>> = None;
        let (mut sums, mut squares) = (vec![0.0_f64; units], vec![0.0_f64; units]);
        for stimuli in training.chunks(rows) {
            let values = &mut chunk[..stimuli.len() * units];
            activations
                .gather(layer, stimuli, values)
                .map_err(|source| TrainError::Activations { layer, source })?;
            let shift = shift.get_or_insert_with(|| values[..units].to_vec());
            add_up(values, units, shift, &mut sums, &mut squares);
        }
        if let Some(unit) = sums
            .iter()
            .zip(&squares)
            .position(|(a, b)| !(a + b).is_finite())
        {
            return Err(TrainError::NonFiniteActivation { layer, unit });
        }

        let n = training.len() as f64;
        let shift = shift.unwrap_or_else(|| vec![0.0; units]);
        let variance: Vec<f64> = sums
            .iter()
            .zip(&squares)
            .map(|(sum, square)| ((square - sum * sum / n) / n).max(0.0))
            .collect();
        let scale = |variance: f64| match variance.sqrt() {
            deviation if deviation >= f64::from(f32::MIN_POSITIVE) => deviation.recip() as f32,
            _ => 1.0,
        };
        Ok(Self {
            mean: shift
                .iter()
                .zip(&sums)
                .map(|(shift, sum)| (f64::from(*shift) + sum / n) as f32)
                .collect(),
            layer_scale: scale(variance.iter().sum::<f64>() / units.max(1) as f64),
            unit_scale: variance.into_iter().map(scale).collect(),
        })
    }
}

/// Adds the rows' differences from `shift`, and their squares, to the sums of each unit.
///
/// Rows are added in order whatever the number of threads, so the sums are always the same.
fn add_up(values: &[f32], units: usize, shift: &[f32], sums: &mut [f64], squares: &mut [f64]) {
    sums.par_chunks_mut(UNITS_PER_TASK)
        .zip(squares.par_chunks_mut(UNITS_PER_TASK))
        .enumerate()
        .for_each(|(task, (sums, squares))| {
            let from = task * UNITS_PER_TASK;
            let shift = &shift[from..from + sums.len()];
            for row in values.chunks_exact(units) {
                let row = &row[from..from + sums.len()];
                for (((value, shift), sum), square) in row
                    .iter()
                    .zip(shift)
                    .zip(sums.iter_mut())
                    .zip(squares.iter_mut())
                {
                    let difference = f64::from(*value) - f64::from(*shift);
                    *sum += difference;
                    *square += difference * difference;
                }
            }
        });
}
