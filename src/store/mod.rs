//! `nrp store`: whether a state directory is whole, how large it is, a copy of it, and what is left of
//! it when it is damaged.

use crate::failure::{CommandError, Ended};
use crate::output::{self, Format};
use crate::place::STATE_DIR;
use crate::{client, sweep};
use nrp_coordinator::{Repaired, Stats, Verified};
use serde::Serialize;
use std::path::PathBuf;

/// Look after a state directory: check it, back it up, see how large it is
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Read every line of the journal and every record of the index, and tell what is wrong
    ///
    /// Exit code 1 when something is. Nothing else may be using the directory, and nothing in it is
    /// changed.
    Verify(Place),
    /// Keep what is intact of a damaged journal
    ///
    /// The repaired journal has every intact line to the byte, and takes the damaged one's place, which
    /// is kept beside it as `journal.jsonl.damaged-1`. What is lost is told; trials whose outcome is
    /// lost are open again. Nothing else may be using the directory.
    Repair(RepairArguments),
    /// Make the index anew from the journal
    ///
    /// Nothing else may be using the directory. The journal has everything, so nothing is lost.
    Rebuild(Place),
    /// Make the journal and the index as short as they can be
    ///
    /// Nothing else may be using the directory. A coordinator keeps the journal short by itself; this is
    /// for what has been given up, and for the index, which by itself keeps the space it once had.
    Compact(Place),
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
pub(crate) struct RepairArguments {
    #[command(flatten)]
    place: Place,
    /// The same, without `--state`
    #[arg(value_name = "DIR", conflicts_with = "state")]
    dir: Option<PathBuf>,
    /// Only tell what is damaged and what would be lost; exit code 1 if something is
    #[arg(long)]
    dry_run: bool,
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
        Command::Compact(place) => {
            let compacted = nrp_coordinator::compact(&place.state)?;
            match format {
                Format::Json => output::json(&compacted)?,
                Format::Text => output::line(&format!(
                    "the journal has {} of {}, the index {} of {}",
                    output::size(compacted.journal_bytes),
                    output::size(compacted.journal_bytes_before),
                    output::size(compacted.index_bytes),
                    output::size(compacted.index_bytes_before)
                ))?,
            }
            Ok(Ended::Done)
        }
        Command::Repair(arguments) => {
            let dir = arguments.dir.unwrap_or(arguments.place.state);
            let repaired = nrp_coordinator::repair(&dir, arguments.dry_run)?;
            match format {
                Format::Json => output::json(&repaired)?,
                Format::Text => show_repaired(&repaired)?,
            }
            Ok(match repaired.is_whole || repaired.kept.is_some() {
                true => Ended::Done,
                false => Ended::Refuted,
            })
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
            let mut stats = nrp_coordinator::stats(&place.state)?;
            let is_idle = !client::is_held(&place.state);
            for sweep in stats.sweeps.iter_mut().filter(|_| is_idle) {
                sweep.state = sweep::unless_interrupted(sweep.state);
            }
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
             backup, or `nrp store repair` keeps what is intact of it",
        );
    }
    Ok(())
}

fn show_repaired(repaired: &Repaired) -> Result<(), CommandError> {
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
    output::line(&format!("in all: {damage}"))?;
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
        output::line("which outcomes are lost is not known: there is no index that could tell")?;
    }
    if repaired.without_sweep > 0 {
        output::line(&format!(
            "{} intact lines are about trials of a sweep that is lost: they are kept, and count for \
             nothing",
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

fn show_stats(stats: &Stats) -> Result<(), CommandError> {
    let mut table = output::table(&[
        "sweep",
        "id",
        "state",
        "trials",
        "waiting",
        "leased",
        "parked",
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
            trials.parked,
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
