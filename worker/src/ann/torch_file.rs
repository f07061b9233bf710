//! Weights from PyTorch's files: a state dict in `.pth` or `.pt`, or safetensors.
//!
//! The file is fitted to the ANN's graph as a whole before anything is read from it: the wrong file
//! is refused at its first tensor that differs, and is never loaded in part.

use std::collections::BTreeMap;
use std::path::Path;

use burn_store::burn_pack::Tensor;
use burn_store::{ModuleStore, PytorchStore, SafetensorsStore, bridge};
use nrp_proto::panics::caught;

use super::AnnError;
use super::graph::{Graph, NodeId, WeightSpec};
use super::weights::Weights;

/// Under which keys a checkpoint may hold the state dict.
const TOP_LEVEL: [&str; 3] = ["state_dict", "model_state_dict", "model"];

/// Counters that PyTorch keeps beside a batch norm's statistics; inference does not need them.
const COUNTER: &str = "num_batches_tracked";

/// The file's weight tensors, row-major and in Keras's layout: those that the layers `asked` depend on,
/// and of the others, those that fit.
pub(super) fn read(
    path: &Path,
    ann: &'static str,
    graph: &Graph,
    asked: &[NodeId],
) -> Result<Weights, AnnError> {
    let mut state = state(path, ann)?;
    let mismatch = |layer: &str, expected: String, found: String| AnnError::WeightsMismatch {
        ann,
        path: path.to_owned(),
        layer: layer.to_owned(),
        expected,
        found,
    };
    let mut fitted = Vec::new();
    for (spec, needed) in graph.weights().iter().zip(graph.needed(asked)) {
        let key = key(spec);
        let expected = torch_shape(spec);
        match state.remove(&key) {
            Some(tensor) if tensor.shape.as_slice() == expected => fitted.push(Some(tensor)),
            None | Some(_) if !needed => fitted.push(None),
            found => {
                let found = found.map_or_else(
                    || "no such tensor".to_owned(),
                    |tensor| format!("{:?}", tensor.shape.as_slice()),
                );
                return Err(mismatch(&key, format!("{expected:?}"), found));
            }
        }
    }
    if let Some((key, tensor)) = state.into_iter().next() {
        let found = format!("{:?}", tensor.shape.as_slice());
        return Err(mismatch(&key, "absent".to_owned(), found));
    }
    let values = |(spec, tensor): (&WeightSpec, &Tensor)| {
        let data = bridge::to_data(tensor)
            .map_err(|error| broken(path, ann, error.to_string()))?
            .convert::<f32>();
        let values = data
            .try_into_vec::<f32>()
            .map_err(|error| broken(path, ann, format!("{error:?}")))?;
        if values.iter().any(|x| !x.is_finite()) {
            return Err(AnnError::NotFinite {
                ann,
                path: path.to_owned(),
                layer: spec.layer.clone(),
                variable: spec.variable,
            });
        }
        Ok(keras_order(spec, values))
    };
    let fitted = graph.weights().iter().zip(&fitted);
    let read =
        fitted.map(|(spec, tensor)| tensor.as_ref().map(|of| values((spec, of))).transpose());
    read.collect()
}

/// The file's tensors by their names in the network, counters left out.
fn state(path: &Path, ann: &'static str) -> Result<BTreeMap<String, Tensor>, AnnError> {
    let unreadable = |source| AnnError::WeightsUnreadable {
        ann,
        path: path.to_owned(),
        source,
    };
    std::fs::File::open(path).map_err(unreadable)?;
    let is_safetensors = path
        .extension()
        .is_some_and(|extension| extension == "safetensors");
    let tensors = if is_safetensors {
        tensors(SafetensorsStore::from_file(path).map_indices_contiguous(false))
    } else {
        let whole = PytorchStore::from_file(path).map_indices_contiguous(false);
        tensors(whole).map(|tensors| {
            // A checkpoint that contains more than the state dict.
            let nested = TOP_LEVEL.iter().find_map(|top| {
                let prefix = format!("{top}.");
                let of_it = tensors.iter();
                let of_it = of_it.filter_map(|(key, tensor)| {
                    Some((key.strip_prefix(&prefix)?.to_owned(), tensor.clone()))
                });
                let nested: BTreeMap<_, _> = of_it.collect();
                (!nested.is_empty()).then_some(nested)
            });
            nested.unwrap_or(tensors)
        })
    };
    let tensors = tensors.map_err(|why| broken(path, ann, why))?;
    let named = tensors
        .into_iter()
        .map(|(key, tensor)| (torchvision_key(&key), tensor));
    Ok(named.filter(|(key, _)| !key.ends_with(COUNTER)).collect())
}

fn tensors<S: ModuleStore>(mut store: S) -> Result<BTreeMap<String, Tensor>, String>
where
    S::Error: std::fmt::Display,
{
    // The readers may panic over a file of another kind.
    match caught(|| store.get_all_tensors().cloned()) {
        Ok(read) => read.map_err(|error| error.to_string()),
        Err(said) => Err(format!("its reader gave up: {said}")),
    }
}

fn broken(path: &Path, ann: &'static str, why: String) -> AnnError {
    AnnError::NotTorch {
        ann,
        path: path.to_owned(),
        why,
    }
}

