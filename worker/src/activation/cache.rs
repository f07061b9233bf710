//! The cache directory: which file holds which key, which process writes it, and how much disk
//! space all files may take. A damaged file counts as missing, because it can be extracted again.
//!
//! Files are created, renamed and deleted under one lock on the directory, which is held only
//! briefly; slow work (hashing, extracting) holds only its own file's lock.

use super::file::{CachedLayer, Header, is_damage};
use super::key::Dtype;
use super::partial::{self, Partial};
use super::{ActivationError, CacheKey, lock, write_error};
use bytesize::ByteSize;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Where activations are kept, in which format, and how many bytes of them.
#[derive(Debug, Clone)]
pub struct CacheConfig {
    /// The directory.
    pub directory: PathBuf,
    /// The format in which new layers are stored.
    pub dtype: Dtype,
    /// Most bytes that all files together may have; no limit if absent.
    pub budget_bytes: Option<u64>,
}

/// A directory of cached layers.
#[derive(Debug, Clone)]
pub struct Cache {
    config: CacheConfig,
}

/// A file of the cache, whole or partial.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) path: PathBuf,
    pub(super) is_whole: bool,
    pub(super) bytes: u64,
    pub(super) used: SystemTime,
}

impl Stored {
    /// Deletes the file, which must be locked.
    pub(super) fn remove(&self) -> io::Result<()> {
        if self.is_whole {
            fs::remove_file(&self.path)
        } else {
            partial::remove(&self.path)
        }
    }
}

/// Files that may be evicted, each with its exclusive lock.
pub(super) type Victims = Vec<(Stored, File)>;

/// The lock on the directory, held until it is dropped.
pub(super) struct Guard {
    _file: File,
}

/// The answer to a claim on layers.
pub(super) enum Claim {
    /// The caller extracts these.
    Ours(Vec<Partial>),
    /// Another process is extracting them, or has just done so.
    Elsewhere,
    /// Files in use by other processes leave too little of the budget.
    NoRoom,
}

impl Cache {
    /// Opens the cache in a directory, which is created if it is missing.
    ///
    /// # Errors
    /// When the directory cannot be created.
    pub fn open(config: CacheConfig) -> Result<Self, ActivationError> {
        let made = fs::create_dir_all(&config.directory);
        made.map_err(|source| write_error(&config.directory, source))?;
        let cache = Self { config };
        cache.sweep_up();
        Ok(cache)
    }

    /// Opens the existing cache in `directory`, to list or prune it.
    ///
    /// # Errors
    /// When there is no such directory.
    pub fn existing(directory: &Path) -> Result<Self, ActivationError> {
        if directory.is_dir() {
            Ok(Self {
                config: CacheConfig {
                    directory: directory.to_owned(),
                    dtype: Dtype::default(),
                    budget_bytes: None,
                },
            })
        } else {
            Err(ActivationError::NoCache {
                path: directory.to_owned(),
            })
        }
    }

    /// The format in which new layers are stored.
    pub fn dtype(&self) -> Dtype {
        self.config.dtype
    }

    pub(super) fn directory(&self) -> &Path {
        &self.config.directory
    }

    fn path(&self, key: &CacheKey, extension: &str) -> PathBuf {
        let name = format!("{}.{extension}", key.digest());
        self.config.directory.join(name)
    }

    /// Deletes logs whose partial file is gone, and files that earlier versions left behind.
    fn sweep_up(&self) {
        let Ok(_guard) = self.guard() else { return };
        for path in self.names().unwrap_or_default() {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let orphan = name.ends_with(".rows") && !path.with_extension("part").exists();
            if (orphan || name.starts_with(".partial-") || name == "extracting.lock")
                && let Err(error) = fs::remove_file(&path)
            {
                tracing::warn!(path = %path.display(), %error, "cannot delete a left-over file");
            }
        }
    }

