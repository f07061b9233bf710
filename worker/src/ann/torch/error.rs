//! What can be wrong with a file of PyTorch's, and what to do about it.

use std::path::PathBuf;

use miette::Diagnostic;
use nrp_proto::did_you_mean;
use thiserror::Error;

/// Why weights could not be taken from a file of PyTorch's.
#[derive(Debug, Error, Diagnostic)]
pub enum TorchError {
    /// The file is of another kind.
    #[error("weights of {ann}: `{}` is {found}, not a state dict of PyTorch", path.display())]
    #[diagnostic(help("{hint}"))]
    Kind {
        /// The ANN.
        ann: &'static str,
        /// The weights file.
        path: PathBuf,
        /// What it is: "a TorchScript archive".
        found: String,
        /// What to do.
        hint: String,
    },
    /// The file begins as PyTorch's do, but some of it cannot be read.
    #[error("weights of {ann}: `{}` cannot be read: {why}", path.display())]
    #[diagnostic(help(
        "fetch or copy the file again and compare its size with the original's; if `torch.load` reads it, \
         save it again with `torch.save(net.state_dict(), …)`"
    ))]
    Damaged {
        /// The ANN.
        ann: &'static str,
        /// The weights file.
        path: PathBuf,
        /// What could not be read.
        why: String,
    },
    /// The file is sound, but there are no tensors by name in it.
    #[error("weights of {ann}: `{}` has no tensors by name{}", path.display(), among(found))]
    #[diagnostic(help("save the weights with `torch.save(net.state_dict(), …)`"))]
    NoState {
        /// The ANN.
        ann: &'static str,
        /// The weights file.
        path: PathBuf,
        /// Its keys.
        found: Vec<String>,
    },
    /// `weights_key` names nothing in the file.
    #[error("weights of {ann}: nothing in `{}` is called `{key}`", path.display())]
    #[diagnostic(help("{}{}", choice(known), did_you_mean(near.as_deref())))]
    Key {
        /// The ANN.
        ann: &'static str,
        /// The weights file.
        path: PathBuf,
        /// The key in the sweep file.
        key: String,
        /// What it may be.
        known: Vec<String>,
        /// What was probably meant.
        near: Option<String>,
    },
    /// The file has the ANN's weights several times, none of which comes first.
    #[error("weights of {ann}: `{}` has them {} times: {}", path.display(), places.len(), listed(places))]
    #[diagnostic(help("choose with `weights_key = \"{}\"` in the `[[ann]]`", places[0]))]
    Several {
        /// The ANN.
        ann: &'static str,
        /// The weights file.
        path: PathBuf,
        /// What `weights_key` may be.
        places: Vec<String>,
    },
    /// The file has the ANN's weights in more places than are compared.
    #[error("weights of {ann}: `{}` has them more than {limit} times", path.display())]
    #[diagnostic(help(
        "choose a network with `weights_key = \"…\"` in the `[[ann]]`, or save it alone, with \
         `torch.save(net.state_dict(), …)`"
    ))]
    Places {
        /// The ANN.
        ann: &'static str,
        /// The weights file.
        path: PathBuf,
        /// The limit.
        limit: usize,
    },
    /// Two tensors have the same name once wrappers' names are taken off.
    #[error(
        "weights of {ann}: `{first}` and `{second}` in `{}` are the same tensor's names, with different \
         numbers",
        path.display()
    )]
    #[diagnostic(help(
        "save one of the two networks alone, with `torch.save(net.state_dict(), …)`"
    ))]
    Twice {
        /// The ANN.
        ann: &'static str,
        /// The weights file.
        path: PathBuf,
        /// One name in the file.
        first: String,
        /// The other.
        second: String,
    },
    /// The file has another network's weights. Names the first tensor that differs.
    #[error(
        "weights in `{}` are not {ann}'s: layer `{tensor}` should be {expected}, found {found}",
        path.display()
    )]
    #[diagnostic(help("{hint}"))]
    Mismatch {
        /// The ANN.
        ann: &'static str,
        /// The weights file.
        path: PathBuf,
        /// The first tensor that differs.
        tensor: String,
        /// Its shape in the ANN, or "absent".
        expected: String,
        /// What the file has instead.
        found: String,
        /// What to do.
        hint: String,
    },
    /// The file is a whole network, some of whose modules are not the ANN's.
    #[error(
        "the network in `{}` is not {ann}: `{module}` is {found}, expected {expected}",
        path.display()
    )]
    #[diagnostic(help(
        "use a network that computes what torchvision's does; if this one does so, save its state dict \
         alone: `torch.save(net.state_dict(), …)`"
    ))]
    Module {
        /// The ANN.
        ann: &'static str,
        /// The weights file.
        path: PathBuf,
        /// The module's path in the network; empty for the network itself.
        module: String,
        /// Its class, or what differs of it.
        found: String,
        /// What the ANN has there.
        expected: String,
    },
}

/// `, only ...`, where there is anything.
fn among(found: &[String]) -> String {
    if found.is_empty() {
        return String::new();
    }
    format!(", only {}", listed(found))
}

/// What a wrong key should be.
fn choice(known: &[String]) -> String {
    if known.is_empty() {
        return "leave `weights_key` out: the file has one network, whose names have nothing in front".to_owned();
    }
    format!("`weights_key` may be one of these: {}", listed(known))
}

/// Most names that a message spells out.
const LISTED: usize = 5;

/// Names, quoted, the first few.
pub(super) fn listed(names: &[String]) -> String {
    let shown: Vec<String> = names
        .iter()
        .take(LISTED)
        .map(|name| format!("`{name}`"))
        .collect();
    let shown = shown.join(", ");
    match names.len().saturating_sub(LISTED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
