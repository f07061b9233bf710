//! `nrp cache`: what the activation cache holds, whether it is whole, and what may go; and the flags
//! of the commands that fill it.

use crate::failure::{CommandError, Ended};
use crate::output::{self, Format};
use crate::place::CACHE_DIR;
use bytesize::ByteSize;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use nrp_worker::activation::{Cache, CacheConfig, Dtype, Entry, Prune, Pruned, RowSpace, State};
use serde::Serialize;
use std::path::PathBuf;
use std::time::SystemTime;

/// Digits of a digest in tables; JSON has all.
const DIGEST_DIGITS: usize = 12;

/// Where activations are kept, how, and how many.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct CacheArguments {
    /// Where activations are kept; all processes of one machine may share it
    #[arg(long, value_name = "DIR", default_value = CACHE_DIR)]
    cache: PathBuf,
    /// Most bytes that activations may take, such as 200GB or 50GiB; what was used longest ago makes
    /// way, never what is in use. Default: no limit
    #[arg(long, value_name = "SIZE")]
    cache_size: Option<ByteSize>,
    /// Number format of stored activations. f32 is exact. f16 and bf16 take half the space and round
    /// by half a unit in the last place: f16 by 2^-11 of a value at most between 6e-5 and 65504 (less
    /// than 3e-8 below, refused above), bf16 by 2^-8
    #[arg(long, value_name = "FORMAT", default_value = Dtype::F32.name(), value_parser = dtype())]
    cache_dtype: Dtype,
}

impl CacheArguments {
    /// Number format of stored activations.
    pub(crate) fn dtype(&self) -> Dtype {
        self.cache_dtype
    }
}

fn dtype() -> impl TypedValueParser<Value = Dtype> {
    PossibleValuesParser::new(Dtype::ALL.map(Dtype::name)).try_map(|name| name.parse::<Dtype>())
}

impl From<CacheArguments> for CacheConfig {
    fn from(arguments: CacheArguments) -> Self {
        Self {
            directory: arguments.cache,
            dtype: arguments.cache_dtype,
            budget_bytes: arguments.cache_size.map(|size| size.as_u64()),
        }
    }
}

/// Look at stored activations, check and delete them
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// List stored layers, the one used last first
    List(Place),
    /// Read every byte and tell what is damaged
    ///
    /// Exit code 1 when something is. A damaged layer counts as missing: it is extracted again when
    /// it is wanted.
    Verify(Place),
    /// Delete stored layers
    ///
    /// Everything that any of the flags names; never what is in use.
    Prune(PruneArguments),
}

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Place {
    /// Where activations are kept
    #[arg(long, value_name = "DIR", default_value = CACHE_DIR)]
    cache: PathBuf,
}

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct PruneArguments {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    which: Which,
    /// Only tell what would be deleted
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Clone, clap::Args)]
#[group(required = true, multiple = true)]
struct Which {
    /// Those used longest ago, until SIZE (such as 50GB) is left
    #[arg(long, value_name = "SIZE")]
    to: Option<ByteSize>,
    /// Those that were not used for this long, such as 30d or 12h
    #[arg(long, value_name = "AGE")]
    older_than: Option<humantime::Duration>,
    /// Damaged ones, and those that this version does not read
    #[arg(long)]
    damaged: bool,
    /// What extractions that were broken off left to go on with
    #[arg(long)]
    partial: bool,
}

/// One file as users see it.
#[derive(Debug, Serialize)]
struct Row {
    layer: Option<String>,
    ann: Option<String>,
    weights: Option<String>,
    sparsity: Option<f64>,
    /// How the zeros were chosen; empty at sparsity 0.
    pruning: Option<String>,
    preprocessing: Option<String>,
    stimuli: Option<String>,
    dtype: Option<&'static str>,
    /// What the layer is projected onto.
    row_space: Option<RowSpace>,
    bytes: u64,
    last_used: String,
    #[serde(flatten)]
    state: State,
    file: PathBuf,
}

impl From<Entry> for Row {
    fn from(entry: Entry) -> Self {
        let key = entry.key.as_ref();
        Self {
            layer: key.map(|key| key.layer.clone()),
            ann: key.map(|key| key.ann.clone()),
            weights: key.map(|key| key.weights_digest.clone()),
            sparsity: key.map(|key| key.sparsity),
            pruning: key.map(|key| key.pruning.clone()),
            preprocessing: key.map(|key| key.preprocessing.clone()),
            stimuli: key.map(|key| key.stimulus_digest.clone()),
            dtype: key.map(|key| key.dtype.name()),
            row_space: key.and_then(|key| key.row_space.clone()),
            bytes: entry.bytes,
            last_used: humantime::format_rfc3339_seconds(entry.used).to_string(),
            state: entry.state,
            file: entry.path,
        }
    }
}

