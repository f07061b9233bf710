//! The grid: from a sweep with resolved files to its trials. Pure, and the same on every machine:
//! client and coordinator get the same trials.

use super::search::draw;
use super::space::Space;
use super::{GridTrial, Model, Trials};
use crate::wire::{SplitSpec, SweepSpec, TrialSpec};
use miette::Diagnostic;
use std::collections::HashSet;
use thiserror::Error;

/// The most trials of a sweep.
pub const TRIALS_MAX: u64 = 1_000_000;

/// Why a sweep cannot be expanded into trials.
#[derive(Debug, Error, Diagnostic, PartialEq, Eq)]
pub enum GridError {
    /// The grid is too large.
    #[error("sweep `{name}` has {cells} cells; the limit is {most}")]
    #[diagnostic(help(
        "shorten an axis of the grid, submit it in parts under several names, or try some of its \
         cells: `[search] strategy = \"random\"`"
    ))]
    TooLarge {
        /// The sweep's name.
        name: String,
        /// Cells counted.
        cells: u128,
        /// The limit.
        most: u64,
    },
    /// A random search asks for more trials than there are, or than a sweep may have.
    #[error("sweep `{name}` draws {asked} trials at random, and 1 to {most} can be drawn")]
    #[diagnostic(help(
        "change `search.trials`; without `[search]`, every cell of the grid is tried"
    ))]
    Draws {
        /// The sweep's name.
        name: String,
        /// Trials asked for.
        asked: u64,
        /// The most that are possible.
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
    /// The number of different cells of the grid, in one split, computed without expanding it. It
    /// saturates. Cells that differ only on an axis that their depth lacks, such as NRP-L2's size at
    /// depth 1, count once.
    pub fn cells(&self) -> u128 {
        match &self.grid {
            Some(grid) => Space::of(self, grid).cells(),
            None => 0,
        }
    }

    /// Its trials, counted as [`SweepSpec::cells`] counts: those drawn or all cells, and the linear
    /// baselines, in each split.
    pub fn trial_count(&self) -> u128 {
        let networks = self
            .random
            .map_or(self.cells(), |random| random.trials.into());
        let baselines = match &self.grid {
            Some(grid) => Space::of(self, grid).baselines(),
            None => 0,
        };
        let each = networks.saturating_add(baselines.into());
        each.saturating_mul(self.splits().into())
    }

    /// The number of splits that every cell of the grid is trained on.
    pub fn splits(&self) -> u32 {
        self.split.as_ref().map_or(1, SplitSpec::count)
    }

    /// The models of the sweep besides NRP networks, each once: linear baselines and comparisons. Other
    /// words make no trials.
    pub(super) fn other_models(&self) -> Vec<Model> {
        let mut models: Vec<Model> = Vec::new();
        for model in self.baselines.iter().flat_map(|word| word.parse()) {
            if !models.contains(&model) {
                models.push(model);
            }
        }
        models
    }

    /// The sweep's trials, in the order of the file, each once: the cells of the grid, split by split,
    /// then the linear baselines, which are neither drawn nor left out by a random search.
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

    /// Checks that [`SweepSpec::for_each_trial`] will succeed, without expanding the grid: this takes no
    /// time and no memory, however many trials there are.
    ///
    /// # Errors
    /// When there are more than [`TRIALS_MAX`], or none.
    pub fn check_trials(&self) -> Result<(), GridError> {
        self.tried().map(|_| ())
    }

    /// As [`SweepSpec::trials`], one after the other and without what they share: a million of them
    /// take a second, and the memory of their ids.
    ///
    /// # Errors
    /// When there are more than [`TRIALS_MAX`], or none; or what `visit` fails with.
    pub fn for_each_trial<E: From<GridError>>(
        &self,
        mut visit: impl FnMut(GridTrial<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let trials = self.positions()?;
        let mut seen = HashSet::new();
        trials.for_each(0..trials.positions(), |trial| {
            if seen.insert(trial.id) {
                visit(trial)
            } else {
                Ok(())
            }
        })
    }

    /// Its trials by their positions, any of which can be visited alone: so several threads can share
    /// the work.
    ///
    /// # Errors
    /// When there are more than [`TRIALS_MAX`], or none.
    pub fn positions(&self) -> Result<Trials<'_>, GridError> {
        let (space, cells) = self.tried()?;
        let drawn = self.random.map(|random| {
            let drawn = draw(cells, random.trials, random.seed);
            drawn.into_iter().collect()
        });
        Ok(Trials::of(space, cells, drawn))
    }

    /// The space of its trials and the number of its cells, once the limits are kept.
    fn tried(&self) -> Result<(Space<'_>, u64), GridError> {
        let empty = |part| GridError::Empty {
            name: self.name.clone(),
            part,
        };
        let grid = self.grid.as_ref().ok_or_else(|| empty("the grid"))?;
        if self.split.is_none() || self.training.is_none() {
            return Err(empty("the split or the training protocol"));
        }
        let space = Space::of(self, grid);
        let (cells, splits) = (space.cells(), u64::from(self.splits()));
        let baselines = space.baselines();
        let most = TRIALS_MAX.saturating_sub(baselines.saturating_mul(splits));
        let most_cells = match self.random {
            None => most / splits,
            Some(_) => u64::MAX,
        };
        let cells = match u64::try_from(cells) {
            // Linear baselines alone.
            Ok(0) if grid.depth.is_empty() && baselines > 0 => {
                let trials = u128::from(baselines) * u128::from(splits);
                if trials > u128::from(TRIALS_MAX) {
                    return Err(GridError::TooLarge {
                        name: self.name.clone(),
                        cells: trials,
                        most: TRIALS_MAX,
                    });
                }
                0
            }
            Ok(0) => return Err(empty("an axis")),
            Ok(cells) if cells <= most_cells => cells,
            Ok(_) | Err(_) => {
                return Err(GridError::TooLarge {
                    name: self.name.clone(),
                    cells: cells.saturating_mul(splits.into()),
                    most: most.max(most_cells),
                });
            }
        };
        let most = cells.min(most / splits);
        match self.random {
            Some(random) if !(1..=most).contains(&random.trials) => Err(GridError::Draws {
                name: self.name.clone(),
                asked: random.trials,
                most,
            }),
            Some(_) | None => Ok((space, cells)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Cells, SweepFile};
    use super::*;
    use crate::wire::{AnnEntry, RandomSearch};

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
            "sweep `test` has 25600000 cells; the limit is 1000000"
        );
        // A product that overflows every integer is counted nevertheless, and not expanded.
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
    fn a_grid_is_checked_without_its_trials_as_it_is_with_them() {
        let mut specs = vec![spec(""), spec("seed = [0, 0]"), SweepSpec::default()];
        let of = |change: &dyn Fn(&mut SweepSpec)| {
            let mut spec = spec("");
            change(&mut spec);
            spec
        };
        specs.extend([
            of(&|spec| spec.grid.as_mut().expect("a grid").seed = (0..100_000).collect()),
            of(&|spec| spec.grid.as_mut().expect("a grid").l1.clear()),
            of(&|spec| spec.training = None),
            of(&|spec| spec.random = Some(RandomSearch { trials: 9, seed: 0 })),
            of(&|spec| spec.random = Some(RandomSearch { trials: 0, seed: 0 })),
            of(&|spec| {
                spec.random = Some(RandomSearch {
                    trials: 257,
                    seed: 0,
                })
            }),
        ]);
        let checks = specs.iter().map(SweepSpec::check_trials);
        let checks: Vec<_> = checks.collect();
        let expanded: Vec<_> = specs.iter().map(|spec| spec.trials().map(|_| ())).collect();
        assert_eq!(checks, expanded);
        let refused = checks.iter().map(Result::is_err).collect::<Vec<_>>();
        let expected = [false, false, true, true, true, true, false, true, true];
        assert_eq!(refused, expected);
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
    fn a_layer_set_of_one_region_is_tried_there_alone() {
        let mut spec = spec("l1 = [16]\nl2 = [32]\nlearning_rate = [1e-3]");
        spec.baselines = vec!["ridge".to_owned()];
        spec.anns[0].layer_sets[0].region = "IT".to_owned();
        spec.anns.push(spec.anns[0].clone());
        spec.anns[1].layer_sets[1].region = "nowhere".to_owned();
        let ann = spec.anns[1].ann.as_mut().expect("an ann");
        ann.name = "resnet50".to_owned();
        let trials = spec.trials().expect("a grid");
        let of = |trial: &TrialSpec| {
            let ann = trial.ann.clone().unwrap_or_default().name;
            format!("{ann} {} {}", trial.layers.concat(), trial.region)
        };
        let expected = [
            "mobilenet conv_pw_3_relu IT",
            "mobilenet conv_pw_13_relu V4",
            "mobilenet conv_pw_13_relu IT",
            "resnet50 conv_pw_3_relu IT",
        ];
        assert_eq!(trials[..4].iter().map(of).collect::<Vec<_>>(), expected);
        assert_eq!(trials[4..].iter().map(of).collect::<Vec<_>>(), expected);
        assert_eq!((spec.cells(), spec.trial_count()), (4, 8));
    }

    #[test]
    fn a_trial_is_the_same_by_its_position_and_its_cell_by_its_number() {
        let mut spec =
            spec("depth = [0, 1, 2]\ndropout = [0.0, 0.5]\nlinear_path = [\"none\", \"ridge\"]");
        spec.baselines = vec!["ridge".to_owned(), "mean".to_owned()];
        spec.split.as_mut().expect("a split").scheme = "shuffle".to_owned();
        for random in [None, Some(RandomSearch { trials: 9, seed: 3 })] {
            spec.random = random;
            let all = spec.trials().expect("a grid");
            let cells = Cells::of(spec.grid.as_ref().expect("a grid"));
            let trials = spec.positions().expect("a grid");
            assert_eq!(trials.positions(), all.len() as u64);
            for (position, expected) in (0..).zip(&all) {
                let mut visited = 0;
                let found = trials.for_each(position..position + 1, |trial| {
                    visited += 1;
                    assert_eq!(format!("{:032x}", trial.id), expected.id());
                    assert_eq!(&trial.shared.with_cell(trial.cell), expected);
                    let cell = trial.number.map(|number| cells.at(number).expect("a cell"));
                    let is_network = expected.is_nrp_network();
                    assert_eq!(cell, is_network.then(|| expected.cell()));
                    Ok::<_, GridError>(())
                });
                assert_eq!((found, visited), (Ok(()), 1));
            }
            let last = spec.cells() as u64 / 4 - 1;
            assert!(cells.at(last).is_some(), "two layer sets in two regions");
            assert_eq!(cells.at(last + 1), None);
        }
    }

    #[test]
    fn every_cell_and_baseline_is_a_trial_of_each_split() {
        let mut spec = spec("learning_rate = [1e-3]\nlinear_path = [\"none\", \"ridge\"]");
        spec.baselines = vec!["ridge".to_owned()];
        let holdout = spec.trials().expect("a grid");
        assert_eq!(holdout.len(), 4 * 32 + 4);
        spec.split.as_mut().expect("a split").scheme = "shuffle".to_owned();
        let trials = spec.trials().expect("a grid");
        assert_eq!(trials.len(), 10 * holdout.len());
        assert_eq!(spec.trial_count(), trials.len() as u128);
        let ids: HashSet<_> = trials.iter().map(TrialSpec::id).collect();
        assert_eq!(ids.len(), trials.len());
        for number in 0..10 {
            let of = |trial: &&TrialSpec| trial.split_number() == number;
            let trials: Vec<_> = trials.iter().filter(of).collect();
            let cells = |trials: &[&TrialSpec]| {
                let cell = |trial: &&TrialSpec| (trial.cell(), trial.model.clone());
                trials.iter().map(cell).collect::<Vec<_>>()
            };
            assert_eq!(cells(&trials), cells(&holdout.iter().collect::<Vec<_>>()));
            let rest = trials[0].comparable_group();
            assert_eq!(number == 0, rest == first_of(&spec, 0).comparable_group());
        }
        spec.random = Some(RandomSearch { trials: 3, seed: 0 });
        assert_eq!(spec.trials().expect("a search").len(), 10 * (3 + 4));
        assert_eq!(spec.trial_count(), 10 * (3 + 4));
    }

    /// The first trial of a split.
    fn first_of(spec: &SweepSpec, number: u32) -> TrialSpec {
        let mut trials = spec.trials().expect("a grid").into_iter();
        let found = trials.find(|trial| trial.split_number() == number);
        found.expect("a trial of it")
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
    fn without_a_depth_the_linear_baselines_are_the_only_trials() {
        let mut spec = spec("depth = []");
        assert!(spec.trials().is_err(), "there is nothing to try");
        spec.baselines = vec!["ridge".to_owned(), "pls".to_owned()];
        let alone = spec.trials().expect("two baselines");
        assert_eq!((alone.len(), spec.cells()), (8, 0));
        assert_eq!(spec.trial_count(), 8);
        let mut both = self::spec("");
        both.baselines.clone_from(&spec.baselines);
        let both = both.trials().expect("a grid");
        assert_eq!(both[both.len() - 8..], alone, "the same trials");
        spec.split.as_mut().expect("a split").scheme = "shuffle".to_owned();
        assert_eq!(spec.trials().expect("ten splits").len(), 80);
        spec.random = Some(RandomSearch { trials: 1, seed: 0 });
        assert!(spec.trials().is_err(), "nothing can be drawn");
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
