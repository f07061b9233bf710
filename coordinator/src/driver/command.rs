//! What the services ask of the driver, each with the way back for the answer. An answer that never
//! comes means that the driver has stopped.

use super::catalogue::LookupError;
use crate::scheduler::{
    Attempt, Holder, LeaseRef, Refusal, RowId, SweepId, TrialId, TrialKey, TrialView, Verdict,
};
use crate::store::IndexError;
use nrp_proto::wire::{Activity, Job, SweepSpec, SweepStatus};
use tokio::sync::oneshot;

/// The way back.
pub(crate) type Reply<T> = oneshot::Sender<T>;

/// Something asked of the driver.
pub(crate) enum Command {
    Submit {
        sweep: SweepId,
        spec: Box<SweepSpec>,
        trials: Vec<TrialKey>,
        reply: Reply<Submitted>,
    },
    Cancel {
        sweep: String,
        reply: Reply<Result<SweepStatus, LookupError>>,
    },
    Resume {
        sweep: String,
        reply: Reply<Result<SweepStatus, LookupError>>,
    },
    Status {
        sweep: String,
        reply: Reply<Result<SweepStatus, LookupError>>,
    },
    List {
        reply: Reply<Vec<SweepStatus>>,
    },
    Find {
        sweep: String,
        reply: Reply<Result<SweepId, LookupError>>,
    },
    /// Where trials are.
    Trials {
        trials: Vec<TrialId>,
        reply: Reply<Vec<Option<TrialView>>>,
    },
    /// How many trials of rows have no outcome yet.
    Open {
        sweep: Option<SweepId>,
        rows: Vec<RowId>,
        reply: Reply<Vec<u64>>,
    },
    Register {
        holder: Holder,
        device: String,
        lanes: usize,
        reply: Reply<()>,
    },
    Lease {
        holder: Holder,
        reply: Reply<Leased>,
    },
    Heartbeat {
        holder: Holder,
        leases: Vec<LeaseRef>,
        activity: Option<Activity>,
        reply: Reply<Result<Fenced, Refusal>>,
    },
    Report {
        worker: String,
        lease: LeaseRef,
        trial: TrialId,
        attempt: Attempt,
        reply: Reply<Verdict>,
    },
    Release {
        holder: Holder,
        lease: LeaseRef,
        reply: Reply<()>,
    },
    /// Do what is under way, and no more.
    Stop,
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
}