    /// Waits until no other process creates, renames or deletes files.
    pub(super) fn guard(&self) -> Result<Guard, ActivationError> {
        let path = self.config.directory.join("lock");
        let options = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path);
        let locked = options.and_then(|file| {
            file.lock()?;
            Ok(Guard { _file: file })
        });
        locked.map_err(|source| write_error(&path, source))
    }

    /// The layer of `key`, if the cache has it and it is intact; no process deletes it while it is
    /// open.
    ///
    /// # Errors
    /// When the file exists but cannot be read.
    pub fn get(&self, key: &CacheKey) -> Result<Option<CachedLayer>, ActivationError> {
        let path = self.path(key, "act");
        let read_error = |source| ActivationError::Read {
            path: path.clone(),
            source,
        };
        let Some(file) = lock::shared(&path).map_err(read_error)? else {
            return Ok(None);
        };
        let same = file.try_clone().map_err(read_error)?;
        match CachedLayer::open(&path, file, key) {
            Ok(layer) => Ok(Some(layer)),
            Err(error) if is_damage(&error) => {
                tracing::warn!(path = %path.display(), %error, "a cached layer is damaged; it is extracted again");
                let _guard = self.guard()?;
                // Another process may have replaced it meanwhile.
                if lock::is_at(&same, &path).map_err(read_error)? {
                    fs::remove_file(&path).map_err(|source| write_error(&path, source))?;
                }
                Ok(None)
            }
            Err(source) => Err(read_error(source)),
        }
    }

    /// Refuses layers that would not fit an empty cache together.
    pub(super) fn refuse_too_large(&self, layers: &[Header]) -> Result<(), ActivationError> {
        let needed: u64 = layers.iter().map(Header::file_bytes).sum();
        match self.config.budget_bytes {
            Some(budget) if needed > budget => Err(ActivationError::TooLarge {
                layers: layers.iter().map(|layer| layer.key.layer.clone()).collect(),
                needed: ByteSize::b(needed),
                budget: ByteSize::b(budget),
                dtype: self.config.dtype.name(),
            }),
            Some(_) | None => Ok(()),
        }
    }

    /// Claims those of the `missing` layers that no process is extracting, and makes space for
    /// them; also claims those of `also`, if there is space for all.
    pub(super) fn claim(
        &self,
        missing: &[Header],
        also: &[Header],
    ) -> Result<Claim, ActivationError> {
        let _guard = self.guard()?;
        let all: Vec<&Header> = missing.iter().chain(also).collect();
        let own: Vec<&Header> = missing.iter().collect();
        let (layers, victims) = match self.room(&all)? {
            Some(victims) => (all, victims),
            None => match self.room(&own)? {
                Some(victims) => (own, victims),
                None => return Ok(Claim::NoRoom),
            },
        };
        for (stored, _lock) in victims {
            tracing::info!(path = %stored.path.display(), bytes = stored.bytes, "evicted");
            let removed = stored.remove();
            removed.map_err(|source| write_error(&stored.path, source))?;
        }
        let mut ours = Vec::new();
        for (at, header) in layers.into_iter().enumerate() {
            // Layers of `also` alone are not worth a pass.
            if at == missing.len() && ours.is_empty() {
                break;
            }
            let path = self.path(&header.key, "part");
            if self.path(&header.key, "act").exists() {
                continue;
            }
            let locked = lock::exclusive_or_new(&path);
            if let Some(file) = locked.map_err(|source| write_error(&path, source))? {
                ours.push(Partial::new(path, file, header.clone())?);
            }
        }
        Ok(if ours.is_empty() {
            Claim::Elsewhere
        } else {
            Claim::Ours(ours)
        })
    }

    /// Whether there is space for the layers now.
    pub(super) fn has_room(&self, layers: &[Header]) -> Result<bool, ActivationError> {
        let _guard = self.guard()?;
        let layers: Vec<&Header> = layers.iter().collect();
        Ok(self.room(&layers)?.is_some())
    }

    /// The files to evict so that the layers fit the budget: the least recently used first, none
    /// that is in use and none of the layers themselves. `None` if that is not enough.
    fn room(&self, layers: &[&Header]) -> Result<Option<Victims>, ActivationError> {
        let Some(budget) = self.config.budget_bytes else {
            return Ok(Some(Vec::new()));
        };
        let stored = self.stored()?;
        let bytes_at = |path: &Path| {
            stored
                .iter()
                .find(|file| file.path == path)
                .map(|file| file.bytes)
        };
        let mut own = Vec::new();
        let mut needed = 0_u64;
        for layer in layers {
            let [whole, part] = ["act", "part"].map(|extension| self.path(&layer.key, extension));
            if bytes_at(&whole).is_none() {
                let reserved = bytes_at(&part).unwrap_or(0);
                needed += layer.file_bytes().saturating_sub(reserved);
            }
            own.extend([whole, part]);
        }
        let held: u64 = stored.iter().map(|file| file.bytes).sum();
        let excess = (held + needed).saturating_sub(budget);
        let others = stored.into_iter().filter(|file| !own.contains(&file.path));
        self.longest_unused(others.collect(), excess)
    }

    /// The least recently used files that together have `excess` bytes, locked; `None` if the files
    /// not in use have fewer.
    pub(super) fn longest_unused(
        &self,
        mut files: Vec<Stored>,
        mut excess: u64,
    ) -> Result<Option<Victims>, ActivationError> {
        files.sort_by(|a, b| (a.used, &a.path).cmp(&(b.used, &b.path)));
        let mut victims = Vec::new();
        for file in files {
            if excess == 0 {
                break;
            }
            if let Some(lock) = unused(&file.path)? {
                excess = excess.saturating_sub(file.bytes);
                victims.push((file, lock));
            }
        }
        Ok((excess == 0).then_some(victims))
    }

    /// Gives completed layers their names, all of them or none.
    pub(super) fn finish(&self, partial: Partial) -> Result<CachedLayer, ActivationError> {
        partial.seal()?;
        let target = self.path(&partial.header().key, "act");
        let layer = {
            let _guard = self.guard()?;
            partial.publish(&target)?
        };
        let directory = &self.config.directory;
        File::open(directory)
            .and_then(|directory| directory.sync_all())
            .map_err(|source| write_error(directory, source))?;
        Ok(layer)
    }

    /// All files, in the order of their names.
    pub(super) fn stored(&self) -> Result<Vec<Stored>, ActivationError> {
        let mut stored = Vec::new();
        for path in self.names()? {
            let is_whole = match path.extension().and_then(|extension| extension.to_str()) {
                Some("act") => true,
                Some("part") => false,
                _ => continue,
            };
            let file = lock::found(fs::metadata(&path))
                .and_then(|file| {
                    file.map(|file| Ok((file.len(), file.modified()?)))
                        .transpose()
                })
                .map_err(|source| ActivationError::Read {
                    path: path.clone(),
                    source,
                })?;
            // Another process may delete a file at any time.
            if let Some((bytes, used)) = file {
                stored.push(Stored {
                    path,
                    is_whole,
                    bytes,
                    used,
                });
            }
        }
        stored.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(stored)
    }

    pub(super) fn names(&self) -> Result<Vec<PathBuf>, ActivationError> {
        let entries = fs::read_dir(&self.config.directory);
        entries
            .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
            .map_err(|source| ActivationError::Read {
                path: self.config.directory.clone(),
                source,
            })
    }
}

/// The exclusive lock of the file at `path`; `None` if it is in use or may not be deleted.
pub(super) fn unused(path: &Path) -> Result<Option<File>, ActivationError> {
    match lock::exclusive(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(None),
        locked => locked.map_err(|source| ActivationError::Read {
            path: path.to_owned(),
            source,
        }),
    }
}
