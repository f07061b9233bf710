//! The writer: one thread that makes facts durable and only then answers. Whatever came in while
//! the disk was busy shares the next sync.

use super::command::Command;
use super::observe::observe;
use crate::metrics::COUNTS;
use crate::scheduler::Snapshot;
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
    /// What the facts up to the last of these make, and the wall clock; nothing is added behind it.
    pub(super) snapshot: Option<(u64, Snapshot)>,
}

impl Batch {
    pub(crate) fn is_empty(&self) -> bool {
        self.facts.is_empty() && self.effects.is_empty() && !self.changed && self.snapshot.is_none()
    }

    pub(crate) fn add(&mut self, other: Batch) {
        self.facts.extend(other.facts);
        self.effects.extend(other.effects);
        self.changed |= other.changed;
        self.snapshot = other.snapshot;
    }
}

/// Writes until nobody sends any more, or until a write fails: then what waited is never answered,
/// and `failed` says why.
pub(super) fn write(
    mut store: Box<dyn Store>,
    mut batches: mpsc::Receiver<Batch>,
    changes: watch::Sender<u64>,
    failed: oneshot::Sender<StoreError>,
    driver: mpsc::WeakSender<Command>,
) {
    let mut asked = false;
    while let Some(mut batch) = batches.blocking_recv() {
        while batch.facts.len() < FACTS_MAX
            && batch.snapshot.is_none()
            && let Ok(next) = batches.try_recv()
        {
            batch.add(next);
        }
        asked &= batch.snapshot.is_none();
        match settle(&mut *store, batch, &changes) {
            Ok(wants_snapshot) => {
                if wants_snapshot
                    && !asked
                    && let Some(driver) = driver.upgrade()
                {
                    // If the driver is too busy to hear of it, it is asked again.
                    asked = driver.try_send(Command::Snapshot).is_ok();
                }
            }
            Err(error) => {
                tracing::debug!(%error, "the coordinator stops");
                // Nobody may be waiting for it; then nobody needs it.
                let _ = failed.send(error);
                return;
            }
        }
    }
}

/// Makes a batch durable, does what waited for it, and then some of what keeps the store small.
/// Answers whether the store wants a snapshot.
pub(crate) fn settle(
    store: &mut dyn Store,
    batch: Batch,
    changes: &watch::Sender<u64>,
) -> Result<bool, StoreError> {
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
    match batch.snapshot {
        Some((at_ms, snapshot)) => store.compact(at_ms, snapshot).map(|()| false),
        None => store.tidy(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::{Replayed, SystemClock, spawn};
    use crate::scheduler::{Fact, Settings};
    use crate::store::samples::{id, submitted, sweep};
    use crate::store::{MemoryStore, samples};
    use std::sync::Arc;
    use std::sync::mpsc::{Sender, channel};
    use std::time::Duration;

    /// A store whose journal is long from its first fact on, until it gets a snapshot.
    struct Growing {
        store: MemoryStore,
        taken: Sender<(Vec<Fact>, Snapshot)>,
        is_short: bool,
    }

    impl Store for Growing {
        fn append(&mut self, facts: &[Stamped]) -> Result<(), StoreError> {
            self.store.append(facts)
        }

        fn tidy(&mut self) -> Result<bool, StoreError> {
            Ok(!self.is_short && !self.store.facts.is_empty())
        }

        fn compact(&mut self, _at_ms: u64, snapshot: Snapshot) -> Result<(), StoreError> {
            self.is_short = true;
            let facts = self.store.facts.iter().map(|stamped| stamped.fact.clone());
            // The test may have ended.
            let _ = self.taken.send((facts.collect(), snapshot));
            Ok(())
        }

        fn index(&self) -> &Arc<Index> {
            self.store.index()
        }
    }

    #[tokio::test]
    async fn a_journal_that_has_grown_gets_a_snapshot_of_exactly_what_is_in_it() {
        let (taken, snapshots) = channel();
        let store = Box::new(Growing {
            store: MemoryStore::new(),
            taken,
            is_short: false,
        });
        let replayed = Replayed::new(Settings::default());
        let running = spawn(replayed, store, Box::new(SystemClock::new()), 1_000).expect("starts");
        let specs = [sweep("a", 2), sweep("b", 1), sweep("c", 3)];
        for spec in &specs {
            let (reply, answer) = oneshot::channel();
            let submit = Command::Submit {
                sweep: id(spec),
                spec: Box::new(spec.clone()),
                trials: samples::keys(spec),
                priority: None,
                reply,
            };
            running.commands.send(submit).await.expect("is taken");
            answer.await.expect("is answered");
        }
        let (facts, snapshot) =
            tokio::task::spawn_blocking(move || snapshots.recv_timeout(Duration::from_secs(60)))
                .await
                .expect("does not panic")
                .expect("is taken");
        let submissions: Vec<_> = specs.iter().map(submitted).collect();
        assert_eq!(facts, submissions[..facts.len()]);
        assert_eq!(snapshot.before, facts);
    }
}
