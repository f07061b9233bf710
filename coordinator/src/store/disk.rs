//! The store on disk: a directory with a lock, a journal and an index. The index is deleted and
//! rebuilt whenever it does not match the journal.

use super::files::{Directory, INDEX_DIR, JOURNAL};
use super::journal::{Journal, Visit, read_lines};
use super::lines::{Lines, Place};
use super::sizes::bytes_in;
use super::{History, Index, IndexError, Remake, Stamped, Store, StoreError, line};
use crate::counts::Counts;
use crate::scheduler::{Fact, Snapshot};
use serde::Serialize;
use std::fs::{self, File, TryLockError};
use std::io;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::ScopedJoinHandle;
use std::time::Duration;

/// How many facts the index applies at once while it catches up.
const CATCH_UP_FACTS: usize = 1_000;

/// The store on disk.
pub(crate) struct DiskStore {
    dir: PathBuf,
    journal: Journal,
    index: Arc<Index>,
    /// Held while the store is open. Dropping the store releases it.
    _lock: File,
}

/// The lengths of journal and index in bytes, before and after compaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Compacted {
    /// The journal's length before compaction.
    pub journal_bytes_before: u64,
    /// The journal's length now.
    pub journal_bytes: u64,
    /// The index's length on disk before compaction.
    pub index_bytes_before: u64,
    /// The index's length on disk now.
    pub index_bytes: u64,
}

/// The lock's name in the state directory.
const LOCK: &str = "lock";

/// How often the lock is tried, and the pause between two tries. A process that only checks whether
/// the lock is free holds it for a moment.
const LOCK_TRIES: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// The facts that an index still lacks.
pub(super) struct Pending {
    applied: u64,
    facts: Vec<Fact>,
    last_seq: u64,
}

impl DiskStore {
    /// Opens the store in `dir`, creates it if it does not exist, and calls `visit` with every fact
    /// in it. Also returns notices for the user.
    pub(crate) fn open(
        dir: &Path,
        visit: &mut dyn FnMut(Fact) -> Result<(), StoreError>,
    ) -> Result<(Self, Vec<String>), StoreError> {
        Self::open_on(dir, Directory::new(dir), visit)
    }

    /// Like `open`, and counts the journal's syncs.
    pub(crate) fn open_counting(
        dir: &Path,
        counts: Counts,
        visit: &mut dyn FnMut(Fact) -> Result<(), StoreError>,
    ) -> Result<(Self, Vec<String>), StoreError> {
        Self::open_on(dir, Directory::counting(dir, counts), visit)
    }

