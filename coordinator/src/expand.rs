//! From a sweep's content to its trials and the keys under which the scheduler knows them. Pure,
//! and the same at submission and at every replay.

use crate::scheduler::{ActivationsId, GroupId, PassId, RowId, TrialId, TrialKey};
use nrp_proto::sweep::{GridError, GridTrial};
use nrp_proto::wire::{SweepSpec, TrialSpec};

/// Visits the sweep's trials in grid order, each with its key.
pub(crate) fn for_each<E: From<GridError>>(
    spec: &SweepSpec,
    mut visit: impl FnMut(TrialKey, GridTrial<'_>) -> Result<(), E>,
) -> Result<(), E> {
    // Besides the id, a key depends only on what many trials share.
    let mut last: Option<(TrialSpec, TrialKey)> = None;
    spec.for_each_trial(|trial| {
        let key = match &last {
            Some((shared, key)) if shared == trial.shared => *key,
            Some(_) | None => {
                let key = shared_key(trial.shared);
                last = Some((trial.shared.clone(), key));
                key
            }
        };
        let id = TrialId(trial.id);
        visit(TrialKey { id, ..key }, trial)
    })
}

/// The keys alone, where the contents are not needed.
pub(crate) fn keys(spec: &SweepSpec) -> Result<Vec<TrialKey>, GridError> {
    spec.check_trials()?;
    // Reserved at once: growing would need twice the memory for a moment.
    let mut keys = Vec::with_capacity(spec.trial_count() as usize);
    for_each(spec, |key, _| {
        keys.push(key);
        Ok::<_, GridError>(())
    })?;
    Ok(keys)
}

/// The key of a trial, apart from its id, by what it shares with others.
fn shared_key(shared: &TrialSpec) -> TrialKey {
    let group: GroupId = shared
        .job_group()
        .parse()
        .expect("a job group has 16 digits");
    let activations: ActivationsId = shared
        .activations()
        .parse()
        .expect("activations have 16 digits");
    let pass: PassId = shared.pass().parse().expect("a pass has 16 digits");
    TrialKey {
        id: TrialId(0),
        group,
        activations,
        pass,
        row: row(shared),
    }
}

/// The row of `best` that a trial belongs to: its comparable group and its region.
pub(crate) fn row(trial: &TrialSpec) -> RowId {
    let comparable = trial.comparable_group();
    // FNV-1a: there are few rows, and no hostile input. Indexes contain these ids.
    let bytes = comparable.bytes().chain([0]).chain(trial.region.bytes());
    RowId(bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    }))
}
