//! The coordinator's process: the real driver with the real journal and index. The world does step
//! by step what tasks and the writer's thread do in production.

use super::call::{self, Answer, Ask, Call, ClientAsk, Node, Report, WorkerAsk};
use super::disk::Disk;
use super::{LEASE_MS, Sweep, worker};
use crate::counts::Counts;
use crate::driver::{
    Batch, Caller, Change, ClientCommand, Clock, Command, Driver, Entered, Events, LeaseError,
    Leased, LookupError, Replayed, Reply, ReportedOutcome, Told, WorkerCommand, settle,
};
use crate::scheduler::{Fact, Fence, Holder, JobId, LeaseRef, Reporter, Settings};
use crate::store::{Index, JournalStore, Store, StoreError};
use nrp_proto::wire::{Job, SweepStatus, WorkerTotals};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::{mpsc, oneshot, watch};

/// The world's time, which the coordinator reads as its clock.
#[derive(Clone, Default)]
pub(super) struct Hands(Arc<AtomicU64>);

impl Hands {
    pub(super) fn set(&self, now_ms: u64) {
        self.0.store(now_ms, Ordering::Relaxed);
    }
}

impl Clock for Hands {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn wall_ms(&self) -> u64 {
        self.now_ms()
    }
}

/// Events that a coordinator keeps.
const EVENTS_KEPT: usize = 64;

/// Journals are compacted often: once this many bytes can be dropped.
const COMPACT_BYTES: u64 = 2_000;

/// Ways in which a coordinator is broken on purpose. Its simulation must fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    /// The coordinator answers before it writes.
    AnswersFirst,
    /// A restart forgets which leases were granted.
    ForgetsLeases,
    /// A restart forgets which trials passed rungs.
    ForgetsRungs,
}

pub(super) struct Host {
    driver: Driver,
    store: JournalStore,
    flaw: Option<Flaw>,
    told: Told,
    entered: Entered,
    inbox: VecDeque<Command>,
    /// What happens inside the process.
    own: mpsc::Receiver<Command>,
    _own: mpsc::Sender<Command>,
    batches: VecDeque<Batch>,
    waiting: Vec<Waiting>,
}

struct Waiting {
    call: Call,
    answer: Box<dyn FnMut() -> Option<Answer>>,
}

impl Host {
    /// Starts a coordinator on the content of the disk. Also returns whether a torn line was
    /// dropped.
    pub(super) fn start(
        disk: &Disk,
        hands: &Hands,
        flaw: Option<Flaw>,
    ) -> Result<(Self, bool), StoreError> {
        let settings = Settings {
            lease_ms: LEASE_MS,
            // Copies are rare because they come late; here they come early.
            copy_after_ms: 1_000,
            ..Settings::default()
        };
        let mut replayed = Replayed::new(settings);
        let (mut store, torn) = JournalStore::open(Box::new(disk.clone()), &mut |fact| {
            let forgotten = match flaw {
                Some(Flaw::ForgetsLeases) => {
                    matches!(fact, Fact::LeaseGranted { .. } | Fact::LeaseEnded { .. })
                }
                Some(Flaw::ForgetsRungs) => matches!(fact, Fact::RungReached { .. }),
                Some(Flaw::AnswersFirst) | None => false,
            };
            if forgotten {
                Ok(())
            } else {
                replayed.take(hands.now_ms(), fact)
            }
        })?;
        store.compact_above(COMPACT_BYTES);
        let (own, received) = mpsc::channel(64);
        let driver = Driver::new(replayed, Box::new(hands.clone()), LEASE_MS, own.downgrade());
        let told = Told {
            counts: Counts::new(),
            events: Arc::new(Events::new(store.last_seq(), EVENTS_KEPT)),
            changes: watch::Sender::new(0),
        };
        let host = Self {
            driver,
            store,
            flaw,
            told,
            entered: Entered::default(),
            inbox: VecDeque::new(),
            own: received,
            _own: own,
            batches: VecDeque::new(),
            waiting: Vec::new(),
        };
        Ok((host, torn.is_some()))
    }

    pub(super) fn core(&self) -> &crate::scheduler::Scheduler {
        self.driver.core()
    }

    pub(super) fn index(&self) -> &Index {
        self.store.index()
    }

    /// Whether everything that was decided has been written.
    pub(super) fn is_settled(&self) -> bool {
        self.batches.is_empty() && self.inbox.is_empty()
    }

