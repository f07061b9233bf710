//! Events: durable facts as readers hear of them, each with its place in the journal.
//!
//! The writer enters events once they are synced and in the index. The latest are kept here, and readers
//! take them at their own pace: the writer never waits for a reader, and a reader that falls too far
//! behind misses events. Older events are in the journal.

use crate::scheduler::{
    Ending, Fact, GroupId, HINDERED_WORKERS_SHOWN, HinderedWorkers, Hindrance, LeaseEnd, LeaseRef,
    SweepId, TrialId,
};
use crate::store::Stamped;
use nrp_proto::wire::event::Payload;
use nrp_proto::wire::outcome_recorded::Outcome;
use nrp_proto::wire::{self, Event, Scores, lease_ended};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

/// Most events that are kept in memory.
pub(crate) const EVENTS_KEPT: usize = 16_384;

/// The latest events of a coordinator.
pub(crate) struct Events {
    kept_max: usize,
    latest: Mutex<Latest>,
}

#[derive(Debug)]
struct Latest {
    /// Numbered without gaps, the last by `last_seq`.
    events: VecDeque<Arc<Event>>,
    last_seq: u64,
}

impl Latest {
    /// The number before the first event that is kept.
    fn floor(&self) -> u64 {
        self.last_seq - self.events.len() as u64
    }
}

/// The events behind a number.
#[derive(Debug, PartialEq)]
pub(crate) enum Following {
    /// These events; empty where there are none yet.
    Events(Vec<Arc<Event>>),
    /// Some of the events are no longer kept.
    Missed,
}

impl Events {
    /// Of a journal that ends with entry `last_seq`.
    pub(crate) fn new(last_seq: u64, kept_max: usize) -> Self {
        Self {
            kept_max,
            latest: Mutex::new(Latest {
                events: VecDeque::new(),
                last_seq,
            }),
        }
    }

    fn latest(&self) -> MutexGuard<'_, Latest> {
        self.latest.lock().expect("no holder panics")
    }

    /// The number of the last event.
    pub(crate) fn last_seq(&self) -> u64 {
        self.latest().last_seq
    }

    /// Whether all that follows a number is kept.
    pub(crate) fn has(&self, seq: u64) -> bool {
        self.latest().floor() <= seq
    }

    /// The first `max` events behind a number.
    pub(crate) fn after(&self, seq: u64, max: usize) -> Following {
        let latest = self.latest();
        let Some(known) = seq.checked_sub(latest.floor()) else {
            return Following::Missed;
        };
        let events = latest.events.iter().skip(known as usize).take(max);
        Following::Events(events.cloned().collect())
    }

    /// Enters facts that are durable, the first of them as entry `first_seq`.
    pub(crate) fn enter(&self, first_seq: u64, facts: &[Stamped]) {
        let numbered = (first_seq..).zip(facts);
        let events: Vec<_> = numbered
            .map(|(seq, stamped)| Arc::new(event(seq, stamped)))
            .collect();
        let mut latest = self.latest();
        assert_eq!(
            first_seq,
            latest.last_seq + 1,
            "entries are numbered by one"
        );
        latest.last_seq += events.len() as u64;
        latest.events.extend(events);
        let more = latest.events.len().saturating_sub(self.kept_max);
        latest.events.drain(..more);
    }
}

/// A journal's entry as an event.
pub(crate) fn event(seq: u64, stamped: &Stamped) -> Event {
    Event {
        seq,
        at_ms: stamped.at_ms,
        payload: payload(&stamped.fact),
    }
}

/// What a fact tells; nothing for facts that only snapshots contain.
fn payload(fact: &Fact) -> Option<Payload> {
    Some(match fact {
        Fact::SweepSubmitted { sweep, spec } => submitted(*sweep, &spec.name),
        Fact::SweepCancelled { sweep } => Payload::SweepCancelled(sweep_ref(*sweep)),
        Fact::SweepResumed { sweep } => Payload::SweepResumed(sweep_ref(*sweep)),
        Fact::SweepDeleted { sweep } => Payload::SweepDeleted(sweep_ref(*sweep)),
        Fact::SweepPaused { sweep } => Payload::SweepPaused(sweep_ref(*sweep)),
        Fact::SweepPrioritised { sweep, priority } => prioritised(*sweep, *priority),
        Fact::LeaseGranted {
            job,
            fence,
            holder,
            trials,
            copy,
            sweep,
            ..
        } => Payload::JobLeased(wire::JobLeased {
            job: job.0,
            fence: fence.0,
            worker: holder.worker.clone(),
            trials: trials.len() as u64,
            sweep: sweep.map_or_else(String::new, |sweep| sweep.to_string()),
            copy: *copy,
        }),
        Fact::LeaseEnded {
            job,
            fence,
            reason,
            hindrance,
        } => Payload::LeaseEnded(wire::LeaseEnded {
            job: job.0,
            fence: fence.0,
            reason: lease_end(*reason).into(),
            hindrance: hindrance.as_ref().map(told_hindrance),
        }),
        Fact::GroupParked {
            sweep,
            group,
            trials,
            hindered,
        } => parked(*sweep, *group, *trials, hindered),
        Fact::GroupUnparked { sweep, group } => unparked(*sweep, *group),
        Fact::AttemptFailed {
            trial,
            worker,
            reason,
            attempts,
        } => attempt_failed(*trial, worker, reason, *attempts),
        Fact::RungReached {
            trial,
            worker,
            epochs,
            validation_mse,
        } => rung_passed(*trial, worker, *epochs, *validation_mse),
        Fact::OutcomeRecorded {
            trial,
            worker,
            lease,
            attempts,
            outcome,
        } => Payload::OutcomeRecorded(wire::OutcomeRecorded {
            trial: trial.to_string(),
            worker: worker.clone(),
            lease: Some(lease_ref(*lease)),
            attempts: *attempts,
            outcome: Some(ending(outcome)),
        }),
        Fact::OutcomeRetracted { trial, reason, .. } => retracted(*trial, reason),
        Fact::LeasesRemembered { .. } | Fact::TrialCarried { .. } | Fact::FenceReached { .. } => {
            return None;
        }
    })
}

