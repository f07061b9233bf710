//! `nrp cache prune`.

use super::Place;
use super::entry::{self, Row};
use crate::failure::{CommandError, Ended};
use crate::output::{self, Format};
use bytesize::ByteSize;
use nrp_worker::activation::{Cache, Prune, Pruned};
use serde::Serialize;
use std::time::SystemTime;

/// Delete stored layers
///
/// Deletes everything that any of the flags names, but nothing that is in use.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    which: Which,
    /// Only say what would be deleted
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Clone, clap::Args)]
#[group(required = true, multiple = true)]
struct Which {
    /// The least recently used, until at most SIZE (such as 50GB) is left
    #[arg(long, value_name = "SIZE")]
    to: Option<ByteSize>,
    /// Those that were not used for AGE, such as 30d or 12h
    #[arg(long, value_name = "AGE")]
    older_than: Option<humantime::Duration>,
    /// Damaged layers, and those that this version cannot read
    #[arg(long)]
    damaged: bool,
    /// Partial layers, from which interrupted extractions would continue
    #[arg(long)]
    partial: bool,
}

/// A file that was deleted, would be, or stays because it is in use.
#[derive(Debug, Serialize)]
struct PrunedRow {
    #[serde(flatten)]
    row: Row,
    in_use: bool,
}

pub(super) fn run(arguments: Arguments, format: Format) -> miette::Result<Ended> {
    let Arguments {
        place,
        which,
        dry_run,
    } = arguments;
    let age = which.older_than.map(|age| *age);
    let prune = Prune {
        to_bytes: which.to.map(|size| size.as_u64()),
        // Nothing is older than the beginning of time.
        used_before: age.and_then(|age| SystemTime::now().checked_sub(age)),
        damaged: which.damaged,
        partial: which.partial,
        dry_run,
    };
    let pruned = Cache::existing(&place.cache)?.prune(&prune)?;
    let freed: u64 = pruned
        .iter()
        .filter(|pruned| !pruned.in_use)
        .map(|pruned| pruned.entry.bytes)
        .sum();
    let (deleted, in_use): (Vec<Pruned>, Vec<Pruned>) =
        pruned.into_iter().partition(|pruned| !pruned.in_use);
    let rows = |pruned: Vec<Pruned>| -> Vec<Row> {
        pruned.into_iter().map(|of| of.entry.into()).collect()
    };
    let (deleted, in_use) = (rows(deleted), rows(in_use));
    match format {
        Format::Json => {
            let deleted = deleted
                .into_iter()
                .map(|row| PrunedRow { row, in_use: false });
            let in_use = in_use
                .into_iter()
                .map(|row| PrunedRow { row, in_use: true });
            output::json(&deleted.chain(in_use).collect::<Vec<_>>())?;
        }
        Format::Text => text(&deleted, in_use.len(), freed, dry_run)?,
    }
    Ok(Ended::Done)
}

fn text(deleted: &[Row], in_use: usize, freed: u64, dry_run: bool) -> Result<(), CommandError> {
    let n = deleted.len();
    if n > 0 {
        entry::table(deleted)?;
    }
    let files = if n == 1 { "file" } else { "files" };
    let would = if dry_run {
        "would be deleted"
    } else {
        "deleted"
    };
    output::line(&format!("{n} {files}, {}, {would}", output::size(freed)))?;
    if in_use > 0 {
        output::line(&format!("{in_use} in use, not deleted"))?;
    }
    Ok(())
}
