//! Baselines held against scikit-learn, and against what is known of them.

use super::fit::{evaluate, linear_path, predict};
use super::gram::Gram;
use crate::nrp::in_memory::InMemory;
use crate::nrp::{
    Data, EpochReport, InputScaling, InputStatistics, NetworkShape, Protocol, TargetScaling,
    TrainError, Trained, Training, Trial, Watch, train,
};
use faer::Mat;
use nrp_proto::sweep::Baseline;
use serde::Deserialize;
use std::ops::ControlFlow;

mod one_alpha;
mod robustness;
mod single_unit;

/// The baselines that are fitted from products of stimuli.
const OF_PRODUCTS: [Baseline; 5] = [
    Baseline::Ols,
    Baseline::Ridge,
    Baseline::RidgeOne,
    Baseline::RidgeCv,
    Baseline::Pls,
];

fn gram_of(of: &InMemory, stimuli: usize, training: &[usize], scaling: InputScaling) -> Gram {
    let statistics = InputStatistics::measure(of, training).expect("finite");
    Gram::of(of, stimuli, &statistics, scaling, &mut |_| true).expect("in memory")
}

/// Numbers of scikit-learn; see `testdata/make_baselines.py`.
#[derive(Deserialize)]
struct Fixture {
    name: String,
    stimuli: usize,
    units: Vec<usize>,
    /// `[stimuli, units]` each
    layers: Vec<Vec<f32>>,
    training: Vec<usize>,
    others: Vec<usize>,
    sites: usize,
    /// `[training, sites]`
    responses: Vec<Option<f64>>,
    /// `[others, sites]` each
    ols: Vec<f64>,
    ridge: Vec<f64>,
    pls: Vec<f64>,
    /// Squared errors of ridge regression at training stimuli that are left out, by site; of those that
    /// have a response.
    left_out: Vec<Vec<f64>>,
}

fn fixtures() -> Vec<Fixture> {
    let cases: Vec<Fixture> =
        serde_json::from_str(include_str!("testdata/baselines.json")).expect("a fixture");
    assert!(cases.len() >= 5);
    cases
}

impl Fixture {
    fn activations(&self) -> InMemory {
        InMemory::new(self.units.clone(), self.layers.clone())
    }

    fn predicted(&self, baseline: Baseline, scaling: InputScaling) -> Mat<f64> {
        let mut gram = gram_of(&self.activations(), self.stimuli, &self.training, scaling);
        let responses = Mat::from_fn(self.training.len(), self.sites, |row, site| {
            self.responses[row * self.sites + site].unwrap_or(f64::NAN)
        });
        let predicted = predict(
            baseline,
            &mut gram,
            None,
            &self.training,
            &responses,
            &self.others,
        );
        predicted.expect("converges").responses
    }
}

/// Both sides compute in f64. Theirs factors the activations and ours their inner products, which
/// squares the condition number: at most about 10⁴ here.
#[test]
fn they_predict_what_scikit_learn_predicts() {
    for case in fixtures() {
        for (baseline, expected) in [
            (Baseline::Ols, &case.ols),
            (Baseline::Ridge, &case.ridge),
            (Baseline::Pls, &case.pls),
        ] {
            let found = case.predicted(baseline, InputScaling::None);
            assert_eq!(expected.len(), case.others.len() * case.sites);
            for (cell, expected) in expected.iter().enumerate() {
                let found = found[(cell / case.sites, cell % case.sites)];
                assert!(
                    (found - expected).abs() <= 1e-8 * expected.abs().max(1.0),
                    "{}, {baseline}, cell {cell}: {found} is not {expected}",
                    case.name
                );
            }
        }
    }
}

/// What is kept is f32.
#[test]
fn a_linear_path_predicts_each_training_stimulus_from_the_others() {
    for case in fixtures() {
        let mut responses = vec![0.0; case.stimuli * case.sites];
        for (row, stimulus) in case.training.iter().enumerate() {
            for site in 0..case.sites {
                let response = case.responses[row * case.sites + site];
                responses[stimulus * case.sites + site] = response.unwrap_or(f64::NAN);
            }
        }
        let (validation, test) = case.others.split_at(case.others.len() / 2);
        let activations = case.activations();
        let data = Data {
            activations: &activations,
            responses: &responses,
            noise: None,
            sites: case.sites,
            train: &case.training,
            validation,
            test,
            linear_path: None,
        };
        let mut gram = gram_of(
            &activations,
            case.stimuli,
            &case.training,
            InputScaling::None,
        );
        let path = linear_path(&mut gram, &data, TargetScaling::None, false).expect("converges");
        let (of_training, rest) = path.split_at(case.training.len() * case.sites);
        for site in 0..case.sites {
            let rows = 0..case.training.len();
            let errors = rows.filter_map(|row| {
                let response = case.responses[row * case.sites + site]?;
                Some((response - f64::from(of_training[row * case.sites + site])).abs())
            });
            let expected = case.left_out[site].iter().map(|square| square.sqrt());
            assert_eq!(errors.clone().count(), case.left_out[site].len());
            for (found, expected) in errors.zip(expected) {
                assert!(
                    (found - expected).abs() <= 1e-5 * expected.max(1.0),
                    "{}, site {site}: {found} is not {expected}",
                    case.name
                );
            }
        }
        for (found, expected) in rest.iter().zip(&case.ridge) {
            let off = (f64::from(*found) - expected).abs();
            assert!(off <= 1e-6 * expected.abs().max(1.0), "{}", case.name);
        }
    }
}

