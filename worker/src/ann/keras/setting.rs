//! The settings of a described layer. One that is there in a form that is not read, or that is not known, is
//! never taken as absent.

use serde_json::Value;

use super::config;
use super::operation::Operation;
use crate::ann::graph::{Padding, Pads};

/// Settings that change no value at inference, or that the shapes of the weights say.
const IDLE: [&str; 28] = [
    "name",
    "trainable",
    "dtype",
    "batch_input_shape",
    "input_shape",
    "batch_size",
    "input_dim",
    "input_dtype",
    "autocast",
    "build_config",
    "filters",
    "units",
    "depth_multiplier",
    "keepdims",
    "momentum",
    "fused",
    "synchronized",
    "renorm_clipping",
    "renorm_momentum",
    "virtual_batch_size",
    "adjustment",
    "lora_rank",
    "lora_alpha",
    "quantization_config",
    "gptq_unpacked_column_size",
    "supports_masking",
    "implementation",
    "input_spec",
];

/// Ends of the names of such settings.
const IDLE_ENDS: [&str; 3] = ["_initializer", "_regularizer", "_constraint"];

/// The first setting of `class` that is neither one of `compared`, in a form that is read, nor idle.
pub(super) fn unread(class: &str, settings: &Value, compared: &[&str]) -> Option<Operation> {
    let is_read = |key: &str, value: &Value| match key {
        "negative_slope" | "max_value" | "threshold" | "groups" | "epsilon" => {
            as_number(value).is_some()
        }
        "use_bias" | "scale" | "center" => value.is_boolean(),
        "kernel_size" | "strides" | "pool_size" | "dilation_rate" => as_pair(value).is_some(),
        "padding" if class == "ZeroPadding2D" => as_sides(value).is_some(),
        "padding" => as_padding(value).is_some(),
        "cropping" => as_sides(value).is_some(),
        "axis" => as_axis(value).is_some(),
        "data_format" => value.is_string(),
        // An activation of any form has a name.
        key => key == "activation",
    };
    let is_idle = |key: &str, value: &Value| {
        IDLE.contains(&key) || IDLE_ENDS.iter().any(|end| key.ends_with(end)) || *value == false
    };
    let is_known = |key: &str, value: &Value| {
        if compared.contains(&key) {
            is_read(key, value)
        } else {
            is_idle(key, value)
        }
    };
    let mut settings = settings.as_object()?.iter();
    let (key, value) = settings.find(|(key, value)| !value.is_null() && !is_known(key, value))?;
    Some(Operation::new(format!("{class} with `{key}` as {value}")))
}

/// What an activation function computes: its name, or what an object says.
pub(super) fn activation(value: &Value) -> String {
    let object = match value {
        Value::Null => return "linear".to_owned(),
        Value::String(name) => return name.clone(),
        Value::Object(object) => object,
        Value::Bool(_) | Value::Number(_) | Value::Array(_) => return format!("`{value}`"),
    };
    let settings = object.get("config").unwrap_or(&Value::Null);
    match &*config::class(value) {
        "function" => activation(settings),
        "ReLU" => match relu(settings) {
            Ok([max, 0.0, 0.0]) if max.is_infinite() => "relu".to_owned(),
            Ok([max, 0.0, 0.0]) => format!("relu{max}"),
            Ok(settings) => relu_of(settings).to_string(),
            Err(unread) => unread.to_string(),
        },
        "Softmax" if settings.get("axis").is_none_or(|axis| *axis == -1) => "softmax".to_owned(),
        class => match settings.as_str() {
            Some(name) => format!("`{name}`, a {class}"),
            None => format!("`{class}`"),
        },
    }
}

/// The settings of a ReLU that are compared.
pub(super) const RELU: [&str; 3] = ["max_value", "negative_slope", "threshold"];

/// The maximum (infinite for none), negative slope and threshold of a ReLU.
pub(super) fn relu(settings: &Value) -> Result<[f64; 3], Operation> {
    if let Some(unread) = unread("ReLU", settings, &RELU) {
        return Err(unread);
    }
    let defaults = [f64::INFINITY, 0.0, 0.0];
    Ok(std::array::from_fn(|at| {
        number(settings, RELU[at]).unwrap_or(defaults[at])
    }))
}

/// What a ReLU of these settings computes.
pub(super) fn relu_of([max, slope, threshold]: [f64; 3]) -> Operation {
    Operation::relu(Some(max).filter(|max| max.is_finite()), slope, threshold)
}

/// The name of a layer's type of numbers, or of its policy of types.
pub(super) fn policy(settings: &Value) -> Option<&str> {
    let value = settings.get("dtype")?;
    value
        .as_str()
        .or_else(|| value.get("config")?.get("name")?.as_str())
}

pub(super) fn number(settings: &Value, key: &str) -> Option<f64> {
    as_number(settings.get(key)?)
}

/// A number; NumPy's are objects with a `value`.
pub(super) fn as_number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.get("value")?.as_f64())
}

pub(super) fn flag(settings: &Value, key: &str, default: bool) -> bool {
    let value = settings.get(key).and_then(Value::as_bool);
    value.unwrap_or(default)
}

pub(super) fn pair(settings: &Value, key: &str) -> Option<[usize; 2]> {
    as_pair(settings.get(key)?)
}

/// One number or two.
fn as_pair(value: &Value) -> Option<[usize; 2]> {
    match value.as_array() {
        None => whole(value).map(|n| [n; 2]),
        Some(of) => match &of[..] {
            [height, width] => Some([whole(height)?, whole(width)?]),
            _ => None,
        },
    }
}

fn whole(value: &Value) -> Option<usize> {
    value.as_u64().and_then(|n| usize::try_from(n).ok())
}

/// The padding of a window; none is `valid`.
pub(super) fn padding(settings: &Value) -> Option<Padding> {
    match settings.get("padding") {
        None | Some(Value::Null) => Some(Padding::Valid),
        Some(value) => as_padding(value),
    }
}

fn as_padding(value: &Value) -> Option<Padding> {
    match &*value.as_str()?.to_ascii_lowercase() {
        "same" => Some(Padding::Same),
        "valid" => Some(Padding::Valid),
        _ => None,
    }
}

pub(super) fn axis(settings: &Value) -> Option<i64> {
    as_axis(settings.get("axis")?)
}

/// An axis; batch normalisation's may be the only one of a list.
fn as_axis(value: &Value) -> Option<i64> {
    match value.as_array().map(Vec::as_slice) {
        Some([only]) => only.as_i64(),
        Some(_) => None,
        None => value.as_i64(),
    }
}

pub(super) fn sides(settings: &Value, key: &str) -> Option<Pads> {
    as_sides(settings.get(key)?)
}

/// Pixels before and after each of height and width: one number, two, or two of two.
fn as_sides(value: &Value) -> Option<Pads> {
    let side = |value: &Value| match value.as_array() {
        None => whole(value).map(|n| (n, n)),
        Some(of) => match &of[..] {
            [before, after] => Some((whole(before)?, whole(after)?)),
            _ => None,
        },
    };
    match value.as_array() {
        None => whole(value).map(|n| [(n, n); 2]),
        Some(of) => match &of[..] {
            [top, left] => Some([side(top)?, side(left)?]),
            _ => None,
        },
    }
}
