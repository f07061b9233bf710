//! Training: trials from their initial weights to their scores on the test stimuli; those that
//! share a seed and fit in memory are trained together.
//!
//! Trials of one seed take the training stimuli in the same orders, so they can learn from the same
//! batches: they form a cohort (see `cohort`). Trials with a linear path have other targets, and
//! form cohorts of their own. Each network of an ensemble is a lane. On a processor an outcome has
//! the same bits whatever is trained beside it. No trial joins a running cohort: an epoch's order
//! follows from the one before, so a trial that joins later would see other batches than alone.

use burn::tensor::Device;
use bytesize::ByteSize;

use super::array::LaneConfig;
use super::cohort::CohortInputs;
use super::engine::Engine;
use super::ensemble::Ensembles;
use super::error::TrainError;
use super::lane::Lane;
use super::scaling::InputStatistics;
use super::sites::SiteStatistics;
use super::source::Source;
use super::trial::{Data, Protocol, Trial};
use super::watch::Watch;
use crate::device;

/// Most bytes of scaled activations that stay in memory.
const RESIDENT_BYTES: u64 = 2 << 30;
/// Largest fitted response that networks are trained on: its square is far below the largest f32.
const LARGEST_TARGET: f64 = 1e16;
/// Resident activations take at most one part in this many of the free memory.
const RESIDENT_SHARE: u64 = 4;

/// Settings that do not change an outcome, except that the engine changes rounding.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// How the products are made.
    pub(crate) engine: Engine,
    /// Bytes of scaled activations that may stay in memory.
    pub(crate) resident_bytes: u64,
    /// Bytes for everything.
    pub(crate) bytes: u64,
}

/// What trials are trained on, and where.
#[derive(Clone, Copy)]
pub struct Training<'a> {
    /// How each of them is trained.
    pub protocol: &'a Protocol,
    /// Activations, responses and the split.
    pub data: &'a Data<'a>,
    /// The training stimuli's statistics of the same activations.
    pub statistics: &'a InputStatistics,
    /// The device.
    pub device: &'a Device,
}

/// Trains trials and scores their best weights on the test stimuli.
///
/// # Errors
/// When the machine prevents it, or the data suit no trial; trials that have not ended are then left
/// unchanged.
pub fn train(
    training: &Training<'_>,
    trials: &[Trial],
    watch: &mut dyn Watch,
) -> Result<(), TrainError> {
    let bytes = device::free_bytes(training.device);
    let limits = Limits {
        engine: Engine::of(training.device),
        resident_bytes: RESIDENT_BYTES.min(bytes / RESIDENT_SHARE),
        bytes,
    };
    train_within(limits, training, trials, watch)
}

/// [`train`], with its limits given.
pub(crate) fn train_within(
    limits: Limits,
    training: &Training<'_>,
    trials: &[Trial],
    watch: &mut dyn Watch,
) -> Result<(), TrainError> {
    let Training {
        protocol,
        data,
        statistics,
        device,
    } = *training;
    assert_eq!(
        statistics.units(),
        data.activations.units(),
        "statistics belong to these activations"
    );
    let mut waiting: Vec<usize> = Vec::new();
    let mut measured = None;
    for (number, trial) in trials.iter().enumerate() {
        let checked = trial.check(protocol, data);
        match checked.and_then(|()| measured_sites(data, protocol)) {
            Ok(sites) => {
                measured = Some(sites);
                waiting.push(number);
            }
            Err(error) if error.is_of_the_trial() => watch.on_end(number, Err(error)),
            Err(error) => return Err(error),
        }
    }
    let Some(sites) = measured else {
        return Ok(());
    };
    let source = Source::open(
        data.activations,
        statistics,
        protocol.inputs,
        [data.train, data.validation, data.test].concat(),
        usize::try_from(limits.resident_bytes).unwrap_or(usize::MAX),
        limits.engine == Engine::Device,
    )?;
    let held = limits.engine.held_bytes(&source, protocol.batch_size);
    let room = limits.bytes.saturating_sub(held);
    let inputs = CohortInputs {
        engine: limits.engine,
        protocol,
        data,
        source: &source,
        sites: &sites,
        device,
    };
    // Groups trials that can share batches and targets, in the order of each group's first trial.
    waiting.sort_by_key(|&number| {
        let trial = &trials[number];
        let same =
            |other: &Trial| other.seed == trial.seed && other.linear_path == trial.linear_path;
        trials.iter().position(same)
    });
    let lanes = waiting.into_iter().flat_map(|number| {
        let trial = &trials[number];
        (0..trial.ensemble).map(move |network| Lane::new(number, network, trial, data))
    });
    let size = |lane: &LaneConfig| limits.engine.bytes_of(lane, protocol.batch_size);
    let (cohorts, too_large) = cohorts(lanes, size, room);
    train_cohorts(cohorts, &inputs, watch)?;
    match too_large {
        None => Ok(()),
        Some(bytes) => {
            let needed = ByteSize::b(bytes + held).display().si();
            let free = ByteSize::b(limits.bytes).display().si();
            let reason = format!("one trial needs {needed}, and {free} are free");
            Err(TrainError::OutOfMemory { reason })
        }
    }
}

