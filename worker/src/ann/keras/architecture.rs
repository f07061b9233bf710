//! Whether the network that a file describes computes what the graph computes, as far as the requested
//! layers depend on it: the same weights in another network give other activations.
//!
//! Layers are compared by what they compute and read, not by name alone: padding before a convolution
//! may be a layer or the convolution's own, and layers that pass their input on are passed over.

use std::collections::HashMap;

use serde_json::Value;

use super::WeightsFile;
use super::config::{Layer, Model, models};
use super::fit::Fitted;
use super::operation::{self, Difference, Operation};
use crate::ann::graph::{Conv, Graph, Node, NodeId, Op, Padding};
use crate::ann::{AnnError, AnnInfo, Preprocessing};

impl WeightsFile<'_> {
    /// Refuses a file whose description differs from the graph in what the layers `asked` depend on.
    pub(super) fn compare(
        &self,
        config: &str,
        info: &AnnInfo,
        graph: &Graph,
        asked: &[NodeId],
        fitted: &Fitted,
    ) -> Result<(), AnnError> {
        let models = models(config)
            .map_err(|error| self.not_keras(format!("a description that is not JSON: {error}")))?;
        // A file without names has the graph's.
        let names = graph.nodes().iter().zip(&fitted.names);
        let names = names.filter(|(node, _)| !node.weights.is_empty());
        let names: Vec<&str> = names
            .map(|(node, name)| name.as_deref().unwrap_or(&node.name))
            .collect();
        let known = |model: &Model| {
            let found = names.iter().filter(|name| find(model, name).is_some());
            found.count()
        };
        let most = models.iter().enumerate();
        let most = most.max_by_key(|(at, model)| (known(model), usize::MAX - at));
        // A class of the user's own describes no layers, and then nothing can be compared.
        let Some((at, _)) = most.filter(|(_, model)| known(model) > 0) else {
            return Ok(());
        };
        let mut comparison = Comparison {
            models: &models,
            model: at,
            info,
            graph,
            fitted,
            known: HashMap::new(),
        };
        comparison
            .run(asked)
            .map_err(|(layer, (expected, found))| AnnError::AnotherNetwork {
                ann: self.ann,
                path: self.path(),
                layer,
                expected,
                found,
            })
    }
}

/// The layer called `name`, possibly behind the names of the models that it is in.
fn find(model: &Model, name: &str) -> Option<usize> {
    let is = |layer: &Layer| {
        let before = name.strip_suffix(&layer.name);
        before.is_some_and(|before| before.is_empty() || before.ends_with('/'))
            && !layer.name.is_empty()
    };
    model.layers.iter().position(is)
}

struct Comparison<'a> {
    models: &'a [Model],
    /// The one that is the ANN.
    model: usize,
    info: &'a AnnInfo,
    graph: &'a Graph,
    fitted: &'a Fitted,
    /// What is known of pairs of a node and a layer.
    known: HashMap<(usize, usize), Option<Difference>>,
}

/// What a node or layer computes of what.
struct Step<Id> {
    operation: Operation,
    reads: Vec<Id>,
}

