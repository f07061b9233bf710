//! Baselines and networks on made-up recordings, of which is known what generated them.

use std::ops::ControlFlow;

use super::*;

/// Made-up recordings: 300 stimuli, two layers, and the responses of a teacher with noise, which
/// sees the first layer.
pub(super) struct World {
    pub(super) activations: InMemory,
    pub(super) responses: Vec<f64>,
    pub(super) sites: usize,
    pub(super) parts: [Vec<usize>; 3],
}

pub(super) const STIMULI: usize = 300;
/// More units than stimuli.
pub(super) const WIDE: [usize; 2] = [20, 400];
/// Fewer units than stimuli.
pub(super) const NARROW: [usize; 2] = [6, 4];

/// Numbers that look normal, from a seed: a sum of four uniform ones, of variance 1.
pub(super) struct Normal(pub(super) u64);

impl Normal {
    pub(super) fn draw(&mut self) -> f32 {
        let mut uniform = || {
            // Knuth's MMIX generator; its high bits are random enough for a test.
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 40) as f32 / (1_u64 << 24) as f32 - 0.5
        };
        (uniform() + uniform() + uniform() + uniform()) * 3_f32.sqrt()
    }
}

impl World {
    pub(super) fn new(
        seed: u64,
        units: [usize; 2],
        sites: usize,
        noise: f32,
        teacher: fn(&[f32], usize) -> f32,
    ) -> Self {
        let mut normal = Normal(seed);
        let units = units.to_vec();
        let layers: Vec<Vec<f32>> = units
            .iter()
            .map(|units| (0..STIMULI * units).map(|_| normal.draw() + 2.0).collect())
            .collect();
        let mut responses = Vec::new();
        for stimulus in 0..STIMULI {
            let seen: Vec<f32> = layers[0][stimulus * units[0]..][..units[0]]
                .iter()
                .map(|value| value - 2.0)
                .collect();
            responses.extend(
                (0..sites)
                    .map(|site| f64::from(5.0 + teacher(&seen, site) + noise * normal.draw())),
            );
        }
        let part = |from: usize, to: usize| {
            (0..STIMULI)
                .filter(|s| (from..to).contains(&(s % 10)))
                .collect()
        };
        Self {
            activations: InMemory::new(units, layers),
            responses,
            sites,
            parts: [part(0, 8), part(8, 9), part(9, 10)],
        }
    }

    pub(super) fn data(&self) -> Data<'_> {
        Data {
            activations: &self.activations,
            responses: &self.responses,
            noise: None,
            sites: self.sites,
            train: &self.parts[0],
            validation: &self.parts[1],
            test: &self.parts[2],
            linear_path: None,
        }
    }

    pub(super) fn evaluate(&self, baseline: Baseline) -> Result<Trained, TrainError> {
        let mut gram = gram_of(
            &self.activations,
            STIMULI,
            &self.parts[0],
            InputScaling::Centred,
        );
        evaluate(
            baseline,
            &mut gram,
            &self.data(),
            TargetScaling::Standardised,
            false,
        )
    }
}

/// The best by validation loss of some NRP networks.
struct Best(Option<Trained>);

impl Watch for Best {
    fn on_start(&mut self, _: usize) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn on_epoch(&mut self, _: usize, _: EpochReport) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn on_end(&mut self, _: usize, ended: Result<Trained, TrainError>) {
        let ended = ended.expect("trains");
        let best = self.0.as_ref();
        if best.is_none_or(|best| ended.validation_mse < best.validation_mse) {
            self.0 = Some(ended);
        }
    }
}

impl World {
    pub(super) fn train(&self) -> Trained {
        self.train_beside(false)
    }

