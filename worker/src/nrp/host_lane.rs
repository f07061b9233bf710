//! One lane of the host's array: everything after the wide products, forward and backward.
//!
//! The backward pass is written by hand because a recorded graph copies what it differentiates;
//! tests compare it with PyTorch's autograd and, by way of the device's array, with burn's.

use std::ops::Range;

use super::adam::Step;
use super::array::LaneConfig;
use super::kernel::{Learning, Matrix, PADDING, Panels, Rates, accumulate, descend};
use super::network::{Dropout, NrpConfig, Parameter, Values};

/// A parameter matrix with its moments, its columns padded with zeros.
pub(super) struct Dense {
    pub(super) weights: Vec<f32>,
    pub(super) first: Vec<f32>,
    second: Vec<f32>,
    /// Columns in use.
    pub(super) outputs: usize,
    /// Columns in memory, padding included.
    columns: usize,
}

/// A lane without its wide weights.
pub(super) struct Lane {
    pub(super) config: LaneConfig,
    dropout: Dropout,
    pub(super) wide_bias: Dense,
    /// Weight and bias of each dense layer.
    pub(super) dense: Vec<[Dense; 2]>,
    /// Its first column in the wide matrices.
    pub(super) column: usize,
}

/// What the backward pass needs from one hidden layer.
struct Hidden {
    /// `[stimuli, units]`: the next layer's input.
    output: Vec<f32>,
    /// `[stimuli, units]`: 0 where dropped, else 1 / (1 − dropout).
    kept: Option<Vec<f32>>,
}

/// `[rows, outputs]`, its columns padded with zeros.
pub(super) struct Padded {
    values: Vec<f32>,
    outputs: usize,
    columns: usize,
}

/// The result of a lane's step.
pub(super) struct Learned {
    /// Squared errors before the step, summed over the present cells.
    pub(super) squares: f64,
    /// `[stimuli, first units]`: gradient with respect to the wide products.
    pub(super) upstream: Padded,
}

/// The wide products of all lanes, one `[stimuli, columns]` per ANN layer.
pub(super) struct Products {
    pub(super) layers: Vec<Vec<f32>>,
    pub(super) columns: usize,
}

impl Dense {
    fn new([inputs, outputs]: [usize; 2], mut values: Values<'_>) -> Self {
        let columns = outputs.next_multiple_of(PADDING);
        let mut weights = vec![0.0; inputs * columns];
        for row in weights.chunks_exact_mut(columns) {
            values(&mut row[..outputs]);
        }
        Self {
            first: vec![0.0; weights.len()],
            second: vec![0.0; weights.len()],
            weights,
            outputs,
            columns,
        }
    }

    fn descend(&mut self, x: Matrix<'_>, upstream: Matrix<'_>, rates: Rates<'_>) {
        let rates = Rates {
            rate: &rates.rate[..self.columns],
            keep: &rates.keep[..self.columns],
            ..rates
        };
        let learning = Learning {
            weights: &mut self.weights,
            first: &mut self.first,
            second: &mut self.second,
        };
        descend(x, upstream, rates, Panels::one(self.columns), learning);
    }

    fn inputs(&self) -> usize {
        self.weights.len() / self.columns
    }

    /// `[stimuli, inputs]`: the gradient below, `upstream · weightsᵀ`.
    fn below(&self, upstream: &Padded) -> Padded {
        let mut below = Padded::zeros(upstream.values.len() / upstream.columns, self.inputs());
        let mut turned = vec![0.0; self.outputs * below.columns];
        // A few rows at a time, so that their part of a transposed row fills a cache line.
        for (block, rows) in self.weights.chunks(PADDING * self.columns).enumerate() {
            for (output, to) in turned.chunks_exact_mut(below.columns).enumerate() {
                let rows = rows.chunks_exact(self.columns);
                for (to, row) in to[block * PADDING..].iter_mut().zip(rows) {
                    *to = row[output];
                }
            }
        }
        let panels = Panels::one(below.columns);
        accumulate(upstream.matrix(), &turned, panels, &mut below.values);
        below
    }
}

