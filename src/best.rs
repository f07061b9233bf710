//! `nrp best`: the best NRP configuration per ANN and region, and the mean over regions; the linear
//! baselines beside them, each on the layer set that is best for it.
//!
//! Best means the lowest validation loss; the scores shown are on test stimuli, which selected
//! nothing.

use crate::client::{Access, Sweeps};
use crate::failure::{CommandError, Ended};
use crate::output::{self, Format};
use crate::place::Results;
use crate::row;
use crate::scope::{self, Chosen, Scope};
use crate::setting::Origin;
use clap::ValueEnum;
use nrp_proto::wire::{BestRequest, BestRow, TrialsRequest};
pub(crate) use nrp_report::best::shown;
use nrp_report::best::{MEAN, Row, mean};

/// Show the best configuration per ANN and region
///
/// Best is the finished trial with the lowest validation loss; its scores are on the test stimuli.
/// Where all regions of an ANN have finished, a row `mean` averages their best trials' scores. Linear
/// baselines have rows of their own, with the layer set that is best for them.
///
/// With `--pareto`, instead: the trials of which no network with as few parameters has a lower
/// validation loss, the smallest first, with their scores on the test stimuli.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    scope: Scope,
    /// Only this region, or `mean`
    #[arg(long)]
    region: Option<String>,
    /// Trials per ANN and region, the best first; there is a row `mean` for one alone
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    top: u32,
    /// The front of the validation loss against the network's size
    #[arg(long, conflicts_with = "top")]
    pareto: bool,
    /// The score the front is over. A front over the NRP-error, a test score, shows what was
    /// possible; choosing from it would select on test stimuli
    #[arg(
        long,
        value_name = "SCORE",
        value_enum,
        default_value = "validation_mse",
        requires = "pareto"
    )]
    over: Over,
    #[command(flatten)]
    results: Results,
}

impl Arguments {
    /// The trials that are asked about; a mean is over all regions.
    fn asked(&self) -> TrialsRequest {
        let scope = self.scope.clone();
        TrialsRequest {
            sweep: scope.sweep.unwrap_or_default(),
            ann: scope.ann.unwrap_or_default(),
            region: self
                .region
                .clone()
                .filter(|region| region != MEAN)
                .unwrap_or_default(),
            filters: scope.filters,
            ..TrialsRequest::default()
        }
    }
}

/// What a front is over.
#[derive(Debug, Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Over {
    ValidationMse,
    NrpError,
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
    let front = match (arguments.pareto, arguments.over) {
        (false, _) => "",
        (true, Over::ValidationMse) => "validation_mse",
        (true, Over::NrpError) => "nrp_error",
    };
    let chosen = arguments.scope.choose(&mut access.client).await?;
    let asked = TrialsRequest {
        sweep: chosen.named(),
        ..arguments.asked()
    };
    scope::check(&mut access.client, asked).await?;
    let request = BestRequest {
        ann: arguments.scope.ann.unwrap_or_default(),
        filters: arguments.scope.filters,
        top: arguments.top,
        front: front.to_owned(),
        ..BestRequest::default()
    };
    let region = arguments.region.as_deref();
    show(&mut access.client, &chosen, request, region, format).await?;
    Ok(Ended::Done)
}

/// Asks for the best trials of each sweep and writes them to stdout.
pub(crate) async fn show(
    client: &Sweeps,
    chosen: &Chosen,
    request: BestRequest,
    region: Option<&str>,
    format: Format,
) -> Result<(), CommandError> {
    let mut document = Vec::new();
    for sweep in &chosen.sweeps {
        let request = BestRequest {
            sweep: sweep.id.clone(),
            ..request.clone()
        };
        let rows = rows(client, request, region, &sweep.origin()).await?;
        document.push((sweep, rows));
    }
    chosen.announce(format)?;
    match format {
        Format::Json => {
            let rows = document.into_iter().flat_map(|(_, rows)| rows);
            output::json(&rows.collect::<Vec<_>>())
        }
        Format::Text => document.iter().try_for_each(|(sweep, rows)| {
            chosen.introduce(sweep, rows.iter().map(|row| &row.provenance))?;
            text(rows)
        }),
    }
}

/// The best trials of a sweep, with their means where there are such.
pub(crate) async fn rows(
    client: &Sweeps,
    request: BestRequest,
    region: Option<&str>,
    origin: &Origin,
) -> Result<Vec<Row>, CommandError> {
    // Averages are of best trials alone.
    let averaged = request.front.is_empty() && request.top <= 1;
    let found = ask(client, request).await?;
    let mut rows = match averaged {
        true => with_means(&found, origin),
        false => {
            let best = found.into_iter().flat_map(|row| row.best);
            best.map(|record| shown(record, origin)).collect()
        }
    };
    if let Some(region) = region {
        rows.retain(|row| row.cell.region == region);
    }
    Ok(rows)
}

