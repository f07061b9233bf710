//! Leases: which worker may run a job, and until when.
//!
//! A job has at most one live lease, and a trial is in one live lease, or in two of which one is a
//! copy. A lease that ends early puts its unreported trials back into the queue, unless a copy of them
//! goes on. No clock in here: the driver passes the time in.

use super::ids::{JobId, LeaseRef, SweepNo, TrialNo};
use super::outcomes::Reporter;
use super::settings::LOSSES_MAX;
use super::trials::TrialState;
use super::{Ending, Fact, Hindrance, Holder, LeaseEnd, Renewed, Scheduler, SweepId, TrialId};
use std::collections::BTreeSet;

/// A leased job.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) lease: LeaseRef,
    pub(super) holder: Holder,
    /// When it was granted or, after a restart, replayed.
    pub(super) granted_ms: u64,
    pub(super) deadline_ms: u64,
    pub(super) origin: Origin,
    pub(super) role: Role,
    /// The sweep whose files the job is run on, and how often its hindrances had been forgotten.
    pub(super) source: Option<SweepNo>,
    pub(super) round: u64,
    /// Trials still to be reported; never empty.
    pub(super) open: BTreeSet<TrialNo>,
    /// Trials taken out of the job while it runs.
    pub(super) taken: Vec<TrialNo>,
}

/// How a lease relates to another one with the same trials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// No other worker has, or had, its trials.
    Sole,
    /// Another worker has, or had, a copy of some of its trials.
    Copied,
    /// This lease is the copy.
    Copy,
}

/// Whether the worker was alive under the lease since this process started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// It was granted or renewed since the start.
    Witnessed,
    /// It was replayed from the journal, and its worker has been silent since.
    Replayed,
}

impl Scheduler {
    /// How many jobs are leased.
    pub fn leases(&self) -> usize {
        self.leases.len()
    }

    /// A worker is alive, and says that it holds these leases.
    pub fn on_leases_renewed(
        &mut self,
        now_ms: u64,
        holder: &Holder,
        leases: Vec<LeaseRef>,
    ) -> Renewed {
        self.note_alive(now_ms, holder);
        let deadline_ms = now_ms + self.settings.lease_ms;
        let mut lost = Vec::new();
        let mut cancelled = Vec::new();
        for held in leases {
            match self.leases.get_mut(&held.job) {
                Some(lease) if lease.lease == held && lease.holder == *holder => {
                    self.deadlines.remove(&(lease.deadline_ms, held.job));
                    self.deadlines.insert((deadline_ms, held.job));
                    lease.deadline_ms = deadline_ms;
                    lease.origin = Origin::Witnessed;
                    let taken = lease
                        .taken
                        .iter()
                        .map(|number| &self.trials[number.0 as usize]);
                    let unwanted = taken.filter(|trial| !trial.state.is_open());
                    cancelled.extend(unwanted.map(|trial| trial.id));
                }
                Some(_) | None => lost.push(held),
            }
        }
        Renewed { lost, cancelled }
    }

    pub(super) fn on_job_released(
        &mut self,
        now_ms: u64,
        holder: &Holder,
        lease: LeaseRef,
        hindrance: Option<Hindrance>,
        facts: &mut Vec<Fact>,
    ) {
        if self.is_live(lease) && self.leases[&lease.job].holder == *holder {
            match hindrance {
                None => self.lose_lease(now_ms, lease, LeaseEnd::Released, facts),
                Some(hindrance) => self.on_hindered(now_ms, lease, hindrance, facts),
            }
        }
    }

    /// Ends a lease whose worker is hindered. It does not count as a loss of its trials.
    pub(super) fn lose_hindered(
        &mut self,
        now_ms: u64,
        lease: LeaseRef,
        hindrance: Hindrance,
        facts: &mut Vec<Fact>,
    ) {
        let ended = Fact::LeaseEnded {
            job: lease.job,
            fence: lease.fence,
            reason: LeaseEnd::Hindered,
            hindrance: Some(hindrance),
        };
        self.record(now_ms, ended, facts);
    }

    pub(super) fn on_time_passed(&mut self, now_ms: u64, facts: &mut Vec<Fact>) {
        while let Some((deadline_ms, job)) = self.deadlines.first().copied() {
            if deadline_ms > now_ms {
                break;
            }
            let lease = &self.leases[&job];
            let reason = match lease.origin {
                Origin::Witnessed => LeaseEnd::Lapsed,
                Origin::Replayed => LeaseEnd::CoordinatorRestarted,
            };
            self.lose_lease(now_ms, lease.lease, reason, facts);
        }
        while let Some((ready_ms, trial)) = self.backing_off.first().copied() {
            if ready_ms > now_ms {
                break;
            }
            self.set_state(trial, TrialState::Waiting);
        }
        if self.take_census(now_ms) {
            self.park_hindered(now_ms, facts);
        }
    }