impl Lane {
    /// A lane with its initial values from `first`.
    pub(super) fn new(
        config: &LaneConfig,
        column: usize,
        first: impl Fn(Parameter) -> Values<'static>,
    ) -> Self {
        let network = &config.network;
        let wide_bias = Dense::new([1, network.first_units()], first(Parameter::WideBias));
        let shapes = network.dense_shapes().into_iter().enumerate();
        let dense = shapes.map(|(layer, [inputs, outputs])| {
            [
                Dense::new([inputs, outputs], first(Parameter::Weight(layer))),
                Dense::new([1, outputs], first(Parameter::Bias(layer))),
            ]
        });
        Self {
            dropout: Dropout::new(network.dropout, config.seed),
            wide_bias,
            dense: dense.collect(),
            config: config.clone(),
            column,
        }
    }

    /// Its number of columns in the wide matrices.
    pub(super) fn columns(&self) -> usize {
        self.config.network.block_units().next_multiple_of(PADDING)
    }

    /// Its part of a gradient `[stimuli, first units]` that belongs to ANN layer `layer`.
    pub(super) fn block(&self, layer: usize) -> Range<usize> {
        let NrpConfig {
            depth, l1, sites, ..
        } = self.config.network;
        match depth {
            0 => 0..sites,
            _ => layer * l1..(layer + 1) * l1,
        }
    }

    /// `[stimuli, sites]`: predictions from the wide products, without dropout.
    pub(super) fn predict(&self, products: &Products) -> Vec<f32> {
        let (values, columns, _) = self.forward(products, vec![None; self.dense.len()]);
        let sites = self.config.network.sites;
        let rows = values.chunks_exact(columns);
        rows.flat_map(|row| &row[..sites]).copied().collect()
    }

    /// Takes one step with all but the wide weights.
    ///
    /// # Shapes
    /// - `targets`: `[stimuli, sites]`, NaN where missing; `present` of them are not missing
    pub(super) fn learn(
        &mut self,
        products: &Products,
        targets: &[f32],
        present: usize,
        step: Step,
    ) -> Learned {
        let stimuli = products.stimuli();
        let units: Vec<usize> = self
            .dense
            .iter()
            .map(|[weight, _]| weight.inputs())
            .collect();
        let drawn = units.iter().map(|units| self.dropout.draw(stimuli * units));
        let drawn = drawn.collect();
        let (values, columns, hidden) = self.forward(products, drawn);

        let sites = self.config.network.sites;
        let slope = (2.0 / present as f64) as f32;
        let mut upstream = Padded::zeros(stimuli, sites);
        let mut squares = 0.0;
        let predicted = values
            .chunks_exact(columns)
            .zip(targets.chunks_exact(sites));
        for ((predicted, targets), to) in predicted.zip(upstream.rows_mut()) {
            for ((predicted, target), to) in predicted.iter().zip(targets).zip(to) {
                if !target.is_nan() {
                    let error = predicted - target;
                    squares += f64::from(error) * f64::from(error);
                    *to = slope * error;
                }
            }
        }

        let widest = self.dense.iter().map(|[weight, _]| weight.columns);
        let widest = widest.fold(self.wide_bias.columns, usize::max);
        let rates = Rates {
            rate: &vec![step.rate as f32; widest],
            keep: &vec![step.keep as f32; widest],
            unroot: step.unroot(),
        };
        let ones = vec![1.0; stimuli];
        let ones = Matrix {
            values: &ones,
            width: 1,
        };
        for ([weight, bias], hidden) in self.dense.iter_mut().zip(hidden).rev() {
            let mut below = weight.below(&upstream);
            weight.descend(hidden.matrix(weight.inputs()), upstream.matrix(), rates);
            bias.descend(ones, upstream.matrix(), rates);
            hidden.pass(&mut below);
            upstream = below;
        }
        self.wide_bias.descend(ones, upstream.matrix(), rates);
        Learned { squares, upstream }
    }

