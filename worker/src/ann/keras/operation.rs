//! What a layer computes, in the same words for a layer of the graph and for one that a file describes,
//! so that they can be compared.

use std::fmt;

use crate::ann::graph::{Conv, End, Node, Op, Pads, Window};

/// Relative difference up to which two numbers are the same: a file may have a float32's digits.
const SAME: f64 = 1e-6;

/// What a layer computes.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    pub(super) kind: String,
    settings: Vec<(&'static str, Setting)>,
}

#[derive(Clone, Debug, PartialEq)]
enum Setting {
    Number(f64),
    Text(String),
}

/// The difference of two layers: what was expected and what was found.
pub(super) type Difference = (String, String);

impl Operation {
    pub(super) fn new(kind: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            settings: Vec::new(),
        }
    }

    pub(super) fn number(mut self, name: &'static str, number: f64) -> Self {
        self.settings.push((name, Setting::Number(number)));
        self
    }

    pub(super) fn text(mut self, name: &'static str, text: impl fmt::Display) -> Self {
        self.settings.push((name, Setting::Text(text.to_string())));
        self
    }

    /// The first difference from `found`.
    pub(super) fn difference(&self, found: &Self) -> Option<Difference> {
        if self.kind != found.kind {
            return Some((self.to_string(), found.to_string()));
        }
        let pairs = self.settings.iter().zip(&found.settings);
        let mut differing = pairs.filter(|((_, a), (_, b))| !a.same(b));
        let ((name, a), (_, b)) = differing.next()?;
        Some((
            format!("{} with {name} {a}", self.kind),
            format!("{} with {name} {b}", found.kind),
        ))
    }

    pub(super) fn relu(max: Option<f64>, slope: f64, threshold: f64) -> Self {
        let max = max.map_or("none".to_owned(), |max| max.to_string());
        let relu = Self::new("ReLU").text("maximum", max);
        relu.number("negative slope", slope)
            .number("threshold", threshold)
    }

    pub(super) fn window(self, size: [usize; 2], stride: [usize; 2], pads: Pads) -> Self {
        self.text("window", format!("{} × {}", size[0], size[1]))
            .text("strides", format!("{} × {}", stride[0], stride[1]))
            .text("padding", format!("{pads:?}"))
    }
}

impl Setting {
    fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => (a - b).abs() <= SAME * a.abs().max(b.abs()),
            (Self::Number(_) | Self::Text(_), _) => self == other,
        }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind)?;
        let settings: Vec<_> = self
            .settings
            .iter()
            .map(|(name, of)| format!("{name} {of}"))
            .collect();
        match &settings[..] {
            [] => Ok(()),
            settings => write!(f, " ({})", settings.join(", ")),
        }
    }
}

/// Whether `node` passes its input on: dropout, and another shape of the same values in the same order.
pub(super) fn passes_on(node: &Node) -> bool {
    matches!(node.op, Op::Dropout | Op::Flatten)
}

/// What `node` computes of a map of height and width `map`, before which `pads` are added.
pub(super) fn of_node(node: &Node, map: [usize; 2], pads: Option<Pads>) -> Operation {
    let windowed = |operation: Operation, window: &Window| {
        let pads = pads.unwrap_or_else(|| window.pads(map));
        operation.window(window.size, window.stride, pads)
    };
    match &node.op {
        Op::Dropout => Operation::new("Dropout"),
        Op::Flatten => Operation::new("Flatten"),
        Op::Input => Operation::new("the image"),
        Op::ZeroPadding(pads) => {
            Operation::new("ZeroPadding2D").text("padding", format!("{pads:?}"))
        }
        Op::Cropping(pads) => Operation::new("Cropping2D").text("cropping", format!("{pads:?}")),
        Op::Conv(Conv {
            window,
            bias,
            groups,
            end,
            ..
        }) => windowed(Operation::new("Conv2D"), window)
            .number("groups", *groups as f64)
            .text("dilation", "1 × 1")
            .text("bias", bias)
            .text("activation", ended(*end)),
        Op::DepthwiseConv { window } => windowed(Operation::new("DepthwiseConv2D"), window)
            .number("groups", 1.0)
            .text("dilation", "1 × 1")
            .text("bias", false)
            .text("activation", ended(End::Linear)),
        Op::SeparableConv { window, .. } => windowed(Operation::new("SeparableConv2D"), window)
            .number("groups", 1.0)
            .text("dilation", "1 × 1")
            .text("bias", false)
            .text("activation", ended(End::Linear)),
        Op::BatchNorm { epsilon } => Operation::new("BatchNormalization")
            .number("epsilon", *epsilon)
            .text("scale", true)
            .text("center", true),
        Op::Relu { max } => Operation::relu(*max, 0.0, 0.0),
        Op::MaxPool(window) => windowed(Operation::new("MaxPooling2D"), window),
        Op::AveragePool(window) => windowed(Operation::new("AveragePooling2D"), window),
        Op::LocalResponseNorm { .. } => Operation::new(LOCAL_RESPONSE_NORM),
        Op::GlobalAveragePooling { .. } => Operation::new("GlobalAveragePooling2D"),
        Op::FlattenChannelsFirst => Operation::new("Flatten, channels first"),
        Op::Dense { end, .. } => Operation::new("Dense").text("activation", ended(*end)),
        Op::Softmax => Operation::new("softmax"),
        Op::Add => Operation::new("Add"),
        Op::Concat => Operation::new("Concatenate"),
    }
}

/// Keras has no such layer: a class of the user's own stands for it, and cannot be compared.
pub(super) const LOCAL_RESPONSE_NORM: &str = "local response normalisation";

fn ended(end: End) -> &'static str {
    match end {
        End::Linear => "linear",
        End::Relu => "relu",
        End::Softmax => "softmax",
    }
}
