//! `nrp export`: every trial as CSV, JSON Lines or Parquet, as a stream: memory does not grow with
//! trials.

use crate::client::Access;
use crate::columns::Columns;
use crate::failure::{CommandError, Ended};
use crate::place::Results;
use crate::row::TrialRow;
use crate::trials::{self, Filter};
use clap::ValueEnum;
use std::io::{BufWriter, Write};

/// Write trials as CSV, JSON Lines or Parquet
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The format
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
    /// One JSON object a line, as in `nrp trials --output json`
    Jsonl,
    /// Columns, compressed with Snappy; a layer set is joined with `+`
    Parquet,
}

pub(crate) async fn run(arguments: Arguments) -> miette::Result<Ended> {
    let mut access = Access::open(&arguments.results).await?;
    let mut out = BufWriter::new(std::io::stdout());
    match arguments.format {
        FileFormat::Jsonl => {
            trials::each(&mut access.client, arguments.filter, |row| {
                serde_json::to_writer(&mut out, &row)
                    .map_err(std::io::Error::from)
                    .and_then(|()| out.write_all(b"\n"))
                    .map_err(CommandError::Stdout)
            })
            .await?;
        }
        FileFormat::Csv => {
            let mut csv = csv::Writer::from_writer(&mut out);
            let mut header_written = false;
            trials::each(&mut access.client, arguments.filter, |row| {
                if !header_written {
                    header_written = true;
                    let header: Vec<_> = fields(&row).into_iter().map(|(name, _)| name).collect();
                    csv.write_record(header).map_err(csv_error)?;
                }
                csv.write_record(fields(&row).into_iter().map(|(_, value)| value))
                    .map_err(csv_error)
            })
            .await?;
            csv.flush().map_err(CommandError::Stdout)?;
        }
        FileFormat::Parquet => {
            let mut columns = Columns::new(&mut out).map_err(parquet_error)?;
            trials::each(&mut access.client, arguments.filter, |row| {
                columns.push(&row).map_err(parquet_error)
            })
            .await?;
            columns.close().map_err(parquet_error)?;
        }
    }
    out.flush().map_err(CommandError::Stdout)?;
    drop(out);
    access.close().await?;
    Ok(Ended::Done)
}

fn parquet_error(error: parquet::errors::ParquetError) -> CommandError {
    use parquet::errors::ParquetError;
    let error = match error {
        // A pipe that was closed is told by what the system said.
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

/// A row's fields as text, named and ordered as in JSON, so that the formats cannot drift apart.
fn fields(row: &TrialRow) -> Vec<(String, String)> {
    let serde_json::Value::Object(object) =
        serde_json::to_value(row).expect("strings, lists and finite numbers")
    else {
        unreachable!("a row is an object");
    };
    object
        .into_iter()
        .map(|(name, value)| (name, plain(value)))
        .collect()
}

fn plain(value: serde_json::Value) -> String {
    match value {
        serde_json::Value::Null => String::new(),
        serde_json::Value::String(text) => text,
        serde_json::Value::Array(parts) => {
            parts.into_iter().map(plain).collect::<Vec<_>>().join("+")
        }
        other => other.to_string(),
    }
}
