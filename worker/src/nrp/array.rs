//! Array: lanes that learn from the same batches, whatever computes them.
//!
//! The NRP-L1 weights of all lanes lie side by side in one matrix per ANN layer, so a batch's
//! activations are multiplied once for all of them. A lane's numbers never depend on the others: to
//! the last bit on the host; on a device up to rounding, because its library chooses how to multiply
//! by a matrix's width.

use super::adam::Adam;
use super::error::TrainError;
use super::network::NrpConfig;
#[cfg(test)]
use super::network::Parameter;
use super::source::Reader;

/// What a lane is built from.
#[derive(Debug, Clone)]
pub(crate) struct LaneConfig {
    /// Its network.
    pub(crate) network: NrpConfig,
    /// Its optimiser.
    pub(crate) adam: Adam,
    /// Seed of its first weights and its dropout.
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

    /// Drops all lanes but those that `stay`; the remaining ones close up and keep their order.
    ///
    /// # Errors
    /// When the device fails.
    fn keep(&mut self, stay: &[bool]) -> Result<(), TrainError>;

    /// The mean of a parameter's gradients, row-major.
    #[cfg(test)]
    fn first_moment(&self, lane: usize, parameter: Parameter) -> Vec<f32>;
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
