//! `nrp`: the command. It parses arguments, hands over to one file per subcommand, and turns the result into an exit
//! code. Only this crate prints, and only through `output`; it decides nothing else.

mod access;
mod ann;
mod best;
mod cache;
mod commit;
mod coordinator;
mod data;
mod devices;
mod exit;
mod export;
mod failure;
mod listing;
mod load;
mod marginals;
mod metrics;
mod output;
mod parquet;
mod place;
mod presets;
mod progress;
mod region_map;
mod report;
mod run;
mod scope;
mod store;
mod sweep;
mod table;
mod takes;
mod telemetry;
mod time_left;
mod trials;
mod ui;
mod worker;
mod workers;

use clap::{Parser, Subcommand};
use failure::Ended;
use nrp_report::{advice, row, setting};
use output::Format;
use std::process::ExitCode;

/// With the system's allocator, a coordinator at full load spent a third of its time in it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How well do a network's activations predict visual cortex?
///
/// Trains neural-response-predictor (NRP) networks from the activations of artificial neural
/// networks (ANNs) to recordings, over a grid of layers, sizes and learning rates, on one machine or
/// many.
#[derive(Parser)]
#[command(version, propagate_version = true, after_help = exit::help())]
struct Arguments {
    /// What stdout carries: tables for people, or JSON
    #[arg(long, value_enum, global = true, default_value_t = Format::Text)]
    output: Format,

    /// How log lines on stderr are written; NRP_LOG selects them, such as NRP_LOG=debug
    #[arg(long, value_enum, global = true, default_value = "text")]
    log_format: telemetry::LogFormat,

    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Run(run::Arguments),
    Coordinator(coordinator::Arguments),
    Worker(worker::Arguments),
    #[command(subcommand)]
    Workers(workers::Command),
    #[command(subcommand)]
    Sweep(sweep::Command),
    Best(best::Arguments),
    Marginals(marginals::Arguments),
    Trials(trials::Arguments),
    Export(export::Arguments),
    Report(report::Arguments),
    Commit(commit::Arguments),
    #[command(subcommand)]
    Ann(ann::Command),
    #[command(subcommand)]
    Data(data::Command),
    #[command(subcommand)]
    Cache(cache::Command),
    #[command(subcommand)]
    Store(store::Command),
    Devices(devices::Arguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    output::report_panics();
    let log_format = arguments.log_format;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("the system provides threads");
    let ended = runtime.block_on(async {
        // Inside the runtime, from which the exporter sends.
        let exporter = telemetry::begin(log_format);
        let ended = dispatch(arguments).await;
        // The exporter waits for its traces to be sent, and must not block the runtime that sends them.
        let _ = tokio::task::spawn_blocking(move || exporter.end()).await;
        ended
    });
    // A computing thread must not keep an interrupted command alive.
    runtime.shutdown_background();
    exit::code(ended)
}

async fn dispatch(arguments: Arguments) -> miette::Result<Ended> {
    let format = arguments.output;
    match arguments.command {
        Command::Run(arguments) => run::run(arguments, format).await,
        Command::Coordinator(arguments) => coordinator::run(arguments, format).await,
        Command::Worker(arguments) => worker::run(arguments).await,
        Command::Workers(command) => workers::run(command, format).await,
        Command::Sweep(command) => sweep::run(command, format).await,
        Command::Best(arguments) => best::run(arguments, format).await,
        Command::Marginals(arguments) => marginals::run(arguments, format).await,
        Command::Trials(arguments) => trials::run(arguments, format).await,
        Command::Export(arguments) => export::run(arguments).await,
        Command::Report(arguments) => report::run(arguments, format).await,
        Command::Commit(arguments) => commit::run(arguments, format).await,
        Command::Ann(command) => ann::run(command, format),
        Command::Data(command) => data::run(command, format),
        Command::Cache(command) => cache::run(command, format),
        Command::Store(command) => store::run(command, format),
        Command::Devices(devices::Arguments {}) => Ok(devices::run(format)?),
    }
}
