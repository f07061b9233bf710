//! Whole trials on small made-up data.

use std::ops::ControlFlow;

use serde::Deserialize;

use super::draws::{Draws, Purpose};
use super::engine::Engine;
use super::error::TrainError;
use super::in_memory::InMemory;
use super::scaling::{InputScaling, InputStatistics, TargetScaling};
use super::sites::SiteStatistics;
use super::train::{Limits, Training, train_within};
use super::trial::{Data, NetworkShape, Protocol, Trial};
use super::watch::{EpochReport, Trained, Watch};

mod robustness;

/// Made-up recordings: responses of a teacher to random activations.
pub(super) struct World {
    pub(super) activations: InMemory,
    responses: Vec<f64>,
    sites: usize,
    pub(super) train: Vec<usize>,
    validation: Vec<usize>,
    test: Vec<usize>,
}

impl World {
    /// `teacher` turns the first four activations of every layer into a site's mean response.
    pub(super) fn new(
        units: &[usize],
        sites: usize,
        noise: f32,
        teacher: fn(&[f32], usize) -> f32,
    ) -> Self {
        let stimuli = 400;
        let mut draws = Draws::new(99, Purpose::Order);
        // The sum of four uniform draws, near enough to a normal one of variance 1.
        let mut normal = || (0..4).map(|_| draws.unit() - 0.5).sum::<f32>() * 1.732;
        let layers: Vec<Vec<f32>> = units
            .iter()
            .map(|units| (0..stimuli * units).map(|_| normal() * 2.0 + 5.0).collect())
            .collect();
        let mut responses = Vec::new();
        for stimulus in 0..stimuli {
            let seen: Vec<f32> = layers
                .iter()
                .zip(units)
                .flat_map(|(layer, units)| &layer[stimulus * units..][..4])
                .map(|value| (value - 5.0) / 2.0)
                .collect();
            for site in 0..sites {
                responses.push(f64::from(3.5 + teacher(&seen, site) + noise * normal()));
            }
        }
        Self {
            activations: InMemory::new(units.to_vec(), layers),
            responses,
            sites,
            train: (0..280).collect(),
            validation: (280..340).collect(),
            test: (340..400).collect(),
        }
    }

    pub(super) fn data(&self) -> Data<'_> {
        Data {
            activations: &self.activations,
            responses: &self.responses,
            noise: None,
            sites: self.sites,
            train: &self.train,
            validation: &self.validation,
            test: &self.test,
            linear_path: None,
        }
    }

    pub(super) fn train(&self, trial: &Trial, protocol: &Protocol) -> Result<Trained, TrainError> {
        self.watch(trial, protocol, &mut |_, _| ControlFlow::Continue(()))
    }

    fn watch(
        &self,
        trial: &Trial,
        protocol: &Protocol,
        on_epoch: &mut dyn FnMut(usize, EpochReport) -> ControlFlow<()>,
    ) -> Result<Trained, TrainError> {
        let trials = std::slice::from_ref(trial);
        let mut ended = self.fuse(limits(), trials, protocol, on_epoch)?;
        ended.remove(0)
    }

    /// Trains trials together; returns what each ended with.
    pub(super) fn fuse(
        &self,
        limits: Limits,
        trials: &[Trial],
        protocol: &Protocol,
        on_epoch: &mut dyn FnMut(usize, EpochReport) -> ControlFlow<()>,
    ) -> Result<Vec<Result<Trained, TrainError>>, TrainError> {
        let statistics = InputStatistics::measure(&self.activations, &self.train)?;
        let mut watched = Watched {
            on_epoch,
            ended: trials.iter().map(|_| None).collect(),
        };
        let device = crate::device::of_tests();
        let data = self.data();
        let training = Training {
            protocol,
            data: &data,
            statistics: &statistics,
            device: &device,
        };
        train_within(limits, &training, trials, &mut watched)?;
        let ended = watched.ended.into_iter();
        Ok(ended
            .map(|ended| ended.expect("every trial ends"))
            .collect())
    }
}

/// Hears of trials.
pub(super) struct Watched<'a> {
    pub(super) on_epoch: &'a mut dyn FnMut(usize, EpochReport) -> ControlFlow<()>,
    pub(super) ended: Vec<Option<Result<Trained, TrainError>>>,
}

