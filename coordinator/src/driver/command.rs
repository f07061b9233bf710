//! Commands to the driver, with their callers. Each question carries a channel for its answer; an answer
//! that never comes means that the driver has stopped.

use super::clients::ClientCommand;
use super::workers::WorkerCommand;
use nrp_proto::wire::{SweepStatus, WorkerTotals};
use std::fmt;
use std::net::SocketAddr;
use tokio::sync::oneshot;

/// The channel for an answer.
pub(crate) type Reply<T> = oneshot::Sender<T>;

/// A command to the driver.
pub(crate) enum Command {
    /// A client's command.
    Client {
        caller: Caller,
        command: ClientCommand,
    },
    /// A worker's command.
    Worker {
        caller: Caller,
        command: WorkerCommand,
    },
    /// Count what there is now, for metrics.
    Census { reply: Reply<Census> },
    /// Put a snapshot of the state into the next batch: the journal has grown.
    Snapshot,
    /// Finish the work under way and stop.
    Stop,
}

/// The caller of a command. Callers are not authenticated: only the address that they connected from is
/// known. A check of what a caller may do belongs here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Caller {
    /// The address it connected from; none within this process.
    pub(crate) peer: Option<SocketAddr>,
}

impl Caller {
    /// This process.
    pub(crate) const HERE: Self = Self { peer: None };
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.peer {
            Some(peer) => write!(f, "{peer}"),
            None => f.write_str("this process"),
        }
    }
}

/// A count of what there is at one moment.
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
