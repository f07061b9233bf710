//! The driver: one task that feeds the scheduler, and records and answers what it decides.
//!
//! The order is record, sync, act: every answer goes through the writer behind the facts that it rests
//! on, even if it has no facts of its own, so that no answer says what a crash could take back.

mod caller;
mod catalogue;
mod clients;
mod clock;
mod command;
mod events;
mod explain;
mod inbox;
mod job;
mod observe;
mod status;
mod workers;
mod writer;

pub(crate) use caller::{Caller, Reply};
pub(crate) use catalogue::LookupError;
pub(crate) use clients::{Absent, Change, ClientCommand, DeleteError, Unretractable};
pub(crate) use clock::{Awake, Clock, Stopped, SystemClock};
pub(crate) use command::{Census, Command};
pub(crate) use events::{Events, Following, event};
pub(crate) use explain::hindered_words;
pub(crate) use job::LeaseError;
#[cfg(test)]
pub(crate) use job::Leased;
#[cfg(test)]
pub(crate) use workers::Fenced;
pub(crate) use workers::{ReportedOutcome, WorkerCommand};
#[cfg(test)]
pub(crate) use writer::settle;
pub(crate) use writer::{Batch, Entered, Told};

use crate::counts::Counts;
use crate::expand;
use crate::scheduler::{
    Event, Fact, Holder, LeaseRef, Scheduler, Settings, Snapshot, SweepCounts, SweepId, SweepState,
};
use crate::store::{History, Stamped, Store, StoreError};
use catalogue::Catalogue;
use events::EVENTS_KEPT;
use inbox::Inbox;
use nrp_proto::wire::SweepSpec;
use status::Presence;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use workers::Waiter;

/// Most commands that wait for the driver; further ones wait in their services.
const COMMANDS_MAX: usize = 1_024;

/// Most batches that wait for the disk; then the driver waits, and with it what goes into the next one.
const BATCHES_MAX: usize = 1;

/// Most facts of a batch to which another report is added.
const FACTS_REPORTED: usize = 256;

/// How often time passes.
const TICK: Duration = Duration::from_millis(500);

/// The state that was replayed at the start.
pub(crate) struct Replayed {
    pub(crate) core: Scheduler,
    catalogue: Catalogue,
}

impl Replayed {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            core: Scheduler::new(settings),
            catalogue: Catalogue::default(),
        }
    }

    /// Takes in the next fact of the journal, at `now_ms` on the monotonic clock.
    pub(crate) fn take(&mut self, now_ms: u64, fact: Fact) -> Result<(), StoreError> {
        let mut trials = Vec::new();
        if let Fact::SweepSubmitted { sweep, spec } = &fact {
            // A known sweep keeps its trials.
            if self.catalogue.get(*sweep).is_none() {
                trials = expand::keys(spec).map_err(|source| StoreError::Sweep {
                    name: spec.name.clone(),
                    source,
                })?;
            }
            self.catalogue.enter(*sweep, spec.clone());
        }
        if let Fact::SweepDeleted { sweep } = &fact {
            self.catalogue.remove(*sweep);
        }
        self.core.on_event(now_ms, Event::Replayed { fact, trials });
        Ok(())
    }

    /// The sweeps, in the order they were last submitted.
    pub(crate) fn sweeps(&self) -> impl Iterator<Item = (SweepId, &str, SweepState, SweepCounts)> {
        self.catalogue.all().filter_map(|(id, spec)| {
            let (state, counts) = self.core.sweep(id)?;
            Some((id, spec.name.as_str(), state, counts))
        })
    }

    /// A snapshot that stands for all facts taken in.
    pub(crate) fn snapshot(&self) -> Snapshot {
        self.catalogue.snapshot(&self.core)
    }
}

/// A running driver, as the rest of the crate holds it.
pub(crate) struct Running {
    pub(crate) commands: mpsc::Sender<Command>,
    /// Counts changes that may be worth showing.
    pub(crate) changes: watch::Receiver<u64>,
    pub(crate) events: Arc<Events>,
    pub(crate) history: History,
    /// Receives the reason if the store fails.
    pub(crate) failed: oneshot::Receiver<StoreError>,
    pub(crate) task: tokio::task::JoinHandle<()>,
    /// The writer's first thread, which ends last.
    pub(crate) writer: JoinHandle<()>,
}

