//! Test builder: a scheduler with its clock and its journal, driven by sentences. The whole state
//! is checked after every event.

use super::*;
use nrp_proto::wire::{EarlyStopping, SweepSpec, TrainingSpec};
use std::ops::Range;

pub(super) struct Scene {
    pub(super) core: Scheduler,
    settings: Settings,
    pub(super) now_ms: u64,
    pub(super) journal: Vec<(Fact, Vec<TrialKey>)>,
}

/// The answer to a job request.
pub(super) type Leased = Result<Option<Grant>, Refusal>;

/// A trial whose row alternates singly. From 100 on, groups alternate in pairs; from 200 on, each
/// trial is a group, and ten are of a pass; from 300 on, all are of one.
pub(super) fn key(id: u128) -> TrialKey {
    let (group, pass) = match id {
        0..100 => (0, 0),
        100..200 => (1 + ((id / 2) % 2) as u64, 1),
        200..300 => (id as u64, (id / 10) as u64),
        _ => (id as u64, 2),
    };
    TrialKey {
        id: TrialId(id),
        group: GroupId(group),
        activations: ActivationsId(group),
        pass: PassId(pass),
        row: RowId((id % 2) as u64),
    }
}

fn holder(worker: &str, instance: &str) -> Holder {
    Holder {
        worker: worker.to_owned(),
        instance: instance.to_owned(),
    }
}

impl Scene {
    pub(super) fn new() -> Self {
        Self::of(Settings::default())
    }

    pub(super) fn of(settings: Settings) -> Self {
        Self {
            core: Scheduler::new(settings),
            settings,
            now_ms: 0,
            journal: Vec::new(),
        }
    }

    pub(super) fn handle(&mut self, event: Event) {
        let keys = match &event {
            Event::SweepSubmitted { trials, .. } => trials.clone(),
            _ => Vec::new(),
        };
        let facts = self.core.on_event(self.now_ms, event);
        self.record(facts, &keys);
    }

    /// Asks the core something, which answers and adds facts.
    fn question<T>(&mut self, ask: impl FnOnce(&mut Scheduler, u64, &mut Vec<Fact>) -> T) -> T {
        let mut facts = Vec::new();
        let answer = ask(&mut self.core, self.now_ms, &mut facts);
        self.record(facts, &[]);
        answer
    }

    fn record(&mut self, facts: Vec<Fact>, keys: &[TrialKey]) {
        let entries = facts.into_iter().map(|fact| (fact, keys.to_vec()));
        self.journal.extend(entries);
        self.core.check_invariants();
    }

    /// Deletes a sweep; the journal without it takes the journal's place.
    pub(super) fn delete(&mut self, sweep: u64) {
        self.handle(Event::SweepDeleted(SweepId(sweep)));
        let compacted = self.compacted(&self.core);
        let whole = self.replayed(&self.journal);
        assert_eq!(durable(&whole), durable(&self.replayed(&compacted)));
        self.journal = compacted;
    }

    /// A crash of the coordinator: a new one reads the journal back.
    pub(super) fn restart(&mut self) {
        self.core = self.replayed(&self.journal);
    }

    /// A scheduler that has read a journal back.
    pub(super) fn replayed(&self, journal: &[(Fact, Vec<TrialKey>)]) -> Scheduler {
        let mut core = Scheduler::new(self.settings);
        for (fact, trials) in journal.iter().cloned() {
            core.on_event(self.now_ms, Event::Replayed { fact, trials });
            core.check_invariants();
        }
        core.on_event(self.now_ms, Event::ReplayEnded);
        core.check_invariants();
        core
    }

