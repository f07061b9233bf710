//! Sweeps: which trials are wanted. Sweeps share trials; a sweep's state follows from whether it was
//! cancelled and from the states of its trials.

use super::halving::Halving;
use super::hindrances::Hindrances;
use super::ids::{GroupId, RowId, SweepId, SweepNo, TrialId, TrialNo};
use super::queue::Queue;
use super::sweep_state::{SweepCounts, SweepState};
use super::trials::TrialState;
use super::turns::{self, Turn};
use super::{Fact, Holder, Scheduler, TrialKey};
use nrp_proto::wire::SweepSpec;
use std::collections::BTreeMap;

/// A sweep.
#[derive(Debug)]
pub(super) struct Sweep {
    pub(super) id: SweepId,
    /// In grid order.
    pub(super) trials: Vec<TrialNo>,
    pub(super) wanted: bool,
    /// Whether it starts no trials for now.
    pub(super) paused: bool,
    /// Higher goes first.
    pub(super) priority: i32,
    /// Its waiting trials, even if the sweep is cancelled.
    pub(super) queue: Queue,
    /// Its place among the sweeps that have something to start.
    pub(super) turn: Option<Turn>,
    /// The fence of the last lease in its turn; forgotten by a restart.
    pub(super) served: u64,
    /// Grows with every submission, so that the latest is known.
    pub(super) submission: u64,
    /// Whether, and how, trials are stopped early.
    pub(super) halving: Option<Halving>,
    pub(super) counts: SweepCounts,
    /// Which of its trials workers cannot run.
    pub(super) hindrances: Hindrances,
    /// Trials without an outcome.
    pub(super) open_in_row: BTreeMap<RowId, u64>,
}

impl Sweep {
    /// A sweep without trials.
    pub(super) fn new(id: SweepId, halving: Option<Halving>) -> Self {
        Self {
            id,
            trials: Vec::new(),
            wanted: false,
            paused: false,
            priority: 0,
            queue: Queue::default(),
            turn: None,
            served: 0,
            submission: 0,
            halving,
            counts: SweepCounts::default(),
            hindrances: Hindrances::default(),
            open_in_row: BTreeMap::new(),
        }
    }

    /// Whether this sweep still needs a trial, which was stopped or not.
    pub(super) fn needs(&self, stopped: bool) -> bool {
        self.wanted && !(stopped && self.halving.is_some())
    }

    /// Where a trial of a group is, for this sweep. A stopped trial is closed for a sweep with early
    /// stopping and open for one without; a trial that waits is parked with its group.
    pub(super) fn effective_state(
        &self,
        state: TrialState,
        stopped: bool,
        group: GroupId,
    ) -> TrialState {
        let is_over = stopped && self.halving.is_some();
        match state {
            TrialState::Waiting | TrialState::BackingOff { .. } | TrialState::Parked => {
                match (is_over, self.hindrances.is_parked(group)) {
                    (true, _) => TrialState::Stopped,
                    (false, true) => TrialState::Parked,
                    (false, false) => state,
                }
            }
            TrialState::Leased { .. } if is_over => TrialState::Stopped,
            TrialState::Leased { .. } => state,
            TrialState::Stopped if self.halving.is_some() => state,
            // No sweep wants it to its end, so this one is cancelled.
            TrialState::Stopped => TrialState::Cancelled,
            TrialState::Finished | TrialState::Failed | TrialState::Cancelled => state,
        }
    }
}

impl Scheduler {
    /// Counts all trials, each once, by their states.
    pub fn counts(&self) -> SweepCounts {
        let mut counts = SweepCounts::default();
        for (number, trial) in (0..).map(TrialNo).zip(&self.trials) {
            if !trial.is_deleted() {
                *counts.of(self.seen_by_all(number)) += 1;
            }
        }
        counts
    }

    /// A sweep's state and counts; none where it was never submitted.
    pub fn sweep(&self, id: SweepId) -> Option<(SweepState, SweepCounts)> {
        let sweep = self.sweep_at(id)?;
        let goes_on = sweep.counts.waiting + sweep.counts.leased > 0;
        let is_parked = sweep.counts.parked > 0;
        let state = match (sweep.wanted, goes_on, is_parked, sweep.paused) {
            (false, _, _, _) => SweepState::Cancelled,
            (true, false, false, _) => SweepState::Finished,
            (true, _, _, true) => SweepState::Paused,
            (true, true, _, false) => SweepState::Running,
            (true, false, true, false) => SweepState::Parked,
        };
        Some((state, sweep.counts))
    }

