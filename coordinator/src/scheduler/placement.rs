//! Placement: which waiting trials a worker gets. Trials of one job share their activations, which cost
//! a pass of the ANN, so trials go to workers that have their activations.
//!
//! Sweep by sweep, in the order of turns, a worker gets trials of the group it did last, else of the
//! first group whose activations are in its cache, else of the first group that no live worker holds.
//! A group that other workers hold is left to them while they could take all of its trials with their
//! next jobs. But a worker waits for [`STEAL_AFTER_MS`] at most, so that no trial waits forever beside an
//! idle worker.
//!
//! A job also says which other groups wait for a pass of the same ANN over the same stimuli, so that
//! one pass serves all of them.

use super::ids::{Fence, GroupId, JobId, LeaseRef, PassId, SweepNo, TrialId, TrialNo};
use super::queue::Queue;
use super::settings::{ALONG_MAX, LOSSES_ALONE, STEAL_AFTER_MS, TURNS_LOOKED};
use super::sweeps::Sweep;
use super::workers::Worker;
use super::{Fact, Grant, Holder, Refusal, Scheduler};
use std::collections::BTreeSet;

impl Scheduler {
    /// A worker has nothing to do. Answers a job, or none where there is nothing to do now.
    ///
    /// # Errors
    /// When the worker must register first, or another process has registered under its name.
    pub fn on_job_requested(
        &mut self,
        now_ms: u64,
        holder: Holder,
        facts: &mut Vec<Fact>,
    ) -> Result<Option<Grant>, Refusal> {
        if !self.note_alive(now_ms, &holder) {
            let refusal = match self.workers.get(&holder.worker) {
                // After a replay, a worker is known by its leases but has not registered yet.
                Some(worker) if worker.instance.is_empty() => Refusal::NotRegistered,
                Some(_) => Refusal::Superseded,
                None => Refusal::NotRegistered,
            };
            return Err(refusal);
        }
        self.try_parked_again(now_ms, &holder, facts);
        let worker = &self.workers[&holder.worker];
        let (lanes, idle_since_ms) = (worker.lanes, worker.idle_since_ms);
        let is_unfit = worker.is_unfit(now_ms);
        if !is_unfit && let Some((sweep, group)) = self.place(now_ms, worker, &holder) {
            let numbers = self.choose(now_ms, sweep, group, lanes, &holder);
            let source = self.source(now_ms, &numbers, sweep, &holder);
            let turn = (Some(sweep), source);
            return Ok(Some(self.hand_out(now_ms, holder, numbers, turn, facts)));
        }
        let waits = !is_unfit && self.offers_something(now_ms, &holder);
        if !is_unfit
            && !waits
            && let Some((numbers, source)) = self.to_copy(now_ms, &holder)
        {
            let turn = (None, source);
            return Ok(Some(self.hand_out(now_ms, holder, numbers, turn, facts)));
        }
        let worker = self.workers.get_mut(&holder.worker).expect("was heard");
        worker.idle_since_ms = waits.then(|| idle_since_ms.unwrap_or(now_ms));
        Ok(None)
    }

    /// Whether a worker that asks now gets a job without waiting for another worker.
    pub fn has_waiting(&self) -> bool {
        let mut sweeps = self.in_turn();
        sweeps.any(|(_, sweep)| {
            let queue = &sweep.queue;
            let is_for_all = |group| sweep.is_for_all(group);
            queue.first_free(is_for_all).is_some()
                || queue.held(is_for_all).any(|group| {
                    self.is_plenty(queue, group) || !self.are_busy(self.holders(group))
                })
        })
    }

    /// The first sweeps that have a turn. Hindered ones do not count towards the limit, so that they hide
    /// no others.
    fn in_turn(&self) -> impl Iterator<Item = (SweepNo, &Sweep)> {
        let sweeps = self.turns.iter().map(|turn| turn.sweep);
        let sweeps = sweeps.map(|number| (number, &self.sweeps[number.0 as usize]));
        let mut looked = 0;
        sweeps.take_while(move |(_, sweep)| {
            let go_on = looked < TURNS_LOOKED;
            looked += usize::from(sweep.hindrances.groups.is_empty());
            go_on
        })
    }

