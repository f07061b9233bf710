//! The cache directory: which file holds which key, and who may write it. A file that turns out
//! damaged counts as missing, since it can be made again.

use super::file::LayerWriter;
use super::{ActivationError, CacheKey, CachedLayer};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// A directory of cached layers.
#[derive(Debug, Clone)]
pub struct Cache {
    directory: PathBuf,
}

impl Cache {
    /// Opens the cache in `directory`, making it where it is missing.
    ///
    /// # Errors
    /// When the directory cannot be made.
    pub fn open(directory: &Path) -> Result<Self, ActivationError> {
        fs::create_dir_all(directory).map_err(|source| ActivationError::Write {
            path: directory.to_owned(),
            source,
        })?;
        let cache = Self {
            directory: directory.to_owned(),
        };
        cache.remove_partial();
        Ok(cache)
    }

    /// Deletes what writers that were killed left behind. A partial file that is being written is
    /// recognised by the lock its writer holds on the whole directory.
    fn remove_partial(&self) {
        let Ok(lock) = self.lock_file("extracting") else {
            return;
        };
        if lock.try_lock().is_err() {
            return;
        }
        let Ok(entries) = fs::read_dir(&self.directory) else {
            return;
        };
        for entry in entries.flatten() {
            if entry.file_name().to_string_lossy().starts_with(".partial-")
                && let Err(error) = fs::remove_file(entry.path())
            {
                tracing::warn!(path = %entry.path().display(), %error, "a partial file stays");
            }
        }
    }

    fn path(&self, key: &CacheKey) -> PathBuf {
        self.directory.join(format!("{}.act", key.digest()))
    }

    fn lock_file(&self, stem: &str) -> io::Result<File> {
        let path = self.directory.join(format!("{stem}.lock"));
        File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)
    }

    /// The layer of `key`, if it is there and whole.
    ///
    /// # Errors
    /// When the file is there but the system cannot read it.
    pub fn get(&self, key: &CacheKey) -> Result<Option<CachedLayer>, ActivationError> {
        let path = self.path(key);
        match CachedLayer::open(&path, key) {
            Ok(layer) => Ok(Some(layer)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
                ) =>
            {
                tracing::warn!(path = %path.display(), %error, "a cached layer is damaged; it is extracted again");
                Ok(None)
            }
            Err(source) => Err(ActivationError::Read { path, source }),
        }
    }

    /// Waits until no other process on this machine extracts into this cache; the lock goes with
    /// the value returned.
    pub(super) fn lock(&self) -> Result<File, ActivationError> {
        let locked = self.lock_file("extracting").and_then(|file| {
            file.lock()?;
            Ok(file)
        });
        locked.map_err(|source| ActivationError::Write {
            path: self.directory.clone(),
            source,
        })
    }

    /// Starts writing the layer of `key`.
    pub(super) fn writer(
        &self,
        key: &CacheKey,
        stimuli: usize,
        units: usize,
    ) -> Result<LayerWriter, ActivationError> {
        LayerWriter::create(self.path(key), key, stimuli, units)
    }
}