/// A file that was deleted, would be, or stays because it is in use.
#[derive(Debug, Serialize)]
struct PrunedRow {
    #[serde(flatten)]
    row: Row,
    in_use: bool,
}

pub(crate) fn run(command: Command, format: Format) -> miette::Result<Ended> {
    match command {
        Command::List(place) => {
            let rows = rows(&place, false)?;
            show(&rows, format)?;
            Ok(Ended::Done)
        }
        Command::Verify(place) => {
            let rows = rows(&place, true)?;
            show(&rows, format)?;
            Ok(verdict(&rows))
        }
        Command::Prune(arguments) => prune(arguments, format),
    }
}

fn rows(place: &Place, every_byte: bool) -> miette::Result<Vec<Row>> {
    let entries = Cache::existing(&place.cache)?.entries(every_byte)?;
    Ok(entries.into_iter().map(Row::from).collect())
}

/// Names the damaged files on stderr too, since a table may be long.
fn verdict(rows: &[Row]) -> Ended {
    let mut ended = Ended::Done;
    for row in rows {
        if let State::Damaged { reason } = &row.state {
            output::note(&format!("damaged: `{}`: {reason}", row.file.display()));
            ended = Ended::Refuted;
        }
    }
    if ended == Ended::Refuted {
        output::note(
            "hint: `nrp cache prune --damaged` deletes them; wanted layers are made again",
        );
    }
    ended
}

fn prune(arguments: PruneArguments, format: Format) -> miette::Result<Ended> {
    let PruneArguments {
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
    match format {
        Format::Json => {
            let rows = deleted.into_iter().chain(in_use).map(|pruned| PrunedRow {
                in_use: pruned.in_use,
                row: pruned.entry.into(),
            });
            output::json(&rows.collect::<Vec<_>>())?;
        }
        Format::Text => {
            let would = if dry_run {
                "would be deleted"
            } else {
                "deleted"
            };
            let n = deleted.len();
            if n > 0 {
                let rows: Vec<Row> = deleted.into_iter().map(|p| p.entry.into()).collect();
                text(&rows)?;
            }
            let files = if n == 1 { "file" } else { "files" };
            output::line(&format!("{n} {files}, {}, {would}", output::size(freed)))?;
            if !in_use.is_empty() {
                output::line(&format!("{} in use, not deleted", in_use.len()))?;
            }
        }
    }
    Ok(Ended::Done)
}

fn show(rows: &[Row], format: Format) -> Result<(), CommandError> {
    match format {
        Format::Json => output::json(&rows),
        Format::Text if rows.is_empty() => output::line("the cache is empty"),
        Format::Text => {
            text(rows)?;
            let bytes = rows.iter().map(|row| row.bytes).sum();
            output::line(&format!("{} in all", output::size(bytes)))
        }
    }
}

fn text(rows: &[Row]) -> Result<(), CommandError> {
    let mut table = output::table(&[
        "layer",
        "ANN",
        "weights",
        "sparsity",
        "stimuli",
        "dtype",
        "size",
        "last used",
        "state",
        "file",
    ]);
    let word = |word: &Option<String>| word.clone().unwrap_or_else(|| "–".to_owned());
    let digest =
        |digest: &Option<String>| word(digest).chars().take(DIGEST_DIGITS).collect::<String>();
    for row in rows {
        table.add_row([
            match row.row_space {
                None => word(&row.layer),
                Some(_) => format!("{} (row space)", word(&row.layer)),
            },
            word(&row.ann),
            digest(&row.weights),
            match row.pruning.as_deref() {
                None | Some("") => output::number(row.sparsity),
                Some(pruning) => format!("{} ({pruning})", output::number(row.sparsity)),
            },
            digest(&row.stimuli),
            row.dtype.unwrap_or("–").to_owned(),
            output::size(row.bytes),
            row.last_used.clone(),
            match &row.state {
                State::Whole => "whole".to_owned(),
                State::Partial { rows, stimuli } => format!("partial: {rows} of {stimuli} stimuli"),
                State::Damaged { reason } => format!("damaged: {reason}"),
            },
            row.file
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
        ]);
    }
    output::print_table(&table)
}
