//! Trials trained together: each gives what it gives alone.

use std::collections::BTreeSet;
use std::error::Error;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::activations::Activations;
use super::engine::Engine;
use super::error::TrainError;
use super::in_memory::InMemory;
use super::lane::Lane;
use super::scaling::{InputScaling, InputStatistics};
use super::train::{Limits, Training, train_within};
use super::train_tests::{Watched, World, limits, nonlinear, protocol, trial};
use super::trial::{Data, NetworkShape, Protocol, Trial};
use super::watch::{EpochReport, Trained};
use crate::activation::Dtype;

/// How far a lane's losses may be from those of its trial alone, on devices but flex.
const LANES_APART: f64 = 1e-3;

/// Whether two runs of a trial gave the same, but for rounding.
fn assert_same(found: &Trained, expected: &Trained, what: &str) {
    if crate::device::is_flex(&crate::device::of_tests()) {
        assert_eq!(found, expected, "{what}");
        return;
    }
    // LibTorch chooses how it multiplies by a matrix's width.
    let close = |a: f64, b: f64| (a - b).abs() <= LANES_APART * b.abs();
    assert!(
        close(found.test.scores.nrp_error, expected.test.scores.nrp_error)
            && close(found.validation_mse, expected.validation_mse),
        "{what}: {found:?} is not {expected:?}"
    );
}

/// Trains trials together, each to its end.
fn all(world: &World, limits: Limits, trials: &[Trial], protocol: &Protocol) -> Vec<Trained> {
    let mut on_epoch = |_, _| ControlFlow::Continue(());
    let ended = world.fuse(limits, trials, protocol, &mut on_epoch);
    let ended = ended.expect("works").into_iter();
    ended.map(|ended| ended.expect("trains")).collect()
}

#[test]
fn streaming_gives_the_same_bits_as_memory() {
    let world = World::new(&[300, 200], 4, 0.1, nonlinear);
    let protocol = Protocol {
        max_epochs: 3,
        ..protocol()
    };
    let trials = mixed();
    let run = |resident_bytes| {
        let limits = Limits {
            resident_bytes,
            ..limits()
        };
        all(&world, limits, &trials, &protocol)
    };
    for (streamed, resident) in run(0).iter().zip(&run(u64::MAX)) {
        assert_same(streamed, resident, "streamed");
    }
}

#[test]
fn what_a_device_unpacks_is_what_the_host_would() {
    let mut world = World::new(&[300, 200], 4, 0.1, nonlinear);
    let trials = mixed();
    for dtype in [Dtype::F16, Dtype::Bf16] {
        world.activations.store_as(dtype);
        for inputs in [
            InputScaling::None,
            InputScaling::Centred,
            InputScaling::PerUnit,
        ] {
            let protocol = Protocol {
                max_epochs: 2,
                inputs,
                ..protocol()
            };
            let run = |resident_bytes| {
                let limits = Limits {
                    engine: Engine::Device,
                    resident_bytes,
                    ..limits()
                };
                all(&world, limits, &trials, &protocol)
            };
            // Unpacked batch by batch on the device, and here, once.
            for (streamed, resident) in run(0).iter().zip(&run(u64::MAX)) {
                assert_same(streamed, resident, "unpacked");
            }
        }
    }
}

#[test]
fn the_engines_agree() {
    // More units than a chunk holds, and no multiple of a block.
    let world = World::new(&[2_603, 200], 4, 0.1, nonlinear);
    let protocol = Protocol {
        max_epochs: 5,
        ..protocol()
    };
    let trials = mixed();
    let run = |engine| {
        let limits = Limits { engine, ..limits() };
        all(&world, limits, &trials, &protocol)
    };
    for (host, device) in run(Engine::Host).iter().zip(&run(Engine::Device)) {
        // Sums in another order; some fifty steps of Adam amplify the difference.
        assert!(
            (host.test.scores.nrp_error - device.test.scores.nrp_error).abs() < 1e-3,
            "{host:?} {device:?}"
        );
    }
}

/// Eight lanes that differ in all in which lanes may, in three seeds.
fn mixed() -> Vec<Trial> {
    let shapes = [(16, 16, 2), (8, 16, 2), (16, 16, 2), (5, 7, 3)];
    let shapes = shapes
        .into_iter()
        .chain([(16, 24, 1), (0, 0, 0), (33, 16, 2), (16, 16, 2)]);
    let trials = shapes.zip(0_u64..).map(|((l1, l2, depth), number)| Trial {
        network: NetworkShape {
            l1,
            l2,
            depth,
            dropout: if number % 3 == 2 { 0.2 } else { 0.0 },
        },
        learning_rate: [1e-3, 3e-3, 1e-2][number as usize % 3],
        weight_decay: if number == 1 { 0.1 } else { 0.0 },
        linear_path: false,
        ensemble: 1,
        seed: if number < 6 { 1 } else { number },
    });
    trials.collect()
}

