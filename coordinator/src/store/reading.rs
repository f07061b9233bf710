//! Reading a state directory without writing to it: it may be read-only, another user's, a backup,
//! or what a killed coordinator left.
//!
//! The journal is read up to its last whole line. The index cannot be read in place, because
//! opening it writes to it: a copy is opened in a temporary directory, or a new index is built
//! there. The index of a short journal is built in memory.

use super::disk::{
    Held, Opened, Pending, differs, index_pending, is_held, read_with_index, remove,
};
use super::files::{Directory, Files, INDEX_DIR, JOURNAL};
use super::journal::{Visit, read_lines};
use super::lines::{Lines, Torn};
use super::salvage::Salvage;
use super::{History, Index, Remake, Stamped, Store, StoreError};
use crate::scheduler::{Fact, Snapshot};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;
use tempfile::TempDir;

/// The longest journal, in bytes, whose index is built in memory.
pub(super) const IN_MEMORY_BYTES_MAX: u64 = 32 << 20;

/// How often reading starts again when the journal is changed meanwhile.
const TRIES: u32 = 5;

/// A state that is read and left unchanged.
pub(crate) struct ReadStore {
    dir: PathBuf,
    index: Arc<Index>,
    /// The directory of the index, if the index is not in memory. It is declared after the index,
    /// so that it is removed after it.
    scratch: Option<TempDir>,
    source: Source,
    /// The last entry that was read.
    last_seq: u64,
}

/// The source of facts.
struct Source {
    files: Directory,
    /// The intact lines of a damaged journal.
    salvage: Option<Salvage>,
    /// How many bytes of the journal were read at first.
    upto_bytes: Option<u64>,
}

impl Source {
    /// Opens the journal in a directory; with `past_damage`, what is intact of a damaged one.
    fn find(dir: &Path, past_damage: bool) -> Result<Self, StoreError> {
        let files = Directory::new(dir);
        let salvage = if past_damage {
            match read_lines(Lines::open(&files)?, &mut |_, _| Ok(())) {
                Ok(_) => None,
                Err(StoreError::BadLine { .. }) => Some(Salvage::find(&files)?),
                Err(other) => return Err(other),
            }
        } else {
            None
        };
        Ok(Self {
            files,
            salvage,
            upto_bytes: None,
        })
    }

    /// Calls `visit` with every fact; returns the last entry's number and the torn line at the end.
    fn read(&mut self, visit: &mut Visit<'_>) -> Result<(u64, Option<Torn>), StoreError> {
        if let Some(salvage) = &self.salvage {
            salvage.visit(visit)?;
            return Ok((salvage.last_seq(), None));
        }
        let mut lines = Lines::open(&self.files)?;
        if let Some(bytes) = self.upto_bytes {
            lines = lines.upto(bytes);
        }
        let (lines, _) = read_lines(lines, visit)?;
        self.upto_bytes = Some(lines.good_bytes());
        Ok((lines.last_seq(), lines.torn().cloned()))
    }
}

impl ReadStore {
    /// Reads the state in `dir` and calls `visit` with every fact in it; with `past_damage`, with
    /// the facts that are left of a damaged journal. Also returns notices for the user.
    ///
    /// # Errors
    /// When there is no state, when it cannot be read, or when a coordinator has it open, which can
    /// answer instead.
    pub(crate) fn open(
        dir: &Path,
        past_damage: bool,
        visit: &mut dyn FnMut(Fact) -> Result<(), StoreError>,
    ) -> Result<(Self, Vec<String>), StoreError> {
        Self::open_above(dir, IN_MEMORY_BYTES_MAX, past_damage, visit)
    }

    /// Like `open`, with another limit than [`IN_MEMORY_BYTES_MAX`].
    pub(super) fn open_above(
        dir: &Path,
        in_memory_bytes_max: u64,
        past_damage: bool,
        visit: &mut dyn FnMut(Fact) -> Result<(), StoreError>,
    ) -> Result<(Self, Vec<String>), StoreError> {
        let in_memory = journal_bytes(dir)? <= in_memory_bytes_max;
        let mut source = Source::find(dir, past_damage)?;
        let scratch = match (in_memory, source.salvage.is_some()) {
            (true, _) => None,
            // The index may contain what the journal has lost.
            (false, true) => Some(Scratch::empty()?),
            (false, false) => Some(Scratch::new(dir)?),
        };
        let open_index = || match &scratch {
            None => Ok((Index::in_memory(), Pending::of_nothing())),
            Some(scratch) => index_pending(&scratch.index_dir),
        };
        let read = |visit: &mut Visit<'_>| source.read(visit);
        let ((last_seq, torn), opened) = read_with_index(open_index, read, visit)?;
        let path = source.files.path(JOURNAL);
        let damage = source.salvage.as_ref().map(|salvage| {
            format!(
                "journal `{}` is damaged, and answers lack what is lost: {}; `nrp store repair` \
                 repairs it",
                path.display(),
                salvage.damage()
            )
        });
        let torn = torn.map(|torn| {
            format!(
                "journal `{}`: its last line (line {}, {} bytes) is torn and does not count",
                path.display(),
                torn.line,
                torn.bytes
            )
        });
        let mut store = Self {
            dir: dir.to_owned(),
            index: Arc::new(Index::in_memory()),
            scratch: scratch.map(|scratch| scratch.dir),
            source,
            last_seq,
        };
        store.index = Arc::new(match caught_up(opened, last_seq) {
            Ok(index) => index,
            Err(problem) => store.made_anew(&problem)?,
        });
        Ok((store, damage.into_iter().chain(torn).collect()))
    }

