//! Retraction: an outcome that turned out to be wrong is taken back, with the reason, and its trial is
//! open again in every sweep that needs it.
//!
//! Neither the outcome nor its losses at rungs count any longer. Later reports under leases from before,
//! such as a duplicate on its way, do not count either: only an attempt under a new lease does.

use super::halving::Halving;
use super::ids::{Fence, TrialId};
use super::{Fact, Scheduler};

/// Why there is nothing to retract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoOutcome {
    /// No sweep has this trial.
    Unknown,
    /// It has no outcome.
    Open,
}

impl Scheduler {
    /// Whether a trial has an outcome, or a stop, that can be retracted.
    ///
    /// # Errors
    /// When it has none.
    pub fn retractable(&self, trial: TrialId) -> Result<(), NoOutcome> {
        let number = self.trial_numbers.get(&trial).ok_or(NoOutcome::Unknown)?;
        let trial = self.at(*number);
        if trial.state.has_outcome() || trial.stopped {
            Ok(())
        } else {
            Err(NoOutcome::Open)
        }
    }

    /// Retracts the outcomes of trials, where they have one.
    pub(super) fn on_outcomes_retracted(
        &mut self,
        now_ms: u64,
        trials: &[TrialId],
        reason: &str,
        facts: &mut Vec<Fact>,
    ) {
        for trial in trials {
            if self.retractable(*trial).is_ok() {
                let fact = Fact::OutcomeRetracted {
                    trial: *trial,
                    fence: Fence(self.last_fence),
                    reason: reason.to_owned(),
                };
                self.record(now_ms, fact, facts);
            }
        }
    }

    /// The transition of [`Fact::OutcomeRetracted`].
    pub(super) fn retract(&mut self, trial: TrialId, fence: Fence) {
        let Some(number) = self.trial_numbers.get(&trial).copied() else {
            return;
        };
        self.take_from_lease(number);
        let upto = self.retracted.entry(number).or_default();
        *upto = (*upto).max(fence.0);
        let losses = self.rung_losses.remove(&number).unwrap_or_default();
        let trial = self.at_mut(number);
        trial.attempts = 0;
        trial.losses = 0;
        let row = trial.row;
        for sweep in &trial.sweeps.clone() {
            let sweep = &mut self.sweeps[sweep.0 as usize];
            for (epochs, loss) in &losses {
                if let Some(halving) = &mut sweep.halving {
                    Halving::leave(halving, row, *epochs, *loss, number);
                }
            }
        }
        self.reopen(number);
    }
}

#[cfg(test)]
mod tests {
    use super::super::scene::Scene;
    use super::super::{Refused, SweepState, TrialView, Verdict};
    use super::*;

    #[test]
    fn a_retracted_outcome_is_open_again_in_every_sweep_that_wants_it() {
        let mut scene = Scene::new();
        scene.submit(1, 0..2);
        scene.submit(2, 1..3);
        scene.register("a", "1", 8);
        while let Some(job) = scene.lease("a", "1") {
            scene.finish_all("a", &job);
        }
        scene.cancel(2);
        assert_eq!(scene.sweep(1).0, SweepState::Finished);
        scene.retract(&[1, 2], "the stimuli were shown in another order");
        let (state, counts) = scene.sweep(1);
        assert_eq!(
            (state, counts.finished, counts.waiting),
            (SweepState::Running, 1, 1)
        );
        let counts = scene.sweep(2).1;
        assert_eq!((counts.finished, counts.waiting), (0, 2), "it runs again");
        assert_eq!(scene.core.totals(), (3, 1));
        for restarted in [false, true] {
            if restarted {
                scene.journal = scene.compacted(&scene.core);
                scene.restart();
                scene.register("a", "1", 8);
            }
            assert_eq!(scene.view(1), TrialView::Waiting);
            assert_eq!(scene.view(0), TrialView::Finished);
        }
        while let Some(job) = scene.lease("a", "1") {
            scene.finish_all("a", &job);
        }
        assert_eq!(scene.sweep(1).0, SweepState::Finished);
        assert_eq!(scene.sweep(2).0, SweepState::Finished);
    }

    #[test]
    fn a_late_duplicate_of_a_retracted_outcome_does_not_come_back() {
        let mut scene = Scene::new();
        scene.submit(1, 0..2);
        scene.register("a", "1", 2);
        let before = scene.lease("a", "1").expect("a job");
        scene.finish("a", &before, 0);
        scene.retract(&[0], "a broken disk");
        for restarted in [false, true] {
            if restarted {
                scene.journal = scene.compacted(&scene.core);
                scene.restart();
                scene.register("a", "1", 2);
            }
            let refused = Refused::Retracted(before.lease);
            let verdict = scene.finish("a", &before, 0);
            assert_eq!(verdict, Verdict::Refused(refused), "{restarted}");
            assert_eq!(scene.fail("a", &before, 0, true), Verdict::Refused(refused));
        }
        // What else the lease has goes on.
        assert_eq!(scene.finish("a", &before, 1), Verdict::Recorded);
        let after = scene.lease("a", "1").expect("a new attempt");
        assert_eq!(after.trials, [TrialId(0)]);
        assert_eq!(scene.finish("a", &after, 0), Verdict::Recorded);
        assert_eq!(scene.finish("a", &before, 0), Verdict::Duplicate);
    }

    #[test]
    fn failures_and_stops_can_be_retracted_and_open_trials_cannot() {
        let mut scene = Scene::new();
        scene.submit_keys(1, [0, 2, 4], Some((3, 3)));
        scene.register("w", "1", 8);
        let job = scene.lease("w", "1").expect("a job");
        assert_eq!(scene.core.retractable(TrialId(0)), Err(NoOutcome::Open));
        assert_eq!(scene.core.retractable(TrialId(9)), Err(NoOutcome::Unknown));
        assert!(scene.rung("w", &job, 0, 3, 0.1));
        assert!(!scene.rung("w", &job, 2, 3, 0.2));
        scene.finish("w", &job, 0);
        scene.fail("w", &job, 4, true);
        // Its loss, which was too good, no longer keeps others from going on.
        scene.retract(&[0, 2, 4], "a leak");
        assert!(scene.core.rung_losses.is_empty());
        assert_eq!(scene.sweep(1).1.waiting, 3);
        let job = scene.lease("w", "1").expect("a job");
        assert!(scene.rung("w", &job, 2, 3, 0.2), "the first that comes");
        assert!(!scene.rung("w", &job, 0, 3, 0.3));
        let facts = scene.journal.len();
        scene.retract(&[4, 9], "nothing there");
        assert_eq!(scene.journal.len(), facts);
    }

    #[test]
    fn a_stop_is_retracted_also_while_the_trial_goes_on_for_another_sweep() {
        let mut scene = Scene::new();
        scene.submit_keys(1, [0, 2], Some((3, 3)));
        scene.register("w", "1", 8);
        let job = scene.lease("w", "1").expect("a job");
        scene.rung("w", &job, 0, 3, 0.1);
        assert!(!scene.rung("w", &job, 2, 3, 0.2));
        scene.submit_keys(2, [2], None);
        let second = scene.lease("w", "1").expect("a job");
        assert_eq!(second.trials, [TrialId(2)]);
        scene.retract(&[2], "a leak");
        assert_eq!((scene.sweep(1).1.stopped, scene.sweep(1).1.waiting), (0, 1));
        let refused = Refused::Retracted(second.lease);
        assert_eq!(scene.finish("w", &second, 2), Verdict::Refused(refused));
        let third = scene.lease("w", "1").expect("anew");
        assert_eq!(scene.finish("w", &third, 2), Verdict::Recorded);
    }
}
