//! The worker: all machine learning of nrp is in here.
//!
//! It never prints: what it has to say goes back as values, errors and `tracing` events. It takes its
//! settings as arguments; only `device` looks at the machine's environment. It takes the time itself
//! where it measures durations, and no result depends on that. It never imports the coordinator: the
//! two meet on the wire only.

pub mod activation;
pub mod agent;
pub mod ann;
mod archive;
pub mod baseline;
pub mod comparison;
pub mod device;
pub mod digest;
pub mod executor;
pub mod forecast;
mod hdf5;
pub mod nrp;
mod precision;
pub mod recording;
pub mod resolve;
mod statistics;
pub mod totals;