    /// A sweep's priority; none where it was never submitted.
    pub fn priority(&self, id: SweepId) -> Option<i32> {
        Some(self.sweep_at(id)?.priority)
    }

    pub(super) fn sweep_at(&self, id: SweepId) -> Option<&Sweep> {
        let number = self.sweep_numbers.get(&id)?;
        Some(&self.sweeps[number.0 as usize])
    }

    /// A sweep that was submitted before continues from its state. Its failed trials stay failed: only
    /// `resume` gives them fresh attempts.
    pub(super) fn on_sweep_submitted(&mut self, id: SweepId, spec: &SweepSpec, keys: &[TrialKey]) {
        self.submissions += 1;
        let submission = self.submissions;
        let number = match self.sweep_numbers.get(&id) {
            Some(number) => *number,
            None => self.add_sweep(id, Halving::of(spec), keys),
        };
        self.sweeps[number.0 as usize].submission = submission;
        // It may have other paths now.
        self.forget_hindrances(number);
        self.want(number);
    }

    fn add_sweep(&mut self, id: SweepId, halving: Option<Halving>, keys: &[TrialKey]) -> SweepNo {
        let number = u32::try_from(self.sweeps.len()).expect("memory ends before 2^32 sweeps");
        let number = SweepNo(number);
        let mut sweep = Sweep::new(id, halving);
        sweep.trials.reserve(keys.len());
        self.trials.reserve(keys.len());
        self.trial_numbers.reserve(keys.len());
        for key in keys {
            let trial_no = self.intern(key);
            let is_held = self.share_group(key, number);
            let trial = self.at_mut(trial_no);
            trial.sweeps.push(number);
            let state = sweep.effective_state(trial.state, trial.stopped, trial.group);
            *sweep.counts.of(state) += 1;
            if state == TrialState::Waiting {
                let queue = &mut sweep.queue;
                queue.insert(trial.group, trial.pass, trial_no, is_held);
            }
            let open = sweep.open_in_row.entry(trial.row).or_default();
            *open += u64::from(!state.has_outcome());
            sweep.trials.push(trial_no);
            if let Some(halving) = &mut sweep.halving {
                for (epochs, loss) in self.rung_losses.get(&trial_no).into_iter().flatten() {
                    halving.enter(key.row, *epochs, *loss, trial_no);
                }
            }
        }
        self.sweeps.push(sweep);
        self.sweep_numbers.insert(id, number);
        number
    }

    /// A sweep that has ended has nothing left to cancel.
    pub(super) fn on_sweep_cancelled(
        &mut self,
        now_ms: u64,
        sweep: SweepId,
        facts: &mut Vec<Fact>,
    ) {
        if let Some((SweepState::Running | SweepState::Paused | SweepState::Parked, _)) =
            self.sweep(sweep)
        {
            self.record(now_ms, Fact::SweepCancelled { sweep }, facts);
        }
    }

    /// Only a running sweep can be paused.
    pub(super) fn on_sweep_paused(&mut self, now_ms: u64, sweep: SweepId, facts: &mut Vec<Fact>) {
        if let Some((SweepState::Running, _)) = self.sweep(sweep) {
            self.record(now_ms, Fact::SweepPaused { sweep }, facts);
        }
    }

    pub(super) fn on_sweep_prioritised(
        &mut self,
        now_ms: u64,
        sweep: SweepId,
        priority: i32,
        facts: &mut Vec<Fact>,
    ) {
        if self.priority(sweep).is_some_and(|now| now != priority) {
            let fact = Fact::SweepPrioritised { sweep, priority };
            self.record(now_ms, fact, facts);
        }
    }

