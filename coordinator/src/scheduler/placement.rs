//! Placement: which waiting trials a worker gets. Trials of one job share their activations; a
//! worker stays with the group it did last, and otherwise takes the first in grid order. It hears
//! which other groups wait for a pass of the same ANN over the same stimuli, so that one pass serves
//! all of them.

use super::ids::{Epoch, GroupId, JobId, LeaseRef};
use super::settings::{ALONG_MAX, LOSSES_ALONE};
use super::trials::TrialNo;
use super::{Action, Fact, Grant, Holder, Refusal, Scheduler};

impl Scheduler {
    pub(super) fn on_job_requested(
        &mut self,
        now_ms: u64,
        holder: Holder,
        actions: &mut Vec<Action>,
    ) {
        let (group, lanes) = match self.workers.get_mut(&holder.worker) {
            // After a replay, a worker is known by its leases but has not said who it is now.
            None => return actions.push(Action::Refuse(Refusal::NotRegistered)),
            Some(worker) if worker.instance.is_empty() => {
                return actions.push(Action::Refuse(Refusal::NotRegistered));
            }
            Some(worker) if worker.instance != holder.instance => {
                return actions.push(Action::Refuse(Refusal::Superseded));
            }
            Some(worker) => {
                worker.seen_ms = now_ms;
                (worker.last_group, worker.lanes)
            }
        };
        let held = group.filter(|group| self.queue.group(*group).next().is_some());
        let Some(group) = held.or_else(|| self.queue.first_group()) else {
            return actions.push(Action::NothingToDo);
        };
        let numbers = self.choose(group, lanes);
        let number = self.last_epoch + 1;
        let lease = LeaseRef {
            job: JobId(number),
            epoch: Epoch(number),
        };
        let sweep = self.wanting(numbers[0]).expect("a waiting trial is wanted");
        let pass = self.at(numbers[0]).pass;
        let trials: Vec<_> = numbers.iter().map(|number| self.at(*number).id).collect();
        let fact = Fact::LeaseGranted {
            job: lease.job,
            epoch: lease.epoch,
            holder,
            trials: trials.clone(),
        };
        self.record(now_ms, fact, actions);
        let others = self.queue.pass(pass).map(|number| self.at(number));
        let others = others.filter(|trial| trial.group != group).take(ALONG_MAX);
        let along = others.map(|trial| trial.id).collect();
        actions.push(Action::GrantLease(Grant {
            lease,
            sweep,
            trials,
            along,
        }));
    }

    /// The first waiting trials of a group that is not empty. A suspect of taking its workers down
    /// runs alone.
    fn choose(&self, group: GroupId, lanes: usize) -> Vec<TrialNo> {
        let mut chosen: Vec<TrialNo> = Vec::new();
        for number in self.queue.group(group).take(lanes) {
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
}

#[cfg(test)]
mod tests {
    use super::super::TrialId;
    use super::super::scene::Scene;

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
