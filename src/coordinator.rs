//! `nrp coordinator`: serves sweeps to workers and clients until it is stopped.

use crate::access;
use crate::failure::Ended;
use crate::metrics;
use crate::output::{self, Format};
use crate::place::{ADDRESS, STATE_DIR};
use crate::ui;
use std::path::PathBuf;
use std::time::Duration;

/// Serve sweeps to workers and clients
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Address to listen on; port 0 picks a free port
    #[arg(long, value_name = "HOST:PORT", default_value = ADDRESS)]
    listen: String,
    /// Where results are kept
    #[arg(long, value_name = "DIR", default_value = STATE_DIR)]
    state: PathBuf,
    /// How long a worker may be silent before its job is reassigned; workers send six heartbeats in that time
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = lease)]
    lease: Duration,
    /// Limit of trials without an outcome, over all sweeps; a sweep that would exceed it is refused. Each trial
    /// takes about 300 bytes of memory
    #[arg(long, value_name = "TRIALS", default_value_t = nrp_coordinator::scheduler::OPEN_TRIALS_MAX)]
    max_open_trials: u64,
    /// Serve Prometheus metrics at `/metrics` on this address [default: off]
    #[arg(long, value_name = "HOST:PORT")]
    metrics_listen: Option<String>,
}

/// Shortest and longest lease.
const LEASE: (Duration, Duration) = (Duration::from_secs(3), Duration::from_secs(24 * 3600));

fn lease(text: &str) -> Result<Duration, String> {
    let lease = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if (LEASE.0..=LEASE.1).contains(&lease) {
        Ok(lease)
    } else {
        Err("must be from 3s to 24h".to_owned())
    }
}

pub(crate) async fn run(arguments: Arguments, format: Format) -> miette::Result<Ended> {
    let mut config = access::config(&arguments.state, &arguments.listen).await?;
    config.lease_ms = arguments.lease.as_millis() as u64;
    config.heartbeat_ms = config.lease_ms / 6;
    config.open_trials_max = arguments.max_open_trials;
    let mut coordinator = access::start(config).await?;
    access::write_address(&arguments.state, &coordinator)?;
    if let Some(listen) = &arguments.metrics_listen {
        let reader = coordinator.metrics();
        let read = move || {
            let reader = reader.clone();
            async move { reader.read().await }
        };
        metrics::serve(listen, read).await?;
    }
    let address = coordinator.address().to_string();
    match format {
        Format::Text => ui::status(&format!(
            "coordinator listens on {address}; Ctrl-C stops it"
        )),
        Format::Json => output::json(&serde_json::json!({ "address": address }))?,
    }
    tokio::select! {
        failed = coordinator.stopped() => failed?,
        () = told_to_stop() => {}
    }
    coordinator.shutdown().await?;
    Ok(Ended::Done)
}

/// Resolves on Ctrl-C and on SIGTERM, which service managers send.
pub(crate) async fn told_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).expect("the system delivers signals");
    tokio::select! {
        signal = tokio::signal::ctrl_c() => signal.expect("the system delivers signals"),
        _ = terminate.recv() => {}
    }
}
