//! `nrp run`: a whole sweep with one command: a coordinator and a worker in one process, talking
//! over gRPC as they do between machines.

use crate::cache::CacheArguments;
use crate::client;
use crate::coordinator::told_to_stop;
use crate::devices::DeviceArguments;
use crate::failure::{CommandError, Ended};
use crate::output::{self, Format};
use crate::place::STATE_DIR;
use crate::scope::Chosen;
use crate::takes::Takes;
use crate::{advice, best, load, progress, sweep};
use nrp_proto::wire::{BestRequest, SweepStatus, TrialsRequest};
use nrp_worker::agent::{self, Stop, WorkerConfig};
use std::path::PathBuf;
use std::time::Duration;

/// Trials a worker takes in one job when the user does not say.
pub(crate) const DEFAULT_LANES: u32 = 8;

/// Name of the worker inside `nrp run`: the same each time, so that a run that was killed gives its
/// leases to the next at once.
const WORKER: &str = "local";

/// Run a whole sweep on this machine
///
/// Interrupt it at any time and run the same command again: it goes on where it stopped.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The sweep file; `sweeps/paper.toml` shows every key
    file: PathBuf,
    /// Where the file's paths start; default: the file's directory
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Where results are kept
    #[arg(long, value_name = "DIR", default_value = STATE_DIR)]
    state: PathBuf,
    #[command(flatten)]
    cache: CacheArguments,
    #[command(flatten)]
    devices: DeviceArguments,
    /// Trials taken in one job, and trained at once as far as memory allows
    #[arg(long, default_value_t = DEFAULT_LANES, value_parser = clap::value_parser!(u32).range(1..=1024))]
    lanes: u32,
    /// Its trials start before those of sweeps with a lower number; default: as before, at first 0
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    priority: Option<i32>,
}

pub(crate) async fn run(arguments: Arguments, format: Format) -> miette::Result<Ended> {
    let devices = arguments.devices.resolve()?;
    let data_dir = arguments.data_dir.clone();
    let (spec, forecast) = load::sweep(&arguments.file, data_dir, &devices[0], true)?;
    let takes = Takes::new(&spec, &forecast, arguments.cache.dtype());
    let config = client::config(&arguments.state, "127.0.0.1:0").await?;
    let mut coordinator = client::start(config).await?;
    client::write_address(&arguments.state, &coordinator)?;
    let address = coordinator.address().to_string();
    let mut sweeps = client::Sweeps::connect(&address)
        .await
        .map_err(CommandError::from)?;
    let submitted = sweeps.submit(spec.clone(), arguments.priority).await;
    let submitted = submitted.map_err(CommandError::from)?;
    output::note(&format!(
        "{}, on {}",
        sweep::announcement(&spec, &submitted),
        devices.join(", ")
    ));
    if submitted.already_finished < submitted.trials {
        takes.in_words().iter().for_each(|line| output::note(line));
    }
    leave_others(&sweeps, &submitted.sweep).await?;
    resume_if_cancelled(&sweeps, &submitted.sweep).await?;

    let stop = Stop::default();
    let mut worker = tokio::spawn(agent::run(
        WorkerConfig {
            coordinator: nrp_client::uri(&address),
            name: WORKER.to_owned(),
            data_dir: arguments.data_dir,
            cache: arguments.cache.into(),
            devices,
            lanes: arguments.lanes,
            spool: arguments.state.join("spool"),
            grace: Duration::ZERO,
            idle_timeout: None,
            ends_hindered: true,
        },
        stop.clone(),
    ));
    let followed = tokio::select! {
        status = follow(&mut sweeps, &submitted.sweep) => Followed::Ended(Box::new(status?)),
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
            let reported = report(&mut sweeps, &status, format).await;
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
            output::note("interrupted; handing running trials back (again Ctrl-C: at once)");
            tokio::select! {
                _ = &mut worker => {}
                () = told_to_stop() => {}
            }
            coordinator.shutdown().await?;
            output::note("run the same command again to go on");
            Ok(Ended::Interrupted)
        }
    }
}

/// Running the same command again continues a sweep that was cancelled.
async fn resume_if_cancelled(sweeps: &client::Sweeps, id: &str) -> Result<(), CommandError> {
    if sweeps.status(id).await?.state == "cancelled" {
        sweeps.resume(id).await?;
    }
    Ok(())
}

/// Cancels other unfinished sweeps of this state, so that this run computes what it was asked for;
/// running them again takes them up.
async fn leave_others(sweeps: &client::Sweeps, id: &str) -> Result<(), CommandError> {
    for other in sweeps.sweeps().all().await? {
        // What is parked would be tried again by this run's worker.
        let is_open = ["running", "parked"].contains(&other.state.as_str());
        if other.id != id && is_open {
            sweeps.cancel(&other.id).await?;
            output::note(&format!(
                "notice: sweep `{}` of this state is unfinished and stays so; run it again to go on",
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
async fn follow(sweeps: &mut client::Sweeps, id: &str) -> Result<SweepStatus, CommandError> {
    progress::follow(sweeps, id, |_| false).await?;
    Ok(sweeps.status(id).await?)
}

/// Writes the best configurations of a sweep that has ended, and what they say about the next.
async fn report(
    sweeps: &mut client::Sweeps,
    status: &SweepStatus,
    format: Format,
) -> Result<(), CommandError> {
    if status.failed > 0 {
        let request = TrialsRequest {
            sweep: status.id.clone(),
            state: "failed".to_owned(),
            ..Default::default()
        };
        let first = sweeps.trials(request).await?.next().await?;
        let reason = first.map(|trial| trial.reason).unwrap_or_default();
        if status.finished == 0 && status.parked == 0 {
            return Err(CommandError::AllFailed {
                name: status.name.clone(),
                failed: status.failed,
                reason,
            });
        }
        output::note(&format!(
            "notice: {} of {} trials failed, the first with: {reason}; `nrp trials --in-state \
             failed` lists them",
            status.failed, status.trials
        ));
    }
    if status.state == "parked" {
        return Err(CommandError::parked(status));
    }
    if status.state == "cancelled" {
        return Err(CommandError::Cancelled {
            name: status.name.clone(),
        });
    }
    let chosen = Chosen::one(sweeps, &status.id).await?;
    best::show(sweeps, &chosen, BestRequest::default(), None, format).await?;
    let [sweep] = chosen.sweeps.as_slice() else {
        unreachable!("one sweep was named");
    };
    let request = BestRequest {
        sweep: sweep.id.clone(),
        ..BestRequest::default()
    };
    let winners = best::ask(sweeps, request).await?.into_iter();
    let winners = winners.filter_map(|row| row.best.into_iter().next());
    let origin = sweep.origin();
    let winners: Vec<_> = winners.map(|of| best::shown(of, &origin)).collect();
    for sentence in advice::all(&sweep.spec, &winners) {
        match format {
            Format::Text => output::line(&format!("advice: {sentence}"))?,
            Format::Json => output::note(&format!("advice: {sentence}")),
        }
    }
    Ok(())
}
