//! What training takes: one cell of the grid, the protocol, the data. Settings and data that no
//! network can be trained with are refused in here.

use super::activations::Activations;
use super::error::TrainError;
use super::network::{MAX_DEPTH, NrpConfig};
use super::scaling::{InputScaling, TargetScaling};
use crate::recording::Noise;

/// How every trial of a sweep is trained.
#[derive(Debug, Clone, PartialEq)]
pub struct Protocol {
    /// Stimuli per step of the optimiser; the last batch of an epoch may be smaller.
    pub batch_size: usize,
    /// Most passes over the training stimuli.
    pub max_epochs: usize,
    /// Epochs without a better validation loss before training stops; 0 never stops early.
    pub patience: usize,
    /// How activations are scaled.
    pub inputs: InputScaling,
    /// How responses are scaled while fitting.
    pub targets: TargetScaling,
}

/// The part of a trial's network that the grid chooses.
#[derive(Debug, Clone, PartialEq)]
pub struct NetworkShape {
    /// Units of NRP-L1, per ANN layer.
    pub l1: usize,
    /// Units of NRP-L2.
    pub l2: usize,
    /// Intermediate layers, 0 to 3.
    pub depth: usize,
    /// Fraction of hidden units dropped in training.
    pub dropout: f64,
}

/// One cell of the grid.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// The network.
    pub network: NetworkShape,
    /// Adam's learning rate.
    pub learning_rate: f64,
    /// Decoupled weight decay, on weights and biases alike; 0 is plain Adam.
    pub weight_decay: f64,
    /// Whether the network is fitted to the residuals of ridge regression, and predicts beside it.
    pub linear_path: bool,
    /// Number of networks, each with its own initial weights, whose predictions are averaged; at
    /// least 1.
    pub ensemble: usize,
    /// Seed of all of the trial's random draws.
    pub seed: u64,
}

/// What a trial is trained and tested on.
pub struct Data<'a> {
    /// Activations of the trial's layer set.
    pub activations: &'a dyn Activations,
    /// `[stimuli, sites]`, row-major, in the recordings' units; NaN where missing.
    pub responses: &'a [f64],
    /// The responses' noise, if stimuli were repeated.
    pub noise: Option<&'a Noise>,
    /// Sites of the region.
    pub sites: usize,
    /// Training stimuli.
    pub train: &'a [usize],
    /// Validation stimuli.
    pub validation: &'a [usize],
    /// Test stimuli.
    pub test: &'a [usize],
    /// Predictions of ridge regression in fitted units, `[train, validation and test stimuli,
    /// sites]`, row-major; each training stimulus is predicted from the others. Trials with a
    /// linear path need it.
    pub linear_path: Option<&'a [f32]>,
}

/// Free parameters of a linear model: a weight for each unit and site, and the sites' intercepts.
pub(crate) fn linear_parameters(data: &Data<'_>) -> u64 {
    let units: usize = data.activations.units().iter().sum();
    (units as u64 + 1) * data.sites as u64
}

impl Data<'_> {
    /// The first activation of a held-out stimulus that is not finite, if there is one.
    pub(crate) fn wild_activation(&self) -> Result<Option<TrainError>, TrainError> {
        for (part, stimuli) in [("validation", self.validation), ("test", self.test)] {
            for &stimulus in stimuli {
                for (layer, &units) in self.activations.units().iter().enumerate() {
                    let mut row = vec![0.0; units];
                    let read = self.activations.gather(layer, &[stimulus], &mut row);
                    read.map_err(|source| TrainError::Activations { layer, source })?;
                    if let Some(unit) = row.iter().position(|value| !value.is_finite()) {
                        return Ok(Some(TrainError::HeldOutActivation {
                            part,
                            stimulus,
                            layer,
                            unit,
                            value: row[unit],
                        }));
                    }
                }
            }
        }
        Ok(None)
    }

    /// Refuses data that no model can be fitted to or scored on.
    pub(crate) fn check(&self) -> Result<(), TrainError> {
        assert!(self.sites > 0, "a region has sites");
        assert_eq!(self.responses.len() % self.sites, 0, "whole rows of sites");
        let parts = [
            ("training", self.train),
            ("validation", self.validation),
            ("test", self.test),
        ];
        for (part, stimuli) in parts {
            let known = self.responses.len() / self.sites;
            if let Some(&stimulus) = stimuli.iter().find(|&&stimulus| stimulus >= known) {
                return Err(TrainError::UnknownStimulus {
                    part,
                    stimulus,
                    stimuli: known,
                });
            }
            let mut cells = stimuli
                .iter()
                .flat_map(|s| &self.responses[s * self.sites..][..self.sites]);
            if cells.all(|cell| cell.is_nan()) {
                let (stimuli, sites) = (stimuli.len(), self.sites);
                return Err(TrainError::NoResponses {
                    part,
                    stimuli,
                    sites,
                });
            }
        }
        Ok(())
    }
}

impl Trial {
    /// How many numbers it learns: those of its networks, and of the linear path.
    pub fn parameters(&self, data: &Data<'_>) -> u64 {
        let linear = if self.linear_path {
            linear_parameters(data)
        } else {
            0
        };
        self.config(data).parameters() * self.ensemble as u64 + linear
    }

    /// Its network on these activations and sites.
    pub fn config(&self, data: &Data<'_>) -> NrpConfig {
        let NetworkShape {
            l1,
            l2,
            depth,
            dropout,
        } = self.network;
        NrpConfig {
            inputs: data.activations.units().to_vec(),
            l1,
            l2,
            depth,
            sites: data.sites,
            dropout,
        }
    }

    /// Refuses settings and data that no network can be trained with.
    pub(crate) fn check(&self, protocol: &Protocol, data: &Data<'_>) -> Result<(), TrainError> {
        let NetworkShape {
            l1,
            l2,
            depth,
            dropout,
        } = self.network;
        let refuse = |wrong: bool, setting, value: String, wanted| {
            if wrong {
                Err(TrainError::Setting {
                    setting,
                    value,
                    wanted,
                })
            } else {
                Ok(())
            }
        };
        let rate = self.learning_rate;
        let decay = self.weight_decay;
        refuse(
            depth > MAX_DEPTH,
            "depth",
            depth.to_string(),
            "0, 1, 2 or 3",
        )?;
        refuse(depth > 0 && l1 == 0, "l1", l1.to_string(), "at least 1")?;
        refuse(depth > 1 && l2 == 0, "l2", l2.to_string(), "at least 1")?;
        refuse(
            !(0.0..1.0).contains(&dropout),
            "dropout",
            dropout.to_string(),
            "from 0 to below 1",
        )?;
        refuse(
            !(rate > 0.0 && rate.is_finite()),
            "learning_rate",
            rate.to_string(),
            "above 0",
        )?;
        refuse(
            !(decay >= 0.0 && decay.is_finite()),
            "weight_decay",
            decay.to_string(),
            "0 or above",
        )?;
        let networks = self.ensemble;
        refuse(
            networks == 0,
            "ensemble",
            networks.to_string(),
            "at least 1",
        )?;
        assert!(
            !self.linear_path || data.linear_path.is_some(),
            "a trial with a linear path needs its predictions"
        );
        let (batch, epochs) = (protocol.batch_size, protocol.max_epochs);
        refuse(batch == 0, "batch_size", batch.to_string(), "at least 1")?;
        refuse(epochs == 0, "max_epochs", epochs.to_string(), "at least 1")?;

        data.check()
    }
}
