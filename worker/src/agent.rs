//! The agent: a worker's side of the wire. It registers, asks for jobs, keeps leases alive, reports
//! outcomes until they are acknowledged, and outlives a coordinator that goes away for a while.
//!
//! All computing is the executor's, on a thread of its own.

use crate::activation::{ActivationError, Cache, CacheConfig};
use crate::device::{self, DeviceError};
use crate::executor::{Control, ExecuteError, Executor};
use backon::{ExponentialBuilder, Retryable};
use miette::Diagnostic;
use nrp_proto::wire::workers_client::WorkersClient;
use nrp_proto::wire::{
    Activity, HeartbeatRequest, Job, LeaseRef, LeaseRequest, Outcome, RegisterRequest,
    ReleaseRequest, ReportRequest,
};
use nrp_proto::{CONTRACT, MESSAGE_BYTES_MAX, Refusal};
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use thiserror::Error;
use tokio::sync::{mpsc, watch};
use tonic::Code;
use tonic::transport::{Channel, Endpoint};

/// Longest that connecting, and any one call, may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a worker looks for a coordinator that it has never reached.
const FIRST_CONTACT: Duration = Duration::from_secs(15);
/// How long a worker goes on trying when the coordinator went away.
const COORDINATOR_AWAY: Duration = Duration::from_secs(24 * 3600);
/// Shortest and longest wait between two tries.
const RETRY_WAIT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// Wait after the coordinator had no job.
const IDLE_WAIT: Duration = Duration::from_millis(200);
/// Outcomes that may wait for their acknowledgement before the executor waits too.
const OUTCOMES_WAITING: usize = 64;
/// How long a worker that was told to stop tries to hand its job back.
const RELEASE_PATIENCE: Duration = Duration::from_secs(3);

/// What a worker is started with.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// The coordinator's address, `http://host:port`.
    pub coordinator: String,
    /// The worker's name: stable over restarts, unique among running workers.
    pub name: String,
    /// Where the recordings and weights lie here; the submitting client's directory if absent.
    pub data_dir: Option<PathBuf>,
    /// Where and how activations are kept.
    pub cache: CacheConfig,
    /// The device's word, see [`crate::device::open`].
    pub device: String,
    /// Trials taken in one job.
    pub lanes: u32,
}

/// Why a worker ended.
#[derive(Debug, Error, Diagnostic)]
pub enum WorkerError {
    /// The device cannot be used.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Device(#[from] DeviceError),
    /// The cache cannot be used.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Cache(#[from] ActivationError),
    /// The address is none.
    #[error("`{address}` is not an address of a coordinator")]
    #[diagnostic(help("write it as host:port, for example 127.0.0.1:7321"))]
    Address {
        /// What the user wrote.
        address: String,
    },
    /// Nobody answers.
    #[error("the coordinator at {address} cannot be reached")]
    #[diagnostic(help(
        "is it running there? `nrp coordinator --listen HOST:PORT` starts one; \
         check address, port and firewall"
    ))]
    Unreachable {
        /// The address tried.
        address: String,
        /// What the last try said.
        #[source]
        source: Refusal,
    },
    /// The coordinator said no.
    #[error("the coordinator refused the worker")]
    Refused(
        #[source]
        #[diagnostic_source]
        Refusal,
    ),
    /// A job is hindered on this machine.
    #[error(
        "a job cannot be run on this worker; its trials wait for another, or for this one to be restarted"
    )]
    Job(
        #[source]
        #[diagnostic_source]
        ExecuteError,
    ),
    /// A mistake of the program's own.
    #[error("a job ended in a mistake of this program's own: {message}")]
    #[diagnostic(help("please report it, with the sweep file; finished trials are kept"))]
    Panicked {
        /// What the panic said.
        message: String,
    },
}

type Client = WorkersClient<Channel>;

/// What heartbeat, executor and job loop share.
#[derive(Default)]
struct Shared {
    lease: Option<LeaseRef>,
    activity: Activity,
    unwanted: HashSet<String>,
}

/// One running worker.
struct Agent {
    client: Client,
    name: String,
    instance: String,
    device: String,
    address: String,
    lanes: u32,
    shared: Arc<Mutex<Shared>>,
    /// Set when the lease was lost or the worker is to stop.
    broken_off: Arc<AtomicBool>,
}

