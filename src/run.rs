//! `nrp run`: a whole sweep with one command: a coordinator and a worker in one process, talking
//! over gRPC as they do between machines.

use crate::access;
use crate::cache::CacheArguments;
use crate::coordinator::told_to_stop;
use crate::devices::DeviceArguments;
use crate::failure::{CommandError, Ended};
use crate::listing::Choice;
use crate::output::{self, Format};
use crate::place::STATE_DIR;
use crate::row::Row;
use crate::scope::{Chosen, ChosenSweep};
use crate::takes::Takes;
use crate::{advice, best, load, progress, sweep, ui};
use nrp_client::Client;
use nrp_proto::state::{SweepState, TrialState};
use nrp_proto::wire::{BestRequest, SubmitReply, SweepSpec, SweepStatus, TrialsRequest};
use nrp_worker::agent::{self, Stop, WorkerConfig};
use std::path::PathBuf;
use std::time::Duration;

/// Trials per job by default.
pub(crate) const DEFAULT_LANES: u32 = 8;

/// Name of the worker inside `nrp run`: the same each time, so that the next run takes over the leases of one that
/// was killed at once.
const WORKER: &str = "local";

/// Run a whole sweep on this machine
///
/// Interrupt it at any time and run the same command again: it continues where it stopped.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The sweep file; `sweeps/paper.toml` shows every key
    file: PathBuf,
    /// The directory that the file's paths are relative to [default: the file's directory]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Where results are kept
    #[arg(long, value_name = "DIR", default_value = STATE_DIR)]
    state: PathBuf,
    #[command(flatten)]
    cache: CacheArguments,
    #[command(flatten)]
    devices: DeviceArguments,
    /// Trials per job; they are trained at the same time as far as memory allows
    #[arg(long, default_value_t = DEFAULT_LANES, value_parser = clap::value_parser!(u32).range(1..=1024))]
    lanes: u32,
    /// Start its trials before those of sweeps with a lower number [default: 0 for a new sweep, unchanged for a
    /// known one]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    priority: Option<i32>,
}

pub(crate) async fn run(arguments: Arguments, format: Format) -> miette::Result<Ended> {
    let devices = arguments.devices.resolve()?;
    let data_dir = arguments.data_dir.clone();
    let (spec, forecast) = load::sweep(&arguments.file, data_dir, &devices[0], true)?;
    let takes = Takes::new(&spec, &forecast, arguments.cache.dtype());
    let config = access::config(&arguments.state, "127.0.0.1:0").await?;
    let mut coordinator = access::start(config).await?;
    access::write_address(&arguments.state, &coordinator)?;
    let address = coordinator.address().to_string();
    let connected = Client::connect(&address).await;
    let client = connected.map_err(CommandError::from)?;
    let submitted = submit(&client, &spec, arguments.priority).await?;
    ui::status(&format!(
        "{}, on {}",
        sweep::announcement(&spec, &submitted),
        devices.join(", ")
    ));
    if submitted.already_finished < submitted.trials {
        takes.in_words().iter().for_each(|line| ui::status(line));
    }

    let stop = Stop::default();
    let config = worker(arguments, &spec, &address, devices);
    let mut worker = tokio::spawn(agent::run(config, stop.clone()));
    let followed = tokio::select! {
        status = follow(&client, &submitted.sweep) => Followed::Ended(Box::new(status?)),
        failed = coordinator.stopped() => Followed::Stopped(failed.map_err(Into::into)),
        ended = &mut worker => Followed::Stopped(match ended {
            Ok(ended) => ended.map_err(Into::into),
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }),
        () = told_to_stop() => Followed::Interrupted,
    };
    stop.leave();
    match followed {
        Followed::Ended(status) => {
            worker.abort();
            let reported = report(&client, &status, format).await;
            coordinator.shutdown().await?;
            reported.map(|()| Ended::Done).map_err(Into::into)
        }
        Followed::Stopped(why) => {
            let closed = coordinator.shutdown().await;
            why?;
            closed?;
            Ok(Ended::Interrupted)
        }
        Followed::Interrupted => {
            ui::status("interrupted; handing running trials back (Ctrl-C again: at once)");
            tokio::select! {
                _ = &mut worker => {}
                () = told_to_stop() => {}
            }
            coordinator.shutdown().await?;
            ui::status("run the same command again to continue");
            Ok(Ended::Interrupted)
        }
    }
}

