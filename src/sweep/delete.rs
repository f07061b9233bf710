//! `nrp sweep delete`.

use crate::access::Access;
use crate::failure::CommandError;
use crate::output::{self, Format};
use crate::place::Results;
use nrp_proto::wire::DeleteReply;

/// Delete a sweep that has finished or was cancelled, with its trials and their outcomes
///
/// Trials that other sweeps share are kept. When the command ends, the space is free. Meanwhile the coordinator
/// answers nothing else: a few seconds per 100,000 trials. If the sweep is submitted again, it starts from the
/// beginning. Only a backup brings deleted trials back.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Its name, its id, or the beginning of its id
    sweep: String,
    /// Only say what would be deleted
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    results: Results,
}

pub(crate) async fn run(arguments: Arguments, format: Format) -> miette::Result<()> {
    let Arguments {
        sweep,
        dry_run,
        results,
    } = arguments;
    let delete = async |access: &Access| {
        let deleted = access.client.delete(&sweep, dry_run).await;
        Ok(deleted.map_err(CommandError::from)?)
    };
    let deleted = if dry_run {
        Access::read(&results, delete).await?
    } else {
        Access::change(&results, delete).await?
    };
    Ok(format.show(&deleted, |deleted| {
        output::line(&farewell(deleted, dry_run))
    })?)
}

/// What is said of a sweep that is deleted, or would be.
fn farewell(deleted: &DeleteReply, dry_run: bool) -> String {
    let stay = match deleted.shared {
        0 => String::new(),
        shared => format!("; {shared} trials that other sweeps have stay"),
    };
    format!(
        "sweep `{}` ({}) {}: {} trials go, {} of them with an outcome{stay}",
        deleted.name,
        deleted.sweep,
        if dry_run {
            "would be deleted"
        } else {
            "is deleted"
        },
        deleted.trials,
        deleted.outcomes,
    )
}