/// Runs a worker until `stop` becomes true.
///
/// # Errors
/// When the device or cache cannot be used, the coordinator cannot be reached or refuses, or a job
/// is hindered by this machine; its trials then wait for another worker.
pub async fn run(config: WorkerConfig, stop: watch::Receiver<bool>) -> Result<(), WorkerError> {
    let device = device::open(&config.device)?;
    let cache = Cache::open(config.cache)?;
    let endpoint = Endpoint::from_shared(config.coordinator.clone())
        .map_err(|_| WorkerError::Address {
            address: config.coordinator.clone(),
        })?
        .connect_timeout(CALL_TIMEOUT)
        .timeout(CALL_TIMEOUT);
    let client = WorkersClient::new(endpoint.connect_lazy())
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX);
    let agent = Agent {
        client,
        instance: fresh_instance(),
        name: config.name,
        device: config.device,
        address: config.coordinator,
        lanes: config.lanes,
        shared: Arc::default(),
        broken_off: Arc::default(),
    };
    let heartbeat = agent.register(FIRST_CONTACT).await?;
    tracing::info!(worker = agent.name, device = agent.device, "registered");
    let mut executor = Executor::new(device, config.data_dir, cache);
    let mut stopped = stop.clone();
    let work = async {
        loop {
            let Some(job) = agent.lease().await? else {
                tokio::time::sleep(IDLE_WAIT).await;
                continue;
            };
            executor = agent.run_job(executor, job, stop.clone()).await?;
            if *stop.borrow() {
                return Ok(());
            }
        }
    };
    tokio::select! {
        // A running job is broken off by `run_job` itself, which hands it back first.
        biased;
        ended = work => ended,
        never = agent.heartbeat(heartbeat) => never,
        () = agent.idle_stop(&mut stopped) => Ok(()),
    }
}

/// A word that no other process has.
fn fresh_instance() -> String {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    format!("{}-{}", std::process::id(), now.as_nanos())
}

impl Agent {
    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().expect("no holder panics")
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

    /// Announces the worker; returns how often it must give a sign of life.
    async fn register(&self, patience: Duration) -> Result<Duration, WorkerError> {
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
        Ok(Duration::from_millis(reply.heartbeat_ms))
    }

    /// Asks for a job; registers again where the coordinator was restarted meanwhile.
    async fn lease(&self) -> Result<Option<Job>, WorkerError> {
        loop {
            let request = LeaseRequest {
                worker: self.name.clone(),
                instance: self.instance.clone(),
            };
            let call = |mut client: Client| {
                let request = request.clone();
                async move { client.lease(request).await }
            };
            match self.persist(COORDINATOR_AWAY, call).await {
                Err(WorkerError::Refused(refusal)) if refusal.code == Code::NotFound => {
                    self.register(COORDINATOR_AWAY).await?;
                }
                reply => return Ok(reply?.job),
            }
        }
    }

