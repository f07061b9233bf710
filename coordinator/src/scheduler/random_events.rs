//! Random histories: thousands of events over a few sweeps and workers, with lapses, duplicates,
//! late reports, early stops, cancellations and restarts of any side. After every event the whole
//! state is checked; at the end every sweep still finishes, and every trial has exactly one outcome,
//! but that one which was stopped may go to its end for a sweep that stops none.

use super::scene::Scene;
use super::snapshot::durable;
use super::trials::TrialState;
use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Clone)]
enum Step {
    Submit {
        sweep: u64,
    },
    Cancel {
        sweep: u64,
    },
    Resume {
        sweep: u64,
    },
    Pause {
        sweep: u64,
    },
    Prioritise {
        sweep: u64,
        priority: i32,
    },
    Register {
        worker: usize,
        fresh: bool,
        lanes: usize,
    },
    Hold {
        worker: usize,
        groups: Vec<u64>,
    },
    Ask {
        worker: usize,
    },
    Heartbeat {
        worker: usize,
    },
    Release {
        pick: usize,
    },
    Leave {
        worker: usize,
    },
    Hinder {
        pick: usize,
        machine: bool,
    },
    Report {
        pick: usize,
        trial: usize,
        ending: u8,
    },
    Rung {
        pick: usize,
        trial: usize,
        rung: usize,
        loss: u8,
    },
    Pass {
        ms: u64,
    },
    Retract {
        trial: u128,
    },
    Restart,
}

/// Every other sweep stops trials early: its first rung and its reduction.
fn halving(sweep: u64) -> Option<(u32, u32)> {
    match sweep {
        1 => Some((3, 3)),
        3 => Some((2, 2)),
        _ => None,
    }
}

fn step() -> impl Strategy<Value = Step> {
    let sweep = 0..4u64;
    let worker = 0..3usize;
    prop_oneof![
        2 => sweep.clone().prop_map(|sweep| Step::Submit { sweep }),
        1 => sweep.clone().prop_map(|sweep| Step::Cancel { sweep }),
        1 => sweep.clone().prop_map(|sweep| Step::Resume { sweep }),
        1 => sweep.clone().prop_map(|sweep| Step::Pause { sweep }),
        1 => (sweep, -2..3i32)
            .prop_map(|(sweep, priority)| Step::Prioritise { sweep, priority }),
        3 => (worker.clone(), any::<bool>(), 1..5usize)
            .prop_map(|(worker, fresh, lanes)| Step::Register { worker, fresh, lanes }),
        2 => (worker.clone(), proptest::collection::vec(0..4u64, 0..4))
            .prop_map(|(worker, groups)| Step::Hold { worker, groups }),
        10 => worker.clone().prop_map(|worker| Step::Ask { worker }),
        6 => worker.clone().prop_map(|worker| Step::Heartbeat { worker }),
        1 => worker.prop_map(|worker| Step::Leave { worker }),
        1 => any::<usize>().prop_map(|pick| Step::Release { pick }),
        5 => (any::<usize>(), any::<bool>())
            .prop_map(|(pick, machine)| Step::Hinder { pick, machine }),
        20 => (any::<usize>(), 0..5usize, any::<u8>())
            .prop_map(|(pick, trial, ending)| Step::Report { pick, trial, ending }),
        12 => (any::<usize>(), 0..5usize, 0..4usize, any::<u8>())
            .prop_map(|(pick, trial, rung, loss)| Step::Rung { pick, trial, rung, loss }),
        4 => (0..20_000u64).prop_map(|ms| Step::Pass { ms }),
        2 => (100..130u128).prop_map(|trial| Step::Retract { trial }),
        1 => Just(Step::Restart),
    ]
}

/// What the outside knows: its workers' processes and every job it was ever handed.
struct World {
    scene: Scene,
    instances: [u32; 3],
    jobs: Vec<(usize, String, Grant)>,
}

const NAMES: [&str; 3] = ["a", "b", "c"];

impl World {
    fn instance(&self, worker: usize) -> String {
        self.instances[worker].to_string()
    }

