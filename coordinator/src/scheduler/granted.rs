//! Granted: which leases there were, so that an outcome counts only under a lease that its worker had.
//!
//! The latest leases that have ended are remembered, over restarts and compactions too, since outcomes may
//! come late. Of older ones, only the numbers are known to have been given out, but not the workers.

use super::ids::{Fence, GroupId, LeaseRef, TrialId, TrialNo};
use super::settings::LEASES_REMEMBERED;
use super::{Fact, Holder, LeaseRun, Scheduler};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Why what is reported under a lease does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// No lease of this number was ever given out.
    NotGranted(LeaseRef),
    /// It was given to another worker.
    OtherWorker(LeaseRef),
    /// It was given for other trials.
    OtherTrials(LeaseRef),
    /// The trial's outcome was retracted since, and with it all that comes from leases until then.
    Retracted(LeaseRef),
    /// The scores cover another number of sites than the region has.
    Sites {
        /// Sites in the report.
        found: u32,
        /// Sites of the region, as the sweep says.
        expected: u32,
    },
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (lease, problem) = match self {
            Refused::NotGranted(lease) => (lease, "was never granted"),
            Refused::OtherWorker(lease) => (lease, "was granted to another worker"),
            Refused::OtherTrials(lease) => (lease, "was granted for other trials"),
            Refused::Retracted(lease) => (
                lease,
                "is from before the trial's outcome was retracted; only a new attempt counts",
            ),
            Refused::Sites { found, expected } => {
                return write!(
                    f,
                    "the scores are of {found} sites, and the sweep's region has {expected}"
                );
            }
        };
        let (job, fence) = (lease.job.0, lease.fence.0);
        write!(f, "the lease of job {job}, fence {fence}, {problem}")
    }
}

/// A lease that was given out.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Past {
    worker: Arc<str>,
    /// The group of its trials; none where the trials are no longer known.
    group: Option<GroupId>,
}

/// The latest leases, by their number, which is that of the job and the fence.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Granted(BTreeMap<u64, Past>);

impl Granted {
    fn remember(&mut self, number: u64, worker: &Arc<str>, group: Option<GroupId>) {
        let worker = worker.clone();
        self.0.insert(number, Past { worker, group });
        while self.0.len() > LEASES_REMEMBERED {
            self.0.pop_first();
        }
    }

    /// Facts that restore all of it.
    pub(super) fn facts(&self) -> Vec<Fact> {
        let mut workers: BTreeMap<&str, Vec<LeaseRun>> = BTreeMap::new();
        for (number, past) in &self.0 {
            let (fence, group) = (Fence(*number), past.group);
            let runs = workers.entry(&past.worker).or_default();
            match runs.last_mut() {
                Some(run) if run.last.0 + 1 == *number && run.group == group => run.last = fence,
                Some(_) | None => runs.push(LeaseRun {
                    first: fence,
                    last: fence,
                    group,
                }),
            }
        }
        let facts = workers.into_iter().map(|(worker, leases)| {
            let worker = worker.to_owned();
            Fact::LeasesRemembered { worker, leases }
        });
        facts.collect()
    }
}

impl Scheduler {
    /// Whether a worker may report a trial under a lease.
    pub(super) fn check_lease(
        &self,
        worker: &str,
        lease: LeaseRef,
        number: TrialNo,
    ) -> Result<(), Refused> {
        let retracted = self.retracted.get(&number);
        if retracted.is_some_and(|upto| lease.fence.0 <= *upto) {
            return Err(Refused::Retracted(lease));
        }
        if lease.fence.0 == 0 || lease.fence.0.max(lease.job.0) > self.last_fence {
            return Err(Refused::NotGranted(lease));
        }
        if let Some(live) = self
            .leases
            .get(&lease.job)
            .filter(|live| live.lease == lease)
        {
            let has = live.open.contains(&number) || live.taken.contains(&number);
            return if live.holder.worker != worker {
                Err(Refused::OtherWorker(lease))
            } else if has {
                Ok(())
            } else {
                Err(Refused::OtherTrials(lease))
            };
        }
        if lease.job.0 != lease.fence.0 {
            return Err(Refused::NotGranted(lease));
        }
        let Some(past) = self.granted.0.get(&lease.fence.0) else {
            // Had a lease behind the first remembered one been granted, it would be remembered, too.
            let first = self.granted.0.first_key_value().map(|(number, _)| *number);
            return if first.is_some_and(|first| first < lease.fence.0) {
                Err(Refused::NotGranted(lease))
            } else {
                Ok(())
            };
        };
        if *past.worker != *worker {
            Err(Refused::OtherWorker(lease))
        } else if past
            .group
            .is_some_and(|group| group != self.at(number).group)
        {
            Err(Refused::OtherTrials(lease))
        } else {
            Ok(())
        }
    }

    /// The transition of [`Fact::LeasesRemembered`].
    pub(super) fn remember_all(&mut self, worker: &str, leases: &[LeaseRun]) {
        let worker = Arc::from(worker);
        for run in leases {
            // However far apart a journal says that they are.
            let first = run
                .first
                .0
                .max(run.last.0.saturating_sub(LEASES_REMEMBERED as u64));
            for number in first..=run.last.0 {
                self.granted.remember(number, &worker, run.group);
            }
        }
    }

