//! Commands to the driver, with their callers.

use super::caller::{Caller, Reply};
use super::clients::ClientCommand;
use super::workers::WorkerCommand;
use nrp_proto::wire::{SweepStatus, WorkerTotals};

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
