//! The agent: a worker's side of the wire. It registers, asks for jobs, keeps leases alive, reports
//! outcomes until they are acknowledged, outlives a coordinator that goes away for a while, and
//! leaves in order when it is told to.
//!
//! `calls` speaks, `job` runs one job, `spool` keeps outcomes on disk, `stop` says when to end. All
//! computing is the executor's, on a thread of its own.

mod calls;
mod job;
mod spool;
mod stop;

pub use spool::SpoolError;
pub use stop::Stop;

use crate::activation::{ActivationError, Cache, CacheConfig};
use crate::device::{self, DeviceError};
use crate::executor::{ExecuteError, Executor};
use calls::{COORDINATOR_AWAY, Calls, Terms};
use miette::Diagnostic;
use nrp_proto::Refusal;
use nrp_proto::wire::{Activity, HeartbeatReply, LeaseRef};
use spool::Spool;
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use stop::Wish;
use thiserror::Error;
use tokio::time::MissedTickBehavior;
use tonic::Code;

/// How long a worker looks for a coordinator that it has never reached.
const FIRST_CONTACT: Duration = Duration::from_secs(15);
/// Wait after the coordinator had no job.
const IDLE_WAIT: Duration = Duration::from_millis(200);

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
    /// Where outcomes wait for their acknowledgement.
    pub spool: PathBuf,
    /// How long a worker that drains may go on with its job.
    pub grace: Duration,
    /// How long without a job a worker stays; for ever if absent.
    pub idle_timeout: Option<Duration>,
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
    /// The spool cannot be used.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Spool(#[from] SpoolError),
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

/// What heartbeat, executor and job loop share.
#[derive(Default)]
struct Shared {
    lease: Option<LeaseRef>,
    activity: Activity,
    unwanted: HashSet<String>,
}

/// One running worker. Clones are the same one.
#[derive(Clone)]
struct Agent {
    calls: Arc<Calls>,
    spool: Spool,
    stop: Stop,
    shared: Arc<Mutex<Shared>>,
    /// Set when the lease was lost or the worker is to leave.
    broken_off: Arc<AtomicBool>,
}

/// Runs a worker until `stop` or the coordinator says to end, or nothing is to do for too long.
///
/// # Errors
/// When the device, cache or spool cannot be used, the coordinator cannot be reached or refuses, or
/// a job is hindered by this machine; its trials then wait for another worker.
pub async fn run(config: WorkerConfig, stop: Stop) -> Result<(), WorkerError> {
    let device = device::open(&config.device)?;
    let cache = Cache::open(config.cache)?;
    let spool = Spool::open(config.spool, config.coordinator.clone())?;
    let calls = Calls::new(config.coordinator, config.name, config.device, config.lanes)?;
    let agent = Agent {
        calls: Arc::new(calls),
        spool,
        stop,
        shared: Arc::default(),
        broken_off: Arc::default(),
    };
    let terms = tokio::select! {
        terms = agent.calls.register(FIRST_CONTACT) => terms?,
        () = agent.stop.reached(Wish::Drain) => return Ok(()),
    };
    tracing::info!(worker = agent.calls.name, "registered");
    let executor = Executor::new(device, config.data_dir, cache);
    tokio::select! {
        biased;
        ended = agent.work(executor, config.idle_timeout) => ended,
        never = agent.give_signs_of_life(terms) => never,
        () = agent.end_grace(config.grace) => Ok(()),
    }
}

impl Agent {
    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().expect("no holder panics")
    }

    /// Reports what earlier processes left, then runs jobs until the worker is to end.
    async fn work(
        &self,
        mut executor: Executor,
        idle_timeout: Option<Duration>,
    ) -> Result<(), WorkerError> {
        for report in self.spool.left(&self.calls.name)? {
            tracing::info!(trial = report.trial, "reporting what was left in the spool");
            tokio::select! {
                delivered = self.deliver(&report) => delivered?,
                () = self.stop.reached(Wish::Drain) => return Ok(()),
            }
        }
        let mut idle_since = Instant::now();
        loop {
            let cache = executor.cache().clone();
            let held = tokio::task::spawn_blocking(move || cache.held()).await;
            let reply = tokio::select! {
                biased;
                () = self.stop.reached(Wish::Drain) => return Ok(()),
                reply = self.calls.lease(held.unwrap_or_default()) => reply?,
            };
            match reply.job {
                Some(job) => match self.run_job(executor, job).await? {
                    Some(same) => executor = same,
                    None => return Ok(()),
                },
                None if idle_timeout.is_some_and(|most| idle_since.elapsed() >= most) => {
                    tracing::info!("nothing to do for too long");
                    return Ok(());
                }
                None => {
                    tokio::time::sleep(IDLE_WAIT).await;
                    continue;
                }
            }
            idle_since = Instant::now();
        }
    }

    /// Gives signs of life for ever. Ends only with an error.
    async fn give_signs_of_life(&self, mut terms: Terms) -> Result<(), WorkerError> {
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
                        "the coordinator is away; the job goes on, outcomes are kept until it is back"
                    ),
                    Err(status) => tracing::debug!(%status, "no answer to a sign of life"),
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
            tracing::warn!("the lease was lost; the job is left");
            self.broken_off.store(true, Ordering::Relaxed);
        }
    }

    /// Ends the grace of a worker that drains. Never resolves.
    async fn end_grace(&self, grace: Duration) {
        self.stop.reached(Wish::Drain).await;
        tokio::time::sleep(grace).await;
        self.stop.leave();
        std::future::pending::<()>().await;
    }
}

/// A worker's name when the user gives none: the host's and the process's.
pub fn default_name() -> String {
    let host = hostname::get().unwrap_or_else(|_| "worker".into());
    format!("{}-{}", host.to_string_lossy(), std::process::id())
}
