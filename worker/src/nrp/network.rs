//! The NRP network: locally dense NRP-L1, dense NRP-L2, NRP-out; forward, and backward by hand.
//!
//! The products of the wide inputs with NRP-L1 are not in here: `engine` makes them, and they are
//! all a trial spends its time on. The backward pass is written out because a recorded graph
//! copies the wide matrices; tests hold it against PyTorch's autograd and burn's.

use burn::tensor::activation::relu;
use burn::tensor::{Bool, Device, Tensor, TensorData};

use super::draws::{Draws, Purpose};

/// The shape of an NRP network.
///
/// | `depth` | layers |
/// | --- | --- |
/// | 0 | all activations → sites, linear |
/// | 1 | NRP-L1 per ANN layer → ReLU → concatenation → sites |
/// | 2 | … → NRP-L2 → ReLU → sites |
/// | 3 | … → NRP-L2 → ReLU → a second layer as large as NRP-L2 → ReLU → sites |
#[derive(Debug, Clone, PartialEq)]
pub struct NrpConfig {
    /// Units per ANN layer of the layer set.
    pub inputs: Vec<usize>,
    /// Units of NRP-L1, per ANN layer; not used at depth 0.
    pub l1: usize,
    /// Units of NRP-L2; used from depth 2.
    pub l2: usize,
    /// Intermediate layers, 0 to [`MAX_DEPTH`].
    pub depth: usize,
    /// Recording sites.
    pub sites: usize,
    /// Share of hidden units dropped while training, after every ReLU; 0 to below 1.
    pub dropout: f64,
}

/// The largest number of intermediate layers.
pub const MAX_DEPTH: usize = 3;

/// A dense layer.
#[derive(Debug, Clone)]
pub(crate) struct Dense {
    /// `[inputs, outputs]`
    pub(crate) weight: Tensor<2>,
    /// `[1, outputs]`
    pub(crate) bias: Tensor<2>,
}

/// An NRP network with its weights, on a device.
#[derive(Debug, Clone)]
pub struct NrpNetwork {
    config: NrpConfig,
    /// Per ANN layer `[units, l1]`; at depth 0 `[units, sites]`.
    pub(crate) wide: Vec<Tensor<2>>,
    /// `[1, layers · l1]`; at depth 0 `[1, sites]`.
    pub(crate) wide_bias: Tensor<2>,
    /// What follows the first layer, NRP-out last; empty at depth 0.
    pub(crate) dense: Vec<Dense>,
}

/// What the backward pass needs to know of one hidden layer.
pub(crate) struct Hidden {
    /// `[stimuli, units]`: what the next layer saw.
    output: Tensor<2>,
    /// `[stimuli, units]`: where ReLU let nothing through.
    closed: Tensor<2, Bool>,
    /// `[stimuli, units]`: 0 where dropped, else 1 / (1 − dropout).
    kept: Option<Tensor<2>>,
}

/// Gradients of a loss with respect to everything but the wide weights.
pub(crate) struct Gradients {
    /// `[stimuli, layers · l1]` (depth 0: `[stimuli, sites]`): with respect to the wide products.
    pub(crate) products: Tensor<2>,
    /// Like [`NrpNetwork::wide_bias`].
    pub(crate) wide_bias: Tensor<2>,
    /// Like [`NrpNetwork::dense`].
    pub(crate) dense: Vec<Dense>,
}

impl NrpConfig {
    /// Units of the first layer, over all ANN layers.
    pub(crate) fn first_units(&self) -> usize {
        if self.depth == 0 {
            self.sites
        } else {
            self.l1 * self.inputs.len()
        }
    }

    /// Outputs of each wide block.
    pub(crate) fn block_units(&self) -> usize {
        if self.depth == 0 { self.sites } else { self.l1 }
    }

    /// `[inputs, outputs]` of the dense layers after the first.
    fn dense_shapes(&self) -> Vec<[usize; 2]> {
        let mut shapes = Vec::new();
        if self.depth == 0 {
            return shapes;
        }
        let mut width = self.first_units();
        for _ in 1..self.depth {
            shapes.push([width, self.l2]);
            width = self.l2;
        }
        shapes.push([width, self.sites]);
        shapes
    }

    /// How many numbers the network learns.
    pub fn parameters(&self) -> u64 {
        let affine = |inputs: usize, outputs: usize| (inputs as u64 + 1) * outputs as u64;
        let wide: u64 = self
            .inputs
            .iter()
            .map(|&units| (units * self.block_units()) as u64)
            .sum();
        let dense: u64 = self.dense_shapes().iter().map(|&[i, o]| affine(i, o)).sum();
        wide + self.first_units() as u64 + dense
    }