#[test]
fn eight_mixed_lanes_are_the_eight_alone() {
    // Little to learn, so that lanes stop at epochs of their own.
    let world = World::new(&[300, 200], 4, 1.0, nonlinear);
    let protocol = Protocol {
        max_epochs: 25,
        patience: 4,
        ..protocol()
    };
    let trials = mixed();
    let alone: Vec<Trained> = trials
        .iter()
        .map(|trial| world.train(trial, &protocol).expect("trains"))
        .collect();
    let epochs: BTreeSet<usize> = alone.iter().map(|trained| trained.epochs).collect();
    assert!(
        epochs.len() > 3,
        "lanes leave at different epochs: {epochs:?}"
    );
    let engine = limits().engine;
    let largest = trials.iter().map(|trial| {
        let lane = Lane::new(0, 0, trial, &world.data());
        engine.bytes_of(&lane.config, protocol.batch_size)
    });
    let held = 2 * 400 * 500 * 4;
    let little = held + 2 * largest.max().expect("trials");
    for bytes in [u64::MAX, little] {
        let limits = Limits { bytes, ..limits() };
        let mut on_epoch = |_, _| ControlFlow::Continue(());
        let fused = world.fuse(limits, &trials, &protocol, &mut on_epoch);
        for (number, (fused, alone)) in fused.expect("works").iter().zip(&alone).enumerate() {
            let fused = fused.as_ref().expect("trains");
            assert_same(fused, alone, &format!("lane {number}, {bytes} bytes"));
        }
    }
}

#[test]
fn a_lane_that_diverges_or_is_stopped_leaves_the_others_as_they_were() {
    let world = World::new(&[300, 200], 4, 0.1, nonlinear);
    let protocol = Protocol {
        max_epochs: 8,
        ..protocol()
    };
    let mut trials = vec![trial(); 4];
    trials[1].learning_rate = 1e6;
    trials[3].network.l1 = 8;
    let mut stop_third = |number, report: EpochReport| match (number, report.epoch) {
        (2, 3) => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    let ended = world.fuse(limits(), &trials, &protocol, &mut stop_third);
    let ended = ended.expect("works");
    assert!(matches!(
        ended[1],
        Err(TrainError::Diverged { epoch: 1, .. })
    ));
    assert!(matches!(
        ended[2],
        Err(TrainError::Interrupted { epoch: 3 })
    ));
    for number in [0, 3] {
        let alone = world.train(&trials[number], &protocol).expect("trains");
        let fused = ended[number].as_ref().expect("trains");
        assert_same(fused, &alone, &format!("lane {number}"));
    }
}

#[test]
fn a_lane_too_large_for_the_memory_is_refused_before_it_starts() {
    let world = World::new(&[300], 4, 0.1, nonlinear);
    let limits = Limits {
        bytes: 500_000,
        ..limits()
    };
    let mut never = |_, _| panic!("nothing is trained");
    let refused = world.fuse(limits, &[trial()], &protocol(), &mut never);
    let reason = refused.expect_err("does not fit").to_string();
    assert!(reason.contains("and 500.0 kB are free"), "{reason}");
}

/// Activations that fail after a number of reads.
struct Failing<'a> {
    activations: &'a InMemory,
    left: AtomicUsize,
}

impl Activations for Failing<'_> {
    fn units(&self) -> &[usize] {
        self.activations.units()
    }

    fn read(
        &self,
        layer: usize,
        stimulus: usize,
        first: usize,
        out: &mut [f32],
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        let left = self.left.fetch_sub(1, Ordering::Relaxed);
        match left {
            0 => Err("the disk is gone".into()),
            _ => self.activations.read(layer, stimulus, first, out),
        }
    }
}

#[test]
fn activations_that_cannot_be_read_end_training_and_no_trial_is_blamed() {
    let world = World::new(&[300, 200], 4, 0.1, nonlinear);
    let statistics = InputStatistics::measure(&world.activations, &world.train).expect("finite");
    // In the middle of the second epoch, and where all are read beforehand.
    for (resident_bytes, left) in [(0, 1_000), (u64::MAX, 500)] {
        let activations = Failing {
            activations: &world.activations,
            left: AtomicUsize::new(left),
        };
        let data = Data {
            activations: &activations,
            ..world.data()
        };
        let limits = Limits {
            resident_bytes,
            ..limits()
        };
        let mut watched = Watched {
            on_epoch: &mut |_, _| ControlFlow::Continue(()),
            ended: vec![None],
        };
        let (trials, protocol) = ([trial()], protocol());
        let device = crate::device::of_tests();
        let training = Training {
            protocol: &protocol,
            data: &data,
            statistics: &statistics,
            device: &device,
        };
        let ended = train_within(limits, &training, &trials, &mut watched);
        assert!(matches!(ended, Err(TrainError::Activations { .. })));
        assert!(watched.ended[0].is_none());
    }
}
