//! Logs: what happens inside, for people, collectors and debuggers. Always on stderr, never on stdout.

use crate::progress::LogWriter;
use clap::ValueEnum;
use std::io::IsTerminal;
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

/// Begins to log as `NRP_LOG` says.
pub(crate) fn begin(format: LogFormat) {
    let filter = EnvFilter::try_from_env("NRP_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    let lines = tracing_subscriber::fmt::layer().with_writer(LogWriter::default);
    match format {
        LogFormat::Text => {
            let ansi = std::io::stderr().is_terminal();
            let lines = lines.with_ansi(ansi).with_filter(filter);
            Registry::default().with(lines).init();
        }
        LogFormat::Json => {
            let lines = lines.json().with_ansi(false).with_filter(filter);
            Registry::default().with(lines).init();
        }
    }
}
