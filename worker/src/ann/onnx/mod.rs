//! ANNs from ONNX files: what a file holds, and its layers.
//!
//! A layer is a tensor of the graph that holds floats and depends on the image. It is called by its own
//! name, by the name of the node whose first output it is, or by the PyTorch module that returns it. All
//! shapes are of one stimulus: the graph is opened with a batch of one, so that the batch axis need not be
//! guessed. tract reads and runs the graph, on the CPU. Its panics end here, as errors.

mod arithmetic;
mod attention;
mod batch;
mod bounded;
mod einsum;
mod error;
mod external;
mod graph;
mod half;
mod input;
mod mended;
mod misread;
#[cfg(test)]
mod module_tests;
mod modules;
mod numbers;
mod operations;
mod pass;
mod probe;
mod reading;
mod scopes;
mod shapes;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nrp_proto::near_miss;
use nrp_proto::panics::caught;
use tract_onnx::Onnx;
use tract_onnx::data_resolver::FopenDataResolver;
use tract_onnx::prelude::TypedModel;
use tract_onnx::tract_hir::internal::{OutletId, TractResult};

use batch::FixedBatch;
pub use error::OnnxError;
pub use graph::NotLayer;
use graph::{Graph, Tensor};
use input::Input;
use modules::{Module, modules};
pub use pass::OnnxPass;
use reading::Contents;

/// The extension of ONNX files.
const EXTENSION: &str = "onnx";

/// An opened ONNX file: its input and layers are known.
#[derive(Debug)]
pub struct OnnxFile {
    path: PathBuf,
    digest: String,
    input: Input,
    /// The part of the graph that can be computed, for an input of one stimulus, optimised.
    model: TypedModel,
    /// The graph for the batch that it was exported with, unless that is one or open.
    fixed: Option<FixedBatch>,
    tensors: Vec<Tensor>,
    modules: Vec<Module>,
}

/// A layer of an ONNX file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnnxLayer {
    /// The tensor's name.
    pub name: String,
    /// The name of the node that writes it; empty if it has none.
    pub node: String,
    /// The PyTorch modules that return it, outermost first.
    pub modules: Vec<String>,
    /// What the node does: `Conv`.
    pub op: String,
    /// The shape for one stimulus in the tensor's own order, without the batch if that is the first
    /// axis.
    pub shape: Vec<usize>,
}

/// A layer that was asked for.
struct Layer<'a> {
    tensor: &'a str,
    outlet: OutletId,
    shape: &'a [usize],
    arithmetic: u32,
}

