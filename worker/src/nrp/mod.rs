//! The NRP network: its shape, its training on one trial, and the metrics that score it.
//!
//! Everything random is drawn on the host from the trial's seed, so a trial starts alike on every
//! device. No clock, no file and no thread of its own in here: activations come through
//! [`Activations`], and the caller is told of every epoch and may stop there.
//!
//! - [`network`]: NRP-L1 per ANN layer, NRP-L2, NRP-out; forward and the hand-written backward
//! - [`trial`]: what training is given
//! - [`train`]: one trial from first weights to test scores
//! - [`metrics`]: NRP-error, R², Pearson r
//! - [`scaling`]: what the training stimuli say about inputs and targets

mod adam;
mod draws;
mod engine;
pub mod error;
pub mod metrics;
pub mod network;
pub mod scaling;
mod source;
pub mod train;
pub mod trial;

#[cfg(test)]
mod parity_tests;
#[cfg(test)]
mod train_tests;

pub use error::TrainError;
pub use metrics::{RegionScores, score};
pub use network::{NrpConfig, NrpNetwork};
pub use scaling::{InputScaling, InputStatistics, TargetScaling};
pub use train::{EpochReport, Trained, train};
pub use trial::{Activations, Data, NetworkShape, Protocol, Trial};
