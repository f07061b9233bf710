//! Comparisons of activations with responses that predict no site: representational similarity, centred
//! kernel alignment, and partial least squares from the sites to the units. As Brain-Score computes them
//! (brainscore-vision 2.4.2), from activations and responses as they are, in 64 bits.
//!
//! Nothing is fitted to the responses but by reverse PLS, so all stimuli count, or those of the test recordings
//! where these are others. No memory in here grows with the number of units. Nothing is random, and there is no clock
//! and no file in here.
//!
//! - `kernel`: inner products of the stimuli's rows
//! - `rdm`: matrices of dissimilarities, and their rank correlation
//! - `cka`: centred kernel alignment
//! - `reverse`: partial least squares from sites to units
//! - `evaluate`: scores of a trial, and what it takes

mod cka;
mod error;
mod evaluate;
mod kernel;
mod rdm;
mod reverse;
#[cfg(test)]
mod tests;

pub use error::ComparisonError;
pub use evaluate::{
    Compared, Responses, bytes, evaluate, evaluate_reverse, least_sites, least_stimuli,
};
pub use kernel::Kernel;