/// Trains cohorts one after the other. One that runs out of memory keeps none of the others from
/// being trained.
///
/// # Errors
/// When a cohort fails; an error about memory is returned after all cohorts have run.
fn train_cohorts(
    cohorts: Vec<Vec<Lane>>,
    inputs: &CohortInputs<'_>,
    watch: &mut dyn Watch,
) -> Result<(), TrainError> {
    let mut ensembles = Ensembles::default();
    let mut out_of_memory = None;
    for mut cohort in cohorts {
        cohort.retain(|lane| ensembles.begins(lane, watch));
        let trained = halving(cohort, &mut |lanes| {
            lanes.retain(|lane| !ensembles.has_ended(lane));
            match (inputs.train(lanes, &mut ensembles, watch), &lanes[..]) {
                // Alone, it is the trial that panics.
                (Err(error @ TrainError::Panicked { .. }), [lane]) => {
                    ensembles.end(lane);
                    watch.on_end(lane.trial, Err(error));
                    lanes.clear();
                    Ok(())
                }
                (ended, _) => ended,
            }
        });
        match trained {
            // The other cohorts may need less.
            Err(error @ TrainError::OutOfMemory { .. }) => out_of_memory = Some(error),
            trained => trained?,
        }
    }
    out_of_memory.map_or(Ok(()), Err)
}

/// Statistics of the sites over the training stimuli.
///
/// # Errors
/// When a site has no training response, or fitted responses are too large.
fn measured_sites(data: &Data<'_>, protocol: &Protocol) -> Result<SiteStatistics, TrainError> {
    let sites = SiteStatistics::measure(data, protocol.targets)?;
    let fitted = sites.scaled(data.responses, data.train).into_iter();
    let largest = fitted.map(f64::abs).fold(0.0, f64::max);
    if largest <= LARGEST_TARGET {
        Ok(sites)
    } else {
        Err(TrainError::LargeResponses { largest })
    }
}

/// Divides lanes into cohorts, each of lanes that can be trained together and that fit into `room`
/// bytes. Leaves out lanes that do not fit even alone; the second value is the largest of their
/// sizes.
fn cohorts(
    lanes: impl Iterator<Item = Lane>,
    size: impl Fn(&LaneConfig) -> u64,
    room: u64,
) -> (Vec<Vec<Lane>>, Option<u64>) {
    let mut cohorts: Vec<Vec<Lane>> = Vec::new();
    let mut too_large = None;
    let mut bytes = 0;
    for lane in lanes {
        let own = size(&lane.config);
        if own > room {
            too_large = too_large.max(Some(own));
            continue;
        }
        match cohorts.last_mut() {
            Some(last) if last[0].may_join(&lane) && bytes + own <= room => {
                bytes += own;
                last.push(lane);
            }
            Some(_) | None => {
                bytes = own;
                cohorts.push(vec![lane]);
            }
        }
    }
    (cohorts, too_large)
}

