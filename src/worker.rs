//! `nrp worker`: trains what a coordinator hands out, until it is stopped.

use crate::cache::CacheArguments;
use crate::coordinator::told_to_stop;
use crate::devices::DeviceArguments;
use crate::failure::Ended;
use crate::metrics;
use crate::place::ADDRESS;
use crate::run::DEFAULT_LANES;
use crate::ui;
use nrp_worker::activation::CacheConfig;
use nrp_worker::agent::{self, Stop, WorkerConfig};
use nrp_worker::totals;
use std::path::PathBuf;

/// Train what a coordinator hands out
///
/// While the coordinator is away, the worker keeps training, and keeps outcomes on disk until they are
/// acknowledged. After Ctrl-C or SIGTERM it finishes the running job within `--grace`, hands back what is
/// unfinished by then, and exits with code 0. A second Ctrl-C hands the job back at once.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The coordinator's address
    #[arg(long, value_name = "HOST:PORT", env = "NRP_COORDINATOR", default_value = ADDRESS)]
    coordinator: String,
    /// A name that no other worker has and that stays the same over restarts [default: host and process id]
    #[arg(long)]
    name: Option<String>,
    /// Where recordings and weights are on this machine [default: where the client had them]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    #[command(flatten)]
    cache: CacheArguments,
    #[command(flatten)]
    devices: DeviceArguments,
    /// Trials per job; they are trained at the same time as far as memory allows
    #[arg(long, default_value_t = DEFAULT_LANES, value_parser = clap::value_parser!(u32).range(1..=1024))]
    lanes: u32,
    /// Where outcomes wait until the coordinator acknowledges them; must survive the worker's restarts
    /// [default: `spool` in the cache's directory]
    #[arg(long, value_name = "DIR")]
    spool: Option<PathBuf>,
    /// How long the running job may continue after the worker was told to leave. By default, Slurm and Kubernetes
    /// kill a process 30 s after SIGTERM
    #[arg(long, value_name = "TIME", default_value = "20s")]
    grace: humantime::Duration,
    /// Leave after this long without a job, such as 10m, also if the coordinator is gone [default: never]
    #[arg(long, value_name = "TIME")]
    idle_timeout: Option<humantime::Duration>,
    /// Serve Prometheus metrics at `/metrics` on this address [default: off]
    #[arg(long, value_name = "HOST:PORT")]
    metrics_listen: Option<String>,
}

pub(crate) async fn run(arguments: Arguments) -> miette::Result<Ended> {
    if let Some(listen) = &arguments.metrics_listen {
        metrics::serve(listen, || async {
            Some(metrics::of_worker(totals::read()))
        })
        .await?;
    }
    let name = arguments.name.unwrap_or_else(agent::default_name);
    let devices = arguments.devices.resolve()?;
    ui::status(&format!(
        "worker {name} asks {} for jobs on {}; Ctrl-C stops it",
        arguments.coordinator,
        devices.join(", ")
    ));
    let grace = arguments.grace;
    let cache = CacheConfig::from(arguments.cache);
    let stop = Stop::default();
    let worker = agent::run(
        WorkerConfig {
            coordinator: nrp_client::uri(&arguments.coordinator),
            name,
            data_dir: arguments.data_dir,
            spool: arguments.spool.unwrap_or(cache.directory.join("spool")),
            cache,
            devices,
            lanes: arguments.lanes,
            grace: grace.into(),
            idle_timeout: arguments.idle_timeout.map(Into::into),
            ends_hindered: false,
        },
        stop.clone(),
    );
    let hasten = async {
        told_to_stop().await;
        stop.drain();
        ui::status(&format!(
            "the running job has {grace} to end; Ctrl-C again hands it back at once"
        ));
        loop {
            told_to_stop().await;
            stop.leave();
        }
    };
    tokio::select! {
        ended = worker => ended?,
        never = hasten => never,
    }
    Ok(Ended::Done)
}
