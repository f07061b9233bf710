//! Outcomes: what a trial ended with, once and only once. Attempts that fail are tried again, a
//! bounded number of times.

use super::ids::{LeaseRef, TrialId, TrialNo};
use super::settings::{ATTEMPTS_MAX, backoff_ms};
use super::trials::TrialState;
use super::{Attempt, Ending, Fact, Scheduler, Verdict};

/// The worker that reports something of a trial, and the lease under which it ran it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reporter {
    /// The trial.
    pub trial: TrialId,
    /// The worker's name.
    pub worker: String,
    /// The lease.
    pub lease: LeaseRef,
}

impl Scheduler {
    /// A worker reported how an attempt at a trial ended, perhaps late, perhaps again.
    pub fn on_outcome_reported(
        &mut self,
        now_ms: u64,
        reporter: Reporter,
        attempt: Attempt,
        facts: &mut Vec<Fact>,
    ) -> Verdict {
        let lease = reporter.lease;
        let Some(number) = self.trial_numbers.get(&reporter.trial).copied() else {
            return Verdict::Unknown;
        };
        let state = self.at(number).state;
        match (state, &attempt) {
            (TrialState::Finished | TrialState::Failed, _)
            | (TrialState::Stopped, Attempt::Failed { .. }) => return Verdict::Duplicate,
            // A stop is the last word only where nothing better comes.
            (TrialState::Stopped, Attempt::Finished(_))
            | (
                TrialState::Waiting
                | TrialState::BackingOff { .. }
                | TrialState::Leased { .. }
                | TrialState::Parked
                | TrialState::Cancelled,
                _,
            ) => {}
        }
        if let Err(refused) = self.check_lease(&reporter.worker, lease, number) {
            return Verdict::Refused(refused);
        }
        let attempts = self.at(number).attempts + 1;
        match attempt {
            // However late: the work is done, and the trial has no outcome yet.
            Attempt::Finished(scores) => {
                self.note_time(now_ms, number, lease);
                self.prove_fit(&reporter.worker, lease, self.at(number).group);
                let outcome = Ending::Finished(scores);
                self.record_outcome(now_ms, reporter, attempts, outcome, facts);
            }
            Attempt::Failed {
                reason,
                is_final: true,
            } => {
                let outcome = Ending::Failed { reason };
                self.record_outcome(now_ms, reporter, attempts, outcome, facts);
            }
            // A late failure says nothing about the attempt that is now due or under way.
            Attempt::Failed { .. } if !self.is_current(state, lease) => return Verdict::Duplicate,
            Attempt::Failed { reason, .. } if attempts >= ATTEMPTS_MAX => {
                let reason =
                    format!("set aside after {attempts} failed attempts; the last: {reason}");
                let outcome = Ending::Failed { reason };
                self.record_outcome(now_ms, reporter, attempts, outcome, facts);
            }
            Attempt::Failed { reason, .. } => {
                let fact = Fact::AttemptFailed {
                    trial: reporter.trial,
                    worker: reporter.worker,
                    reason,
                    attempts,
                };
                self.record(now_ms, fact, facts);
            }
        }
        Verdict::Recorded
    }

    pub(super) fn record_outcome(
        &mut self,
        now_ms: u64,
        reporter: Reporter,
        attempts: u32,
        outcome: Ending,
        facts: &mut Vec<Fact>,
    ) {
        let fact = Fact::OutcomeRecorded {
            trial: reporter.trial,
            worker: reporter.worker,
            lease: reporter.lease,
            attempts,
            outcome,
        };
        self.record(now_ms, fact, facts);
    }

    /// Notes how long a trial took, if it was reported under a live lease.
    fn note_time(&mut self, now_ms: u64, number: TrialNo, lease: LeaseRef) {
        let live = self.leases.get(&lease.job);
        let live = live.filter(|live| live.lease == lease && live.open.contains(&number));
        if let Some(granted_ms) = live.map(|live| live.granted_ms) {
            let group = self.at(number).group;
            let took_ms = now_ms.saturating_sub(granted_ms);
            self.took.add(took_ms);
            if let Some(group) = self.groups.get_mut(&group) {
                group.took.add(took_ms);
            }
        }
    }

