//! The host's array: wide weights block by block, each read and written once a step.
//!
//! For each block, units are gathered from the current batch, Adam applies the gradient, and the
//! new weights are multiplied by the next batch while they are still in the cache. So neither batch
//! nor gradient is written to memory. Chunks and the order of their sums depend on the number of
//! units alone: results have the same bits on any number of cores.

use std::ops::Range;

use bytesize::ByteSize;
use rayon::prelude::*;

use super::adam::Step;
use super::array::{Array, LaneConfig, Targets};
use super::error::TrainError;
use super::host_lane::{Lane, Learned, Products};
use super::kernel::{Learning, Matrix, PADDING, Panels, Rates, accumulate, descend};
use super::network::{Parameter, Values};
use super::source::{Batch, Reader, Rows};

/// Most chunks of a layer: each has its own sum of products, which is kept until all are computed.
const CHUNKS: usize = 64;
/// Chunks of a layer of few units, so that every core has work.
const CHUNKS_OF_FEW: usize = 8;
/// Units in a block, whose weights stay in a core's cache beside their moments and the products.
const BLOCK_UNITS: usize = 128;

/// Lanes in host memory.
pub(super) struct HostArray {
    lanes: Vec<Lane>,
    layers: Vec<Wide>,
    /// Columns of all lanes together.
    columns: usize,
    /// Number of steps taken.
    steps: i32,
    /// Memory for the chunks' products, reused by every step.
    partials: Vec<Vec<f32>>,
}

/// One ANN layer's weights and moments, `[units, columns]` each: block by block, each in panels.
struct Wide {
    units: usize,
    weights: Vec<f32>,
    first: Vec<f32>,
    second: Vec<f32>,
}

/// What a pass over the wide weights does to them.
struct Back<'a> {
    batch: &'a Batch<'a>,
    /// Per ANN layer `[stimuli, columns]`, its rows `PADDING` further apart: rows a power of two
    /// apart would share the same cache lines.
    upstream: Vec<Vec<f32>>,
    rate: Vec<f32>,
    keep: Vec<f32>,
    unroot: f32,
}

/// A chunk of one layer's units in a pass.
struct Chunk<'a> {
    layer: usize,
    from: usize,
    weights: &'a mut [f32],
    first: &'a mut [f32],
    second: &'a mut [f32],
    /// `[stimuli ahead, columns]`
    products: &'a mut Vec<f32>,
}

/// Bytes that a lane takes, with its share of a step's temporary memory.
pub(super) fn bytes_of(lane: &LaneConfig, batch_size: usize) -> u64 {
    let network = &lane.network;
    let columns = network.block_units().next_multiple_of(PADDING);
    let units: usize = network.inputs.iter().sum();
    let chunks: usize = network
        .inputs
        .iter()
        .map(|units| units.div_ceil(chunk_units(*units)))
        .sum();
    let wide = 12 * (units * columns) as u64;
    // The later layers' weights are few, but may have three copies too.
    let dense = 12
        * network
            .parameters()
            .saturating_sub((units * network.block_units()) as u64);
    wide + dense + 4 * ((chunks + 2 * network.inputs.len()) * batch_size * columns) as u64
}

impl HostArray {
    /// Lanes with their initial values from `first`.
    ///
    /// # Errors
    /// When memory does not suffice.
    pub(super) fn new(
        lanes: &[LaneConfig],
        first: &dyn Fn(usize, Parameter) -> Values<'static>,
    ) -> Result<Self, TrainError> {
        let inputs = lanes[0].network.inputs.clone();
        let mut columns = 0;
        let lanes: Vec<Lane> = lanes
            .iter()
            .enumerate()
            .map(|(index, config)| {
                let lane = Lane::new(config, columns, |parameter| first(index, parameter));
                columns += lane.columns();
                lane
            })
            .collect();
        let layers = inputs.iter().enumerate().map(|(layer, &units)| {
            let mut wide = Wide {
                units,
                weights: zeros(units * columns)?,
                first: zeros(units * columns)?,
                second: zeros(units * columns)?,
            };
            for (index, lane) in lanes.iter().enumerate() {
                let mut values = first(index, Parameter::Wide(layer));
                let outputs = lane.config.network.block_units();
                let panels = Panels::of(columns);
                for block in wide.weights.chunks_mut(BLOCK_UNITS * columns) {
                    let units = block.len() / columns;
                    for unit in 0..units {
                        for place in panels.pieces(units, unit, lane.column..lane.column + outputs)
                        {
                            values(&mut block[place]);
                        }
                    }
                }
            }
            Ok(wide)
        });
        Ok(Self {
            layers: layers.collect::<Result<_, TrainError>>()?,
            lanes,
            columns,
            steps: 0,
            partials: Vec::new(),
        })
    }

