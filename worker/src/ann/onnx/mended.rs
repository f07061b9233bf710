//! Operations of tract's that are put right as they are added to the graph. What tract infers of their
//! shapes stays.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::LazyLock;

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

/// An operation, and the tensors that its graphs read.
pub(super) type Built = TractResult<(Box<dyn InferenceOp>, Vec<String>)>;
/// What makes one of a file's node.
pub(super) type Builder = fn(&ParsingContext, &NodeProto) -> Built;

static TRACTS: LazyLock<HashMap<String, Builder>> =
    LazyLock::new(|| tract_onnx::onnx().op_register.0);

/// The outlets of what was added to the graph.
pub(super) type Wired = TractResult<TVec<OutletId>>;

/// Where an operation of tract's is put right.
pub(super) struct Place<'a> {
    /// The operation.
    pub tracts: &'a dyn Expansion,
    /// Adds nodes in its place.
    pub wires: Wires<'a>,
    /// What it reads.
    pub inputs: &'a [OutletId],
}

/// How an operation of tract's is put right.
pub(super) trait Mend: Debug + Clone + Send + Sync + 'static {
    /// Whether tract is wrong where the first input is of this `kind`; elsewhere its own is added.
    fn is_needed(&self, _kind: DatumType) -> bool {
        true
    }

    /// Adds tract's operation, or what is computed in its place.
    fn wire(&self, place: Place<'_>) -> Wired;
}

/// An operation of tract's, put right.
#[derive(Debug, Clone)]
pub(super) struct Mended<M> {
    pub tracts: Box<dyn Expansion>,
    pub mend: M,
}

impl<M: Mend> Expansion for Mended<M> {
    fn name(&self) -> StaticName {
        self.tracts.name()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        s: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        self.tracts.rules(s, inputs, outputs)
    }

    fn wire(
        &self,
        prefix: &str,
        model: &mut TypedModel,
        inputs: &[OutletId],
    ) -> TractResult<TVec<OutletId>> {
        let mut wires = Wires { prefix, model };
        let tracts = &*self.tracts;
        let kind = inputs.first().map(|input| wires.kind(*input));
        match kind.transpose()? {
            Some(kind) if !self.mend.is_needed(kind) => wires.tracts(tracts, inputs),
            Some(_) | None => self.mend.wire(Place {
                tracts,
                wires,
                inputs,
            }),
        }
    }
}

/// tract's own operation.
pub(super) fn tracts(context: &ParsingContext, node: &NodeProto) -> Built {
    let own = TRACTS.get(&node.op_type).context("tract lacks it")?;
    own(context, node)
}

/// tract's own operation, put right by `mend`.
pub(super) fn mended(context: &ParsingContext, node: &NodeProto, mend: impl Mend) -> Built {
    let (op, closed) = tracts(context, node)?;
    // Where tract has one operation for it, as for attributes in place of inputs, it is right.
    match op.as_op().downcast_ref::<Box<dyn Expansion>>() {
        Some(tracts) => {
            let tracts = tracts.clone();
            Ok((expand(Mended { tracts, mend }), closed))
        }
        None => Ok((op, closed)),
    }
}

/// Adds the nodes that one operation consists of.
pub(super) struct Wires<'a> {
    pub prefix: &'a str,
    pub model: &'a mut TypedModel,
}

impl Wires<'_> {
    pub(super) fn add(
        &mut self,
        op: impl Into<Box<dyn TypedOp>>,
        inputs: &[OutletId],
    ) -> TractResult<OutletId> {
        let name = format!("{}.{}", self.prefix, self.model.nodes().len());
        Ok(self.model.wire_node(name, op, inputs)?[0])
    }

    pub(super) fn constant(&mut self, value: Tensor) -> TractResult<OutletId> {
        let name = format!("{}.{}", self.prefix, self.model.nodes().len());
        self.model.add_const(name, value)
    }

    /// A number, to compute with tensors of `rank` axes.
    pub(super) fn number(&mut self, value: f32, rank: usize) -> TractResult<OutletId> {
        self.constant(tensor0(value).broadcast_into_rank(rank)?)
    }

    /// The operation as tract adds it.
    pub(super) fn tracts(
        &mut self,
        op: &dyn Expansion,
        inputs: &[OutletId],
    ) -> TractResult<TVec<OutletId>> {
        op.wire(self.prefix, self.model, inputs)
    }

    pub(super) fn shape(&self, outlet: OutletId) -> TractResult<TVec<TDim>> {
        Ok(self.model.outlet_fact(outlet)?.shape.to_tvec())
    }

    pub(super) fn kind(&self, outlet: OutletId) -> TractResult<DatumType> {
        Ok(self.model.outlet_fact(outlet)?.datum_type)
    }

    pub(super) fn value(&self, outlet: OutletId) -> TractResult<Arc<Tensor>> {
        let value = self.model.outlet_fact(outlet)?.konst.clone();
        value.context("what it depends on is not constant")
    }

    pub(super) fn values<T: Datum + Copy>(&self, outlet: OutletId) -> TractResult<Vec<T>> {
        let value = self.value(outlet)?;
        let value = value.cast_to::<T>()?;
        Ok(value.try_as_plain_ram()?.as_slice::<T>()?.to_vec())
    }
}

/// An axis that may be counted from the last.
pub(super) fn from_first(axis: i64, rank: usize) -> TractResult<usize> {
    let counted = if axis < 0 { axis + rank as i64 } else { axis };
    let counted = usize::try_from(counted).ok().filter(|axis| *axis < rank);
    counted.with_context(|| format!("no axis {axis} of {rank}"))
}
