//! A stored layer, as users see it.

use super::Place;
use crate::failure::CommandError;
use crate::output::{self, Format};
use nrp_worker::activation::{Cache, Entry, RowSpace, State};
use serde::Serialize;
use std::path::PathBuf;

/// Digits of a digest in tables; JSON has all of them.
const DIGEST_DIGITS: usize = 12;

/// One file as users see it.
#[derive(Debug, Serialize)]
pub(super) struct Row {
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
    pub(super) bytes: u64,
    last_used: String,
    #[serde(flatten)]
    pub(super) state: State,
    pub(super) file: PathBuf,
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

/// Every stored layer; with `every_byte`, each is read and checked.
pub(super) fn rows(place: &Place, every_byte: bool) -> miette::Result<Vec<Row>> {
    let entries = Cache::existing(&place.cache)?.entries(every_byte)?;
    Ok(entries.into_iter().map(Row::from).collect())
}

/// Shows layers, and how much space they take.
pub(super) fn show(rows: &[Row], format: Format) -> Result<(), CommandError> {
    format.show(rows, |rows| {
        if rows.is_empty() {
            return output::line("the cache is empty");
        }
        table(rows)?;
        let bytes = rows.iter().map(|row| row.bytes).sum();
        output::line(&format!("{} altogether", output::size(bytes)))
    })
}

/// Writes layers as a table.
pub(super) fn table(rows: &[Row]) -> Result<(), CommandError> {
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
