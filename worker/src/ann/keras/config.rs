//! The description of a network that Keras saves beside its weights (`model_config`, `config.json`): its
//! layers, their settings, and what each reads. Models that are layers of others are listed beside them.

use std::collections::HashMap;

use serde_json::Value;

/// A described model.
pub(super) struct Model {
    pub(super) layers: Vec<Layer>,
    /// The model and the layer of it that this model is; `None` for the outermost.
    pub(super) within: Option<(usize, usize)>,
}

/// A described layer.
pub(super) struct Layer {
    pub(super) name: String,
    /// Keras's class.
    pub(super) class: String,
    /// What it was made with.
    pub(super) settings: Value,
    /// The layers of its model that it reads.
    pub(super) inputs: Vec<usize>,
    /// How it is called: its inputs and constants.
    pub(super) call: Value,
}

/// The models in `json`, the outermost first; none if it describes no layers, as a class of the user's
/// own may do.
pub(super) fn models(json: &str) -> Result<Vec<Model>, serde_json::Error> {
    let root: Value = serde_json::from_str(json)?;
    let mut models = Vec::new();
    add(&root, None, &mut models);
    Ok(models)
}

fn text(value: &Value, key: &str) -> Option<String> {
    value.get(key)?.as_str().map(str::to_owned)
}

/// The layers of a model's description; a Sequential's was a mere list in Keras 2.1.
fn layers_of(model: &Value) -> Option<&Vec<Value>> {
    let config = model.get("config")?;
    config
        .as_array()
        .or_else(|| config.get("layers")?.as_array())
}

fn add(model: &Value, within: Option<(usize, usize)>, models: &mut Vec<Model>) {
    let Some(described) = layers_of(model) else {
        return;
    };
    let is_sequence = text(model, "class_name").is_some_and(|class| class == "Sequential");
    let mut layers: Vec<Layer> = Vec::new();
    for layer in described {
        let class = text(layer, "class_name").unwrap_or_default();
        let settings = layer.get("config").cloned().unwrap_or_default();
        let name = text(layer, "name").or_else(|| text(&settings, "name"));
        let nodes = layer.get("inbound_nodes").and_then(Value::as_array);
        if is_sequence && layers.is_empty() && class != "InputLayer" {
            layers.push(Layer {
                name: String::new(),
                class: "InputLayer".to_owned(),
                settings: settings.clone(),
                inputs: Vec::new(),
                call: Value::Null,
            });
        }
        let before = layers.len().checked_sub(1);
        layers.push(Layer {
            name: name.unwrap_or_default(),
            class,
            settings,
            inputs: before.filter(|_| is_sequence).into_iter().collect(),
            call: nodes
                .and_then(|nodes| nodes.first())
                .cloned()
                .unwrap_or_default(),
        });
    }
    if !is_sequence {
        link(&mut layers);
    }
    let this = models.len();
    let offset = layers.len() - described.len();
    models.push(Model { layers, within });
    for (at, layer) in described.iter().enumerate() {
        add(layer, Some((this, at + offset)), models);
    }
}

/// Finds what each layer reads.
fn link(layers: &mut [Layer]) {
    let names = layers.iter().enumerate();
    let places: HashMap<String, usize> = names.map(|(at, of)| (of.name.clone(), at)).collect();
    for layer in layers {
        let mut read = Vec::new();
        histories(&layer.call, &mut read);
        layer.inputs = read
            .iter()
            .filter_map(|name| places.get(name).copied())
            .collect();
    }
}

/// The names of the layers whose tensors `call` has, in its order.
fn histories(call: &Value, read: &mut Vec<String>) {
    match call {
        // Keras 3.
        Value::Object(of) if text(call, "class_name").as_deref() == Some("__keras_tensor__") => {
            let history = of
                .get("config")
                .and_then(|config| config.get("keras_history"));
            let name = history.and_then(|history| history.get(0)?.as_str());
            read.extend(name.map(str::to_owned));
        }
        Value::Object(of) => of.values().for_each(|value| histories(value, read)),
        // Keras 2: name, node, tensor and keywords.
        Value::Array(of) => match &of[..] {
            [
                Value::String(name),
                Value::Number(_),
                Value::Number(_),
                rest @ ..,
            ] => {
                read.push(name.clone());
                rest.iter().for_each(|value| histories(value, read));
            }
            of => of.iter().for_each(|value| histories(value, read)),
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