    fn train_beside(&self, linear_path: bool) -> Trained {
        let trial = |depth, weight_decay| Trial {
            network: NetworkShape {
                l1: 24,
                l2: 24,
                depth,
                dropout: 0.0,
            },
            learning_rate: 3e-3,
            weight_decay,
            linear_path,
            ensemble: 1,
            seed: 0,
        };
        let trials = [trial(1, 0.0), trial(2, 0.0), trial(1, 0.1), trial(2, 0.1)];
        let protocol = Protocol {
            batch_size: 32,
            max_epochs: 200,
            patience: 30,
            inputs: InputScaling::Centred,
            targets: TargetScaling::Standardised,
        };
        let mut gram = gram_of(
            &self.activations,
            STIMULI,
            &self.parts[0],
            InputScaling::Centred,
        );
        let path = super::super::fit::linear_path(&mut gram, &self.data(), protocol.targets, false)
            .expect("converges");
        let data = Data {
            linear_path: Some(&path),
            ..self.data()
        };
        let device = crate::device::of_tests();
        let statistics = InputStatistics::measure(&self.activations, data.train).expect("finite");
        let mut best = Best(None);
        let training = Training {
            protocol: &protocol,
            data: &data,
            statistics: &statistics,
            device: &device,
        };
        train(&training, &trials, &mut best).expect("trains");
        best.0.expect("scores")
    }
}

/// Even in what it sees: no linear map has anything to do with it.
fn nonlinear(seen: &[f32], site: usize) -> f32 {
    2.0 * (seen[site].abs() + seen[site + 1].abs())
}

/// The model that fits the truth predicts it best. Test stimuli are 30 and sites 4, so errors have a
/// standard error of about 6 %, much of it shared.
#[test]
fn networks_beat_every_baseline_where_the_teacher_is_nonlinear_and_there_alone() {
    for seed in 1..5 {
        let world = World::new(seed, NARROW, 4, 0.3, nonlinear);
        let network = world.train().test;
        for baseline in OF_PRODUCTS {
            let linear = world.evaluate(baseline).expect("scores").test;
            assert!(
                network.scores.nrp_error < 0.8 * linear.scores.nrp_error,
                "{baseline}, seed {seed}: {network:?} {linear:?}"
            );
        }
        let world = World::new(seed, NARROW, 4, 0.3, linear);
        let network = world.train().test;
        for baseline in OF_PRODUCTS {
            let linear = world.evaluate(baseline).expect("scores").test;
            assert!(
                linear.scores.nrp_error < 1.05 * network.scores.nrp_error,
                "{baseline}, seed {seed}: {network:?} {linear:?}"
            );
        }
        let noise = World::new(seed, NARROW, 4, 1.0, |_, _| 0.0).train().test;
        assert!(
            noise.scores.nrp_error > 0.9 * noise.scores.mean_predictor_error,
            "seed {seed}: {noise:?}"
        );
    }
}

#[test]
fn beside_a_linear_path_a_network_is_never_worse_than_that_where_it_is_selected() {
    for seed in 1..4 {
        for (teacher, sees_more) in [
            (nonlinear as fn(&[f32], usize) -> f32, true),
            (linear, false),
        ] {
            let world = World::new(seed, NARROW, 4, 0.3, teacher);
            let ridge = world.evaluate(Baseline::Ridge).expect("scores");
            let beside = world.train_beside(true);
            // The path is kept in f32.
            assert!(beside.validation_mse <= ridge.validation_mse * (1.0 + 1e-5));
            let ratio = beside.test.scores.nrp_error / ridge.test.scores.nrp_error;
            if sees_more {
                assert!(ratio < 0.8, "seed {seed}: {ratio}")
            } else {
                assert!(ratio < 1.1, "seed {seed}: {ratio}")
            }
        }
    }
}

/// With the validation stimuli there is more to fit to; what selects is of the first fit.
#[test]
fn a_baseline_that_is_fitted_anew_is_fitted_to_the_validation_stimuli_too() {
    let world = World::new(1, NARROW, 4, 0.3, linear);
    let mut gram = gram_of(
        &world.activations,
        STIMULI,
        &world.parts[0],
        InputScaling::Centred,
    );
    let both = [world.parts[0].clone(), world.parts[1].clone()].concat();
    for baseline in OF_PRODUCTS {
        let mut of = |data: &Data<'_>, refit| {
            let targets = TargetScaling::Standardised;
            evaluate(baseline, &mut gram, data, targets, refit).expect("scores")
        };
        let (once, anew) = (of(&world.data(), false), of(&world.data(), true));
        assert_eq!(once.validation_mse, anew.validation_mse);
        let direct = of(
            &Data {
                train: &both,
                ..world.data()
            },
            false,
        );
        assert_eq!(anew.test, direct.test, "{baseline}");
        assert_ne!(anew.test, once.test, "{baseline}");
    }
    // A linear path alike: what is added to nothing predicts as ridge regression does.
    let targets = TargetScaling::Standardised;
    let [once, anew] = [false, true]
        .map(|refit| linear_path(&mut gram, &world.data(), targets, refit).expect("converges"));
    let seen = (world.parts[0].len() + world.parts[1].len()) * world.sites;
    assert_eq!(once[..seen], anew[..seen]);
    assert_ne!(once[seen..], anew[seen..]);
}

