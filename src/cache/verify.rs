//! `nrp cache verify`.

use super::{Place, entry};
use crate::failure::Ended;
use crate::output::Format;
use crate::ui;
use nrp_worker::activation::State;

/// Read every byte, and say what is damaged
///
/// The exit code is 1 if something is damaged. A damaged layer counts as missing: it is extracted again when it is
/// needed.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    place: Place,
}

pub(super) fn run(arguments: Arguments, format: Format) -> miette::Result<Ended> {
    let rows = entry::rows(&arguments.place, true)?;
    entry::show(&rows, format)?;
    let mut ended = Ended::Done;
    // A table may be long: the damaged files are named once more below it.
    for row in &rows {
        if let State::Damaged { reason } = &row.state {
            ui::warning(&format!("`{}` is damaged: {reason}", row.file.display()));
            ended = Ended::CheckFailed;
        }
    }
    if ended == Ended::CheckFailed {
        ui::hint(
            "`nrp cache prune --damaged` deletes them; layers are extracted again when needed",
        );
    }
    Ok(ended)
}
