//! The space of a sweep's trials: its cells, numbered in the order of the file, in every split, and the
//! linear baselines and comparisons behind them.

use super::{InputScaling, Model, NO_PROJECTION, TargetScaling};
use crate::axis::{Axis, GridAxis, Values};
use crate::id::CellIds;
use crate::wire::{AnnEntry, Grid, LayerSet, SplitSpec, SweepSpec, TrainingSpec, TrialSpec};
use std::ops::Range;

/// A trial, as its shared part and its cell.
pub struct GridTrial<'a> {
    /// What the trial shares with its neighbours.
    pub shared: &'a TrialSpec,
    /// Whether the trial before, if there was one, had another shared part.
    pub is_first: bool,
    /// Its cell of the grid alone.
    pub cell: &'a TrialSpec,
    /// The number of its cell, as [`Cells::at`] takes it; none for a model that has no cell.
    pub number: Option<u64>,
    /// The trial's id, as a number.
    pub id: u128,
}

/// The cells of a grid that each region of each layer set has, numbered in the order of the file.
pub struct Cells {
    /// The axes but the depth, with their values.
    axes: Vec<(GridAxis, Values)>,
    depths: Vec<Depth>,
}

/// The cells of one depth.
struct Depth {
    depth: u32,
    cells: u128,
    /// How many values each axis has, the last of which runs fastest.
    lengths: Vec<u64>,
}

impl Cells {
    /// The cells of a grid.
    pub fn of(grid: &Grid) -> Self {
        let axes = Axis::GRID.into_iter().filter(|axis| *axis != Axis::Depth);
        let axes = axes.filter_map(|axis| Some((axis.grid()?, (axis.grid()?.of)(grid))));
        let axes: Vec<(GridAxis, Values)> = axes.collect();
        // An axis that no network of a depth has a place on must have values nevertheless.
        let is_empty = |(axis, values): &(GridAxis, Values)| !axis.is_optional && values.is_empty();
        let empty = axes.iter().any(is_empty);
        let depths = grid.depth.iter().map(|depth| {
            let lengths = lengths(&axes, *depth);
            let cells = if empty { 0 } else { product(&lengths) };
            Depth {
                depth: *depth,
                cells,
                lengths,
            }
        });
        Self {
            depths: depths.collect(),
            axes,
        }
    }

    fn count(&self) -> u128 {
        let depths = self.depths.iter();
        depths.fold(0, |sum, depth| sum.saturating_add(depth.cells))
    }

    /// A cell alone, by its number; none where the grid has no such cell.
    pub fn at(&self, number: u64) -> Option<TrialSpec> {
        let mut place = number;
        for depth in &self.depths {
            if u128::from(place) < depth.cells {
                return Some(self.cell(depth, place));
            }
            place -= depth.cells as u64;
        }
        None
    }

    fn cell(&self, depth: &Depth, mut place: u64) -> TrialSpec {
        let mut cell = TrialSpec {
            depth: depth.depth,
            ..TrialSpec::default()
        };
        for ((axis, values), length) in self.axes.iter().zip(&depth.lengths).rev() {
            // Most axes have one value.
            let at = if *length == 1 { 0 } else { place % length };
            if *length > 1 {
                place /= length;
            }
            if depth.depth >= axis.from_depth && !values.is_empty() {
                (axis.set)(&mut cell, values, at as usize);
            }
        }
        cell
    }
}

