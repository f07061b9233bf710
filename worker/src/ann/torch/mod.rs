//! Weights from PyTorch's files: state dicts and checkpoints in `.pth`, `.pt`, `.bin` or `.tar`, whole
//! networks, and safetensors, told apart by what is in them.
//!
//! A file is first listed (`file`, `pickle`, `checkpoint`), then fitted to the ANN's graph as a whole (`fit`),
//! and only then read (`storages`, `tensor`): the wrong file is refused at its first tensor that differs. A
//! whole network's modules are compared with the graph, too (`network`, `modules`, `classes`). Nothing in a file is run.

mod checkpoint;
mod classes;
mod error;
mod file;
mod fit;
mod key;
mod layout;
mod machine;
mod modules;
mod network;
mod pickle;
mod storages;
mod tensor;
#[cfg(test)]
mod tests;

use std::path::Path;

pub use error::TorchError;

use super::AnnError;
use super::graph::{Graph, NodeId};
use super::weights::{Told, Weights};
use checkpoint::Checkpoint;
use error::listed;
use file::{Opened, TorchFile};
use fit::{Fit, Found, Wanted};
use storages::Storages;
use tensor::{Entry, Tensor};

/// The file's weight tensors, row-major and in Keras's layout: those that the layers `asked` depend on,
/// and of the others, those that fit. They are under `key` in the file, if there is one.
pub(super) fn read(
    path: &Path,
    key: Option<&str>,
    ann: &'static str,
    graph: &Graph,
    asked: &[NodeId],
) -> Result<Told, AnnError> {
    let file = TorchFile { ann, path };
    std::fs::metadata(path).map_err(|source| AnnError::WeightsUnreadable {
        ann,
        path: path.to_owned(),
        source,
    })?;
    let Opened {
        mut checkpoint,
        mut storages,
    } = file.open()?;
    if let Some(key) = key {
        file.narrow(&mut checkpoint, key, graph)?;
    }
    let fit = Wanted::new(file, graph, asked).find(&checkpoint)?;
    file.compare(&checkpoint, &fit, graph, asked)?;
    let mut weights = Weights::new();
    let mut unmasked = 0;
    for (spec, found) in graph.weights().iter().zip(&fit.tensors) {
        let Some(found) = found else {
            weights.push(None);
            continue;
        };
        let values = file.values(&mut storages, found)?;
        if values.iter().any(|x| !x.is_finite()) {
            return Err(AnnError::NotFinite {
                ann,
                path: path.to_owned(),
                layer: spec.layer.clone(),
                variable: spec.variable,
            });
        }
        unmasked += file.unmasked(&checkpoint, &mut storages, found, &values)?;
        weights.push(Some(layout::keras_order(spec, values)));
    }
    let notice = notice(&file, &fit, key, unmasked);
    Ok((weights, notice.into_iter().collect()))
}

impl TorchFile<'_> {
    /// The numbers of a tensor, masked where the file masks it.
    fn values<'a>(
        &self,
        storages: &mut Storages,
        found: &Found<'a>,
    ) -> Result<Vec<f32>, TorchError> {
        let dense = |entry: &'a Entry| match entry {
            Entry::Dense(tensor) => Ok(tensor),
            Entry::Other(kind) => Err(self.damaged(format!("`{}` is {kind}", found.name))),
        };
        let mut values = self.numbers(storages, found.name, dense(found.entry)?)?;
        if let Some(mask) = found.mask {
            let mask = self.numbers(storages, found.name, dense(mask)?)?;
            values
                .iter_mut()
                .zip(mask)
                .for_each(|(value, mask)| *value *= mask);
        }
        Ok(values)
    }

    fn numbers(
        &self,
        storages: &mut Storages,
        name: &str,
        tensor: &Tensor,
    ) -> Result<Vec<f32>, TorchError> {
        let little_endian = storages.little_endian;
        let bytes = storages.bytes(&tensor.storage);
        let values = bytes.and_then(|bytes| tensor.values(bytes, little_endian));
        values.map_err(|why| self.damaged(format!("`{name}`: {why}")))
    }

    /// How many of `values` are not zero although one of Distiller's masks says so: the network that
    /// Distiller loads has them all the same.
    fn unmasked(
        &self,
        checkpoint: &Checkpoint,
        storages: &mut Storages,
        found: &Found,
        values: &[f32],
    ) -> Result<usize, TorchError> {
        let masks = checkpoint
            .dicts
            .iter()
            .find(|dict| dict.path.ends_with(fit::MASKS));
        let Some(masks) = masks.filter(|_| found.mask.is_none()) else {
            return Ok(0);
        };
        let name = layout::torchvision_name(found.name);
        let mask = masks
            .tensors
            .iter()
            .find(|(of, _)| layout::torchvision_name(of) == name);
        let (Some((_, Entry::Dense(mask))), Entry::Dense(tensor)) = (mask, found.entry) else {
            return Ok(0);
        };
        if mask.shape != tensor.shape {
            return Ok(0);
        }
        let mask = self.numbers(storages, found.name, mask)?;
        let pairs = values.iter().zip(mask);
        Ok(pairs
            .filter(|(value, mask)| **value != 0.0 && *mask == 0.0)
            .count())
    }
}

/// What was taken from the file, where that is not all there is under the names that it has.
fn notice(file: &TorchFile, fit: &Fit, key: Option<&str>, unmasked: usize) -> Option<String> {
    let mut said = Vec::new();
    if key.is_none() && !fit.dict.path.is_empty() {
        said.push(format!("the weights under `{}` are taken", fit.dict.path));
    }
    let names = || fit.tensors.iter().flatten().map(|found| found.name);
    let wrappers = |name: &str| {
        layout::wrappers(name)
            .iter()
            .map(|of| format!("{of}."))
            .collect()
    };
    let mut off: Vec<String> = names()
        .flat_map(|name| -> Vec<String> { wrappers(name) })
        .collect();
    off.push(fit.prefix.clone());
    off.sort();
    off.dedup();
    off.retain(|part| !part.is_empty());
    if !off.is_empty() {
        said.push(format!("their names are read without {}", listed(&off)));
    }
    let masked = fit
        .tensors
        .iter()
        .flatten()
        .filter(|found| found.mask.is_some())
        .count();
    if masked > 0 {
        said.push(format!(
            "masks are applied (`weight_orig` × `weight_mask`), tensors with one: {masked}"
        ));
    }
    if unmasked > 0 {
        said.push(format!(
            "of the weights that are zero in `{}`, {unmasked} are not zero in the network, and are taken as \
             they are",
            fit::MASKS
        ));
    }
    if !fit.others.is_empty() {
        let others: Vec<String> = fit.others.iter().map(|of| of.address.clone()).collect();
        said.push(format!(
            "the file has the ANN's weights under {} as well: `weights_key` chooses",
            listed(&others)
        ));
    }
    if !fit.unused.is_empty() {
        let unused: Vec<String> = fit.unused.iter().map(|name| (*name).to_owned()).collect();
        said.push(format!("not used: {}", listed(&unused)));
    }
    let path = file.path.display();
    (!said.is_empty()).then(|| format!("weights of {} in `{path}`: {}", file.ann, said.join("; ")))
}
