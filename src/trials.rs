//! `nrp trials`: every trial with its state and, when finished, its scores; and taking outcomes back.

use crate::client::{Access, Sweeps};
use crate::failure::{CommandError, Ended};
use crate::output::{self, Format};
use crate::place::Results;
use crate::row::TrialRow;
use crate::scope::{self, Chosen, ChosenSweep, Scope};
use nrp_proto::wire::{RetractRequest, Retracted, TrialsRequest};

/// List trials with their state and scores
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    results: Results,
}

/// What is done to trials.
#[derive(clap::Subcommand)]
enum Command {
    /// Take outcomes back that turned out to be wrong, all or none of them
    ///
    /// The trials are open again in every sweep that wants them, and what is still on its way from
    /// earlier attempts does not count. The reason is kept with the retraction.
    Retract {
        /// Their ids, as `nrp trials` shows them
        #[arg(required = true, value_name = "TRIAL")]
        trials: Vec<String>,
        /// Why they are wrong
        #[arg(long, value_name = "TEXT")]
        reason: String,
        #[command(flatten)]
        results: Results,
    },
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
    #[arg(long = "in-state", value_parser = ["waiting", "leased", "parked", "finished", "failed", "stopped", "cancelled"])]
    in_state: Option<String>,
}

impl Filter {
    /// Which sweeps it is about; refuses what none of them has.
    pub(crate) async fn choose(&self, client: &Sweeps) -> Result<Chosen, CommandError> {
        let chosen = self.scope.choose(client).await?;
        scope::check(client, self.request(chosen.named())).await?;
        Ok(chosen)
    }

    fn request(&self, sweep: String) -> TrialsRequest {
        TrialsRequest {
            sweep,
            ann: self.scope.ann.clone().unwrap_or_default(),
            filters: self.scope.filters.clone(),
            region: self.region.clone().unwrap_or_default(),
            state: self.in_state.clone().unwrap_or_default(),
        }
    }
}

pub(crate) async fn run(arguments: Arguments, format: Format) -> miette::Result<Ended> {
    if let Some(Command::Retract {
        trials,
        reason,
        results,
    }) = arguments.command
    {
        return retract(RetractRequest { trials, reason }, &results, format).await;
    }
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
    let chosen = arguments.filter.choose(&mut access.client).await?;
    let mut document = Vec::new();
    for sweep in &chosen.sweeps {
        let mut rows = Vec::new();
        each(&mut access.client, &arguments.filter, sweep, |row| {
            rows.push(row);
            Ok(())
        })
        .await?;
        document.push((sweep, rows));
    }
    chosen.announce(format)?;
    match format {
        Format::Json => {
            let rows = document.into_iter().flat_map(|(_, rows)| rows);
            output::json(&rows.collect::<Vec<_>>())?;
        }
        Format::Text => {
            for (sweep, rows) in &document {
                chosen.introduce(sweep, rows.iter().map(|row| &row.provenance))?;
                text(rows)?;
            }
        }
    }
    Ok(Ended::Done)
}

async fn retract(
    request: RetractRequest,
    results: &Results,
    format: Format,
) -> miette::Result<Ended> {
    let RetractRequest { trials, reason } = request;
    let retracted = Access::change(results, async |access| {
        let retracted = access.client.retract(trials, reason).await;
        Ok(retracted.map_err(CommandError::from)?)
    })
    .await?;
    match format {
        Format::Json => output::json(&retracted)?,
        Format::Text => {
            for Retracted { trial, state } in &retracted {
                output::line(&format!("trial {trial} is {state} again"))?;
            }
        }
    }
    Ok(Ended::Done)
}

/// Hands every trial of a sweep to `sink`, as it comes.
pub(crate) async fn each(
    client: &Sweeps,
    filter: &Filter,
    sweep: &ChosenSweep,
    mut sink: impl FnMut(TrialRow) -> Result<(), CommandError>,
) -> Result<(), CommandError> {
    let request = filter.request(sweep.id.clone());
    let origin = sweep.origin();
    let mut stream = client.trials(request).await?;
    while let Some(record) = stream.next().await? {
        sink(TrialRow::new(record, &origin))?;
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
        "zeros",
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
            cell.zeros_label(row.provenance.reached_sparsity),
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
            output::count(row.provenance.epochs),
            row.train_seconds
                .map_or_else(|| "–".to_owned(), |s| format!("{s:.1}")),
            row.worker.clone().unwrap_or_default(),
            row.reason.clone().unwrap_or_default(),
        ]);
    }
    output::print_table(&table)
}