/// Spawns the driver's task and the writer's threads.
pub(crate) fn spawn(
    replayed: Replayed,
    store: Box<dyn Store>,
    clock: Box<dyn Clock>,
    presence_ms: u64,
    counts: Counts,
) -> std::io::Result<Running> {
    let (commands, inbox) = mpsc::channel(COMMANDS_MAX);
    let (batches, to_write) = mpsc::channel(BATCHES_MAX);
    let (changed, changes) = watch::channel(0);
    let (fail, failed) = oneshot::channel();
    let (written, to_apply) = std::sync::mpsc::sync_channel(writer::RECORDED_MAX);
    let thread = |name: &str| std::thread::Builder::new().name(name.to_owned());
    let index = store.index().clone();
    let history = store.history();
    let events = Arc::new(Events::new(store.last_seq(), EVENTS_KEPT));
    let told = Told {
        counts: counts.clone(),
        events: events.clone(),
        changes: changed,
    };
    let (hand_outs, to_hand_out) = std::sync::mpsc::sync_channel(writer::HAND_OUTS_MAX);
    let entered = Arc::new(Entered::default());
    let next = writer::Next {
        written,
        hand_outs,
        entered: entered.clone(),
    };
    let handing_out = thread("nrp-jobs").spawn({
        let index = index.clone();
        move || writer::hand_out(&index, &to_hand_out)
    })?;
    let applying = thread("nrp-index")
        .spawn(move || writer::apply(&index, &to_apply, &told, &entered, fail))?;
    let recording = thread("nrp-journal").spawn({
        let driver = commands.downgrade();
        move || {
            let mut store = store;
            writer::write(&mut *store, to_write, next, driver, &counts);
            // Dropping the store releases its lock, so the index must be closed first.
            for thread in [applying, handing_out] {
                if let Err(panic) = thread.join() {
                    std::panic::resume_unwind(panic);
                }
            }
        }
    })?;
    let driver = Driver::new(replayed, clock, presence_ms, commands.downgrade());
    let task = tokio::spawn(driver.run(inbox, batches));
    Ok(Running {
        commands,
        changes,
        events,
        history,
        failed,
        task,
        writer: recording,
    })
}

/// Decides. Synchronous except for [`Driver::run`], so that the simulation can drive it too.
pub(crate) struct Driver {
    core: Scheduler,
    catalogue: Catalogue,
    clock: Box<dyn Clock>,
    /// How long after its last call a worker is shown.
    presence_ms: u64,
    presence: BTreeMap<String, Presence>,
    /// Workers that wait for a job, the longest waiting first.
    waiters: VecDeque<Waiter>,
    next_tick_ms: u64,
    batch: Batch,
    snapshot_due: bool,
    own: mpsc::WeakSender<Command>,
}

impl Driver {
    /// A driver on a replayed state; leases run from now.
    pub(crate) fn new(
        replayed: Replayed,
        clock: Box<dyn Clock>,
        presence_ms: u64,
        own: mpsc::WeakSender<Command>,
    ) -> Self {
        let mut driver = Self {
            core: replayed.core,
            catalogue: replayed.catalogue,
            clock,
            presence_ms,
            presence: BTreeMap::new(),
            waiters: VecDeque::new(),
            next_tick_ms: 0,
            batch: Batch::default(),
            snapshot_due: false,
            own,
        };
        driver.handle(Event::ReplayEnded);
        driver
    }

    #[cfg(test)]
    pub(crate) fn core(&self) -> &Scheduler {
        &self.core
    }

