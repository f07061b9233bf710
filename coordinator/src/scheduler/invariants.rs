//! What must always hold, checked over the whole state. Costs work in proportion to all trials, so
//! tests call it after every event and nothing else does.

use super::ids::RowId;
use super::settings::{ATTEMPTS_MAX, LOSSES_MAX};
use super::sweeps::SweepCounts;
use super::trials::{TrialNo, TrialState};
use super::{Scheduler, Settings};
use std::collections::{BTreeMap, BTreeSet};

impl Scheduler {
    /// Checks the whole state.
    ///
    /// # Panics
    /// When something does not hold: a bug in this crate.
    pub fn check_invariants(&self) {
        self.check_trials();
        self.check_sweeps();
        self.check_leases();
    }

    fn numbered(&self) -> impl Iterator<Item = (TrialNo, &super::Trial)> {
        (0..).map(TrialNo).zip(&self.trials)
    }

    fn check_trials(&self) {
        assert_eq!(self.trials.len(), self.trial_numbers.len());
        let mut waiting = BTreeSet::new();
        let mut backing_off = BTreeSet::new();
        let mut rows: BTreeMap<RowId, u64> = BTreeMap::new();
        for (number, trial) in self.numbered() {
            assert_eq!(self.trial_numbers.get(&trial.id), Some(&number));
            let mut sweeps = trial
                .sweeps
                .iter()
                .map(|sweep| &self.sweeps[sweep.0 as usize]);
            let wanted = sweeps.any(|sweep| sweep.wanted);
            match trial.state {
                TrialState::Waiting => {
                    waiting.insert((trial.group, number));
                }
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
                TrialState::Finished | TrialState::Failed => {}
                TrialState::Cancelled => assert!(!wanted, "{} is wanted", trial.id),
            }
            if trial.state.is_open() {
                assert!(wanted, "{} is open and nobody wants it", trial.id);
                assert!(trial.attempts < ATTEMPTS_MAX);
                // Replay passes between the fact of the last loss and that of being set aside.
                assert!(trial.losses <= LOSSES_MAX);
            }
            *rows.entry(trial.row).or_default() += u64::from(!trial.state.has_outcome());
        }
        assert_eq!(waiting, self.queue.all().collect());
        assert!(self.queue.is_ordered());
        let firsts: BTreeMap<_, _> = waiting.iter().rev().copied().collect();
        let firsts = firsts.into_values();
        let in_passes: BTreeSet<_> = firsts.map(|first| (self.at(first).pass, first)).collect();
        assert_eq!(in_passes, self.queue.firsts().collect());
        assert_eq!(backing_off, self.backing_off);
        assert_eq!(rows, self.open_in_row);
    }

    fn check_sweeps(&self) {
        assert_eq!(self.sweeps.len(), self.sweep_numbers.len());
        for (id, number) in &self.sweep_numbers {
            let sweep = &self.sweeps[number.0 as usize];
            assert_eq!(sweep.id, *id);
            let mut counts = SweepCounts::default();
            let mut rows: BTreeMap<RowId, u64> = BTreeMap::new();
            for trial in &sweep.trials {
                let trial = self.at(*trial);
                assert!(trial.sweeps.contains(number), "{} forgot {id}", trial.id);
                *counts.of(trial.state) += 1;
                *rows.entry(trial.row).or_default() += u64::from(!trial.state.has_outcome());
            }
            assert_eq!(counts, sweep.counts, "counts of {id}");
            assert_eq!(rows, sweep.open_in_row, "open rows of {id}");
            assert_eq!(counts.trials(), sweep.trials.len() as u64);
        }
    }

    fn check_leases(&self) {
        let Settings { lease_ms } = self.settings;
        let mut deadlines = BTreeSet::new();
        let mut epochs = BTreeSet::new();
        for (job, lease) in &self.leases {
            assert_eq!(*job, lease.lease.job);
            assert!(!lease.open.is_empty(), "job {} has nothing to do", job.0);
            assert!(lease.lease.epoch.0 <= self.last_epoch);
            assert!(epochs.insert(lease.lease.epoch), "an epoch was given twice");
            for number in &lease.open {
                let state = self.at(*number).state;
                assert_eq!(state, TrialState::Leased { job: *job });
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
        for (name, worker) in &self.workers {
            for job in &worker.jobs {
                assert_eq!(self.leases[job].holder.worker, *name);
            }
        }
    }
}
