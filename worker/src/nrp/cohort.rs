//! A cohort: lanes of one seed, trained epoch by epoch from the same batches.
//!
//! Each lane has its own learning rate, early stopping, best weights and failure. One that ends
//! leaves after the epoch, and the others close up. Of the best weights only what they predict for
//! the held-out stimuli is kept: that is all that is ever asked of them, and it is far smaller.
//!
//! Beside a linear path a network learns what ridge regression leaves of the responses. Of a training
//! stimulus that is what is left by the fit to the others: what is left by a fit to all is close to
//! nothing, and says nothing about new stimuli.

use std::any::Any;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use burn::tensor::Device;

use super::adam::Adam;
use super::draws::{Draws, Purpose};
use super::engine::{Array, Engine, LaneConfig, Targets};
use super::ensemble::{self, Ensembles};
use super::error::TrainError;
use super::metrics::score;
use super::network::{Parameter, Values};
use super::scaling::SiteStatistics;
use super::source::Source;
use super::train::{EpochReport, Trained, Watch};
use super::trial::{Data, Protocol, Trial};

/// A loss this many times that of the constant prediction is divergence. Adam's steps are bounded,
/// so a learning rate of 1e6 may stay finite; nothing is learned at such a distance.
const DIVERGED: f64 = 1e8;

/// A network in a cohort: a trial's own, or one of its ensemble.
pub(super) struct Lane {
    /// The trial's place among those of its job.
    pub(super) trial: usize,
    /// Which network of the trial's ensemble, and of how many.
    pub(super) network: (usize, usize),
    /// Seed of the orders in which it takes the training stimuli.
    order: u64,
    /// Whether it learns what ridge regression leaves.
    pub(super) linear_path: bool,
    pub(super) config: LaneConfig,
    best: Option<Best>,
}

/// What is kept of the best weights so far. Predictions are in fitted units, without the linear path.
#[derive(Clone)]
pub(super) struct Best {
    pub(super) epoch: usize,
    pub(super) validation_mse: f64,
    /// `[validation stimuli, sites]`
    pub(super) of_validation: Vec<f32>,
    /// `[test stimuli, sites]`
    pub(super) of_test: Vec<f32>,
}

/// What an epoch came to.
struct Losses {
    /// Mean squared error over its batches.
    training_mse: f64,
    /// The same on the validation stimuli afterwards.
    validation_mse: f64,
    /// `[validation stimuli, sites]`
    of_validation: Vec<f32>,
}

/// What all cohorts of a job share.
pub(super) struct Setting<'a> {
    pub(super) engine: Engine,
    pub(super) protocol: &'a Protocol,
    pub(super) data: &'a Data<'a>,
    /// Training, then validation, then test stimuli.
    pub(super) source: &'a Source<'a>,
    pub(super) sites: &'a SiteStatistics,
    pub(super) device: &'a Device,
}

/// A cohort under way.
struct Run<'a, 'b> {
    setting: &'a Setting<'a>,
    array: Box<dyn Array>,
    lanes: &'b mut Vec<Lane>,
    ensembles: &'b mut Ensembles,
    /// Responses of the source's stimuli, in fitted units, less what a linear path predicts.
    targets: &'a [f32],
    validation: &'a [Vec<usize>],
    test: &'a [Vec<usize>],
}

impl Lane {
    /// The lane of a network of a trial.
    pub(super) fn new(number: usize, network: usize, trial: &Trial, data: &Data<'_>) -> Self {
        let config = LaneConfig {
            network: trial.config(data),
            adam: Adam {
                learning_rate: trial.learning_rate,
                weight_decay: trial.weight_decay,
            },
            seed: ensemble::seed(trial.seed, network),
        };
        Self {
            network: (network, trial.ensemble),
            linear_path: trial.linear_path,
            order: trial.seed,
            ..Self::of(number, config)
        }
    }

    /// A lane that has not begun, alone in its trial.
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

    /// Whether it learns from the same batches, and the same targets, as another.
    pub(super) fn may_join(&self, other: &Self) -> bool {
        (self.order, self.linear_path) == (other.order, other.linear_path)
    }

    /// How a parameter begins. Beside a linear path NRP-out is 0 at first: nothing is better known.
    fn first_values(&self, parameter: Parameter) -> Values<'static> {
        let LaneConfig { network, seed, .. } = &self.config;
        match self.linear_path && network.is_output(parameter) {
            true => Box::new(|row| row.fill(0.0)),
            false => network.first_values(*seed, parameter),
        }
    }
}