    /// Draws the first weights: Glorot uniform (Glorot & Bengio 2010), biases zero.
    ///
    /// The draws are made on the host, one stream per tensor, so they are the same on every device.
    ///
    /// # Panics
    /// When `depth` is above [`MAX_DEPTH`] or there is no ANN layer.
    pub fn init(&self, seed: u64, device: &Device) -> NrpNetwork {
        assert!(
            self.depth <= MAX_DEPTH,
            "depth {} is above {MAX_DEPTH}",
            self.depth
        );
        assert!(!self.inputs.is_empty(), "a layer set has layers");
        let mut tensor = 0;
        let mut glorot = |[inputs, outputs]: [usize; 2], fan_in: usize| {
            let mut draws = Draws::new(seed, Purpose::Weights(tensor));
            tensor += 1;
            let limit = (6.0 / (fan_in + outputs) as f64).sqrt() as f32;
            let values: Vec<f32> = (0..inputs * outputs)
                .map(|_| (2.0 * draws.unit() - 1.0) * limit)
                .collect();
            matrix(values, [inputs, outputs], device)
        };
        // At depth 0 the blocks are parts of one matrix; else every ANN layer has its own.
        let all: usize = self.inputs.iter().sum();
        let wide = self
            .inputs
            .iter()
            .map(|&units| {
                glorot(
                    [units, self.block_units()],
                    if self.depth == 0 { all } else { units },
                )
            })
            .collect();
        let dense = self
            .dense_shapes()
            .into_iter()
            .map(|[inputs, outputs]| Dense {
                weight: glorot([inputs, outputs], inputs),
                bias: Tensor::zeros([1, outputs], device),
            })
            .collect();
        NrpNetwork {
            config: self.clone(),
            wide,
            wide_bias: Tensor::zeros([1, self.first_units()], device),
            dense,
        }
    }
}

impl NrpNetwork {
    /// The network's shape.
    pub fn config(&self) -> &NrpConfig {
        &self.config
    }

    /// Predicted responses, without dropout.
    ///
    /// # Shapes
    /// - `activations`: one `[stimuli, units]` per ANN layer of the layer set, scaled
    /// - returns `[stimuli, sites]`, in fitted target units
    pub fn forward(&self, activations: &[Tensor<2>]) -> Tensor<2> {
        assert_eq!(
            activations.len(),
            self.wide.len(),
            "one tensor per ANN layer"
        );
        let products = activations
            .iter()
            .zip(&self.wide)
            .map(|(activations, weight)| activations.clone().matmul(weight.clone()))
            .collect();
        self.predict(products)
    }

    /// Predicted responses from the wide products, without dropout.
    ///
    /// # Shapes
    /// - `products`: one `[stimuli, l1]` per ANN layer (depth 0: `[stimuli, sites]`)
    /// - returns `[stimuli, sites]`
    pub(crate) fn predict(&self, products: Vec<Tensor<2>>) -> Tensor<2> {
        self.record(products, &mut Dropout::none()).0
    }

    /// Like [`NrpNetwork::predict`] with dropout, and what the backward pass needs.
    pub(crate) fn record(
        &self,
        products: Vec<Tensor<2>>,
        dropout: &mut Dropout,
    ) -> (Tensor<2>, Vec<Hidden>) {
        let products = if self.config.depth == 0 {
            products
                .into_iter()
                .reduce(Tensor::add)
                .expect("a layer set has layers")
        } else {
            Tensor::cat(products, 1)
        };
        let mut values = products + self.wide_bias.clone();
        let mut hidden = Vec::with_capacity(self.dense.len());
        for layer in &self.dense {
            let open = relu(values);
            let closed = open.clone().lower_equal_scalar(0.0);
            let kept = dropout.draw(&open);
            let output = match &kept {
                Some(kept) => open * kept.clone(),
                None => open,
            };
            values = output.clone().matmul(layer.weight.clone()) + layer.bias.clone();
            hidden.push(Hidden {
                output,
                closed,
                kept,
            });
        }
        (values, hidden)
    }

    /// The gradients that belong to a recorded forward pass.
    ///
    /// # Shapes
    /// - `upstream`: `[stimuli, sites]`, of the loss with respect to the predictions
    pub(crate) fn backward(&self, hidden: Vec<Hidden>, upstream: Tensor<2>) -> Gradients {
        let mut upstream = upstream;
        let mut dense = Vec::with_capacity(hidden.len());
        for (layer, hidden) in self.dense.iter().zip(hidden).rev() {
            let below = upstream.clone().matmul(layer.weight.clone().transpose());
            dense.push(Dense {
                weight: hidden.output.transpose().matmul(upstream.clone()),
                bias: upstream.sum_dim(0),
            });
            let below = match hidden.kept {
                Some(kept) => below * kept,
                None => below,
            };
            upstream = below.mask_fill(hidden.closed, 0.0);
        }
        dense.reverse();
        Gradients {
            wide_bias: upstream.clone().sum_dim(0),
            products: upstream,
            dense,
        }
    }

