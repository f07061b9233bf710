//! Source: the scaled activations of a split, batch by batch.
//!
//! Activations that fit a byte budget are gathered and scaled once and stay in memory; others are
//! read again for every batch, by a thread that runs ahead of the computation. Either way a row has
//! the same bits. For a device, streamed activations that are stored in 16 bits are passed on as
//! stored: that halves the transfer, and the device converts them to f32 and scales them.

use std::ops::Range;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use rayon::prelude::*;

use super::activations::Activations;
use super::error::TrainError;
use super::scaling::{InputScaling, InputStatistics};
use crate::activation::Dtype;

/// Batches in memory while activations are streamed: the current one, the next one, and one being read.
pub(super) const BATCHES_IN_FLIGHT: usize = 3;

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
    /// Per layer `[positions, units]`, where they fit.
    resident: Option<Vec<Vec<f32>>>,
    /// Whether the consumer takes stored bits.
    takes_bits: bool,
}

/// Rows of one layer as they are stored, not scaled.
pub(crate) struct Stored<'a> {
    /// `[stimuli, units]`
    pub(crate) bits: &'a [u16],
    /// What the bits mean.
    pub(crate) dtype: Dtype,
    /// What to subtract from them, `[units]`, and the factors to multiply them by, `[units]` or `[1]`.
    pub(crate) scaling: Option<(&'a [f32], &'a [f32])>,
}

/// The activations of some positions.
pub(crate) struct Batch<'a> {
    /// Which positions, in order.
    pub(crate) positions: &'a [usize],
    source: &'a Source<'a>,
    values: Held<'a>,
}

/// Where a batch's activations are.
enum Held<'a> {
    /// In the whole layers, at the batch's positions.
    Resident(&'a [Vec<f32>]),
    /// In buffers that are reused.
    Streamed(Buffers, SyncSender<Buffers>),
}

/// A batch's memory.
#[derive(Default)]
struct Buffers {
    /// Per layer `[positions, units]`, scaled; empty where bits are taken.
    layers: Vec<Vec<f32>>,
    /// Per layer `[positions, units]`, as they are stored, where bits are taken.
    bits: Vec<Vec<u16>>,
    /// `0, 1, 2, …`
    rows: Vec<usize>,
}

/// A scaled activation, and where it is.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Activation {
    pub(crate) position: usize,
    pub(crate) layer: usize,
    pub(crate) unit: usize,
    pub(crate) value: f32,
}

