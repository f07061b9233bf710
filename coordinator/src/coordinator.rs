//! The coordinator as a whole: opens the state, binds the address, serves, and says when it ends.

use crate::counts::Counts;
use crate::driver::{self, Awake, Caller, Clock, Command, Replayed, Running, Stopped, SystemClock};
use crate::listener::{Limits, Listener};
use crate::metrics::MetricsReader;
use crate::scheduler::{OPEN_TRIALS_MAX, Settings};
use crate::service::{self, EventSource, Link};
use crate::store::{DiskStore, ReadStore, Store, StoreError};
use miette::Diagnostic;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tonic::transport::Server;

/// How long a worker may be silent before its job is reassigned.
const LEASE_MS: u64 = 30_000;

/// How often a worker sends a heartbeat.
const HEARTBEAT_MS: u64 = 5_000;

/// How long a shutdown waits for calls under way.
const GRACE: Duration = Duration::from_secs(5);

/// How often a connection is pinged, and how long it may take to answer.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(20), Duration::from_secs(10));

/// What a coordinator is started with.
#[derive(Debug, Clone)]
pub struct Config {
    /// The state directory; created if it does not exist.
    pub state_dir: PathBuf,
    /// The address to listen on; port 0 takes any free port.
    pub listen: SocketAddr,
    /// How long a lease lives without a heartbeat.
    pub lease_ms: u64,
    /// How often workers are told to send a heartbeat.
    pub heartbeat_ms: u64,
    /// Most trials without an outcome over all sweeps.
    pub open_trials_max: u64,
}

impl Config {
    /// The defaults.
    pub fn new(state_dir: impl Into<PathBuf>, listen: SocketAddr) -> Self {
        Self {
            state_dir: state_dir.into(),
            listen,
            lease_ms: LEASE_MS,
            heartbeat_ms: HEARTBEAT_MS,
            open_trials_max: OPEN_TRIALS_MAX,
        }
    }
}

/// Why a coordinator cannot start, or why it stopped.
#[derive(Debug, Error, Diagnostic)]
pub enum CoordinatorError {
    /// The port is taken.
    #[error("address {address} is in use by another process")]
    #[diagnostic(help(
        "stop the other process, perhaps another coordinator, or choose another address with \
         `--listen`"
    ))]
    AddressInUse {
        /// The address asked for.
        address: SocketAddr,
    },
    /// It cannot listen on the address.
    #[error("cannot listen on {address}")]
    #[diagnostic(help("`--listen` takes an address of this machine, e.g. 127.0.0.1:0"))]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// The system's answer.
        source: io::Error,
    },
    /// The state cannot be opened, read or written.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Store(#[from] StoreError),
    /// The system has no thread left.
    #[error("the journal's thread cannot be started")]
    #[diagnostic(help("the machine, or this user's quota, has no threads left"))]
    Thread {
        /// The system's answer.
        source: io::Error,
    },
    /// The server can no longer serve connections.
    #[error("the server stopped")]
    #[diagnostic(help("start it again; nothing that was acknowledged is lost"))]
    Server {
        /// What it said.
        source: tonic::transport::Error,
    },
    /// A part of the coordinator ended without a reason: a bug.
    #[error("the coordinator stopped by itself")]
    #[diagnostic(help("this is a bug; start it again, nothing that was acknowledged is lost"))]
    Bug,
}

/// A coordinator that serves. Dropped without [`Coordinator::shutdown`], it stops as if killed.
#[derive(Debug)]
pub struct Coordinator {
    address: SocketAddr,
    notices: Vec<String>,
    counts: Counts,
    parts: Parts,
}

#[derive(Debug)]
struct Parts {
    commands: tokio::sync::mpsc::Sender<Command>,
    failed: oneshot::Receiver<StoreError>,
    driver: tokio::task::JoinHandle<()>,
    writer: Option<std::thread::JoinHandle<()>>,
    server: tokio::task::JoinHandle<Result<(), tonic::transport::Error>>,
    stop_server: Option<oneshot::Sender<()>>,
}

impl Drop for Parts {
    fn drop(&mut self) {
        self.driver.abort();
        self.server.abort();
    }
}

impl Coordinator {
    /// Opens the state, binds the address and serves in the background.
    ///
    /// # Errors
    /// When the address or the state directory cannot be used; nothing is left running then.
    pub async fn start(config: Config) -> Result<Self, CoordinatorError> {
        Self::launch(config, open).await
    }

    /// As `start`, for a state that is only read: nothing is written to its directory, and a request for
    /// a change stops the coordinator. With `past_damage`, damaged lines of the journal are skipped, and a
    /// notice says so.
    ///
    /// # Errors
    /// When the state cannot be read, or another process that can be asked has it open.
    pub async fn read(config: Config, past_damage: bool) -> Result<Self, CoordinatorError> {
        let open = move |dir: &Path, settings, _| open_to_read(dir, past_damage, settings);
        Self::launch(config, open).await
    }

