//! What a described layer computes, in the words of [`Operation`].

use serde_json::Value;

use super::config::Layer;
use super::operation::{LOCAL_RESPONSE_NORM, Operation};
use super::setting::{self, flag, number, pair, sides};
use crate::ann::graph::{Padding, Pads, Window};

/// Largest window that is compared.
const MAX_WINDOW: usize = 1 << 12;

const CONV: &[&str] = &[
    "kernel_size",
    "strides",
    "padding",
    "data_format",
    "dilation_rate",
    "groups",
    "activation",
    "use_bias",
];
const NORM: &[&str] = &["axis", "epsilon", "center", "scale"];
const POOL: &[&str] = &["pool_size", "strides", "padding", "data_format"];

/// Keras's classes that are compared, with the settings that bear on their values.
const COMPARED: [(&str, &[&str]); 19] = [
    ("Conv2D", CONV),
    ("DepthwiseConv2D", CONV),
    ("SeparableConv2D", CONV),
    ("BatchNormalization", NORM),
    ("BatchNormalizationV1", NORM),
    ("BatchNormalizationV2", NORM),
    ("MaxPooling2D", POOL),
    ("AveragePooling2D", POOL),
    ("GlobalAveragePooling2D", &["data_format"]),
    ("ZeroPadding2D", &["padding", "data_format"]),
    ("Cropping2D", &["cropping", "data_format"]),
    ("Dense", &["activation", "use_bias"]),
    ("Activation", &["activation"]),
    ("ReLU", &setting::RELU),
    ("Relu", &[]),
    ("Relu6", &[]),
    ("Softmax", &["axis"]),
    ("Add", &[]),
    ("Concatenate", &["axis"]),
];

/// Classes that do something in training alone.
const TRAINING: [&str; 27] = [
    "Dropout",
    "SpatialDropout2D",
    "GaussianDropout",
    "AlphaDropout",
    "GaussianNoise",
    "ActivityRegularization",
    "RandomBrightness",
    "RandomColorDegeneration",
    "RandomColorJitter",
    "RandomContrast",
    "RandomElasticTransform",
    "RandomErasing",
    "RandomFlip",
    "RandomGaussianBlur",
    "RandomGrayscale",
    "RandomHeight",
    "RandomHue",
    "RandomInvert",
    "RandomPerspective",
    "RandomPosterization",
    "RandomRotation",
    "RandomSaturation",
    "RandomSharpness",
    "RandomShear",
    "RandomTranslation",
    "RandomWidth",
    "RandomZoom",
];

/// How a layer passes its input on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Pass {
    /// As it is.
    Same,
    /// The same values in the same order, in another shape.
    Reshaped,
}

/// How `layer` passes its input on at inference, if it does.
pub(super) fn passes_on(layer: &Layer) -> Option<Pass> {
    match &*layer.class {
        "Identity" => Some(Pass::Same),
        "Activation" => (activation(layer) == "linear").then_some(Pass::Same),
        "Reshape" => Some(Pass::Reshaped),
        "Flatten" => is_channels_last(layer).then_some(Pass::Reshaped),
        class => {
            // Keras 3 writes `training=True` beside every call of these, and `predict` overrides it.
            let is_overridden = class.starts_with("Random") && layer.call.is_object();
            let is_idle = TRAINING.contains(&class) && (is_overridden || !layer.in_training);
            is_idle.then_some(Pass::Same)
        }
    }
}

