//! What can be wrong with an ANN, its weights, its layers or its fixture, and what to do about it.

use std::path::{Path, PathBuf};

use miette::Diagnostic;
use nrp_proto::did_you_mean;
use thiserror::Error;

use super::{FeaturesError, OnnxError, ScreenError, TorchError};

/// Why an ANN could not be found, loaded, run or verified.
#[derive(Debug, Error, Diagnostic)]
pub enum AnnError {
    /// The name is not an ANN's.
    #[error("unknown ANN `{name}`")]
    #[diagnostic(help("`nrp ann list` lists the ANNs{}", did_you_mean(near.as_deref())))]
    Unknown {
        /// What the user wrote.
        name: String,
        /// The ANN that was probably meant.
        near: Option<String>,
    },
    /// The ANN is defined by a file.
    #[error("`onnx` is defined by its file")]
    #[diagnostic(help("name the file: `nrp ann layers net.onnx`"))]
    NoFile,
    /// The ANN's weights are in its file.
    #[error("`{weights}` is not an ONNX file, and `onnx` has no other weights")]
    #[diagnostic(help("name an `.onnx` file; to try an untrained network, export one"))]
    RandomOnnx {
        /// What the user wrote.
        weights: String,
    },
    /// The word names no preprocessing.
    #[error("unknown preprocessing `{word}`")]
    #[diagnostic(help("use `torch` (the default), `tf`, `caffe` or `none`"))]
    Preprocessing {
        /// What the user wrote.
        word: String,
    },
    /// Images cannot be placed on the ANN's screen.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Screen(#[from] ScreenError),
    /// The word names no way of pruning.
    #[error("unknown pruning `{word}` at sparsity {sparsity}")]
    #[diagnostic(help("run the same version of nrp on coordinator and workers"))]
    Pruning {
        /// The word in the trial.
        word: String,
        /// The sparsity in the trial.
        sparsity: f64,
    },
    /// All kernels are pruned together, and the file lacks some.
    #[error(
        "{ann} cannot be pruned to sparsity {sparsity} over all kernels together: the weights lack those of \
         `{layer}`"
    )]
    #[diagnostic(help(
        "use weights with the ANN's own classifier, or `pruning = \"layer\"`, which prunes each kernel on its own"
    ))]
    PrunedPart {
        /// The ANN.
        ann: &'static str,
        /// The first layer whose kernels are absent.
        layer: String,
        /// The sparsity asked for.
        sparsity: f64,
    },
    /// An ONNX file cannot be pruned.
    #[error("an ONNX file's weights cannot be pruned (sparsity {sparsity})")]
    #[diagnostic(help(
        "prune the network before exporting it, and list the file as an `[[ann]]` of its own without `sparsity`"
    ))]
    PrunedOnnx {
        /// The sparsity asked for.
        sparsity: f64,
    },
    /// An ONNX file cannot be opened or run.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Onnx(#[from] OnnxError),
    /// Activations cannot be taken from a file.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Features(#[from] FeaturesError),
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
    #[error("weights `{text}`: no seed after `random:`")]
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
        /// The operating system's error.
        #[source]
        source: std::io::Error,
    },
    /// The weights file does not start like HDF5.
    #[error("weights of {ann}: `{}` is not an HDF5 file", path.display())]
    #[diagnostic(help(
        "give a Keras `.h5`, `.weights.h5` or `.keras` file, and check that it is not a web page saved \
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
        /// The reader's error.
        #[source]
        source: Box<hdf5_reader::error::Error>,
    },
    /// The weights file has a dataset laid out as is not read.
    #[error("weights of {ann}: `{}` has a {problem}", path.display())]
    #[diagnostic(help(
        "write the file again by `h5repack` of HDF5's tools, or save the weights by Keras again"
    ))]
    UnreadLayout {
        /// The ANN.
        ann: &'static str,
        /// The weights file.
        path: PathBuf,
        /// The layout and the dataset.
        problem: String,
    },
    /// The file is valid HDF5, but not a weights file of Keras.
    #[error("weights of {ann}: `{}` has no weights saved by Keras ({found})", path.display())]
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
    /// The description of the network beside the weights cannot be compared with the ANN.
    #[error(
        "weights of {ann}: the network that `{}` describes cannot be compared with it: {found}",
        path.display()
    )]
    #[diagnostic(help(
        "save the network alone, with its `save`, or its weights without a description, with its `save_weights`"
    ))]
    Incomparable {
        /// The ANN.
        ann: &'static str,
        /// The weights file.
        path: PathBuf,
        /// What is wrong with the description.
        found: String,
    },
    /// The file has the ANN more than once.
    #[error(
        "weights of {ann}: `{}` has two networks that fit, `{one}` and `{other}`",
        path.display()
    )]
    #[diagnostic(help("save the one that you mean alone, with its `save_weights`"))]
    SeveralNetworks {
        /// The ANN.
        ann: &'static str,
        /// The weights file.
        path: PathBuf,
        /// Where the first is.
        one: String,
        /// Where the second is.
        other: String,
    },
    /// Numbers are stored in a way that is not read.
    #[error(
        "weights of {ann}: `{variable}` of layer `{layer}` in `{}` is stored as {stored}",
        path.display()
    )]
    #[diagnostic(help(
        "save the network with float32, float16 or bfloat16 weights; of quantized ones, int8 is read with \
         its `kernel_scale`"
    ))]
    WeightsStored {
        /// The ANN.
        ann: &'static str,
        /// The weights file.
        path: PathBuf,
        /// The layer.
        layer: String,
        /// Its variable.
        variable: &'static str,
        /// How it is stored.
        stored: String,
    },
    /// The file describes a network that computes something else with these weights.
    #[error(
        "`{}` describes another network than {ann}: layer `{layer}` should be {expected}, found {found}",
        path.display()
    )]
    #[diagnostic(help(
        "export the network to ONNX to run it as it is; if only its weights are meant, save them with \
         `save_weights`"
    ))]
    AnotherNetwork {
        /// The ANN.
        ann: &'static str,
        /// The weights file.
        path: PathBuf,
        /// The first layer that differs.
        layer: String,
        /// What the ANN's layer computes.
        expected: String,
        /// What the file's computes.
        found: String,
    },
    /// Weights cannot be taken from a file of PyTorch's.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Torch(#[from] TorchError),
    /// A key for a file of Keras's.
    #[error(
        "weights of {ann}: `weights_key = \"{key}\"` is for PyTorch's files, and {ann} takes Keras's"
    )]
    #[diagnostic(help("leave `weights_key` out"))]
    KeyOfKeras {
        /// The ANN.
        ann: &'static str,
        /// The key in the sweep file.
        key: String,
    },
    /// A key for random weights.
    #[error("`weights_key = \"{key}\"` is for PyTorch's files, not `random:{seed}`")]
    #[diagnostic(help("leave `weights_key` out"))]
    KeyOfRandom {
        /// The seed of the weights.
        seed: u64,
        /// The key in the sweep file.
        key: String,
    },
    /// A key for an ONNX file.
    #[error("`weights_key = \"{key}\"` is for PyTorch's files, not ONNX files")]
    #[diagnostic(help("leave `weights_key` out"))]
    KeyOfOnnx {
        /// The key in the sweep file.
        key: String,
    },
    /// The file has another network's weights. Names the first layer that differs.
    #[error(
        "weights in `{}` are not {ann}'s: layer `{layer}` should be {expected}, found {found}",
        path.display()
    )]
    #[diagnostic(help(
        "use weights of {ann} itself; only what no requested layer depends on may be absent; nothing was loaded"
    ))]
    WeightsMismatch {
        /// The ANN.
        ann: &'static str,
        /// The weights file.
        path: PathBuf,
        /// The first layer that differs.
        layer: String,
        /// The ANN's variables of that layer, with shapes.
        expected: String,
        /// The file's variables of that layer, with shapes.
        found: String,
    },
    /// A weight is NaN or infinite.
    #[error(
        "weights of {ann}: `{variable}` of layer `{layer}` in `{}` holds NaN or infinity",
        path.display()
    )]
    #[diagnostic(help("the saved network had diverged; use another checkpoint"))]
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
    /// The device failed to return what it computed.
    #[error("{ann}: the activations could not be read from the device: {why}")]
    #[diagnostic(help("try another `--device`, or a smaller batch"))]
    Device {
        /// The ANN.
        ann: &'static str,
        /// The device's error.
        why: String,
    },
    /// The fixture file cannot be opened or read.
    #[error("fixture `{}` cannot be read", path.display())]
    #[diagnostic(help("check that the file exists and that you may read it"))]
    FixtureUnreadable {
        /// The fixture.
        path: PathBuf,
        /// The operating system's error.
        #[source]
        source: std::io::Error,
    },
    /// The file is not a fixture.
    #[error("`{}` is not a fixture", path.display())]
    #[diagnostic(help(
        "a fixture is a JSON object with `ann`, `seed`, `parameters`, `input`, `weights` and `layers`"
    ))]
    FixtureSyntax {
        /// The fixture.
        path: PathBuf,
        /// The JSON reader's error.
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
    /// Turns a reader's error into "not HDF5", "unreadable" or "damaged".
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
            source if crate::hdf5::layout::is_unread(&source) => Self::UnreadLayout {
                ann,
                path,
                problem: crate::hdf5::layout::problem(&source),
            },
            source => Self::Damaged {
                ann,
                path,
                at: at.into(),
                source: Box::new(source),
            },
        }
    }
}