    /// Time did not pass while the coordinator was away: every lease runs from now.
    pub(super) fn on_replay_ended(&mut self, now_ms: u64) {
        let deadline_ms = now_ms + self.settings.lease_ms;
        for lease in self.leases.values_mut() {
            lease.granted_ms = now_ms;
            lease.deadline_ms = deadline_ms;
            lease.origin = Origin::Replayed;
        }
        self.deadlines = self.leases.keys().map(|job| (deadline_ms, *job)).collect();
        for number in 0..self.sweeps.len() {
            self.change(SweepNo(number as u32), |sweep| sweep.served = 0);
        }
        self.settle_hindrances(now_ms);
        self.forget_processes(now_ms);
    }

    /// Ends a lease, and sets aside the trials that were lost too often.
    pub(super) fn lose_lease(
        &mut self,
        now_ms: u64,
        lease: LeaseRef,
        reason: LeaseEnd,
        facts: &mut Vec<Fact>,
    ) {
        let trials: Vec<_> = self.leases[&lease.job].open.iter().copied().collect();
        let ended = Fact::LeaseEnded {
            job: lease.job,
            fence: lease.fence,
            reason,
            hindrance: None,
        };
        let worker = self.leases[&lease.job].holder.worker.clone();
        self.record(now_ms, ended, facts);
        for number in trials {
            let trial = self.at(number);
            if trial.losses >= LOSSES_MAX {
                let outcome = Ending::Failed {
                    reason: format!(
                        "set aside: its worker was lost {LOSSES_MAX} times while it ran, last \
                         worker `{worker}`; is there enough memory for it?"
                    ),
                };
                let reporter = Reporter {
                    trial: trial.id,
                    worker: worker.clone(),
                    lease,
                };
                let attempts = trial.attempts;
                self.record_outcome(now_ms, reporter, attempts, outcome, facts);
            }
        }
    }

    /// The transition of [`Fact::LeaseGranted`].
    pub(super) fn grant(
        &mut self,
        now_ms: u64,
        lease: LeaseRef,
        holder: &Holder,
        trials: &[TrialId],
        taken: &[TrialId],
        (role, source): (Role, Option<SweepId>),
    ) {
        self.last_fence = self.last_fence.max(lease.fence.0).max(lease.job.0);
        let all = [trials, taken].concat();
        self.remember(lease, holder, &all);
        let number = |id: &TrialId| self.trial_numbers.get(id).copied();
        let taken = taken.iter().filter_map(number).collect();
        let known = trials.iter().filter_map(number);
        let open: BTreeSet<_> = known
            .filter(|number| match self.at(*number).state {
                TrialState::Waiting | TrialState::BackingOff { .. } => role != Role::Copy,
                TrialState::Leased { .. } => role == Role::Copy && self.can_be_copied(*number),
                TrialState::Parked
                | TrialState::Finished
                | TrialState::Failed
                | TrialState::Stopped
                | TrialState::Cancelled => false,
            })
            .collect();
        let Some(first) = open.first() else {
            return;
        };
        let group = self.at(*first).group;
        for number in &open {
            match role {
                Role::Copy => self.note_copy(*number, lease.job),
                Role::Sole | Role::Copied => {
                    self.set_state(*number, TrialState::Leased { job: lease.job });
                }
            }
        }
        self.remember_worker(now_ms, holder);
        let worker = self.workers.get_mut(&holder.worker).expect("was just seen");
        worker.last_group = Some(group);
        worker.jobs.insert(lease.job);
        let activations = self.groups[&group].activations;
        self.set_held(&holder.worker, activations, true);
        let deadline_ms = now_ms + self.settings.lease_ms;
        self.deadlines.insert((deadline_ms, lease.job));
        let source = source.and_then(|id| self.sweep_numbers.get(&id).copied());
        let mut round = 0;
        if let Some(sweep) = source {
            self.ask_again(sweep, group, &open, &holder.worker);
            round = self.sweeps[sweep.0 as usize].hindrances.round;
        }
        let granted = Lease {
            lease,
            holder: holder.clone(),
            granted_ms: now_ms,
            deadline_ms,
            origin: Origin::Witnessed,
            role,
            source,
            round,
            open,
            taken,
        };
        self.leases.insert(lease.job, granted);
        self.set_role(lease.job, role);
    }

    /// The transition of [`Fact::LeaseEnded`].
    pub(super) fn end_lease(
        &mut self,
        now_ms: u64,
        lease: LeaseRef,
        reason: LeaseEnd,
        hindrance: Option<&Hindrance>,
    ) {
        if !self.is_live(lease) {
            return;
        }
        let ending = &self.leases[&lease.job];
        if let (Some(hindrance), Some(sweep)) = (hindrance, ending.source) {
            let (holder, round) = (ending.holder.clone(), ending.round);
            let first = ending.open.first().expect("a lease is never empty");
            let group = self.at(*first).group;
            let open = ending.open.clone();
            self.hinder(now_ms, (sweep, round), (group, &open), &holder, hindrance);
        }
        for number in self.drop_lease(lease.job) {
            if self.copies.get(&number) == Some(&lease.job) {
                self.copies.remove(&number);
                continue;
            }
            self.at_mut(number).losses += u32::from(reason.is_loss());
            let state = match self.promote_copy(number) {
                Some(job) => TrialState::Leased { job },
                None => TrialState::Waiting,
            };
            self.set_state(number, state);
        }
    }

