//! Trials: the state of each. `set_state` is the only place where it changes, and keeps every queue and
//! count that follows from it.

use super::ids::{GroupId, JobId, PassId, RowId, SweepNos, TrialId, TrialNo};
use super::settings::LOSSES_ALONE;
use super::sweeps::Sweep;
use super::{HinderedTrials, Scheduler, SweepId, TrialKey, turns};
use thiserror::Error;

/// A trial.
#[derive(Debug)]
pub(super) struct Trial {
    pub(super) id: TrialId,
    pub(super) group: GroupId,
    pub(super) pass: PassId,
    pub(super) row: RowId,
    pub(super) state: TrialState,
    /// Whether early stopping gave it up once.
    pub(super) stopped: bool,
    /// Failed attempts since it was last given fresh ones.
    pub(super) attempts: u32,
    /// Leases lost while it ran.
    pub(super) losses: u32,
    /// The sweeps that have it, in the order first submitted.
    pub(super) sweeps: SweepNos,
}

/// The state of a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TrialState {
    /// In the queue.
    Waiting,
    /// Waits for its next attempt.
    BackingOff { ready_ms: u64 },
    /// In a worker's hands.
    Leased { job: JobId },
    /// Only as a sweep sees it: the trial waits, and no live worker can run it.
    Parked,
    /// Has scores.
    Finished,
    /// Was set aside.
    Failed,
    /// Was given up at a rung, and no sweep needs it to its end.
    Stopped,
    /// Has no outcome, and no sweep needs one.
    Cancelled,
}

impl Trial {
    /// Whether it was deleted with its last sweep.
    pub(super) fn is_deleted(&self) -> bool {
        self.sweeps.is_empty()
    }
}

impl TrialState {
    /// Whether an outcome is still to come.
    pub(super) fn is_open(self) -> bool {
        match self {
            TrialState::Waiting
            | TrialState::BackingOff { .. }
            | TrialState::Leased { .. }
            | TrialState::Parked => true,
            TrialState::Finished
            | TrialState::Failed
            | TrialState::Stopped
            | TrialState::Cancelled => false,
        }
    }

    /// Whether it has an outcome.
    pub(super) fn has_outcome(self) -> bool {
        match self {
            TrialState::Finished | TrialState::Failed | TrialState::Stopped => true,
            TrialState::Waiting
            | TrialState::BackingOff { .. }
            | TrialState::Leased { .. }
            | TrialState::Parked
            | TrialState::Cancelled => false,
        }
    }

    /// Whether it is open, or opens with the same history once a sweep needs it.
    pub(super) fn may_go_on(self) -> bool {
        match self {
            TrialState::Waiting
            | TrialState::BackingOff { .. }
            | TrialState::Leased { .. }
            | TrialState::Parked
            | TrialState::Stopped
            | TrialState::Cancelled => true,
            TrialState::Finished | TrialState::Failed => false,
        }
    }
}

/// The state of a trial, as a client sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrialView {
    /// Waits to be leased.
    Waiting,
    /// Leased to a worker.
    Leased {
        /// The worker's name.
        worker: String,
    },
    /// No live worker can run it.
    Parked {
        /// Why, by reason.
        hindered: Vec<HinderedTrials>,
    },
    /// Has scores.
    Finished,
    /// Was set aside.
    Failed,
    /// Was given up at a rung.
    Stopped,
    /// Has no outcome, and no sweep needs one.
    Cancelled,
}

/// A sweep would exceed the limit on trials without an outcome.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
#[error("it adds {added} trials to {open} that have no outcome yet, and the limit is {limit}")]
pub struct TooManyOpen {
    /// Trials without an outcome, over all sweeps, cancelled ones among them.
    pub open: u64,
    /// Trials of the sweep that no other has.
    pub added: u64,
    /// The limit.
    pub limit: u64,
}

