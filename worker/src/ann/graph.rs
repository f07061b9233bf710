//! The one description of an ANN: a graph of Keras layers, from which its shapes, layer list,
//! weight list, parameter count and forward pass all follow. No tensor in here.
//!
//! Nodes stand in Keras's own order, so a node's weights do too. An ANN's file states its layers
//! through [`GraphBuilder`], in the order in which Keras's code makes them; a wrong statement is our
//! own mistake and panics.

use std::cmp::Reverse;
use std::collections::HashMap;

use serde::Serialize;

/// A node's index in its graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NodeId(pub(super) usize);

/// How a convolution or pool treats its borders, as Keras names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) enum Padding {
    /// No padding.
    Valid,
    /// Padded so that the output is `ceil(input / stride)`, the odd pixel going to the end.
    Same,
    /// This many pixels on every side, as PyTorch specifies it.
    Around(usize),
}

/// Pixels added before and after each of height and width.
pub(super) type Pads = [(usize, usize); 2];

/// A window moved over a map: what convolutions and pools share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Window {
    /// Height and width.
    pub(super) size: [usize; 2],
    /// Step down and right.
    pub(super) stride: [usize; 2],
    /// Border treatment.
    pub(super) padding: Padding,
}

impl Window {
    /// A square window of `size`, stride 1, `same` padding.
    pub(super) fn same(size: usize) -> Self {
        Self {
            size: [size; 2],
            stride: [1; 2],
            padding: Padding::Same,
        }
    }

    /// A square window of `size`, stride 1, `valid` padding.
    pub(super) fn valid(size: usize) -> Self {
        Self {
            padding: Padding::Valid,
            ..Self::same(size)
        }
    }

    /// The same window with another stride.
    pub(super) fn stride(self, stride: usize) -> Self {
        Self {
            stride: [stride; 2],
            ..self
        }
    }

    /// Keras's `correct_pad`: what a map of `shape` is padded with so that a strided `valid` window
    /// of this size covers it as PyTorch's would.
    pub(super) fn correct_pad(&self, shape: &[usize]) -> Pads {
        std::array::from_fn(|axis| {
            let correct = self.size[axis] / 2;
            let adjust = 1 - shape[axis] % 2;
            (correct - adjust, correct)
        })
    }

    /// The padding around a map of height and width `map`.
    pub(super) fn pads(&self, map: [usize; 2]) -> Pads {
        let out = self.output(map);
        std::array::from_fn(|axis| match self.padding {
            Padding::Valid => (0, 0),
            Padding::Around(pixels) => (pixels, pixels),
            Padding::Same => {
                let covered = (out[axis] - 1) * self.stride[axis] + self.size[axis];
                let total = covered.saturating_sub(map[axis]);
                (total / 2, total - total / 2)
            }
        })
    }

    /// Height and width of the output over a map of height and width `map`.
    fn output(&self, map: [usize; 2]) -> [usize; 2] {
        std::array::from_fn(|axis| match self.padding {
            Padding::Same => map[axis].div_ceil(self.stride[axis]),
            Padding::Valid | Padding::Around(_) => {
                let around = match self.padding {
                    Padding::Around(pixels) => 2 * pixels,
                    Padding::Valid | Padding::Same => 0,
                };
                let padded = map[axis] + around;
                assert!(padded >= self.size[axis], "window larger than its map");
                (padded - self.size[axis]) / self.stride[axis] + 1
            }
        })
    }
}

/// What one Keras layer does.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) enum Op {
    /// The preprocessed image.
    Input,
    /// `ZeroPadding2D`.
    ZeroPadding(Pads),
    /// `Cropping2D`.
    Cropping(Pads),
    /// `Conv2D`.
    Conv(Conv),
    /// `DepthwiseConv2D` with one filter per channel, without bias.
    DepthwiseConv { window: Window },
    /// `SeparableConv2D`: a depthwise, then a pointwise convolution, without bias.
    SeparableConv {
        /// Output channels.
        filters: usize,
        window: Window,
    },
    /// `BatchNormalization` over channels, at inference.
    BatchNorm { epsilon: f64 },
    /// `ReLU`, cut off at `max` if there is one.
    Relu { max: Option<f64> },
    /// `MaxPooling2D`.
    MaxPool(Window),
    /// `AveragePooling2D`; padding does not count.
    AveragePool(Window),
    /// Krizhevsky et al.'s (2012) normalisation across `size` neighbouring channels:
    /// x / (1 + alpha / size · sum of squares) ^ beta.
    LocalResponseNorm { size: usize, alpha: f64, beta: f64 },
    /// `GlobalAveragePooling2D`; `keep_dims` leaves a 1 × 1 map.
    GlobalAveragePooling { keep_dims: bool },
    /// `Dropout`: nothing, at inference.
    Dropout,
    /// `Reshape` of a map to a vector, or `Flatten`.
    Flatten,
    /// PyTorch's `flatten`: channels before height and width.
    FlattenChannelsFirst,
    /// `Dense` on a vector, with bias.
    Dense { units: usize, end: End },
    /// Softmax over a vector.
    Softmax,
    /// `Add` of maps or vectors of equal shape.
    Add,
    /// `Concatenate` of maps along channels.
    Concat,
}

