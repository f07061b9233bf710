//! `nrp store backup`.

use super::Place;
use crate::failure::Ended;
use crate::output::{self, Format};
use std::path::PathBuf;

/// Copy the state to a new directory, and read the copy back
///
/// A coordinator may be running: the copy is of one moment. It holds the journal; the first start on it builds the
/// index.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    place: Place,
    /// The directory to copy to; it is created, and must not exist
    #[arg(value_name = "DIR")]
    to: PathBuf,
}

pub(super) fn run(arguments: Arguments, format: Format) -> miette::Result<Ended> {
    let to = &arguments.to;
    let backup = nrp_coordinator::backup(&arguments.place.state, to)?;
    format.show(&backup, |backup| {
        output::line(&format!(
            "{} entries, {}, copied to `{}` and read back",
            backup.entries,
            output::size(backup.bytes),
            to.display()
        ))
    })?;
    Ok(Ended::Done)
}
