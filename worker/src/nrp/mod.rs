//! The NRP network: its shape, its training, and the metrics that score it.
//!
//! Everything random is drawn on the host from the trial's seed, so a trial starts alike on every
//! device. No clock and no file in here: activations come through [`Activations`], and the caller is
//! told of every epoch and may stop there.
//!
//! - [`network`]: NRP-L1 per ANN layer, NRP-L2, NRP-out
//! - [`trial`]: what training is given
//! - [`train`]: trials from first weights to test scores, in cohorts that fit in memory
//! - [`activations`]: how the activations of a layer set are read
//! - [`watch`]: what training reports
//! - `cohort`: trials of one seed, trained as lanes of one array
//! - `lane`: one network of a cohort
//! - `array`: lanes that learn from the same batches
//! - `ensemble`: networks of one trial, whose predictions are averaged
//! - `engine`: which array a device gets; `host` and `host_lane` compute in host memory with the
//!   products of `kernel`, `tensor_array` and `stack` with burn's operations and LibTorch's fused Adam
//!   (`libtorch`)
//! - `source`: batches of scaled activations, read ahead
//! - [`scores`]: NRP-error, R², Pearson r
//! - [`scaling`]: what the training stimuli say about inputs
//! - `sites`: what they say about sites: how targets are scaled, and which sites select

pub mod activations;
mod adam;
mod array;
mod cohort;
mod draws;
mod engine;
mod ensemble;
pub mod error;
mod host;
mod host_lane;
mod kernel;
mod lane;
#[cfg(feature = "tch")]
mod libtorch;
pub mod network;
pub mod scaling;
pub mod scores;
mod sites;
mod source;
mod stack;
mod tensor_array;
pub mod train;
pub mod trial;
pub mod watch;

#[cfg(test)]
pub(crate) mod in_memory;
#[cfg(test)]
mod lane_tests;
#[cfg(test)]
mod parity_tests;
#[cfg(test)]
mod train_tests;

pub use activations::Activations;
pub(crate) use activations::widened;
pub use error::TrainError;
pub use network::NrpConfig;
pub use scaling::{InputScaling, InputStatistics, TargetScaling};
pub use scores::{RegionScores, score};
pub(crate) use sites::{SiteStatistics, left_out};
pub use train::{Training, train};
pub(crate) use trial::linear_parameters;
pub use trial::{Data, NetworkShape, Protocol, Trial};
pub use watch::{EpochReport, Trained, Watch};
