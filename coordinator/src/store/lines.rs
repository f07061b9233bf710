//! Reading a journal line by line, checking each line's checksum and number. Nothing here writes.
//!
//! A damaged line is an error that names the line, and reading may continue after it. A crash may
//! have torn the last line while it was written; then nothing of it was ever acknowledged.

use super::StoreError;
use super::files::{Files, JOURNAL};
use super::line::{self, Entry, FORMAT, Header, Line, SnapshotEnd, VERSION, VERSION_OLDEST};
use crate::scheduler::Fact;
use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};

/// The longest line that is read. The longest line written is a sweep, whose size a message limits.
const LINE_BYTES_MAX: u64 = 128 << 20;

/// The position of a fact in a journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the snapshot, which as a whole replaces the entries up to this number.
    Snapshot { upto: u64 },
    /// After the snapshot, as the entry with this number.
    Entry(u64),
}

/// A last line that was not written completely.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Torn {
    pub(super) line: u64,
    pub(super) bytes: u64,
}

/// A journal being read.
pub(super) struct Lines {
    reader: Box<dyn BufRead + Send>,
    path: PathBuf,
    version: u64,
    /// The line that was read last, with its line break.
    bytes: Vec<u8>,
    number: u64,
    /// Where the last whole line ends.
    good_bytes: u64,
    /// The journal's length in bytes.
    last_bytes: u64,
    /// Where reading ends, if that is before the end of the file.
    upto_bytes: Option<u64>,
    last_seq: u64,
    torn: Option<Torn>,
    snapshot: Option<Part>,
}

/// A snapshot that is being read.
struct Part {
    upto: u64,
    lines: u64,
    crc: crc32fast::Hasher,
    /// The checksum without the line that was read last, which may be the one after the snapshot.
    crc_before: crc32fast::Hasher,
}

impl Lines {
    /// Opens the journal among `files` and reads its first line.
    pub(super) fn open(files: &dyn Files) -> Result<Self, StoreError> {
        Self::open_named(files, JOURNAL)
    }

    /// Like `open`, for a journal that still has another name.
    pub(super) fn open_named(files: &dyn Files, name: &str) -> Result<Self, StoreError> {
        let path = files.path(name);
        let reader = files.read(name).map_err(|source| StoreError::Io {
            action: "read",
            path: path.clone(),
            source,
        })?;
        let mut lines = Self {
            reader,
            path,
            version: 0,
            bytes: Vec::new(),
            number: 0,
            good_bytes: 0,
            last_bytes: 0,
            upto_bytes: None,
            last_seq: 0,
            torn: None,
            snapshot: None,
        };
        lines.read_header()?;
        Ok(lines)
    }

    /// Ends reading at `bytes`, after which others append.
    pub(super) fn upto(mut self, bytes: u64) -> Self {
        self.upto_bytes = Some(bytes);
        self
    }

    /// The number of the last entry that the snapshot replaces, or 0 without a snapshot. Call this
    /// before the first line is read.
    pub(super) fn snapshot_upto(&self) -> u64 {
        self.snapshot.as_ref().map_or(0, |part| part.upto)
    }

    /// The version that the first line names.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// The number of the last entry, or 0 if there is none.
    pub(super) fn last_seq(&self) -> u64 {
        self.last_seq
    }

    /// The number of lines read so far.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Where the last whole line ends.
    pub(super) fn good_bytes(&self) -> u64 {
        self.good_bytes
    }

    /// Bytes of the last whole line.
    pub(super) fn last_bytes(&self) -> u64 {
        self.last_bytes
    }

    /// The torn line at the end, once it has been reached.
    pub(super) fn torn(&self) -> Option<&Torn> {
        self.torn.as_ref()
    }

    /// The line of the last entry, with its line break.
    pub(super) fn line(&self) -> &[u8] {
        &self.bytes
    }

    /// The next entry, or `None` after the last.
    ///
    /// # Errors
    /// Names a damaged line; the next call continues after that line.
    pub(super) fn next(&mut self) -> Result<Option<(Place, Entry<Fact>)>, StoreError> {
        while self.torn.is_none() && self.read_line()? {
            if let Some(part) = &mut self.snapshot {
                part.crc_before = part.crc.clone();
                part.crc.update(&self.bytes);
                part.lines += 1;
            }
            let content = match self.bytes.strip_suffix(b"\n") {
                Some(content) => line::verify(content).map(|()| content),
                None => Err("it does not end".to_owned()),
            };
            let content = match content {
                Ok(content) => content,
                Err(problem) => {
                    self.tear(problem)?;
                    continue;
                }
            };
            let line = line::decode(content);
            self.last_bytes = self.bytes.len() as u64;
            self.good_bytes += self.last_bytes;
            match line {
                Ok(Line::Entry(entry)) => return self.place(entry).map(Some),
                Ok(Line::SnapshotEnd(end)) => self.end_snapshot(&end)?,
                Err(problem) => {
                    self.skip();
                    return Err(self.bad(problem));
                }
            }
        }
        if self.snapshot.take().is_some() {
            return Err(self.bad("the snapshot around it does not end".to_owned()));
        }
        match self.upto_bytes {
            Some(bytes) if self.good_bytes < bytes => {
                Err(self.bad(format!("the file ends after it; it had {bytes} bytes")))
            }
            Some(_) | None => Ok(None),
        }
    }