    fn take(&mut self, step: Step) {
        match step {
            // Sweeps overlap by half.
            Step::Submit { sweep } => {
                let first = 100 + u128::from(sweep) * 6;
                self.scene
                    .submit_keys(sweep, first..first + 12, halving(sweep));
            }
            Step::Cancel { sweep } => self.scene.cancel(sweep),
            Step::Resume { sweep } => self.scene.resume(sweep),
            Step::Pause { sweep } => self.scene.pause(sweep),
            Step::Prioritise { sweep, priority } => self.scene.prioritise(sweep, priority),
            Step::Register {
                worker,
                fresh,
                lanes,
            } => {
                self.instances[worker] += u32::from(fresh);
                let instance = self.instance(worker);
                self.scene.register(NAMES[worker], &instance, lanes);
            }
            Step::Hold { worker, groups } => {
                let instance = self.instance(worker);
                self.scene.hold(NAMES[worker], &instance, &groups);
            }
            Step::Ask { worker } => self.ask(worker),
            Step::Heartbeat { worker } => {
                let instance = self.instance(worker);
                let held = self.jobs.iter().rev().take(6);
                let leases: Vec<_> = held.map(|(_, _, job)| job.lease).collect();
                self.scene.heartbeat(NAMES[worker], &instance, &leases);
            }
            Step::Release { pick } => {
                if let Some((worker, instance, job)) = self.pick(pick) {
                    self.scene.release(NAMES[worker], &instance, job.lease);
                }
            }
            Step::Leave { worker } => {
                let instance = self.instance(worker);
                self.scene.leave(NAMES[worker], &instance);
            }
            Step::Hinder { pick, machine } => {
                if let Some((worker, instance, job)) = self.pick(pick) {
                    let reason = ["no file", "no memory"][pick % 2];
                    let scene = &mut self.scene;
                    scene.hinder_by(NAMES[worker], &instance, job.lease, reason, machine);
                }
            }
            Step::Report {
                pick,
                trial,
                ending,
            } => {
                if let Some((worker, _, job)) = self.pick(pick) {
                    self.report(worker, &job, trial, ending);
                }
            }
            Step::Rung {
                pick,
                trial,
                rung,
                loss,
            } => {
                if let Some((worker, _, job)) = self.pick(pick) {
                    let trial = job.trials[trial % job.trials.len()].0;
                    let epochs = job.rungs.get(rung).copied().unwrap_or(3);
                    let loss = f64::from(loss);
                    let goes_on = self.scene.rung(NAMES[worker], &job, trial, epochs, loss);
                    let again = self.scene.rung(NAMES[worker], &job, trial, epochs, loss);
                    assert_eq!(goes_on, again, "an answer is never revised");
                }
            }
            Step::Pass { ms } => self.scene.pass(ms),
            Step::Retract { trial } => self.scene.retract(&[trial], "at random"),
            Step::Restart => self.restart(),
        }
    }

    fn ask(&mut self, worker: usize) {
        let instance = self.instance(worker);
        let first = self.most_urgent(worker);
        match self.scene.ask(NAMES[worker], &instance) {
            Ok(Some(job)) => {
                self.check_urgency(first, worker, &job);
                self.jobs.push((worker, instance, job));
            }
            Ok(None) => self.check_waiting(worker),
            Err(_) => {}
        }
    }

    fn report(&mut self, worker: usize, job: &Grant, trial: usize, ending: u8) {
        let trial = job.trials[trial % job.trials.len()];
        let attempt = match ending {
            0..200 => Attempt::Finished(Box::default()),
            _ => Attempt::Failed {
                reason: "random".to_owned(),
                is_final: ending > 245,
            },
        };
        self.scene.report(NAMES[worker], job.lease, trial, attempt);
    }

    /// The highest priority of a sweep of which something waits that may start on a worker.
    fn most_urgent(&self, worker: usize) -> Option<i32> {
        let core = &self.scene.core;
        if core.workers.get(NAMES[worker])?.is_unfit(self.scene.now_ms) {
            return None;
        }
        let waiting = core.trials.iter();
        let waiting = waiting.filter(|trial| trial.state == TrialState::Waiting);
        waiting
            .filter_map(|trial| self.urgency(trial, worker))
            .max()
    }

