//! The description of a network that Keras saves beside its weights (`model_config`, `config.json`): its
//! layers, their settings, and what each reads. Models that are layers of others are listed beside them.

use std::collections::HashMap;

use serde_json::Value;

/// Modules of Keras, with all that is in them.
const KERAS: [&str; 4] = [
    "keras",
    "tf_keras",
    "tensorflow.keras",
    "tensorflow.python.keras",
];

/// Most calls of layers in all models together. NASNetMobile has some 800.
const MAX_CALLS: usize = 1 << 12;
/// Longest name of a layer or of its class, in bytes. They are copied wherever layers are compared.
const MAX_NAME: usize = 1 << 10;

/// Stands for what a description does not have.
static ABSENT: Value = Value::Null;

/// A described model.
pub(super) struct Model<'a> {
    /// Keras's class, as of a layer.
    pub(super) class: String,
    /// A layer that is called several times stands here once per call.
    pub(super) layers: Vec<Layer<'a>>,
    /// The layer whose value the model returns, if it returns one.
    pub(super) output: Option<usize>,
    /// The model and the first call in it that this model is; `None` for the outermost.
    pub(super) within: Option<(usize, usize)>,
}

/// A described layer, as one call of it.
pub(super) struct Layer<'a> {
    pub(super) name: &'a str,
    /// Keras's class; of another's, its name and where it is from.
    pub(super) class: String,
    /// What it was made with.
    pub(super) settings: &'a Value,
    /// Which of the layer's calls this is, from 0 on.
    number: usize,
    /// What the call reads; nothing if that cannot be told.
    pub(super) inputs: Vec<usize>,
    /// How it is called: its inputs and constants.
    pub(super) call: &'a Value,
    /// Whether the call asks for what the layer does in training.
    pub(super) in_training: bool,
    /// The model that the layer is.
    pub(super) model: Option<usize>,
}

impl Layer<'_> {
    /// Whether this is the layer's first call.
    pub(super) fn is_first(&self) -> bool {
        self.number == 0
    }

    /// Whether this is the layer called `name`, possibly behind the names of the models that it is in.
    pub(super) fn is_called(&self, name: &str) -> bool {
        let before = name.strip_suffix(self.name);
        before.is_some_and(|before| before.is_empty() || before.ends_with('/'))
            && !self.name.is_empty()
    }
}

/// The models in `root`, the outermost first; none if it describes no layers, as a class of the user's
/// own may do.
///
/// # Errors
/// What is wrong with the description.
pub(super) fn models(root: &Value) -> Result<Vec<Model<'_>>, String> {
    let mut models = Vec::new();
    add(root, None, &mut models)?;
    Ok(models)
}

/// The class of a layer that wraps a model, such as `TimeDistributed`, if the description has one. The
/// model in it is not listed.
pub(super) fn wrapper(described: &Value) -> Option<String> {
    let within = described.get("config")?.get("layer");
    match within.and_then(layers_of) {
        Some(_) => Some(class(described)),
        None => layers_of(described)?.iter().find_map(wrapper),
    }
}

fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key)?.as_str()
}

/// The class of a described object, with where it is from unless that is Keras.
pub(super) fn class(object: &Value) -> String {
    let class = text(object, "class_name").unwrap_or_default();
    match elsewhere(object) {
        None => class.to_owned(),
        Some(place) => format!("{class} of {place}"),
    }
}

/// Where the class or function of a described object is from, unless that is Keras. Older files do not say
/// where a class is from.
fn elsewhere(object: &Value) -> Option<String> {
    let set = |key: &str| object.get(key).filter(|value| !value.is_null());
    let shown = |value: &Value| value.as_str().map_or(value.to_string(), str::to_owned);
    let registered = set("registered_name").map(shown);
    let is_keras = |module: &str| {
        KERAS.iter().any(|keras| {
            let rest = module.strip_prefix(keras);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    };
    match (set("module").map(shown), registered) {
        (_, Some(name)) if name.contains('>') => Some(name),
        (Some(module), _) if is_keras(&module) => None,
        (Some(module), _) => Some(module),
        // Keras names the module of each class of its own.
        (None, Some(name)) => Some(format!("no module, registered as {name}")),
        (None, None) => None,
    }
}

/// The layers of a model's description; a Sequential's was a mere list in Keras 2.1.
fn layers_of(model: &Value) -> Option<&Vec<Value>> {
    let config = model.get("config")?;
    config
        .as_array()
        .or_else(|| config.get("layers")?.as_array())
}

fn add<'a>(
    model: &'a Value,
    within: Option<(usize, usize)>,
    models: &mut Vec<Model<'a>>,
) -> Result<Option<usize>, String> {
    let Some(described) = layers_of(model) else {
        return Ok(None);
    };
    let is_sequence = text(model, "class_name") == Some("Sequential");
    let before: usize = models.iter().map(|model| model.layers.len()).sum();
    let (mut layers, mut places) = (Vec::new(), Vec::new());
    for layer in described {
        // Each call becomes a layer of its own.
        if before + layers.len() + nodes(layer).len().max(1) > MAX_CALLS {
            return Err(format!("more than {MAX_CALLS} calls of layers"));
        }
        let calls = calls(layer, is_sequence, layers.is_empty());
        let mut names = calls.iter().flat_map(|of| [of.name.len(), of.class.len()]);
        if let Some(length) = names.find(|length| *length > MAX_NAME) {
            return Err(format!(
                "a name of {length} bytes, of a layer or its class; the limit is {MAX_NAME}"
            ));
        }
        // An input that a Sequential does not list comes before its first layer.
        places.push(layers.len() + usize::from(is_sequence && calls.len() > 1));
        layers.extend(calls);
    }
    let output = if is_sequence {
        for (before, layer) in layers.iter_mut().skip(1).enumerate() {
            layer.inputs = vec![before];
        }
        layers.len().checked_sub(1)
    } else {
        link(&mut layers, model.get("config").unwrap_or(&ABSENT))?
    };
    let this = models.len();
    models.push(Model {
        class: class(model),
        layers,
        output,
        within,
    });
    for (layer, place) in described.iter().zip(places) {
        let inner = add(layer, Some((this, place)), models)?;
        let layers = &mut models[this].layers;
        let name = layers[place].name;
        for call in layers[place..].iter_mut().take_while(|of| of.name == name) {
            call.model = inner;
        }
    }
    Ok(Some(this))
}

/// The calls of a described layer, if it states them.
fn nodes(described: &Value) -> &[Value] {
    let nodes = described.get("inbound_nodes").and_then(Value::as_array);
    nodes.map_or(&[], Vec::as_slice)
}

/// One entry per call of a described layer. A Sequential calls each layer once, and the first layer that it
/// lists may say the input's shape.
fn calls(described: &Value, is_sequence: bool, is_first: bool) -> Vec<Layer<'_>> {
    let settings = described.get("config").unwrap_or(&ABSENT);
    let name = text(described, "name").or_else(|| text(settings, "name"));
    let class = class(described);
    let call = |number: usize, class: &str, name, call| Layer {
        name,
        class: class.to_owned(),
        settings,
        number,
        inputs: Vec::new(),
        call,
        in_training: in_training(call),
        model: None,
    };
    let name = name.unwrap_or_default();
    match nodes(described) {
        _ if is_sequence && is_first && class != "InputLayer" => vec![
            call(0, "InputLayer", "", &ABSENT),
            call(0, &class, name, &ABSENT),
        ],
        nodes if is_sequence || nodes.is_empty() => vec![call(0, &class, name, &ABSENT)],
        nodes => {
            let calls = nodes.iter().enumerate();
            let calls = calls.map(|(number, node)| call(number, &class, name, node));
            calls.collect()
        }
    }
}

