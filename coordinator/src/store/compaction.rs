//! Compaction: a shorter journal that produces the same state, written beside the old one piece by
//! piece while facts are appended to the old one.
//!
//! The new journal is a snapshot (what the state says of itself, and those of the old lines that
//! are still in force, byte for byte), followed by whatever was appended meanwhile. Each piece is
//! synced, so that the last sync is short; then the journal renames the file. A crash before the
//! rename leaves the old journal, one after it the new.

use super::StoreError;
use super::files::{Append, Files, NEW_JOURNAL, write_error};
use super::line;
use super::lines::Lines;
use crate::scheduler::{Fact, Kept, Snapshot, TrialId};
use std::collections::HashMap;
use std::path::PathBuf;

/// Bytes of the old journal that one piece reads, which takes about a fiftieth of a second.
const PIECE_BYTES: u64 = 4 << 20;

/// A piece reads at least this many times as much as was appended since the last piece, so that
/// what waits to be copied stays a small part of the journal.
const PIECE_PER_APPENDED: u64 = 8;

/// The progress of a compaction.
pub(super) enum Progress {
    /// More work remains.
    Going,
    /// The new journal is whole and synced, and has everything that the old one has.
    Whole,
}

/// A shorter journal that is being written.
pub(super) struct Compaction {
    path: PathBuf,
    file: Box<dyn Append>,
    at_ms: u64,
    snapshot: Snapshot,
    /// The old journal, up to the moment of the snapshot.
    seq: u64,
    old_bytes: u64,
    stage: Stage,
    /// The number and the checksum of the snapshot's lines written so far.
    lines: u64,
    crc: crc32fast::Hasher,
    bytes: u64,
    /// What was appended to the old journal since the snapshot.
    tail: Vec<u8>,
    tail_droppable_bytes: u64,
    followed: u64,
}

/// The two passes over the old journal's lines.
enum Stage {
    /// Finds the last failure of each trial.
    Failures(Lines, HashMap<TrialId, u64>),
    /// Copies the lines that are in force.
    Copy(Lines, HashMap<TrialId, u64>),
}

impl Compaction {
    /// Starts with a snapshot of the state that the old journal produces: its `bytes` up to entry
    /// `seq`.
    pub(super) fn begin(
        files: &dyn Files,
        at_ms: u64,
        snapshot: Snapshot,
        seq: u64,
        bytes: u64,
    ) -> Result<Self, StoreError> {
        let path = files.path(NEW_JOURNAL);
        let file = files.create(NEW_JOURNAL);
        let file = file.map_err(|source| write_error(path.clone(), source))?;
        let lines = Lines::open(files)?.upto(bytes);
        let stage = if snapshot.failures.is_empty() {
            Stage::Copy(lines, HashMap::new())
        } else {
            Stage::Failures(lines, HashMap::new())
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

    /// Adds what was appended to the old journal.
    pub(super) fn follow(&mut self, appended: &[u8], droppable_bytes: u64) {
        self.tail.extend_from_slice(appended);
        self.tail_droppable_bytes += droppable_bytes;
        self.followed += appended.len() as u64;
    }

    /// The new journal's length in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many of its bytes the next snapshot may drop.
    pub(super) fn droppable_bytes(&self) -> u64 {
        self.tail_droppable_bytes
    }

    /// Does one piece of the work, and syncs it.
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

/// Reads the next lines. Returns true at the end.
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
