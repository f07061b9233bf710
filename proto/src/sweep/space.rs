//! The space of a sweep's trials: its cells, numbered in the order of the file, in every split, and the
//! linear baselines and comparisons behind them.

use super::{InputScaling, Model, NO_PROJECTION, TargetScaling};
use crate::axis::{Axis, GridAxis, Values};
use crate::id::CellIds;
use crate::wire::{AnnEntry, Grid, LayerSet, SplitSpec, SweepSpec, TrainingSpec, TrialSpec};
use std::collections::HashSet;

/// A trial, as its shared part and its cell.
pub struct GridTrial<'a> {
    /// What the trial shares with its neighbours.
    pub shared: &'a TrialSpec,
    /// Its cell of the grid alone.
    pub cell: &'a TrialSpec,
    /// The trial's id, as a number.
    pub id: u128,
}

/// The cells of a sweep, numbered in the order of the file.
pub(super) struct Space<'a> {
    sweep: &'a SweepSpec,
    grid: &'a Grid,
    /// The axes but the depth, with their values.
    axes: Vec<(GridAxis, Values)>,
    /// Layer sets, each with its ANN's entry and the number of places up to its end. A layer set has one
    /// place in each region that it is tried for.
    layer_sets: Vec<(&'a AnnEntry, &'a LayerSet, u64)>,
    /// Cells of each depth, in one region of one layer set.
    of_depth: Vec<u128>,
}

impl<'a> Space<'a> {
    pub(super) fn of(sweep: &'a SweepSpec, grid: &'a Grid) -> Self {
        let sets = sweep.anns.iter();
        let sets = sets.flat_map(|entry| entry.layer_sets.iter().map(move |set| (entry, set)));
        let layer_sets = sets.scan(0_u64, |upto, (entry, set)| {
            let regions = sweep.regions.iter().filter(|region| tried_for(set, region));
            *upto += regions.count() as u64;
            Some((entry, set, *upto))
        });
        let axes = Axis::GRID.into_iter().filter(|axis| *axis != Axis::Depth);
        let axes = axes.filter_map(|axis| Some((axis.grid()?, (axis.grid()?.of)(grid))));
        let axes: Vec<(GridAxis, Values)> = axes.collect();
        // An axis that no network of a depth has a place on must have values nevertheless.
        let is_empty = |(axis, values): &(GridAxis, Values)| !axis.is_optional && values.is_empty();
        let empty = axes.iter().any(is_empty);
        let of_depth = grid.depth.iter().map(|depth| {
            if empty {
                0
            } else {
                product(&lengths(&axes, *depth))
            }
        });
        Self {
            layer_sets: layer_sets.collect(),
            of_depth: of_depth.collect(),
            axes,
            sweep,
            grid,
        }
    }

    pub(super) fn cells(&self) -> u128 {
        let each = (self.of_depth.iter()).fold(0_u128, |sum, cells| sum.saturating_add(*cells));
        u128::from(self.places()).saturating_mul(each)
    }

