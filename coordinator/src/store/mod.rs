//! The store: what survives a crash. The journal is the truth; the index, built from the journal,
//! answers questions. Both are on disk or, for tests, in memory.

mod backup;
mod compaction;
mod disk;
mod error;
mod files;
mod index;
mod journal;
mod line;
mod lines;
mod loss;
mod memory;
mod reading;
mod repair;
mod salvage;
mod sizes;
mod tail;
mod verify;

#[cfg(test)]
mod compacting;
#[cfg(test)]
mod conformance;
#[cfg(test)]
mod damage;
#[cfg(test)]
mod garbage;
#[cfg(test)]
mod million;
#[cfg(test)]
mod million_questions;
#[cfg(test)]
mod purging;
#[cfg(test)]
mod questions;
#[cfg(test)]
mod salvaging;
#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod untouched;

pub use backup::{Backup, backup};
pub use disk::{Compacted, rebuild_index};
pub use error::{IndexError, StoreError};
pub use loss::{Damage, Finding};
pub use verify::{Verified, verify};

pub(crate) use disk::DiskStore;
pub(crate) use files::JOURNAL;
pub(crate) use index::{Asked, CELLS_MAX, Cells, Index, Measure, Row, recorded};
pub(crate) use reading::{ReadStore, index_at_hand};
pub(crate) use repair::Repair;
pub(crate) use sizes::sizes;
pub(crate) use tail::{History, Tail};
#[cfg(test)]
pub(crate) use {
    files::{Append, Files},
    line::decode_line,
    memory::{JournalStore, MemoryStore},
};

use crate::scheduler::{Fact, Snapshot};
use std::sync::Arc;

/// A fact and the wall-clock time at which it was recorded.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Stamped {
    pub(crate) at_ms: u64,
    pub(crate) fact: Fact,
}

/// Rebuilds the index from what the store has.
pub(crate) type Remake = Box<dyn FnOnce(&Index) -> Result<(), StoreError> + Send>;

/// Where facts are kept.
pub(crate) trait Store: Send {
    /// Makes facts durable, in order and together, and returns the number of the journal's last
    /// entry. The index must apply the facts before they are acknowledged, so that answers include
    /// them.
    ///
    /// # Errors
    /// Every error is final: none of the facts may be acknowledged, and the store records nothing
    /// more.
    fn record(&mut self, facts: &[Stamped]) -> Result<u64, StoreError>;

    /// Makes facts durable and applies them to the index, as the writer's threads do.
    ///
    /// # Errors
    /// Every error is final, as in `record`.
    #[cfg(test)]
    fn append(&mut self, facts: &[Stamped]) -> Result<(), StoreError> {
        let last_seq = self.record(facts)?;
        if !facts.is_empty() {
            let facts = facts.iter().map(|stamped| &stamped.fact);
            self.index().apply(last_seq, facts)?;
        }
        Ok(())
    }

    /// Does a bounded part of the work that keeps the journal short. Returns true when the next
    /// part needs a snapshot of the state.
    ///
    /// # Errors
    /// Every error is final, as in `record`.
    fn tidy(&mut self) -> Result<bool, StoreError>;

    /// Starts writing `snapshot`, the state produced by all facts appended so far. `tidy` does the
    /// rest of the work.
    ///
    /// # Errors
    /// Every error is final, as in `record`.
    fn compact(&mut self, at_ms: u64, snapshot: Snapshot) -> Result<(), StoreError>;

    /// Replaces the journal, in one step, by one that produces exactly the state in `snapshot`:
    /// less than the facts produce, because something was deleted. Returns what rebuilds the index.
    ///
    /// # Errors
    /// Every error is final, as in `record`; nothing was deleted then.
    fn purge(&mut self, at_ms: u64, snapshot: Snapshot) -> Result<Remake, StoreError>;

    /// The number of the last entry, or 0 if there is none.
    fn last_seq(&self) -> u64;

    /// The journal, for readers beside the writer.
    fn history(&self) -> History;

    /// The index, which answers questions.
    fn index(&self) -> &Arc<Index>;
}
