//! Operations that tract lacks or misreads: which of a file's nodes it must not see, and ours in place
//! of its own.
//!
//! tract finds an operation by its name alone, whatever its domain.

use tract_onnx::Onnx;
use tract_onnx::model::ParsingContext;
use tract_onnx::pb::{ModelProto, NodeProto};
use tract_onnx::tract_hir::internal::InferenceModel;

use super::attention::attention;
use super::bounded::bounded;
use super::einsum::einsum;
use super::mended::{Builder, Built, tracts};
use super::misread::misread;
use super::{guarded, numbers, shapes};

/// Domains whose operations tract knows: ONNX's own and Microsoft's.
const DOMAINS: [&str; 4] = ["", "ai.onnx", "ai.onnx.ml", "com.microsoft"];

/// Operations of ours in place of tract's.
const OURS: [(&str, Builder); 10] = [
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

/// Replaces operations of tract's by ours, and bounds all.
pub(super) fn replace(onnx: &mut Onnx) {
    for (name, _) in OURS {
        onnx.op_register.insert(name, build);
    }
    for builder in onnx.op_register.0.values_mut() {
        *builder = build;
    }
}

fn build(context: &ParsingContext, node: &NodeProto) -> Built {
    let ours = OURS.iter().find(|(name, _)| *name == node.op_type);
    bounded(match ours {
        Some((_, ours)) => ours(context, node),
        None => tracts(context, node),
    })
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
