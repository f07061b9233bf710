//! The state of a sweep, and of its trials in numbers.

use super::trials::TrialState;
use nrp_proto::state;

/// How many trials of a sweep are in which state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SweepCounts {
    /// Wait to be leased.
    pub waiting: u64,
    /// In a worker's hands.
    pub leased: u64,
    /// Wait, and no live worker can run them.
    pub parked: u64,
    /// Have scores.
    pub finished: u64,
    /// Were set aside.
    pub failed: u64,
    /// Were given up at a rung.
    pub stopped: u64,
    /// Have no outcome, and no sweep needs one.
    pub cancelled: u64,
}

impl SweepCounts {
    /// All of them.
    pub fn trials(&self) -> u64 {
        let open = self.waiting + self.leased + self.parked;
        open + self.finished + self.failed + self.stopped + self.cancelled
    }

    pub(super) fn of(&mut self, state: TrialState) -> &mut u64 {
        match state {
            TrialState::Waiting | TrialState::BackingOff { .. } => &mut self.waiting,
            TrialState::Leased { .. } => &mut self.leased,
            TrialState::Parked => &mut self.parked,
            TrialState::Finished => &mut self.finished,
            TrialState::Failed => &mut self.failed,
            TrialState::Stopped => &mut self.stopped,
            TrialState::Cancelled => &mut self.cancelled,
        }
    }
}

/// The state of a sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SweepState {
    /// Outcomes are still to come.
    Running,
    /// Outcomes are still to come, but no further trial starts for now.
    Paused,
    /// Outcomes are still to come, and no live worker can run the open trials.
    Parked,
    /// Every trial has its outcome.
    Finished,
    /// No further trial starts for it.
    Cancelled,
}

impl SweepState {
    /// Whether no more outcomes come, unless a client takes it up again.
    pub fn has_ended(self) -> bool {
        match self {
            SweepState::Running | SweepState::Paused | SweepState::Parked => false,
            SweepState::Finished | SweepState::Cancelled => true,
        }
    }

    /// The state as it is shown.
    pub fn shown(self) -> state::SweepState {
        match self {
            SweepState::Running => state::SweepState::Running,
            SweepState::Paused => state::SweepState::Paused,
            SweepState::Parked => state::SweepState::Parked,
            SweepState::Finished => state::SweepState::Finished,
            SweepState::Cancelled => state::SweepState::Cancelled,
        }
    }
}