    /// Accepts a call.
    pub(super) fn take(&mut self, call: Call, sweeps: &[Sweep]) {
        let (command, answer) = match call.ask.clone() {
            Ask::Worker(ask) => asked_by_worker(&name(call.from), ask),
            Ask::Client(ask) => asked_by_client(ask, sweeps),
        };
        self.inbox.push_back(command);
        self.waiting.push(Waiting { call, answer });
    }

    /// A caller stops waiting, and the server notices.
    pub(super) fn hang_up(&mut self, call: u64) {
        self.waiting.retain(|waiting| waiting.call.id != call);
    }

    /// The driver's turn: it handles all calls that have arrived, and the time.
    pub(super) fn turn(&mut self) {
        while let Ok(command) = self.own.try_recv() {
            self.inbox.push_back(command);
        }
        for command in self.inbox.drain(..) {
            self.driver.on_command(command);
        }
        let batch = self.driver.turn();
        if !batch.is_empty() {
            self.batches.push_back(batch);
        }
    }

    /// The writer's turn: all decisions so far share a sync.
    pub(super) fn write(&mut self) -> Result<(), StoreError> {
        let Some(mut batch) = self.batches.pop_front() else {
            return Ok(());
        };
        while let Some(next) = self.batches.pop_front() {
            batch.add(next);
        }
        if self.flaw == Some(Flaw::AnswersFirst) {
            for effect in std::mem::take(&mut batch.effects) {
                effect(self.store.index());
            }
        }
        if settle(&mut self.store, batch, &self.told, &self.entered)? {
            self.inbox.push_back(Command::Snapshot);
        }
        // Readers get exactly the events that are durable.
        assert_eq!(self.told.events.last_seq(), self.store.last_seq());
        Ok(())
    }

    /// The answers since the last call.
    pub(super) fn answered(&mut self) -> Vec<(Call, Answer)> {
        let mut answered = Vec::new();
        self.waiting.retain_mut(|waiting| match (waiting.answer)() {
            Some(answer) => {
                answered.push((waiting.call.clone(), answer));
                false
            }
            None => true,
        });
        // The answers of one write leave together; leases leave in the order in which they were
        // granted.
        answered.sort_by_key(|(_, answer)| match answer {
            Answer::Leased(job) => job.as_ref().map(|job| job.lease.fence),
            _ => None,
        });
        answered
    }

    /// The callers that wait for an answer that will never come.
    pub(super) fn unanswered(&self) -> impl Iterator<Item = &Call> {
        self.waiting.iter().map(|waiting| &waiting.call)
    }
}

/// A command, and how to fetch its answer.
type Asked = (Command, Box<dyn FnMut() -> Option<Answer>>);

fn asked_by_worker(worker: &str, ask: WorkerAsk) -> Asked {
    let holder = |instance: u32| Holder {
        worker: worker.to_owned(),
        instance: instance.to_string(),
    };
    match ask {
        WorkerAsk::Register { instance, lanes } => by_worker(
            |reply| WorkerCommand::Register {
                holder: holder(instance),
                device: "cpu".to_owned(),
                lanes,
                reply,
            },
            |()| Answer::Registered,
        ),
        WorkerAsk::Lease { instance } => by_worker(
            |reply| WorkerCommand::Lease {
                holder: holder(instance),
                held: Vec::new(),
                reply,
            },
            leased,
        ),
        WorkerAsk::Heartbeat { instance, leases } => by_worker(
            |reply| WorkerCommand::Heartbeat {
                holder: holder(instance),
                leases,
                activity: None,
                totals: WorkerTotals::default(),
                reply,
            },
            |fenced| match fenced {
                Ok(fenced) => Answer::Fenced {
                    lost: fenced.lost,
                    cancelled: fenced.cancelled,
                },
                Err(refusal) => Answer::Refused(refusal),
            },
        ),
        WorkerAsk::Report(reports) => {
            let outcomes = reported(worker, reports);
            let report = |reply| WorkerCommand::Report { outcomes, reply };
            by_worker(report, Answer::Verdicts)
        }
        WorkerAsk::Rung {
            lease,
            trial,
            epochs,
        } => by_worker(
            |reply| WorkerCommand::Rung {
                reporter: Reporter {
                    trial,
                    worker: worker.to_owned(),
                    lease,
                },
                epochs,
                validation_mse: worker::loss_at(trial, epochs),
                reply,
            },
            |goes_on| match goes_on {
                Ok(goes_on) => Answer::Rung(goes_on),
                Err(refused) => panic!("a worker tells what it was leased: {refused}"),
            },
        ),
        WorkerAsk::Release {
            instance,
            lease,
            hindrance,
        } => by_worker(
            |reply| WorkerCommand::Release {
                holder: holder(instance),
                lease,
                hindrance,
                reply,
            },
            |()| Answer::Released,
        ),
    }
}

