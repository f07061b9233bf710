//! What the core is told (events: what happened outside), and what it remembers (facts: the journal's
//! content, from which its whole state can be made again).

use super::granted::Refused;
use super::hindrances::{HinderedWorkers, Hindrance};
use super::ids::{ActivationsId, Fence, GroupId, JobId, LeaseRef, PassId, RowId, SweepId, TrialId};
use nrp_proto::wire::{Scores, SweepSpec};
use serde::{Deserialize, Serialize};

/// What the core knows of a trial; it does not see the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TrialKey {
    /// Its id.
    pub id: TrialId,
    /// Groups the trials that may share a job.
    pub group: GroupId,
    /// Groups the trials that are trained on the same activations, in whole job groups.
    pub activations: ActivationsId,
    /// Groups the trials whose activations come from one pass of the ANN.
    pub pass: PassId,
    /// Groups the trials that are compared with each other.
    pub row: RowId,
}

/// A worker's process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The worker's name, the same after a restart.
    pub worker: String,
    /// Its process, another after a restart.
    pub instance: String,
}

/// What a worker says an attempt ended with.
#[derive(Debug, Clone, PartialEq)]
pub enum Attempt {
    /// The trial has scores.
    Finished(Box<Scores>),
    /// The attempt failed.
    Failed {
        /// Why the attempt failed.
        reason: String,
        /// Whether another attempt cannot end otherwise.
        is_final: bool,
    },
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A client submitted a sweep, perhaps one that is known.
    SweepSubmitted {
        /// Its id.
        sweep: SweepId,
        /// Its content, passed through to the journal.
        spec: Box<SweepSpec>,
        /// Its trials, in grid order, each once.
        trials: Vec<TrialKey>,
    },
    /// A client cancelled a sweep.
    SweepCancelled(SweepId),
    /// A client asked for a sweep to be taken up again.
    SweepResumed(SweepId),
    /// A client asked for a sweep that has ended to be forgotten.
    SweepDeleted(SweepId),
    /// A client asked for a sweep to start nothing more for now.
    SweepPaused(SweepId),
    /// A client said how urgent a sweep is.
    SweepPrioritised {
        /// Its id.
        sweep: SweepId,
        /// Higher goes first; 0 unless a client set it.
        priority: i32,
    },
    /// A worker's process registered.
    WorkerRegistered {
        /// The worker's process.
        holder: Holder,
        /// Trials it takes in one job.
        lanes: usize,
    },
    /// A worker said which activations lie in its cache.
    ActivationsHeld {
        /// The worker's process.
        holder: Holder,
        /// The activations.
        held: Vec<ActivationsId>,
    },
    /// A worker has ended in an orderly way: it no longer holds anything.
    WorkerLeft(Holder),
    /// A worker hands a job back.
    JobReleased {
        /// The worker's process.
        holder: Holder,
        /// The lease that it gives up.
        lease: LeaseRef,
        /// Why the worker cannot run the job, if it cannot.
        hindrance: Option<Hindrance>,
    },
    /// An admin takes outcomes back.
    OutcomesRetracted {
        /// The trials.
        trials: Vec<TrialId>,
        /// Why the outcomes are wrong.
        reason: String,
    },
    /// Time passed; told often enough for leases to lapse in time.
    TimePassed,
    /// A fact was read back from the journal.
    Replayed {
        /// The fact.
        fact: Fact,
        /// The sweep's trials, where the fact is [`Fact::SweepSubmitted`]; otherwise empty.
        trials: Vec<TrialKey>,
    },
    /// The whole journal was read back: leases run from now.
    ReplayEnded,
}

/// A job as it is handed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The lease.
    pub lease: LeaseRef,
    /// The sweep whose files the trials are run on.
    pub sweep: SweepId,
    /// The activations that the trials are trained on.
    pub activations: ActivationsId,
    /// The trials, in grid order.
    pub trials: Vec<TrialId>,
    /// One waiting trial of each other group whose activations come from the same pass of the ANN.
    pub along: Vec<TrialId>,
    /// Epochs at which each trial tells its loss and asks whether it goes on.
    pub rungs: Vec<u32>,
}

/// Why a worker gets no job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It has not registered since the coordinator started.
    NotRegistered,
    /// Another process has registered under its name.
    Superseded,
}

/// The answer to a worker that says which leases it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renewed {
    /// Leases that are no longer the worker's.
    pub lost: Vec<LeaseRef>,
    /// Trials of its live leases that no sweep needs any longer.
    pub cancelled: Vec<TrialId>,
}

/// The answer to a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The outcome is on record.
    Recorded,
    /// The trial already had its outcome, or the attempt no longer counts.
    Duplicate,
    /// No sweep has this trial.
    Unknown,
    /// The report does not count.
    Refused(Refused),
}

