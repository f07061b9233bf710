//! From a sweep's content to its trials and the keys under which the scheduler knows them. Pure,
//! and the same at submission and at every replay.

use crate::scheduler::{ActivationsId, GroupId, PassId, RowId, TrialId, TrialKey};
use nrp_proto::sweep::GridError;
use nrp_proto::wire::{SweepSpec, TrialSpec};

/// The sweep's trials in grid order, each with its key.
pub(crate) fn expand(spec: &SweepSpec) -> Result<Vec<(TrialKey, TrialSpec)>, GridError> {
    let trials = spec.trials()?;
    Ok(trials
        .into_iter()
        .map(|trial| (key(&trial), trial))
        .collect())
}

/// The keys alone, where the contents are not needed.
pub(crate) fn keys(spec: &SweepSpec) -> Result<Vec<TrialKey>, GridError> {
    Ok(spec.trials()?.iter().map(key).collect())
}

fn key(trial: &TrialSpec) -> TrialKey {
    let id: TrialId = trial.id().parse().expect("a trial's id has 32 digits");
    let group: GroupId = trial
        .job_group()
        .parse()
        .expect("a job group has 16 digits");
    let activations: ActivationsId = trial
        .activations()
        .parse()
        .expect("activations have 16 digits");
    let pass: PassId = trial.pass().parse().expect("a pass has 16 digits");
    TrialKey {
        id,
        group,
        activations,
        pass,
        row: row(trial),
    }
}

/// The row of `best` a trial competes in: its comparable group and its region.
pub(crate) fn row(trial: &TrialSpec) -> RowId {
    let comparable = trial.comparable_group();
    // FNV-1a: nothing hostile is hashed, and rows are few.
    let bytes = comparable.bytes().chain([0]).chain(trial.region.bytes());
    RowId(bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    }))
}