    fn urgency(&self, trial: &Trial, worker: usize) -> Option<i32> {
        let holder = Holder {
            worker: NAMES[worker].to_owned(),
            instance: self.instance(worker),
        };
        let now_ms = self.scene.now_ms;
        let number = self.scene.core.trial_numbers[&trial.id];
        let sweeps = trial.sweeps.iter();
        let sweeps = sweeps.map(|sweep| &self.scene.core.sweeps[sweep.0 as usize]);
        let wanting = sweeps.filter(|sweep| sweep.needs(trial.stopped) && !sweep.paused);
        let wanting =
            wanting.filter(|sweep| sweep.offers_trial(now_ms, trial.group, number, &holder));
        wanting.map(|sweep| sweep.priority).max()
    }

    /// Every trial of a job is wanted as urgently as any that still waits, but for those that are
    /// left to others, or is a copy while nothing waits.
    fn check_urgency(&self, first: Option<i32>, worker: usize, job: &Grant) {
        let core = &self.scene.core;
        for id in &job.trials {
            let urgency = self.urgency(core.at(core.trial_numbers[id]), worker);
            assert!(urgency.is_some(), "{id} starts and nobody wants it to");
            let Some(first) = first else {
                let number = core.trial_numbers[id];
                assert_eq!(core.copies.get(&number), Some(&job.lease.job));
                continue;
            };
            let are_left = core.trials.iter().all(|trial| {
                let holders = &core.holders(trial.group).holders;
                trial.state != TrialState::Waiting
                    || self.urgency(trial, worker) < Some(first)
                    || holders.iter().any(|name| **name != *NAMES[worker])
            });
            assert!(urgency >= Some(first) || are_left, "{id} jumps the queue");
        }
    }

    /// Nothing waits beside an idle worker for longer than it may.
    fn check_waiting(&self, worker: usize) {
        if self.most_urgent(worker).is_some() {
            let idle_since_ms = self.scene.core.workers[NAMES[worker]].idle_since_ms;
            let idle_ms = self.scene.now_ms - idle_since_ms.expect("it is left idle");
            assert!(idle_ms < STEAL_AFTER_MS, "it has idled for {idle_ms} ms");
        }
    }

    /// A recent job, perhaps one that is long over.
    fn pick(&self, pick: usize) -> Option<(usize, String, Grant)> {
        let recent = self.jobs.len().min(8);
        (recent > 0).then(|| self.jobs[self.jobs.len() - 1 - pick % recent].clone())
    }

    /// What is replayed is what was there.
    fn restart(&mut self) {
        let before = self.summary();
        self.scene.restart();
        assert_eq!(before, self.summary());
    }

    fn summary(&self) -> impl PartialEq + std::fmt::Debug + use<> {
        let sweeps = self.scene.core.sweeps.iter();
        let summary = sweeps.map(|sweep| {
            let (state, counts) = self.scene.sweep(sweep.id.0);
            let parked = self.scene.core.parked.clone();
            (state, counts, sweep.priority, parked)
        });
        (
            summary.collect::<Vec<_>>(),
            self.scene.core.rung_losses.clone(),
        )
    }

    /// Reading a snapshot back makes the state that reading the history back makes, whether it is
    /// taken of a running scheduler or of one that has just read the history.
    fn check_snapshot(&self) {
        let whole = self.scene.replayed(&self.scene.journal);
        let compacted = self.scene.replayed(&self.scene.compacted(&whole));
        assert_eq!(durable(&whole), durable(&compacted));
        // Only the running one knows that a wait is over.
        let mut compacted = self.scene.replayed(&self.scene.compacted(&self.scene.core));
        let mut whole = whole;
        for core in [&mut whole, &mut compacted] {
            for trial in core.backing_off.clone() {
                core.set_state(trial.1, TrialState::Waiting);
            }
        }
        assert_eq!(durable(&whole), durable(&compacted));
    }

