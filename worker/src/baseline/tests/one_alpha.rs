//! Ridge regression with one penalty for all sites, held against scikit-learn and Brain-Score.

use super::super::fit::{evaluate_rows, evaluate_single_unit};
use super::super::groups::{Predicted, groups};
use super::super::one_alpha::{OTHERS, PANEL_BYTES, left_out};
use super::super::spectrum::Spectrum;
use super::super::units::{self, Rows};
use super::*;
use std::path::Path;

fn rows_of(of: &InMemory, stimuli: usize, training: &[usize], scaling: InputScaling) -> Rows {
    let statistics = InputStatistics::measure(of, training).expect("finite");
    Rows::of(of, stimuli, &statistics, scaling, &mut |_| true).expect("in memory")
}

/// Numbers of scikit-learn; see `testdata/make_one_alpha.py`.
#[derive(Deserialize)]
struct Case {
    name: String,
    stimuli: usize,
    units: usize,
    /// `[stimuli, units]`
    activations: Vec<f32>,
    training: Vec<usize>,
    others: Vec<usize>,
    sites: usize,
    /// `[training, sites]`
    responses: Vec<Option<f64>>,
    /// `[others, sites]`
    ridge_one: Vec<f64>,
    ridgecv: Vec<f64>,
    alpha: f64,
    /// For every seventh penalty.
    left_out: Vec<f64>,
}

impl Case {
    fn all() -> Vec<Self> {
        let cases: Vec<Self> =
            serde_json::from_str(include_str!("../testdata/one_alpha.json")).expect("a fixture");
        assert_eq!(cases.len(), 9);
        cases
    }

    fn gram(&self) -> Gram {
        let activations = InMemory::new(vec![self.units], vec![self.activations.clone()]);
        let scaling = InputScaling::None;
        gram_of(&activations, self.stimuli, &self.training, scaling)
    }

    fn responses(&self) -> Mat<f64> {
        Mat::from_fn(self.training.len(), self.sites, |row, site| {
            self.responses[row * self.sites + site].unwrap_or(f64::NAN)
        })
    }

    /// What products of stimuli lose beside those of units, if units are fewer: rounding of the largest
    /// eigenvalue, beside the penalty.
    fn loss(&self, alpha: f64) -> f64 {
        let squares = self
            .activations
            .iter()
            .map(|value| f64::from(*value).powi(2));
        f64::EPSILON * squares.sum::<f64>() / alpha
    }

    fn predicted(&self, baseline: Baseline, gram: &mut Gram) -> Predicted {
        let responses = self.responses();
        predict(
            baseline,
            gram,
            None,
            &self.training,
            &responses,
            &self.others,
        )
        .expect("fits")
    }
}

fn assert_close(found: &Mat<f64>, expected: &[f64], tolerance: f64, name: &str) {
    assert_eq!(found.nrows() * found.ncols(), expected.len(), "{name}");
    for (cell, expected) in expected.iter().enumerate() {
        let found = found[(cell / found.ncols(), cell % found.ncols())];
        let off = (found - expected).abs();
        assert!(
            off <= tolerance * expected.abs().max(1.0),
            "{name}, cell {cell}: {found} is not {expected}"
        );
    }
}

#[test]
fn they_predict_what_scikit_learn_predicts() {
    for case in Case::all() {
        let mut gram = case.gram();
        let one = case.predicted(Baseline::RidgeOne, &mut gram);
        assert_eq!(one.alpha, Some(1.0));
        assert_close(
            &one.responses,
            &case.ridge_one,
            1e-9 + case.loss(1.0),
            &case.name,
        );
        let chosen = case.predicted(Baseline::RidgeCv, &mut gram);
        assert_eq!(chosen.alpha, Some(case.alpha), "{}", case.name);
        let tolerance = 1e-9 + case.loss(case.alpha);
        assert_close(&chosen.responses, &case.ridgecv, tolerance, &case.name);
    }
}

#[test]
fn errors_at_stimuli_left_out_are_scikit_learns_for_every_penalty() {
    let alphas = Baseline::RidgeCv.alphas();
    for case in Case::all() {
        let of_all = groups(Baseline::RidgeCv, &case.training, &case.responses());
        let found = left_out(&mut case.gram(), &of_all, &alphas, PANEL_BYTES);
        assert_eq!(found.len(), 99);
        assert_eq!(case.left_out.len(), 15);
        // Without noise the errors are those of rounding.
        let total: f64 = case.responses.iter().flatten().map(|y| y * y).sum();
        for ((found, expected), alpha) in found
            .iter()
            .step_by(7)
            .zip(&case.left_out)
            .zip(alphas.iter().step_by(7))
        {
            let off = (found - expected).abs();
            assert!(
                off <= (1e-8 + case.loss(*alpha)) * expected + 1e-12 * total,
                "{}, {alpha}: {found} is not {expected}",
                case.name
            );
        }
    }
}

