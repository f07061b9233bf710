//! The journal: every fact, in order, in one file that only grows. The truth.
//!
//! A fact counts once it is synced. A write or sync that fails poisons the journal: what is on disk
//! is then unknown, so nothing more is written, and only reading it again tells. What is read at the
//! start is synced before anything rests on it: the process before may have died between its write
//! and its sync, and what it left in the system's cache is not yet on disk.

use super::files::{Append, Files};
use super::line::{self, FORMAT, VERSION};
use super::{Stamped, StoreError};
use crate::scheduler::Fact;
use std::io::{self, BufRead, Read};
use std::path::{Path, PathBuf};

/// Its name in the state directory.
pub(crate) const FILE_NAME: &str = "journal.jsonl";

/// Longest line read; the longest written is a sweep, bounded by the size of a message.
const LINE_BYTES_MAX: u64 = 128 << 20;

/// What it is called until it is whole.
const NEW_FILE_NAME: &str = "journal.jsonl.new";

/// An open journal.
pub(crate) struct Journal {
    files: Box<dyn Files>,
    path: PathBuf,
    file: Box<dyn Append>,
    /// Bytes in it that are durable.
    bytes: u64,
    last_seq: u64,
    poisoned: bool,
    buffer: Vec<u8>,
}

/// What reading a journal found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    last_seq: u64,
    /// Where the last whole line ends.
    good_bytes: u64,
    torn: Option<Torn>,
}

#[derive(Debug, PartialEq, Eq)]
struct Torn {
    line: u64,
    bytes: u64,
}

impl Journal {
    /// Opens the journal among `files`, made if it is not there, and tells `visit` every fact in
    /// it. Also answers what the user should know.
    pub(crate) fn open(
        files: Box<dyn Files>,
        visit: &mut dyn FnMut(u64, Fact) -> Result<(), StoreError>,
    ) -> Result<(Self, Option<String>), StoreError> {
        let path = files.path(FILE_NAME);
        let io = |action| {
            let path = path.clone();
            move |source| StoreError::Io {
                action,
                path,
                source,
            }
        };
        if !files.exists(FILE_NAME).map_err(io("read"))? {
            create(&*files).map_err(io("created"))?;
        }
        let read = read(&*files, visit)?;
        let mut file = files.open(FILE_NAME).map_err(io("opened"))?;
        if read.torn.is_some() {
            file.truncate(read.good_bytes).map_err(io("truncated"))?;
        }
        file.sync().map_err(io("synced"))?;
        files.sync_names().map_err(io("synced"))?;
        let notice = read.torn.map(|torn| {
            format!(
                "journal `{}`: its last line (line {}, {} bytes) was torn and has been dropped",
                path.display(),
                torn.line,
                torn.bytes
            )
        });
        let journal = Self {
            files,
            path,
            file,
            bytes: read.good_bytes,
            last_seq: read.last_seq,
            poisoned: false,
            buffer: Vec::new(),
        };
        Ok((journal, notice))
    }

    /// The last fact's number; 0 where there is none.
    pub(crate) fn last_seq(&self) -> u64 {
        self.last_seq
    }

    /// Tells `visit` every fact again.
    pub(super) fn reread(
        &self,
        visit: &mut dyn FnMut(u64, Fact) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        read(&*self.files, visit).map(|_| ())
    }

    /// Makes facts durable: one write and one sync for all of them.
    pub(crate) fn append(&mut self, facts: &[Stamped]) -> Result<(), StoreError> {
        if self.poisoned {
            let path = self.path.clone();
            return Err(StoreError::Poisoned { path });
        }
        if facts.is_empty() {
            return Ok(());
        }
        self.buffer.clear();
        for (seq, stamped) in (self.last_seq + 1..).zip(facts) {
            line::encode(seq, stamped.at_ms, &stamped.fact, &mut self.buffer);
        }
        let written = self
            .file
            .append(&self.buffer)
            .and_then(|()| self.file.sync());
        if let Err(source) = written {
            self.poisoned = true;
            self.cut_back();
            let path = self.path.clone();
            return Err(match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    StoreError::NoSpace { path, source }
                }
                _ => StoreError::Write { path, source },
            });
        }
        self.last_seq += facts.len() as u64;
        self.bytes += self.buffer.len() as u64;
        Ok(())
    }

    /// Takes back what was not synced. After a sync that failed the system takes it for written
    /// though it is in its cache alone: the next process would read it there, and no later sync
    /// would write it.
    fn cut_back(&mut self) {
        if let Err(error) = self.file.truncate(self.bytes) {
            tracing::warn!(%error, "what could not be synced is still in the journal");
        }
    }
}

