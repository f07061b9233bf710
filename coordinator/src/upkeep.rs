//! What a state directory holds, in numbers. Reads the journal alone, also while it is written to.

use crate::driver::Replayed;
use crate::scheduler::{Settings, SweepCounts};
use crate::store::{self, StoreError};
use serde::Serialize;
use std::path::Path;

/// A state directory in numbers.
#[derive(Debug, Serialize)]
pub struct Stats {
    /// The version of the journal's format.
    pub format: u64,
    /// Entries that were ever written.
    pub entries: u64,
    /// Lines that are there.
    pub lines: u64,
    /// The journal's length.
    pub journal_bytes: u64,
    /// Of it, what a compaction may drop.
    pub droppable_bytes: u64,
    /// The index's length on disk.
    pub index_bytes: u64,
    /// All trials, by where they are.
    pub trials: Counts,
    /// The sweeps, in the order they were last submitted.
    pub sweeps: Vec<SweepStats>,
}

/// A sweep in numbers.
#[derive(Debug, Serialize)]
pub struct SweepStats {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it is about.
    pub state: &'static str,
    /// Its trials, by where they are.
    pub trials: Counts,
}

/// Trials by where they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// All of them.
    pub all: u64,
    /// Wait to be leased.
    pub waiting: u64,
    /// In a worker's hands, when last heard of.
    pub leased: u64,
    /// Have scores.
    pub finished: u64,
    /// Were set aside.
    pub failed: u64,
    /// Were given up at a rung.
    pub stopped: u64,
    /// Have no outcome, and nobody wants one.
    pub cancelled: u64,
}

impl From<SweepCounts> for Counts {
    fn from(counts: SweepCounts) -> Self {
        Self {
            all: counts.trials(),
            waiting: counts.waiting,
            leased: counts.leased,
            finished: counts.finished,
            failed: counts.failed,
            stopped: counts.stopped,
            cancelled: counts.cancelled,
        }
    }
}

/// The state in `dir` in numbers.
///
/// # Errors
/// When there is none, or a line of the journal is damaged.
pub fn stats(dir: &Path) -> Result<Stats, StoreError> {
    let mut replayed = Replayed::new(Settings::default());
    let sizes = store::sizes(dir, &mut |fact| replayed.take(0, fact))?;
    let sweeps = replayed
        .sweeps()
        .map(|(id, name, state, counts)| SweepStats {
            id: id.to_string(),
            name: name.to_owned(),
            state: state.name(),
            trials: counts.into(),
        });
    Ok(Stats {
        format: sizes.format,
        entries: sizes.entries,
        lines: sizes.lines,
        journal_bytes: sizes.journal_bytes,
        droppable_bytes: sizes.droppable_bytes,
        index_bytes: sizes.index_bytes,
        trials: replayed.core.counts().into(),
        sweeps: sweeps.collect(),
    })
}