/// Matrices that are one or two blocks, some that end in part of one, and one of several whose units are
/// fewer than its blocks, against one stimulus after the other: fits to all others.
#[test]
fn errors_at_stimuli_left_out_are_those_of_fits_without_them() {
    for stimuli in [2, 3, 16, 17, 32, 33, 47, 48, 49, 65, 300] {
        let units = 20;
        let mut normal = Normal(5);
        let activations: Vec<f32> = (0..stimuli * units).map(|_| normal.draw()).collect();
        let responses = Mat::from_fn(stimuli, 3, |_, _| f64::from(normal.draw()));
        let activations = InMemory::new(vec![units], vec![activations]);
        let all: Vec<usize> = (0..stimuli).collect();
        let mut gram = gram_of(&activations, stimuli, &all, InputScaling::None);
        let of_all = groups(Baseline::RidgeCv, &all, &responses);
        // All stimuli at once, and seven.
        let [at_once, sevens] = [PANEL_BYTES, 7 * 8 * stimuli]
            .map(|bytes| left_out(&mut gram, &of_all, &[1.0], bytes)[0]);
        let mut expected = 0.0;
        for out in 0..stimuli {
            let rest: Vec<usize> = all.iter().copied().filter(|of| *of != out).collect();
            let learned = Mat::from_fn(rest.len(), 3, |row, site| responses[(rest[row], site)]);
            let predicted = predict(Baseline::RidgeOne, &mut gram, None, &rest, &learned, &[out]);
            let predicted = predicted.expect("fits").responses;
            expected += (0..3)
                .map(|site| (predicted[(0, site)] - responses[(out, site)]).powi(2))
                .sum::<f64>();
        }
        for found in [at_once, sevens] {
            let off = (found / expected - 1.0).abs();
            assert!(off < 1e-10, "{stimuli}: {found} {expected}");
        }
    }
}

/// As eigenvalues give them: blocks of 32 rather than 16, and activations that are 0.
#[test]
fn errors_at_stimuli_left_out_are_those_of_the_spectrum() {
    let (stimuli, units) = (1100, 40);
    let mut normal = Normal(6);
    let drawn: Vec<f32> = (0..stimuli * units).map(|_| normal.draw()).collect();
    let responses = Mat::from_fn(stimuli, 2, |_, _| f64::from(normal.draw()));
    let all: Vec<usize> = (0..stimuli).collect();
    let of_all = groups(Baseline::RidgeCv, &all, &responses);
    let alphas = Baseline::RidgeCv.alphas();
    for activations in [drawn, vec![0.0; stimuli * units]] {
        let activations = InMemory::new(vec![units], vec![activations]);
        let mut gram = gram_of(&activations, stimuli, &all, InputScaling::None);
        let found = left_out(&mut gram, &of_all, &alphas, PANEL_BYTES);
        let spectrum = Spectrum::of(gram.centred(&all, &[]).gram).expect("converges");
        let turned = spectrum.turned(&of_all[0].responses);
        for (found, alpha) in found.iter().zip(&alphas) {
            let factors: Vec<f64> = spectrum
                .values
                .iter()
                .map(|of| (of + alpha).recip())
                .collect();
            let coefficients = spectrum.coefficients(&turned, |at, _| factors[at]);
            let constant = (stimuli as f64 * (spectrum.mean + alpha)).recip();
            let of_stimulus = |row: usize| {
                let vector = spectrum.vectors.row(row);
                let squares = vector
                    .iter()
                    .zip(&factors)
                    .map(|(v, factor)| v * v * factor);
                let inverse = squares.sum::<f64>() - constant;
                let row = coefficients.row(row).iter();
                row.map(|c| (c / inverse).powi(2)).sum::<f64>()
            };
            let expected: f64 = all.iter().map(|row| of_stimulus(*row)).sum();
            let off = (found / expected - 1.0).abs();
            assert!(off < 1e-9, "{alpha}: {found} {expected}");
        }
    }
}