    /// Healthy workers finish what is left, once all others have lost their leases: a trial may
    /// rightly be set aside when one lapses, so that comes before the sweeps are resumed.
    fn drain(&mut self) {
        while !self.scene.core.leases.is_empty() {
            self.scene.pass(30_000);
        }
        let sweeps: Vec<_> = self
            .scene
            .core
            .sweeps
            .iter()
            .map(|sweep| sweep.id)
            .collect();
        for sweep in &sweeps {
            self.scene.resume(sweep.0);
        }
        self.scene.register("z", "1", 4);
        for _ in 0..1_000 {
            match self.scene.lease("z", "1") {
                Some(job) => self.scene.finish_all("z", &job),
                None => self.scene.pass(30_000),
            }
        }
        for sweep in sweeps {
            let (state, counts) = self.scene.sweep(sweep.0);
            assert_eq!(state, SweepState::Finished);
            assert_eq!(counts.finished + counts.stopped, counts.trials());
            assert!(counts.stopped == 0 || halving(sweep.0).is_some());
        }
    }

    /// No trial finishes twice, or has an outcome while it has one; fences only grow.
    fn check_history(&self) {
        let mut outcomes: BTreeMap<TrialId, &Ending> = BTreeMap::new();
        let mut sweeps: BTreeMap<SweepId, BTreeSet<TrialId>> = BTreeMap::new();
        let mut last_fence = Fence(0);
        for (fact, keys) in &self.scene.journal {
            match fact {
                Fact::SweepSubmitted { sweep, .. } => {
                    sweeps.insert(*sweep, keys.iter().map(|key| key.id).collect());
                }
                Fact::SweepResumed { sweep } => outcomes.retain(|trial, ending| {
                    matches!(ending, Ending::Finished(_) | Ending::Stopped { .. })
                        || !sweeps[sweep].contains(trial)
                }),
                Fact::LeaseGranted { fence, trials, .. } => {
                    assert!(*fence > last_fence);
                    last_fence = *fence;
                    let to_its_end = |trial: &TrialId| {
                        let mut of = sweeps.iter().filter(|(_, trials)| trials.contains(trial));
                        of.any(|(sweep, _)| halving(sweep.0).is_none())
                    };
                    for trial in trials {
                        match outcomes.get(trial) {
                            None => {}
                            Some(Ending::Stopped { .. }) => assert!(to_its_end(trial)),
                            Some(Ending::Finished(_) | Ending::Failed { .. }) => {
                                panic!("{trial} is leased after its outcome")
                            }
                        }
                    }
                }
                Fact::OutcomeRecorded { trial, outcome, .. } => {
                    let before = outcomes.insert(*trial, outcome);
                    let is_last = match (before, outcome) {
                        (None, _) => true,
                        (Some(Ending::Stopped { .. }), Ending::Stopped { .. }) => false,
                        (Some(Ending::Stopped { .. }), _) => true,
                        (Some(Ending::Finished(_) | Ending::Failed { .. }), _) => false,
                    };
                    assert!(is_last, "{trial} has two outcomes");
                }
                Fact::SweepCancelled { .. }
                | Fact::SweepPaused { .. }
                | Fact::SweepPrioritised { .. }
                | Fact::LeaseEnded { .. }
                | Fact::GroupParked { .. }
                | Fact::GroupUnparked { .. }
                | Fact::RungReached { .. }
                | Fact::AttemptFailed { .. } => {}
                Fact::SweepDeleted { .. } => panic!("nobody deletes one"),
                Fact::OutcomeRetracted { trial, .. } => {
                    outcomes.remove(trial);
                }
                Fact::LeasesRemembered { .. }
                | Fact::TrialCarried { .. }
                | Fact::FenceReached { .. } => {
                    panic!("only a snapshot says so")
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_history_ends_with_one_outcome_for_each_trial(
        steps in proptest::collection::vec(step(), 50..300)
    ) {
        let mut world = World {
            // Copies are as rare as they are late: here they come early.
            scene: Scene::of(Settings {
                copy_after_ms: 1_000,
                ..Settings::default()
            }),
            instances: [0; 3],
            jobs: Vec::new(),
        };
        for (number, step) in steps.into_iter().enumerate() {
            world.take(step);
            if number % 16 == 0 {
                world.check_snapshot();
            }
        }
        world.check_snapshot();
        world.check_history();
        world.drain();
        world.check_history();
        world.check_snapshot();
    }
}
