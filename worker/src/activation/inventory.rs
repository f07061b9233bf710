//! What the cache holds, for `nrp cache`: listed, verified byte by byte, and pruned. A file in use
//! is never deleted.

use super::cache::{Cache, Guard, Stored, unused};
use super::file::{Header, is_damage, verify};
use super::{ActivationError, CacheKey, lock, partial, write_error};
use serde::Serialize;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::time::SystemTime;

/// One file of the cache.
#[derive(Debug)]
pub struct Entry {
    /// Its path.
    pub path: PathBuf,
    /// Its length; a partial file has its whole length from the start.
    pub bytes: u64,
    /// Time of its last use.
    pub used: SystemTime,
    /// What it holds; absent where its header cannot be read.
    pub key: Option<CacheKey>,
    /// Whether it is whole, partial or damaged.
    pub state: State,
}

/// How much of a layer a file holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum State {
    /// The whole layer.
    Whole,
    /// The first rows: its extraction is under way or was interrupted.
    Partial {
        /// Rows that its log lists.
        rows: usize,
        /// Rows of the whole layer.
        stimuli: usize,
    },
    /// Nothing usable: the layer is extracted again when it is needed.
    Damaged {
        /// What is wrong with the file.
        reason: String,
    },
}

/// Which files to delete: those that match any of these.
#[derive(Debug, Clone, Copy, Default)]
pub struct Prune {
    /// The least recently used ones, until at most this many bytes are left.
    pub to_bytes: Option<u64>,
    /// Those last used before this time.
    pub used_before: Option<SystemTime>,
    /// Damaged ones, and those of other versions. Every byte is read.
    pub damaged: bool,
    /// Partial ones that no process is extracting.
    pub partial: bool,
    /// Delete nothing; only report which files would go.
    pub dry_run: bool,
}

/// A file that was deleted, or would be.
#[derive(Debug)]
pub struct Pruned {
    /// The file as it was listed.
    pub entry: Entry,
    /// Whether it was kept because a process uses it.
    pub in_use: bool,
}

impl Cache {
    /// Lists every file, the most recently used first. With `every_byte`, whole layers are verified
    /// byte by byte; without, only their headers and lengths.
    ///
    /// # Errors
    /// When the directory or a file cannot be read. A damaged file is not an error.
    pub fn entries(&self, every_byte: bool) -> Result<Vec<Entry>, ActivationError> {
        let mut entries = Vec::new();
        for stored in self.stored()? {
            entries.extend(entry(&stored, every_byte)?);
        }
        entries.sort_by(|a, b| (b.used, &a.path).cmp(&(a.used, &b.path)));
        Ok(entries)
    }

    /// Deletes the files that `prune` selects, except those in use.
    ///
    /// # Errors
    /// When a file cannot be read or deleted.
    pub fn prune(&self, prune: &Prune) -> Result<Vec<Pruned>, ActivationError> {
        let entries = self.entries(prune.damaged)?;
        let guard = self.guard()?;
        let mut pruned = Vec::new();
        let mut left = Vec::new();
        for entry in entries {
            let named = match &entry.state {
                State::Whole => false,
                State::Partial { .. } => prune.partial,
                State::Damaged { .. } => prune.damaged,
            };
            let old = prune.used_before.is_some_and(|moment| entry.used < moment);
            if named || old {
                pruned.push(delete(entry, prune.dry_run, &guard)?)
            } else {
                left.push(entry)
            }
        }
        if let Some(to_bytes) = prune.to_bytes {
            let in_use = pruned.iter().filter(|pruned| pruned.in_use);
            let staying = in_use.map(|pruned| pruned.entry.bytes);
            let mut bytes: u64 = left.iter().map(|entry| entry.bytes).chain(staying).sum();
            // The least recently used file comes last.
            while bytes > to_bytes
                && let Some(entry) = left.pop()
            {
                let one = delete(entry, prune.dry_run, &guard)?;
                bytes -= if one.in_use { 0 } else { one.entry.bytes };
                pruned.push(one);
            }
        }
        Ok(pruned)
    }
}

fn delete(entry: Entry, dry_run: bool, _guard: &Guard) -> Result<Pruned, ActivationError> {
    let stored = Stored {
        is_whole: entry.path.extension().is_some_and(|name| name == "act"),
        path: entry.path.clone(),
        bytes: entry.bytes,
        used: entry.used,
    };
    let locked = unused(&stored.path)?;
    if locked.is_some() && !dry_run {
        let removed = stored.remove();
        removed.map_err(|source| write_error(&stored.path, source))?;
    }
    Ok(Pruned {
        entry,
        in_use: locked.is_none(),
    })
}

/// What a file holds; `None` if it has been deleted.
fn entry(stored: &Stored, every_byte: bool) -> Result<Option<Entry>, ActivationError> {
    let read_error = |source| ActivationError::Read {
        path: stored.path.clone(),
        source,
    };
    let opened = if stored.is_whole {
        lock::shared(&stored.path)
    } else {
        // Its extraction may be under way; the header is written with the first batch.
        lock::found(File::open(&stored.path))
    };
    let Some(mut file) = opened.map_err(read_error)? else {
        return Ok(None);
    };
    let header = Header::read(&mut file, &mut Vec::new());
    let (key, state) = match header {
        Err(error) if is_damage(&error) && !stored.is_whole => (
            None,
            State::Partial {
                rows: 0,
                stimuli: 0,
            },
        ),
        Err(error) if is_damage(&error) => (None, damaged(&error)),
        Err(error) => return Err(read_error(error)),
        Ok(header) if !stored.is_whole => {
            let state = State::Partial {
                rows: partial::rows_logged(&stored.path),
                stimuli: header.stimuli,
            };
            (Some(header.key), state)
        }
        Ok(header) => {
            let state = match (every_byte, stored.bytes == header.file_bytes()) {
                (true, _) => match verify(&mut file) {
                    Ok(_) => State::Whole,
                    Err(error) if is_damage(&error) => damaged(&error),
                    Err(error) => return Err(read_error(error)),
                },
                (false, true) => State::Whole,
                (false, false) => State::Damaged {
                    reason: "it is truncated".to_owned(),
                },
            };
            (Some(header.key), state)
        }
    };
    Ok(Some(Entry {
        path: stored.path.clone(),
        bytes: stored.bytes,
        used: stored.used,
        key,
        state,
    }))
}

fn damaged(error: &io::Error) -> State {
    let reason = match error.kind() {
        io::ErrorKind::UnexpectedEof => "it is too short".to_owned(),
        _ => error.to_string(),
    };
    State::Damaged { reason }
}
