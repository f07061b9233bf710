//! `nrp store compact`.

use super::Place;
use crate::failure::Ended;
use crate::output::{self, Format};

/// Shorten the journal and the index as far as possible
///
/// No other process may be using the directory. A coordinator compacts the journal by itself; this command is for
/// what was deleted since, and for the index, which otherwise never gives space back.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    place: Place,
}

pub(super) fn run(arguments: Arguments, format: Format) -> miette::Result<Ended> {
    let compacted = nrp_coordinator::compact(&arguments.place.state)?;
    format.show(&compacted, |compacted| {
        output::line(&format!(
            "the journal has {} of {}, the index {} of {}",
            output::size(compacted.journal_bytes),
            output::size(compacted.journal_bytes_before),
            output::size(compacted.index_bytes),
            output::size(compacted.index_bytes_before)
        ))
    })?;
    Ok(Ended::Done)
}
