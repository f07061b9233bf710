//! The world: one agenda of everything that happens, sorted by time. First comes turmoil, then
//! calm, in which every trial that a sweep needs must get its outcome.

mod end;
mod turmoil;

use super::call::{Answer, Ask, Call, Node, WorkerAsk};
use super::dice::Dice;
use super::disk::{Disk, Faults};
use super::host::{Hands, Host};
use super::ledger::Ledger;
use super::network::{Network, Way};
use super::poison::Poison;
use super::worker::{Trained, Worker};
use super::{Flaws, HEARTBEAT_MS, Setting, Sweep};
use std::collections::BTreeMap;

/// The duration of the turmoil.
const TURMOIL_MS: u64 = 60_000;

/// The longest duration of the calm, and the most steps of both together.
const CALM_MS: u64 = 3_600_000;
const STEPS_MAX: u64 = 2_000_000;

/// How long a caller waits for an answer.
const PATIENCE_MS: u64 = 3_000;

const TICK_MS: u64 = 500;

/// What a trial does at a rung if no answer comes.
const GOES_ON: Answer = Answer::Rung(true);

const FAULTS: Faults = Faults {
    die: 10,
    full: 5,
    sync: 8,
};

/// An item of the agenda.
#[derive(Debug)]
enum Happening {
    HostStarts,
    HostTurns,
    HostWrites,
    HostTicks,
    DiskFreed,
    Asked(Call),
    Answered(Call, Answer),
    Unanswered(Call),
    WorkerStarts(usize),
    /// A worker decides what to do next.
    WorkerActs(usize),
    WorkerTrains(usize, u32),
    WorkerBeats(usize, u32),
    ClientActs(usize),
    Mischief,
    Healed(Node),
    Calm,
}

/// Counts of what has happened.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Counts {
    pub(super) steps: u64,
    pub(super) checks: u64,
    pub(super) starts: u64,
    pub(super) kills: u64,
    pub(super) power: u64,
    pub(super) torn_lines: u64,
    pub(super) worker_deaths: u64,
    pub(super) drains: u64,
    pub(super) held_up: u64,
}

pub(super) struct World {
    pub(super) now_ms: u64,
    agenda: BTreeMap<(u64, u64), Happening>,
    entered: u64,
    dice: Dice,
    hands: Hands,
    pub(super) disk: Disk,
    host: Option<Host>,
    /// Whether a turn of it is on the agenda.
    host_turns: bool,
    /// The time until which its process is stopped or starved.
    host_sleeps_ms: u64,
    workers: Vec<Worker>,
    clients: usize,
    pub(super) sweeps: Vec<Sweep>,
    /// The sweeps that some workers cannot run.
    pub(super) poisons: Vec<Poison>,
    /// The time before which the end is not checked.
    ends_after_ms: u64,
    pub(super) network: Network,
    pub(super) ledger: Ledger,
    calls: u64,
    calm: bool,
    flaws: Flaws,
    /// Whether to print everything that happens.
    told: bool,
    pub(super) counts: Counts,
}

impl World {
    pub(super) fn new(seed: u64, setting: Setting, flaws: Flaws, told: bool) -> Self {
        let mut dice = Dice::new(seed, 0);
        let Setting {
            sweeps,
            poisons,
            workers,
        } = setting;
        let workers = workers.unwrap_or_else(|| dice.between(2, 4) as usize);
        let workers = (0..workers).map(|number| Worker::new(seed, number, &mut dice));
        let workers = workers.collect();
        let mut world = Self {
            now_ms: 0,
            agenda: BTreeMap::new(),
            entered: 0,
            dice,
            hands: Hands::default(),
            disk: Disk::new(seed, flaws.disk),
            host: None,
            host_turns: false,
            host_sleeps_ms: 0,
            workers,
            clients: 2,
            sweeps,
            poisons,
            ends_after_ms: TURMOIL_MS + 25_000,
            network: Network::default(),
            ledger: Ledger::default(),
            calls: 0,
            calm: false,
            flaws,
            told,
            counts: Counts::default(),
        };
        world.disk.set_faults(Some(FAULTS));
        world.enter(0, Happening::HostStarts);
        for worker in 0..world.workers.len() {
            world.enter(10, Happening::WorkerStarts(worker));
        }
        for client in 0..world.clients {
            world.enter(20, Happening::ClientActs(client));
        }
        world.enter(1_000, Happening::Mischief);
        world.enter(TURMOIL_MS, Happening::Calm);
        world
    }

    /// Runs the agenda until every trial that a sweep needs and some worker can run has its
    /// outcome.
    pub(super) fn run(&mut self) {
        self.run_to_its_end();
        self.check_end();
    }