    fn open_on(
        dir: &Path,
        files: Directory,
        visit: &mut dyn FnMut(Fact) -> Result<(), StoreError>,
    ) -> Result<(Self, Vec<String>), StoreError> {
        make_dir(dir)?;
        let lock = lock(dir)?;
        let index_dir = dir.join(INDEX_DIR);
        // A killed process left this unfinished replacement of the index.
        remove(&index_dir.with_extension("new"))?;
        let existed = index_dir.exists();
        let files = Box::new(files);
        let open_index = || index_pending(&index_dir);
        let read = |visit: &mut Visit<'_>| Journal::open(files, visit);
        let ((journal, torn), opened) = read_with_index(open_index, read, visit)?;
        let mut notices: Vec<String> = torn.into_iter().collect();
        // sled recovers from garbage by starting over, without an error.
        let empty = matches!(&opened, Ok((_, pending)) if pending.applied == 0);
        let fits = opened.and_then(|(index, mut pending)| {
            pending.finish(&index, journal.last_seq())?;
            Ok(index)
        });
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

    /// Compacts the journal, or migrates it to this version, if that is due; `snapshot` gives the
    /// state that was replayed. Returns a notice for the user, if there is one.
    pub(crate) fn compact_if_due(
        &mut self,
        at_ms: u64,
        snapshot: impl FnOnce() -> Snapshot,
    ) -> Result<Option<String>, StoreError> {
        let version = self.journal.version();
        if !self.journal.wants_snapshot() && version == line::VERSION {
            return Ok(None);
        }
        self.journal.compact(at_ms, snapshot())?;
        self.journal.tidy_all()?;
        let migrated = version < self.journal.version();
        Ok(migrated.then(|| {
            let notice = format!(
                "the journal in `{}` was of format {version} and is now of format {}; older \
                 versions of nrp will refuse it",
                self.dir.display(),
                line::VERSION
            );
            tracing::warn!("{notice}");
            notice
        }))
    }

    /// Compacts the journal and rebuilds the index, so that neither takes more space than it needs;
    /// `snapshot` gives the state that was replayed.
    pub(crate) fn compact_all(
        &mut self,
        at_ms: u64,
        snapshot: Snapshot,
    ) -> Result<Compacted, StoreError> {
        let index_dir = self.dir.join(INDEX_DIR);
        let index_bytes = |dir: &Path| {
            bytes_in(dir).map_err(|source| StoreError::Io {
                action: "read",
                path: dir.to_owned(),
                source,
            })
        };
        let before = (self.journal.bytes(), index_bytes(&index_dir)?);
        self.journal.purge(at_ms, snapshot)?;
        // sled holds a lock of its own while it is open.
        self.index = Arc::new(Index::in_memory());
        drop(rebuild(&index_dir, &self.journal)?);
        Ok(Compacted {
            journal_bytes_before: before.0,
            journal_bytes: self.journal.bytes(),
            index_bytes_before: before.1,
            index_bytes: index_bytes(&index_dir)?,
        })
    }

    /// Compares the index with the state that the journal was replayed to, and rebuilds the index
    /// if they differ. Returns a notice for the user, if there is one.
    pub(crate) fn check_index(&mut self, totals: (u64, u64)) -> Result<Option<String>, StoreError> {
        let Some(problem) = differs(&self.index, totals) else {
            return Ok(None);
        };
        let index_dir = self.dir.join(INDEX_DIR);
        // sled holds a lock of its own while it is open.
        self.index = Arc::new(Index::in_memory());
        self.index = Arc::new(rebuild(&index_dir, &self.journal)?);
        Ok(Some(rebuilt(&index_dir, &problem)))
    }
}

impl Store for DiskStore {
    fn record(&mut self, facts: &[Stamped]) -> Result<u64, StoreError> {
        self.journal.append(facts)?;
        Ok(self.journal.last_seq())
    }

    fn index(&self) -> &Arc<Index> {
        &self.index
    }

    fn last_seq(&self) -> u64 {
        self.journal.last_seq()
    }

    fn history(&self) -> History {
        History::in_directory(&self.dir)
    }

    fn tidy(&mut self) -> Result<bool, StoreError> {
        self.journal.tidy()?;
        Ok(self.journal.wants_snapshot())
    }

    fn compact(&mut self, at_ms: u64, snapshot: Snapshot) -> Result<(), StoreError> {
        self.journal.compact(at_ms, snapshot)
    }

    fn purge(&mut self, at_ms: u64, snapshot: Snapshot) -> Result<Remake, StoreError> {
        self.journal.purge(at_ms, snapshot)?;
        // What is appended meanwhile is not read, and an open file stays readable when its name is
        // replaced.
        let files = Directory::new(&self.dir);
        let lines = Lines::open(&files)?.upto(self.journal.bytes());
        Ok(Box::new(move |index| {
            index.remake(|fresh| {
                let mut pending = Pending::of_nothing();
                let (lines, _) = read_lines(lines, &mut |place, fact| {
                    Ok(pending.take(fresh, place, &fact)?)
                })?;
                Ok(pending.finish(fresh, lines.last_seq())?)
            })
        }))
    }
}

impl Pending {
    /// For an index that is still empty.
    pub(super) fn of_nothing() -> Self {
        Self {
            applied: 0,
            facts: Vec::new(),
            last_seq: 0,
        }
    }

