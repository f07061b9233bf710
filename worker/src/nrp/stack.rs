//! A stack: lanes of one shape on a device, after their wide products, forward and backward as
//! batched products.
//!
//! The backward pass is written by hand because a recorded graph copies what it differentiates;
//! tests compare it with PyTorch's and burn's autograd.

use burn::tensor::activation::relu;
use burn::tensor::{Bool, Device, Int, Tensor, TensorData};

use super::adam::{Adam, BETA_1, BETA_2, EPSILON, Step};
use super::array::LaneConfig;
use super::error::TrainError;
use super::network::{Dropout, NrpConfig, Parameter, Values};

/// A parameter with its moments.
pub(super) struct Learning<const D: usize> {
    pub(super) value: Tensor<D>,
    pub(super) first: Tensor<D>,
    pub(super) second: Tensor<D>,
}

/// One step of Adam for lanes along an axis.
pub(super) struct Rates<const D: usize> {
    rate: Tensor<D>,
    keep: Option<Tensor<D>>,
    root: f64,
}

/// Lanes of one shape, without their wide weights.
pub(super) struct Stack {
    /// Their indices in the array.
    pub(super) lanes: Vec<usize>,
    pub(super) network: NrpConfig,
    pub(super) adam: Vec<Adam>,
    dropout: Vec<Dropout>,
    /// `[lanes, 1, first units]`
    pub(super) wide_bias: Learning<3>,
    /// `[lanes, inputs, outputs]` and `[lanes, 1, outputs]` of each dense layer.
    pub(super) dense: Vec<[Learning<3>; 2]>,
}

/// What the backward pass needs from one hidden layer.
pub(super) struct Hidden {
    /// `[lanes, stimuli, units]`: the next layer's input.
    output: Tensor<3>,
    /// Where ReLU is 0.
    closed: Tensor<3, Bool>,
    /// 0 where dropped, else 1 / (1 − dropout).
    kept: Option<Tensor<3>>,
}

/// Gradients of a loss with respect to everything but the wide weights.
pub(super) struct Gradients {
    /// `[lanes, stimuli, first units]`: with respect to the wide products.
    pub(super) products: Tensor<3>,
    wide_bias: Tensor<3>,
    dense: Vec<[Tensor<3>; 2]>,
}

/// A batch's targets, which all lanes share.
pub(super) struct Fitted {
    /// `[1, stimuli, sites]`, 0 where missing.
    values: Tensor<3>,
    /// 1 where present, 0 where missing; `None` if all are present.
    mask: Option<Tensor<3>>,
    /// Of the loss with respect to an error, over that error.
    slope: f64,
}

impl Fitted {
    pub(super) fn new(
        (mut values, present): (Vec<f32>, usize),
        sites: usize,
        device: &Device,
    ) -> Self {
        let shape = [1, values.len() / sites, sites];
        let mask = (present < values.len()).then(|| {
            let present = values
                .iter()
                .map(|value| f32::from(u8::from(!value.is_nan())));
            tensor(present.collect(), shape, device)
        });
        for value in values.iter_mut().filter(|value| value.is_nan()) {
            *value = 0.0;
        }
        Self {
            values: tensor(values, shape, device),
            mask,
            slope: 2.0 / present as f64,
        }
    }
}

impl Stack {
    pub(super) fn new(
        group: Vec<usize>,
        lanes: &[LaneConfig],
        first: &dyn Fn(usize, Parameter) -> Values<'static>,
        device: &Device,
    ) -> Self {
        let network = lanes[group[0]].network.clone();
        let learning = |parameter, [inputs, outputs]: [usize; 2]| {
            let mut values = vec![0.0; group.len() * inputs * outputs];
            for (own, lane) in values.chunks_exact_mut(inputs * outputs).zip(&group) {
                first(*lane, parameter)(own);
            }
            Learning::new(tensor(values, [group.len(), inputs, outputs], device))
        };
        let own = || group.iter().map(|lane| &lanes[*lane]);
        let dropout = |lane: &LaneConfig| Dropout::new(network.dropout, lane.seed);
        let shapes = network.dense_shapes().into_iter().enumerate();
        Self {
            adam: own().map(|lane| lane.adam).collect(),
            dropout: own().map(dropout).collect(),
            wide_bias: learning(Parameter::WideBias, [1, network.first_units()]),
            dense: shapes
                .map(|(layer, [inputs, outputs])| {
                    [
                        learning(Parameter::Weight(layer), [inputs, outputs]),
                        learning(Parameter::Bias(layer), [1, outputs]),
                    ]
                })
                .collect(),
            network,
            lanes: group,
        }
    }

