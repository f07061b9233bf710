//! What a layer computes, in the same words for a layer of the graph and for one that a file describes,
//! so that they can be compared.

use std::fmt;

use serde_json::Value;

use super::config::Layer;
use crate::ann::graph::{Conv, End, Node, Op, Padding, Pads, Window};

/// Largest window that is compared.
const MAX_WINDOW: usize = 1 << 12;

/// Relative difference up to which two numbers are the same: a file may have a float32's digits.
const SAME: f64 = 1e-6;

/// What a layer computes.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    kind: String,
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
    fn new(kind: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            settings: Vec::new(),
        }
    }

    fn number(mut self, name: &'static str, number: f64) -> Self {
        self.settings.push((name, Setting::Number(number)));
        self
    }

    fn text(mut self, name: &'static str, text: impl fmt::Display) -> Self {
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

    fn relu(max: Option<f64>, slope: f64, threshold: f64) -> Self {
        let max = max.map_or("none".to_owned(), |max| max.to_string());
        let relu = Self::new("ReLU").text("maximum", max);
        relu.number("negative slope", slope)
            .number("threshold", threshold)
    }

    fn window(self, size: [usize; 2], stride: [usize; 2], pads: Pads) -> Self {
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

/// What `node` computes of a map of height and width `map`, before which `pads` are added. `None` where
/// it passes its input on: dropout, and shapes of the same values in the same order.
pub(super) fn of_node(node: &Node, map: [usize; 2], pads: Option<Pads>) -> Option<Operation> {
    let windowed = |operation: Operation, window: &Window| {
        let pads = pads.unwrap_or_else(|| window.pads(map));
        operation.window(window.size, window.stride, pads)
    };
    Some(match &node.op {
        Op::Dropout | Op::Flatten => return None,
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
            .text("dilation", "1 × 1")
            .text("bias", false)
            .text("activation", ended(End::Linear)),
        Op::SeparableConv { window, .. } => windowed(Operation::new("SeparableConv2D"), window)
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
    })
}

/// Keras has no such layer: a class of the user's own stands for it, and cannot be compared.
const LOCAL_RESPONSE_NORM: &str = "local response normalisation";

fn ended(end: End) -> &'static str {
    match end {
        End::Linear => "linear",
        End::Relu => "relu",
        End::Softmax => "softmax",
    }
}

/// What a described layer computes, as [`of_node`].
pub(super) fn of_layer(layer: &Layer, map: [usize; 2], pads: Option<Pads>) -> Option<Operation> {
    let class = &*layer.class;
    let windowed = |kind: &str, size: &str, stride_default: [usize; 2]| {
        let is_same = word(layer, "padding").is_some_and(|of| of.eq_ignore_ascii_case("same"));
        let window = Window {
            size: pair(layer, size).unwrap_or([1; 2]),
            stride: pair(layer, "strides").unwrap_or(stride_default),
            padding: if is_same {
                Padding::Same
            } else {
                Padding::Valid
            },
        };
        let pads = pads.unwrap_or_else(|| covering(&window, map));
        Operation::new(kind).window(window.size, window.stride, pads)
    };
    let channels_last = |operation: Operation| match word(layer, "data_format") {
        Some(format) if format != "channels_last" => {
            Operation::new(format!("{} with {format}", operation.kind))
        }
        _ => operation,
    };
    let conv = |operation: Operation, bias: bool| {
        let dilation = pair(layer, "dilation_rate").unwrap_or([1; 2]);
        channels_last(operation)
            .text("dilation", format!("{} × {}", dilation[0], dilation[1]))
            .text("bias", flag(layer, "use_bias", bias))
            .text("activation", activation(layer))
    };
    Some(match class {
        "Flatten" | "Reshape" | "Identity" => return None,
        class if passes_on(class) => return None,
        "Activation" => return activated(&activation(layer)),
        "Relu" | "Relu6" | "Softmax" => return activated(&class.to_lowercase()),
        "ReLU" => {
            let number = |key| number(layer, key);
            let slope = number("negative_slope").unwrap_or(0.0);
            Operation::relu(
                number("max_value"),
                slope,
                number("threshold").unwrap_or(0.0),
            )
        }
        "InputLayer" => Operation::new("the image"),
        "ZeroPadding2D" => {
            let pads = sides(layer, "padding").unwrap_or([(1, 1); 2]);
            channels_last(Operation::new(class)).text("padding", format!("{pads:?}"))
        }
        "Cropping2D" => {
            let pads = sides(layer, "cropping").unwrap_or([(0, 0); 2]);
            channels_last(Operation::new(class)).text("cropping", format!("{pads:?}"))
        }
        "Conv2D" | "Convolution2D" => {
            let groups = number(layer, "groups").unwrap_or(1.0);
            conv(
                windowed("Conv2D", "kernel_size", [1; 2]).number("groups", groups),
                true,
            )
        }
        "DepthwiseConv2D" | "SeparableConv2D" | "SeparableConvolution2D" => {
            let kind = if class == "DepthwiseConv2D" {
                class
            } else {
                "SeparableConv2D"
            };
            conv(windowed(kind, "kernel_size", [1; 2]), true)
        }
        "BatchNormalization" | "BatchNormalizationV1" | "BatchNormalizationV2" => {
            Operation::new("BatchNormalization")
                .number("epsilon", number(layer, "epsilon").unwrap_or(1e-3))
                .text("scale", flag(layer, "scale", true))
                .text("center", flag(layer, "center", true))
        }
        "MaxPooling2D" | "AveragePooling2D" => {
            let size = pair(layer, "pool_size").unwrap_or([2; 2]);
            channels_last(windowed(class, "pool_size", size))
        }
        "GlobalAveragePooling2D" => channels_last(Operation::new(class)),
        "Dense" => Operation::new(class).text("activation", activation(layer)),
        "Add" => Operation::new(class),
        "Concatenate" => match number(layer, "axis").unwrap_or(-1.0) {
            -1.0 | 3.0 => Operation::new(class),
            axis => Operation::new(format!("{class} along axis {axis}")),
        },
        other => unknown(other),
    })
}

/// What a class that Keras lacks computes, or one that is used as it cannot be.
pub(super) fn unknown(class: &str) -> Operation {
    Operation::new(format!("`{class}`"))
}

/// Whether a described layer of this class passes its input on at inference.
pub(super) fn passes_on(class: &str) -> bool {
    let random = class.starts_with("Random") && class != "RandomCrop";
    let noise = [
        "GaussianNoise",
        "GaussianDropout",
        "AlphaDropout",
        "ActivityRegularization",
    ];
    random
        || class.ends_with("Dropout")
        || class == "Dropout"
        || class == "SpatialDropout2D"
        || noise.contains(&class)
}

/// Whether a described layer may stand for `ours`, which Keras lacks.
pub(super) fn may_be_own(ours: &Operation, layer: &Layer) -> bool {
    ours.kind == LOCAL_RESPONSE_NORM
        && of_layer(layer, [1; 2], None).is_some_and(|of| of.kind.starts_with('`'))
}

/// The padding of a described window around a map; none of a window that says nonsense.
fn covering(window: &Window, map: [usize; 2]) -> Pads {
    let is_sane = |axis: usize| {
        window.stride[axis] > 0 && (1..=MAX_WINDOW).contains(&window.size[axis]) && map[axis] > 0
    };
    if window.padding == Padding::Same && (0..2).all(is_sane) {
        window.pads(map)
    } else {
        [(0, 0); 2]
    }
}

fn activated(activation: &str) -> Option<Operation> {
    Some(match activation {
        "linear" => return None,
        "relu" => Operation::relu(None, 0.0, 0.0),
        "relu6" => Operation::relu(Some(6.0), 0.0, 0.0),
        other => Operation::new(other),
    })
}

/// The name of a layer's activation function: a word, or an object that names it.
fn activation(layer: &Layer) -> String {
    fn name(value: &Value) -> Option<&str> {
        match value {
            Value::String(name) => Some(name),
            Value::Object(of) => {
                let config = of.get("config");
                let named =
                    config.and_then(|config| config.as_str().or_else(|| name(config.get("name")?)));
                named.or_else(|| of.get("class_name")?.as_str())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => None,
        }
    }
    let value = layer.settings.get("activation");
    let found = value.and_then(name).unwrap_or("linear");
    match found {
        "ReLU" if value.is_some_and(Value::is_object) => {
            let max = value.and_then(|of| of.get("config")?.get("max_value")?.as_f64());
            max.map_or("relu".to_owned(), |max| format!("relu{max}"))
        }
        found => found.to_owned(),
    }
}

fn word<'a>(layer: &'a Layer, key: &str) -> Option<&'a str> {
    layer.settings.get(key)?.as_str()
}

