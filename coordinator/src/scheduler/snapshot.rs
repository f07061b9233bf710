//! The snapshot: what restores this state when the journal drops the facts that led to it.
//!
//! New state must be added here. State that a restart forgets anyway (deadlines, workers without a
//! lease) needs nothing. For state that must survive:
//!
//! 1. a new kind of fact says in [`Fact::kept`] whether a snapshot keeps its line as it was written
//!    or the state makes a new fact that stands for it;
//! 2. in the second case, [`Scheduler::snapshot`] puts such a fact before the kept lines, if it is
//!    about a sweep, or behind them, if it is about trials, leases or workers;
//! 3. `durable` in this file's tests names the state, so that the property in `random_events`, that
//!    a replayed snapshot equals the replayed history, covers it.

use super::ids::{Fence, SweepId, TrialId};
use super::leases::Role;
use super::settings::backoff_ms;
use super::trials::TrialState;
use super::{Ending, Fact, Scheduler, TrialNo};
use nrp_proto::wire::SweepSpec;
use std::collections::BTreeSet;

/// Stands for a journal so far: replayed on an empty scheduler, `before`, then the journal's kept lines,
/// then `after` restore the state that it was taken of.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// Sweeps.
    pub before: Vec<Fact>,
    /// Trials whose last failure is kept; see [`Kept::LastFailure`].
    pub failures: BTreeSet<TrialId>,
    /// Trials that were deleted: none of their lines is kept.
    pub deleted: BTreeSet<TrialId>,
    /// How the open trials and the leases stand.
    pub after: Vec<Fact>,
}

/// What a snapshot does with a line of the journal before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// Keeps it.
    Always,
    /// Keeps it where it is the last such line of a trial among [`Snapshot::failures`].
    LastFailure(TrialId),
    /// Drops it: the snapshot's own facts stand for it.
    Never,
}

impl Fact {
    /// What a snapshot does with its line.
    pub fn kept(&self) -> Kept {
        match self {
            Fact::OutcomeRecorded { trial, outcome, .. } => match outcome {
                Ending::Finished(_) | Ending::Stopped { .. } => Kept::Always,
                Ending::Failed { .. } => Kept::LastFailure(*trial),
            },
            Fact::AttemptFailed { trial, .. } => Kept::LastFailure(*trial),
            // The best of a sweep follow from the losses, in whatever order they are read.
            Fact::RungReached { .. } => Kept::Always,
            // Between the outcome that it takes back and the one that may follow.
            Fact::OutcomeRetracted { .. } => Kept::Always,
            Fact::SweepSubmitted { .. }
            | Fact::SweepCancelled { .. }
            | Fact::SweepDeleted { .. }
            | Fact::SweepPaused { .. }
            | Fact::SweepPrioritised { .. }
            | Fact::SweepResumed { .. }
            | Fact::LeaseGranted { .. }
            | Fact::LeaseEnded { .. }
            | Fact::GroupParked { .. }
            | Fact::GroupUnparked { .. }
            | Fact::LeasesRemembered { .. }
            | Fact::TrialCarried { .. }
            | Fact::FenceReached { .. } => Kept::Never,
        }
    }

    /// The trial whose attempts or outcome it is about, if any.
    pub fn trial(&self) -> Option<TrialId> {
        match self {
            Fact::AttemptFailed { trial, .. }
            | Fact::RungReached { trial, .. }
            | Fact::OutcomeRecorded { trial, .. }
            | Fact::OutcomeRetracted { trial, .. }
            | Fact::TrialCarried { trial, .. } => Some(*trial),
            Fact::SweepSubmitted { .. }
            | Fact::SweepCancelled { .. }
            | Fact::SweepDeleted { .. }
            | Fact::SweepPaused { .. }
            | Fact::SweepPrioritised { .. }
            | Fact::SweepResumed { .. }
            | Fact::LeaseGranted { .. }
            | Fact::LeaseEnded { .. }
            | Fact::GroupParked { .. }
            | Fact::GroupUnparked { .. }
            | Fact::LeasesRemembered { .. }
            | Fact::FenceReached { .. } => None,
        }
    }
}