impl Comparison<'_> {
    fn layers(&self) -> &[Layer] {
        &self.models[self.model].layers
    }

    /// The first node that `asked` depend on and that the file has otherwise.
    fn run(&mut self, asked: &[NodeId]) -> Result<(), (String, Difference)> {
        let mut is_read = vec![false; self.graph.nodes().len()];
        asked
            .iter()
            .for_each(|id| is_read[self.source(*id).0] = true);
        for id in (0..is_read.len())
            .rev()
            .filter(|id| is_read[*id])
            .collect::<Vec<_>>()
        {
            self.mark(NodeId(id), &mut is_read);
        }
        for id in (0..is_read.len()).filter(|id| is_read[*id]) {
            let node = &self.graph.nodes()[id];
            let is_asked = asked.iter().any(|asked| asked.0 == id);
            if let Some(difference) = self.missing(id, is_asked) {
                return Err((node.name.clone(), difference));
            }
        }
        Ok(())
    }

    fn mark(&self, id: NodeId, is_read: &mut [bool]) {
        for read in self.of_node(id).reads {
            if !is_read[read.0] {
                is_read[read.0] = true;
                self.mark(read, is_read);
            }
        }
    }

    /// Why no layer of the file is the node `id`.
    fn missing(&mut self, id: usize, is_asked: bool) -> Option<Difference> {
        let node = &self.graph.nodes()[id];
        let own = &self.models[self.model];
        let named = match &self.fitted.names[id] {
            Some(name) => find(own, name),
            None if node.op == Op::Input => {
                own.layers.iter().position(|of| of.class == "InputLayer")
            }
            None if node.auto_numbered => None,
            None => find(own, &node.name),
        };
        let difference = match named {
            None => None,
            Some(layer) => Some(self.difference(NodeId(id), layer)?),
        };
        let is_paired = self.fitted.names[id].is_some() || is_asked;
        if is_paired && difference.is_some() {
            return difference;
        }
        for layer in 0..self.layers().len() {
            self.difference(NodeId(id), layer)?;
        }
        let expected = self.of_node(NodeId(id)).operation.to_string();
        Some(difference.unwrap_or_else(|| (expected, "no layer that computes it".to_owned())))
    }

    /// How `layer` differs from the node `id`; `None` if it computes the same.
    fn difference(&mut self, id: NodeId, layer: usize) -> Option<Difference> {
        let layer = self.through(layer);
        if let Some(known) = self.known.get(&(id.0, layer)) {
            return known.clone();
        }
        let difference = self.compared(id, layer);
        self.known.insert((id.0, layer), difference.clone());
        difference
    }

    fn compared(&mut self, id: NodeId, layer: usize) -> Option<Difference> {
        let ours = self.of_node(id);
        if self.graph.node(id).op == Op::Input {
            return self.image(layer);
        }
        let map = ours.reads.first().map_or([1; 2], |read| self.map(*read));
        let theirs = self.of_layer(layer, map);
        let is_own = operation::may_be_own(&ours.operation, &self.layers()[layer]);
        if !is_own && let Some(difference) = ours.operation.difference(&theirs.operation) {
            return Some(difference);
        }
        if let Some(name) = &self.fitted.names[id.0]
            && find(&self.models[self.model], name) != Some(layer)
        {
            return Some((
                format!("`{name}`"),
                format!("`{}`", self.layers()[layer].name),
            ));
        }
        if ours.reads.len() != theirs.reads.len() {
            let inputs = |n: usize| format!("a layer with {n} inputs");
            return Some((inputs(ours.reads.len()), inputs(theirs.reads.len())));
        }
        if self.graph.node(id).op == Op::Add {
            return self.summands(&ours.reads, theirs.reads);
        }
        for (read, found) in ours.reads.iter().zip(theirs.reads) {
            if let Some(difference) = self.difference(*read, found) {
                let is_image = self.graph.node(*read).op == Op::Input;
                return Some(if is_image {
                    difference
                } else {
                    self.read(*read, found)
                });
            }
        }
        None
    }

    /// The difference of two inputs.
    fn read(&self, ours: NodeId, theirs: usize) -> Difference {
        let theirs = &self.layers()[self.through(theirs)];
        (
            format!("a layer that reads `{}`", self.graph.node(ours).name),
            format!("one that reads `{}`, another value", theirs.name),
        )
    }

    /// Sums are equal in any order.
    fn summands(&mut self, ours: &[NodeId], mut theirs: Vec<usize>) -> Option<Difference> {
        for read in ours {
            let same = theirs
                .iter()
                .position(|found| self.difference(*read, *found).is_none());
            match same {
                Some(at) => drop(theirs.swap_remove(at)),
                None => return Some(self.read(*read, theirs[0])),
            }
        }
        None
    }

    /// The node whose value `id` passes on.
    fn source(&self, mut id: NodeId) -> NodeId {
        while let (None, [input]) = (
            operation::of_node(self.graph.node(id), [1; 2], Some([(0, 0); 2])),
            &self.graph.node(id).inputs[..],
        ) {
            id = *input;
        }
        id
    }

    /// The layer whose value `layer` passes on.
    fn through(&self, layer: usize) -> usize {
        let (layers, mut at) = (self.layers(), layer);
        // A damaged description may go in circles.
        for _ in 0..layers.len() {
            match (
                operation::of_layer(&layers[at], [1; 2], Some([(0, 0); 2])),
                &layers[at].inputs[..],
            ) {
                (None, [input]) => at = *input,
                _ => break,
            }
        }
        at
    }

    /// Height and width.
    fn map(&self, id: NodeId) -> [usize; 2] {
        match self.graph.node(id).shape[..] {
            [height, width, _] => [height, width],
            _ => [1; 2],
        }
    }

    fn of_node(&self, id: NodeId) -> Step<NodeId> {
        let node = self.graph.node(id);
        let mut reads: Vec<NodeId> = node.inputs.iter().map(|read| self.source(*read)).collect();
        let mut pads = None;
        if let (Some(Padding::Valid), [read]) = (padding(node), &reads[..])
            && let Op::ZeroPadding(around) = self.graph.node(*read).op
        {
            pads = Some(around);
            reads = vec![self.source(self.graph.node(*read).inputs[0])];
        }
        let map = reads.first().map_or([1; 2], |read| self.map(*read));
        Step {
            operation: operation::of_node(node, map, pads)
                .expect("a source is no node that passes its input on"),
            reads,
        }
    }

    fn of_layer(&self, layer: usize, map: [usize; 2]) -> Step<usize> {
        let layers = self.layers();
        let of = &layers[layer];
        let mut reads: Vec<usize> = of.inputs.iter().map(|read| self.through(*read)).collect();
        let is_conv = of.class.ends_with("Conv2D") || of.class.ends_with("Convolution2D");
        let is_valid = of.settings.get("padding").is_none_or(|of| of == "valid");
        let mut pads = None;
        if let (true, [read]) = (is_conv && is_valid, &reads[..])
            && layers[*read].class == "ZeroPadding2D"
        {
            pads = operation::sides(&layers[*read], "padding");
            if pads.is_some() {
                reads = layers[*read]
                    .inputs
                    .iter()
                    .map(|read| self.through(*read))
                    .collect();
            }
        }
        Step {
            operation: operation::of_layer(of, map, pads)
                .unwrap_or_else(|| operation::unknown(&of.class)),
            reads,
        }
    }

    /// How what the network reads differs from the preprocessed image.
    fn image(&self, layer: usize) -> Option<Difference> {
        let scaling = self.scaling(self.model, layer);
        let mut scaling = match scaling {
            Ok(scaling) => scaling,
            Err(found) => return Some((self.the_image(), found)),
        };
        // What the models around this one do to the image before.
        let mut at = self.model;
        while let Some((outer, layer)) = self.models[at].within {
            let Some(read) = self.models[outer].layers[layer].inputs.first() else {
                break;
            };
            match self.scaling(outer, *read) {
                Ok(before) => scaling = scaling.after(before),
                Err(found) => return Some((self.the_image(), found)),
            }
            at = outer;
        }
        let is = |scale: f64, offset: f64| {
            (scaling.scale - scale).abs() <= 1e-6 * scale && (scaling.offset - offset).abs() <= 1e-6
        };
        let is_own = self.info.preprocessing == Preprocessing::Tf && is(1.0 / 127.5, -1.0);
        (!is_own && !is(1.0, 0.0)).then(|| {
            let Scaling { scale, offset } = scaling;
            let found = format!("one that reads pixels multiplied by {scale}, plus {offset}");
            (self.the_image(), found)
        })
    }

    fn the_image(&self) -> String {
        let [height, width, channels] = self.info.input;
        format!(
            "a layer that reads the image of {height} × {width} × {channels} as `{}` preprocesses it",
            self.info.preprocessing
        )
    }

    /// What the layers up to `layer` of a model do to its input, or which of them does more than scale.
    fn scaling(&self, model: usize, layer: usize) -> Result<Scaling, String> {
        let layers = &self.models[model].layers;
        let (mut at, mut scaling) = (layer, Scaling::NONE);
        for _ in 0..=layers.len() {
            let of = &layers[at];
            if of.class == "InputLayer" {
                return self.size(of).map(|()| scaling);
            }
            let is_nested = self
                .models
                .iter()
                .any(|inner| inner.within == Some((model, at)));
            let own = if is_nested {
                self.nested_scaling(model, at)?
            } else {
                Scaling::of(of)?
            };
            scaling = scaling.after(own);
            match of.inputs[..] {
                [input] => at = input,
                _ => break,
            }
        }
        Err(format!(
            "one that reads `{}`, which is not the model's input",
            layers[layer].name
        ))
    }

    /// What a model in front of the ANN does to the image: a chain of augmentations, for example.
    fn nested_scaling(&self, model: usize, layer: usize) -> Result<Scaling, String> {
        let inner = self
            .models
            .iter()
            .position(|of| of.within == Some((model, layer)));
        match inner {
            Some(inner) if !self.models[inner].layers.is_empty() => {
                self.scaling(inner, self.models[inner].layers.len() - 1)
            }
            _ => Err(format!(
                "one that reads `{}`",
                self.models[model].layers[layer].name
            )),
        }
    }

    /// Refuses an input of another size.
    fn size(&self, input: &Layer) -> Result<(), String> {
        let shape = ["batch_shape", "batch_input_shape"];
        let shape = shape
            .iter()
            .find_map(|key| input.settings.get(key)?.as_array());
        let size: Vec<Option<u64>> = shape
            .into_iter()
            .flatten()
            .skip(1)
            .map(|n| n.as_u64())
            .collect();
        let mut sizes = size.iter().zip(self.info.input);
        let fits = sizes.all(|(found, ours)| found.is_none_or(|found| found == ours as u64));
        let shown = || {
            size.iter()
                .map(|n| n.map_or("any".to_owned(), |n| n.to_string()))
        };
        if fits {
            Ok(())
        } else {
            Err(format!(
                "one that reads an image of {}",
                shown().collect::<Vec<_>>().join(" × ")
            ))
        }
    }
}