/// The worker of this run.
///
/// Under `--data-dir`, paths are relative to the directory that `spec` names, which is above it where the sweep
/// file names files outside.
fn worker(
    arguments: Arguments,
    spec: &SweepSpec,
    address: &str,
    devices: Vec<String>,
) -> WorkerConfig {
    WorkerConfig {
        coordinator: nrp_client::uri(address),
        name: WORKER.to_owned(),
        data_dir: arguments.data_dir.map(|_| spec.data_dir.clone().into()),
        cache: arguments.cache.into(),
        devices,
        lanes: arguments.lanes,
        spool: arguments.state.join("spool"),
        grace: Duration::ZERO,
        idle_timeout: None,
        ends_hindered: true,
    }
}

/// Submits the sweep as the only one that runs. Running the same command again continues a sweep that was
/// cancelled.
async fn submit(
    client: &Client,
    spec: &SweepSpec,
    priority: Option<i32>,
) -> Result<SubmitReply, CommandError> {
    let submitted = client.submit(spec.clone(), priority).await?;
    leave_others(client, &submitted.sweep).await?;
    if client.status(&submitted.sweep).await?.state == SweepState::Cancelled.to_wire() {
        client.resume(&submitted.sweep).await?;
    }
    Ok(submitted)
}

/// Cancels other unfinished sweeps of this state, so that this run computes only what it was asked for. Running
/// them again continues them.
async fn leave_others(client: &Client, id: &str) -> Result<(), CommandError> {
    for other in client.sweeps().all().await? {
        // This run's worker would try parked trials again.
        let open = [SweepState::Running, SweepState::Parked].map(SweepState::to_wire);
        let is_open = open.contains(&other.state);
        if other.id != id && is_open {
            client.cancel(&other.id).await?;
            ui::notice(&format!(
                "sweep `{}` of this state is unfinished and stays so; run it again to continue it",
                other.name
            ));
        }
    }
    Ok(())
}

/// What ended the wait for a sweep.
enum Followed {
    Ended(Box<SweepStatus>),
    /// Coordinator or worker stopped by itself.
    Stopped(miette::Result<()>),
    Interrupted,
}

/// Shows progress until the sweep has ended; returns its last status.
async fn follow(client: &Client, id: &str) -> Result<SweepStatus, CommandError> {
    // This process is the coordinator.
    let moved = async |_: &str| std::future::pending().await;
    progress::follow(client, id, |_| false, moved).await?;
    Ok(client.status(id).await?)
}

/// Writes the best configurations of a sweep that has ended, and advice for the next sweep.
async fn report(client: &Client, status: &SweepStatus, format: Format) -> Result<(), CommandError> {
    if status.failed > 0 {
        let request = TrialsRequest {
            sweep: status.id.clone(),
            state: TrialState::Failed.to_wire(),
            ..Default::default()
        };
        let first = client.trials(request).await?.next().await?;
        let reason = first.map(|trial| trial.reason).unwrap_or_default();
        if status.finished == 0 && status.parked == 0 {
            return Err(CommandError::AllFailed {
                name: status.name.clone(),
                failed: status.failed,
                reason,
            });
        }
        ui::notice(&format!(
            "{} of {} trials failed, the first with: {reason}; `nrp trials --in-state \
             failed` lists them",
            status.failed, status.trials
        ));
    }
    if status.state == SweepState::Parked.to_wire() {
        return Err(CommandError::parked(status));
    }
    if status.state == SweepState::Cancelled.to_wire() {
        return Err(CommandError::Cancelled {
            name: status.name.clone(),
        });
    }
    let chosen = Chosen::one(client, &status.id).await?;
    let choice = Choice::default();
    let request = BestRequest::default();
    // The advice says what there is to notice in the rows.
    best::show(client, &chosen, request, None, &choice, format).await?;
    for sweep in &chosen.sweeps {
        advise(client, sweep, format).await?;
    }
    Ok(())
}

/// Writes what the best configurations of a sweep say about the next sweep.
async fn advise(client: &Client, sweep: &ChosenSweep, format: Format) -> Result<(), CommandError> {
    let request = BestRequest {
        sweep: sweep.id.clone(),
        ..BestRequest::default()
    };
    let winners = client.best(request).all().await?.into_iter();
    let winners = winners.filter_map(|row| row.best.into_iter().next());
    let origin = sweep.origin();
    let winners: Vec<_> = winners.map(|of| Row::new(&of, &origin)).collect();
    for sentence in advice::all(&sweep.spec, &winners) {
        let sentence = format!("advice: {sentence}");
        match format {
            Format::Text => output::line(&sentence)?,
            Format::Json => ui::status(&sentence),
        }
    }
    Ok(())
}