    /// Its part of the wide products, which begins at `column`: `[lanes, stimuli, outputs]` per ANN
    /// layer.
    pub(super) fn own(&self, products: &[Tensor<2>], column: usize) -> Vec<Tensor<3>> {
        let (lanes, block) = (self.lanes.len(), self.network.block_units());
        let own = products.iter().map(|products| {
            let [stimuli, _] = products.dims();
            let own = products.clone().narrow(1, column, lanes * block);
            own.reshape([stimuli, lanes, block]).swap_dims(0, 1)
        });
        own.collect()
    }

    /// `[lanes, stimuli, sites]` from the wide products, and what the backward pass needs. `kept`
    /// says of each hidden layer what dropout leaves.
    pub(super) fn forward(
        &self,
        products: Vec<Tensor<3>>,
        kept: Vec<Option<Tensor<3>>>,
    ) -> (Tensor<3>, Vec<Hidden>) {
        let products = match self.network.depth {
            0 => products
                .into_iter()
                .reduce(Tensor::add)
                .expect("a layer set has layers"),
            _ => Tensor::cat(products, 2),
        };
        let mut values = products + self.wide_bias.value.clone();
        let mut hidden = Vec::with_capacity(self.dense.len());
        for ([weight, bias], kept) in self.dense.iter().zip(kept) {
            let open = relu(values);
            let closed = open.clone().lower_equal_scalar(0.0);
            let output = match &kept {
                Some(kept) => open * kept.clone(),
                None => open,
            };
            values = output.clone().matmul(weight.value.clone()) + bias.value.clone();
            hidden.push(Hidden {
                output,
                closed,
                kept,
            });
        }
        (values, hidden)
    }

    /// The gradients that belong to a forward pass.
    ///
    /// # Shapes
    /// - `upstream`: `[lanes, stimuli, sites]`, of the loss with respect to the predictions
    fn backward(&self, hidden: Vec<Hidden>, upstream: Tensor<3>) -> Gradients {
        let mut upstream = upstream;
        let mut dense = Vec::with_capacity(hidden.len());
        for ([weight, _], hidden) in self.dense.iter().zip(hidden).rev() {
            let below = upstream.clone().matmul(weight.value.clone().transpose());
            dense.push([
                hidden.output.transpose().matmul(upstream.clone()),
                upstream.sum_dim(1),
            ]);
            let below = match hidden.kept {
                Some(kept) => below * kept,
                None => below,
            };
            upstream = below.mask_fill(hidden.closed, 0.0);
        }
        dense.reverse();
        Gradients {
            wide_bias: upstream.clone().sum_dim(1),
            products: upstream,
            dense,
        }
    }

    /// Errors of a batch, `[lanes, stimuli, sites]`, 0 where the target is missing, and the
    /// gradients of their mean square.
    pub(super) fn differentiate(
        &mut self,
        products: Vec<Tensor<3>>,
        targets: &Fitted,
    ) -> (Tensor<3>, Gradients) {
        let [_, stimuli, _] = targets.values.dims();
        let kept = self.draw(stimuli);
        let (predicted, hidden) = self.forward(products, kept);
        let mut errors = predicted - targets.values.clone();
        if let Some(mask) = &targets.mask {
            errors = errors * mask.clone();
        }
        let upstream = errors.clone().mul_scalar(targets.slope);
        let gradients = self.backward(hidden, upstream);
        (errors, gradients)
    }

