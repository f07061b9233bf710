//! The part of a graph that can be computed, and the tensors in it.
//!
//! Operations are translated one by one, so one that is not supported is in the way of what depends on
//! it, and of nothing else.

use std::collections::{HashMap, HashSet};
use std::fmt;

use tract_onnx::model::ParseResult;
use tract_onnx::pb::NodeProto;
use tract_onnx::prelude::TypedModel;
use tract_onnx::tract_hir::internal::{
    DatumType, Factoid, InferenceFact, InferenceModel, InferenceModelExt, InferenceNode, OutletId,
    SpecialOps, TVec, TractResult, TypedFact, ensure,
};

use super::arithmetic;
use super::bounded::{self, UNITS_MAX, sizes, units, within_limit};
use super::guarded;
use super::half::Halves;
use super::reading::Contents;

/// A node's output.
#[derive(Debug)]
pub(super) struct Tensor {
    pub name: String,
    pub node: String,
    pub op: String,
    /// Which of its node's outputs it is.
    pub slot: usize,
    /// Where it is computed and its shape for one stimulus, or why it is not a layer.
    pub layer: Result<(OutletId, Vec<usize>), NotLayer>,
    /// The version of the arithmetic that it depends on.
    pub arithmetic: u32,
}

/// Why a tensor is not a layer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum NotLayer {
    /// It has the same values for every image.
    Constant,
    /// It holds what is named, not floats.
    Holds(String),
    /// It has no values.
    Empty,
    /// It has more units than the limit.
    Large(Vec<usize>),
    /// Its shape is not the same for every image.
    OpenShape,
    /// Its stimuli cannot be told apart.
    FixedBatch(usize),
    /// It depends on, or is, a tensor that cannot be computed.
    Failed {
        /// The tensor whose operation fails.
        tensor: String,
        /// The reason.
        why: String,
    },
}

impl fmt::Display for NotLayer {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant => write!(to, "it does not depend on the image"),
            Self::Holds(what) => write!(to, "it holds {what}, not floats"),
            Self::Empty => write!(to, "it is empty"),
            Self::Large(shape) => {
                write!(to, "its shape is {shape:?}; the limit is {UNITS_MAX} units")
            }
            Self::OpenShape => write!(to, "its shape depends on the image"),
            Self::FixedBatch(size) => {
                write!(to, "its stimuli cannot be told apart in a batch of {size}")
            }
            Self::Failed { tensor, why } => write!(to, "`{tensor}` cannot be computed ({why})"),
        }
    }
}

impl NotLayer {
    /// The export that makes the tensor a layer, if there may be one.
    pub fn help(&self) -> Option<&'static str> {
        match self {
            Self::Constant | Self::Holds(_) | Self::Empty | Self::Large(_) => None,
            Self::OpenShape => Some("export the network with a fixed height and width"),
            Self::FixedBatch(_) => Some("export the network with a batch of one"),
            Self::Failed { .. } => Some(
                "export the network again with another operator set \
                 (`torch.onnx.export(…, opset_version=18)`), without functions of its own \
                 (`onnx.inliner.inline_local_functions`) and unquantised",
            ),
        }
    }
}

/// The part of a file's graph that can be computed.
#[derive(Debug)]
pub(super) struct Graph {
    pub model: TypedModel,
    /// All outputs of the file's nodes.
    pub tensors: Vec<Tensor>,
}

