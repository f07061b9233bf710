//! The writer: two threads behind the driver. The first makes facts durable; facts that came in while
//! the disk was busy share the next sync. The second takes them into the index and only then sends the
//! answers, while the first goes on.

use super::command::Command;
use super::events::Events;
use super::observe::observe;
use crate::counts::Counts;
use crate::scheduler::Snapshot;
use crate::store::{Index, Remake, Stamped, Store, StoreError};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};
use tokio::sync::{mpsc, oneshot, watch};

/// Most facts to which another batch is added, to share their sync.
const FACTS_MAX: usize = 4_096;

/// Most durable batches that wait for the index; then the journal waits.
pub(super) const RECORDED_MAX: usize = 2;

/// An action that waits until everything before it is durable.
pub(crate) type Effect = Box<dyn FnOnce(&Index) + Send>;

/// Facts, and the answers that wait for them.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) facts: Vec<Stamped>,
    pub(crate) effects: Vec<Effect>,
    /// Whether there is something new to show, even without a fact.
    pub(super) changed: bool,
    /// A snapshot of the state after these facts, and the wall clock. No batch is added behind it.
    pub(super) snapshot: Option<(u64, Snapshot)>,
    /// The deletion of a sweep, if one was deleted. The snapshot then holds less than the facts say; the
    /// deletion becomes durable with it, as the entry behind the facts.
    pub(super) deleted: Option<Stamped>,
}

impl Batch {
    pub(crate) fn is_empty(&self) -> bool {
        self.facts.is_empty() && self.effects.is_empty() && !self.changed && self.snapshot.is_none()
    }

    /// Whether it ends with a new journal without a deleted sweep.
    pub(super) fn purges(&self) -> bool {
        self.deleted.is_some()
    }

    pub(crate) fn add(&mut self, other: Batch) {
        self.facts.extend(other.facts);
        self.effects.extend(other.effects);
        self.changed |= other.changed;
        self.snapshot = other.snapshot;
        self.deleted = other.deleted;
    }
}

/// A durable batch, or why nothing more becomes durable.
pub(super) type Written = Result<Recorded, StoreError>;

/// A durable batch and its last journal entry.
pub(super) struct Recorded {
    batch: Batch,
    last_seq: u64,
    /// Makes the index of what the store has now.
    remake: Option<Remake>,
}

/// Where the writer's second thread tells what has become durable.
pub(crate) struct Told {
    pub(crate) counts: Counts,
    pub(crate) events: Arc<Events>,
    /// Counts changes that may be worth showing.
    pub(crate) changes: watch::Sender<u64>,
}

/// Makes batches durable until the driver ends or a write fails.
pub(super) fn write(
    store: &mut dyn Store,
    mut batches: mpsc::Receiver<Batch>,
    written: SyncSender<Written>,
    driver: mpsc::WeakSender<Command>,
    counts: &Counts,
) {
    let mut asked = false;
    while let Some(mut batch) = batches.blocking_recv() {
        while batch.facts.len() < FACTS_MAX
            && batch.snapshot.is_none()
            && let Ok(next) = batches.try_recv()
        {
            batch.add(next);
        }
        // A purge abandons a compaction that is under way.
        asked &= batch.snapshot.is_none();
        let purges = batch.purges();
        let snapshot = batch.snapshot.take_if(|_| !purges);
        let recorded = record(store, batch, counts);
        let failed = recorded.is_err();
        if written.send(recorded).is_err() || failed {
            // The receiver has already logged the reason.
            return;
        }
        match keep(store, snapshot) {
            Ok(wants_snapshot) => {
                if wants_snapshot
                    && !asked
                    && let Some(driver) = driver.upgrade()
                {
                    // If the driver is too busy now, it is asked again.
                    asked = driver.try_send(Command::Snapshot).is_ok();
                }
            }
            Err(error) => {
                // If the receiver is gone, it has already recorded its own error.
                let _ = written.send(Err(error));
                return;
            }
        }
    }
}

/// Takes what is durable into the index and does what waited for it, until nothing more is written
/// or something fails: then what waited is never answered, and `failed` says why.
pub(super) fn apply(
    index: &Index,
    written: &Receiver<Written>,
    told: &Told,
    failed: oneshot::Sender<StoreError>,
) {
    for recorded in written {
        if let Err(error) = recorded.and_then(|recorded| act(index, recorded, told)) {
            tracing::debug!(%error, "the coordinator stops");
            // Without a receiver, the reason is not needed.
            let _ = failed.send(error);
            return;
        }
    }
}

