//! What must not decide, end or spoil a trial that has nothing to do with it.

use super::*;

/// Forty sites, each of some of what is seen.
fn forty() -> World {
    World::new(&[12, 8], 40, 0.3, |seen, site| {
        seen[site % 8] * seen[(site + 3) % 8].abs() + seen[(site + 1) % 8]
    })
}

/// A network that hardly learns.
fn slow() -> Trial {
    Trial {
        learning_rate: 1e-6,
        ..trial()
    }
}

#[test]
fn one_almost_silent_site_does_not_decide_for_its_region() {
    let awake = forty();
    let mut world = forty();
    // One faint response in training; five of the size of others' after it.
    for stimulus in 0..400 {
        world.responses[stimulus * 40 + 17] = match stimulus {
            100 => 0.05,
            281 | 290 | 300 | 317 | 331 | 350 | 377 => 4.0,
            _ => 0.0,
        };
    }
    let [better, worse] = [trial(), slow()].map(|trial| world.train(&trial, &protocol()));
    let (better, worse) = (better.expect("trains"), worse.expect("trains"));
    assert_eq!(better.left_out, [17]);
    assert_eq!(worse.left_out, [17]);
    assert!(better.test.scores.nrp_error < 0.9 * worse.test.scores.nrp_error);
    // In units of the sites' variance, beside 1 for the mean predictor.
    assert!(better.validation_mse < 0.8, "{}", better.validation_mse);
    assert!(better.validation_mse < 0.8 * worse.validation_mse);
    let as_ever = awake.train(&trial(), &protocol()).expect("trains");
    assert_eq!(as_ever.left_out, [0; 0]);
    assert!((better.validation_mse / as_ever.validation_mse - 1.0).abs() < 0.1);
    // It stops when the others do: not in the first epochs, at what one site happens to be worst.
    assert!(better.best_epoch > 3, "{better:?}");
}

#[test]
fn an_offset_costs_no_digits() {
    let world = World::new(&[12, 8], 4, 0.3, nonlinear);
    let plain = world.train(&trial(), &protocol()).expect("trains");
    for (offset, scale) in [
        (1e8, 1.0),
        (1e8, 1e-12),
        (1e8, 1e12),
        (0.0, 1e-12),
        (0.0, 1e12),
    ] {
        let mut far = World::new(&[12, 8], 4, 0.3, nonlinear);
        for response in &mut far.responses {
            *response = scale * (offset + *response);
        }
        let found = far.train(&trial(), &protocol()).expect("trains");
        // Targets differ by what f64 rounds at the offset, 1e-8 of them, which training amplifies.
        let close =
            |a: f64, b: f64| assert!((a / b - 1.0).abs() < 0.02, "{offset} {scale}: {a} {b}");
        close(
            found.test.scores.nrp_error,
            scale * plain.test.scores.nrp_error,
        );
        close(
            found.test.scores.mean_predictor_error,
            scale * plain.test.scores.mean_predictor_error,
        );
        for (found, plain) in [
            (
                found.test.scores.pearson_median,
                plain.test.scores.pearson_median,
            ),
            (found.test.scores.r2_mean, plain.test.scores.r2_mean),
        ] {
            close(found.expect("defined"), plain.expect("defined"));
        }
    }
}

#[test]
fn a_unit_or_site_of_subnormal_deviation_is_constant() {
    let mut world = World::new(&[12, 8], 4, 0.3, nonlinear);
    for stimulus in 0..400 {
        world.activations.layers[1][stimulus * 8 + 6] = (stimulus % 2) as f32 * 1e-42;
        world.responses[stimulus * 4 + 3] = (stimulus % 2) as f64 * 1e-42;
    }
    let protocol = Protocol {
        inputs: InputScaling::PerUnit,
        ..protocol()
    };
    let trained = world.train(&trial(), &protocol).expect("trains");
    assert!(trained.test.scores.nrp_error < trained.test.scores.mean_predictor_error);
    assert_eq!(trained.left_out, [3]);
}

#[test]
fn a_panic_ends_its_own_trial_alone() {
    let world = World::new(&[12, 8], 4, 0.3, nonlinear);
    let trials: Vec<Trial> = (1..6)
        .map(|times| Trial {
            learning_rate: 1e-3 * f64::from(times),
            ..trial()
        })
        .collect();
    let mut panics = |trial, report: EpochReport| {
        assert!(trial != 3 || report.epoch < 4, "the fourth cannot go on");
        ControlFlow::Continue(())
    };
    let ended = world.fuse(limits(), &trials, &protocol(), &mut panics);
    let ended = ended.expect("the machine is well");
    for (number, (ended, trial)) in ended.into_iter().zip(&trials).enumerate() {
        match number {
            3 => {
                let error = ended.expect_err("it panics");
                assert!(error.is_of_the_trial());
                insta::assert_snapshot!(error, @"the trial ended in a panic: the fourth cannot go on");
            }
            _ => {
                let alone = world.train(trial, &protocol()).expect("trains");
                let off = ended.expect("trains").validation_mse / alone.validation_mse - 1.0;
                // The same bits on the host.
                assert!(off.abs() < 1e-3, "trial {number}: {off}");
            }
        }
    }
}

#[test]
fn what_did_not_diverge_is_not_said_to_have() {
    for (part, stimulus, value) in [
        ("validation", 300, f32::NAN),
        ("validation", 300, 1e30),
        ("test", 360, f32::INFINITY),
        ("test", 360, f32::NAN),
    ] {
        let mut world = World::new(&[12, 8], 4, 0.3, nonlinear);
        world.activations.layers[1][stimulus * 8 + 5] = value;
        let error = world
            .train(&trial(), &protocol())
            .expect_err("cannot be scored");
        let TrainError::HeldOutActivation {
            part: found,
            stimulus: at,
            layer,
            unit,
            ..
        } = error
        else {
            panic!("{error}");
        };
        assert_eq!((found, at, layer, unit), (part, stimulus, 1, 5));
    }
    let mut world = World::new(&[12, 8], 4, 0.3, nonlinear);
    world
        .responses
        .iter_mut()
        .for_each(|response| *response *= 1e30);
    let raw = Protocol {
        targets: TargetScaling::None,
        ..protocol()
    };
    let error = world.train(&trial(), &raw).expect_err("overflows");
    assert!(
        matches!(error, TrainError::LargeResponses { .. }),
        "{error}"
    );
    world
        .train(&trial(), &protocol())
        .expect("standardised, it is as ever");
    let wild = Trial {
        learning_rate: 1e12,
        ..trial()
    };
    let error = world.train(&wild, &protocol()).expect_err("diverges");
    assert!(matches!(error, TrainError::Diverged { .. }), "{error}");
}

#[test]
fn a_region_of_constant_sites_is_trained_and_scored() {
    let mut world = World::new(&[12, 8], 2, 0.3, nonlinear);
    world.responses.fill(7.0);
    let trained = world
        .train(&trial(), &protocol())
        .expect("has not diverged");
    assert_eq!(
        (
            trained.test.scores.sites_scored,
            trained.test.scores.mean_predictor_error
        ),
        (0, 0.0)
    );
}
