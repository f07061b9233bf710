//! Output: everything for stdout and stderr goes through here, as tables and lines for people or as
//! JSON.
//!
//! Text may hold names from files and the wire. All of it is escaped here, so that no escape sequence,
//! line break or mark in a name affects a terminal.
#![allow(clippy::print_stderr)]

use crate::failure::CommandError;
use bytesize::ByteSize;
use clap::ValueEnum;
use comfy_table::{ContentArrangement, presets};
use nrp_proto::plain;
pub(crate) use nrp_report::text::{number, score, significant, time};
use serde::Serialize;
use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

/// The format of stdout.
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
    // Breaks between lines are ours: those within strings are escaped already.
    print(&plain::lines(&text))
}

/// Writes one JSON document as one line to `out`.
pub(crate) fn json_line(mut out: impl Write, document: &impl Serialize) -> std::io::Result<()> {
    let text = serde_json::to_string(document)?;
    writeln!(out, "{}", plain::line(&text))
}

/// Writes one line.
pub(crate) fn line(text: &str) -> Result<(), CommandError> {
    print(&plain::line(text))
}

/// Writes one line to stderr, for everything that is not data.
pub(crate) fn note(text: &str) {
    eprintln!("{}", plain::line(text));
}

/// Writes lines, such as an error, to stderr. Their line breaks are ours.
pub(crate) fn note_lines(text: &str) {
    eprint!("{}", plain::lines(text));
}

/// Makes panics escape their text, which may hold a name.
pub(crate) fn report_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("<unnamed>");
        note_lines(&format!("thread '{name}' {panic}\n"));
        let trace = std::backtrace::Backtrace::capture();
        if trace.status() == std::backtrace::BacktraceStatus::Captured {
            note_lines(&format!("{trace}\n"));
        }
    }));
}

fn print(text: &str) -> Result<(), CommandError> {
    writeln!(std::io::stdout().lock(), "{text}").map_err(CommandError::Stdout)
}

/// Writes lines. Their line breaks are ours.
pub(crate) fn text(text: &str) -> Result<(), CommandError> {
    print(&plain::lines(text))
}

/// The width of the terminal in characters: what COLUMNS says, else the terminal's own, else 80.
pub(crate) fn width() -> usize {
    /// No table is made narrower.
    const LEAST: usize = 40;
    let asked = std::env::var("COLUMNS").ok();
    let asked = asked.and_then(|width| width.parse().ok());
    let found = || {
        let (width, _) = terminal_size::terminal_size_of(std::io::stdout())?;
        Some(usize::from(width.0))
    };
    asked.or_else(found).unwrap_or(80).max(LEAST)
}

/// A table for people. Its cells are escaped, each on one line.
pub(crate) struct Table(comfy_table::Table);

impl Table {
    /// Adds a row below the others.
    pub(crate) fn add_row<T: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = T>) {
        let cells = cells.into_iter();
        let cells = cells.map(|cell| plain::line(cell.as_ref()).into_owned());
        self.0.add_row(cells);
    }
}

/// A table with `header`, without lines between cells.
pub(crate) fn table(header: &[&str]) -> Table {
    let mut table = comfy_table::Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(header.iter().map(|head| plain::line(head)));
    Table(table)
}

/// Writes a table.
pub(crate) fn print_table(table: &Table) -> Result<(), CommandError> {
    let text = table.0.to_string();
    let trimmed: Vec<&str> = text.lines().map(str::trim_end).collect();
    print(&trimmed.join("\n"))
}

/// This moment, as [`time`] writes it.
pub(crate) fn now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    time(since.map_or(0, |since| since.as_millis() as u64))
}

/// Bytes as people read them.
pub(crate) fn size(bytes: u64) -> String {
    ByteSize::b(bytes).display().si().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Does to a terminal and to a spreadsheet what a name must not.
    const HOSTILE: &str = "=A\u{1b}[2J\u{9b}31m\nB\u{202e}";
    const PLAIN: &str = r"=A\u001b[2J\u009b31m\nB\u202e";

    #[test]
    fn a_table_shows_names_and_obeys_none() {
        let mut table = table(&["name", HOSTILE]);
        table.add_row([HOSTILE, "V4"]);
        let text = table.0.to_string();
        assert_eq!(text.lines().count(), 2, "{text}");
        assert_eq!(text.matches(PLAIN).count(), 2, "{text}");
        assert_eq!(plain::lines(&text), text);
    }

    #[test]
    fn json_on_a_line_reads_back() {
        let mut out = Vec::new();
        json_line(&mut out, &[HOSTILE]).expect("memory takes it");
        let line = String::from_utf8(out).expect("UTF-8");
        let line = line.strip_suffix('\n').expect("a line");
        assert_eq!(plain::line(line), line);
        let read: Vec<String> = serde_json::from_str(line).expect("JSON");
        assert_eq!(read, [HOSTILE]);
    }
}
