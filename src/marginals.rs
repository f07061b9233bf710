//! `nrp marginals`: mean and best scores over one or two axes of the grid, per ANN and region: the
//! numbers of a heat map.

use crate::access::Access;
use crate::failure::{CommandError, Ended};
use crate::output::{self, Format};
use crate::place::Results;
use crate::row;
use crate::scope::{self, Scope};
use crate::setting::Setting;
use crate::table::{self, Hoist, NONE, Shown};
use clap::ValueEnum;
use nrp_proto::axis::{Axis, Kind};
use nrp_proto::id::RANDOM_PREFIX;
use nrp_proto::plain;
use nrp_proto::score::Score;
use nrp_proto::sweep::Model;
use nrp_proto::wire::{MarginalCell, MarginalsRequest, MarginalsRow, TrialsRequest};
use serde_json::Value;

/// Show mean and best scores over one or two axes of the grid, per ANN and region
///
/// The best trial of a cell has the lowest validation loss. `--of` chooses the score that the table
/// shows, on test stimuli unless it is the validation loss itself. The first line names the sweep,
/// which is the latest unless you name another.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// One or two axes, such as `l1,l2`
    #[arg(
        long,
        value_name = "AXES",
        value_delimiter = ',',
        required = true,
        num_args = 1
    )]
    by: Vec<String>,
    /// The score that tables show; JSON contains both
    #[arg(long, value_name = "SCORE", value_enum, default_value = "nrp_error")]
    of: Of,
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
enum Of {
    /// Mean absolute error on test stimuli
    NrpError,
    /// Lowest mean squared error on validation stimuli, which selects the best trial
    ValidationMse,
}

pub(crate) async fn run(arguments: Arguments, format: Format) -> miette::Result<Ended> {
    let results = arguments.results.clone();
    Access::read(&results, async |access| {
        answer(access, arguments, format).await
    })
    .await
}

async fn answer(access: &Access, arguments: Arguments, format: Format) -> miette::Result<Ended> {
    let chosen = arguments.scope.choose(&access.client).await?;
    let asked = TrialsRequest {
        sweep: chosen.named(),
        ann: arguments.scope.ann.clone().unwrap_or_default(),
        region: arguments.region.clone().unwrap_or_default(),
        filters: arguments.scope.filters.clone(),
        ..TrialsRequest::default()
    };
    scope::check(&access.client, asked.clone()).await?;
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

/// One object per cell, with its values under the names of their axes.
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
            "mean_nrp_error": predicted(row, cell.mean_nrp_error),
            "best_nrp_error": predicted(row, cell.best_nrp_error),
            "mean_validation_mse": predicted(row, cell.mean_validation_mse),
            "best_validation_mse": predicted(row, cell.best_validation_mse),
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

/// A value in JSON: a number if its axis has numbers, null if there is no value.
fn typed(axis: &str, value: &str) -> Value {
    if value.is_empty() {
        return Value::Null;
    }
    match axis.parse().map(Axis::kind) {
        Ok(Kind::Word) | Err(_) => value.into(),
        Ok(Kind::Whole | Kind::Real) => {
            serde_json::from_str(value).unwrap_or_else(|_| value.into())
        }
    }
}

fn text(rows: &[MarginalsRow], by: &[String], of: Of) -> Result<(), CommandError> {
    if rows.iter().all(|row| row.cells.is_empty()) {
        return output::line("no such trial has finished yet");
    }
    let score = match of {
        Of::NrpError => Score::NrpError.label(),
        Of::ValidationMse => Score::ValidationMse.label(),
    };
    let cells = rows
        .iter()
        .flat_map(|row| row.cells.iter().map(move |cell| (row, cell)));
    let cells: Vec<_> = cells.collect();
    let column = |head: &str, hoist, of: &dyn Fn(&MarginalsRow, &MarginalCell) -> String| {
        let cells = cells
            .iter()
            .map(|(row, cell)| plain::line(&of(row, cell)).into_owned());
        Shown {
            name: "",
            head: head.to_owned(),
            cells: cells.collect(),
            rank: 0,
            hoist,
            least: None,
        }
    };
    let ann = column("ANN", Hoist::Several, &|row, _| {
        row::ann_label(&row.ann, &row.weights_digest)
    });
    let mut columns = vec![
        Shown {
            least: Some(12),
            ..ann
        },
        column("region", Hoist::Never, &|row, _| {
            row::region_label(&row.region, row.simulated)
        }),
        column("model", Hoist::Several, &|row, _| {
            row::model_label(&row.model)
        }),
        column("split", Hoist::Several, &|row, _| row.split.to_string()),
    ];
    columns.extend(by.iter().enumerate().map(|(number, axis)| {
        column(
            axis,
            Hoist::Never,
            &|_, cell| match cell.values.get(number).map(String::as_str) {
                None | Some("") => NONE.to_owned(),
                Some(value) => value.to_owned(),
            },
        )
    }));
    columns.extend([
        column("trials", Hoist::Never, &|_, cell| cell.trials.to_string()),
        column(&format!("mean {score}"), Hoist::Never, &|row, cell| {
            output::score(predicted(row, scores(cell, of).0))
        }),
        column(
            &format!("best trial's {score}"),
            Hoist::Never,
            &|row, cell| output::score(predicted(row, scores(cell, of).1)),
        ),
        column("best trial", Hoist::Never, &|_, cell| {
            row::short(&cell.best_trial).to_owned()
        }),
    ]);
    output::text(&table::fitted(columns, &[], output::width()))
}

/// A score of a row whose model predicts sites; a comparison has none.
fn predicted(row: &MarginalsRow, score: f64) -> Option<f64> {
    let has_none = matches!(row.model.parse(), Ok(Model::Comparison(_)));
    (!has_none).then_some(score)
}

/// The mean score and the best trial's score.
fn scores(cell: &MarginalCell, of: Of) -> (f64, f64) {
    match of {
        Of::NrpError => (cell.mean_nrp_error, cell.best_nrp_error),
        Of::ValidationMse => (cell.mean_validation_mse, cell.best_validation_mse),
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
        assert_eq!(document[0]["best_nrp_error"], 0.0);
    }

    #[test]
    fn a_comparison_has_no_score_of_a_prediction() {
        let row = |model: &str| MarginalsRow {
            model: model.to_owned(),
            cells: vec![MarginalCell::default()],
            ..MarginalsRow::default()
        };
        let document = document(&[row("rdm"), row("ridge")], &[], &Setting::default());
        for score in ["nrp_error", "validation_mse"] {
            for of in ["mean", "best"] {
                let name = format!("{of}_{score}");
                assert!(document[0][&name].is_null(), "{name}");
                assert_eq!(document[1][&name], 0.0, "{name}");
            }
        }
    }

    #[test]
    fn names_stay_texts_on_every_axis_of_words() {
        for axis in Axis::ALL {
            let is_word = axis.kind() == Kind::Word;
            assert_eq!(typed(axis.name(), "12").is_string(), is_word, "{axis}");
            assert_eq!(typed(axis.name(), ""), Value::Null);
        }
    }
}
