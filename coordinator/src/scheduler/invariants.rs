//! What must always hold, checked over the whole state. Costs work in proportion to all trials, so
//! tests call it after every event and nothing else does.

use super::Scheduler;
use super::ids::{ActivationsId, GroupId, RowId, SweepNo, TrialNo};
use super::leases::{Lease, Role};
use super::settings::{ATTEMPTS_MAX, LOSSES_ALONE, LOSSES_MAX};
use super::sweep_state::SweepCounts;
use super::sweeps::Sweep;
use super::trials::{Trial, TrialState};
use super::turns::Turn;
use super::workers::Capacity;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

impl Scheduler {
    /// Checks the whole state.
    ///
    /// # Panics
    /// When something does not hold: a bug in this crate.
    pub fn check_invariants(&self) {
        self.check_trials();
        self.check_sweeps();
        self.check_leases();
        self.check_workers();
    }

    fn numbered(&self) -> impl Iterator<Item = (TrialNo, &super::Trial)> {
        let all = (0..).map(TrialNo).zip(&self.trials);
        all.filter(|(_, trial)| !trial.is_deleted())
    }

    fn check_trials(&self) {
        assert_eq!(self.living().count(), self.trial_numbers.len());
        let mut backing_off = BTreeSet::new();
        let mut suspects = BTreeSet::new();
        let mut revived = 0;
        let mut rows: BTreeMap<RowId, u64> = BTreeMap::new();
        for (number, trial) in self.numbered() {
            assert_eq!(self.trial_numbers.get(&trial.id), Some(&number));
            let wanted = self.is_wanted(number, trial.stopped);
            revived += u64::from(trial.stopped && trial.state.is_open());
            match trial.state {
                TrialState::BackingOff { ready_ms } => {
                    backing_off.insert((ready_ms, number));
                }
                TrialState::Leased { job } => {
                    let lease = self.leases.get(&job).expect("a leased trial has a lease");
                    assert!(
                        lease.open.contains(&number),
                        "{} is not in its lease",
                        trial.id
                    );
                }
                TrialState::Parked => panic!("{} is parked for nobody", trial.id),
                TrialState::Waiting | TrialState::Finished | TrialState::Failed => {}
                TrialState::Stopped | TrialState::Cancelled => {
                    assert!(!wanted, "{} is wanted", trial.id);
                    assert_eq!(trial.stopped, trial.state == TrialState::Stopped);
                }
            }
            if trial.state.is_open() {
                suspects.extend((trial.losses >= LOSSES_ALONE).then_some(number));
                assert!(wanted, "{} is open and nobody wants it", trial.id);
                assert!(trial.attempts < ATTEMPTS_MAX);
                // Replay passes between the fact of the last loss and that of being set aside.
                assert!(trial.losses <= LOSSES_MAX);
            }
            *rows.entry(trial.row).or_default() += u64::from(!trial.state.has_outcome());
        }
        assert_eq!(backing_off, self.backing_off);
        assert_eq!(suspects, self.suspects);
        let some_open = |rows: &BTreeMap<RowId, u64>| {
            let mut rows = rows.clone();
            rows.retain(|_, open| *open > 0);
            rows
        };
        assert_eq!(some_open(&rows), some_open(&self.open_in_row));
        assert_eq!(revived, self.revived);
    }

    fn check_sweeps(&self) {
        assert_eq!(self.living_sweeps().count(), self.sweep_numbers.len());
        for (id, number) in &self.sweep_numbers {
            let sweep = &self.sweeps[number.0 as usize];
            assert_eq!(sweep.id, *id);
            let mut counts = SweepCounts::default();
            let mut rows: BTreeMap<RowId, u64> = BTreeMap::new();
            for trial in &sweep.trials {
                let trial = self.at(*trial);
                assert!(trial.sweeps.contains(number), "{} forgot {id}", trial.id);
                let state = sweep.effective_state(trial.state, trial.stopped, trial.group);
                *counts.of(state) += 1;
                *rows.entry(trial.row).or_default() += u64::from(!state.has_outcome());
            }
            self.check_rungs(sweep);
            assert_eq!(counts, sweep.counts, "counts of {id}");
            assert_eq!(rows, sweep.open_in_row, "open rows of {id}");
            assert_eq!(counts.trials(), sweep.trials.len() as u64);
            self.check_queue(sweep);
            self.check_hindrances(*number, sweep);
        }
        self.check_turns();
    }

