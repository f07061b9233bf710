//! What a layer of torchvision's networks is in PyTorch: a module of a class with attributes, or a function.
//! A pickle says both, and `network` compares them with the graph's.

use super::pickle::{Pickle, Value};
use crate::ann::graph::{Conv, Node, Op, Padding, Window};

/// The layer's counterpart in PyTorch.
pub(super) enum Counterpart {
    /// None is needed: the image, and dropout.
    Nothing,
    /// The network's code computes it.
    Function,
    /// A module of one of these classes, whose attributes have these values where it has them.
    Module {
        classes: &'static [&'static str],
        attributes: Vec<(&'static str, String)>,
    },
}

/// The counterpart of `node`, a layer of `ann`.
pub(super) fn counterpart(ann: &str, node: &Node) -> Counterpart {
    let is_root = !node.name.contains('.');
    let (classes, attributes): (&'static [&'static str], _) = match &node.op {
        Op::Input | Op::Dropout => return Counterpart::Nothing,
        Op::Relu { max: None } if is_root && ann.starts_with("densenet") => {
            return Counterpart::Function;
        }
        Op::GlobalAveragePooling { .. } if node.name == "adaptive_avg_pool2d" => {
            return Counterpart::Function;
        }
        Op::Add
        | Op::Concat
        | Op::Flatten
        | Op::FlattenChannelsFirst
        | Op::ZeroPadding(_)
        | Op::Cropping(_)
        | Op::SeparableConv { .. }
        | Op::LocalResponseNorm { .. }
        | Op::Softmax => return Counterpart::Function,
        Op::Conv(Conv {
            window: size,
            groups,
            ..
        }) => (
            &["Conv2d"],
            with(window(size), [("groups", groups.to_string())]),
        ),
        Op::DepthwiseConv { window: size } => {
            let channels = node.shape.last().copied().unwrap_or_default();
            let groups = ("groups", channels.to_string());
            (&["Conv2d"], with(window(size), [groups]))
        }
        Op::BatchNorm { epsilon } => (
            &["BatchNorm2d", "SyncBatchNorm"],
            vec![("eps", epsilon.to_string())],
        ),
        Op::Relu { max: None } => (&["ReLU"], Vec::new()),
        Op::Relu { max: Some(max) } => (
            &["ReLU6"],
            vec![("min_val", "0".to_owned()), ("max_val", max.to_string())],
        ),
        Op::MaxPool(size) => (&["MaxPool2d"], window(size)),
        Op::AveragePool(size) => {
            let output = [node.shape[0], node.shape[1]];
            let others = [
                ("divisor_override", "None".to_owned()),
                ("output_size", several(output)),
            ];
            (
                &["AvgPool2d", "AdaptiveAvgPool2d"],
                with(window(size), others),
            )
        }
        Op::GlobalAveragePooling { .. } => (
            &["AdaptiveAvgPool2d"],
            vec![("output_size", "1".to_owned())],
        ),
        Op::Dense { .. } => (&["Linear"], Vec::new()),
    };
    Counterpart::Module {
        classes,
        attributes,
    }
}

fn with<const N: usize>(
    mut attributes: Vec<(&'static str, String)>,
    more: [(&'static str, String); N],
) -> Vec<(&'static str, String)> {
    attributes.extend(more);
    attributes
}

/// Attributes of convolutions and pools.
fn window(window: &Window) -> Vec<(&'static str, String)> {
    let padding = match window.padding {
        Padding::Valid => "0".to_owned(),
        Padding::Around(pixels) => pixels.to_string(),
        Padding::Same => "same".to_owned(),
    };
    vec![
        ("kernel_size", several(window.size)),
        ("stride", several(window.stride)),
        ("dilation", "1".to_owned()),
        ("padding", padding),
        ("ceil_mode", "0".to_owned()),
        ("padding_mode", "zeros".to_owned()),
    ]
}

/// The value of an attribute in words: a number, a word, or several; one stands for all where they are equal.
pub(super) fn in_words(pickle: &Pickle, value: &Value) -> String {
    match value {
        Value::Float(float) => float.to_string(),
        Value::Bool(is) => u8::from(*is).to_string(),
        Value::Int(int) => int.to_string(),
        Value::Text(text) => text.to_string(),
        Value::None => "None".to_owned(),
        Value::Opaque => "bytes".to_owned(),
        Value::Object(_) => match pickle.sequence(value) {
            Some(values) => several(values.iter().map(|value| match value {
                Value::Object(_) => "an object".to_owned(),
                plain => in_words(pickle, plain),
            })),
            None => "an object".to_owned(),
        },
    }
}

fn several(values: impl IntoIterator<Item = impl ToString>) -> String {
    let values: Vec<String> = values.into_iter().map(|value| value.to_string()).collect();
    match values.as_slice() {
        [first, rest @ ..] if rest.iter().all(|value| value == first) => first.clone(),
        values => format!("({})", values.join(", ")),
    }
}
