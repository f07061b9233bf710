//! `nrp sweep priority`.

use crate::output::Format;
use crate::place::Results;

/// Set a sweep's priority: trials of sweeps with a higher number start first
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Its name, its id, or the beginning of its id
    sweep: String,
    /// A whole number; a new sweep has 0
    #[arg(value_name = "N", allow_negative_numbers = true)]
    priority: i32,
    #[command(flatten)]
    results: Results,
}

pub(crate) async fn run(arguments: Arguments, format: Format) -> miette::Result<()> {
    let Arguments {
        sweep,
        priority,
        results,
    } = arguments;
    super::change(&results, format, async |client| {
        client.prioritise(&sweep, priority).await
    })
    .await
}
