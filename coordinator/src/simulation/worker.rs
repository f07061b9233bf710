//! A worker that behaves like the agent: it registers, asks for a job, trains the trials one after
//! the other, spools each outcome before it reports it, and reports it until it is acknowledged. A
//! worker dies and returns under the same name; its spool stays.

use super::call::{Answer, Report, WorkerAsk};
use super::dice::Dice;
use super::poison::{self, Poison};
use crate::scheduler::{Attempt, Hindrance, LeaseRef, Refusal, TrialId};
use nrp_proto::wire::Scores;
use std::collections::{BTreeSet, VecDeque};

/// What a trial does to the worker that trains it. It is fixed by the
/// world's seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Nature {
    Fine,
    /// Fails sometimes.
    Flaky,
    /// Always fails.
    Diverges,
    /// Kills its worker.
    Deadly,
}

pub(super) struct Worker {
    /// The number of its process: another after each start, 0 before the first.
    pub(super) instance: u32,
    pub(super) up: bool,
    pub(super) lanes: usize,
    /// The factor by which it trains slower than other workers.
    pub(super) slowness: u64,
    seed: u64,
    number: usize,
    registered: bool,
    leaving: bool,
    job: Option<Job>,
    /// The outcomes on its own disk, in the order in which they are reported.
    spool: VecDeque<Report>,
    /// The call it waits for, heartbeats aside.
    waits_for: Option<u64>,
}

struct Job {
    lease: LeaseRef,
    trials: VecDeque<TrialId>,
    rungs: Vec<u32>,
    /// How many rungs the current trial has passed.
    passed: usize,
    /// The trial is at the next rung, and the worker waits to hear whether it continues.
    at_rung: bool,
    unwanted: BTreeSet<TrialId>,
    /// The job must be handed back.
    broken_off: bool,
    /// The directory of its sweep's files, and how many of its trials were run.
    data_dir: String,
    run: usize,
    /// The reason why the job cannot run.
    hindrance: Option<Hindrance>,
}

/// The result of training for a while.
pub(super) enum Trained {
    /// Nothing to train.
    Nothing,
    /// One trial has ended; more may follow.
    One,
    /// The worker's process has died.
    Died,
}

impl Worker {
    pub(super) fn new(seed: u64, number: usize, dice: &mut Dice) -> Self {
        Self {
            instance: 0,
            up: false,
            lanes: dice.between(1, 4) as usize,
            slowness: if dice.chance(200) { 20 } else { 1 },
            seed,
            number,
            registered: false,
            leaving: false,
            job: None,
            spool: VecDeque::new(),
            waits_for: None,
        }
    }

    /// Starts a new process with the same name.
    pub(super) fn start(&mut self) {
        self.instance += 1;
        self.up = true;
    }

    /// Kills the worker. The spool stays.
    pub(super) fn die(&mut self) {
        self.up = false;
        self.registered = false;
        self.leaving = false;
        self.job = None;
        self.waits_for = None;
    }

    /// Tells the worker to stop: it hands its job back and leaves.
    pub(super) fn leave(&mut self) {
        self.leaving = true;
        if let Some(job) = &mut self.job {
            job.broken_off = true;
        }
    }

    pub(super) fn is_training(&self) -> bool {
        let trains = |job: &Job| {
            let goes_on = !job.broken_off && job.hindrance.is_none();
            goes_on && !job.at_rung && !job.trials.is_empty()
        };
        self.up && self.job.as_ref().is_some_and(trains)
    }

    pub(super) fn spooled(&self) -> usize {
        self.spool.len()
    }

    /// The worker's next call, or `None` if it waits already or only trains.
    pub(super) fn next(&self) -> Option<WorkerAsk> {
        if !self.up || self.waits_for.is_some() {
            return None;
        }
        let instance = self.instance;
        if !self.registered {
            let lanes = self.lanes;
            return Some(WorkerAsk::Register { instance, lanes });
        }
        if !self.spool.is_empty() {
            return Some(WorkerAsk::Report(self.spool.iter().cloned().collect()));
        }
        match &self.job {
            None => Some(WorkerAsk::Lease { instance }),
            Some(job) if job.broken_off || job.hindrance.is_some() => Some(WorkerAsk::Release {
                instance,
                lease: job.lease,
                hindrance: job.hindrance.clone(),
            }),
            Some(job) if job.at_rung => Some(WorkerAsk::Rung {
                lease: job.lease,
                trial: *job.trials.front()?,
                epochs: *job.rungs.get(job.passed)?,
            }),
            Some(_) => None,
        }
    }

    pub(super) fn waits_for(&mut self, call: u64) {
        self.waits_for = Some(call);
    }

    /// Stops waiting for a call. Returns whether the worker was still waiting for it.
    pub(super) fn give_up(&mut self, call: u64) -> bool {
        let waited = self.waits_for == Some(call);
        if waited {
            self.waits_for = None;
        }
        waited
    }

