//! The client's way to results: a coordinator that runs already, or one started for the moment on a
//! state directory, which writes to it only where something is to be changed. Either way the results
//! come over gRPC.

use crate::failure::CommandError;
use crate::output;
use crate::place::{ADDRESS, Results};
use nrp_coordinator::{Config, Coordinator, CoordinatorError, StoreError};
use nrp_proto::MESSAGE_BYTES_MAX;
use nrp_proto::wire::admin_client::AdminClient;
use nrp_proto::wire::sweeps_client::SweepsClient;
use nrp_proto::wire::{ListRequest, SweepStatus, WorkerStatus, WorkersRequest};
use std::fs::TryLockError;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tonic::transport::{Channel, Endpoint};

/// Longest a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A connected client.
pub(crate) type Sweeps = SweepsClient<Channel>;

/// A client that is connected to do what operators do.
pub(crate) type Admin = AdminClient<Channel>;

/// Connects to the coordinator at `address`, `host:port` or a URI.
pub(crate) async fn connect(address: &str) -> Result<Sweeps, CommandError> {
    channel(address).await.map(sweeps)
}

fn sweeps(channel: Channel) -> Sweeps {
    SweepsClient::new(channel)
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX)
}

async fn channel(address: &str) -> Result<Channel, CommandError> {
    let endpoint = endpoint(address)?.connect_timeout(CONNECT_TIMEOUT);
    let connected = endpoint.connect().await;
    connected.map_err(|source| CommandError::Unreachable {
        address: address.to_owned(),
        source,
    })
}

/// All sweeps, whatever number of pages they take.
pub(crate) async fn all_sweeps(client: &mut Sweeps) -> Result<Vec<SweepStatus>, CommandError> {
    let mut request = ListRequest::default();
    let mut sweeps = Vec::new();
    loop {
        let page = client.list(request.clone()).await?.into_inner();
        sweeps.extend(page.sweeps);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return Ok(sweeps);
        }
    }
}

/// All workers, whatever number of pages they take.
pub(crate) async fn all_workers(client: &mut Admin) -> Result<Vec<WorkerStatus>, CommandError> {
    let mut request = WorkersRequest::default();
    let mut workers = Vec::new();
    loop {
        let page = client.workers(request.clone()).await?.into_inner();
        workers.extend(page.workers);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return Ok(workers);
        }
    }
}

/// The URI of a coordinator's address.
pub(crate) fn uri(address: &str) -> String {
    match address.contains("://") {
        true => address.to_owned(),
        false => format!("http://{address}"),
    }
}

fn endpoint(address: &str) -> Result<Endpoint, CommandError> {
    Endpoint::from_shared(uri(address)).map_err(|_| CommandError::Address {
        address: address.to_owned(),
    })
}

/// What results are opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Read,
    Change,
}

/// A client, and the coordinator that was started for it, if one was.
pub(crate) struct Access {
    pub(crate) client: Sweeps,
    pub(crate) admin: Admin,
    started: Option<Coordinator>,
}

impl Access {
    /// Opens the results that the user named, to read them: nothing is written to a state directory.
    pub(crate) async fn open(results: &Results) -> miette::Result<Self> {
        Self::with(results, Purpose::Read).await
    }

    /// As `open`, to change something.
    pub(crate) async fn change(results: &Results) -> miette::Result<Self> {
        if results.salvage {
            return Err(CommandError::SalvageChanges.into());
        }
        Self::with(results, Purpose::Change).await
    }

