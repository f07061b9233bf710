//! What one layer does: its shapes and variables follow from it.

use serde::Serialize;

use super::{Pads, Window};

/// What one Keras layer does.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(in crate::ann) enum Op {
    /// The preprocessed image.
    Input,
    /// `ZeroPadding2D`.
    ZeroPadding(Pads),
    /// `Cropping2D`.
    Cropping(Pads),
    /// `Conv2D`.
    Conv(Conv),
    /// `DepthwiseConv2D` with one filter per channel, without bias.
    DepthwiseConv { window: Window },
    /// `SeparableConv2D`: a depthwise, then a pointwise convolution, without bias.
    SeparableConv {
        /// Output channels.
        filters: usize,
        window: Window,
    },
    /// `BatchNormalization` over channels, at inference.
    BatchNorm { epsilon: f64 },
    /// `ReLU`, cut off at `max` if there is one.
    Relu { max: Option<f64> },
    /// `MaxPooling2D`.
    MaxPool(Window),
    /// `AveragePooling2D`; padding does not count.
    AveragePool(Window),
    /// Krizhevsky et al.'s (2012) normalisation across `size` neighbouring channels:
    /// x / (1 + alpha / size · sum of squares) ^ beta.
    LocalResponseNorm { size: usize, alpha: f64, beta: f64 },
    /// `GlobalAveragePooling2D`; `keep_dims` leaves a 1 × 1 map.
    GlobalAveragePooling { keep_dims: bool },
    /// `Dropout`: nothing, at inference.
    Dropout,
    /// `Reshape` of a map to a vector, or `Flatten`.
    Flatten,
    /// PyTorch's `flatten`: channels before height and width.
    FlattenChannelsFirst,
    /// `Dense` on a vector, with bias.
    Dense { units: usize, end: End },
    /// Softmax over a vector.
    Softmax,
    /// `Add` of maps or vectors of equal shape.
    Add,
    /// `Concatenate` of maps along channels.
    Concat,
}

/// A convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(in crate::ann) struct Conv {
    /// Output channels.
    pub(in crate::ann) filters: usize,
    pub(in crate::ann) window: Window,
    pub(in crate::ann) bias: bool,
    /// Number of groups that input and output channels are divided into.
    pub(in crate::ann) groups: usize,
    pub(in crate::ann) end: End,
}

impl Conv {
    /// A plain convolution without bias.
    pub(in crate::ann) fn new(filters: usize, window: Window) -> Self {
        Self {
            filters,
            window,
            bias: false,
            groups: 1,
            end: End::Linear,
        }
    }

    /// The same with a bias.
    pub(in crate::ann) fn with_bias(self) -> Self {
        Self { bias: true, ..self }
    }
}

/// The activation function of a layer with weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(in crate::ann) enum End {
    /// Nothing.
    Linear,
    Relu,
    Softmax,
}

