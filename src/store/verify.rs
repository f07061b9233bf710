//! `nrp store verify`.

use super::Place;
use crate::failure::{CommandError, Ended};
use crate::output::{self, Format};
use crate::ui;
use nrp_coordinator::Verified;

/// Read every line of the journal and every record of the index, and say what is wrong
///
/// The exit code is 1 if something is wrong. No other process may be using the directory; nothing in it is
/// changed.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    place: Place,
}

pub(super) fn run(arguments: Arguments, format: Format) -> miette::Result<Ended> {
    let verified = nrp_coordinator::verify(&arguments.place.state)?;
    for notice in &verified.notices {
        ui::notice(notice);
    }
    format.show(&verified, text)?;
    if verified.is_whole() {
        return Ok(Ended::Done);
    }
    ui::hint(
        "`nrp store rebuild` rebuilds the index; restore a damaged journal from a backup, or keep its \
         intact lines with `nrp store repair`",
    );
    Ok(Ended::CheckFailed)
}

fn text(verified: &Verified) -> Result<(), CommandError> {
    for finding in &verified.findings {
        let line = finding.line.map(|line| format!(", line {line}"));
        output::line(&format!(
            "`{}`{}: {}",
            finding.path.display(),
            line.unwrap_or_default(),
            finding.problem
        ))?;
    }
    let wrong = match verified.findings.len() as u64 + verified.further {
        0 => "all as they were written".to_owned(),
        wrong => format!("{wrong} wrong"),
    };
    output::line(&format!(
        "{} lines, {} entries, {} records of the index: {wrong}",
        verified.lines, verified.entries, verified.records
    ))
}