fn reported(worker: &str, reports: Vec<Report>) -> Vec<ReportedOutcome> {
    let outcomes = reports.into_iter().map(|report| ReportedOutcome {
        reporter: Reporter {
            trial: report.trial,
            worker: worker.to_owned(),
            lease: report.lease,
        },
        attempt: report.attempt,
        region: String::new(),
    });
    outcomes.collect()
}

fn leased(leased: Leased) -> Answer {
    match leased {
        Ok(job) => Answer::Leased(job.map(leased_job)),
        Err(LeaseError::Refused(refusal)) => Answer::Refused(refusal),
        Err(LeaseError::Index(error)) => panic!("the index fails: {error}"),
    }
}

fn asked_by_client(ask: ClientAsk, sweeps: &[Sweep]) -> Asked {
    let (number, change) = match ask {
        ClientAsk::Submit(number) => {
            let submit = |reply| ClientCommand::Submit {
                sweep: sweeps[number].id,
                spec: Box::new(sweeps[number].spec.clone()),
                trials: sweeps[number].keys.clone(),
                priority: None,
                reply,
            };
            return by_client(submit, |_| Answer::Submitted);
        }
        ClientAsk::Status(number) => {
            let sweep = sweeps[number].id.to_string();
            return by_client(|reply| ClientCommand::Status { sweep, reply }, status);
        }
        ClientAsk::Cancel(number) => (number, Change::Cancel),
        ClientAsk::Resume(number) => (number, Change::Resume),
        ClientAsk::Pause(number) => (number, Change::Pause),
        ClientAsk::Prioritise(number, priority) => (number, Change::Prioritise(priority)),
    };
    let change = |reply| ClientCommand::Change {
        sweep: sweeps[number].id.to_string(),
        change,
        reply,
    };
    by_client(change, status)
}

fn by_worker<T: 'static>(
    command: impl FnOnce(Reply<T>) -> WorkerCommand,
    convert: impl Fn(T) -> Answer + 'static,
) -> Asked {
    let caller = Caller::HERE;
    let worker = |reply| {
        let command = command(reply);
        Command::Worker { caller, command }
    };
    asked(worker, convert)
}

fn by_client<T: 'static>(
    command: impl FnOnce(Reply<T>) -> ClientCommand,
    convert: impl Fn(T) -> Answer + 'static,
) -> Asked {
    let caller = Caller::HERE;
    let client = |reply| {
        let command = command(reply);
        Command::Client { caller, command }
    };
    asked(client, convert)
}

fn asked<T: 'static>(
    command: impl FnOnce(Reply<T>) -> Command,
    convert: impl Fn(T) -> Answer + 'static,
) -> Asked {
    let (reply, mut answer) = oneshot::channel();
    let fetch = move || match answer.try_recv() {
        Ok(answer) => Some(convert(answer)),
        Err(oneshot::error::TryRecvError::Empty) => None,
        // The driver drops an answer that nobody waits for.
        Err(oneshot::error::TryRecvError::Closed) => Some(Answer::Unavailable),
    };
    (command(reply), Box::new(fetch))
}

fn name(node: Node) -> String {
    match node {
        Node::Worker(number) => format!("w{number}"),
        Node::Client(number) => format!("c{number}"),
    }
}

fn leased_job(job: Job) -> call::Job {
    let trials = job.cells.iter();
    let trials = trials.map(|trial| trial.id.parse().expect("a trial's id"));
    call::Job {
        lease: LeaseRef {
            job: JobId(job.id),
            fence: Fence(job.fence),
        },
        trials: trials.collect(),
        rungs: job.rungs,
        data_dir: job.data_dir,
    }
}

fn status(status: Result<SweepStatus, LookupError>) -> Answer {
    Answer::Status(status.ok().map(|status| status.state))
}
