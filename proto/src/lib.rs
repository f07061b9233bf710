//! The contract between coordinator, workers and clients: wire messages, the sweep file format,
//! trial ids. It decides nothing and touches no file, clock or network.

pub mod axis;
pub mod id;
mod near_miss;
pub mod panics;
pub mod plain;
#[cfg(feature = "rpc")]
mod refusal;
pub mod score;
pub mod state;
pub mod sweep;
mod undefined;
pub mod word;

pub use near_miss::{did_you_mean, near_miss};
/// Encodes and decodes messages, for code that stores them.
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

/// The most sites of a region for which the scores of each site are kept.
pub const SITES_MAX: usize = 4_096;
/// The most epochs for which the losses of each epoch are kept.
pub const EPOCHS_MAX: usize = 1_000;

/// The most trials in one request for details.
pub const DETAILS_MAX: usize = 256;

/// Most activations that a worker says it has in its cache.
pub const HELD_MAX: usize = 256;

/// The most outcomes in one report.
pub const REPORTS_MAX: usize = 256;

/// The most bytes in one message, in either direction.
pub const MESSAGE_BYTES_MAX: usize = 16 << 20;

/// The most bytes in a sweep: the default limit of a gRPC client (4 MiB), less room for the fields
/// beside it.
pub const SWEEP_BYTES_MAX: usize = (4 << 20) - (4 << 10);

/// The gRPC metadata entry that carries the hint of a refused call.
pub const HINT_METADATA: &str = "nrp-hint-bin";
