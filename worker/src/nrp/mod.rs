//! The NRP network: its shape, its training, and the metrics that score it.
//!
//! Everything random is drawn on the host from the trial's seed, so a trial starts alike on every
//! device. No clock and no file in here: activations come through [`Activations`], and the caller is
//! told of every epoch and may stop there.
//!
//! - [`network`]: NRP-L1 per ANN layer, NRP-L2, NRP-out
//! - [`trial`]: what training is given
//! - [`train`]: trials from first weights to test scores, in cohorts that fit in memory
//! - `cohort`: trials of one seed, trained as lanes of one array
//! - `ensemble`: networks of one trial, whose predictions are averaged
//! - `engine`: what an array does; `host` and `lane` do it in host memory with the products of
//!   `kernel`, `tensor_array` and `stack` with burn's operations, and LibTorch's fused Adam (`libtorch`)
//! - `source`: batches of scaled activations, read ahead
//! - [`scores`]: NRP-error, R², Pearson r
//! - [`scaling`]: what the training stimuli say about inputs
//! - `sites`: what they say about sites: how targets are scaled, and which sites select

mod adam;
mod cohort;
mod draws;
mod engine;
mod ensemble;
pub mod error;
mod host;
mod host_lane;
mod kernel;
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

#[cfg(test)]
mod lane_tests;
#[cfg(test)]
mod parity_tests;
#[cfg(test)]
mod train_tests;

pub use error::TrainError;
pub(crate) use error::said;
pub use network::NrpConfig;
pub use scaling::{InputScaling, InputStatistics, TargetScaling};
pub use scores::{RegionScores, score};
pub(crate) use sites::{SiteStatistics, left_out};
pub use train::{EpochReport, Trained, Watch, train};
pub(crate) use trial::linear_parameters;
pub use trial::{Activations, Data, NetworkShape, Protocol, Trial};
