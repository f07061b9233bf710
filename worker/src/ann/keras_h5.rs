//! Weights from the HDF5 files that Keras saves, in both layouts, and from `.keras` archives.
//!
//! A file is first listed (its layers and their tensors' shapes), then fitted to the ANN's graph as a
//! whole, and only then read: the wrong file is refused at its first layer that differs, and is never
//! loaded in part.
//!
//! * Legacy `.h5`: attribute `layer_names` names the layers, each a group whose `weight_names` names
//!   its tensors; the whole may lie under `model_weights`.
//! * Keras 3 `.weights.h5`: `layers/<class>_<n>/vars/<i>`; the layer's own name is an attribute of
//!   `vars`, and where that is missing, `<n>` counts the layers of a class. A `.keras` archive is a
//!   zip with such a file in it.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use hdf5_reader::group::Group;
use hdf5_reader::{Attribute, Dataset, Datatype, Hdf5File};
use nrp_proto::panics::caught;

use super::AnnError;
use super::graph::{Graph, Node, NodeId, WeightSpec};
use super::weights::Weights;
use crate::archive;

/// What a zip begins with.
const ZIP_MAGIC: &[u8] = b"PK\x03\x04";
/// The weights in a `.keras` archive.
const ARCHIVED: &str = "model.weights.h5";

/// Largest weights file that is unpacked from an archive; it is held in memory.
const MAX_ARCHIVED_BYTES: u64 = 4 << 30;

/// The file's weight tensors, row-major: those that the layers `asked` depend on, and of the others,
/// those that fit.
pub(super) fn read(
    path: &Path,
    ann: &'static str,
    graph: &Graph,
    asked: &[NodeId],
) -> Result<Weights, AnnError> {
    let file = WeightsFile { ann, path };
    let read = || {
        let mut layers = file.list()?;
        let fitted = file.fit(graph, asked, &mut layers)?;
        let weights = graph.weights().iter().zip(fitted);
        let read =
            |(spec, tensor): (_, Option<_>)| tensor.map(|of| file.values(spec, of)).transpose();
        weights.map(read).collect()
    };
    // The reader is hardened against malformed bytes, but guarantees nothing.
    caught(read).unwrap_or_else(|said| Err(file.not_keras(format!("its reader gave up: {said}"))))
}

/// One layer of a file that has weights.
struct FileLayer {
    /// Keras's name; unknown in a Keras 3 file without names.
    name: Option<String>,
    /// Its group in the file, for messages and, in Keras 3 files, its class and number.
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

/// How a file numbers its layers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Layout {
    Legacy,
    Keras3,
}

struct Listing {
    layout: Layout,
    layers: Vec<FileLayer>,
}

/// A file and the ANN it should be of, for messages.
#[derive(Clone, Copy)]
struct WeightsFile<'a> {
    ann: &'static str,
    path: &'a Path,
}

