//! `nrp sweep cancel`.

use super::One;
use crate::output::Format;

/// Start no further trial of a sweep; finished ones are kept
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    one: One,
}

pub(crate) async fn run(arguments: Arguments, format: Format) -> miette::Result<()> {
    let One { sweep, results } = arguments.one;
    super::change(&results, format, async |client| client.cancel(&sweep).await).await
}
