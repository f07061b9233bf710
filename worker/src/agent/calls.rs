//! Calls: the coordinator's services as a worker asks them, again and again while nobody answers.

use super::WorkerError;
use crate::totals;
use backon::{ExponentialBuilder, Retryable};
use nrp_proto::wire::workers_client::WorkersClient;
use nrp_proto::wire::{
    Activity, HeartbeatReply, HeartbeatRequest, Hindrance, LeaseRef, LeaseReply, LeaseRequest,
    LeaveRequest, RegisterRequest, ReleaseRequest, Report, ReportRequest, RungRequest, Verdict,
};
use nrp_proto::{CONTRACT, MESSAGE_BYTES_MAX, Refusal};
use std::time::Duration;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request};

/// Longest that any one call may take.
pub(super) const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest that connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How often a connection is tried, and how long its answer may take before another is made: a
/// network that was cut and healed must not wait for the system to give the old one up.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(5));
/// How long a worker that ends waits for the answer to its goodbye.
const GOODBYE_PATIENCE: Duration = Duration::from_secs(2);
/// How long a trial waits for the answer at a rung before it goes on without.
const RUNG_PATIENCE: Duration = Duration::from_secs(5);
/// Shortest and longest wait between two tries, before up to as much again at random.
const RETRY_WAIT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// How long a worker goes on trying when the coordinator went away.
pub(super) const COORDINATOR_AWAY: Duration = Duration::from_secs(24 * 3600);

type Client = WorkersClient<Channel>;

/// What the coordinator told a worker that announced itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    /// How often it must give a sign of life.
    pub(super) heartbeat: Duration,
    /// How long its leases live without one.
    pub(super) lease: Duration,
}

/// A worker's line to its coordinator.
pub(super) struct Calls {
    client: Client,
    pub(super) name: String,
    pub(super) instance: String,
    device: String,
    lanes: u32,
    /// Whether it tells what the whole process has done so far: one of its workers does.
    speaks_for_all: bool,
    address: String,
}

impl Calls {
    /// A line to `address`, which is tried when it is needed.
    pub(super) fn new(
        address: String,
        name: String,
        device: String,
        lanes: u32,
        speaks_for_all: bool,
    ) -> Result<Self, WorkerError> {
        let endpoint = Endpoint::from_shared(address.clone())
            .map_err(|_| WorkerError::Address {
                address: address.clone(),
            })?
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(CALL_TIMEOUT)
            .http2_keep_alive_interval(KEEPALIVE.0)
            .keep_alive_timeout(KEEPALIVE.1)
            .keep_alive_while_idle(true);
        let client = WorkersClient::new(endpoint.connect_lazy())
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX);
        Ok(Self {
            client,
            name,
            instance: fresh_instance(),
            device,
            lanes,
            speaks_for_all,
            address,
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
        let answer = (|| async { call(self.client.clone()).await.map_err(Refusal::from) })
            .retry(waits)
            .when(is_away)
            .notify(|error, wait| tracing::debug!(%error, ?wait, "the coordinator is away"))
            .await;
        answer
            .map(tonic::Response::into_inner)
            .map_err(|refusal| match is_away(&refusal) {
                true => WorkerError::Unreachable {
                    address: self.address.clone(),
                    source: refusal,
                },
                false => WorkerError::Refused(refusal),
            })
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

    /// Asks for a job, for `patience` at most, and says which activations are at hand; registers
    /// again where the coordinator was restarted meanwhile.
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
                Err(WorkerError::Refused(refusal)) if refusal.code == Code::NotFound => {
                    self.register(patience).await?;
                }
                reply => return reply,
            }
        }
    }

    /// Gives one sign of life.
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
        // One that is not answered leaves time for others while the lease lives.
        request.set_timeout(terms.lease / 3);
        let reply = self.client.clone().heartbeat(request).await?;
        Ok(reply.into_inner())
    }

    /// Reports outcomes, at most [`REPORTS_MAX`](nrp_proto::REPORTS_MAX), until they are answered; a
    /// verdict on each.
    pub(super) async fn report(&self, reports: &[Report]) -> Result<Vec<Verdict>, WorkerError> {
        let call = |mut client: Client| {
            let reports = reports.to_vec();
            async move { client.report(ReportRequest { reports }).await }
        };
        let reply = self.persist(COORDINATOR_AWAY, call).await?;
        Ok(reply.verdicts)
    }

    /// Whether a trial that reached a rung goes on; none without an answer, and then it does, which is
    /// always right.
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
        match self.client.clone().rung(request).await {
            Ok(reply) => Some(!reply.into_inner().stop),
            Err(status) => {
                tracing::debug!(trial, epochs, %status, "no answer at a rung; the trial goes on");
                None
            }
        }
    }

    /// Says goodbye, once and in a moment: a coordinator that is away learns of it by silence.
    pub(super) async fn leave(&self) {
        let mut request = Request::new(LeaveRequest {
            worker: self.name.clone(),
            instance: self.instance.clone(),
        });
        request.set_timeout(GOODBYE_PATIENCE);
        if let Err(status) = self.client.clone().leave(request).await {
            tracing::debug!(%status, "no answer to a goodbye");
        }
    }

    /// Hands a job back, and says what hinders it, if that succeeds within `patience`; otherwise its
    /// lease lapses by itself.
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

/// Whether trying again may help.
fn is_away(refusal: &Refusal) -> bool {
    refusal.is_unreachable() || refusal.code == Code::DeadlineExceeded
}

/// A word that no other process has.
fn fresh_instance() -> String {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    format!("{}-{}", std::process::id(), now.as_nanos())
}
