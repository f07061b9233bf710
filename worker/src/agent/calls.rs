//! Calls: what a worker asks its coordinator, repeated while the coordinator does not answer.

use super::error::WorkerError;
use crate::totals;
use backon::{ExponentialBuilder, Retryable};
use nrp_client::{ClientError, Connection};
use nrp_proto::CONTRACT;
use nrp_proto::wire::workers_client::WorkersClient;
use nrp_proto::wire::{
    Activity, HeartbeatReply, HeartbeatRequest, Hindrance, LeaseRef, LeaseReply, LeaseRequest,
    LeaveRequest, RegisterRequest, ReleaseRequest, Report, ReportRequest, RungRequest, Verdict,
};
use std::time::Duration;
use tonic::transport::Channel;
use tonic::{Code, Request};

/// How long one call may take.
pub(super) const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a worker that ends waits for the answer to its goodbye.
const GOODBYE_PATIENCE: Duration = Duration::from_secs(2);
/// How long a trial waits for the answer at a rung before it continues without one.
const RUNG_PATIENCE: Duration = Duration::from_secs(5);
/// Shortest and longest wait between two tries; up to the same time is added at random.
const RETRY_WAIT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// How long a worker keeps trying after the coordinator went away.
pub(super) const COORDINATOR_AWAY: Duration = Duration::from_secs(24 * 3600);

type Client = WorkersClient<Channel>;

/// What the coordinator answered to a worker's registration.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    /// How often the worker must send a heartbeat.
    pub(super) heartbeat: Duration,
    /// How long its leases live without one.
    pub(super) lease: Duration,
}

/// A worker's line to its coordinator.
pub(super) struct Calls {
    connection: Connection,
    pub(super) name: String,
    pub(super) instance: String,
    device: String,
    lanes: u32,
    /// Whether this worker's heartbeats carry the totals of the whole process: one of its workers' do.
    speaks_for_all: bool,
}

impl Calls {
    /// A line to the coordinator at `address`; it connects with the first call.
    pub(super) fn new(
        address: &str,
        name: String,
        device: String,
        lanes: u32,
        speaks_for_all: bool,
    ) -> Result<Self, WorkerError> {
        Ok(Self {
            connection: Connection::lazy(address, CALL_TIMEOUT)?,
            name,
            instance: fresh_instance(),
            device,
            lanes,
            speaks_for_all,
        })
    }

    /// Calls until the coordinator answers, for `patience` at most.
    async fn persist<T, F, Fut>(&self, patience: Duration, call: F) -> Result<T, WorkerError>
    where
        F: Fn(Client) -> Fut,
        Fut: Future<Output = Result<tonic::Response<T>, tonic::Status>>,
    {
        let waits = ExponentialBuilder::default()
            .with_min_delay(RETRY_WAIT.0)
            .with_max_delay(RETRY_WAIT.1)
            .with_jitter()
            .without_max_times()
            .with_total_delay(Some(patience));
        let once = || async {
            let answer = call(self.connection.workers()).await;
            answer.map_err(|status| self.connection.error(status))
        };
        let answer = once
            .retry(waits)
            .when(ClientError::is_unreachable)
            .notify(|error, wait| tracing::debug!(%error, ?wait, "the coordinator is away"))
            .await;
        Ok(answer.map(tonic::Response::into_inner)?)
    }

    /// Announces the worker.
    pub(super) async fn register(&self, patience: Duration) -> Result<Terms, WorkerError> {
        let request = RegisterRequest {
            worker: self.name.clone(),
            instance: self.instance.clone(),
            device: self.device.clone(),
            lanes: self.lanes,
            contract: CONTRACT,
        };
        let call = |mut client: Client| {
            let request = request.clone();
            async move { client.register(request).await }
        };
        let reply = self.persist(patience, call).await?;
        Ok(Terms {
            heartbeat: Duration::from_millis(reply.heartbeat_ms),
            lease: Duration::from_millis(reply.lease_ms),
        })
    }