impl WeightsFile<'_> {
    fn broken(&self, at: impl Into<String>) -> impl FnOnce(hdf5_reader::error::Error) -> AnnError {
        let (ann, path, at) = (self.ann, self.path.to_owned(), at.into());
        move |source| AnnError::from_hdf5(ann, &path, at, source)
    }

    fn not_keras(&self, found: impl Into<String>) -> AnnError {
        AnnError::NotKeras {
            ann: self.ann,
            path: self.path.to_owned(),
            found: found.into(),
        }
    }

    /// The weights file in a `.keras` archive, at most `limit` bytes; `None` if the file is not an
    /// archive.
    fn archived(&self, limit: u64) -> Result<Option<Vec<u8>>, AnnError> {
        let unreadable = |source| AnnError::WeightsUnreadable {
            ann: self.ann,
            path: self.path.to_owned(),
            source,
        };
        let mut file = File::open(self.path).map_err(unreadable)?;
        let mut magic = Vec::new();
        let start = (&mut file).take(ZIP_MAGIC.len() as u64);
        { start }.read_to_end(&mut magic).map_err(unreadable)?;
        if magic != ZIP_MAGIC {
            return Ok(None);
        }
        let mut archive = zip::ZipArchive::new(file)
            .map_err(|error| self.not_keras(format!("a damaged archive: {error}")))?;
        let weights = archive
            .by_name(ARCHIVED)
            .map_err(|_| self.not_keras(format!("an archive without `{ARCHIVED}`")))?;
        let bytes = archive::unpack(weights, limit);
        let bytes = bytes.map_err(|error| self.not_keras(format!("`{ARCHIVED}`: {error}")))?;
        Ok(Some(bytes))
    }

    /// The file's layers that have weights.
    fn list(&self) -> Result<Listing, AnnError> {
        let opened = match self.archived(MAX_ARCHIVED_BYTES)? {
            Some(bytes) => Hdf5File::from_vec(bytes),
            None => Hdf5File::open(self.path),
        };
        let file = opened.map_err(self.broken("its header"))?;
        let root = file.root_group().map_err(self.broken("its root"))?;
        let (groups, _) = root.member_names().map_err(self.broken("its root"))?;
        let has = |name: &str| groups.iter().any(|group| group == name);
        if let Some(layers) = self.legacy_layers(&root)? {
            return Ok(layers);
        }
        if has("model_weights") {
            let nested = root
                .group("model_weights")
                .map_err(self.broken("`model_weights`"))?;
            if let Some(layers) = self.legacy_layers(&nested)? {
                return Ok(layers);
            }
        }
        if has("layers") {
            let layers = root.group("layers").map_err(self.broken("`layers`"))?;
            return self.keras3_layers(&layers);
        }
        let shown: Vec<_> = groups.iter().take(3).map(|g| format!("`{g}`")).collect();
        Err(self.not_keras(if shown.is_empty() {
            "it has no groups".to_owned()
        } else {
            format!("its groups begin with {}", shown.join(", "))
        }))
    }

    fn legacy_layers(&self, root: &Group) -> Result<Option<Listing>, AnnError> {
        let Some(names) = self.names(root, "layer_names")? else {
            return Ok(None);
        };
        let mut layers = Vec::new();
        for name in names {
            let group = descend(root, &name).map_err(self.broken(format!("layer `{name}`")))?;
            let weights = self
                .names(&group, "weight_names")?
                .ok_or_else(|| self.not_keras(format!("layer `{name}` has no `weight_names`")))?;
            let mut tensors = Vec::new();
            for weight in weights {
                let broken = || self.broken(format!("`{weight}` of layer `{name}`"));
                let (parent, last) = match weight.rsplit_once('/') {
                    Some((parents, last)) => (descend(&group, parents).map_err(broken())?, last),
                    None => (group.clone(), &*weight),
                };
                let data = parent.dataset(last).map_err(broken())?;
                let variable = last.split(':').next().unwrap_or(last);
                tensors.push(FileTensor::new(variable, data));
            }
            if !tensors.is_empty() {
                layers.push(FileLayer {
                    group: name.clone(),
                    name: Some(name),
                    tensors,
                });
            }
        }
        Ok(Some(Listing {
            layout: Layout::Legacy,
            layers,
        }))
    }

    fn keras3_layers(&self, root: &Group) -> Result<Listing, AnnError> {
        let mut layers = Vec::new();
        for group in root.groups().map_err(self.broken("`layers`"))? {
            let at = group.name().to_owned();
            let broken = || self.broken(format!("layer group `{at}`"));
            let (parts, _) = group.member_names().map_err(broken())?;
            if !parts.iter().any(|part| part == "vars") {
                continue;
            }
            let vars = group.group("vars").map_err(broken())?;
            let mut tensors: Vec<_> = vars
                .datasets()
                .map_err(broken())?
                .into_iter()
                .map(|data| FileTensor::new(data.name().to_owned(), data))
                .collect();
            tensors.sort_by_key(|tensor| tensor.variable.parse::<usize>().unwrap_or(usize::MAX));
            if !tensors.is_empty() {
                let names = self.names(&vars, "name")?.unwrap_or_default();
                layers.push(FileLayer {
                    name: names.into_iter().next(),
                    group: at,
                    tensors,
                });
            }
        }
        layers.sort_by_cached_key(|layer| {
            let (class, number) = class_and_number(&layer.group);
            (class.to_owned(), number)
        });
        Ok(Listing {
            layout: Layout::Keras3,
            layers,
        })
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

    /// One tensor of the file per weight of the graph, or the first layer that differs.
    fn fit(
        &self,
        graph: &Graph,
        asked: &[NodeId],
        listing: &mut Listing,
    ) -> Result<Vec<Option<FileTensor>>, AnnError> {
        let needed = graph.needed(asked);
        name_by_number(graph, listing);
        rename_numbered(graph, listing);
        let mut fitted = Vec::new();
        let weighted = graph.nodes().iter().filter(|node| !node.weights.is_empty());
        for (place, node) in weighted.enumerate() {
            let specs = &graph.weights()[node.weights.clone()];
            let found = listing
                .layers
                .iter_mut()
                .find(|layer| layer.name.as_deref() == Some(&*node.name));
            match found {
                Some(layer) if fits(specs, &layer.tensors) => {
                    let tensors = std::mem::take(&mut layer.tensors);
                    fitted.extend(in_order(specs, tensors).into_iter().map(Some));
                }
                Some(_) | None if !needed[node.weights.start] => {
                    fitted.extend(specs.iter().map(|_| None));
                }
                Some(layer) => {
                    return Err(self.mismatch(node, specs, shapes(&layer.tensors)));
                }
                None => {
                    let instead = self.instead(graph, listing, place, node);
                    return Err(self.mismatch(node, specs, instead));
                }
            }
        }
        match listing
            .layers
            .iter()
            .find(|layer| !layer.tensors.is_empty())
        {
            None => Ok(fitted),
            Some(extra) => Err(AnnError::WeightsMismatch {
                ann: self.ann,
                path: self.path.to_owned(),
                layer: extra.name.clone().unwrap_or(extra.group.clone()),
                expected: "absent".to_owned(),
                found: shapes(&extra.tensors),
            }),
        }
    }

    fn mismatch(&self, node: &Node, specs: &[WeightSpec], found: String) -> AnnError {
        let expected = specs.iter().map(|spec| (spec.variable, &*spec.shape));
        AnnError::WeightsMismatch {
            ann: self.ann,
            path: self.path.to_owned(),
            layer: node.name.clone(),
            expected: listed(expected),
            found,
        }
    }

    /// What the file has in place of `node`, which it lacks.
    fn instead(&self, graph: &Graph, listing: &Listing, place: usize, node: &Node) -> String {
        let layer = match listing.layout {
            Layout::Legacy => listing.layers.get(place),
            Layout::Keras3 => {
                let class = node.op.keras_class();
                let alike = graph.nodes().iter().filter(|n| n.op.keras_class() == class);
                let number = alike.take_while(|n| n.name != node.name).count();
                let mut layers = listing.layers.iter();
                layers.find(|layer| class_and_number(&layer.group) == (class, number))
            }
        };
        match layer {
            None => "no such layer".to_owned(),
            Some(layer) => {
                let name = layer.name.as_deref().unwrap_or(&layer.group);
                let tensors = match &*layer.tensors {
                    [] => "loaded already".to_owned(),
                    tensors => shapes(tensors),
                };
                format!("`{name}` in its place: {tensors}")
            }
        }
    }

    fn values(&self, spec: &WeightSpec, tensor: FileTensor) -> Result<Vec<f32>, AnnError> {
        let at = format!("`{}` of layer `{}`", spec.variable, spec.layer);
        let values: Vec<f32> = match tensor.data.dtype() {
            Datatype::FloatingPoint { size: 8, .. } => {
                let values = tensor.data.read_array::<f64>();
                let values = values.map_err(self.broken(at))?;
                values.iter().map(|x| *x as f32).collect()
            }
            Datatype::FloatingPoint { size: 2, .. } => {
                return Err(self.not_keras(format!(
                    "{at} is stored in half precision; save the network with float32 weights"
                )));
            }
            _ => {
                let values = tensor.data.read_array::<f32>();
                let values = values.map_err(self.broken(at))?;
                values.iter().copied().collect()
            }
        };
        if values.iter().any(|x| !x.is_finite()) {
            return Err(AnnError::NotFinite {
                ann: self.ann,
                path: self.path.to_owned(),
                layer: spec.layer.clone(),
                variable: spec.variable,
            });
        }
        Ok(values)
    }
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

/// Names the layers of a Keras 3 file without names: the n-th of a class is the graph's n-th.
fn name_by_number(graph: &Graph, listing: &mut Listing) {
    if listing.layout == Layout::Legacy {
        return;
    }
    for layer in listing
        .layers
        .iter_mut()
        .filter(|layer| layer.name.is_none())
    {
        let (class, number) = class_and_number(&layer.group);
        let mut alike = graph.nodes().iter().filter(|n| n.op.keras_class() == class);
        layer.name = alike.nth(number).map(|node| node.name.clone());
    }
}

/// Gives the layers that Keras numbered the graph's names for them: their numbers depend on the
/// session that built the network, their order does not.
fn rename_numbered(graph: &Graph, listing: &mut Listing) {
    let weighted = graph.nodes().iter().filter(|node| !node.weights.is_empty());
    let mut numbered: Vec<_> = weighted
        .filter(|node| node.auto_numbered)
        .map(|node| (class_and_number(&node.name), &*node.name))
        .collect();
    numbered.sort_unstable();
    for ours in numbered.chunk_by(|a, b| a.0.0 == b.0.0) {
        let class = ours[0].0.0;
        let number = |layer: &FileLayer| match class_and_number(layer.name.as_deref()?) {
            (found, number) if found == class => Some(number),
            _ => None,
        };
        let mut theirs: Vec<_> = listing
            .layers
            .iter_mut()
            .filter_map(|layer| Some((number(layer)?, layer)))
            .collect();
        theirs.sort_by_key(|(number, _)| *number);
        for ((_, name), (_, layer)) in ours.iter().zip(theirs) {
            layer.name = Some((*name).to_owned());
        }
    }
}

/// `conv2d_3` is the layer 3 of class `conv2d`; `conv2d` alone is its layer 0.
fn class_and_number(group: &str) -> (&str, usize) {
    let numbered = group
        .rsplit_once('_')
        .and_then(|(class, number)| Some((class, number.parse().ok()?)));
    numbered.unwrap_or((group, 0))
}

/// Whether the layer's tensors are as many and of the same shapes as the ANN's.
fn fits(specs: &[WeightSpec], tensors: &[FileTensor]) -> bool {
    let positions = positions(specs, tensors);
    specs.len() == tensors.len()
        && specs
            .iter()
            .zip(positions)
            .all(|(spec, at)| spec.shape == tensors[at].shape)
}

fn in_order(specs: &[WeightSpec], tensors: Vec<FileTensor>) -> Vec<FileTensor> {
    let positions = positions(specs, &tensors);
    let mut tensors: Vec<_> = tensors.into_iter().map(Some).collect();
    let take = |at: usize| tensors[at].take().expect("positions are distinct");
    positions.into_iter().map(take).collect()
}

/// The index of each variable among the layer's tensors: by name if every name is known, and
/// otherwise, like Keras itself, by order.
fn positions(specs: &[WeightSpec], tensors: &[FileTensor]) -> Vec<usize> {
    let place = |spec: &WeightSpec| {
        tensors.iter().position(|tensor| {
            let kernel = tensor.variable == "kernel" && spec.variable == "depthwise_kernel";
            tensor.variable == spec.variable || kernel
        })
    };
    let by_name: Option<Vec<_>> = specs.iter().map(place).collect();
    by_name.unwrap_or_else(|| (0..specs.len()).collect())
}

fn shapes(tensors: &[FileTensor]) -> String {
    listed(
        tensors
            .iter()
            .map(|tensor| (&*tensor.variable, &*tensor.shape)),
    )
}

/// `kernel [3, 3, 3, 32], bias [32]`.
fn listed<'a>(tensors: impl Iterator<Item = (&'a str, &'a [usize])>) -> String {
    let tensors: Vec<_> = tensors
        .map(|(variable, shape)| match variable.parse::<usize>() {
            Ok(_) => format!("{shape:?}"),
            Err(_) => format!("{variable} {shape:?}"),
        })
        .collect();
    tensors.join(", ")
}

