//! The scheduler: which state a trial is in, which worker may run it, and what it ended with.
//!
//! A pure core, `(state, now, event) -> facts`, with an answer where a worker asks. No clock, no IO, no
//! async and no randomness in here (hash maps are looked up, but never iterated). A handler decides and
//! writes its decision as facts. Applying a fact is the only way in which state changes, so that reading
//! the journal back restores the same state. No event takes time in proportion to all trials.

mod copies;
mod deletion;
mod event;
mod explain;
mod granted;
mod halving;
mod hindrances;
mod ids;
mod invariants;
mod leases;
mod outcomes;
mod placement;
mod queue;
mod retract;
mod settings;
mod snapshot;
mod sweep_state;
mod sweeps;
mod trials;
mod turns;
mod workers;

#[cfg(test)]
mod bad_sweeps;
#[cfg(test)]
mod random_events;
#[cfg(test)]
mod scene;

pub use deletion::Deletion;
pub use event::{
    Attempt, Ending, Event, Fact, Grant, Holder, LeaseEnd, LeaseRun, Refusal, Renewed, TrialKey,
    Verdict,
};
pub use explain::{SweepWhy, TrialWhy, Waits};
pub use granted::Refused;
pub use halving::RUNGS_MAX;
pub use hindrances::{HinderedTrials, HinderedWorkers, Hindrance};
pub use ids::{
    ActivationsId, Fence, GroupId, IdError, JobId, LeaseRef, PassId, RowId, SweepId, TrialId,
};
pub use outcomes::Reporter;
pub use retract::NoOutcome;
pub use settings::{
    ALONG_MAX, ATTEMPTS_MAX, BACKOFF_MS, CENSUS_MS, COPIES_LOOKED, COPY_FACTOR, COPY_UNKNOWN_MS,
    HELD_LOOKED, HINDERED_LOOKED, HINDERED_MS, HINDERED_WORKERS_SHOWN, LANES_MAX,
    LEASES_REMEMBERED, LOSSES_ALONE, LOSSES_MAX, OPEN_TRIALS_MAX, REASONS_MAX, SETTLE_MS,
    STEAL_AFTER_MS, Settings, TURNS_LOOKED, UNFIT_MS, WORKERS_MAX,
};
#[cfg(test)]
pub(crate) use snapshot::durable;
pub use snapshot::{Kept, Snapshot};
pub use sweep_state::{SweepCounts, SweepState};
pub use trials::{TooManyOpen, TrialView};

use granted::Granted;
use ids::{IdHasher, SweepNo, TrialNo};
use leases::{Lease, Role};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::BuildHasherDefault;
use sweeps::Sweep;
use trials::Trial;
use turns::Turn;
use workers::{Activations, Capacity, Group, Took, Worker};

/// The whole state.
#[derive(Debug, Default)]
pub struct Scheduler {
    settings: Settings,
    /// In the order first submitted: a trial's number is its rank.
    trials: Vec<Trial>,
    trial_numbers: HashMap<TrialId, TrialNo, BuildHasherDefault<IdHasher>>,
    sweeps: Vec<Sweep>,
    sweep_numbers: BTreeMap<SweepId, SweepNo>,
    submissions: u64,
    /// Sweeps that have something to start, in the order of their turns.
    turns: BTreeSet<Turn>,
    /// Trials that wait for their next attempt, by when it may start.
    backing_off: BTreeSet<(u64, TrialNo)>,
    /// Open trials that may be crashing their workers.
    suspects: BTreeSet<TrialNo>,
    /// Trials without an outcome, over all sweeps.
    open_in_row: BTreeMap<RowId, u64>,
    leases: BTreeMap<JobId, Lease>,
    deadlines: BTreeSet<(u64, JobId)>,
    last_fence: u64,
    /// The latest leases, including those that have ended.
    granted: Granted,
    /// Trials whose outcome was retracted, and the last fence that was given out by then.
    retracted: BTreeMap<TrialNo, u64>,
    /// Leases that are not copies and have none.
    copyable: BTreeSet<JobId>,
    /// Leased trials that another worker has as well, and its job.
    copies: BTreeMap<TrialNo, JobId>,
    groups: HashMap<GroupId, Group>,
    activations: HashMap<ActivationsId, Activations>,
    /// How long trials took, over all groups.
    took: Took,
    /// Validation losses at rungs, of the trials that reached any, by epochs.
    rung_losses: BTreeMap<TrialNo, BTreeMap<u32, f64>>,
    /// How many stopped trials are open again.
    revived: u64,
    workers: BTreeMap<String, Worker>,
    /// Live workers, and the trials that they take at once.
    capacity: Capacity,
    next_census_ms: u64,
    /// Groups that are not parked and in which some worker is hindered.
    hindered: BTreeSet<(SweepNo, GroupId)>,
    /// Groups that are parked.
    parked: BTreeSet<(SweepNo, GroupId)>,
    /// Grows with every group that is parked.
    parkings: u64,
    /// Until when nothing is parked.
    settles_ms: u64,
}

