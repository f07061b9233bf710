//! The ANNs: how they are built, their weights, their layers, and the preprocessing of images.
//!
//! An ANN is frozen: nothing in here trains. Of recordings, `features` finds the rows of their stimuli, and `screen`
//! and `preprocess` ask what their pictures are; nothing else knows of them. To add an ANN, write one file that
//! states its graph, and add a line to [`offered`].

mod alexnet;
mod blocks;
mod cpu;
mod densenet;
mod error;
mod features;
mod fixture;
mod fold;
mod graph;
mod info;
mod keras;
mod mobilenet;
mod mobilenet_v2;
mod model;
mod modules;
mod nasnet;
mod offered;
mod onnx;
mod opened;
mod preprocess;
mod pruning;
mod recipe;
mod resize;
mod resnet50;
mod screen;
mod tensors;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tiny;
mod torch;
mod torchvision;
mod weights;
mod xception;

pub use error::AnnError;
pub use features::{Features, FeaturesError, FeaturesFile, FeaturesLayer, WideFeatures};
pub use fixture::{FixtureReport, verify};
pub use info::{AnnInfo, Files, LayerInfo, Preprocessing};
pub use model::Ann;
pub use offered::{FEATURES, ONNX, find, offered};
pub use onnx::{LeftOut, NotLayer, OnnxError, OnnxFile, OnnxLayer, OnnxPass, is_onnx};
pub use opened::{LoadedAnn, OpenedAnn, RunnableAnn};
pub use preprocess::{preprocess, preprocessing_id};
pub use pruning::Pruning;
pub use resize::Resize;
pub use screen::{Screen, ScreenError};
pub use torch::TorchError;
pub use weights::WeightsSource;