/// A convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Conv {
    /// Output channels.
    pub(super) filters: usize,
    pub(super) window: Window,
    pub(super) bias: bool,
    /// Number of groups that input and output channels are divided into.
    pub(super) groups: usize,
    pub(super) end: End,
}

impl Conv {
    /// A plain convolution without bias.
    pub(super) fn new(filters: usize, window: Window) -> Self {
        Self {
            filters,
            window,
            bias: false,
            groups: 1,
            end: End::Linear,
        }
    }

    /// The same with a bias.
    pub(super) fn with_bias(self) -> Self {
        Self { bias: true, ..self }
    }
}

/// The activation function of a layer with weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) enum End {
    /// Nothing.
    Linear,
    Relu,
    Softmax,
}

impl Op {
    /// Keras's class name in snake case, as Keras 3 names a layer's group in a file.
    pub(super) fn keras_class(&self) -> &'static str {
        match self {
            Op::Input => "input_layer",
            Op::ZeroPadding(_) => "zero_padding2d",
            Op::Cropping(_) => "cropping2d",
            Op::Conv(_) => "conv2d",
            Op::DepthwiseConv { .. } => "depthwise_conv2d",
            Op::SeparableConv { .. } => "separable_conv2d",
            Op::MaxPool(_) => "max_pooling2d",
            Op::AveragePool(_) => "average_pooling2d",
            Op::LocalResponseNorm { .. } => "local_response_norm",
            Op::BatchNorm { .. } => "batch_normalization",
            Op::Relu { .. } => "re_lu",
            Op::GlobalAveragePooling { .. } => "global_average_pooling2d",
            Op::Dropout => "dropout",
            Op::Flatten | Op::FlattenChannelsFirst => "reshape",
            Op::Dense { .. } => "dense",
            Op::Softmax => "activation",
            Op::Add => "add",
            Op::Concat => "concatenate",
        }
    }

    /// Whether the node is a layer whose activations users can request.
    fn is_listed(&self) -> bool {
        !matches!(self, Op::Input | Op::Dropout)
    }

    /// The output's shape, [height, width, channels] or [units], from the inputs' shapes.
    fn shape(&self, inputs: &[&[usize]]) -> Vec<usize> {
        match (self, inputs) {
            (Op::ZeroPadding([top, left]), &[&[h, w, c]]) => {
                vec![h + top.0 + top.1, w + left.0 + left.1, c]
            }
            (Op::Cropping([top, left]), &[&[h, w, c]]) => {
                vec![h - top.0 - top.1, w - left.0 - left.1, c]
            }
            (
                Op::Conv(Conv {
                    filters, window, ..
                })
                | Op::SeparableConv { filters, window },
                &[&[h, w, _]],
            ) => {
                let [h, w] = window.output([h, w]);
                vec![h, w, *filters]
            }
            (
                Op::DepthwiseConv { window } | Op::MaxPool(window) | Op::AveragePool(window),
                &[&[h, w, c]],
            ) => {
                let [h, w] = window.output([h, w]);
                vec![h, w, c]
            }
            (
                Op::BatchNorm { .. } | Op::Relu { .. } | Op::LocalResponseNorm { .. } | Op::Dropout,
                [x],
            ) => x.to_vec(),
            (Op::GlobalAveragePooling { keep_dims: true }, &[&[_, _, c]]) => vec![1, 1, c],
            (Op::GlobalAveragePooling { keep_dims: false }, &[&[_, _, c]]) => vec![c],
            (Op::Flatten | Op::FlattenChannelsFirst, &[&[h, w, c]]) => vec![h * w * c],
            (Op::Dense { units, .. }, &[&[_]]) => vec![*units],
            (Op::Softmax, &[&[units]]) => vec![units],
            (Op::Add, [first, rest @ ..]) => {
                assert!(
                    rest.iter().all(|x| x == first),
                    "add of unequal shapes: {inputs:?}"
                );
                first.to_vec()
            }
            (Op::Concat, &[&[h, w, _], ..]) => {
                let channels = inputs.iter().map(|x| {
                    assert_eq!(x[..2], [h, w], "concatenation of unequal maps: {inputs:?}");
                    x[2]
                });
                vec![h, w, channels.sum()]
            }
            (op, inputs) => panic!("{op:?} cannot follow shapes {inputs:?}"),
        }
    }

    /// The op's variables in Keras's order, each with its shape.
    fn variables(&self, inputs: &[&[usize]]) -> Vec<(&'static str, Vec<usize>)> {
        let channels = inputs.first().and_then(|x| x.last()).copied().unwrap_or(0);
        let with_bias = |kernel, units: usize, bias: bool| {
            let mut variables = vec![kernel];
            if bias {
                variables.push(("bias", vec![units]));
            }
            variables
        };
        match self {
            Op::Conv(conv) => {
                let [h, w] = conv.window.size;
                let seen = channels / conv.groups;
                let kernel = ("kernel", vec![h, w, seen, conv.filters]);
                with_bias(kernel, conv.filters, conv.bias)
            }
            Op::DepthwiseConv { window } => {
                let [h, w] = window.size;
                vec![("depthwise_kernel", vec![h, w, channels, 1])]
            }
            Op::SeparableConv { filters, window } => {
                let [h, w] = window.size;
                vec![
                    ("depthwise_kernel", vec![h, w, channels, 1]),
                    ("pointwise_kernel", vec![1, 1, channels, *filters]),
                ]
            }
            Op::Dense { units, .. } => with_bias(("kernel", vec![channels, *units]), *units, true),
            Op::BatchNorm { .. } => ["gamma", "beta", "moving_mean", "moving_variance"]
                .map(|variable| (variable, vec![channels]))
                .to_vec(),
            Op::Input
            | Op::ZeroPadding(_)
            | Op::Cropping(_)
            | Op::Relu { .. }
            | Op::MaxPool(_)
            | Op::AveragePool(_)
            | Op::LocalResponseNorm { .. }
            | Op::GlobalAveragePooling { .. }
            | Op::Dropout
            | Op::Flatten
            | Op::FlattenChannelsFirst
            | Op::Softmax
            | Op::Add
            | Op::Concat => Vec::new(),
        }
    }
}