fn flag(layer: &Layer, key: &str, default: bool) -> bool {
    layer
        .settings
        .get(key)
        .and_then(Value::as_bool)
        .unwrap_or(default)
}

/// A number; NumPy's are objects with a `value`.
pub(super) fn number(layer: &Layer, key: &str) -> Option<f64> {
    let value = layer.settings.get(key)?;
    value.as_f64().or_else(|| value.get("value")?.as_f64())
}

/// One number or two.
fn pair(layer: &Layer, key: &str) -> Option<[usize; 2]> {
    let whole = |value: &Value| value.as_u64().and_then(|n| usize::try_from(n).ok());
    let value = layer.settings.get(key)?;
    match value.as_array() {
        None => whole(value).map(|n| [n; 2]),
        Some(of) => match &of[..] {
            [height, width] => Some([whole(height)?, whole(width)?]),
            _ => None,
        },
    }
}

/// Pixels before and after each of height and width: one number, two, or two of two.
pub(super) fn sides(layer: &Layer, key: &str) -> Option<Pads> {
    let whole = |value: &Value| value.as_u64().and_then(|n| usize::try_from(n).ok());
    let side = |value: &Value| match value.as_array() {
        None => whole(value).map(|n| (n, n)),
        Some(of) => match &of[..] {
            [before, after] => Some((whole(before)?, whole(after)?)),
            _ => None,
        },
    };
    let value = layer.settings.get(key)?;
    match value.as_array() {
        None => whole(value).map(|n| [(n, n); 2]),
        Some(of) => match &of[..] {
            [top, left] => Some([side(top)?, side(left)?]),
            _ => None,
        },
    }
}