    /// Visits the trials of some cells, in every split, each once, even if an axis lists a value twice.
    pub(super) fn for_each<E, I: Iterator<Item = u64>>(
        &self,
        cells: impl Fn() -> I,
        mut visit: impl FnMut(GridTrial<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let each: u128 = self.of_depth.iter().sum();
        let mut seen = HashSet::new();
        let mut last: Option<((u32, u128), TrialSpec, CellIds)> = None;
        let splits = 0..self.sweep.splits();
        for (split, cell) in splits.flat_map(|split| cells().map(move |cell| (split, cell))) {
            let (number, place) = (u128::from(cell) / each, u128::from(cell) % each);
            let of = (split, number);
            let (_, shared, ids) = match last.take() {
                Some(known) if known.0 == of => last.insert(known),
                Some(_) | None => {
                    let shared = self.shared(split, number);
                    let ids = CellIds::of(&shared);
                    last.insert((of, shared, ids))
                }
            };
            let cell = self.cell(place);
            let id = ids.id(&cell);
            if seen.insert(id) {
                let cell = &cell;
                visit(GridTrial { shared, cell, id })?;
            }
        }
        Ok(())
    }

    /// The number of places: regions of layer sets. Each place has every linear baseline once.
    fn places(&self) -> u64 {
        self.layer_sets.last().map_or(0, |(_, _, upto)| *upto)
    }

    /// Trials of linear baselines and comparisons in one split.
    pub(super) fn baselines(&self) -> u64 {
        let baselines = self.sweep.other_models().len() as u64;
        self.places().saturating_mul(baselines)
    }

    /// Visits the linear baselines and the comparisons. How networks are trained does not change their ids.
    pub(super) fn for_each_baseline<E>(
        &self,
        mut visit: impl FnMut(GridTrial<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let cell = TrialSpec::default();
        let mut seen = HashSet::new();
        let splits = 0..self.sweep.splits();
        let places = splits.flat_map(|split| (0..self.places()).map(move |place| (split, place)));
        for (split, place) in places {
            let shared = self.shared(split, place.into());
            for model in self.sweep.other_models() {
                let shared = TrialSpec {
                    model: model.to_string(),
                    training: shared
                        .training
                        .clone()
                        .map(|training| treated(model, training)),
                    ..shared.clone()
                };
                let id = CellIds::of(&shared).id(&cell);
                if seen.insert(id) {
                    let (shared, cell) = (&shared, &cell);
                    visit(GridTrial { shared, cell, id })?;
                }
            }
        }
        Ok(())
    }

    /// What the trials of a region of a layer set share in a split, by its number.
    fn shared(&self, split: u32, number: u128) -> TrialSpec {
        let at = self
            .layer_sets
            .partition_point(|(_, _, upto)| u128::from(*upto) <= number);
        let before = match at.checked_sub(1) {
            Some(before) => u128::from(self.layer_sets[before].2),
            None => 0,
        };
        let (entry, set, _) = self.layer_sets[at];
        let mut regions = self
            .sweep
            .regions
            .iter()
            .filter(|region| tried_for(set, region));
        let region = regions.nth((number - before) as usize);
        TrialSpec {
            ann: entry.ann.clone(),
            recordings_digest: self.sweep.recordings_digest.clone(),
            region: region.expect("a place is in a region").clone(),
            split: self.sweep.split.clone().map(|of| SplitSpec {
                number: split,
                ..of
            }),
            layers: set.layers.clone(),
            training: self.sweep.training.clone(),
            ..TrialSpec::default()
        }
    }

    /// A cell alone, by its place among those of a region of a layer set.
    fn cell(&self, mut place: u128) -> TrialSpec {
        let mut depths = self.grid.depth.iter().zip(&self.of_depth);
        let depth = depths.find_map(|(depth, cells)| {
            if place < *cells {
                Some(*depth)
            } else {
                place -= cells;
                None
            }
        });
        let depth = depth.expect("a cell of the grid has a depth");
        let mut cell = TrialSpec {
            depth,
            ..TrialSpec::default()
        };
        let lengths = lengths(&self.axes, depth);
        for ((axis, values), length) in self.axes.iter().zip(lengths).rev() {
            let at = (place % length as u128) as usize;
            place /= length as u128;
            if depth >= axis.from_depth && !values.is_empty() {
                (axis.set)(&mut cell, values, at);
            }
        }
        cell
    }
}

/// How a model besides networks treats activations and responses: a linear baseline as networks do. A
/// comparison takes both as they are, whatever the sweep says.
fn treated(model: Model, training: TrainingSpec) -> TrainingSpec {
    let training = match model {
        Model::Linear(_) => training,
        Model::Comparison(_) => TrainingSpec {
            inputs: InputScaling::None.to_string(),
            targets: TargetScaling::None.to_string(),
            projection: NO_PROJECTION.to_owned(),
            ..training
        },
    };
    TrainingSpec {
        batch_size: 0,
        max_epochs: 0,
        patience: 0,
        ..training
    }
}

fn tried_for(set: &LayerSet, region: &str) -> bool {
    set.region.is_empty() || set.region == region
}

/// How many values each axis but the depth has at a depth, 1 where it has no place on it; the last
/// runs fastest.
fn lengths(axes: &[(GridAxis, Values)], depth: u32) -> Vec<usize> {
    let lengths = axes.iter().map(|(axis, values)| {
        if depth < axis.from_depth {
            1
        } else if axis.is_optional {
            // Empty in sweeps from before there was a choice.
            values.len().max(1)
        } else {
            values.len()
        }
    });
    lengths.collect()
}

fn product(lengths: &[usize]) -> u128 {
    let lengths = lengths.iter().map(|length| *length as u128);
    lengths.fold(1, u128::saturating_mul)
}