/// One Keras layer in the graph.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// Keras's name; for a layer that Keras numbers itself, the name it has in a fresh session.
    pub(super) name: String,
    /// Whether Keras numbered it, so that files of other sessions may use another name.
    pub(super) auto_numbered: bool,
    pub(super) op: Op,
    /// The nodes it reads, all earlier than itself.
    pub(super) inputs: Vec<NodeId>,
    /// [height, width, channels] or [units] of one stimulus.
    pub(super) shape: Vec<usize>,
    /// The ordinals of its weights in [`Graph::weights`].
    pub(super) weights: std::ops::Range<usize>,
}

/// One weight tensor of a graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WeightSpec {
    /// Keras's name of the layer.
    pub(super) layer: String,
    /// Keras's name of the variable; `depthwise_kernel` for a depthwise layer's kernel.
    pub(super) variable: &'static str,
    /// Keras's shape: HWIO, (H, W, C, 1) or (in, out).
    pub(super) shape: Vec<usize>,
}

impl WeightSpec {
    /// How many numbers the tensor holds.
    pub(super) fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it is a convolution's or a dense layer's kernel, not a bias or batch norm's.
    pub(super) fn is_kernel(&self) -> bool {
        self.variable.ends_with("kernel")
    }
}

/// An ANN as Keras layers. Built by [`GraphBuilder`], never changed afterwards.
#[derive(Clone, Debug)]
pub(super) struct Graph {
    nodes: Vec<Node>,
    weights: Vec<WeightSpec>,
}

