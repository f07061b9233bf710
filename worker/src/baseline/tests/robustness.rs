//! Offsets, scales, silent sites and activations that are not finite.

use super::super::fit::evaluate_single_unit;
use super::*;

/// Numbers of scikit-learn and SciPy; see `testdata/make_offsets.py`.
#[derive(Deserialize)]
struct Offsets {
    stimuli: usize,
    units: usize,
    sites: usize,
    /// `[stimuli, units]`
    activations: Vec<f32>,
    /// `[stimuli, sites]`
    x: Vec<f64>,
    cases: Vec<Case>,
}

/// Least squares on `scale * (offset + x)`.
#[derive(Deserialize)]
struct Case {
    offset: f64,
    scale: f64,
    nrp_error: f64,
    r2_mean: f64,
    pearson_median: f64,
}

#[test]
fn scores_are_scikit_learns_at_any_offset_and_scale() {
    let fixture: Offsets =
        serde_json::from_str(include_str!("../testdata/offsets.json")).expect("a fixture");
    assert_eq!(fixture.cases.len(), 9);
    let activations = InMemory::new(vec![fixture.units], vec![fixture.activations]);
    let part = |from: usize, to: usize| (from..to).collect::<Vec<_>>();
    let [train, validation, test] = [part(0, 40), part(40, 50), part(50, fixture.stimuli)];
    let mut gram = gram_of(&activations, fixture.stimuli, &train, InputScaling::Centred);
    for case in &fixture.cases {
        let Case { offset, scale, .. } = *case;
        let responses: Vec<f64> = fixture.x.iter().map(|x| scale * (offset + x)).collect();
        let data = Data {
            activations: &activations,
            responses: &responses,
            noise: None,
            sites: fixture.sites,
            train: &train,
            validation: &validation,
            test: &test,
            linear_path: None,
        };
        for targets in [
            TargetScaling::Standardised,
            TargetScaling::Centred,
            TargetScaling::None,
        ] {
            let found = evaluate(Baseline::Ols, &mut gram, &data, targets, false).expect("scores");
            assert_eq!(found.left_out, [0; 0]);
            // In f64 1e8 has eight digits left, on either side. Activations are scaled in f32.
            let close = |a: f64, b: f64| {
                assert!(
                    (a / b - 1.0).abs() < 2e-6,
                    "{offset} {scale} {targets:?}: {a} {b}"
                );
            };
            close(found.test.scores.nrp_error, case.nrp_error);
            close(found.test.scores.r2_mean.expect("defined"), case.r2_mean);
            close(
                found.test.scores.pearson_median.expect("defined"),
                case.pearson_median,
            );
        }
    }
}

#[test]
fn one_almost_silent_site_does_not_rank_baselines() {
    for baseline in OF_PRODUCTS {
        let as_ever = World::new(5, WIDE, 40, 0.5, |seen, site| seen[site % 20] + seen[1]);
        let mut world = World::new(5, WIDE, 40, 0.5, |seen, site| seen[site % 20] + seen[1]);
        for stimulus in 0..STIMULI {
            world.responses[stimulus * 40 + 3] = match stimulus {
                10 => 0.02,
                // Validation and test stimuli.
                18 | 28 | 39 | 78 | 108 => 5.0,
                _ => 0.0,
            };
        }
        let found = world.evaluate(baseline).expect("scores");
        let as_ever = as_ever.evaluate(baseline).expect("scores");
        assert_eq!((found.left_out, as_ever.left_out), (vec![3], vec![]));
        let off = found.validation_mse / as_ever.validation_mse - 1.0;
        assert!(off.abs() < 0.1, "{baseline}: {off}");
    }
}

#[test]
fn activations_that_are_no_numbers_are_named_and_no_panic() {
    for (part, stimulus) in [("validation", 18), ("test", 29)] {
        let mut world = World::new(1, WIDE, 2, 0.1, linear);
        world.activations.layers[1][stimulus * WIDE[1] + 7] = f32::NAN;
        let of_unit = |refits| {
            let targets = TargetScaling::Standardised;
            evaluate_single_unit(&world.data(), targets, refits, &mut |_| true)
        };
        let of_products = OF_PRODUCTS.map(|baseline| world.evaluate(baseline));
        let found = of_products.into_iter().chain([true, false].map(of_unit));
        for found in found {
            let error = found.expect_err("cannot be scored");
            assert!(error.is_of_the_trial());
            let expected = format!(
                "unit 7 of ANN layer 1 of the layer set has an activation of NaN at {part} stimulus {stimulus}"
            );
            assert!(error.to_string().starts_with(&expected), "{error}");
        }
    }
}
