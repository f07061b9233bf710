//! What the core is told (events: what happened outside), and what it remembers (facts: the journal's
//! content, from which its whole state can be made again).

use super::granted::Refused;
use super::hindrances::{HinderedWorkers, Hindrance};
use super::ids::{ActivationsId, Fence, GroupId, JobId, LeaseRef, PassId, RowId, SweepId, TrialId};
use nrp_proto::wire::{Scores, SweepSpec};
use serde::{Deserialize, Serialize};

/// A trial as the core needs it; its content is of no interest here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TrialKey {
    /// Its id.
    pub id: TrialId,
    /// The trials it may share a job with.
    pub group: GroupId,
    /// The trials that are trained on the same activations; all of a group are among them.
    pub activations: ActivationsId,
    /// The trials whose activations one pass of the ANN gives.
    pub pass: PassId,
    /// The trials it is compared with.
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
    /// With scores.
    Finished(Box<Scores>),
    /// Without.
    Failed {
        /// Why.
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
        /// Higher goes first; 0 where nobody said.
        priority: i32,
    },
    /// A worker's process announced itself.
    WorkerRegistered {
        /// Which.
        holder: Holder,
        /// Trials it takes in one job.
        lanes: usize,
    },
    /// A worker said which activations lie in its cache.
    ActivationsHeld {
        /// Which worker.
        holder: Holder,
        /// They.
        held: Vec<ActivationsId>,
    },
    /// A worker has ended, in order: it holds nothing any more.
    WorkerLeft(Holder),
    /// A worker hands a job back.
    JobReleased {
        /// Which worker.
        holder: Holder,
        /// What it held.
        lease: LeaseRef,
        /// Why it cannot run it, if it cannot.
        hindrance: Option<Hindrance>,
    },
    /// An admin takes outcomes back.
    OutcomesRetracted {
        /// The trials.
        trials: Vec<TrialId>,
        /// Why.
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
    /// A sweep that wants these trials, whose files they are read from.
    pub sweep: SweepId,
    /// What they are trained on.
    pub activations: ActivationsId,
    /// The trials, in grid order.
    pub trials: Vec<TrialId>,
    /// One waiting trial of each other group whose activations the same pass of the ANN gives.
    pub along: Vec<TrialId>,
    /// Epochs at which each trial tells its loss and asks whether it goes on.
    pub rungs: Vec<u32>,
}

/// Why a worker gets no job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It has not announced itself since the coordinator started.
    NotRegistered,
    /// Another process has announced itself under its name.
    Superseded,
}

/// The answer to a worker that says which leases it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renewed {
    /// Leases that are no longer the worker's.
    pub lost: Vec<LeaseRef>,
    /// Trials of its live leases that no sweep wants any more.
    pub cancelled: Vec<TrialId>,
}

/// The answer to a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is on record.
    Recorded,
    /// The trial already had its outcome, or the attempt no longer counts.
    Duplicate,
    /// Nobody ever asked for this trial.
    Unknown,
    /// It does not count.
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
        /// Which.
        sweep: SweepId,
    },
    /// A sweep was taken up again, its failed trials with fresh attempts.
    SweepResumed {
        /// Which.
        sweep: SweepId,
    },
    /// A sweep was forgotten, with the trials that no other sweep has.
    SweepDeleted {
        /// Which.
        sweep: SweepId,
    },
    /// A sweep starts nothing until it is taken up again.
    SweepPaused {
        /// Which.
        sweep: SweepId,
    },
    /// A sweep is as urgent as this from now on.
    SweepPrioritised {
        /// Which.
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
        /// To whom.
        #[serde(flatten)]
        holder: Holder,
        /// The trials in it.
        trials: Vec<TrialId>,
        /// Whether another worker has them as well, who is slow.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        copy: bool,
        /// In a snapshot: those taken out of it since.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        taken: Vec<TrialId>,
        /// In a snapshot: whether another worker has, or had, a copy of some of it.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        copied: bool,
        /// The sweep whose files it is run on; absent in journals from before it was kept.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sweep: Option<SweepId>,
    },
    /// A lease ended before all its trials were reported; the others wait again.
    LeaseEnded {
        /// The job.
        job: JobId,
        /// Which lease of it.
        #[serde(rename = "epoch")]
        fence: Fence,
        /// Why.
        reason: LeaseEnd,
        /// What keeps its worker from running it, where that is why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hindrance: Option<Hindrance>,
    },
    /// Every worker at hand has said that it cannot run a sweep's trials of a group: they wait for a
    /// resume, a submission or another worker.
    GroupParked {
        /// The sweep.
        sweep: SweepId,
        /// The group.
        group: GroupId,
        /// How many of its trials waited.
        trials: u64,
        /// Who said why.
        hindered: Vec<HinderedWorkers>,
    },
    /// A worker has come that has not said so: they are tried again.
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
        /// Who tried.
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
        /// Who trains it.
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
        /// Who reported it; empty where nobody did.
        worker: String,
        /// Under which lease.
        lease: LeaseRef,
        /// Attempts made.
        attempts: u32,
        /// The outcome.
        outcome: Ending,
    },
    /// A trial's outcome no longer counts, and what leases up to then bring neither.
    OutcomeRetracted {
        /// The trial.
        trial: TrialId,
        /// The last fencing token that was given out by then.
        #[serde(rename = "epoch")]
        fence: Fence,
        /// Why.
        reason: String,
    },
    /// In a snapshot: leases that were given to a worker.
    LeasesRemembered {
        /// The worker.
        worker: String,
        /// They.
        leases: Vec<LeaseRun>,
    },
    /// In a snapshot: what an open trial has behind it.
    TrialCarried {
        /// The trial.
        trial: TrialId,
        /// Failed attempts.
        attempts: u32,
        /// Leases lost while it ran.
        losses: u32,
        /// Whether its next attempt waits for some time yet.
        backing_off: bool,
    },
    /// In a snapshot: the last fencing token given out.
    #[serde(rename = "epoch_reached")]
    FenceReached {
        /// It.
        #[serde(rename = "epoch")]
        fence: Fence,
    },
}

/// Leases of successive numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseRun {
    /// The first.
    pub first: Fence,
    /// The last.
    pub last: Fence,
    /// What their trials share; absent where they are no longer known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<GroupId>,
}

/// A trial's outcome.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// It was trained and scored.
    Finished(Box<Scores>),
    /// It was set aside.
    Failed {
        /// Why.
        reason: String,
    },
    /// It was given up at a rung, as no sweep wanted it to its end; one that does takes it up.
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
