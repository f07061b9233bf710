//! The ledger compares what was promised with what the disk is sure to keep. It checks every
//! promise when it is made, and all promises whenever the coordinator or its disk restarts.

use super::Sweep;
use super::call::{Answer, Ask, Call, ClientAsk, Report, WorkerAsk};
use super::disk::Disk;
use crate::scheduler::{
    Attempt, Ending, Fact, Fence, Scheduler, SweepId, TrialId, TrialView, Verdict,
};
use crate::store::{JOURNAL, decode_line};
use std::collections::{BTreeMap, BTreeSet};

/// The promises.
#[derive(Default)]
pub(super) struct Ledger {
    /// What a power failure at this moment would leave.
    kept: Kept,
    submitted: BTreeSet<SweepId>,
    /// Acknowledged outcomes with scores, which nothing may undo.
    finished: BTreeSet<TrialId>,
    /// Trials whose stop was acknowledged.
    stopped: BTreeSet<TrialId>,
    last_fence: Fence,
    pub(super) counts: Counts,
}

/// The number of promises.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Counts {
    pub(super) outcomes: u64,
    pub(super) acknowledged: u64,
    pub(super) duplicates: u64,
    pub(super) granted: u64,
    pub(super) copies: u64,
    pub(super) pauses: u64,
    pub(super) passed: u64,
    pub(super) stopped: u64,
    pub(super) ended_early: u64,
    pub(super) hindered: u64,
    pub(super) parked: u64,
}

/// The durable facts, read as they become durable.
#[derive(Default)]
struct Kept {
    file: Option<usize>,
    bytes: usize,
    lines: u64,
    submitted: BTreeMap<SweepId, BTreeSet<TrialId>>,
    /// Outcomes in force.
    outcomes: BTreeMap<TrialId, Ending>,
    /// Trials that ever had an outcome, and trials that ever had a failed attempt.
    ever: BTreeSet<TrialId>,
    attempted: BTreeSet<TrialId>,
    /// Trials of sweeps that were ever cancelled.
    unwanted: BTreeSet<TrialId>,
    /// Rungs that trials passed, and rungs at which they were stopped.
    passed: BTreeSet<(TrialId, u32)>,
    stops: BTreeMap<TrialId, Ending>,
    last_fence: Fence,
}

impl Ledger {
    /// Reads the facts that have become durable.
    pub(super) fn read(&mut self, disk: &Disk, sweeps: &[Sweep]) {
        let Some((file, bytes)) = disk.durable(JOURNAL) else {
            assert_eq!(self.kept.file, None, "the journal's name is lost");
            return;
        };
        let counts = self.counts;
        let is_other = self.kept.file != Some(file);
        if is_other {
            // A compacted journal forgets what has ended.
            let before = std::mem::take(&mut self.kept);
            self.kept = Kept {
                file: Some(file),
                ever: before.ever,
                attempted: before.attempted,
                unwanted: before.unwanted,
                ..Kept::default()
            };
        }
        assert!(bytes.len() >= self.kept.bytes, "durable facts are lost");
        while let Some(end) = bytes[self.kept.bytes..].iter().position(|b| *b == b'\n') {
            let line = &bytes[self.kept.bytes..self.kept.bytes + end];
            let fact = match self.kept.lines {
                0 => None,
                _ => decode_line(line).unwrap_or_else(|problem| {
                    panic!("line {} of the disk: {problem}", self.kept.lines + 1)
                }),
            };
            self.kept.bytes += end + 1;
            self.kept.lines += 1;
            if let Some(fact) = fact {
                self.kept.take(fact, sweeps, &mut self.counts);
            }
        }
        if is_other {
            // Most of its facts were counted in the old journal.
            self.counts = counts;
        }
    }

