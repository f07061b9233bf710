//! Workers: which processes there are, which of them are alive, and which activations they have.
//!
//! A restart forgets all of it: workers register again and say again what their caches hold. A worker
//! that is silent for as long as a lease lives no longer counts.

use super::hindrances::Unfit;
use super::ids::{ActivationsId, GroupId, JobId, SweepNo};
use super::leases::Origin;
use super::settings::{CENSUS_MS, HELD_LOOKED, LANES_MAX, WORKERS_MAX};
use super::{Fact, Holder, LeaseEnd, Scheduler, TrialKey};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A registered worker.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) instance: String,
    pub(super) lanes: usize,
    pub(super) seen_ms: u64,
    /// Whether it counts among those that may take a job.
    pub(super) is_live: bool,
    /// The group it did last, whose activations it has.
    pub(super) last_group: Option<GroupId>,
    /// All activations it has; none while it is not live.
    pub(super) held: BTreeSet<ActivationsId>,
    /// Since when it has been idle because other workers hold the activations of waiting trials.
    pub(super) idle_since_ms: Option<u64>,
    pub(super) jobs: BTreeSet<JobId>,
    /// Whether it pauses, since its machine may be at fault.
    pub(super) unfit: Option<Unfit>,
    /// How many groups had been parked when it last looked for parked groups to try.
    pub(super) parkings_seen: u64,
}

/// How many live workers there are, and how many trials they take at once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Capacity {
    pub(super) workers: usize,
    pub(super) lanes: usize,
}

/// What trials of a job group have in common.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) activations: ActivationsId,
    /// Whether a live worker has the activations.
    pub(super) is_held: bool,
    /// Sweeps that have trials of the group.
    pub(super) sweeps: Vec<SweepNo>,
    /// How long its trials took.
    pub(super) took: Took,
}

/// The workers that can train on some activations without another pass of the ANN.
#[derive(Debug, Default)]
pub(super) struct Activations {
    /// Groups of trials on these activations.
    pub(super) groups: Vec<GroupId>,
    /// Live workers that have them.
    pub(super) holders: BTreeSet<Arc<str>>,
    /// Trials that these workers take with their next jobs.
    pub(super) lanes: usize,
}

/// How long trials took, from the lease to the outcome.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Took {
    outcomes: u64,
    total_ms: u64,
}

impl Took {
    pub(super) fn add(&mut self, ms: u64) {
        self.outcomes += 1;
        self.total_ms = self.total_ms.saturating_add(ms);
    }

    /// The mean, where there was an outcome.
    pub(super) fn mean_ms(self) -> Option<u64> {
        self.total_ms.checked_div(self.outcomes)
    }
}

impl Scheduler {
    pub(super) fn on_worker_registered(
        &mut self,
        now_ms: u64,
        holder: Holder,
        lanes: usize,
        facts: &mut Vec<Fact>,
    ) {
        self.forget_idle_workers(now_ms);
        self.remember_worker(now_ms, &holder);
        self.set_live(&holder.worker, false);
        let worker = self.workers.get_mut(&holder.worker).expect("was just seen");
        if worker.instance != holder.instance {
            worker.last_group = None;
            worker.unfit = None;
            worker.parkings_seen = 0;
        }
        worker.instance.clone_from(&holder.instance);
        worker.lanes = lanes.clamp(1, LANES_MAX);
        let jobs = worker.jobs.clone();
        self.set_live(&holder.worker, true);
        for job in jobs {
            let Some(lease) = self.leases.get(&job) else {
                continue;
            };
            if lease.holder != holder {
                let reason = match lease.origin {
                    Origin::Witnessed => LeaseEnd::WorkerRestarted,
                    Origin::Replayed => LeaseEnd::CoordinatorRestarted,
                };
                self.lose_lease(now_ms, lease.lease, reason, facts);
            }
        }
    }

    /// A worker ended in an orderly way: its leases end at once.
    pub(super) fn on_worker_left(&mut self, now_ms: u64, holder: &Holder, facts: &mut Vec<Fact>) {
        let current = self.workers.get(&holder.worker);
        let Some(worker) = current.filter(|worker| worker.instance == holder.instance) else {
            return;
        };
        for job in worker.jobs.clone() {
            let lease = self
                .leases
                .get(&job)
                .filter(|lease| lease.holder == *holder);
            if let Some(lease) = lease.map(|lease| lease.lease) {
                self.lose_lease(now_ms, lease, LeaseEnd::Released, facts);
            }
        }
        self.set_live(&holder.worker, false);
        self.workers
            .retain(|name, worker| *name != holder.worker || !worker.jobs.is_empty());
    }

