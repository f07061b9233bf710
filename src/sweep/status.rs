//! `nrp sweep status`.

use super::{One, table};
use crate::access::Access;
use crate::failure::CommandError;
use crate::listing::{Choice, Listing};
use crate::output::Format;

/// Show how far a sweep is
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    one: One,
    #[command(flatten)]
    choice: Choice,
}

pub(crate) async fn run(arguments: Arguments, format: Format) -> miette::Result<()> {
    arguments.choice.check(Listing::Sweeps)?;
    let One { sweep, results } = arguments.one;
    Access::read(&results, async |access| {
        let status = access.client.status(&sweep).await;
        let status = status.map_err(CommandError::from)?;
        Ok(table::show_chosen(
            access,
            vec![status],
            &arguments.choice,
            format,
        )?)
    })
    .await
}
