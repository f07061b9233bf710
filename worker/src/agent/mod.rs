//! The agent: a worker's side of the wire. It registers, asks for jobs, keeps leases alive, reports outcomes until they
//! are acknowledged, keeps working while the coordinator is away, and leaves in order when told to. A worker with
//! several devices has one agent per device; all of them end together.
//!
//! `calls` talks to the coordinator, `job` runs one job, `hindrance` reports why one cannot run, `spool`
//! keeps outcomes on disk, `stop` decides when to end. All computing is the executor's, on a thread of its own.

mod calls;
mod error;
mod hindrance;
mod job;
mod spool;
mod stop;

pub use error::WorkerError;
pub use spool::SpoolError;
pub use stop::Stop;

use crate::activation::{Cache, CacheConfig};
use crate::device;
use crate::executor::Executor;
use burn::tensor::Device;
use calls::{CALL_TIMEOUT, COORDINATOR_AWAY, Calls, Terms};
use nrp_proto::REPORTS_MAX;
use nrp_proto::wire::{Activity, HeartbeatReply, LeaseRef, LeaseReply, Report};
use spool::Spool;
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use stop::Wish;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tonic::Code;

/// How long a worker tries to reach a coordinator for the first time.
const FIRST_CONTACT: Duration = Duration::from_secs(15);
/// How long a worker waits before it asks again when there was no job.
const IDLE_WAIT: Duration = Duration::from_millis(200);

/// What a worker is started with.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// The coordinator's address, `http://host:port`.
    pub coordinator: String,
    /// The worker's name: the same over restarts, unique among running workers.
    pub name: String,
    /// Where the recordings and weights are on this machine; if absent, where the submitting client had them.
    pub data_dir: Option<PathBuf>,
    /// Where and how activations are kept.
    pub cache: CacheConfig,
    /// The devices' names, see [`crate::device::open`]. Each device has its own executor and jobs. Several devices
    /// are several workers to the coordinator: `NAME.0`, `NAME.1`, …
    pub devices: Vec<String>,
    /// Trials per job.
    pub lanes: u32,
    /// Where outcomes wait for their acknowledgement.
    pub spool: PathBuf,
    /// How long a draining worker may continue its job.
    pub grace: Duration,
    /// How long a worker stays without a job; without limit if absent.
    pub idle_timeout: Option<Duration>,
    /// Whether the worker ends with an error when its machine keeps it from running a job (a full disk). Otherwise
    /// it hands the job back and asks again later.
    pub ends_hindered: bool,
}

/// What heartbeats, the executor and the job loop share.
#[derive(Default)]
struct Shared {
    lease: Option<LeaseRef>,
    activity: Activity,
    unwanted: HashSet<String>,
}

/// One device's worker. Clones share everything.
#[derive(Clone)]
struct Agent {
    calls: Arc<Calls>,
    spool: Spool,
    stop: Stop,
    idle: Arc<Idle>,
    shared: Arc<Mutex<Shared>>,
    /// Set when the lease is lost or the worker has to leave.
    broken_off: Arc<AtomicBool>,
    ends_hindered: bool,
}

/// Runs a worker until `stop` or the coordinator tells it to end, or it has been idle for too long. An error of one
/// device ends all of them.
///
/// # Errors
/// When a device, the cache or the spool cannot be used; when the coordinator cannot be reached or refuses; when this
/// machine keeps the worker from running a job and [`WorkerConfig::ends_hindered`] is set. Otherwise such a job is
/// handed back with the reason.
pub async fn run(config: WorkerConfig, stop: Stop) -> Result<(), WorkerError> {
    let devices = config.devices.iter().map(|word| device::open(word));
    let devices: Vec<Device> = devices.collect::<Result<_, _>>()?;
    let cache = Cache::open(config.cache.clone())?;
    let spool = Spool::open(config.spool.clone(), config.coordinator.clone())?;
    let names = match devices.len() {
        1 => vec![config.name.clone()],
        several => (0..several)
            .map(|device| format!("{}.{device}", config.name))
            .collect(),
    };
    let mut left = spool.left(&names)?;
    let idle = Arc::<Idle>::default();
    let mut running = JoinSet::new();
    for (at, (device, name)) in devices.into_iter().zip(names).enumerate() {
        let calls = Calls::new(
            &config.coordinator,
            name,
            config.devices[at].clone(),
            config.lanes,
            at == 0,
        )?;
        let agent = Agent {
            calls: Arc::new(calls),
            spool: spool.clone(),
            stop: stop.clone(),
            idle: idle.clone(),
            shared: Arc::default(),
            broken_off: Arc::default(),
            ends_hindered: config.ends_hindered,
        };
        let executor = Executor::new(
            device,
            config.devices[at].clone(),
            config.data_dir.clone(),
            cache.clone(),
        );
        let left = std::mem::take(&mut left);
        running.spawn(agent.run(executor, left, config.grace, config.idle_timeout));
    }
    let mut ended = Ok(());
    while let Some(one) = running.join_next().await {
        let one = one.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
        match (one, &ended) {
            (Ok(()), _) => {}
            (Err(error), Ok(())) => {
                stop.leave();
                ended = Err(error);
            }
            (Err(error), Err(_)) => tracing::warn!(%error, "another device ended as well"),
        }
    }
    ended
}

