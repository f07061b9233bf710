//! How large a state directory is. Reads the journal, also while it is written to.

use super::StoreError;
use super::disk::INDEX_DIR;
use super::files::{Directory, Files};
use super::journal::{FILE_NAME, droppable_bytes};
use super::lines::Lines;
use crate::scheduler::Fact;
use std::fs;
use std::io;
use std::path::Path;

/// What lies in a state directory.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Sizes {
    pub(crate) format: u64,
    pub(crate) entries: u64,
    pub(crate) lines: u64,
    pub(crate) journal_bytes: u64,
    pub(crate) droppable_bytes: u64,
    pub(crate) index_bytes: u64,
}

/// Measures the state in `dir`, and tells `visit` every fact of its journal.
pub(crate) fn sizes(
    dir: &Path,
    visit: &mut dyn FnMut(Fact) -> Result<(), StoreError>,
) -> Result<Sizes, StoreError> {
    let files = Directory::new(dir);
    if !files.exists(FILE_NAME).is_ok_and(|exists| exists) {
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

/// The lengths of all files in a directory, if it is there.
pub(super) fn bytes_in(dir: &Path) -> io::Result<u64> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        entries => entries?,
    };
    let mut bytes = 0;
    for entry in entries {
        let entry = entry?;
        bytes += match entry.metadata() {
            // A running coordinator deletes some.
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Ok(found) if found.is_dir() => bytes_in(&entry.path())?,
            found => found?.len(),
        };
    }
    Ok(bytes)
}
