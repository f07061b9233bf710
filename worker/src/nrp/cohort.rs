//! A cohort: lanes of one seed, trained epoch by epoch from the same batches.
//!
//! Each lane has its own learning rate, early stopping, best weights and failure. One that ends
//! leaves after the epoch, and the others close up. Of the best weights only what they predict for
//! the test stimuli is kept: that is all that is ever asked of them, and it is far smaller.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use burn::tensor::Device;

use super::adam::Adam;
use super::draws::{Draws, Purpose};
use super::engine::{Array, Engine, LaneConfig, Targets};
use super::error::TrainError;
use super::metrics::score;
use super::network::Parameter;
use super::scaling::SiteStatistics;
use super::source::Source;
use super::train::{EpochReport, Trained, Watch};
use super::trial::{Data, Protocol, Trial};

/// A loss this many times that of the constant prediction is divergence. Adam's steps are bounded,
/// so a learning rate of 1e6 may stay finite; nothing is learned at such a distance.
const DIVERGED: f64 = 1e8;

/// A trial in a cohort.
pub(super) struct Lane {
    /// The trial's place among those of its job.
    pub(super) trial: usize,
    pub(super) config: LaneConfig,
    best: Option<Best>,
}

/// What is kept of the best weights so far.
struct Best {
    epoch: usize,
    validation_mse: f64,
    /// `[test stimuli, sites]`, in fitted units.
    predicted: Vec<f32>,
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
    /// Responses of the source's stimuli, in fitted units.
    targets: &'a [f32],
    validation: &'a [Vec<usize>],
    test: &'a [Vec<usize>],
}

impl Lane {
    /// The lane of a trial.
    pub(super) fn new(number: usize, trial: &Trial, data: &Data<'_>) -> Self {
        let config = LaneConfig {
            network: trial.config(data),
            adam: Adam {
                learning_rate: trial.learning_rate,
                weight_decay: trial.weight_decay,
            },
            seed: trial.seed,
        };
        Self::of(number, config)
    }

    /// A lane that has not begun.
    pub(super) fn of(trial: usize, config: LaneConfig) -> Self {
        Self {
            trial,
            config,
            best: None,
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
        watch: &mut dyn Watch,
    ) -> Result<(), TrainError> {
        // burn's backends panic where a device has no more memory.
        let trained = catch_unwind(AssertUnwindSafe(|| self.run(lanes, watch)));
        trained.unwrap_or_else(|panic| match out_of_memory(&*panic) {
            Some(reason) => Err(TrainError::OutOfMemory { reason }),
            None => resume_unwind(panic),
        })
    }

    fn run(&self, lanes: &mut Vec<Lane>, watch: &mut dyn Watch) -> Result<(), TrainError> {
        let Some(first) = lanes.first() else {
            return Ok(());
        };
        let seed = first.config.seed;
        let configs: Vec<LaneConfig> = lanes.iter().map(|lane| lane.config.clone()).collect();
        let values = |lane: usize, parameter: Parameter| {
            let LaneConfig { network, seed, .. } = &configs[lane];
            network.first_values(*seed, parameter)
        };
        let data = self.data;
        let stimuli = [data.train, data.validation, data.test].concat();
        let targets = self.sites.scaled(data.responses, &stimuli);
        let held_out = data.train.len() + data.validation.len();
        let mut run = Run {
            setting: self,
            array: self.engine.array(&configs, &values, self.device)?,
            lanes,
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

    /// Scores a lane's best weights.
    fn score(&self, lane: &LaneConfig, best: &Best, epochs: usize) -> Result<Trained, TrainError> {
        let data = self.data;
        let mut predicted = best.predicted.clone();
        self.sites.restore(&mut predicted);
        if let Some(wild) = predicted.iter().find(|value| !value.is_finite()) {
            return Err(TrainError::Diverged {
                epoch: best.epoch,
                learning_rate: lane.adam.learning_rate,
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
            let goes_on = losses.and_then(|(training_mse, validation_mse)| {
                let best = lane.best.as_ref().expect("remembered just before");
                let report = EpochReport {
                    epoch,
                    training_mse,
                    validation_mse,
                    best_epoch: best.epoch,
                };
                if watch.on_epoch(lane.trial, report).is_break() {
                    return Err(TrainError::Interrupted { epoch });
                }
                let waited = protocol.patience > 0 && epoch - best.epoch >= protocol.patience;
                match waited || epoch == protocol.max_epochs {
                    true => Ok(Some(self.setting.score(&lane.config, best, epoch)?)),
                    false => Ok(None),
                }
            });
            stay.push(matches!(goes_on, Ok(None)));
            if let Some(ended) = goes_on.transpose() {
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

    /// Trains an epoch. Returns each lane's mean squared error over its batches, and that on the
    /// validation stimuli afterwards.
    #[expect(
        clippy::type_complexity,
        reason = "one result per lane within that of all"
    )]
    fn losses(
        &mut self,
        epoch: usize,
        order: &[usize],
    ) -> Result<Vec<Result<(f64, f64), TrainError>>, TrainError> {
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
        let (measured, present) = targets.at(&self.validation.concat());
        let lanes = self.lanes.iter().zip(learn).zip(predicted);
        let losses = lanes.map(|((lane, squares), predicted)| {
            let training = setting.sane(&lane.config, epoch, squares / cells as f64)?;
            let validation = squares_of(&predicted, &measured) / present as f64;
            Ok((training, setting.sane(&lane.config, epoch, validation)?))
        });
        Ok(losses.collect())
    }

    /// Keeps what the weights of the lanes that are better than ever predict for the test stimuli.
    fn remember_best(
        &mut self,
        epoch: usize,
        losses: &[Result<(f64, f64), TrainError>],
    ) -> Result<(), TrainError> {
        let better = self.lanes.iter().zip(losses).map(|(lane, losses)| {
            let (_, found) = *losses.as_ref().ok()?;
            let best = lane.best.as_ref();
            best.is_none_or(|best| found < best.validation_mse)
                .then_some(found)
        });
        let better: Vec<Option<f64>> = better.collect();
        if better.iter().all(Option::is_none) {
            return Ok(());
        }
        let source = self.setting.source;
        let predicted = source.read(self.test, |reader| self.array.predict(reader))?;
        for ((lane, better), predicted) in self.lanes.iter_mut().zip(better).zip(predicted) {
            if let Some(validation_mse) = better {
                lane.best = Some(Best {
                    epoch,
                    validation_mse,
                    predicted,
                });
            }
        }
        Ok(())
    }
}

/// Squared errors, summed over the present cells.
fn squares_of(predicted: &[f32], measured: &[f32]) -> f64 {
    let cells = predicted.iter().zip(measured);
    let present = cells.filter(|(_, measured)| !measured.is_nan());
    present
        .map(|(predicted, measured)| (f64::from(*predicted) - f64::from(*measured)).powi(2))
        .sum()
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