/// The cells of a sweep, numbered in the order of the file.
pub(super) struct Space<'a> {
    sweep: &'a SweepSpec,
    cells: Cells,
    /// Layer sets, each with its ANN's entry and the number of places up to its end. A layer set has one
    /// place in each region that it is tried for.
    layer_sets: Vec<(&'a AnnEntry, &'a LayerSet, u64)>,
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
        Self {
            layer_sets: layer_sets.collect(),
            cells: Cells::of(grid),
            sweep,
        }
    }

    pub(super) fn cells(&self) -> u128 {
        u128::from(self.places()).saturating_mul(self.cells.count())
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

    /// What the trials of a region of a layer set share in a split, by its number.
    fn shared(&self, split: u32, number: u64) -> TrialSpec {
        let at = self
            .layer_sets
            .partition_point(|(_, _, upto)| *upto <= number);
        let before = match at.checked_sub(1) {
            Some(before) => self.layer_sets[before].2,
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
}

/// The trials of a sweep in the order of the file, by their positions in it. Where an axis or a list of
/// layer sets has a value twice, a trial has several positions, of which the first counts.
pub struct Trials<'a> {
    space: Space<'a>,
    /// Cells tried in each split.
    cells: u64,
    /// The numbers of those that a random search has drawn, in order.
    drawn: Option<Vec<u64>>,
    models: Vec<Model>,
}

impl<'a> Trials<'a> {
    /// The trials of the first `cells` cells of a space, or of those that were drawn.
    pub(super) fn of(space: Space<'a>, cells: u64, drawn: Option<Vec<u64>>) -> Self {
        Self {
            cells: drawn.as_ref().map_or(cells, |drawn| drawn.len() as u64),
            models: space.sweep.other_models(),
            space,
            drawn,
        }
    }

    /// Positions of NRP networks; linear baselines and comparisons come behind them.
    fn networks(&self) -> u64 {
        self.cells * u64::from(self.space.sweep.splits())
    }

    /// How many positions there are.
    pub fn positions(&self) -> u64 {
        let splits = u64::from(self.space.sweep.splits());
        self.networks() + self.space.baselines() * splits
    }

    /// Visits the trials at some positions, in order; a trial with several positions, at each of them.
    ///
    /// # Errors
    /// What `visit` fails with.
    pub fn for_each<E>(
        &self,
        positions: Range<u64>,
        mut visit: impl FnMut(GridTrial<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let networks = self.networks();
        self.for_each_network(
            positions.start.min(networks)..positions.end.min(networks),
            &mut visit,
        )?;
        let last = positions.end.min(self.positions());
        for position in positions.start.max(networks)..last {
            let (at, model) = split(position - networks, self.models.len() as u64);
            let (split, place) = split(at, self.space.places());
            let shared = self.space.shared(split as u32, place);
            let model = self.models[model as usize];
            let shared = TrialSpec {
                model: model.to_string(),
                training: shared
                    .training
                    .clone()
                    .map(|training| treated(model, training)),
                ..shared
            };
            let cell = &TrialSpec::default();
            visit(GridTrial {
                id: CellIds::of(&shared).id(cell),
                shared: &shared,
                is_first: true,
                cell,
                number: None,
            })?;
        }
        Ok(())
    }

    fn for_each_network<E>(
        &self,
        positions: Range<u64>,
        visit: &mut impl FnMut(GridTrial<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        // No place has more cells than the space, whose cells are within a u64 here.
        let each = self.space.cells.count() as u64;
        let mut last: Option<((u64, u64), TrialSpec, CellIds)> = None;
        for position in positions {
            let (number, cell) = split(position, self.cells);
            let cell = self
                .drawn
                .as_ref()
                .map_or(cell, |drawn| drawn[cell as usize]);
            let (place, cell) = split(cell, each);
            let of = (number, place);
            let is_first = last.as_ref().is_none_or(|known| known.0 != of);
            let (_, shared, ids) = match last.take() {
                Some(known) if !is_first => last.insert(known),
                Some(_) | None => {
                    let shared = self.space.shared(number as u32, place);
                    let ids = CellIds::of(&shared);
                    last.insert((of, shared, ids))
                }
            };
            let number = Some(cell);
            let cell = &self.space.cells.at(cell).expect("it is below their count");
            let id = ids.id(cell);
            visit(GridTrial {
                shared,
                is_first,
                cell,
                number,
                id,
            })?;
        }
        Ok(())
    }
}

/// A position among parts of one length: its part, and its position there.
fn split(position: u64, length: u64) -> (u64, u64) {
    (position / length, position % length)
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
fn lengths(axes: &[(GridAxis, Values)], depth: u32) -> Vec<u64> {
    let lengths = axes.iter().map(|(axis, values)| {
        if depth < axis.from_depth {
            1
        } else if axis.is_optional {
            // Empty in sweeps from before there was a choice.
            values.len().max(1) as u64
        } else {
            values.len() as u64
        }
    });
    lengths.collect()
}

fn product(lengths: &[u64]) -> u128 {
    let lengths = lengths.iter().map(|length| u128::from(*length));
    lengths.fold(1, u128::saturating_mul)
}
