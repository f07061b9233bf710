//! Keras layers as tensor operations, at inference, on any of burn's devices except flex, which
//! uses `cpu`. Shared by all ANNs; knows none of them.
//!
//! Maps are channels first, as burn's convolutions need them; results are in Keras's order (height,
//! width, channels). A batch norm that alone follows a convolution is folded into it: the batch
//! norm's block then *is* that convolution, scaled and shifted.

use burn::tensor::activation::{relu, softmax};
use burn::tensor::module::{adaptive_avg_pool2d, avg_pool2d, conv2d, max_pool2d};
use burn::tensor::ops::{AvgPoolOptions, ConvOptions, MaxPoolOptions, PadMode};
use burn::tensor::{Device, Tensor, TensorData};

use super::fold::{Affine, folds_into};
use super::graph::{Conv, End, Graph, Node, Op, Pads, Window};

/// A layer's output for a batch of stimuli.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// `[stimuli, channels, height, width]`.
    Map(Tensor<4>),
    /// `[stimuli, units]`.
    Vector(Tensor<2>),
}

impl Value {
    /// From images `[stimuli, height, width, channels]`.
    pub(super) fn from_images(images: Tensor<4>) -> Self {
        Self::Map(images.permute([0, 3, 1, 2]))
    }

    /// `[stimuli, units]`, units in Keras's order: height, width, channels.
    pub(super) fn into_units(self) -> Tensor<2> {
        match self {
            Self::Vector(vector) => vector,
            Self::Map(map) => map.permute([0, 2, 3, 1]).flatten(1, 3),
        }
    }

    fn map(self) -> Tensor<4> {
        match self {
            Self::Map(map) => map,
            Self::Vector(_) => unreachable!("the graph lets no vector come where a map must"),
        }
    }

    fn vector(self) -> Tensor<2> {
        match self {
            Self::Vector(vector) => vector,
            Self::Map(_) => unreachable!("the graph lets no map come where a vector must"),
        }
    }
}

/// One layer, ready to run: its weights are on the device, in the device's order.
#[derive(Debug)]
pub(super) enum Block {
    /// Its weights are not there, and nothing asked depends on it.
    Absent,
    /// Passes the image on.
    Input,
    ZeroPadding(Pads),
    Cropping(Pads),
    /// One convolution after the other.
    Conv(Vec<Convolution>, End),
    /// `x · scale + shift` per channel.
    Affine {
        scale: Tensor<1>,
        shift: Tensor<1>,
    },
    Relu {
        max: Option<f64>,
    },
    MaxPool(MaxPoolOptions<2>, Pads),
    AveragePool(AvgPoolOptions<2>),
    LocalResponseNorm {
        size: usize,
        alpha: f64,
        beta: f64,
    },
    GlobalAveragePooling {
        keep_dims: bool,
    },
    Identity,
    Flatten,
    FlattenChannelsFirst,
    Dense {
        /// `[inputs, units]`.
        kernel: Tensor<2>,
        bias: Tensor<1>,
        end: End,
    },
    Softmax,
    Add,
    Concat,
}

/// A convolution with its weights on the device.
#[derive(Debug)]
pub(super) struct Convolution {
    /// `[filters, channels per group, height, width]`.
    kernel: Tensor<4>,
    bias: Option<Tensor<1>>,
    stride: [usize; 2],
    pads: Pads,
    groups: usize,
}

impl Block {
    /// The block of `node`, whose weights are `weights[node.weights]`.
    pub(super) fn new(graph: &Graph, node: &Node, weights: &[Vec<f32>], device: &Device) -> Self {
        let own = &weights[node.weights.clone()];
        let folded = folds_into(graph, node).map(|conv| graph.node(conv).weights.clone());
        let also = &weights[folded.unwrap_or(0..0)];
        if own.iter().chain(also).any(Vec::is_empty) {
            return Self::Absent;
        }
        match &node.op {
            Op::Input => Self::Input,
            Op::ZeroPadding(pads) => Self::ZeroPadding(*pads),
            Op::Cropping(pads) => Self::Cropping(*pads),
            Op::Conv(Conv { end, .. }) => {
                Self::Conv(convolutions(graph, node, weights, None, device), *end)
            }
            Op::DepthwiseConv { .. } | Op::SeparableConv { .. } => Self::Conv(
                convolutions(graph, node, weights, None, device),
                End::Linear,
            ),
            Op::BatchNorm { epsilon } => {
                let norm = Affine::new(own, *epsilon);
                match folds_into(graph, node) {
                    None => {
                        let (scale, shift) = norm.narrowed();
                        Self::Affine {
                            scale: vector(scale, device),
                            shift: vector(shift, device),
                        }
                    }
                    Some(conv) => {
                        let conv = graph.node(conv);
                        let convolutions = convolutions(graph, conv, weights, Some(norm), device);
                        Self::Conv(convolutions, End::Linear)
                    }
                }
            }
            Op::Relu { max } => Self::Relu { max: *max },
            Op::MaxPool(window) => Self::MaxPool(
                MaxPoolOptions::new(window.size).with_stride(window.stride),
                pads(graph, node, window),
            ),
            Op::AveragePool(window) => Self::AveragePool(
                AvgPoolOptions::new(window.size)
                    .with_stride(window.stride)
                    .with_padding_pairs(pads(graph, node, window))
                    .with_count_include_pad(false),
            ),
            Op::LocalResponseNorm { size, alpha, beta } => Self::LocalResponseNorm {
                size: *size,
                alpha: *alpha,
                beta: *beta,
            },
            Op::GlobalAveragePooling { keep_dims } => Self::GlobalAveragePooling {
                keep_dims: *keep_dims,
            },
            Op::Dropout => Self::Identity,
            Op::Flatten => Self::Flatten,
            Op::FlattenChannelsFirst => Self::FlattenChannelsFirst,
            Op::Dense { units, end } => {
                let kernel = TensorData::new(own[0].clone(), [own[0].len() / units, *units]);
                Self::Dense {
                    kernel: Tensor::from_data(kernel, device),
                    bias: vector(own[1].clone(), device),
                    end: *end,
                }
            }
            Op::Softmax => Self::Softmax,
            Op::Add => Self::Add,
            Op::Concat => Self::Concat,
        }
    }

