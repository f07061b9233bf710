//! What is known about an ANN without its weights: its input, its layers, its preprocessing.

use std::fmt;
use std::str::FromStr;

use nrp_proto::near_miss;

use super::AnnError;
use super::graph::{Graph, Node};

/// How an ANN's pixels are preprocessed, as Keras names it.
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

    /// Parses a word of the sweep file.
    fn from_str(word: &str) -> Result<Self, AnnError> {
        let all = [Self::Tf, Self::Caffe, Self::Torch, Self::Raw];
        let found = all.into_iter().find(|mode| mode.to_string() == word);
        found.ok_or_else(|| AnnError::Preprocessing {
            word: word.to_owned(),
        })
    }
}

/// Which program wrote an ANN's weights files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Files {
    /// Keras's `.h5`, `.weights.h5` and `.keras`.
    Keras,
    /// A state dict in PyTorch's `.pth` or `.pt`, or in safetensors.
    Torch,
}

/// What is known about an ANN without its weights.
#[derive(Clone, Debug)]
pub struct AnnInfo {
    /// Its name in sweep files, fixtures and results.
    pub name: &'static str,
    /// Keras's count of parameters, batch norm's moving statistics included.
    pub parameters: u64,
    /// The count without biases, if the published table states that.
    pub parameters_without_biases: Option<u64>,
    /// Height, width and channels of an image.
    pub input: [usize; 3],
    /// How pixels are preprocessed.
    pub preprocessing: Preprocessing,
    /// Where its weights come from.
    pub files: Files,
    /// The layers that layer sets consist of if a sweep names none, from early to late.
    pub candidates: &'static [&'static str],
    /// Regions, each with the layer that Brain-Score has committed to it (`region_layer_map` of its
    /// model of the same architecture, in <https://github.com/brain-score/vision>), under this ANN's
    /// names; empty where it has no such model.
    pub region_layers: &'static [(&'static str, &'static str)],
    pub(super) graph: fn() -> Graph,
}

impl AnnInfo {
    /// Every layer whose activations can be requested, in Keras's order, under Keras's names.
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

    /// The whole graph as JSON, for a program that runs the same graph: per node its name, its
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

    pub(super) fn graph(&self) -> Graph {
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
    /// Number of activations per stimulus.
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
