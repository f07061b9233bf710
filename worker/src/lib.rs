//! The worker: all machine learning of nrp is in here.
//!
//! It neither prints nor reads the environment; what it has to say goes back as values, errors and
//! `tracing` events. It never imports the coordinator: the two meet on the wire only.

pub mod activation;
pub mod agent;
pub mod ann;
mod archive;
pub mod baseline;
pub mod device;
pub mod executor;
pub mod forecast;
pub mod nrp;
pub mod recording;
pub mod resolve;
pub mod totals;