    /// Whether any waiting trial may go to this worker, now or later.
    fn offers_something(&self, now_ms: u64, holder: &Holder) -> bool {
        let mut sweeps = self.in_turn();
        sweeps.any(|(_, sweep)| {
            let offers = |group| sweep.offers(now_ms, group, holder);
            sweep.queue.first_group(offers).is_some()
        })
    }

    /// The sweep and the group that a worker gets trials of; none where it must wait, or where there are
    /// no trials.
    fn place(&self, now_ms: u64, worker: &Worker, holder: &Holder) -> Option<(SweepNo, GroupId)> {
        for (number, sweep) in self.in_turn() {
            let queue = &sweep.queue;
            let offers = |group| sweep.offers(now_ms, group, holder);
            let own = self.with_activations(queue, worker, offers);
            let own = own.or_else(|| queue.first_free(offers));
            let plenty = || {
                let mut held = queue.held(offers);
                held.find(|group| {
                    self.is_plenty(queue, *group) || !self.is_for_holders(now_ms, sweep, *group)
                })
            };
            if let Some(group) = own.or_else(plenty) {
                return Some((number, group));
            }
        }
        let idle_since_ms = worker.idle_since_ms?;
        if now_ms < idle_since_ms + STEAL_AFTER_MS {
            return None;
        }
        self.in_turn().find_map(|(number, sweep)| {
            let offers = |group| sweep.offers(now_ms, group, holder);
            Some((number, sweep.queue.first_group(offers)?))
        })
    }

    /// The group that a worker did last, or the first other one whose activations it has, among the groups
    /// that it is offered.
    fn with_activations(
        &self,
        queue: &Queue,
        worker: &Worker,
        offers: impl Fn(GroupId) -> bool,
    ) -> Option<GroupId> {
        let last = worker.last_group;
        let last = last.filter(|group| queue.waiting(*group) > 0 && offers(*group));
        let held = || {
            let groups = worker
                .held
                .iter()
                .flat_map(|id| &self.activations[id].groups);
            let groups = groups.filter(|group| offers(**group));
            let firsts = groups.filter_map(|group| Some((queue.group(*group).next()?, *group)));
            firsts.min().map(|(_, group)| group)
        };
        last.or_else(held)
    }

    /// Whether more of a group waits than its holders could take with their next jobs.
    pub(super) fn is_plenty(&self, queue: &Queue, group: GroupId) -> bool {
        queue.waiting(group) > self.holders(group).lanes
    }

    /// Most trials that a worker gets of a group. Once all waiting trials of the sweep fit into the lanes
    /// of all workers, they are shared, so that no worker idles beside another's full job.
    fn share(&self, queue: &Queue, group: GroupId, lanes: usize) -> usize {
        if queue.trials() >= self.capacity.lanes as u64 {
            return lanes;
        }
        let takers = (self.capacity.workers / queue.groups()).max(1);
        lanes.min(queue.waiting(group).div_ceil(takers))
    }

    /// The first waiting trials of a group that a worker is offered. A trial that may be crashing its
    /// workers runs alone.
    fn choose(
        &self,
        now_ms: u64,
        sweep: SweepNo,
        group: GroupId,
        lanes: usize,
        holder: &Holder,
    ) -> Vec<TrialNo> {
        let mut chosen: Vec<TrialNo> = Vec::new();
        let sweep = &self.sweeps[sweep.0 as usize];
        let trials_max = self.share(&sweep.queue, group, lanes);
        let waiting = sweep.queue.group(group);
        let waiting = waiting.filter(|trial| sweep.offers_trial(now_ms, group, *trial, holder));
        for number in waiting.take(trials_max) {
            let suspect = self.at(number).losses >= LOSSES_ALONE;
            if suspect && !chosen.is_empty() {
                break;
            }
            chosen.push(number);
            if suspect {
                break;
            }
        }
        chosen
    }

