//! What can be wrong with an ONNX file, or with a request to it, and what to do about it.

use std::path::PathBuf;

use miette::Diagnostic;
use nrp_proto::did_you_mean;
use thiserror::Error;

use super::NotLayer;

/// Why an ONNX file could not be opened or run.
#[derive(Debug, Error, Diagnostic)]
pub enum OnnxError {
    /// The ONNX file, or a file it keeps weights in, cannot be read.
    #[error("`{}` cannot be read", path.display())]
    #[diagnostic(help(
        "check that the file exists and that you may read it; a file that the ONNX file keeps its \
         weights in (`net.onnx.data`) must lie beside it, under its original name"
    ))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        #[source]
        source: std::io::Error,
    },
    /// The ONNX file keeps weights in a place that is not allowed.
    #[error("`{}` keeps weights in `{location}`: {why}", path.display())]
    #[diagnostic(help(
        "export the network again, with its weights in it or in one file beside it; or replace a link \
         by a copy of the file"
    ))]
    ExternalData {
        /// The ONNX file.
        path: PathBuf,
        /// The path that it states for weights.
        location: String,
        /// What is wrong with the path.
        why: &'static str,
    },
    /// The file was not written by an ONNX exporter.
    #[error("`{}` is not an ONNX file, or is truncated: {why}", path.display())]
    #[diagnostic(help(
        "export the network again, and compare the file's size with the original's"
    ))]
    NotOnnx {
        /// The file.
        path: PathBuf,
        /// The reader's error.
        why: String,
    },
    /// The file is an ONNX file, but its graph is invalid or not supported.
    #[error("the graph in `{}` cannot be used: {why}", path.display())]
    #[diagnostic(help(
        "`onnx.checker.check_model` says whether the file is sound; if it is, export it with \
         another operator set: 9 to 18 are known to work"
    ))]
    Graph {
        /// The file.
        path: PathBuf,
        /// The reader's error.
        why: String,
    },
    /// The network does not take one image of three channels.
    #[error("`{}` does not take one image: {found}", path.display())]
    #[diagnostic(help(
        "export it with a single input, 32-bit floats of shape batch × 3 × height × width or \
         batch × height × width × 3, its batch 1 or dynamic"
    ))]
    Input {
        /// The file.
        path: PathBuf,
        /// Its inputs.
        found: String,
    },
    /// No tensor and no node has this name.
    #[error("layer `{layer}` is not in `{}`", path.display())]
    #[diagnostic(help(
        "`nrp ann layers {}` lists its layers{}",
        path.display(),
        did_you_mean(near.as_deref())
    ))]
    UnknownLayer {
        /// The file.
        path: PathBuf,
        /// What the user wrote.
        layer: String,
        /// The layer that was probably meant.
        near: Option<String>,
    },
    /// The name is ambiguous.
    #[error("layer `{layer}` of `{}` is ambiguous: {tensors}", path.display())]
    #[diagnostic(help("name one of these tensors instead"))]
    Ambiguous {
        /// The file.
        path: PathBuf,
        /// What the user wrote.
        layer: String,
        /// The tensors that it may name.
        tensors: String,
    },
    /// The tensor exists, but has no activations.
    #[error("`{layer}` of `{}` is not a layer: {why}", path.display())]
    #[diagnostic(help(
        "`nrp ann layers {}` lists its layers{}",
        path.display(),
        why.help().map(|help| format!("; to have more, {help}")).unwrap_or_default()
    ))]
    NotLayer {
        /// The file.
        path: PathBuf,
        /// What the user wrote.
        layer: String,
        /// The reason.
        why: NotLayer,
    },
    /// The network cannot be run.
    #[error("`{}` cannot be run: {why}", path.display())]
    #[diagnostic(help(
        "export the network again with constant folding, or request layers before the operation that fails"
    ))]
    Run {
        /// The file.
        path: PathBuf,
        /// What failed.
        why: String,
    },
}
