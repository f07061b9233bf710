//! The best single unit.

use super::super::fit::evaluate_single_unit;
use super::super::single_unit::predict;
use super::*;

/// Three layers: the second has two units, of which the first falls and the second rises.
fn activations() -> InMemory {
    InMemory::new(
        vec![1, 2, 1],
        vec![
            vec![7.0; 6],
            vec![
                -1.0, 10.0, -2.0, 20.0, -3.0, 31.0, -4.0, 40.0, -5.0, 50.0, -6.0, 60.0,
            ],
            vec![10.0, 20.0, 31.0, 40.0, 0.0, 0.0],
        ],
    )
}

fn predicted(responses: &[f64]) -> Vec<f64> {
    let responses = Mat::from_fn(4, 1, |row, _| responses[row]);
    let found = predict(
        &activations(),
        &[0, 1, 2, 3],
        &responses,
        &[4, 5],
        &mut |_| true,
    );
    let found = found.expect("reads");
    assert_eq!(found.alpha, None);
    found.responses.col(0).iter().copied().collect()
}

/// Of equal units the first; its sign counts; constant units and sites have no correlation.
#[test]
fn the_unit_with_the_highest_correlation_predicts_at_the_responses_scale() {
    // Twice the unit's activation: the slope of least squares.
    let found = predicted(&[20.0, 40.0, 62.0, 80.0]);
    assert!(
        (found[0] - 100.0).abs() < 1e-12 && (found[1] - 120.0).abs() < 1e-12,
        "{found:?}"
    );
    let found = predicted(&[4.0, 3.0, 2.0, 1.0]);
    assert!(
        (found[0] - 0.0).abs() < 1e-12 && (found[1] + 1.0).abs() < 1e-12,
        "{found:?}"
    );
    assert_eq!(predicted(&[3.0; 4]), [3.0, 3.0], "the mean");
}

/// A correlation below 0 stays below 0, as in Brain-Score: nothing turns the unit around.
#[test]
fn a_unit_is_never_turned_around() {
    let one = InMemory::new(vec![1], vec![vec![1.0, 2.0, 3.0, 4.0, 5.0]]);
    let responses = Mat::from_fn(4, 1, |row, _| -(row as f64));
    let found = predict(&one, &[0, 1, 2, 3], &responses, &[4], &mut |_| true);
    // The mean is -1.5, and the activation 2.5 above its own.
    assert!((found.expect("reads").responses[(0, 0)] - 1.0).abs() < 1e-12);
}

#[test]
fn a_site_that_is_one_unit_is_found() {
    let mut world = World::new(4, WIDE, 20, 0.1, |seen, site| seen[site % 20]);
    world.responses[3] = f64::NAN;
    let evaluate = |goes_on: bool| {
        let targets = TargetScaling::Standardised;
        evaluate_single_unit(&world.data(), targets, true, &mut |_| goes_on)
    };
    let found = evaluate(true).expect("scores");
    let r = found.test.scores.pearson_median.expect("defined");
    assert!(r > 0.97, "{r}");
    assert!(found.validation_mse < 0.05, "{}", found.validation_mse);
    assert!(matches!(
        evaluate(false),
        Err(TrainError::Interrupted { .. })
    ));
}