    /// Takes a trial out of its lease, if any, and out of its copy. A lease without trials ends.
    pub(super) fn take_from_lease(&mut self, number: TrialNo) {
        let TrialState::Leased { job } = self.at(number).state else {
            return;
        };
        self.take_out(number, job);
        if let Some(copy) = self.copies.remove(&number) {
            self.take_out(number, copy);
        }
    }

    fn take_out(&mut self, number: TrialNo, job: JobId) {
        let lease = self
            .leases
            .get_mut(&job)
            .expect("a leased trial has a lease");
        lease.open.remove(&number);
        lease.taken.push(number);
        if lease.open.is_empty() {
            self.drop_lease(job);
        }
    }

    pub(super) fn is_live(&self, lease: LeaseRef) -> bool {
        self.leases
            .get(&lease.job)
            .is_some_and(|live| live.lease == lease)
    }

    /// Forgets a lease. Answers the trials that were open in it.
    fn drop_lease(&mut self, job: JobId) -> BTreeSet<TrialNo> {
        let lease = self
            .leases
            .remove(&job)
            .expect("only live leases are dropped");
        self.deadlines.remove(&(lease.deadline_ms, job));
        self.copyable.remove(&job);
        if let Some(worker) = self.workers.get_mut(&lease.holder.worker) {
            worker.jobs.remove(&job);
        }
        lease.open
    }
}

#[cfg(test)]
mod tests {
    use super::super::scene::Scene;
    use super::super::{Refusal, TrialView, Verdict};
    use super::*;

    #[test]
    fn a_lapsed_lease_returns_its_unreported_trials_under_a_later_epoch() {
        let mut scene = Scene::new();
        scene.submit(1, 0..3);
        scene.register("a", "1", 3);
        let first = scene.lease("a", "1").expect("a job");
        scene.finish("a", &first, 0);
        scene.pass(30_000);
        scene.register("b", "1", 3);
        let second = scene.lease("b", "1").expect("a job");
        assert_eq!(second.trials, [TrialId(1), TrialId(2)]);
        assert!(second.lease.fence > first.lease.fence);
        assert_eq!(scene.heartbeat("a", "1", &[first.lease]).0, [first.lease]);
    }

    #[test]
    fn heartbeats_keep_a_lease_alive() {
        let mut scene = Scene::new();
        scene.submit(1, 0..1);
        scene.register("a", "1", 1);
        let job = scene.lease("a", "1").expect("a job");
        for _ in 0..10 {
            scene.pass(29_000);
            assert_eq!(scene.heartbeat("a", "1", &[job.lease]), (vec![], vec![]));
        }
        assert_eq!(
            scene.view(0),
            TrialView::Leased {
                worker: "a".to_owned()
            }
        );
    }

    #[test]
    fn leases_outlive_a_restart_of_the_coordinator() {
        let mut scene = Scene::new();
        scene.submit(1, 0..2);
        scene.register("a", "1", 2);
        let job = scene.lease("a", "1").expect("a job");
        scene.pass(29_000);
        scene.restart();
        scene.pass(29_000);
        assert_eq!(scene.heartbeat("a", "1", &[job.lease]).0, []);
        assert_eq!(scene.refused("a", "1"), Refusal::NotRegistered);
        scene.register("a", "1", 2);
        assert_eq!(scene.heartbeat("a", "1", &[job.lease]).0, []);
        assert_eq!(scene.finish("a", &job, 0), Verdict::Recorded);
    }

    #[test]
    fn a_trial_that_takes_its_workers_down_is_set_aside_and_the_others_finish() {
        let mut scene = Scene::new();
        scene.submit(1, 0..4);
        let mut round = 0;
        while scene.sweep(1).0 == super::super::SweepState::Running {
            round += 1;
            assert!(round < 50, "the sweep is stuck");
            let instance = round.to_string();
            scene.register("a", &instance, 4);
            let Some(job) = scene.lease("a", &instance) else {
                continue;
            };
            if !job.trials.contains(&TrialId(2)) {
                scene.finish_all("a", &job);
            }
        }
        assert_eq!(scene.sweep(1).1.finished, 3);
        assert_eq!(scene.view(2), TrialView::Failed);
        assert!(
            scene
                .last_reason()
                .starts_with("set aside: its worker was lost 5 times")
        );
    }

    #[test]
    fn a_released_job_waits_again_and_is_no_loss() {
        let mut scene = Scene::new();
        scene.submit(1, 0..1);
        scene.register("a", "1", 1);
        for _ in 0..2 * LOSSES_MAX {
            let job = scene.lease("a", "1").expect("a job");
            scene.release("b", "1", job.lease);
            assert_eq!(scene.sweep(1).1.leased, 1, "only its holder may release it");
            scene.release("a", "1", job.lease);
        }
        assert_eq!(scene.sweep(1).1.waiting, 1);
    }
}