impl Graph {
    /// The graph that tract parsed of `contents`, for an input like `image`.
    pub(super) fn of(
        parsed: ParseResult,
        contents: &Contents,
        image: InferenceFact,
    ) -> Result<Self, String> {
        let (mut model, outlets) = (parsed.model, parsed.outlets_by_name);
        guarded(|| model.set_input_fact(0, image))?;
        // In the file's order, which decides what is refused where all are too much together.
        let mut all: Vec<OutletId> = outlets.values().copied().collect();
        all.sort_unstable_by_key(|outlet| (outlet.node, outlet.slot));
        guarded(|| model.select_output_outlets(&all))?;
        let stated = contents.nodes().iter().zip(&contents.unsupported);
        let stated = stated.filter_map(|(node, why)| {
            let outlet = node.output.iter().find_map(|name| outlets.get(name))?;
            Some((outlet.node, (node, why.as_deref())))
        });
        let depends = depends_on_the_image(&model)?;
        let (stated, ends) = (stated.collect(), &contents.outputs);
        let translation = Translation::of(&mut model, &stated, &depends, ends)?;

        let names = outlets.iter().map(|(name, outlet)| (*outlet, name));
        let names: HashMap<OutletId, &String> = names.collect();
        let mut tensors = Vec::new();
        for (node_name, node) in contents.names.iter().zip(contents.nodes()) {
            let outputs = node.output.iter().filter(|name| !name.is_empty());
            for (slot, name) in outputs.enumerate() {
                let outlet = outlets.get(name).copied();
                let outlet =
                    outlet.ok_or_else(|| format!("`{name}` is lost as the graph is read"))?;
                // What is hidden may have graphs that read the image.
                let layer = translation.layer(outlet, &names);
                let depends = depends.get(outlet.node) == Some(&true);
                let layer = match layer {
                    Err(NotLayer::Failed { .. }) => layer,
                    Ok(_) | Err(_) if !depends => Err(NotLayer::Constant),
                    Ok(_) | Err(_) => layer,
                };
                tensors.push(Tensor {
                    name: name.clone(),
                    node: node_name.clone(),
                    op: node.op_type.clone(),
                    slot,
                    layer,
                    arithmetic: translation.versions.get(&outlet.node).copied().unwrap_or(0),
                });
            }
        }
        let model = translation.model;
        Ok(Self { model, tensors })
    }
}

/// A graph as far as it could be translated.
struct Translation {
    model: TypedModel,
    /// The graph's outlets that are in it, and where.
    outlets: HashMap<OutletId, OutletId>,
    /// For each of the graph's other nodes, the node in the way and what is wrong with it.
    failed: HashMap<usize, (usize, String)>,
    /// The versions of the arithmetic of the nodes that are in it, inputs included.
    versions: HashMap<usize, u32>,
    /// Those of these nodes whose numbers are the same for every image.
    fixed: HashSet<usize>,
    /// How many values operations on constants have in all, beyond those that they read.
    constants: usize,
}

/// The file's nodes by the graph's, each with why it is known to fail, if it is.
type Stated<'a> = HashMap<usize, (&'a NodeProto, Option<&'a str>)>;

