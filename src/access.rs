//! How a command reaches results: through a coordinator that is running, or through one that it starts on a state
//! directory for as long as its question takes, and that writes there only if something is to be changed. Either
//! way, results come over gRPC.

use crate::failure::CommandError;
use crate::place::{ADDRESS, Results};
use crate::ui;
use nrp_client::{Client, ClientError};
use nrp_coordinator::{Config, Coordinator, CoordinatorError, StoreError};
use std::fs::TryLockError;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What the results are opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Read,
    Change,
}

/// A client, and the coordinator that was started for it, if any.
pub(crate) struct Access {
    pub(crate) client: Client,
    started: Option<Coordinator>,
    /// The state directory in which the coordinator's address was found.
    found_in: Option<PathBuf>,
}

impl Access {
    /// Opens the results that the user named, has `ask` read them, and closes them again, also where `ask`
    /// failed. Nothing is written to a state directory.
    ///
    /// # Errors
    /// When the results cannot be opened; that of `ask`; else, when they cannot be closed.
    pub(crate) async fn read<T>(
        results: &Results,
        ask: impl AsyncFnOnce(&Self) -> miette::Result<T>,
    ) -> miette::Result<T> {
        let access = Self::with(results, Purpose::Read).await?;
        access.answer(ask).await
    }

    /// As `read`, for an `ask` that changes something.
    pub(crate) async fn change<T>(
        results: &Results,
        ask: impl AsyncFnOnce(&Self) -> miette::Result<T>,
    ) -> miette::Result<T> {
        if results.salvage {
            return Err(CommandError::SalvageChanges.into());
        }
        let access = Self::with(results, Purpose::Change).await?;
        access.answer(ask).await
    }

    async fn answer<T>(
        self,
        ask: impl AsyncFnOnce(&Self) -> miette::Result<T>,
    ) -> miette::Result<T> {
        let answer = ask(&self).await;
        let closed = match self.started {
            Some(coordinator) => coordinator.shutdown().await,
            None => Ok(()),
        };
        let answer = answer?;
        closed?;
        Ok(answer)
    }

    async fn with(results: &Results, purpose: Purpose) -> miette::Result<Self> {
        if let Some(address) = &results.coordinator {
            return Ok(Self {
                client: Client::connect(address).await?,
                started: None,
                found_in: None,
            });
        }
        if results.are_elsewhere()
            && let Ok(client) = Client::connect(ADDRESS).await
        {
            ui::notice(&format!(
                "these are the results of the coordinator at {ADDRESS}"
            ));
            return Ok(Self {
                client,
                started: None,
                found_in: None,
            });
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
            Ok(coordinator) => Ok(Self {
                client: Client::connect(&coordinator.address().to_string()).await?,
                started: Some(coordinator),
                found_in: None,
            }),
            // Another process has the directory open: ask that one.
            Err(error) if is_locked(&error) => match read_address(&results.state) {
                Some(address) => Ok(Self {
                    client: Client::connect(&address).await?,
                    started: None,
                    found_in: Some(results.state.clone()),
                }),
                None => Err(error),
            },
            Err(error) => Err(error),
        }
    }

    /// Waits until a coordinator at another address than `old` runs on the state directory: each `nrp run` has an
    /// address of its own. Waits forever if the user named the coordinator.
    pub(crate) async fn moved(&self, old: &str) -> Client {
        /// How often the directory is looked at.
        const LOOK: Duration = Duration::from_secs(1);
        loop {
            let Some(state) = &self.found_in else {
                return std::future::pending().await;
            };
            tokio::time::sleep(LOOK).await;
            if let Some(address) = read_address(state).filter(|address| address != old)
                && let Ok(client) = Client::connect(&address).await
            {
                return client;
            }
        }
    }

    /// Whether nothing runs on these results, so that no trial makes progress.
    pub(crate) fn nothing_runs(&self) -> bool {
        self.started.is_some()
    }
}

/// The running coordinator among the results that the user named, found as [`Access::read`] finds it.
pub(crate) async fn running(results: &Results) -> Result<Client, CommandError> {
    let address = if let Some(address) = &results.coordinator {
        address.clone()
    } else if results.are_elsewhere() {
        ADDRESS.to_owned()
    } else {
        let path = results.state.clone();
        let address = read_address(&path).filter(|_| is_held(&path));
        address.ok_or(CommandError::NothingRuns { path })?
    };
    Ok(Client::connect(&address).await?)
}

/// Whether a process runs on a state directory. A killed process leaves its address there, where another program
/// may listen by now, but not its lock.
pub(crate) fn is_held(state: &Path) -> bool {
    let lock = std::fs::File::open(state.join("lock"));
    lock.is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

/// The default configuration of a coordinator on `state` that listens at `listen`.
pub(crate) async fn config(state: &Path, listen: &str) -> Result<Config, CommandError> {
    let address = tokio::net::lookup_host(listen)
        .await
        .ok()
        .and_then(|mut addresses| addresses.next())
        .ok_or_else(|| ClientError::Address {
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
        ui::notice(notice);
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

/// Writes a coordinator's address into its state directory, for clients that know only the directory.
pub(crate) fn write_address(state: &Path, coordinator: &Coordinator) -> Result<(), CommandError> {
    let path = address_file(state);
    std::fs::write(&path, coordinator.address().to_string())
        .map_err(|source| CommandError::Write { path, source })
}

fn read_address(state: &Path) -> Option<String> {
    // Without an address the caller reports the lock, which tells the user enough.
    std::fs::read_to_string(address_file(state)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn results_are_closed_also_when_the_question_fails() {
        let place = tempfile::tempdir().expect("a directory");
        let state = place.path().to_owned();
        let started = start(config(&state, "127.0.0.1:0").await.expect("an address")).await;
        let coordinator = started.expect("it starts");
        coordinator.shutdown().await.expect("it ends");
        let results = Results {
            coordinator: None,
            state: state.clone(),
            salvage: false,
        };
        let failed = Access::change(&results, async |access| {
            assert!(is_held(&state), "a coordinator was started on it");
            let cancelled = access.client.cancel("nothing").await;
            Ok(cancelled.map_err(CommandError::from)?)
        });
        assert!(failed.await.is_err(), "there is no such sweep");
        assert!(!is_held(&state), "the coordinator has ended");
    }
}
