//! Test builders: a small sweep, and facts about its trials.

use super::{Stamped, line};
use crate::expand;
use crate::scheduler::{Ending, Fact, Fence, Holder, JobId, LeaseRef, SweepId, TrialId, TrialKey};
use nrp_proto::sweep::SweepFile;
use nrp_proto::wire::{Details, Scores, SweepSpec};

/// Two regions, one layer set, and `seeds` trials in each region.
pub(crate) fn sweep(name: &str, seeds: u32) -> SweepSpec {
    let seeds: Vec<_> = (0..seeds).map(|seed| seed.to_string()).collect();
    let text = format!(
        r#"
        name = "{name}"
        recordings = {{ assembly = "simulated", regions = ["V4", "IT"] }}
        [[ann]]
        name = "mobilenet"
        weights = "random:0"
        layer_sets = [["conv_pw_13_relu"]]
        [grid]
        l1 = [16]
        l2 = [32]
        learning_rate = [1e-3]
        seed = [{}]
        "#,
        seeds.join(", ")
    );
    let mut spec = SweepFile::parse(&text).expect("parses").to_spec();
    spec.recordings_digest = "simulated:1".to_owned();
    for entry in &mut spec.anns {
        let ann = entry.ann.as_mut().expect("an ann");
        ann.weights_digest = "random:0".to_owned();
    }
    spec
}

pub(crate) fn id(spec: &SweepSpec) -> SweepId {
    spec.id().parse().expect("an id")
}

/// The ids of a sweep's trials, in grid order.
pub(crate) fn trials(spec: &SweepSpec) -> Vec<TrialId> {
    keys(spec).iter().map(|key| key.id).collect()
}

pub(crate) fn keys(spec: &SweepSpec) -> Vec<TrialKey> {
    expand::keys(spec).expect("a grid")
}

pub(crate) fn submitted(spec: &SweepSpec) -> Fact {
    Fact::SweepSubmitted {
        sweep: id(spec),
        spec: Box::new(spec.clone()),
    }
}

pub(crate) fn lease() -> LeaseRef {
    LeaseRef {
        job: JobId(1),
        fence: Fence(1),
    }
}

pub(crate) fn granted(trials: &[TrialId]) -> Fact {
    granted_as(1, trials)
}

/// The same fact for the lease with this number.
pub(crate) fn granted_as(number: u64, trials: &[TrialId]) -> Fact {
    Fact::LeaseGranted {
        job: JobId(number),
        fence: Fence(number),
        holder: Holder {
            worker: "w".to_owned(),
            instance: "1".to_owned(),
        },
        trials: trials.to_vec(),
        taken: Vec::new(),
        copy: false,
        copied: false,
        sweep: None,
    }
}

/// A copy: the same trials, leased to another worker as well.
pub(crate) fn copied(trials: &[TrialId]) -> Fact {
    Fact::LeaseGranted {
        job: JobId(2),
        fence: Fence(2),
        holder: Holder {
            worker: "v".to_owned(),
            instance: "1".to_owned(),
        },
        trials: trials.to_vec(),
        taken: Vec::new(),
        copy: true,
        copied: false,
        sweep: None,
    }
}

pub(crate) fn paused(spec: &SweepSpec) -> Fact {
    Fact::SweepPaused { sweep: id(spec) }
}

pub(crate) fn prioritised(spec: &SweepSpec, priority: i32) -> Fact {
    Fact::SweepPrioritised {
        sweep: id(spec),
        priority,
    }
}

pub(crate) fn finished(trial: TrialId, validation_mse: f64) -> Fact {
    recorded(
        trial,
        Ending::Finished(Box::new(Scores {
            validation_mse,
            nrp_error: validation_mse / 3.0,
            pearson_median: Some(0.1 + 0.2),
            ..Scores::default()
        })),
    )
}

/// Scores with every field, different for each trial.
pub(crate) fn large_scores(seed: u128) -> Scores {
    let unit = (seed as u64 >> 11) as f64 / (1u64 << 53) as f64;
    Scores {
        nrp_error: 0.3 + unit / 7.0,
        mean_predictor_error: 0.512_345_678_901_234,
        r2_mean: Some(unit / 3.0),
        r2_median: Some(unit / 3.1),
        r2_pooled: Some(unit / 3.2),
        pearson_median: Some(unit / 1.7),
        validation_mse: 0.5 + unit,
        sites: 168,
        sites_scored: 168,
        epochs: 40,
        best_epoch: 33,
        train_seconds: unit * 9.0,
        parameters: 123_456,
        noise_floor: Some(0.212_345_678_901_234),
        ceiling_median: Some(0.812_345_678_901_234),
        pearson2_over_ceiling: Some(unit / 2.3),
        cache_dtype: "f32".to_owned(),
        reached_sparsity: None,
        details: Some(Details {
            site_error: vec![0.25, 0.5],
            validation_mse: vec![1.0, 0.75, 0.5],
            ..Details::default()
        }),
        split_half_consistency: Some(0.801_234_567_890_123),
        split_half_error: Some(0.012_345_678_901_234),
        pearson_median_varying: Some(-0.25),
        recorded_at_ms: 1_763_942_400_000,
        sites_left_out: 3,
        alpha: None,
        similarity: None,
        similarity_split: None,
        similarity_upper: None,
        similarity_lower: None,
        between_subjects: Vec::new(),
        other_subjects: Vec::new(),
    }
}

pub(crate) fn recorded_with(trial: TrialId, scores: Scores) -> Fact {
    recorded(trial, Ending::Finished(Box::new(scores)))
}

pub(crate) fn failed(trial: TrialId) -> Fact {
    let reason = "the loss diverged".to_owned();
    recorded(trial, Ending::Failed { reason })
}

pub(crate) fn rung(trial: TrialId, epochs: u32, validation_mse: f64) -> Fact {
    Fact::RungReached {
        trial,
        worker: "w".to_owned(),
        epochs,
        validation_mse,
    }
}

pub(crate) fn stopped(trial: TrialId, epochs: u32, validation_mse: f64) -> Fact {
    recorded(
        trial,
        Ending::Stopped {
            epochs,
            validation_mse,
        },
    )
}

/// Retracts the outcome under leases up to this one.
pub(crate) fn retracted(trial: TrialId, fence: u64) -> Fact {
    Fact::OutcomeRetracted {
        trial,
        fence: Fence(fence),
        reason: "a broken disk".to_owned(),
    }
}

fn recorded(trial: TrialId, outcome: Ending) -> Fact {
    Fact::OutcomeRecorded {
        trial,
        worker: "w".to_owned(),
        lease: lease(),
        attempts: 1,
        outcome,
    }
}

/// The length of a fact's line in bytes.
pub(crate) fn line_bytes(fact: &Fact) -> usize {
    let mut bytes = Vec::new();
    line::encode(1, 1_763_942_400_000, fact, &mut bytes);
    bytes.len()
}

pub(crate) fn stamped(facts: impl IntoIterator<Item = Fact>) -> Vec<Stamped> {
    let facts = facts.into_iter().map(|fact| Stamped {
        at_ms: 1_763_942_400_000,
        fact,
    });
    facts.collect()
}
