//! Fake stores: the index is in memory, and the facts are in a list or in a journal on any files.

#![cfg(test)]

use super::disk::Pending;
use super::files::Files;
use super::journal::Journal;
use super::{History, Index, Remake, Stamped, Store, StoreError};
use crate::scheduler::{Fact, Kept, Snapshot};
use std::sync::Arc;

pub(crate) struct MemoryStore {
    pub(crate) facts: Vec<Stamped>,
    last_seq: u64,
    index: Arc<Index>,
}

impl MemoryStore {
    pub(crate) fn new() -> Self {
        Self {
            facts: Vec::new(),
            last_seq: 0,
            index: Arc::new(Index::in_memory()),
        }
    }
}

impl Store for MemoryStore {
    fn record(&mut self, facts: &[Stamped]) -> Result<u64, StoreError> {
        self.facts.extend_from_slice(facts);
        self.last_seq += facts.len() as u64;
        Ok(self.last_seq)
    }

    fn tidy(&mut self) -> Result<bool, StoreError> {
        Ok(false)
    }

    fn compact(&mut self, _at_ms: u64, _snapshot: Snapshot) -> Result<(), StoreError> {
        Ok(())
    }

    fn purge(&mut self, at_ms: u64, snapshot: Snapshot) -> Result<Remake, StoreError> {
        let kept = self.facts.drain(..).filter(|stamped| {
            let deleted = stamped.fact.trial();
            let is_deleted = deleted.is_some_and(|trial| snapshot.deleted.contains(&trial));
            stamped.fact.kept() != Kept::Never && !is_deleted
        });
        let kept: Vec<_> = kept.map(|stamped| stamped.fact).collect();
        let facts = snapshot
            .before
            .into_iter()
            .chain(kept)
            .chain(snapshot.after);
        self.facts = facts.map(|fact| Stamped { at_ms, fact }).collect();
        let facts = self.facts.clone();
        self.last_seq += 1;
        let last_seq = self.last_seq;
        Ok(Box::new(move |index| {
            index.remake(|fresh| {
                let facts = facts.iter().map(|stamped| &stamped.fact);
                Ok(fresh.apply(last_seq, facts)?)
            })
        }))
    }

    fn last_seq(&self) -> u64 {
        self.last_seq
    }

    fn history(&self) -> History {
        History::Nowhere
    }

    fn index(&self) -> &Arc<Index> {
        &self.index
    }
}

/// The real journal, on any implementation of files.
pub(crate) struct JournalStore {
    journal: Journal,
    index: Arc<Index>,
}

impl JournalStore {
    /// Like `DiskStore::open`.
    pub(crate) fn open(
        files: Box<dyn Files>,
        visit: &mut dyn FnMut(Fact) -> Result<(), StoreError>,
    ) -> Result<(Self, Option<String>), StoreError> {
        let index = Arc::new(Index::in_memory());
        let mut making = Pending::of_nothing();
        let (journal, torn) = Journal::open(files, &mut |place, fact| {
            making.take(&index, place, &fact)?;
            visit(fact)
        })?;
        making.finish(&index, journal.last_seq())?;
        Ok((Self { journal, index }, torn))
    }

    /// Like the method of the journal.
    pub(crate) fn compact_above(&mut self, droppable_bytes_min: u64) {
        self.journal.compact_above(droppable_bytes_min);
    }
}

impl Store for JournalStore {
    fn record(&mut self, facts: &[Stamped]) -> Result<u64, StoreError> {
        self.journal.append(facts)?;
        Ok(self.journal.last_seq())
    }

    fn tidy(&mut self) -> Result<bool, StoreError> {
        self.journal.tidy()?;
        Ok(self.journal.wants_snapshot())
    }

    fn compact(&mut self, at_ms: u64, snapshot: Snapshot) -> Result<(), StoreError> {
        self.journal.compact(at_ms, snapshot)
    }

    fn purge(&mut self, at_ms: u64, snapshot: Snapshot) -> Result<Remake, StoreError> {
        self.journal.purge(at_ms, snapshot)?;
        let (mut facts, last_seq) = (Vec::new(), self.journal.last_seq());
        self.journal.reread(&mut |_, fact| {
            facts.push(fact);
            Ok(())
        })?;
        Ok(Box::new(move |index| {
            index.remake(|fresh| Ok(fresh.apply(last_seq, &facts)?))
        }))
    }

    fn last_seq(&self) -> u64 {
        self.journal.last_seq()
    }

    fn history(&self) -> History {
        History::Nowhere
    }

    fn index(&self) -> &Arc<Index> {
        &self.index
    }
}
