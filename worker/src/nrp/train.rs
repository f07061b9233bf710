//! Training: one trial from its first weights to its scores on the test stimuli.
//!
//! Mean squared error over the present cells, Adam, early stopping on the validation stimuli, best
//! weights restored. No clock and no thread of its own; the caller hears of every epoch and may
//! stop there. The outcome belongs to the trial: same trial, same device, same bits.

use std::ops::ControlFlow;

use burn::tensor::{Device, Tensor};

use super::adam::{Adam, Moments};
use super::draws::{Draws, Purpose};
use super::engine::{Batch, Engine};
use super::error::TrainError;
use super::metrics::{RegionScores, score};
use super::network::{Dropout, NrpConfig, NrpNetwork, matrix};
use super::scaling::{InputStatistics, SiteStatistics};
use super::source::{Buffers, RESIDENT_BYTES, Source};
use super::trial::{Data, NetworkShape, Protocol, Trial};

/// What the caller hears after each epoch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EpochReport {
    /// The epoch, from 1.
    pub epoch: usize,
    /// Mean squared error over the epoch's batches, in fitted target units.
    pub training_mse: f64,
    /// Mean squared error on the validation stimuli after the epoch, in fitted target units.
    pub validation_mse: f64,
    /// The epoch with the lowest validation loss so far.
    pub best_epoch: usize,
}

/// A finished trial.
#[derive(Debug, Clone, PartialEq)]
pub struct Trained {
    /// Scores of the best weights on the test stimuli, in the recordings' units.
    pub test: RegionScores,
    /// Mean squared error of the best weights over the present validation cells, in fitted target
    /// units: with standardised targets 1 is about what the mean predictor gets.
    pub validation_mse: f64,
    /// The epoch of the best weights, from 1.
    pub best_epoch: usize,
    /// Epochs trained.
    pub epochs: usize,
}

/// A loss this many times that of the constant prediction is divergence. Adam's steps are bounded,
/// so a learning rate of 1e6 may stay finite; nothing is learned at such a distance.
const DIVERGED: f64 = 1e8;

/// Trains one trial and scores its best weights on the test stimuli.
///
/// `on_epoch` is called after every epoch; [`ControlFlow::Break`] stops the trial.
///
/// # Errors
/// When the trial diverges or is stopped, or its data cannot be used.
pub fn train(
    trial: &Trial,
    protocol: &Protocol,
    data: &Data<'_>,
    statistics: &InputStatistics,
    device: &Device,
    on_epoch: &mut dyn FnMut(EpochReport) -> ControlFlow<()>,
) -> Result<Trained, TrainError> {
    let limits = Limits {
        engine: Engine::of(device),
        resident_bytes: RESIDENT_BYTES,
    };
    train_within(limits, trial, protocol, data, statistics, device, on_epoch)
}

/// What does not change an outcome (the engine: no more than rounding does).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// How the wide products are made.
    pub(crate) engine: Engine,
    /// Scaled activations that may stay in memory.
    pub(crate) resident_bytes: usize,
}

/// [`train`], with its limits given.
pub(crate) fn train_within(
    limits: Limits,
    trial: &Trial,
    protocol: &Protocol,
    data: &Data<'_>,
    statistics: &InputStatistics,
    device: &Device,
    on_epoch: &mut dyn FnMut(EpochReport) -> ControlFlow<()>,
) -> Result<Trained, TrainError> {
    trial.check(protocol, data)?;
    assert_eq!(
        statistics.units(),
        data.activations.units(),
        "statistics belong to these activations"
    );
    let sites = SiteStatistics::measure(data, protocol.targets)?;
    let split = Split::new(data);
    let targets = sites.scaled(data.responses, &split.stimuli);
    let source = Source::open(
        data.activations,
        statistics,
        protocol.inputs,
        split.stimuli.clone(),
        split.train + split.validation,
        limits.resident_bytes,
    )?;
    let mut run = Run {
        learner: Learner::new(trial, data, limits.engine, device),
        source,
        targets,
        buffers: Buffers::default(),
        batch_size: protocol.batch_size,
        diverged: DIVERGED * sites.mean_square.max(f64::MIN_POSITIVE),
        learning_rate: trial.learning_rate,
    };
    let fitted = run.fit(trial.seed, protocol, &split, on_epoch)?;

    let test: Vec<usize> = (split.train + split.validation..split.stimuli.len()).collect();
    let mut predicted = run.predict(&test)?;
    sites.restore(&mut predicted);
    if let Some(wild) = predicted.iter().find(|value| !value.is_finite()) {
        let loss = f64::from(*wild);
        let epoch = fitted.best_epoch;
        return Err(TrainError::Diverged {
            epoch,
            learning_rate: trial.learning_rate,
            loss,
        });
    }
    let measured: Vec<f32> = data
        .test
        .iter()
        .flat_map(|stimulus| &data.responses[stimulus * data.sites..][..data.sites])
        .copied()
        .collect();
    let noise = data.noise.map(|noise| noise.at(data.test));
    Ok(Trained {
        test: score(
            &predicted,
            &measured,
            data.sites,
            &sites.training_mean,
            noise.as_ref(),
        ),
        validation_mse: fitted.validation_mse,
        best_epoch: fitted.best_epoch,
        epochs: fitted.epochs,
    })
}

