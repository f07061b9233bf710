//! Weights from the files that Keras saves: `.h5`, `.weights.h5`, `.weights.json` with its shards, and
//! `.keras`.
//!
//! A file is first listed (its networks, their layers and those layers' tensors), then fitted to the ANN's
//! graph as a whole, and only then read: the wrong file is refused at its first layer that differs. What
//! no requested layer depends on may be absent or different, as a classifier for other classes is. A file
//! that describes its network is also compared with the graph, layer by layer (`architecture`).

mod architecture;
mod config;
mod file;
mod fit;
mod image;
mod keras3;
mod layer;
mod legacy;
mod names;
mod operation;
mod scaling;
mod setting;
mod tensors;
#[cfg(test)]
mod tests;
mod values;

use std::path::{Path, PathBuf};

use hdf5_reader::group::Group;
use hdf5_reader::{Attribute, Dataset};
use nrp_proto::panics::caught;

pub(super) use file::shards;

use super::graph::{Graph, NodeId};
use super::weights::Told;
use super::{AnnError, AnnInfo};

/// The file's weight tensors, row-major: those that the layers `asked` depend on, and of the others,
/// those that fit. A network within another model is said, and what could not be compared.
pub(super) fn read(
    path: &Path,
    info: &AnnInfo,
    graph: &Graph,
    asked: &[NodeId],
) -> Result<Told, AnnError> {
    let file = WeightsFile {
        ann: info.name,
        path,
    };
    let read = || {
        let content = file.open()?;
        let networks = file.list(&content)?;
        let fitted = file.fit(graph, asked, networks)?;
        let mut told = Vec::new();
        let is_inner = !matches!(&*fitted.place, "" | keras3::OWN);
        if is_inner {
            told.push(format!(
                "{}: the weights of {} are those of the model at `{}` in it",
                path.display(),
                info.name,
                fitted.place
            ));
        }
        if let Some(config) = &content.config {
            told.extend(file.compare(config, info, graph, asked, &fitted)?);
        }
        let needed = graph.needed(asked);
        let weights = graph.weights().iter().zip(fitted.tensors).zip(needed);
        let read = |((spec, tensor), needed): ((_, Option<_>), _)| {
            tensor
                .map(|stored| file.values(spec, stored, needed))
                .transpose()
        };
        let weights: Result<Vec<_>, AnnError> = weights.map(read).collect();
        Ok((weights?, told))
    };
    // The reader is hardened against malformed bytes, but guarantees nothing.
    caught(read).unwrap_or_else(|said| Err(file.not_keras(format!("its reader gave up: {said}"))))
}

/// Layers of a file that are side by side in one model.
struct Network {
    /// Where in the file, for messages; empty for the file's own layers.
    place: String,
    order: Order,
    /// Those with weights.
    layers: Vec<FileLayer>,
}

/// What the order of a network's layers says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    /// They are in the model's order, from its input on.
    Model,
    /// Those of one class are.
    Classes,
    /// Layers that are not trained come last.
    Trained,
}

/// One layer of a file.
struct FileLayer {
    /// Keras's name for it; unknown in a Keras 3 file without names.
    own_name: Option<String>,
    /// The graph's name for it, as far as it is known.
    name: Option<String>,
    /// Its class and number in a Keras 3 file, its name in an older one.
    group: String,
    /// Its tensors in the file's order.
    tensors: Vec<FileTensor>,
}

/// One tensor of a file, not read yet.
struct FileTensor {
    /// The variable's name without prefixes; a number in Keras 3 files.
    variable: String,
    shape: Vec<usize>,
    data: Dataset,
}

impl FileTensor {
    fn new(variable: impl Into<String>, data: Dataset) -> Self {
        let shape = data.shape().iter().map(|n| *n as usize).collect();
        Self {
            variable: variable.into(),
            shape,
            data,
        }
    }
}

/// A file and the ANN it should be of, for messages.
#[derive(Clone, Copy)]
struct WeightsFile<'a> {
    ann: &'static str,
    path: &'a Path,
}

impl WeightsFile<'_> {
    fn path(&self) -> PathBuf {
        self.path.to_owned()
    }

    fn broken(&self, at: impl Into<String>) -> impl FnOnce(hdf5_reader::error::Error) -> AnnError {
        let (ann, path, at) = (self.ann, self.path.to_owned(), at.into());
        move |source| AnnError::from_hdf5(ann, &path, at, source)
    }

    fn not_keras(&self, found: impl Into<String>) -> AnnError {
        AnnError::NotKeras {
            ann: self.ann,
            path: self.path(),
            found: found.into(),
        }
    }

    /// The strings of attribute `name`, or of `name0`, `name1` … where Keras had to split it.
    fn names(&self, group: &Group, name: &str) -> Result<Option<Vec<String>>, AnnError> {
        let broken = || self.broken(format!("attribute `{name}` of `{}`", group.name()));
        let attributes = group.attributes().map_err(broken())?;
        let find = |name: &str| attributes.iter().find(|attribute| attribute.name == name);
        if let Some(whole) = find(name) {
            return strings(whole).map(Some).map_err(broken());
        }
        let mut parts = Vec::new();
        while let Some(part) = find(&format!("{name}{}", parts.len())) {
            parts.push(strings(part).map_err(broken())?);
        }
        Ok((!parts.is_empty()).then(|| parts.concat()))
    }
}

/// An attribute's strings. A layer without weights has an empty array of any type.
fn strings(attribute: &Attribute) -> hdf5_reader::error::Result<Vec<String>> {
    if attribute.num_elements()? == 0 {
        return Ok(Vec::new());
    }
    if attribute.shape.is_empty() {
        return attribute.read_string().map(|string| vec![string]);
    }
    attribute.read_strings()
}
