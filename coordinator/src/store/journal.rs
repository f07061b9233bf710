//! The journal: every fact, in order, in one file that only grows. The truth.
//!
//! A fact counts once it is synced. A write or sync that fails poisons the journal: what is on disk
//! is then unknown, so nothing more is written, and only reading it again tells.

use super::line::{self, FORMAT, VERSION};
use super::{Stamped, StoreError};
use crate::scheduler::Fact;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

/// Its name in the state directory.
pub(super) const FILE_NAME: &str = "journal.jsonl";

/// Longest line read; the longest written is a sweep, bounded by the size of a message.
const LINE_BYTES_MAX: u64 = 128 << 20;

/// What is appended to. A seam for tests: disks fill up and fail.
pub(super) trait Append: Send {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    fn sync(&mut self) -> io::Result<()>;
}

impl Append for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

/// An open journal.
pub(super) struct Journal {
    path: PathBuf,
    file: Box<dyn Append>,
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
    /// Opens the journal in `dir`, made if it is not there, and tells `visit` every fact in it.
    /// Also answers what the user should know.
    pub(super) fn open(
        dir: &Path,
        visit: &mut dyn FnMut(u64, Fact) -> Result<(), StoreError>,
    ) -> Result<(Self, Option<String>), StoreError> {
        let path = dir.join(FILE_NAME);
        if !path.exists() {
            create(dir, &path)?;
        }
        let read = read(&path, visit)?;
        let io = |action| {
            let path = path.clone();
            move |source| StoreError::Io {
                action,
                path,
                source,
            }
        };
        let file = OpenOptions::new()
            .append(true)
            .open(&path)
            .map_err(io("opened"))?;
        let notice = match read.torn {
            None => None,
            Some(torn) => {
                file.set_len(read.good_bytes).map_err(io("truncated"))?;
                file.sync_all().map_err(io("synced"))?;
                Some(format!(
                    "journal `{}`: its last line (line {}, {} bytes) was torn and has been dropped",
                    path.display(),
                    torn.line,
                    torn.bytes
                ))
            }
        };
        let journal = Self::with(path, Box::new(file), read.last_seq);
        Ok((journal, notice))
    }

    pub(super) fn with(path: PathBuf, file: Box<dyn Append>, last_seq: u64) -> Self {
        Self {
            path,
            file,
            last_seq,
            poisoned: false,
            buffer: Vec::new(),
        }
    }

    /// The last fact's number; 0 where there is none.
    pub(super) fn last_seq(&self) -> u64 {
        self.last_seq
    }

    /// Tells `visit` every fact again.
    pub(super) fn reread(
        &self,
        visit: &mut dyn FnMut(u64, Fact) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        read(&self.path, visit).map(|_| ())
    }

    /// Makes facts durable: one write and one sync for all of them.
    pub(super) fn append(&mut self, facts: &[Stamped]) -> Result<(), StoreError> {
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
            let path = self.path.clone();
            return Err(match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    StoreError::NoSpace { path, source }
                }
                _ => StoreError::Write { path, source },
            });
        }
        self.last_seq += facts.len() as u64;
        Ok(())
    }
}

/// Makes an empty journal, whole or not at all.
fn create(dir: &Path, path: &Path) -> Result<(), StoreError> {
    let new = dir.join("journal.jsonl.new");
    let written = (|| {
        let mut file = File::create(&new)?;
        file.write_all(&line::header())?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        File::open(dir)?.sync_all()
    })();
    written.map_err(|source| StoreError::Io {
        action: "created",
        path: path.to_owned(),
        source,
    })
}

fn read(
    path: &Path,
    visit: &mut dyn FnMut(u64, Fact) -> Result<(), StoreError>,
) -> Result<Found, StoreError> {
    let io = |source| StoreError::Io {
        action: "read",
        path: path.to_owned(),
        source,
    };
    let bad = |line, problem| StoreError::BadLine {
        path: path.to_owned(),
        line,
        problem,
    };
    let mut reader = BufReader::with_capacity(1 << 20, File::open(path).map_err(io)?);
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
