//! The store: what survives a crash. A journal, which is the truth, and an index made from it,
//! which answers questions; on disk or, for tests, in memory.

mod disk;
mod error;
mod files;
mod index;
mod journal;
mod line;
mod memory;

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod damage;
#[cfg(test)]
mod garbage;
#[cfg(test)]
mod million_questions;
#[cfg(test)]
mod questions;
#[cfg(test)]
pub(crate) mod samples;

pub use error::{IndexError, StoreError};

pub(crate) use disk::DiskStore;
pub(crate) use index::{Asked, CELLS_MAX, Cells, Index, Measure, Row, recorded};
#[cfg(test)]
pub(crate) use {
    files::{Append, Files},
    journal::FILE_NAME,
    line::decode_line,
    memory::{JournalStore, MemoryStore},
};

use crate::scheduler::Fact;
use std::sync::Arc;

/// A fact and the wall clock when it became one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Stamped {
    pub(crate) at_ms: u64,
    pub(crate) fact: Fact,
}

/// Where facts are kept.
pub(crate) trait Store: Send {
    /// Makes facts durable, in order and together, and then answers questions with them.
    ///
    /// # Errors
    /// Are final: nothing of it may be acknowledged, and nothing more is appended.
    fn append(&mut self, facts: &[Stamped]) -> Result<(), StoreError>;

    /// What answers questions.
    fn index(&self) -> &Arc<Index>;
}
