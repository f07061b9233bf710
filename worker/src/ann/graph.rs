//! The one description of an ANN: a graph of Keras layers, from which its shapes, layer list,
//! weight list, parameter count and forward pass all follow. No tensor in here.
//!
//! Nodes stand in Keras's own order, so a node's weights do too. An ANN's file states its layers
//! through [`GraphBuilder`]; a wrong statement is our own mistake and panics.

/// Where a node stands in its graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NodeId(pub(super) usize);

/// How a convolution or pool treats its borders, as Keras names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Padding {
    /// No padding.
    Valid,
    /// Padded so that the output is `ceil(input / stride)`, the odd pixel going to the end.
    Same,
}

/// Pixels added before and after each of height and width.
pub(super) type Pads = [(usize, usize); 2];

/// A window moved over a map: what convolutions and pools share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

    /// The padding around a map of height and width `map`.
    pub(super) fn pads(&self, map: [usize; 2]) -> Pads {
        let out = self.output(map);
        std::array::from_fn(|axis| match self.padding {
            Padding::Valid => (0, 0),
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
            Padding::Valid => {
                assert!(map[axis] >= self.size[axis], "window larger than its map");
                (map[axis] - self.size[axis]) / self.stride[axis] + 1
            }
        })
    }
}

/// What one Keras layer does.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Op {
    /// The preprocessed image.
    Input,
    /// `ZeroPadding2D`.
    ZeroPadding(Pads),
    /// `Conv2D`.
    Conv {
        /// Output channels.
        filters: usize,
        window: Window,
        bias: bool,
    },
    /// `DepthwiseConv2D` with one filter per channel.
    DepthwiseConv { window: Window, bias: bool },
    /// `BatchNormalization` over channels, at inference.
    BatchNorm { epsilon: f64 },
    /// `ReLU`, cut off at `max` where there is one.
    Relu { max: Option<f64> },
    /// `GlobalAveragePooling2D`; `keep_dims` leaves a 1 × 1 map.
    GlobalAveragePooling { keep_dims: bool },
    /// `Dropout`: nothing, at inference.
    Dropout,
    /// `Reshape` of a map to a vector, or `Flatten`.
    Flatten,
    /// `Dense` on a vector.
    #[cfg_attr(not(test), expect(dead_code, reason = "no offered ANN has one yet"))]
    Dense { units: usize },
    /// Softmax over a vector.
    Softmax,
    /// `Add` of maps or vectors of equal shape.
    #[cfg_attr(not(test), expect(dead_code, reason = "no offered ANN has one yet"))]
    Add,
    /// `Concatenate` of maps along channels.
    #[cfg_attr(not(test), expect(dead_code, reason = "no offered ANN has one yet"))]
    Concat,
}

impl Op {
    /// Keras's class name in snake case, as Keras 3 names a layer's group in a file.
    pub(super) fn keras_class(&self) -> &'static str {
        match self {
            Op::Input => "input_layer",
            Op::ZeroPadding(_) => "zero_padding2d",
            Op::Conv { .. } => "conv2d",
            Op::DepthwiseConv { .. } => "depthwise_conv2d",
            Op::BatchNorm { .. } => "batch_normalization",
            Op::Relu { .. } => "re_lu",
            Op::GlobalAveragePooling { .. } => "global_average_pooling2d",
            Op::Dropout => "dropout",
            Op::Flatten => "reshape",
            Op::Dense { .. } => "dense",
            Op::Softmax => "activation",
            Op::Add => "add",
            Op::Concat => "concatenate",
        }
    }

    /// Whether Keras's fixtures and users know the node as a layer with activations of its own.
    fn is_listed(&self) -> bool {
        !matches!(self, Op::Input | Op::Dropout)
    }

    /// The output's shape, [height, width, channels] or [units], from the inputs' shapes.
    fn shape(&self, inputs: &[&[usize]]) -> Vec<usize> {
        match (self, inputs) {
            (Op::ZeroPadding([top, left]), &[&[h, w, c]]) => {
                vec![h + top.0 + top.1, w + left.0 + left.1, c]
            }
            (
                Op::Conv {
                    filters, window, ..
                },
                &[&[h, w, _]],
            ) => {
                let [h, w] = window.output([h, w]);
                vec![h, w, *filters]
            }
            (Op::DepthwiseConv { window, .. }, &[&[h, w, c]]) => {
                let [h, w] = window.output([h, w]);
                vec![h, w, c]
            }
            (Op::BatchNorm { .. } | Op::Relu { .. } | Op::Dropout, [x]) => x.to_vec(),
            (Op::GlobalAveragePooling { keep_dims: true }, &[&[_, _, c]]) => vec![1, 1, c],
            (Op::GlobalAveragePooling { keep_dims: false }, &[&[_, _, c]]) => vec![c],
            (Op::Flatten, &[&[h, w, c]]) => vec![h * w * c],
            (Op::Dense { units }, &[&[_]]) => vec![*units],
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
            Op::Conv {
                filters,
                window: Window { size: [h, w], .. },
                bias,
            } => with_bias(
                ("kernel", vec![*h, *w, channels, *filters]),
                *filters,
                *bias,
            ),
            Op::DepthwiseConv {
                window: Window { size: [h, w], .. },
                bias,
            } => with_bias(
                ("depthwise_kernel", vec![*h, *w, channels, 1]),
                channels,
                *bias,
            ),
            Op::Dense { units } => with_bias(("kernel", vec![channels, *units]), *units, true),
            Op::BatchNorm { .. } => ["gamma", "beta", "moving_mean", "moving_variance"]
                .map(|variable| (variable, vec![channels]))
                .to_vec(),
            Op::Input
            | Op::ZeroPadding(_)
            | Op::Relu { .. }
            | Op::GlobalAveragePooling { .. }
            | Op::Dropout
            | Op::Flatten
            | Op::Softmax
            | Op::Add
            | Op::Concat => Vec::new(),
        }
    }
}