impl Watch for Watched<'_> {
    fn on_start(&mut self, _: usize) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn on_epoch(&mut self, trial: usize, report: EpochReport) -> ControlFlow<()> {
        (self.on_epoch)(trial, report)
    }

    fn on_end(&mut self, trial: usize, ended: Result<Trained, TrainError>) {
        let before = self.ended[trial].replace(ended);
        assert!(before.is_none(), "trial {trial} ended twice");
    }
}

/// Those of the device, with memory for all.
pub(super) fn limits() -> Limits {
    Limits {
        // LibTorch's operations, too, are tested on a processor.
        engine: if crate::device::is_flex(&crate::device::of_tests()) {
            Engine::Host
        } else {
            Engine::Device
        },
        resident_bytes: u64::MAX,
        bytes: u64::MAX,
    }
}

pub(super) fn nonlinear(seen: &[f32], site: usize) -> f32 {
    let [a, b] = [seen[site % seen.len()], seen[(site + 1) % seen.len()]];
    (a + b).max(0.0) - (a - b).max(0.0)
}

fn linear(seen: &[f32], site: usize) -> f32 {
    seen[0] - 0.5 * seen[1] + 0.25 * (site as f32) * seen[2]
}

pub(super) fn trial() -> Trial {
    Trial {
        network: NetworkShape {
            l1: 16,
            l2: 16,
            depth: 2,
            dropout: 0.0,
        },
        learning_rate: 3e-3,
        weight_decay: 0.0,
        linear_path: false,
        ensemble: 1,
        seed: 1,
    }
}

pub(super) fn protocol() -> Protocol {
    Protocol {
        batch_size: 32,
        max_epochs: 60,
        patience: 20,
        inputs: InputScaling::Centred,
        targets: TargetScaling::Standardised,
    }
}

#[test]
fn learns_a_known_teacher() {
    let world = World::new(&[12, 8], 4, 0.1, nonlinear);
    for depth in 1..=3 {
        let trial = Trial {
            network: NetworkShape {
                depth,
                ..trial().network
            },
            ..trial()
        };
        let trained = world.train(&trial, &protocol()).expect("trains");
        let test = &trained.test;
        assert!(
            test.scores.nrp_error < 0.6 * test.scores.mean_predictor_error,
            "depth {depth}: {test:?}"
        );
        assert!(
            test.scores.r2_median.expect("defined") > 0.6,
            "depth {depth}: {test:?}"
        );
        assert!(trained.validation_mse < 0.4);
    }
}

#[test]
fn every_scaling_learns() {
    let world = World::new(&[12, 8], 4, 0.1, nonlinear);
    for inputs in [
        InputScaling::None,
        InputScaling::Centred,
        InputScaling::PerUnit,
    ] {
        for targets in [
            TargetScaling::None,
            TargetScaling::Centred,
            TargetScaling::Standardised,
        ] {
            let protocol = Protocol {
                inputs,
                targets,
                max_epochs: 120,
                ..protocol()
            };
            let trained = world.train(&trial(), &protocol).expect("trains");
            let test = &trained.test;
            let bar = 0.85 * test.scores.mean_predictor_error;
            assert!(
                test.scores.nrp_error < bar,
                "{inputs:?} {targets:?}: {test:?}"
            );
        }
    }
}

#[test]
fn depth_0_approaches_least_squares() {
    let world = World::new(&[6, 5], 3, 0.0, linear);
    let trial = Trial {
        network: NetworkShape {
            depth: 0,
            ..trial().network
        },
        learning_rate: 1e-2,
        ..trial()
    };
    let trained = world
        .train(
            &trial,
            &Protocol {
                max_epochs: 300,
                ..protocol()
            },
        )
        .expect("trains");
    // Without noise least squares is exact; Adam with a fixed rate keeps trembling around it.
    assert!(
        trained.test.scores.r2_mean.expect("defined") > 0.999,
        "{:?}",
        trained.test
    );
}