    /// A worker said what its cache holds. Besides that, it is believed to have the activations of the
    /// group that it did last.
    pub(super) fn on_activations_held(
        &mut self,
        now_ms: u64,
        holder: &Holder,
        held: &[ActivationsId],
    ) {
        if !self.note_alive(now_ms, holder) {
            return;
        }
        let worker = &self.workers[&holder.worker];
        let last = self.activations_of(worker.last_group);
        let said: BTreeSet<_> = held.iter().copied().chain(last).collect();
        let gone: Vec<_> = worker.held.difference(&said).copied().collect();
        let new: Vec<_> = said.difference(&worker.held).copied().collect();
        for activations in gone {
            self.set_held(&holder.worker, activations, false);
        }
        for activations in new {
            self.set_held(&holder.worker, activations, true);
        }
    }

    fn activations_of(&self, group: Option<GroupId>) -> Option<ActivationsId> {
        Some(self.groups.get(&group?)?.activations)
    }

    /// The workers that have a group's activations.
    pub(super) fn holders(&self, group: GroupId) -> &Activations {
        &self.activations[&self.groups[&group].activations]
    }

    /// Whether all workers that have a group's activations have a job, as far as they are looked at.
    pub(super) fn are_busy(&self, holders: &Activations) -> bool {
        let mut looked = holders.holders.iter().take(HELD_LOOKED);
        looked.all(|name| !self.workers[&**name].jobs.is_empty())
    }

    /// Notes that a sweep has trials of a group, and whether a live worker has its activations.
    pub(super) fn share_group(&mut self, key: &TrialKey, sweep: SweepNo) -> bool {
        let group = self.groups.entry(key.group).or_insert_with(|| {
            let shared = self.activations.entry(key.activations).or_default();
            shared.groups.push(key.group);
            Group {
                activations: key.activations,
                is_held: !shared.holders.is_empty(),
                sweeps: Vec::new(),
                took: Took::default(),
            }
        });
        if group.sweeps.last() != Some(&sweep) {
            group.sweeps.push(sweep);
        }
        group.is_held
    }

    /// Takes in a worker's sign of life. Answers whether it comes from the process that registered last.
    pub(super) fn note_alive(&mut self, now_ms: u64, holder: &Holder) -> bool {
        let Some(worker) = self.workers.get_mut(&holder.worker) else {
            return false;
        };
        worker.seen_ms = now_ms;
        let is_current = worker.instance == holder.instance && !worker.instance.is_empty();
        if is_current && !worker.is_live {
            self.set_live(&holder.worker, true);
        }
        is_current
    }

    /// Remembers a worker that holds or asks for something.
    pub(super) fn remember_worker(&mut self, now_ms: u64, holder: &Holder) {
        let worker = self.workers.entry(holder.worker.clone());
        let worker = worker.or_insert_with(|| Worker {
            instance: holder.instance.clone(),
            lanes: 1,
            seen_ms: now_ms,
            is_live: false,
            last_group: None,
            held: BTreeSet::new(),
            idle_since_ms: None,
            jobs: BTreeSet::new(),
            unfit: None,
            parkings_seen: 0,
        });
        worker.seen_ms = now_ms;
    }

    /// Stops counting workers that have been silent for too long. Answers whether it was time to look.
    pub(super) fn take_census(&mut self, now_ms: u64) -> bool {
        if now_ms < self.next_census_ms {
            return false;
        }
        self.next_census_ms = now_ms + CENSUS_MS;
        let lease_ms = self.settings.lease_ms;
        let workers = self.workers.iter();
        let silent = workers.filter(|(_, worker)| worker.seen_ms + lease_ms <= now_ms);
        let silent: Vec<_> = silent.map(|(name, _)| name.clone()).collect();
        for name in silent {
            self.set_live(&name, false);
        }
        true
    }

    /// After a replay no worker has registered yet.
    pub(super) fn forget_processes(&mut self, now_ms: u64) {
        let names: Vec<_> = self.workers.keys().cloned().collect();
        for name in names {
            self.set_live(&name, false);
            if let Some(worker) = self.workers.get_mut(&name) {
                worker.instance.clear();
                worker.seen_ms = now_ms;
            }
        }
    }

    fn set_live(&mut self, name: &str, is_live: bool) {
        let Some(worker) = self.workers.get_mut(name) else {
            return;
        };
        if worker.is_live == is_live {
            return;
        }
        worker.is_live = is_live;
        let capacity = &mut self.capacity;
        if is_live {
            capacity.workers += 1;
            capacity.lanes += worker.lanes;
            let last = worker.last_group;
            if let Some(activations) = self.activations_of(last) {
                self.set_held(name, activations, true);
            }
        } else {
            capacity.workers -= 1;
            capacity.lanes -= worker.lanes;
            worker.idle_since_ms = None;
            let lanes = worker.lanes;
            for activations in std::mem::take(&mut worker.held) {
                self.remove_holder(name, lanes, activations);
            }
        }
    }

