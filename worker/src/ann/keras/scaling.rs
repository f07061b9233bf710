//! What the layers in front of a network do to the image.

use serde_json::Value;

use super::config::Layer;
use super::layer::{self, Pass};
use super::setting;

/// Pixels times `scale` plus `offset`.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Scaling {
    pub(super) scale: f64,
    pub(super) offset: f64,
}

impl Scaling {
    pub(super) const NONE: Self = Self {
        scale: 1.0,
        offset: 0.0,
    };

    /// This, done to what `before` makes.
    pub(super) fn after(self, before: Self) -> Self {
        Self {
            scale: self.scale * before.scale,
            offset: self.scale * before.offset + self.offset,
        }
    }

    /// What a layer does to an image, or its name if it does anything else.
    pub(super) fn of(layer: &Layer) -> Result<Self, String> {
        // Where a number may come first: `255 - x` is no `x - 255`.
        let is_symmetric = ["Add", "Multiply"].contains(&&*layer.class);
        let constant = || match layer.call.get("args") {
            // Keras 3.
            Some(args) => match &args.as_array()?[..] {
                [_, number] if number.is_number() => number.as_f64(),
                [number, _] if is_symmetric => number.as_f64(),
                _ => None,
            },
            // Keras 2: the keywords behind the layer that is read.
            None => layer.call.get(3)?.get("y")?.as_f64(),
        };
        let class = match &*layer.class {
            "TFOpLambda" => layer
                .settings
                .get("function")
                .and_then(Value::as_str)
                .unwrap_or(""),
            class => class,
        };
        let by = |scale: f64, offset: f64| Ok(Self { scale, offset });
        match (class, constant()) {
            ("Rescaling", _) => by(
                Self::setting(layer, "scale", None)?,
                Self::setting(layer, "offset", Some(0.0))?,
            ),
            ("TrueDivide" | "Divide" | "math.truediv" | "math.divide", Some(by_number)) => {
                by(1.0 / by_number, 0.0)
            }
            ("Multiply" | "math.multiply", Some(by_number)) => by(by_number, 0.0),
            ("Subtract" | "math.subtract", Some(number)) => by(1.0, -number),
            ("Add" | "math.add" | "__operators__.add", Some(number)) => by(1.0, number),
            _ if layer::passes_on(layer) == Some(Pass::Same) => Ok(Self::NONE),
            _ => Err(format!(
                "one that reads `{}` ({}), which may change pixels",
                layer.name, layer.class
            )),
        }
    }

    /// A number of a Rescaling layer: one, or one per channel if all are equal.
    fn setting(layer: &Layer, key: &str, default: Option<f64>) -> Result<f64, String> {
        let value = layer.settings.get(key);
        let list = value.and_then(Value::as_array).map(|list| &list[..]);
        let number = match (value, list) {
            (None, _) => default,
            (_, Some([first, rest @ ..])) if rest.iter().all(|other| other == first) => {
                first.as_f64()
            }
            (Some(value), _) => setting::as_number(value),
        };
        number.ok_or_else(|| {
            let value = value.unwrap_or(&Value::Null);
            format!(
                "one that reads `{}` ({}), whose `{key}` is {value}",
                layer.name, layer.class
            )
        })
    }
}
