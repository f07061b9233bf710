//! Backing up: a copy of the journal in a directory of its own, even while it is written to.
//!
//! The journal only grows, and is replaced as a whole, so an open file of it always holds, up to
//! the last whole line, a state that existed. The index is not copied: the first start rebuilds it.

use super::StoreError;
use super::disk::make_dir;
use super::files::{Directory, Files, JOURNAL, NEW_JOURNAL};
use super::lines::Lines;
use serde::Serialize;
use std::io::BufRead;
use std::path::Path;

/// What was backed up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Backup {
    /// The last entry's number.
    pub entries: u64,
    /// The length of the journal's copy.
    pub bytes: u64,
}

/// Copies the state in `dir` to the new directory `to`, and reads the copy back.
///
/// # Errors
/// When either directory cannot be used, or a line of the journal is damaged.
pub fn backup(dir: &Path, to: &Path) -> Result<Backup, StoreError> {
    let from = Directory::new(dir);
    let at = |action, path: &Path| {
        let path = path.to_owned();
        move |source| StoreError::Io {
            action,
            path,
            source,
        }
    };
    let source = from.path(JOURNAL);
    if !from.exists(JOURNAL).map_err(at("read", &source))? {
        return Err(StoreError::NoState {
            dir: dir.to_owned(),
        });
    }
    if to
        .read_dir()
        .is_ok_and(|mut entries| entries.next().is_some())
    {
        return Err(StoreError::Occupied { dir: to.to_owned() });
    }
    make_dir(to)?;
    let copy = Directory::new(to);
    let path = copy.path(NEW_JOURNAL);
    let mut reader = from.read(JOURNAL).map_err(at("read", &source))?;
    let mut file = copy.create(NEW_JOURNAL).map_err(at("written", &path))?;
    loop {
        let bytes = reader.fill_buf().map_err(at("read", &source))?;
        if bytes.is_empty() {
            break;
        }
        file.append(bytes).map_err(at("written", &path))?;
        let length = bytes.len();
        reader.consume(length);
    }
    // A line may have been half written when it was read. A damaged line is the source's.
    let lines = read_all(&copy, NEW_JOURNAL).map_err(|error| match error {
        StoreError::BadLine { line, problem, .. } => StoreError::BadLine {
            path: source.clone(),
            line,
            problem,
        },
        other => other,
    })?;
    file.truncate(lines.good_bytes())
        .and_then(|()| file.sync())
        .and_then(|()| copy.rename(NEW_JOURNAL, JOURNAL))
        .and_then(|()| copy.sync_names())
        .map_err(at("written", &path))?;
    let lines = read_all(&copy, JOURNAL)?;
    Ok(Backup {
        entries: lines.last_seq(),
        bytes: lines.good_bytes(),
    })
}

fn read_all(files: &dyn Files, name: &str) -> Result<Lines, StoreError> {
    let mut lines = Lines::open_named(files, name)?;
    while lines.next()?.is_some() {}
    Ok(lines)
}
