//! `nrp store`: whether a state directory is whole, how large it is, and a copy of it.

use crate::failure::{CommandError, Ended};
use crate::output::{self, Format};
use crate::place::STATE_DIR;
use nrp_coordinator::{Stats, Verified};
use serde::Serialize;
use std::path::PathBuf;

/// Look after a state directory: check it, back it up, see how large it is
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Read every line of the journal and every record of the index, and tell what is wrong
    ///
    /// Exit code 1 when something is. Nothing else may be using the directory.
    Verify(Place),
    /// Make the index anew from the journal
    ///
    /// Nothing else may be using the directory. The journal has everything, so nothing is lost.
    Rebuild(Place),
    /// Copy the state to a new directory, and read the copy back
    ///
    /// Also while a coordinator runs: the copy is of one moment. It holds the journal; the first
    /// start from it makes the index.
    Backup(BackupArguments),
    /// Show what is in the state, and how large it is
    ///
    /// Also while a coordinator runs.
    Stats(Place),
}

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Place {
    /// The state, which `nrp run` and `nrp coordinator` write
    #[arg(long, value_name = "DIR", default_value = STATE_DIR)]
    state: PathBuf,
}

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct BackupArguments {
    #[command(flatten)]
    place: Place,
    /// Where the copy goes; made, and refused if something is there
    #[arg(value_name = "DIR")]
    to: PathBuf,
}

#[derive(Serialize)]
struct Rebuilt {
    trials: u64,
    outcomes: u64,
}

pub(crate) fn run(command: Command, format: Format) -> miette::Result<Ended> {
    match command {
        Command::Verify(place) => {
            let verified = nrp_coordinator::verify(&place.state)?;
            show_verified(&verified, format)?;
            Ok(match verified.is_whole() {
                true => Ended::Done,
                false => Ended::Refuted,
            })
        }
        Command::Rebuild(place) => {
            let (trials, outcomes) = nrp_coordinator::rebuild_index(&place.state)?;
            match format {
                Format::Json => output::json(&Rebuilt { trials, outcomes })?,
                Format::Text => output::line(&format!(
                    "the index is made anew: {trials} trials with {outcomes} outcomes"
                ))?,
            }
            Ok(Ended::Done)
        }
        Command::Backup(arguments) => {
            let to = &arguments.to;
            let backup = nrp_coordinator::backup(&arguments.place.state, to)?;
            match format {
                Format::Json => output::json(&backup)?,
                Format::Text => output::line(&format!(
                    "{} entries, {}, copied to `{}` and read back",
                    backup.entries,
                    output::size(backup.bytes),
                    to.display()
                ))?,
            }
            Ok(Ended::Done)
        }
        Command::Stats(place) => {
            let stats = nrp_coordinator::stats(&place.state)?;
            match format {
                Format::Json => output::json(&stats)?,
                Format::Text => show_stats(&stats)?,
            }
            Ok(Ended::Done)
        }
    }
}

fn show_verified(verified: &Verified, format: Format) -> Result<(), CommandError> {
    for notice in &verified.notices {
        output::note(&format!("note: {notice}"));
    }
    match format {
        Format::Json => output::json(verified)?,
        Format::Text => {
            for finding in &verified.findings {
                let line = finding.line.map(|line| format!(", line {line}"));
                output::line(&format!(
                    "`{}`{}: {}",
                    finding.path.display(),
                    line.unwrap_or_default(),
                    finding.problem
                ))?;
            }
            let wrong = verified.findings.len() as u64 + verified.further;
            output::line(&format!(
                "{} lines, {} entries, {} records of the index: {}",
                verified.lines,
                verified.entries,
                verified.records,
                match wrong {
                    0 => "all as they were written".to_owned(),
                    wrong => format!("{wrong} wrong"),
                }
            ))?;
        }
    }
    if !verified.is_whole() {
        output::note(
            "hint: `nrp store rebuild` makes the index anew; a damaged journal is restored from a \
             backup",
        );
    }
    Ok(())
}

fn show_stats(stats: &Stats) -> Result<(), CommandError> {
    let mut table = output::table(&[
        "sweep",
        "id",
        "state",
        "trials",
        "waiting",
        "leased",
        "finished",
        "failed",
        "stopped",
        "cancelled",
    ]);
    let all = nrp_coordinator::SweepStats {
        id: "–".to_owned(),
        name: "all trials, each once".to_owned(),
        state: "–",
        trials: stats.trials,
    };
    for sweep in stats.sweeps.iter().chain([&all]) {
        let trials = &sweep.trials;
        let counts = [
            trials.all,
            trials.waiting,
            trials.leased,
            trials.finished,
            trials.failed,
            trials.stopped,
            trials.cancelled,
        ];
        let words = [sweep.name.as_str(), &sweep.id, sweep.state].map(str::to_owned);
        table.add_row(
            words
                .into_iter()
                .chain(counts.map(|count| count.to_string())),
        );
    }
    output::print_table(&table)?;
    output::line(&format!(
        "journal: format {}, {} entries in {} lines, {}, of which a compaction may drop {}",
        stats.format,
        stats.entries,
        stats.lines,
        output::size(stats.journal_bytes),
        output::size(stats.droppable_bytes)
    ))?;
    output::line(&format!("index: {}", output::size(stats.index_bytes)))
}
