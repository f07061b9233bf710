//! Engine: an array of lanes that learn from the same batches, on the host or on a device.
//!
//! The NRP-L1 weights of all lanes lie side by side in one matrix per ANN layer, so a batch's
//! activations are multiplied once for all of them. A lane's numbers never depend on the others:
//! to the last bit on the host, and but for rounding on a device, whose library chooses how it
//! multiplies by a matrix's width.

use burn::tensor::Device;

use super::adam::Adam;
use super::error::TrainError;
use super::host::{self, HostArray};
use super::network::{NrpConfig, Parameter, Values};
use super::source::{Reader, Source};
use super::tensor_array::{self, DeviceArray};
use crate::device::is_cpu;

/// What a lane is made of.
#[derive(Debug, Clone)]
pub(crate) struct LaneConfig {
    /// Its network.
    pub(crate) network: NrpConfig,
    /// Its optimiser.
    pub(crate) adam: Adam,
    /// Where its draws of dropout come from.
    pub(crate) seed: u64,
}

/// Responses as they are fitted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Targets<'a> {
    /// `[positions, sites]`, row-major, NaN where missing.
    pub(crate) values: &'a [f32],
    /// Sites of the region.
    pub(crate) sites: usize,
}

/// Lanes that learn from the same batches.
pub(crate) trait Array {
    /// Moves every lane a step per batch. Returns each lane's squared errors, summed over the
    /// present cells of all batches, each cell before its batch's step.
    ///
    /// Every batch must have a present cell.
    ///
    /// # Errors
    /// When activations cannot be read or the device fails.
    fn learn(
        &mut self,
        reader: &mut Reader<'_>,
        targets: Targets<'_>,
    ) -> Result<Vec<f64>, TrainError>;

    /// Each lane's predictions for all batches in a row: `[positions, sites]`, in fitted units,
    /// without dropout.
    ///
    /// # Errors
    /// When activations cannot be read or the device fails.
    fn predict(&mut self, reader: &mut Reader<'_>) -> Result<Vec<Vec<f32>>, TrainError>;

    /// Lets all lanes go but those that `stay`; these move together and keep their order.
    ///
    /// # Errors
    /// When the device fails.
    fn keep(&mut self, stay: &[bool]) -> Result<(), TrainError>;

    /// The mean of a parameter's gradients, row-major.
    #[cfg(test)]
    fn first_moment(&self, lane: usize, parameter: Parameter) -> Vec<f32>;
}

/// How the products are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    /// Block by block in host memory.
    Host,
    /// Whole matrices on the device.
    Device,
}

impl Engine {
    /// The engine for a device: a processor's is the host's, whatever library extracts there.
    pub(crate) fn of(device: &Device) -> Self {
        match is_cpu(device) {
            true => Self::Host,
            false => Self::Device,
        }
    }

    /// Bytes that a lane takes, with its part of what a step needs beside.
    pub(crate) fn bytes_of(self, lane: &LaneConfig, batch_size: usize) -> u64 {
        match self {
            Self::Host => host::bytes_of(lane, batch_size),
            Self::Device => tensor_array::bytes_of(lane),
        }
    }

    /// Bytes of activations that lie in memory while batches are read.
    pub(crate) fn held_bytes(self, source: &Source<'_>, batch_size: usize) -> u64 {
        let held = source.held_bytes(batch_size) as u64;
        match self {
            Self::Host => held,
            // There and here, which may be the same memory.
            Self::Device => 2 * held,
        }
    }

    /// An array of `lanes`, whose parameters begin as `first` says.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub(crate) fn array(
        self,
        lanes: &[LaneConfig],
        first: &dyn Fn(usize, Parameter) -> Values<'static>,
        device: &Device,
    ) -> Result<Box<dyn Array>, TrainError> {
        Ok(match self {
            Self::Host => Box::new(HostArray::new(lanes, first)?),
            Self::Device => Box::new(DeviceArray::new(lanes, first, device)),
        })
    }
}

impl Targets<'_> {
    /// The targets at `positions`, and how many are present.
    pub(crate) fn at(&self, positions: &[usize]) -> (Vec<f32>, usize) {
        let values: Vec<f32> = positions
            .iter()
            .flat_map(|position| &self.values[position * self.sites..][..self.sites])
            .copied()
            .collect();
        let present = values.iter().filter(|value| !value.is_nan()).count();
        (values, present)
    }
}