    /// One pass over the wide weights: moves them `back` against the gradient of a batch, and
    /// returns their products with the batch `ahead`.
    fn pass(&mut self, back: Option<&Back<'_>>, ahead: Option<&Batch<'_>>) -> Products {
        let columns = self.columns;
        let stimuli = ahead.map_or(0, |batch| batch.positions.len());
        let counts: Vec<usize> = self.layers.iter().map(Wide::chunks).collect();
        self.partials.resize_with(counts.iter().sum(), Vec::new);
        let mut partials = self.partials.iter_mut();
        let mut chunks = Vec::new();
        for (layer, wide) in self.layers.iter_mut().enumerate() {
            let units = chunk_units(wide.units);
            let weights = wide.weights.chunks_mut(units * columns);
            let first = wide.first.chunks_mut(units * columns);
            let second = wide.second.chunks_mut(units * columns);
            let parts = weights.zip(first).zip(second).zip(&mut partials);
            for (index, (((weights, first), second), products)) in parts.enumerate() {
                chunks.push(Chunk {
                    layer,
                    from: index * units,
                    weights,
                    first,
                    second,
                    products,
                });
            }
        }
        chunks
            .into_par_iter()
            .for_each_init(Vec::new, |scratch, chunk| {
                chunk.pass(columns, back, ahead, scratch);
            });

        let mut partials = &self.partials[..];
        let layers = counts.iter().map(|&count| {
            let (own, others) = partials.split_at(count);
            partials = others;
            sum(own, stimuli * columns)
        });
        Products {
            layers: layers.collect(),
            columns,
        }
    }

    /// Lets every lane learn from a batch's products; returns the gradients of those products.
    fn back<'a>(
        &mut self,
        products: &Products,
        batch: &'a Batch<'a>,
        targets: Targets<'_>,
        squares: &mut [f64],
    ) -> Back<'a> {
        // A step count past i32 would take centuries; saturating keeps the correction at 1.
        self.steps = self.steps.saturating_add(1);
        let (targets, present) = targets.at(batch.positions);
        let number = self.steps;
        let learned: Vec<(Step, Learned)> = self
            .lanes
            .par_iter_mut()
            .map(|lane| {
                let step = lane.config.adam.step(number);
                (step, lane.learn(products, &targets, present, step))
            })
            .collect();
        let width = self.columns + PADDING;
        let mut back = Back {
            batch,
            upstream: vec![vec![0.0; batch.positions.len() * width]; self.layers.len()],
            rate: vec![0.0; self.columns],
            keep: vec![1.0; self.columns],
            unroot: 1.0,
        };
        for ((lane, (step, learned)), squares) in self.lanes.iter().zip(learned).zip(squares) {
            *squares += learned.squares;
            let own = lane.column..lane.column + lane.columns();
            back.rate[own.clone()].fill(step.rate as f32);
            back.keep[own].fill(step.keep as f32);
            back.unroot = step.unroot();
            for (layer, to) in back.upstream.iter_mut().enumerate() {
                let rows = to.chunks_exact_mut(width).zip(learned.upstream.rows());
                for (to, from) in rows {
                    let from = &from[lane.block(layer)];
                    to[lane.column..][..from.len()].copy_from_slice(from);
                }
            }
        }
        back
    }
}

