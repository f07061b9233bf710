//! The space of a sweep's trials: its cells, numbered in the order of the file, in every split, and the
//! linear baselines behind them.

use crate::id::{CellIds, NO_LINEAR_PATH};
use crate::wire::{AnnEntry, Grid, LayerSet, SplitSpec, SweepSpec, TrainingSpec, TrialSpec};
use std::collections::HashSet;

/// A trial, taken apart.
pub struct GridTrial<'a> {
    /// What it shares with those before and behind it.
    pub shared: &'a TrialSpec,
    /// Its cell of the grid alone.
    pub cell: &'a TrialSpec,
    /// The number whose hexadecimal digits are its id.
    pub id: u128,
}

/// The cells of a sweep, numbered in the order of the file.
pub(super) struct Space<'a> {
    sweep: &'a SweepSpec,
    grid: &'a Grid,
    /// Layer sets, each with its ANN's entry and the places up to and with it: one in each region that it
    /// is tried for.
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
        // What a depth does not have must be there all the same.
        let empty = grid.l1.is_empty() || grid.l2.is_empty() || grid.dropout.is_empty();
        let of_depth = grid.depth.iter().map(|depth| match empty {
            true => 0,
            false => product(&Axes::at(grid, *depth).0),
        });
        Self {
            layer_sets: layer_sets.collect(),
            of_depth: of_depth.collect(),
            sweep,
            grid,
        }
    }

    pub(super) fn cells(&self) -> u128 {
        let each = (self.of_depth.iter()).fold(0_u128, |sum, cells| sum.saturating_add(*cells));
        u128::from(self.places()).saturating_mul(each)
    }

    /// Visits the trials of some cells, in every split, each once: axes that name a value twice make
    /// no second.
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

    /// Regions of layer sets, each of which has every linear baseline once.
    fn places(&self) -> u64 {
        self.layer_sets.last().map_or(0, |(_, _, upto)| *upto)
    }

    /// Trials of linear baselines in one split.
    pub(super) fn baselines(&self) -> u64 {
        let baselines = self.sweep.linear_baselines().len() as u64;
        self.places().saturating_mul(baselines)
    }

    /// Visits the linear baselines. Of the protocol they share with networks what is done to
    /// activations and responses; how networks are trained does not make other trials of them.
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
            for baseline in self.sweep.linear_baselines() {
                let shared = TrialSpec {
                    model: baseline.to_string(),
                    training: shared.training.clone().map(|training| TrainingSpec {
                        batch_size: 0,
                        max_epochs: 0,
                        patience: 0,
                        ..training
                    }),
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
        let depth = depths.find_map(|(depth, cells)| match place < *cells {
            true => Some(*depth),
            false => {
                place -= cells;
                None
            }
        });
        let depth = depth.expect("a cell of the grid has a depth");
        let [l1, l2, rate, decay, dropout, path, ensemble, seed] =
            Axes::at(self.grid, depth).values_at(place);
        let grid = self.grid;
        TrialSpec {
            l1: (depth >= 1).then(|| grid.l1[l1]),
            l2: (depth >= 2).then(|| grid.l2[l2]),
            depth,
            learning_rate: grid.learning_rate[rate],
            weight_decay: grid.weight_decay[decay],
            dropout: if depth >= 1 {
                grid.dropout[dropout]
            } else {
                0.0
            },
            seed: grid.seed[seed],
            // What is as by default is left out, and ids are as they were before there was a choice.
            linear_path: (grid.linear_path.get(path).cloned())
                .filter(|path| path != NO_LINEAR_PATH)
                .unwrap_or_default(),
            ensemble: (grid.ensemble.get(ensemble).copied())
                .filter(|networks| *networks > 1)
                .unwrap_or_default(),
            ..TrialSpec::default()
        }
    }
}

fn tried_for(set: &LayerSet, region: &str) -> bool {
    set.region.is_empty() || set.region == region
}

/// Values of each axis that a depth has, 1 of one that it lacks; the last runs fastest.
struct Axes([usize; 8]);

impl Axes {
    fn at(grid: &Grid, depth: u32) -> Self {
        let from = |least: u32, values: usize| if depth >= least { values } else { 1 };
        Self([
            from(1, grid.l1.len()),
            from(2, grid.l2.len()),
            grid.learning_rate.len(),
            grid.weight_decay.len(),
            from(1, grid.dropout.len()),
            // Empty in sweeps from before there was a choice.
            grid.linear_path.len().max(1),
            grid.ensemble.len().max(1),
            grid.seed.len(),
        ])
    }

    /// Which value each axis has at a place.
    fn values_at(&self, mut place: u128) -> [usize; 8] {
        let mut values = [0; 8];
        for (value, length) in values.iter_mut().zip(&self.0).rev() {
            *value = (place % *length as u128) as usize;
            place /= *length as u128;
        }
        values
    }
}

fn product(lengths: &[usize]) -> u128 {
    let lengths = lengths.iter().map(|length| *length as u128);
    lengths.fold(1, u128::saturating_mul)
}