impl Setting<'_> {
    /// Trains `lanes`, each of which leaves them when it ends.
    ///
    /// # Errors
    /// When the machine hinders it; the lanes that are left have then not ended.
    pub(super) fn train(
        &self,
        lanes: &mut Vec<Lane>,
        ensembles: &mut Ensembles,
        watch: &mut dyn Watch,
    ) -> Result<(), TrainError> {
        // burn's backends panic where a device has no more memory.
        let trained = catch_unwind(AssertUnwindSafe(|| self.run(lanes, ensembles, watch)));
        trained.unwrap_or_else(|panic| match out_of_memory(&*panic) {
            Some(reason) => Err(TrainError::OutOfMemory { reason }),
            None => resume_unwind(panic),
        })
    }

    fn run(
        &self,
        lanes: &mut Vec<Lane>,
        ensembles: &mut Ensembles,
        watch: &mut dyn Watch,
    ) -> Result<(), TrainError> {
        let Some(first) = lanes.first() else {
            return Ok(());
        };
        let (seed, linear_path) = (first.order, first.linear_path);
        let configs: Vec<LaneConfig> = lanes.iter().map(|lane| lane.config.clone()).collect();
        let values = |lane: usize, parameter: Parameter| lanes[lane].first_values(parameter);
        let array = self.engine.array(&configs, &values, self.device)?;
        let data = self.data;
        let stimuli = [data.train, data.validation, data.test].concat();
        let mut targets = self.sites.scaled(data.responses, &stimuli);
        let held_out = data.train.len() + data.validation.len();
        if let Some(path) = data.linear_path.filter(|_| linear_path) {
            assert_eq!(path.len(), targets.len(), "a prediction for each cell");
            targets
                .iter_mut()
                .zip(path)
                .for_each(|(of, path)| *of -= path);
            // With NRP-out at 0 nothing is added to the path, and that is a candidate.
            let of_validation = vec![0.0; data.validation.len() * data.sites];
            let measured = &targets[data.train.len() * data.sites..held_out * data.sites];
            let best = Best {
                epoch: 0,
                validation_mse: mean_square(&of_validation, measured),
                of_validation,
                of_test: vec![0.0; data.test.len() * data.sites],
            };
            lanes
                .iter_mut()
                .for_each(|lane| lane.best = Some(best.clone()));
        }
        let mut run = Run {
            setting: self,
            array,
            lanes,
            ensembles,
            targets: &targets,
            validation: &self.batches(&Vec::from_iter(data.train.len()..held_out)),
            test: &self.batches(&Vec::from_iter(held_out..stimuli.len())),
        };
        let mut order: Vec<usize> = (0..data.train.len()).collect();
        let mut draws = Draws::new(seed, Purpose::Order);
        for epoch in 1..=self.protocol.max_epochs {
            draws.shuffle(&mut order);
            run.epoch(epoch, &order, watch)?;
            if run.lanes.is_empty() {
                break;
            }
        }
        Ok(())
    }

    /// Where the validation stimuli's cells lie among those of the source.
    fn validation_cells(&self) -> Range<usize> {
        let Data {
            train,
            validation,
            sites,
            ..
        } = self.data;
        train.len() * sites..(train.len() + validation.len()) * sites
    }

    fn batches(&self, positions: &[usize]) -> Vec<Vec<usize>> {
        let batches = positions.chunks(self.protocol.batch_size);
        batches.map(<[usize]>::to_vec).collect()
    }

    /// The loss, unless it is beyond all measure.
    fn sane(&self, lane: &LaneConfig, epoch: usize, loss: f64) -> Result<f64, TrainError> {
        let most = DIVERGED * self.sites.mean_square.max(f64::MIN_POSITIVE);
        if loss.is_finite() && loss < most {
            return Ok(loss);
        }
        Err(TrainError::Diverged {
            epoch,
            learning_rate: lane.adam.learning_rate,
            loss,
        })
    }

    /// Scores the best weights of a lane, or of its ensemble.
    fn score(&self, lane: &Lane, best: &Best, epochs: usize) -> Result<Trained, TrainError> {
        let data = self.data;
        let mut predicted = best.of_test.clone();
        if let Some(path) = data.linear_path.filter(|_| lane.linear_path) {
            let of_test = &path[path.len() - predicted.len()..];
            predicted
                .iter_mut()
                .zip(of_test)
                .for_each(|(of, path)| *of += path);
        }
        self.sites.restore(&mut predicted);
        if let Some(wild) = predicted.iter().find(|value| !value.is_finite()) {
            return Err(TrainError::Diverged {
                epoch: best.epoch,
                learning_rate: lane.config.adam.learning_rate,
                loss: f64::from(*wild),
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
                &self.sites.training_mean,
                noise.as_ref(),
            ),
            validation_mse: best.validation_mse,
            best_epoch: best.epoch,
            epochs,
        })
    }
}