    /// Leases trials: in a sweep's turn, or without one as a copy. They run on the files of `source`.
    fn hand_out(
        &mut self,
        now_ms: u64,
        holder: Holder,
        numbers: Vec<TrialNo>,
        (turn, source): (Option<SweepNo>, SweepNo),
        facts: &mut Vec<Fact>,
    ) -> Grant {
        let number = self.last_fence + 1;
        let lease = LeaseRef {
            job: JobId(number),
            fence: Fence(number),
        };
        let first = self.at(numbers[0]);
        let (group, pass) = (first.group, first.pass);
        let activations = self.groups[&group].activations;
        let sweep = self.sweeps[source.0 as usize].id;
        let trials: Vec<_> = numbers.iter().map(|number| self.at(*number).id).collect();
        if let Some(worker) = self.workers.get_mut(&holder.worker) {
            worker.idle_since_ms = None;
        }
        let fact = Fact::LeaseGranted {
            job: lease.job,
            fence: lease.fence,
            holder,
            trials: trials.clone(),
            taken: Vec::new(),
            copy: turn.is_none(),
            copied: false,
            sweep: Some(sweep),
        };
        let rungs = self.rungs(&numbers);
        self.record(now_ms, fact, facts);
        if let Some(sweep) = turn {
            self.change(sweep, |sweep| sweep.served = number);
        }
        Grant {
            lease,
            sweep,
            activations,
            trials,
            along: self.along(pass, group),
            rungs,
        }
    }