    /// Values `[stimuli, columns]` of the last layer, its columns, and what led there. `kept` says
    /// of each hidden layer what dropout leaves.
    fn forward(
        &self,
        products: &Products,
        kept: Vec<Option<Vec<f32>>>,
    ) -> (Vec<f32>, usize, Vec<Hidden>) {
        let mut values = self.first(products);
        let mut columns = self.wide_bias.outputs;
        let mut passed = Vec::with_capacity(self.dense.len());
        for ([weight, bias], kept) in self.dense.iter().zip(kept) {
            let units = weight.inputs();
            let mut output = Vec::with_capacity(products.stimuli() * units);
            for row in values.chunks_exact(columns) {
                // Not `max`: it would turn NaN into 0.
                let open = |value: &f32| if *value < 0.0 { 0.0 } else { *value };
                output.extend(row[..units].iter().map(open));
            }
            for (value, kept) in output.iter_mut().zip(kept.iter().flatten()) {
                *value *= kept;
            }
            let hidden = Hidden { output, kept };
            columns = weight.columns;
            values = bias.weights.repeat(products.stimuli());
            let panels = Panels::one(columns);
            accumulate(hidden.matrix(units), &weight.weights, panels, &mut values);
            passed.push(hidden);
        }
        (values, columns, passed)
    }

    /// `[stimuli, first units]`: the wide products and their bias.
    fn first(&self, products: &Products) -> Vec<f32> {
        let (bias, units) = (&self.wide_bias.weights, self.wide_bias.outputs);
        let mut values = bias[..units].repeat(products.stimuli());
        for (layer, wide) in products.layers.iter().enumerate() {
            let rows = values.chunks_exact_mut(units);
            for (row, wide) in rows.zip(wide.chunks_exact(products.columns)) {
                let to = &mut row[self.block(layer)];
                for (value, product) in to.iter_mut().zip(&wide[self.column..]) {
                    *value += product;
                }
            }
        }
        values
    }
}

impl Hidden {
    fn matrix(&self, units: usize) -> Matrix<'_> {
        Matrix {
            values: &self.output,
            width: units,
        }
    }

    /// Masks a gradient with respect to the output by ReLU and dropout.
    fn pass(&self, gradient: &mut Padded) {
        let units = gradient.outputs;
        for (row, gradient) in gradient.rows_mut().enumerate() {
            let here = row * units..(row + 1) * units;
            let output = &self.output[here.clone()];
            for (gradient, output) in gradient.iter_mut().zip(output) {
                *gradient = if *output <= 0.0 { 0.0 } else { *gradient };
            }
            if let Some(kept) = &self.kept {
                for (gradient, kept) in gradient.iter_mut().zip(&kept[here]) {
                    *gradient *= kept;
                }
            }
        }
    }
}

impl Products {
    pub(super) fn stimuli(&self) -> usize {
        self.layers[0].len() / self.columns
    }
}

impl Padded {
    fn zeros(rows: usize, outputs: usize) -> Self {
        let columns = outputs.next_multiple_of(PADDING);
        Self {
            values: vec![0.0; rows * columns],
            outputs,
            columns,
        }
    }

    fn matrix(&self) -> Matrix<'_> {
        Matrix {
            values: &self.values,
            width: self.columns,
        }
    }

    fn rows_mut(&mut self) -> impl Iterator<Item = &mut [f32]> {
        let outputs = self.outputs;
        let rows = self.values.chunks_exact_mut(self.columns);
        rows.map(move |row| &mut row[..outputs])
    }

    /// Its rows without their padding.
    pub(super) fn rows(&self) -> impl Iterator<Item = &[f32]> {
        let rows = self.values.chunks_exact(self.columns);
        rows.map(|row| &row[..self.outputs])
    }
}
