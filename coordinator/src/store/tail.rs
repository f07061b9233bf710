//! The tail of a journal: its entries behind a number, read while the journal is written to.
//!
//! Only entries that are durable are read, for a crash could take back the others. The file stays open
//! when a compaction or a deletion puts another in its place: what it has is read to its end.

use super::files::Directory;
use super::lines::{Lines, Place};
use super::{Stamped, StoreError};
use std::path::{Path, PathBuf};

/// A journal whose tail may be read.
#[derive(Debug, Clone)]
pub(crate) enum History {
    /// The one in this directory.
    Directory(PathBuf),
    /// None: the store is not on disk.
    #[cfg(test)]
    Nowhere,
}

impl History {
    pub(super) fn in_directory(dir: &Path) -> Self {
        Self::Directory(dir.to_owned())
    }

    /// The entries behind number `since`; none where the journal no longer has all of them, since it
    /// was compacted or a sweep was deleted.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub(crate) fn tail(&self, since: u64) -> Result<Option<Tail>, StoreError> {
        let dir = match self {
            History::Directory(dir) => dir,
            #[cfg(test)]
            History::Nowhere => return Ok(None),
        };
        let lines = Lines::open(&Directory::new(dir))?;
        let has_all = lines.snapshot_upto() <= since;
        Ok(has_all.then_some(Tail {
            lines,
            position: since,
        }))
    }
}

/// A journal's tail, being read.
pub(crate) struct Tail {
    lines: Lines,
    /// The last entry that was read or is not wanted.
    position: u64,
}

impl Tail {
    /// The next entries up to number `upto`, which is durable; `max` at most. None where there are no
    /// more in this file.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub(crate) fn page(
        &mut self,
        upto: u64,
        max: usize,
    ) -> Result<Vec<(u64, Stamped)>, StoreError> {
        let mut page = Vec::new();
        while self.position < upto && page.len() < max {
            let Some((place, entry)) = self.lines.next()? else {
                break;
            };
            match place {
                Place::Entry(seq) if seq > self.position => {
                    self.position = seq;
                    let at_ms = entry.at_ms;
                    let fact = entry.event;
                    page.push((seq, Stamped { at_ms, fact }));
                }
                Place::Entry(_) | Place::Snapshot { .. } => {}
            }
        }
        Ok(page)
    }
}