    /// The last entry that the index had when it was opened.
    pub(super) fn applied(&self) -> u64 {
        self.applied
    }

    pub(super) fn take(
        &mut self,
        index: &Index,
        place: Place,
        fact: &Fact,
    ) -> Result<(), IndexError> {
        match place {
            Place::Snapshot { upto } if upto <= self.applied => return Ok(()),
            Place::Snapshot { upto } if self.applied > 0 => {
                let applied = self.applied;
                return Err(IndexError::new(format!(
                    "it is at entry {applied}, within the snapshot of the journal, which covers \
                     the entries up to {upto}"
                )));
            }
            // A snapshot counts once all of it has been applied.
            Place::Snapshot { .. } => {}
            Place::Entry(seq) if seq <= self.applied => return Ok(()),
            Place::Entry(seq) => self.last_seq = seq,
        }
        self.facts.push(fact.clone());
        if self.facts.len() >= CATCH_UP_FACTS {
            self.flush(index)
        } else {
            Ok(())
        }
    }

    /// Applies the remaining facts, once the journal has been read up to its last entry.
    pub(super) fn finish(&mut self, index: &Index, last_seq: u64) -> Result<(), IndexError> {
        if self.applied > last_seq {
            let applied = self.applied;
            return Err(IndexError::new(format!(
                "it is at entry {applied}, the journal ends at {last_seq}"
            )));
        }
        if self.applied < last_seq {
            index.apply(last_seq, &self.facts)?;
            self.facts.clear();
        }
        Ok(())
    }

    fn flush(&mut self, index: &Index) -> Result<(), IndexError> {
        if !self.facts.is_empty() {
            index.apply(self.last_seq, &self.facts)?;
            self.facts.clear();
        }
        Ok(())
    }
}

/// How an index differs from the state that the journal was replayed to, if it does.
pub(super) fn differs(index: &Index, totals: (u64, u64)) -> Option<String> {
    match index.totals() {
        Ok(found) if found == totals => None,
        Ok((trials, outcomes)) => Some(format!(
            "it has {trials} trials with {outcomes} outcomes, the journal {} with {}",
            totals.0, totals.1
        )),
        Err(error) => Some(error.to_string()),
    }
}

/// An index with the facts that it still lacks.
pub(super) type Opened = Result<(Index, Pending), IndexError>;

/// An index that a thread of its own opens while the journal's first sweeps are expanded; each
/// takes about a second at a million trials.
struct Opening<'scope> {
    thread: Option<ScopedJoinHandle<'scope, Opened>>,
    /// Sweeps that were read before the index was open.
    early: Vec<(Place, Fact)>,
    opened: Option<Opened>,
}

impl Opening<'_> {
    fn take(&mut self, place: Place, fact: &Fact) {
        if let Some(thread) = &self.thread
            && !thread.is_finished()
            && let Fact::SweepSubmitted { .. } = fact
        {
            self.early.push((place, fact.clone()));
            return;
        }
        let opened = self.opened();
        if let Ok((index, pending)) = opened
            && let Err(error) = pending.take(index, place, fact)
        {
            *opened = Err(error);
        }
    }

    /// Waits until the index is open, and applies what came before.
    fn opened(&mut self) -> &mut Opened {
        self.opened.get_or_insert_with(|| {
            let thread = self.thread.take().expect("it is joined once");
            let (index, mut pending) =
                thread.join().unwrap_or_else(|panic| resume_unwind(panic))?;
            for (place, fact) in self.early.drain(..) {
                pending.take(&index, place, &fact)?;
            }
            Ok((index, pending))
        })
    }

    fn into_opened(mut self) -> Opened {
        self.opened();
        self.opened.expect("just before")
    }
}

