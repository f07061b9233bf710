//! Activations in memory, for tests.

use std::error::Error;

use half::{bf16, f16};

use super::activations::Activations;
use crate::activation::Dtype;

/// Activations in memory, `[stimuli, units]` per layer.
pub(crate) struct InMemory {
    pub(crate) units: Vec<usize>,
    pub(crate) layers: Vec<Vec<f32>>,
    /// The format in which they claim to be stored.
    pub(crate) dtype: Dtype,
}

impl InMemory {
    /// Stored in 32 bits.
    pub(crate) fn new(units: Vec<usize>, layers: Vec<Vec<f32>>) -> Self {
        let dtype = Dtype::F32;
        Self {
            units,
            layers,
            dtype,
        }
    }

    /// Rounds them to what `dtype` can hold.
    pub(crate) fn store_as(&mut self, dtype: Dtype) {
        self.dtype = dtype;
        for value in self.layers.iter_mut().flatten() {
            *value = match dtype {
                Dtype::F32 => *value,
                Dtype::F16 => f16::from_f32(*value).to_f32(),
                Dtype::Bf16 => bf16::from_f32(*value).to_f32(),
            };
        }
    }
}

impl Activations for InMemory {
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
        let from = stimulus * self.units[layer] + first;
        out.copy_from_slice(&self.layers[layer][from..][..out.len()]);
        Ok(())
    }

    fn dtype(&self, _layer: usize) -> Dtype {
        self.dtype
    }

    fn bits(
        &self,
        layer: usize,
        stimulus: usize,
        out: &mut [u16],
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        let values = &self.layers[layer][stimulus * out.len()..];
        for (bits, value) in out.iter_mut().zip(values) {
            *bits = match self.dtype {
                Dtype::F32 => return Err("f32".into()),
                Dtype::F16 => f16::from_f32(*value).to_bits(),
                Dtype::Bf16 => bf16::from_f32(*value).to_bits(),
            };
        }
        Ok(())
    }
}
