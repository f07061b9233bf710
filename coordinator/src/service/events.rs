//! Events for a reader: what the journal has behind the number it knows, then what is added.
//!
//! No reader holds up the coordinator. A slow reader delays only itself, and misses events once it falls
//! further behind than events are kept. It is then told to resynchronise, and goes on from there.

use super::refuse;
use crate::driver::{Events, Following, event};
use crate::store::{History, StoreError, Tail};
use nrp_proto::wire::events_reply::Next;
use nrp_proto::wire::resync::Reason;
use nrp_proto::wire::{self, EventsReply, Resync};
use std::sync::Arc;
use tokio::sync::{Semaphore, mpsc, watch};
use tonic::Status;

/// Events that wait for a reader to take them, besides those that the transport holds.
pub(super) const EVENTS_WAITING_MAX: usize = 256;

/// Most events that are fetched at once.
const PAGE: usize = 256;

/// Most pages of journals that are read at once: decoding a journal keeps a processor busy.
const READING_MAX: usize = 2;

/// Where events come from.
#[derive(Clone)]
pub(crate) struct Source {
    events: Arc<Events>,
    history: History,
    /// Changes with every event, and closes when the coordinator stops.
    changes: watch::Receiver<u64>,
    reading: Arc<Semaphore>,
}

type Sender = mpsc::Sender<Result<EventsReply, Status>>;

/// Why a stream ends.
enum End {
    /// The reader has gone.
    Gone,
    Because(Status),
}

impl Source {
    pub(crate) fn new(
        events: Arc<Events>,
        history: History,
        changes: watch::Receiver<u64>,
    ) -> Self {
        Self {
            events,
            history,
            changes,
            reading: Arc::new(Semaphore::new(READING_MAX)),
        }
    }

    /// Sends the events behind number `since`, or those added from now on, until the reader or the
    /// coordinator ends.
    pub(super) async fn send(mut self, since: Option<u64>, sender: Sender) {
        let position = match since {
            Some(since) => self.begin(since, &sender).await,
            None => self.resync(Reason::Start, &sender).await,
        };
        let ended = match position {
            Ok(position) => self.follow(position, &sender).await,
            Err(ended) => ended,
        };
        if let End::Because(status) = ended {
            // A reader that has gone as well needs no reason.
            let _ = sender.send(Err(status)).await;
        }
    }

    /// Sends events that only the journal still has. Answers the number from which the reader goes on.
    async fn begin(&self, since: u64, sender: &Sender) -> Result<u64, End> {
        if since > self.events.last_seq() {
            return self.resync(Reason::Ahead, sender).await;
        }
        if self.events.has(since) {
            return Ok(since);
        }
        let Some(mut tail) = self.read(move |history| history.tail(since)).await? else {
            return self.resync(Reason::Dropped, sender).await;
        };
        let mut position = since;
        while !self.events.has(position) {
            let upto = self.events.last_seq();
            let (rest, page) = self.page(tail, upto).await?;
            tail = rest;
            let Some(last) = page.last() else {
                // Another journal is in its place, and more was added to that than is kept.
                return self.resync(Reason::Lagged, sender).await;
            };
            position = last.seq;
            for event in page {
                send_next(Next::Event(event), sender).await?;
            }
        }
        Ok(position)
    }

    /// Sends events behind a number as they are added.
    async fn follow(&mut self, mut position: u64, sender: &Sender) -> End {
        loop {
            // Marked before looking, so that no event that comes meanwhile is missed.
            self.changes.mark_unchanged();
            let sent = match self.events.after(position, PAGE) {
                Following::Missed => self.resync(Reason::Lagged, sender).await,
                Following::Events(events) if events.is_empty() => {
                    if let Err(ended) = self.wait(sender).await {
                        return ended;
                    }
                    continue;
                }
                Following::Events(events) => send_all(&events, sender).await,
            };
            position = match sent {
                Ok(position) => position,
                Err(ended) => return ended,
            };
        }
    }

    /// Waits until something changes.
    async fn wait(&mut self, sender: &Sender) -> Result<(), End> {
        tokio::select! {
            changed = self.changes.changed() => {
                changed.map_err(|_| End::Because(refuse::stopping()))
            }
            () = sender.closed() => Err(End::Gone),
        }
    }

