//! ANNs from ONNX files: what a file holds, and its layers.
//!
//! A layer is a tensor of the graph that holds floats and depends on the image, called by its own
//! name or by the name of the node whose first output it is. All shapes are of one stimulus: the
//! graph is opened with a batch of one, so that the batch axis need not be guessed. tract reads and
//! runs the graph, on the CPU. Its panics end here, as errors.

mod error;
mod external;
mod input;
mod pass;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nrp_proto::near_miss;
use nrp_proto::panics::caught;
use tract_onnx::Onnx;
use tract_onnx::data_resolver::FopenDataResolver;
use tract_onnx::pb::tensor_shape_proto::dimension::Value;
use tract_onnx::pb::{GraphProto, ModelProto, NodeProto, type_proto};
use tract_onnx::prelude::Framework;
use tract_onnx::tract_hir::internal::{
    DatumType, DimLike, Factoid, InferenceFact, InferenceModel, InferenceModelExt, OutletId,
    TractResult,
};

pub use error::OnnxError;
use input::Input;
pub use pass::OnnxPass;

/// The extension of ONNX files.
const EXTENSION: &str = "onnx";
/// Most units of a layer: 8 GB a stimulus. Invalid graphs have negative sizes, which the reader
/// takes for large ones.
const UNITS_MAX: usize = 1 << 31;

/// An opened ONNX file: its input and layers are known.
#[derive(Debug)]
pub struct OnnxFile {
    path: PathBuf,
    digest: String,
    input: Input,
    /// The graph for an input of one stimulus.
    model: InferenceModel,
    tensors: Vec<Tensor>,
}

/// A node's output.
#[derive(Debug)]
struct Tensor {
    name: String,
    node: String,
    op: String,
    /// Which of its node's outputs it is.
    slot: usize,
    outlet: OutletId,
    /// The shape for one stimulus, or why the tensor is not a layer.
    shape: Result<Vec<usize>, String>,
}

/// A layer of an ONNX file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnnxLayer {
    /// The tensor's name.
    pub name: String,
    /// The name of the node that writes it; empty if it has none.
    pub node: String,
    /// What the node does: `Conv`.
    pub op: String,
    /// The shape for one stimulus in the tensor's own order, without the batch if that is the first
    /// axis.
    pub shape: Vec<usize>,
}

/// Whether `path` has the extension of ONNX files.
pub fn is_onnx(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension == EXTENSION)
}

impl OnnxFile {
    /// Opens the file at `path`, reads all of it and determines the shapes of its tensors.
    ///
    /// # Errors
    /// When it cannot be read, is not a valid ONNX file, or does not take one image.
    pub fn open(path: &Path) -> Result<Self, OnnxError> {
        let onnx = Onnx {
            // Read, not mapped: a file that shrinks meanwhile is an error, not a signal.
            provider: Arc::new(FopenDataResolver),
            // Exported shapes may be of another batch size.
            ..tract_onnx::onnx().with_ignore_value_info(true)
        };
        let (mut proto, digest) = read(path, &onnx)?;
        // Nodes may share a name, which tract does not allow. Without names it uses their tensors'.
        let nodes = proto.graph.iter_mut().flat_map(|graph| &mut graph.node);
        let names: Vec<String> = nodes.map(|node| std::mem::take(&mut node.name)).collect();
        let unusable = |why| OnnxError::Graph {
            path: path.to_owned(),
            why,
        };
        let directory = path.parent().and_then(Path::to_str);
        let parsed = guarded(|| onnx.parse(&proto, directory)).map_err(unusable)?;
        let input = Input::of(&parsed.model, &parsed.unresolved_inputs).map_err(|found| {
            let path = path.to_owned();
            OnnxError::Input { path, found }
        })?;
        let mut model = parsed.model.clone();
        guarded(|| model.set_input_fact(0, input.fact())).map_err(unusable)?;
        let nodes = names
            .iter()
            .zip(proto.graph.iter().flat_map(|graph| &graph.node));
        let nodes: Vec<(&String, &NodeProto)> = nodes.collect();
        let tensors = tensors(&onnx, &nodes, &parsed.outlets_by_name, model.clone());
        Ok(Self {
            path: path.to_owned(),
            digest,
            input,
            model,
            tensors: tensors.map_err(unusable)?,
        })
    }

    /// Identifies the file in ids and cache keys: the first 32 hexadecimal digits of its
    /// BLAKE3, the files that it keeps weights in included.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Height, width and channels of the image it takes, in whichever order it takes them.
    pub fn input(&self) -> [usize; 3] {
        self.input.size()
    }

    /// Every layer, in the graph's order.
    pub fn layers(&self) -> Vec<OnnxLayer> {
        let layers = self.tensors.iter().filter_map(|tensor| {
            let shape = tensor.shape.as_ref().ok()?;
            Some(OnnxLayer {
                name: tensor.name.clone(),
                node: tensor.node.clone(),
                op: tensor.op.clone(),
                shape: without_batch(shape),
            })
        });
        layers.collect()
    }

    /// The shape of the layer called `layer`, a tensor or a node.
    ///
    /// # Errors
    /// When the name is unknown or ambiguous, or the tensor is not a layer.
    pub fn shape(&self, layer: &str) -> Result<Vec<usize>, OnnxError> {
        let (_, shape) = self.layer(layer)?;
        Ok(without_batch(shape))
    }