impl Scheduler {
    /// A snapshot that stands for the whole history; `spec` gives each sweep's content. Takes time in
    /// proportion to all trials: made when a journal has grown, never per event.
    pub fn snapshot(&self, spec: &dyn Fn(SweepId) -> Box<SweepSpec>) -> Snapshot {
        let submitted = |sweep: SweepId| Fact::SweepSubmitted {
            sweep,
            spec: spec(sweep),
        };
        // Ranks follow from the first submissions; if some sweep was submitted again since, the
        // order of the latest is told as well.
        let mut sweeps: Vec<_> = self.living_sweeps().collect();
        let mut before: Vec<_> = sweeps.iter().map(|sweep| submitted(sweep.id)).collect();
        if !sweeps.is_sorted_by_key(|sweep| sweep.submission) {
            sweeps.sort_by_key(|sweep| sweep.submission);
            before.extend(sweeps.iter().map(|sweep| submitted(sweep.id)));
        }
        for sweep in self.living_sweeps() {
            let (id, priority) = (sweep.id, sweep.priority);
            before.extend((!sweep.wanted).then_some(Fact::SweepCancelled { sweep: id }));
            before.extend(sweep.paused.then_some(Fact::SweepPaused { sweep: id }));
            before.extend((priority != 0).then_some(Fact::SweepPrioritised {
                sweep: id,
                priority,
            }));
        }
        let mut failures = BTreeSet::new();
        let mut after = self.granted.facts();
        for trial in self.living() {
            let open = trial.state.may_go_on();
            if trial.state == TrialState::Failed || open && trial.attempts > 0 {
                failures.insert(trial.id);
            }
            if open && (trial.attempts > 0 || trial.losses > 0) {
                after.push(Fact::TrialCarried {
                    trial: trial.id,
                    attempts: trial.attempts,
                    losses: trial.losses,
                    backing_off: matches!(trial.state, TrialState::BackingOff { .. }),
                });
            }
        }
        // In the order they were granted: a copy while another has the trials.
        after.extend(self.leases.values().map(|lease| {
            let id = |number: &TrialNo| self.at(*number).id;
            Fact::LeaseGranted {
                job: lease.lease.job,
                fence: lease.lease.fence,
                holder: lease.holder.clone(),
                trials: lease.open.iter().map(id).collect(),
                copy: lease.role == Role::Copy,
                taken: lease.taken.iter().map(id).collect(),
                copied: lease.role == Role::Copied,
                sweep: lease.source.map(|sweep| self.sweeps[sweep.0 as usize].id),
            }
        }));
        after.extend(self.parked_facts());
        if self.last_fence > 0 {
            let fence = Fence(self.last_fence);
            after.push(Fact::FenceReached { fence });
        }
        Snapshot {
            before,
            failures,
            deleted: self.deleted_trials(),
            after,
        }
    }

    /// The transition of [`Fact::TrialCarried`].
    pub(super) fn carry(
        &mut self,
        now_ms: u64,
        trial: TrialId,
        attempts: u32,
        losses: u32,
        backing_off: bool,
    ) {
        let Some(number) = self.trial_numbers.get(&trial).copied() else {
            return;
        };
        let carried = self.at_mut(number);
        carried.attempts = attempts;
        carried.losses = losses;
        let state = match carried.state {
            TrialState::Waiting if backing_off => {
                let ready_ms = now_ms + backoff_ms(attempts);
                TrialState::BackingOff { ready_ms }
            }
            state => state,
        };
        // Also where it stays: whether it is a suspect follows from its losses.
        self.set_state(number, state);
    }
}

/// Everything about the state that a restart must restore.
#[cfg(test)]
pub(crate) fn durable(core: &Scheduler) -> impl PartialEq + std::fmt::Debug + use<> {
    // By ids and ranks: what was deleted has numbers until the next start.
    let sweep_ids = |trial: &super::Trial| {
        let numbers = trial.sweeps.iter();
        let ids = numbers.map(|number| core.sweeps[number.0 as usize].id);
        ids.collect::<Vec<_>>()
    };
    let id = |number: &TrialNo| core.at(*number).id;
    let trials = core.living().map(|trial| {
        // What is closed gets fresh ones when it is opened again.
        let open = trial.state.may_go_on();
        let history = open.then_some((trial.attempts, trial.losses));
        let key = (trial.id, trial.group, trial.pass, trial.row);
        let state = (trial.state, trial.stopped);
        (key, state, history, sweep_ids(trial))
    });
    let mut submissions: Vec<_> = core.living_sweeps().collect();
    submissions.sort_by_key(|sweep| sweep.submission);
    let submissions = submissions.into_iter().map(|sweep| sweep.id);
    let sweeps = core.living_sweeps().map(|sweep| {
        let counts = (sweep.counts, sweep.open_in_row.clone());
        let told = (sweep.wanted, sweep.paused, sweep.priority);
        let trials: Vec<_> = sweep.trials.iter().map(id).collect();
        (sweep.id, trials, told, counts)
    });
    let leases = core.leases.values().map(|lease| {
        let known = |number: &&TrialNo| !core.at(**number).is_deleted();
        let open: Vec<_> = lease.open.iter().map(id).collect();
        let taken: Vec<_> = lease.taken.iter().filter(known).map(id).collect();
        let trials = (open, taken);
        let standing = (lease.origin, lease.role);
        (lease.lease, lease.holder.clone(), standing, trials)
    });
    let copies = core.copies.iter().map(|(number, job)| (id(number), *job));
    let rung_losses = core.rung_losses.iter();
    let rung_losses = rung_losses.map(|(number, losses)| (id(number), losses.clone()));
    let retracted = core.retracted.iter();
    let retracted = retracted.map(|(number, upto)| (id(number), *upto));
    let parked: Vec<_> = core.parked_facts().collect();
    (
        trials.collect::<Vec<_>>(),
        parked,
        submissions.collect::<Vec<_>>(),
        sweeps.collect::<Vec<_>>(),
        leases.collect::<Vec<_>>(),
        copies.collect::<Vec<_>>(),
        (core.last_fence, core.granted.clone()),
        retracted.collect::<Vec<_>>(),
        rung_losses.collect::<Vec<_>>(),
    )
}
