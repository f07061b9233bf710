//! One try of a graph on noise: operations that can be added to a graph may still fail when they run.
//! What such an operation computes, and what depends on it, is not a layer.

use std::collections::HashSet;

use tract_onnx::prelude::{IntoRunnable, TypedModel, tvec};
use tract_onnx::tract_core::plan;
use tract_onnx::tract_hir::internal::{OutletId, TractResult, TypedNode, ensure, format_err};

use super::graph::{Graph, NotLayer, Tensor, UNITS_MAX, sizes, units};
use super::guarded;
use super::input::Input;

/// Most operations that are looked for. Each further one takes another run.
const FAILING_MAX: usize = 64;

/// Optimises `graph` with every layer as an output, so that a layer's last digits do not depend on which
/// are requested, and tries all layers on noise. Those that cannot be computed are no longer layers.
pub(super) fn optimised(mut graph: Graph, input: Input) -> Result<Graph, String> {
    let mut failing = 0..FAILING_MAX;
    let model = loop {
        let layers = layers(&graph.tensors);
        match optimise(&graph.model, &layers) {
            Ok(model) => break model,
            Err(why) if failing.next().is_none() => return Err(why),
            Err(why) => {
                let (first, why) = first_failing(&graph.model, &layers, why);
                let why = format!("it cannot be optimised: {why}");
                leave_out(&mut graph.tensors, &graph.model, first, &why);
            }
        }
    };
    let places = graph.tensors.iter_mut();
    let places = places.flat_map(|tensor| tensor.layer.as_mut());
    for ((place, _), outlet) in places.zip(&model.outputs) {
        *place = *outlet;
    }
    for _ in failing {
        let mut at = None;
        let ran = rooted(|| run(&model, &layers(&graph.tensors), input, &mut at));
        let (Err(why), Some(at)) = (ran, at) else {
            break;
        };
        let why = format!("`{}` fails when it runs: {why}", model.node(at).op.name());
        if !leave_out(&mut graph.tensors, &model, at, &why) {
            break;
        }
    }
    graph.model = model;
    Ok(graph)
}

fn layers(tensors: &[Tensor]) -> Vec<OutletId> {
    let layers = tensors.iter().flat_map(|tensor| &tensor.layer);
    layers.map(|(outlet, _)| *outlet).collect()
}

/// Calls tract; of an error, only what went wrong, without where.
fn rooted<T>(call: impl FnOnce() -> TractResult<T>) -> Result<T, String> {
    guarded(|| call().map_err(|error| format_err!("{}", error.root_cause())))
}

fn optimise(model: &TypedModel, layers: &[OutletId]) -> Result<TypedModel, String> {
    let mut model = model.clone();
    if layers.is_empty() {
        return Ok(model);
    }
    rooted(|| {
        model.select_output_outlets(layers)?;
        model.into_optimized()
    })
}

/// The node of the first of `layers` with which the graph cannot be optimised, and why; `why` is what is
/// wrong with all.
fn first_failing(model: &TypedModel, layers: &[OutletId], mut why: String) -> (usize, String) {
    let (mut sound, mut failing) = (0, layers.len());
    while failing - sound > 1 {
        let middle = usize::midpoint(sound, failing);
        match optimise(model, &layers[..middle]) {
            Ok(_) => sound = middle,
            Err(found) => (failing, why) = (middle, found),
        }
    }
    (layers[sound].node, why)
}

/// Makes no layers of those at the operation `at` of `model`, and of those that depend on it. Returns
/// whether there were any.
fn leave_out(tensors: &mut [Tensor], model: &TypedModel, at: usize, why: &str) -> bool {
    let behind = behind(model, at);
    let lost = tensors.iter_mut().filter(|tensor| {
        let place = tensor.layer.as_ref();
        place.is_ok_and(|(outlet, _)| behind.contains(&outlet.node))
    });
    let mut first = None;
    for tensor in lost {
        let first = first.get_or_insert_with(|| tensor.name.clone());
        tensor.layer = Err(NotLayer::Failed {
            tensor: first.clone(),
            why: why.to_owned(),
        });
    }
    first.is_some()
}

/// Computes `layers` of noise; `at` is the operation that was the last.
fn run(
    model: &TypedModel,
    layers: &[OutletId],
    input: Input,
    at: &mut Option<usize>,
) -> TractResult<()> {
    let mut model = model.clone();
    model.select_output_outlets(&last(&model, layers)?)?;
    let noise = input.tensor(&input.noise(1))?;
    let mut state = model.into_runnable()?.spawn()?;
    state.run_plan_with_eval(tvec!(noise.into()), |context, own, node, inputs| {
        *at = Some(node.id);
        within_limit(node)?;
        plan::eval(context, own, node, inputs)
    })?;
    Ok(())
}

fn within_limit(node: &TypedNode) -> TractResult<()> {
    // Sizes that depend on the image are not known before.
    for sizes in node.outputs.iter().filter_map(|output| sizes(&output.fact)) {
        ensure!(
            units(&sizes).is_some_and(|units| units <= UNITS_MAX),
            "its result's shape is {sizes:?}; the limit is {UNITS_MAX} values"
        );
    }
    Ok(())
}

/// Those of `layers` that no other layer depends on. Others are computed on the way, and need not be kept.
fn last(model: &TypedModel, layers: &[OutletId]) -> TractResult<Vec<OutletId>> {
    let holding: HashSet<usize> = layers.iter().map(|outlet| outlet.node).collect();
    let mut needed = HashSet::new();
    let mut last = Vec::new();
    for id in model.eval_order()?.into_iter().rev() {
        if needed.contains(&id) || holding.contains(&id) {
            if !needed.contains(&id) {
                last.push(OutletId::new(id, 0));
            }
            needed.extend(model.node(id).inputs.iter().map(|input| input.node));
        }
    }
    Ok(last)
}

/// The operation `at` and all that depend on it.
fn behind(model: &TypedModel, at: usize) -> HashSet<usize> {
    let mut behind = HashSet::from([at]);
    let mut open = vec![at];
    while let Some(id) = open.pop() {
        let successors = model
            .node(id)
            .outputs
            .iter()
            .flat_map(|output| &output.successors);
        for successor in successors {
            if behind.insert(successor.node) {
                open.push(successor.node);
            }
        }
    }
    behind
}
