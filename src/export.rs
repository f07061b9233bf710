//! `nrp export`: every trial as CSV or JSON Lines, as a stream: memory does not grow with trials.

use crate::client::Access;
use crate::failure::{CommandError, Ended};
use crate::place::Results;
use crate::row::TrialRow;
use crate::trials::{self, Filter};
use clap::ValueEnum;
use std::io::{BufWriter, Write};

/// Write trials as CSV or JSON Lines
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The format of the lines
    #[arg(long, value_enum)]
    format: LineFormat,
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    results: Results,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LineFormat {
    /// Comma-separated, with a header; a layer set is joined with `+`
    Csv,
    /// One JSON object a line, as in `nrp trials --output json`
    Jsonl,
}

pub(crate) async fn run(arguments: Arguments) -> miette::Result<Ended> {
    let mut access = Access::open(&arguments.results).await?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    match arguments.format {
        LineFormat::Jsonl => {
            trials::each(&mut access.client, arguments.filter, |row| {
                serde_json::to_writer(&mut out, &row)
                    .map_err(std::io::Error::from)
                    .and_then(|()| out.write_all(b"\n"))
                    .map_err(CommandError::Stdout)
            })
            .await?;
        }
        LineFormat::Csv => {
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
    }
    out.flush().map_err(CommandError::Stdout)?;
    drop(out);
    access.close().await?;
    Ok(Ended::Done)
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
