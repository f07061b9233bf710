//! An ONNX file, decoded, before tract turns it into a graph.

use std::path::Path;

use tract_onnx::Onnx;
use tract_onnx::pb::tensor_shape_proto::dimension::Value;
use tract_onnx::pb::{GraphProto, ModelProto, NodeProto, type_proto};
use tract_onnx::prelude::Framework;

use super::{OnnxError, external, guarded, operations, scopes};

/// A name that no operation has.
const HIDDEN: &str = "(not supported)";

/// What an ONNX file contains.
pub(super) struct Contents {
    pub proto: ModelProto,
    /// The file's digest.
    pub digest: String,
    /// The names of the graph's outputs.
    pub outputs: Vec<String>,
    /// For each of the graph's nodes, the modules that it is in.
    pub scopes: Vec<Vec<String>>,
    /// For each node, its name.
    pub names: Vec<String>,
    /// For each node, why its operation is hidden from tract, if it is.
    pub unsupported: Vec<Option<String>>,
}

impl Contents {
    /// The file at `path`, and its digest.
    pub(super) fn read(path: &Path, onnx: &Onnx) -> Result<Self, OnnxError> {
        let unreadable = |source| OnnxError::Unreadable {
            path: path.to_owned(),
            source,
        };
        let not_onnx = |why| OnnxError::NotOnnx {
            path: path.to_owned(),
            why,
        };
        if !path.metadata().map_err(unreadable)?.is_file() {
            return Err(not_onnx("it is not a regular file".to_owned()));
        }
        let bytes = std::fs::read(path).map_err(unreadable)?;
        let decoded = guarded(|| onnx.proto_model_for_read(&mut &bytes[..]));
        let mut proto = decoded.map_err(not_onnx)?;
        // Files that are truncated after the graph lack it.
        if proto.opset_import.is_empty() {
            return Err(not_onnx("it names no operator set".to_owned()));
        }
        let graph = proto.graph.as_mut().filter(|graph| !graph.node.is_empty());
        let graph = graph.ok_or_else(|| not_onnx("it has no graph".to_owned()))?;
        // Any tensor can be requested: the network's own outputs are not special.
        let outputs = graph.output.drain(..).map(|output| output.name).collect();
        forget_named_sizes(graph);
        Ok(Self {
            digest: external::digest(&bytes, graph, path)?,
            outputs,
            scopes: scopes::scopes(&bytes).map_err(|error| not_onnx(error.to_string()))?,
            names: Vec::new(),
            unsupported: Vec::new(),
            proto,
        })
    }

    /// The graph's nodes.
    pub(super) fn nodes(&self) -> &[NodeProto] {
        let graph = self.proto.graph.as_ref();
        graph.map_or(&[], |graph| &graph.node)
    }

    /// Hides the operations that tract must not see, and the nodes' names. Nodes may share a name, which
    /// tract does not allow; where they have none it uses their tensors'.
    pub(super) fn hide_unsupported(&mut self, onnx: &Onnx, directory: Option<&str>) {
        let nodes = self
            .proto
            .graph
            .iter_mut()
            .flat_map(|graph| &mut graph.node);
        self.names = nodes.map(|node| std::mem::take(&mut node.name)).collect();
        self.unsupported = operations::unsupported(onnx, &self.proto, directory);
        let nodes = self
            .proto
            .graph
            .iter_mut()
            .flat_map(|graph| &mut graph.node);
        let hidden = nodes
            .zip(&self.unsupported)
            .filter(|(_, why)| why.is_some());
        for (node, _) in hidden {
            // tract describes an unknown operation by all of its attributes.
            node.attribute.clear();
            HIDDEN.clone_into(&mut node.op_type);
        }
    }
}

/// Removes the names and formulas of sizes. We set the sizes ourselves, and the reader would follow
/// a deep formula until its stack overflows.
fn forget_named_sizes(graph: &mut GraphProto) {
    let values = graph.input.iter_mut().chain(&mut graph.value_info);
    for value in values.chain(&mut graph.output) {
        let value = value.r#type.as_mut().and_then(|kind| kind.value.as_mut());
        let Some(type_proto::Value::TensorType(tensor)) = value else {
            continue;
        };
        for dim in tensor.shape.iter_mut().flat_map(|shape| &mut shape.dim) {
            let named = |value: &Value| matches!(value, Value::DimParam(_));
            dim.value.take_if(|value| named(value));
        }
    }
    let attributes = graph.node.iter_mut().flat_map(|node| &mut node.attribute);
    for attribute in attributes {
        let graphs = attribute.g.iter_mut().chain(&mut attribute.graphs);
        graphs.for_each(forget_named_sizes);
    }
}
