//! The ANNs: building them, their weights, their layers, and images as they want them.
//!
//! An ANN is frozen: nothing in here trains, and nothing knows of recordings. A further ANN is one
//! file that states its graph, and one line in [`offered`].

mod alexnet;
mod blocks;
mod cpu;
mod densenet;
mod error;
mod fixture;
mod fold;
mod graph;
mod keras_h5;
mod mobilenet;
mod mobilenet_v2;
mod model;
mod nasnet;
mod onnx;
mod opened;
mod preprocess;
mod pruning;
mod recipe;
mod resize;
mod resnet50;
mod tensors;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tiny;
mod torch_file;
mod torchvision;
mod weights;
mod xception;

use std::fmt;
use std::str::FromStr;

use nrp_proto::near_miss;

pub use error::AnnError;
pub use fixture::{FixtureReport, verify};
use graph::{Graph, Node};
pub use model::Ann;
pub use onnx::{OnnxError, OnnxFile, OnnxLayer, OnnxPass, is_onnx};
pub use opened::{LoadedAnn, ONNX, OpenedAnn};
pub use preprocess::{preprocess, preprocessing_id};
pub use pruning::Pruning;
pub use weights::WeightsSource;

/// The ANNs this version has; besides, it runs ONNX files, under the name [`ONNX`].
pub fn offered() -> &'static [AnnInfo] {
    static OFFERED: [AnnInfo; 13] = [
        mobilenet::MOBILENET,
        mobilenet_v2::MOBILENET_V2,
        nasnet::NASNET_MOBILE,
        resnet50::RESNET50,
        xception::XCEPTION,
        densenet::DENSENET121,
        densenet::DENSENET169,
        alexnet::ALEXNET,
        torchvision::MOBILENET_V2,
        torchvision::RESNET50,
        torchvision::DENSENET121,
        torchvision::DENSENET169,
        torchvision::ALEXNET,
    ];
    &OFFERED
}

/// The ANN called `name`.
///
/// # Errors
/// When no ANN is called so, or only its file says what it is.
pub fn find(name: &str) -> Result<&'static AnnInfo, AnnError> {
    if let Some(ann) = offered().iter().find(|ann| ann.name == name) {
        return Ok(ann);
    }
    let name = name.to_owned();
    if name == ONNX {
        return Err(AnnError::NoFile);
    }
    let known = offered().iter().map(|ann| ann.name);
    let near = near_miss(&name, known.chain([ONNX])).map(str::to_owned);
    Err(AnnError::Unknown { name, near })
}

/// How an ANN wants its pixels, as Keras names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preprocessing {
    /// RGB, scaled to −1..1.
    Tf,
    /// BGR, minus ImageNet's mean, 0..255 otherwise.
    Caffe,
    /// RGB, scaled to 0..1, then standardised by ImageNet's mean and standard deviation.
    Torch,
    /// RGB, 0..255.
    Raw,
}

impl fmt::Display for Preprocessing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tf => "tf",
            Self::Caffe => "caffe",
            Self::Torch => "torch",
            Self::Raw => "none",
        })
    }
}

impl FromStr for Preprocessing {
    type Err = AnnError;

    /// Reads a word as sweep files have it.
    fn from_str(word: &str) -> Result<Self, AnnError> {
        let all = [Self::Tf, Self::Caffe, Self::Torch, Self::Raw];
        let found = all.into_iter().find(|mode| mode.to_string() == word);
        found.ok_or_else(|| AnnError::Preprocessing {
            word: word.to_owned(),
        })
    }
}

/// Which program's files an ANN's weights come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Files {
    /// Keras's `.h5`, `.weights.h5` and `.keras`.
    Keras,
    /// A state dict in PyTorch's `.pth` or `.pt`, or in safetensors.
    Torch,
}

/// What is known of an ANN without its weights.
#[derive(Clone, Debug)]
pub struct AnnInfo {
    /// Its name in sweep files, fixtures and results.
    pub name: &'static str,
    /// Keras's count of parameters, batch norm's moving statistics included.
    pub parameters: u64,
    /// The same without biases, where that is the count the published table has.
    pub parameters_without_biases: Option<u64>,
    /// Height, width and channels of an image.
    pub input: [usize; 3],
    /// How pixels become inputs.
    pub preprocessing: Preprocessing,
    /// Where its weights come from.
    pub files: Files,
    /// The layers that layer sets are made of where a sweep names no layers, from early to late.
    pub candidates: &'static [&'static str],
    /// Regions, each with the layer that Brain-Score has committed to it (`region_layer_map` of its
    /// model of the same architecture, in <https://github.com/brain-score/vision>), under this ANN's
    /// names; empty where it has no such model.
    pub region_layers: &'static [(&'static str, &'static str)],
    graph: fn() -> Graph,
}

impl AnnInfo {
    /// Every layer whose activations can be asked for, in Keras's order, under Keras's names.
    pub fn layers(&self) -> Vec<LayerInfo> {
        let graph = self.graph();
        graph.listed().map(|(_, node)| node.into()).collect()
    }