pub(super) fn linear(seen: &[f32], site: usize) -> f32 {
    seen[site] + seen[site + 1] - seen[site + 2]
}

#[test]
fn a_linear_teacher_is_predicted_and_noise_is_not() {
    for seed in 1..6 {
        let world = World::new(seed, WIDE, 4, 0.3, linear);
        for baseline in [Baseline::Ridge, Baseline::Pls] {
            let trained = world.evaluate(baseline).expect("scores");
            let r = trained.test.scores.pearson_median.expect("defined");
            assert!(r > 0.6, "{baseline}, seed {seed}: {r}");
            // In units of the sites' variance: beside 1 for the mean predictor.
            assert!(trained.validation_mse < 0.7, "{}", trained.validation_mse);
            assert!(trained.test.scores.nrp_error < trained.test.scores.mean_predictor_error);
        }
        let noise = World::new(seed, WIDE, 4, 1.0, |_, _| 0.0);
        for baseline in OF_PRODUCTS {
            let test = noise.evaluate(baseline).expect("scores").test;
            // Ridge may find the mean itself; nothing is found that beats it by more than chance: a
            // standard error of its error over 30 stimuli and 4 sites is 5 %.
            assert!(
                test.scores.nrp_error > 0.9 * test.scores.mean_predictor_error,
                "{baseline}, seed {seed}: {test:?}"
            );
        }
    }
}

#[test]
fn what_cannot_be_fitted_is_refused_by_the_same_errors_as_networks() {
    let mut world = World::new(1, WIDE, 2, 0.1, linear);
    let trained = world.evaluate(Baseline::Ridge).expect("scores");
    assert_eq!((trained.epochs, trained.best_epoch), (0, 0));
    assert_eq!(crate::nrp::linear_parameters(&world.data()), 421 * 2);
    for stimulus in &world.parts[0] {
        world.responses[stimulus * 2] = f64::NAN;
    }
    for baseline in OF_PRODUCTS {
        let refused = world.evaluate(baseline).expect_err("nothing to fit to");
        assert!(matches!(
            refused,
            TrainError::NoTrainingResponses { site: 0, .. }
        ));
    }
    let statistics = InputStatistics::measure(&world.activations, &world.parts[0]).expect("finite");
    let activations = &world.activations;
    let scaling = InputScaling::Centred;
    let stopped = Gram::of(activations, STIMULI, &statistics, scaling, &mut |_| false);
    assert!(matches!(stopped, Err(TrainError::Interrupted { .. })));
}

/// All stimuli alike, sites that never change, a single stimulus: the mean is left.
#[test]
fn where_there_is_nothing_to_learn_from_the_mean_is_predicted() {
    let mut world = World::new(1, WIDE, 2, 0.1, linear);
    for stimulus in 0..STIMULI {
        world.responses[stimulus * 2] = 3.0;
        if stimulus != 10 {
            world.responses[stimulus * 2 + 1] = if world.parts[0].contains(&stimulus) {
                f64::NAN
            } else {
                1.0
            };
        }
    }
    let mean = world.responses[10 * 2 + 1];
    for baseline in OF_PRODUCTS {
        let test = world.evaluate(baseline).expect("scores").test;
        let expected = (mean - 1.0).abs() / 2.0;
        assert!(
            (test.scores.nrp_error - expected).abs() < 1e-5,
            "{baseline}: {test:?}"
        );
    }
    let mut world = World::new(1, WIDE, 2, 0.1, linear);
    world
        .activations
        .layers
        .iter_mut()
        .for_each(|layer| layer.fill(4.0));
    for baseline in OF_PRODUCTS {
        let test = world.evaluate(baseline).expect("scores").test;
        assert!(
            (test.scores.nrp_error - test.scores.mean_predictor_error).abs() < 1e-5,
            "{baseline}: {test:?}"
        );
    }
}
