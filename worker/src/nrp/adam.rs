//! Adam (Kingma & Ba 2015) with decoupled weight decay (Loshchilov & Hutter 2019): its constants.
//!
//! The same numbers as `torch.optim.Adam`, and as `torch.optim.AdamW` where decay is above 0.
//! Decay falls on every parameter, biases too, as PyTorch does when it is given all of them. The
//! engines apply it: `kernel` in the pass that computes the gradient, `tensor_array` by tensor
//! operations.

/// Decay of the mean of gradients.
pub(super) const BETA_1: f64 = 0.9;
/// Decay of the mean of squared gradients.
pub(super) const BETA_2: f64 = 0.999;
/// Added to the denominator to keep the division finite.
pub(super) const EPSILON: f64 = 1e-8;
/// First moments below this are 0. A dead hidden unit leaves moments that keep shrinking; as
/// subnormal numbers they would make every further step several times slower. They are negligible
/// against `EPSILON`.
pub(super) const NEGLIGIBLE: f32 = 1e-30;

/// The settings of a lane's optimiser.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Adam {
    /// Learning rate.
    pub(crate) learning_rate: f64,
    /// Decoupled weight decay; 0 is plain Adam.
    pub(crate) weight_decay: f64,
}

/// One step of [`Adam`]: the bias-corrected constants.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    /// Learning rate over the first moment's bias correction.
    pub(super) rate: f64,
    /// Root of the second moment's bias correction; the same for all lanes.
    pub(super) root: f64,
    /// The factor by which weight decay shrinks a weight.
    pub(super) keep: f64,
}

impl Adam {
    /// The constants of step `number`, from 1.
    pub(super) fn step(self, number: i32) -> Step {
        Step {
            rate: self.learning_rate / (1.0 - BETA_1.powi(number)),
            root: (1.0 - BETA_2.powi(number)).sqrt(),
            keep: 1.0 - self.learning_rate * self.weight_decay,
        }
    }
}

impl Step {
    /// One over the root of the second moment's bias correction.
    pub(super) fn unroot(self) -> f32 {
        (1.0 / self.root) as f32
    }
}
