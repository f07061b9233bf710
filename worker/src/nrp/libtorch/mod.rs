//! LibTorch's fused Adam: weights and moments moved in one pass, on a GPU by one kernel.
//!
//! tch has no binding for it, but TorchScript can call it: `adam.pt` is a module that does nothing
//! else (`make_adam.py`).
#![expect(
    deprecated,
    reason = "burn's LibTorch backend is, in favour of CubeCL's, and is still the main path to a GPU"
)]

use burn::tensor::Tensor;
use burn_tch::LibTorch;
use tch::{CModule, IValue, Kind};

use super::adam::{BETA_1, BETA_2, EPSILON};
use super::error::TrainError;
use super::stack::Learning;

/// The fused Adam, loaded.
pub(super) struct FusedAdam(CModule);

impl FusedAdam {
    /// `None` if `tensor` belongs to another library.
    pub(super) fn of(tensor: &Tensor<2>) -> Option<Self> {
        let _ours = handle(tensor)?;
        let mut module: &[u8] = include_bytes!("adam.pt");
        match CModule::load_data(&mut module) {
            Ok(module) => Some(Self(module)),
            Err(error) => {
                tracing::warn!(%error, "LibTorch's fused Adam cannot be used; using burn's operations");
                None
            }
        }
    }

    /// Step `number` of Adam, from 1, at a learning rate of 1. All tensors are dense.
    ///
    /// # Errors
    /// When the device fails.
    pub(super) fn descend(
        &self,
        parameter: &mut Learning<2>,
        gradient: &Tensor<2>,
        number: i32,
    ) -> Result<(), TrainError> {
        let [weights, first, second] = [&parameter.value, &parameter.first, &parameter.second];
        let tensors: Option<Vec<tch::Tensor>> = [weights, gradient, first, second]
            .into_iter()
            .map(handle)
            .collect();
        let mut tensors = tensors.expect("all are LibTorch's, as the first was");
        let on = (Kind::Float, tensors[0].device());
        tensors.push(tch::Tensor::full([0_i64; 0], f64::from(number), on));
        let lists = tensors
            .into_iter()
            .map(|tensor| IValue::TensorList(vec![tensor]));
        let constants = [BETA_1, BETA_2, EPSILON].map(IValue::Double);
        let given: Vec<IValue> = lists.chain(constants).collect();
        let moved = self.0.forward_is(&given);
        moved.map(|_| ()).map_err(TrainError::device)
    }
}

/// The same tensor, as LibTorch knows it.
fn handle(tensor: &Tensor<2>) -> Option<tch::Tensor> {
    let primitive = tensor.clone().try_into_primitive::<LibTorch>();
    primitive.ok().map(|primitive| primitive.tensor)
}

#[cfg(test)]
mod tests {
    use super::super::draws::{Draws, Purpose};
    use super::super::stack::{Rates, floats, tensor};
    use super::*;

    /// Against burn's operations, which are held to PyTorch's numbers by `parity_tests`.
    #[test]
    fn one_pass_moves_as_burns_operations_do() {
        let device = crate::device::open("tch:cpu").expect("a processor");
        let mut draws = Draws::new(1, Purpose::Order);
        let shape = [500, 30];
        let mut random = || {
            let values = (0..shape[0] * shape[1]).map(|_| draws.unit() - 0.5);
            tensor::<2>(values.collect(), shape, &device)
        };
        let value = random();
        let copy = value.clone().add_scalar(0.0);
        let (mut fused, mut burns) = (Learning::new(value), Learning::new(copy));
        let adam = FusedAdam::of(&fused.value).expect("LibTorch's");
        for number in 1..=5 {
            let gradient = random();
            adam.descend(&mut fused, &gradient, number).expect("works");
            burns.descend(gradient, &Rates::of_one(number, &device));
        }
        let pairs = [
            (fused.value, burns.value),
            (fused.first, burns.first),
            (fused.second, burns.second),
        ];
        for (found, expected) in pairs {
            let (found, expected) = (floats(found), floats(expected));
            let (found, expected) = (found.expect("floats"), expected.expect("floats"));
            for (found, expected) in found.iter().zip(&expected) {
                assert!((found - expected).abs() < 1e-5, "{found} {expected}");
            }
        }
    }
}