    /// A sweep that runs without a failure or a hindrance has nothing to take up again.
    pub(super) fn on_sweep_resumed(&mut self, now_ms: u64, sweep: SweepId, facts: &mut Vec<Fact>) {
        let Some((state, counts)) = self.sweep(sweep) else {
            return;
        };
        let stands = match state {
            SweepState::Cancelled | SweepState::Paused | SweepState::Parked => true,
            SweepState::Running | SweepState::Finished => false,
        };
        if stands || counts.failed > 0 || self.is_hindered(sweep) {
            self.record(now_ms, Fact::SweepResumed { sweep }, facts);
        }
    }

    pub(super) fn cancel(&mut self, id: SweepId) {
        let Some(number) = self.sweep_numbers.get(&id).copied() else {
            return;
        };
        self.forget_hindrances(number);
        self.change(number, |sweep| sweep.wanted = false);
        for position in 0..self.sweeps[number.0 as usize].trials.len() {
            let trial_no = self.sweeps[number.0 as usize].trials[position];
            let trial = self.at(trial_no);
            if trial.state.is_open() && !self.is_wanted(trial_no, trial.stopped) {
                self.take_from_lease(trial_no);
                self.requeue_or_close(trial_no);
            }
        }
    }

    pub(super) fn resume(&mut self, id: SweepId) {
        let Some(number) = self.sweep_numbers.get(&id).copied() else {
            return;
        };
        self.forget_hindrances(number);
        self.want(number);
        for position in 0..self.sweeps[number.0 as usize].trials.len() {
            let trial_no = self.sweeps[number.0 as usize].trials[position];
            if self.at(trial_no).state == TrialState::Failed {
                let trial = self.at_mut(trial_no);
                trial.attempts = 0;
                trial.losses = 0;
                // This sweep needs it, even if others were cancelled meanwhile.
                self.requeue_or_close(trial_no);
            }
        }
    }

    /// Waiting trials stay in the queue; leases go on.
    pub(super) fn pause(&mut self, id: SweepId) {
        if let Some(number) = self.sweep_numbers.get(&id).copied() {
            self.change(number, |sweep| sweep.paused = true);
        }
    }

    pub(super) fn prioritise(&mut self, id: SweepId, priority: i32) {
        if let Some(number) = self.sweep_numbers.get(&id).copied() {
            self.change(number, |sweep| sweep.priority = priority);
        }
    }

    /// Changes what a sweep's turn depends on.
    pub(super) fn change(&mut self, number: SweepNo, change: impl FnOnce(&mut Sweep)) {
        let sweep = &mut self.sweeps[number.0 as usize];
        change(sweep);
        turns::list(&mut self.turns, number, sweep);
    }

    /// Puts a sweep's trials that were cancelled, or stopped for others, back into the queue, and ends its
    /// pause.
    fn want(&mut self, number: SweepNo) {
        self.change(number, |sweep| {
            sweep.wanted = true;
            sweep.paused = false;
        });
        for position in 0..self.sweeps[number.0 as usize].trials.len() {
            let trial_no = self.sweeps[number.0 as usize].trials[position];
            match self.at(trial_no).state {
                TrialState::Cancelled | TrialState::Stopped => self.requeue_or_close(trial_no),
                TrialState::Waiting
                | TrialState::BackingOff { .. }
                | TrialState::Leased { .. }
                | TrialState::Parked
                | TrialState::Finished
                | TrialState::Failed => {}
            }
        }
    }

    /// Opens a trial that is not leased, whatever its outcome was.
    pub(super) fn reopen(&mut self, number: TrialNo) {
        let state = if self.is_wanted(number, false) {
            TrialState::Waiting
        } else {
            TrialState::Cancelled
        };
        self.move_to(number, state, false);
    }

    /// Puts a trial that is not leased where it belongs: into the queue, if a sweep needs it.
    fn requeue_or_close(&mut self, number: TrialNo) {
        let stopped = self.at(number).stopped;
        let state = if self.is_wanted(number, stopped) {
            TrialState::Waiting
        } else if stopped {
            TrialState::Stopped
        } else {
            TrialState::Cancelled
        };
        self.set_state(number, state);
    }

    /// The sweeps that have a trial, in the order first submitted.
    pub(super) fn sweeps_of(&self, trial: TrialNo) -> impl Iterator<Item = &Sweep> {
        let sweeps = self.at(trial).sweeps.iter();
        sweeps.map(|sweep| &self.sweeps[sweep.0 as usize])
    }

