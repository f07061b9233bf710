//! Engine: makes an array of lanes for a device, and says how much memory it takes.

use burn::tensor::Device;

use super::array::{Array, LaneConfig};
use super::error::TrainError;
use super::host::{self, HostArray};
use super::network::{Parameter, Values};
use super::source::Source;
use super::tensor_array::{self, DeviceArray};
use crate::device::is_cpu;

/// Where and how an array computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    /// Block by block in host memory.
    Host,
    /// Whole matrices on the device.
    Device,
}

impl Engine {
    /// The engine for a device: the host engine on a processor, whichever library extracts there.
    pub(crate) fn of(device: &Device) -> Self {
        if is_cpu(device) {
            Self::Host
        } else {
            Self::Device
        }
    }

    /// Bytes that a lane takes, with its share of a step's temporary memory.
    pub(crate) fn bytes_of(self, lane: &LaneConfig, batch_size: usize) -> u64 {
        match self {
            Self::Host => host::bytes_of(lane, batch_size),
            Self::Device => tensor_array::bytes_of(lane),
        }
    }

    /// Bytes of activations in memory while batches are read.
    pub(crate) fn held_bytes(self, source: &Source<'_>, batch_size: usize) -> u64 {
        let held = source.held_bytes(batch_size) as u64;
        match self {
            Self::Host => held,
            // On the device and in host memory, which may be the same memory.
            Self::Device => 2 * held,
        }
    }

    /// Makes an array of `lanes`, with their initial values from `first`.
    ///
    /// # Errors
    /// When memory does not suffice.
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