    /// Runs the layer over its inputs' values.
    pub(super) fn run(&self, mut inputs: Vec<Value>) -> Value {
        let x = inputs.remove(0);
        match self {
            Self::Absent => unreachable!("a model computes only what its weights suffice for"),
            Self::Input | Self::Identity => x,
            Self::ZeroPadding(pads) => Value::Map(padded(x.map(), *pads, 0.0)),
            Self::Cropping([top, left]) => {
                let map = x.map();
                let [_, _, height, width] = map.dims();
                let map = map.narrow(2, top.0, height - top.0 - top.1);
                Value::Map(map.narrow(3, left.0, width - left.0 - left.1))
            }
            Self::Conv(convolutions, end) => {
                let map = convolutions.iter().fold(x.map(), |x, conv| conv.run(x));
                match end {
                    End::Linear => Value::Map(map),
                    End::Relu => Value::Map(relu(map)),
                    End::Softmax => Value::Map(softmax(map, 1)),
                }
            }
            Self::Affine { scale, shift } => {
                let channels = scale.dims()[0];
                match x {
                    Value::Map(x) => {
                        let wide = |x: &Tensor<1>| x.clone().reshape([1, channels, 1, 1]);
                        Value::Map(x * wide(scale) + wide(shift))
                    }
                    Value::Vector(x) => {
                        let wide = |x: &Tensor<1>| x.clone().reshape([1, channels]);
                        Value::Vector(x * wide(scale) + wide(shift))
                    }
                }
            }
            Self::Relu { max } => match x {
                Value::Map(x) => Value::Map(cut(x, *max)),
                Value::Vector(x) => Value::Vector(cut(x, *max)),
            },
            Self::MaxPool(options, pads) => {
                let map = padded(x.map(), *pads, f32::NEG_INFINITY);
                Value::Map(max_pool2d(map, options.clone()))
            }
            Self::AveragePool(options) => Value::Map(avg_pool2d(x.map(), options.clone())),
            Self::LocalResponseNorm { size, alpha, beta } => {
                Value::Map(local_response_norm(x.map(), *size, *alpha, *beta))
            }
            Self::GlobalAveragePooling { keep_dims } => {
                let mean = adaptive_avg_pool2d(x.map(), [1, 1]);
                if *keep_dims {
                    Value::Map(mean)
                } else {
                    Value::Vector(mean.flatten(1, 3))
                }
            }
            Self::Flatten => Value::Vector(x.into_units()),
            Self::FlattenChannelsFirst => Value::Vector(x.map().flatten(1, 3)),
            Self::Dense { kernel, bias, end } => {
                let values = x.vector().matmul(kernel.clone()) + bias.clone().unsqueeze();
                Value::Vector(match end {
                    End::Linear => values,
                    End::Relu => relu(values),
                    End::Softmax => softmax(values, 1),
                })
            }
            Self::Softmax => Value::Vector(softmax(x.vector(), 1)),
            Self::Add => inputs.into_iter().fold(x, |sum, x| match (sum, x) {
                (Value::Map(sum), Value::Map(x)) => Value::Map(sum + x),
                (Value::Vector(sum), Value::Vector(x)) => Value::Vector(sum + x),
                _ => unreachable!("the graph adds equal shapes only"),
            }),
            Self::Concat => {
                let maps = std::iter::once(x).chain(inputs).map(Value::map).collect();
                Value::Map(Tensor::cat(maps, 1))
            }
        }
    }
}

