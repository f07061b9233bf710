//! Watching a sweep: its status as it changes, over restarts of the coordinator.

use crate::connection::Connection;
use crate::error::ClientError;
use crate::retry::Retry;
use nrp_proto::wire::{StatusRequest, WatchReply};
use std::time::Duration;
use tonic::Streaming;

/// What a [`Watch`] tells.
#[derive(Debug)]
pub enum Watched {
    /// How the sweep stands now, and which workers the coordinator has.
    Status(Box<WatchReply>),
    /// The coordinator went away. Told once per outage; the next call waits until it is back.
    Away(ClientError),
}

/// A sweep's status as it changes, until the sweep has finished, was cancelled or is parked.
#[derive(Debug)]
pub struct Watch {
    connection: Connection,
    /// As the caller named it; its id once that is known: another sweep may take over the name or be the latest.
    sweep: String,
    stream: Option<Streaming<WatchReply>>,
    retry: Retry,
}

impl Watch {
    /// Begins to watch.
    pub(crate) async fn open(connection: Connection, sweep: &str) -> Result<Self, ClientError> {
        let mut watch = Self {
            connection,
            sweep: sweep.to_owned(),
            stream: None,
            retry: Retry::default(),
        };
        watch.stream = Some(watch.connect().await?);
        Ok(watch)
    }

    /// How long a coordinator that went away is waited for; 10 minutes by default.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.retry.set_patience(patience);
        self
    }

    /// What is told next; `None` after the last status.
    ///
    /// # Errors
    /// When the coordinator refuses, or stays away for longer than the watch is patient.
    pub async fn next(&mut self) -> Result<Option<Watched>, ClientError> {
        loop {
            let failure = match self.try_next().await {
                Ok(Some(reply)) => {
                    self.retry.on_answer();
                    if let Some(sweep) = &reply.sweep {
                        self.sweep.clone_from(&sweep.id);
                    }
                    return Ok(Some(Watched::Status(Box::new(reply))));
                }
                Ok(None) => return Ok(None),
                Err(failure) => failure,
            };
            self.stream = None;
            if let Some(first) = self.retry.wait(failure).await? {
                return Ok(Some(Watched::Away(first)));
            }
        }
    }

    async fn try_next(&mut self) -> Result<Option<WatchReply>, ClientError> {
        if self.stream.is_none() {
            self.stream = Some(self.connect().await?);
        }
        let Some(stream) = &mut self.stream else {
            return Ok(None);
        };
        let next = stream.message().await;
        next.map_err(|status| self.connection.error(status))
    }

    async fn connect(&self) -> Result<Streaming<WatchReply>, ClientError> {
        let sweep = self.sweep.clone();
        let stream = self
            .connection
            .sweeps()
            .watch(StatusRequest { sweep })
            .await;
        stream
            .map(tonic::Response::into_inner)
            .map_err(|status| self.connection.error(status))
    }
}