impl Scheduler {
    /// Whether a sweep with these trials may be submitted. Trials that are known already add nothing.
    ///
    /// # Errors
    /// When there would be more trials without an outcome than the settings allow.
    pub fn check_room(&self, trials: &[TrialKey]) -> Result<(), TooManyOpen> {
        let limit = self.settings.open_trials_max;
        let open = self.open_in_row.values().sum::<u64>();
        if open.saturating_add(trials.len() as u64) <= limit {
            return Ok(());
        }
        let is_new = |key: &&TrialKey| !self.trial_numbers.contains_key(&key.id);
        let added = trials.iter().filter(is_new).count() as u64;
        if added == 0 || open.saturating_add(added) <= limit {
            Ok(())
        } else {
            Err(TooManyOpen { open, added, limit })
        }
    }

    /// The state of a trial, for one sweep or over all; none where it was never submitted.
    pub fn trial(&self, sweep: Option<SweepId>, id: TrialId) -> Option<TrialView> {
        let number = *self.trial_numbers.get(&id)?;
        let trial = self.at(number);
        let sweep = sweep.and_then(|sweep| self.sweep_at(sweep));
        let state = match sweep {
            Some(sweep) => sweep.effective_state(trial.state, trial.stopped, trial.group),
            None => self.seen_by_all(number),
        };
        Some(match state {
            TrialState::Parked => TrialView::Parked {
                hindered: self.parked_by(number, sweep),
            },
            TrialState::Waiting | TrialState::BackingOff { .. } => TrialView::Waiting,
            TrialState::Leased { job } => TrialView::Leased {
                worker: self.leases[&job].holder.worker.clone(),
            },
            TrialState::Finished => TrialView::Finished,
            TrialState::Failed => TrialView::Failed,
            TrialState::Stopped => TrialView::Stopped,
            TrialState::Cancelled => TrialView::Cancelled,
        })
    }

    /// The state of a trial over all sweeps: parked only if it is parked in every sweep that needs it.
    pub(super) fn seen_by_all(&self, number: TrialNo) -> TrialState {
        let trial = self.at(number);
        let mut wanting = self
            .sweeps_of(number)
            .filter(|sweep| sweep.needs(trial.stopped));
        let waits = match trial.state {
            TrialState::Waiting | TrialState::BackingOff { .. } => true,
            TrialState::Leased { .. }
            | TrialState::Parked
            | TrialState::Finished
            | TrialState::Failed
            | TrialState::Stopped
            | TrialState::Cancelled => false,
        };
        let parked = waits && wanting.all(|sweep| sweep.hindrances.is_parked(trial.group));
        if parked {
            TrialState::Parked
        } else {
            trial.state
        }
    }

    /// Why a trial is parked for a sweep or, if none is given, for the first that needs it.
    pub(super) fn parked_by(&self, number: TrialNo, sweep: Option<&Sweep>) -> Vec<HinderedTrials> {
        let trial = self.at(number);
        let mut wanting = self
            .sweeps_of(number)
            .filter(|sweep| sweep.needs(trial.stopped));
        let sweep = sweep.or_else(|| wanting.next());
        sweep.map_or_else(Vec::new, |sweep| self.parked_in(sweep, trial.group))
    }

    /// Trials of a row without an outcome, of one sweep or over all.
    pub fn open_in_row(&self, sweep: Option<SweepId>, row: RowId) -> u64 {
        let open = match sweep {
            None => Some(&self.open_in_row),
            Some(id) => self.sweep_at(id).map(|sweep| &sweep.open_in_row),
        };
        open.and_then(|open| open.get(&row)).copied().unwrap_or(0)
    }

    /// How many trials are known, and how many have an outcome. A stop counts as one, even if another sweep
    /// has taken the trial up again.
    pub fn totals(&self) -> (u64, u64) {
        let known = self.trial_numbers.len() as u64;
        let open = self.open_in_row.values().sum::<u64>();
        (known, known - open + self.revived)
    }

