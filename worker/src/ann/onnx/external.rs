//! Weights that an ONNX file keeps in files beside it (`net.onnx.data`): which files these are, and
//! the digest that covers them.
//!
//! The file names their paths, so each is checked to be a regular file in the ONNX file's own
//! directory before it is opened: reading a pipe could block forever, and a device might never end.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use tract_onnx::pb::tensor_proto::DataLocation;
use tract_onnx::pb::{GraphProto, TensorProto};

use super::OnnxError;
use crate::digest;

/// Digest of an ONNX file's `bytes`, and of each file that `graph` keeps weights in. It is the
/// bytes' BLAKE3 if there are no such files.
///
/// # Errors
/// When such a file is outside the directory, is not a regular file or cannot be read.
pub(super) fn digest(bytes: &[u8], graph: &GraphProto, path: &Path) -> Result<String, OnnxError> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_rayon(bytes);
    let mut locations = BTreeSet::new();
    locate(graph, &mut locations);
    for location in locations {
        let file = beside(path, location)?;
        let mut own = blake3::Hasher::new();
        digest::take_file(&mut own, &file)
            .map_err(|source| OnnxError::Unreadable { path: file, source })?;
        hasher.update(own.finalize().as_bytes());
    }
    Ok(digest::shortened(&hasher))
}

/// The regular file at `location`, which the ONNX file at `path` names.
fn beside(path: &Path, location: &str) -> Result<PathBuf, OnnxError> {
    let refused = |why| OnnxError::ExternalData {
        path: path.to_owned(),
        location: location.to_owned(),
        why,
    };
    let file = path.with_file_name(location);
    let unreadable = |source| OnnxError::Unreadable {
        path: file.clone(),
        source,
    };
    let inside = |part| matches!(part, Component::Normal(_) | Component::CurDir);
    if !Path::new(location).components().all(inside) {
        return Err(refused("the path leaves the directory of the ONNX file"));
    }
    // `Path::parent` of a bare name is empty, which names no directory.
    let directory = path.with_file_name(".");
    let directory = directory.canonicalize().map_err(unreadable)?;
    let found = file.canonicalize().map_err(unreadable)?;
    if !found.starts_with(directory) {
        return Err(refused(
            "a link in the path leaves the directory of the ONNX file",
        ));
    }
    if found.metadata().map_err(unreadable)?.is_file() {
        Ok(file)
    } else {
        Err(refused("expected a regular file"))
    }
}

/// The files, relative to the graph's own, that it and its subgraphs keep tensors in.
fn locate<'a>(graph: &'a GraphProto, locations: &mut BTreeSet<&'a str>) {
    let external =
        |tensor: &&TensorProto| tensor.data_location == Some(DataLocation::External as i32);
    let attributes = graph.node.iter().flat_map(|node| &node.attribute);
    let tensors = attributes
        .clone()
        .flat_map(|attribute| attribute.t.iter().chain(&attribute.tensors))
        .chain(&graph.initializer);
    for tensor in tensors.filter(external) {
        let entries = tensor.external_data.iter();
        locations.extend(
            entries
                .filter(|entry| entry.key == "location")
                .map(|entry| entry.value.as_str()),
        );
    }
    for attribute in attributes {
        for graph in attribute.g.iter().chain(&attribute.graphs) {
            locate(graph, locations);
        }
    }
}
