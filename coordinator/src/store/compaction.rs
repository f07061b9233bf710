//! Compaction: a shorter journal that makes the same state, written beside the old one a piece at a
//! time while the old one is appended to.
//!
//! It is a snapshot (what the state says of itself, and of the old lines those still in force, byte
//! for byte) and behind it whatever was appended meanwhile. Each piece is synced, so that the last
//! is short; only then does the journal rename it. A crash before leaves the old journal, one after
//! the new.

use super::StoreError;
use super::files::{Append, Files};
use super::journal::{NEW_FILE_NAME, write_error};
use super::line;
use super::lines::Lines;
use crate::scheduler::{Fact, Kept, Snapshot, TrialId};
use std::collections::HashMap;
use std::path::PathBuf;

/// Bytes of the old journal that are read in one piece: about a fiftieth of a second.
const PIECE_BYTES: u64 = 4 << 20;

/// As many times what was appended since the last piece are read, at least, so that what waits to
/// be copied stays a small part of the journal.
const PIECE_PER_APPENDED: u64 = 8;

/// How far it has come.
pub(super) enum Progress {
    /// There is more to do.
    Going,
    /// The new journal is whole, synced, and has all that the old one has.
    Whole,
}

/// A shorter journal under way.
pub(super) struct Compaction {
    path: PathBuf,
    file: Box<dyn Append>,
    at_ms: u64,
    snapshot: Snapshot,
    /// The old journal, as it was when the snapshot was taken.
    seq: u64,
    old_bytes: u64,
    stage: Stage,
    /// The lines of the snapshot that were written, and their checksum.
    lines: u64,
    crc: crc32fast::Hasher,
    bytes: u64,
    /// What was appended to the old journal since.
    tail: Vec<u8>,
    tail_droppable_bytes: u64,
    followed: u64,
}

/// What is done with the old journal's lines.
enum Stage {
    /// The last failure of each trial is looked for.
    Failures(Lines, HashMap<TrialId, u64>),
    /// What is in force is copied.
    Copy(Lines, HashMap<TrialId, u64>),
}

impl Compaction {
    /// Begins, with a snapshot of what the old journal makes: `bytes` up to entry `seq`.
    pub(super) fn begin(
        files: &dyn Files,
        at_ms: u64,
        snapshot: Snapshot,
        seq: u64,
        bytes: u64,
    ) -> Result<Self, StoreError> {
        let path = files.path(NEW_FILE_NAME);
        let file = files.create(NEW_FILE_NAME);
        let file = file.map_err(|source| write_error(path.clone(), source))?;
        let lines = Lines::open(files)?.upto(bytes);
        let stage = match snapshot.failures.is_empty() {
            true => Stage::Copy(lines, HashMap::new()),
            false => Stage::Failures(lines, HashMap::new()),
        };
        let mut compaction = Self {
            path,
            file,
            at_ms,
            snapshot,
            seq,
            old_bytes: bytes,
            stage,
            lines: 0,
            crc: crc32fast::Hasher::new(),
            bytes: 0,
            tail: Vec::new(),
            tail_droppable_bytes: 0,
            followed: 0,
        };
        let mut header = Vec::new();
        line::encode_header(seq, &mut header);
        compaction.write(&header)?;
        let before = std::mem::take(&mut compaction.snapshot.before);
        compaction.write_facts(&before)?;
        Ok(compaction)
    }

    /// Takes note of what was appended to the old journal.
    pub(super) fn follow(&mut self, appended: &[u8], droppable_bytes: u64) {
        self.tail.extend_from_slice(appended);
        self.tail_droppable_bytes += droppable_bytes;
        self.followed += appended.len() as u64;
    }

    /// Its length.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Of it, what the next snapshot may drop.
    pub(super) fn droppable_bytes(&self) -> u64 {
        self.tail_droppable_bytes
    }

    /// Does a piece of the work, durably.
    pub(super) fn step(&mut self, files: &dyn Files) -> Result<Progress, StoreError> {
        let followed = std::mem::take(&mut self.followed);
        let piece_bytes = PIECE_BYTES.max(followed.saturating_mul(PIECE_PER_APPENDED));
        let done = match &mut self.stage {
            Stage::Failures(lines, last) => {
                let done = find_failures(lines, last, self.old_bytes, piece_bytes)?;
                if done {
                    self.stage = Stage::Copy(
                        Lines::open(files)?.upto(self.old_bytes),
                        std::mem::take(last),
                    );
                }
                false
            }
            Stage::Copy(lines, last) => {
                let mut kept = Vec::new();
                let failures = &self.snapshot.failures;
                let until = self.old_bytes.min(lines.good_bytes() + piece_bytes);
                while lines.good_bytes() < until
                    && let Some((_, entry)) = lines.next()?
                {
                    let keep = match entry.event.kept() {
                        Kept::Always => true,
                        Kept::LastFailure(trial) => {
                            failures.contains(&trial) && last[&trial] == lines.number()
                        }
                        Kept::Never => false,
                    };
                    let deleted = &self.snapshot.deleted;
                    if keep && !entry.event.trial().is_some_and(|id| deleted.contains(&id)) {
                        kept.extend_from_slice(lines.line());
                        self.lines += 1;
                    }
                }
                let done = lines.good_bytes() >= self.old_bytes;
                self.crc.update(&kept);
                self.write(&kept)?;
                done
            }
        };
        if done {
            self.finish()?;
        }
        self.sync()?;
        Ok(if done {
            Progress::Whole
        } else {
            Progress::Going
        })
    }

    fn finish(&mut self) -> Result<(), StoreError> {
        let after = std::mem::take(&mut self.snapshot.after);
        self.write_facts(&after)?;
        let mut end = Vec::new();
        let crc = self.crc.clone().finalize();
        line::encode_snapshot_end(self.lines, crc, &mut end);
        end.append(&mut self.tail);
        self.write(&end)
    }

    fn write_facts(&mut self, facts: &[Fact]) -> Result<(), StoreError> {
        let mut lines = Vec::new();
        for fact in facts {
            line::encode(self.seq, self.at_ms, fact, &mut lines);
        }
        self.lines += facts.len() as u64;
        self.crc.update(&lines);
        self.write(&lines)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.bytes += bytes.len() as u64;
        let written = self.file.append(bytes);
        written.map_err(|source| write_error(self.path.clone(), source))
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        let synced = self.file.sync();
        synced.map_err(|source| write_error(self.path.clone(), source))
    }
}

/// Reads on; whether the end was reached.
fn find_failures(
    lines: &mut Lines,
    last: &mut HashMap<TrialId, u64>,
    old_bytes: u64,
    piece_bytes: u64,
) -> Result<bool, StoreError> {
    let until = old_bytes.min(lines.good_bytes() + piece_bytes);
    while lines.good_bytes() < until
        && let Some((_, entry)) = lines.next()?
    {
        if let Kept::LastFailure(trial) = entry.event.kept() {
            last.insert(trial, lines.number());
        }
    }
    Ok(lines.good_bytes() >= old_bytes)
}