/// Spectra of units that differ in size by up to 10⁶, as many as stimuli are, fewer, and more.
#[test]
fn errors_at_stimuli_left_out_are_the_same_through_units_and_through_stimuli() {
    let alphas = Baseline::RidgeCv.alphas();
    for (stimuli, units, decades) in [(90, 60, 0.0), (90, 60, 3.0), (90, 89, 6.0), (60, 200, 3.0)] {
        let mut normal = Normal(8);
        let size = |unit: usize| 10_f32.powf(3.0 - decades * unit as f32 / units as f32);
        let drawn = (0..stimuli * units).map(|at| size(at % units) * normal.draw());
        let drawn: Vec<f32> = drawn.collect();
        let trace: f64 = drawn.iter().map(|of| f64::from(*of).powi(2)).sum();
        let activations = InMemory::new(vec![units], vec![drawn]);
        let responses = Mat::from_fn(stimuli, 3, |_, _| f64::from(normal.draw()));
        let all: Vec<usize> = (0..stimuli).collect();
        let of_all = groups(Baseline::RidgeCv, &all, &responses);
        let mut gram = gram_of(&activations, stimuli, &all, InputScaling::None);
        let expected = left_out(&mut gram, &of_all, &alphas, PANEL_BYTES);
        let rows = rows_of(&activations, stimuli, &all, InputScaling::None);
        let found = units::left_out(&rows, &of_all[0], &alphas).expect("converges");
        for ((found, expected), alpha) in found.iter().zip(&expected).zip(&alphas) {
            let off = (found / expected - 1.0).abs();
            // The inverse of a matrix of stimuli loses what is small beside its eigenvalues.
            let loss = f64::EPSILON * trace / alpha;
            assert!(
                off < 1e-9 + loss,
                "{stimuli} {units} {decades} {alpha}: {found} {expected}"
            );
        }
    }
}

#[test]
fn more_stimuli_are_predicted_than_are_taken_at_once() {
    let world = World::new(7, NARROW, 2, 0.3, linear);
    let (activations, train) = (&world.activations, &world.parts[0]);
    let mut gram = gram_of(activations, STIMULI, train, InputScaling::None);
    let responses = Mat::from_fn(train.len(), 2, |row, site| {
        world.responses[train[row] * 2 + site]
    });
    let one: Vec<usize> = (0..STIMULI).collect();
    let many = one.repeat(OTHERS / STIMULI + 1);
    assert!(many.len() > OTHERS);
    let [one, many] = [one, many].map(|others| {
        let found = predict(
            Baseline::RidgeOne,
            &mut gram,
            None,
            train,
            &responses,
            &others,
        );
        found.expect("fits").responses
    });
    for row in 0..many.nrows() {
        for site in 0..2 {
            let off = (many[(row, site)] - one[(row % STIMULI, site)]).abs();
            assert!(off < 1e-12, "{row}: {off}");
        }
    }
}

/// Other baselines use the same products afterwards.
#[test]
fn what_is_factored_in_place_is_restored() {
    let mut world = World::new(2, [20, 300], 5, 0.3, linear);
    world.responses[7] = f64::NAN;
    let gram = || {
        gram_of(
            &world.activations,
            STIMULI,
            &world.parts[0],
            InputScaling::Centred,
        )
    };
    let mut used = gram();
    for baseline in [Baseline::RidgeOne, Baseline::RidgeCv] {
        let targets = TargetScaling::Standardised;
        evaluate(baseline, &mut used, &world.data(), targets, true).expect("scores");
    }
    let all: Vec<usize> = (0..STIMULI).collect();
    let [used, fresh] = [used, gram()].map(|gram| gram.centred(&all, &all));
    assert_eq!(used.gram, fresh.gram);
    assert_eq!(used.cross, fresh.cross);
}

/// Activations and responses of Brain-Score's own test files, and what its metrics make of them.
#[derive(Deserialize)]
struct Golden {
    activations: Vec<Vec<f64>>,
    ids: Vec<String>,
    responses_mean: Means,
    splits: Vec<Split>,
    ridge: Metric,
    ridgecv: Metric,
    pls: Metric,
    neuron_to_neuron: Metric,
    ridge_split: Given,
    ridgecv_split: Given,
}

#[derive(Deserialize)]
struct Means {
    ids: Vec<String>,
    values: Vec<Vec<f64>>,
}

#[derive(Deserialize)]
struct Split {
    train: Vec<String>,
    test: Vec<String>,
}

#[derive(Deserialize)]
struct Metric {
    value: f64,
    error: f64,
    /// `[splits, sites]`
    raw: Vec<Vec<f64>>,
}

/// On the first split.
#[derive(Deserialize)]
struct Given {
    value: f64,
    raw: Vec<f64>,
    alpha: Option<f64>,
}

