//! Tries of a graph, on noise and on images of one colour: operations that can be added to a graph may still
//! fail when they run. What such an operation computes, and what depends on it, is not a layer.

use std::collections::HashSet;
use std::fmt;
use std::ops::Range;

use tract_onnx::prelude::{IntoRunnable, Tensor as Value, TypedModel, tvec};
use tract_onnx::tract_core::plan;
use tract_onnx::tract_hir::internal::{
    OutletId, TractError, TractResult, TypedNode, ensure, format_err,
};

use super::bounded::{self, sizes};
use super::graph::{Graph, NotLayer, Tensor};
use super::guarded;
use super::input::Input;

/// Most operations that are looked for. Each further one takes another run.
const FAILING_MAX: usize = 64;
/// Longest reason, in bytes.
const REASON_MAX: usize = 300;

/// An image that a graph is tried on.
#[derive(Clone, Copy)]
enum Shown {
    Noise,
    /// All of its values are this one. What is found above, below or at a threshold is then nothing.
    OneColour(f32),
}

impl Shown {
    const ALL: [Self; 4] = [
        Self::Noise,
        Self::OneColour(0.0),
        Self::OneColour(-2.0),
        Self::OneColour(2.0),
    ];

    fn image(self, input: Input) -> Vec<f32> {
        match self {
            Self::Noise => input.noise(1),
            Self::OneColour(value) => vec![value; input.size().iter().product()],
        }
    }

    /// Those of `layers` that may fail on this image: on one of one colour, those that follow numbers which
    /// the image decides.
    fn tries(self, model: &TypedModel, layers: Vec<OutletId>) -> TractResult<Vec<OutletId>> {
        match self {
            Self::Noise => Ok(layers),
            Self::OneColour(_) => {
                let decided = decided_by_the_image(model)?;
                let mut layers = layers;
                layers.retain(|layer| decided.contains(&layer.node));
                Ok(layers)
            }
        }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Noise => Ok(()),
            Self::OneColour(_) => write!(to, " on an image of one colour"),
        }
    }
}

/// Optimises `graph` with every layer as an output, so that a layer's last digits do not depend on which
/// are requested, and tries its layers. Those that cannot be computed are no longer layers.
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
    for shown in Shown::ALL {
        leave_out_failing(&mut graph.tensors, &model, input, shown, &mut failing)?;
    }
    graph.model = model;
    Ok(graph)
}

/// Makes no layers of those that fail on `shown`, as long as there is one of `failing` for each.
fn leave_out_failing(
    tensors: &mut [Tensor],
    model: &TypedModel,
    input: Input,
    shown: Shown,
    failing: &mut Range<usize>,
) -> Result<(), String> {
    loop {
        let layers = rooted(|| shown.tries(model, layers(tensors)))?;
        if layers.is_empty() {
            return Ok(());
        }
        let mut at = None;
        let ran = rooted(|| run(model, &layers, input.tensor(&shown.image(input))?, &mut at));
        let (Err(why), Some(at), Some(_)) = (ran, at, failing.next()) else {
            return Ok(());
        };
        let why = format!(
            "`{}` fails when it runs{shown}: {why}",
            model.node(at).op.name()
        );
        if !leave_out(tensors, model, at, &why) {
            return Ok(());
        }
    }
}

fn layers(tensors: &[Tensor]) -> Vec<OutletId> {
    let layers = tensors.iter().flat_map(|tensor| &tensor.layer);
    layers.map(|(outlet, _)| *outlet).collect()
}

/// Calls tract; of an error, only what went wrong, without where: its first line, without the model in it.
fn rooted<T>(call: impl FnOnce() -> TractResult<T>) -> Result<T, String> {
    let first = |error: TractError| {
        let said = error.root_cause().to_string();
        let said = said.lines().next().unwrap_or_default();
        let said = said.split("ModelPatch {").next().unwrap_or_default();
        let end = said.floor_char_boundary(REASON_MAX);
        format_err!("{}", &said[..end])
    };
    guarded(|| call().map_err(first))
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

/// Computes `layers` of `image`; `at` is the operation that was the last.
fn run(
    model: &TypedModel,
    layers: &[OutletId],
    image: Value,
    at: &mut Option<usize>,
) -> TractResult<()> {
    let mut model = model.clone();
    model.select_output_outlets(&last(&model, layers)?)?;
    let mut state = model.into_runnable()?.spawn()?;
    state.run_plan_with_eval(tvec!(image.into()), |context, own, node, inputs| {
        *at = Some(node.id);
        within_limit(node)?;
        let computed = plan::eval(context, own, node, inputs)?;
        for (slot, value) in computed.iter().enumerate() {
            if layers.contains(&OutletId::new(node.id, slot)) {
                as_expected(node, slot, value.shape())?;
            }
        }
        TractResult::Ok(computed)
    })?;
    Ok(())
}

fn as_expected(node: &TypedNode, slot: usize, shape: &[usize]) -> TractResult<()> {
    let expected = node
        .outputs
        .get(slot)
        .and_then(|output| sizes(&output.fact));
    ensure!(
        expected.as_deref() == Some(shape),
        "its result's shape is {shape:?}, not {expected:?}"
    );
    Ok(())
}

fn within_limit(node: &TypedNode) -> TractResult<()> {
    // Sizes that depend on the image are not known before.
    let mut known = node.outputs.iter().filter_map(|output| sizes(&output.fact));
    known.try_for_each(|sizes| bounded::within_limit(&sizes))
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

/// The operations whose results follow numbers that the image decides: whole numbers, truths, and sizes.
fn decided_by_the_image(model: &TypedModel) -> TractResult<HashSet<usize>> {
    let mut decided = HashSet::new();
    for id in model.eval_order()? {
        let node = model.node(id);
        let mut facts = node.outputs.iter().map(|output| &output.fact);
        let own = facts.any(|fact| {
            let plain = fact.datum_type.is_float() && sizes(fact).is_some();
            !plain && fact.konst.is_none()
        });
        if own
            || node
                .inputs
                .iter()
                .any(|input| decided.contains(&input.node))
        {
            decided.insert(id);
        }
    }
    Ok(decided)
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