    /// The ids of the sweeps that have a trial.
    pub fn sweeps_with(&self, trial: TrialId) -> impl Iterator<Item = SweepId> {
        let number = self.trial_numbers.get(&trial).copied();
        let sweeps = number.into_iter().flat_map(|number| self.sweeps_of(number));
        sweeps.map(|sweep| sweep.id)
    }

    /// Whether any sweep still needs a trial, which was stopped or not.
    pub(super) fn is_wanted(&self, trial: TrialNo, stopped: bool) -> bool {
        self.sweeps_of(trial).any(|sweep| sweep.needs(stopped))
    }

    /// The sweep whose files a job of these trials is run on. Of the sweeps that need all of them and are
    /// not known to be hindered on this worker, it is the one submitted last, since its paths are the
    /// newest; otherwise the sweep whose turn it is.
    pub(super) fn source(
        &self,
        now_ms: u64,
        numbers: &[TrialNo],
        turn: SweepNo,
        holder: &Holder,
    ) -> SweepNo {
        let group = self.at(numbers[0]).group;
        let is_source = |number: &SweepNo| {
            let sweep = &self.sweeps[number.0 as usize];
            let wants = |trial_no: &TrialNo| {
                let trial = self.at(*trial_no);
                trial.sweeps.contains(number)
                    && sweep.needs(trial.stopped)
                    && sweep.offers_trial(now_ms, group, *trial_no, holder)
            };
            !sweep.hindrances.is_parked(group) && numbers.iter().all(wants)
        };
        let sweeps = self.at(numbers[0]).sweeps.iter().copied();
        let latest = sweeps
            .filter(is_source)
            .max_by_key(|number| self.sweeps[number.0 as usize].submission);
        latest.unwrap_or(turn)
    }
}

#[cfg(test)]
mod tests {
    use super::super::scene::Scene;
    use super::*;
    use crate::scheduler::TrialView;

    #[test]
    fn the_same_sweep_again_runs_nothing_twice() {
        let mut scene = Scene::new();
        scene.submit(1, 0..4);
        scene.register("w", "1", 4);
        let job = scene.lease("w", "1").expect("a job");
        scene.finish("w", &job, 0);
        scene.submit(1, 0..4);
        let (state, counts) = scene.sweep(1);
        assert_eq!(state, SweepState::Running);
        assert_eq!((counts.finished, counts.leased), (1, 3));
        assert_eq!(scene.lease("w", "1"), None);
    }

    #[test]
    fn a_larger_grid_runs_only_its_new_cells() {
        let mut scene = Scene::new();
        scene.submit(1, 0..2);
        scene.register("w", "1", 8);
        let job = scene.lease("w", "1").expect("a job");
        scene.finish_all("w", &job);
        scene.submit(2, 0..4);
        assert_eq!(scene.lease("w", "1").expect("a job").trials.len(), 2);
        assert_eq!(scene.sweep(1).0, SweepState::Finished);
        assert_eq!(scene.sweep(2).1.finished, 2);
    }

    #[test]
    fn a_cancelled_sweep_keeps_what_another_wants() {
        let mut scene = Scene::new();
        scene.submit(1, 0..4);
        scene.submit(2, 2..6);
        scene.cancel(1);
        assert_eq!(scene.sweep(1).0, SweepState::Cancelled);
        assert_eq!(scene.sweep(1).1.cancelled, 2);
        assert_eq!(scene.sweep(2).1.waiting, 4);
        scene.register("w", "1", 8);
        assert_eq!(scene.lease("w", "1").expect("a job").trials.len(), 4);
    }

    #[test]
    fn workers_hear_of_cancelled_trials_and_their_outcomes_still_count() {
        let mut scene = Scene::new();
        scene.submit(1, 0..2);
        scene.submit(2, 1..2);
        scene.register("w", "1", 2);
        let job = scene.lease("w", "1").expect("a job");
        scene.cancel(1);
        let (lost, cancelled) = scene.heartbeat("w", "1", &[job.lease]);
        assert_eq!((lost, cancelled), (vec![], vec![TrialId(0)]));
        assert_eq!(scene.finish("w", &job, 0), super::super::Verdict::Recorded);
        assert_eq!(scene.view(0), TrialView::Finished);
        assert_eq!(scene.sweep(1).0, SweepState::Cancelled);
    }