impl Translation {
    /// Translates `model`, made of the nodes in `stated`; `depends` tells which depend on the image, and `ends`
    /// are the file's outputs.
    fn of(
        model: &mut InferenceModel,
        stated: &Stated<'_>,
        depends: &[bool],
        ends: &[String],
    ) -> Result<Self, String> {
        let unsupported = stated.iter();
        let unsupported = unsupported.filter_map(|(id, (_, why))| Some((*id, (*why)?.to_owned())));
        let mut unsupported: HashMap<usize, String> = unsupported.collect();
        if guarded(|| model.analyse(true)).is_err() {
            for node in model.nodes() {
                if let Err(why) = guarded(|| infer(model, node)) {
                    unsupported.entry(node.id).or_insert(why);
                }
            }
        }
        let mut halves = Halves::of(model, |id| Some(stated.get(&id)?.0), ends);
        let mut done = Self {
            model: TypedModel {
                symbols: model.symbols.clone(),
                ..TypedModel::default()
            },
            outlets: HashMap::new(),
            failed: HashMap::new(),
            versions: HashMap::new(),
            fixed: HashSet::new(),
            constants: 0,
        };
        for id in guarded(|| model.eval_order())? {
            let node = model.node(id);
            let mut before = node.inputs.iter();
            let before = before.find_map(|input| done.failed.get(&input.node).cloned());
            let own = unsupported.remove(&id).map(|why| (id, why));
            if let Some(failed) = before.or(own) {
                done.failed.insert(id, failed);
                continue;
            }
            let translated = guarded(|| {
                if !depends[id] {
                    done.count(model, node)?;
                }
                let before = done.model.nodes().len();
                let outlets =
                    translate(model, node, (&mut done.model, &mut halves), &done.outlets)?;
                let added = done.model.nodes()[before..].iter();
                let facts = added.flat_map(|node| &node.outputs).map(|of| &of.fact);
                let mut sizes = facts.flat_map(sizes).filter(|_| !depends[id]);
                sizes.try_for_each(|sizes| within_limit(&sizes))?;
                Ok(outlets)
            });
            match translated {
                Ok(outlets) => {
                    if done.is_fixed(node, &outlets) {
                        done.fixed.insert(id);
                    }
                    let stated = stated.get(&id).map(|(node, _)| *node);
                    done.versions.insert(id, done.version(node, stated));
                    let outlets = outlets.into_iter().enumerate();
                    let pairs = outlets.map(|(slot, outlet)| (OutletId::new(id, slot), outlet));
                    done.outlets.extend(pairs);
                }
                Err(why) => {
                    done.failed.insert(id, (id, why));
                }
            }
        }
        let inputs = model.inputs.iter();
        done.model.inputs = inputs
            .filter_map(|input| done.outlets.get(input).copied())
            .collect();
        Ok(done)
    }

    /// Whether the numbers of `node`, which has become `made`, are the same for every image.
    fn is_fixed(&self, node: &InferenceNode, made: &[OutletId]) -> bool {
        let is_known = |outlet: &OutletId| {
            let fact = self.model.outlet_fact(*outlet);
            fact.is_ok_and(|fact| fact.konst.is_some())
        };
        let mut inputs = node.inputs.iter();
        made.iter().all(is_known)
            || !InferenceModel::is_source(&node.op)
                && inputs.all(|of| self.fixed.contains(&of.node))
    }

    /// Counts the values that `node` of `model`, an operation on constants, makes; refuses too many, before they
    /// are computed.
    fn count(&mut self, model: &InferenceModel, node: &InferenceNode) -> TractResult<()> {
        let of = |fact: &InferenceFact| bounded::sizes_of(fact).and_then(|sizes| units(&sizes));
        let facts = node.inputs.iter().map(|input| model.outlet_fact(*input));
        let facts = facts.collect::<TractResult<TVec<_>>>()?;
        let read: usize = facts.into_iter().filter_map(of).sum();
        // What reads nothing is in the file.
        if node.inputs.is_empty() {
            return Ok(());
        }
        let made = node.outputs.iter().filter_map(|output| of(&output.fact));
        let made = made.fold(0, usize::saturating_add).saturating_sub(read);
        let all = self.constants.saturating_add(made);
        ensure!(
            all <= UNITS_MAX,
            "with it, operations on constants make {all} values; the limit is {UNITS_MAX}"
        );
        self.constants = all;
        Ok(())
    }

    /// The version of the arithmetic of `node`, which the file states as `stated`, and of what its numbers
    /// depend on.
    fn version(&self, node: &InferenceNode, stated: Option<&NodeProto>) -> u32 {
        let is_fixed = self.fixed.contains(&node.id);
        let mut version = stated.map_or(0, |node| arithmetic::version(node, is_fixed));
        for input in &node.inputs {
            // Of a tensor whose shape alone is read, the numbers do not count.
            if is_fixed && !self.fixed.contains(&input.node) {
                continue;
            }
            let before = self.versions.get(&input.node).copied();
            version = version.max(before.unwrap_or(0));
            let outlet = self.outlets.get(input);
            let fact = outlet.and_then(|outlet| self.model.outlet_fact(*outlet).ok());
            if !is_fixed && fact.is_some_and(|fact| fact.datum_type == DatumType::F16) {
                version = version.max(arithmetic::HALVES);
            }
        }
        version
    }

