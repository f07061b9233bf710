//! The writer: three threads behind the driver. The first makes facts durable; facts that came in while
//! the disk was busy share the next sync. The second takes them into the index and only then sends the
//! answers, while the first goes on. The third hands out jobs: a lease must be durable, but a worker
//! need not wait until the index has the outcomes of others.

use super::command::Command;
use super::events::Events;
use super::observe::observe;
use crate::counts::Counts;
use crate::scheduler::{Fact, Snapshot};
use crate::store::{Index, Remake, Stamped, Store, StoreError};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender};
use tokio::sync::{mpsc, oneshot, watch};

/// Most facts to which another batch is added, to share their sync. A lease waits for one sync or two.
const FACTS_MAX: usize = 256;

/// Most facts to which another durable batch is added, to enter the index together.
const APPLIED_MAX: usize = 512;

/// Most durable batches that wait for the index; then the journal waits.
pub(super) const RECORDED_MAX: usize = 32;

/// Most durable batches whose jobs wait to be handed out; then the journal waits.
pub(super) const HAND_OUTS_MAX: usize = 16;

/// An action that waits until everything before it is durable.
pub(crate) type Effect = Box<dyn FnOnce(&Index) + Send>;

/// Facts, and the answers that wait for them.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) facts: Vec<Stamped>,
    pub(crate) effects: Vec<Effect>,
    /// Jobs that wait for the facts to be durable and for the sweeps before them to be in the index.
    pub(crate) hand_outs: Vec<Effect>,
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
        self.facts.is_empty()
            && self.effects.is_empty()
            && self.hand_outs.is_empty()
            && !self.changed
            && self.snapshot.is_none()
    }

    /// Whether it ends with a new journal without a deleted sweep.
    pub(super) fn purges(&self) -> bool {
        self.deleted.is_some()
    }

    pub(crate) fn add(&mut self, other: Batch) {
        self.facts.extend(other.facts);
        self.effects.extend(other.effects);
        self.hand_outs.extend(other.hand_outs);
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

/// Where the writer's first thread passes on what is durable.
pub(super) struct Next {
    /// To the index.
    pub(super) written: SyncSender<Written>,
    /// Jobs that can be handed out.
    pub(super) hand_outs: SyncSender<Vec<Effect>>,
    /// Which sweeps the index has.
    pub(super) entered: Arc<Entered>,
}

/// Whether the index has all sweeps whose jobs may be handed out.
#[derive(Default)]
pub(crate) struct Entered {
    /// The last journal entry that changed which sweeps there are.
    changed: AtomicU64,
    /// The last journal entry that the index has.
    applied: AtomicU64,
}

impl Entered {
    /// Takes from a durable batch the jobs that need not wait for the index.
    fn take_hand_outs(&self, recorded: &mut Recorded) -> Vec<Effect> {
        let is_change = |stamped: &Stamped| matches!(stamped.fact, Fact::SweepSubmitted { .. });
        if recorded.remake.is_some() || recorded.batch.facts.iter().any(is_change) {
            self.changed.store(recorded.last_seq, Ordering::Relaxed);
        }
        let changed = self.changed.load(Ordering::Relaxed);
        if changed <= self.applied.load(Ordering::Acquire) {
            std::mem::take(&mut recorded.batch.hand_outs)
        } else {
            Vec::new()
        }
    }
}

/// Makes batches durable until the driver ends or a write fails.
pub(super) fn write(
    store: &mut dyn Store,
    mut batches: mpsc::Receiver<Batch>,
    next: Next,
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
        let mut recorded = record(store, batch, counts);
        let failed = recorded.is_err();
        if let Ok(recorded) = &mut recorded {
            let hand_outs = next.entered.take_hand_outs(recorded);
            if !hand_outs.is_empty() && next.hand_outs.send(hand_outs).is_err() {
                return;
            }
        }
        if next.written.send(recorded).is_err() || failed {
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
                let _ = next.written.send(Err(error));
                return;
            }
        }
    }
}

/// Hands out jobs until no more are durable.
pub(super) fn hand_out(index: &Index, hand_outs: &Receiver<Vec<Effect>>) {
    for effect in hand_outs.iter().flatten() {
        effect(index);
    }
}

/// Takes what is durable into the index and does what waited for it, until nothing more is written
/// or something fails: then what waited is never answered, and `failed` says why.
pub(super) fn apply(
    index: &Index,
    written: &Receiver<Written>,
    told: &Told,
    entered: &Entered,
    failed: oneshot::Sender<StoreError>,
) {
    while let Ok(first) = written.recv() {
        let mut more = std::iter::from_fn(|| written.try_recv().ok());
        let acted = together(first, &mut more, &mut |recorded| {
            act(index, recorded, told, entered)
        });
        if let Err(error) = acted {
            tracing::debug!(%error, "the coordinator stops");
            // Without a receiver, the reason is not needed.
            let _ = failed.send(error);
            return;
        }
    }
}

