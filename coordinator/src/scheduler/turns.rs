//! Turns: which sweep's trials start next. The most urgent first; among equals the one with the
//! fewest trials in workers' hands, and among those the one that was served longest ago.
//!
//! A trial of two sweeps waits for both, and so goes with the more urgent. Nothing in here costs
//! more than the logarithm of the sweeps.

use super::ids::SweepNo;
use super::sweeps::Sweep;
use std::cmp::Reverse;
use std::collections::BTreeSet;

/// A sweep's place among those that have something to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Turn {
    pub(super) priority: Reverse<i32>,
    leased: u64,
    served: u64,
    pub(super) sweep: SweepNo,
}

impl Turn {
    pub(super) fn of(number: SweepNo, sweep: &Sweep) -> Self {
        Self {
            priority: Reverse(sweep.priority),
            leased: sweep.counts.leased,
            served: sweep.served,
            sweep: number,
        }
    }
}

/// Gives a sweep the turn that follows from how it stands, or none.
pub(super) fn list(turns: &mut BTreeSet<Turn>, number: SweepNo, sweep: &mut Sweep) {
    let may_start = sweep.wanted && !sweep.paused && !sweep.queue.is_empty();
    let turn = may_start.then(|| Turn::of(number, sweep));
    if turn == sweep.turn {
        return;
    }
    if let Some(old) = std::mem::replace(&mut sweep.turn, turn) {
        turns.remove(&old);
    }
    turns.extend(turn);
}

#[cfg(test)]
mod tests {
    use super::super::scene::Scene;
    use super::super::{Grant, TrialId};

    fn first(job: Option<Grant>) -> u128 {
        job.expect("a job").trials[0].0
    }

    #[test]
    fn a_more_urgent_sweep_goes_first_whatever_was_begun() {
        let mut scene = Scene::new();
        scene.submit(1, 0..8);
        scene.submit(2, 10..14);
        scene.register("w", "1", 2);
        scene.prioritise(2, -1);
        assert_eq!(first(scene.lease("w", "1")), 0);
        scene.prioritise(2, 5);
        scene.restart();
        scene.register("w", "1", 2);
        assert_eq!(first(scene.lease("w", "1")), 10);
        assert_eq!(first(scene.lease("w", "1")), 12);
        assert_eq!(first(scene.lease("w", "1")), 2);
        assert_eq!(scene.core.priority(super::super::SweepId(2)), Some(5));
    }

    #[test]
    fn a_trial_of_two_sweeps_goes_with_the_more_urgent() {
        let mut scene = Scene::new();
        scene.submit(1, 0..6);
        scene.submit(2, 4..8);
        scene.prioritise(2, 1);
        scene.register("w", "1", 8);
        let job = scene.lease("w", "1").expect("a job");
        assert_eq!(job.trials, (4..8).map(TrialId).collect::<Vec<_>>());
    }

    #[test]
    fn equals_take_turns_on_one_worker() {
        let mut scene = Scene::new();
        scene.submit(1, 0..6);
        scene.submit(2, 10..16);
        scene.register("w", "1", 2);
        let mut order = Vec::new();
        for _ in 0..6 {
            let job = scene.lease("w", "1").expect("a job");
            scene.finish_all("w", &job);
            order.push(job.trials[0].0);
        }
        assert_eq!(order, [0, 10, 2, 12, 4, 14]);
    }

    #[test]
    fn equals_have_as_much_in_workers_hands() {
        let mut scene = Scene::new();
        scene.submit(1, 0..40);
        scene.register("a", "1", 8);
        scene.lease("a", "1").expect("trials of the first sweep");
        scene.submit(2, 50..90);
        scene.register("b", "1", 2);
        // A large worker has the first sweep: small ones make it up to the second.
        let order: Vec<_> = (0..6).map(|_| first(scene.lease("b", "1"))).collect();
        assert_eq!(order, [50, 52, 54, 56, 8, 58]);
    }
}
