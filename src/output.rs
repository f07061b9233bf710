//! Output: the one way data reaches stdout, as tables for people or as JSON.

use crate::failure::CommandError;
use bytesize::ByteSize;
use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;
use std::io::Write;

/// What stdout carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Tables for people
    Text,
    /// JSON, one document
    Json,
}

/// Writes one JSON document.
pub(crate) fn json(document: &impl Serialize) -> Result<(), CommandError> {
    let text = serde_json::to_string_pretty(document).expect("strings, lists and finite numbers");
    line(&text)
}

/// Writes one line.
pub(crate) fn line(text: &str) -> Result<(), CommandError> {
    writeln!(std::io::stdout().lock(), "{text}").map_err(CommandError::Stdout)
}

/// A table with `header`, as plain as it can be read.
pub(crate) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(header);
    table
}

/// Writes a table.
pub(crate) fn print_table(table: &Table) -> Result<(), CommandError> {
    let text = table.to_string();
    let trimmed: Vec<&str> = text.lines().map(str::trim_end).collect();
    line(&trimmed.join("\n"))
}

/// A score as people read it, or a dash where there is none.
pub(crate) fn score(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.4}"))
}

/// A whole number, or a dash where there is none.
pub(crate) fn count<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| value.to_string())
}

/// Bytes as people read them.
pub(crate) fn size(bytes: u64) -> String {
    ByteSize::b(bytes).display().si().to_string()
}

/// A number of the grid, as short as it can be written.
pub(crate) fn number(value: Option<f64>) -> String {
    value.map_or_else(
        || "–".to_owned(),
        |value| match value != 0.0 && value.abs() < 1e-2 {
            true => format!("{value:e}"),
            false => value.to_string(),
        },
    )
}
