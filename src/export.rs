//! `nrp export`: every trial as CSV, JSON Lines or Parquet, as a stream, so memory does not grow
//! with the number of trials.

use crate::access::Access;
use crate::failure::{CommandError, Ended};
use crate::output::{self, Format};
use crate::parquet::{Columns, TooLarge};
use crate::place::Results;
use crate::row::TrialRow;
use crate::trials::{self, Filter};
use clap::ValueEnum;
use nrp_report::columns::{COLUMNS, Column};
use std::io::{BufWriter, Write};

/// Write trials as CSV, JSON Lines or Parquet
///
/// A message on stderr names the sweep, which is the latest unless you name another. Each row contains
/// its sweep, its recordings and everything else that determines the trial.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The format of the trials on stdout
    #[arg(long, value_enum)]
    format: FileFormat,
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    results: Results,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FileFormat {
    /// Comma-separated, with a header; a layer set is joined with `+`
    Csv,
    /// One JSON object per line, as in `nrp trials --output json`
    Jsonl,
    /// Columns, compressed with Snappy; a layer set is joined with `+`
    Parquet,
}

pub(crate) async fn run(arguments: Arguments) -> miette::Result<Ended> {
    let results = arguments.results.clone();
    Access::read(&results, async |access| write(access, arguments).await).await
}

async fn write(access: &Access, arguments: Arguments) -> miette::Result<Ended> {
    let chosen = arguments.filter.choose(&access.client).await?;
    // Stdout is for the trials alone.
    chosen.announce(Format::Json)?;
    let (client, filter) = (&access.client, &arguments.filter);
    let mut out = BufWriter::new(std::io::stdout());
    match arguments.format {
        FileFormat::Jsonl => {
            for sweep in &chosen.sweeps {
                trials::each(client, filter, sweep, |row| {
                    output::json_line(&mut out, &row).map_err(CommandError::Stdout)
                })
                .await?;
            }
        }
        FileFormat::Csv => {
            let mut csv = csv::Writer::from_writer(&mut out);
            let csv_columns = csv_columns();
            let mut header_written = false;
            for sweep in &chosen.sweeps {
                trials::each(client, filter, sweep, |row| {
                    if !header_written {
                        header_written = true;
                        let header = csv_columns.iter().map(|column| column.name);
                        csv.write_record(header).map_err(csv_error)?;
                    }
                    let fields = csv_columns.iter().map(|column| csv_field(column, &row));
                    csv.write_record(fields).map_err(csv_error)
                })
                .await?;
            }
            csv.flush().map_err(CommandError::Stdout)?;
        }
        FileFormat::Parquet => {
            let mut columns = Columns::new(&mut out).map_err(parquet_error)?;
            for sweep in &chosen.sweeps {
                trials::each(client, filter, sweep, |row| {
                    columns.push(&row).map_err(parquet_error)
                })
                .await?;
            }
            columns.close().map_err(parquet_error)?;
        }
    }
    out.flush().map_err(CommandError::Stdout)?;
    Ok(Ended::Done)
}

fn parquet_error(error: parquet::errors::ParquetError) -> CommandError {
    use parquet::errors::ParquetError;
    let error = match error {
        ParquetError::External(cause) if cause.is::<TooLarge>() => {
            let too_large = cause.downcast().expect("was just asked");
            return CommandError::TooLarge(*too_large);
        }
        // The system's own error says that a pipe was closed.
        ParquetError::External(cause) => match cause.downcast::<std::io::Error>() {
            Ok(error) => *error,
            Err(other) => std::io::Error::other(other),
        },
        other => std::io::Error::other(other),
    };
    CommandError::Stdout(error)
}

fn csv_error(error: csv::Error) -> CommandError {
    CommandError::Stdout(std::io::Error::other(error))
}

/// The columns of CSV, sorted by name.
fn csv_columns() -> Vec<Column> {
    let mut columns = COLUMNS.clone();
    columns.sort_by_key(|column| column.name);
    columns
}

fn csv_field(column: &Column, row: &TrialRow) -> String {
    column.of(row).map_or_else(String::new, |field| field.csv())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setting::Origin;
    use nrp_proto::plain;
    use nrp_proto::wire::{
        AnnSpec, Details, Scores, SplitSpec, Stop, TrainingSpec, TrialRecord, TrialSpec,
    };
    use serde_json::{Value, json};

    /// `document` with every text replaced by `name`.
    fn named(document: &mut Value, name: &str) {
        match document {
            Value::String(text) => name.clone_into(text),
            Value::Array(parts) => parts.iter_mut().for_each(|part| named(part, name)),
            Value::Object(fields) => fields.values_mut().for_each(|field| named(field, name)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    #[test]
    fn no_field_of_an_export_is_a_formula_or_moves_a_cursor() {
        let record = TrialRecord {
            spec: Some(TrialSpec {
                ann: Some(AnnSpec::default()),
                split: Some(SplitSpec::default()),
                layers: vec![String::new(), String::new()],
                training: Some(TrainingSpec::default()),
                ..TrialSpec::default()
            }),
            scores: Some(Scores {
                details: Some(Details::default()),
                ..Scores::default()
            }),
            stop: Some(Stop::default()),
            ..TrialRecord::default()
        };
        for hostile in ["=A\u{1b}[2J", "\u{9b}31m\n+1", "-1\u{202e}", "@x\r", "\t=1"] {
            let origin = Origin {
                sweep: hostile.to_owned(),
                sweep_id: hostile.to_owned(),
                recordings: hostile.to_owned(),
            };
            let mut document = json!(record);
            named(&mut document, hostile);
            // The word of an answer, which nobody can choose.
            document["state"] = json!("finished");
            let record: TrialRecord = serde_json::from_value(document).expect("a record");
            let row = TrialRow::new(record, &origin);
            let columns = csv_columns();
            let shown = columns
                .iter()
                .map(|column| (column.name, csv_field(column, &row)));
            let shown: Vec<_> = shown.collect();
            let begins = plain::csv_field(hostile);
            let texts = shown
                .iter()
                .filter(|(_, field)| field.starts_with(&*begins));
            assert!(texts.count() >= 16, "{shown:?}");
            for (name, field) in shown {
                let is_number = field.parse::<f64>().is_ok();
                assert!(
                    is_number || plain::csv_field(&field) == field,
                    "{name}: {field:?}"
                );
            }
            let mut line = Vec::new();
            output::json_line(&mut line, &row).expect("memory takes it");
            let line = String::from_utf8(line).expect("UTF-8");
            assert_eq!(plain::lines(&line), line);
        }
    }
}
