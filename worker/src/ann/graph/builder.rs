//! How an ANN's file states its graph, and the order that Keras gives the layers.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::{Graph, Node, NodeId, Op, WeightSpec};

/// States a graph layer by layer. Panics on an invalid statement.
#[derive(Debug)]
pub(in crate::ann) struct GraphBuilder {
    /// As stated; weights are given out at the end.
    nodes: Vec<Node>,
    /// How many layers of each class Keras has numbered.
    numbered: HashMap<&'static str, usize>,
}

impl GraphBuilder {
    /// A graph that begins with an image of height, width and channels `input`.
    pub(in crate::ann) fn new(input: [usize; 3]) -> (Self, NodeId) {
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
    pub(in crate::ann) fn add(
        &mut self,
        name: impl Into<String>,
        op: Op,
        inputs: &[NodeId],
    ) -> NodeId {
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
    pub(in crate::ann) fn add_numbered(
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
    pub(in crate::ann) fn shape(&self, id: NodeId) -> &[usize] {
        &self.nodes[id.0].shape
    }

    fn shapes(&self, inputs: &[NodeId]) -> Vec<&[usize]> {
        inputs.iter().map(|id| self.shape(*id)).collect()
    }

    /// The finished graph, its layers in Keras's order; its output is the layer added last.
    pub(in crate::ann) fn finish(self) -> Graph {
        let order = self.keras_order();
        self.finish_in(order)
    }

    /// The finished graph, its layers in the order stated.
    pub(in crate::ann) fn finish_as_stated(self) -> Graph {
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
    use super::super::{Conv, End, Window};
    use super::*;

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
