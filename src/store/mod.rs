//! `nrp store`: check a state directory, back it up, repair it, and see how large it is. One file per subcommand.

mod backup;
mod compact;
mod rebuild;
mod repair;
mod stats;
mod verify;

use crate::failure::Ended;
use crate::output::Format;
use crate::place::STATE_DIR;
use std::path::PathBuf;

/// Check a state directory, back it up, repair it, and see how large it is
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    Verify(verify::Arguments),
    Repair(repair::Arguments),
    Rebuild(rebuild::Arguments),
    Compact(compact::Arguments),
    Backup(backup::Arguments),
    Stats(stats::Arguments),
}

/// The state directory that a subcommand is about.
#[derive(Debug, Clone, clap::Args)]
struct Place {
    /// The state directory, as `nrp run` and `nrp coordinator` write it
    #[arg(long, value_name = "DIR", default_value = STATE_DIR)]
    state: PathBuf,
}

pub(crate) fn run(command: Command, format: Format) -> miette::Result<Ended> {
    match command {
        Command::Verify(arguments) => verify::run(arguments, format),
        Command::Repair(arguments) => repair::run(arguments, format),
        Command::Rebuild(arguments) => rebuild::run(arguments, format),
        Command::Compact(arguments) => compact::run(arguments, format),
        Command::Backup(arguments) => backup::run(arguments, format),
        Command::Stats(arguments) => stats::run(arguments, format),
    }
}