/// A tensor as descriptions name it: the layer, which of its calls, and which of the call's results.
type Named<'a> = (&'a str, u64, u64);

/// Finds what each layer reads, and the layer whose value the model returns.
fn link<'a>(layers: &mut [Layer<'a>], config: &'a Value) -> Result<Option<usize>, String> {
    let mut places: HashMap<(&str, u64), usize> = HashMap::new();
    let mut calls: HashMap<&str, u64> = HashMap::new();
    for (at, of) in layers.iter().enumerate() {
        if places.insert((of.name, of.number as u64), at).is_some() {
            return Err(format!("two layers `{}`", of.name));
        }
        *calls.entry(of.name).or_default() += 1;
    }
    let is_model: Vec<bool> = layers
        .iter()
        .map(|of| of.settings.get("layers").is_some() || of.settings.is_array())
        .collect();
    let place = |(name, call, result): Named| {
        let first = *places.get(&(name, 0))?;
        match (result, calls[name]) {
            // Versions of Keras count a model's calls from 0 or from 1.
            (0, 1) if is_model[first] => Some(first),
            (0, _) if !is_model[first] => places.get(&(name, call)).copied(),
            (_, _) => None,
        }
    };
    for layer in &mut *layers {
        let mut read = Vec::new();
        tensors(layer.call, &mut read);
        let places: Option<Vec<usize>> = read.into_iter().map(place).collect();
        layer.inputs = places.unwrap_or_default();
    }
    let mut returned = Vec::new();
    tensors(
        config.get("output_layers").unwrap_or(&ABSENT),
        &mut returned,
    );
    Ok(match returned[..] {
        [tensor] => place(tensor),
        _ => None,
    })
}

/// The tensors that `call` has, in its order.
fn tensors<'a>(call: &'a Value, read: &mut Vec<Named<'a>>) {
    match call {
        // Keras 3.
        Value::Object(_) if is_tensor(call) => {
            let history = call
                .get("config")
                .and_then(|config| config.get("keras_history"));
            match history.and_then(Value::as_array).map(Vec::as_slice) {
                Some([Value::String(name), call, result]) => {
                    read.push((name, whole(call), whole(result)));
                }
                // It stands for a tensor that is not there.
                Some(_) | None => read.push(("", 0, 0)),
            }
        }
        Value::Object(of) => of.values().for_each(|value| tensors(value, read)),
        // Keras 2: name, node, tensor and keywords.
        Value::Array(of) => match &of[..] {
            [
                Value::String(name),
                call @ Value::Number(_),
                result @ Value::Number(_),
                rest @ ..,
            ] => {
                read.push((name, whole(call), whole(result)));
                rest.iter().for_each(|value| tensors(value, read));
            }
            of => of.iter().for_each(|value| tensors(value, read)),
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A number of a call or a result; none has the largest.
fn whole(value: &Value) -> u64 {
    value.as_u64().unwrap_or(u64::MAX)
}

fn is_tensor(value: &Value) -> bool {
    text(value, "class_name") == Some("__keras_tensor__")
}

/// Whether a call asks for what the layer does in training: `training=True`, by name or by place.
fn in_training(call: &Value) -> bool {
    match call {
        Value::Bool(flag) => *flag,
        Value::Object(_) if is_tensor(call) => false,
        Value::Object(of) => of.iter().any(|(key, value)| {
            let is_off = value.is_null() || *value == false;
            in_training(value) || (key == "training" && !is_off)
        }),
        Value::Array(of) => of.iter().any(in_training),
        Value::Null | Value::Number(_) | Value::String(_) => false,
    }
}
