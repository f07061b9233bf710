//! Whether the network that a file describes computes what the graph computes, as far as the requested
//! layers depend on it: the same weights in another network give other activations.
//!
//! Layers are compared by what they compute and read, not by name alone: padding before a convolution
//! may be a layer or the convolution's own, and layers that pass their input on are passed over.

use std::collections::{BTreeSet, HashMap};

use super::WeightsFile;
use super::config::{self, Layer, Model, models};
use super::fit::Fitted;
use super::layer::{self, Pass};
use super::names::class_and_number;
use super::operation::{self, Difference, Operation};
use super::setting;
use crate::ann::graph::{Conv, Graph, Node, NodeId, Op, Padding};
use crate::ann::{AnnError, AnnInfo};

/// Kinds of models that do nothing but what their layers do.
const PLAIN: [&str; 3] = ["Functional", "Model", "Sequential"];

impl WeightsFile<'_> {
    /// Refuses a file whose description differs from the graph in what the layers `asked` depend on.
    /// Returns what could not be compared, for the user.
    pub(super) fn compare(
        &self,
        config: &str,
        info: &AnnInfo,
        graph: &Graph,
        asked: &[NodeId],
        fitted: &Fitted,
    ) -> Result<Vec<String>, AnnError> {
        let root = serde_json::from_str(config)
            .map_err(|error| self.incomparable(format!("it is not JSON: {error}")))?;
        let models = models(&root).map_err(|found| self.incomparable(found))?;
        if models.is_empty() {
            let own = "the file's network is of a class of its own that describes no layers, so that \
                       nothing but its weights' shapes was compared";
            return Ok(vec![format!("{}: {own}", self.path.display())]);
        }
        let is_needed = graph.read_by(asked);
        let known = |names: &[Option<String>]| {
            let known = names.iter().zip(&is_needed);
            known
                .filter(|(name, read)| **read && name.is_some())
                .count()
        };
        let named: Vec<_> = models.iter().map(|of| names(of, graph, fitted)).collect();
        let most = named.iter().map(|names| known(names)).max().unwrap_or(0);
        if most == 0 {
            return Err(self.incomparable(match config::wrapper(&root) {
                Some(class) => format!("it is inside `{class}`; save the inner model"),
                None => "it lacks the layers that the file has weights of".to_owned(),
            }));
        }
        let mut told = BTreeSet::new();
        // Models with the same layers may differ, and the weights do not say which of them is theirs.
        for (model, names) in named.iter().enumerate() {
            if known(names) < most {
                continue;
            }
            let mut comparison = Comparison::new(&models, model, info, graph, names);
            comparison
                .run(asked)
                .map_err(|(layer, (expected, found))| AnnError::AnotherNetwork {
                    ann: self.ann,
                    path: self.path(),
                    layer,
                    expected,
                    found,
                })?;
            told.extend(comparison.told());
        }
        let path = self.path.display();
        let told = told.into_iter().map(|what| format!("{path}: {what}"));
        Ok(told.collect())
    }
}

impl WeightsFile<'_> {
    fn incomparable(&self, found: String) -> AnnError {
        AnnError::Incomparable {
            ann: self.ann,
            path: self.path(),
            found,
        }
    }
}

/// What `model` calls the layer of each node that has weights, if it has that layer. A file without names
/// numbers the layers of a class.
fn names(model: &Model, graph: &Graph, fitted: &Fitted) -> Vec<Option<String>> {
    let first_calls = || model.layers.iter().filter(|of| of.is_first());
    let numbered = |group: &str| {
        let (class, number) = class_and_number(group);
        let class = class.replace('_', "");
        let mut alike = first_calls().filter(|of| of.class.to_lowercase() == class);
        alike.nth(number).map(|of| of.name.to_owned())
    };
    let nodes = graph.nodes().iter().enumerate();
    let names = nodes.map(|(at, node)| match &fitted.names[at] {
        Some(name) => first_calls()
            .any(|of| of.is_called(name))
            .then(|| name.clone()),
        None if node.weights.is_empty() => None,
        None => numbered(fitted.groups[at].as_ref()?),
    });
    names.collect()
}

pub(super) struct Comparison<'a> {
    pub(super) models: &'a [Model<'a>],
    /// The one that is the ANN.
    pub(super) model: usize,
    pub(super) info: &'a AnnInfo,
    graph: &'a Graph,
    /// What the model calls the layer of each node that has weights.
    names: &'a [Option<String>],
    /// The layer whose value each layer passes on, and how.
    sources: Vec<(usize, Pass)>,
    /// What is known of pairs of a node and a layer.
    known: HashMap<(usize, usize), Option<Difference>>,
    /// Layers that stand for others and cannot be compared.
    own: BTreeSet<usize>,
}

/// What a node or layer computes of what.
struct Step<Id> {
    operation: Operation,
    reads: Vec<Id>,
}

