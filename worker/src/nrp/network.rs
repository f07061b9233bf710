//! The NRP network: its shape, its initial weights and its dropout.
//!
//! Locally dense NRP-L1, dense NRP-L2, NRP-out. The engines hold the weights and do the
//! arithmetic; nothing in here depends on a device.

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
    /// Fraction of hidden units dropped in training, after every ReLU: at least 0, below 1.
    pub dropout: f64,
}

/// The largest number of intermediate layers.
pub const MAX_DEPTH: usize = 3;

/// A parameter of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parameter {
    /// `[units, l1]` of one ANN layer; at depth 0 `[units, sites]`.
    Wide(usize),
    /// `[layers · l1]`; at depth 0 `[sites]`.
    WideBias,
    /// `[inputs, outputs]` of one of the dense layers that follow, NRP-out last.
    Weight(usize),
    /// `[outputs]`: the bias of the same layer.
    Bias(usize),
}

/// Writes the next values of a parameter, row by row.
pub(crate) type Values<'a> = Box<dyn FnMut(&mut [f32]) + 'a>;

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
    pub(crate) fn dense_shapes(&self) -> Vec<[usize; 2]> {
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

    /// Whether a parameter is the weights of the last layer.
    pub(crate) fn is_output(&self, parameter: Parameter) -> bool {
        match parameter {
            Parameter::Wide(_) => self.depth == 0,
            Parameter::Weight(layer) => layer + 1 == self.depth,
            Parameter::WideBias | Parameter::Bias(_) => false,
        }
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

    /// The initial values of a parameter: Glorot uniform (Glorot & Bengio 2010), biases zero.
    ///
    /// The draws are made on the host, one stream per tensor, so they are the same on every device.
    pub(crate) fn first_values(&self, seed: u64, parameter: Parameter) -> Values<'static> {
        let layers = self.inputs.len();
        let (tensor, fan_in, outputs) = match parameter {
            // At depth 0 the blocks are parts of one matrix; else every ANN layer has its own.
            Parameter::Wide(layer) if self.depth == 0 => {
                (layer, self.inputs.iter().sum(), self.sites)
            }
            Parameter::Wide(layer) => (layer, self.inputs[layer], self.l1),
            Parameter::Weight(layer) => {
                let [inputs, outputs] = self.dense_shapes()[layer];
                (layers + layer, inputs, outputs)
            }
            Parameter::WideBias | Parameter::Bias(_) => return Box::new(|row| row.fill(0.0)),
        };
        let mut draws = Draws::new(seed, Purpose::Weights(tensor as u32));
        let limit = (6.0 / (fan_in + outputs) as f64).sqrt() as f32;
        Box::new(move |row| {
            for value in row {
                *value = (2.0 * draws.unit() - 1.0) * limit;
            }
        })
    }
}

/// Inverted dropout: drawn on the host, so that it is the same on every device.
pub(crate) struct Dropout {
    rate: f32,
    draws: Option<Draws>,
}

impl Dropout {
    /// Drops `rate` of the units by the draws of `seed`.
    pub(crate) fn new(rate: f64, seed: u64) -> Self {
        let draws = (rate > 0.0).then(|| Draws::new(seed, Purpose::Dropout));
        Self {
            rate: rate as f32,
            draws,
        }
    }

    /// The next `units` hidden units, row by row: 0 where dropped, else 1 / (1 − rate); `None`
    /// where nothing ever is.
    pub(crate) fn draw(&mut self, units: usize) -> Option<Vec<f32>> {
        let draws = self.draws.as_mut()?;
        let kept = 1.0 / (1.0 - self.rate);
        let mut draw = || if draws.unit() < self.rate { 0.0 } else { kept };
        Some((0..units).map(|_| draw()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::{NrpConfig, Parameter};

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
        // 7·4 + 5·4 + 8 (L1), 8·3 + 3 (L2), 3·3 + 3 (again), 3·2 + 2 or 8·2 + 2 (out).
        assert_eq!(config(0).parameters(), 12 * 2 + 2);
        assert_eq!(config(1).parameters(), 56 + 18);
        assert_eq!(config(2).parameters(), 56 + 27 + 8);
        assert_eq!(config(3).parameters(), 56 + 27 + 12 + 8);
    }

    #[test]
    fn first_weights_are_glorot_uniform_and_belong_to_the_seed() {
        let config = NrpConfig {
            inputs: vec![300],
            l1: 100,
            ..config(1)
        };
        let weights = |seed| {
            let mut values = vec![0.0; 30_000];
            config.first_values(seed, Parameter::Wide(0))(&mut values);
            values
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
}
