//! Explanations: why trials wait. They follow from the state alone and are bounded: by sweep in
//! counts, by trial in one answer. The words are the driver's.

use super::ids::{GroupId, JobId, SweepId, TrialId, TrialNo};
use super::settings::{HINDERED_LOOKED, LOSSES_ALONE, STEAL_AFTER_MS};
use super::trials::TrialState;
use super::turns::Turn;
use super::workers::Worker;
use super::{HinderedTrials, Holder, Scheduler, SweepCounts};
use std::collections::BTreeSet;

/// Most trials that back off which are looked at for the first of a sweep.
const BACKING_OFF_LOOKED: usize = 10_000;

/// Why a trial that is in the queue does not start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Waits {
    /// All sweeps that want it are paused.
    Paused,
    /// There is no worker.
    NoWorker,
    /// A more urgent sweep goes first.
    Behind {
        /// The sweep.
        sweep: SweepId,
        /// Its priority.
        priority: i32,
    },
    /// Every worker has a job.
    Busy {
        /// How many there are.
        workers: usize,
    },
    /// It is left to a busy worker that has its activations.
    Held {
        /// The worker.
        worker: String,
        /// How much longer it is left to that worker while another is idle.
        for_ms: u64,
    },
    /// Some workers cannot run it, or pause; those that could are busy.
    Hindered {
        /// Why, by reason.
        by: Vec<HinderedTrials>,
        /// How many workers are left to ask.
        others: usize,
    },
    /// An idle worker gets it as soon as it asks.
    Next,
}

/// How a trial stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrialWhy {
    /// It waits to be leased.
    Waits {
        /// Why.
        why: Waits,
        /// Leases lost while it ran, where that makes it run alone; otherwise 0.
        losses: u32,
    },
    /// It waits for its next attempt.
    BackingOff {
        /// Attempts that failed.
        attempts: u32,
        /// For how much longer.
        for_ms: u64,
    },
    /// It is in a worker's hands.
    Leased {
        /// The worker.
        worker: String,
        /// Since when, or since the coordinator's start.
        for_ms: u64,
        /// The worker that runs a copy of it.
        copy: Option<String>,
    },
    /// No live worker can run it.
    Parked {
        /// Why, by reason.
        by: Vec<HinderedTrials>,
    },
    /// It has scores.
    Finished,
    /// It was set aside.
    Failed,
    /// It was given up at a rung.
    Stopped,
    /// No sweep needs it.
    Cancelled,
}

/// How a sweep's trials stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SweepWhy {
    /// How many trials are in which state.
    pub counts: SweepCounts,
    /// What trials in the queue wait for, and how many.
    pub waits: Vec<(Waits, u64)>,
    /// How many wait for their next attempt.
    pub backing_off: u64,
    /// When the first of them may start.
    pub next_attempt_ms: Option<u64>,
    /// Why parked trials are parked.
    pub parked: Vec<HinderedTrials>,
    /// How many open trials are suspected of crashing their workers.
    pub suspects: u64,
}

impl Scheduler {
    /// Why a sweep's trials wait; none where it was never submitted.
    pub fn explain_sweep(&self, now_ms: u64, id: SweepId) -> Option<SweepWhy> {
        let number = *self.sweep_numbers.get(&id)?;
        let sweep = self.sweep_at(id)?;
        let mut waits = Vec::new();
        let mut told = BTreeSet::new();
        let any = |_: GroupId| true;
        if let Some(first) = sweep.queue.first_group(any) {
            // What waits of a sweep that does not want it waits for another.
            let first = sweep.queue.group(first).next().expect("is not empty");
            let turn = if sweep.wanted {
                sweep.turn
            } else {
                self.turn_of(first)
            };
            let mut others = sweep.queue.trials();
            let hindered = sweep.hindrances.groups.keys().take(HINDERED_LOOKED);
            for group in sweep.queue.held(any).chain(hindered.copied()) {
                let why = self.waits(now_ms, turn, group);
                if matches!(why, Waits::Held { .. } | Waits::Hindered { .. }) {
                    let trials = sweep.queue.waiting(group) as u64;
                    let trials = if told.insert(group) { trials } else { 0 };
                    others -= trials;
                    add(&mut waits, why, trials);
                }
            }
            if others > 0 {
                let untold = |group| !told.contains(&group);
                let free = sweep.queue.first_free(untold);
                let group = free.or_else(|| sweep.queue.first_group(untold));
                let group = group.unwrap_or(self.at(first).group);
                add(&mut waits, self.waits(now_ms, turn, group), others);
            }
        }
        let parked = self.hindered(id).into_iter();
        let parked = parked.filter(|hindered| hindered.parked > 0).collect();
        let is_of = |trial: &TrialNo| self.at(*trial).sweeps.contains(&number);
        let due = self.backing_off.iter().take(BACKING_OFF_LOOKED);
        let mut due = due.filter(|(_, trial)| is_of(trial));
        let suspects = self.suspects.iter().filter(|trial| is_of(trial));
        Some(SweepWhy {
            counts: sweep.counts,
            waits,
            backing_off: sweep.counts.waiting - sweep.queue.trials(),
            parked,
            next_attempt_ms: due
                .next()
                .map(|(ready_ms, _)| ready_ms.saturating_sub(now_ms)),
            suspects: suspects.count() as u64,
        })
    }

