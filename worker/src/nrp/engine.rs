//! Engine: the wide products between activations and NRP-L1, and the descent of those weights.
//!
//! Nearly all of a trial's time passes here. On burn's flex device the units are cut into blocks
//! that fit a core's cache: each block's rows are gathered straight from the activations, and its
//! gradient is spent by Adam before it leaves the cache, so neither batch nor gradient is ever
//! written to memory. On every other device the batch is uploaded and whole-matrix operations do
//! the same. The blocks depend on the shapes alone, never on the number of threads, and are summed
//! in order: results are the same to the bit on any number of cores.

use burn::tensor::{Device, Tensor, TensorData};
use rayon::prelude::*;

use super::adam::{Moments, Step, on_host};
use super::error::TrainError;
use super::network::matrix;
use super::source::Rows;

/// How the wide products are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    /// Block by block in host memory (burn's flex device).
    Host,
    /// Whole matrices on the device.
    Device,
}

/// A batch of activations, ready for its engine.
pub(crate) enum Batch<'a> {
    /// Rows in host memory.
    Host(Vec<Rows<'a>>, Device),
    /// `[stimuli, units]` per ANN layer.
    Device(Vec<Tensor<2>>),
}

/// Multiply-adds in a block: below flex's own threshold for threads (192³), which would fight ours.
const BLOCK_PRODUCTS: usize = 4 << 20;
/// Units in a block, at most and at least.
const BLOCK_UNITS: (usize, usize) = (32, 1024);
/// Floats between the rows of a gathered block beyond its units: rows that lie a power of two
/// apart fall into the same lines of the cache.
const ROW_PADDING: usize = 16;

impl Engine {
    /// The engine for a device.
    pub(crate) fn of(device: &Device) -> Self {
        #[cfg(feature = "flex")]
        if *device == Device::flex() {
            return Self::Host;
        }
        let _ = device;
        Self::Device
    }

    /// Takes the rows of a batch, one [`Rows`] per ANN layer.
    pub(crate) fn batch<'a>(self, rows: Vec<Rows<'a>>, device: &Device) -> Batch<'a> {
        match self {
            Self::Host => Batch::Host(rows, device.clone()),
            Self::Device => Batch::Device(rows.iter().map(|rows| rows.upload(device)).collect()),
        }
    }
}

impl Batch<'_> {
    /// Products of every ANN layer's activations with its weights.
    ///
    /// # Shapes
    /// - `wide`: per ANN layer `[units, outputs]`
    /// - returns per ANN layer `[stimuli, outputs]`
    pub(crate) fn products(&self, wide: &[Tensor<2>]) -> Vec<Tensor<2>> {
        match self {
            Self::Host(rows, device) => rows
                .iter()
                .zip(wide)
                .map(|(rows, weight)| product(rows, weight, device))
                .collect(),
            Self::Device(activations) => activations
                .iter()
                .zip(wide)
                .map(|(activations, weight)| activations.clone().matmul(weight.clone()))
                .collect(),
        }
    }

    /// Moves one ANN layer's weights a step against their gradient.
    ///
    /// # Shapes
    /// - `upstream`: `[stimuli, outputs]`, gradient with respect to this layer's product
    /// - `weight`: `[units, outputs]`
    ///
    /// # Errors
    /// When the device cannot give back the weights.
    pub(crate) fn descend(
        &self,
        layer: usize,
        upstream: Tensor<2>,
        weight: &mut Tensor<2>,
        moments: &mut Moments,
        step: Step,
    ) -> Result<(), TrainError> {
        match (self, moments) {
            (Self::Host(rows, device), Moments::Host { first, second }) => on_host(weight, |w| {
                descend(&rows[layer], &upstream, device, w, first, second, step)
            })?,
            (Self::Device(activations), moments @ Moments::Device { .. }) => {
                let gradient = activations[layer].clone().transpose().matmul(upstream);
                moments.descend(step, weight, gradient)
            }
            (Self::Host(..), Moments::Device { .. }) | (Self::Device(_), Moments::Host { .. }) => {
                unreachable!("a trial has one engine")
            }
        }
    }
}