    pub(super) fn at(&self, number: TrialNo) -> &Trial {
        &self.trials[number.0 as usize]
    }

    pub(super) fn at_mut(&mut self, number: TrialNo) -> &mut Trial {
        &mut self.trials[number.0 as usize]
    }

    /// The number of a trial. A new one is cancelled: no sweep needs it yet.
    pub(super) fn intern(&mut self, key: &TrialKey) -> TrialNo {
        if let Some(number) = self.trial_numbers.get(&key.id) {
            return *number;
        }
        let number = u32::try_from(self.trials.len()).expect("memory ends before 2^32 trials");
        let number = TrialNo(number);
        self.trials.push(Trial {
            id: key.id,
            group: key.group,
            pass: key.pass,
            row: key.row,
            state: TrialState::Cancelled,
            stopped: false,
            attempts: 0,
            losses: 0,
            sweeps: SweepNos::None,
        });
        self.trial_numbers.insert(key.id, number);
        *self.open_in_row.entry(key.row).or_default() += 1;
        number
    }

    /// Changes a trial's state, and all that follows from it.
    pub(super) fn set_state(&mut self, number: TrialNo, new: TrialState) {
        self.move_to(number, new, self.at(number).stopped);
    }

    /// As [`Scheduler::set_state`]; also sets whether the trial was stopped.
    pub(super) fn move_to(&mut self, number: TrialNo, new: TrialState, stopped: bool) {
        let trial = &mut self.trials[number.0 as usize];
        let old = std::mem::replace(&mut trial.state, new);
        let was_stopped = std::mem::replace(&mut trial.stopped, stopped);
        match old {
            TrialState::BackingOff { ready_ms } => {
                self.backing_off.remove(&(ready_ms, number));
            }
            TrialState::Waiting
            | TrialState::Leased { .. }
            | TrialState::Parked
            | TrialState::Finished
            | TrialState::Failed
            | TrialState::Stopped
            | TrialState::Cancelled => {}
        }
        match new {
            TrialState::BackingOff { ready_ms } => {
                self.backing_off.insert((ready_ms, number));
            }
            TrialState::Waiting
            | TrialState::Leased { .. }
            | TrialState::Parked
            | TrialState::Finished
            | TrialState::Failed
            | TrialState::Stopped
            | TrialState::Cancelled => {}
        }
        if new.is_open() && trial.losses >= LOSSES_ALONE {
            self.suspects.insert(number)
        } else {
            self.suspects.remove(&number)
        };
        self.revived += u64::from(stopped && new.is_open());
        self.revived -= u64::from(was_stopped && old.is_open());
        let closing = |old: TrialState, new: TrialState| {
            i64::from(new.has_outcome()) - i64::from(old.has_outcome())
        };
        for sweep_no in &trial.sweeps {
            let sweep = &mut self.sweeps[sweep_no.0 as usize];
            let old = sweep.effective_state(old, was_stopped, trial.group);
            let new = sweep.effective_state(new, stopped, trial.group);
            sweep.hindrances.move_parked(trial.group, number, old, new);
            if old == TrialState::Waiting {
                sweep.queue.remove(trial.group, trial.pass, number);
            }
            if new == TrialState::Waiting {
                let shared = self.groups.get(&trial.group);
                let is_held = shared.is_some_and(|group| group.is_held);
                sweep.queue.insert(trial.group, trial.pass, number, is_held);
            }
            let closed = closing(old, new);
            *sweep.counts.of(old) -= 1;
            *sweep.counts.of(new) += 1;
            let open = sweep.open_in_row.entry(trial.row).or_default();
            *open = open
                .checked_add_signed(-closed)
                .expect("a row counts its open trials");
            turns::list(&mut self.turns, *sweep_no, sweep);
        }
        let open = self.open_in_row.entry(trial.row).or_default();
        *open = open
            .checked_add_signed(-closing(old, new))
            .expect("a row counts its open trials");
    }
}
