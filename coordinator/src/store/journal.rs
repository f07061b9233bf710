//! The journal: every fact, in order, in one file that only grows. It is the truth.
//!
//! A fact counts once it is synced. A failed write or sync poisons the journal: what is on disk is
//! then unknown, so nothing more is written until the journal has been read again. What a start
//! reads is synced before anything depends on it, because the previous process may have died
//! between its write and its sync, with the data still in the system's cache. That process may also
//! have died after a failed sync, and the system then treats data that is only in its cache as
//! written. So a start first writes the end of the file again, as much of it as is ever written
//! between two syncs.
//!
//! When most of the journal could be dropped, `compaction` replaces it by a shorter one, which
//! starts with a snapshot.

use super::compaction::{Compaction, Progress};
use super::files::{Append, Files, JOURNAL, NEW_JOURNAL, write_error};
use super::line;
use super::lines::{Lines, Place};
use super::{Stamped, StoreError};
use crate::scheduler::{Fact, Kept, Snapshot};
use std::io;
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::sync::mpsc;

/// The fewest bytes for whose sake a snapshot is taken: reading and writing this many takes about a
/// tenth of a second. The bytes to drop must also outweigh those to keep, so that a journal is at
/// most twice as long as its content, and compaction costs no more than writing did.
pub(crate) const DROPPABLE_BYTES_MIN: u64 = 8 << 20;

/// The most bytes that are written between two syncs, unless a single line is longer.
const UNSYNCED_BYTES_MAX: usize = 1 << 20;

/// Limits on a chunk of decoded facts, in facts and in bytes of their lines, and on the number of
/// chunks that wait. While a sweep of a million trials is expanded, the reader decodes as many
/// outcomes as 64 MiB of lines hold, however long each is.
const CHUNK_FACTS: usize = 1_024;
const CHUNK_BYTES: usize = 256 << 10;
const CHUNKS_MAX: usize = 256;

/// Called with every fact in the journal and its position.
pub(crate) type Visit<'a> = dyn FnMut(Place, Fact) -> Result<(), StoreError> + 'a;

/// An open journal.
pub(crate) struct Journal {
    files: Box<dyn Files>,
    path: PathBuf,
    file: Box<dyn Append>,
    /// The version of the format that the journal was written in.
    version: u64,
    /// The number of durable bytes.
    bytes: u64,
    /// How many of these bytes belong to lines that a snapshot may drop.
    droppable_bytes: u64,
    droppable_bytes_min: u64,
    last_seq: u64,
    poisoned: bool,
    buffer: Vec<u8>,
    compaction: Option<Compaction>,
}

