//! How large a state directory is. It reads the journal, even while it is written to.

use super::StoreError;
use super::files::{Directory, Files, INDEX_DIR, JOURNAL};
use super::journal::droppable_bytes;
use super::lines::Lines;
use crate::scheduler::Fact;
use std::fs;
use std::io;
use std::path::Path;

/// The contents of a state directory.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Sizes {
    pub(crate) format: u64,
    pub(crate) entries: u64,
    pub(crate) lines: u64,
    pub(crate) journal_bytes: u64,
    pub(crate) droppable_bytes: u64,
    pub(crate) index_bytes: u64,
}

/// Measures the state in `dir`, and calls `visit` with every fact of its journal.
pub(crate) fn sizes(
    dir: &Path,
    visit: &mut dyn FnMut(Fact) -> Result<(), StoreError>,
) -> Result<Sizes, StoreError> {
    let files = Directory::new(dir);
    if !files.exists(JOURNAL).is_ok_and(|exists| exists) {
        return Err(StoreError::NoState {
            dir: dir.to_owned(),
        });
    }
    let mut sizes = Sizes::default();
    let mut lines = Lines::open(&files)?;
    while let Some((place, entry)) = lines.next()? {
        sizes.droppable_bytes += droppable_bytes(place, &entry.event, lines.line());
        visit(entry.event)?;
    }
    sizes.format = lines.version();
    sizes.entries = lines.last_seq();
    sizes.lines = lines.number();
    sizes.journal_bytes = lines.good_bytes();
    let index_dir = dir.join(INDEX_DIR);
    sizes.index_bytes = bytes_in(&index_dir).map_err(|source| StoreError::Io {
        action: "read",
        path: index_dir,
        source,
    })?;
    Ok(sizes)
}

/// The total length of all files in a directory, or `None` if the directory does not exist.
pub(super) fn bytes_in(dir: &Path) -> io::Result<u64> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        entries => entries?,
    };
    let mut bytes = 0;
    for entry in entries {
        let entry = entry?;
        bytes += match entry.metadata() {
            // A running coordinator may delete files meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Ok(found) if found.is_dir() => bytes_in(&entry.path())?,
            found => found?.len(),
        };
    }
    Ok(bytes)
}
