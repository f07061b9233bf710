//! The driver: feeds the scheduler, in one task, and carries out what it orders.
//!
//! The order is record, sync, act: every answer goes through the writer behind the facts it rests
//! on, those without facts of their own too, so that nothing is said that a crash could take back.

mod catalogue;
mod clock;
mod command;
mod explain;
mod job;
mod observe;
mod report;
mod status;
mod writer;

pub(crate) use catalogue::LookupError;
pub(crate) use clock::{Awake, Clock, Stopped, SystemClock};
pub(crate) use command::{
    Absent, Census, Command, DeleteError, Fenced, LeaseError, Leased, Reply, Report, Submitted,
    Unretractable,
};
pub(crate) use explain::hindered_words;
pub(crate) use writer::Batch;
#[cfg(test)]
pub(crate) use writer::settle;

use crate::expand;
use crate::scheduler::{
    Action, Event, Fact, Holder, Refusal, Scheduler, Settings, Snapshot, SweepCounts, SweepId,
    SweepState, TooManyOpen, TrialKey,
};
use crate::store::{Stamped, Store, StoreError};
use catalogue::Catalogue;
use nrp_proto::wire::{DeleteReply, SweepSpec, SweepStatus};
use status::Presence;
use std::collections::{BTreeMap, VecDeque};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

/// Commands that wait for the driver, at most; further ones wait in their services.
const COMMANDS_MAX: usize = 1_024;

/// Batches that wait for the disk, at most; then the driver waits.
const BATCHES_MAX: usize = 16;

/// Commands whose facts and answers go to the writer together, at most.
const COMMANDS_PER_BATCH: usize = 256;

/// How often time passes.
const TICK: Duration = Duration::from_millis(500);

/// How long a worker waits for a job before it is told that there is none.
const LEASE_WAIT_MS: u64 = 2_000;