fn sweep_ref(sweep: SweepId) -> wire::SweepRef {
    let sweep = sweep.to_string();
    wire::SweepRef { sweep }
}

fn lease_ref(lease: LeaseRef) -> wire::LeaseRef {
    wire::LeaseRef {
        job: lease.job.0,
        fence: lease.fence.0,
    }
}

fn submitted(sweep: SweepId, name: &str) -> Payload {
    Payload::SweepSubmitted(wire::SweepSubmitted {
        sweep: sweep.to_string(),
        name: name.to_owned(),
    })
}

fn prioritised(sweep: SweepId, priority: i32) -> Payload {
    let sweep = sweep.to_string();
    Payload::SweepPrioritised(wire::SweepPrioritised { sweep, priority })
}

fn parked(sweep: SweepId, group: GroupId, trials: u64, hindered: &[HinderedWorkers]) -> Payload {
    let hindered = hindered.iter().map(|told| wire::Hindered {
        workers: told
            .workers
            .iter()
            .map(|holder| holder.worker.clone())
            .take(HINDERED_WORKERS_SHOWN)
            .collect(),
        reason: told.reason.clone(),
        hint: told.hint.clone(),
        trials,
        parked: trials,
    });
    Payload::GroupParked(wire::GroupParked {
        sweep: sweep.to_string(),
        group: group.to_string(),
        trials,
        hindered: hindered.collect(),
    })
}

fn unparked(sweep: SweepId, group: GroupId) -> Payload {
    Payload::GroupUnparked(wire::GroupRef {
        sweep: sweep.to_string(),
        group: group.to_string(),
    })
}

fn attempt_failed(trial: TrialId, worker: &str, reason: &str, attempts: u32) -> Payload {
    Payload::AttemptFailed(wire::AttemptFailed {
        trial: trial.to_string(),
        worker: worker.to_owned(),
        reason: reason.to_owned(),
        attempts,
    })
}

fn rung_passed(trial: TrialId, worker: &str, epochs: u32, validation_mse: f64) -> Payload {
    Payload::RungPassed(wire::RungPassed {
        trial: trial.to_string(),
        worker: worker.to_owned(),
        epochs,
        validation_mse,
    })
}

fn retracted(trial: TrialId, reason: &str) -> Payload {
    Payload::OutcomeRetracted(wire::OutcomeRetracted {
        trial: trial.to_string(),
        reason: reason.to_owned(),
    })
}

fn ending(outcome: &Ending) -> Outcome {
    match outcome {
        // Details may be a hundred times longer than everything else, and few readers need them.
        Ending::Finished(scores) => Outcome::Scores(wire::Scores {
            details: None,
            ..Scores::clone(scores)
        }),
        Ending::Failed { reason } => Outcome::Failed(reason.clone()),
        Ending::Stopped {
            epochs,
            validation_mse,
        } => Outcome::Stopped(wire::Stop {
            epochs: *epochs,
            validation_mse: *validation_mse,
        }),
    }
}

fn lease_end(reason: LeaseEnd) -> lease_ended::Reason {
    match reason {
        LeaseEnd::Lapsed => lease_ended::Reason::Lapsed,
        LeaseEnd::WorkerRestarted => lease_ended::Reason::WorkerRestarted,
        LeaseEnd::CoordinatorRestarted => lease_ended::Reason::CoordinatorRestarted,
        LeaseEnd::Released => lease_ended::Reason::Released,
        LeaseEnd::Hindered => lease_ended::Reason::Hindered,
    }
}

fn told_hindrance(hindrance: &Hindrance) -> wire::Hindrance {
    wire::Hindrance {
        reason: hindrance.reason.clone(),
        hint: hindrance.hint.clone(),
        machine: hindrance.machine,
        of_trials: hindrance.of_trials,
    }
}
