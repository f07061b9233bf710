//! Early stopping, for sweeps that ask for it: asynchronous successive halving, of the kind that
//! stops.
//!
//! A trial that reaches a rung, one of certain epochs, tells its validation loss so far. It goes on
//! if it is among the best of its sweep and row that have reached the rung by then, and is stopped
//! otherwise, without waiting for the others. Early stopping decides whether a trial is trained to its
//! end, never what its scores are. So a trial that another sweep needs to its end goes on, and a stopped
//! trial is open for such a sweep. Losses belong to the trials; what is best in a sweep follows from them
//! in whatever order they came.

use super::ids::{RowId, TrialNo};
use super::outcomes::Reporter;
use super::trials::TrialState;
use super::{Ending, Fact, Refused, Scheduler, TrialId};
use nrp_proto::wire::SweepSpec;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::iter::successors;

/// Most epochs at which the trials of a job tell their loss.
pub const RUNGS_MAX: usize = 64;

/// The halving of a sweep.
#[derive(Debug)]
pub(super) struct Halving {
    min_epochs: u32,
    reduction: u32,
    max_epochs: u32,
    rungs: BTreeMap<(RowId, u32), Rung>,
}

/// The trials of a row that reached a rung: one in `reduction`, rounded up, and those after them.
#[derive(Debug, Default)]
pub(super) struct Rung {
    best: BTreeSet<Entry>,
    others: BTreeSet<Entry>,
}

/// A trial's loss. The lower loss comes first, and of equal ones the trial submitted first.
#[derive(Debug, Clone, Copy)]
struct Entry {
    loss: f64,
    trial: TrialNo,
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_loss = self.loss.total_cmp(&other.loss);
        by_loss.then(self.trial.cmp(&other.trial))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Entry {}

impl Halving {
    /// The halving that a sweep asks for, if it does.
    pub(super) fn of(spec: &SweepSpec) -> Option<Self> {
        let asked = spec.early_stopping.as_ref()?;
        let max_epochs = spec.training.as_ref()?.max_epochs;
        (asked.min_epochs >= 1 && asked.reduction >= 2).then(|| Self {
            min_epochs: asked.min_epochs,
            reduction: asked.reduction,
            max_epochs,
            rungs: BTreeMap::new(),
        })
    }

    /// The rungs, in epochs. The last epoch is not a rung: a trial that reaches it has finished.
    fn epochs(&self) -> impl Iterator<Item = u32> + use<> {
        let (reduction, max_epochs) = (self.reduction, self.max_epochs);
        successors(Some(self.min_epochs), move |epochs| {
            epochs.checked_mul(reduction)
        })
        .take_while(move |epochs| *epochs < max_epochs)
    }

    pub(super) fn is_rung(&self, epochs: u32) -> bool {
        self.epochs().any(|rung| rung == epochs)
    }

    /// Enters a loss, if it belongs to a rung.
    pub(super) fn enter(&mut self, row: RowId, epochs: u32, loss: f64, trial: TrialNo) {
        if !self.is_rung(epochs) {
            return;
        }
        let rung = self.rungs.entry((row, epochs)).or_default();
        rung.others.insert(Entry { loss, trial });
        rung.best.extend(rung.others.pop_first());
        if rung.best.len() > rung.places(0, self.reduction) {
            rung.others.extend(rung.best.pop_last());
        }
    }

    /// Removes a loss that was entered.
    pub(super) fn leave(&mut self, row: RowId, epochs: u32, loss: f64, trial: TrialNo) {
        let Some(rung) = self.rungs.get_mut(&(row, epochs)) else {
            return;
        };
        let entry = Entry { loss, trial };
        rung.best.remove(&entry);
        rung.others.remove(&entry);
        while rung.best.len() > rung.places(0, self.reduction) {
            rung.others.extend(rung.best.pop_last());
        }
        while rung.best.len() < rung.places(0, self.reduction) {
            rung.best.extend(rung.others.pop_first());
        }
    }

