//! Source: the scaled activations of a split, a batch of rows at a time.
//!
//! What fits a byte budget is gathered and scaled once and stays in memory across epochs; what
//! does not is gathered anew for every batch. Either way a row holds the same bits.

use super::error::TrainError;
use super::scaling::{InputScaling, InputStatistics};
use super::trial::Activations;

/// Scaled activations of training and validation stimuli that may stay in memory, in bytes.
pub(crate) const RESIDENT_BYTES: usize = 2 << 30;

/// Rows of one layer in host memory, picked by index.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    /// `[any, units]`, row-major.
    pub(crate) values: &'a [f32],
    /// Units of the layer.
    pub(crate) units: usize,
    /// Which rows of `values` make the batch, in order.
    pub(crate) rows: &'a [usize],
}

/// The activations of a split, scaled.
pub(crate) struct Source<'a> {
    activations: &'a dyn Activations,
    statistics: &'a InputStatistics,
    scaling: InputScaling,
    /// The stimuli that may be asked for, by position.
    stimuli: Vec<usize>,
    held: Held,
}

/// What of the activations is in memory.
enum Held {
    /// Per layer `[positions, units]`, for the first positions.
    Resident {
        layers: Vec<Vec<f32>>,
        positions: usize,
    },
    /// Nothing but one batch.
    Streamed,
}

/// A batch's memory, used again from batch to batch.
#[derive(Default)]
pub(crate) struct Buffers {
    layers: Vec<Vec<f32>>,
    rows: Vec<usize>,
}

impl<'a> Source<'a> {
    /// Opens the activations of `stimuli`; the first `repeated` of them are read in every epoch.
    ///
    /// # Errors
    /// When the activations cannot be read.
    pub(crate) fn open(
        activations: &'a dyn Activations,
        statistics: &'a InputStatistics,
        scaling: InputScaling,
        stimuli: Vec<usize>,
        repeated: usize,
        resident_bytes: usize,
    ) -> Result<Self, TrainError> {
        let mut source = Self {
            activations,
            statistics,
            scaling,
            stimuli,
            held: Held::Streamed,
        };
        let units: usize = activations.units().iter().sum();
        if units.saturating_mul(repeated).saturating_mul(4) <= resident_bytes {
            let mut layers = Vec::with_capacity(activations.units().len());
            for layer in 0..activations.units().len() {
                let mut values = Vec::new();
                source.gather(layer, &source.stimuli[..repeated], &mut values)?;
                layers.push(values);
            }
            source.held = Held::Resident {
                layers,
                positions: repeated,
            };
        }
        Ok(source)
    }

    /// Units per layer.
    pub(crate) fn units(&self) -> &[usize] {
        self.activations.units()
    }

    /// The rows of the stimuli at `positions`, one [`Rows`] per layer.
    ///
    /// # Errors
    /// When the activations cannot be read.
    pub(crate) fn rows<'b>(
        &'b self,
        positions: &'b [usize],
        buffers: &'b mut Buffers,
    ) -> Result<Vec<Rows<'b>>, TrainError> {
        let units = self.units();
        if let Held::Resident {
            layers,
            positions: held,
        } = &self.held
            && positions.iter().all(|position| position < held)
        {
            let rows = |(values, &units): (&'b Vec<f32>, &usize)| Rows {
                values,
                units,
                rows: positions,
            };
            return Ok(layers.iter().zip(units).map(rows).collect());
        }
        let stimuli: Vec<usize> = positions
            .iter()
            .map(|&position| self.stimuli[position])
            .collect();
        buffers.layers.resize_with(units.len(), Vec::new);
        buffers.rows.clear();
        buffers.rows.extend(0..positions.len());
        for (layer, values) in buffers.layers.iter_mut().enumerate() {
            self.gather(layer, &stimuli, values)?;
        }
        let rows = |(values, &units): (&'b Vec<f32>, &usize)| Rows {
            values,
            units,
            rows: &buffers.rows,
        };
        Ok(buffers.layers.iter().zip(units).map(rows).collect())
    }

    fn gather(
        &self,
        layer: usize,
        stimuli: &[usize],
        values: &mut Vec<f32>,
    ) -> Result<(), TrainError> {
        values.resize(stimuli.len() * self.units()[layer], 0.0);
        self.activations
            .gather(layer, stimuli, values)
            .map_err(|source| TrainError::Activations { layer, source })?;
        self.statistics.scale(layer, self.scaling, values);
        Ok(())
    }
}
