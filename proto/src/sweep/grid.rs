//! The grid: from a sweep whose files have been found to its trials. Pure, and the same on every
//! machine: client and coordinator expand alike.

use super::search::draw;
use super::{Baseline, LayerSets, Pruning, SweepFile};
use crate::id::CellIds;
use crate::wire::{
    AnnEntry, AnnSpec, Grid, LayerSet, SplitSpec, SweepSpec, TrainingSpec, TrialSpec,
};
use miette::Diagnostic;
use std::collections::HashSet;
use thiserror::Error;

/// Most trials one sweep may have.
pub const TRIALS_MAX: u64 = 1_000_000;

/// Why a sweep has no trials that could be run.
#[derive(Debug, Error, Diagnostic, PartialEq, Eq)]
pub enum GridError {
    /// The grid is too large.
    #[error("sweep `{name}` has {cells} cells, and {most} is the most")]
    #[diagnostic(help(
        "shorten an axis of the grid, submit it in parts under several names, or try some of its \
         cells: `[search] strategy = \"random\"`"
    ))]
    TooLarge {
        /// The sweep's name.
        name: String,
        /// Cells counted.
        cells: u128,
        /// Most that it may have.
        most: u64,
    },
    /// A random search cannot have so many trials.
    #[error("sweep `{name}` draws {asked} trials at random, and 1 to {most} can be drawn")]
    #[diagnostic(help(
        "change `search.trials`; without `[search]`, every cell of the grid is tried"
    ))]
    Draws {
        /// The sweep's name.
        name: String,
        /// Trials asked for.
        asked: u64,
        /// Most that can be had.
        most: u64,
    },
    /// An axis is empty or a part of the message is missing.
    #[error("sweep `{name}` has no cell: {part} is missing")]
    #[diagnostic(help(
        "the client should have refused this; are client and coordinator of one version?"
    ))]
    Empty {
        /// The sweep's name.
        name: String,
        /// What is missing.
        part: &'static str,
    },
}

impl SweepSpec {
    /// Different cells of the grid, without expanding it; as many as can be told where there are
    /// more. Cells that differ only in what their depth does not have (NRP-L2's size at depth 1,
    /// say) are one.
    pub fn cells(&self) -> u128 {
        match &self.grid {
            Some(grid) => Space::of(self, grid).cells(),
            None => 0,
        }
    }

    /// Its linear baselines, each once. Other words make no trials.
    fn linear_baselines(&self) -> Vec<Baseline> {
        let mut baselines: Vec<Baseline> = Vec::new();
        for baseline in self.baselines.iter().flat_map(|word| word.parse()) {
            if !baselines.contains(&baseline) {
                baselines.push(baseline);
            }
        }
        baselines
    }

    /// The sweep's trials, in the order of the file, each once: the cells of the grid, then the
    /// linear baselines, which are neither drawn nor left out by a random search.
    ///
    /// # Errors
    /// When there are more than [`TRIALS_MAX`], or none.
    pub fn trials(&self) -> Result<Vec<TrialSpec>, GridError> {
        let mut trials = Vec::new();
        self.for_each_trial(|trial| {
            trials.push(trial.shared.with_cell(trial.cell));
            Ok::<_, GridError>(())
        })?;
        Ok(trials)
    }

    /// As [`SweepSpec::trials`], one after the other and without what they share: a million of them
    /// take a second, and no memory.
    ///
    /// # Errors
    /// When there are more than [`TRIALS_MAX`], or none; or what `visit` fails with.
    pub fn for_each_trial<E: From<GridError>>(
        &self,
        mut visit: impl FnMut(GridTrial<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let empty = |part| GridError::Empty {
            name: self.name.clone(),
            part,
        };
        let grid = self.grid.as_ref().ok_or_else(|| empty("the grid"))?;
        if self.split.is_none() || self.training.is_none() {
            return Err(empty("the split or the training protocol").into());
        }
        let space = Space::of(self, grid);
        let cells = space.cells();
        let baselines = space.baselines();
        let most = match self.random {
            None => TRIALS_MAX.saturating_sub(baselines),
            Some(_) => u64::MAX,
        };
        let cells = match u64::try_from(cells) {
            Ok(0) => return Err(empty("an axis").into()),
            Ok(cells) if cells <= most => cells,
            Ok(_) | Err(_) => {
                let name = self.name.clone();
                return Err(GridError::TooLarge { name, cells, most }.into());
            }
        };
        match &self.random {
            None => space.for_each(0..cells, &mut visit)?,
            Some(random) => {
                let most = cells.min(TRIALS_MAX.saturating_sub(baselines));
                if !(1..=most).contains(&random.trials) {
                    return Err(GridError::Draws {
                        name: self.name.clone(),
                        asked: random.trials,
                        most,
                    }
                    .into());
                }
                space.for_each(draw(cells, random.trials, random.seed), &mut visit)?;
            }
        }
        space.for_each_baseline(visit)
    }
}

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
struct Space<'a> {
    sweep: &'a SweepSpec,
    grid: &'a Grid,
    /// Layer sets up to and with each ANN's.
    layer_sets: Vec<u64>,
    /// Cells of each depth, in one region of one layer set.
    of_depth: Vec<u128>,
}