impl Graph {
    /// Every node; a node's inputs come before it.
    pub(super) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The node `id` stands for.
    pub(super) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }

    /// Every weight tensor, in Keras's order; its index is its ordinal.
    pub(super) fn weights(&self) -> &[WeightSpec] {
        &self.weights
    }

    /// Which nodes the values of `asked` depend on, these included.
    pub(super) fn read_by(&self, asked: &[NodeId]) -> Vec<bool> {
        let mut is_read = vec![false; self.nodes.len()];
        for id in asked {
            is_read[id.0] = true;
        }
        for (at, node) in self.nodes.iter().enumerate().rev() {
            if is_read[at] {
                node.inputs.iter().for_each(|input| is_read[input.0] = true);
            }
        }
        is_read
    }

    /// Which weight tensors the values of `asked` depend on, by ordinal. The first layer's always count:
    /// they show whose file it is.
    pub(super) fn needed(&self, asked: &[NodeId]) -> Vec<bool> {
        let is_read = self.read_by(asked);
        let first = self.nodes.iter().position(|node| !node.weights.is_empty());
        let mut needed = vec![false; self.weights.len()];
        for (at, node) in self.nodes.iter().enumerate() {
            if is_read[at] || Some(at) == first {
                needed[node.weights.clone()].fill(true);
            }
        }
        needed
    }

    /// Keras's count of parameters, moving statistics included.
    pub(super) fn parameters(&self) -> u64 {
        self.weights
            .iter()
            .map(|weight| weight.elements() as u64)
            .sum()
    }

    /// The nodes whose activations a user may ask for, in Keras's order.
    pub(super) fn listed(&self) -> impl Iterator<Item = (NodeId, &Node)> {
        let ids = (0..).map(NodeId);
        ids.zip(&self.nodes).filter(|(_, node)| node.op.is_listed())
    }

    /// Height, width and channels of the image.
    pub(super) fn input(&self) -> [usize; 3] {
        let shape = &self.nodes[0].shape;
        [shape[0], shape[1], shape[2]]
    }
}

/// States a graph layer by layer. Panics on an invalid statement.
#[derive(Debug)]
pub(super) struct GraphBuilder {
    /// As stated; weights are given out at the end.
    nodes: Vec<Node>,
    /// How many layers of each class Keras has numbered.
    numbered: HashMap<&'static str, usize>,
}

impl GraphBuilder {
    /// A graph that begins with an image of height, width and channels `input`.
    pub(super) fn new(input: [usize; 3]) -> (Self, NodeId) {
        let image = Node {
            name: "input_layer".to_owned(),
            auto_numbered: false,
            op: Op::Input,
            inputs: Vec::new(),
            shape: input.to_vec(),
            weights: 0..0,
        };
        let builder = Self {
            nodes: vec![image],
            numbered: HashMap::new(),
        };
        (builder, NodeId(0))
    }

    /// Adds the layer `name`, which reads `inputs`.
    pub(super) fn add(&mut self, name: impl Into<String>, op: Op, inputs: &[NodeId]) -> NodeId {
        let name = name.into();
        assert!(
            self.nodes.iter().all(|node| node.name != name),
            "layer `{name}` is stated twice"
        );
        self.nodes.push(Node {
            name,
            auto_numbered: false,
            shape: op.shape(&self.shapes(inputs)),
            op,
            inputs: inputs.to_vec(),
            weights: 0..0,
        });
        NodeId(self.nodes.len() - 1)
    }

    /// Adds a layer of Keras's `class` that Keras's code does not name, so that Keras numbers it.
    pub(super) fn add_numbered(
        &mut self,
        class: &'static str,
        op: Op,
        inputs: &[NodeId],
    ) -> NodeId {
        let number = self.numbered.entry(class).or_default();
        let name = match *number {
            0 => class.to_owned(),
            number => format!("{class}_{number}"),
        };
        *number += 1;
        let id = self.add(name, op, inputs);
        self.nodes[id.0].auto_numbered = true;
        id
    }

    /// Height, width and channels of a map, or the units of a vector.
    pub(super) fn shape(&self, id: NodeId) -> &[usize] {
        &self.nodes[id.0].shape
    }

    fn shapes(&self, inputs: &[NodeId]) -> Vec<&[usize]> {
        inputs.iter().map(|id| self.shape(*id)).collect()
    }

    /// The finished graph, its layers in Keras's order; its output is the layer added last.
    pub(super) fn finish(self) -> Graph {
        let order = self.keras_order();
        self.finish_in(order)
    }

    /// The finished graph, its layers in the order stated.
    pub(super) fn finish_as_stated(self) -> Graph {
        let order = (0..self.nodes.len()).collect();
        self.finish_in(order)
    }

    fn finish_in(self, order: Vec<usize>) -> Graph {
        let mut place = vec![0; self.nodes.len()];
        for (to, from) in order.iter().enumerate() {
            place[*from] = to;
        }
        let mut weights = Vec::new();
        let mut nodes = Vec::with_capacity(self.nodes.len());
        for from in order {
            let mut node = self.nodes[from].clone();
            let variables = node.op.variables(&self.shapes(&node.inputs));
            let first = weights.len();
            weights.extend(variables.into_iter().map(|(variable, shape)| WeightSpec {
                layer: node.name.clone(),
                variable,
                shape,
            }));
            node.weights = first..weights.len();
            for input in &mut node.inputs {
                *input = NodeId(place[input.0]);
            }
            nodes.push(node);
        }
        Graph { nodes, weights }
    }