    /// Notes that a live worker has activations, or no longer has them.
    pub(super) fn set_held(&mut self, name: &str, id: ActivationsId, is_held: bool) {
        let Some(worker) = self.workers.get_mut(name) else {
            return;
        };
        if !is_held {
            let lanes = worker.lanes;
            worker.held.remove(&id);
            self.remove_holder(name, lanes, id);
        } else if worker.is_live && worker.held.insert(id) {
            let shared = self.activations.entry(id).or_default();
            let is_first = shared.holders.is_empty();
            shared.holders.insert(Arc::from(name));
            shared.lanes += worker.lanes;
            if is_first {
                self.mark_held(id, true);
            }
        }
    }

    fn remove_holder(&mut self, name: &str, lanes: usize, id: ActivationsId) {
        let Some(shared) = self.activations.get_mut(&id) else {
            return;
        };
        if !shared.holders.remove(name) {
            return;
        }
        shared.lanes -= lanes;
        if shared.holders.is_empty() {
            if shared.groups.is_empty() {
                // Known only through this worker.
                self.activations.remove(&id);
            } else {
                self.mark_held(id, false);
            }
        }
    }

    /// Moves the groups with these activations to where they belong in every queue.
    fn mark_held(&mut self, id: ActivationsId, is_held: bool) {
        for group in &self.activations[&id].groups {
            let shared = self.groups.get_mut(group).expect("a group that was shared");
            shared.is_held = is_held;
            for sweep in &shared.sweeps {
                self.sweeps[sweep.0 as usize]
                    .queue
                    .set_held(*group, is_held);
            }
        }
    }

    fn forget_idle_workers(&mut self, now_ms: u64) {
        if self.workers.len() >= WORKERS_MAX {
            self.next_census_ms = now_ms;
            self.take_census(now_ms);
            self.workers
                .retain(|_, worker| !worker.jobs.is_empty() || worker.is_live);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::scene::Scene;
    use super::super::{LOSSES_MAX, Refusal};
    use super::*;

    #[test]
    fn a_restarted_worker_goes_on_at_once() {
        let mut scene = Scene::new();
        scene.submit(1, 0..2);
        scene.register("a", "1", 2);
        let job = scene.lease("a", "1").expect("a job");
        scene.register("a", "1", 2);
        assert_eq!(scene.heartbeat("a", "1", &[job.lease]).0, []);
        scene.register("a", "2", 2);
        assert_eq!(scene.lease("a", "2").expect("a job").trials, job.trials);
        assert_eq!(scene.refused("a", "1"), Refusal::Superseded);
        assert_eq!(scene.heartbeat("a", "1", &[job.lease]).0, [job.lease]);
    }

    #[test]
    fn who_left_in_order_is_forgotten_and_what_it_held_is_no_loss() {
        let mut scene = Scene::new();
        scene.submit(1, 0..2);
        for round in 0..2 * LOSSES_MAX {
            let instance = round.to_string();
            scene.register("a", &instance, 2);
            assert_eq!(scene.lease("a", &instance).expect("a job").trials.len(), 2);
            scene.leave("a", "another");
            assert_eq!(
                scene.sweep(1).1.leased,
                2,
                "only the process that left left"
            );
            scene.leave("a", &instance);
            assert_eq!(scene.sweep(1).1.waiting, 2);
            assert_eq!(scene.core.capacity, Capacity::default());
            assert!(scene.core.workers.is_empty());
        }
        assert_eq!(scene.sweep(1).1.failed, 0);
        assert_eq!(scene.refused("a", "1"), Refusal::NotRegistered);
    }

    #[test]
    fn killing_everything_over_and_over_is_not_held_against_a_trial() {
        let mut scene = Scene::new();
        scene.submit(1, 0..1);
        for round in 0..2 * LOSSES_MAX {
            let instance = round.to_string();
            scene.register("a", &instance, 1);
            scene.lease("a", &instance).expect("a job");
            scene.restart();
        }
        assert_eq!(scene.sweep(1).1.failed, 0);
    }

    #[test]
    fn who_is_silent_for_as_long_as_a_lease_no_longer_counts() {
        let mut scene = Scene::new();
        scene.register("a", "1", 4);
        scene.register("b", "1", 2);
        let both = Capacity {
            workers: 2,
            lanes: 6,
        };
        assert_eq!(scene.core.capacity, both);
        scene.pass(20_000);
        scene.heartbeat("a", "1", &[]);
        scene.pass(10_000);
        let first = Capacity {
            workers: 1,
            lanes: 4,
        };
        assert_eq!(scene.core.capacity, first);
        scene.heartbeat("b", "1", &[]);
        assert_eq!(scene.core.capacity, both);
        scene.register("b", "2", 8);
        assert_eq!(scene.core.capacity.lanes, 12);
        scene.restart();
        assert_eq!(scene.core.capacity, Capacity::default());
    }
}
