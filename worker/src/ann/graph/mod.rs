//! The one description of an ANN: a graph of Keras layers, from which its shapes, layer list,
//! weight list, parameter count and forward pass all follow. No tensor in here.
//!
//! Nodes stand in Keras's own order, so a node's weights do too. An ANN's file states its layers
//! through [`GraphBuilder`], in the order in which Keras's code makes them; a wrong statement is our
//! own mistake and panics.

mod builder;
mod op;
mod window;

pub(super) use builder::GraphBuilder;
pub(super) use op::{Conv, End, Op};
pub(super) use window::{Padding, Pads, Window};

/// A node's index in its graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NodeId(pub(super) usize);

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

#[cfg(test)]
mod tests {
    use super::*;

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
}