/// Brain-Score computes in f64 here, as its activations are f64. They have three decimals, so that their
/// thousandfold is exact in f32; the products are scaled back.
#[test]
fn they_score_as_brain_score_scores_them() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/brain-score/golden.json");
    let Ok(text) = std::fs::read_to_string(&path) else {
        #[expect(
            clippy::print_stderr,
            reason = "a test that did nothing must not pass in silence"
        )]
        {
            eprintln!("skipped: {} is not there", path.display());
        }
        return;
    };
    let golden: Golden = serde_json::from_str(&text).expect("a golden file");
    let thousandfold = golden
        .activations
        .concat()
        .iter()
        .map(|value| (value * 1e3).round() as f32)
        .collect();
    let activations = InMemory::new(vec![golden.activations[0].len()], vec![thousandfold]);
    let stimuli = golden.ids.len();
    let all: Vec<usize> = (0..stimuli).collect();
    let mut gram = gram_of(&activations, stimuli, &all, InputScaling::None);
    gram.scale(1e-6);
    let mut rows = rows_of(&activations, stimuli, &all, InputScaling::None);
    rows.scale(1e-3);
    let number = |id: &String| golden.ids.iter().position(|of| of == id).expect("is known");
    let sites = golden.responses_mean.values[0].len();
    let mut responses = vec![f64::NAN; stimuli * sites];
    for (id, values) in golden
        .responses_mean
        .ids
        .iter()
        .zip(&golden.responses_mean.values)
    {
        responses[number(id) * sites..][..sites].copy_from_slice(values);
    }
    let mut scored = |baseline: Baseline, through_units: bool, split: &Split| {
        let [fitted, test] =
            [&split.train, &split.test].map(|ids| ids.iter().map(number).collect::<Vec<_>>());
        let (validation, train) = fitted.split_at(7);
        let data = Data {
            activations: &activations,
            responses: &responses,
            noise: None,
            sites,
            train,
            validation,
            test: &test,
            linear_path: None,
        };
        let none = TargetScaling::None;
        let scored = if baseline == Baseline::SingleUnit {
            evaluate_single_unit(&data, none, true, &mut |_| true)
        } else if through_units {
            evaluate_rows(baseline, &rows, &data, none, true)
        } else {
            evaluate(baseline, &mut gram, &data, none, true)
        };
        scored.expect("scores").test
    };
    // NIPALS stops before convergence, so its components carry the rounding of each step.
    for (baseline, through_units, metric, tolerance) in [
        (Baseline::RidgeOne, false, &golden.ridge, 1e-9),
        (Baseline::RidgeOne, true, &golden.ridge, 1e-9),
        (Baseline::RidgeCv, false, &golden.ridgecv, 1e-9),
        (Baseline::RidgeCv, true, &golden.ridgecv, 1e-9),
        (Baseline::Pls, false, &golden.pls, 1e-8),
        (Baseline::SingleUnit, false, &golden.neuron_to_neuron, 1e-9),
    ] {
        let close = |found: f64, expected: f64| {
            assert!(
                (found - expected).abs() < tolerance,
                "{baseline}: {found} is not {expected}"
            );
        };
        let mut medians = Vec::new();
        assert_eq!((golden.splits.len(), metric.raw.len()), (10, 10));
        for (split, raw) in golden.splits.iter().zip(&metric.raw) {
            let found = scored(baseline, through_units, split);
            assert_eq!(found.site_pearson.len(), raw.len());
            for (found, expected) in found.site_pearson.iter().zip(raw) {
                close(found.expect("defined"), *expected);
            }
            medians.push(found.scores.pearson_median.expect("defined"));
        }
        let center = medians.iter().sum::<f64>() / 10.0;
        let variance = medians.iter().map(|r| (r - center).powi(2)).sum::<f64>() / 10.0;
        close(center, metric.value);
        close((variance / 10.0).sqrt(), metric.error);
    }
    let chosen = golden.ridgecv_split.alpha;
    assert!(chosen.is_some());
    for (baseline, through_units, given, alpha) in [
        (Baseline::RidgeOne, false, &golden.ridge_split, Some(1.0)),
        (Baseline::RidgeOne, true, &golden.ridge_split, Some(1.0)),
        (Baseline::RidgeCv, false, &golden.ridgecv_split, chosen),
        (Baseline::RidgeCv, true, &golden.ridgecv_split, chosen),
    ] {
        let found = scored(baseline, through_units, &golden.splits[0]);
        assert_eq!(found.scores.alpha, alpha);
        assert!((found.scores.pearson_median.expect("defined") - given.value).abs() < 1e-9);
        for (found, expected) in found.site_pearson.iter().zip(&given.raw) {
            assert!((found.expect("defined") - expected).abs() < 1e-9);
        }
    }
}