/// The padding of a convolution.
fn padding(node: &Node) -> Option<Padding> {
    let (Op::Conv(Conv { window, .. })
    | Op::DepthwiseConv { window }
    | Op::SeparableConv { window, .. }) = &node.op
    else {
        return None;
    };
    Some(window.padding)
}

/// Pixels times `scale` plus `offset`.
#[derive(Clone, Copy)]
struct Scaling {
    scale: f64,
    offset: f64,
}

impl Scaling {
    const NONE: Self = Self {
        scale: 1.0,
        offset: 0.0,
    };

    /// This, done to what `before` makes.
    fn after(self, before: Self) -> Self {
        Self {
            scale: self.scale * before.scale,
            offset: self.scale * before.offset + self.offset,
        }
    }

    /// What a layer does to an image, or its name if it does anything else.
    fn of(layer: &Layer) -> Result<Self, String> {
        let constant = || match layer.call.get("args") {
            // Keras 3.
            Some(args) => args.as_array()?.iter().find_map(Value::as_f64),
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
                operation::number(layer, "scale")
                    .ok_or_else(|| format!("one that reads `{}`", layer.name))?,
                operation::number(layer, "offset").unwrap_or(0.0),
            ),
            ("TrueDivide" | "Divide" | "math.truediv" | "math.divide", Some(by_number)) => {
                by(1.0 / by_number, 0.0)
            }
            ("Multiply" | "math.multiply", Some(by_number)) => by(by_number, 0.0),
            ("Subtract" | "math.subtract", Some(number)) => by(1.0, -number),
            ("Add" | "math.add" | "__operators__.add", Some(number)) => by(1.0, number),
            ("Identity", _) => Ok(Self::NONE),
            (class, _) if operation::passes_on(class) => Ok(Self::NONE),
            _ => Err(format!(
                "one that reads `{}` ({}), which may change pixels",
                layer.name, layer.class
            )),
        }
    }
}