/// Makes an empty journal, whole or not at all.
fn create(files: &dyn Files) -> io::Result<()> {
    let mut file = files.create(NEW_FILE_NAME)?;
    file.append(&line::header())?;
    file.sync()?;
    files.rename(NEW_FILE_NAME, FILE_NAME)?;
    files.sync_names()
}

fn read(
    files: &dyn Files,
    visit: &mut dyn FnMut(u64, Fact) -> Result<(), StoreError>,
) -> Result<Found, StoreError> {
    let path = &files.path(FILE_NAME);
    let io = |source| StoreError::Io {
        action: "read",
        path: path.clone(),
        source,
    };
    let bad = |line, problem| StoreError::BadLine {
        path: path.clone(),
        line,
        problem,
    };
    let mut reader = files.read(FILE_NAME).map_err(io)?;
    let mut found = Found::default();
    let mut bytes = Vec::new();
    for number in 1.. {
        bytes.clear();
        let limited = &mut (&mut reader).take(LINE_BYTES_MAX);
        let length = limited.read_until(b'\n', &mut bytes).map_err(io)? as u64;
        if length == 0 && number > 1 {
            break;
        }
        let whole = bytes.strip_suffix(b"\n").ok_or("it does not end");
        let checked = whole
            .map_err(str::to_owned)
            .and_then(|content| line::verify(content).map(|()| content));
        let content = match checked {
            Ok(content) => content,
            Err(problem) if number == 1 => {
                return Err(bad_header(path, &bytes).unwrap_or_else(|| bad(1, problem)));
            }
            Err(problem) => {
                // Two entries in one line: the line break between them was damaged, not torn.
                let joined = bytes.windows(ENTRY_START.len()).skip(1);
                if joined.into_iter().any(|window| window == ENTRY_START)
                    || !reader.fill_buf().map_err(io)?.is_empty()
                {
                    return Err(bad(number, problem));
                }
                found.torn = Some(Torn {
                    line: number,
                    bytes: length,
                });
                break;
            }
        };
        if number == 1 {
            if let Some(error) = bad_header(path, content) {
                return Err(error);
            }
        } else {
            let entry = line::decode(content).map_err(|problem| bad(number, problem))?;
            let expected = found.last_seq + 1;
            if entry.seq != expected {
                let problem = format!("its number is {}, {expected} was due", entry.seq);
                return Err(bad(number, problem));
            }
            found.last_seq = expected;
            visit(entry.seq, entry.event)?;
        }
        found.good_bytes += length;
    }
    Ok(found)
}

/// How every line begins; quotes in values are escaped, so nothing else looks like it.
const ENTRY_START: &[u8] = b"{\"crc\":\"";

/// What is wrong with a first line, if it can be told.
fn bad_header(path: &Path, line: &[u8]) -> Option<StoreError> {
    let header: Option<line::Header> = serde_json::from_slice(line).ok();
    match header {
        Some(header) if header.format == FORMAT && header.version == VERSION => None,
        Some(header) if header.format == FORMAT => Some(StoreError::Version {
            dir: path.parent().unwrap_or(path).to_owned(),
            found: header.version,
            expected: VERSION,
        }),
        Some(_) | None => Some(StoreError::BadLine {
            path: path.to_owned(),
            line: 1,
            problem: "this is not a journal of nrp".to_owned(),
        }),
    }
}
