//! The base of the index: an ordered map of bytes, on disk (sled) or in memory. It knows nothing
//! about its content.

use crate::store::IndexError;
use nrp_proto::panics::caught;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

/// The memory that sled may use for pages, in bytes.
const CACHE_BYTES: u64 = 64 << 20;

/// How many changes of a batch share one call that makes sled free what they replaced. One call
/// frees 512 objects, and a change leaves one page, rarely more.
const CHANGES_COLLECTED: usize = 64;

/// A key with its value.
pub(super) type Pair = (Vec<u8>, Vec<u8>);

/// An ordered map of bytes.
pub(super) trait Ordered: Send + Sync {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError>;

    /// Up to `limit` pairs whose key starts with `prefix`, in order, after the key `after`.
    fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Pair>, IndexError>;

    /// Writes all changes or none. A key without a value is removed.
    fn write(&self, changes: BTreeMap<Vec<u8>, Option<Vec<u8>>>) -> Result<(), IndexError>;

    /// An empty map beside this one, which can replace it.
    fn fresh(&self) -> Result<Box<dyn Ordered>, IndexError>;

    /// Replaces this map by the one from [`Ordered::fresh`], and frees the space of this one.
    fn replace(&self, fresh: Box<dyn Ordered>) -> Result<(), IndexError>;
}

/// One tree of sled, so that one batch is atomic.
pub(super) struct Sled {
    /// `None` while another database replaces it, which no caller sees, or if the other cannot be
    /// opened.
    tree: RwLock<Option<sled::Db>>,
    dir: PathBuf,
}

impl Sled {
    /// Opens a database. sled panics over some kinds of damage; a panic becomes an error.
    pub(super) fn open(dir: &Path) -> Result<Self, IndexError> {
        Ok(Self {
            tree: RwLock::new(Some(open(dir)?)),
            dir: dir.to_owned(),
        })
    }

    /// Reads from the database, which is not replaced meanwhile.
    fn ask<T>(
        &self,
        ask: impl FnOnce(&sled::Db) -> Result<T, sled::Error>,
    ) -> Result<T, IndexError> {
        let tree = self.tree.read().unwrap_or_else(PoisonError::into_inner);
        let tree = tree.as_ref();
        let tree = tree.ok_or_else(|| IndexError::new("it was rebuilt and cannot be opened"))?;
        ask(tree).map_err(|error| index_error(&self.dir, error))
    }

    /// The directory in which another database is built.
    fn fresh_dir(&self) -> PathBuf {
        self.dir.with_extension("new")
    }
}

fn open(dir: &Path) -> Result<sled::Db, IndexError> {
    let config = sled::Config::new().path(dir).cache_capacity(CACHE_BYTES);
    match caught(|| config.open()) {
        Ok(opened) => opened.map_err(|error| index_error(dir, error)),
        Err(said) => Err(IndexError::new(format!("sled panicked: {said}"))),
    }
}

fn index_error(dir: &Path, error: sled::Error) -> IndexError {
    match error {
        sled::Error::Io(source) => IndexError::Disk {
            path: dir.to_owned(),
            source,
        },
        sled::Error::CollectionNotFound(_)
        | sled::Error::Unsupported(_)
        | sled::Error::ReportableBug(_)
        | sled::Error::Corruption { .. } => IndexError::new(error),
    }
}

impl Ordered for Sled {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
        let value = self.ask(|tree| tree.get(key))?;
        Ok(value.map(|value| value.to_vec()))
    }

    fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Pair>, IndexError> {
        use std::ops::Bound::{Excluded, Included, Unbounded};
        let from = after.map_or(Included(prefix), Excluded);
        self.ask(|tree| {
            let mut pairs = Vec::new();
            for pair in tree.range::<&[u8], _>((from, Unbounded)).take(limit) {
                let (key, value) = pair?;
                if !key.starts_with(prefix) {
                    break;
                }
                pairs.push((key.to_vec(), value.to_vec()));
            }
            Ok(pairs)
        })
    }

    fn write(&self, changes: BTreeMap<Vec<u8>, Option<Vec<u8>>>) -> Result<(), IndexError> {
        let mut batch = sled::Batch::default();
        let changes_made = changes.len();
        for (key, value) in changes {
            match value {
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        let applied = self.ask(|tree| tree.apply_batch(batch));
        collect(changes_made);
        applied
    }

    fn fresh(&self) -> Result<Box<dyn Ordered>, IndexError> {
        let dir = self.fresh_dir();
        match fs::remove_dir_all(&dir) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(IndexError::Disk { path: dir, source });
            }
            Ok(()) | Err(_) => {}
        }
        Ok(Box::new(Self::open(&dir)?))
    }

    fn replace(&self, fresh: Box<dyn Ordered>) -> Result<(), IndexError> {
        // Each database is closed before its directory is renamed.
        drop(fresh);
        let mut tree = self.tree.write().unwrap_or_else(PoisonError::into_inner);
        *tree = None;
        let moved =
            fs::remove_dir_all(&self.dir).and_then(|()| fs::rename(self.fresh_dir(), &self.dir));
        moved.map_err(|source| IndexError::Disk {
            path: self.dir.clone(),
            source,
        })?;
        *tree = Some(open(&self.dir)?);
        Ok(())
    }
}

/// Frees what a batch has replaced. Each change rewrites a page, and sled leaves the old page to an
/// epoch collector (crossbeam-epoch 0.9), which by itself frees 512 objects at every 128th call of
/// sled. With batches of thousands of changes in one call, some kilobytes of each change would stay
/// forever.
fn collect(changes: usize) {
    // The collector frees what was dropped two epochs ago, and a call advances by one epoch.
    for _ in 0..changes / CHANGES_COLLECTED + 3 {
        sled::pin().flush();
    }
}

/// The fake: an ordered map in memory.
#[derive(Default)]
pub(super) struct Memory(RwLock<BTreeMap<Vec<u8>, Vec<u8>>>);

impl Ordered for Memory {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
        let map = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Ok(map.get(key).cloned())
    }

    fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Pair>, IndexError> {
        use std::ops::Bound::{Excluded, Included, Unbounded};
        let map = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let from = after.map_or(Included(prefix), Excluded);
        let pairs = map.range::<[u8], _>((from, Unbounded));
        let pairs = pairs
            .take_while(|(key, _)| key.starts_with(prefix))
            .take(limit);
        Ok(pairs
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect())
    }

    fn write(&self, changes: BTreeMap<Vec<u8>, Option<Vec<u8>>>) -> Result<(), IndexError> {
        let mut map = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for (key, value) in changes {
            match value {
                Some(value) => map.insert(key, value),
                None => map.remove(&key),
            };
        }
        Ok(())
    }

    fn fresh(&self) -> Result<Box<dyn Ordered>, IndexError> {
        Ok(Box::new(Self::default()))
    }

    fn replace(&self, fresh: Box<dyn Ordered>) -> Result<(), IndexError> {
        let pairs = fresh.scan(b"", None, usize::MAX)?;
        let mut map = self.0.write().unwrap_or_else(PoisonError::into_inner);
        *map = pairs.into_iter().collect();
        Ok(())
    }
}
