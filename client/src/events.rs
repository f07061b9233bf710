//! Events: what became durable on a coordinator, in order and without gaps, over broken connections and restarts.

use crate::connection::Connection;
use crate::error::ClientError;
use crate::retry::Retry;
use nrp_proto::wire::events_reply::Next;
use nrp_proto::wire::{Event, EventsReply, EventsRequest, Resync};
use std::time::Duration;
use tonic::Streaming;

/// What [`Events`] tells.
#[derive(Debug)]
pub enum Told {
    /// The next event.
    Event(Box<Event>),
    /// Events up to [`Resync::seq`] cannot be told. Ask for the state that you show (sweeps, trials), which
    /// includes all of them, and continue with the events that follow.
    Resync(Resync),
    /// The coordinator went away. Told once per outage; the next call waits until it is back, and continues
    /// after the last event.
    Away(ClientError),
}

/// A coordinator's events, without end.
#[derive(Debug)]
pub struct Events {
    connection: Connection,
    /// The number of the last event or resync; the reader's own before the first.
    since: Option<u64>,
    stream: Option<Streaming<EventsReply>>,
    retry: Retry,
}

impl Events {
    /// Begins to read what follows the event number `since`.
    pub(crate) async fn open(
        connection: Connection,
        since: Option<u64>,
    ) -> Result<Self, ClientError> {
        let mut events = Self {
            connection,
            since,
            stream: None,
            retry: Retry::default(),
        };
        events.stream = Some(events.connect().await?);
        Ok(events)
    }

    /// How long a coordinator that went away is waited for; 10 minutes by default.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.retry.set_patience(patience);
        self
    }

    /// The number of the last event or resync that was told. A reader that starts again continues there.
    pub fn since(&self) -> Option<u64> {
        self.since
    }

    /// What is told next; waits until there is something.
    ///
    /// # Errors
    /// When the coordinator refuses, or stays away for longer than the reader is patient.
    pub async fn next(&mut self) -> Result<Told, ClientError> {
        loop {
            let failure = match self.try_next().await {
                Ok(told) => {
                    self.retry.on_answer();
                    match told {
                        Some(Next::Event(event)) => {
                            self.since = Some(event.seq);
                            return Ok(Told::Event(Box::new(event)));
                        }
                        Some(Next::Resync(resync)) => {
                            self.since = Some(resync.seq);
                            return Ok(Told::Resync(resync));
                        }
                        // Something that only later versions know.
                        None => continue,
                    }
                }
                Err(failure) => failure,
            };
            self.stream = None;
            if let Some(first) = self.retry.wait(failure).await? {
                return Ok(Told::Away(first));
            }
        }
    }

    async fn try_next(&mut self) -> Result<Option<Next>, ClientError> {
        if self.stream.is_none() {
            self.stream = Some(self.connect().await?);
        }
        let ended = || tonic::Status::unavailable("the coordinator ended the stream of events");
        let next = match &mut self.stream {
            Some(stream) => stream
                .message()
                .await
                .and_then(|next| next.ok_or_else(ended)),
            None => Err(ended()),
        };
        next.map(|reply| reply.next)
            .map_err(|status| self.connection.error(status))
    }

    async fn connect(&self) -> Result<Streaming<EventsReply>, ClientError> {
        let since = self.since;
        let stream = self
            .connection
            .sweeps()
            .events(EventsRequest { since })
            .await;
        stream
            .map(tonic::Response::into_inner)
            .map_err(|status| self.connection.error(status))
    }
}