    /// Why a trial waits; none where it was never submitted.
    pub fn explain_trial(&self, now_ms: u64, id: TrialId) -> Option<TrialWhy> {
        let number = *self.trial_numbers.get(&id)?;
        let trial = self.at(number);
        let worker = |job: &JobId| self.leases[job].holder.worker.clone();
        Some(match self.seen_by_all(number) {
            TrialState::Parked => TrialWhy::Parked {
                by: self.parked_by(number, None),
            },
            TrialState::Waiting => TrialWhy::Waits {
                why: self.waits(now_ms, self.turn_of(number), trial.group),
                losses: if trial.losses >= LOSSES_ALONE {
                    trial.losses
                } else {
                    0
                },
            },
            TrialState::BackingOff { ready_ms } => TrialWhy::BackingOff {
                attempts: trial.attempts,
                for_ms: ready_ms.saturating_sub(now_ms),
            },
            TrialState::Leased { job } => TrialWhy::Leased {
                worker: worker(&job),
                for_ms: now_ms.saturating_sub(self.leases[&job].granted_ms),
                copy: self.copies.get(&number).map(worker),
            },
            TrialState::Finished => TrialWhy::Finished,
            TrialState::Failed => TrialWhy::Failed,
            TrialState::Stopped => TrialWhy::Stopped,
            TrialState::Cancelled => TrialWhy::Cancelled,
        })
    }

    /// The first turn of a sweep that wants a trial.
    fn turn_of(&self, trial: TrialNo) -> Option<Turn> {
        let stopped = self.at(trial).stopped;
        let group = self.at(trial).group;
        let wanting = self.sweeps_of(trial).filter(|sweep| sweep.needs(stopped));
        let wanting = wanting.filter(|sweep| !sweep.hindrances.is_parked(group));
        wanting.filter_map(|sweep| sweep.turn).min()
    }

    /// Why a waiting trial of a group, wanted by a sweep that has this turn, does not start.
    fn waits(&self, now_ms: u64, turn: Option<Turn>, group: GroupId) -> Waits {
        let Some(turn) = turn else {
            return Waits::Paused;
        };
        if self.capacity.workers == 0 {
            return Waits::NoWorker;
        }
        let sweep = &self.sweeps[turn.sweep.0 as usize];
        let live = || self.workers.iter().filter(|(_, worker)| worker.is_live);
        let is_hindered = |(name, worker): &(&String, &Worker)| {
            let holder = Holder {
                worker: (*name).clone(),
                instance: worker.instance.clone(),
            };
            worker.is_unfit(now_ms) || !sweep.offers(now_ms, group, &holder)
        };
        let hindered = live().filter(&is_hindered).count();
        let live = || {
            live()
                .filter(|it| !is_hindered(it))
                .map(|(_, worker)| worker)
        };
        let all_busy = live().all(|worker| !worker.jobs.is_empty());
        if all_busy && hindered > 0 {
            return Waits::Hindered {
                by: self.hindered_in(now_ms, sweep, group),
                others: self.capacity.workers - hindered,
            };
        }
        if all_busy {
            let first = self
                .turns
                .first()
                .filter(|first| first.priority < turn.priority);
            return match first {
                Some(first) => Waits::Behind {
                    sweep: self.sweeps[first.sweep.0 as usize].id,
                    priority: first.priority.0,
                },
                None => Waits::Busy {
                    workers: self.capacity.workers,
                },
            };
        }
        let queue = &self.sweeps[turn.sweep.0 as usize].queue;
        let holders = self.holders(group);
        match holders.holders.first() {
            Some(worker) if self.are_busy(holders) && self.is_for_holders(now_ms, sweep, group) => {
                if self.is_plenty(queue, group) {
                    return Waits::Next;
                }
                let idle_since = live().filter_map(|worker| worker.idle_since_ms).min();
                let until_ms = idle_since.unwrap_or(now_ms) + STEAL_AFTER_MS;
                Waits::Held {
                    worker: worker.to_string(),
                    for_ms: until_ms.saturating_sub(now_ms),
                }
            }
            Some(_) | None => Waits::Next,
        }
    }
}

