//! States: how trials and sweeps stand, why trials wait, what became of a report, and what workers do.
//! Each travels as a proto3 enum and is shown as a word; the words are nowhere else.

use crate::wire;
use crate::word::answer_enum;

answer_enum! {
    /// How a trial stands.
    pub enum TrialState: "state of a trial" = wire::TrialState {
        /// It has no outcome, and no worker has it.
        Waiting = "waiting",
        /// A worker has it.
        Leased = "leased",
        /// No worker can run it.
        Parked = "parked",
        /// It has scores.
        Finished = "finished",
        /// It was set aside after failed attempts.
        Failed = "failed",
        /// Early stopping gave it up.
        Stopped = "stopped",
        /// No sweep needs it any more.
        Cancelled = "cancelled",
    }
}

answer_enum! {
    /// How a sweep stands.
    pub enum SweepState: "state of a sweep" = wire::SweepState {
        /// Its trials start.
        Running = "running",
        /// No further trial starts until the sweep is resumed.
        Paused = "paused",
        /// Every trial without an outcome is parked.
        Parked = "parked",
        /// Every trial has an outcome.
        Finished = "finished",
        /// No further trial starts.
        Cancelled = "cancelled",
        /// Trials are left, and no coordinator runs them. Clients say this of a state directory that
        /// they read; a coordinator never answers it.
        Interrupted = "interrupted",
    }
}

answer_enum! {
    /// Why a trial does not start, or why it is not waiting.
    pub enum Why: "reason" = wire::Why {
        /// It has scores.
        Finished = "finished",
        /// It was set aside.
        Failed = "failed",
        /// Early stopping gave it up.
        Stopped = "stopped",
        /// No sweep needs it any more.
        Cancelled = "cancelled",
        /// A worker has it.
        Leased = "leased",
        /// It waits for its next attempt.
        BackingOff = "backing-off",
        /// Its sweeps are paused.
        Paused = "paused",
        /// There is no worker.
        NoWorker = "no-worker",
        /// A sweep of higher priority goes first.
        Behind = "behind",
        /// Every worker has a job.
        Busy = "busy",
        /// It is reserved for the worker that has its activations.
        Held = "held",
        /// Some workers cannot run it, and the others are busy.
        Hindered = "hindered",
        /// An idle worker gets it with its next request.
        Next = "next",
        /// No worker can run it.
        Parked = "parked",
        /// It runs alone, since workers were lost with it.
        Alone = "alone",
    }
}

answer_enum! {
    /// What became of a report.
    pub enum Verdict: "verdict" = wire::VerdictKind {
        /// The outcome is durable.
        Recorded = "recorded",
        /// The trial already had its outcome.
        Duplicate = "duplicate",
        /// No sweep has this trial.
        Unknown = "unknown",
        /// The coordinator can never accept it.
        Refused = "refused",
    }
}

answer_enum! {
    /// The score that a front is over.
    pub enum Front: "front" = wire::Front {
        /// The validation loss, which selects.
        ValidationMse = "validation_mse",
        /// The NRP-error, a test score.
        NrpError = "nrp_error",
    }
}

answer_enum! {
    /// What a worker is doing.
    pub enum Doing: "activity" = wire::Doing {
        /// It computes activations.
        Extracting = "extracting",
        /// It trains NRP networks or fits linear baselines.
        Training = "training",
        /// It writes activations as coordinates in the span of the training stimuli.
        Projecting = "projecting",
    }
}

answer_enum! {
    /// What a worker's progress counts.
    pub enum ProgressUnit: "unit of progress" = wire::ProgressUnit {
        /// Stimuli whose activations are computed.
        Stimuli = "stimuli",
        /// Epochs of training.
        Epochs = "epochs",
        /// Units of ANN layers.
        Units = "units",
    }
}

impl wire::SweepStatus {
    /// How many of the sweep's trials are in `state`.
    pub fn count(&self, state: TrialState) -> u64 {
        match state {
            TrialState::Waiting => self.waiting,
            TrialState::Leased => self.leased,
            TrialState::Parked => self.parked,
            TrialState::Finished => self.finished,
            TrialState::Failed => self.failed,
            TrialState::Stopped => self.stopped,
            TrialState::Cancelled => self.cancelled,
        }
    }
}