/// What `layer` computes of an input of `shape` without the batch, before which `pads` are added.
pub(super) fn operation(layer: &Layer, shape: &[usize], pads: Option<Pads>) -> Operation {
    let (class, settings) = (&*layer.class, layer.settings);
    if layer.in_training {
        return Operation::new(format!("`{class}` called with `training=True`"));
    }
    let Some((_, compared)) = COMPARED.iter().find(|(known, _)| *known == class) else {
        return unknown(class);
    };
    if let Some(unread) = setting::unread(class, settings, compared) {
        return unread;
    }
    if !is_channels_last(layer) {
        return Operation::new(format!("{class} with channels first"));
    }
    match class {
        "Conv2D" | "DepthwiseConv2D" | "SeparableConv2D" => {
            let dilation = pair(settings, "dilation_rate").unwrap_or([1; 2]);
            let size = pair(settings, "kernel_size").unwrap_or([1; 2]);
            windowed(layer, size, [1; 2], shape, pads)
                .number("groups", number(settings, "groups").unwrap_or(1.0))
                .text("dilation", format!("{} × {}", dilation[0], dilation[1]))
                .text("bias", flag(settings, "use_bias", true))
                .text("activation", activation(layer))
        }
        "MaxPooling2D" | "AveragePooling2D" => {
            let size = pair(settings, "pool_size").unwrap_or([2; 2]);
            windowed(layer, size, size, shape, pads)
        }
        "BatchNormalization" | "BatchNormalizationV1" | "BatchNormalizationV2" => {
            let axis = setting::axis(settings).unwrap_or(-1);
            if axis != -1 && usize::try_from(axis) != Ok(shape.len()) {
                return Operation::new(format!("BatchNormalization along axis {axis}"));
            }
            Operation::new("BatchNormalization")
                .number("epsilon", number(settings, "epsilon").unwrap_or(1e-3))
                .text("scale", flag(settings, "scale", true))
                .text("center", flag(settings, "center", true))
        }
        "ZeroPadding2D" => {
            let pads = sides(settings, "padding").unwrap_or([(1, 1); 2]);
            Operation::new(class).text("padding", format!("{pads:?}"))
        }
        "Cropping2D" => {
            let pads = sides(settings, "cropping").unwrap_or([(0, 0); 2]);
            Operation::new(class).text("cropping", format!("{pads:?}"))
        }
        "Dense" => Operation::new(class).text("activation", activation(layer)),
        "Activation" => activated(&activation(layer)),
        "ReLU" => setting::relu(settings).map_or_else(|unread| unread, setting::relu_of),
        "Relu" | "Relu6" => activated(&class.to_lowercase()),
        "Softmax" => match setting::axis(settings).unwrap_or(-1) {
            -1 => activated("softmax"),
            axis => Operation::new(format!("softmax along axis {axis}")),
        },
        "Concatenate" => match setting::axis(settings) {
            Some(-1 | 3) => Operation::new(class),
            Some(axis) => Operation::new(format!("Concatenate along axis {axis}")),
            None => Operation::new("Concatenate along an axis that it does not say"),
        },
        class => Operation::new(class),
    }
}

/// What a class that is not compared computes.
fn unknown(class: &str) -> Operation {
    Operation::new(format!("`{class}`"))
}

/// Whether a described layer may stand for `ours`, which Keras lacks: code of the user's own. Older files
/// do not say whose a class is, so there its name, or the layer's, must.
pub(super) fn may_be_own(ours: &Operation, layer: &Layer) -> bool {
    let names = format!("{} {}", layer.class, layer.name).to_lowercase();
    let is_named = ["lrn", "response", "crosschannel"];
    ours.kind == LOCAL_RESPONSE_NORM
        && !COMPARED.iter().any(|(known, _)| *known == layer.class)
        && (layer.class == "Lambda"
            || layer.class.contains(" of ")
            || is_named.iter().any(|word| names.contains(word)))
}

fn is_channels_last(layer: &Layer) -> bool {
    let format = layer.settings.get("data_format").filter(|of| !of.is_null());
    format.is_none_or(|format| *format == "channels_last")
}

fn activation(layer: &Layer) -> String {
    setting::activation(layer.settings.get("activation").unwrap_or(&Value::Null))
}

fn activated(activation: &str) -> Operation {
    match activation {
        "relu" => Operation::relu(None, 0.0, 0.0),
        "relu6" => Operation::relu(Some(6.0), 0.0, 0.0),
        other => Operation::new(other),
    }
}

/// A layer that moves a window of `size`.
fn windowed(
    layer: &Layer,
    size: [usize; 2],
    stride_default: [usize; 2],
    shape: &[usize],
    pads: Option<Pads>,
) -> Operation {
    let window = Window {
        size,
        stride: pair(layer.settings, "strides").unwrap_or(stride_default),
        padding: setting::padding(layer.settings).unwrap_or(Padding::Valid),
    };
    let pads = pads.unwrap_or_else(|| covering(&window, shape));
    Operation::new(&*layer.class).window(window.size, window.stride, pads)
}

/// The padding of a described window around a map; none of a window that says nonsense.
fn covering(window: &Window, shape: &[usize]) -> Pads {
    let is_sane = |axis: usize| {
        window.stride[axis] > 0 && (1..=MAX_WINDOW).contains(&window.size[axis]) && shape[axis] > 0
    };
    match *shape {
        [height, width, _] if window.padding == Padding::Same && (0..2).all(is_sane) => {
            window.pads([height, width])
        }
        _ => [(0, 0); 2],
    }
}
