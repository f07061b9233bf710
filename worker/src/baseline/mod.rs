//! Linear baselines: least squares of least norm, ridge regression and partial least squares, on the
//! same activations and responses, split and scaled alike, and scored by the same metrics as NRP
//! networks. The mean predictor is none of them: every trial's scores have its error beside them.
//!
//! An ANN layer has up to a million units, a region a few thousand stimuli. So no weight per unit is
//! ever held: a fit is a coefficient for each stimulus and site, and all that it needs of the
//! activations are the stimuli's inner products. They are taken once for a layer set, streamed.
//! Nothing is drawn at random, and there is no clock and no file in here.
//!
//! - `gram`: the inner products, and those about the mean of some stimuli
//! - `spectrum`: their eigenvalues
//! - `ols`, `ridge`, `pls`: coefficients of stimuli
//! - `fit`: sites with missing responses, predictions, scores

mod fit;
mod gram;
mod ols;
mod pls;
mod ridge;
mod spectrum;
#[cfg(test)]
mod tests;

pub use fit::{evaluate, linear_path};
pub use gram::Gram;
