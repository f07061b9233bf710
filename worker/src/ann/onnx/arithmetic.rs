//! Versions of the operations' arithmetic: 0 for those whose numbers never changed, and the next number for
//! those whose numbers a build changes. A layer has the highest of what it depends on, in its cache key, so
//! that numbers which an earlier build stored are not taken for it.

use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{AttributeProto, NodeProto};

/// Operations on 16-bit floats: first computed in 32 bits, and then rounded where onnxruntime rounds alone.
pub(super) const HALVES: u32 = 2;

/// The version of `node`, graphs that it contains included. `is_fixed` tells whether its numbers are the
/// same for every image.
pub(super) fn version(node: &NodeProto, is_fixed: bool) -> u32 {
    let attribute = |name: &str| node.attribute.iter().find(|it| it.name == name);
    let own = match &*node.op_type {
        "LogSoftmax" | "QuantizeLinear" | "Softplus" => 1,
        // Those of sizes, which attention is full of, were right.
        "Mod" => u32::from(!is_fixed),
        // Queries that see no key.
        "Attention" => u32::from(node.input.get(3).is_some_and(|mask| !mask.is_empty())),
        // Numbers of the image's that were dimensions.
        "Cast" => {
            let whole = attribute("to").is_some_and(|to| to.i == DataType::Int64 as i64);
            u32::from(whole && !is_fixed)
        }
        // Some operands had their ellipsis at another place.
        "Einsum" => {
            let equation = attribute("equation");
            u32::from(equation.is_some_and(|it| String::from_utf8_lossy(&it.s).contains("...")))
        }
        _ => 0,
    };
    let graphs = |it: &AttributeProto| {
        let nodes = it.g.iter().chain(&it.graphs).flat_map(|graph| &graph.node);
        nodes.map(|node| version(node, is_fixed)).max()
    };
    let inner = node.attribute.iter().filter_map(graphs).max();
    own.max(inner.unwrap_or(0))
}
