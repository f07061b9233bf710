//! Operations that cannot make huge constants. tract computes operations on constants while it infers shapes,
//! whatever the size of their results, and a file of 300 bytes may ask for terabytes.

use std::collections::HashMap;

use tract_onnx::tract_core::optim::CONST_FOLD_MEM_BUDGET;
use tract_onnx::tract_hir::internal::*;

use super::mended::Built;

/// Most values of a tensor: 1 GB of 32-bit floats.
pub(super) const UNITS_MAX: usize = 1 << 28;

/// Operations that have graphs of their own, whose operations are bounded.
const WITH_GRAPHS: [&str; 3] = ["If", "Loop", "Scan"];

type Facts = TVec<InferenceFact>;

/// What `built` is, bounded.
pub(super) fn bounded(built: Built) -> Built {
    let (op, closed) = built?;
    let is_source = op.as_op().is::<tract_onnx::tract_core::ops::konst::Const>();
    let bounded = if is_source || WITH_GRAPHS.contains(&&*op.name()) {
        op
    } else {
        Box::new(Bounded(op))
    };
    Ok((bounded, closed))
}

/// Refuses `sizes` of more values than a tensor may have.
pub(super) fn within_limit(sizes: &[usize]) -> TractResult<()> {
    ensure!(
        units(sizes).is_some_and(|units| units <= UNITS_MAX),
        "its result's shape is {sizes:?}; the limit is {UNITS_MAX} values"
    );
    Ok(())
}

/// A tensor's sizes, if they are the same for every image.
pub(super) fn sizes(fact: &TypedFact) -> Option<Vec<usize>> {
    let sizes = fact.shape.iter().map(|size| size.to_usize().ok());
    sizes.collect()
}

/// The sizes of a tensor before it is in the graph that runs, if they are known.
pub(super) fn sizes_of(fact: &InferenceFact) -> Option<Vec<usize>> {
    let shape = fact.shape.concretize()?;
    shape.iter().map(|size| size.to_usize().ok()).collect()
}

/// How many values a tensor of these sizes has, if a number can hold it.
pub(super) fn units(sizes: &[usize]) -> Option<usize> {
    let mut sizes = sizes.iter();
    sizes.try_fold(1_usize, |units, size| units.checked_mul(*size))
}

/// Bytes of what `facts` state. Sizes that follow from values, as those of `NonZero` do, are bounded by them.
fn bytes(facts: &[InferenceFact]) -> TractResult<u64> {
    let mut bytes = 0_u64;
    for fact in facts {
        let shape = fact.shape.concretize().unwrap_or_default();
        let mut sizes = shape.iter().filter_map(|size| size.to_i64().ok());
        ensure!(
            sizes.all(|size| size >= 0),
            "its result's shape is {shape:?}"
        );
        let Some(sizes) = sizes_of(fact) else {
            continue;
        };
        within_limit(&sizes)?;
        let each = fact
            .datum_type
            .concretize()
            .map_or(1, |kind| kind.size_of());
        let units = units(&sizes).unwrap_or(UNITS_MAX);
        bytes = bytes.saturating_add((units * each) as u64);
    }
    Ok(bytes)
}

/// An operation whose result on constants is computed only if tract keeps it.
#[derive(Debug, Clone)]
struct Bounded(Box<dyn InferenceOp>);

impl PartialEq for Bounded {
    fn eq(&self, _: &Self) -> bool {
        false
    }
}

impl Eq for Bounded {}

impl Op for Bounded {
    fn name(&self) -> StaticName {
        self.0.name()
    }

    fn info(&self) -> TractResult<Vec<String>> {
        self.0.info()
    }

    fn validation(&self) -> Validation {
        self.0.validation()
    }

    fn as_typed(&self) -> Option<&dyn TypedOp> {
        None
    }
}

impl EvalOp for Bounded {
    fn eval(&self, context: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        self.0.eval(context, inputs)
    }

    fn eval_out_of_plan(&self, inputs: TVec<TValue>) -> TractResult<Option<TVec<TValue>>> {
        self.0.eval_out_of_plan(inputs)
    }

    fn state(&self, context: &EvalContext) -> TractResult<Option<Box<dyn OpState>>> {
        self.0.state(context)
    }
}

impl InferenceOp for Bounded {
    fn infer(
        &mut self,
        inputs: TVec<&InferenceFact>,
        outputs: TVec<&InferenceFact>,
        observed: TVec<&InferenceFact>,
    ) -> TractResult<(Facts, Facts, Facts)> {
        let facts = (inputs.clone(), outputs.clone(), observed.clone());
        let found = self.0.infer_facts(facts.0, facts.1, facts.2)?;
        let is_known = |fact: &InferenceFact| fact.value.concretize().is_some();
        if !found.0.iter().all(is_known) {
            return Ok(found);
        }
        let read = found.0.iter().filter_map(|fact| fact.value.concretize());
        let read = read.map(|value| (value.volume() * value.datum_type().size_of()) as u64);
        let kept = read.sum::<u64>().max(CONST_FOLD_MEM_BUDGET);
        if bytes(&found.1)? > kept {
            return Ok(found);
        }
        self.0.infer(inputs, outputs, observed)
    }

    fn infer_facts(
        &mut self,
        inputs: TVec<&InferenceFact>,
        outputs: TVec<&InferenceFact>,
        observed: TVec<&InferenceFact>,
    ) -> TractResult<(Facts, Facts, Facts)> {
        self.0.infer_facts(inputs, outputs, observed)
    }

    fn observe_outlets(
        &self,
        model: &InferenceModel,
        node: &InferenceNode,
    ) -> TractResult<Vec<OutletId>> {
        self.0.observe_outlets(model, node)
    }

    fn incorporate(
        &self,
        model: &InferenceModel,
        node: &InferenceNode,
    ) -> TractResult<Option<InferenceModelPatch>> {
        self.0.incorporate(model, node)
    }

    fn nboutputs(&self) -> TractResult<usize> {
        self.0.nboutputs()
    }

    fn as_op(&self) -> &dyn Op {
        self
    }

    fn as_op_mut(&mut self) -> &mut dyn Op {
        self
    }

    fn to_typed(
        &self,
        source: &InferenceModel,
        node: &InferenceNode,
        target: &mut TypedModel,
        mapping: &HashMap<OutletId, OutletId>,
    ) -> TractResult<TVec<OutletId>> {
        self.0.to_typed(source, node, target, mapping)
    }
}