/// One number for a whole layer, and where units begin, change nothing of what the models are but where a
/// penalty is in the activations' unit. The scaled activations are rounded to f32.
#[test]
fn the_scale_of_a_layer_changes_no_prediction() {
    for case in fixtures().iter().filter(|case| case.units.len() == 1) {
        for baseline in [Baseline::Ols, Baseline::Ridge, Baseline::Pls] {
            let [none, centred] = [InputScaling::None, InputScaling::Centred]
                .map(|scaling| case.predicted(baseline, scaling));
            let off = (&none - &centred).norm_max();
            // Least squares on stimuli fewer than units has no penalty that dampens rounding.
            assert!(off < 1e-4, "{}, {baseline}: {off}", case.name);
        }
    }
}

#[test]
fn layers_are_one_long_row_of_units() {
    let case = fixtures().swap_remove(0);
    assert_eq!(case.units.len(), 2);
    let units: usize = case.units.iter().sum();
    let mut joined = Vec::new();
    for stimulus in 0..case.stimuli {
        for (layer, units) in case.layers.iter().zip(&case.units) {
            joined.extend(&layer[stimulus * units..][..*units]);
        }
    }
    let joined = Fixture {
        units: vec![units],
        layers: vec![joined],
        ..fixtures().swap_remove(0)
    };
    for baseline in OF_PRODUCTS {
        let [two, one] =
            [&case, &joined].map(|case| case.predicted(baseline, InputScaling::PerUnit));
        let off = (&two - &one).norm_max();
        assert!(off < 1e-6, "{baseline}: {off}");
    }
}

/// Made-up recordings: 300 stimuli, two layers, and the responses of a teacher with noise, which
/// sees the first layer.
struct World {
    activations: InMemory,
    responses: Vec<f64>,
    sites: usize,
    parts: [Vec<usize>; 3],
}

const STIMULI: usize = 300;
/// More units than stimuli.
const WIDE: [usize; 2] = [20, 400];
/// Fewer units than stimuli.
const NARROW: [usize; 2] = [6, 4];

/// Numbers that look normal, from a seed: a sum of four uniform ones, of variance 1.
struct Normal(u64);

impl Normal {
    fn draw(&mut self) -> f32 {
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
    fn new(
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

    fn data(&self) -> Data<'_> {
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

    fn evaluate(&self, baseline: Baseline) -> Result<Trained, TrainError> {
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
    fn train(&self) -> Trained {
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
        let path = super::linear_path(&mut gram, &self.data(), protocol.targets, false)
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

fn linear(seen: &[f32], site: usize) -> f32 {
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

/// Numbers of Brain-Score's protocol; see `testdata/make_brain_score.py`.
#[derive(Deserialize)]
struct BrainScore {
    stimuli: usize,
    units: usize,
    sites: usize,
    /// `[stimuli, units]`
    activations: Vec<f32>,
    /// `[stimuli, sites]`
    responses: Vec<f32>,
    splits: Vec<BrainScoreSplit>,
    center: f64,
    error: f64,
}

#[derive(Deserialize)]
struct BrainScoreSplit {
    train: Vec<usize>,
    test: Vec<usize>,
    median: f64,
}

/// Whatever part of the stimuli that are fitted validates first.
#[test]
fn partial_least_squares_score_as_brain_score_scores_them() {
    let case: BrainScore =
        serde_json::from_str(include_str!("testdata/brain_score.json")).expect("a fixture");
    assert_eq!(case.splits.len(), 10);
    let activations = InMemory::new(vec![case.units], vec![case.activations]);
    let responses: Vec<f64> = case.responses.iter().map(|&value| value.into()).collect();
    let all: Vec<usize> = (0..case.stimuli).collect();
    let mut gram = gram_of(&activations, case.stimuli, &all, InputScaling::None);
    let medians = case.splits.iter().enumerate().map(|(number, split)| {
        let (validation, train) = split.train.split_at(5 + number);
        let data = Data {
            activations: &activations,
            responses: &responses,
            noise: None,
            sites: case.sites,
            train,
            validation,
            test: &split.test,
            linear_path: None,
        };
        let scored = evaluate(Baseline::Pls, &mut gram, &data, TargetScaling::None, true);
        let found = scored
            .expect("scores")
            .test
            .scores
            .pearson_median
            .expect("defined");
        assert!(
            (found - split.median).abs() < 1e-8,
            "{found}, {}",
            split.median
        );
        found
    });
    let medians: Vec<f64> = medians.collect();
    let mean = medians.iter().sum::<f64>() / 10.0;
    let variance = medians.iter().map(|r| (r - mean).powi(2)).sum::<f64>() / 10.0;
    assert!((mean - case.center).abs() < 1e-8);
    assert!((variance.sqrt() - case.error).abs() < 1e-8);
}
