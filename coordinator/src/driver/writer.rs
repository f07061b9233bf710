//! The writer: one thread that makes facts durable and only then answers. Whatever came in while
//! the disk was busy shares the next sync.

use super::observe::observe;
use crate::metrics::COUNTS;
use crate::store::{Index, Stamped, Store, StoreError};
use tokio::sync::{mpsc, oneshot, watch};

/// Facts that share a sync, at most, before another batch is added to them.
const FACTS_MAX: usize = 4_096;

/// What is done once everything before it is durable.
pub(crate) type Effect = Box<dyn FnOnce(&Index) + Send>;

/// Facts and what waits for them.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) facts: Vec<Stamped>,
    pub(crate) effects: Vec<Effect>,
    /// Whether there is something new to watch, even without a fact.
    pub(super) changed: bool,
}

impl Batch {
    pub(crate) fn is_empty(&self) -> bool {
        self.facts.is_empty() && self.effects.is_empty() && !self.changed
    }

    pub(crate) fn add(&mut self, other: Batch) {
        self.facts.extend(other.facts);
        self.effects.extend(other.effects);
        self.changed |= other.changed;
    }
}

/// Writes until nobody sends any more, or until a write fails: then what waited is never answered,
/// and `failed` says why.
pub(super) fn write(
    mut store: Box<dyn Store>,
    mut batches: mpsc::Receiver<Batch>,
    changes: watch::Sender<u64>,
    failed: oneshot::Sender<StoreError>,
) {
    while let Some(mut batch) = batches.blocking_recv() {
        while batch.facts.len() < FACTS_MAX
            && let Ok(next) = batches.try_recv()
        {
            batch.add(next);
        }
        if let Err(error) = settle(&mut *store, batch, &changes) {
            tracing::debug!(%error, "the coordinator stops");
            // Nobody may be waiting for it; then nobody needs it.
            let _ = failed.send(error);
            return;
        }
    }
}

/// Makes a batch durable, and then does what waited for it.
pub(crate) fn settle(
    store: &mut dyn Store,
    batch: Batch,
    changes: &watch::Sender<u64>,
) -> Result<(), StoreError> {
    store.append(&batch.facts)?;
    if !batch.facts.is_empty() {
        COUNTS.batch_facts.observe(batch.facts.len() as f64);
    }
    for stamped in &batch.facts {
        observe(&stamped.fact);
    }
    if batch.changed || !batch.facts.is_empty() {
        changes.send_modify(|changes| *changes += 1);
    }
    for effect in batch.effects {
        effect(store.index());
    }
    Ok(())
}