    /// Gives signs of life for ever. Ends only with an error.
    async fn heartbeat(&self, every: Duration) -> Result<(), WorkerError> {
        let mut ticks = tokio::time::interval(every.max(Duration::from_millis(10)));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let request = {
                let shared = self.shared();
                HeartbeatRequest {
                    worker: self.name.clone(),
                    instance: self.instance.clone(),
                    leases: shared.lease.into_iter().collect(),
                    activity: Some(shared.activity.clone()),
                }
            };
            match self.client.clone().heartbeat(request).await {
                Ok(reply) => {
                    let reply = reply.into_inner();
                    let mut shared = self.shared();
                    shared.unwanted.extend(reply.cancelled);
                    if shared
                        .lease
                        .is_some_and(|lease| reply.lost.contains(&lease))
                    {
                        tracing::warn!("the lease was lost; the job is left");
                        self.broken_off.store(true, Ordering::Relaxed);
                    }
                }
                Err(status) if status.code() == Code::NotFound => {
                    self.register(COORDINATOR_AWAY).await?;
                }
                Err(status) => {
                    // The job goes on: its outcomes are kept until the coordinator is back.
                    tracing::debug!(%status, "no answer to a sign of life");
                }
            }
        }
    }

    /// Resolves when the worker is to stop and has no job.
    async fn idle_stop(&self, stop: &mut watch::Receiver<bool>) {
        // A sender that is gone can never say stop.
        if stop.wait_for(|stop| *stop).await.is_err() {
            std::future::pending::<()>().await;
        }
        while self.shared().lease.is_some() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Runs one job on a thread of its own, reporting each outcome as it comes.
    async fn run_job(
        &self,
        mut executor: Executor,
        job: Job,
        mut stop: watch::Receiver<bool>,
    ) -> Result<Executor, WorkerError> {
        let lease = LeaseRef {
            job: job.id,
            epoch: job.epoch,
        };
        *self.shared() = Shared {
            lease: Some(lease),
            ..Shared::default()
        };
        self.broken_off.store(false, Ordering::Relaxed);
        let (outcomes, mut reported) = mpsc::channel::<(String, Outcome)>(OUTCOMES_WAITING);
        let control = JobControl {
            shared: self.shared.clone(),
            broken_off: self.broken_off.clone(),
            outcomes,
        };
        let running = tokio::task::spawn_blocking(move || {
            let ended = executor.run(&job, &control);
            (executor, ended)
        });
        let watching = {
            let broken_off = self.broken_off.clone();
            tokio::spawn(async move {
                if stop.wait_for(|stop| *stop).await.is_ok() {
                    broken_off.store(true, Ordering::Relaxed);
                }
            })
        };
        while let Some((trial, outcome)) = reported.recv().await {
            self.report(lease, trial, outcome).await?;
        }
        watching.abort();
        let (executor, ended) = match running.await {
            Ok(ended) => ended,
            Err(panic) => {
                self.release(lease).await;
                return Err(WorkerError::Panicked {
                    message: panic.to_string(),
                });
            }
        };
        if ended.is_err() || self.broken_off.load(Ordering::Relaxed) {
            self.release(lease).await;
        }
        *self.shared() = Shared::default();
        ended.map_err(WorkerError::Job)?;
        Ok(executor)
    }

    /// Reports an outcome until it is acknowledged.
    async fn report(
        &self,
        lease: LeaseRef,
        trial: String,
        outcome: Outcome,
    ) -> Result<(), WorkerError> {
        let request = ReportRequest {
            worker: self.name.clone(),
            instance: self.instance.clone(),
            lease: Some(lease),
            trial,
            outcome: Some(outcome),
        };
        let call = |mut client: Client| {
            let request = request.clone();
            async move { client.report(request).await }
        };
        let reply = self.persist(COORDINATOR_AWAY, call).await?;
        tracing::debug!(trial = request.trial, verdict = reply.verdict, "reported");
        Ok(())
    }

    /// Hands a job back. When that fails the lease lapses by itself.
    async fn release(&self, lease: LeaseRef) {
        let request = ReleaseRequest {
            worker: self.name.clone(),
            instance: self.instance.clone(),
            lease: Some(lease),
        };
        let call = |mut client: Client| {
            let request = request.clone();
            async move { client.release(request).await }
        };
        let released = self.persist(RELEASE_PATIENCE, call);
        match tokio::time::timeout(RELEASE_PATIENCE, released).await {
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

/// The executor's side of [`Shared`].
struct JobControl {
    shared: Arc<Mutex<Shared>>,
    broken_off: Arc<AtomicBool>,
    outcomes: mpsc::Sender<(String, Outcome)>,
}

impl Control for JobControl {
    fn on_activity(&self, activity: Activity) {
        self.shared.lock().expect("no holder panics").activity = activity;
    }

    fn on_outcome(&self, trial: &str, outcome: Outcome) {
        if self
            .outcomes
            .blocking_send((trial.to_owned(), outcome))
            .is_err()
        {
            // The agent is gone, and with it the job.
            self.broken_off.store(true, Ordering::Relaxed);
        }
    }

    fn stopped(&self) -> bool {
        self.broken_off.load(Ordering::Relaxed)
    }

    fn wanted(&self, trial: &str) -> bool {
        let shared = self.shared.lock().expect("no holder panics");
        !shared.unwanted.contains(trial)
    }
}

/// A worker's name when the user gives none: the host's and the process's.
pub fn default_name() -> String {
    let host = hostname::get().unwrap_or_else(|_| "worker".into());
    format!("{}-{}", host.to_string_lossy(), std::process::id())
}