/// Both compute in f64, on other products.
#[test]
fn predictions_through_units_are_those_through_stimuli() {
    for case in Case::all() {
        let activations = InMemory::new(vec![case.units], vec![case.activations.clone()]);
        let none = InputScaling::None;
        let rows = rows_of(&activations, case.stimuli, &case.training, none);
        for (baseline, expected, alpha) in [
            (Baseline::RidgeOne, &case.ridge_one, 1.0),
            (Baseline::RidgeCv, &case.ridgecv, case.alpha),
        ] {
            let responses = case.responses();
            let found = units::predict(
                baseline,
                &rows,
                None,
                &case.training,
                &responses,
                &case.others,
            );
            let found = found.expect("converges");
            assert_eq!(found.alpha, Some(alpha), "{}", case.name);
            assert_close(&found.responses, expected, 1e-9, &case.name);
        }
    }
    let mut world = World::new(3, NARROW, 4, 0.3, linear);
    world.responses[8] = f64::NAN;
    let (activations, scaling) = (&world.activations, InputScaling::Centred);
    let statistics = InputStatistics::measure(activations, &world.parts[0]).expect("finite");
    let stopped = Rows::of(activations, STIMULI, &statistics, scaling, &mut |_| false);
    assert!(matches!(stopped, Err(TrainError::Interrupted { .. })));
    let rows = rows_of(activations, STIMULI, &world.parts[0], scaling);
    for baseline in [Baseline::RidgeOne, Baseline::RidgeCv] {
        let targets = TargetScaling::Standardised;
        let through = evaluate_rows(baseline, &rows, &world.data(), targets, true).expect("scores");
        let mut gram = gram_of(activations, STIMULI, &world.parts[0], scaling);
        let direct = evaluate(baseline, &mut gram, &world.data(), targets, true).expect("scores");
        assert_eq!(through.test.scores.alpha, direct.test.scores.alpha);
        let ratio = through.validation_mse / direct.validation_mse;
        assert!((ratio - 1.0).abs() < 1e-9, "{ratio}");
        let [through, direct] = [through, direct].map(|of| of.test.scores.nrp_error);
        assert!((through / direct - 1.0).abs() < 1e-9, "{through} {direct}");
    }
}

/// The layer sets of TVSD: fc7 and a convolution.
#[test]
fn fits_go_through_units_where_these_are_few() {
    for (baseline, units, expected) in [
        (Baseline::RidgeCv, 4_096, true),
        (Baseline::RidgeOne, 4_096, true),
        (Baseline::RidgeCv, 16_000, false),
        (Baseline::RidgeCv, 50_000, false),
        (Baseline::Ridge, 4_096, false),
    ] {
        let found = crate::baseline::through_units(baseline, 22_348, units);
        assert_eq!(found, expected, "{baseline} {units}");
    }
    // Small ones as scikit-learn has them.
    let few = [999, 1_000].map(|units| units::through_units(Baseline::RidgeCv, 1_000, units));
    assert_eq!(few, [true, false]);
}

#[test]
fn a_penalty_is_one_of_two_baselines() {
    let world = World::new(1, WIDE, 2, 0.1, linear);
    for baseline in OF_PRODUCTS {
        let alpha = world.evaluate(baseline).expect("scores").test.scores.alpha;
        let tried = baseline.alphas();
        assert_eq!(alpha.is_some(), !tried.is_empty(), "{baseline}");
        assert!(
            alpha.is_none_or(|alpha| tried.contains(&alpha)),
            "{baseline}"
        );
    }
}

#[test]
fn one_penalty_takes_little_more_than_one_matrix() {
    let (stimuli, sites) = (22_348, 500);
    let few = crate::baseline::bytes(Baseline::RidgeCv, stimuli, 4_096, sites);
    assert!(few < 5_000_000_000, "{few}");
    let bytes = |baseline| crate::baseline::bytes(baseline, stimuli, 50_000, sites);
    assert!(bytes(Baseline::RidgeCv) < 6_000_000_000);
    assert_eq!(bytes(Baseline::RidgeOne), bytes(Baseline::RidgeCv));
    assert_eq!(bytes(Baseline::Ridge), 5 * Gram::bytes(stimuli));
}
