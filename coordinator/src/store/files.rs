//! The files of a state directory, as the journal uses them: one method per step, so that the
//! journal alone decides the order of writes, syncs and renames.
//!
//! The simulation implements these traits with a disk that loses or tears what was not synced. A
//! name given by [`Files::rename`] is durable after [`Files::sync_names`].

use super::StoreError;
use crate::counts::Counts;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The journal's name in the state directory.
pub(crate) const JOURNAL: &str = "journal.jsonl";

/// The index's name in the state directory.
pub(super) const INDEX_DIR: &str = "index";

/// The name of a new journal until it is whole.
pub(super) const NEW_JOURNAL: &str = "journal.jsonl.new";

/// Bytes read at once.
const READ_BYTES: usize = 1 << 20;

/// The error for a failed write.
pub(super) fn write_error(path: PathBuf, source: io::Error) -> StoreError {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            StoreError::NoSpace { path, source }
        }
        _ => StoreError::Write { path, source },
    }
}

/// A file that is open for appending.
pub(crate) trait Append: Send {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Makes everything appended so far durable.
    fn sync(&mut self) -> io::Result<()>;

    /// Truncates the file to its first `bytes`.
    fn truncate(&mut self, bytes: u64) -> io::Result<()>;
}

/// The files of a directory, by name.
pub(crate) trait Files: Send {
    /// The path of a file, for messages.
    fn path(&self, name: &str) -> PathBuf;

    fn exists(&self, name: &str) -> io::Result<bool>;

    fn read(&self, name: &str) -> io::Result<Box<dyn BufRead + Send>>;

    /// Creates an empty file, and replaces an existing one.
    fn create(&self, name: &str) -> io::Result<Box<dyn Append>>;

    /// Opens an existing file for appending.
    fn open(&self, name: &str) -> io::Result<Box<dyn Append>>;

    /// Writes the content of a file from byte `from` on again in place, so that the next sync
    /// covers it, whatever became of earlier syncs.
    fn rewrite(&self, name: &str, from: u64) -> io::Result<()>;

    /// Renames a file over another, completely or not at all.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Deletes a file, if it exists.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes the names in the directory durable.
    fn sync_names(&self) -> io::Result<()>;
}

/// A directory on disk.
pub(super) struct Directory {
    path: PathBuf,
    /// Counts syncs, if set.
    counts: Option<Counts>,
}

impl Directory {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            counts: None,
        }
    }

    /// Like `new`, and counts syncs.
    pub(super) fn counting(path: &Path, counts: Counts) -> Self {
        Self {
            path: path.to_owned(),
            counts: Some(counts),
        }
    }

    fn append_to(&self, file: File) -> Box<dyn Append> {
        let counts = self.counts.clone();
        Box::new(AppendFile { file, counts })
    }
}

impl Files for Directory {
    fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    fn exists(&self, name: &str) -> io::Result<bool> {
        self.path(name).try_exists()
    }

    fn read(&self, name: &str) -> io::Result<Box<dyn BufRead + Send>> {
        let file = File::open(self.path(name))?;
        Ok(Box::new(BufReader::with_capacity(READ_BYTES, file)))
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn Append>> {
        Ok(self.append_to(File::create(self.path(name))?))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Append>> {
        let file = OpenOptions::new().append(true).open(self.path(name))?;
        Ok(self.append_to(file))
    }

    fn rewrite(&self, name: &str, from: u64) -> io::Result<()> {
        // Not `append`, which would write at the end.
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(self.path(name))?;
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(from))?;
        file.read_to_end(&mut bytes)?;
        file.seek(SeekFrom::Start(from))?;
        file.write_all(&bytes)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.path(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }

    fn sync_names(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }
}

/// A file on disk that is open for appending.
struct AppendFile {
    file: File,
    counts: Option<Counts>,
}

impl Append for AppendFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        let started = Instant::now();
        let synced = self.file.sync_data();
        if let Some(counts) = &self.counts {
            let seconds = started.elapsed().as_secs_f64();
            counts.sync_seconds.observe(seconds);
        }
        synced
    }

    fn truncate(&mut self, bytes: u64) -> io::Result<()> {
        self.file.set_len(bytes)
    }
}
