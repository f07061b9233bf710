//! Repair: replaces a damaged journal by one of its intact lines, and keeps the damaged one under
//! another name.
//!
//! Intact lines are kept byte for byte, as the snapshot of the new journal, which may have gaps.
//! The index is deleted before the journal is replaced, because it may contain what is lost; the
//! next start rebuilds it.

use super::StoreError;
use super::disk::{Held, is_held, lock_existing, remove};
use super::files::{Directory, Files, INDEX_DIR, JOURNAL, NEW_JOURNAL, write_error};
use super::journal::read_lines;
use super::line;
use super::lines::Lines;
use super::salvage::Salvage;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// How many bytes are written between two syncs.
const PIECE_BYTES: usize = 4 << 20;

/// A locked state whose journal is damaged.
pub(crate) struct Repair {
    dir: PathBuf,
    salvage: Salvage,
    lock: Option<File>,
}

impl Repair {
    /// What must be repaired in `dir`, or `None` if every line of the journal can be read. A `dry`
    /// run takes no lock.
    pub(crate) fn find(dir: &Path, dry: bool) -> Result<Option<Self>, StoreError> {
        let lock = if dry { None } else { Some(lock_existing(dir)?) };
        if dry && is_held(dir) == Held::Yes {
            return Err(StoreError::InUse {
                dir: dir.to_owned(),
            });
        }
        if !dir.join(JOURNAL).is_file() {
            return Err(StoreError::NoState {
                dir: dir.to_owned(),
            });
        }
        let files = Directory::new(dir);
        match is_readable(&files, JOURNAL) {
            Ok(()) => Ok(None),
            Err(StoreError::BadLine { .. }) => Ok(Some(Self {
                dir: dir.to_owned(),
                salvage: Salvage::find(&files)?,
                lock,
            })),
            Err(other) => Err(other),
        }
    }

    pub(crate) fn salvage(&self) -> &Salvage {
        &self.salvage
    }

    /// Replaces the damaged journal by one of its intact lines. Returns the path of the damaged
    /// one, or `None` after a dry run.
    pub(crate) fn make(self) -> Result<Option<PathBuf>, StoreError> {
        if self.lock.is_none() {
            return Ok(None);
        }
        let files = Directory::new(&self.dir);
        write(&files, &self.salvage)?;
        is_readable(&files, NEW_JOURNAL)?;
        let kept = keep(&files).map_err(|source| StoreError::Io {
            action: "copied",
            path: files.path(JOURNAL),
            source,
        })?;
        remove(&self.dir.join(INDEX_DIR))?;
        files
            .rename(NEW_JOURNAL, JOURNAL)
            .and_then(|()| files.sync_names())
            .map_err(|source| write_error(files.path(JOURNAL), source))?;
        Ok(Some(kept))
    }
}

/// Whether all lines can be read, except a torn last one.
fn is_readable(files: &Directory, name: &str) -> Result<(), StoreError> {
    read_lines(Lines::open_named(files, name)?, &mut |_, _| Ok(())).map(|_| ())
}

/// Writes and syncs the new journal.
fn write(files: &Directory, salvage: &Salvage) -> Result<(), StoreError> {
    let path = files.path(NEW_JOURNAL);
    let unwritten = |source| write_error(path.clone(), source);
    let mut file = files.create(NEW_JOURNAL).map_err(unwritten)?;
    let mut bytes = Vec::new();
    line::encode_header(salvage.last_seq(), &mut bytes);
    if salvage.last_seq() > 0 {
        let mut crc = crc32fast::Hasher::new();
        salvage.each(&mut |content| {
            let start = bytes.len();
            bytes.extend_from_slice(content);
            bytes.push(b'\n');
            crc.update(&bytes[start..]);
            if bytes.len() >= PIECE_BYTES {
                let written = file.append(&bytes).and_then(|()| file.sync());
                written.map_err(unwritten)?;
                bytes.clear();
            }
            Ok(())
        })?;
        line::encode_snapshot_end(salvage.lines(), crc.finalize(), &mut bytes);
    }
    let written = file.append(&bytes).and_then(|()| file.sync());
    written.map_err(unwritten)
}

/// Keeps the damaged journal under an unused name, and makes that durable.
fn keep(files: &Directory) -> io::Result<PathBuf> {
    let mut number = 0_u64;
    loop {
        number += 1;
        let path = files.path(&format!("{JOURNAL}.damaged-{number}"));
        // A link to the journal's own file is as good as a copy, because nothing writes to that
        // file any more.
        match fs::hard_link(files.path(JOURNAL), &path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            Ok(()) => {}
            Err(_) if path.exists() => continue,
            // Some file systems have no links.
            Err(_) => {
                fs::copy(files.path(JOURNAL), &path)?;
                File::open(&path)?.sync_all()?;
            }
        }
        files.sync_names()?;
        return Ok(path);
    }
}