    /// What dropout leaves of each hidden layer for the next batch.
    fn draw(&mut self, stimuli: usize) -> Vec<Option<Tensor<3>>> {
        let device = self.wide_bias.value.device();
        let shapes = self.network.dense_shapes().into_iter();
        let kept = shapes.map(|[units, _]| {
            let lanes = self.dropout.iter_mut();
            let drawn: Option<Vec<_>> = lanes.map(|lane| lane.draw(stimuli * units)).collect();
            drawn.map(|kept| tensor(kept.concat(), [kept.len(), stimuli, units], &device))
        });
        kept.collect()
    }

    pub(super) fn descend(&mut self, gradients: &Gradients, steps: &[Step]) {
        let shape = [steps.len(), 1, 1];
        let device = self.wide_bias.value.device();
        let each = |of: fn(&Step) -> f64| {
            let values = steps.iter().map(|step| of(step) as f32);
            tensor(values.collect(), shape, &device)
        };
        let rates = Rates {
            rate: each(|step| step.rate),
            keep: Some(each(|step| step.keep)),
            root: steps[0].root,
        };
        self.wide_bias.descend(gradients.wide_bias.clone(), &rates);
        for (layer, gradients) in self.dense.iter_mut().zip(&gradients.dense) {
            for (parameter, gradient) in layer.iter_mut().zip(gradients) {
                parameter.descend(gradient.clone(), &rates);
            }
        }
    }

    /// The part of a gradient over the wide products that belongs to ANN layer `layer`:
    /// `[stimuli, lanes · outputs]`.
    pub(super) fn block(&self, products: &Tensor<3>, layer: usize) -> Tensor<2> {
        let [lanes, stimuli, _] = products.dims();
        let block = self.network.block_units();
        let own = match self.network.depth {
            0 => products.clone(),
            _ => products.clone().narrow(2, layer * block, block),
        };
        own.swap_dims(0, 1).reshape([stimuli, lanes * block])
    }

    /// Drops all lanes but those that `stay`, which get new indices.
    pub(super) fn keep(&mut self, stay: &[bool], device: &Device) {
        let own: Vec<bool> = self.lanes.iter().map(|lane| stay[*lane]).collect();
        let place = |lane: usize| stay[..lane].iter().filter(|stay| **stay).count();
        retain(&mut self.lanes, &own);
        retain(&mut self.adam, &own);
        retain(&mut self.dropout, &own);
        self.lanes.iter_mut().for_each(|lane| *lane = place(*lane));
        if self.lanes.is_empty() || self.lanes.len() == own.len() {
            return;
        }
        let rows: Vec<i64> = (0..)
            .zip(&own)
            .filter(|(_, stay)| **stay)
            .map(|(row, _)| row)
            .collect();
        let rows = TensorData::new(rows, [self.lanes.len()]);
        let rows = Tensor::<1, Int>::from_data(rows, device);
        for parameter in self.dense.iter_mut().flatten().chain([&mut self.wide_bias]) {
            parameter.change(|tensor| tensor.select(0, rows.clone()));
        }
    }
}

impl<const D: usize> Rates<D> {
    /// Step `number`, at a learning rate of 1 and without decay.
    pub(super) fn of_one(number: i32, device: &Device) -> Self {
        let one = Adam {
            learning_rate: 1.0,
            weight_decay: 0.0,
        };
        let step = one.step(number);
        Self {
            rate: tensor(vec![step.rate as f32], [1; D], device),
            keep: None,
            root: step.root,
        }
    }
}

impl<const D: usize> Learning<D> {
    pub(super) fn new(value: Tensor<D>) -> Self {
        Self {
            first: value.zeros_like(),
            second: value.zeros_like(),
            value,
        }
    }

    /// One step of Adam against `gradient`.
    pub(super) fn descend(&mut self, gradient: Tensor<D>, rates: &Rates<D>) {
        let slope = gradient.clone().mul_scalar(1.0 - BETA_1);
        self.first.inplace(|m| m.mul_scalar(BETA_1) + slope);
        let curve = gradient.clone().mul(gradient).mul_scalar(1.0 - BETA_2);
        self.second.inplace(|v| v.mul_scalar(BETA_2) + curve);
        let root = self.second.clone().sqrt();
        let root = root.div_scalar(rates.root).add_scalar(EPSILON);
        let change = self.first.clone().div(root).mul(rates.rate.clone());
        self.value.inplace(|w| match &rates.keep {
            Some(keep) => w * keep.clone() - change,
            None => w - change,
        });
    }