    /// Remembers a lease that is granted for trials.
    pub(super) fn remember(&mut self, lease: LeaseRef, holder: &Holder, trials: &[TrialId]) {
        let numbers = trials.iter().filter_map(|id| self.trial_numbers.get(id));
        let group = numbers.map(|number| self.at(*number).group).next();
        let worker = Arc::from(&*holder.worker);
        self.granted.remember(lease.fence.0, &worker, group);
    }
}

#[cfg(test)]
mod tests {
    use super::super::scene::Scene;
    use super::super::{Attempt, JobId, Verdict};
    use super::*;

    fn finished() -> Attempt {
        Attempt::Finished(Box::default())
    }

    fn lease(number: u64) -> LeaseRef {
        LeaseRef {
            job: JobId(number),
            fence: Fence(number),
        }
    }

    /// What is answered before, and after a restart with a compacted journal.
    fn answers(scene: &mut Scene, worker: &str, lease: LeaseRef, trial: u128) -> Verdict {
        let restarted = scene.replayed(&scene.compacted(&scene.core));
        let number = restarted.trial_numbers[&TrialId(trial)];
        let after = restarted.check_lease(worker, lease, number);
        let before = scene.report(worker, lease, TrialId(trial), finished());
        match before {
            Verdict::Refused(refused) => assert_eq!(after, Err(refused)),
            Verdict::Recorded => assert_eq!(after, Ok(())),
            Verdict::Duplicate | Verdict::Unknown => {}
        }
        before
    }

    #[test]
    fn an_outcome_counts_only_under_a_lease_that_its_worker_was_granted() {
        let mut scene = Scene::new();
        // Even and odd trials are of two rows; four of one group.
        scene.submit(1, 0..8);
        scene.register("a", "1", 2);
        scene.register("b", "1", 2);
        let a = scene.lease("a", "1").expect("a job");
        let b = scene.lease("b", "1").expect("a job");
        let (of_a, of_b) = (a.trials[0].0, b.trials[0].0);
        assert_ne!(a.lease, b.lease);
        let refused = |verdict| match verdict {
            Verdict::Refused(refused) => refused,
            other => panic!("{other:?}"),
        };
        let answer = answers(&mut scene, "a", lease(3), of_a);
        assert_eq!(refused(answer), Refused::NotGranted(lease(3)));
        let answer = answers(&mut scene, "a", lease(0), of_a);
        assert_eq!(refused(answer), Refused::NotGranted(lease(0)));
        let answer = answers(&mut scene, "a", b.lease, of_b);
        assert_eq!(refused(answer), Refused::OtherWorker(b.lease));
        let answer = answers(&mut scene, "a", a.lease, of_b);
        assert_eq!(refused(answer), Refused::OtherTrials(a.lease));
        assert_eq!(scene.sweep(1).1.finished, 0, "none of them counts");
        // A rung neither.
        scene.submit_keys(2, 0..8, Some((3, 3)));
        assert!(scene.rung("a", &b, of_b, 3, 0.1));
        assert!(scene.core.rung_losses.is_empty());
        assert_eq!(answers(&mut scene, "a", a.lease, of_a), Verdict::Recorded);
        assert_eq!(answers(&mut scene, "b", b.lease, of_b), Verdict::Recorded);
    }

    #[test]
    fn a_late_outcome_of_an_ended_lease_is_welcome_and_a_made_up_one_is_not() {
        let mut scene = Scene::new();
        scene.submit(1, 0..4);
        scene.register("a", "1", 1);
        let late = scene.lease("a", "1").expect("a job");
        scene.pass(30_000);
        for restarted in [false, true] {
            if restarted {
                scene.journal = scene.compacted(&scene.core);
                scene.restart();
            }
            let trial = late.trials[0];
            let verdict = scene.report("mallory", late.lease, trial, finished());
            let refused = Refused::OtherWorker(late.lease);
            assert_eq!(verdict, Verdict::Refused(refused), "{restarted}");
        }
        assert_eq!(
            scene.finish("a", &late, late.trials[0].0),
            Verdict::Recorded
        );
    }

    #[test]
    fn of_a_lease_that_is_no_longer_remembered_the_number_is_known() {
        let mut granted = Granted::default();
        for number in 1..=LEASES_REMEMBERED as u64 + 2 {
            granted.remember(number, &Arc::from("a"), None);
        }
        assert_eq!(granted.0.len(), LEASES_REMEMBERED);
        let mut scene = Scene::new();
        scene.submit(1, 0..1);
        scene.core.last_fence = LEASES_REMEMBERED as u64 + 2;
        scene.core.granted = granted;
        let number = scene.core.trial_numbers[&TrialId(0)];
        assert_eq!(scene.core.check_lease("b", lease(2), number), Ok(()));
        let refused = scene.core.check_lease("b", lease(3), number);
        assert_eq!(refused, Err(Refused::OtherWorker(lease(3))));
    }
}