/// All pages together.
pub(crate) async fn ask(
    client: &Sweeps,
    request: BestRequest,
) -> Result<Vec<BestRow>, CommandError> {
    Ok(client.best(request).all().await?)
}

/// The best trials in the order given, each group's mean after its regions.
fn with_means(rows: &[BestRow], origin: &Origin) -> Vec<Row> {
    rows.chunk_by(|a, b| a.group == b.group)
        .flat_map(|group| {
            let best: Vec<Row> = group
                .iter()
                .filter_map(|row| row.best.first().cloned())
                .map(|record| shown(record, origin))
                .collect();
            let finished = group
                .iter()
                .all(|row| row.open == 0 && !row.best.is_empty());
            let mean = (finished && !best.is_empty()).then(|| mean(&best));
            best.into_iter().chain(mean)
        })
        .collect()
}

fn text(rows: &[Row]) -> Result<(), CommandError> {
    if rows.is_empty() {
        return output::line("no such trial has finished yet");
    }
    let mut table = output::table(&[
        "ANN",
        "region",
        "model",
        "NRP-error",
        "mean predictor",
        "noise floor",
        "R² mean",
        "R² median",
        "R² pooled",
        "r median",
        "ceiling",
        "r²/ceiling",
        "validation MSE",
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
        "parameters",
        "trial",
    ]);
    for Row {
        cell,
        scores,
        provenance,
        parameters,
    } in rows
    {
        table.add_row([
            cell.ann_label(),
            cell.region_label(),
            cell.model_label(),
            output::score(scores.nrp_error),
            output::score(scores.mean_predictor_error),
            output::score(scores.noise_floor),
            output::score(scores.r2_mean),
            output::score(scores.r2_median),
            output::score(scores.r2_pooled),
            output::score(scores.pearson_median),
            output::score(scores.ceiling_median),
            output::score(scores.pearson2_over_ceiling),
            output::score(scores.validation_mse),
            cell.layers_label(),
            output::count(cell.l1),
            output::count(cell.l2),
            output::count(cell.depth),
            output::number(cell.learning_rate),
            output::number(cell.weight_decay),
            output::number(cell.dropout),
            cell.linear_path.clone().unwrap_or_else(|| "–".to_owned()),
            output::count(cell.ensemble),
            cell.zeros_label(provenance.reached_sparsity),
            cell.split_label(),
            output::count(cell.seed),
            output::count(*parameters),
            cell.trial
                .as_ref()
                .map_or_else(|| "–".to_owned(), |id| row::short(id).to_owned()),
        ]);
    }
    output::print_table(&table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nrp_proto::wire::{AnnSpec, Scores, TrialRecord, TrialSpec};

    fn best_row(region: &str, error: Option<f64>, l1: u32, open: u64) -> BestRow {
        let spec = TrialSpec {
            ann: Some(AnnSpec {
                name: "mobilenet".to_owned(),
                ..Default::default()
            }),
            region: region.to_owned(),
            l1: Some(l1),
            l2: Some(32),
            ..Default::default()
        };
        BestRow {
            group: "g".to_owned(),
            region: region.to_owned(),
            best: Vec::from_iter(error.map(|nrp_error| TrialRecord {
                spec: Some(spec),
                scores: Some(Scores {
                    nrp_error,
                    r2_mean: (region == "V4").then_some(0.5),
                    ..Default::default()
                }),
                ..Default::default()
            })),
            open,
            ..Default::default()
        }
    }

    fn of(rows: &[BestRow]) -> Vec<Row> {
        with_means(rows, &Origin::default())
    }

    #[test]
    fn the_mean_averages_regions_and_keeps_what_they_share() {
        let rows = of(&[
            best_row("V4", Some(1.0), 16, 0),
            best_row("IT", Some(2.0), 64, 0),
        ]);
        let mean = rows.last().expect("three rows");
        assert_eq!(rows.len(), 3);
        assert_eq!(mean.cell.region, MEAN);
        assert_eq!(mean.scores.nrp_error, Some(1.5));
        assert_eq!(mean.scores.r2_mean, None, "one region has none");
        assert_eq!((mean.cell.l1, mean.cell.l2), (None, Some(32)));
    }

    #[test]
    fn there_is_no_mean_before_all_regions_have_finished() {
        let open = of(&[
            best_row("V4", Some(1.0), 16, 0),
            best_row("IT", Some(2.0), 64, 3),
        ]);
        assert_eq!(open.len(), 2);
        let none = of(&[
            best_row("V4", Some(1.0), 16, 0),
            best_row("IT", None, 64, 0),
        ]);
        assert_eq!(none.len(), 1);
    }
}
