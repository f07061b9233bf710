//! `nrp coordinator`: serves sweeps to workers and clients until it is told to stop.

use crate::client;
use crate::failure::Ended;
use crate::metrics;
use crate::output::{self, Format};
use crate::place::{ADDRESS, STATE_DIR};
use std::path::PathBuf;
use std::time::Duration;

/// Serve sweeps to workers and clients
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", default_value = ADDRESS)]
    listen: String,
    /// Where results are kept
    #[arg(long, value_name = "DIR", default_value = STATE_DIR)]
    state: PathBuf,
    /// How long a worker's silence is borne before its job goes to another; workers give a sign of
    /// life six times as often
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = lease)]
    lease: Duration,
    /// Most trials without an outcome, over all sweeps; a sweep that would make more is refused. Each
    /// takes some 300 bytes of memory
    #[arg(long, value_name = "TRIALS", default_value_t = nrp_coordinator::scheduler::OPEN_TRIALS_MAX)]
    max_open_trials: u64,
    /// Answer `GET /metrics`, as Prometheus reads it, on this address; off by default
    #[arg(long, value_name = "HOST:PORT")]
    metrics_listen: Option<String>,
}

/// Shortest and longest lease.
const LEASE: (Duration, Duration) = (Duration::from_secs(3), Duration::from_secs(24 * 3600));

fn lease(text: &str) -> Result<Duration, String> {
    let lease = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    match (LEASE.0..=LEASE.1).contains(&lease) {
        true => Ok(lease),
        false => Err("from 3s to 24h are possible".to_owned()),
    }
}

pub(crate) async fn run(arguments: Arguments, format: Format) -> miette::Result<Ended> {
    let mut config = client::config(&arguments.state, &arguments.listen).await?;
    config.lease_ms = arguments.lease.as_millis() as u64;
    config.heartbeat_ms = config.lease_ms / 6;
    config.open_trials_max = arguments.max_open_trials;
    let mut coordinator = client::start(config).await?;
    client::write_address(&arguments.state, &coordinator)?;
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
        Format::Text => output::note(&format!(
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