impl Array for HostArray {
    fn learn(
        &mut self,
        reader: &mut Reader<'_>,
        targets: Targets<'_>,
    ) -> Result<Vec<f64>, TrainError> {
        let mut squares = vec![0.0; self.lanes.len()];
        let mut current = reader.next()?;
        let mut products = self.pass(None, current.as_ref());
        while let Some(batch) = current {
            let back = self.back(&products, &batch, targets, &mut squares);
            let next = reader.next()?;
            products = self.pass(Some(&back), next.as_ref());
            drop(back);
            current = next;
        }
        Ok(squares)
    }

    fn predict(&mut self, reader: &mut Reader<'_>) -> Result<Vec<Vec<f32>>, TrainError> {
        let mut predicted = vec![Vec::new(); self.lanes.len()];
        while let Some(batch) = reader.next()? {
            let products = self.pass(None, Some(&batch));
            let lanes = self.lanes.par_iter().zip(&mut predicted);
            lanes.for_each(|(lane, predicted)| predicted.extend(lane.predict(&products)));
        }
        Ok(predicted)
    }

    fn keep(&mut self, stay: &[bool]) -> Result<(), TrainError> {
        let before = self.columns;
        let mut kept = Vec::new();
        let mut columns = 0;
        for (lane, _) in self.lanes.iter_mut().zip(stay).filter(|(_, stay)| **stay) {
            let from = lane.column..lane.column + lane.columns();
            lane.column = columns;
            columns += from.len();
            kept.push(from);
        }
        let mut stay = stay.iter();
        self.lanes.retain(|_| *stay.next().expect("one per lane"));
        self.columns = columns;
        let matrices = self
            .layers
            .iter_mut()
            .flat_map(|wide| [&mut wide.weights, &mut wide.first, &mut wide.second]);
        matrices.par_bridge().for_each(|matrix| {
            let (mut end, mut block) = (0, Vec::new());
            for from in (0..matrix.len()).step_by(BLOCK_UNITS * before) {
                let until = matrix.len().min(from + BLOCK_UNITS * before);
                block.clear();
                block.extend_from_slice(&matrix[from..until]);
                let units = block.len() / before;
                let to = &mut matrix[end..][..units * columns];
                narrow(&block, before, &kept, to);
                end += to.len();
            }
            matrix.truncate(end);
            matrix.shrink_to_fit();
        });
        Ok(())
    }

    #[cfg(test)]
    fn first_moment(&self, lane: usize, parameter: Parameter) -> Vec<f32> {
        let lane = &self.lanes[lane];
        let of = |dense: &super::host_lane::Dense| {
            let columns = dense.outputs.next_multiple_of(PADDING);
            let rows = dense.first.chunks_exact(columns);
            rows.flat_map(|row| &row[..dense.outputs])
                .copied()
                .collect()
        };
        match parameter {
            Parameter::Wide(layer) => {
                let outputs = lane.config.network.block_units();
                let mut values = Vec::new();
                for block in self.layers[layer].first.chunks(BLOCK_UNITS * self.columns) {
                    let units = block.len() / self.columns;
                    for unit in 0..units {
                        let own = lane.column..lane.column + outputs;
                        let places = Panels::of(self.columns).pieces(units, unit, own);
                        values.extend(places.flat_map(|place| &block[place]));
                    }
                }
                values
            }
            Parameter::WideBias => of(&lane.wide_bias),
            Parameter::Weight(layer) => of(&lane.dense[layer][0]),
            Parameter::Bias(layer) => of(&lane.dense[layer][1]),
        }
    }
}

impl Wide {
    fn chunks(&self) -> usize {
        self.units.div_ceil(chunk_units(self.units))
    }
}

