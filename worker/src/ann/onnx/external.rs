//! Weights that an ONNX file keeps in files beside it (`net.onnx.data`): which, and the digest that
//! covers them.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use tract_onnx::pb::tensor_proto::DataLocation;
use tract_onnx::pb::{GraphProto, TensorProto};

use crate::ann::weights::DIGEST_DIGITS;

/// Digest of an ONNX file's `bytes`, and of each file that `graph` keeps weights in. It is the
/// bytes' BLAKE3 where there is none.
///
/// # Errors
/// The file that cannot be read, and why.
pub(super) fn digest(
    bytes: &[u8],
    graph: &GraphProto,
    path: &Path,
) -> Result<String, (PathBuf, io::Error)> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_rayon(bytes);
    let mut locations = BTreeSet::new();
    locate(graph, &mut locations);
    for location in locations {
        let file = path.with_file_name(location);
        let mut own = blake3::Hasher::new();
        File::open(&file)
            .and_then(|opened| own.update_reader(opened).map(drop))
            .map_err(|source| (file, source))?;
        hasher.update(own.finalize().as_bytes());
    }
    let mut digest = hasher.finalize().to_hex().to_string();
    digest.truncate(DIGEST_DIGITS);
    Ok(digest)
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
