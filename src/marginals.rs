//! `nrp marginals`: mean and best scores over one or two axes of the grid, per ANN and region: the
//! numbers of a heat map.

use crate::client::Access;
use crate::failure::{CommandError, Ended};
use crate::output::{self, Format};
use crate::place::Results;
use crate::row;
use crate::scope::{self, Scope};
use crate::setting::Setting;
use clap::ValueEnum;
use nrp_proto::axis::Axis;
use nrp_proto::id::RANDOM_PREFIX;
use nrp_proto::wire::{MarginalCell, MarginalsRequest, MarginalsRow, TrialsRequest};
use serde_json::Value;

/// Show mean and best scores over one or two axes of the grid, per ANN and region
///
/// The best trial of a cell is the one with the lowest validation loss; what is shown of it is the
/// score asked for, on test stimuli unless that is the validation loss itself. Of the latest sweep,
/// unless another is named; the first line says which.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// One axis or two: `l1,l2`
    #[arg(
        long,
        value_name = "AXES",
        value_delimiter = ',',
        required = true,
        num_args = 1
    )]
    by: Vec<String>,
    /// The score in tables; JSON has both
    #[arg(long, value_name = "SCORE", value_enum, default_value = "nrp_error")]
    of: Score,
    #[command(flatten)]
    scope: Scope,
    /// Only this region
    #[arg(long)]
    region: Option<String>,
    #[command(flatten)]
    results: Results,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Score {
    /// Mean absolute error on test stimuli
    NrpError,
    /// Lowest mean squared error on validation stimuli, which selects
    ValidationMse,
}

pub(crate) async fn run(arguments: Arguments, format: Format) -> miette::Result<Ended> {
    let results = arguments.results.clone();
    Access::read(&results, async |access| {
        answer(access, arguments, format).await
    })
    .await
}

async fn answer(
    access: &mut Access,
    arguments: Arguments,
    format: Format,
) -> miette::Result<Ended> {
    let chosen = arguments.scope.choose(&mut access.client).await?;
    let asked = TrialsRequest {
        sweep: chosen.named(),
        ann: arguments.scope.ann.clone().unwrap_or_default(),
        region: arguments.region.clone().unwrap_or_default(),
        filters: arguments.scope.filters.clone(),
        ..TrialsRequest::default()
    };
    scope::check(&mut access.client, asked.clone()).await?;
    let mut all = Vec::new();
    for sweep in &chosen.sweeps {
        let request = MarginalsRequest {
            sweep: sweep.id.clone(),
            ann: asked.ann.clone(),
            region: asked.region.clone(),
            filters: asked.filters.clone(),
            by: arguments.by.clone(),
            ..MarginalsRequest::default()
        };
        let rows = access
            .client
            .marginals(request)
            .all()
            .await
            .map_err(CommandError::from)?;
        all.push((sweep, rows));
    }
    chosen.announce(format)?;
    match format {
        Format::Json => {
            let cells = all.iter().flat_map(|(sweep, rows)| {
                let setting = sweep.setting();
                document(rows, &arguments.by, &setting)
            });
            output::json(&cells.collect::<Vec<_>>())?;
        }
        Format::Text => {
            for (sweep, rows) in &all {
                chosen.introduce(sweep, [])?;
                text(rows, &arguments.by, arguments.of)?;
            }
        }
    }
    Ok(Ended::Done)
}

/// One object a cell, its values under their axes' names.
fn document(rows: &[MarginalsRow], by: &[String], setting: &Setting) -> Vec<Value> {
    let cells = rows
        .iter()
        .flat_map(|row| row.cells.iter().map(move |cell| (row, cell)));
    let cells = cells.map(|(row, cell)| {
        let mut object = serde_json::json!({
            "ann": row.ann,
            "weights": row.weights_digest,
            "region": row.region,
            "model": row.model,
            "split": row.split,
            "simulated": row.simulated,
            "random_weights": row.weights_digest.starts_with(RANDOM_PREFIX),
            "trials": cell.trials,
            "mean_nrp_error": cell.mean_nrp_error,
            "best_nrp_error": cell.best_nrp_error,
            "mean_validation_mse": cell.mean_validation_mse,
            "best_validation_mse": cell.best_validation_mse,
            "best_trial": cell.best_trial,
        });
        let shared = serde_json::to_value(setting).expect("strings and finite numbers");
        for (name, value) in shared.as_object().into_iter().flatten() {
            object[name] = value.clone();
        }
        for (axis, value) in by.iter().zip(&cell.values) {
            object[axis] = typed(axis, value);
        }
        object
    });
    cells.collect()
}

/// A value as JSON has it: a number where its axis has numbers, null where there is none.
fn typed(axis: &str, value: &str) -> Value {
    let is_word = matches!(
        axis.parse(),
        Ok(Axis::Ann
            | Axis::Region
            | Axis::Model
            | Axis::Layers
            | Axis::Projection
            | Axis::LinearPath)
    );
    match (value, is_word) {
        ("", _) => Value::Null,
        (word, true) => word.into(),
        (number, false) => serde_json::from_str(number).unwrap_or_else(|_| number.into()),
    }
}

fn text(rows: &[MarginalsRow], by: &[String], of: Score) -> Result<(), CommandError> {
    if rows.iter().all(|row| row.cells.is_empty()) {
        return output::line("no such trial has finished yet");
    }
    let score = match of {
        Score::NrpError => "NRP-error",
        Score::ValidationMse => "validation MSE",
    };
    let mean = format!("mean {score}");
    let best = format!("best trial's {score}");
    let mut header = vec!["ANN", "region", "model", "split"];
    header.extend(by.iter().map(String::as_str));
    header.extend(["trials", &mean, &best, "best trial"]);
    let mut table = output::table(&header);
    for row in rows {
        for cell in &row.cells {
            let mut line = vec![
                row::ann_label(&row.ann, &row.weights_digest),
                row::region_label(&row.region, row.simulated),
                row::model_label(&row.model),
                row.split.to_string(),
            ];
            let values = cell.values.iter().map(|value| match value.as_str() {
                "" => "–".to_owned(),
                value => value.to_owned(),
            });
            line.extend(values);
            let (mean, best) = scores(cell, of);
            line.push(cell.trials.to_string());
            line.push(output::score(Some(mean)));
            line.push(output::score(Some(best)));
            line.push(row::short(&cell.best_trial).to_owned());
            table.add_row(line);
        }
    }
    output::print_table(&table)
}

/// The mean, and what the best trial has.
fn scores(cell: &MarginalCell, of: Score) -> (f64, f64) {
    match of {
        Score::NrpError => (cell.mean_nrp_error, cell.best_nrp_error),
        Score::ValidationMse => (cell.mean_validation_mse, cell.best_validation_mse),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_has_numbers_where_axes_have_and_null_where_there_is_no_value() {
        let row = MarginalsRow {
            ann: "mobilenet".to_owned(),
            weights_digest: "random:1".to_owned(),
            cells: vec![MarginalCell {
                values: vec!["1e-3".to_owned(), String::new()],
                trials: 2,
                ..MarginalCell::default()
            }],
            ..MarginalsRow::default()
        };
        let by = ["learning_rate".to_owned(), "l2".to_owned()];
        let document = document(&[row], &by, &Setting::default());
        assert_eq!(document[0]["learning_rate"], 1e-3);
        assert_eq!(document[0]["l2"], Value::Null);
        assert_eq!(document[0]["random_weights"], true);
        assert_eq!(typed("layers", "12"), "12");
    }
}