/// The group at `path`, whose parts may be separated by `/`.
fn descend(group: &Group, path: &str) -> hdf5_reader::error::Result<Group> {
    let mut parts = path.split('/').filter(|part| !part.is_empty());
    parts.try_fold(group.clone(), |group, part| group.group(part))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ann::testing::{shared, testdata};
    use crate::ann::tiny::TINY;
    use crate::ann::{find, recipe};

    const FILES: [&str; 6] = [
        "tiny.keras",
        "tiny_legacy.h5",
        "tiny_strings.h5",
        "tiny_model.h5",
        "tiny.weights.h5",
        "tiny_unnamed.weights.h5",
    ];

    fn mobilenet() -> Graph {
        find("mobilenet").expect("offered").graph()
    }

    #[test]
    fn an_archive_that_unpacks_beyond_its_bound_is_refused_before_it_is_unpacked() {
        let path = testdata("tiny.keras");
        let file = WeightsFile {
            ann: "tiny",
            path: &path,
        };
        let weights = file.archived(MAX_ARCHIVED_BYTES).expect("an archive");
        let length = weights.expect("weights").len() as u64;
        assert!(file.archived(length).is_ok());
        let error = file.archived(length - 1).expect_err("too large");
        let bound = format!("it unpacks to {length} bytes; the limit is {}", length - 1);
        assert!(error.to_string().contains(&bound), "{error}");
    }

    #[test]
    fn every_layout_gives_the_weights_that_keras_saved() {
        let graph = TINY.graph();
        let saved: Weights = recipe::fixture_weights(&graph, 5)
            .into_iter()
            .map(Some)
            .collect();
        for file in FILES {
            let read = read(&testdata(file), "tiny", &graph, &[]).expect(file);
            assert!(read == saved, "{file}");
        }
    }

    #[test]
    fn another_networks_file_is_refused_at_its_first_difference() {
        let refusal = |path: &Path, graph: &Graph| {
            let refused = read(path, "mobilenet", graph, &[]).expect_err("refused");
            let AnnError::WeightsMismatch {
                layer,
                expected,
                found,
                ..
            } = refused
            else {
                panic!("{refused}");
            };
            format!("{layer}: {expected} / {found}")
        };
        let other = "conv1: kernel [3, 3, 3, 32] / `stem` in its place: ";
        assert_eq!(
            refusal(&testdata("tiny_legacy.h5"), &mobilenet()),
            format!("{other}kernel [3, 3, 3, 4], bias [4]")
        );
        assert_eq!(
            refusal(&testdata("tiny.weights.h5"), &mobilenet()),
            format!("{other}[3, 3, 3, 4], [4]")
        );
        if let Some(path) = shared("data/weights/mobilenet_v2.weights.h5") {
            insta::assert_snapshot!(refusal(&path, &mobilenet()), @"conv1: kernel [3, 3, 3, 32] / `Conv1` in its place: [3, 3, 3, 32]");
        }
        if let Some(path) = shared("data/weights/resnet50_pruned_815.h5") {
            insta::assert_snapshot!(refusal(&path, &mobilenet()), @"conv1: kernel [3, 3, 3, 32] / `conv1_conv` in its place: kernel [7, 7, 3, 64], bias [64]");
        }
    }

    #[test]
    fn real_files_load() {
        for (ann, file) in [
            ("mobilenet", "mobilenet_1_0_224_tf.h5"),
            ("mobilenet_v2", "mobilenet_v2.weights.h5"),
            ("resnet50", "resnet50_pruned_815.h5"),
        ] {
            let Some(path) = shared(&format!("data/weights/{file}")) else {
                return;
            };
            let info = find(ann).expect("offered");
            let weights = read(&path, ann, &info.graph(), &[]).expect("its own");
            let parameters: usize = weights.iter().flatten().map(Vec::len).sum();
            assert_eq!(parameters as u64, info.parameters);
        }
    }

    #[test]
    fn a_truncated_file_is_an_error_that_names_it() {
        let graph = TINY.graph();
        let short = tempfile::NamedTempFile::new().expect("temporary file");
        for file in FILES {
            let whole = std::fs::read(testdata(file)).expect("made by the script");
            for length in (0..whole.len()).step_by(1 + whole.len() / 40) {
                std::fs::write(short.path(), &whole[..length]).expect("written");
                let said = read(short.path(), "tiny", &graph, &[])
                    .expect_err("refused")
                    .to_string();
                let name = short.path().display().to_string();
                assert!(said.contains(&name), "{file} of {length} bytes: {said}");
            }
        }
        std::fs::write(short.path(), "<html>not found</html>").expect("written");
        let said = read(short.path(), "tiny", &graph, &[]).expect_err("refused");
        assert!(matches!(said, AnnError::NotHdf5 { .. }), "{said}");
        let said = read(Path::new("/no/such.h5"), "tiny", &graph, &[]).expect_err("refused");
        assert!(matches!(said, AnnError::WeightsUnreadable { .. }), "{said}");
    }
}