impl Chunk<'_> {
    fn pass(
        self,
        columns: usize,
        back: Option<&Back<'_>>,
        ahead: Option<&Batch<'_>>,
        scratch: &mut Vec<f32>,
    ) {
        let stimuli = ahead.map_or(0, |batch| batch.positions.len());
        self.products.clear();
        self.products.resize(stimuli * columns, 0.0);
        let panels = Panels::of(columns);
        let weights = self.weights.chunks_mut(BLOCK_UNITS * columns);
        let first = self.first.chunks_mut(BLOCK_UNITS * columns);
        let second = self.second.chunks_mut(BLOCK_UNITS * columns);
        for (block, ((weights, first), second)) in weights.zip(first).zip(second).enumerate() {
            let from = self.from + block * BLOCK_UNITS;
            let units = from..from + weights.len() / columns;
            if let Some(back) = back {
                let upstream = Matrix {
                    values: &back.upstream[self.layer],
                    width: columns + PADDING,
                };
                let rates = Rates {
                    rate: &back.rate,
                    keep: &back.keep,
                    unroot: back.unroot,
                };
                let x = gather(back.batch.rows(self.layer), units.clone(), scratch);
                let learning = Learning {
                    weights: &mut *weights,
                    first,
                    second,
                };
                descend(x, upstream, rates, panels, learning);
            }
            if let Some(ahead) = ahead {
                let x = gather(ahead.rows(self.layer), units, scratch);
                accumulate(x, weights, panels, self.products);
            }
        }
    }
}

/// `[stimuli, units]`: some units of a batch's rows, close together.
fn gather<'a>(rows: Rows<'_>, units: Range<usize>, scratch: &'a mut Vec<f32>) -> Matrix<'a> {
    let width = units.len() + PADDING;
    scratch.resize(rows.rows.len() * width, 0.0);
    for (to, row) in scratch.chunks_exact_mut(width).zip(rows.rows) {
        let from = &rows.values[row * rows.units..][units.clone()];
        to[..units.len()].copy_from_slice(from);
    }
    Matrix {
        values: scratch,
        width,
    }
}

/// Copies the columns `kept` of a block of weights.
///
/// # Shapes
/// - `block`: `[units, before]`, in panels
/// - `to`: `[units, columns kept]`, in panels
fn narrow(block: &[f32], before: usize, kept: &[Range<usize>], to: &mut [f32]) {
    let units = block.len() / before;
    let (from, into) = (Panels::of(before), Panels::of(to.len() / units));
    let mut row = Vec::with_capacity(into.columns);
    for unit in 0..units {
        row.clear();
        let kept = kept.iter().cloned();
        let places = kept.flat_map(|columns| from.pieces(units, unit, columns));
        row.extend(places.flat_map(|place| &block[place]));
        let mut left = &row[..];
        for place in into.pieces(units, unit, 0..into.columns) {
            let (piece, others) = left.split_at(place.len());
            to[place].copy_from_slice(piece);
            left = others;
        }
    }
}

/// Units in each of a layer's chunks: whole blocks.
fn chunk_units(units: usize) -> usize {
    let few = units
        .div_ceil(CHUNKS_OF_FEW)
        .clamp(BLOCK_UNITS, 2 * BLOCK_UNITS);
    let units = units.div_ceil(CHUNKS).max(few);
    units.next_multiple_of(BLOCK_UNITS)
}

/// The parts' sum, in their order.
fn sum(parts: &[Vec<f32>], length: usize) -> Vec<f32> {
    /// Floats that one thread sums at a time.
    const TASK: usize = 4096;
    let mut total = vec![0.0; length];
    total
        .par_chunks_mut(TASK)
        .enumerate()
        .for_each(|(task, total)| {
            for part in parts {
                let part = &part[task * TASK..][..total.len()];
                for (total, value) in total.iter_mut().zip(part) {
                    *total += value;
                }
            }
        });
    total
}

/// Allocates zeros, if memory suffices.
fn zeros(length: usize) -> Result<Vec<f32>, TrainError> {
    let mut values = Vec::new();
    let reserved = values.try_reserve_exact(length);
    reserved.map_err(|_| TrainError::OutOfMemory {
        reason: format!(
            "{} cannot be allocated",
            ByteSize::b(4 * length as u64).display().si()
        ),
    })?;
    values.resize(length, 0.0);
    Ok(values)
}