    async fn run(mut self, inbox: mpsc::Receiver<Command>, batches: mpsc::Sender<Batch>) {
        let mut inbox = Inbox::new(inbox);
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        // Decides only when the writer can take the decision: until then, reports wait and what is more
        // urgent may still overtake them. No permit: the writer has failed and has said why.
        while let Ok(mut permit) = batches.reserve().await {
            // Commands come before time: a heartbeat that waited in the channel while the process was
            // held up still counts.
            tokio::select! {
                biased;
                () = inbox.wait() => {},
                _ = ticks.tick() => {},
            }
            for command in inbox.urgent() {
                self.on_command(command);
                if self.batch.purges() {
                    // A batch ends with a deletion.
                    let batch = std::mem::take(&mut self.batch);
                    permit.send(batch);
                    permit = match batches.reserve().await {
                        Ok(permit) => permit,
                        Err(_) => return,
                    };
                }
            }
            while (self.batch.facts.len() < FACTS_REPORTED || inbox.is_over())
                && let Some(report) = inbox.report()
            {
                self.on_command(report);
            }
            let batch = self.turn();
            if !batch.is_empty() {
                permit.send(batch);
            }
            if inbox.is_over() {
                return;
            }
        }
    }

    /// After some commands: lets time pass, serves waiting workers, and hands out the batch to write.
    pub(crate) fn turn(&mut self) -> Batch {
        self.handle(Event::TimePassed);
        self.serve_waiters();
        if std::mem::take(&mut self.snapshot_due) {
            let snapshot = self.catalogue.snapshot(&self.core);
            self.batch.snapshot = Some((self.clock.wall_ms(), snapshot));
        }
        std::mem::take(&mut self.batch)
    }

    pub(crate) fn on_command(&mut self, command: Command) {
        match command {
            Command::Client { caller, command } => self.on_client(caller, command),
            Command::Worker { caller, command } => self.on_worker(caller, command),
            Command::Census { reply } => self.answer(reply, self.census()),
            Command::Snapshot => self.snapshot_due = true,
            Command::Stop => {}
        }
    }

    /// What a sweep of the catalogue was submitted with.
    fn spec(&self, sweep: SweepId) -> &Arc<SweepSpec> {
        let spec = self.catalogue.get(sweep);
        spec.expect("the catalogue follows the scheduler")
    }

    /// Tells the core of something that happened; the facts that follow go into the batch.
    fn handle(&mut self, event: Event) {
        for fact in self.core.on_event(self.clock.now_ms(), event) {
            self.record(fact);
        }
    }

    /// Asks the core something; the facts that follow go into the batch.
    fn ask<T>(&mut self, ask: impl FnOnce(&mut Scheduler, u64, &mut Vec<Fact>) -> T) -> T {
        let mut facts = Vec::new();
        let answer = ask(&mut self.core, self.clock.now_ms(), &mut facts);
        for fact in facts {
            self.record(fact);
        }
        answer
    }

    fn record(&mut self, fact: Fact) {
        let at_ms = self.clock.wall_ms();
        let is_deletion = matches!(fact, Fact::SweepDeleted { .. });
        let stamped = Stamped { at_ms, fact };
        if is_deletion {
            // It becomes durable with the journal that does without the sweep.
            self.batch.deleted = Some(stamped);
        } else {
            self.batch.facts.push(stamped);
        }
    }

    /// Answers behind everything that is in the batch so far.
    fn answer<T: Send + 'static>(&mut self, reply: Reply<T>, answer: T) {
        self.batch.effects.push(Box::new(move |_| {
            // The caller may have gone.
            let _ = reply.send(answer);
        }));
    }

    /// Takes a lease back later, when the job turns out not to have reached its worker.
    fn releasing(&self, holder: Holder, lease: LeaseRef) -> impl FnOnce() + Send + use<> {
        let driver = self.own.clone();
        move || {
            let (reply, _) = oneshot::channel();
            let command = WorkerCommand::Release {
                holder,
                lease,
                hindrance: None,
                reply,
            };
            let caller = Caller::HERE;
            if let Some(driver) = driver.upgrade() {
                // If the driver is too busy now, the lease lapses by itself.
                let _ = driver.try_send(Command::Worker { caller, command });
            }
        }
    }
}