/// Does with a batch what the two threads do. Answers whether the store wants a snapshot.
#[cfg(test)]
pub(crate) fn settle(
    store: &mut dyn Store,
    mut batch: Batch,
    told: &Told,
) -> Result<bool, StoreError> {
    let purges = batch.purges();
    let snapshot = batch.snapshot.take_if(|_| !purges);
    let recorded = record(store, batch, &told.counts)?;
    act(&store.index().clone(), recorded, told)?;
    keep(store, snapshot)
}

/// Makes a batch durable, and has the store do without what was deleted.
fn record(store: &mut dyn Store, mut batch: Batch, counts: &Counts) -> Written {
    let last_seq = store.record(&batch.facts)?;
    let remake = match batch.snapshot.take() {
        Some((at_ms, snapshot)) => Some(store.purge(at_ms, snapshot)?),
        None => None,
    };
    if !batch.facts.is_empty() {
        counts.batch_facts.observe(batch.facts.len() as f64);
    }
    Ok(Recorded {
        batch,
        last_seq,
        remake,
    })
}

/// Takes what is durable into the index, tells of it, and does what waited for that.
fn act(index: &Index, recorded: Recorded, told: &Told) -> Result<(), StoreError> {
    let Recorded {
        mut batch,
        last_seq,
        remake,
    } = recorded;
    if !batch.facts.is_empty() {
        let facts = batch.facts.iter().map(|stamped| &stamped.fact);
        index.apply(last_seq, facts)?;
    }
    if let Some(remake) = remake {
        remake(index)?;
    }
    let first_seq = last_seq + 1 - batch.facts.len() as u64;
    batch.facts.extend(batch.deleted);
    for stamped in &batch.facts {
        observe(&stamped.fact, &told.counts);
    }
    if !batch.facts.is_empty() {
        told.events.enter(first_seq, &batch.facts);
    }
    if batch.changed || !batch.facts.is_empty() {
        told.changes.send_modify(|changes| *changes += 1);
    }
    for effect in batch.effects {
        effect(index);
    }
    Ok(())
}

/// Does some work to keep the store small. Answers whether it wants a snapshot.
fn keep(store: &mut dyn Store, snapshot: Option<(u64, Snapshot)>) -> Result<bool, StoreError> {
    match snapshot {
        Some((at_ms, snapshot)) => store.compact(at_ms, snapshot).map(|()| false),
        None => store.tidy(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::{Caller, ClientCommand, Replayed, SystemClock, spawn};
    use crate::scheduler::{Fact, Settings};
    use crate::store::samples::{id, submitted, sweep};
    use crate::store::{History, MemoryStore, samples};
    use std::sync::mpsc::{Sender, channel};
    use std::time::Duration;

    /// A store whose journal is long from its first fact on, until it gets a snapshot.
    struct Growing {
        store: MemoryStore,
        taken: Sender<(Vec<Fact>, Snapshot)>,
        is_short: bool,
    }

    impl Store for Growing {
        fn record(&mut self, facts: &[Stamped]) -> Result<u64, StoreError> {
            self.store.record(facts)
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

        fn purge(&mut self, at_ms: u64, snapshot: Snapshot) -> Result<Remake, StoreError> {
            self.store.purge(at_ms, snapshot)
        }

        fn last_seq(&self) -> u64 {
            self.store.last_seq()
        }

        fn history(&self) -> History {
            self.store.history()
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
        let running = spawn(
            replayed,
            store,
            Box::new(SystemClock::new()),
            1_000,
            Counts::new(),
        )
        .expect("starts");
        let specs = [sweep("a", 2), sweep("b", 1), sweep("c", 3)];
        for spec in &specs {
            let (reply, answer) = oneshot::channel();
            let command = ClientCommand::Submit {
                sweep: id(spec),
                spec: Box::new(spec.clone()),
                trials: samples::keys(spec),
                priority: None,
                reply,
            };
            let caller = Caller::HERE;
            let submit = Command::Client { caller, command };
            running.commands.send(submit).await.expect("is taken");
            answer.await.expect("is answered").expect("is taken");
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
