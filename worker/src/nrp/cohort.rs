//! A cohort: lanes of one seed, trained epoch by epoch from the same batches.
//!
//! Each lane has its own learning rate, early stopping, best weights and failure. A lane that ends
//! leaves after the epoch, and the others close up. Of the best weights only the predictions for
//! the held-out stimuli are kept: nothing else is needed, and they are far smaller.
//!
//! Beside a linear path a network learns the residuals of ridge regression. A training stimulus's
//! residual comes from the fit to the other stimuli: the residuals of a fit to all are close to
//! zero, and say nothing about new stimuli.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::tensor::Device;

use super::array::{Array, LaneConfig, Targets};
use super::draws::{Draws, Purpose};
use super::engine::Engine;
use super::ensemble::Ensembles;
use super::error::TrainError;
use super::lane::{Best, Lane};
use super::network::Parameter;
use super::scores::score;
use super::sites::SiteStatistics;
use super::source::Source;
use super::trial::{Data, Protocol};
use super::watch::{EpochReport, Trained, Watch};

/// A loss this many times that of the constant prediction counts as divergence. Adam's steps are
/// bounded, so the loss may stay finite even at a learning rate of 1e6, but nothing is learned
/// there. Where responses are below 1, a loss of 1 is the reference: initial weights predict
/// numbers of that size.
const DIVERGED: f64 = 1e8;
/// A held-out activation explains a failure if it exceeds this value, and exceeds all training
/// activations by this factor.
const FAR: f32 = 1e3;

/// A lane's losses in one epoch.
struct Losses {
    /// Mean squared error over its batches.
    training_mse: f64,
    /// Mean squared error on the validation stimuli after the epoch.
    validation_mse: f64,
    /// `[validation stimuli, sites]`
    of_validation: Vec<f32>,
}

/// What all cohorts of a job are trained on.
pub(super) struct CohortInputs<'a> {
    pub(super) engine: Engine,
    pub(super) protocol: &'a Protocol,
    pub(super) data: &'a Data<'a>,
    /// Training, then validation, then test stimuli.
    pub(super) source: &'a Source<'a>,
    pub(super) sites: &'a SiteStatistics,
    pub(super) device: &'a Device,
}

/// A cohort in training.
struct Run<'a, 'b> {
    inputs: &'a CohortInputs<'a>,
    array: Box<dyn Array>,
    lanes: &'b mut Vec<Lane>,
    ensembles: &'b mut Ensembles,
    /// Responses of the source's stimuli in fitted units, less the linear path's predictions.
    targets: &'a [f32],
    /// The validation targets, NaN at sites that do not select.
    selecting: &'a [f32],
    validation: &'a [Vec<usize>],
    test: &'a [Vec<usize>],
}