impl Journal {
    /// Opens the journal among `files`, creates it if it does not exist, and calls `visit` with
    /// every fact in it. Also returns a notice for the user, if there is one.
    pub(crate) fn open(
        files: Box<dyn Files>,
        visit: &mut Visit<'_>,
    ) -> Result<(Self, Option<String>), StoreError> {
        let path = files.path(JOURNAL);
        let io = |action| {
            let path = path.clone();
            move |source| StoreError::Io {
                action,
                path,
                source,
            }
        };
        if files.exists(JOURNAL).map_err(io("read"))? {
            // A compaction that a crash interrupted has left this.
            files.remove(NEW_JOURNAL).map_err(io("tidied"))?
        } else {
            create(&*files).map_err(io("created"))?
        }
        let (lines, droppable_bytes) = read(&*files, visit)?;
        let mut file = files.open(JOURNAL).map_err(io("opened"))?;
        if lines.torn().is_some() {
            file.truncate(lines.good_bytes()).map_err(io("truncated"))?;
        }
        let unsynced_bytes = lines.last_bytes().max(UNSYNCED_BYTES_MAX as u64);
        let from = lines.good_bytes().saturating_sub(unsynced_bytes);
        files.rewrite(JOURNAL, from).map_err(io("written"))?;
        file.sync().map_err(io("synced"))?;
        files.sync_names().map_err(io("synced"))?;
        let notice = lines.torn().map(|torn| {
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
            version: lines.version(),
            bytes: lines.good_bytes(),
            droppable_bytes,
            droppable_bytes_min: DROPPABLE_BYTES_MIN,
            last_seq: lines.last_seq(),
            poisoned: false,
            buffer: Vec::new(),
            compaction: None,
        };
        Ok((journal, notice))
    }

    /// The number of the last fact, or 0 if there is none.
    pub(crate) fn last_seq(&self) -> u64 {
        self.last_seq
    }

    /// Calls `visit` with every fact again.
    pub(super) fn reread(&self, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        read(&*self.files, visit).map(|_| ())
    }

    /// Makes facts durable, with one write and one sync for all of them, or for every
    /// [`UNSYNCED_BYTES_MAX`] of their lines.
    pub(crate) fn append(&mut self, facts: &[Stamped]) -> Result<(), StoreError> {
        if self.poisoned {
            let path = self.path.clone();
            return Err(StoreError::Poisoned { path });
        }
        let (mut lines, mut line) = (std::mem::take(&mut self.buffer), Vec::new());
        lines.clear();
        let (mut seq, mut droppable_bytes) = (self.last_seq, 0);
        for stamped in facts {
            line.clear();
            line::encode(seq + 1, stamped.at_ms, &stamped.fact, &mut line);
            if lines.len() + line.len() > UNSYNCED_BYTES_MAX {
                self.write(&lines, seq, droppable_bytes)?;
                lines.clear();
                droppable_bytes = 0;
            }
            lines.extend_from_slice(&line);
            seq += 1;
            if is_droppable(&stamped.fact) {
                droppable_bytes += line.len() as u64;
            }
        }
        self.write(&lines, seq, droppable_bytes)?;
        self.buffer = lines;
        Ok(())
    }

    /// Makes lines durable, up to entry `seq`.
    fn write(&mut self, lines: &[u8], seq: u64, droppable_bytes: u64) -> Result<(), StoreError> {
        if lines.is_empty() {
            return Ok(());
        }
        let written = self.file.append(lines).and_then(|()| self.file.sync());
        if let Err(source) = written {
            self.poisoned = true;
            self.cut_back();
            return Err(write_error(self.path.clone(), source));
        }
        self.last_seq = seq;
        self.bytes += lines.len() as u64;
        self.droppable_bytes += droppable_bytes;
        if let Some(compaction) = &mut self.compaction {
            compaction.follow(lines, droppable_bytes);
        }
        Ok(())
    }

    /// Removes what was not synced, so that the next start does not read it.
    fn cut_back(&mut self) {
        if let Err(error) = self.file.truncate(self.bytes) {
            tracing::warn!(%error, "the journal still contains data that could not be synced");
        }
    }

    /// Replaces the limit [`DROPPABLE_BYTES_MIN`], for tests.
    #[cfg(test)]
    pub(crate) fn compact_above(&mut self, droppable_bytes_min: u64) {
        self.droppable_bytes_min = droppable_bytes_min;
    }

    /// The version of the format that the journal was written in; a snapshot raises it to the
    /// current one.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// Whether it is time for [`Journal::compact`].
    pub(crate) fn wants_snapshot(&self) -> bool {
        let kept_bytes = self.bytes - self.droppable_bytes;
        let outweighs = self.droppable_bytes > kept_bytes.max(self.droppable_bytes_min);
        self.compaction.is_none() && !self.poisoned && outweighs
    }

    /// Starts a shorter journal from `snapshot`, the state produced by all facts so far. The old
    /// journal stays in force, and facts are appended to it, until [`Journal::tidy`] has done the
    /// work.
    pub(crate) fn compact(&mut self, at_ms: u64, snapshot: Snapshot) -> Result<(), StoreError> {
        let begun = Compaction::begin(&*self.files, at_ms, snapshot, self.last_seq, self.bytes);
        match begun {
            Ok(compaction) => {
                self.compaction = Some(compaction);
                Ok(())
            }
            Err(error) => self.progress(Err(error)),
        }
    }

    /// Replaces this journal by one that produces exactly the state in the snapshot. This is one
    /// step, on disk as well: before the rename nothing of the new journal counts, and if it fails
    /// nothing is lost.
    pub(crate) fn purge(&mut self, at_ms: u64, snapshot: Snapshot) -> Result<(), StoreError> {
        if self.poisoned {
            let path = self.path.clone();
            return Err(StoreError::Poisoned { path });
        }
        // The entry has a number of its own, so that an older index does not match the journal.
        let seq = self.last_seq + 1;
        let mut compaction = Compaction::begin(&*self.files, at_ms, snapshot, seq, self.bytes)?;
        while let Progress::Going = compaction.step(&*self.files)? {}
        self.compaction = Some(compaction);
        self.replace()?;
        self.last_seq = seq;
        Ok(())
    }

    /// The journal's length in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Does the next piece of a compaction, if one is under way. The work is bounded, so that
    /// appends do not wait long.
    pub(crate) fn tidy(&mut self) -> Result<(), StoreError> {
        match &mut self.compaction {
            None => Ok(()),
            Some(compaction) => {
                let progress = compaction.step(&*self.files);
                self.progress(progress)
            }
        }
    }

    /// Whether a compaction is under way.
    pub(super) fn is_compacting(&self) -> bool {
        self.compaction.is_some()
    }

    /// Completes a compaction.
    pub(super) fn tidy_all(&mut self) -> Result<(), StoreError> {
        while self.is_compacting() {
            self.tidy()?;
        }
        Ok(())
    }

    fn progress(&mut self, progress: Result<Progress, StoreError>) -> Result<(), StoreError> {
        match progress {
            Ok(Progress::Going) => Ok(()),
            Ok(Progress::Whole) => self.replace(),
            // The old journal is whole, and somebody may free space before it has doubled.
            Err(error @ (StoreError::NoSpace { .. } | StoreError::Write { .. })) => {
                tracing::warn!(%error, "compaction abandoned; keeping the current journal");
                self.compaction = None;
                self.droppable_bytes_min = 2 * self.bytes;
                if let Err(error) = self.files.remove(NEW_JOURNAL) {
                    tracing::warn!(%error, "the unfinished shorter journal could not be deleted");
                }
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Replaces the old journal by the shorter one. A crash during the replacement may leave
    /// either. Both say the same, but facts are appended to only one, so a failure poisons the
    /// journal.
    fn replace(&mut self) -> Result<(), StoreError> {
        let Some(compaction) = self.compaction.take() else {
            return Ok(());
        };
        let replaced = self
            .files
            .rename(NEW_JOURNAL, JOURNAL)
            .and_then(|()| self.files.sync_names())
            .and_then(|()| self.files.open(JOURNAL));
        match replaced {
            Ok(file) => self.file = file,
            Err(source) => {
                self.poisoned = true;
                return Err(write_error(self.path.clone(), source));
            }
        }
        let before_bytes = std::mem::replace(&mut self.bytes, compaction.bytes());
        self.droppable_bytes = compaction.droppable_bytes();
        self.version = line::VERSION;
        tracing::info!(
            before_bytes,
            bytes = self.bytes,
            "the journal was compacted"
        );
        Ok(())
    }
}

/// Whether a snapshot may drop a fact's line.
fn is_droppable(fact: &Fact) -> bool {
    match fact.kept() {
        Kept::Always => false,
        Kept::LastFailure(_) | Kept::Never => true,
    }
}

/// Creates an empty journal, completely or not at all.
fn create(files: &dyn Files) -> io::Result<()> {
    let mut file = files.create(NEW_JOURNAL)?;
    let mut header = Vec::new();
    line::encode_header(0, &mut header);
    file.append(&header)?;
    file.sync()?;
    files.rename(NEW_JOURNAL, JOURNAL)?;
    files.sync_names()
}

/// Reads the whole journal; also returns how many bytes a snapshot may drop. One thread reads and
/// decodes while this one calls `visit`: at a million trials each takes seconds.
fn read(files: &dyn Files, visit: &mut Visit<'_>) -> Result<(Lines, u64), StoreError> {
    read_lines(Lines::open(files)?, visit)
}

/// Like `read`, for a journal that is open.
pub(super) fn read_lines(lines: Lines, visit: &mut Visit<'_>) -> Result<(Lines, u64), StoreError> {
    std::thread::scope(|scope| {
        let (chunks, decoded) = mpsc::sync_channel(CHUNKS_MAX);
        let reading = scope.spawn(move || decode(lines, &chunks));
        let visited = decoded
            .iter()
            .flatten()
            .try_for_each(|(place, fact)| visit(place, fact));
        // The reader stops when the receiver is gone.
        drop(decoded);
        let read = reading.join().unwrap_or_else(|panic| resume_unwind(panic));
        visited.and(read)
    })
}

/// Decodes the rest of a journal, in chunks.
fn decode(
    mut lines: Lines,
    chunks: &mpsc::SyncSender<Vec<(Place, Fact)>>,
) -> Result<(Lines, u64), StoreError> {
    let mut droppable = 0;
    let (mut chunk, mut chunk_bytes) = (Vec::new(), 0);
    while let Some((place, entry)) = lines.next()? {
        droppable += droppable_bytes(place, &entry.event, lines.line());
        chunk.push((place, entry.event));
        chunk_bytes += lines.line().len();
        if chunk.len() >= CHUNK_FACTS || chunk_bytes >= CHUNK_BYTES {
            chunk_bytes = 0;
            if chunks.send(std::mem::take(&mut chunk)).is_err() {
                break;
            }
        }
    }
    // If the receiver is gone, it has already recorded its own error.
    let _ = chunks.send(chunk);
    Ok((lines, droppable))
}

/// How many bytes of a line the next snapshot may drop. The lines of the last snapshot do not count.
pub(super) fn droppable_bytes(place: Place, fact: &Fact, line: &[u8]) -> u64 {
    match place {
        Place::Entry(_) if is_droppable(fact) => line.len() as u64,
        Place::Entry(_) | Place::Snapshot { .. } => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::super::files::Directory;
    use super::super::samples::{large_scores, line_bytes, recorded_with, stamped};
    use super::*;
    use crate::scheduler::TrialId;

    #[test]
    fn what_is_read_ahead_is_bounded_in_bytes_however_long_outcomes_are() {
        let dir = tempfile::tempdir().expect("a directory");
        let files = || Box::new(Directory::new(dir.path()));
        let (mut journal, _) = Journal::open(files(), &mut |_, _| Ok(())).expect("opens");
        let facts: Vec<_> = (0..1_500)
            .map(|n| recorded_with(TrialId(n), large_scores(n)))
            .collect();
        journal.append(&stamped(facts.clone())).expect("appends");
        let (chunks, decoded) = mpsc::sync_channel(facts.len());
        decode(Lines::open(&*files()).expect("opens"), &chunks).expect("reads");
        drop(chunks);
        let mut read = Vec::new();
        for chunk in decoded {
            let bytes = chunk.iter().map(|(_, fact)| line_bytes(fact));
            let longest = bytes.clone().max().unwrap_or(0);
            assert!(bytes.sum::<usize>() <= CHUNK_BYTES + longest);
            read.extend(chunk.into_iter().map(|(_, fact)| fact));
        }
        assert_eq!(read, facts);
    }
}