    /// The journal, compacted at its end, when the state is that of `core`.
    pub(super) fn compacted(&self, core: &Scheduler) -> Vec<(Fact, Vec<TrialKey>)> {
        let spec = |sweep: SweepId| {
            let submitted = self.journal.iter().find_map(|(fact, _)| match fact {
                Fact::SweepSubmitted { sweep: known, spec } if *known == sweep => Some(spec),
                _ => None,
            });
            submitted.cloned().expect("was submitted")
        };
        let snapshot = core.snapshot(&spec);
        let keys = |fact: Fact| {
            let submitted = self.journal.iter().find(|(known, _)| *known == fact);
            let keys = submitted.map(|(_, keys)| keys.clone()).unwrap_or_default();
            (fact, keys)
        };
        let before = snapshot.before.into_iter().map(keys);
        let mut kept = Vec::new();
        for (fact, _) in self.journal.iter().rev() {
            let keep = match fact.kept() {
                Kept::Always => true,
                Kept::LastFailure(trial) => {
                    let seen = |fact: &Fact| fact.kept() == Kept::LastFailure(trial);
                    snapshot.failures.contains(&trial) && !kept.iter().any(seen)
                }
                Kept::Never => false,
            };
            let deleted = fact.trial().filter(|id| snapshot.deleted.contains(id));
            if keep && deleted.is_none() {
                kept.push(fact.clone());
            }
        }
        let kept = kept.into_iter().rev().chain(snapshot.after);
        before.chain(kept.map(|fact| (fact, Vec::new()))).collect()
    }

    pub(super) fn submit(&mut self, sweep: u64, trials: Range<u128>) {
        self.submit_keys(sweep, trials, None);
    }

    /// Submits a sweep that stops trials early, if told its first rung and its reduction; of 100
    /// epochs.
    pub(super) fn submit_keys(
        &mut self,
        sweep: u64,
        trials: impl IntoIterator<Item = u128>,
        halving: Option<(u32, u32)>,
    ) {
        let early_stopping = halving.map(|(min_epochs, reduction)| EarlyStopping {
            min_epochs,
            reduction,
        });
        let training = early_stopping.as_ref().map(|_| TrainingSpec {
            max_epochs: 100,
            ..TrainingSpec::default()
        });
        self.handle(Event::SweepSubmitted {
            sweep: SweepId(sweep),
            spec: Box::new(SweepSpec {
                early_stopping,
                training,
                ..SweepSpec::default()
            }),
            trials: trials.into_iter().map(key).collect(),
        });
    }

    /// Whether a trial that reaches a rung goes on.
    pub(super) fn rung(
        &mut self,
        worker: &str,
        job: &Grant,
        trial: u128,
        epochs: u32,
        validation_mse: f64,
    ) -> bool {
        let reporter = Reporter {
            trial: TrialId(trial),
            worker: worker.to_owned(),
            lease: job.lease,
        };
        let goes_on = self.question(|core, now_ms, facts| {
            core.on_rung_reached(now_ms, reporter, epochs, validation_mse, facts)
        });
        // A worker that gets no answer goes on.
        goes_on.unwrap_or(true)
    }

    pub(super) fn cancel(&mut self, sweep: u64) {
        self.handle(Event::SweepCancelled(SweepId(sweep)));
    }

    pub(super) fn resume(&mut self, sweep: u64) {
        self.handle(Event::SweepResumed(SweepId(sweep)));
    }

    pub(super) fn pause(&mut self, sweep: u64) {
        self.handle(Event::SweepPaused(SweepId(sweep)));
    }

    pub(super) fn prioritise(&mut self, sweep: u64, priority: i32) {
        let sweep = SweepId(sweep);
        self.handle(Event::SweepPrioritised { sweep, priority });
    }

    pub(super) fn retract(&mut self, trials: &[u128], reason: &str) {
        let trials = trials.iter().copied().map(TrialId).collect();
        let reason = reason.to_owned();
        self.handle(Event::OutcomesRetracted { trials, reason });
    }

    pub(super) fn register(&mut self, worker: &str, instance: &str, lanes: usize) {
        let holder = holder(worker, instance);
        self.handle(Event::WorkerRegistered { holder, lanes });
    }

    pub(super) fn ask(&mut self, worker: &str, instance: &str) -> Leased {
        let holder = holder(worker, instance);
        self.question(|core, now_ms, facts| core.on_job_requested(now_ms, holder, facts))
    }

    /// As `ask`, of a worker that is not refused.
    pub(super) fn lease(&mut self, worker: &str, instance: &str) -> Option<Grant> {
        self.ask(worker, instance).expect("is not refused")
    }

    pub(super) fn refused(&mut self, worker: &str, instance: &str) -> Refusal {
        self.ask(worker, instance).expect_err("is refused")
    }