/// Each value over a power of the mean square of `size` neighbouring channels.
fn local_response_norm(map: Tensor<4>, size: usize, alpha: f64, beta: f64) -> Tensor<4> {
    let squares = map.clone() * map.clone();
    let [stimuli, channels, height, width] = map.dims();
    let edge = Tensor::zeros([stimuli, size / 2, height, width], &map.device());
    let padded = Tensor::cat(vec![edge.clone(), squares, edge], 1);
    let neighbours = (0..size).map(|from| padded.clone().narrow(1, from, channels));
    let sum = neighbours
        .reduce(Tensor::add)
        .expect("a window has channels");
    let norm = sum.mul_scalar(alpha / size as f64).add_scalar(1.0);
    map / norm.powf_scalar(beta)
}

/// The padding of a window over the map that `node` reads.
fn pads(graph: &Graph, node: &Node, window: &Window) -> Pads {
    let input = &graph.node(node.inputs[0]).shape;
    window.pads([input[0], input[1]])
}

/// The convolutions that `node` is made of, the last one followed by `affine` if there is one.
fn convolutions(
    graph: &Graph,
    node: &Node,
    weights: &[Vec<f32>],
    affine: Option<Affine>,
    device: &Device,
) -> Vec<Convolution> {
    let channels = graph.node(node.inputs[0]).shape[2];
    let specs = &graph.weights()[node.weights.clone()];
    let own = &weights[node.weights.clone()];
    let one = |kernel: usize,
               filters,
               window: &Window,
               groups,
               bias: Option<Vec<f32>>,
               affine: Option<Affine>| {
        let (mut values, shape) = filters_first(&own[kernel], &specs[kernel].shape, filters);
        let bias = match affine {
            Some(affine) => {
                affine.scale_first_axis(&mut values);
                Some(affine.bias(bias.as_deref()))
            }
            None => bias,
        };
        Convolution {
            kernel: Tensor::from_data(TensorData::new(values, shape), device),
            bias: bias.map(|bias| vector(bias, device)),
            stride: window.stride,
            pads: pads(graph, node, window),
            groups,
        }
    };
    match &node.op {
        Op::Conv(conv) => {
            let bias = own.get(1).cloned();
            vec![one(
                0,
                conv.filters,
                &conv.window,
                conv.groups,
                bias,
                affine,
            )]
        }
        Op::DepthwiseConv { window } => vec![one(0, channels, window, channels, None, affine)],
        Op::SeparableConv { filters, window } => vec![
            one(0, channels, window, channels, None, None),
            one(1, *filters, &Window::same(1), 1, None, affine),
        ],
        op => unreachable!("{op:?} is not a convolution"),
    }
}

impl Convolution {
    fn run(&self, x: Tensor<4>) -> Tensor<4> {
        let even = self.pads.iter().all(|(before, after)| before == after);
        let (x, pads) = if even {
            (x, self.pads)
        } else {
            (padded(x, self.pads, 0.0), [(0, 0); 2])
        };
        let options = ConvOptions::new_with_padding(self.stride, pads, [1, 1], self.groups);
        conv2d(x, self.kernel.clone(), self.bias.clone(), options)
    }
}

/// A map with `value` around, its channels still last in memory: images arrive so, and LibTorch's
/// convolutions are fastest if everything between them keeps it so.
fn padded(map: Tensor<4>, pads: Pads, value: f32) -> Tensor<4> {
    if pads == [(0, 0); 2] {
        return map;
    }
    let [rows, columns] = pads;
    let channels_last = map.permute([0, 2, 3, 1]);
    let padded = channels_last.pad([rows, columns, (0, 0)], PadMode::Constant(value));
    padded.permute([0, 3, 1, 2])
}

fn cut<const D: usize>(x: Tensor<D>, max: Option<f64>) -> Tensor<D> {
    match max {
        Some(max) => x.clamp(0.0, max),
        None => relu(x),
    }
}

/// Keras's (height, width, channels, filters) or (height, width, channels, 1) kernel as
/// `[filters, channels per group, height, width]`.
fn filters_first(kernel: &[f32], shape: &[usize], filters: usize) -> (Vec<f32>, [usize; 4]) {
    let (h, w) = (shape[0], shape[1]);
    let channels = kernel.len() / (h * w * filters);
    let mut turned = Vec::with_capacity(kernel.len());
    for filter in 0..filters {
        for channel in 0..channels {
            for pixel in 0..h * w {
                turned.push(kernel[(pixel * channels + channel) * filters + filter]);
            }
        }
    }
    (turned, [filters, channels, h, w])
}

fn vector(values: Vec<f32>, device: &Device) -> Tensor<1> {
    let shape = [values.len()];
    Tensor::from_data(TensorData::new(values, shape), device)
}