    /// Asks for a job, for `patience` at most, and names the activations in the cache; registers again if the
    /// coordinator was restarted meanwhile.
    pub(super) async fn lease(
        &self,
        held: Vec<String>,
        patience: Duration,
    ) -> Result<LeaseReply, WorkerError> {
        loop {
            let request = LeaseRequest {
                worker: self.name.clone(),
                instance: self.instance.clone(),
                held: held.clone(),
            };
            let call = |mut client: Client| {
                let request = request.clone();
                async move { client.lease(request).await }
            };
            match self.persist(patience, call).await {
                Err(WorkerError::Coordinator(error)) if knows_nobody(&error) => {
                    self.register(patience).await?;
                }
                reply => return reply,
            }
        }
    }

    /// Sends one heartbeat.
    pub(super) async fn heartbeat(
        &self,
        terms: Terms,
        leases: Vec<LeaseRef>,
        activity: Activity,
    ) -> Result<HeartbeatReply, tonic::Status> {
        let mut request = Request::new(HeartbeatRequest {
            worker: self.name.clone(),
            instance: self.instance.clone(),
            leases,
            activity: Some(activity),
            totals: self.speaks_for_all.then(totals::read),
        });
        // Time out early enough to retry before the lease expires.
        request.set_timeout(terms.lease / 3);
        let reply = self.connection.workers().heartbeat(request).await?;
        Ok(reply.into_inner())
    }

    /// Reports outcomes, at most [`REPORTS_MAX`](nrp_proto::REPORTS_MAX), until the coordinator answers with a
    /// verdict on each.
    pub(super) async fn report(&self, reports: &[Report]) -> Result<Vec<Verdict>, WorkerError> {
        let call = |mut client: Client| {
            let reports = reports.to_vec();
            async move { client.report(ReportRequest { reports }).await }
        };
        let reply = self.persist(COORDINATOR_AWAY, call).await?;
        Ok(reply.verdicts)
    }

    /// Whether a trial that reached a rung continues; `None` without an answer. The trial then continues,
    /// which is always correct.
    pub(super) async fn rung(
        &self,
        lease: LeaseRef,
        trial: &str,
        epochs: u32,
        validation_mse: f64,
    ) -> Option<bool> {
        let mut request = Request::new(RungRequest {
            worker: self.name.clone(),
            instance: self.instance.clone(),
            lease: Some(lease),
            trial: trial.to_owned(),
            epochs,
            validation_mse,
        });
        request.set_timeout(RUNG_PATIENCE);
        match self.connection.workers().rung(request).await {
            Ok(reply) => Some(!reply.into_inner().stop),
            Err(status) => {
                tracing::debug!(trial, epochs, %status, "no answer at a rung; the trial continues");
                None
            }
        }
    }

    /// Says goodbye, once and briefly: a coordinator that is away notices the silence instead.
    pub(super) async fn leave(&self) {
        let mut request = Request::new(LeaveRequest {
            worker: self.name.clone(),
            instance: self.instance.clone(),
        });
        request.set_timeout(GOODBYE_PATIENCE);
        if let Err(status) = self.connection.workers().leave(request).await {
            tracing::debug!(%status, "no answer to a goodbye");
        }
    }

    /// Hands a job back, with what hinders it, if that succeeds within `patience`; otherwise the lease expires by
    /// itself.
    pub(super) async fn release(
        &self,
        lease: LeaseRef,
        hindrance: Option<Hindrance>,
        patience: Duration,
    ) {
        let request = ReleaseRequest {
            worker: self.name.clone(),
            instance: self.instance.clone(),
            lease: Some(lease),
            hindrance,
        };
        let call = |mut client: Client| {
            let request = request.clone();
            async move { client.release(request).await }
        };
        let released = self.persist(patience, call);
        match tokio::time::timeout(patience, released).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the job could not be handed back"),
            Err(_) => tracing::warn!("the job could not be handed back in time"),
        }
    }
}

/// Whether the coordinator does not know the worker: it was restarted since the worker registered.
fn knows_nobody(error: &ClientError) -> bool {
    error
        .refusal()
        .is_some_and(|refusal| refusal.code == Code::NotFound)
}

/// A word that no other process uses.
fn fresh_instance() -> String {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    format!("{}-{}", std::process::id(), now.as_nanos())
}
