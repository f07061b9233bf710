//! What a path leads to: an HDF5 file, an archive with one in it, or an index of several. The content
//! tells them apart, not the extension.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use hdf5_reader::Hdf5File;
use serde::Deserialize;

use super::{Network, WeightsFile, keras3};
use crate::ann::AnnError;
use crate::archive;
use crate::hdf5::members;

/// What a zip begins with.
const ZIP_MAGIC: &[u8] = b"PK\x03\x04";
/// What an index of shards begins with.
const JSON_START: &[u8] = b"{";
/// The weights in a `.keras` archive.
const ARCHIVED: &str = "model.weights.h5";
/// The network in a `.keras` archive.
const ARCHIVED_CONFIG: &str = "config.json";
/// The network in an `.h5` file of a whole model: an attribute.
const CONFIG: &str = "model_config";

/// Largest weights file that is unpacked from an archive; it is held in memory.
pub(super) const MAX_ARCHIVED_BYTES: u64 = 4 << 30;

/// Largest description of a network, and largest index of shards.
const MAX_JSON_BYTES: u64 = 16 << 20;

/// What is in a weights file.
pub(super) struct Content {
    /// One, or one per shard.
    files: Vec<Hdf5File>,
    /// The network as JSON, if the file describes it.
    pub(super) config: Option<String>,
}

/// The shards of the index at `path`, each once; `None` if the file is not an index.
///
/// # Errors
/// When the file cannot be read, or is no valid index.
pub(in crate::ann) fn shards(
    path: &Path,
    ann: &'static str,
) -> Result<Option<Vec<PathBuf>>, AnnError> {
    WeightsFile { ann, path }.shards()
}

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, Shards>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Shards {
    One(String),
    Several(Vec<String>),
}

impl WeightsFile<'_> {
    /// Opens the file, or all of its shards.
    pub(super) fn open(&self) -> Result<Content, AnnError> {
        if let Some(archived) = self.archived(MAX_ARCHIVED_BYTES)? {
            return Ok(Content {
                files: vec![Hdf5File::from_vec(archived.weights).map_err(self.broken(ARCHIVED))?],
                config: Some(archived.config),
            });
        }
        if let Some(shards) = self.shards()? {
            let open = |path: PathBuf| {
                let of_shard = WeightsFile {
                    ann: self.ann,
                    path: &path,
                };
                Hdf5File::open(&path).map_err(of_shard.broken("its header"))
            };
            return Ok(Content {
                files: shards.into_iter().map(open).collect::<Result<_, _>>()?,
                config: None,
            });
        }
        let file = Hdf5File::open(self.path).map_err(self.broken("its header"))?;
        let root = file.root_group().map_err(self.broken("its root"))?;
        let config = self.names(&root, CONFIG)?;
        Ok(Content {
            files: vec![file],
            config: config.and_then(|strings| strings.into_iter().next()),
        })
    }

    /// The file's networks: its own layers first, then models that are layers of others.
    pub(super) fn list(&self, content: &Content) -> Result<Vec<Network>, AnnError> {
        let mut found = keras3::Found::default();
        let mut groups = Vec::new();
        for file in &content.files {
            let root = file.root_group().map_err(self.broken("its root"))?;
            groups = members::names(&root).map_err(self.broken("its root"))?.0;
            if let Some(networks) = self.legacy(&root)? {
                return Ok(networks);
            }
            self.keras3(&root, &mut found)?;
        }
        let networks = found.networks();
        if networks.is_empty() {
            let shown: Vec<_> = groups.iter().take(3).map(|g| format!("`{g}`")).collect();
            return Err(self.not_keras(if shown.is_empty() {
                "it has no groups".to_owned()
            } else {
                format!("its groups begin with {}", shown.join(", "))
            }));
        }
        Ok(networks)
    }

    /// The file's first bytes, as many as a zip begins with.
    fn start(&self) -> Result<Vec<u8>, AnnError> {
        let file = File::open(self.path).map_err(|source| self.unreadable(source))?;
        let mut start = Vec::new();
        file.take(ZIP_MAGIC.len() as u64)
            .read_to_end(&mut start)
            .map_err(|source| self.unreadable(source))?;
        Ok(start)
    }

    fn unreadable(&self, source: std::io::Error) -> AnnError {
        AnnError::WeightsUnreadable {
            ann: self.ann,
            path: self.path(),
            source,
        }
    }

    /// What is in a `.keras` archive, with weights of at most `limit` bytes; `None` if the file is not
    /// an archive.
    pub(super) fn archived(&self, limit: u64) -> Result<Option<Archived>, AnnError> {
        if self.start()? != ZIP_MAGIC {
            return Ok(None);
        }
        let mut archive = archive::open(|| File::open(self.path))
            .map_err(|error| self.not_keras(format!("a damaged archive: {error}")))?;
        let weights = archive
            .by_name(ARCHIVED)
            .map_err(|_| self.not_keras(format!("an archive without `{ARCHIVED}`")))?;
        let bad = |name: &str, error: &dyn std::fmt::Display| {
            self.not_keras(format!("`{name}`: {error}"))
        };
        let weights = archive::unpack(weights, limit);
        let weights = weights.map_err(|error| bad(ARCHIVED, &error))?;
        let config = archive
            .by_name(ARCHIVED_CONFIG)
            .map_err(|error| bad(ARCHIVED_CONFIG, &error))?;
        let config = archive::unpack(config, MAX_JSON_BYTES);
        let config = config.map_err(|error| bad(ARCHIVED_CONFIG, &error))?;
        let config = String::from_utf8(config).map_err(|error| bad(ARCHIVED_CONFIG, &error))?;
        Ok(Some(Archived { weights, config }))
    }

    fn shards(&self) -> Result<Option<Vec<PathBuf>>, AnnError> {
        if !self.start()?.starts_with(JSON_START) {
            return Ok(None);
        }
        let file = File::open(self.path).map_err(|source| self.unreadable(source))?;
        let mut json = Vec::new();
        file.take(MAX_JSON_BYTES)
            .read_to_end(&mut json)
            .map_err(|source| self.unreadable(source))?;
        let index: Index = serde_json::from_slice(&json)
            .map_err(|error| self.not_keras(format!("no index of shards: {error}")))?;
        let names = index
            .weight_map
            .into_values()
            .flat_map(|shards| match shards {
                Shards::One(name) => vec![name],
                Shards::Several(names) => names,
            });
        let beside = |name: String| {
            // A shard lies beside its index; nothing else is opened.
            if Path::new(&name).file_name() != Some(name.as_ref()) {
                return Err(self.not_keras(format!("shard `{name}` is not a file's name")));
            }
            Ok(self.path.with_file_name(name))
        };
        let shards: BTreeSet<PathBuf> = names.map(beside).collect::<Result<_, _>>()?;
        Ok(Some(shards.into_iter().collect()))
    }
}

/// What is read from a `.keras` archive.
#[derive(Debug)]
pub(super) struct Archived {
    /// An HDF5 file.
    pub(super) weights: Vec<u8>,
    /// The network as JSON.
    config: String,
}
