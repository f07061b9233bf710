//! Linear baselines: least squares of least norm, ridge regression and partial least squares, on
//! the same activations, responses, split and scaling as NRP networks, and with the same scores.
//! The mean predictor is not among them: its error is part of every trial's scores.
//!
//! An ANN layer has up to a million units, a region a few thousand stimuli. So weights per unit are
//! never stored: a fit is a coefficient for each stimulus and site, and needs only the stimuli's
//! inner products. They are computed once per layer set, by streaming. Nothing is random, and there
//! is no clock and no file in here.
//!
//! - `gram`: the inner products, and those about the mean of some stimuli
//! - `spectrum`: their eigenvalues
//! - `ols`, `ridge`, `pls`: coefficients of stimuli
//! - `one_alpha`: those of ridge regression with one penalty for all sites, in the memory of the inner
//!   products alone
//! - `units`: the same through the products of units, where those are few
//! - `banded`, `cholesky`: what that factors in place
//! - `penalties`: errors for many penalties from those of few
//! - `single_unit`: the unit with the highest correlation
//! - `groups`: sites with missing responses
//! - `fit`: predictions and scores
//! - `memory`: what a fit takes

mod banded;
mod cholesky;
mod fit;
mod gram;
mod groups;
mod memory;
mod ols;
mod one_alpha;
mod penalties;
mod pls;
mod ridge;
mod single_unit;
mod spectrum;
#[cfg(test)]
mod tests;
mod units;

pub use fit::{evaluate, evaluate_rows, evaluate_single_unit, linear_path};
pub use gram::Gram;
pub use memory::bytes;
pub(crate) use pls::COMPONENTS as PLS_COMPONENTS;
pub use units::{Rows, through_units};
