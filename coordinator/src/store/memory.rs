//! The fake store: facts in a list, the index in memory.

#![cfg(test)]

use super::{Index, Stamped, Store, StoreError};
use std::sync::Arc;

pub(crate) struct MemoryStore {
    pub(crate) facts: Vec<Stamped>,
    index: Arc<Index>,
}

impl MemoryStore {
    pub(crate) fn new() -> Self {
        Self {
            facts: Vec::new(),
            index: Arc::new(Index::in_memory()),
        }
    }
}

impl Store for MemoryStore {
    fn append(&mut self, facts: &[Stamped]) -> Result<(), StoreError> {
        self.facts.extend_from_slice(facts);
        let last_seq = self.facts.len() as u64;
        self.index
            .apply(last_seq, facts.iter().map(|stamped| &stamped.fact))?;
        Ok(())
    }

    fn index(&self) -> &Arc<Index> {
        &self.index
    }
}