#[test]
fn the_same_trial_gives_the_same_bits_on_any_number_of_threads() {
    // Enough units for several blocks, and dropout for its draws.
    let world = World::new(&[3_000, 1_100], 4, 0.1, nonlinear);
    let trial = Trial {
        network: NetworkShape {
            dropout: 0.2,
            ..trial().network
        },
        ..trial()
    };
    let protocol = Protocol {
        max_epochs: 3,
        ..protocol()
    };
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .expect("a pool");
        pool.install(|| world.train(&trial, &protocol).expect("trains"))
    };
    let first = run(2);
    for threads in [1, 2, 3, 4] {
        let again = run(threads);
        assert_eq!(again, first, "{threads} threads");
        assert_eq!(
            again.validation_mse.to_bits(),
            first.validation_mse.to_bits()
        );
    }
    let other = Trial { seed: 2, ..trial };
    assert_ne!(world.train(&other, &protocol).expect("trains"), first);
}

#[test]
fn stops_early_and_restores_the_best_weights() {
    // Noise only: the validation loss is at its best early and rises from there.
    let world = World::new(&[200], 2, 1.0, |_, _| 0.0);
    let patience = 5;
    let trial = Trial {
        learning_rate: 1e-2,
        ..trial()
    };
    let mut reports = Vec::new();
    let trained = world
        .watch(
            &trial,
            &Protocol {
                patience,
                ..protocol()
            },
            &mut |_, report| {
                reports.push(report);
                ControlFlow::Continue(())
            },
        )
        .expect("trains");
    let best = reports
        .iter()
        .min_by(|a, b| a.validation_mse.total_cmp(&b.validation_mse))
        .expect("epochs");
    assert_eq!(trained.best_epoch, best.epoch);
    assert_eq!(trained.validation_mse, best.validation_mse);
    assert_eq!(trained.epochs, best.epoch + patience);
    assert_eq!(trained.epochs, reports.len());
    assert!(trained.epochs < 60, "stopped early");

    // Training exactly to the best epoch leaves the same weights, so the same scores.
    let exact = Protocol {
        max_epochs: trained.best_epoch,
        patience: 0,
        ..protocol()
    };
    assert_eq!(
        world.train(&trial, &exact).expect("trains").test,
        trained.test
    );
    // Without patience every epoch is trained, and the best weights are still those restored.
    let patient = world
        .train(
            &trial,
            &Protocol {
                patience: 0,
                ..protocol()
            },
        )
        .expect("trains");
    assert_eq!(patient.epochs, 60);
}

#[test]
fn divergence_is_reported() {
    let world = World::new(&[12, 8], 4, 0.1, nonlinear);
    for depth in 0..=3 {
        let network = NetworkShape {
            depth,
            ..trial().network
        };
        let trial = Trial {
            network,
            learning_rate: 1e6,
            ..trial()
        };
        let error = world.train(&trial, &protocol()).expect_err("diverges");
        let TrainError::Diverged {
            learning_rate,
            epoch,
            ..
        } = error
        else {
            panic!("{error}");
        };
        assert_eq!((learning_rate, epoch), (1e6, 1));
    }
}

#[test]
fn the_caller_may_stop() {
    let world = World::new(&[12], 2, 0.1, nonlinear);
    let error = world
        .watch(&trial(), &protocol(), &mut |_, report| {
            if report.epoch == 3 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })
        .expect_err("stopped");
    assert!(
        matches!(error, TrainError::Interrupted { epoch: 3 }),
        "{error}"
    );
}

#[test]
fn missing_responses_are_skipped() {
    let mut world = World::new(&[12, 8], 4, 0.1, nonlinear);
    for cell in (0..world.responses.len()).step_by(7) {
        world.responses[cell] = f64::NAN;
    }
    // A whole batch's worth of training stimuli without any response.
    for stimulus in 0..40 {
        world.responses[stimulus * 4..][..4].fill(f64::NAN);
    }
    let trained = world.train(&trial(), &protocol()).expect("trains");
    assert!(trained.test.scores.nrp_error < 0.7 * trained.test.scores.mean_predictor_error);
}

#[test]
fn a_site_without_training_responses_is_named() {
    let mut world = World::new(&[12], 3, 0.1, nonlinear);
    for stimulus in &world.train {
        world.responses[stimulus * 3 + 2] = f64::NAN;
    }
    let error = world.train(&trial(), &protocol()).expect_err("refused");
    insta::assert_snapshot!(error, @"site 2 of the region has no response to any of the 280 training stimuli");
}

