//! Cached layers, as training and baselines read them.

use crate::activation::{CachedLayer, Dtype};
use crate::ann::WideFeatures;
use crate::nrp::{Activations, widened};
use std::error::Error;

/// The cached layers of a layer set.
pub(super) struct Layers {
    layers: Vec<CachedLayer>,
    /// Units of each that are used, from its first on.
    units: Vec<usize>,
    /// The same layers in the file that they are from, in its own precision; empty where nobody needs it.
    wide: Vec<WideFeatures>,
}

impl Layers {
    /// `units` of `layers`, from the first of each on.
    pub(super) fn new(
        layers: Vec<CachedLayer>,
        units: Vec<usize>,
        wide: Vec<WideFeatures>,
    ) -> Self {
        Self {
            layers,
            units,
            wide,
        }
    }
}

impl Activations for Layers {
    fn units(&self) -> &[usize] {
        &self.units
    }

    fn read(
        &self,
        layer: usize,
        stimulus: usize,
        first: usize,
        out: &mut [f32],
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        Ok(self.layers[layer].read(stimulus, first, out)?)
    }

    fn read_wide(
        &self,
        layer: usize,
        stimulus: usize,
        first: usize,
        out: &mut [f64],
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        match self.wide.get(layer) {
            Some(wide) => Ok(wide.read(stimulus, first, out)?),
            None => widened(self, layer, stimulus, first, out),
        }
    }

    fn dtype(&self, layer: usize) -> Dtype {
        self.layers[layer].dtype()
    }

    fn bits(
        &self,
        layer: usize,
        stimulus: usize,
        out: &mut [u16],
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        Ok(self.layers[layer].bits(stimulus, out)?)
    }
}