    /// The part of a gradient over the wide products that belongs to ANN layer `layer`.
    pub(crate) fn block(&self, products: &Tensor<2>, layer: usize) -> Tensor<2> {
        match self.config.depth {
            0 => products.clone(),
            _ => products
                .clone()
                .narrow(1, layer * self.config.l1, self.config.l1),
        }
    }
}

/// Inverted dropout: drawn on the host, so that it is the same on every device.
pub(crate) struct Dropout {
    rate: f32,
    draws: Option<Draws>,
}

impl Dropout {
    /// Drops nothing.
    pub(crate) fn none() -> Self {
        Self {
            rate: 0.0,
            draws: None,
        }
    }

    /// Drops `rate` of the units by the draws of `seed`.
    pub(crate) fn new(rate: f64, seed: u64) -> Self {
        let draws = (rate > 0.0).then(|| Draws::new(seed, Purpose::Dropout));
        Self {
            rate: rate as f32,
            draws,
        }
    }

    /// `[stimuli, units]`: 0 where dropped, else 1 / (1 − rate); `None` where nothing is.
    fn draw(&mut self, like: &Tensor<2>) -> Option<Tensor<2>> {
        let draws = self.draws.as_mut()?;
        let [stimuli, units] = like.dims();
        let kept = 1.0 / (1.0 - self.rate);
        let values = (0..stimuli * units)
            .map(|_| if draws.unit() < self.rate { 0.0 } else { kept })
            .collect();
        Some(matrix(values, [stimuli, units], &like.device()))
    }
}

/// A matrix on a device from its rows.
pub(crate) fn matrix(values: Vec<f32>, shape: [usize; 2], device: &Device) -> Tensor<2> {
    Tensor::from_data(TensorData::new(values, shape), device)
}

#[cfg(test)]
mod tests {
    use super::{NrpConfig, matrix};
    use burn::tensor::Device;

    fn config(depth: usize) -> NrpConfig {
        NrpConfig {
            inputs: vec![7, 5],
            l1: 4,
            l2: 3,
            depth,
            sites: 2,
            dropout: 0.0,
        }
    }

    #[test]
    fn counts_its_parameters() {
        let device = Device::flex();
        for depth in 0..=3 {
            let network = config(depth).init(0, &device);
            let size = |dims: [usize; 2]| (dims[0] * dims[1]) as u64;
            let held: u64 = network
                .wide
                .iter()
                .map(|weight| size(weight.dims()))
                .sum::<u64>()
                + size(network.wide_bias.dims())
                + network
                    .dense
                    .iter()
                    .map(|layer| size(layer.weight.dims()) + size(layer.bias.dims()))
                    .sum::<u64>();
            assert_eq!(held, config(depth).parameters(), "depth {depth}");
        }
        // 7·4 + 5·4 + 8 (L1), 8·3 + 3 (L2), 3·2 + 2 (out).
        assert_eq!(config(2).parameters(), 56 + 27 + 8);
        assert_eq!(config(0).parameters(), 12 * 2 + 2);
    }

    #[test]
    fn first_weights_are_glorot_uniform_and_belong_to_the_seed() {
        let device = Device::flex();
        let config = NrpConfig {
            inputs: vec![300],
            l1: 100,
            ..config(1)
        };
        let weights = |seed| {
            let network = config.init(seed, &device);
            network.wide[0]
                .to_data()
                .try_into_vec::<f32>()
                .expect("floats")
        };
        let drawn = weights(5);
        assert_eq!(drawn, weights(5));
        assert_ne!(drawn, weights(6));
        let limit = (6.0_f64 / 400.0).sqrt();
        let n = drawn.len() as f64;
        let variance = drawn.iter().map(|w| f64::from(*w).powi(2)).sum::<f64>() / n;
        assert!(drawn.iter().all(|w| f64::from(w.abs()) <= limit));
        // Variance of a uniform draw is limit²/3; with 30,000 draws 2 % is four standard errors.
        assert!((variance / (limit * limit / 3.0) - 1.0).abs() < 0.02);
    }

    #[test]
    fn each_block_sees_its_own_layer_only() {
        let device = Device::flex();
        let network = config(1).init(0, &device);
        let inputs = |second: f32| {
            vec![
                matrix(vec![0.5; 7], [1, 7], &device),
                matrix(vec![second; 5], [1, 5], &device),
            ]
        };
        let products = |second| {
            let x = inputs(second);
            x[0].clone().matmul(network.wide[0].clone()).into_data()
        };
        assert_eq!(products(0.0), products(9.0));
        assert_eq!(network.forward(&inputs(1.0)).dims(), [1, 2]);
    }
}
