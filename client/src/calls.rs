//! Calls: what a user asks a coordinator, one method each.

use crate::connection::Connection;
use crate::error::ClientError;
use crate::events::Events;
use crate::pages::Pages;
use crate::watch::Watch;
use nrp_proto::DETAILS_MAX;
use nrp_proto::wire::sweeps_client::SweepsClient;
use nrp_proto::wire::{
    BestRequest, CancelRequest, DeleteReply, DeleteRequest, Details, DetailsRequest, DrainRequest,
    ExplainReply, ExplainRequest, ListRequest, MarginalsRequest, PauseRequest, PrioritiseRequest,
    ResumeRequest, RetractRequest, Retracted, StatusRequest, SubmitReply, SubmitRequest, SweepSpec,
    SweepStatus, TrialRecord, TrialsRequest, WorkerStatus, WorkersRequest,
};
use tonic::transport::Channel;
use tonic::{Response, Status, Streaming};

/// A client of one coordinator. Clones share its connection.
///
/// Where a method takes `sweep`, that is a sweep's name, its id, or a unique prefix of its id; empty stands for
/// the sweep that was submitted last.
///
/// # Errors
/// Every method fails with [`ClientError::Unreachable`] where the coordinator does not answer, and with
/// [`ClientError::Refused`] where it answers with a refusal.
#[derive(Debug, Clone)]
pub struct Client {
    connection: Connection,
}

impl Client {
    /// Connects to the coordinator at `address`, `HOST:PORT` or a URI.
    ///
    /// # Errors
    /// When `address` is not an address, or nothing listens there.
    pub async fn connect(address: &str) -> Result<Self, ClientError> {
        let connection = Connection::open(address).await?;
        Ok(Self { connection })
    }

    /// The coordinator's address, as it was given.
    pub fn address(&self) -> &str {
        self.connection.address()
    }

    /// Submits a sweep. A sweep that was submitted before is resumed, and only its new cells are run. Without a
    /// `priority`, a known sweep keeps its own and a new one has 0.
    pub async fn submit(
        &self,
        sweep: SweepSpec,
        priority: Option<i32>,
    ) -> Result<SubmitReply, ClientError> {
        let sweep = Some(sweep);
        let request = SubmitRequest { sweep, priority };
        self.ask(async |mut of| of.submit(request).await).await
    }

    /// All sweeps, in the order in which they were last submitted.
    pub fn sweeps(&self) -> Pages<ListRequest> {
        Pages::new(self.connection.clone(), ListRequest::default())
    }

    /// How far a sweep is.
    pub async fn status(&self, sweep: &str) -> Result<SweepStatus, ClientError> {
        let sweep = sweep.to_owned();
        self.ask(async |mut of| of.status(StatusRequest { sweep }).await)
            .await
    }

    /// What a sweep was submitted with.
    pub async fn describe(&self, sweep: &str) -> Result<SweepSpec, ClientError> {
        let sweep = sweep.to_owned();
        self.ask(async |mut of| of.describe(StatusRequest { sweep }).await)
            .await
    }

    /// Starts no further trial of a sweep; finished ones are kept.
    pub async fn cancel(&self, sweep: &str) -> Result<SweepStatus, ClientError> {
        let sweep = sweep.to_owned();
        self.ask(async |mut of| of.cancel(CancelRequest { sweep }).await)
            .await
    }

    /// Starts no further trial of a sweep until it is resumed; running ones finish.
    pub async fn pause(&self, sweep: &str) -> Result<SweepStatus, ClientError> {
        let sweep = sweep.to_owned();
        self.ask(async |mut of| of.pause(PauseRequest { sweep }).await)
            .await
    }

    /// Continues a cancelled, paused or parked sweep, and gives its failed trials new attempts.
    pub async fn resume(&self, sweep: &str) -> Result<SweepStatus, ClientError> {
        let sweep = sweep.to_owned();
        self.ask(async |mut of| of.resume(ResumeRequest { sweep }).await)
            .await
    }

    /// Sets a sweep's priority: trials of sweeps with a higher one start first.
    pub async fn prioritise(&self, sweep: &str, priority: i32) -> Result<SweepStatus, ClientError> {
        let sweep = sweep.to_owned();
        let request = PrioritiseRequest { sweep, priority };
        self.ask(async |mut of| of.prioritise(request).await).await
    }

    /// Deletes a sweep that has ended, with the trials that no other sweep has; with `dry_run`, only says what
    /// would be deleted. `sweep` must not be empty.
    pub async fn delete(&self, sweep: &str, dry_run: bool) -> Result<DeleteReply, ClientError> {
        let sweep = sweep.to_owned();
        let request = DeleteRequest { sweep, dry_run };
        self.ask(async |mut of| of.delete(request).await).await
    }

