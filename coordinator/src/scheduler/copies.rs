//! Copies: what an idle worker does while nothing waits. It runs trials that another worker has had for
//! too long, so that one slow worker does not delay the end of a sweep.
//!
//! The first outcome counts, the second is a duplicate, and the slower worker is told with its next
//! heartbeat. A trial has one copy at a time, and a lease is copied once. A copy does not count as an
//! attempt, nor its end as a loss. If the original is lost, the copy takes its place.

use super::ids::{SweepNo, TrialNo};
use super::leases::{Lease, Role};
use super::settings::{COPIES_LOOKED, COPY_FACTOR, COPY_UNKNOWN_MS};
use super::trials::TrialState;
use super::{Holder, JobId, Scheduler};

impl Scheduler {
    /// Trials of another worker that an idle one should run as well, and the sweep whose files they are
    /// run on.
    pub(super) fn to_copy(&self, now_ms: u64, holder: &Holder) -> Option<(Vec<TrialNo>, SweepNo)> {
        let lanes = self.workers[&holder.worker].lanes;
        // Jobs are numbered as they are leased: the longest leased comes first.
        let leases = self.copyable.iter().take(COPIES_LOOKED);
        let leases = leases.map(|job| &self.leases[job]);
        let others = leases.filter(|lease| lease.holder.worker != holder.worker);
        let slow = others.filter(|lease| now_ms >= lease.granted_ms + self.patience_ms(lease));
        let mut copies = slow.filter_map(|lease| {
            let source = lease.source?;
            let sweep = &self.sweeps[source.0 as usize];
            let open = lease.open.iter().copied();
            let open = open.filter(|number| {
                let trial = self.at(*number);
                self.is_worth_copying(*number)
                    && sweep.needs(trial.stopped)
                    && sweep.offers_trial(now_ms, trial.group, *number, holder)
                    && !sweep.hindrances.is_parked(trial.group)
            });
            let trials: Vec<_> = open.take(lanes).collect();
            (!trials.is_empty()).then_some((trials, source))
        });
        copies.next()
    }

    /// How old a lease must be to be copied: a multiple of the mean duration of comparable trials.
    fn patience_ms(&self, lease: &Lease) -> u64 {
        let first = lease.open.first().expect("a lease is never empty");
        let group = self.groups.get(&self.at(*first).group);
        let mean_ms = group.and_then(|group| group.took.mean_ms());
        match mean_ms.or(self.took.mean_ms()) {
            Some(mean_ms) => (COPY_FACTOR * mean_ms).max(self.settings.copy_after_ms),
            None => COPY_UNKNOWN_MS.max(self.settings.copy_after_ms),
        }
    }

    /// A trial that may have crashed a worker does not get a second one.
    fn is_worth_copying(&self, number: TrialNo) -> bool {
        let trial = self.at(number);
        let mut sweeps = self.sweeps_of(number);
        trial.losses == 0 && sweeps.any(|sweep| sweep.needs(trial.stopped) && !sweep.paused)
    }

    /// Whether a trial can be leased as a copy.
    pub(super) fn can_be_copied(&self, number: TrialNo) -> bool {
        let is_leased = matches!(self.at(number).state, TrialState::Leased { .. });
        is_leased && !self.copies.contains_key(&number)
    }

    /// Notes that a lease has trials of another's as well.
    pub(super) fn note_copy(&mut self, number: TrialNo, copy: JobId) {
        if let TrialState::Leased { job } = self.at(number).state {
            self.set_role(job, Role::Copied);
            self.copies.insert(number, copy);
        }
    }

    /// The copy that takes the place of a lease that ended, if there is one.
    pub(super) fn promote_copy(&mut self, number: TrialNo) -> Option<JobId> {
        let copy = self.copies.remove(&number)?;
        self.set_role(copy, Role::Sole);
        Some(copy)
    }