/// The stimuli of a split in a row: training, then validation, then test.
struct Split {
    stimuli: Vec<usize>,
    train: usize,
    validation: usize,
}

impl Split {
    fn new(data: &Data<'_>) -> Self {
        Self {
            stimuli: [data.train, data.validation, data.test].concat(),
            train: data.train.len(),
            validation: data.validation.len(),
        }
    }
}

/// A network and its optimiser.
pub(crate) struct Learner {
    pub(crate) network: NrpNetwork,
    adam: Adam,
    wide: Vec<Moments>,
    wide_bias: Moments,
    dense: Vec<[Moments; 2]>,
    dropout: Dropout,
    engine: Engine,
    device: Device,
}

impl Learner {
    fn new(trial: &Trial, data: &Data<'_>, engine: Engine, device: &Device) -> Self {
        let NetworkShape {
            l1,
            l2,
            depth,
            dropout,
        } = trial.network;
        let inputs = data.activations.units().to_vec();
        let config = NrpConfig {
            inputs,
            l1,
            l2,
            depth,
            sites: data.sites,
            dropout,
        };
        let network = config.init(trial.seed, device);
        let adam = Adam::new(trial.learning_rate, trial.weight_decay);
        Self::of(
            network,
            adam,
            Dropout::new(dropout, trial.seed),
            engine,
            device,
        )
    }

    /// A learner that starts from `network`.
    pub(crate) fn of(
        network: NrpNetwork,
        adam: Adam,
        dropout: Dropout,
        engine: Engine,
        device: &Device,
    ) -> Self {
        let zeros = |parameter: &Tensor<2>| Moments::zeros(parameter, engine);
        Self {
            wide: network.wide.iter().map(zeros).collect(),
            wide_bias: zeros(&network.wide_bias),
            dense: network
                .dense
                .iter()
                .map(|layer| [zeros(&layer.weight), zeros(&layer.bias)])
                .collect(),
            network,
            adam,
            dropout,
            engine,
            device: device.clone(),
        }
    }

    /// First moments of all parameters: wide weights, their bias, then weight and bias of each
    /// dense layer.
    #[cfg(test)]
    pub(crate) fn first_moments(&self) -> Vec<Vec<f32>> {
        let dense = self.dense.iter().flatten();
        let moments = self.wide.iter().chain([&self.wide_bias]).chain(dense);
        moments.map(Moments::first).collect()
    }

    /// One step of the optimiser. Returns the batch's summed squared error, still on the device,
    /// as `[1]`, and its present cells; a batch without any changes nothing.
    ///
    /// # Shapes
    /// - `targets`: `[stimuli, sites]`, row-major, in fitted units, NaN where missing
    pub(crate) fn step(
        &mut self,
        batch: &Batch<'_>,
        targets: Vec<f32>,
    ) -> Result<Option<(Tensor<1>, usize)>, TrainError> {
        let present = targets.iter().filter(|target| !target.is_nan()).count();
        if present == 0 {
            return Ok(None);
        }
        let products = batch.products(&self.network.wide);
        let (predicted, hidden) = self.network.record(products, &mut self.dropout);
        let errors = self.errors(predicted, targets, present);
        let loss = errors.clone().mul(errors.clone()).sum();

        let gradients = self
            .network
            .backward(hidden, errors.mul_scalar(2.0 / present as f64));
        let step = self.adam.step();
        for layer in 0..self.wide.len() {
            let upstream = self.network.block(&gradients.products, layer);
            let weight = &mut self.network.wide[layer];
            batch.descend(layer, upstream, weight, &mut self.wide[layer], step)?;
        }
        self.wide_bias
            .descend(step, &mut self.network.wide_bias, gradients.wide_bias)?;
        let layers = self
            .network
            .dense
            .iter_mut()
            .zip(gradients.dense)
            .zip(&mut self.dense);
        for ((layer, gradient), [weight, bias]) in layers {
            weight.descend(step, &mut layer.weight, gradient.weight)?;
            bias.descend(step, &mut layer.bias, gradient.bias)?;
        }
        Ok(Some((loss, present)))
    }

    /// `[stimuli, sites]`: prediction less target, 0 where the target is missing.
    fn errors(&self, predicted: Tensor<2>, mut targets: Vec<f32>, present: usize) -> Tensor<2> {
        let shape = predicted.dims();
        if present == targets.len() {
            return predicted - matrix(targets, shape, &self.device);
        }
        let mask = targets
            .iter()
            .map(|target| f32::from(u8::from(!target.is_nan())))
            .collect();
        targets
            .iter_mut()
            .filter(|target| target.is_nan())
            .for_each(|target| *target = 0.0);
        (predicted - matrix(targets, shape, &self.device)) * matrix(mask, shape, &self.device)
    }
}

