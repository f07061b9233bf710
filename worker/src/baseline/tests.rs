//! Baselines held against scikit-learn and Brain-Score.

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

mod one_alpha;
mod robustness;
mod single_unit;
mod teachers;

use teachers::{NARROW, Normal, STIMULI, WIDE, World, linear};

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
