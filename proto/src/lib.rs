//! The contract between coordinator, workers and clients: wire messages, the sweep file format,
//! trial ids. It decides nothing and touches no file, clock or network.

pub mod axis;
pub mod id;
mod near_miss;
pub mod panics;
pub mod plain;
#[cfg(feature = "rpc")]
mod refusal;
pub mod sweep;
mod undefined;

pub use near_miss::near_miss;
/// Messages as bytes, for those who store them.
pub use prost::Message;
#[cfg(feature = "rpc")]
pub use refusal::Refusal;

/// Wire messages, generated from `proto/nrp.proto`; their documentation is there.
#[allow(missing_docs, unreachable_pub, clippy::all)]
pub mod wire {
    include!(concat!(env!("OUT_DIR"), "/nrp.v1.rs"));
}

/// What the wire messages and services are, as reflection tells clients.
#[cfg(feature = "rpc")]
pub const FILE_DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/nrp.bin"));

/// Version of the contract; coordinator and worker must agree on it.
pub const CONTRACT: u32 = 5;

/// Most sites of a region that each have their scores kept, and most epochs that have their losses.
pub const SITES_MAX: usize = 4_096;
/// See [`SITES_MAX`].
pub const EPOCHS_MAX: usize = 1_000;

/// Most trials whose details are asked for at once.
pub const DETAILS_MAX: usize = 256;

/// Most outcomes in one report.
pub const REPORTS_MAX: usize = 256;

/// Most bytes one message may have, in either direction.
pub const MESSAGE_BYTES_MAX: usize = 16 << 20;

/// Most bytes that a sweep may have: what a gRPC client takes in one message where nobody told it
/// otherwise (4 MiB), less what stands beside it.
pub const SWEEP_BYTES_MAX: usize = (4 << 20) - (4 << 10);

/// Name of the gRPC metadata entry that carries the hint that goes with a refused call.
pub const HINT_METADATA: &str = "nrp-hint-bin";