    /// Records an answer that leaves the coordinator, and checks that the disk keeps what the
    /// answer says.
    pub(super) fn promise(&mut self, call: &Call, answer: &Answer, sweeps: &[Sweep]) {
        match (&call.ask, answer) {
            (Ask::Worker(WorkerAsk::Report(reports)), Answer::Verdicts(verdicts)) => {
                assert_eq!(reports.len(), verdicts.len(), "a verdict on each");
                for (report, verdict) in reports.iter().zip(verdicts) {
                    self.promise_report(report, *verdict);
                }
            }
            (Ask::Client(ClientAsk::Submit(number)), Answer::Submitted) => {
                self.submitted.insert(sweeps[*number].id);
            }
            (Ask::Worker(WorkerAsk::Rung { trial, epochs, .. }), Answer::Rung(goes_on)) => {
                self.promise_rung(*trial, *epochs, *goes_on, sweeps);
            }
            (_, Answer::Leased(Some(job))) => {
                let (now, last) = (job.lease.fence, self.last_fence);
                assert!(now > last, "fence {} after {}", now.0, last.0);
                self.last_fence = now;
                assert!(
                    now <= self.kept.last_fence,
                    "a lease was handed out and is not kept"
                );
            }
            (Ask::Client(ClientAsk::Status(number)), Answer::Status(None)) => {
                let id = sweeps[*number].id;
                assert!(!self.submitted.contains(&id), "sweep {id} is forgotten");
            }
            _ => {}
        }
        self.check_promises();
    }

    fn promise_report(&mut self, report: &Report, verdict: Verdict) {
        let trial = report.trial;
        self.counts.acknowledged += u64::from(verdict == Verdict::Recorded);
        self.counts.duplicates += u64::from(verdict == Verdict::Duplicate);
        let is_last = match report.attempt {
            Attempt::Finished(_) => true,
            Attempt::Failed { is_final, .. } => is_final,
        };
        match verdict {
            Verdict::Unknown => panic!("{trial} was leased and is unknown"),
            Verdict::Refused(refused) => panic!("{trial} was leased: {refused}"),
            Verdict::Recorded | Verdict::Duplicate if is_last => {
                let kept = self.kept.ever.contains(&trial);
                assert!(kept, "the outcome of {trial} is acknowledged and not kept");
            }
            Verdict::Recorded => {
                let kept = self.kept.ever.contains(&trial) || self.kept.attempted.contains(&trial);
                assert!(kept, "a failed attempt at {trial} is not kept");
            }
            Verdict::Duplicate => {}
        }
        if verdict == Verdict::Recorded && matches!(report.attempt, Attempt::Finished(_)) {
            self.finished.insert(trial);
        }
    }

    /// The journal has a trial that continues, and one that does not, unless no sweep asks for its
    /// loss.
    fn promise_rung(&mut self, trial: TrialId, epochs: u32, goes_on: bool, sweeps: &[Sweep]) {
        let is_stopped = self.kept.stops.contains_key(&trial);
        let kept = if goes_on {
            self.kept.passed.contains(&(trial, epochs))
        } else {
            self.kept.ever.contains(&trial)
        };
        let asks = |sweep: &Sweep| {
            let stops = sweep.spec.early_stopping.is_some();
            stops
                && self.submitted.contains(&sweep.id)
                && sweep.keys.iter().any(|key| key.id == trial)
        };
        // Other sweeps of the job may have rungs, and a cancelled sweep has none.
        let nobody_asks = !sweeps.iter().any(asks) || self.kept.unwanted.contains(&trial);
        assert!(
            kept || is_stopped || nobody_asks,
            "what {trial} was told at {epochs} epochs is not kept"
        );
        self.counts.passed += u64::from(goes_on);
        if !goes_on && is_stopped {
            self.counts.stopped += u64::from(self.stopped.insert(trial));
        }
    }

    fn check_promises(&self) {
        for sweep in &self.submitted {
            let kept = self.kept.submitted.contains_key(sweep);
            assert!(kept, "sweep {sweep} was acknowledged and is not kept");
        }
    }

    /// Checks that every promise is kept.
    pub(super) fn check(&self) {
        self.check_promises();
        for trial in &self.finished {
            let kept = self.kept.outcomes.get(trial);
            let is_finished = matches!(kept, Some(Ending::Finished(_)));
            assert!(is_finished, "the acknowledged outcome of {trial} is lost");
        }
        for trial in &self.stopped {
            let kept = self.kept.stops.contains_key(trial);
            assert!(kept, "{trial} was stopped, and it is forgotten");
        }
    }