    /// The position of an entry, if it is the expected one.
    fn place(&mut self, entry: Entry<Fact>) -> Result<(Place, Entry<Fact>), StoreError> {
        let seq = entry.seq;
        match &self.snapshot {
            Some(part) if seq <= part.upto => {
                let upto = part.upto;
                Ok((Place::Snapshot { upto }, entry))
            }
            Some(_) => {
                self.snapshot = None;
                self.last_seq = seq;
                Err(self.bad("the line that ends the snapshot is missing before it".to_owned()))
            }
            None => {
                let due = std::mem::replace(&mut self.last_seq, seq).saturating_add(1);
                if seq == due {
                    Ok((Place::Entry(seq), entry))
                } else {
                    Err(self.bad(format!("its number is {seq}, expected {due}")))
                }
            }
        }
    }

    fn end_snapshot(&mut self, end: &SnapshotEnd) -> Result<(), StoreError> {
        let Some(part) = self.snapshot.take() else {
            return Err(self.bad("it ends a snapshot that never began".to_owned()));
        };
        self.last_seq = part.upto;
        // The line that ends the snapshot was counted, too.
        let lines = part.lines - 1;
        let written = end.snapshot_lines;
        if lines != written {
            let problem =
                format!("the snapshot before it has {lines} lines, {written} were written");
            return Err(self.bad(problem));
        }
        let crc = line::digits(part.crc_before.finalize());
        if crc == end.snapshot_crc {
            Ok(())
        } else {
            Err(self.bad(format!(
                "the checksum of the snapshot before it is {}, its lines' is {crc}",
                end.snapshot_crc
            )))
        }
    }

    /// Treats a line with a wrong checksum as torn, if it can be torn.
    fn tear(&mut self, problem: String) -> Result<(), StoreError> {
        // Two entries in one line: the line break between them was damaged, not torn.
        let start = line::LINE_START;
        let joined = self
            .bytes
            .windows(start.len())
            .skip(1)
            .any(|window| window == start);
        if joined || self.snapshot.is_some() || !self.is_at_end()? {
            self.skip();
            self.good_bytes += self.bytes.len() as u64;
            return Err(self.bad(problem));
        }
        self.torn = Some(Torn {
            line: self.number,
            bytes: self.bytes.len() as u64,
        });
        Ok(())
    }

    /// Treats a damaged line as the entry that was expected.
    fn skip(&mut self) {
        if self.snapshot.is_none() {
            self.last_seq = self.last_seq.saturating_add(1);
        }
    }

    fn read_header(&mut self) -> Result<(), StoreError> {
        self.number = 1;
        let any = self.read_bytes()?;
        let content = self.bytes.strip_suffix(b"\n");
        let problem = match content {
            Some(content) => line::verify(content).err(),
            None if any => Some("it does not end".to_owned()),
            None => Some(String::new()),
        };
        let header: Option<Header> = serde_json::from_slice(&self.bytes).ok();
        let Some(header) = header.filter(|header| header.format == FORMAT) else {
            return Err(self.bad("this is not a journal of nrp".to_owned()));
        };
        if !(VERSION_OLDEST..=VERSION).contains(&header.version) {
            return Err(StoreError::Version {
                dir: self.path.parent().unwrap_or(Path::new("")).to_owned(),
                found: header.version,
                oldest: VERSION_OLDEST,
                newest: VERSION,
            });
        }
        if let Some(problem) = problem {
            return Err(self.bad(problem));
        }
        self.version = header.version;
        self.good_bytes = self.bytes.len() as u64;
        self.snapshot = (header.snapshot > 0).then(|| Part {
            upto: header.snapshot,
            lines: 0,
            crc: crc32fast::Hasher::new(),
            crc_before: crc32fast::Hasher::new(),
        });
        Ok(())
    }

    /// Reads a line. Returns false at the end.
    fn read_line(&mut self) -> Result<bool, StoreError> {
        if self
            .upto_bytes
            .is_some_and(|bytes| self.good_bytes >= bytes)
        {
            return Ok(false);
        }
        let any = self.read_bytes()?;
        self.number += u64::from(any);
        Ok(any)
    }

    fn read_bytes(&mut self) -> Result<bool, StoreError> {
        self.bytes.clear();
        let limited = &mut (&mut self.reader).take(LINE_BYTES_MAX);
        let read = limited.read_until(b'\n', &mut self.bytes);
        read.map(|length| length > 0)
            .map_err(|error| self.io(error))
    }

    fn is_at_end(&mut self) -> Result<bool, StoreError> {
        let at_end = self.reader.fill_buf().map(<[u8]>::is_empty);
        at_end.map_err(|error| self.io(error))
    }

    fn io(&self, source: std::io::Error) -> StoreError {
        StoreError::Io {
            action: "read",
            path: self.path.clone(),
            source,
        }
    }

    fn bad(&self, problem: String) -> StoreError {
        StoreError::BadLine {
            path: self.path.clone(),
            line: self.number,
            problem,
        }
    }
}
