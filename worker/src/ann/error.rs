//! What can be wrong with an ANN, its weights, its layers or its fixture, and what to do about it.

use std::path::{Path, PathBuf};

use crate::near::did_you_mean;
use miette::Diagnostic;
use thiserror::Error;

use super::OnnxError;

/// Why an ANN could not be found, loaded, run or verified.
#[derive(Debug, Error, Diagnostic)]
pub enum AnnError {
    /// The name is of no ANN.
    #[error("ANN `{name}` is not known")]
    #[diagnostic(help("`nrp ann list` lists the ANNs{}", did_you_mean(near.as_deref())))]
    Unknown {
        /// What the user wrote.
        name: String,
        /// The ANN that was probably meant.
        near: Option<String>,
    },
    /// The ANN is known by its file alone.
    #[error("what `onnx` is, only its file says")]
    #[diagnostic(help("name the file: `nrp ann layers net.onnx`"))]
    NoFile,
    /// The ANN's weights are its file's.
    #[error("`onnx` has no weights but its file's, and `{weights}` is none")]
    #[diagnostic(help("name an `.onnx` file; to try an untrained net, export one"))]
    RandomOnnx {
        /// What the user wrote.
        weights: String,
    },
    /// The preprocessing is none.
    #[error("preprocessing `{word}` is not known")]
    #[diagnostic(help("`torch` (the default), `tf`, `caffe` or `none`"))]
    Preprocessing {
        /// What the user wrote.
        word: String,
    },
    /// Weights are zero for a reason that is none.
    #[error("pruning `{word}` at sparsity {sparsity} is not known")]
    #[diagnostic(help("coordinator and worker must be of one version"))]
    Pruning {
        /// What the trial says.
        word: String,
        /// The sparsity it asks for.
        sparsity: f64,
    },
    /// An ONNX file is run with the weights it has.
    #[error("`onnx` at sparsity {sparsity}: an ONNX file's weights cannot be pruned")]
    #[diagnostic(help(
        "prune the net before you export it, and name the file as an ANN of its own, with no `sparsity`"
    ))]
    PrunedOnnx {
        /// The sparsity asked for.
        sparsity: f64,
    },
    /// An ONNX file cannot be opened or run.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Onnx(#[from] OnnxError),
    /// The ANN has no such layer.
    #[error("layer `{layer}` is not in {ann}")]
    #[diagnostic(help("`nrp ann layers {ann}` lists its layers{}", did_you_mean(near.as_deref())))]
    UnknownLayer {
        /// The ANN.
        ann: &'static str,
        /// What the user wrote.
        layer: String,
        /// The layer that was probably meant.
        near: Option<String>,
    },
    /// Neither a seed nor a path.
    #[error("weights `{text}` have no seed after `random:`")]
    #[diagnostic(help(
        "write a whole number from 0 to {} after `random:`, or the path of a weights file",
        u64::MAX
    ))]
    Seed {
        /// What the user wrote.
        text: String,
    },
    /// The weights file cannot be opened or read.
    #[error("weights of {ann}: cannot read `{}`", path.display())]
    #[diagnostic(help("check that the file exists and that you may read it"))]
    WeightsUnreadable {
        /// The ANN.
        ann: &'static str,
        /// The weights file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The weights file does not begin as HDF5 does.
    #[error("weights of {ann}: `{}` is not an HDF5 file", path.display())]
    #[diagnostic(help(
        "give a Keras `.h5`, `.weights.h5` or `.keras` file, and check that it is no web page saved \
         in its place"
    ))]
    NotHdf5 {
        /// The ANN.
        ann: &'static str,
        /// The weights file.
        path: PathBuf,
    },
    /// The weights file is HDF5, but some of it cannot be read.
    #[error("weights of {ann}: `{}` is damaged or truncated ({at})", path.display())]
    #[diagnostic(help("fetch or copy the file again and compare its size with the original's"))]
    Damaged {
        /// The ANN.
        ann: &'static str,
        /// The weights file.
        path: PathBuf,
        /// What was being read.
        at: String,
        /// What the reader found.
        #[source]
        source: Box<hdf5_reader::error::Error>,
    },
    /// The file is sound HDF5, but nothing Keras saves weights as.
    #[error("weights of {ann}: `{}` holds no weights saved by Keras ({found})", path.display())]
    #[diagnostic(help(
        "expected the attribute `layer_names` (legacy `.h5`) or the group `layers` (Keras 3 \
         `.weights.h5` and `.keras`); save the network with `save_weights`"
    ))]
    NotKeras {
        /// The ANN.
        ann: &'static str,
        /// The weights file.
        path: PathBuf,
        /// What is there instead.
        found: String,
    },
    /// The file is nothing PyTorch saves weights as.
    #[error("weights of {ann}: `{}` holds no state dict: {why}", path.display())]
    #[diagnostic(help(
        "give a `.pth` or `.pt` file saved with `torch.save(net.state_dict(), …)`, or `.safetensors`"
    ))]
    NotTorch {
        /// The ANN.
        ann: &'static str,
        /// The weights file.
        path: PathBuf,
        /// What the reader found.
        why: String,
    },
    /// The file's weights are another network's. Names the first layer that differs.
    #[error(
        "weights in `{}` are not {ann}'s: layer `{layer}` should be {expected}, found {found}",
        path.display()
    )]
    #[diagnostic(help("give weights of {ann} itself, with its classifier; nothing was loaded"))]
    WeightsMismatch {
        /// The ANN.
        ann: &'static str,
        /// The weights file.
        path: PathBuf,
        /// The first layer that differs.
        layer: String,
        /// The ANN's variables of that layer, with shapes.
        expected: String,
        /// The file's.
        found: String,
    },
    /// A weight is NaN or infinite.
    #[error(
        "weights of {ann}: `{variable}` of layer `{layer}` in `{}` holds NaN or infinity",
        path.display()
    )]
    #[diagnostic(help("the network that was saved had diverged; use another checkpoint"))]
    NotFinite {
        /// The ANN.
        ann: &'static str,
        /// The weights file.
        path: PathBuf,
        /// The layer.
        layer: String,
        /// Its variable.
        variable: &'static str,
    },
    /// The device could not hand back what it computed.
    #[error("{ann}: the activations could not be read from the device: {why}")]
    #[diagnostic(help("try another `--device`, or a smaller batch"))]
    Device {
        /// The ANN.
        ann: &'static str,
        /// What the device said.
        why: String,
    },
    /// The fixture file cannot be opened or read.
    #[error("fixture `{}` cannot be read", path.display())]
    #[diagnostic(help("check that the file exists and that you may read it"))]
    FixtureUnreadable {
        /// The fixture.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The fixture is no fixture.
    #[error("`{}` is not a fixture", path.display())]
    #[diagnostic(help(
        "a fixture is a JSON object with `ann`, `seed`, `parameters`, `input`, `weights` and `layers`"
    ))]
    FixtureSyntax {
        /// The fixture.
        path: PathBuf,
        /// What the JSON reader said.
        #[source]
        source: serde_json::Error,
    },
    /// The fixture describes a network that is not the ANN it names.
    #[error("fixture `{}` does not fit {ann}: {what}", path.display())]
    #[diagnostic(help(
        "the fixture was made from another network or another version of Keras; make it again"
    ))]
    FixtureMismatch {
        /// The fixture.
        path: PathBuf,
        /// The ANN.
        ann: &'static str,
        /// The first thing that differs.
        what: String,
    },
}

impl AnnError {
    /// Sorts a reader's complaint into "no HDF5 at all" and "HDF5, but broken".
    pub(super) fn from_hdf5(
        ann: &'static str,
        path: &Path,
        at: impl Into<String>,
        source: hdf5_reader::error::Error,
    ) -> Self {
        let path = path.to_owned();
        match source {
            hdf5_reader::error::Error::InvalidMagic => Self::NotHdf5 { ann, path },
            hdf5_reader::error::Error::Io(source) => Self::WeightsUnreadable { ann, path, source },
            source => Self::Damaged {
                ann,
                path,
                at: at.into(),
                source: Box::new(source),
            },
        }
    }
}