    /// Whether a new loss would be among the best of a rung. True where the rung does not exist or is
    /// empty.
    fn admits(&self, row: RowId, epochs: u32, loss: f64, trial: TrialNo) -> bool {
        let Some(rung) = self.rungs.get(&(row, epochs)) else {
            return true;
        };
        let behind = if rung.places(1, self.reduction) > rung.best.len() {
            rung.others.first()
        } else {
            rung.best.last()
        };
        behind.is_none_or(|behind| Entry { loss, trial } < *behind)
    }

    /// Every loss entered, by row, epochs and trial; checks that the best are the best.
    pub(super) fn check(&self) -> BTreeMap<(RowId, u32, TrialNo), f64> {
        let mut entered = BTreeMap::new();
        for ((row, epochs), rung) in &self.rungs {
            assert_eq!(rung.best.len(), rung.places(0, self.reduction));
            let (last, next) = (rung.best.last(), rung.others.first());
            assert!(last.zip(next).is_none_or(|(last, next)| last < next));
            for entry in rung.best.iter().chain(&rung.others) {
                let before = entered.insert((*row, *epochs, entry.trial), entry.loss);
                assert_eq!(before, None, "a trial stands twice on a rung");
            }
        }
        entered
    }
}

impl Rung {
    /// How many go on, of those that are here and `more`.
    fn places(&self, more: usize, reduction: u32) -> usize {
        (self.best.len() + self.others.len() + more).div_ceil(reduction as usize)
    }
}

impl Scheduler {
    /// A trial reached a rung under a worker, perhaps late, perhaps again. Answers whether it goes on.
    ///
    /// # Errors
    /// When the worker may not ask: the trial was not leased to it.
    pub fn on_rung_reached(
        &mut self,
        now_ms: u64,
        reporter: Reporter,
        epochs: u32,
        validation_mse: f64,
        facts: &mut Vec<Fact>,
    ) -> Result<bool, Refused> {
        let Some(number) = self.trial_numbers.get(&reporter.trial).copied() else {
            return Ok(false);
        };
        let trial = self.at(number);
        if !trial.state.is_open() {
            return Ok(false);
        }
        self.check_lease(&reporter.worker, reporter.lease, number)?;
        let known = self
            .rung_losses
            .get(&number)
            .is_some_and(|losses| losses.contains_key(&epochs));
        // Decisions are never revised, even when later losses change the ranking.
        if trial.stopped || known {
            return Ok(true);
        }
        let (row, attempts) = (trial.row, trial.attempts + 1);
        let sweeps = self.sweeps_of(number).filter(|sweep| sweep.wanted);
        let halvings: Vec<_> = sweeps.map(|sweep| sweep.halving.as_ref()).collect();
        let mut asked = halvings.iter().flatten();
        if !asked.any(|halving| halving.is_rung(epochs)) {
            return Ok(true);
        }
        let admits = |halving: &Halving| halving.admits(row, epochs, validation_mse, number);
        let goes_on = halvings.iter().any(|halving| halving.is_none_or(admits));
        if goes_on {
            let fact = Fact::RungReached {
                trial: reporter.trial,
                worker: reporter.worker,
                epochs,
                validation_mse,
            };
            self.record(now_ms, fact, facts);
        } else {
            let outcome = Ending::Stopped {
                epochs,
                validation_mse,
            };
            self.record_outcome(now_ms, reporter, attempts, outcome, facts);
        }
        Ok(goes_on)
    }

    /// The transition of [`Fact::RungReached`].
    pub(super) fn reach_rung(&mut self, trial: TrialId, epochs: u32, validation_mse: f64) {
        let Some(number) = self.trial_numbers.get(&trial).copied() else {
            return;
        };
        let losses = self.rung_losses.entry(number).or_default();
        if losses.contains_key(&epochs) {
            return;
        }
        losses.insert(epochs, validation_mse);
        let trial = &self.trials[number.0 as usize];
        for sweep in &trial.sweeps {
            if let Some(halving) = &mut self.sweeps[sweep.0 as usize].halving {
                halving.enter(trial.row, epochs, validation_mse, number);
            }
        }
    }

