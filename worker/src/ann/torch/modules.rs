//! Whole networks: a pickle of one says of which modules it consists, and these are compared with the graph.
//! The same weights in another network give other activations. No code of the pickle runs.

use std::collections::HashMap;

use super::TorchError;
use super::checkpoint::Checkpoint;
use super::file::TorchFile;
use super::fit::Fit;
use super::layout::torchvision_name;
use super::pickle::{Pickle, Value, text};
use crate::ann::graph::{Conv, Graph, Node, NodeId, Op, Padding, Window};

/// The modules of a network, by torchvision's paths.
struct Network<'a> {
    pickle: &'a Pickle,
    modules: HashMap<String, &'a Value>,
}

/// A difference: the module's path, what it is, what it should be.
type Difference = (String, String, String);

impl TorchFile<'_> {
    /// Refuses a whole network whose modules differ from the graph's in what `asked` depend on. State dicts
    /// have no modules.
    pub(super) fn compare(
        &self,
        checkpoint: &Checkpoint,
        fit: &Fit,
        graph: &Graph,
        asked: &[NodeId],
    ) -> Result<(), TorchError> {
        let Some(pickle) = checkpoint
            .pickle
            .as_ref()
            .filter(|_| !fit.dict.modules.is_empty())
        else {
            return Ok(());
        };
        let inner = fit.prefix.trim_end_matches('.');
        let mut modules = HashMap::new();
        for (path, module) in &fit.dict.modules {
            let path = torchvision_name(path);
            let own = match inner {
                "" => Some(path.as_str()),
                inner => path.strip_prefix(inner),
            };
            if let Some(own) =
                own.filter(|own| inner.is_empty() || own.is_empty() || own.starts_with('.'))
            {
                // Of a wrapper and what it wraps, the later is inside.
                modules.insert(own.trim_start_matches('.').to_owned(), module);
            }
        }
        let network = Network { pickle, modules };
        let read = graph.read_by(asked);
        let nodes = graph.nodes().iter().zip(read).filter(|(_, read)| *read);
        for (node, _) in nodes {
            network
                .compare(node)
                .map_err(|(module, found, expected)| TorchError::Module {
                    ann: self.ann,
                    path: self.path.to_owned(),
                    module,
                    found,
                    expected,
                })?;
        }
        Ok(())
    }
}