    /// The layer called `name`.
    ///
    /// # Errors
    /// When the ANN has no such layer.
    pub fn layer(&self, name: &str) -> Result<LayerInfo, AnnError> {
        let layers = self.layers();
        match layers.iter().find(|layer| layer.name == name) {
            Some(layer) => Ok(layer.clone()),
            None => Err(AnnError::UnknownLayer {
                ann: self.name,
                layer: name.to_owned(),
                near: near_miss(name, layers.iter().map(|layer| &*layer.name)).map(str::to_owned),
            }),
        }
    }

    /// The whole graph as JSON, for a program that is to run the same one: per node its name, its
    /// operation, the names of the nodes it reads, and the output's shape.
    pub fn graph_json(&self) -> serde_json::Value {
        let graph = self.graph();
        let nodes = graph.nodes().iter().map(|node| {
            let inputs = node.inputs.iter().map(|id| &graph.node(*id).name);
            serde_json::json!({
                "name": node.name,
                "op": node.op,
                "inputs": inputs.collect::<Vec<_>>(),
                "shape": node.shape,
            })
        });
        nodes.collect()
    }

    fn graph(&self) -> Graph {
        (self.graph)()
    }
}

/// One layer of an ANN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerInfo {
    /// Keras's name.
    pub name: String,
    /// Height, width, channels, or channels alone, of one stimulus.
    pub shape: Vec<usize>,
}

impl LayerInfo {
    /// How many activations one stimulus gives.
    pub fn units(&self) -> usize {
        self.shape.iter().product()
    }
}

impl From<&Node> for LayerInfo {
    fn from(node: &Node) -> Self {
        Self {
            name: node.name.clone(),
            shape: node.shape.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_an_ann_is_what_its_graph_has() {
        for ann in offered() {
            let graph = ann.graph();
            assert_eq!(graph.parameters(), ann.parameters, "{}", ann.name);
            assert_eq!(graph.input(), ann.input, "{}", ann.name);
            let names: Vec<_> = graph.listed().map(|(_, node)| &*node.name).collect();
            let places = ann.candidates.iter().map(|candidate| {
                let place = names.iter().position(|name| name == candidate);
                place.unwrap_or_else(|| panic!("{candidate} is not in {}", ann.name))
            });
            assert!(
                places.is_sorted() && ann.candidates.len() >= 3,
                "{}",
                ann.name
            );
            for (region, layer) in ann.region_layers {
                assert!(
                    names.contains(layer),
                    "{region}: {layer} is not in {}",
                    ann.name
                );
            }
            let kernels = graph.weights().iter().filter(|w| w.variable != "bias");
            let without_biases: u64 = kernels.map(|w| w.elements() as u64).sum();
            let stated = ann.parameters_without_biases;
            assert!(stated.is_none_or(|n| n == without_biases), "{}", ann.name);
        }
    }

    /// Table 1 of Anand, Sen & Roy (2021).
    #[test]
    fn parameters_are_those_of_the_published_table() {
        let published = [
            ("mobilenet", 4_253_864),
            ("mobilenet_v2", 3_538_984),
            ("nasnet_mobile", 5_326_716),
            ("resnet50", 25_636_712),
            ("xception", 22_910_480),
            ("densenet121", 8_062_504),
            ("densenet169", 14_307_880),
            ("alexnet", 60_954_656),
        ];
        let of_keras = offered().iter().filter(|ann| ann.files == Files::Keras);
        let ours = of_keras.map(|ann| {
            let parameters = ann.parameters_without_biases.unwrap_or(ann.parameters);
            (ann.name, parameters)
        });
        assert!(ours.eq(published));
    }

    #[test]
    fn mobilenet_has_keras_layers() {
        let ann = find("mobilenet").expect("offered");
        assert_eq!(ann.parameters, 4_253_864);
        assert_eq!(ann.layers().len(), 89);
        let layer = ann.layer("conv_pw_6_relu").expect("a layer");
        assert_eq!(layer.shape, [14, 14, 512]);
        assert_eq!(layer.units(), 100_352);
        assert_eq!(ann.layers()[88].shape, [1000]);
    }

    #[test]
    fn what_is_not_offered_is_refused_by_name() {
        let refusal = |name| find(name).expect_err("refused").to_string();
        assert_eq!(refusal("onnx"), "what `onnx` is, only its file says");
        assert_eq!(refusal("lenet5"), "ANN `lenet5` is not known");
        assert!(matches!(
            find("mobilnet"),
            Err(AnnError::Unknown { near: Some(near), .. }) if near == "mobilenet"
        ));
        let ann = find("mobilenet").expect("offered");
        for (meant, near) in [
            ("conv_pw_14_relu", true),
            ("input_layer", false),
            ("dropout", false),
        ] {
            let Err(AnnError::UnknownLayer { near: found, .. }) = ann.layer(meant) else {
                panic!("{meant} was not refused");
            };
            assert!(found.is_some() || !near, "{meant}: {found:?}");
        }
    }
}