    /// Tells the reader that it misses events up to the last one. Answers the number of that one.
    async fn resync(&self, reason: Reason, sender: &Sender) -> Result<u64, End> {
        let seq = self.events.last_seq();
        let reason = reason.into();
        send_next(Next::Resync(Resync { seq, reason }), sender).await?;
        Ok(seq)
    }

    async fn page(&self, mut tail: Tail, upto: u64) -> Result<(Tail, Vec<wire::Event>), End> {
        self.read(move |_| {
            let entries = tail.page(upto, PAGE)?;
            let events = entries.iter().map(|(seq, stamped)| event(*seq, stamped));
            let events = events.collect();
            Ok((tail, events))
        })
        .await
    }

    /// Reads the journal on a thread that may wait for the disk.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&History) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, End> {
        let permit = self.reading.clone().acquire_owned().await;
        let history = self.history.clone();
        let read = tokio::task::spawn_blocking(move || {
            let read = read(&history);
            drop(permit);
            read
        });
        match read.await {
            Ok(read) => read
                .map_err(|error| End::Because(refuse::diagnostic(tonic::Code::DataLoss, &error))),
            Err(_) => Err(End::Because(refuse::stopping())),
        }
    }
}

/// Sends events. Answers the number of the last.
async fn send_all(events: &[Arc<wire::Event>], sender: &Sender) -> Result<u64, End> {
    let mut position = 0;
    for event in events {
        position = event.seq;
        send_next(Next::Event(wire::Event::clone(event)), sender).await?;
    }
    Ok(position)
}

async fn send_next(next: Next, sender: &Sender) -> Result<(), End> {
    let reply = EventsReply { next: Some(next) };
    sender.send(Ok(reply)).await.map_err(|_| End::Gone)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheduler::TrialId;
    use crate::store::samples::{finished, stamped};

    /// What a coordinator enters, and what readers are fed from.
    struct Feed {
        events: Arc<Events>,
        changed: watch::Sender<u64>,
        source: Source,
    }

    impl Feed {
        fn new(kept_max: usize) -> Self {
            let events = Arc::new(Events::new(0, kept_max));
            let (changed, changes) = watch::channel(0);
            let source = Source::new(events.clone(), History::Nowhere, changes);
            Self {
                events,
                changed,
                source,
            }
        }

        /// A reader that has this many places for what it has not taken yet.
        fn reader(&self, waiting_max: usize) -> mpsc::Receiver<Result<EventsReply, Status>> {
            let (sender, receiver) = mpsc::channel(waiting_max);
            tokio::spawn(self.source.clone().send(Some(0), sender));
            receiver
        }

        fn enter(&self, seq: u64) {
            let facts = stamped([finished(TrialId(seq.into()), 0.5)]);
            self.events.enter(seq, &facts);
            self.changed.send_modify(|changes| *changes += 1);
        }
    }

    async fn next(reader: &mut mpsc::Receiver<Result<EventsReply, Status>>) -> Next {
        let reply = reader.recv().await.expect("it goes on");
        reply.expect("no error").next.expect("is told")
    }

    #[tokio::test]
    async fn a_slow_reader_is_told_to_resynchronise_and_holds_up_nobody() {
        let feed = Feed::new(8);
        let (mut fast, mut slow) = (feed.reader(1), feed.reader(1));
        for seq in 1..=100 {
            feed.enter(seq);
            assert!(matches!(next(&mut fast).await, Next::Event(event) if event.seq == seq));
        }
        let mut position = 0;
        let resync = loop {
            match next(&mut slow).await {
                Next::Event(event) => {
                    assert_eq!(event.seq, position + 1);
                    position = event.seq;
                }
                Next::Resync(resync) => break resync,
            }
        };
        assert_eq!((resync.seq, resync.reason()), (100, Reason::Lagged));
        assert!(position < 92, "what was kept is told: {position}");
        for seq in 101..=103 {
            feed.enter(seq);
        }
        for reader in [&mut fast, &mut slow] {
            for seq in 101..=103 {
                assert!(matches!(next(reader).await, Next::Event(event) if event.seq == seq));
            }
        }
        // The coordinator stops.
        drop(feed.changed);
        for reader in [&mut fast, &mut slow] {
            let stopped = reader.recv().await.expect("a last word");
            assert_eq!(stopped.expect_err("why").code(), tonic::Code::Unavailable);
        }
    }
}