    fn cannot_run(&self, why: String) -> OnnxError {
        let path = self.path.clone();
        OnnxError::Run { path, why }
    }

    fn layer(&self, layer: &str) -> Result<(OutletId, &[usize]), OnnxError> {
        let path = || self.path.clone();
        let called =
            |tensor: &&Tensor| tensor.name == layer || (tensor.slot == 0 && tensor.node == layer);
        let found: Vec<&Tensor> = self.tensors.iter().filter(called).collect();
        match found.as_slice() {
            [] => {
                let layers = self.tensors.iter().filter(|tensor| tensor.shape.is_ok());
                let names = layers.flat_map(|tensor| [&*tensor.name, &*tensor.node]);
                Err(OnnxError::UnknownLayer {
                    path: path(),
                    layer: layer.to_owned(),
                    near: near_miss(layer, names).map(str::to_owned),
                })
            }
            [tensor] => match &tensor.shape {
                Ok(shape) => Ok((tensor.outlet, shape)),
                Err(why) => Err(OnnxError::NotLayer {
                    path: path(),
                    layer: layer.to_owned(),
                    why: why.clone(),
                }),
            },
            several => {
                let names = several.iter().map(|tensor| format!("`{}`", tensor.name));
                Err(OnnxError::Ambiguous {
                    path: path(),
                    layer: layer.to_owned(),
                    tensors: names.collect::<Vec<_>>().join(", "),
                })
            }
        }
    }
}

/// The file at `path`, decoded, and its digest.
fn read(path: &Path, onnx: &Onnx) -> Result<(ModelProto, String), OnnxError> {
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
    graph.output.clear();
    forget_named_sizes(graph);
    let digest = external::digest(&bytes, graph, path)?;
    Ok((proto, digest))
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

/// All outputs of the graph's nodes, with their names and their shapes for one stimulus.
fn tensors(
    onnx: &Onnx,
    nodes: &[(&String, &NodeProto)],
    outlets: &HashMap<String, OutletId>,
    mut model: InferenceModel,
) -> Result<Vec<Tensor>, String> {
    let all: Vec<OutletId> = outlets.values().copied().collect();
    guarded(|| model.select_output_outlets(&all))?;
    let known = |op: &str| onnx.op_register.0.contains_key(op);
    let unknown = nodes.iter().find(|(_, node)| !known(&node.op_type));
    let unknown = unknown.map(|(_, node)| format!("unknown operation `{}`", node.op_type));
    let failed = guarded(|| model.analyse(true)).err();
    let problem = unknown.or(failed);
    let depends = depends_on_the_image(&model)?;
    let mut tensors = Vec::new();
    for (node_name, node) in nodes {
        let outputs = node.output.iter().filter(|name| !name.is_empty());
        for (slot, name) in outputs.enumerate() {
            let outlet = outlets.get(name).copied();
            let outlet = outlet.ok_or_else(|| format!("`{name}` is lost as the graph is read"))?;
            let fact = guarded(|| model.outlet_fact(outlet))?;
            tensors.push(Tensor {
                name: name.clone(),
                node: (*node_name).clone(),
                op: node.op_type.clone(),
                slot,
                outlet,
                shape: shape(
                    fact,
                    depends.get(outlet.node) == Some(&true),
                    problem.as_deref(),
                ),
            });
        }
    }
    Ok(tensors)
}

/// Calls tract, and turns its panics into errors.
fn guarded<T>(call: impl FnOnce() -> TractResult<T>) -> Result<T, String> {
    match caught(call) {
        Ok(done) => done.map_err(|error| format!("{error:#}")),
        Err(said) => Err(format!("it makes the reader give up: {said}")),
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
fn shape(fact: &InferenceFact, depends: bool, problem: Option<&str>) -> Result<Vec<usize>, String> {
    if !depends || fact.value.is_concrete() {
        return Err("it does not depend on the image".to_owned());
    }
    let unknown = |what: &str| match problem {
        Some(problem) => format!("its {what} cannot be inferred ({problem})"),
        None => format!("its {what} depends on the image, or cannot be inferred"),
    };
    match fact.datum_type.concretize() {
        Some(DatumType::F16 | DatumType::F32 | DatumType::F64) => {}
        Some(other) => return Err(format!("it holds {other:?}, not floats")),
        None => return Err(unknown("type")),
    }
    let sizes = fact.shape.concretize().ok_or_else(|| unknown("shape"))?;
    let sizes = sizes.iter().map(|size| size.to_usize());
    let sizes: Vec<usize> = sizes
        .collect::<Result<_, _>>()
        .map_err(|_| unknown("shape"))?;
    let units = sizes
        .iter()
        .try_fold(1usize, |units, size| units.checked_mul(*size));
    match units {
        Some(0) => Err("it is empty".to_owned()),
        Some(1..=UNITS_MAX) => Ok(sizes),
        Some(_) | None => Err(format!(
            "its shape is {sizes:?}; the limit is {UNITS_MAX} units"
        )),
    }
}

/// The batch, one, is not shown.
fn without_batch(shape: &[usize]) -> Vec<usize> {
    match shape {
        [1, rest @ ..] if !rest.is_empty() => rest.to_vec(),
        all => all.to_vec(),
    }
}
