//! `nrp coordinator`: serves sweeps to workers and clients until it is told to stop.

use crate::client;
use crate::failure::Ended;
use crate::output::Format;
use crate::place::{ADDRESS, STATE_DIR};
use std::path::PathBuf;

/// Serve sweeps to workers and clients
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", default_value = ADDRESS)]
    listen: String,
    /// Where results are kept
    #[arg(long, value_name = "DIR", default_value = STATE_DIR)]
    state: PathBuf,
}

pub(crate) async fn run(arguments: Arguments, format: Format) -> miette::Result<Ended> {
    let mut coordinator = client::start(&arguments.state, &arguments.listen).await?;
    client::write_address(&arguments.state, &coordinator)?;
    let address = coordinator.address().to_string();
    match format {
        Format::Text => eprintln!("coordinator listens on {address}; Ctrl-C stops it"),
        Format::Json => crate::output::json(&serde_json::json!({ "address": address }))?,
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