impl Scheduler {
    /// An empty scheduler.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            ..Self::default()
        }
    }

    /// Handles an event at `now_ms`, on a clock that never goes back. Returns the facts that follow, in
    /// order. They must be durable before anything that rests on them is said.
    ///
    /// Questions of workers have methods of their own, which return the answer and add the facts to a
    /// list: [`Scheduler::on_job_requested`], [`Scheduler::on_leases_renewed`],
    /// [`Scheduler::on_outcome_reported`] and [`Scheduler::on_rung_reached`].
    pub fn on_event(&mut self, now_ms: u64, event: Event) -> Vec<Fact> {
        let mut facts = Vec::new();
        match event {
            Event::SweepSubmitted {
                sweep,
                spec,
                trials,
            } => {
                self.on_sweep_submitted(sweep, &spec, &trials);
                facts.push(Fact::SweepSubmitted { sweep, spec });
            }
            Event::SweepCancelled(sweep) => self.on_sweep_cancelled(now_ms, sweep, &mut facts),
            Event::SweepResumed(sweep) => self.on_sweep_resumed(now_ms, sweep, &mut facts),
            Event::SweepDeleted(sweep) => self.on_sweep_deleted(now_ms, sweep, &mut facts),
            Event::SweepPaused(sweep) => self.on_sweep_paused(now_ms, sweep, &mut facts),
            Event::SweepPrioritised { sweep, priority } => {
                self.on_sweep_prioritised(now_ms, sweep, priority, &mut facts);
            }
            Event::WorkerRegistered { holder, lanes } => {
                self.on_worker_registered(now_ms, holder, lanes, &mut facts);
            }
            Event::ActivationsHeld { holder, held } => {
                self.on_activations_held(now_ms, &holder, &held);
            }
            Event::WorkerLeft(holder) => self.on_worker_left(now_ms, &holder, &mut facts),
            Event::JobReleased {
                holder,
                lease,
                hindrance,
            } => self.on_job_released(now_ms, &holder, lease, hindrance, &mut facts),
            Event::OutcomesRetracted { trials, reason } => {
                self.on_outcomes_retracted(now_ms, &trials, &reason, &mut facts);
            }
            Event::TimePassed => self.on_time_passed(now_ms, &mut facts),
            Event::Replayed { fact, trials } => self.on_replayed(now_ms, &fact, &trials),
            Event::ReplayEnded => self.on_replay_ended(now_ms),
        }
        facts
    }

    fn on_replayed(&mut self, now_ms: u64, fact: &Fact, trials: &[TrialKey]) {
        match fact {
            Fact::SweepSubmitted { sweep, spec } => {
                self.on_sweep_submitted(*sweep, spec, trials);
            }
            fact => self.apply(now_ms, fact),
        }
    }

    /// Changes the state as a fact says, and adds the fact to those to be recorded.
    fn record(&mut self, now_ms: u64, fact: Fact, facts: &mut Vec<Fact>) {
        self.apply(now_ms, &fact);
        facts.push(fact);
    }

    /// Changes the state as a fact says. Total: a fact about an unknown trial or sweep changes nothing.
    fn apply(&mut self, now_ms: u64, fact: &Fact) {
        match fact {
            // Carries no trial keys; `on_sweep_submitted` is its transition.
            Fact::SweepSubmitted { .. } => {}
            Fact::SweepCancelled { sweep } => self.cancel(*sweep),
            Fact::SweepResumed { sweep } => self.resume(*sweep),
            Fact::SweepDeleted { sweep } => self.delete(*sweep),
            Fact::SweepPaused { sweep } => self.pause(*sweep),
            Fact::SweepPrioritised { sweep, priority } => self.prioritise(*sweep, *priority),
            Fact::LeaseGranted {
                job,
                fence,
                holder,
                trials,
                taken,
                copy,
                copied,
                sweep,
            } => {
                let lease = LeaseRef {
                    job: *job,
                    fence: *fence,
                };
                let role = match (copy, copied) {
                    (true, _) => Role::Copy,
                    (false, true) => Role::Copied,
                    (false, false) => Role::Sole,
                };
                self.grant(now_ms, lease, holder, trials, taken, (role, *sweep));
            }
            Fact::LeaseEnded {
                job,
                fence,
                reason,
                hindrance,
            } => {
                let lease = LeaseRef {
                    job: *job,
                    fence: *fence,
                };
                self.end_lease(now_ms, lease, *reason, hindrance.as_ref());
            }
            Fact::GroupParked {
                sweep,
                group,
                hindered,
                ..
            } => self.park(*sweep, *group, hindered),
            Fact::GroupUnparked { sweep, group } => self.unpark(now_ms, *sweep, *group),
            Fact::AttemptFailed {
                trial, attempts, ..
            } => self.fail_attempt(now_ms, *trial, *attempts),
            Fact::RungReached {
                trial,
                epochs,
                validation_mse,
                ..
            } => self.reach_rung(*trial, *epochs, *validation_mse),
            Fact::OutcomeRecorded { trial, outcome, .. } => self.close(*trial, outcome),
            Fact::OutcomeRetracted { trial, fence, .. } => self.retract(*trial, *fence),
            Fact::LeasesRemembered { worker, leases } => self.remember_all(worker, leases),
            Fact::TrialCarried {
                trial,
                attempts,
                losses,
                backing_off,
            } => self.carry(now_ms, *trial, *attempts, *losses, *backing_off),
            Fact::FenceReached { fence } => self.last_fence = self.last_fence.max(fence.0),
        }
    }
}