    async fn with(results: &Results, purpose: Purpose) -> miette::Result<Self> {
        if let Some(address) = &results.coordinator {
            return Ok(Self::at(address, None).await?);
        }
        if results.are_elsewhere()
            && let Ok(access) = Self::at(ADDRESS, None).await
        {
            output::note(&format!(
                "notice: these are the results of the coordinator at {ADDRESS}"
            ));
            return Ok(access);
        }
        if !results.state.is_dir() {
            return Err(CommandError::NoState {
                path: results.state.clone(),
            }
            .into());
        }
        let config = config(&results.state, "127.0.0.1:0").await?;
        let started = match purpose {
            Purpose::Read => Coordinator::read(config, results.salvage).await,
            Purpose::Change => Coordinator::start(config).await,
        };
        match started.map(noted).map_err(miette::Report::from) {
            Ok(coordinator) => {
                let address = coordinator.address().to_string();
                Ok(Self::at(&address, Some(coordinator)).await?)
            }
            // Somebody runs on this directory: ask them.
            Err(error) if is_locked(&error) => match read_address(&results.state) {
                Some(address) => Ok(Self::at(&address, None).await?),
                None => Err(error),
            },
            Err(error) => Err(error),
        }
    }

    async fn at(address: &str, started: Option<Coordinator>) -> Result<Self, CommandError> {
        let channel = channel(address).await?;
        let admin = AdminClient::new(channel.clone())
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX);
        Ok(Self {
            client: sweeps(channel),
            admin,
            started,
        })
    }

    /// Whether nothing runs on these results: they are only read, and no trial goes on.
    pub(crate) fn nothing_runs(&self) -> bool {
        self.started.is_some()
    }

    /// Ends the coordinator that was started for this client.
    pub(crate) async fn close(self) -> miette::Result<()> {
        if let Some(coordinator) = self.started {
            coordinator.shutdown().await?;
        }
        Ok(())
    }
}

/// The running coordinator among the results that the user named, found as [`Access::open`] finds it.
pub(crate) async fn running(results: &Results) -> Result<Sweeps, CommandError> {
    if let Some(address) = &results.coordinator {
        return connect(address).await;
    }
    if results.are_elsewhere() {
        return connect(ADDRESS).await;
    }
    let state = &results.state;
    match read_address(state).filter(|_| is_held(state)) {
        Some(address) => connect(&address).await,
        None => Err(CommandError::NothingRuns {
            path: state.clone(),
        }),
    }
}

/// Whether a process runs on a state directory. One that was killed leaves its address there, where
/// anybody may listen since, but not its lock.
pub(crate) fn is_held(state: &Path) -> bool {
    let lock = std::fs::File::open(state.join("lock"));
    lock.is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

/// A coordinator on `state`, listening at `listen`, with the defaults.
pub(crate) async fn config(state: &Path, listen: &str) -> Result<Config, CommandError> {
    let address = tokio::net::lookup_host(listen)
        .await
        .ok()
        .and_then(|mut addresses| addresses.next())
        .ok_or_else(|| CommandError::Address {
            address: listen.to_owned(),
        })?;
    Ok(Config::new(state, address))
}

/// Starts a coordinator; its notices go to stderr.
pub(crate) async fn start(config: Config) -> miette::Result<Coordinator> {
    Ok(noted(Coordinator::start(config).await?))
}

fn noted(coordinator: Coordinator) -> Coordinator {
    for notice in coordinator.notices() {
        output::note(&format!("notice: {notice}"));
    }
    coordinator
}

/// Whether another process holds the state directory.
fn is_locked(error: &miette::Report) -> bool {
    matches!(
        error.downcast_ref::<CoordinatorError>(),
        Some(CoordinatorError::Store(StoreError::InUse { .. }))
    )
}

fn address_file(state: &Path) -> PathBuf {
    state.join("address")
}

/// Leaves a coordinator's address in its state directory, for clients that know only that.
pub(crate) fn write_address(state: &Path, coordinator: &Coordinator) -> Result<(), CommandError> {
    let path = address_file(state);
    std::fs::write(&path, coordinator.address().to_string())
        .map_err(|source| CommandError::Write { path, source })
}

fn read_address(state: &Path) -> Option<String> {
    // Without it the caller reports the lock, which says all a user needs.
    std::fs::read_to_string(address_file(state)).ok()
}
