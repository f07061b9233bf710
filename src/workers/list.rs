//! `nrp workers list`.

use crate::access::Access;
use crate::failure::CommandError;
use crate::place::Results;
use nrp_proto::wire::WorkerStatus;

/// List the workers that were heard of lately, and what they are doing
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    results: Results,
}

pub(super) async fn run(arguments: Arguments) -> miette::Result<Vec<WorkerStatus>> {
    Access::read(&arguments.results, async |access| {
        let workers = access.client.workers().all().await;
        Ok(workers.map_err(CommandError::from)?)
    })
    .await
}
