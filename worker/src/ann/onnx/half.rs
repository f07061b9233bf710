//! Operations on 16-bit floats, as onnxruntime 1.32 computes them on x86-64: in 32 bits, and rounded to 16 where
//! an operation that it has for 16 bits reads the result, or a layer is taken. Between others nothing is rounded.
//!
//! tract adds up in 16 bits, and gives up where it multiplies with 32-bit constants, as in `Gemm`.

use std::collections::HashMap;

use tract_onnx::pb::NodeProto;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::prelude::TypedModel;
use tract_onnx::tract_hir::internal::{
    DatumType, Factoid, InferenceFact, InferenceModel, InferenceNode, OutletId, SpecialOps, TVec,
    TractResult,
};
use tract_onnx::tract_hir::tract_core::ops::cast::{Cast, cast};

/// Operations that have graphs of their own, whose types are fixed, and one that widens its inputs itself.
const AS_THEY_ARE: [&str; 3] = ["Attention", "If", "Scan"];

/// Operations that onnxruntime has for 16 bits. Casts are told apart.
const OF_16_BITS: [&str; 40] = [
    "ArgMax",
    "ArgMin",
    "Attention",
    "Clip",
    "Compress",
    "Concat",
    "Expand",
    "Flatten",
    "Gather",
    "GatherElements",
    "GatherND",
    "GroupNormalization",
    "Identity",
    "If",
    "IsInf",
    "IsNaN",
    "LayerNormalization",
    "Loop",
    "Max",
    "Min",
    "Mod",
    "NonZero",
    "QuantizeLinear",
    "RMSNormalization",
    "Reshape",
    "ReverseSequence",
    "RotaryEmbedding",
    "Round",
    "Scan",
    "ScatterElements",
    "ScatterND",
    "Shape",
    "Shrink",
    "Sign",
    "Size",
    "Slice",
    "Split",
    "Squeeze",
    "Transpose",
    "Unsqueeze",
];

/// How onnxruntime computes a node that reads 16-bit floats.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// In 32 bits, of what was not rounded.
    Single,
    /// In 16 bits.
    Half,
    /// It is a cast to 32 bits: of what an operation did not round, but not of a cast to 16 bits.
    Widening,
}

/// What a 16-bit tensor was before it was rounded.
struct Unrounded {
    outlet: OutletId,
    /// Whether the file states the cast.
    is_stated: bool,
}

/// The graph's nodes that read or make 16-bit floats.
pub(super) struct Halves {
    /// By node; all others are in 32 bits.
    kinds: HashMap<usize, Kind>,
    /// By the tensor in the typed graph.
    unrounded: HashMap<OutletId, Unrounded>,
}

