//! Watching a sweep: its status now, and again after changes, until it has ended.
//!
//! Events say when there is something new. Changes that come quickly share a status; the status in which
//! the sweep ends is sent at once.

use super::Link;
use crate::driver::{Events, Following};
use nrp_proto::state::SweepState;
use nrp_proto::wire::event::Payload;
use nrp_proto::wire::{Event, SweepStatus, WatchReply};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tonic::Status;

/// Shortest time between two looks at a sweep that goes on.
const PAUSE: Duration = Duration::from_millis(200);

/// Shortest time between two looks at a sweep that may have ended.
const END_PAUSE: Duration = Duration::from_millis(20);

/// Longest time between two statuses, so that a reader knows the stream to be alive.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Events that are looked at together.
const PAGE: usize = 1_024;

type Sender = mpsc::Sender<Result<WatchReply, Status>>;

/// Sends statuses until the sweep has ended, no worker can go on with it, or the reader has gone. `first`
/// was asked for when event `position` was the last.
pub(super) async fn watch(link: Link, first: WatchReply, position: u64, sender: Sender) {
    let mut end = End::new(&first, position);
    let mut changes = link.changes.clone();
    let mut last = first.clone();
    if sender.send(Ok(first)).await.is_err() || end.is_here {
        return;
    }
    let mut sent_at = Instant::now();
    let mut looked_at = sent_at;
    loop {
        let mut changed = false;
        loop {
            let due = if changed {
                looked_at + PAUSE
            } else {
                sent_at + HEARTBEAT
            };
            tokio::select! {
                going = changes.changed() => {
                    changed = true;
                    // Where the driver has ended, the next question is refused, with the reason.
                    if going.is_err() || end.may_be_here(&link.events) {
                        sleep_until(looked_at + END_PAUSE).await;
                        break;
                    }
                }
                () = sleep_until(due) => break,
                () = sender.closed() => return,
            }
        }
        looked_at = Instant::now();
        let reply = match link.watched(end.sweep.clone()).await {
            Ok(reply) => reply,
            Err(status) => {
                // A reader that has gone as well needs no reason.
                let _ = sender.send(Err(status)).await;
                return;
            }
        };
        end.look(&reply);
        if reply != last || looked_at >= sent_at + HEARTBEAT {
            sent_at = looked_at;
            last = reply.clone();
            if sender.send(Ok(reply)).await.is_err() {
                return;
            }
        }
        if end.is_here {
            return;
        }
    }
}

/// When a sweep ends, as far as a status and the events since tell.
struct End {
    sweep: String,
    /// Whether it had ended when it was looked at last.
    is_here: bool,
    /// How many outcomes it lacked then, less those of any sweep since.
    open: u64,
    /// The last event that was taken in.
    position: u64,
}

impl End {
    fn new(reply: &WatchReply, position: u64) -> Self {
        let mut end = Self {
            sweep: String::new(),
            is_here: false,
            open: 0,
            position,
        };
        end.look(reply);
        end
    }

    /// Takes a status in.
    fn look(&mut self, reply: &WatchReply) {
        let status = reply.sweep.clone().unwrap_or_default();
        self.is_here = has_ended(&status);
        self.open = status.waiting + status.leased + status.parked;
        self.sweep = status.id;
    }

    /// Takes in the events since. Answers whether the sweep may have ended with them.
    fn may_be_here(&mut self, events: &Events) -> bool {
        let mut may_be = false;
        loop {
            match events.after(self.position, PAGE) {
                Following::Missed => {
                    self.position = events.last_seq();
                    return true;
                }
                Following::Events(page) => {
                    let Some(last) = page.last() else {
                        return may_be;
                    };
                    self.position = last.seq;
                    for event in page {
                        may_be |= self.may_be_with(&event);
                    }
                }
            }
        }
    }

    fn may_be_with(&mut self, event: &Event) -> bool {
        match &event.payload {
            Some(Payload::OutcomeRecorded(_)) => {
                self.open = self.open.saturating_sub(1);
                self.open == 0
            }
            Some(Payload::SweepCancelled(of) | Payload::SweepDeleted(of)) => of.sweep == self.sweep,
            Some(Payload::GroupParked(parked)) => parked.sweep == self.sweep,
            Some(
                Payload::SweepSubmitted(_)
                | Payload::SweepPaused(_)
                | Payload::SweepResumed(_)
                | Payload::SweepPrioritised(_)
                | Payload::JobLeased(_)
                | Payload::LeaseEnded(_)
                | Payload::GroupUnparked(_)
                | Payload::AttemptFailed(_)
                | Payload::RungPassed(_)
                | Payload::OutcomeRetracted(_),
            )
            | None => false,
        }
    }
}

fn has_ended(status: &SweepStatus) -> bool {
    let ends = [
        SweepState::Finished,
        SweepState::Cancelled,
        SweepState::Parked,
    ];
    ends.map(SweepState::to_wire).contains(&status.state)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheduler::{Fact, SweepId, TrialId};
    use crate::store::samples::{finished, stamped};

    #[test]
    fn a_sweep_may_have_ended_with_its_last_outcome_or_when_it_is_cancelled() {
        let events = Events::new(0, 4);
        let status = SweepStatus {
            id: SweepId(7).to_string(),
            state: SweepState::Running.to_wire(),
            waiting: 1,
            leased: 1,
            ..SweepStatus::default()
        };
        let reply = WatchReply {
            sweep: Some(status),
            ..WatchReply::default()
        };
        let mut end = End::new(&reply, 0);
        let mut last_seq = 0;
        let mut enter = |facts: Vec<Fact>| {
            let entered = facts.len() as u64;
            events.enter(last_seq + 1, &stamped(facts));
            last_seq += entered;
        };
        assert!(!end.is_here && !end.may_be_here(&events));
        enter(vec![finished(TrialId(1), 0.5)]);
        assert!(!end.may_be_here(&events), "one outcome is missing");
        enter(vec![finished(TrialId(2), 0.5)]);
        assert!(end.may_be_here(&events));
        end.look(&reply);
        enter(vec![Fact::SweepCancelled { sweep: SweepId(8) }]);
        assert!(!end.may_be_here(&events), "another sweep");
        enter(vec![Fact::SweepCancelled { sweep: SweepId(7) }]);
        assert!(end.may_be_here(&events));
        enter(
            (0..5)
                .map(|_| Fact::SweepPaused { sweep: SweepId(8) })
                .collect(),
        );
        assert!(end.may_be_here(&events), "some were missed");
    }
}
