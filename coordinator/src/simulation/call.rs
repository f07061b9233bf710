//! What workers and clients ask of the coordinator, and what it answers: the contract's calls
//! without its encoding.

use crate::scheduler::{Attempt, Hindrance, LeaseRef, Refusal, TrialId, Verdict};

/// A call under way.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) id: u64,
    pub(super) from: Node,
    pub(super) ask: Ask,
}

/// Who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Node {
    Worker(usize),
    Client(usize),
}

/// What is asked.
#[derive(Debug, Clone)]
pub(super) enum Ask {
    Register {
        instance: u32,
        lanes: usize,
    },
    Lease {
        instance: u32,
    },
    Heartbeat {
        instance: u32,
        leases: Vec<LeaseRef>,
    },
    Report(Vec<Report>),
    /// Whether a trial that reached a rung goes on.
    Rung {
        lease: LeaseRef,
        trial: TrialId,
        epochs: u32,
    },
    Release {
        instance: u32,
        lease: LeaseRef,
        hindrance: Option<Hindrance>,
    },
    /// A sweep by its number.
    Submit(usize),
    Cancel(usize),
    Resume(usize),
    Pause(usize),
    Prioritise(usize, i32),
    Status(usize),
}

/// An outcome on its way, as it lies in a worker's spool.
#[derive(Debug, Clone)]
pub(super) struct Report {
    pub(super) lease: LeaseRef,
    pub(super) trial: TrialId,
    pub(super) attempt: Attempt,
}

/// A job as it is handed out.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub(super) lease: LeaseRef,
    pub(super) trials: Vec<TrialId>,
    pub(super) rungs: Vec<u32>,
    /// Where the files of its sweep lie.
    pub(super) data_dir: String,
}

/// What is answered.
#[derive(Debug, Clone)]
pub(super) enum Answer {
    Registered,
    /// A job, or none for now.
    Leased(Option<Job>),
    Refused(Refusal),
    Fenced {
        lost: Vec<LeaseRef>,
        cancelled: Vec<TrialId>,
    },
    Verdicts(Vec<Verdict>),
    /// Whether the trial goes on.
    Rung(bool),
    Released,
    Submitted,
    /// The sweep's state, if it is known.
    Status(Option<String>),
    /// The coordinator is not there, or went away.
    Unavailable,
}
