//! `weights_key`: the part of a file that the user chose.

use std::collections::HashSet;

use nrp_proto::near_miss;

use super::TorchError;
use super::checkpoint::{Checkpoint, StateDict};
use super::file::TorchFile;
use super::fit::part;
use super::layout::torchvision_name;
use crate::ann::graph::Graph;

impl TorchFile<'_> {
    /// Leaves in `checkpoint` what is under `key`: keys that lead to a state dict, beginnings of the names in
    /// it, or both, with dots between.
    ///
    /// # Errors
    /// When nothing is.
    pub(super) fn narrow(
        &self,
        checkpoint: &mut Checkpoint,
        key: &str,
        graph: &Graph,
    ) -> Result<(), TorchError> {
        let known = known(checkpoint, graph);
        let dicts = std::mem::take(&mut checkpoint.dicts);
        checkpoint.dicts = dicts
            .into_iter()
            .filter_map(|dict| under(dict, key))
            .collect();
        if !checkpoint.dicts.is_empty() {
            return Ok(());
        }
        Err(TorchError::Key {
            ann: self.ann,
            path: self.path.to_owned(),
            key: key.to_owned(),
            near: near_miss(key, known.iter().map(String::as_str)).map(str::to_owned),
            known,
        })
    }
}

/// What the user may have meant: the paths of state dicts, and then the first parts of names, but for those of
/// the ANN's own parts.
fn known(checkpoint: &Checkpoint, graph: &Graph) -> Vec<String> {
    let own: HashSet<&str> = graph
        .weights()
        .iter()
        .map(|spec| part(&spec.layer))
        .collect();
    let paths = checkpoint.dicts.iter().map(|dict| dict.path.clone());
    let mut known: Vec<String> = paths.filter(|path| !path.is_empty()).collect();
    for dict in &checkpoint.dicts {
        let parts = dict
            .tensors
            .iter()
            .filter_map(|(name, _)| name.split_once('.'));
        // What is in front of a tensor's own name and its module's.
        let parts = parts.filter(|(_, rest)| rest.contains('.'));
        let parts = parts.map(|(part, _)| part);
        let parts = parts.filter(|part| !own.contains(part));
        let parts = parts.map(|part| match dict.path.as_str() {
            "" => part.to_owned(),
            path => format!("{path}.{part}"),
        });
        known.extend(parts);
    }
    let mut seen = HashSet::new();
    known.retain(|name| seen.insert(name.clone()));
    known
}

/// What of `dict` is under `key`.
fn under(mut dict: StateDict, key: &str) -> Option<StateDict> {
    if rest(&dict.path, key).is_some() {
        return Some(dict);
    }
    let key_in_dict = match dict.path.as_str() {
        "" => key,
        path => rest(key, path)?,
    };
    let as_written = |name: &str| rest(name, key_in_dict).map(str::to_owned);
    let as_torchvision = |name: &str| rest(&torchvision_name(name), key_in_dict).map(str::to_owned);
    let is_written = dict
        .tensors
        .iter()
        .any(|(name, _)| as_written(name).is_some());
    let stripped: &dyn Fn(&str) -> Option<String> = if is_written {
        &as_written
    } else {
        &as_torchvision
    };
    dict.tensors = std::mem::take(&mut dict.tensors)
        .into_iter()
        .filter_map(|(name, entry)| Some((stripped(&name)?, entry)))
        .collect();
    dict.modules = std::mem::take(&mut dict.modules)
        .into_iter()
        .filter_map(|(name, module)| Some((stripped(&name)?, module)))
        .collect();
    dict.path = key.to_owned();
    (!dict.tensors.is_empty()).then_some(dict)
}

/// What follows `start` and a dot in `name`; nothing where they are equal.
fn rest<'a>(name: &'a str, start: &str) -> Option<&'a str> {
    let rest = name.strip_prefix(start)?;
    if rest.is_empty() {
        Some(rest)
    } else {
        rest.strip_prefix('.')
    }
}
