//! What is asked of the driver, and by whom. Each question carries the way back for its answer; an
//! answer that never comes means that the driver has stopped.

use super::clients::ClientCommand;
use super::workers::WorkerCommand;
use nrp_proto::wire::{SweepStatus, WorkerTotals};
use std::fmt;
use std::net::SocketAddr;
use tokio::sync::oneshot;

/// The way back.
pub(crate) type Reply<T> = oneshot::Sender<T>;

/// Something asked of the driver.
pub(crate) enum Command {
    /// By a client.
    Client {
        caller: Caller,
        command: ClientCommand,
    },
    /// By a worker.
    Worker {
        caller: Caller,
        command: WorkerCommand,
    },
    /// Count what there is now, for metrics.
    Census { reply: Reply<Census> },
    /// Put a snapshot of the state into the next batch: the journal has grown.
    Snapshot,
    /// Do what is under way, and no more.
    Stop,
}

/// Who asks. Callers are not authenticated: what is known of one is where it connected from. What it
/// may ask would be decided by this.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Caller {
    /// None within this process.
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
