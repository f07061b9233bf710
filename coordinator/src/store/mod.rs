//! The store: what survives a crash. A journal, which is the truth, and an index made from it,
//! which answers questions; on disk or, for tests, in memory.

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
pub use loss::Damage;
pub use verify::{Finding, Verified, verify};

pub(crate) use disk::DiskStore;
pub(crate) use index::{Asked, CELLS_MAX, Cells, Index, Measure, Row, recorded};
pub(crate) use journal::FILE_NAME as JOURNAL;
pub(crate) use reading::{ReadStore, index_at_hand};
pub(crate) use repair::Repair;
pub(crate) use sizes::sizes;
#[cfg(test)]
pub(crate) use {
    files::{Append, Files},
    journal::FILE_NAME,
    line::decode_line,
    memory::{JournalStore, MemoryStore},
};

use crate::scheduler::{Fact, Snapshot};
use std::sync::Arc;

/// A fact and the wall clock when it became one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Stamped {
    pub(crate) at_ms: u64,
    pub(crate) fact: Fact,
}

/// Makes an index anew from what the store has.
pub(crate) type Remake = Box<dyn FnOnce(&Index) -> Result<(), StoreError> + Send>;

/// Where facts are kept.
pub(crate) trait Store: Send {
    /// Makes facts durable, in order and together; answers the journal's last entry. The index is to
    /// take them in before they are acknowledged, so that questions are answered with them.
    ///
    /// # Errors
    /// Are final: nothing of it may be acknowledged, and nothing more is recorded.
    fn record(&mut self, facts: &[Stamped]) -> Result<u64, StoreError>;

    /// Makes facts durable and takes them into the index, as the writer's two threads do.
    ///
    /// # Errors
    /// Are final, as those of `record`.
    #[cfg(test)]
    fn append(&mut self, facts: &[Stamped]) -> Result<(), StoreError> {
        let last_seq = self.record(facts)?;
        if !facts.is_empty() {
            let facts = facts.iter().map(|stamped| &stamped.fact);
            self.index().apply(last_seq, facts)?;
        }
        Ok(())
    }

    /// Does a bounded piece of keeping the journal short. Answers whether a snapshot of the state is
    /// wanted for more.
    ///
    /// # Errors
    /// Are final, as those of `record`.
    fn tidy(&mut self) -> Result<bool, StoreError>;

    /// Takes a snapshot of what all facts appended so far make. The work that follows is `tidy`'s.
    ///
    /// # Errors
    /// Are final, as those of `record`.
    fn compact(&mut self, at_ms: u64, snapshot: Snapshot) -> Result<(), StoreError>;

    /// Puts a journal in the journal's place, in one step, that makes what the snapshot says and no
    /// more: less than the facts do, since something was deleted. Answers what makes the index anew.
    ///
    /// # Errors
    /// Are final, as those of `record`; then nothing was deleted.
    fn purge(&mut self, at_ms: u64, snapshot: Snapshot) -> Result<Remake, StoreError>;

    /// What answers questions.
    fn index(&self) -> &Arc<Index>;
}
