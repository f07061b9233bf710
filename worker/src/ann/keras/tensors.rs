//! Whether a file's tensors are those of a layer of the graph, and in which order.

use super::FileTensor;
use super::values::{Stored, scale_of};
use crate::ann::graph::{Graph, Node, WeightSpec};

/// The weights of `node`.
pub(super) fn specs_of<'a>(graph: &'a Graph, node: &Node) -> &'a [WeightSpec] {
    &graph.weights()[node.weights.clone()]
}

/// Where in `nodes` the layer `name` is.
pub(super) fn place_of(nodes: &[&Node], name: &str) -> Option<usize> {
    nodes.iter().position(|node| node.name == name)
}

/// Whether the layer's tensors are as many and of the same shapes as the ANN's.
pub(super) fn fits(specs: &[WeightSpec], tensors: &[FileTensor]) -> bool {
    let positions = positions(specs, tensors);
    let is_whole = tensors.len() == specs.len() || scale_of(specs, tensors, positions[0]).is_some();
    let mut specs = specs.iter().zip(positions);
    is_whole && specs.all(|(spec, at)| spec.shape == tensors[at].shape)
}

pub(super) fn in_order(
    specs: &[WeightSpec],
    tensors: Vec<FileTensor>,
) -> impl Iterator<Item = Stored> {
    let positions = positions(specs, &tensors);
    let scale = scale_of(specs, &tensors, positions[0]);
    // The scale is the kernel's, which comes first.
    let mut scale = scale.map(|at| tensors[at].data.clone());
    let mut tensors: Vec<_> = tensors.into_iter().map(Some).collect();
    positions.into_iter().map(move |at| Stored {
        data: tensors[at].take().expect("positions are distinct").data,
        scale: scale.take(),
    })
}

/// The index of each variable among the layer's tensors: by name if every name is known, and
/// otherwise, like Keras itself, by order.
fn positions(specs: &[WeightSpec], tensors: &[FileTensor]) -> Vec<usize> {
    let place = |spec: &WeightSpec| {
        tensors.iter().position(|tensor| {
            let kernel = tensor.variable == "kernel" && spec.variable == "depthwise_kernel";
            tensor.variable == spec.variable || kernel
        })
    };
    let by_name: Option<Vec<_>> = specs.iter().map(place).collect();
    by_name.unwrap_or_else(|| (0..specs.len()).collect())
}

pub(super) fn shapes(tensors: &[FileTensor]) -> String {
    listed(
        tensors
            .iter()
            .map(|tensor| (&*tensor.variable, &*tensor.shape)),
    )
}

/// `kernel [3, 3, 3, 32], bias [32]`.
pub(super) fn listed<'a>(tensors: impl Iterator<Item = (&'a str, &'a [usize])>) -> String {
    let tensors: Vec<_> = tensors
        .map(|(variable, shape)| match variable.parse::<usize>() {
            Ok(_) => format!("{shape:?}"),
            Err(_) => format!("{variable} {shape:?}"),
        })
        .collect();
    tensors.join(", ")
}