impl Agent {
    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().expect("no holder panics")
    }

    /// Registers the device's worker and runs it to its end.
    async fn run(
        self,
        executor: Executor,
        left: Vec<Report>,
        grace: Duration,
        idle_timeout: Option<Duration>,
    ) -> Result<(), WorkerError> {
        let terms = tokio::select! {
            terms = self.calls.register(FIRST_CONTACT) => terms?,
            () = self.stop.reached(Wish::Drain) => return Ok(()),
        };
        tracing::info!(worker = self.calls.name, "registered");
        let ended = tokio::select! {
            biased;
            ended = self.work(executor, left, idle_timeout) => ended,
            never = self.send_heartbeats(terms) => never,
            () = self.end_grace(grace) => Ok(()),
        };
        self.calls.leave().await;
        ended
    }

    /// Reports the outcomes that earlier processes left, then runs jobs until the worker has to end.
    async fn work(
        &self,
        mut executor: Executor,
        left: Vec<Report>,
        idle_timeout: Option<Duration>,
    ) -> Result<(), WorkerError> {
        for reports in left.chunks(REPORTS_MAX) {
            let outcomes = reports.len();
            tracing::info!(outcomes, "reporting the outcomes left in the spool");
            tokio::select! {
                delivered = self.deliver(reports) => delivered?,
                () = self.idled(idle_timeout) => return Ok(()),
                () = self.stop.reached(Wish::Drain) => return Ok(()),
            }
        }
        loop {
            let cache = executor.cache().clone();
            let held = tokio::task::spawn_blocking(move || cache.held()).await;
            let patience = idle_timeout.map_or(COORDINATOR_AWAY, |most| {
                most.saturating_sub(self.idle.lasted())
            });
            let reply = tokio::select! {
                biased;
                () = self.stop.reached(Wish::Drain) => return Ok(()),
                reply = self.calls.lease(held.unwrap_or_default(), patience) => reply,
            };
            let reply = match reply {
                // To an idle worker, this is the same as a coordinator without jobs.
                Err(WorkerError::Coordinator(error))
                    if error.is_unreachable() && idle_timeout.is_some() =>
                {
                    LeaseReply::default()
                }
                reply => reply?,
            };
            match reply.job {
                Some(job) => {
                    let same = self.run_job(executor, job, idle_timeout).await?;
                    match same {
                        Some(same) => executor = same,
                        None => return Ok(()),
                    }
                }
                None if idle_timeout.is_some_and(|most| self.idle.lasted() >= most) => {
                    tracing::info!("idle for too long");
                    return Ok(());
                }
                None => tokio::time::sleep(IDLE_WAIT).await,
            }
        }
    }

    /// Sends heartbeats without end. Returns only with an error.
    async fn send_heartbeats(&self, mut terms: Terms) -> Result<(), WorkerError> {
        let mut away = false;
        loop {
            let every = terms.heartbeat.max(Duration::from_millis(10));
            let mut ticks = tokio::time::interval(every);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                let (leases, activity) = {
                    let shared = self.shared();
                    (shared.lease.into_iter().collect(), shared.activity.clone())
                };
                match self.calls.heartbeat(terms, leases, activity).await {
                    Ok(reply) => {
                        if std::mem::take(&mut away) {
                            tracing::warn!("the coordinator answers again");
                        }
                        self.on_fence(reply);
                    }
                    Err(status) if status.code() == Code::NotFound => break,
                    Err(status) if !std::mem::replace(&mut away, true) => tracing::warn!(
                        %status,
                        "the coordinator is away; the job continues, and outcomes are kept until it is back"
                    ),
                    Err(status) => tracing::debug!(%status, "no answer to a heartbeat"),
                }
            }
            terms = self.calls.register(COORDINATOR_AWAY).await?;
        }
    }

    fn on_fence(&self, reply: HeartbeatReply) {
        if reply.leave {
            self.stop.drain();
        }
        let mut shared = self.shared();
        shared.unwanted.extend(reply.cancelled);
        if shared
            .lease
            .is_some_and(|lease| reply.lost.contains(&lease))
        {
            tracing::warn!("the lease was lost; the job is abandoned");
            self.broken_off.store(true, Ordering::Relaxed);
        }
    }

    /// Resolves when no device has computed for as long as a worker stays idle, and for long enough to have an answer
    /// to the last report. Outcomes without an answer then stay in the spool.
    async fn idled(&self, idle_timeout: Option<Duration>) {
        let Some(most) = idle_timeout else {
            return std::future::pending().await;
        };
        let most = most.max(CALL_TIMEOUT);
        while let Some(left) = most.checked_sub(self.idle.lasted()) {
            tokio::time::sleep(left.max(IDLE_WAIT)).await;
        }
        tracing::warn!("no answer to outcomes for too long; they stay in the spool");
    }

    /// Ends the grace of a draining worker. Never resolves.
    async fn end_grace(&self, grace: Duration) {
        self.stop.reached(Wish::Drain).await;
        tokio::time::sleep(grace).await;
        self.stop.leave();
        std::future::pending::<()>().await;
    }
}

/// How many of the worker's devices compute, and since when none does.
struct Idle(Mutex<(usize, Instant)>);

impl Default for Idle {
    fn default() -> Self {
        Self(Mutex::new((0, Instant::now())))
    }
}

impl Idle {
    fn on_job_begun(&self) {
        self.0.lock().expect("no holder panics").0 += 1;
    }

    fn on_job_ended(&self) {
        let mut state = self.0.lock().expect("no holder panics");
        *state = (state.0 - 1, Instant::now());
    }

    fn lasted(&self) -> Duration {
        match *self.0.lock().expect("no holder panics") {
            (0, since) => since.elapsed(),
            (_, _) => Duration::ZERO,
        }
    }
}

/// A worker's default name: the host's name and the process id.
pub fn default_name() -> String {
    let host = hostname::get().unwrap_or_else(|_| "worker".into());
    format!("{}-{}", host.to_string_lossy(), std::process::id())
}
