//! Jobs as workers get them: a grant, with what its sweep says and, from the index, its trials.

use super::command::{Caller, Command, Reply};
use super::workers::{LeaseError, Leased, WorkerCommand};
use super::writer::Effect;
use crate::scheduler::{Grant, Holder, TrialId};
use crate::store::{Index, IndexError};
use nrp_proto::wire::{Job, SweepSpec, Trial, TrialSpec};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// Most layers that a job carries along for other trials.
const ANN_LAYERS_MAX: usize = 64;

/// Hands a job to the worker that asked; takes it back if nobody is there to take it.
pub(super) fn hand_out(
    grant: Grant,
    sweep: Arc<SweepSpec>,
    holder: Holder,
    reply: Reply<Leased>,
    driver: &mpsc::WeakSender<Command>,
) -> Effect {
    let driver = driver.clone();
    Box::new(move |index| {
        let job = job(index, &grant, &sweep);
        let failed = job.is_err();
        let unsent = reply
            .send(job.map(Some).map_err(LeaseError::Index))
            .is_err();
        if !(failed || unsent) {
            return;
        }
        let (reply, _) = oneshot::channel();
        let lease = grant.lease;
        if let Some(driver) = driver.upgrade() {
            // If the driver is too busy now, the lease lapses by itself.
            let command = WorkerCommand::Release {
                holder,
                lease,
                hindrance: None,
                reply,
            };
            let caller = Caller::HERE;
            let _ = driver.try_send(Command::Worker { caller, command });
        }
    })
}

fn job(index: &Index, grant: &Grant, sweep: &SweepSpec) -> Result<Job, IndexError> {
    let mut trials = Vec::with_capacity(grant.trials.len());
    for id in &grant.trials {
        trials.push(Trial {
            id: id.to_string(),
            spec: Some(spec(index, *id)?),
        });
    }
    let mut ann_layers = Vec::new();
    for id in &grant.along {
        for layer in spec(index, *id)?.layers {
            if !ann_layers.contains(&layer) && ann_layers.len() < ANN_LAYERS_MAX {
                ann_layers.push(layer);
            }
        }
    }
    let ann = trials
        .first()
        .and_then(|trial| trial.spec.as_ref()?.ann.as_ref());
    let entry = sweep.anns.iter().find(|entry| entry.ann.as_ref() == ann);
    let entry = entry.ok_or_else(|| IndexError::missing("ANN of sweep", grant.sweep))?;
    Ok(Job {
        id: grant.lease.job.0,
        fence: grant.lease.fence.0,
        weights: entry.weights.clone(),
        files: sweep.files.clone(),
        data_dir: sweep.data_dir.clone(),
        trials,
        ann_layers,
        activations: grant.activations.to_string(),
        rungs: grant.rungs.clone(),
        reached_sparsity: entry.reached_sparsity,
    })
}

/// What a trial is.
fn spec(index: &Index, id: TrialId) -> Result<TrialSpec, IndexError> {
    let record = index.trial(id)?;
    let spec = record.and_then(|record| record.spec);
    spec.ok_or_else(|| IndexError::missing("trial", id))
}
