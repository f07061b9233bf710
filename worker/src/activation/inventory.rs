//! What the cache holds, for people: listed, verified byte by byte, and pruned. Nothing that is in
//! use is ever deleted.

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
    /// Where it lies.
    pub path: PathBuf,
    /// Its length; a partial file has its whole length from the start.
    pub bytes: u64,
    /// When it was used last.
    pub used: SystemTime,
    /// What it holds; absent where its header cannot be read.
    pub key: Option<CacheKey>,
    /// How much of it is there.
    pub state: State,
}

/// How much of a layer a file holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum State {
    /// All of it.
    Whole,
    /// Rows up to where its extraction is, or was broken off.
    Partial {
        /// Rows that are said to be there.
        rows: usize,
        /// Rows there will be.
        stimuli: usize,
    },
    /// Nothing of use: it is extracted again when it is wanted.
    Damaged {
        /// What is wrong.
        reason: String,
    },
}

/// Which files to delete; all that any of these names.
#[derive(Debug, Clone, Copy, Default)]
pub struct Prune {
    /// Those used longest ago, until no more bytes than this are left.
    pub to_bytes: Option<u64>,
    /// Those that were last used before this.
    pub used_before: Option<SystemTime>,
    /// Damaged ones, and those of other versions; every byte is read.
    pub damaged: bool,
    /// Partial ones that nobody is extracting.
    pub partial: bool,
    /// Only tell which.
    pub dry_run: bool,
}

/// A file that was deleted, or would be.
#[derive(Debug)]
pub struct Pruned {
    /// What it was.
    pub entry: Entry,
    /// Whether it stays because somebody uses it.
    pub in_use: bool,
}

impl Cache {
    /// Every file, in the order of last use, the latest first. With `every_byte`, whole layers are
    /// read through; without, only their headers and lengths.
    ///
    /// # Errors
    /// When the directory or a file cannot be read; damage is no error.
    pub fn entries(&self, every_byte: bool) -> Result<Vec<Entry>, ActivationError> {
        let mut entries = Vec::new();
        for stored in self.stored()? {
            entries.extend(entry(&stored, every_byte)?);
        }
        entries.sort_by(|a, b| (b.used, &a.path).cmp(&(a.used, &b.path)));
        Ok(entries)
    }

    /// Deletes what `prune` says, unless it is in use.
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
            match named || old {
                true => pruned.push(delete(entry, prune.dry_run, &guard)?),
                false => left.push(entry),
            }
        }
        if let Some(to_bytes) = prune.to_bytes {
            let in_use = pruned.iter().filter(|pruned| pruned.in_use);
            let staying = in_use.map(|pruned| pruned.entry.bytes);
            let mut bytes: u64 = left.iter().map(|entry| entry.bytes).chain(staying).sum();
            // The one used longest ago comes last.
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

/// What a file holds; none where it is gone.
fn entry(stored: &Stored, every_byte: bool) -> Result<Option<Entry>, ActivationError> {
    let read_error = |source| ActivationError::Read {
        path: stored.path.clone(),
        source,
    };
    let opened = match stored.is_whole {
        true => lock::shared(&stored.path),
        // Its extraction may be under way; its header is there from the first batch on.
        false => lock::found(File::open(&stored.path)),
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