impl Halves {
    /// Of `model`, whose types are known; `stated` are its nodes as the file has them, and `outputs` the file's outputs.
    pub(super) fn of<'a>(
        model: &InferenceModel,
        stated: impl Fn(usize) -> Option<&'a NodeProto>,
        outputs: &[String],
    ) -> Self {
        let kind = |id: usize| stated(id).map_or(Kind::Single, kind);
        let of_16_bits =
            |fact: &InferenceFact| fact.datum_type.concretize() == Some(DatumType::F16);
        let is_half = |outlet: &OutletId| model.outlet_fact(*outlet).is_ok_and(of_16_bits);
        let is_alone = |id: usize| {
            let node = model.node(id);
            // What is in the file or shown to it comes from no operation.
            let inputs = node.inputs.iter();
            let inputs = inputs.filter(|input| is_operation(stated(input.node)));
            let mut inputs = inputs.peekable();
            let mut read = node
                .outputs
                .iter()
                .filter(|output| !output.successors.is_empty());
            let mut readers = node.outputs.iter().flat_map(|output| &output.successors);
            let names = stated(id).map_or(&[][..], |node| node.output.as_slice());
            inputs.peek().is_some()
                && inputs.all(|input| is_half(input) && kind(input.node) == Kind::Single)
                && read.all(|output| of_16_bits(&output.fact))
                && readers.all(|reader| kind(reader.node) == Kind::Single)
                && !names.iter().any(|name| outputs.contains(name))
        };
        let ids = 0..model.nodes().len();
        let kinds = ids.map(|id| match kind(id) {
            // Alone among operations in 32 bits, it is computed so, too.
            Kind::Half if is_alone(id) => (id, Kind::Single),
            kind => (id, kind),
        });
        Self {
            kinds: kinds.collect(),
            unrounded: HashMap::new(),
        }
    }

    /// Adds `node`, whose inputs are in `outlets`, to `target`.
    pub(super) fn add_typed(
        &mut self,
        source: &InferenceModel,
        node: &InferenceNode,
        target: &mut TypedModel,
        outlets: &HashMap<OutletId, OutletId>,
    ) -> TractResult<TVec<OutletId>> {
        let as_it_is = AS_THEY_ARE.contains(&&*node.op.name());
        let mut single = HashMap::new();
        for (at, input) in node.inputs.iter().enumerate() {
            let Some(outlet) = outlets.get(input).filter(|_| !as_it_is) else {
                continue;
            };
            if target.outlet_fact(*outlet)?.datum_type == DatumType::F16 {
                let name = format!("{}.single.{at}", node.name);
                single.insert(*input, self.widened(node.id, name, target, *outlet)?);
            }
        }
        if single.is_empty() {
            let made = node.op.to_typed(source, node, target, outlets)?;
            self.note_cast(node, target, outlets, &made)?;
            return Ok(made);
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
            let outlet = made[slot];
            if target.outlet_fact(outlet)?.datum_type == DatumType::F32 {
                let name = format!("{}.half.{slot}", node.name);
                made[slot] = target.wire_node(name, cast(DatumType::F16), &[outlet])?[0];
                if self.kinds.get(&node.id) == Some(&Kind::Single) {
                    let is_stated = false;
                    let unrounded = Unrounded { outlet, is_stated };
                    self.unrounded.insert(made[slot], unrounded);
                }
            }
        }
        Ok(made)
    }

    /// The 16-bit `outlet` in 32 bits, as the node `id` reads it.
    fn widened(
        &self,
        id: usize,
        name: String,
        target: &mut TypedModel,
        outlet: OutletId,
    ) -> TractResult<OutletId> {
        if let Some(value) = target.outlet_fact(outlet)?.konst.clone() {
            let value = value.cast_to_dt(DatumType::F32)?.into_owned();
            return target.add_const(name, value);
        }
        let is_read = |before: &&Unrounded| match self.kinds.get(&id) {
            Some(Kind::Single) => true,
            Some(Kind::Widening) => !before.is_stated,
            Some(Kind::Half) | None => false,
        };
        match self.unrounded.get(&outlet).filter(is_read) {
            Some(before) => Ok(before.outlet),
            None => Ok(target.wire_node(name, cast(DatumType::F32), &[outlet])?[0]),
        }
    }

    /// Notes what `node` rounds, if it is a cast from 32 to 16 bits.
    fn note_cast(
        &mut self,
        node: &InferenceNode,
        target: &TypedModel,
        outlets: &HashMap<OutletId, OutletId>,
        made: &[OutletId],
    ) -> TractResult<()> {
        let ([input], [made]) = (&node.inputs[..], made) else {
            return Ok(());
        };
        let is_cast = |_: &&OutletId| target.node(made.node).op_is::<Cast>();
        let Some(outlet) = outlets.get(input).filter(is_cast).copied() else {
            return Ok(());
        };
        let from = target.outlet_fact(outlet)?.datum_type;
        let to = target.outlet_fact(*made)?.datum_type;
        if (from, to) == (DatumType::F32, DatumType::F16) {
            let is_stated = true;
            self.unrounded
                .insert(*made, Unrounded { outlet, is_stated });
        }
        Ok(())
    }
}

/// Whether a node is an operation of the file's, not a constant in it.
fn is_operation(node: Option<&NodeProto>) -> bool {
    node.is_some_and(|node| node.op_type != "Constant")
}

fn kind(node: &NodeProto) -> Kind {
    let op = &*node.op_type;
    match op {
        "Cast" => {
            let to = node.attribute.iter().find(|it| it.name == "to");
            match to {
                Some(to) if to.i == DataType::Float as i64 => Kind::Widening,
                Some(_) | None => Kind::Half,
            }
        }
        _ if OF_16_BITS.contains(&op) => Kind::Half,
        _ => Kind::Single,
    }
}
