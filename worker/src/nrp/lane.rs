//! A lane of a cohort: one network in training, and what its best weights so far predict.

use super::adam::Adam;
use super::array::LaneConfig;
use super::network::{Parameter, Values};
use super::trial::{Data, Trial};

/// A network in a cohort: a trial's own, or one of its ensemble.
pub(super) struct Lane {
    /// The trial's index in its job.
    pub(super) trial: usize,
    /// Which network of the trial's ensemble, and of how many.
    pub(super) network: (usize, usize),
    /// Seed of the orders in which it takes the training stimuli.
    pub(super) order: u64,
    /// Whether it learns the residuals of ridge regression.
    pub(super) linear_path: bool,
    /// Its network, its optimiser and the seed of its own draws.
    pub(super) config: LaneConfig,
    /// What its best weights so far predict.
    pub(super) best: Option<Best>,
}

/// Losses and predictions of the best weights so far, in fitted units and without the linear path.
#[derive(Clone)]
pub(super) struct Best {
    pub(super) epoch: usize,
    pub(super) validation_mse: f64,
    /// `[validation stimuli, sites]`
    pub(super) of_validation: Vec<f32>,
    /// `[test stimuli, sites]`
    pub(super) of_test: Vec<f32>,
}

impl Lane {
    /// The lane of one network of a trial.
    pub(super) fn new(number: usize, network: usize, trial: &Trial, data: &Data<'_>) -> Self {
        let config = LaneConfig {
            network: trial.config(data),
            adam: Adam {
                learning_rate: trial.learning_rate,
                weight_decay: trial.weight_decay,
            },
            seed: network_seed(trial.seed, network),
        };
        Self {
            network: (network, trial.ensemble),
            linear_path: trial.linear_path,
            order: trial.seed,
            ..Self::of(number, config)
        }
    }

    /// A lane that is its trial's only network.
    pub(super) fn of(trial: usize, config: LaneConfig) -> Self {
        Self {
            trial,
            network: (0, 1),
            order: config.seed,
            linear_path: false,
            config,
            best: None,
        }
    }

    /// Whether it learns from the same batches and the same targets as another lane.
    pub(super) fn may_join(&self, other: &Self) -> bool {
        (self.order, self.linear_path) == (other.order, other.linear_path)
    }

    /// A parameter's initial values. Beside a linear path NRP-out starts at 0: at first the path
    /// alone predicts.
    pub(super) fn first_values(&self, parameter: Parameter) -> Values<'static> {
        let LaneConfig { network, seed, .. } = &self.config;
        if self.linear_path && network.is_output(parameter) {
            Box::new(|row| row.fill(0.0))
        } else {
            network.first_values(*seed, parameter)
        }
    }
}

/// Seed of a network's own draws; the first network has the trial's seed.
pub(super) fn network_seed(of_trial: u64, network: usize) -> u64 {
    // The golden ratio's bits: a trial's seeds all differ, and none collides with a seed that users
    // choose.
    of_trial.wrapping_add((network as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_networks_draw_alike() {
        let seeds: BTreeSet<u64> = (0..3)
            .flat_map(|of| (0..100).map(move |network| network_seed(of, network)))
            .collect();
        assert_eq!(seeds.len(), 300);
        assert_eq!(network_seed(7, 0), 7);
    }
}