    pub(super) fn heartbeat(&self) -> Option<WorkerAsk> {
        let leases = self.job.iter().map(|job| job.lease).collect();
        let instance = self.instance;
        self.registered
            .then_some(WorkerAsk::Heartbeat { instance, leases })
    }

    /// Handles an answer. Returns whether the process continues.
    pub(super) fn hear(&mut self, answer: Answer) -> bool {
        match answer {
            Answer::Registered => self.registered = true,
            Answer::Leased(Some(job)) => {
                self.job = Some(Job {
                    lease: job.lease,
                    trials: job.trials.into(),
                    rungs: job.rungs,
                    passed: 0,
                    at_rung: false,
                    unwanted: BTreeSet::new(),
                    broken_off: self.leaving,
                    data_dir: job.data_dir,
                    run: 0,
                    hindrance: None,
                });
            }
            Answer::Leased(None) => return !self.leaving,
            Answer::Refused(Refusal::NotRegistered) => self.registered = false,
            Answer::Refused(Refusal::Superseded) => return false,
            Answer::Fenced { lost, cancelled } => {
                if let Some(job) = &mut self.job {
                    job.broken_off |= lost.contains(&job.lease);
                    job.unwanted.extend(cancelled);
                }
            }
            // Whatever the verdicts say, the reports have arrived.
            Answer::Verdicts(verdicts) => {
                self.spool.drain(..verdicts.len());
                self.end_job();
            }
            Answer::Rung(goes_on) => {
                if let Some(job) = &mut self.job {
                    job.at_rung = false;
                    job.passed += 1;
                    if !goes_on {
                        job.next();
                    }
                }
                self.end_job();
            }
            Answer::Released => {
                self.job = None;
                return !self.leaving;
            }
            Answer::Submitted | Answer::Status(_) => panic!("no worker asks this"),
            Answer::Unavailable => {}
        }
        true
    }

    /// Trains until the next trial ends, or reaches a rung.
    pub(super) fn train(&mut self, dice: &mut Dice, poisons: &[Poison]) -> Trained {
        if !self.is_training() {
            return Trained::Nothing;
        }
        let (seed, number) = (self.seed, self.number);
        let Some(job) = &mut self.job else {
            return Trained::Nothing;
        };
        let hindrance = poison::hindrance(poisons, &job.data_dir, number);
        if let Some((after, hindrance)) = hindrance
            && job.run >= after
        {
            job.hindrance = Some(hindrance);
            return Trained::One;
        }
        while let Some(trial) = job.trials.front().copied() {
            if job.unwanted.contains(&trial) {
                job.next();
                continue;
            }
            if job.passed < job.rungs.len() {
                job.at_rung = true;
                return Trained::One;
            }
            job.next();
            let attempt = match nature(seed, trial) {
                Nature::Fine => finished(trial),
                Nature::Flaky if dice.chance(500) => finished(trial),
                Nature::Flaky => failed("out of memory", false),
                Nature::Diverges => failed("the loss diverged", true),
                Nature::Deadly => return Trained::Died,
            };
            let lease = job.lease;
            self.spool.push_back(Report {
                lease,
                trial,
                attempt,
            });
            return Trained::One;
        }
        self.end_job();
        Trained::One
    }

    /// A job has ended once its last outcome is acknowledged.
    fn end_job(&mut self) {
        let over = |job: &Job| job.trials.is_empty() && !job.broken_off && job.hindrance.is_none();
        if self.spool.is_empty() && self.job.as_ref().is_some_and(over) {
            self.job = None;
        }
    }
}

impl Job {
    /// Continues with the next trial.
    fn next(&mut self) {
        self.trials.pop_front();
        self.run += 1;
        self.passed = 0;
    }
}

fn nature(seed: u64, trial: TrialId) -> Nature {
    let drawn = (trial.0 as u64).wrapping_mul(seed | 1) >> 32;
    match drawn % 100 {
        0..2 => Nature::Deadly,
        2..5 => Nature::Diverges,
        5..12 => Nature::Flaky,
        _ => Nature::Fine,
    }
}

/// The lowest validation loss that a trial has at a rung. It falls from rung to rung, from another
/// start for each trial.
pub(super) fn loss_at(trial: TrialId, epochs: u32) -> f64 {
    let above = (trial.0 >> 96) as u32 as f64 / f64::from(u32::MAX);
    validation_mse(trial) + above / f64::from(epochs)
}

fn validation_mse(trial: TrialId) -> f64 {
    (trial.0 >> 64) as u32 as f64 / f64::from(u32::MAX)
}

/// The same trial gives the same scores on every worker.
pub(super) fn finished(trial: TrialId) -> Attempt {
    let validation_mse = validation_mse(trial);
    Attempt::Finished(Box::new(Scores {
        validation_mse,
        nrp_error: validation_mse / 2.0,
        ..Scores::default()
    }))
}

fn failed(reason: &str, is_final: bool) -> Attempt {
    Attempt::Failed {
        reason: reason.to_owned(),
        is_final,
    }
}