    /// Keras's order of layers (`map_graph_network`): the farther from the output the earlier, and
    /// of those equally far first the one that a walk back from the output meets first.
    fn keras_order(&self) -> Vec<usize> {
        let last = self.nodes.len() - 1;
        let mut far = vec![0; self.nodes.len()];
        for (id, node) in self.nodes.iter().enumerate().rev() {
            for input in &node.inputs {
                far[input.0] = far[input.0].max(far[id] + 1);
            }
        }
        let mut met = vec![None; self.nodes.len()];
        let mut ahead = vec![last];
        let mut meetings = 0;
        while let Some(id) = ahead.pop() {
            if met[id].is_none() {
                met[id] = Some(meetings);
                meetings += 1;
                ahead.extend(self.nodes[id].inputs.iter().rev().map(|input| input.0));
            }
        }
        assert_eq!(meetings, met.len(), "every layer leads to the output");
        let mut order: Vec<usize> = (0..self.nodes.len()).collect();
        order.sort_by_key(|id| (Reverse(far[*id]), met[*id]));
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_padding_puts_the_odd_pixel_at_the_end() {
        let window = Window::same(3).stride(2);
        assert_eq!(window.output([224, 7]), [112, 4]);
        assert_eq!(window.pads([224, 7]), [(0, 1), (1, 1)]);
        assert_eq!(Window::same(1).stride(2).pads([5, 4]), [(0, 0); 2]);
        assert_eq!(Window::valid(3).output([225, 3]), [223, 1]);
    }

    #[test]
    fn shapes_and_weights_follow_from_the_layers() {
        let (mut g, image) = GraphBuilder::new([8, 6, 3]);
        let conv = Op::Conv(Conv::new(4, Window::same(3).stride(2)).with_bias());
        let a = g.add("a", conv, &[image]);
        let b = g.add("b", Op::Concat, &[a, a]);
        let c = g.add("c", Op::GlobalAveragePooling { keep_dims: false }, &[b]);
        let dense = Op::Dense {
            units: 5,
            end: End::Linear,
        };
        g.add("d", dense, &[c]);
        let graph = g.finish();
        assert_eq!(graph.node(b).shape, [4, 3, 8]);
        assert_eq!(graph.parameters(), 3 * 3 * 3 * 4 + 4 + 8 * 5 + 5);
        let names: Vec<_> = graph.listed().map(|(_, node)| &*node.name).collect();
        assert_eq!(names, ["a", "b", "c", "d"]);
    }

    #[test]
    fn a_layer_needs_the_weights_before_it_and_the_first_ones() {
        let (mut g, image) = GraphBuilder::new([8, 6, 3]);
        let conv = || Op::Conv(Conv::new(4, Window::same(3)));
        let stem = g.add("stem", conv(), &[image]);
        let left = g.add("left", conv(), &[stem]);
        let right = g.add("right", conv(), &[stem]);
        let sum = g.add("sum", Op::Add, &[left, right]);
        let graph = g.finish_as_stated();
        assert_eq!(graph.needed(&[left]), [true, true, false]);
        assert_eq!(graph.needed(&[right, left]), [true; 3]);
        assert_eq!(graph.needed(&[sum]), [true; 3]);
        assert_eq!(graph.needed(&[]), [true, false, false]);
    }

    #[test]
    fn layers_are_sorted_as_keras_sorts_them() {
        let (mut g, image) = GraphBuilder::new([8, 6, 3]);
        let relu = Op::Relu { max: None };
        let long = g.add_numbered("activation", relu.clone(), &[image]);
        let long = g.add_numbered("activation", relu.clone(), &[long]);
        let short = g.add_numbered("activation", relu, &[image]);
        g.add_numbered("add", Op::Add, &[short, long]);
        let graph = g.finish();
        let names: Vec<_> = graph.nodes().iter().map(|node| &*node.name).collect();
        let sorted = [
            "input_layer",
            "activation",
            "activation_2",
            "activation_1",
            "add",
        ];
        assert_eq!(names, sorted);
        assert_eq!(graph.nodes()[4].inputs, [NodeId(2), NodeId(3)]);
    }

    #[test]
    #[should_panic(expected = "stated twice")]
    fn a_name_is_stated_once() {
        let (mut g, image) = GraphBuilder::new([8, 6, 3]);
        g.add("a", Op::Dropout, &[image]);
        g.add("a", Op::Dropout, &[image]);
    }
}
