//! Operations on 16-bit floats: computed in 32 bits, and their results rounded to 16.
//!
//! onnxruntime does so on the CPU. tract adds up in 16 bits, and gives up where it multiplies with 32-bit
//! constants, as in `Gemm`.

use std::collections::HashMap;

use tract_onnx::prelude::TypedModel;
use tract_onnx::tract_hir::internal::{
    DatumType, Factoid, InferenceModel, InferenceNode, OutletId, SpecialOps, TVec, TractResult,
};
use tract_onnx::tract_hir::tract_core::ops::cast::cast;

/// Operations that have graphs of their own, whose types are fixed.
const WITH_GRAPHS: [&str; 2] = ["If", "Scan"];

/// Adds `node`, whose inputs are in `outlets`, to `target`.
pub(super) fn to_typed(
    source: &InferenceModel,
    node: &InferenceNode,
    target: &mut TypedModel,
    outlets: &HashMap<OutletId, OutletId>,
) -> TractResult<TVec<OutletId>> {
    let mut single = HashMap::new();
    for (at, input) in node.inputs.iter().enumerate() {
        let Some(outlet) = outlets.get(input) else {
            continue;
        };
        let fact = target.outlet_fact(*outlet)?.clone();
        if fact.datum_type != DatumType::F16 {
            continue;
        }
        let name = format!("{}.single.{at}", node.name);
        let wide = match fact.konst {
            Some(value) => {
                let value = value.cast_to_dt(DatumType::F32)?.into_owned();
                target.add_const(name, value)?
            }
            None => target.wire_node(name, cast(DatumType::F32), &[*outlet])?[0],
        };
        single.insert(*input, wide);
    }
    if single.is_empty() || WITH_GRAPHS.contains(&&*node.op.name()) {
        return node.op.to_typed(source, node, target, outlets);
    }
    let mut wide = node.clone();
    let mut halves = Vec::new();
    for (slot, output) in wide.outputs.iter_mut().enumerate() {
        if output.fact.datum_type.concretize() == Some(DatumType::F16) {
            output.fact.datum_type = DatumType::F32.into();
            halves.push(slot);
        }
    }
    let known = node.inputs.iter();
    let known = known.filter_map(|input| Some((*input, *outlets.get(input)?)));
    let mut inputs: HashMap<OutletId, OutletId> = known.collect();
    inputs.extend(single);
    let mut made = node.op.to_typed(source, &wide, target, &inputs)?;
    for slot in halves {
        if target.outlet_fact(made[slot])?.datum_type == DatumType::F32 {
            let name = format!("{}.half.{slot}", node.name);
            made[slot] = target.wire_node(name, cast(DatumType::F16), &[made[slot]])?[0];
        }
    }
    Ok(made)
}
