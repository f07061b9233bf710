//! What the services ask of the driver, each with the way back for the answer. An answer that never
//! comes means that the driver has stopped.

use super::catalogue::LookupError;
use crate::scheduler::{
    ActivationsId, Attempt, Hindrance, Holder, LeaseRef, NoOutcome, Refusal, Refused, RowId,
    SweepId, SweepState, TooManyOpen, TrialId, TrialKey, TrialView, Verdict,
};
use crate::store::IndexError;
use nrp_proto::wire::{
    Activity, DeleteReply, ExplainReply, Job, SweepSpec, SweepStatus, WatchReply, WorkerStatus,
    WorkerTotals,
};
use std::sync::Arc;
use tokio::sync::oneshot;

/// The way back.
pub(crate) type Reply<T> = oneshot::Sender<T>;

/// Something asked of the driver.
pub(crate) enum Command {
    Submit {
        sweep: SweepId,
        spec: Box<SweepSpec>,
        trials: Vec<TrialKey>,
        priority: Option<i32>,
        reply: Reply<Result<Submitted, TooManyOpen>>,
    },
    Cancel {
        sweep: String,
        reply: Reply<Result<SweepStatus, LookupError>>,
    },
    Resume {
        sweep: String,
        reply: Reply<Result<SweepStatus, LookupError>>,
    },
    Delete {
        sweep: String,
        /// Only tell what would go.
        dry_run: bool,
        reply: Reply<Result<DeleteReply, DeleteError>>,
    },
    Pause {
        sweep: String,
        reply: Reply<Result<SweepStatus, LookupError>>,
    },
    Prioritise {
        sweep: String,
        priority: i32,
        reply: Reply<Result<SweepStatus, LookupError>>,
    },
    Status {
        sweep: String,
        reply: Reply<Result<SweepStatus, LookupError>>,
    },
    /// A sweep, and the workers that are there.
    Watch {
        sweep: String,
        reply: Reply<Result<WatchReply, LookupError>>,
    },
    Describe {
        sweep: String,
        reply: Reply<Result<Arc<SweepSpec>, LookupError>>,
    },
    List {
        reply: Reply<Vec<SweepStatus>>,
    },
    Find {
        sweep: String,
        reply: Reply<Result<SweepId, LookupError>>,
    },
    /// Takes outcomes back, all or none; answers where the trials are then.
    Retract {
        trials: Vec<TrialId>,
        reason: String,
        reply: Reply<Result<Vec<TrialView>, Unretractable>>,
    },
    /// Why trials of a sweep, or one trial, wait.
    Explain {
        subject: String,
        reply: Reply<Result<ExplainReply, LookupError>>,
    },
    /// Where trials are, for a sweep.
    Trials {
        sweep: SweepId,
        trials: Vec<TrialId>,
        reply: Reply<Vec<Option<TrialView>>>,
    },
    /// How many trials of rows have no outcome yet.
    Open {
        sweep: Option<SweepId>,
        rows: Vec<RowId>,
        reply: Reply<Vec<u64>>,
    },
    /// Which workers are there.
    Workers {
        reply: Reply<Vec<WorkerStatus>>,
    },
    /// Tells workers to leave; answers how they stand, or who is not there.
    Drain {
        workers: Vec<String>,
        reply: Reply<Result<Vec<WorkerStatus>, Absent>>,
    },
    Register {
        holder: Holder,
        device: String,
        lanes: usize,
        reply: Reply<()>,
    },
    Lease {
        holder: Holder,
        /// Activations it has at hand.
        held: Vec<ActivationsId>,
        reply: Reply<Leased>,
    },
    Heartbeat {
        holder: Holder,
        leases: Vec<LeaseRef>,
        activity: Option<Activity>,
        totals: WorkerTotals,
        reply: Reply<Result<Fenced, Refusal>>,
    },
    Report {
        reports: Vec<Report>,
        /// One for each report, in their order.
        reply: Reply<Vec<Verdict>>,
    },
    /// Whether a trial that reached a rung goes on.
    Rung {
        worker: String,
        lease: LeaseRef,
        trial: TrialId,
        epochs: u32,
        validation_mse: f64,
        reply: Reply<Result<bool, Refused>>,
    },
    Release {
        holder: Holder,
        lease: LeaseRef,
        /// Why it cannot run it, if it cannot.
        hindrance: Option<Hindrance>,
        reply: Reply<()>,
    },
    /// A worker ends.
    Leave {
        holder: Holder,
        reply: Reply<()>,
    },
    /// Put a snapshot of the state into the next batch: the journal has grown.
    Snapshot,
    /// What there is at this moment, for metrics.
    Census {
        reply: Reply<Census>,
    },
    /// Do what is under way, and no more.
    Stop,
}

/// What a worker says a trial ended with.
#[derive(Debug, Clone)]
pub(crate) struct Report {
    pub(crate) worker: String,
    pub(crate) lease: LeaseRef,
    pub(crate) trial: TrialId,
    pub(crate) attempt: Attempt,
    /// The trial's; empty where it is not known.
    pub(crate) region: String,
}

/// A trial that has no outcome to retract.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unretractable {
    pub(crate) trial: TrialId,
    pub(crate) why: NoOutcome,
}

/// The answer to a submission.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Submitted {
    pub(crate) trials: u64,
    pub(crate) closed: u64,
    pub(crate) known: bool,
}

/// The answer to a worker that has nothing to do: a job, or none for now.
pub(crate) type Leased = Result<Option<Job>, LeaseError>;

/// Why a worker gets no job.
#[derive(Debug)]
pub(crate) enum LeaseError {
    Refused(Refusal),
    Index(IndexError),
}

/// The answer to a heartbeat.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fenced {
    pub(crate) lost: Vec<LeaseRef>,
    pub(crate) cancelled: Vec<TrialId>,
    /// The worker is to end once its job is done.
    pub(crate) leave: bool,
}

/// A worker that is not there.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Absent {
    pub(crate) worker: String,
    pub(crate) near_miss: Option<String>,
}

/// Why a sweep is not deleted.
#[derive(Debug)]
pub(crate) enum DeleteError {
    Lookup(LookupError),
    /// It has not ended.
    Open {
        name: String,
        state: SweepState,
    },
}

/// What there is at a moment.
#[derive(Debug, Default)]
pub(crate) struct Census {
    /// The latest last.
    pub(crate) sweeps: Vec<SweepStatus>,
    pub(crate) workers: Vec<WorkerCensus>,
    pub(crate) leases: usize,
}

/// A worker that was heard of lately.
#[derive(Debug)]
pub(crate) struct WorkerCensus {
    pub(crate) name: String,
    pub(crate) device: String,
    pub(crate) totals: WorkerTotals,
}