    pub(super) fn set_role(&mut self, job: JobId, role: Role) {
        if let Some(lease) = self.leases.get_mut(&job) {
            lease.role = role;
            match role {
                Role::Sole => self.copyable.insert(job),
                Role::Copied | Role::Copy => self.copyable.remove(&job),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::scene::Scene;
    use super::super::{Grant, LeaseRef, SweepState, TrialId, Verdict};
    use super::*;

    /// Worker `a` is slow with trials 2 and 3, after two that took a second; `b` has a copy of
    /// them.
    fn copied() -> (Scene, Grant, Grant) {
        let mut scene = Scene::new();
        scene.submit(1, 0..4);
        scene.register("a", "1", 2);
        let first = scene.lease("a", "1").expect("a job");
        scene.pass(1_000);
        scene.finish_all("a", &first);
        let slow = scene.lease("a", "1").expect("a job");
        scene.register("b", "1", 4);
        scene.wait("a", 29_000, slow.lease);
        assert_eq!(scene.lease("b", "1"), None);
        scene.wait("a", 1_000, slow.lease);
        let copy = scene.lease("b", "1").expect("a copy");
        assert_eq!(copy.trials, slow.trials);
        (scene, slow, copy)
    }

    #[test]
    fn the_first_outcome_counts_and_the_loser_is_told() {
        let (mut scene, slow, copy) = copied();
        assert_eq!(scene.finish("b", &copy, 2), Verdict::Recorded);
        assert_eq!(scene.finish("a", &slow, 2), Verdict::Duplicate);
        let told = scene.heartbeat("a", "1", &[slow.lease]);
        assert_eq!(told, (vec![], vec![TrialId(2)]));
        assert_eq!(scene.finish("a", &slow, 3), Verdict::Recorded);
        assert_eq!(scene.finish("b", &copy, 3), Verdict::Duplicate);
        assert_eq!(scene.heartbeat("b", "1", &[copy.lease]).0, [copy.lease]);
        assert_eq!(scene.sweep(1).0, SweepState::Finished);
    }

    #[test]
    fn there_is_one_copy_and_none_for_its_own_worker() {
        let (mut scene, slow, copy) = copied();
        scene.register("c", "1", 4);
        scene.pass(10_000);
        for (worker, lease) in [("a", slow.lease), ("b", copy.lease)] {
            scene.heartbeat(worker, "1", &[lease]);
            assert_eq!(scene.lease(worker, "1"), None);
        }
        assert_eq!(scene.lease("c", "1"), None);
        assert_eq!(scene.sweep(1).1.leased, 2);
    }

    #[test]
    fn a_copy_that_fails_or_is_lost_counts_for_nothing() {
        let (mut scene, slow, copy) = copied();
        assert_eq!(scene.fail("b", &copy, 2, false), Verdict::Duplicate);
        scene.wait("a", 29_000, slow.lease);
        scene.wait("a", 2_000, slow.lease);
        assert_eq!(scene.heartbeat("b", "1", &[copy.lease]).0, [copy.lease]);
        let trial = scene.core.at(TrialNo(2));
        assert_eq!((trial.attempts, trial.losses), (0, 0));
        assert_eq!(
            trial.state,
            TrialState::Leased {
                job: slow.lease.job
            }
        );
    }

    #[test]
    fn a_copy_takes_the_place_of_a_lost_original() {
        let (mut scene, slow, copy) = copied();
        scene.restart();
        scene.register("b", "1", 4);
        for _ in 0..2 {
            scene.pass(20_000);
            let held = scene.heartbeat("b", "1", &[copy.lease]);
            assert_eq!(held, (vec![], vec![]));
        }
        assert_eq!(scene.heartbeat("a", "1", &[slow.lease]).0, [slow.lease]);
        assert_eq!(scene.sweep(1).1.leased, 2, "nobody else gets them");
        assert_eq!(scene.fail("b", &copy, 2, false), Verdict::Recorded);
        assert_eq!(scene.finish("b", &copy, 3), Verdict::Recorded);
    }

    #[test]
    fn an_original_that_fails_takes_its_copy_along() {
        let (mut scene, slow, copy) = copied();
        assert_eq!(scene.fail("a", &slow, 2, false), Verdict::Recorded);
        assert_eq!(scene.fail("b", &copy, 2, false), Verdict::Duplicate);
        assert_eq!(scene.core.at(TrialNo(2)).attempts, 1);
        assert_eq!(scene.finish("b", &copy, 2), Verdict::Recorded);
        scene.cancel(1);
        let lost = |scene: &mut Scene, worker: &str, lease: LeaseRef| {
            scene.heartbeat(worker, "1", &[lease]).0 == [lease]
        };
        assert!(lost(&mut scene, "a", slow.lease));
        assert!(lost(&mut scene, "b", copy.lease));
    }

    #[test]
    fn a_paused_sweep_is_not_copied() {
        let mut scene = Scene::new();
        scene.submit(1, 0..2);
        scene.register("a", "1", 2);
        let slow = scene.lease("a", "1").expect("a job");
        scene.pause(1);
        scene.register("b", "1", 2);
        for _ in 0..100 {
            scene.wait("a", 20_000, slow.lease);
        }
        assert_eq!(scene.lease("b", "1"), None);
        scene.resume(1);
        assert_eq!(scene.lease("b", "1").expect("a copy").trials, slow.trials);
    }
}
