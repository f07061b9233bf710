//! Networks that were exported with a fixed batch, run on one stimulus at a time.
//!
//! The input's batch becomes one, and so does the batch in constant shapes. Which number of such a shape
//! is the batch is a guess. So before a layer is used, it is compared with the graph as it was exported,
//! on a batch of noise.

use std::sync::Arc;

use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{GraphProto, ModelProto, NodeProto, TensorProto};
use tract_onnx::prelude::{IntoRunnable, TypedModel, TypedRunnableModel, tvec};
use tract_onnx::tract_hir::internal::{OutletId, TractErrorContext, TractResult, ensure};

use super::Layer;
use super::graph::{Graph, NotLayer, Tensor};
use super::input::Input;

/// Largest difference between a layer of one stimulus and the same layer in a batch, in standard
/// deviations of the layer. Sums in another order differ by about 1e-5; another stimulus by about 1.
const TOLERANCE: f64 = 1e-3;

/// A graph for a batch of several stimuli, to compare with.
#[derive(Debug)]
pub(super) struct FixedBatch {
    input: Input,
    model: TypedModel,
    tensors: Vec<Tensor>,
}

impl FixedBatch {
    /// Keeps `exported`, and lists as layers only those of `single` whose shapes are those of one
    /// stimulus in it.
    pub(super) fn new(exported: Graph, input: Input, single: &mut [Tensor]) -> Self {
        for (one, all) in single.iter_mut().zip(&exported.tensors) {
            let shapes = one.layer.as_ref().ok().zip(all.layer.as_ref().ok());
            let told_apart = shapes
                .is_some_and(|((_, one), (_, all))| batch_axis(one, all, input.batch).is_some());
            // A tensor that is a layer in neither graph keeps its reason.
            if !told_apart && (one.layer.is_ok() || all.layer.is_ok()) {
                one.layer = Err(NotLayer::FixedBatch(input.batch));
            }
        }
        Self {
            input,
            model: exported.model,
            tensors: exported.tensors,
        }
    }

    /// Compares `layers`, which `plan` computes for one stimulus, with the exported graph's.
    pub(super) fn verify(
        &self,
        plan: &Arc<TypedRunnableModel>,
        layers: &[Layer<'_>],
    ) -> TractResult<()> {
        let of_batch = layers.iter().map(|layer| {
            let mut tensors = self.tensors.iter();
            let all = tensors.find(|tensor| tensor.name == layer.tensor);
            let (outlet, shape) = all?.layer.as_ref().ok()?;
            let axis = batch_axis(layer.shape, shape, self.input.batch)?;
            Some((*outlet, axis))
        });
        let of_batch: Option<Vec<(OutletId, usize)>> = of_batch.collect();
        let of_batch = of_batch.context("a layer is missing from its batch")?;
        let mut model = self.model.clone();
        let outlets: Vec<OutletId> = of_batch.iter().map(|(outlet, _)| *outlet).collect();
        model.select_output_outlets(&outlets)?;
        let exported = model.into_optimized()?.into_runnable()?;

        let batch = self.input.batch;
        let pixels: usize = self.input.size().iter().product();
        let noise = self.input.noise(batch);
        let together = exported.run(tvec!(self.input.tensor(&noise)?.into()))?;
        for stimulus in [0, batch - 1] {
            let image = &noise[stimulus * pixels..][..pixels];
            let alone = plan.run(tvec!(self.input.tensor(image)?.into()))?;
            for (at, ((_, axis), layer)) in of_batch.iter().zip(layers).enumerate() {
                let size = layer.shape[*axis];
                let own = together[at].slice(*axis, stimulus * size, (stimulus + 1) * size)?;
                let error = difference(&alone[at], &own)?;
                ensure!(
                    error < TOLERANCE,
                    "`{}` of one stimulus differs from the same in the exported batch of {batch}, \
                     by {error:.1e} of its standard deviation",
                    layer.tensor
                );
            }
        }
        Ok(())
    }
}

/// The largest difference of two layers, in standard deviations of the second.
fn difference(
    ours: &tract_onnx::prelude::Tensor,
    theirs: &tract_onnx::prelude::Tensor,
) -> TractResult<f64> {
    let (ours, theirs) = (ours.cast_to::<f64>()?, theirs.cast_to::<f64>()?);
    let ours = ours.try_as_plain_ram()?.as_slice::<f64>()?;
    let theirs = theirs.try_as_plain_ram()?.as_slice::<f64>()?;
    let count = theirs.len() as f64;
    let mean = theirs.iter().sum::<f64>() / count;
    let variance = theirs
        .iter()
        .map(|value| (value - mean).powi(2))
        .sum::<f64>()
        / count;
    let differences = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs());
    // A difference that is not a number is the largest.
    let largest = |most: f64, next: f64| {
        if next <= most || most.is_nan() {
            most
        } else {
            next
        }
    };
    Ok(differences.fold(0.0, largest) / variance.sqrt().max(1e-12))
}