impl<'a> Comparison<'a> {
    fn new(
        models: &'a [Model<'a>],
        model: usize,
        info: &'a AnnInfo,
        graph: &'a Graph,
        names: &'a [Option<String>],
    ) -> Self {
        Self {
            models,
            model,
            info,
            graph,
            names,
            sources: sources(&models[model].layers),
            known: HashMap::new(),
            own: BTreeSet::new(),
        }
    }

    fn layers(&self) -> &'a [Layer<'a>] {
        &self.models[self.model].layers
    }

    /// The first node that `asked` depend on and that the file has otherwise.
    fn run(&mut self, asked: &[NodeId]) -> Result<(), (String, Difference)> {
        let mut is_read = vec![false; self.graph.nodes().len()];
        asked
            .iter()
            .for_each(|id| is_read[self.source(*id).0] = true);
        for id in (0..is_read.len()).rev() {
            if is_read[id] {
                let reads = self.of_node(NodeId(id)).reads;
                reads.iter().for_each(|read| is_read[read.0] = true);
            }
        }
        for id in (0..is_read.len()).filter(|id| is_read[*id]) {
            let node = &self.graph.nodes()[id];
            // What reads the image is compared with what it reads.
            if node.op == Op::Input {
                continue;
            }
            let is_asked = asked.iter().any(|asked| asked.0 == id);
            if let Some(difference) = self.missing(id, is_asked) {
                return Err((node.name.clone(), difference));
            }
        }
        Ok(())
    }

    /// Why no layer of the file is the node `id`.
    fn missing(&mut self, id: usize, is_asked: bool) -> Option<Difference> {
        let node = self.graph.node(NodeId(id));
        let name = self.names[id].as_deref();
        let is_paired = name.is_some() || is_asked;
        let name = name.or((!node.auto_numbered).then_some(&*node.name));
        let is_named = |of: &Layer| name.is_some_and(|name| of.is_called(name));
        let (mut named, mut others) = (Vec::new(), Vec::new());
        for (at, of) in self.layers().iter().enumerate() {
            if is_named(of) {
                &mut named
            } else {
                &mut others
            }
            .push(at);
        }
        let mut first = None;
        for at in named {
            let difference = self.difference(NodeId(id), at)?;
            first.get_or_insert(difference);
        }
        if is_paired && first.is_some() {
            return first;
        }
        for at in others {
            self.difference(NodeId(id), at)?;
        }
        let expected = self.of_node(NodeId(id)).operation.to_string();
        Some(first.unwrap_or_else(|| (expected, "no layer that computes it".to_owned())))
    }

    /// How `layer` differs from the node `id`; `None` if it computes the same.
    fn difference(&mut self, id: NodeId, layer: usize) -> Option<Difference> {
        let (layer, _) = self.sources[layer];
        if let Some(known) = self.known.get(&(id.0, layer)) {
            return known.clone();
        }
        let difference = self.compared(id, layer);
        self.known.insert((id.0, layer), difference.clone());
        difference
    }

    fn compared(&mut self, id: NodeId, layer: usize) -> Option<Difference> {
        let node = self.graph.node(id);
        if node.op == Op::Input {
            return self.image(layer);
        }
        let ours = self.of_node(id);
        let shape = ours.reads.first().map_or(&[][..], |read| self.shape(*read));
        let theirs = self.of_layer(layer, shape);
        let is_own = layer::may_be_own(&ours.operation, &self.layers()[layer]);
        if !is_own && let Some(difference) = ours.operation.difference(&theirs.operation) {
            return Some(difference);
        }
        let name = self.names[id.0].as_deref();
        // Weights are a layer's own.
        if !node.weights.is_empty()
            && !name.is_some_and(|name| self.layers()[layer].is_called(name))
        {
            return Some((
                format!("`{}`", name.unwrap_or(&node.name)),
                format!("`{}`", self.layers()[layer].name),
            ));
        }
        if ours.reads.len() != theirs.reads.len() {
            let inputs = |n: usize| format!("a layer with {n} inputs");
            return Some((inputs(ours.reads.len()), inputs(theirs.reads.len())));
        }
        if is_own {
            self.own.insert(layer);
        }
        if node.op == Op::Add {
            return self.summands(&ours.reads, theirs.reads);
        }
        let mut reads = ours.reads.iter().zip(theirs.reads);
        reads.find_map(|(read, found)| self.reading(id, *read, found))
    }

    /// How what a layer reads as `found` differs from what the node `id` reads as `read`.
    fn reading(&mut self, id: NodeId, read: NodeId, found: (usize, Pass)) -> Option<Difference> {
        let (layer, pass) = found;
        if let Some(difference) = self.difference(read, layer) {
            let is_image = self.graph.node(read).op == Op::Input;
            return Some(if is_image {
                difference
            } else {
                self.other_input(read, layer)
            });
        }
        // A vector has the same values in any shape; the kernel of a dense layer says how many it reads.
        let is_dense = matches!(self.graph.node(id).op, Op::Dense { .. });
        let is_vector = self.shape(read).iter().filter(|n| **n > 1).count() <= 1;
        (pass == Pass::Reshaped && !is_dense && !is_vector).then(|| {
            let name = &self.graph.node(read).name;
            (
                format!("a layer that reads `{name}`"),
                format!(
                    "one that reads `{}` in another shape",
                    self.layers()[layer].name
                ),
            )
        })
    }

    /// The difference of two inputs.
    fn other_input(&self, ours: NodeId, theirs: usize) -> Difference {
        let theirs = &self.layers()[theirs];
        let again = if theirs.is_first() {
            ""
        } else {
            " when it is called again"
        };
        (
            format!("a layer that reads `{}`", self.graph.node(ours).name),
            format!("one that reads `{}`{again}, another value", theirs.name),
        )
    }

    /// Sums are equal in any order.
    fn summands(&mut self, ours: &[NodeId], mut theirs: Vec<(usize, Pass)>) -> Option<Difference> {
        for read in ours {
            let same = theirs.iter().position(|(found, pass)| {
                *pass == Pass::Same && self.difference(*read, *found).is_none()
            });
            match same {
                Some(at) => drop(theirs.swap_remove(at)),
                None => return Some(self.other_input(*read, theirs[0].0)),
            }
        }
        None
    }

    /// The node whose value `id` passes on.
    fn source(&self, mut id: NodeId) -> NodeId {
        while let (true, [input]) = (
            operation::passes_on(self.graph.node(id)),
            &self.graph.node(id).inputs[..],
        ) {
            id = *input;
        }
        id
    }

    /// Height, width and channels of a map, or the units of a vector.
    fn shape(&self, id: NodeId) -> &'a [usize] {
        &self.graph.node(id).shape
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
        let map = match reads.first().map(|read| self.shape(*read)) {
            Some(&[height, width, _]) => [height, width],
            Some(_) | None => [1; 2],
        };
        Step {
            operation: operation::of_node(node, map, pads),
            reads,
        }
    }

    fn of_layer(&self, layer: usize, shape: &[usize]) -> Step<(usize, Pass)> {
        let layers = self.layers();
        let of = &layers[layer];
        let reads = |of: &Layer| -> Vec<_> {
            let reads = of.inputs.iter().map(|read| self.sources[*read]);
            reads.collect()
        };
        let mut own = reads(of);
        let is_valid = setting::padding(of.settings) == Some(Padding::Valid);
        let mut pads = None;
        if let (true, true, [(read, Pass::Same)]) =
            (of.class.ends_with("Conv2D"), is_valid, &own[..])
            && let padding = &layers[*read]
            && layer::operation(padding, shape, None).kind == "ZeroPadding2D"
        {
            pads = setting::sides(padding.settings, "padding");
            if pads.is_some() {
                own = reads(padding);
            }
        }
        Step {
            operation: layer::operation(of, shape, pads),
            reads: own,
        }
    }

    /// What the user should know of the layers that were compared.
    fn told(&self) -> Vec<String> {
        let (mut told, mut policies) = (Vec::new(), BTreeSet::new());
        let mut around = Some(self.model);
        while let Some(at) = around {
            let model = &self.models[at];
            if !PLAIN.contains(&&*model.class) {
                told.push(format!(
                    "the network is a `{}`, or within one, whose code may do more than the layers that it \
                     lists",
                    model.class
                ));
            }
            policies.extend(
                model
                    .layers
                    .iter()
                    .filter_map(|of| setting::policy(of.settings)),
            );
            around = model.within.map(|(outer, _)| outer);
        }
        for layer in &self.own {
            let Layer { name, class, .. } = &self.layers()[*layer];
            told.push(format!(
                "layer `{name}` is a `{class}`, whose settings cannot be compared"
            ));
        }
        for policy in policies.into_iter().filter(|of| *of != "float32") {
            told.push(format!(
                "the network, or a part of it, computes in `{policy}`; nrp computes in float32"
            ));
        }
        told
    }
}

/// The layer whose value each layer passes on, and how.
fn sources(layers: &[Layer]) -> Vec<(usize, Pass)> {
    let mut sources: Vec<Option<(usize, Pass)>> = vec![None; layers.len()];
    for start in 0..layers.len() {
        let (mut at, mut path) = (start, Vec::new());
        // A damaged description may go in circles.
        let (end, mut reached) = loop {
            match (
                sources[at],
                layer::passes_on(&layers[at]),
                &layers[at].inputs[..],
            ) {
                (Some(known), _, _) => break known,
                (None, Some(pass), [input]) if path.len() < layers.len() => {
                    path.push((at, pass));
                    at = *input;
                }
                (None, _, _) => {
                    sources[at] = Some((at, Pass::Same));
                    break (at, Pass::Same);
                }
            }
        };
        for (passed, pass) in path.into_iter().rev() {
            if pass == Pass::Reshaped {
                reached = Pass::Reshaped;
            }
            sources[passed] = Some((end, reached));
        }
    }
    let sources = sources.into_iter().flatten();
    sources.collect()
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
