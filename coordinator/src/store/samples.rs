//! Test builders: a small sweep, and facts about its trials.

use super::Stamped;
use crate::expand;
use crate::scheduler::{Ending, Epoch, Fact, Holder, JobId, LeaseRef, SweepId, TrialId};
use nrp_proto::sweep::SweepFile;
use nrp_proto::wire::{Scores, SweepSpec};

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
    let keys = expand::keys(spec).expect("a grid");
    keys.iter().map(|key| key.id).collect()
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
        epoch: Epoch(1),
    }
}

pub(crate) fn granted(trials: &[TrialId]) -> Fact {
    Fact::LeaseGranted {
        job: lease().job,
        epoch: lease().epoch,
        holder: Holder {
            worker: "w".to_owned(),
            instance: "1".to_owned(),
        },
        trials: trials.to_vec(),
        copy: false,
    }
}

/// The same trials, run beside by another worker.
pub(crate) fn copied(trials: &[TrialId]) -> Fact {
    Fact::LeaseGranted {
        job: JobId(2),
        epoch: Epoch(2),
        holder: Holder {
            worker: "v".to_owned(),
            instance: "1".to_owned(),
        },
        trials: trials.to_vec(),
        copy: true,
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

pub(crate) fn failed(trial: TrialId) -> Fact {
    let reason = "the loss diverged".to_owned();
    recorded(trial, Ending::Failed { reason })
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

pub(crate) fn stamped(facts: impl IntoIterator<Item = Fact>) -> Vec<Stamped> {
    let facts = facts.into_iter().map(|fact| Stamped {
        at_ms: 1_763_942_400_000,
        fact,
    });
    facts.collect()
}
