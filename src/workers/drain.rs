//! `nrp workers drain`.

use crate::access::Access;
use crate::failure::CommandError;
use crate::place::Results;
use nrp_client::{Client, ClientError};
use nrp_proto::wire::WorkerStatus;

/// Tell workers to finish their job within their `--grace` and exit; they get no other job
///
/// A worker with several devices is listed as `NAME.0`, `NAME.1`, …; any of these names, or NAME, ends all of it.
/// Workers learn of it with their next heartbeat, within seconds. Workers started later under that name are
/// unaffected, and a coordinator that is restarted forgets it.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The names of the workers
    #[arg(required = true)]
    names: Vec<String>,
    #[command(flatten)]
    results: Results,
}

pub(super) async fn run(arguments: Arguments) -> miette::Result<Vec<WorkerStatus>> {
    let Arguments { names, results } = arguments;
    Access::read(&results, async |access| {
        let drained = drain(&access.client, &names).await;
        Ok(drained.map_err(CommandError::from)?)
    })
    .await
}

async fn drain(client: &Client, names: &[String]) -> Result<Vec<WorkerStatus>, ClientError> {
    let there = client.workers().all().await?;
    let workers = names.iter().flat_map(|name| devices_of(name, &there));
    client.drain(workers.collect()).await
}

/// The names under which a worker's devices are listed; `name` itself where it has one device or is not listed.
fn devices_of(name: &str, there: &[WorkerStatus]) -> Vec<String> {
    let is_device = |other: &str| {
        let number = other.strip_prefix(name)?.strip_prefix('.')?;
        number.parse::<usize>().ok()
    };
    let names = there.iter().map(|status| status.worker.clone());
    let devices: Vec<String> = names.filter(|other| is_device(other).is_some()).collect();
    if devices.is_empty() || there.iter().any(|status| status.worker == name) {
        vec![name.to_owned()]
    } else {
        devices
    }
}