/// Tensors of an ONNX file that are not layers, for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// The reason.
    pub why: NotLayer,
    /// The tensors' names, in the graph's order.
    pub tensors: Vec<String>,
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
        let mut onnx = Onnx {
            // Read, not mapped: a file that shrinks meanwhile is an error, not a signal.
            provider: Arc::new(FopenDataResolver),
            // Exported shapes may be of another batch size.
            ..tract_onnx::onnx().with_ignore_value_info(true)
        };
        operations::replace(&mut onnx);
        let mut contents = Contents::read(path, &onnx)?;
        let unusable = |why| OnnxError::Graph {
            path: path.to_owned(),
            why,
        };
        let directory = path.parent().and_then(Path::to_str);
        contents.hide_unsupported(&onnx, directory);
        let parsed = guarded(|| onnx.parse(&contents.proto, directory)).map_err(unusable)?;
        let input = Input::of(&parsed.model, &parsed.unresolved_inputs).map_err(|found| {
            let path = path.to_owned();
            OnnxError::Input { path, found }
        })?;
        let mut graph = Graph::of(parsed, &contents, input.fact(input.batch)).map_err(unusable)?;
        let mut fixed = None;
        if input.batch > 1 {
            batch::make_one(&mut contents.proto, &graph.tensors, input.batch);
            let parsed = guarded(|| onnx.parse(&contents.proto, directory)).map_err(unusable)?;
            let single = Graph::of(parsed, &contents, input.fact(1)).map_err(unusable)?;
            let exported = std::mem::replace(&mut graph, single);
            fixed = Some(FixedBatch::new(exported, input, &mut graph.tensors));
        }
        let graph = probe::optimised(graph, input).map_err(unusable)?;
        let layers = graph.tensors.iter().filter(|tensor| tensor.layer.is_ok());
        let layers: HashSet<&str> = layers.map(|tensor| &*tensor.name).collect();
        let modules = modules(&contents, |name| layers.contains(name));
        Ok(Self {
            path: path.to_owned(),
            digest: contents.digest,
            input,
            model: graph.model,
            fixed,
            modules,
            tensors: graph.tensors,
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
        let named = self.modules.iter().filter(|module| self.is_named(module));
        let named: Vec<&Module> = named.collect();
        let layers = self.tensors.iter().filter_map(|tensor| {
            let (_, shape) = tensor.layer.as_ref().ok()?;
            let modules = named.iter();
            let modules = modules.filter(|module| module.tensors == [&*tensor.name]);
            Some(OnnxLayer {
                name: tensor.name.clone(),
                node: tensor.node.clone(),
                modules: modules.map(|module| module.path.clone()).collect(),
                op: tensor.op.clone(),
                shape: without_batch(shape),
            })
        });
        layers.collect()
    }

    /// The tensors that are not layers, by reason.
    pub fn left_out(&self) -> Vec<LeftOut> {
        let mut left_out: Vec<LeftOut> = Vec::new();
        for tensor in &self.tensors {
            let Err(why) = &tensor.layer else { continue };
            match left_out.iter_mut().find(|known| known.why == *why) {
                Some(known) => known.tensors.push(tensor.name.clone()),
                None => left_out.push(LeftOut {
                    why: why.clone(),
                    tensors: vec![tensor.name.clone()],
                }),
            }
        }
        left_out
    }

    /// The modules whose names do not name what they return: the name, and the tensors that the
    /// module returns. The name is another tensor's or node's, or there are several such tensors.
    pub fn unnamed_modules(&self) -> Vec<(&str, &[String])> {
        let unnamed = self.modules.iter().filter(|module| !self.is_named(module));
        let unnamed = unnamed.map(|module| (&*module.path, &*module.tensors));
        unnamed.collect()
    }

    fn is_named(&self, module: &Module) -> bool {
        let called = self.called(&module.path);
        match &*module.tensors {
            [tensor] => called.is_empty() || called.iter().any(|called| called.name == *tensor),
            _ => false,
        }
    }

    /// The shape of the layer called `layer`, a tensor, a node or a module.
    ///
    /// # Errors
    /// When the name is unknown or ambiguous, or the tensor is not a layer.
    pub fn shape(&self, layer: &str) -> Result<Vec<usize>, OnnxError> {
        Ok(without_batch(self.layer(layer)?.shape))
    }

    /// The version of the arithmetic of the layer called `layer`, for cache keys: 0 as long as no build
    /// changed what it computes for an operation that the layer depends on.
    ///
    /// # Errors
    /// As of [`Self::shape`].
    pub fn arithmetic(&self, layer: &str) -> Result<u32, OnnxError> {
        Ok(self.layer(layer)?.arithmetic)
    }

    fn cannot_run(&self, why: String) -> OnnxError {
        let path = self.path.clone();
        OnnxError::Run { path, why }
    }

    /// The tensors that have this name, or whose node has it.
    fn called(&self, layer: &str) -> Vec<&Tensor> {
        let called =
            |tensor: &&Tensor| tensor.name == layer || (tensor.slot == 0 && tensor.node == layer);
        self.tensors.iter().filter(called).collect()
    }

    fn layer(&self, layer: &str) -> Result<Layer<'_>, OnnxError> {
        let path = || self.path.clone();
        let mut found = self.called(layer);
        if found.is_empty() {
            let mut modules = self.modules.iter();
            let module = modules.find(|module| module.path == layer);
            let tensors = module.into_iter().flat_map(|module| &module.tensors);
            found.extend(tensors.flat_map(|name| self.called(name)));
        }
        match found.as_slice() {
            [] => {
                let layers = self.tensors.iter().filter(|tensor| tensor.layer.is_ok());
                let names = layers.flat_map(|tensor| [&*tensor.name, &*tensor.node]);
                let modules = self.modules.iter().map(|module| &*module.path);
                Err(OnnxError::UnknownLayer {
                    path: path(),
                    layer: layer.to_owned(),
                    near: near_miss(layer, names.chain(modules)).map(str::to_owned),
                })
            }
            [tensor] => match &tensor.layer {
                Ok((outlet, shape)) => Ok(Layer {
                    tensor: &tensor.name,
                    outlet: *outlet,
                    shape,
                    arithmetic: tensor.arithmetic,
                }),
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

/// Calls tract, and turns its panics into errors.
fn guarded<T>(call: impl FnOnce() -> TractResult<T>) -> Result<T, String> {
    match caught(call) {
        Ok(done) => done.map_err(|error| format!("{error:#}")),
        Err(said) => Err(format!("it makes the reader give up: {said}")),
    }
}

/// The batch, one, is not shown.
fn without_batch(shape: &[usize]) -> Vec<usize> {
    match shape {
        [1, rest @ ..] if !rest.is_empty() => rest.to_vec(),
        all => all.to_vec(),
    }
}