    /// Compares the index with the state that the journal was replayed to, and builds another if
    /// they differ.
    pub(crate) fn check_index(&mut self, totals: (u64, u64)) -> Result<(), StoreError> {
        if let Some(problem) = differs(&self.index, totals) {
            // sled holds a lock of its own while it is open.
            self.index = Arc::new(Index::in_memory());
            self.index = Arc::new(self.made_anew(&problem)?);
        }
        Ok(())
    }

    /// An index that is built from the journal.
    fn made_anew(&mut self, problem: &str) -> Result<Index, StoreError> {
        tracing::debug!(problem, "building the index from the journal");
        let index = match &self.scratch {
            None => Index::in_memory(),
            Some(scratch) => {
                let index_dir = scratch.path().join(INDEX_DIR);
                remove(&index_dir)?;
                Index::open(&index_dir)?
            }
        };
        let mut pending = Pending::of_nothing();
        let (last_seq, _) = self
            .source
            .read(&mut |place, fact| Ok(pending.take(&index, place, &fact)?))?;
        pending.finish(&index, last_seq)?;
        Ok(index)
    }
}

impl Store for ReadStore {
    fn record(&mut self, facts: &[Stamped]) -> Result<u64, StoreError> {
        match facts {
            [] => Ok(self.last_seq),
            _ => Err(StoreError::ReadOnly {
                dir: self.dir.clone(),
            }),
        }
    }

    fn tidy(&mut self) -> Result<bool, StoreError> {
        Ok(false)
    }

    fn compact(&mut self, _at_ms: u64, _snapshot: Snapshot) -> Result<(), StoreError> {
        Ok(())
    }

    fn purge(&mut self, _at_ms: u64, _snapshot: Snapshot) -> Result<Remake, StoreError> {
        Err(StoreError::ReadOnly {
            dir: self.dir.clone(),
        })
    }

    fn index(&self) -> &Arc<Index> {
        &self.index
    }

    fn last_seq(&self) -> u64 {
        self.last_seq
    }

    fn history(&self) -> History {
        History::in_directory(&self.dir)
    }
}

/// A temporary directory with the place of an index in it: a copy of the state's index, if it could
/// be copied.
pub(super) struct Scratch {
    pub(super) dir: TempDir,
    pub(super) index_dir: PathBuf,
    /// Whether the index was copied.
    pub(super) is_copied: bool,
}

impl Scratch {
    /// A directory without a copy.
    fn empty() -> Result<Self, StoreError> {
        let mut builder = tempfile::Builder::new();
        let made = builder.prefix("nrp-index-").tempdir();
        let dir = made.map_err(|source| StoreError::Scratch {
            dir: std::env::temp_dir(),
            source,
        })?;
        Ok(Self {
            index_dir: dir.path().join(INDEX_DIR),
            dir,
            is_copied: false,
        })
    }

    /// A directory for the state in `dir`, with a copy of its index.
    ///
    /// # Errors
    /// When a process has the state open, or the directory cannot be created.
    pub(super) fn new(dir: &Path) -> Result<Self, StoreError> {
        let mut scratch = Self::empty()?;
        let from = dir.join(INDEX_DIR);
        for _ in 0..TRIES {
            let before = stamp(dir);
            match is_held(dir) {
                Held::Yes => {
                    return Err(StoreError::InUse {
                        dir: dir.to_owned(),
                    });
                }
                // The index may be written to at this moment.
                Held::Unknown => break,
                Held::No => {}
            }
            let copied = copy_tree(&from, &scratch.index_dir);
            // A coordinator has started meanwhile and written to the journal.
            scratch.is_copied = copied.is_ok() && before.is_some() && before == stamp(dir);
            if scratch.is_copied {
                return Ok(scratch);
            }
            remove(&scratch.index_dir)?;
            if let Err(error) = copied {
                tracing::debug!(%error, "cannot copy the index");
                break;
            }
        }
        Ok(scratch)
    }
}

/// Copies the index of the state in `dir`, if it can be read. Nothing may be writing to it.
pub(crate) fn index_at_hand(dir: &Path) -> Option<(Index, TempDir)> {
    let scratch = Scratch::empty().ok()?;
    copy_tree(&dir.join(INDEX_DIR), &scratch.index_dir).ok()?;
    let index = Index::open(&scratch.index_dir).ok()?;
    Some((index, scratch.dir))
}

/// The length of the journal in `dir`, which no coordinator may have open.
fn journal_bytes(dir: &Path) -> Result<u64, StoreError> {
    let path = dir.join(JOURNAL);
    let found = match fs::metadata(&path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(StoreError::NoState {
                dir: dir.to_owned(),
            });
        }
        Err(source) => {
            return Err(StoreError::Io {
                action: "read",
                path,
                source,
            });
        }
    };
    match is_held(dir) {
        Held::Yes => Err(StoreError::InUse {
            dir: dir.to_owned(),
        }),
        Held::No | Held::Unknown => Ok(found.len()),
    }
}

/// The properties of the journal's file that change with every write.
fn stamp(dir: &Path) -> Option<(u64, SystemTime)> {
    let found = fs::metadata(dir.join(JOURNAL)).ok()?;
    Some((found.len(), found.modified().ok()?))
}

/// Copies a directory.
fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target)?
        } else {
            // Not `fs::copy`, which would copy the permissions of a read-only file.
            let mut source = fs::File::open(entry.path())?;
            io::copy(&mut source, &mut fs::File::create(&target)?)?;
        }
    }
    Ok(())
}

/// An index that has all entries up to `last_seq`, or the reason why it cannot be used.
fn caught_up(opened: Opened, last_seq: u64) -> Result<Index, String> {
    let caught_up = opened.and_then(|(index, mut pending)| {
        pending.finish(&index, last_seq)?;
        Ok(index)
    });
    caught_up.map_err(|error| error.to_string())
}