/// Something that must survive a crash.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Fact {
    /// A sweep was submitted, for the first time or again.
    SweepSubmitted {
        /// Its id.
        sweep: SweepId,
        /// Its content, from which its trials follow.
        spec: Box<SweepSpec>,
    },
    /// A sweep was cancelled.
    SweepCancelled {
        /// The sweep.
        sweep: SweepId,
    },
    /// A sweep was taken up again, its failed trials with fresh attempts.
    SweepResumed {
        /// The sweep.
        sweep: SweepId,
    },
    /// A sweep was forgotten, with the trials that no other sweep has.
    SweepDeleted {
        /// The sweep.
        sweep: SweepId,
    },
    /// A sweep starts nothing until it is taken up again.
    SweepPaused {
        /// The sweep.
        sweep: SweepId,
    },
    /// A sweep is as urgent as this from now on.
    SweepPrioritised {
        /// The sweep.
        sweep: SweepId,
        /// Higher goes first.
        priority: i32,
    },
    /// A job was handed out.
    LeaseGranted {
        /// The job.
        job: JobId,
        /// Its fencing token.
        #[serde(rename = "epoch")]
        fence: Fence,
        /// The worker's process.
        #[serde(flatten)]
        holder: Holder,
        /// The trials in it.
        trials: Vec<TrialId>,
        /// Whether it is a copy: another, slow worker has these trials as well.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        copy: bool,
        /// In a snapshot: trials that have been taken out of the job since.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        taken: Vec<TrialId>,
        /// In a snapshot: whether another worker has, or had, a copy of some of its trials.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        copied: bool,
        /// The sweep whose files the job is run on; absent in old journals.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sweep: Option<SweepId>,
    },
    /// A lease ended before all its trials were reported; the others wait again.
    LeaseEnded {
        /// The job.
        job: JobId,
        /// Which lease of the job.
        #[serde(rename = "epoch")]
        fence: Fence,
        /// Why it ended.
        reason: LeaseEnd,
        /// What keeps the worker from running the job, where that is the reason.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hindrance: Option<Hindrance>,
    },
    /// Every live worker has said that it cannot run a sweep's trials of a group. They wait for a resume,
    /// a submission or another worker.
    GroupParked {
        /// The sweep.
        sweep: SweepId,
        /// The group.
        group: GroupId,
        /// How many of its trials waited.
        trials: u64,
        /// The reasons, each with the workers that gave it.
        hindered: Vec<HinderedWorkers>,
    },
    /// Another worker has come: a parked group is tried again.
    GroupUnparked {
        /// The sweep.
        sweep: SweepId,
        /// The group.
        group: GroupId,
    },
    /// An attempt failed, and the trial will be tried again.
    AttemptFailed {
        /// The trial.
        trial: TrialId,
        /// The worker that tried.
        worker: String,
        /// Why it failed.
        reason: String,
        /// Failed attempts so far, with this one.
        attempts: u32,
    },
    /// A trial reached a rung and goes on.
    RungReached {
        /// The trial.
        trial: TrialId,
        /// The worker that trains it.
        worker: String,
        /// Epochs trained.
        epochs: u32,
        /// The lowest validation loss so far.
        validation_mse: f64,
    },
    /// A trial has its outcome.
    OutcomeRecorded {
        /// The trial.
        trial: TrialId,
        /// The worker that reported it; empty where none did.
        worker: String,
        /// The lease under which it was reported.
        lease: LeaseRef,
        /// Attempts made so far.
        attempts: u32,
        /// The outcome.
        outcome: Ending,
    },
    /// A trial's outcome was taken back. Outcomes reported under leases from before do not count either.
    OutcomeRetracted {
        /// The trial.
        trial: TrialId,
        /// The last fencing token that was given out by then.
        #[serde(rename = "epoch")]
        fence: Fence,
        /// Why the outcome is wrong.
        reason: String,
    },
    /// In a snapshot: leases that were given to a worker.
    LeasesRemembered {
        /// The worker.
        worker: String,
        /// The leases.
        leases: Vec<LeaseRun>,
    },
    /// In a snapshot: the failures of an open trial.
    TrialCarried {
        /// The trial.
        trial: TrialId,
        /// Failed attempts.
        attempts: u32,
        /// Leases lost while it ran.
        losses: u32,
        /// Whether its next attempt is still delayed.
        backing_off: bool,
    },
    /// In a snapshot: the last fencing token given out.
    #[serde(rename = "epoch_reached")]
    FenceReached {
        /// The token.
        #[serde(rename = "epoch")]
        fence: Fence,
    },
}

/// Leases with successive numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseRun {
    /// The first.
    pub first: Fence,
    /// The last.
    pub last: Fence,
    /// The group of their trials; absent where the trials are no longer known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<GroupId>,
}

/// A trial's outcome.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// The trial was trained and scored.
    Finished(Box<Scores>),
    /// The trial was set aside.
    Failed {
        /// Why it was.
        reason: String,
    },
    /// The trial was given up at a rung. A sweep without early stopping takes it up again.
    Stopped {
        /// Epochs trained.
        epochs: u32,
        /// The lowest validation loss until then.
        validation_mse: f64,
    },
}

/// Why a lease ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeaseEnd {
    /// Its worker was not heard of in time; a loss for its trials.
    Lapsed,
    /// Its worker came back as another process; a loss for its trials.
    WorkerRestarted,
    /// Its worker was never heard of again after the coordinator's own restart, or came back as
    /// another process: no fault of its trials.
    CoordinatorRestarted,
    /// Its worker handed it back.
    Released,
    /// Its worker cannot run it, and handed it back.
    Hindered,
}

impl LeaseEnd {
    /// Whether the trials may be what took the worker down.
    pub(super) fn is_loss(self) -> bool {
        match self {
            LeaseEnd::Lapsed | LeaseEnd::WorkerRestarted => true,
            LeaseEnd::CoordinatorRestarted | LeaseEnd::Released | LeaseEnd::Hindered => false,
        }
    }
}