    /// The transition of [`Fact::AttemptFailed`].
    pub(super) fn fail_attempt(&mut self, now_ms: u64, trial: TrialId, attempts: u32) {
        let Some(number) = self.trial_numbers.get(&trial).copied() else {
            return;
        };
        if let TrialState::Leased { .. } = self.at(number).state {
            self.take_from_lease(number);
            self.at_mut(number).attempts = attempts;
            let ready_ms = now_ms + backoff_ms(attempts);
            self.set_state(number, TrialState::BackingOff { ready_ms });
        }
    }

    /// The transition of [`Fact::OutcomeRecorded`].
    pub(super) fn close(&mut self, trial: TrialId, outcome: &Ending) {
        let Some(number) = self.trial_numbers.get(&trial).copied() else {
            return;
        };
        let state = match outcome {
            Ending::Finished(_) => TrialState::Finished,
            Ending::Failed { .. } => TrialState::Failed,
            Ending::Stopped {
                epochs,
                validation_mse,
            } => {
                self.reach_rung(trial, *epochs, *validation_mse);
                return self.stop(number);
            }
        };
        self.take_from_lease(number);
        self.set_state(number, state);
    }

    fn is_current(&self, state: TrialState, lease: LeaseRef) -> bool {
        match state {
            TrialState::Leased { job } => job == lease.job && self.is_live(lease),
            TrialState::Waiting
            | TrialState::BackingOff { .. }
            | TrialState::Parked
            | TrialState::Finished
            | TrialState::Failed
            | TrialState::Stopped
            | TrialState::Cancelled => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::scene::Scene;
    use super::super::{BACKOFF_MS, TrialView};
    use super::*;

    #[test]
    fn a_late_outcome_counts_while_the_trial_is_open_and_only_once() {
        let mut scene = Scene::new();
        scene.submit(1, 0..1);
        scene.register("a", "1", 1);
        let late = scene.lease("a", "1").expect("a job");
        scene.pass(30_000);
        scene.register("b", "1", 1);
        let current = scene.lease("b", "1").expect("a job");
        assert_eq!(scene.finish("a", &late, 0), Verdict::Recorded);
        assert_eq!(scene.finish("b", &current, 0), Verdict::Duplicate);
        assert_eq!(
            scene.heartbeat("b", "1", &[current.lease]).0,
            [current.lease]
        );
    }

    #[test]
    fn who_works_on_what_another_has_finished_is_told() {
        let mut scene = Scene::new();
        scene.submit(1, 0..2);
        scene.register("a", "1", 2);
        let late = scene.lease("a", "1").expect("a job");
        scene.pass(30_000);
        scene.register("b", "1", 2);
        let current = scene.lease("b", "1").expect("a job");
        scene.finish("a", &late, 0);
        let (lost, cancelled) = scene.heartbeat("b", "1", &[current.lease]);
        assert_eq!((lost, cancelled), (vec![], vec![TrialId(0)]));
    }

    #[test]
    fn a_trial_nobody_asked_for_is_unknown() {
        let mut scene = Scene::new();
        scene.submit(1, 0..1);
        scene.register("a", "1", 1);
        let job = scene.lease("a", "1").expect("a job");
        assert_eq!(scene.finish("a", &job, 7), Verdict::Unknown);
    }

    #[test]
    fn failed_attempts_are_repeated_with_backoff_and_then_set_aside() {
        let mut scene = Scene::new();
        scene.submit(1, 0..1);
        scene.register("a", "1", 1);
        for attempt in 1..=ATTEMPTS_MAX {
            let job = scene.lease("a", "1").expect("a job");
            assert_eq!(scene.fail("a", &job, 0, false), Verdict::Recorded);
            assert_eq!(scene.lease("a", "1"), None, "it backs off");
            assert_eq!(scene.fail("a", &job, 0, false), Verdict::Duplicate);
            scene.pass(BACKOFF_MS << (attempt - 1));
        }
        assert_eq!(scene.view(0), TrialView::Failed);
        assert_eq!(
            scene.last_reason(),
            "set aside after 3 failed attempts; the last: out of luck"
        );
    }

    #[test]
    fn a_final_failure_is_not_repeated() {
        let mut scene = Scene::new();
        scene.submit(1, 0..2);
        scene.register("a", "1", 2);
        let job = scene.lease("a", "1").expect("a job");
        scene.fail("a", &job, 0, true);
        scene.finish("a", &job, 1);
        let (state, counts) = scene.sweep(1);
        assert_eq!(state, super::super::SweepState::Finished);
        assert_eq!((counts.finished, counts.failed), (1, 1));
    }
}