    /// How far a sweep is: now, then after each change, until it has ended. Waits for a coordinator that is
    /// restarted meanwhile.
    pub async fn watch(&self, sweep: &str) -> Result<Watch, ClientError> {
        Watch::open(self.connection.clone(), sweep).await
    }

    /// What became durable after the event number `since`, in order, without end. 0 asks for everything that the
    /// journal still holds, `None` for what is added from now on. Waits for a coordinator that is restarted
    /// meanwhile, and then continues after the last event.
    pub async fn events(&self, since: Option<u64>) -> Result<Events, ClientError> {
        Events::open(self.connection.clone(), since).await
    }

    /// Why trials wait: those of a sweep, or the one whose id `subject` is.
    pub async fn explain(&self, subject: &str) -> Result<ExplainReply, ClientError> {
        let subject = subject.to_owned();
        self.ask(async |mut of| of.explain(ExplainRequest { subject }).await)
            .await
    }

    /// The best trials, a row per ANN and region.
    pub fn best(&self, request: BestRequest) -> Pages<BestRequest> {
        Pages::new(self.connection.clone(), request)
    }

    /// Mean and best scores over one or two axes, a row per ANN and region.
    pub fn marginals(&self, request: MarginalsRequest) -> Pages<MarginalsRequest> {
        Pages::new(self.connection.clone(), request)
    }

    /// Trials with their state and scores, in the order of the grid.
    pub async fn trials(&self, request: TrialsRequest) -> Result<Trials, ClientError> {
        let stream = self.ask(async |mut of| of.trials(request).await).await?;
        Ok(Trials {
            connection: self.connection.clone(),
            stream,
        })
    }

    /// What the scores of `trials` are made of, in their order; empty details for a trial that has none.
    pub async fn details(&self, trials: &[String]) -> Result<Vec<Details>, ClientError> {
        let mut all = Vec::with_capacity(trials.len());
        while all.len() < trials.len() {
            let asked = trials.iter().skip(all.len()).take(DETAILS_MAX);
            let request = DetailsRequest {
                trials: asked.cloned().collect(),
            };
            // The coordinator answers for as many of the first as fit a message.
            let reply = self.ask(async |mut of| of.details(request).await).await?;
            if reply.details.is_empty() {
                let nothing = Status::internal("the coordinator answered with no details");
                return Err(self.connection.error(nothing));
            }
            all.extend(reply.details);
        }
        Ok(all)
    }

    /// Takes the outcomes of trials back, all or none, and records `reason`. The trials are then open again.
    pub async fn retract(
        &self,
        trials: Vec<String>,
        reason: String,
    ) -> Result<Vec<Retracted>, ClientError> {
        let request = RetractRequest { trials, reason };
        let reply = self.ask(async |mut of| of.retract(request).await).await?;
        Ok(reply.trials)
    }

    /// The workers that were heard of lately, in the order of their names.
    pub fn workers(&self) -> Pages<WorkersRequest> {
        Pages::new(self.connection.clone(), WorkersRequest::default())
    }

    /// Tells workers to finish their job and end.
    pub async fn drain(&self, workers: Vec<String>) -> Result<Vec<WorkerStatus>, ClientError> {
        let drained = self
            .connection
            .admin()
            .drain(DrainRequest { workers })
            .await;
        let reply = drained.map_err(|status| self.connection.error(status))?;
        Ok(reply.into_inner().workers)
    }

    async fn ask<T>(
        &self,
        call: impl AsyncFnOnce(SweepsClient<Channel>) -> Result<Response<T>, Status>,
    ) -> Result<T, ClientError> {
        let answer = call(self.connection.sweeps()).await;
        answer
            .map(Response::into_inner)
            .map_err(|status| self.connection.error(status))
    }
}

/// Trials as the coordinator sends them: memory does not grow with their number.
#[derive(Debug)]
pub struct Trials {
    connection: Connection,
    stream: Streaming<TrialRecord>,
}

impl Trials {
    /// The next trial; `None` after the last.
    ///
    /// # Errors
    /// When the connection breaks, or a trial has no state: a coordinator of this version always says it.
    pub async fn next(&mut self) -> Result<Option<TrialRecord>, ClientError> {
        let next = self.stream.message().await;
        let next = next.map_err(|status| self.connection.error(status))?;
        if next.as_ref().is_some_and(|trial| trial.state == 0) {
            let address = self.connection.address().to_owned();
            return Err(ClientError::OtherVersion { address });
        }
        Ok(next)
    }
}