    pub(super) fn heartbeat(
        &mut self,
        worker: &str,
        instance: &str,
        leases: &[LeaseRef],
    ) -> (Vec<LeaseRef>, Vec<TrialId>) {
        let holder = holder(worker, instance);
        let Renewed { lost, cancelled } = self
            .question(|core, now_ms, _| core.on_leases_renewed(now_ms, &holder, leases.to_vec()));
        (lost, cancelled)
    }

    /// As `pass`, while a worker keeps its lease alive.
    pub(super) fn wait(&mut self, worker: &str, ms: u64, lease: LeaseRef) {
        self.pass(ms);
        self.heartbeat(worker, "1", &[lease]);
    }

    /// A worker says what its cache holds.
    pub(super) fn hold(&mut self, worker: &str, instance: &str, groups: &[u64]) {
        let holder = holder(worker, instance);
        let held = groups.iter().copied().map(ActivationsId).collect();
        self.handle(Event::ActivationsHeld { holder, held });
    }

    pub(super) fn release(&mut self, worker: &str, instance: &str, lease: LeaseRef) {
        let holder = holder(worker, instance);
        self.handle(Event::JobReleased {
            holder,
            lease,
            hindrance: None,
        });
    }

    /// A worker hands a job back that it cannot run.
    pub(super) fn hinder(&mut self, worker: &str, instance: &str, lease: LeaseRef, reason: &str) {
        self.hinder_by(worker, instance, lease, reason, false);
    }

    /// As `hinder`, perhaps by its machine's fault.
    pub(super) fn hinder_by(
        &mut self,
        worker: &str,
        instance: &str,
        lease: LeaseRef,
        reason: &str,
        machine: bool,
    ) {
        let holder = holder(worker, instance);
        let hindrance = Some(Hindrance {
            reason: reason.to_owned(),
            hint: format!("mend {reason}"),
            machine,
            of_trials: reason == "no memory",
        });
        self.handle(Event::JobReleased {
            holder,
            lease,
            hindrance,
        });
    }

    pub(super) fn leave(&mut self, worker: &str, instance: &str) {
        self.handle(Event::WorkerLeft(holder(worker, instance)));
    }

    pub(super) fn report(
        &mut self,
        worker: &str,
        lease: LeaseRef,
        trial: TrialId,
        attempt: Attempt,
    ) -> Verdict {
        let reporter = Reporter {
            trial,
            worker: worker.to_owned(),
            lease,
        };
        self.question(|core, now_ms, facts| {
            core.on_outcome_reported(now_ms, reporter, attempt, facts)
        })
    }

    pub(super) fn finish(&mut self, worker: &str, job: &Grant, trial: u128) -> Verdict {
        let scores = Attempt::Finished(Box::default());
        self.report(worker, job.lease, TrialId(trial), scores)
    }

    pub(super) fn finish_all(&mut self, worker: &str, job: &Grant) {
        for trial in &job.trials {
            self.finish(worker, job, trial.0);
        }
    }

    pub(super) fn fail(&mut self, worker: &str, job: &Grant, trial: u128, last: bool) -> Verdict {
        let attempt = Attempt::Failed {
            reason: "out of luck".to_owned(),
            is_final: last,
        };
        self.report(worker, job.lease, TrialId(trial), attempt)
    }

    pub(super) fn pass(&mut self, ms: u64) {
        self.now_ms += ms;
        self.handle(Event::TimePassed);
    }

    pub(super) fn sweep(&self, sweep: u64) -> (SweepState, SweepCounts) {
        self.core.sweep(SweepId(sweep)).expect("was submitted")
    }

    pub(super) fn view(&self, trial: u128) -> TrialView {
        self.core
            .trial(None, TrialId(trial))
            .expect("was submitted")
    }

    pub(super) fn row(&self, trial: u128) -> RowId {
        key(trial).row
    }

    /// Why the last trial that failed did.
    pub(super) fn last_reason(&self) -> &str {
        let reasons = self
            .journal
            .iter()
            .rev()
            .filter_map(|(fact, _)| match fact {
                Fact::OutcomeRecorded {
                    outcome: Ending::Failed { reason },
                    ..
                } => Some(reason.as_str()),
                _ => None,
            });
        reasons.into_iter().next().expect("a trial failed")
    }
}
