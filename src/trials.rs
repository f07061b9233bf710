//! `nrp trials`: every trial with its state and, if finished, its scores. `nrp trials retract` retracts outcomes.

use crate::access::Access;
use crate::failure::{CommandError, Ended};
use crate::listing::{self, Choice, Listing};
use crate::output::{self, Format};
use crate::place::Results;
use crate::row::TrialRow;
use crate::scope::{self, Chosen, ChosenSweep, Scope};
use clap::builder::PossibleValuesParser;
use nrp_client::Client;
use nrp_proto::state::TrialState;
use nrp_proto::wire::{RetractRequest, Retracted, TrialsRequest};
use nrp_proto::word;

/// List trials with their state and scores
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    choice: Choice,
    #[command(flatten)]
    results: Results,
}

/// The subcommands.
#[derive(clap::Subcommand)]
enum Command {
    /// Retract outcomes that turned out to be wrong, all or none of them
    ///
    /// The trials become open again in every sweep that contains them, and reports of earlier attempts
    /// no longer count. The journal keeps the reason with the retraction.
    Retract {
        /// The trials' ids, as `nrp trials --columns trial` shows them
        #[arg(required = true, value_name = "TRIAL")]
        trials: Vec<String>,
        /// Why the outcomes are wrong
        #[arg(long, value_name = "TEXT")]
        reason: String,
        #[command(flatten)]
        results: Results,
    },
}

/// The flags that select trials.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Filter {
    #[command(flatten)]
    scope: Scope,
    /// Only this region
    #[arg(long)]
    region: Option<String>,
    /// Only trials in this state
    #[arg(long = "in-state", value_parser = PossibleValuesParser::new(TrialState::NAMES))]
    in_state: Option<String>,
}

impl Filter {
    /// The sweeps that the filter selects trials from. Refuses names that none of these sweeps has.
    pub(crate) async fn choose(&self, client: &Client) -> Result<Chosen, CommandError> {
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
            state: self.in_state.as_ref().map_or(0, |state| {
                let state: TrialState = state.parse().expect("was checked when it was parsed");
                state.to_wire()
            }),
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
    arguments.choice.check(Listing::Trials)?;
    let results = arguments.results.clone();
    Access::read(&results, async |access| {
        answer(access, arguments, format).await
    })
    .await
}

async fn answer(access: &Access, arguments: Arguments, format: Format) -> miette::Result<Ended> {
    let chosen = arguments.filter.choose(&access.client).await?;
    let mut document = Vec::new();
    for sweep in &chosen.sweeps {
        let mut rows = Vec::new();
        each(&access.client, &arguments.filter, sweep, |row| {
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
                chosen.introduce(sweep, rows.iter().map(|row| &row.row.provenance))?;
                text(rows, &arguments.choice)?;
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
                let state = word::shown::<TrialState>(*state);
                output::line(&format!("trial {trial} is {state} again"))?;
            }
        }
    }
    Ok(Ended::Done)
}

/// Passes every trial of a sweep to `sink` as it arrives.
pub(crate) async fn each(
    client: &Client,
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

fn text(rows: &[TrialRow], choice: &Choice) -> Result<(), CommandError> {
    if rows.is_empty() {
        return output::line("there are no such trials");
    }
    output::text(&listing::of_trials(rows, choice, output::width())?)
}