    /// Where `outlet` is and its shape, or why it is not a layer.
    fn layer(
        &self,
        outlet: OutletId,
        names: &HashMap<OutletId, &String>,
    ) -> Result<(OutletId, Vec<usize>), NotLayer> {
        let failed = |at: usize, why: &str| NotLayer::Failed {
            tensor: names.get(&OutletId::new(at, 0)).map_or_else(
                || format!("an operation without a name ({at})"),
                |name| (*name).clone(),
            ),
            why: why.to_owned(),
        };
        if let Some((at, why)) = self.failed.get(&outlet.node) {
            return Err(failed(*at, why));
        }
        let done = self.outlets.get(&outlet);
        let done = done.ok_or_else(|| failed(outlet.node, "it has fewer outputs"))?;
        let fact = guarded(|| self.model.outlet_fact(*done));
        let fact = fact.map_err(|why| failed(outlet.node, &why))?;
        Ok((*done, shape(fact)?))
    }
}

/// What `node` says of its outputs; fails where it contradicts its inputs.
fn infer(model: &InferenceModel, node: &InferenceNode) -> TractResult<()> {
    let (inputs, outputs) = model.node_facts(node.id)?;
    let observed = node.op.observe_outlets(model, node)?;
    let observed = observed.iter().map(|outlet| model.outlet_fact(*outlet));
    let observed = observed.collect::<TractResult<TVec<_>>>()?;
    node.op.clone().infer(inputs, outputs, observed)?;
    Ok(())
}

/// Adds `node` to `target`, as tract's `InferenceModelExt::into_typed` does.
fn translate(
    source: &InferenceModel,
    node: &InferenceNode,
    (target, halves): (&mut TypedModel, &mut Halves),
    outlets: &HashMap<OutletId, OutletId>,
) -> TractResult<TVec<OutletId>> {
    let values = node
        .outputs
        .iter()
        .map(|output| output.fact.value.concretize());
    let values: Option<TVec<_>> = values.collect();
    match values.filter(|_| !InferenceModel::is_source(&node.op)) {
        Some(values) => {
            let named = values.into_iter().enumerate();
            let named = named.map(|(slot, value)| (format!("{}.{slot}", node.name), value));
            named
                .map(|(name, value)| target.add_const(name, value))
                .collect()
        }
        None => {
            let made = halves.add_typed(source, node, target, outlets)?;
            for outlet in &made {
                target.outlet_fact(*outlet)?.consistent()?;
            }
            Ok(made)
        }
    }
}

/// For each of the graph's nodes, whether it depends on the image.
fn depends_on_the_image(model: &InferenceModel) -> Result<Vec<bool>, String> {
    let mut depends = vec![false; model.nodes().len()];
    for id in guarded(|| model.eval_order())? {
        let node = model.node(id);
        depends[id] = model.inputs.iter().any(|image| image.node == id)
            || node.inputs.iter().any(|read| depends[read.node]);
    }
    Ok(depends)
}

/// A tensor's shape, or why it is not a layer.
fn shape(fact: &TypedFact) -> Result<Vec<usize>, NotLayer> {
    if fact.konst.is_some() {
        return Err(NotLayer::Constant);
    }
    match fact.datum_type {
        DatumType::F16 | DatumType::F32 | DatumType::F64 => {}
        other => return Err(NotLayer::Holds(format!("{other:?}"))),
    }
    let sizes = sizes(fact).ok_or(NotLayer::OpenShape)?;
    match units(&sizes) {
        Some(0) => Err(NotLayer::Empty),
        Some(1..=UNITS_MAX) => Ok(sizes),
        Some(_) | None => Err(NotLayer::Large(sizes)),
    }
}
