//! `nrp sweep list`.

use super::table;
use crate::access::Access;
use crate::failure::CommandError;
use crate::listing::{Choice, Listing};
use crate::output::Format;
use crate::place::Results;

/// List sweeps, in the order in which they were last submitted
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    choice: Choice,
    #[command(flatten)]
    results: Results,
}

pub(crate) async fn run(arguments: Arguments, format: Format) -> miette::Result<()> {
    arguments.choice.check(Listing::Sweeps)?;
    Access::read(&arguments.results, async |access| {
        let sweeps = access.client.sweeps().all().await;
        let sweeps = sweeps.map_err(CommandError::from)?;
        Ok(table::show_chosen(
            access,
            sweeps,
            &arguments.choice,
            format,
        )?)
    })
    .await
}