    /// The transition of [`Ending::Stopped`]: the trial is closed, unless a sweep needs it to its end.
    pub(super) fn stop(&mut self, number: TrialNo) {
        match self.at(number).state {
            TrialState::Finished | TrialState::Failed | TrialState::Stopped => return,
            TrialState::Waiting
            | TrialState::BackingOff { .. }
            | TrialState::Leased { .. }
            | TrialState::Parked
            | TrialState::Cancelled => {}
        }
        self.take_from_lease(number);
        let trial = self.at_mut(number);
        // Its next attempt starts afresh.
        trial.attempts = 0;
        trial.losses = 0;
        let state = if self.is_wanted(number, true) {
            TrialState::Waiting
        } else {
            TrialState::Stopped
        };
        self.move_to(number, state, true);
    }

    /// The epochs at which trials of a job are to tell their loss.
    pub(super) fn rungs(&self, trials: &[TrialNo]) -> Vec<u32> {
        let mut rungs = BTreeSet::new();
        let trials = trials.iter().filter(|number| !self.at(**number).stopped);
        let sweeps: BTreeSet<_> = trials.flat_map(|number| &self.at(*number).sweeps).collect();
        let sweeps = sweeps
            .into_iter()
            .map(|sweep| &self.sweeps[sweep.0 as usize]);
        for halving in sweeps
            .filter(|sweep| sweep.wanted)
            .flat_map(|sweep| &sweep.halving)
        {
            rungs.extend(halving.epochs());
        }
        rungs.into_iter().take(RUNGS_MAX).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::scene::Scene;
    use super::super::{Grant, SweepState, TrialView, Verdict};
    use super::*;

    /// Trials of one row, on a worker with a lane for each.
    fn begun(scene: &mut Scene, trials: u128) -> Grant {
        // Rows alternate: even ones are of one.
        scene.submit_keys(1, (0..trials).map(|id| 2 * id), Some((3, 3)));
        scene.register("w", "1", 64);
        scene.lease("w", "1").expect("a job")
    }

    #[test]
    fn a_job_tells_at_which_epochs_losses_are_asked_for() {
        let mut scene = Scene::new();
        let job = begun(&mut scene, 2);
        // 3, 9, 27 and 81 of 100 epochs.
        assert_eq!(job.rungs, [3, 9, 27, 81]);
        scene.submit(2, 10..12);
        assert!(scene.lease("w", "1").expect("a job").rungs.is_empty());
    }

    #[test]
    fn one_in_three_goes_on_of_those_that_have_come_by_then() {
        let mut scene = Scene::new();
        let job = begun(&mut scene, 7);
        let losses = [0.5, 0.6, 0.4, 0.45, 0.41, 0.39, 0.3];
        let go_on: Vec<_> = (0..7)
            .map(|id| scene.rung("w", &job, 2 * id, 3, losses[id as usize]))
            .collect();
        // The first has none to beat; of 2 and 3 one goes on, of 4 to 6 two, of 7 three.
        assert_eq!(go_on, [true, false, true, true, true, true, true]);
        let (state, counts) = scene.sweep(1);
        assert_eq!(state, SweepState::Running);
        assert_eq!((counts.stopped, counts.leased), (1, 6));
        assert_eq!(scene.view(2), TrialView::Stopped);
        // At the next rung, they are compared again.
        assert!(scene.rung("w", &job, 0, 9, 0.2));
        assert!(!scene.rung("w", &job, 4, 9, 0.3));
        for id in [0, 6, 8, 10, 12] {
            scene.finish("w", &job, id);
        }
        let (state, counts) = scene.sweep(1);
        assert_eq!(state, SweepState::Finished);
        assert_eq!((counts.stopped, counts.finished), (2, 5));
    }

    #[test]
    fn rows_and_sweeps_are_compared_each_by_itself() {
        let mut scene = Scene::new();
        scene.submit_keys(1, 0..3, Some((3, 3)));
        scene.submit_keys(2, 4..5, Some((3, 3)));
        scene.register("w", "1", 8);
        let first = scene.lease("w", "1").expect("a job");
        assert!(scene.rung("w", &first, 0, 3, 0.1));
        assert!(scene.rung("w", &first, 1, 3, 0.5), "of the other row");
        assert!(!scene.rung("w", &first, 2, 3, 0.2));
        let second = if first.trials.contains(&TrialId(4)) {
            first
        } else {
            scene.lease("w", "1").expect("a job")
        };
        assert!(scene.rung("w", &second, 4, 3, 0.9), "of the other sweep");
    }

    #[test]
    fn what_was_answered_once_stays_so() {
        let mut scene = Scene::new();
        let job = begun(&mut scene, 4);
        assert!(scene.rung("w", &job, 0, 3, 0.5));
        assert!(scene.rung("w", &job, 2, 3, 0.4));
        assert!(scene.rung("w", &job, 4, 3, 0.3));
        let facts = scene.journal.len();
        for restarted in [false, true] {
            assert!(scene.rung("w", &job, 0, 3, 0.5), "{restarted}");
            // Another device rounds otherwise.
            assert!(scene.rung("w", &job, 0, 3, 0.51), "{restarted}");
            scene.restart();
        }
        assert_eq!(scene.journal.len(), facts, "nothing new");
        assert!(!scene.rung("w", &job, 6, 3, 0.5));
        assert!(!scene.rung("w", &job, 6, 3, 0.5));
        assert!(!scene.rung("w", &job, 6, 9, 0.1), "it is stopped");
        assert_eq!(scene.sweep(1).1.stopped, 1);
    }

    #[test]
    fn a_late_report_counts_and_ends_what_runs_elsewhere() {
        let mut scene = Scene::new();
        let late = begun(&mut scene, 2);
        assert!(scene.rung("w", &late, 0, 3, 0.1));
        scene.pass(30_000);
        scene.register("b", "1", 8);
        let current = scene.lease("b", "1").expect("a job");
        assert_eq!(current.trials.len(), 2);
        assert!(!scene.rung("w", &late, 2, 3, 0.2));
        let (lost, cancelled) = scene.heartbeat("b", "1", &[current.lease]);
        assert_eq!((lost, cancelled), (vec![], vec![TrialId(2)]));
        assert!(scene.rung("b", &current, 0, 3, 0.1));
        // The worker did not hear of the stop and has trained it to its end: the outcome counts.
        assert_eq!(scene.finish("w", &late, 2), Verdict::Recorded);
        assert_eq!(scene.view(2), TrialView::Finished);
    }

    #[test]
    fn a_restart_between_changes_no_decision() {
        let losses = [0.5, 0.6, 0.4, 0.45, 0.41, 0.39, 0.3, 0.29, 0.7];
        let decisions = |restarts: bool| {
            let mut scene = Scene::new();
            let job = begun(&mut scene, 9);
            let mut decisions = Vec::new();
            for (id, loss) in (0..).zip(losses) {
                decisions.push(scene.rung("w", &job, 2 * id, 3, loss));
                if restarts {
                    scene.restart();
                }
            }
            decisions
        };
        assert_eq!(decisions(false), decisions(true));
    }

    #[test]
    fn a_trial_that_is_wanted_to_its_end_is_not_stopped() {
        let mut scene = Scene::new();
        let job = begun(&mut scene, 3);
        scene.submit_keys(2, [2, 4], None);
        assert!(scene.rung("w", &job, 0, 3, 0.1));
        assert!(scene.rung("w", &job, 2, 3, 0.9));
        scene.cancel(2);
        assert!(!scene.rung("w", &job, 4, 3, 0.8));
        assert!(scene.rung("w", &job, 2, 3, 0.9), "it has passed");
    }

    #[test]
    fn a_stopped_trial_is_open_for_a_sweep_that_stops_none() {
        let mut scene = Scene::new();
        let job = begun(&mut scene, 2);
        scene.rung("w", &job, 0, 3, 0.1);
        scene.rung("w", &job, 2, 3, 0.2);
        scene.finish("w", &job, 0);
        assert_eq!(scene.sweep(1).0, SweepState::Finished);
        assert_eq!(scene.core.totals(), (2, 2));
        scene.submit_keys(1, [0, 2], Some((3, 3)));
        assert_eq!(scene.lease("w", "1"), None, "the same again stops the same");

        scene.submit_keys(2, [0, 2], None);
        assert_eq!(scene.sweep(1).0, SweepState::Finished);
        assert_eq!(scene.sweep(1).1.stopped, 1);
        assert_eq!(
            (scene.sweep(2).1.finished, scene.sweep(2).1.waiting),
            (1, 1)
        );
        assert_eq!(
            scene
                .core
                .open_in_row(Some(super::super::SweepId(1)), scene.row(2)),
            0
        );
        assert_eq!(scene.core.open_in_row(None, scene.row(2)), 1);
        assert_eq!(
            scene.core.totals(),
            (2, 2),
            "it has an outcome, if only that"
        );
        scene.cancel(2);
        assert_eq!(scene.lease("w", "1"), None);
        assert_eq!(scene.sweep(2).1.cancelled, 1);
        scene.restart();
        scene.register("w", "1", 8);
        scene.resume(2);
        let job = scene.lease("w", "1").expect("a job");
        assert_eq!(job.trials, [TrialId(2)]);
        assert!(job.rungs.is_empty());
        assert!(scene.rung("w", &job, 2, 9, 0.9), "it goes to its end");
        assert_eq!(scene.sweep(1).0, SweepState::Finished);
        scene.finish("w", &job, 2);
        assert_eq!(scene.sweep(1).1.finished, 2);
        assert_eq!(scene.sweep(2).0, SweepState::Finished);
    }

    #[test]
    fn a_stopped_trial_that_fails_elsewhere_is_not_taken_up_by_who_stopped_it() {
        let mut scene = Scene::new();
        let job = begun(&mut scene, 2);
        scene.rung("w", &job, 0, 3, 0.1);
        scene.rung("w", &job, 2, 3, 0.2);
        scene.submit_keys(2, [2, 8], None);
        let second = scene.lease("w", "1").expect("a job");
        scene.fail("w", &second, 2, true);
        assert_eq!((scene.sweep(1).1.failed, scene.sweep(2).1.failed), (1, 1));
        scene.cancel(2);
        scene.resume(1);
        assert_eq!(scene.view(2), TrialView::Stopped);
        scene.resume(2);
        let job = scene.lease("w", "1").expect("a job");
        assert_eq!(job.trials, [TrialId(2), TrialId(8)]);
    }

    #[test]
    fn losses_from_before_a_sweep_count_in_it() {
        let mut scene = Scene::new();
        let job = begun(&mut scene, 2);
        scene.rung("w", &job, 0, 3, 0.1);
        scene.rung("w", &job, 2, 3, 0.2);
        scene.submit_keys(2, [0, 2, 4], Some((3, 3)));
        assert_eq!(scene.sweep(2).1.stopped, 1);
        let job = scene.lease("w", "1").expect("a job");
        assert!(!scene.rung("w", &job, 4, 3, 0.15));
    }

    #[test]
    fn what_nobody_asked_for_is_neither_kept_nor_compared() {
        let mut scene = Scene::new();
        let job = begun(&mut scene, 2);
        let facts = scene.journal.len();
        assert!(scene.rung("w", &job, 0, 4, 0.1), "no rung");
        assert!(scene.rung("w", &job, 2, 100, 0.9), "the end");
        assert!(!scene.rung("w", &job, 99, 3, 0.1), "no trial");
        assert_eq!(scene.journal.len(), facts);
    }
}