impl<'a> Space<'a> {
    fn of(sweep: &'a SweepSpec, grid: &'a Grid) -> Self {
        let layer_sets = sweep.anns.iter().scan(0, |sum, entry| {
            *sum += entry.layer_sets.len() as u64;
            Some(*sum)
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

    fn cells(&self) -> u128 {
        let layer_sets = self.layer_sets.last().copied().unwrap_or(0);
        let each = (self.of_depth.iter()).fold(0_u128, |sum, cells| sum.saturating_add(*cells));
        u128::from(layer_sets)
            .saturating_mul(self.sweep.regions.len() as u128)
            .saturating_mul(each)
    }

    /// Visits the trials of some cells, each once: axes that name a value twice make no second.
    fn for_each<E>(
        &self,
        cells: impl IntoIterator<Item = u64>,
        mut visit: impl FnMut(GridTrial<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let each: u128 = self.of_depth.iter().sum();
        let mut seen = HashSet::new();
        let mut last: Option<(u128, TrialSpec, CellIds)> = None;
        for cell in cells {
            let (number, place) = (u128::from(cell) / each, u128::from(cell) % each);
            let (_, shared, ids) = match last.take() {
                Some(known) if known.0 == number => last.insert(known),
                Some(_) | None => {
                    let shared = self.shared(number);
                    let ids = CellIds::of(&shared);
                    last.insert((number, shared, ids))
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
        let layer_sets = self.layer_sets.last().copied().unwrap_or(0);
        layer_sets.saturating_mul(self.sweep.regions.len() as u64)
    }

    /// Trials of linear baselines.
    fn baselines(&self) -> u64 {
        let baselines = self.sweep.linear_baselines().len() as u64;
        self.places().saturating_mul(baselines)
    }

    /// Visits the linear baselines. Of the protocol they share with networks what is done to
    /// activations and responses; how networks are trained does not make other trials of them.
    fn for_each_baseline<E>(
        &self,
        mut visit: impl FnMut(GridTrial<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let cell = TrialSpec::default();
        let mut seen = HashSet::new();
        for place in 0..self.places() {
            let shared = self.shared(place.into());
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

    /// What the trials of a region of a layer set share, by its number.
    fn shared(&self, number: u128) -> TrialSpec {
        let regions = self.sweep.regions.len() as u128;
        let set = (number / regions) as u64;
        let ann = self.layer_sets.partition_point(|upto| *upto <= set);
        let entry = &self.sweep.anns[ann];
        let before = self.layer_sets[ann] - entry.layer_sets.len() as u64;
        TrialSpec {
            ann: entry.ann.clone(),
            recordings_digest: self.sweep.recordings_digest.clone(),
            region: self.sweep.regions[(number % regions) as usize].clone(),
            split: self.sweep.split.clone(),
            layers: entry.layer_sets[(set - before) as usize].layers.clone(),
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
        let [l1, l2, rate, decay, dropout, seed] = Axes::at(self.grid, depth).values_at(place);
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
            ..TrialSpec::default()
        }
    }
}

/// Values of each axis that a depth has, 1 of one that it lacks; the last runs fastest.
struct Axes([usize; 6]);

impl Axes {
    fn at(grid: &Grid, depth: u32) -> Self {
        let from = |least: u32, values: usize| if depth >= least { values } else { 1 };
        Self([
            from(1, grid.l1.len()),
            from(2, grid.l2.len()),
            grid.learning_rate.len(),
            grid.weight_decay.len(),
            from(1, grid.dropout.len()),
            grid.seed.len(),
        ])
    }

    /// Which value each axis has at a place.
    fn values_at(&self, mut place: u128) -> [usize; 6] {
        let mut values = [0; 6];
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

impl SweepFile {
    /// The sweep on the wire, but for what only the files can tell: digests, preprocessing and the
    /// data directory, which the caller fills in. The file must have passed [`SweepFile::expand`] and
    /// [`SweepFile::check`].
    pub fn to_spec(&self) -> SweepSpec {
        let whole = |values: &[i64]| values.iter().map(|&v| v as u32).collect();
        let split = &self.split;
        let training = &self.training;
        SweepSpec {
            name: self.name.clone(),
            files: Some(crate::wire::RecordingsFiles {
                assembly: self.recordings.assembly.clone(),
                stimuli: self.recordings.stimuli.clone().unwrap_or_default(),
                images: self.recordings.images.clone().unwrap_or_default(),
                variations: self.recordings.variations(),
            }),
            recordings_digest: String::new(),
            regions: self.recordings.regions.clone(),
            simulated: self.recordings.assembly() == super::Assembly::Simulated,
            data_dir: String::new(),
            split: Some(SplitSpec {
                scheme: split.scheme.clone(),
                train: split.fractions[0],
                validation: split.fractions[1],
                test: split.fractions[2],
                stratify: split.stratify.clone(),
                seed: split.seed as u64,
            }),
            anns: self.ann.iter().flat_map(ann_entries).collect(),
            grid: Some(Grid {
                l1: whole(&self.grid.l1),
                l2: whole(&self.grid.l2),
                depth: whole(&self.grid.depth),
                learning_rate: self.grid.learning_rate.clone(),
                weight_decay: self.grid.weight_decay.clone(),
                dropout: self.grid.dropout.clone(),
                seed: self.grid.seed.iter().map(|&seed| seed as u64).collect(),
            }),
            training: Some(TrainingSpec {
                batch_size: training.batch_size as u32,
                max_epochs: training.max_epochs as u32,
                patience: training.patience as u32,
                inputs: training.inputs.clone(),
                targets: training.targets.clone(),
                projection: training.projection.clone(),
            }),
            baselines: training.baselines.clone(),
            random: self.search.random(),
            early_stopping: self.search.early_stopping(),
        }
    }
}

/// One entry for each sparsity of an ANN.
fn ann_entries(table: &super::AnnTable) -> impl Iterator<Item = AnnEntry> + '_ {
    let pruning = match &table.pruning {
        None => Pruning::LAYER,
        Some(Pruning::Rule(rule)) => rule,
        Some(Pruning::Checkpoints(_)) => Pruning::CHECKPOINT,
    };
    let checkpoint = |sparsity| table.pruning.as_ref()?.checkpoint(sparsity);
    table.sparsity.iter().map(move |&sparsity| AnnEntry {
        ann: Some(AnnSpec {
            name: table.name.clone(),
            weights_digest: String::new(),
            // The word of the file, until the caller puts its id there.
            preprocessing: table.preprocessing.clone().unwrap_or_default(),
            sparsity,
            pruning: match sparsity > 0.0 {
                true => pruning.to_owned(),
                false => String::new(),
            },
        }),
        reached_sparsity: None,
        weights: checkpoint(sparsity).unwrap_or(&table.weights).to_owned(),
        layer_sets: match &table.layer_sets {
            LayerSets::Shorthand(_) => Vec::new(),
            LayerSets::Listed(sets) => {
                let set = |layers: &Vec<String>| LayerSet {
                    layers: layers.clone(),
                };
                sets.iter().map(set).collect()
            }
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::RandomSearch;

    fn spec(grid: &str) -> SweepSpec {
        let text = format!(
            r#"
            name = "test"
            recordings = {{ assembly = "simulated" }}
            [[ann]]
            name = "mobilenet"
            weights = "random:0"
            layer_sets = [["conv_pw_3_relu"], ["conv_pw_13_relu"]]
            [grid]
            {grid}
            "#
        );
        SweepFile::parse(&text).expect("parses").to_spec()
    }

    #[test]
    fn the_default_grid_has_a_trial_for_each_cell() {
        let trials = spec("").trials().expect("a grid");
        assert_eq!(trials.len(), 2 * 2 * 4 * 4 * 4);
    }

    #[test]
    fn sizes_that_a_depth_lacks_make_no_trials_of_their_own() {
        let trials = spec("depth = [0, 1, 2]\nlearning_rate = [1e-3]")
            .trials()
            .expect("a grid");
        assert_eq!(trials.len(), 4 * (1 + 4 + 16));
        assert!(trials.iter().all(|t| t.l2.is_some() == (t.depth >= 2)));
    }

    #[test]
    fn a_grid_beyond_the_limit_is_refused_with_its_count() {
        let mut spec = spec("");
        let grid = spec.grid.as_mut().expect("a grid");
        grid.seed = (0..100_000).collect();
        let error = spec.trials().expect_err("too large");
        assert_eq!(
            error.to_string(),
            "sweep `test` has 25600000 cells, and 1000000 is the most"
        );
        // Axes whose product no integer holds are counted, and not expanded, all the same.
        let axis = vec![1; 1_000_000];
        let grid = spec.grid.as_mut().expect("a grid");
        grid.l1.clone_from(&axis);
        grid.l2.clone_from(&axis);
        grid.learning_rate = vec![1e-3; 1_000_000];
        grid.weight_decay = vec![0.0; 1_000_000];
        grid.dropout = vec![0.0; 1_000_000];
        grid.depth = vec![2; 1_000_000];
        grid.seed = vec![0; 1_000_000];
        assert_eq!(spec.cells(), u128::MAX);
        assert!(matches!(spec.trials(), Err(GridError::TooLarge { .. })));
        spec.random = Some(RandomSearch { trials: 1, seed: 0 });
        assert!(matches!(spec.trials(), Err(GridError::TooLarge { .. })));
    }

    #[test]
    fn a_random_search_draws_different_cells_of_the_grid_and_more_draws_keep_them() {
        let mut spec = spec("depth = [0, 1, 2]");
        let grid = spec.trials().expect("a grid");
        assert_eq!(spec.cells(), grid.len() as u128);
        let mut drawn = |trials, seed| {
            spec.random = Some(RandomSearch { trials, seed });
            spec.trials().expect("a search")
        };
        let few = drawn(20, 1);
        assert_eq!(few.len(), 20);
        let places: Vec<_> = few
            .iter()
            .map(|trial| grid.iter().position(|cell| cell == trial).expect("a cell"))
            .collect();
        assert!(places.is_sorted(), "in the order of the grid");
        insta::assert_compact_debug_snapshot!(places, @"[40, 58, 65, 76, 84, 101, 112, 173, 180, 193, 211, 220, 247, 250, 264, 287, 292, 303, 309, 314]");
        assert_ne!(few, drawn(20, 2));
        let more = drawn(21, 1);
        assert!(few.iter().all(|trial| more.contains(trial)));
        assert_eq!(drawn(grid.len() as u64, 1), grid, "all there are");
    }

    #[test]
    fn a_random_search_takes_no_more_than_there_is_and_needs_no_list_of_it() {
        let mut spec = spec("");
        spec.random = Some(RandomSearch {
            trials: 257,
            seed: 0,
        });
        let error = spec.trials().expect_err("too many");
        assert_eq!(
            error.to_string(),
            "sweep `test` draws 257 trials at random, and 1 to 256 can be drawn"
        );
        let grid = spec.grid.as_mut().expect("a grid");
        grid.seed = (0..4_000_000).collect();
        assert_eq!(spec.cells(), 1_024_000_000);
        assert_eq!(spec.trials().expect("a search").len(), 257);
    }

    #[test]
    fn the_id_is_of_the_content_not_of_where_it_lies() {
        let one = spec("");
        let mut moved = one.clone();
        moved.data_dir = "elsewhere".to_owned();
        moved.anns[0].reached_sparsity = Some(0.25);
        assert_eq!(one.id(), moved.id());
        let mut other = one.clone();
        other.recordings_digest = "other".to_owned();
        assert_ne!(one.id(), other.id());
        let ids = |spec: &SweepSpec| {
            let trials = spec.trials().expect("a grid");
            trials.iter().map(TrialSpec::id).collect::<HashSet<_>>()
        };
        assert!(ids(&one).is_disjoint(&ids(&other)));
        assert_eq!(ids(&one), ids(&moved));
    }

    #[test]
    fn sparsities_are_anns_of_their_own_and_how_they_are_pruned_is_part_of_what_they_are() {
        let anns = |lines: &str| {
            let text = format!(
                "name = \"a\"\nrecordings = {{ assembly = \"simulated\" }}\n[[ann]]\n\
                 name = \"mobilenet\"\nweights = \"m.h5\"\nlayer_sets = [[\"conv_pw_3_relu\"]]\n\
                 sparsity = [0.0, 0.5]\n{lines}"
            );
            let spec = SweepFile::parse(&text).expect("parses").to_spec();
            let entry = |entry: &AnnEntry| {
                let ann = entry.ann.clone().unwrap_or_default();
                (ann.sparsity, ann.pruning, entry.weights.clone())
            };
            spec.anns.iter().map(entry).collect::<Vec<_>>()
        };
        let entry = |sparsity, pruning: &str, weights: &str| {
            (sparsity, pruning.to_owned(), weights.to_owned())
        };
        let dense = entry(0.0, "", "m.h5");
        assert_eq!(anns(""), [dense.clone(), entry(0.5, "layer", "m.h5")]);
        let global = "pruning = \"global\"";
        assert_eq!(anns(global), [dense.clone(), entry(0.5, "global", "m.h5")]);
        let own = "pruning = { \"0.50\" = \"p.h5\" }";
        assert_eq!(anns(own), [dense, entry(0.5, "checkpoint", "p.h5")]);
    }

    #[test]
    fn trial_ids_do_not_change_between_versions() {
        let trials = spec("").trials().expect("a grid");
        insta::assert_snapshot!(trials[0].id(), @"6721a9d6a07d90598fcd3175278715f6");
        let mut spec = spec("");
        spec.baselines = vec!["ridge".to_owned()];
        let trials = spec.trials().expect("a grid");
        insta::assert_snapshot!(trials[256].id(), @"e58ff9f79411c5e32c936ca8905ab904");
    }

    #[test]
    fn a_linear_baseline_is_a_trial_for_each_layer_set_and_region_behind_the_grid() {
        let mut spec = spec("");
        let networks = spec.trials().expect("a grid");
        let words = ["mean", "pls", "ridge", "pls", "lasso"];
        spec.baselines = words.map(str::to_owned).to_vec();
        assert_eq!(spec.cells(), networks.len() as u128, "they are no cells");
        let trials = spec.trials().expect("a grid");
        assert_eq!(trials[..networks.len()], networks, "ids as before");
        let baselines = &trials[networks.len()..];
        let of = |trial: &TrialSpec| {
            let layers = trial.layers.join("+");
            format!("{} {layers} {}", trial.model, trial.region)
        };
        assert_eq!(
            baselines.iter().map(of).collect::<Vec<_>>(),
            [
                "pls conv_pw_3_relu V4",
                "ridge conv_pw_3_relu V4",
                "pls conv_pw_3_relu IT",
                "ridge conv_pw_3_relu IT",
                "pls conv_pw_13_relu V4",
                "ridge conv_pw_13_relu V4",
                "pls conv_pw_13_relu IT",
                "ridge conv_pw_13_relu IT",
            ]
        );
        let ids: HashSet<_> = trials.iter().map(TrialSpec::id).collect();
        assert_eq!(ids.len(), trials.len());
        assert_eq!(baselines[0].without_cell(), baselines[0]);
        let (trial, network) = (&baselines[0], &networks[0]);
        assert_eq!(trial.activations(), network.activations());
        assert_ne!(trial.job_group(), network.job_group());
        assert_ne!(trial.comparable_group(), network.comparable_group());

        // Neither how many cells are drawn, nor how long networks are trained, changes them.
        spec.random = Some(RandomSearch { trials: 3, seed: 1 });
        spec.training.as_mut().expect("a protocol").max_epochs = 7;
        assert_eq!(&spec.trials().expect("a search")[3..], baselines);

        // They count towards the most that a sweep may have.
        spec.random = Some(RandomSearch {
            trials: TRIALS_MAX,
            seed: 1,
        });
        spec.grid.as_mut().expect("a grid").seed = (0..4_000_000).collect();
        assert_eq!(
            spec.trials().expect_err("too many").to_string(),
            "sweep `test` draws 1000000 trials at random, and 1 to 999992 can be drawn"
        );
    }
}
