//! `nrp store rebuild`.

use super::Place;
use crate::failure::Ended;
use crate::output::{self, Format};
use serde::Serialize;

/// Rebuild the index from the journal
///
/// No other process may be using the directory. The journal holds everything, so nothing is lost.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    place: Place,
}

#[derive(Serialize)]
struct Rebuilt {
    trials: u64,
    outcomes: u64,
}

pub(super) fn run(arguments: Arguments, format: Format) -> miette::Result<Ended> {
    let (trials, outcomes) = nrp_coordinator::rebuild_index(&arguments.place.state)?;
    format.show(&Rebuilt { trials, outcomes }, |_| {
        output::line(&format!(
            "rebuilt the index: {trials} trials with {outcomes} outcomes"
        ))
    })?;
    Ok(Ended::Done)
}
