//! The grid: from a sweep whose files have been found to its trials. Pure, and the same on every
//! machine: client and coordinator expand alike.

use super::{Pruning, SweepFile};
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
    /// The product of the axes is too large.
    #[error("sweep `{name}` has {cells} cells, and {TRIALS_MAX} is the most")]
    #[diagnostic(help("shorten an axis of the grid, or submit it in parts under several names"))]
    TooLarge {
        /// The sweep's name.
        name: String,
        /// Cells counted.
        cells: u128,
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
    /// Cells of the grid as written, without expanding it.
    fn cells(&self) -> u128 {
        let Some(grid) = &self.grid else { return 0 };
        let layer_sets: usize = self.anns.iter().map(|ann| ann.layer_sets.len()).sum();
        [
            layer_sets,
            self.regions.len(),
            grid.l1.len(),
            grid.l2.len(),
            grid.depth.len(),
            grid.learning_rate.len(),
            grid.weight_decay.len(),
            grid.dropout.len(),
            grid.seed.len(),
        ]
        .iter()
        .map(|&n| n as u128)
        .product()
    }

    /// The sweep's trials, in the order of the file, each once.
    ///
    /// Cells that differ only in what their depth does not have (NRP-L2's size at depth 1, say)
    /// are one trial.
    ///
    /// # Errors
    /// When there are more than [`TRIALS_MAX`] cells, or none.
    pub fn trials(&self) -> Result<Vec<TrialSpec>, GridError> {
        let empty = |part| GridError::Empty {
            name: self.name.clone(),
            part,
        };
        let cells = self.cells();
        if cells > u128::from(TRIALS_MAX) {
            return Err(GridError::TooLarge {
                name: self.name.clone(),
                cells,
            });
        }
        let grid = self.grid.as_ref().ok_or_else(|| empty("the grid"))?;
        if self.split.is_none() || self.training.is_none() {
            return Err(empty("the split or the training protocol"));
        }
        let mut trials = Vec::new();
        let mut ids = HashSet::new();
        for entry in &self.anns {
            for layer_set in &entry.layer_sets {
                for region in &self.regions {
                    let base = TrialSpec {
                        ann: entry.ann.clone(),
                        recordings_digest: self.recordings_digest.clone(),
                        region: region.clone(),
                        split: self.split.clone(),
                        layers: layer_set.layers.clone(),
                        training: self.training.clone(),
                        ..Default::default()
                    };
                    for trial in grid_of(&base, grid) {
                        if ids.insert(trial.id()) {
                            trials.push(trial);
                        }
                    }
                }
            }
        }
        match trials.is_empty() {
            true => Err(empty("an axis")),
            false => Ok(trials),
        }
    }
}

/// Every cell of `grid` on top of `base`.
fn grid_of<'a>(base: &'a TrialSpec, grid: &'a Grid) -> impl Iterator<Item = TrialSpec> + 'a {
    grid.depth.iter().flat_map(move |&depth| {
        grid.l1.iter().flat_map(move |&l1| {
            grid.l2.iter().flat_map(move |&l2| {
                grid.learning_rate.iter().flat_map(move |&learning_rate| {
                    grid.weight_decay.iter().flat_map(move |&weight_decay| {
                        grid.dropout.iter().flat_map(move |&dropout| {
                            grid.seed.iter().map(move |&seed| TrialSpec {
                                l1: (depth >= 1).then_some(l1),
                                l2: (depth >= 2).then_some(l2),
                                depth,
                                learning_rate,
                                weight_decay,
                                dropout: if depth >= 1 { dropout } else { 0.0 },
                                seed,
                                ..base.clone()
                            })
                        })
                    })
                })
            })
        })
    })
}

impl SweepFile {
    /// The sweep on the wire, but for what only the files can tell: digests, preprocessing and the
    /// data directory, which the caller fills in. The file must have passed [`SweepFile::check`].
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
        }
    }
}

/// One entry for each sparsity of an ANN.
fn ann_entries(table: &super::AnnTable) -> impl Iterator<Item = AnnEntry> + '_ {
    let pruning = match &table.pruning {
        None => String::new(),
        Some(Pruning::Rule(rule)) => rule.clone(),
        Some(Pruning::Checkpoints(_)) => "checkpoints".to_owned(),
    };
    table.sparsity.iter().map(move |&sparsity| AnnEntry {
        ann: Some(AnnSpec {
            name: table.name.clone(),
            weights_digest: String::new(),
            // The word of the file, until the caller puts its id there.
            preprocessing: table.preprocessing.clone().unwrap_or_default(),
            sparsity,
            pruning: if sparsity > 0.0 {
                pruning.clone()
            } else {
                String::new()
            },
        }),
        weights: table.weights.clone(),
        layer_sets: table
            .layer_sets
            .iter()
            .map(|layers| LayerSet {
                layers: layers.clone(),
            })
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
    }

    #[test]
    fn the_id_is_of_the_content_not_of_where_it_lies() {
        let one = spec("");
        let mut moved = one.clone();
        moved.data_dir = "elsewhere".to_owned();
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
    fn trial_ids_do_not_change_between_versions() {
        let trials = spec("").trials().expect("a grid");
        insta::assert_snapshot!(trials[0].id(), @"6721a9d6a07d90598fcd3175278715f6");
    }
}