    #[test]
    fn a_job_of_which_nothing_is_wanted_is_lost() {
        let mut scene = Scene::new();
        scene.submit(1, 0..2);
        scene.register("w", "1", 2);
        let job = scene.lease("w", "1").expect("a job");
        scene.cancel(1);
        let (lost, _) = scene.heartbeat("w", "1", &[job.lease]);
        assert_eq!(lost, vec![job.lease]);
        scene.resume(1);
        assert_eq!(scene.lease("w", "1").expect("a job").trials.len(), 2);
    }

    #[test]
    fn resuming_gives_failed_trials_fresh_attempts() {
        let mut scene = Scene::new();
        scene.submit(1, 0..1);
        scene.register("w", "1", 1);
        let job = scene.lease("w", "1").expect("a job");
        scene.fail("w", &job, 0, true);
        assert_eq!(scene.sweep(1).0, SweepState::Finished);
        assert_eq!(scene.view(0), TrialView::Failed);
        scene.submit(1, 0..1);
        assert_eq!(scene.view(0), TrialView::Failed);
        scene.resume(1);
        let job = scene.lease("w", "1").expect("a job");
        scene.finish("w", &job, 0);
        assert_eq!(scene.view(0), TrialView::Finished);
    }

    #[test]
    fn a_paused_sweep_starts_nothing_and_keeps_what_it_has() {
        let mut scene = Scene::new();
        scene.submit(1, 0..6);
        scene.register("w", "1", 2);
        let job = scene.lease("w", "1").expect("a job");
        scene.pause(1);
        assert_eq!(scene.sweep(1).0, SweepState::Paused);
        assert_eq!(
            scene.heartbeat("w", "1", &[job.lease]),
            (vec![], vec![]),
            "what is leased goes on"
        );
        scene.finish_all("w", &job);
        assert_eq!(scene.lease("w", "1"), None);
        scene.restart();
        assert_eq!(scene.sweep(1).0, SweepState::Paused);
        assert_eq!(
            (scene.sweep(1).1.finished, scene.sweep(1).1.waiting),
            (2, 4)
        );
        scene.resume(1);
        scene.register("w", "1", 8);
        assert_eq!(scene.lease("w", "1").expect("a job").trials.len(), 4);
    }

    #[test]
    fn what_another_sweep_wants_of_a_paused_one_runs() {
        let mut scene = Scene::new();
        scene.submit(1, 0..4);
        scene.submit(2, 2..6);
        scene.pause(1);
        scene.register("w", "1", 8);
        let job = scene.lease("w", "1").expect("a job");
        assert_eq!(job.trials.len(), 4);
        scene.finish_all("w", &job);
        assert_eq!(scene.lease("w", "1"), None);
        assert_eq!(scene.sweep(1).1.finished, 2);
        scene.cancel(1);
        assert_eq!(scene.sweep(1).0, SweepState::Cancelled);
        scene.submit(1, 0..4);
        assert_eq!(scene.lease("w", "1").expect("a job").trials.len(), 2);
    }

    #[test]
    fn a_sweep_that_does_not_run_cannot_pause() {
        let mut scene = Scene::new();
        scene.submit(1, 0..2);
        scene.cancel(1);
        scene.pause(1);
        scene.pause(7);
        assert_eq!(scene.sweep(1).0, SweepState::Cancelled);
        scene.resume(1);
        assert_eq!(scene.sweep(1).0, SweepState::Running);
    }

    #[test]
    fn rows_count_what_is_open() {
        let mut scene = Scene::new();
        scene.submit(1, 0..4);
        scene.submit(2, 3..5);
        let row = scene.row(0);
        assert_eq!(scene.core.open_in_row(None, row), 3);
        assert_eq!(scene.core.open_in_row(Some(SweepId(1)), row), 2);
        scene.register("w", "1", 8);
        for _ in 0..2 {
            let job = scene.lease("w", "1").expect("a job of one of them");
            scene.finish_all("w", &job);
        }
        scene.cancel(2);
        assert_eq!(scene.core.open_in_row(Some(SweepId(1)), row), 0);
        assert_eq!(scene.core.totals(), (5, 5));
    }
}
