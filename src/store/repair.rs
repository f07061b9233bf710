//! `nrp store repair`.

use super::Place;
use crate::failure::{CommandError, Ended};
use crate::output::{self, Format};
use nrp_coordinator::Repaired;
use std::path::PathBuf;

/// Keep the intact lines of a damaged journal
///
/// The repaired journal has every intact line, byte for byte. It takes the place of the damaged one, which is kept
/// beside it as `journal.jsonl.damaged-1`. The command lists what is lost; trials whose outcome is lost are open
/// again. No other process may be using the directory.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    place: Place,
    /// The state directory, instead of `--state`
    #[arg(value_name = "DIR", conflicts_with = "state")]
    dir: Option<PathBuf>,
    /// Only say what is damaged and what would be lost; the exit code is 1 if something is
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(arguments: Arguments, format: Format) -> miette::Result<Ended> {
    let state = arguments.dir.unwrap_or(arguments.place.state);
    let repaired = nrp_coordinator::repair(&state, arguments.dry_run)?;
    format.show(&repaired, text)?;
    Ok(if repaired.is_whole || repaired.kept.is_some() {
        Ended::Done
    } else {
        Ended::CheckFailed
    })
}

fn text(repaired: &Repaired) -> Result<(), CommandError> {
    if repaired.is_whole {
        return output::line("every line of the journal can be read; there is nothing to repair");
    }
    let damage = &repaired.damage;
    for finding in &damage.findings {
        let line = finding.line.unwrap_or_default();
        let path = finding.path.display();
        output::line(&format!("`{path}`, line {line}: {}", finding.problem))?;
    }
    if damage.further > 0 {
        output::line(&format!("and {} more", damage.further))?;
    }
    output::line(&format!("altogether: {damage}"))?;
    if !damage.named.is_empty() {
        let named = damage.named.join(", ");
        output::line(&format!("damaged places name {named}"))?;
    }
    for lost in &repaired.lost_outcomes {
        let (trial, sweep, state) = (&lost.trial, &lost.sweep, &lost.state);
        output::line(&format!(
            "lost: the outcome ({state}) of trial {trial} of sweep `{sweep}`, which is open again"
        ))?;
    }
    if repaired.further_outcomes > 0 {
        output::line(&format!(
            "lost: {} more outcomes",
            repaired.further_outcomes
        ))?;
    }
    if !repaired.index_at_hand {
        output::line("which outcomes are lost is unknown: there is no index to compare with")?;
    }
    if repaired.without_sweep > 0 {
        output::line(&format!(
            "{} intact lines are about trials of a sweep that is lost; they are kept, but have no effect",
            repaired.without_sweep
        ))?;
    }
    let left = format!(
        "{} intact lines, {} trials with {} outcomes",
        repaired.lines, repaired.trials, repaired.outcomes
    );
    match &repaired.kept {
        Some(kept) => output::line(&format!(
            "the journal is repaired: {left}; the damaged one is kept as `{}`",
            kept.display()
        )),
        None => output::line(&format!("nothing was changed; a repair leaves {left}")),
    }
}