impl Network<'_> {
    fn class(&self, path: &str) -> Option<(&str, &str)> {
        self.pickle
            .global(&self.pickle.call(self.modules.get(path)?)?.callable)
    }

    fn compare(&self, node: &Node) -> Result<(), Difference> {
        let Some(path) = self.path(node) else {
            return Ok(());
        };
        // Code of a class that is not PyTorch's or torchvision's is unknown.
        let mut ancestor = Some(path.as_str());
        while let Some(of) = ancestor {
            let found = self.class(of);
            let is_known = found.is_none_or(|(module, _)| {
                module.starts_with("torch.nn.") || module.starts_with("torchvision.")
            });
            if let (false, Some((module, name))) = (is_known, found) {
                let expected = "a module of PyTorch or torchvision".to_owned();
                return Err((of.to_owned(), format!("a `{module}.{name}`"), expected));
            }
            ancestor = match of {
                "" => None,
                of => Some(of.rsplit_once('.').map_or("", |(outer, _)| outer)),
            };
        }
        self.compare_module(node, &path)
    }

    /// The path of the module that computes `node`; none where a function does.
    fn path(&self, node: &Node) -> Option<String> {
        let numbered = node
            .name
            .rsplit_once('_')
            .filter(|(_, call)| call.parse::<u32>().is_ok());
        // A module that is called more than once is a node for each call.
        let paths = [Some(node.name.as_str()), numbered.map(|(name, _)| name)];
        let path = paths
            .into_iter()
            .flatten()
            .find(|path| self.modules.contains_key(*path))?;
        // A node of a convolution's name, with batch norm and ReLU in it, is the ReLU.
        let last = format!("{path}.2");
        let is_relu = matches!(node.op, Op::Relu { .. });
        Some(if is_relu && self.modules.contains_key(&last) {
            last
        } else {
            path.to_owned()
        })
    }

    fn compare_module(&self, node: &Node, path: &str) -> Result<(), Difference> {
        let Some((_, class)) = self.class(path) else {
            return Ok(());
        };
        let expected: &[&str] = match &node.op {
            Op::Conv(_) | Op::DepthwiseConv { .. } => &["Conv2d"],
            Op::BatchNorm { .. } => &["BatchNorm2d", "SyncBatchNorm"],
            Op::Relu { max: None } => &["ReLU"],
            Op::Relu { max: Some(_) } => &["ReLU6"],
            Op::MaxPool(_) => &["MaxPool2d"],
            Op::AveragePool(_) => &["AvgPool2d", "AdaptiveAvgPool2d"],
            Op::GlobalAveragePooling { .. } => &["AdaptiveAvgPool2d"],
            Op::Dense { .. } => &["Linear"],
            Op::Input
            | Op::ZeroPadding(_)
            | Op::Cropping(_)
            | Op::SeparableConv { .. }
            | Op::LocalResponseNorm { .. }
            | Op::Dropout
            | Op::Flatten
            | Op::FlattenChannelsFirst
            | Op::Softmax
            | Op::Add
            | Op::Concat => return Ok(()),
        };
        if !expected.contains(&class) {
            return Err((
                path.to_owned(),
                format!("a `{class}`"),
                format!("a `{}`", expected[0]),
            ));
        }
        let numbers = |name: &str, expected: Vec<f64>| self.numbers(path, class, name, &expected);
        match &node.op {
            Op::Conv(Conv { window, groups, .. }) => {
                self.window(path, class, window)?;
                numbers("groups", vec![*groups as f64])
            }
            Op::DepthwiseConv { window } => {
                self.window(path, class, window)?;
                numbers("groups", vec![*node.shape.last().unwrap_or(&0) as f64])
            }
            Op::MaxPool(window) => self.window(path, class, window),
            Op::AveragePool(window) if class == "AvgPool2d" => self.window(path, class, window),
            Op::AveragePool(_) => numbers(
                "output_size",
                vec![node.shape[0] as f64, node.shape[1] as f64],
            ),
            Op::GlobalAveragePooling { .. } => numbers("output_size", vec![1.0; 2]),
            Op::BatchNorm { epsilon } => numbers("eps", vec![*epsilon]),
            Op::Relu { .. }
            | Op::Dense { .. }
            | Op::Input
            | Op::ZeroPadding(_)
            | Op::Cropping(_)
            | Op::SeparableConv { .. }
            | Op::LocalResponseNorm { .. }
            | Op::Dropout
            | Op::Flatten
            | Op::FlattenChannelsFirst
            | Op::Softmax
            | Op::Add
            | Op::Concat => Ok(()),
        }
    }

    fn attribute(&self, path: &str, name: &str) -> Option<&Value> {
        let call = self.pickle.call(self.modules.get(path)?)?;
        self.pickle.get(&call.state, name)
    }

    /// Compares size, stride, padding and dilation of a convolution or pool.
    fn window(&self, path: &str, class: &str, window: &Window) -> Result<(), Difference> {
        let two = |sizes: [usize; 2]| sizes.map(|size| size as f64).to_vec();
        let padding = match window.padding {
            Padding::Valid => 0,
            Padding::Around(pixels) => pixels,
            // torchvision has none.
            Padding::Same => return Ok(()),
        };
        self.numbers(path, class, "kernel_size", &two(window.size))?;
        self.numbers(path, class, "stride", &two(window.stride))?;
        self.numbers(path, class, "padding", &two([padding; 2]))?;
        self.numbers(path, class, "dilation", &[1.0; 2])?;
        self.numbers(path, class, "ceil_mode", &[0.0])?;
        match self.attribute(path, "padding_mode").and_then(text) {
            Some(mode) if mode != "zeros" => {
                let of = |mode| format!("a `{class}` with `padding_mode` {mode}");
                Err((path.to_owned(), of(mode), of("zeros")))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Compares an attribute of a module: a number, a word for one, or several; one stands for all.
    fn numbers(
        &self,
        path: &str,
        class: &str,
        name: &str,
        expected: &[f64],
    ) -> Result<(), Difference> {
        let Some(value) = self.attribute(path, name) else {
            return Ok(());
        };
        let number = |value: &Value| match value {
            Value::Float(float) => *float,
            Value::Bool(is) => f64::from(u8::from(*is)),
            Value::Int(int) => *int as f64,
            Value::None | Value::Text(_) | Value::Opaque | Value::Object(_) => f64::NAN,
        };
        let found: Vec<f64> = match self.pickle.sequence(value) {
            Some(values) => values.iter().map(number).collect(),
            None => vec![number(value); expected.len()],
        };
        if found == expected {
            return Ok(());
        }
        let of = |numbers: &[f64]| format!("a `{class}` with `{name}` {}", in_words(numbers));
        Err((path.to_owned(), of(&found), of(expected)))
    }
}

/// One number, where all are equal.
fn in_words(numbers: &[f64]) -> String {
    match numbers {
        [first, rest @ ..] if rest.iter().all(|number| number == first) => first.to_string(),
        numbers => format!("{numbers:?}"),
    }
}