    /// The parked trials of a sweep are the waiting trials of its parked groups, and its queue has none of
    /// them.
    fn check_hindrances(&self, number: SweepNo, sweep: &Sweep) {
        let mut parked = BTreeSet::new();
        for (group, hindered) in &sweep.hindrances.groups {
            assert!(sweep.wanted, "{} is hindered and not wanted", sweep.id);
            let is_parked = hindered.parked.is_some();
            assert_eq!(self.parked.contains(&(number, *group)), is_parked);
            assert_eq!(self.hindered.contains(&(number, *group)), !is_parked);
            for trial in hindered.parked.iter().flatten() {
                assert_eq!(self.at(*trial).group, *group);
                parked.insert(*trial);
            }
        }
        let seen = |trial: &TrialNo| {
            let trial = self.at(*trial);
            sweep.effective_state(trial.state, trial.stopped, trial.group)
        };
        let trials = sweep.trials.iter().copied();
        let expected = trials.filter(|trial| seen(trial) == TrialState::Parked);
        assert_eq!(parked, expected.collect(), "parked of {}", sweep.id);
        let known = |(of, group): &&(SweepNo, GroupId)| {
            *of == number && !sweep.hindrances.groups.contains_key(group)
        };
        assert_eq!(self.parked.iter().chain(&self.hindered).find(known), None);
    }

    /// A sweep's queue holds its waiting trials.
    fn check_queue(&self, sweep: &Sweep) {
        let trials = sweep
            .trials
            .iter()
            .map(|number| (*number, self.at(*number)));
        let seen = |trial: &Trial| sweep.effective_state(trial.state, trial.stopped, trial.group);
        let waiting = trials.filter(|(_, trial)| seen(trial) == TrialState::Waiting);
        let waiting: BTreeSet<_> = waiting
            .map(|(number, trial)| (trial.group, number))
            .collect();
        assert_eq!(waiting, sweep.queue.all().collect());
        assert!(sweep.queue.is_ordered(|group| self.groups[&group].is_held));
        let firsts: BTreeMap<_, _> = waiting.iter().rev().copied().collect();
        let firsts = firsts.into_values();
        let in_passes: BTreeSet<_> = firsts.map(|first| (self.at(first).pass, first)).collect();
        assert_eq!(in_passes, sweep.queue.firsts().collect());
    }

    /// Exactly the sweeps that have something to start have a turn.
    fn check_turns(&self) {
        let mut turns = BTreeSet::new();
        for (number, sweep) in (0..).map(SweepNo).zip(&self.sweeps) {
            let has_turn = sweep.wanted && !sweep.paused && sweep.queue.trials() > 0;
            assert_eq!(sweep.turn.is_some(), has_turn, "turn of {}", sweep.id);
            turns.extend(sweep.turn);
            if let Some(turn) = sweep.turn {
                assert_eq!(turn, Turn::of(number, sweep));
            }
        }
        assert_eq!(turns, self.turns);
    }

    /// A sweep's rungs hold the losses of its trials, and no others.
    fn check_rungs(&self, sweep: &Sweep) {
        let Some(halving) = &sweep.halving else {
            return;
        };
        let mut expected = BTreeMap::new();
        for number in &sweep.trials {
            for (epochs, loss) in self.rung_losses.get(number).into_iter().flatten() {
                if halving.is_rung(*epochs) {
                    expected.insert((self.at(*number).row, *epochs, *number), *loss);
                }
            }
        }
        assert_eq!(expected, halving.check(), "rungs of {}", sweep.id);
    }