/// Counts trials that wait for something, together with others that wait for the same.
fn add(waits: &mut Vec<(Waits, u64)>, why: Waits, trials: u64) {
    match waits.iter_mut().find(|(known, _)| *known == why) {
        Some((_, count)) => *count += trials,
        None => waits.push((why, trials)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::scene::Scene;
    use super::super::{BACKOFF_MS, LOSSES_MAX};
    use super::*;

    fn waits(scene: &Scene, sweep: u64) -> Vec<(Waits, u64)> {
        let why = scene.core.explain_sweep(scene.now_ms, SweepId(sweep));
        why.expect("was submitted").waits
    }

    fn trial(scene: &Scene, id: u128) -> TrialWhy {
        let why = scene.core.explain_trial(scene.now_ms, TrialId(id));
        why.expect("was submitted")
    }

    fn waiting(why: Waits) -> TrialWhy {
        TrialWhy::Waits { why, losses: 0 }
    }

    #[test]
    fn who_is_missing_busy_paused_or_first_is_said() {
        let mut scene = Scene::new();
        scene.submit(1, 0..4);
        assert_eq!(waits(&scene, 1), [(Waits::NoWorker, 4)]);
        scene.register("a", "1", 2);
        assert_eq!(waits(&scene, 1), [(Waits::Next, 4)]);
        let job = scene.lease("a", "1").expect("a job");
        assert_eq!(waits(&scene, 1), [(Waits::Busy { workers: 1 }, 2)]);
        scene.submit(2, 10..12);
        scene.prioritise(2, 3);
        let behind = Waits::Behind {
            sweep: SweepId(2),
            priority: 3,
        };
        assert_eq!(waits(&scene, 1), [(behind.clone(), 2)]);
        assert_eq!(trial(&scene, 2), waiting(behind));
        assert_eq!(waits(&scene, 2), [(Waits::Busy { workers: 1 }, 2)]);
        scene.pause(2);
        assert_eq!(waits(&scene, 2), [(Waits::Paused, 2)]);
        assert_eq!(trial(&scene, 10), waiting(Waits::Paused));
        scene.finish("a", &job, 0);
        assert_eq!(trial(&scene, 0), TrialWhy::Finished);
        scene.cancel(1);
        assert_eq!(trial(&scene, 1), TrialWhy::Cancelled);
        assert_eq!(waits(&scene, 1), []);
        assert_eq!(scene.core.explain_sweep(0, SweepId(9)), None);
        assert_eq!(scene.core.explain_trial(0, TrialId(99)), None);
    }

    #[test]
    fn a_failed_attempt_and_a_holder_are_waited_for_so_long() {
        let mut scene = Scene::new();
        scene.submit(1, 0..3);
        scene.register("a", "1", 2);
        let job = scene.lease("a", "1").expect("a job");
        scene.register("b", "1", 2);
        assert_eq!(scene.lease("b", "1"), None);
        scene.wait("a", 1_000, job.lease);
        let held = Waits::Held {
            worker: "a".to_owned(),
            for_ms: STEAL_AFTER_MS - 1_000,
        };
        assert_eq!(waits(&scene, 1), [(held.clone(), 1)]);
        assert_eq!(trial(&scene, 2), waiting(held));
        let leased = TrialWhy::Leased {
            worker: "a".to_owned(),
            for_ms: 1_000,
            copy: None,
        };
        assert_eq!(trial(&scene, 1), leased);
        scene.fail("a", &job, 0, false);
        scene.fail("a", &job, 1, true);
        let why = scene.core.explain_sweep(scene.now_ms, SweepId(1));
        let why = why.expect("was submitted");
        assert_eq!((why.backing_off, why.counts.failed), (1, 1));
        assert_eq!(why.next_attempt_ms, Some(BACKOFF_MS));
        let backing_off = TrialWhy::BackingOff {
            attempts: 1,
            for_ms: BACKOFF_MS,
        };
        assert_eq!(trial(&scene, 0), backing_off);
        assert_eq!(trial(&scene, 1), TrialWhy::Failed);
    }

    #[test]
    fn a_suspect_is_named_until_it_is_set_aside() {
        let mut scene = Scene::new();
        scene.submit(1, 0..2);
        for round in 0..LOSSES_MAX {
            let why = scene.core.explain_sweep(0, SweepId(1)).expect("is there");
            let lost = u64::from(round > LOSSES_ALONE);
            assert_eq!(why.suspects.min(1), lost, "after {round} losses");
            let instance = round.to_string();
            scene.register("a", &instance, 2);
            scene.lease("a", &instance).expect("a job");
        }
        scene.register("a", "last", 2);
        let why = scene.core.explain_sweep(0, SweepId(1)).expect("is there");
        assert_eq!((why.counts.failed, why.suspects), (1, 1));
        let alone = TrialWhy::Waits {
            why: Waits::Next,
            losses: LOSSES_ALONE,
        };
        assert_eq!(trial(&scene, 1), alone);
    }
}