    /// One trial of each other group of a pass that waits in a sweep that has a turn.
    fn along(&self, pass: PassId, group: GroupId) -> Vec<TrialId> {
        let mut seen = BTreeSet::from([group]);
        // Groups that some worker could not run must not spoil this job.
        let firsts = self.in_turn().flat_map(|(_, sweep)| {
            let firsts = sweep.queue.pass(pass);
            firsts.filter(move |number| sweep.is_for_all(self.at(*number).group))
        });
        let trials = firsts.take(2 * ALONG_MAX).map(|number| self.at(number));
        let others = trials.filter(|trial| seen.insert(trial.group));
        others.take(ALONG_MAX).map(|trial| trial.id).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::scene::Scene;
    use super::super::{Grant, STEAL_AFTER_MS, TrialId};

    #[test]
    fn a_job_is_one_group_in_grid_order_up_to_the_lanes() {
        let mut scene = Scene::new();
        // 100 and 101 are of one group, 102 and 103 of the other, 104 and 105 of the first.
        scene.submit(1, 100..106);
        scene.register("a", "1", 3);
        let ids = |ids: &[u128]| ids.iter().map(|id| TrialId(*id)).collect::<Vec<_>>();
        assert_eq!(
            scene.lease("a", "1").expect("a job").trials,
            ids(&[100, 101, 104])
        );
        assert_eq!(scene.lease("a", "1").expect("a job").trials, ids(&[105]));
        assert_eq!(
            scene.lease("a", "1").expect("a job").trials,
            ids(&[102, 103])
        );
    }

    #[test]
    fn a_worker_stays_with_the_group_it_did_last() {
        let mut scene = Scene::new();
        scene.submit(1, 100..108);
        scene.register("a", "1", 2);
        scene.register("b", "1", 1);
        scene.lease("a", "1").expect("trials 100 and 101");
        scene.lease("b", "1").expect("trial 102");
        assert_eq!(
            scene.lease("a", "1").expect("a job").trials[0],
            TrialId(104)
        );
        assert_eq!(
            scene.lease("a", "1").expect("a job").trials[0],
            TrialId(103)
        );
        assert_eq!(
            scene.lease("b", "1").expect("a job").trials[0],
            TrialId(107)
        );
    }

    fn first(job: Option<Grant>) -> u128 {
        job.expect("a job").trials[0].0
    }

    #[test]
    fn a_worker_takes_what_its_cache_holds_before_anything_else() {
        let mut scene = Scene::new();
        scene.submit(1, 200..208);
        scene.register("a", "1", 1);
        scene.hold("a", "1", &[206, 203, 77]);
        let order: Vec<_> = (0..3).map(|_| first(scene.lease("a", "1"))).collect();
        assert_eq!(order, [203, 206, 200]);
    }

    #[test]
    fn what_another_holds_comes_last_and_what_it_lost_is_free() {
        let mut scene = Scene::new();
        scene.submit(1, 200..204);
        scene.register("a", "1", 1);
        scene.register("b", "1", 1);
        scene.hold("a", "1", &[200, 201]);
        assert_eq!(first(scene.lease("b", "1")), 202);
        scene.hold("a", "1", &[200]);
        assert_eq!(first(scene.lease("b", "1")), 201);
        scene.hold("a", "2", &[203]);
        assert_eq!(first(scene.lease("b", "1")), 203, "not said by its process");
        assert_eq!(first(scene.lease("a", "1")), 200);
    }

    #[test]
    fn a_worker_waits_for_the_holder_and_then_steals() {
        let mut scene = Scene::new();
        scene.submit(1, 0..3);
        scene.register("a", "1", 2);
        let job = scene.lease("a", "1").expect("trials 0 and 1");
        scene.register("b", "1", 2);
        assert_eq!(scene.lease("b", "1"), None, "a takes the last one next");
        scene.wait("a", STEAL_AFTER_MS - 1, job.lease);
        assert_eq!(scene.lease("b", "1"), None);
        assert!(!scene.core.has_waiting());
        scene.wait("a", 1, job.lease);
        assert_eq!(first(scene.lease("b", "1")), 2);
    }

    #[test]
    fn the_holder_takes_it_first_and_a_dead_one_keeps_nobody_waiting() {
        let mut scene = Scene::new();
        scene.submit(1, 200..202);
        scene.register("a", "1", 1);
        scene.register("b", "1", 1);
        scene.hold("a", "1", &[200, 201]);
        assert_eq!(scene.lease("b", "1"), None);
        assert!(scene.core.has_waiting(), "a is idle");
        assert_eq!(first(scene.lease("a", "1")), 200);
        assert_eq!(scene.lease("b", "1"), None);
        scene.pass(30_000);
        assert_eq!(first(scene.lease("b", "1")), 200);
    }

    #[test]
    fn more_than_its_holders_can_take_is_for_all() {
        let mut scene = Scene::new();
        scene.submit(1, 0..8);
        scene.register("a", "1", 2);
        scene.register("b", "1", 2);
        assert_eq!(first(scene.lease("a", "1")), 0);
        assert_eq!(first(scene.lease("b", "1")), 2);
    }

    #[test]
    fn rather_than_wait_a_worker_runs_what_is_less_urgent() {
        let mut scene = Scene::new();
        scene.submit(1, 0..3);
        scene.prioritise(1, 9);
        scene.submit(2, 200..201);
        scene.register("a", "1", 2);
        scene.lease("a", "1").expect("trials 0 and 1");
        scene.register("b", "1", 2);
        assert_eq!(first(scene.lease("b", "1")), 200);
    }

    #[test]
    fn the_last_trials_are_shared_among_the_workers() {
        let mut scene = Scene::new();
        scene.submit(1, 0..20);
        let names = ["a", "b", "c", "d"];
        for name in names {
            scene.register(name, "1", 8);
            scene.hold(name, "1", &[0]);
        }
        let sizes = names.map(|name| scene.lease(name, "1").expect("a job").trials.len());
        assert_eq!(sizes, [5, 4, 3, 2]);
        scene.submit(2, 100..108);
        let half = scene.lease("a", "1").expect("a job");
        assert_eq!(half.trials.len(), 2, "two groups, two workers for each");
    }

    #[test]
    fn a_job_carries_along_one_trial_of_each_other_group_of_its_pass() {
        let mut scene = Scene::new();
        // From 200 on each trial is a group of its own; 200 to 209 are of one pass, the others of
        // another.
        scene.submit(1, 200..216);
        scene.register("a", "1", 1);
        let first = scene.lease("a", "1").expect("a job");
        let ids = |range: std::ops::Range<u128>| range.map(TrialId).collect::<Vec<_>>();
        assert_eq!((first.trials, first.along), (ids(200..201), ids(201..210)));
        scene.lease("a", "1").expect("trial 201");
        let third = scene.lease("a", "1").expect("a job");
        assert_eq!((third.trials, third.along), (ids(202..203), ids(203..210)));
        scene.cancel(1);
        scene.submit(2, 205..207);
        let alone = scene.lease("a", "1").expect("a job");
        assert_eq!((alone.trials, alone.along), (ids(205..206), ids(206..207)));
    }

    #[test]
    fn what_comes_along_is_bounded() {
        let mut scene = Scene::new();
        scene.submit(1, 300..500);
        scene.register("a", "1", 1);
        let along = scene.lease("a", "1").expect("a job").along;
        assert_eq!(along.len(), super::super::ALONG_MAX);
    }

    #[test]
    fn files_are_read_from_where_the_latest_sweep_says() {
        let mut scene = Scene::new();
        scene.submit(1, 0..1);
        scene.submit(2, 0..1);
        scene.register("a", "1", 1);
        let job = scene.lease("a", "1").expect("a job");
        assert_eq!(job.sweep, super::super::SweepId(2));
    }
}