/// Yields batches in order.
pub(crate) enum Reader<'a> {
    /// Those of resident layers.
    Resident(&'a Source<'a>, std::slice::Iter<'a, Vec<usize>>),
    /// Those that another thread reads.
    Streamed(Receiver<Result<Batch<'a>, TrainError>>),
}

impl<'a> Source<'a> {
    /// Opens the activations of `stimuli`. With `takes_bits`, the consumer may take stored bits
    /// from [`Batch::stored`].
    ///
    /// # Errors
    /// When the activations cannot be read.
    pub(crate) fn open(
        activations: &'a dyn Activations,
        statistics: &'a InputStatistics,
        scaling: InputScaling,
        stimuli: Vec<usize>,
        resident_bytes: usize,
        takes_bits: bool,
    ) -> Result<Self, TrainError> {
        let mut source = Self {
            activations,
            statistics,
            scaling,
            stimuli,
            resident: None,
            takes_bits,
        };
        if source.bytes_of(source.stimuli.len()) <= resident_bytes {
            let layers = source.units().iter().enumerate().map(|(layer, units)| {
                let mut values = vec![0.0; source.stimuli.len() * units];
                let rows = values.par_chunks_exact_mut(*units).zip(&source.stimuli);
                rows.try_for_each(|(row, stimulus)| source.row(layer, *stimulus, row))?;
                Ok(values)
            });
            source.resident = Some(layers.collect::<Result<_, TrainError>>()?);
        }
        Ok(source)
    }

    /// Units per layer.
    fn units(&self) -> &'a [usize] {
        self.activations.units()
    }

    /// Bytes that the activations of `stimuli` stimuli take.
    fn bytes_of(&self, stimuli: usize) -> usize {
        let units: usize = self.units().iter().sum();
        units.saturating_mul(stimuli).saturating_mul(4)
    }

    /// Bytes of activations in memory while batches of `batch` stimuli are read.
    pub(crate) fn held_bytes(&self, batch: usize) -> usize {
        match &self.resident {
            Some(_) => self.bytes_of(self.stimuli.len()),
            None => self.bytes_of(BATCHES_IN_FLIGHT * batch),
        }
    }

    /// Lets `work` read `batches`, each a list of positions.
    pub(crate) fn read<R>(
        &self,
        batches: &[Vec<usize>],
        work: impl FnOnce(&mut Reader<'_>) -> R,
    ) -> R {
        if self.resident.is_some() {
            return work(&mut Reader::Resident(self, batches.iter()));
        }
        std::thread::scope(|scope| {
            let (spent, empty) = sync_channel(BATCHES_IN_FLIGHT);
            let (full, ready) = sync_channel(BATCHES_IN_FLIGHT);
            scope.spawn(move || {
                for _ in 0..BATCHES_IN_FLIGHT {
                    spent.send(Buffers::default()).expect("has room");
                }
                for positions in batches {
                    // The other ends are gone when no more batches are needed.
                    let Ok(buffers) = empty.recv() else { return };
                    let batch = self.fill(positions, buffers, spent.clone());
                    if full.send(batch).is_err() {
                        return;
                    }
                }
            });
            let mut reader = Reader::Streamed(ready);
            work(&mut reader)
        })
    }

    fn fill<'b>(
        &'b self,
        positions: &'b [usize],
        mut buffers: Buffers,
        spent: SyncSender<Buffers>,
    ) -> Result<Batch<'b>, TrainError> {
        buffers.rows.clear();
        buffers.rows.extend(0..positions.len());
        buffers.layers.resize_with(self.units().len(), Vec::new);
        buffers.bits.resize_with(self.units().len(), Vec::new);
        let layers = buffers.layers.iter_mut().zip(&mut buffers.bits);
        for (layer, (values, bits)) in layers.enumerate() {
            let units = self.units()[layer];
            if self.gives_bits(layer) {
                bits.resize(positions.len() * units, 0);
                for (row, position) in bits.chunks_exact_mut(units).zip(positions) {
                    self.activations
                        .bits(layer, self.stimuli[*position], row)
                        .map_err(|source| TrainError::Activations { layer, source })?;
                }
                continue;
            }
            values.resize(positions.len() * units, 0.0);
            for (row, position) in values.chunks_exact_mut(units).zip(positions) {
                self.row(layer, self.stimuli[*position], row)?;
            }
        }
        Ok(Batch {
            positions,
            source: self,
            values: Held::Streamed(buffers, spent),
        })
    }

    /// The scaled activation of the largest magnitude at some positions; a NaN, if there is one.
    ///
    /// # Errors
    /// When the activations cannot be read.
    pub(crate) fn largest(&self, positions: Range<usize>) -> Result<Activation, TrainError> {
        let mut largest = Activation::default();
        for position in positions {
            for (layer, &units) in self.units().iter().enumerate() {
                let mut row = vec![0.0; units];
                self.row(layer, self.stimuli[position], &mut row)?;
                for (unit, value) in row.into_iter().enumerate() {
                    // This order puts NaN last.
                    if value.abs().total_cmp(&largest.value.abs()).is_gt() {
                        largest = Activation {
                            position,
                            layer,
                            unit,
                            value,
                        };
                    }
                }
            }
        }
        Ok(largest)
    }

    fn gives_bits(&self, layer: usize) -> bool {
        self.takes_bits && self.activations.dtype(layer) != Dtype::F32
    }

    fn scaling(&self, layer: usize) -> Option<(&[f32], &[f32])> {
        self.statistics.mean_and_factor(layer, self.scaling)
    }

    fn row(&self, layer: usize, stimulus: usize, row: &mut [f32]) -> Result<(), TrainError> {
        self.activations
            .gather(layer, &[stimulus], row)
            .map_err(|source| TrainError::Activations { layer, source })?;
        self.statistics.scale(layer, self.scaling, row);
        Ok(())
    }
}

impl<'a> Reader<'a> {
    /// The next batch.
    ///
    /// # Errors
    /// When the activations cannot be read.
    pub(crate) fn next(&mut self) -> Result<Option<Batch<'a>>, TrainError> {
        match self {
            Self::Resident(source, batches) => Ok(batches.next().map(|positions| Batch {
                positions,
                source,
                values: Held::Resident(source.resident.as_deref().unwrap_or_default()),
            })),
            Self::Streamed(ready) => ready.recv().ok().transpose(),
        }
    }
}

impl Batch<'_> {
    /// The batch's rows of one ANN layer.
    pub(crate) fn rows(&self, layer: usize) -> Rows<'_> {
        let (values, rows) = match &self.values {
            Held::Resident(layers) => (&layers[layer], self.positions),
            Held::Streamed(buffers, _) => (&buffers.layers[layer], &*buffers.rows),
        };
        Rows {
            values,
            units: self.source.units()[layer],
            rows,
        }
    }

    /// The batch's rows of one ANN layer as stored bits, if the consumer takes those.
    pub(crate) fn stored(&self, layer: usize) -> Option<Stored<'_>> {
        match &self.values {
            Held::Streamed(buffers, _) if self.source.gives_bits(layer) => Some(Stored {
                bits: &buffers.bits[layer],
                dtype: self.source.activations.dtype(layer),
                scaling: self.source.scaling(layer),
            }),
            _ => None,
        }
    }

    /// The whole layers that the batch is part of, if they stay in memory.
    pub(crate) fn resident(&self) -> Option<&[Vec<f32>]> {
        match &self.values {
            Held::Resident(layers) => Some(layers),
            Held::Streamed(..) => None,
        }
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        if let Held::Streamed(buffers, spent) = &mut self.values {
            // The receiver is gone if nothing is left to read.
            let _ = spent.send(std::mem::take(buffers));
        }
    }
}
