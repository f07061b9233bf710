//! Cached layers, as training and baselines read them.

use crate::activation::{CachedLayer, Dtype};
use crate::nrp::Activations;
use std::error::Error;

/// The cached layers of a layer set.
pub(super) struct Layers {
    layers: Vec<CachedLayer>,
    /// Units of each that are used, from its first on.
    units: Vec<usize>,
}

impl Layers {
    /// `units` of `layers`, from the first of each on.
    pub(super) fn new(layers: Vec<CachedLayer>, units: Vec<usize>) -> Self {
        Self { layers, units }
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