/// One Keras layer in its place.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// Keras's name.
    pub(super) name: String,
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
    #[cfg(test)]
    pub(super) fn input(&self) -> [usize; 3] {
        let shape = &self.nodes[0].shape;
        [shape[0], shape[1], shape[2]]
    }
}

/// States a graph layer by layer. Panics on a statement that cannot be.
#[derive(Debug)]
pub(super) struct GraphBuilder {
    graph: Graph,
}

impl GraphBuilder {
    /// A graph that begins with an image of height, width and channels `input`.
    pub(super) fn new(input: [usize; 3]) -> (Self, NodeId) {
        let image = Node {
            name: "input_layer".to_owned(),
            op: Op::Input,
            inputs: Vec::new(),
            shape: input.to_vec(),
            weights: 0..0,
        };
        let graph = Graph {
            nodes: vec![image],
            weights: Vec::new(),
        };
        (Self { graph }, NodeId(0))
    }

    /// Adds the layer `name`, which reads `inputs`.
    pub(super) fn add(&mut self, name: impl Into<String>, op: Op, inputs: &[NodeId]) -> NodeId {
        let name = name.into();
        let Graph { nodes, weights } = &mut self.graph;
        assert!(
            nodes.iter().all(|node| node.name != name),
            "layer `{name}` is stated twice"
        );
        let shapes: Vec<&[usize]> = inputs.iter().map(|id| &*nodes[id.0].shape).collect();
        let first = weights.len();
        weights.extend(
            op.variables(&shapes)
                .into_iter()
                .map(|(variable, shape)| WeightSpec {
                    layer: name.clone(),
                    variable,
                    shape,
                }),
        );
        let shape = op.shape(&shapes);
        nodes.push(Node {
            name,
            op,
            inputs: inputs.to_vec(),
            shape,
            weights: first..weights.len(),
        });
        NodeId(nodes.len() - 1)
    }

    /// The finished graph.
    pub(super) fn finish(self) -> Graph {
        self.graph
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
        let conv = Op::Conv {
            filters: 4,
            window: Window::same(3).stride(2),
            bias: true,
        };
        let a = g.add("a", conv.clone(), &[image]);
        let b = g.add("b", Op::Concat, &[a, a]);
        let c = g.add("c", Op::GlobalAveragePooling { keep_dims: false }, &[b]);
        g.add("d", Op::Dense { units: 5 }, &[c]);
        let graph = g.finish();
        assert_eq!(graph.node(b).shape, [4, 3, 8]);
        assert_eq!(graph.parameters(), 3 * 3 * 3 * 4 + 4 + 8 * 5 + 5);
        let names: Vec<_> = graph.listed().map(|(_, node)| &*node.name).collect();
        assert_eq!(names, ["a", "b", "c", "d"]);
    }

    #[test]
    #[should_panic(expected = "stated twice")]
    fn a_name_is_stated_once() {
        let (mut g, image) = GraphBuilder::new([8, 6, 3]);
        g.add("a", Op::Dropout, &[image]);
        g.add("a", Op::Dropout, &[image]);
    }
}
