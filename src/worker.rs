//! `nrp worker`: trains what a coordinator hands out, until it is told to stop.

use crate::cache::CacheArguments;
use crate::client;
use crate::coordinator::told_to_stop;
use crate::failure::Ended;
use crate::place::ADDRESS;
use crate::run::{DEFAULT_DEVICE, DEFAULT_LANES};
use nrp_worker::agent::{self, WorkerConfig};
use std::path::PathBuf;
use tokio::sync::watch;

/// Train what a coordinator hands out
///
/// Ctrl-C or SIGTERM hands the running job back and leaves.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The coordinator
    #[arg(long, value_name = "HOST:PORT", env = "NRP_COORDINATOR", default_value = ADDRESS)]
    coordinator: String,
    /// A name that no other worker has and that stays over restarts; default: host and process
    #[arg(long)]
    name: Option<String>,
    /// Where recordings and weights lie on this machine; default: where the client had them
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    #[command(flatten)]
    cache: CacheArguments,
    /// flex (CPU), tch or tch-cuda (LibTorch), wgpu (Vulkan, Metal), cuda; as built. ONNX nets run on
    /// the CPU on any
    #[arg(long, value_name = "D", default_value = DEFAULT_DEVICE)]
    device: String,
    /// Trials taken in one job
    #[arg(long, default_value_t = DEFAULT_LANES, value_parser = clap::value_parser!(u32).range(1..=1024))]
    lanes: u32,
}

pub(crate) async fn run(arguments: Arguments) -> miette::Result<Ended> {
    let name = arguments.name.unwrap_or_else(agent::default_name);
    eprintln!(
        "worker {name} asks {} for jobs; Ctrl-C stops it",
        arguments.coordinator
    );
    let (stop, stopped) = watch::channel(false);
    let worker = agent::run(
        WorkerConfig {
            coordinator: client::uri(&arguments.coordinator),
            name,
            data_dir: arguments.data_dir,
            cache: arguments.cache.into(),
            device: arguments.device,
            lanes: arguments.lanes,
        },
        stopped,
    );
    tokio::pin!(worker);
    tokio::select! {
        ended = &mut worker => ended?,
        () = told_to_stop() => {
            let _ = stop.send(true);
            tokio::select! {
                ended = &mut worker => ended?,
                () = told_to_stop() => {}
            }
        }
    }
    Ok(Ended::Done)
}
