//! The calls that workers and clients make, and the coordinator's answers: the contract without its
//! encoding.

use crate::scheduler::{Attempt, Hindrance, LeaseRef, Refusal, TrialId, Verdict};

/// A call in progress.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) id: u64,
    pub(super) from: Node,
    pub(super) ask: Ask,
}

/// The caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Node {
    Worker(usize),
    Client(usize),
}

/// The question.
#[derive(Debug, Clone)]
pub(super) enum Ask {
    Worker(WorkerAsk),
    Client(ClientAsk),
}

#[derive(Debug, Clone)]
pub(super) enum WorkerAsk {
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
    /// Whether a trial that has reached a rung continues.
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
}

/// What is asked about a sweep, by its number.
#[derive(Debug, Clone)]
pub(super) enum ClientAsk {
    Submit(usize),
    Cancel(usize),
    Resume(usize),
    Pause(usize),
    Prioritise(usize, i32),
    Status(usize),
}

/// An outcome as a worker's spool holds it until it is acknowledged.
#[derive(Debug, Clone)]
pub(super) struct Report {
    pub(super) lease: LeaseRef,
    pub(super) trial: TrialId,
    pub(super) attempt: Attempt,
}

/// A job as the coordinator hands it out.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub(super) lease: LeaseRef,
    pub(super) trials: Vec<TrialId>,
    pub(super) rungs: Vec<u32>,
    /// The directory of its sweep's files.
    pub(super) data_dir: String,
}

/// The answer.
#[derive(Debug, Clone)]
pub(super) enum Answer {
    Registered,
    /// A job, or `None` if nothing can run now.
    Leased(Option<Job>),
    Refused(Refusal),
    Fenced {
        lost: Vec<LeaseRef>,
        cancelled: Vec<TrialId>,
    },
    Verdicts(Vec<Verdict>),
    /// Whether the trial continues.
    Rung(bool),
    Released,
    Submitted,
    /// The sweep's state, if it is known.
    Status(Option<i32>),
    /// The coordinator is not running, or has died.
    Unavailable,
}