/// Units per block for a batch of `stimuli` and `outputs` outputs.
fn block_units(stimuli: usize, outputs: usize) -> usize {
    let (least, most) = BLOCK_UNITS;
    let units = BLOCK_PRODUCTS / (stimuli * outputs).max(1);
    (units / least * least).clamp(least, most)
}

/// `[stimuli, outputs]`: the rows times the weights, summed block by block in order.
fn product(rows: &Rows<'_>, weight: &Tensor<2>, device: &Device) -> Tensor<2> {
    let [_, outputs] = weight.dims();
    let block = block_units(rows.rows.len(), outputs);
    let parts: Vec<Tensor<2>> = (0..rows.units.div_ceil(block))
        .into_par_iter()
        .map_init(
            || Some(Scratch::new(rows.rows.len(), block)),
            |scratch, index| {
                let from = index * block;
                let units = block.min(rows.units - from);
                let (part, used) = take(scratch).with(rows, from, units, device, |activations| {
                    activations.matmul(weight.clone().narrow(0, from, units))
                });
                *scratch = Some(used);
                part
            },
        )
        .collect();
    parts
        .into_iter()
        .reduce(Tensor::add)
        .expect("a layer has units")
}

/// One step of Adam on a layer's weights, block by block.
fn descend(
    rows: &Rows<'_>,
    upstream: &Tensor<2>,
    device: &Device,
    weights: &mut [f32],
    first: &mut [f32],
    second: &mut [f32],
    step: Step,
) -> Result<(), TrainError> {
    let [stimuli, outputs] = upstream.dims();
    let block = block_units(stimuli, outputs);
    weights
        .par_chunks_mut(block * outputs)
        .zip(first.par_chunks_mut(block * outputs))
        .zip(second.par_chunks_mut(block * outputs))
        .enumerate()
        .map_init(
            || Some(Scratch::new(stimuli, block)),
            |scratch, (index, ((w, m), v))| {
                let units = w.len() / outputs;
                let (gradient, used) =
                    take(scratch).with(rows, index * block, units, device, |activations| {
                        activations.transpose().matmul(upstream.clone())
                    });
                *scratch = Some(used);
                let gradient = gradient.try_into_data().map_err(TrainError::device)?;
                step.apply(w, m, v, gradient.as_slice().map_err(TrainError::device)?);
                Ok(())
            },
        )
        .collect()
}

/// Memory for the rows of one block, used again from block to block.
struct Scratch {
    /// `[stimuli, units + padding]`
    data: TensorData,
    width: usize,
}

fn take(scratch: &mut Option<Scratch>) -> Scratch {
    scratch.take().expect("put back after every block")
}

impl Scratch {
    fn new(stimuli: usize, units: usize) -> Self {
        let width = units + ROW_PADDING;
        Self {
            data: TensorData::new(vec![0.0_f32; stimuli * width], [stimuli, width]),
            width,
        }
    }

    /// Gathers `units` units of every row from unit `from` on, and hands them to `work` as
    /// `[stimuli, units]`.
    fn with(
        mut self,
        rows: &Rows<'_>,
        from: usize,
        units: usize,
        device: &Device,
        work: impl FnOnce(Tensor<2>) -> Tensor<2>,
    ) -> (Tensor<2>, Self) {
        let memory = self.data.as_mut_slice::<f32>().expect("floats, as made");
        for (to, &row) in memory.chunks_exact_mut(self.width).zip(rows.rows) {
            to[..units].copy_from_slice(&rows.values[row * rows.units + from..][..units]);
        }
        let gathered: Tensor<2> = Tensor::from_data(self.data, device);
        let result = work(gathered.clone().narrow(1, 0, units));
        // Nobody else holds the memory now, so this gives it back without a copy.
        (
            result,
            Self {
                data: gathered.into_data(),
                width: self.width,
            },
        )
    }
}

impl Rows<'_> {
    /// `[stimuli, units]` on the device.
    fn upload(&self, device: &Device) -> Tensor<2> {
        let mut values = Vec::with_capacity(self.rows.len() * self.units);
        for row in self.rows {
            values.extend_from_slice(&self.values[row * self.units..][..self.units]);
        }
        matrix(values, [self.rows.len(), self.units], device)
    }
}