/// A trial under way.
struct Run<'a> {
    learner: Learner,
    source: Source<'a>,
    /// `[positions, sites]`, in fitted units.
    targets: Vec<f32>,
    buffers: Buffers,
    batch_size: usize,
    /// The loss from which on the trial counts as diverged.
    diverged: f64,
    learning_rate: f64,
}

/// What fitting found.
struct Fitted {
    validation_mse: f64,
    best_epoch: usize,
    epochs: usize,
}

impl Run<'_> {
    /// Trains until the protocol says stop, and leaves the best weights in the network.
    fn fit(
        &mut self,
        seed: u64,
        protocol: &Protocol,
        split: &Split,
        on_epoch: &mut dyn FnMut(EpochReport) -> ControlFlow<()>,
    ) -> Result<Fitted, TrainError> {
        let validation: Vec<usize> = (split.train..split.train + split.validation).collect();
        let mut order: Vec<usize> = (0..split.train).collect();
        let mut draws = Draws::new(seed, Purpose::Order);
        let mut best: Option<(NrpNetwork, f64, usize)> = None;
        let mut epochs = 0;
        for epoch in 1..=protocol.max_epochs {
            draws.shuffle(&mut order);
            let training_mse = self.epoch(&order)?;
            self.sane(epoch, training_mse)?;
            let validation_mse = self.validation_mse(&validation)?;
            self.sane(epoch, validation_mse)?;
            epochs = epoch;
            if best
                .as_ref()
                .is_none_or(|(_, lowest, _)| validation_mse < *lowest)
            {
                best = Some((self.learner.network.clone(), validation_mse, epoch));
            }
            let best_epoch = best
                .as_ref()
                .map_or(epoch, |(_, _, best_epoch)| *best_epoch);
            let report = EpochReport {
                epoch,
                training_mse,
                validation_mse,
                best_epoch,
            };
            if on_epoch(report).is_break() {
                return Err(TrainError::Interrupted { epoch });
            }
            if protocol.patience > 0 && epoch - best_epoch >= protocol.patience {
                break;
            }
        }
        let (network, validation_mse, best_epoch) = best.expect("at least one epoch");
        self.learner.network = network;
        Ok(Fitted {
            validation_mse,
            best_epoch,
            epochs,
        })
    }

    /// One pass over the training stimuli; returns the mean squared error over its batches.
    fn epoch(&mut self, order: &[usize]) -> Result<f64, TrainError> {
        // Losses stay on the device until the epoch is over: reading one waits for its step.
        let mut losses = Vec::with_capacity(order.len().div_ceil(self.batch_size));
        let mut cells = 0;
        for positions in order.chunks(self.batch_size) {
            let targets = rows_of(
                &self.targets,
                self.learner.network.config().sites,
                positions,
            );
            let rows = self.source.rows(positions, &mut self.buffers)?;
            let batch = self.learner.engine.batch(rows, &self.learner.device);
            if let Some((loss, present)) = self.learner.step(&batch, targets)? {
                losses.push(loss);
                cells += present;
            }
        }
        let mut sum = 0.0;
        for loss in losses {
            sum += f64::from(loss.try_into_scalar::<f32>().map_err(TrainError::device)?);
        }
        Ok(sum / cells as f64)
    }

    /// Mean squared error over the present cells at `positions`, in fitted units.
    fn validation_mse(&mut self, positions: &[usize]) -> Result<f64, TrainError> {
        let predicted = self.predict(positions)?;
        let targets = rows_of(
            &self.targets,
            self.learner.network.config().sites,
            positions,
        );
        let (mut sum, mut cells) = (0.0, 0_usize);
        for (predicted, target) in predicted.iter().zip(&targets) {
            if !target.is_nan() {
                sum += (f64::from(*predicted) - f64::from(*target)).powi(2);
                cells += 1;
            }
        }
        Ok(sum / cells as f64)
    }

    /// `[positions, sites]`, row-major, in fitted units.
    fn predict(&mut self, positions: &[usize]) -> Result<Vec<f32>, TrainError> {
        let network = &self.learner.network;
        let mut predicted = Vec::with_capacity(positions.len() * network.config().sites);
        for positions in positions.chunks(self.batch_size) {
            let rows = self.source.rows(positions, &mut self.buffers)?;
            let batch = self.learner.engine.batch(rows, &self.learner.device);
            let values = network
                .predict(batch.products(&network.wide))
                .try_into_data();
            let values = values.map_err(TrainError::device)?;
            predicted.extend_from_slice(values.as_slice::<f32>().map_err(TrainError::device)?);
        }
        Ok(predicted)
    }

    fn sane(&self, epoch: usize, loss: f64) -> Result<(), TrainError> {
        if loss.is_finite() && loss < self.diverged {
            return Ok(());
        }
        Err(TrainError::Diverged {
            epoch,
            learning_rate: self.learning_rate,
            loss,
        })
    }
}

/// The rows of `values` (`[any, sites]`) at `positions`, in their order.
fn rows_of(values: &[f32], sites: usize, positions: &[usize]) -> Vec<f32> {
    positions
        .iter()
        .flat_map(|position| &values[position * sites..][..sites])
        .copied()
        .collect()
}
