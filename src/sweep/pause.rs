//! `nrp sweep pause`.

use super::One;
use crate::output::Format;

/// Start no trial of a sweep until it is resumed; running ones finish
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    one: One,
}

pub(crate) async fn run(arguments: Arguments, format: Format) -> miette::Result<()> {
    let One { sweep, results } = arguments.one;
    super::change(&results, format, async |client| client.pause(&sweep).await).await
}
