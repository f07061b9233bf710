//! `nrp sweep list`.

use super::table;
use crate::client::Access;
use crate::failure::CommandError;
use crate::output::Format;
use crate::place::Results;

/// List sweeps, in the order in which they were last submitted
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    results: Results,
}

pub(crate) async fn run(arguments: Arguments, format: Format) -> miette::Result<()> {
    Access::read(&arguments.results, async |access| {
        let sweeps = access.client.sweeps().all().await;
        let sweeps = sweeps.map_err(CommandError::from)?;
        Ok(table::show_of(access, sweeps, format)?)
    })
    .await
}