    /// Like [`World::run`], but the world can continue.
    pub(super) fn run_to_its_end(&mut self) {
        while let Some(((now_ms, _), happening)) = self.agenda.pop_first() {
            self.now_ms = now_ms;
            self.hands.set(now_ms);
            self.counts.steps += 1;
            if self.told {
                tell(now_ms, &happening);
            }
            self.happen(happening);
            if self.calm && self.is_done() {
                return;
            }
            let stuck = now_ms > TURMOIL_MS + CALM_MS || self.counts.steps > STEPS_MAX;
            assert!(!stuck, "trials are still open after an hour of calm");
        }
    }

    fn enter(&mut self, in_ms: u64, happening: Happening) {
        self.entered += 1;
        let key = (self.now_ms + in_ms, self.entered);
        self.agenda.insert(key, happening);
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::HostStarts => self.start_host(),
            Happening::HostTurns => self.turn_host(),
            Happening::HostWrites => self.write(),
            Happening::HostTicks => {
                if self.host.is_some() {
                    self.turn_soon(0);
                    self.enter(TICK_MS, Happening::HostTicks);
                }
            }
            Happening::DiskFreed => self.disk.free(),
            Happening::Asked(call) => self.deliver(call),
            Happening::Answered(call, answer) => self.hear(&call, answer),
            Happening::Unanswered(call) => self.give_up(call),
            Happening::WorkerStarts(number) => self.start_worker(number),
            Happening::WorkerActs(number) => self.act(number),
            Happening::WorkerTrains(number, instance) => self.train(number, instance),
            Happening::WorkerBeats(number, instance) => self.beat(number, instance),
            Happening::ClientActs(number) => self.act_client(number),
            Happening::Mischief => self.do_mischief(),
            Happening::Healed(node) => self.network.heal(node),
            Happening::Calm => self.calm_down(),
        }
    }

    // The coordinator.

    fn start_host(&mut self) {
        if self.host.is_some() {
            return;
        }
        self.counts.starts += 1;
        match Host::start(&self.disk, &self.hands, self.flaws.host) {
            Ok((host, torn)) => {
                self.counts.torn_lines += u64::from(torn);
                self.ledger.read(&self.disk, &self.sweeps);
                self.ledger.check();
                self.ledger.check_core(host.core());
                self.counts.checks += 1;
                self.host = Some(host);
                self.turn_soon(0);
                self.enter(TICK_MS, Happening::HostTicks);
            }
            Err(error) => {
                let died = self.disk.revive();
                assert!(died || !self.calm, "it does not start: {error}");
                let damaged = matches!(error, crate::store::StoreError::BadLine { .. });
                assert!(!damaged, "it does not start: {error}");
                let power = self.dice.chance(500);
                self.after_death(power);
            }
        }
    }

    fn turn_soon(&mut self, in_ms: u64) {
        if !self.host_turns {
            self.host_turns = true;
            self.enter(in_ms, Happening::HostTurns);
        }
    }

    /// Whether the coordinator's process is held up, which delays what is due.
    fn is_held_up(&mut self, due: Happening) -> bool {
        let held_up = self.now_ms < self.host_sleeps_ms;
        if held_up {
            self.enter(self.host_sleeps_ms - self.now_ms, due);
        }
        held_up
    }

    fn turn_host(&mut self) {
        if self.is_held_up(Happening::HostTurns) {
            return;
        }
        self.host_turns = false;
        let Some(host) = &mut self.host else { return };
        host.turn();
        host.core().check_invariants();
        self.counts.checks += 1;
        let in_ms = self.dice.below(3);
        self.enter(in_ms, Happening::HostWrites);
    }

    fn write(&mut self) {
        if self.is_held_up(Happening::HostWrites) {
            return;
        }
        let Some(host) = &mut self.host else { return };
        let written = host.write();
        self.ledger.read(&self.disk, &self.sweeps);
        for (call, answer) in host.answered() {
            self.ledger.promise(&call, &answer, &self.sweeps);
            let delays = self.network.delays_ms(&mut self.dice, call.from, Way::Back);
            for delay in delays {
                let answered = Happening::Answered(call.clone(), answer.clone());
                self.entered += 1;
                self.agenda
                    .insert((self.now_ms + delay, self.entered), answered);
            }
        }
        if written.is_err() {
            let power = self.dice.chance(500);
            return self.lose_host(power);
        }
        self.check_best();
    }

    fn lose_host(&mut self, power: bool) {
        let Some(host) = self.host.take() else { return };
        for call in host.unanswered().cloned().collect::<Vec<_>>() {
            // The connection breaks, unless the whole machine has gone.
            if !power {
                self.enter(5, Happening::Answered(call, Answer::Unavailable));
            }
        }
        self.after_death(power);
    }

    fn after_death(&mut self, power: bool) {
        self.disk.revive();
        if power {
            self.counts.power += 1;
            self.disk.lose_power();
        } else {
            self.counts.kills += 1
        }
        self.ledger.read(&self.disk, &self.sweeps);
        self.ledger.check();
        let (freed, starts) = (self.dice.between(100, 3_000), self.dice.between(50, 6_000));
        self.enter(freed, Happening::DiskFreed);
        self.enter(starts, Happening::HostStarts);
    }

    // Calls.

    fn call(&mut self, from: Node, ask: Ask) -> u64 {
        self.calls += 1;
        let call = Call {
            id: self.calls,
            from,
            ask,
        };
        for delay in self.network.delays_ms(&mut self.dice, from, Way::There) {
            self.enter(delay, Happening::Asked(call.clone()));
        }
        self.enter(PATIENCE_MS, Happening::Unanswered(call));
        self.calls
    }

    fn deliver(&mut self, call: Call) {
        match &mut self.host {
            Some(host) => {
                host.take(call, &self.sweeps);
                let in_ms = self.dice.below(3);
                self.turn_soon(in_ms);
            }
            None => self.enter(5, Happening::Answered(call, Answer::Unavailable)),
        }
    }

    fn hear(&mut self, call: &Call, answer: Answer) {
        let Node::Worker(number) = call.from else {
            return;
        };
        let worker = &mut self.workers[number];
        let Ask::Worker(ask) = &call.ask else {
            return;
        };
        let (instance, beats) = match ask {
            WorkerAsk::Heartbeat { instance, .. } => (*instance, true),
            WorkerAsk::Register { instance, .. }
            | WorkerAsk::Lease { instance }
            | WorkerAsk::Release { instance, .. } => (*instance, false),
            WorkerAsk::Report(_) | WorkerAsk::Rung { .. } => (worker.instance, false),
        };
        let expected = beats || worker.give_up(call.id);
        if !worker.up || worker.instance != instance || !expected {
            return;
        }
        let away = matches!(answer, Answer::Unavailable | Answer::Leased(None));
        let answer = match (ask, answer) {
            (WorkerAsk::Rung { .. }, Answer::Unavailable) => GOES_ON,
            (_, answer) => answer,
        };
        if !worker.hear(answer) {
            return self.lose_worker(number);
        }
        let wait = if away {
            self.dice.between(100, 1_000)
        } else {
            1
        };
        self.enter(wait, Happening::WorkerActs(number));
    }

    fn give_up(&mut self, call: Call) {
        // The server may notice that the caller no longer waits, and take the job back.
        if self.dice.chance(500)
            && let Some(host) = &mut self.host
        {
            host.hang_up(call.id);
        }
        if let Node::Worker(number) = call.from
            && self.workers[number].give_up(call.id)
        {
            if let Ask::Worker(WorkerAsk::Rung { .. }) = call.ask {
                self.workers[number].hear(GOES_ON);
            }
            self.enter(1, Happening::WorkerActs(number));
        }
    }

    // Workers.

    fn start_worker(&mut self, number: usize) {
        if self.workers[number].up {
            return;
        }
        self.workers[number].start();
        let instance = self.workers[number].instance;
        self.enter(0, Happening::WorkerActs(number));
        self.enter(HEARTBEAT_MS, Happening::WorkerBeats(number, instance));
        self.enter(10, Happening::WorkerTrains(number, instance));
    }

    fn lose_worker(&mut self, number: usize) {
        self.counts.worker_deaths += 1;
        self.workers[number].die();
        let in_ms = self.dice.between(100, 8_000);
        self.enter(in_ms, Happening::WorkerStarts(number));
    }

    fn act(&mut self, number: usize) {
        if let Some(ask) = self.workers[number].next() {
            let call = self.call(Node::Worker(number), Ask::Worker(ask));
            self.workers[number].waits_for(call);
        }
    }

    fn train(&mut self, number: usize, instance: u32) {
        let worker = &mut self.workers[number];
        if !worker.up || worker.instance != instance {
            return;
        }
        let slowness = worker.slowness;
        match worker.train(&mut self.dice, &self.poisons) {
            Trained::Died => return self.lose_worker(number),
            Trained::One | Trained::Nothing => {}
        }
        self.act(number);
        let in_ms = slowness * self.dice.between(20, 400);
        self.enter(in_ms, Happening::WorkerTrains(number, instance));
    }

    fn beat(&mut self, number: usize, instance: u32) {
        let worker = &self.workers[number];
        if !worker.up || worker.instance != instance {
            return;
        }
        if let Some(ask) = worker.heartbeat() {
            self.call(Node::Worker(number), Ask::Worker(ask));
        }
        self.enter(HEARTBEAT_MS, Happening::WorkerBeats(number, instance));
    }
}

#[allow(clippy::print_stderr)]
fn tell(now_ms: u64, happening: &Happening) {
    eprintln!("{now_ms:>8} {happening:?}");
}