    /// Checks that a coordinator that has read its journal knows every promise.
    pub(super) fn check_core(&self, core: &Scheduler) {
        core.check_invariants();
        for trial in &self.finished {
            let view = core.trial(None, *trial);
            assert_eq!(view, Some(TrialView::Finished), "{trial} was finished");
        }
        for sweep in &self.submitted {
            assert!(core.sweep(*sweep).is_some(), "sweep {sweep} is forgotten");
        }
    }

    /// The outcomes in force.
    pub(super) fn outcomes(&self) -> &BTreeMap<TrialId, Ending> {
        &self.kept.outcomes
    }
}

impl Kept {
    fn take(&mut self, fact: Fact, sweeps: &[Sweep], counts: &mut Counts) {
        match fact {
            Fact::SweepSubmitted { sweep, .. } => {
                let known = sweeps.iter().find(|known| known.id == sweep);
                let keys = known.into_iter().flat_map(|sweep| &sweep.keys);
                self.submitted
                    .insert(sweep, keys.map(|key| key.id).collect());
            }
            Fact::SweepResumed { sweep } => {
                self.resume(sweep);
            }
            Fact::LeaseGranted {
                fence,
                trials,
                copy,
                ..
            } => {
                counts.granted += 1;
                counts.copies += u64::from(copy);
                let last = self.last_fence;
                assert!(fence > last, "fence {} after {}", fence.0, last.0);
                self.last_fence = fence;
                for trial in trials {
                    match self.outcomes.get(&trial) {
                        None | Some(Ending::Stopped { .. }) => {}
                        Some(Ending::Finished(_) | Ending::Failed { .. }) => {
                            panic!("{trial} has an outcome and was leased")
                        }
                    }
                }
            }
            Fact::LeaseEnded { hindrance, .. } => {
                counts.ended_early += 1;
                counts.hindered += u64::from(hindrance.is_some());
            }
            Fact::AttemptFailed { trial, .. } => {
                self.attempted.insert(trial);
            }
            Fact::OutcomeRecorded { trial, outcome, .. } => {
                counts.outcomes += 1;
                self.record(trial, outcome);
            }
            Fact::FenceReached { fence } => self.last_fence = self.last_fence.max(fence),
            // The simulation deletes no sweep.
            Fact::SweepDeleted { .. } => {}
            Fact::SweepPaused { .. } => counts.pauses += 1,
            Fact::SweepCancelled { sweep } => {
                let trials = self.submitted.get(&sweep);
                self.unwanted.extend(trials.into_iter().flatten());
            }
            Fact::RungReached { trial, epochs, .. } => {
                let stopped = self.stops.contains_key(&trial);
                assert!(!stopped, "{trial} passes a rung after it was stopped");
                self.passed.insert((trial, epochs));
            }
            Fact::OutcomeRetracted { .. } => panic!("nobody retracts anything here"),
            Fact::GroupParked { .. } => counts.parked += 1,
            Fact::SweepPrioritised { .. }
            | Fact::GroupUnparked { .. }
            | Fact::LeasesRemembered { .. }
            | Fact::TrialCarried { .. } => {}
        }
    }

    /// A resumed sweep's failed trials are open again.
    fn resume(&mut self, sweep: SweepId) {
        let trials = &self.submitted[&sweep];
        self.outcomes.retain(|trial, ending| match ending {
            Ending::Finished(_) | Ending::Stopped { .. } => true,
            Ending::Failed { .. } if !trials.contains(trial) => true,
            // A trial that failed after it was stopped is stopped again.
            Ending::Failed { .. } => match self.stops.get(trial) {
                Some(stop) => {
                    *ending = stop.clone();
                    true
                }
                None => false,
            },
        });
    }

    fn record(&mut self, trial: TrialId, outcome: Ending) {
        self.ever.insert(trial);
        if let Ending::Stopped { epochs, .. } = &outcome {
            let passed = self.passed.contains(&(trial, *epochs));
            assert!(!passed, "{trial} is stopped at a rung that it had passed");
            let before = self.stops.insert(trial, outcome.clone());
            assert_eq!(before, None, "{trial} is stopped twice");
        }
        match self.outcomes.insert(trial, outcome) {
            // A stop is final only if no sweep needs the trial to its end.
            None | Some(Ending::Stopped { .. }) => {}
            Some(Ending::Finished(_) | Ending::Failed { .. }) => {
                panic!("{trial} has two outcomes")
            }
        }
    }
}