#[test]
fn a_part_without_responses_is_named() {
    let mut world = World::new(&[12], 3, 0.1, nonlinear);
    for stimulus in &world.test {
        world.responses[stimulus * 3..][..3].fill(f64::NAN);
    }
    let error = world.train(&trial(), &protocol()).expect_err("refused");
    insta::assert_snapshot!(error, @"all responses of the test stimuli are missing: 60 stimuli, 3 sites");
    world.validation.clear();
    let error = world.train(&trial(), &protocol()).expect_err("refused");
    insta::assert_snapshot!(error, @"all responses of the validation stimuli are missing: 0 stimuli, 3 sites");
}

#[test]
fn unusable_settings_are_named() {
    let world = World::new(&[12], 3, 0.1, nonlinear);
    let bad = Trial {
        learning_rate: f64::NAN,
        ..trial()
    };
    let error = world.train(&bad, &protocol()).expect_err("refused");
    insta::assert_snapshot!(error, @"`learning_rate` is NaN");
    let bad = Trial {
        network: NetworkShape {
            depth: 4,
            ..trial().network
        },
        ..trial()
    };
    assert!(matches!(
        world.train(&bad, &protocol()),
        Err(TrainError::Setting { .. })
    ));
    let bad = Protocol {
        batch_size: 0,
        ..protocol()
    };
    assert!(matches!(
        world.train(&trial(), &bad),
        Err(TrainError::Setting { .. })
    ));
}

#[test]
fn activations_that_are_no_numbers_are_named() {
    let mut world = World::new(&[12, 8], 3, 0.1, nonlinear);
    world.activations.layers[1][8 * 17 + 5] = f32::NAN;
    let error = world.train(&trial(), &protocol()).expect_err("refused");
    assert!(
        matches!(error, TrainError::NonFiniteActivation { layer: 1, unit: 5 }),
        "{error}"
    );
}

/// Numbers of scikit-learn; see `testdata/make_fixtures.py`.
#[derive(Deserialize)]
struct Standardisation {
    units: usize,
    train: Vec<usize>,
    activations: Vec<f32>,
    per_unit: Vec<f32>,
    centred: Vec<f32>,
    sites: usize,
    responses: Vec<Option<f32>>,
    training_mean: Vec<f64>,
    standardised: Vec<Option<f32>>,
}

#[test]
fn scaling_matches_scikit_learn() {
    let case: Standardisation =
        serde_json::from_str(include_str!("testdata/standardisation.json")).expect("readable");
    let layers = vec![case.activations.clone()];
    let activations = InMemory::new(vec![case.units], layers);
    let statistics = InputStatistics::measure(&activations, &case.train).expect("finite");
    for (scaling, expected) in [
        (InputScaling::None, &case.activations),
        (InputScaling::Centred, &case.centred),
        (InputScaling::PerUnit, &case.per_unit),
    ] {
        let mut found = case.activations.clone();
        statistics.scale(0, scaling, &mut found);
        for (found, expected) in found.iter().zip(expected) {
            // The mean is kept in f32: on a unit near 1000 with deviation 30 that is 2e-6.
            assert!(
                (found - expected).abs() < 1e-5,
                "{scaling:?}: {found} is not {expected}"
            );
        }
    }

    let missing = |values: &[Option<f32>]| -> Vec<f64> {
        values
            .iter()
            .map(|value| value.map_or(f64::NAN, f64::from))
            .collect()
    };
    let responses = missing(&case.responses);
    let data = Data {
        activations: &activations,
        responses: &responses,
        noise: None,
        sites: case.sites,
        train: &case.train,
        validation: &[],
        test: &[],
        linear_path: None,
    };
    let sites = SiteStatistics::measure(&data, TargetScaling::Standardised).expect("present");
    for (found, expected) in sites.training_mean.iter().zip(&case.training_mean) {
        assert!((found - expected).abs() < 1e-12);
    }
    let every: Vec<usize> = (0..responses.len() / case.sites).collect();
    let scaled = sites.scaled(&responses, &every);
    for (found, expected) in scaled.iter().zip(missing(&case.standardised)) {
        assert!((found - expected).abs() < 1e-6 || (found.is_nan() && expected.is_nan()));
    }
    let restored = sites.about_means(scaled);
    for (found, expected) in restored.iter().zip(sites.measured(&responses, &every)) {
        assert!((found - expected).abs() < 1e-12 || (found.is_nan() && expected.is_nan()));
    }
}