/// A key as torchvision's networks have it now: without what `DataParallel` puts in front, and
/// without the dots that DenseNet's files of 2017 have (`norm.1` for `norm1`).
fn torchvision_key(key: &str) -> String {
    let key = key.strip_prefix("module.").unwrap_or(key);
    if !key.contains(".denselayer") {
        return key.to_owned();
    }
    ["norm", "conv"].iter().fold(key.to_owned(), |key, part| {
        [1, 2].iter().fold(key, |key, i| {
            key.replace(&format!(".{part}.{i}."), &format!(".{part}{i}."))
        })
    })
}

/// The tensor's name in PyTorch.
fn key(spec: &WeightSpec) -> String {
    let variable = match spec.variable {
        "beta" => "bias",
        "moving_mean" => "running_mean",
        "moving_variance" => "running_var",
        "bias" => "bias",
        _ => "weight",
    };
    format!("{}.{variable}", spec.layer)
}

/// PyTorch's shape: OIHW, (C, 1, H, W) or (out, in).
fn torch_shape(spec: &WeightSpec) -> Vec<usize> {
    match *spec.shape {
        [h, w, c, 1] if spec.variable == "depthwise_kernel" => vec![c, 1, h, w],
        [h, w, i, o] => vec![o, i, h, w],
        [i, o] => vec![o, i],
        ref other => other.to_vec(),
    }
}

/// PyTorch's values in Keras's order.
fn keras_order(spec: &WeightSpec, values: Vec<f32>) -> Vec<f32> {
    // In both layouts a kernel is a matrix whose transpose is the other's, where its rows are the
    // outputs (for a depthwise kernel: the channels) in PyTorch and the columns in Keras; within a
    // row PyTorch has channels before pixels.
    let (pixels, channels, outputs) = match *spec.shape {
        [h, w, c, 1] if spec.variable == "depthwise_kernel" => (h * w, 1, c),
        [h, w, i, o] => (h * w, i, o),
        [i, o] => (1, i, o),
        _ => return values,
    };
    let mut turned = Vec::with_capacity(values.len());
    for pixel in 0..pixels {
        for channel in 0..channels {
            for output in 0..outputs {
                turned.push(values[(output * channels + channel) * pixels + pixel]);
            }
        }
    }
    turned
}

#[cfg(test)]
mod tests {
    use super::super::graph::{Conv, End, GraphBuilder, Op, Window};
    use super::*;
    use crate::ann::recipe;
    use crate::ann::testing::testdata;

    /// The layers of `torchvision_tiny`.
    fn tiny() -> Graph {
        let (mut g, image) = GraphBuilder::new([8, 8, 3]);
        let conv = Op::Conv(Conv::new(4, Window::valid(3)).with_bias());
        let x = g.add("conv", conv, &[image]);
        let x = g.add("bn", Op::BatchNorm { epsilon: 1e-5 }, &[x]);
        let window = Window::valid(3);
        let x = g.add("depthwise", Op::DepthwiseConv { window }, &[x]);
        let x = g.add("pool", Op::GlobalAveragePooling { keep_dims: false }, &[x]);
        let end = End::Linear;
        g.add("fc", Op::Dense { units: 5, end }, &[x]);
        g.finish_as_stated()
    }

    #[test]
    fn both_formats_give_the_weights_that_torch_saved() {
        let graph = tiny();
        let saved: Weights = recipe::fixture_weights(&graph, 5)
            .into_iter()
            .map(Some)
            .collect();
        for file in ["torchvision_tiny.pth", "torchvision_tiny.safetensors"] {
            let read = read(&testdata(file), "tiny", &graph, &[]).expect(file);
            assert!(read == saved, "{file}");
        }
    }

    #[test]
    fn another_networks_file_is_refused_at_its_first_difference() {
        let other = super::super::find("alexnet-torchvision").expect("offered");
        for file in ["torchvision_tiny.pth", "torchvision_tiny.safetensors"] {
            let refused = read(&testdata(file), other.name, &other.graph(), &[]);
            let said = refused.expect_err("refused").to_string();
            let first = "layer `features.0.weight` should be [64, 3, 11, 11], found no such tensor";
            assert!(said.contains(first), "{said}");
        }
    }

    #[test]
    fn a_truncated_file_is_an_error_that_names_it() {
        let graph = tiny();
        let directory = tempfile::tempdir().expect("a directory");
        for file in ["torchvision_tiny.pth", "torchvision_tiny.safetensors"] {
            let whole = std::fs::read(testdata(file)).expect("made by the script");
            let short = directory.path().join(file);
            for length in (0..whole.len()).step_by(1 + whole.len() / 20) {
                std::fs::write(&short, &whole[..length]).expect("written");
                let said = read(&short, "tiny", &graph, &[]).expect_err("refused");
                assert!(said.to_string().contains(file), "{length} bytes: {said}");
            }
        }
    }

    #[test]
    fn names_of_older_files_are_known() {
        let old = "module.features.denseblock1.denselayer2.norm.1.running_mean";
        let new = "features.denseblock1.denselayer2.norm1.running_mean";
        assert_eq!(torchvision_key(old), new);
        assert_eq!(
            torchvision_key("features.0.conv.1.weight"),
            "features.0.conv.1.weight"
        );
    }
}