/// The state at the start: what was replayed.
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

    /// Takes in the next fact of the journal.
    pub(crate) fn take(&mut self, now_ms: u64, fact: Fact) -> Result<(), StoreError> {
        let mut trials = Vec::new();
        if let Fact::SweepSubmitted { sweep, spec } = &fact {
            // A known sweep has the trials that it had.
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

    /// What stands for all facts taken in.
    pub(crate) fn snapshot(&self) -> Snapshot {
        self.catalogue.snapshot(&self.core)
    }
}

/// What the rest of the crate holds of a running driver.
pub(crate) struct Running {
    pub(crate) commands: mpsc::Sender<Command>,
    /// Counts changes that somebody may want to see.
    pub(crate) changes: watch::Receiver<u64>,
    /// Says why, if the store failed.
    pub(crate) failed: oneshot::Receiver<StoreError>,
    pub(crate) task: tokio::task::JoinHandle<()>,
    /// The writer's first thread, which ends last.
    pub(crate) writer: JoinHandle<()>,
}

/// A worker that waits for a job.
struct Waiter {
    holder: Holder,
    until_ms: u64,
    reply: Reply<Leased>,
}

/// Spawns the driver's task and the writer's threads.
pub(crate) fn spawn(
    replayed: Replayed,
    store: Box<dyn Store>,
    clock: Box<dyn Clock>,
    presence_ms: u64,
) -> std::io::Result<Running> {
    let (commands, inbox) = mpsc::channel(COMMANDS_MAX);
    let (batches, to_write) = mpsc::channel(BATCHES_MAX);
    let (changed, changes) = watch::channel(0);
    let (fail, failed) = oneshot::channel();
    let (written, to_apply) = std::sync::mpsc::sync_channel(writer::RECORDED_MAX);
    let thread = |name: &str| std::thread::Builder::new().name(name.to_owned());
    let index = store.index().clone();
    let applying =
        thread("nrp-index").spawn(move || writer::apply(&index, &to_apply, &changed, fail))?;
    let recording = thread("nrp-journal").spawn({
        let driver = commands.downgrade();
        move || {
            let mut store = store;
            writer::write(&mut *store, to_write, written, driver);
            // Who lets go of the store lets go of its lock: by then the index is to be closed.
            if let Err(panic) = applying.join() {
                std::panic::resume_unwind(panic);
            }
        }
    })?;
    let driver = Driver::new(replayed, clock, presence_ms, commands.downgrade());
    let task = tokio::spawn(driver.run(inbox, batches));
    Ok(Running {
        commands,
        changes,
        failed,
        task,
        writer: recording,
    })
}

/// What decides. Synchronous but for [`Driver::run`], so that the simulation can drive it too.
pub(crate) struct Driver {
    core: Scheduler,
    catalogue: Catalogue,
    clock: Box<dyn Clock>,
    /// How long after its last word a worker is shown.
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
    /// Takes up what was replayed; leases run from now.
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
        driver.tell(Event::ReplayEnded);
        driver
    }

    #[cfg(test)]
    pub(crate) fn core(&self) -> &Scheduler {
        &self.core
    }

    async fn run(mut self, mut inbox: mpsc::Receiver<Command>, batches: mpsc::Sender<Batch>) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut commands = Vec::with_capacity(COMMANDS_PER_BATCH);
        loop {
            // What is heard comes before the time: a heartbeat that waited in the channel while
            // the process was held up still counts.
            let mut stop = tokio::select! {
                biased;
                received = inbox.recv_many(&mut commands, COMMANDS_PER_BATCH) => received == 0,
                _ = ticks.tick() => false,
            };
            for command in commands.drain(..) {
                stop |= matches!(command, Command::Stop);
                self.on_command(command);
                if self.batch.purges {
                    let batch = std::mem::take(&mut self.batch);
                    if batches.send(batch).await.is_err() {
                        return;
                    }
                }
            }
            let batch = self.turn();
            if !batch.is_empty() && batches.send(batch).await.is_err() {
                // The writer has failed, and has said why.
                return;
            }
            if stop {
                return;
            }
        }
    }

    /// After some commands: lets time pass, serves who waits, and hands out what is to be written
    /// and then done.
    pub(crate) fn turn(&mut self) -> Batch {
        self.tell(Event::TimePassed);
        self.serve_waiters();
        if std::mem::take(&mut self.snapshot_due) {
            let snapshot = self.catalogue.snapshot(&self.core);
            self.batch.snapshot = Some((self.clock.wall_ms(), snapshot));
        }
        std::mem::take(&mut self.batch)
    }

    pub(crate) fn on_command(&mut self, command: Command) {
        match command {
            Command::Submit {
                sweep,
                spec,
                trials,
                priority,
                reply,
            } => {
                let submitted = self.submit(sweep, spec, trials);
                if let (Ok(_), Some(priority)) = (&submitted, priority) {
                    self.tell(Event::SweepPrioritised { sweep, priority });
                }
                self.answer(reply, submitted);
            }
            Command::Cancel { sweep, reply } => {
                self.change(&sweep, Event::SweepCancelled, reply);
            }
            Command::Delete {
                sweep,
                dry_run,
                reply,
            } => {
                let deleted = self.delete(&sweep, dry_run);
                self.answer(reply, deleted);
            }
            Command::Resume { sweep, reply } => self.change(&sweep, Event::SweepResumed, reply),
            Command::Pause { sweep, reply } => self.change(&sweep, Event::SweepPaused, reply),
            Command::Prioritise {
                sweep,
                priority,
                reply,
            } => {
                let event = |sweep| Event::SweepPrioritised { sweep, priority };
                self.change(&sweep, event, reply);
            }
            Command::Status { sweep, reply } => {
                let status = self.catalogue.find(&sweep).map(|sweep| self.status(sweep));
                self.answer(reply, status);
            }
            Command::Watch { sweep, reply } => {
                let watched = self.catalogue.find(&sweep).map(|sweep| self.watched(sweep));
                self.answer(reply, watched);
            }
            Command::Describe { sweep, reply } => {
                let spec = self.catalogue.find(&sweep).map(|sweep| {
                    let spec = self.catalogue.get(sweep);
                    spec.expect("it was just found").clone()
                });
                self.answer(reply, spec);
            }
            Command::List { reply } => {
                let all = self
                    .catalogue
                    .all()
                    .map(|(sweep, _)| self.status(sweep))
                    .collect();
                self.answer(reply, all);
            }
            Command::Find { sweep, reply } => {
                let found = self.catalogue.find(&sweep);
                self.answer(reply, found);
            }
            Command::Retract {
                trials,
                reason,
                reply,
            } => {
                let retracted = self.retract(trials, reason);
                self.answer(reply, retracted);
            }
            Command::Explain { subject, reply } => {
                let explained = self.explain(&subject);
                self.answer(reply, explained);
            }
            Command::Trials {
                sweep,
                trials,
                reply,
            } => {
                let views = trials
                    .into_iter()
                    .map(|trial| self.core.trial(Some(sweep), trial))
                    .collect();
                self.answer(reply, views);
            }
            Command::Open { sweep, rows, reply } => {
                let open = rows
                    .into_iter()
                    .map(|row| self.core.open_in_row(sweep, row));
                let open = open.collect();
                self.answer(reply, open);
            }
            Command::Workers { reply } => {
                let workers = self.workers();
                self.answer(reply, workers);
            }
            Command::Drain { workers, reply } => {
                let drained = self.drain(&workers);
                self.answer(reply, drained);
            }
            Command::Register { .. }
            | Command::Lease { .. }
            | Command::Heartbeat { .. }
            | Command::Report { .. }
            | Command::Rung { .. }
            | Command::Release { .. }
            | Command::Leave { .. } => self.on_worker(command),
            Command::Snapshot => self.snapshot_due = true,
            Command::Census { reply } => {
                let census = self.census();
                self.answer(reply, census);
            }
            Command::Stop => {}
        }
    }

    fn on_worker(&mut self, command: Command) {
        match command {
            Command::Register {
                holder,
                device,
                lanes,
                reply,
            } => {
                self.appear(&holder, device);
                self.tell(Event::WorkerRegistered { holder, lanes });
                self.answer(reply, ());
            }
            Command::Lease {
                holder,
                held,
                reply,
            } => {
                self.tell(Event::ActivationsHeld {
                    holder: holder.clone(),
                    held,
                });
                let until_ms = self.clock.now_ms() + LEASE_WAIT_MS;
                self.forget_waiter(&holder.worker);
                self.lease(Waiter {
                    holder,
                    until_ms,
                    reply,
                });
            }
            Command::Heartbeat {
                holder,
                leases,
                activity,
                totals,
                reply,
            } => {
                // Its leases live on even where it must announce itself again.
                let known = self.show(&holder.worker, activity, totals);
                let worker = holder.worker.clone();
                let actions = self.tell(Event::LeasesRenewed { holder, leases });
                for action in actions {
                    if let Action::Fence { lost, cancelled } = action {
                        let leave = self.is_leaving(&worker);
                        let fenced = Fenced {
                            lost,
                            cancelled,
                            leave,
                        };
                        let answer = known.then_some(fenced).ok_or(Refusal::NotRegistered);
                        return self.answer(reply, answer);
                    }
                }
            }
            Command::Report { reports, reply } => {
                let verdicts = reports.into_iter().map(|report| self.report(report));
                let verdicts = verdicts.collect();
                self.answer(reply, verdicts);
            }
            Command::Rung {
                worker,
                lease,
                trial,
                epochs,
                validation_mse,
                reply,
            } => {
                let reached = Event::RungReached {
                    worker,
                    lease,
                    trial,
                    epochs,
                    validation_mse,
                };
                let mut refused = self.tell(reached).into_iter().map(|action| match action {
                    Action::RefuseRung(refused) => Err(refused),
                    action => Ok(action == Action::ReplyRung { goes_on: true }),
                });
                let goes_on = refused.next_back().unwrap_or(Ok(false));
                self.answer(reply, goes_on);
            }
            Command::Release {
                holder,
                lease,
                hindrance,
                reply,
            } => {
                self.tell(Event::JobReleased {
                    holder,
                    lease,
                    hindrance,
                });
                self.answer(reply, ());
            }
            Command::Leave { holder, reply } => {
                self.disappear(&holder);
                self.tell(Event::WorkerLeft(holder));
                self.answer(reply, ());
            }
            Command::Submit { .. }
            | Command::Cancel { .. }
            | Command::Delete { .. }
            | Command::Resume { .. }
            | Command::Pause { .. }
            | Command::Prioritise { .. }
            | Command::Retract { .. }
            | Command::Status { .. }
            | Command::Watch { .. }
            | Command::Describe { .. }
            | Command::List { .. }
            | Command::Find { .. }
            | Command::Explain { .. }
            | Command::Trials { .. }
            | Command::Open { .. }
            | Command::Workers { .. }
            | Command::Drain { .. }
            | Command::Snapshot
            | Command::Census { .. }
            | Command::Stop => unreachable!("only what workers ask comes here"),
        }
    }

    /// Tells of what a client asked for a sweep, and answers how it stands then.
    fn change(
        &mut self,
        asked: &str,
        event: impl FnOnce(SweepId) -> Event,
        reply: Reply<Result<SweepStatus, LookupError>>,
    ) {
        let status = self.catalogue.find(asked).map(|sweep| {
            self.tell(event(sweep));
            self.status(sweep)
        });
        self.answer(reply, status);
    }

    fn submit(
        &mut self,
        sweep: SweepId,
        spec: Box<SweepSpec>,
        trials: Vec<TrialKey>,
    ) -> Result<Submitted, TooManyOpen> {
        self.core.check_room(&trials)?;
        let running = |core: &Scheduler| match core.sweep(sweep) {
            Some((SweepState::Running | SweepState::Finished, _)) => !core.is_hindered(sweep),
            Some((SweepState::Cancelled | SweepState::Paused | SweepState::Parked, _)) | None => {
                false
            }
        };
        // Submitting what is already so is no news.
        let known = match self.catalogue.is_latest(sweep, &spec) && running(&self.core) {
            true => true,
            false => {
                let known = self.catalogue.enter(sweep, spec.clone());
                self.tell(Event::SweepSubmitted {
                    sweep,
                    spec,
                    trials,
                });
                known
            }
        };
        let (_, counts) = self.core.sweep(sweep).expect("was just submitted");
        Ok(Submitted {
            trials: counts.trials(),
            closed: counts.finished + counts.failed + counts.stopped,
            known,
        })
    }

    /// Forgets a sweep that has ended. The store does without it in one step: its batch ends here.
    fn delete(&mut self, asked: &str, dry_run: bool) -> Result<DeleteReply, DeleteError> {
        let sweep = self.catalogue.find(asked).map_err(DeleteError::Lookup)?;
        let spec = self.catalogue.get(sweep).expect("it was just found");
        let name = spec.name.clone();
        let (state, _) = self
            .core
            .sweep(sweep)
            .expect("the catalogue follows the scheduler");
        if !state.has_ended() {
            return Err(DeleteError::Open { name, state });
        }
        let goes = self.core.deletion(sweep).unwrap_or_default();
        if !dry_run {
            self.tell(Event::SweepDeleted(sweep));
            self.catalogue.remove(sweep);
            let mut snapshot = self.catalogue.snapshot(&self.core);
            // What is told of it: of no effect where the sweep is not known.
            snapshot.after.push(Fact::SweepDeleted { sweep });
            self.batch.snapshot = Some((self.clock.wall_ms(), snapshot));
            self.batch.purges = true;
        }
        Ok(DeleteReply {
            sweep: sweep.to_string(),
            name,
            trials: goes.trials,
            outcomes: goes.outcomes,
            shared: goes.shared,
        })
    }

    /// Asks for a job for a worker, which waits on if there is none.
    fn lease(&mut self, worker: Waiter) {
        if worker.reply.is_closed() {
            return;
        }
        if self.is_leaving(&worker.holder.worker) {
            return self.waiters.push_back(worker);
        }
        for action in self.tell(Event::JobRequested(worker.holder.clone())) {
            match action {
                Action::GrantLease(grant) => {
                    let sweep = self.catalogue.get(grant.sweep);
                    let sweep = sweep.expect("the catalogue follows the scheduler").clone();
                    let hand_out =
                        job::hand_out(grant, sweep, worker.holder, worker.reply, &self.own);
                    return self.batch.effects.push(hand_out);
                }
                Action::Refuse(refusal) => {
                    return self.answer(worker.reply, Err(LeaseError::Refused(refusal)));
                }
                Action::NothingToDo => return self.waiters.push_back(worker),
                Action::Record(_)
                | Action::ReplyVerdict(_)
                | Action::ReplyRung { .. }
                | Action::RefuseRung(_)
                | Action::Fence { .. } => {}
            }
        }
    }

    /// Gives jobs to those who wait, while there are any. What comes with time alone, a steal or a
    /// copy, is asked for once a tick.
    fn serve_waiters(&mut self) {
        let now_ms = self.clock.now_ms();
        let is_tick = now_ms >= self.next_tick_ms;
        if is_tick {
            self.next_tick_ms = now_ms + TICK.as_millis() as u64;
        }
        for _ in 0..self.waiters.len() {
            if !is_tick && !self.core.has_waiting() {
                break;
            }
            if let Some(worker) = self.waiters.pop_front() {
                self.lease(worker);
            }
        }
        while let Some(worker) = self
            .waiters
            .pop_front_if(|worker| worker.until_ms <= now_ms)
        {
            self.answer(worker.reply, Ok(None));
        }
    }

    /// A worker that asks again no longer waits for the answer to what it asked before.
    fn forget_waiter(&mut self, worker: &str) {
        self.waiters.retain(|waiter| waiter.holder.worker != worker);
    }

    /// Tells the core; what is to be recorded goes into the batch, the rest is answered.
    fn tell(&mut self, event: Event) -> Vec<Action> {
        let mut others = Vec::new();
        for action in self.core.on_event(self.clock.now_ms(), event) {
            match action {
                Action::Record(fact) => self.record(fact),
                other => others.push(other),
            }
        }
        others
    }

    fn record(&mut self, fact: Fact) {
        // It becomes durable with the journal that does without the sweep.
        if let Fact::SweepDeleted { .. } = fact {
            self.batch.changed = true;
            return;
        }
        let at_ms = self.clock.wall_ms();
        self.batch.facts.push(Stamped { at_ms, fact });
    }

    /// Answers behind everything that is in the batch so far.
    fn answer<T: Send + 'static>(&mut self, reply: Reply<T>, answer: T) {
        self.batch.effects.push(Box::new(move |_| {
            // Who asked may have gone.
            let _ = reply.send(answer);
        }));
    }
}
