//! Adam (Kingma & Ba 2015) with decoupled weight decay (Loshchilov & Hutter 2019).
//!
//! The same numbers as `torch.optim.Adam`, and as `torch.optim.AdamW` where decay is above 0.
//! Decay falls on every parameter, biases too, as PyTorch does when it is given all of them.
//! On a host device one pass updates weight and moments in place; elsewhere tensor operations do.

use burn::tensor::Tensor;
use rayon::prelude::*;

use super::engine::Engine;
use super::error::TrainError;

/// Decay of the mean of gradients.
const BETA_1: f64 = 0.9;
/// Decay of the mean of squared gradients.
const BETA_2: f64 = 0.999;
/// Keeps the division finite.
const EPSILON: f64 = 1e-8;
/// First moments below this are 0. A hidden unit that died leaves moments that shrink for ever;
/// as subnormal numbers they would make every further step several times slower. Against
/// `EPSILON` they are nothing.
const NEGLIGIBLE: f32 = 1e-30;
/// Elements a thread updates at a time.
const ELEMENTS_PER_TASK: usize = 1 << 16;

/// What all parameters share.
#[derive(Debug, Clone)]
pub(crate) struct Adam {
    learning_rate: f64,
    weight_decay: f64,
    steps: i32,
}

/// One step of [`Adam`]: the bias-corrected constants.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    /// Learning rate over the first moment's bias correction.
    rate: f64,
    /// Root of the second moment's bias correction.
    root: f64,
    /// What weight decay leaves of a weight.
    keep: f64,
}

/// Running means of one parameter's gradients and their squares.
#[expect(
    clippy::large_enum_variant,
    reason = "a network has a handful of these, and boxing would cost a pointer a step"
)]
pub(crate) enum Moments {
    /// In host memory, row-major.
    Host {
        /// Mean of gradients.
        first: Vec<f32>,
        /// Mean of squared gradients.
        second: Vec<f32>,
    },
    /// On the device.
    Device {
        /// Mean of gradients.
        first: Tensor<2>,
        /// Mean of squared gradients.
        second: Tensor<2>,
    },
}

impl Adam {
    /// `weight_decay` 0 is plain Adam.
    pub(crate) fn new(learning_rate: f64, weight_decay: f64) -> Self {
        Self {
            learning_rate,
            weight_decay,
            steps: 0,
        }
    }

    /// Begins the next step.
    pub(crate) fn step(&mut self) -> Step {
        // A step count past i32 would take centuries; saturating keeps the correction at 1.
        self.steps = self.steps.saturating_add(1);
        Step {
            rate: self.learning_rate / (1.0 - BETA_1.powi(self.steps)),
            root: (1.0 - BETA_2.powi(self.steps)).sqrt(),
            keep: 1.0 - self.learning_rate * self.weight_decay,
        }
    }
}

impl Moments {
    /// Zero moments for `parameter`.
    pub(crate) fn zeros(parameter: &Tensor<2>, engine: Engine) -> Self {
        match engine {
            Engine::Host => {
                let elements = parameter.dims().iter().product();
                Self::Host {
                    first: vec![0.0; elements],
                    second: vec![0.0; elements],
                }
            }
            Engine::Device => Self::Device {
                first: parameter.zeros_like(),
                second: parameter.zeros_like(),
            },
        }
    }

    /// The mean of gradients, row-major.
    #[cfg(test)]
    pub(crate) fn first(&self) -> Vec<f32> {
        match self {
            Self::Host { first, .. } => first.clone(),
            Self::Device { first, .. } => first.to_data().try_into_vec().expect("floats"),
        }
    }

    /// Moves `parameter` one step against `gradient`.
    ///
    /// # Errors
    /// When the device cannot give back the parameter.
    pub(crate) fn descend(
        &mut self,
        step: Step,
        parameter: &mut Tensor<2>,
        gradient: Tensor<2>,
    ) -> Result<(), TrainError> {
        match self {
            Self::Host { first, second } => {
                let gradient = gradient.try_into_data().map_err(TrainError::device)?;
                let gradient = gradient.as_slice::<f32>().map_err(TrainError::device)?;
                on_host(parameter, |weights| {
                    weights
                        .par_chunks_mut(ELEMENTS_PER_TASK)
                        .zip(first.par_chunks_mut(ELEMENTS_PER_TASK))
                        .zip(second.par_chunks_mut(ELEMENTS_PER_TASK))
                        .zip(gradient.par_chunks(ELEMENTS_PER_TASK))
                        .for_each(|(((w, m), v), g)| step.apply(w, m, v, g));
                })
            }
            Self::Device { first, second } => {
                let slope = gradient.clone().mul_scalar(1.0 - BETA_1);
                first.inplace(|m| m.mul_scalar(BETA_1) + slope);
                let curve = gradient.clone().mul(gradient).mul_scalar(1.0 - BETA_2);
                second.inplace(|v| v.mul_scalar(BETA_2) + curve);
                let root = second
                    .clone()
                    .sqrt()
                    .div_scalar(step.root)
                    .add_scalar(EPSILON);
                let change = first.clone().div(root).mul_scalar(step.rate);
                parameter.inplace(|w| w.mul_scalar(step.keep) - change);
                Ok(())
            }
        }
    }
}

impl Step {
    /// Updates weights and their moments in one pass.
    pub(crate) fn apply(self, weights: &mut [f32], m: &mut [f32], v: &mut [f32], g: &[f32]) {
        let (rate, keep) = (self.rate as f32, self.keep as f32);
        let (unroot, epsilon) = ((1.0 / self.root) as f32, EPSILON as f32);
        let (gain_1, gain_2) = ((1.0 - BETA_1) as f32, (1.0 - BETA_2) as f32);
        let (beta_1, beta_2) = (BETA_1 as f32, BETA_2 as f32);
        for (((w, m), v), g) in weights.iter_mut().zip(m).zip(v).zip(g) {
            let first = beta_1 * *m + gain_1 * g;
            let first = if first.abs() < NEGLIGIBLE { 0.0 } else { first };
            let second = beta_2 * *v + gain_2 * (g * g);
            *m = first;
            *v = second;
            *w = keep * *w - rate * first / (second.sqrt() * unroot + epsilon);
        }
    }
}

/// Hands a tensor's memory to `change`; without a copy on a host device if nobody else holds it.
///
/// # Errors
/// When the device cannot give the tensor back.
pub(crate) fn on_host<R>(
    tensor: &mut Tensor<2>,
    change: impl FnOnce(&mut [f32]) -> R,
) -> Result<R, TrainError> {
    let device = tensor.device();
    let mut data = tensor
        .extract()
        .try_into_data()
        .map_err(TrainError::device)?;
    let result = change(data.as_mut_slice::<f32>().map_err(TrainError::device)?);
    *tensor = Tensor::from_data(data, &device);
    Ok(result)
}