/// Passes on durable batches, as many of them together as may enter the index together.
fn together(
    first: Written,
    more: &mut impl Iterator<Item = Written>,
    act: &mut impl FnMut(Recorded) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut recorded = first?;
    while recorded.batch.facts.len() < APPLIED_MAX && recorded.remake.is_none() {
        match more.next() {
            None => break,
            Some(Ok(next)) => {
                recorded.batch.add(next.batch);
                recorded.last_seq = next.last_seq;
                recorded.remake = next.remake;
            }
            Some(Err(error)) => {
                act(recorded)?;
                return Err(error);
            }
        }
    }
    act(recorded)
}

/// Does with a batch what the threads do. Answers whether the store wants a snapshot.
#[cfg(test)]
pub(crate) fn settle(
    store: &mut dyn Store,
    mut batch: Batch,
    told: &Told,
    entered: &Entered,
) -> Result<bool, StoreError> {
    let purges = batch.purges();
    let snapshot = batch.snapshot.take_if(|_| !purges);
    let mut recorded = record(store, batch, &told.counts)?;
    let index = store.index().clone();
    for effect in entered.take_hand_outs(&mut recorded) {
        effect(&index);
    }
    act(&index, recorded, told, entered)?;
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
fn act(
    index: &Index,
    recorded: Recorded,
    told: &Told,
    entered: &Entered,
) -> Result<(), StoreError> {
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
    entered.applied.store(last_seq, Ordering::Release);
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
    for effect in batch.hand_outs.into_iter().chain(batch.effects) {
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

    fn recorded(last_seq: u64, facts: Vec<Fact>, jobs: usize) -> Recorded {
        let hand_out = |_| Box::new(|_: &Index| ()) as Effect;
        let batch = Batch {
            facts: samples::stamped(facts),
            hand_outs: (0..jobs).map(hand_out).collect(),
            ..Batch::default()
        };
        Recorded {
            batch,
            last_seq,
            remake: None,
        }
    }

    #[test]
    fn a_job_waits_for_the_index_only_while_a_sweep_is_on_its_way_there() {
        let spec = sweep("a", 1);
        let trial = samples::trials(&spec)[0];
        let outcome = || samples::recorded_with(trial, samples::large_scores(1));
        let entered = Entered::default();
        let handed_out = |seq, facts| {
            let mut recorded = recorded(seq, facts, 2);
            let taken = entered.take_hand_outs(&mut recorded).len();
            assert_eq!(taken + recorded.batch.hand_outs.len(), 2);
            taken
        };
        assert_eq!(handed_out(1, vec![outcome()]), 2);
        assert_eq!(handed_out(2, vec![submitted(&spec)]), 0);
        assert_eq!(handed_out(3, vec![outcome()]), 0, "the index lacks entry 2");
        entered.applied.store(1, Ordering::Release);
        assert_eq!(handed_out(4, vec![outcome()]), 0);
        entered.applied.store(2, Ordering::Release);
        assert_eq!(handed_out(5, vec![outcome()]), 2);
    }

    #[test]
    fn durable_batches_enter_the_index_together_in_order_and_those_before_an_error_too() {
        let spec = sweep("a", 1);
        let trial = samples::trials(&spec)[0];
        let outcomes = |n: usize| vec![samples::failed(trial); n];
        let lost = || Err(StoreError::NoState { dir: "gone".into() });
        let mut more = [
            Ok(recorded(5, outcomes(2), 1)),
            Ok(recorded(5, outcomes(0), 1)),
            Ok(recorded(5 + APPLIED_MAX as u64, outcomes(APPLIED_MAX), 0)),
            Ok(recorded(6 + APPLIED_MAX as u64, outcomes(1), 0)),
            lost(),
        ]
        .into_iter();
        let mut acted = Vec::new();
        let mut act = |recorded: Recorded| {
            let batch = recorded.batch;
            acted.push((recorded.last_seq, batch.facts.len(), batch.hand_outs.len()));
            Ok(())
        };
        let first = Ok(recorded(3, outcomes(3), 0));
        together(first, &mut more, &mut act).expect("acts");
        let next = more.next().expect("is left");
        assert!(together(next, &mut more, &mut act).is_err());
        let all = APPLIED_MAX as u64;
        assert_eq!(acted, [(5 + all, 5 + APPLIED_MAX, 2), (6 + all, 1, 0)]);
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