    async fn launch(
        config: Config,
        open: impl FnOnce(&Path, Settings, Counts) -> Result<Opened, StoreError> + Send + 'static,
    ) -> Result<Self, CoordinatorError> {
        let (listener, address) = bind(config.listen).await?;
        let settings = Settings {
            lease_ms: config.lease_ms,
            open_trials_max: config.open_trials_max,
            ..Settings::default()
        };
        let state_dir = config.state_dir.clone();
        let counts = Counts::new();
        let counted = counts.clone();
        let opened = tokio::task::spawn_blocking(move || open(&state_dir, settings, counted)).await;
        let Opened {
            store,
            replayed,
            notices,
            clock,
        } = opened.map_err(|_| CoordinatorError::Bug)??;
        let index = Arc::downgrade(store.index());
        let running = driver::spawn(replayed, store, clock, config.lease_ms, counts.clone())
            .map_err(|source| CoordinatorError::Thread { source })?;
        let link = Link {
            caller: Caller::HERE,
            commands: running.commands.clone(),
            index,
            changes: running.changes.clone(),
            events: running.events.clone(),
            source: EventSource::new(
                running.events.clone(),
                running.history.clone(),
                running.changes.clone(),
            ),
            counts: counts.clone(),
            lease_ms: config.lease_ms,
            heartbeat_ms: config.heartbeat_ms,
        };
        Ok(Self {
            address,
            notices,
            counts,
            parts: serve(listener, link, running).await,
        })
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A reader of its metrics.
    pub fn metrics(&self) -> MetricsReader {
        MetricsReader::new(self.parts.commands.clone(), self.counts.clone())
    }

    /// What the user should know about the state directory.
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    /// Waits until it stops.
    ///
    /// # Errors
    /// Why it stopped, unless it was asked to.
    pub async fn stopped(&mut self) -> Result<(), CoordinatorError> {
        let parts = &mut self.parts;
        tokio::select! {
            biased;
            failed = &mut parts.failed => match failed {
                Ok(error) => Err(error.into()),
                Err(_) => Err(CoordinatorError::Bug),
            },
            served = &mut parts.server => match served {
                Ok(Err(source)) => Err(CoordinatorError::Server { source }),
                Ok(Ok(())) => Ok(()),
                Err(_) => Err(CoordinatorError::Bug),
            },
        }
    }

    /// Finishes the work under way, writes it and releases the state directory.
    ///
    /// # Errors
    /// When the work under way could not be written.
    pub async fn shutdown(mut self) -> Result<(), CoordinatorError> {
        let parts = &mut self.parts;
        // Either may have stopped by itself.
        let _ = parts.commands.send(Command::Stop).await;
        if let Some(stop) = parts.stop_server.take() {
            let _ = stop.send(());
        }
        let _ = (&mut parts.driver).await;
        if let Some(writer) = parts.writer.take() {
            let joined = tokio::task::spawn_blocking(move || writer.join()).await;
            joined
                .map_err(|_| CoordinatorError::Bug)?
                .map_err(|_| CoordinatorError::Bug)?;
        }
        if tokio::time::timeout(GRACE, &mut parts.server)
            .await
            .is_err()
        {
            tracing::warn!("calls under way were cut off");
        }
        match parts.failed.try_recv() {
            Ok(error) => Err(error.into()),
            Err(_) => Ok(()),
        }
    }
}

async fn bind(listen: SocketAddr) -> Result<(TcpListener, SocketAddr), CoordinatorError> {
    let bound = TcpListener::bind(listen).await.and_then(|listener| {
        let address = listener.local_addr()?;
        Ok((listener, address))
    });
    bound.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => CoordinatorError::AddressInUse { address: listen },
        _ => CoordinatorError::Bind {
            address: listen,
            source,
        },
    })
}

/// A state that was opened.
struct Opened {
    store: Box<dyn Store>,
    replayed: Replayed,
    /// What the user should know.
    notices: Vec<String>,
    /// The clock it runs on.
    clock: Box<dyn Clock>,
}

/// Opens the store and replays it.
fn open(state_dir: &Path, settings: Settings, counts: Counts) -> Result<Opened, StoreError> {
    let clock = SystemClock::new();
    let mut replayed = Replayed::new(settings);
    let visit = &mut |fact| replayed.take(clock.now_ms(), fact);
    let (mut store, mut notices) = DiskStore::open_counting(state_dir, counts, visit)?;
    notices.extend(store.check_index(replayed.core.totals())?);
    notices.extend(store.compact_if_due(clock.wall_ms(), || replayed.snapshot())?);
    Ok(Opened {
        store: Box::new(store),
        replayed,
        notices,
        clock: Box::new(Awake::new(SystemClock::new())),
    })
}

/// As `open`, without writing. Time stands still, so that no lease lapses.
fn open_to_read(
    state_dir: &Path,
    past_damage: bool,
    settings: Settings,
) -> Result<Opened, StoreError> {
    let mut replayed = Replayed::new(settings);
    let visit = &mut |fact| replayed.take(0, fact);
    let (mut store, notices) = ReadStore::open(state_dir, past_damage, visit)?;
    store.check_index(replayed.core.totals())?;
    Ok(Opened {
        store: Box::new(store),
        replayed,
        notices,
        clock: Box::new(Stopped),
    })
}

async fn serve(listener: TcpListener, link: Link, running: Running) -> Parts {
    let (stop_server, stopped) = oneshot::channel::<()>();
    let health = service::health(running.commands.clone()).await;
    let router = Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE.0))
        .http2_keepalive_timeout(Some(KEEPALIVE.1))
        .trace_fn(|request| tracing::info_span!("call", method = request.uri().path()))
        .add_service(health)
        .add_service(service::reflection())
        .add_service(service::reflection_v1alpha())
        .add_service(service::workers(link.clone()))
        .add_service(service::admin(link.clone()))
        .add_service(service::sweeps(link));
    let incoming = Listener::new(listener, Limits::of_this_process());
    let server = router.serve_with_incoming_shutdown(incoming, async {
        // Dropped or sent: either way it stops.
        let _ = stopped.await;
    });
    Parts {
        commands: running.commands,
        failed: running.failed,
        driver: running.task,
        writer: Some(running.writer),
        server: tokio::spawn(server),
        stop_server: Some(stop_server),
    }
}
