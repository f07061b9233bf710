//! What operators see of facts that have become durable: log lines with fields, and counts.

use crate::counts::Counts;
use crate::scheduler::{
    Ending, Fact, GroupId, HinderedWorkers, Hindrance, LeaseEnd, LeaseRef, SweepId, TrialId,
};
use nrp_proto::score::Score;

/// Logs and counts a fact.
pub(super) fn observe(fact: &Fact, counts: &Counts) {
    match fact {
        Fact::SweepSubmitted { sweep, spec } => {
            tracing::info!(%sweep, name = spec.name, "sweep submitted");
        }
        Fact::SweepCancelled { sweep } => tracing::info!(%sweep, "sweep cancelled"),
        Fact::SweepResumed { sweep } => tracing::info!(%sweep, "sweep resumed"),
        Fact::SweepDeleted { sweep } => tracing::info!(%sweep, "sweep deleted"),
        Fact::SweepPaused { sweep } => tracing::info!(%sweep, "sweep paused"),
        Fact::SweepPrioritised { sweep, priority } => {
            tracing::info!(%sweep, priority, "sweep prioritised");
        }
        Fact::LeaseGranted {
            job,
            fence,
            holder,
            trials,
            copy,
            ..
        } => {
            counts.leases_granted.inc();
            let (job, fence, trials) = (job.0, fence.0, trials.len());
            let worker = &holder.worker;
            tracing::info!(job, fence, worker, trials, copy, "job handed out");
        }
        Fact::LeaseEnded {
            job,
            fence,
            reason,
            hindrance,
        } => {
            counts.reassigned(*reason);
            let (job, fence) = (*job, *fence);
            lease_ended(LeaseRef { job, fence }, *reason, hindrance.as_ref());
        }
        Fact::GroupParked {
            sweep,
            group,
            trials,
            hindered,
        } => parked(*sweep, *group, *trials, hindered),
        Fact::GroupUnparked { sweep, group } => {
            tracing::info!(%sweep, %group, "parked trials are tried again: there is another worker");
        }
        Fact::AttemptFailed {
            trial,
            worker,
            reason,
            attempts,
        } => {
            counts.attempts_failed.inc();
            tracing::warn!(%trial, worker, attempts, reason, "attempt failed");
        }
        Fact::RungReached {
            trial,
            worker,
            epochs,
            validation_mse,
        } => tracing::debug!(%trial, worker, epochs, validation_mse, "trial passed a rung"),
        Fact::OutcomeRecorded {
            trial,
            worker,
            lease,
            attempts,
            outcome,
        } => outcome_recorded(*trial, worker, *lease, *attempts, outcome, counts),
        Fact::OutcomeRetracted { trial, reason, .. } => {
            counts.retracted.inc();
            tracing::warn!(%trial, reason, "outcome retracted; its trial is open again");
        }
        // Only snapshots contain these.
        Fact::LeasesRemembered { .. } | Fact::TrialCarried { .. } | Fact::FenceReached { .. } => {}
    }
}

fn parked(sweep: SweepId, group: GroupId, trials: u64, hindered: &[HinderedWorkers]) {
    for told in hindered {
        let names = told.workers.iter().map(|holder| holder.worker.as_str());
        let workers = names.collect::<Vec<_>>().join(", ");
        let (why, hint) = (&told.reason, &told.hint);
        tracing::warn!(
            %sweep, %group, trials, workers, why, hint,
            "trials parked: no worker can run them"
        );
    }
}

fn lease_ended(lease: LeaseRef, reason: LeaseEnd, hindrance: Option<&Hindrance>) {
    let (job, fence) = (lease.job.0, lease.fence.0);
    match reason {
        LeaseEnd::Lapsed | LeaseEnd::WorkerRestarted => {
            tracing::warn!(job, fence, ?reason, "job lost; its trials wait again");
        }
        LeaseEnd::Hindered => {
            let why = hindrance.map_or("", |hindrance| hindrance.reason.as_str());
            let hint = hindrance.map_or("", |hindrance| hindrance.hint.as_str());
            tracing::warn!(job, fence, why, hint, "a worker cannot run a job");
        }
        LeaseEnd::CoordinatorRestarted | LeaseEnd::Released => {
            tracing::info!(job, fence, ?reason, "job taken back; its trials wait again");
        }
    }
}

fn outcome_recorded(
    trial: TrialId,
    worker: &str,
    lease: LeaseRef,
    attempts: u32,
    outcome: &Ending,
    counts: &Counts,
) {
    let (job, fence) = (lease.job.0, lease.fence.0);
    match outcome {
        Ending::Finished(scores) => {
            counts.finished.inc();
            let validation_mse = Score::ValidationMse.of(scores);
            let similarity = scores.similarity;
            tracing::debug!(%trial, worker, job, fence, validation_mse, similarity, "trial finished");
        }
        Ending::Stopped {
            epochs,
            validation_mse,
        } => {
            counts.stopped.inc();
            tracing::debug!(%trial, worker, job, epochs, validation_mse, "trial stopped");
        }
        Ending::Failed { reason } => {
            counts.failed.inc();
            tracing::warn!(%trial, worker, job, fence, attempts, reason, "trial failed");
        }
    }
}
