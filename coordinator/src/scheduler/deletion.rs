//! Deletion: a sweep that has ended goes, and with it the trials that no other sweep has.
//!
//! Deleted trials and sweeps keep their places, since they are numbered by rank, but no lookup and no
//! iteration finds them. The next start does without them.

use super::ids::{SweepNo, TrialNo};
use super::sweeps::Sweep;
use super::trials::{Trial, TrialState};
use super::{Fact, Scheduler, SweepId, TrialId};
use std::collections::BTreeSet;

/// What goes with a sweep.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Deletion {
    /// Trials that go.
    pub trials: u64,
    /// How many of them have an outcome.
    pub outcomes: u64,
    /// Trials that stay, since other sweeps have them.
    pub shared: u64,
}

impl Scheduler {
    /// What goes with a sweep when it is deleted; none where it was never submitted.
    pub fn deletion(&self, id: SweepId) -> Option<Deletion> {
        let mut deletion = Deletion::default();
        for number in &self.sweep_at(id)?.trials {
            let trial = self.at(*number);
            if trial.sweeps.len() > 1 {
                deletion.shared += 1
            } else {
                deletion.trials += 1;
                deletion.outcomes += u64::from(trial.state.has_outcome());
            }
        }
        Some(deletion)
    }

    /// Only what has ended can be deleted.
    pub(super) fn on_sweep_deleted(&mut self, now_ms: u64, sweep: SweepId, facts: &mut Vec<Fact>) {
        if self
            .sweep(sweep)
            .is_some_and(|(state, _)| state.has_ended())
        {
            self.record(now_ms, Fact::SweepDeleted { sweep }, facts);
        }
    }

    /// The transition of [`Fact::SweepDeleted`].
    pub(super) fn delete(&mut self, id: SweepId) {
        let Some(number) = self.sweep_numbers.get(&id).copied() else {
            return;
        };
        // Of what only this sweep wants, nothing is left in a worker's hands.
        self.cancel(id);
        self.sweep_numbers.remove(&id);
        let trials = std::mem::take(&mut self.sweeps[number.0 as usize].trials);
        let mut groups = BTreeSet::new();
        for trial in trials {
            groups.insert(self.at(trial).group);
            self.at_mut(trial).sweeps.remove(number);
            if self.at(trial).is_deleted() {
                self.forget(trial);
            }
        }
        self.sweeps[number.0 as usize] = Sweep::new(id, None);
        for id in groups {
            let Some(group) = self.groups.get_mut(&id) else {
                continue;
            };
            group.sweeps.retain(|sweep| *sweep != number);
            if group.sweeps.is_empty() {
                let activations = group.activations;
                self.groups.remove(&id);
                if let Some(shared) = self.activations.get_mut(&activations) {
                    shared.groups.retain(|group| *group != id);
                }
            }
        }
    }

    /// Forgets a trial that no sweep has.
    fn forget(&mut self, number: TrialNo) {
        let trial = self.at(number);
        let (id, row, state) = (trial.id, trial.row, trial.state);
        self.trial_numbers.remove(&id);
        self.rung_losses.remove(&number);
        self.retracted.remove(&number);
        if let Some(open) = self.open_in_row.get_mut(&row) {
            *open -= u64::from(!state.has_outcome());
        }
        let trial = self.at_mut(number);
        trial.state = TrialState::Cancelled;
        trial.stopped = false;
        trial.attempts = 0;
        trial.losses = 0;
    }

    /// Trials that were deleted, and not submitted again since.
    pub(super) fn deleted_trials(&self) -> BTreeSet<TrialId> {
        let deleted = self.trials.iter().filter(|trial| trial.is_deleted());
        let ids = deleted.map(|trial| trial.id);
        ids.filter(|id| !self.trial_numbers.contains_key(id))
            .collect()
    }

    /// The trials that there are, in the order first submitted.
    pub(super) fn living(&self) -> impl Iterator<Item = &Trial> {
        self.trials.iter().filter(|trial| !trial.is_deleted())
    }

    /// The sweeps that there are, in the order first submitted.
    pub(super) fn living_sweeps(&self) -> impl Iterator<Item = &Sweep> {
        let numbers = (0..).map(SweepNo);
        let sweeps = numbers.zip(&self.sweeps);
        sweeps
            .filter(|(number, sweep)| self.sweep_numbers.get(&sweep.id) == Some(number))
            .map(|(_, sweep)| sweep)
    }
}

#[cfg(test)]
mod tests {
    use super::super::scene::Scene;
    use super::super::{SweepState, TrialView, Verdict};
    use super::*;

    #[test]
    fn a_deleted_sweep_takes_the_trials_that_no_other_has() {
        let mut scene = Scene::new();
        scene.submit(1, 0..4);
        scene.submit(2, 2..6);
        scene.register("w", "1", 8);
        while let Some(job) = scene.lease("w", "1") {
            scene.finish_all("w", &job);
        }
        let expected = Deletion {
            trials: 2,
            outcomes: 2,
            shared: 2,
        };
        assert_eq!(scene.core.deletion(SweepId(1)), Some(expected));
        scene.delete(1);
        assert_eq!(scene.core.sweep(SweepId(1)), None);
        assert_eq!(scene.core.trial(None, TrialId(0)), None);
        assert_eq!(scene.view(2), TrialView::Finished);
        assert_eq!(scene.sweep(2).1.finished, 4);
        assert_eq!(scene.core.totals(), (4, 4));
        assert_eq!(scene.core.counts().trials(), 4);
        scene.delete(1);
        scene.delete(2);
        assert_eq!(scene.core.totals(), (0, 0));
    }

    #[test]
    fn what_runs_or_is_paused_is_not_deleted() {
        let mut scene = Scene::new();
        scene.submit(1, 0..2);
        scene.delete(1);
        assert_eq!(scene.sweep(1).0, SweepState::Running);
        scene.pause(1);
        scene.delete(1);
        assert_eq!(scene.sweep(1).0, SweepState::Paused);
    }

    #[test]
    fn a_deleted_sweep_submitted_again_starts_afresh() {
        let mut scene = Scene::new();
        scene.submit(1, 0..2);
        scene.submit(2, 1..3);
        scene.register("w", "1", 8);
        let job = scene.lease("w", "1").expect("a job");
        scene.finish_all("w", &job);
        let job = scene.lease("w", "1").expect("a job");
        scene.cancel(1);
        scene.cancel(2);
        scene.delete(1);
        // Trial 1 has its outcome, or is of sweep 2 alone.
        scene.submit(1, 0..2);
        let (state, counts) = scene.sweep(1);
        assert_eq!(state, SweepState::Running);
        assert_eq!(counts.trials(), 2);
        assert_eq!(scene.view(0), TrialView::Waiting);
        scene.restart();
        assert_eq!(scene.view(0), TrialView::Waiting);
        assert_eq!(scene.sweep(1).1, counts);
        scene.register("w", "1", 8);
        scene.finish_all("w", &job);
        while let Some(job) = scene.lease("w", "1") {
            scene.finish_all("w", &job);
        }
        assert_eq!(scene.sweep(1).0, SweepState::Finished);
    }

    #[test]
    fn a_late_outcome_of_a_deleted_trial_is_wanted_by_nobody() {
        let mut scene = Scene::new();
        scene.submit(1, 0..1);
        scene.register("w", "1", 1);
        let job = scene.lease("w", "1").expect("a job");
        scene.cancel(1);
        scene.delete(1);
        assert_eq!(scene.heartbeat("w", "1", &[job.lease]).0, [job.lease]);
        assert_eq!(scene.finish("w", &job, 0), Verdict::Unknown);
    }
}
