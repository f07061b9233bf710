//! `nrp cache list`.

use super::{Place, entry};
use crate::failure::Ended;
use crate::output::Format;

/// List stored layers, the most recently used first
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    place: Place,
}

pub(super) fn run(arguments: Arguments, format: Format) -> miette::Result<Ended> {
    entry::show(&entry::rows(&arguments.place, false)?, format)?;
    Ok(Ended::Done)
}