impl Op {
    /// Keras's class name in snake case, as Keras 3 names a layer's group in a file.
    pub(in crate::ann) fn keras_class(&self) -> &'static str {
        match self {
            Op::Input => "input_layer",
            Op::ZeroPadding(_) => "zero_padding2d",
            Op::Cropping(_) => "cropping2d",
            Op::Conv(_) => "conv2d",
            Op::DepthwiseConv { .. } => "depthwise_conv2d",
            Op::SeparableConv { .. } => "separable_conv2d",
            Op::MaxPool(_) => "max_pooling2d",
            Op::AveragePool(_) => "average_pooling2d",
            Op::LocalResponseNorm { .. } => "local_response_norm",
            Op::BatchNorm { .. } => "batch_normalization",
            Op::Relu { .. } => "re_lu",
            Op::GlobalAveragePooling { .. } => "global_average_pooling2d",
            Op::Dropout => "dropout",
            Op::Flatten | Op::FlattenChannelsFirst => "reshape",
            Op::Dense { .. } => "dense",
            Op::Softmax => "activation",
            Op::Add => "add",
            Op::Concat => "concatenate",
        }
    }

    /// Whether the node is a layer whose activations users can request.
    pub(super) fn is_listed(&self) -> bool {
        !matches!(self, Op::Input | Op::Dropout)
    }

    /// The output's shape, [height, width, channels] or [units], from the inputs' shapes.
    pub(super) fn shape(&self, inputs: &[&[usize]]) -> Vec<usize> {
        match (self, inputs) {
            (Op::ZeroPadding([top, left]), &[&[h, w, c]]) => {
                vec![h + top.0 + top.1, w + left.0 + left.1, c]
            }
            (Op::Cropping([top, left]), &[&[h, w, c]]) => {
                vec![h - top.0 - top.1, w - left.0 - left.1, c]
            }
            (
                Op::Conv(Conv {
                    filters, window, ..
                })
                | Op::SeparableConv { filters, window },
                &[&[h, w, _]],
            ) => {
                let [h, w] = window.output([h, w]);
                vec![h, w, *filters]
            }
            (
                Op::DepthwiseConv { window } | Op::MaxPool(window) | Op::AveragePool(window),
                &[&[h, w, c]],
            ) => {
                let [h, w] = window.output([h, w]);
                vec![h, w, c]
            }
            (
                Op::BatchNorm { .. } | Op::Relu { .. } | Op::LocalResponseNorm { .. } | Op::Dropout,
                [x],
            ) => x.to_vec(),
            (Op::GlobalAveragePooling { keep_dims: true }, &[&[_, _, c]]) => vec![1, 1, c],
            (Op::GlobalAveragePooling { keep_dims: false }, &[&[_, _, c]]) => vec![c],
            (Op::Flatten | Op::FlattenChannelsFirst, &[&[h, w, c]]) => vec![h * w * c],
            (Op::Dense { units, .. }, &[&[_]]) => vec![*units],
            (Op::Softmax, &[&[units]]) => vec![units],
            (Op::Add, [first, rest @ ..]) => {
                assert!(
                    rest.iter().all(|x| x == first),
                    "add of unequal shapes: {inputs:?}"
                );
                first.to_vec()
            }
            (Op::Concat, &[&[h, w, _], ..]) => {
                let channels = inputs.iter().map(|x| {
                    assert_eq!(x[..2], [h, w], "concatenation of unequal maps: {inputs:?}");
                    x[2]
                });
                vec![h, w, channels.sum()]
            }
            (op, inputs) => panic!("{op:?} cannot follow shapes {inputs:?}"),
        }
    }

    /// The op's variables in Keras's order, each with its shape.
    pub(super) fn variables(&self, inputs: &[&[usize]]) -> Vec<(&'static str, Vec<usize>)> {
        let channels = inputs.first().and_then(|x| x.last()).copied().unwrap_or(0);
        let with_bias = |kernel, units: usize, bias: bool| {
            let mut variables = vec![kernel];
            if bias {
                variables.push(("bias", vec![units]));
            }
            variables
        };
        match self {
            Op::Conv(conv) => {
                let [h, w] = conv.window.size;
                let seen = channels / conv.groups;
                let kernel = ("kernel", vec![h, w, seen, conv.filters]);
                with_bias(kernel, conv.filters, conv.bias)
            }
            Op::DepthwiseConv { window } => {
                let [h, w] = window.size;
                vec![("depthwise_kernel", vec![h, w, channels, 1])]
            }
            Op::SeparableConv { filters, window } => {
                let [h, w] = window.size;
                vec![
                    ("depthwise_kernel", vec![h, w, channels, 1]),
                    ("pointwise_kernel", vec![1, 1, channels, *filters]),
                ]
            }
            Op::Dense { units, .. } => with_bias(("kernel", vec![channels, *units]), *units, true),
            Op::BatchNorm { .. } => ["gamma", "beta", "moving_mean", "moving_variance"]
                .map(|variable| (variable, vec![channels]))
                .to_vec(),
            Op::Input
            | Op::ZeroPadding(_)
            | Op::Cropping(_)
            | Op::Relu { .. }
            | Op::MaxPool(_)
            | Op::AveragePool(_)
            | Op::LocalResponseNorm { .. }
            | Op::GlobalAveragePooling { .. }
            | Op::Dropout
            | Op::Flatten
            | Op::FlattenChannelsFirst
            | Op::Softmax
            | Op::Add
            | Op::Concat => Vec::new(),
        }
    }
}
