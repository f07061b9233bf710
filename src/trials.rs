//! `nrp trials`: every trial with its state and, when finished, its scores.

use crate::client::{Access, Sweeps};
use crate::failure::{CommandError, Ended};
use crate::output::{self, Format};
use crate::place::Results;
use crate::row::TrialRow;
use crate::scope::{self, Scope};
use nrp_proto::wire::TrialsRequest;

/// List trials with their state and scores
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    results: Results,
}

/// Which trials.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Filter {
    #[command(flatten)]
    scope: Scope,
    /// Only this region
    #[arg(long)]
    region: Option<String>,
    /// Only trials in this state
    #[arg(long = "in-state", value_parser = ["waiting", "leased", "finished", "failed", "stopped", "cancelled"])]
    in_state: Option<String>,
}

impl From<Filter> for TrialsRequest {
    fn from(filter: Filter) -> Self {
        Self {
            sweep: filter.scope.sweep.unwrap_or_default(),
            ann: filter.scope.ann.unwrap_or_default(),
            filters: filter.scope.filters,
            region: filter.region.unwrap_or_default(),
            state: filter.in_state.unwrap_or_default(),
        }
    }
}

pub(crate) async fn run(arguments: Arguments, format: Format) -> miette::Result<Ended> {
    let mut access = Access::open(&arguments.results).await?;
    let mut rows = Vec::new();
    each(&mut access.client, arguments.filter, |row| {
        rows.push(row);
        Ok(())
    })
    .await?;
    match format {
        Format::Json => output::json(&rows)?,
        Format::Text => text(&rows)?,
    }
    access.close().await?;
    Ok(Ended::Done)
}

/// Hands every trial to `sink`, as it comes.
pub(crate) async fn each(
    client: &mut Sweeps,
    filter: Filter,
    mut sink: impl FnMut(TrialRow) -> Result<(), CommandError>,
) -> Result<(), CommandError> {
    let request = TrialsRequest::from(filter);
    scope::check(client, request.clone()).await?;
    let mut stream = client.trials(request).await?.into_inner();
    while let Some(record) = stream.message().await? {
        sink(record.into())?;
    }
    Ok(())
}

fn text(rows: &[TrialRow]) -> Result<(), CommandError> {
    if rows.is_empty() {
        return output::line("there are no such trials");
    }
    let mut table = output::table(&[
        "trial",
        "state",
        "ANN",
        "region",
        "model",
        "layers",
        "L1",
        "L2",
        "depth",
        "rate",
        "decay",
        "dropout",
        "linear path",
        "ensemble",
        "sparsity",
        "split",
        "seed",
        "NRP-error",
        "mean predictor",
        "noise floor",
        "R² median",
        "r median",
        "ceiling",
        "r²/ceiling",
        "validation MSE",
        "epochs",
        "seconds",
        "worker",
        "reason",
    ]);
    for row in rows {
        let cell = &row.cell;
        table.add_row([
            cell.trial.clone().unwrap_or_default(),
            row.state.clone(),
            cell.ann_label(),
            cell.region_label(),
            cell.model_label(),
            cell.layers_label(),
            output::count(cell.l1),
            output::count(cell.l2),
            output::count(cell.depth),
            output::number(cell.learning_rate),
            output::number(cell.weight_decay),
            output::number(cell.dropout),
            cell.linear_path.clone().unwrap_or_else(|| "–".to_owned()),
            output::count(cell.ensemble),
            output::number(cell.sparsity),
            cell.split_label(),
            output::count(cell.seed),
            output::score(row.scores.nrp_error),
            output::score(row.scores.mean_predictor_error),
            output::score(row.scores.noise_floor),
            output::score(row.scores.r2_median),
            output::score(row.scores.pearson_median),
            output::score(row.scores.ceiling_median),
            output::score(row.scores.pearson2_over_ceiling),
            output::score(row.scores.validation_mse),
            output::count(row.epochs),
            row.train_seconds
                .map_or_else(|| "–".to_owned(), |s| format!("{s:.1}")),
            row.worker.clone().unwrap_or_default(),
            row.reason.clone().unwrap_or_default(),
        ]);
    }
    output::print_table(&table)
}