    fn check_leases(&self) {
        let lease_ms = self.settings.lease_ms;
        let mut deadlines = BTreeSet::new();
        let mut fences = BTreeSet::new();
        for (job, lease) in &self.leases {
            assert_eq!(*job, lease.lease.job);
            assert!(!lease.open.is_empty(), "job {} has nothing to do", job.0);
            assert!(lease.lease.fence.0 <= self.last_fence);
            assert!(fences.insert(lease.lease.fence), "a fence was given twice");
            for number in &lease.open {
                self.check_holding(*number, lease);
            }
            let groups: BTreeSet<_> = lease.open.iter().map(|n| self.at(*n).group).collect();
            assert_eq!(groups.len(), 1, "job {} mixes groups", job.0);
            assert!(lease.deadline_ms >= lease_ms);
            assert!(deadlines.insert((lease.deadline_ms, *job)));
            let worker = self
                .workers
                .get(&lease.holder.worker)
                .expect("the holder is known");
            assert!(worker.jobs.contains(job), "the holder forgot job {}", job.0);
        }
        assert_eq!(deadlines, self.deadlines);
        let sole = self
            .leases
            .values()
            .filter(|lease| lease.role == Role::Sole);
        let sole: BTreeSet<_> = sole.map(|lease| lease.lease.job).collect();
        assert_eq!(sole, self.copyable);
        for (number, copy) in &self.copies {
            let lease = self.leases.get(copy).expect("a copy has a lease");
            assert!(lease.open.contains(number) && lease.role == Role::Copy);
        }
    }

    /// A trial is in the lease that its state names and, as a copy, in one other at most, which
    /// another worker has.
    fn check_holding(&self, number: TrialNo, lease: &Lease) {
        let job = lease.lease.job;
        let TrialState::Leased { job: original } = self.at(number).state else {
            panic!("{} is in job {} and not leased", self.at(number).id, job.0);
        };
        match lease.role {
            Role::Sole | Role::Copied => assert_eq!(original, job),
            Role::Copy => {
                let original = &self.leases[&original];
                assert_eq!(self.copies.get(&number), Some(&job));
                assert_eq!(original.role, Role::Copied);
                assert!(original.open.contains(&number));
                assert_ne!(original.holder.worker, lease.holder.worker);
            }
        }
    }

    fn check_workers(&self) {
        let mut capacity = Capacity::default();
        let mut holders: BTreeMap<ActivationsId, BTreeSet<Arc<str>>> = BTreeMap::new();
        for (name, worker) in &self.workers {
            for job in &worker.jobs {
                assert_eq!(self.leases[job].holder.worker, *name);
            }
            if worker.is_live {
                assert!(!worker.instance.is_empty(), "{name} lives and is nobody");
                capacity.workers += 1;
                capacity.lanes += worker.lanes;
            } else {
                assert_eq!((worker.held.len(), worker.idle_since_ms), (0, None));
            }
            for id in &worker.held {
                holders
                    .entry(*id)
                    .or_default()
                    .insert(Arc::from(name.as_str()));
            }
        }
        assert_eq!(capacity, self.capacity);
        self.check_groups(holders);
    }

    fn check_groups(&self, mut holders: BTreeMap<ActivationsId, BTreeSet<Arc<str>>>) {
        let mut sweeps: BTreeMap<GroupId, BTreeSet<SweepNo>> = BTreeMap::new();
        for trial in self.living() {
            sweeps.entry(trial.group).or_default().extend(&trial.sweeps);
        }
        for (group, shared) in &self.groups {
            let having = sweeps.remove(group).expect("a group has trials");
            assert_eq!(having, shared.sweeps.iter().copied().collect());
            let activations = &self.activations[&shared.activations];
            assert_eq!(shared.is_held, !activations.holders.is_empty());
            assert!(activations.groups.contains(group));
        }
        let mut groups = 0;
        for (id, shared) in &self.activations {
            let said = holders.remove(id).unwrap_or_default();
            assert_eq!(said, shared.holders, "holders of {id}");
            let lanes = said.iter().map(|name| self.workers[&**name].lanes);
            assert_eq!(lanes.sum::<usize>(), shared.lanes, "lanes that hold {id}");
            groups += shared.groups.len();
        }
        assert_eq!(groups, self.groups.len());
        assert!(holders.is_empty() && sweeps.is_empty());
    }
}
