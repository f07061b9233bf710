//! The store on disk: a directory with a lock, a journal and an index. The index is thrown away and
//! made again whenever it does not fit the journal.

use super::files::Directory;
use super::journal::Journal;
use super::{Index, IndexError, Stamped, Store, StoreError};
use crate::scheduler::Fact;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Facts the index takes in at once while it catches up.
const CATCH_UP_FACTS: usize = 1_000;

/// The store on disk.
pub(crate) struct DiskStore {
    dir: PathBuf,
    journal: Journal,
    index: Arc<Index>,
    /// Held while the store is open; let go when it is dropped.
    _lock: File,
}

/// An index that was opened, or why it is of no use.
enum Tried {
    Usable(Index, Pending),
    Useless(IndexError),
}

/// Facts the index still lacks.
struct Pending {
    applied: u64,
    facts: Vec<Fact>,
    last_seq: u64,
}

impl DiskStore {
    /// Opens the store in `dir`, made if it is not there, and tells `visit` every fact in it. Also
    /// answers what the user should know.
    pub(crate) fn open(
        dir: &Path,
        visit: &mut dyn FnMut(Fact) -> Result<(), StoreError>,
    ) -> Result<(Self, Vec<String>), StoreError> {
        make_dir(dir)?;
        let lock = lock(dir)?;
        let index_dir = dir.join("index");
        let existed = index_dir.exists();
        let mut tried = try_index(&index_dir);
        // sled recovers from garbage by starting over, and says nothing.
        let empty = matches!(&tried, Tried::Usable(_, pending) if pending.applied == 0);
        let (journal, torn) = Journal::open(Box::new(Directory::new(dir)), &mut |seq, fact| {
            if let Tried::Usable(index, pending) = &mut tried
                && let Err(error) = pending.take(index, seq, &fact)
            {
                tried = Tried::Useless(error);
            }
            visit(fact)
        })?;
        let mut notices: Vec<String> = torn.into_iter().collect();
        let fits = fit(tried, journal.last_seq());
        let index = match fits {
            Ok(index) if journal.last_seq() == 0 || (existed && !empty) => index,
            Ok(index) => {
                let why = if existed {
                    "it was empty"
                } else {
                    "it was missing"
                };
                notices.push(rebuilt(&index_dir, why));
                index
            }
            Err(error) => {
                notices.push(rebuilt(&index_dir, &error.to_string()));
                rebuild(&index_dir, &journal)?
            }
        };
        let store = Self {
            dir: dir.to_owned(),
            journal,
            index: Arc::new(index),
            _lock: lock,
        };
        Ok((store, notices))
    }

    /// Compares the index with what the journal was replayed to, and rebuilds it where they differ.
    /// Answers what the user should know.
    pub(crate) fn check_index(&mut self, totals: (u64, u64)) -> Result<Option<String>, StoreError> {
        let problem = match self.index.totals() {
            Ok(found) if found == totals => return Ok(None),
            Ok((trials, outcomes)) => format!(
                "it has {trials} trials with {outcomes} outcomes, the journal {} with {}",
                totals.0, totals.1
            ),
            Err(error) => error.to_string(),
        };
        let index_dir = self.dir.join("index");
        // sled holds a lock of its own while it is open.
        self.index = Arc::new(Index::in_memory());
        self.index = Arc::new(rebuild(&index_dir, &self.journal)?);
        Ok(Some(rebuilt(&index_dir, &problem)))
    }
}

impl Store for DiskStore {
    fn append(&mut self, facts: &[Stamped]) -> Result<(), StoreError> {
        if facts.is_empty() {
            return Ok(());
        }
        self.journal.append(facts)?;
        let last_seq = self.journal.last_seq();
        self.index
            .apply(last_seq, facts.iter().map(|stamped| &stamped.fact))?;
        Ok(())
    }

    fn index(&self) -> &Arc<Index> {
        &self.index
    }
}

impl Pending {
    fn take(&mut self, index: &Index, seq: u64, fact: &Fact) -> Result<(), IndexError> {
        if seq <= self.applied {
            return Ok(());
        }
        self.facts.push(fact.clone());
        self.last_seq = seq;
        match self.facts.len() >= CATCH_UP_FACTS {
            true => self.flush(index),
            false => Ok(()),
        }
    }

    fn flush(&mut self, index: &Index) -> Result<(), IndexError> {
        if !self.facts.is_empty() {
            index.apply(self.last_seq, &self.facts)?;
            self.facts.clear();
        }
        Ok(())
    }
}

fn try_index(index_dir: &Path) -> Tried {
    let opened = Index::open(index_dir).and_then(|index| {
        let applied = index.applied()?;
        Ok((index, applied))
    });
    match opened {
        Ok((index, applied)) => {
            let pending = Pending {
                applied,
                facts: Vec::new(),
                last_seq: applied,
            };
            Tried::Usable(index, pending)
        }
        Err(error) => Tried::Useless(error),
    }
}

/// An index that has all the journal has.
fn fit(tried: Tried, last_seq: u64) -> Result<Index, IndexError> {
    match tried {
        Tried::Useless(error) => Err(error),
        Tried::Usable(_, pending) if pending.applied > last_seq => {
            let applied = pending.applied;
            Err(IndexError::new(format!(
                "it is at entry {applied}, the journal ends at {last_seq}"
            )))
        }
        Tried::Usable(index, mut pending) => pending.flush(&index).map(|()| index),
    }
}

fn rebuild(index_dir: &Path, journal: &Journal) -> Result<Index, StoreError> {
    if index_dir.exists() {
        let removed = match index_dir.is_dir() {
            true => fs::remove_dir_all(index_dir),
            false => fs::remove_file(index_dir),
        };
        removed.map_err(|source| StoreError::Io {
            action: "removed",
            path: index_dir.to_owned(),
            source,
        })?;
    }
    let index = Index::open(index_dir)?;
    let mut pending = Pending {
        applied: 0,
        facts: Vec::new(),
        last_seq: 0,
    };
    journal.reread(&mut |seq, fact| Ok(pending.take(&index, seq, &fact)?))?;
    pending.flush(&index)?;
    Ok(index)
}

fn rebuilt(index_dir: &Path, reason: &str) -> String {
    let notice = format!(
        "index `{}` was rebuilt from the journal: {reason}",
        index_dir.display()
    );
    tracing::warn!("{notice}");
    notice
}

fn make_dir(dir: &Path) -> Result<(), StoreError> {
    let made = fs::create_dir_all(dir).and_then(|()| match dir.canonicalize()?.parent() {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    });
    made.map_err(|source| StoreError::Io {
        action: "created",
        path: dir.to_owned(),
        source,
    })
}

fn lock(dir: &Path) -> Result<File, StoreError> {
    let path = dir.join("lock");
    let io = |source| StoreError::Io {
        action: "locked",
        path: path.clone(),
        source,
    };
    let file = File::create(&path).map_err(io)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse {
            dir: dir.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(io(source)),
    }
}