/// Trains a cohort; `train` removes lanes as they end. If memory runs out or something panics, the
/// remaining lanes are trained in halves, so that in the end a panic concerns a single trial.
///
/// # Errors
/// Any error of `train`; that memory ran out for a single lane is returned after all others were
/// trained.
fn halving(
    mut cohort: Vec<Lane>,
    train: &mut dyn FnMut(&mut Vec<Lane>) -> Result<(), TrainError>,
) -> Result<(), TrainError> {
    match train(&mut cohort) {
        Err(error @ (TrainError::OutOfMemory { .. } | TrainError::Panicked { .. }))
            if cohort.len() > 1 =>
        {
            tracing::warn!(lanes = cohort.len(), %error, "training half as many lanes, from the beginning");
            let others = cohort.split_off(cohort.len().div_ceil(2));
            match halving(cohort, train) {
                Err(TrainError::OutOfMemory { reason }) => {
                    halving(others, train)?;
                    Err(TrainError::OutOfMemory { reason })
                }
                ended => {
                    ended?;
                    halving(others, train)
                }
            }
        }
        ended => ended,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nrp::adam::Adam;
    use crate::nrp::network::NrpConfig;

    fn lanes(seeds: &[u64]) -> Vec<Lane> {
        let lane = |(trial, &seed)| {
            let network = NrpConfig {
                inputs: vec![10],
                l1: 4,
                l2: 4,
                depth: 2,
                sites: 2,
                dropout: 0.0,
            };
            let adam = Adam {
                learning_rate: 1e-3,
                weight_decay: 0.0,
            };
            let config = LaneConfig {
                network,
                adam,
                seed,
            };
            Lane::of(trial, config)
        };
        seeds.iter().enumerate().map(lane).collect()
    }

    fn numbers(cohorts: &[Vec<Lane>]) -> Vec<Vec<usize>> {
        let of = |cohort: &Vec<Lane>| cohort.iter().map(|lane| lane.trial).collect();
        cohorts.iter().map(of).collect()
    }

    #[test]
    fn a_cohort_has_one_seed_and_fits() {
        let cut = |room| {
            let lanes = lanes(&[1, 1, 1, 1, 2, 2]).into_iter();
            let (cohorts, too_large) = cohorts(lanes, |_| 10, room);
            (numbers(&cohorts), too_large)
        };
        assert_eq!(cut(1_000), (vec![vec![0, 1, 2, 3], vec![4, 5]], None));
        assert_eq!(cut(39), (vec![vec![0, 1, 2], vec![3], vec![4, 5]], None));
        assert_eq!(cut(9), (vec![], Some(10)));
    }

    #[test]
    fn a_trial_that_does_not_fit_keeps_none_from_being_trained_that_does() {
        let mixed = lanes(&[1, 2, 1, 2, 1]).into_iter();
        let size = |lane: &LaneConfig| lane.seed * 10;
        let (cohorts, too_large) = cohorts(mixed, size, 15);
        assert_eq!(
            (numbers(&cohorts), too_large),
            (vec![vec![0], vec![2], vec![4]], Some(20))
        );
        let mut trained = Vec::new();
        let mut train = |lanes: &mut Vec<Lane>| {
            if lanes.len() > 1 || lanes[0].trial == 0 {
                let reason = "no more".to_owned();
                return Err(TrainError::OutOfMemory { reason });
            }
            trained.extend(lanes.drain(..).map(|lane| lane.trial));
            Ok(())
        };
        let ended = halving(lanes(&[1; 4]), &mut train);
        assert!(matches!(ended, Err(TrainError::OutOfMemory { .. })));
        assert_eq!(trained, [1, 2, 3]);
    }

    #[test]
    fn what_memory_runs_out_for_is_halved_and_nothing_is_trained_twice() {
        let mut ended = Vec::new();
        let mut sizes = Vec::new();
        let mut train = |lanes: &mut Vec<Lane>| {
            sizes.push(lanes.len());
            // One lane ends before memory runs out.
            ended.push(lanes.remove(0).trial);
            if lanes.len() >= 2 {
                let reason = "no more".to_owned();
                return Err(TrainError::OutOfMemory { reason });
            }
            ended.extend(lanes.drain(..).map(|lane| lane.trial));
            Ok(())
        };
        halving(lanes(&[1; 6]), &mut train).expect("fits in the end");
        assert_eq!(sizes, [6, 3, 1, 1, 2]);
        ended.sort_unstable();
        assert_eq!(ended, [0, 1, 2, 3, 4, 5]);

        let mut never = |_: &mut Vec<Lane>| {
            let reason = "no more".to_owned();
            Err(TrainError::OutOfMemory { reason })
        };
        let refused = halving(lanes(&[1; 4]), &mut never);
        assert!(matches!(refused, Err(TrainError::OutOfMemory { .. })));
    }
}
