//! `nrp sweep resume`.

use super::One;
use crate::output::Format;

/// Continue a cancelled, paused or parked sweep, and give its failed trials new attempts
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    one: One,
}

pub(crate) async fn run(arguments: Arguments, format: Format) -> miette::Result<()> {
    let One { sweep, results } = arguments.one;
    super::change(&results, format, async |client| client.resume(&sweep).await).await
}
