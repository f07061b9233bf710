//! Operations that tract lacks or misreads: which of a file's nodes it must not see, and ours in place
//! of its own.
//!
//! tract finds an operation by its name alone, whatever its domain.

use tract_onnx::Onnx;
use tract_onnx::model::ParsingContext;
use tract_onnx::pb::{ModelProto, NodeProto};
use tract_onnx::tract_hir::internal::InferenceModel;

use super::attention::attention;
use super::einsum::einsum;
use super::mended::Builder;
use super::misread::misread;
use super::{guarded, numbers, shapes};

/// Domains whose operations tract knows: ONNX's own and Microsoft's.
const DOMAINS: [&str; 4] = ["", "ai.onnx", "ai.onnx.ml", "com.microsoft"];

/// Replaces operations of tract's by ours.
pub(super) fn replace(onnx: &mut Onnx) {
    let ours: [(&'static str, Builder); 10] = [
        ("Attention", attention),
        ("Cast", numbers::whole_numbers),
        ("ConstantOfShape", shapes::constant_of_shape),
        ("Einsum", einsum),
        ("LogSoftmax", numbers::log_softmax),
        ("Mod", numbers::modulo),
        ("Pad", shapes::pad),
        ("QuantizeLinear", numbers::quantize),
        ("Resize", shapes::resize),
        ("Softplus", numbers::softplus),
    ];
    for (name, builder) in ours {
        onnx.op_register.insert(name, builder);
    }
}

/// For each of the graph's nodes, why it cannot be computed, if it cannot be read.
pub(super) fn unsupported(
    onnx: &Onnx,
    proto: &ModelProto,
    directory: Option<&str>,
) -> Vec<Option<String>> {
    let version = proto.opset_import.iter();
    let mut version = version.filter(|set| set.domain.is_empty() || set.domain == "ai.onnx");
    let context = ParsingContext {
        onnx_operator_set_version: version.next().map_or(0, |set| set.version),
        framework: onnx,
        model: proto,
        parent_graphs: proto.graph.iter().collect(),
        model_dir: directory,
        template: InferenceModel::default(),
    };
    let nodes = proto.graph.iter().flat_map(|graph| &graph.node);
    nodes.map(|node| refusal(&context, node)).collect()
}

fn refusal(context: &ParsingContext, node: &NodeProto) -> Option<String> {
    let NodeProto {
        domain, op_type, ..
    } = node;
    let known = context.framework.op_register.0.get(op_type);
    let Some(build) = known.filter(|_| DOMAINS.contains(&&**domain)) else {
        return Some(match &**domain {
            "" | "ai.onnx" => format!("unknown operation `{op_type}`"),
            _ => format!("unknown operation `{op_type}` of `{domain}`"),
        });
    };
    misread(node).or_else(|| guarded(|| build(context, node)).err())
}