    pub(super) fn change(&mut self, change: impl Fn(Tensor<D>) -> Tensor<D>) {
        self.value.inplace(&change);
        self.first.inplace(&change);
        self.second.inplace(&change);
    }
}

fn retain<T>(items: &mut Vec<T>, stay: &[bool]) {
    let mut stay = stay.iter();
    items.retain(|_| *stay.next().expect("one each"));
}

pub(super) fn tensor<const D: usize>(
    values: Vec<f32>,
    shape: [usize; D],
    device: &Device,
) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values, shape), device)
}

pub(super) fn floats<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, TrainError> {
    let data = tensor.try_into_data().map_err(TrainError::device)?;
    data.try_into_vec().map_err(TrainError::device)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nrp::draws::{Draws, Purpose};

    fn random<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
        let mut draws = Draws::new(shape.iter().sum::<usize>() as u64, Purpose::Order);
        let values = (0..shape.iter().product()).map(|_| draws.unit() - 0.5);
        tensor(values.collect(), shape, device)
    }

    /// Two lanes, with dropout.
    fn stack(depth: usize, device: &Device) -> Stack {
        let network = NrpConfig {
            inputs: vec![5, 4],
            l1: 3,
            l2: 4,
            depth,
            sites: 3,
            dropout: 0.4,
        };
        let adam = Adam {
            learning_rate: 1e-3,
            weight_decay: 0.0,
        };
        let lanes = [11, 12].map(|seed| LaneConfig {
            network: network.clone(),
            adam,
            seed,
        });
        let first = |lane: usize, parameter| network.first_values(lanes[lane].seed, parameter);
        Stack::new(vec![0, 1], &lanes, &first, device)
    }

    /// The backward pass written by hand against burn's recorded one.
    #[test]
    fn gradients_match_burns_autodiff() {
        let device = crate::device::of_tests();
        for depth in 0..=3 {
            let mut recorded = stack(depth, &device);
            let outputs = recorded.network.block_units();
            let track = |tensor: &mut Tensor<3>| {
                *tensor = tensor.clone().autodiff().require_grad();
                tensor.clone()
            };
            let mut products = [(), ()].map(|()| random([2, 6, outputs], &device)).to_vec();
            let products_before = products.clone();
            let mut tracked: Vec<Tensor<3>> = products.iter_mut().map(track).collect();
            tracked.push(track(&mut recorded.wide_bias.value));
            for parameter in recorded.dense.iter_mut().flatten() {
                tracked.push(track(&mut parameter.value));
            }
            let kept = recorded.draw(6).into_iter();
            let kept = kept.map(|kept| kept.map(Tensor::autodiff)).collect();
            let graph = recorded.forward(products, kept).0.sum().backward();

            let mut stack = stack(depth, &device);
            let kept = stack.draw(6);
            let (predicted, hidden) = stack.forward(products_before, kept);
            let found = stack.backward(hidden, predicted.ones_like());
            let dense = found.dense;
            let blocks = [0, 1].map(|layer| match depth {
                0 => found.products.clone(),
                _ => found.products.clone().narrow(2, layer * outputs, outputs),
            });
            let found = blocks.into_iter().chain([found.wide_bias]);
            let found: Vec<_> = found.chain(dense.into_iter().flatten()).collect();
            assert_eq!(found.len(), tracked.len());
            for (found, tracked) in found.into_iter().zip(&tracked) {
                let expected = tracked.grad(&graph).expect("tracked");
                let (found, expected) = (floats(found), floats(expected));
                let (found, expected) = (found.expect("floats"), expected.expect("floats"));
                for (found, expected) in found.iter().zip(&expected) {
                    assert!(
                        (found - expected).abs() < 1e-6,
                        "depth {depth}: {found} {expected}"
                    );
                }
            }
        }
    }
}