impl Run<'_, '_> {
    /// One epoch of all lanes, after which those that end have left.
    fn epoch(
        &mut self,
        epoch: usize,
        order: &[usize],
        watch: &mut dyn Watch,
    ) -> Result<(), TrainError> {
        let losses = self.losses(epoch, order)?;
        self.remember_best(epoch, &losses)?;
        let protocol = self.setting.protocol;
        let mut stay = Vec::with_capacity(self.lanes.len());
        for (lane, losses) in self.lanes.iter().zip(losses) {
            if self.ensembles.has_ended(lane) {
                stay.push(false);
                continue;
            }
            let goes_on = losses.and_then(|losses| {
                let best = lane.best.as_ref().expect("remembered just before");
                let report = EpochReport {
                    network: lane.network.0,
                    epoch,
                    training_mse: losses.training_mse,
                    validation_mse: losses.validation_mse,
                    best_epoch: best.epoch,
                };
                if watch.on_epoch(lane.trial, report).is_break() {
                    return Err(TrainError::Interrupted { epoch });
                }
                let waited = protocol.patience > 0 && epoch - best.epoch >= protocol.patience;
                Ok(waited || epoch == protocol.max_epochs)
            });
            stay.push(matches!(goes_on, Ok(false)));
            let ended = match goes_on {
                Ok(false) => None,
                Ok(true) => {
                    let best = lane.best.clone().expect("remembered just before");
                    let targets = &self.targets[self.setting.validation_cells()];
                    let of_all = self.ensembles.join(lane, best, epoch, |of_validation| {
                        mean_square(of_validation, targets)
                    });
                    of_all.map(|(best, epochs)| self.setting.score(lane, &best, epochs))
                }
                Err(error) => {
                    self.ensembles.give_up(lane);
                    Some(Err(error))
                }
            };
            if let Some(ended) = ended {
                watch.on_end(lane.trial, ended);
            }
        }
        let mut stays = stay.iter();
        self.lanes.retain(|_| *stays.next().expect("one per lane"));
        if stay.contains(&false) && !self.lanes.is_empty() {
            self.array.keep(&stay)?;
        }
        Ok(())
    }

    /// Trains an epoch. Returns each lane's losses.
    fn losses(
        &mut self,
        epoch: usize,
        order: &[usize],
    ) -> Result<Vec<Result<Losses, TrainError>>, TrainError> {
        let Self {
            setting,
            array,
            targets,
            ..
        } = self;
        let targets = Targets {
            values: targets,
            sites: setting.data.sites,
        };
        let mut batches = setting.batches(order);
        let mut cells = 0;
        batches.retain(|positions| {
            let (_, present) = targets.at(positions);
            cells += present;
            present > 0
        });
        let learn = setting
            .source
            .read(&batches, |reader| array.learn(reader, targets))?;
        let predicted = setting
            .source
            .read(self.validation, |reader| array.predict(reader))?;
        let measured = &targets.values[setting.validation_cells()];
        let lanes = self.lanes.iter().zip(learn).zip(predicted);
        let losses = lanes.map(|((lane, squares), of_validation)| {
            let sane = |loss| setting.sane(&lane.config, epoch, loss);
            Ok(Losses {
                training_mse: sane(squares / cells as f64)?,
                validation_mse: sane(mean_square(&of_validation, measured))?,
                of_validation,
            })
        });
        Ok(losses.collect())
    }

    /// Keeps what the weights of the lanes that are better than ever predict for the test stimuli.
    fn remember_best(
        &mut self,
        epoch: usize,
        losses: &[Result<Losses, TrainError>],
    ) -> Result<(), TrainError> {
        let better = self.lanes.iter().zip(losses).map(|(lane, losses)| {
            let found = losses.as_ref().ok()?;
            let best = lane.best.as_ref();
            best.is_none_or(|best| found.validation_mse < best.validation_mse)
                .then_some(found)
        });
        let better: Vec<Option<&Losses>> = better.collect();
        if better.iter().all(Option::is_none) {
            return Ok(());
        }
        let source = self.setting.source;
        let predicted = source.read(self.test, |reader| self.array.predict(reader))?;
        for ((lane, better), of_test) in self.lanes.iter_mut().zip(better).zip(predicted) {
            if let Some(found) = better {
                lane.best = Some(Best {
                    epoch,
                    validation_mse: found.validation_mse,
                    of_validation: found.of_validation.clone(),
                    of_test,
                });
            }
        }
        Ok(())
    }
}

/// Mean squared error over the present cells.
fn mean_square(predicted: &[f32], measured: &[f32]) -> f64 {
    let cells = predicted.iter().zip(measured);
    let present = cells.filter(|(_, measured)| !measured.is_nan());
    let squares =
        present.map(|(predicted, measured)| (f64::from(*predicted) - f64::from(*measured)).powi(2));
    let (count, sum) = squares.fold((0_usize, 0.0), |(count, sum), square| {
        (count + 1, sum + square)
    });
    sum / count as f64
}

/// What a library said when it panicked, if it had no memory.
fn out_of_memory(panic: &(dyn Any + Send)) -> Option<String> {
    let said = panic.downcast_ref::<String>().map(String::as_str);
    let said = said.or_else(|| panic.downcast_ref::<&str>().copied())?;
    let line = said.lines().next().unwrap_or(said);
    line.to_lowercase()
        .contains("memory")
        .then(|| line.to_owned())
}