/// Reads a journal with `read` while an index opens, and passes every fact to the index and to
/// `visit`.
pub(super) fn read_with_index<J>(
    open_index: impl FnOnce() -> Opened + Send,
    read: impl FnOnce(&mut Visit<'_>) -> Result<J, StoreError>,
    visit: &mut dyn FnMut(Fact) -> Result<(), StoreError>,
) -> Result<(J, Opened), StoreError> {
    std::thread::scope(|scope| {
        let mut opening = Opening {
            thread: Some(scope.spawn(open_index)),
            early: Vec::new(),
            opened: None,
        };
        let read = read(&mut |place, fact| {
            opening.take(place, &fact);
            visit(fact)
        })?;
        Ok((read, opening.into_opened()))
    })
}

/// Opens an index.
pub(super) fn index_pending(index_dir: &Path) -> Opened {
    let index = Index::open(index_dir)?;
    let applied = index.applied()?;
    let pending = Pending {
        applied,
        ..Pending::of_nothing()
    };
    Ok((index, pending))
}

fn rebuild(index_dir: &Path, journal: &Journal) -> Result<Index, StoreError> {
    remove(index_dir)?;
    let index = Index::open(index_dir)?;
    let mut pending = Pending::of_nothing();
    journal.reread(&mut |place, fact| Ok(pending.take(&index, place, &fact)?))?;
    pending.finish(&index, journal.last_seq())?;
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

/// Deletes a file or directory, if it exists.
pub(super) fn remove(path: &Path) -> Result<(), StoreError> {
    let removed = if path.is_dir() {
        fs::remove_dir_all(path)
    } else if path.exists() {
        fs::remove_file(path)
    } else {
        Ok(())
    };
    removed.map_err(|source| StoreError::Io {
        action: "removed",
        path: path.to_owned(),
        source,
    })
}

/// Rebuilds the index from the journal in `dir`, which nothing else may be using. Returns how many
/// trials and outcomes it has.
///
/// # Errors
/// When a line of the journal is damaged, or the directory cannot be used.
pub fn rebuild_index(dir: &Path) -> Result<(u64, u64), StoreError> {
    let _lock = lock_existing(dir)?;
    let (journal, _) = Journal::open(Box::new(Directory::new(dir)), &mut |_, _| Ok(()))?;
    let index = rebuild(&dir.join(INDEX_DIR), &journal)?;
    Ok(index.totals()?)
}

/// Like `lock`, for a directory that must contain a journal.
pub(super) fn lock_existing(dir: &Path) -> Result<File, StoreError> {
    if dir.join(JOURNAL).is_file() {
        lock(dir)
    } else {
        Err(StoreError::NoState {
            dir: dir.to_owned(),
        })
    }
}

pub(super) fn make_dir(dir: &Path) -> Result<(), StoreError> {
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

/// Takes the lock of a state directory.
fn lock(dir: &Path) -> Result<File, StoreError> {
    let path = dir.join(LOCK);
    let io = |source| StoreError::Io {
        action: "locked",
        path: path.clone(),
        source,
    };
    let file = File::create(&path).map_err(io)?;
    for _ in 0..LOCK_TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
    }
    Err(StoreError::InUse {
        dir: dir.to_owned(),
    })
}

/// Whether a process has a state directory open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Held {
    /// A process has it open.
    Yes,
    /// No process has it open.
    No,
    /// This user has no permission to check the lock.
    Unknown,
}

/// Whether a process has the state in `dir` open. This changes nothing: it holds a shared lock for
/// a moment.
pub(super) fn is_held(dir: &Path) -> Held {
    match File::open(dir.join(LOCK)) {
        Ok(file) => match file.try_lock_shared() {
            Ok(()) => Held::No,
            Err(TryLockError::WouldBlock) => Held::Yes,
            Err(TryLockError::Error(_)) => Held::Unknown,
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Held::No,
        Err(_) => Held::Unknown,
    }
}