impl CohortInputs<'_> {
    /// Trains `lanes`; each is removed when it ends.
    ///
    /// # Errors
    /// When the machine prevents it, or something panicked; the remaining lanes then start again
    /// from the beginning.
    pub(super) fn train(
        &self,
        lanes: &mut Vec<Lane>,
        ensembles: &mut Ensembles,
        watch: &mut dyn Watch,
    ) -> Result<(), TrainError> {
        let trained = catch_unwind(AssertUnwindSafe(|| self.run(lanes, ensembles, watch)));
        trained.unwrap_or_else(|panic| Err(TrainError::of_panic(&*panic)))
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
        // Lanes may be starting again.
        lanes.iter_mut().for_each(|lane| lane.best = None);
        let configs: Vec<LaneConfig> = lanes.iter().map(|lane| lane.config.clone()).collect();
        let values = |lane: usize, parameter: Parameter| lanes[lane].first_values(parameter);
        let array = self.engine.array(&configs, &values, self.device)?;
        let data = self.data;
        let stimuli = [data.train, data.validation, data.test].concat();
        let targets = self.sites.scaled(data.responses, &stimuli);
        let mut targets: Vec<f32> = targets.into_iter().map(|target| target as f32).collect();
        let held_out = data.train.len() + data.validation.len();
        if let Some(path) = data.linear_path.filter(|_| linear_path) {
            assert_eq!(path.len(), targets.len(), "a prediction for each cell");
            targets
                .iter_mut()
                .zip(path)
                .for_each(|(of, path)| *of -= path);
        }
        let selecting = self.selecting(&targets[self.validation_cells()]);
        if linear_path {
            // The path alone, with NRP-out at 0, is a candidate.
            let of_validation = vec![0.0; data.validation.len() * data.sites];
            let best = Best {
                epoch: 0,
                validation_mse: mean_square(&of_validation, &selecting),
                of_validation,
                of_test: vec![0.0; data.test.len() * data.sites],
            };
            lanes
                .iter_mut()
                .for_each(|lane| lane.best = Some(best.clone()));
        }
        let mut run = Run {
            inputs: self,
            array,
            lanes,
            ensembles,
            targets: &targets,
            selecting: &selecting,
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

    /// The range of the validation stimuli's cells among the source's.
    fn validation_cells(&self) -> Range<usize> {
        let Data {
            train,
            validation,
            sites,
            ..
        } = self.data;
        train.len() * sites..(train.len() + validation.len()) * sites
    }

    /// The validation targets that select, NaN at the other sites.
    fn selecting(&self, targets: &[f32]) -> Vec<f32> {
        let cells = targets.iter().zip((0..self.data.sites).cycle());
        let cell = |(target, site): (&f32, usize)| {
            if self.sites.selects(site) {
                *target
            } else {
                f32::NAN
            }
        };
        cells.map(cell).collect()
    }

    fn batches(&self, positions: &[usize]) -> Vec<Vec<usize>> {
        let batches = positions.chunks(self.protocol.batch_size);
        batches.map(<[usize]>::to_vec).collect()
    }

    /// Returns the loss, or the error that training diverged.
    fn sane(&self, lane: &LaneConfig, epoch: usize, loss: f64) -> Result<f64, TrainError> {
        let most = DIVERGED * self.sites.mean_square.max(1.0);
        if loss.is_finite() && loss < most {
            return Ok(loss);
        }
        Err(TrainError::Diverged {
            epoch,
            learning_rate: lane.adam.learning_rate,
            loss,
        })
    }

    /// Finds a held-out activation so far from the training stimuli's that it explains an absurd
    /// prediction. `first` is the position of the part's first stimulus.
    fn far_activation(
        &self,
        part: &'static str,
        first: usize,
        stimuli: &[usize],
    ) -> Result<Option<TrainError>, TrainError> {
        let held_out = self.source.largest(first..first + stimuli.len())?;
        let training = self.source.largest(0..self.data.train.len())?;
        let usual = FAR * training.value.abs().max(1.0);
        // NaN counts as far.
        let is_near = held_out.value.abs() <= usual;
        Ok((!is_near).then(|| TrainError::HeldOutActivation {
            part,
            stimulus: stimuli[held_out.position - first],
            layer: held_out.layer,
            unit: held_out.unit,
            value: held_out.value,
        }))
    }

    /// Returns the validation loss, or the error that explains why it is absurd.
    fn sane_on_validation(
        &self,
        lane: &LaneConfig,
        epoch: usize,
        loss: f64,
    ) -> Result<f64, TrainError> {
        self.sane(lane, epoch, loss).or_else(|diverged| {
            let Data {
                train, validation, ..
            } = self.data;
            let far = self.far_activation("validation", train.len(), validation)?;
            Err(far.unwrap_or(diverged))
        })
    }

    /// Scores the best weights of a lane, or of its ensemble.
    fn score(&self, lane: &Lane, best: &Best, epochs: usize) -> Result<Trained, TrainError> {
        let data = self.data;
        let mut predicted: Vec<f64> = best.of_test.iter().map(|&of| f64::from(of)).collect();
        if let Some(path) = data.linear_path.filter(|_| lane.linear_path) {
            let of_test = &path[path.len() - predicted.len()..];
            predicted
                .iter_mut()
                .zip(of_test)
                .for_each(|(of, path)| *of += f64::from(*path));
        }
        let predicted = self.sites.about_means(predicted);
        if let Some(wild) = predicted.iter().position(|value| !value.is_finite()) {
            let first = data.train.len() + data.validation.len();
            let far = self.far_activation("test", first, data.test)?;
            return Err(far.unwrap_or(TrainError::NonFinitePrediction {
                stimulus: data.test[wild / data.sites],
                site: wild % data.sites,
                value: predicted[wild],
            }));
        }
        let measured = self.sites.measured(data.responses, data.test);
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
            left_out: self.sites.left_out(),
        })
    }
}

impl Run<'_, '_> {
    /// Trains all lanes for one epoch, and removes those that end.
    fn epoch(
        &mut self,
        epoch: usize,
        order: &[usize],
        watch: &mut dyn Watch,
    ) -> Result<(), TrainError> {
        let losses = self.losses(epoch, order)?;
        self.remember_best(epoch, &losses)?;
        let protocol = self.inputs.protocol;
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
                    let selecting = self.selecting;
                    let of_all = self.ensembles.join(lane, best, epoch, |of_validation| {
                        mean_square(of_validation, selecting)
                    });
                    of_all.map(|(best, epochs)| {
                        let score = || self.inputs.score(lane, &best, epochs);
                        // A panic here concerns this trial alone.
                        catch_unwind(AssertUnwindSafe(score))
                            .unwrap_or_else(|panic| Err(TrainError::of_panic(&*panic)))
                    })
                }
                Err(error) => Some(Err(error)),
            };
            if let Some(ended) = ended {
                self.ensembles.end(lane);
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

    /// Trains all lanes for one epoch; returns each lane's losses.
    fn losses(
        &mut self,
        epoch: usize,
        order: &[usize],
    ) -> Result<Vec<Result<Losses, TrainError>>, TrainError> {
        let Self {
            inputs,
            array,
            targets,
            ..
        } = self;
        let targets = Targets {
            values: targets,
            sites: inputs.data.sites,
        };
        let mut batches = inputs.batches(order);
        let mut cells = 0;
        batches.retain(|positions| {
            let (_, present) = targets.at(positions);
            cells += present;
            present > 0
        });
        let learn = inputs
            .source
            .read(&batches, |reader| array.learn(reader, targets))?;
        let predicted = inputs
            .source
            .read(self.validation, |reader| array.predict(reader))?;
        let selecting = self.selecting;
        let lanes = self.lanes.iter().zip(learn).zip(predicted);
        let losses = lanes.map(|((lane, squares), of_validation)| {
            Ok(Losses {
                training_mse: inputs.sane(&lane.config, epoch, squares / cells as f64)?,
                validation_mse: inputs.sane_on_validation(
                    &lane.config,
                    epoch,
                    mean_square(&of_validation, selecting),
                )?,
                of_validation,
            })
        });
        Ok(losses.collect())
    }

    /// Keeps the test predictions of the lanes whose weights are the best so far.
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
        let source = self.inputs.source;
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