/// The one axis along which `all` is `batch` times as long as `one`.
fn batch_axis(one: &[usize], all: &[usize], batch: usize) -> Option<usize> {
    if one.len() != all.len() {
        return None;
    }
    let mut longer = (0..one.len()).filter(|axis| one[*axis] != all[*axis]);
    let axis = longer.next().filter(|_| longer.next().is_none())?;
    (all[axis] == batch * one[axis]).then_some(axis)
}

/// Divides the batch in the constant shapes of `proto` by `batch`. `tensors` are those of its graph.
pub(super) fn make_one(proto: &mut ModelProto, tensors: &[Tensor], batch: usize) {
    let Some(graph) = &mut proto.graph else {
        return;
    };
    let mut added = Vec::new();
    for at in 0..graph.node.len() {
        let node = &graph.node[at];
        let depends = node.output.first().is_some_and(|output| {
            let tensor = tensors.iter().find(|tensor| tensor.name == *output);
            tensor.is_some_and(|tensor| tensor.layer != Err(NotLayer::Constant))
        });
        let stated = match &*node.op_type {
            "Reshape" if depends => stated_shape(graph, node),
            "Expand" => stated_shape(graph, node),
            _ => None,
        };
        let Some(shape) = stated.and_then(|shape| of_one(shape, batch)) else {
            continue;
        };
        let name = format!("(shape for one stimulus, {at})");
        added.push(TensorProto {
            name: name.clone(),
            dims: vec![shape.len() as i64],
            data_type: DataType::Int64 as i32,
            int64_data: shape,
            ..TensorProto::default()
        });
        graph.node[at].input[1] = name;
    }
    graph.initializer.extend(added);
}

/// A shape with one of its numbers divided by `batch`: the first that is the batch, or else the first
/// that is a multiple of it.
fn of_one(mut shape: Vec<i64>, batch: usize) -> Option<Vec<i64>> {
    let batch = batch as i64;
    let exact = shape.iter().position(|size| *size == batch);
    let multiple = || shape.iter().position(|size| *size > 0 && size % batch == 0);
    // The reader deduces -1.
    let open = shape.contains(&-1);
    let at = exact.or_else(|| multiple().filter(|_| !open))?;
    shape[at] /= batch;
    Some(shape)
}

/// The constant shape that `node` reads as its second input.
fn stated_shape(graph: &GraphProto, node: &NodeProto) -> Option<Vec<i64>> {
    let name = node.input.get(1)?;
    let stated = graph.initializer.iter().find(|tensor| tensor.name == *name);
    let tensor = stated.or_else(|| {
        let mut nodes = graph.node.iter();
        let constant = nodes.find(|node| node.output.first() == Some(name));
        let constant = constant.filter(|node| node.op_type == "Constant")?;
        constant.attribute.iter().find_map(|value| value.t.as_ref())
    })?;
    let of_raw = |raw: &[u8]| {
        let (values, _) = raw.as_chunks::<8>();
        values
            .iter()
            .map(|value| i64::from_le_bytes(*value))
            .collect()
    };
    let kind = tensor.data_type == DataType::Int64 as i32;
    kind.then(|| match &*tensor.raw_data {
        [] => tensor.int64_data.clone(),
        raw => of_raw(raw),
    })
}
