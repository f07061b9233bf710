//! `nrp best`: the best NRP configuration per ANN and region, the mean over regions, and the linear
//! baselines beside them, each on its best layer set.
//!
//! The best trial has the lowest validation loss. The scores shown are on test stimuli, which select
//! nothing. A comparison predicts no site: its best trial has the highest similarity.

use crate::access::Access;
use crate::advice;
use crate::failure::{CommandError, Ended};
use crate::listing::{self, Choice, Listing};
use crate::output::{self, Format};
use crate::place::Results;
use crate::row::{MEAN, Row};
use crate::scope::{self, Chosen, Scope};
use crate::setting::Origin;
use crate::ui;
use clap::ValueEnum;
use nrp_client::Client;
use nrp_proto::axis::Axis;
use nrp_proto::id::NRP_NETWORK;
use nrp_proto::score::{Kind, Score};
use nrp_proto::state::Front;
use nrp_proto::sweep::Model;
use nrp_proto::wire::{BestRequest, BestRow, SplitSpec, TrialRecord, TrialSpec, TrialsRequest};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};

/// Show the best configuration per ANN and region
///
/// The best trial is the finished trial with the lowest validation loss; its scores are on the test
/// stimuli. Once all regions of an ANN have finished, a row `mean` averages their best trials' scores.
/// Each linear baseline has its own row, with its best layer set. So has each comparison, which predicts no
/// site: its best trial has the highest similarity, and no stimulus is held out of that choice.
///
/// `--pareto` instead shows the Pareto front: the trials whose validation loss no network with as few
/// parameters beats, the smallest first, with their scores on the test stimuli.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    scope: Scope,
    /// Only this region, or `mean`
    #[arg(long)]
    region: Option<String>,
    /// Show the K best trials per ANN and region, the best first; with K = 1 a `mean` row is added
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    top: u32,
    /// Show the Pareto front of validation loss against network size
    #[arg(long, conflicts_with = "top")]
    pareto: bool,
    /// The score that the front compares with size. A front over the NRP-error, which is a test score,
    /// shows what was possible; choosing from it would select on test stimuli
    #[arg(
        long,
        value_name = "SCORE",
        value_enum,
        default_value = "validation_mse",
        requires = "pareto"
    )]
    over: Over,
    #[command(flatten)]
    choice: Choice,
    #[command(flatten)]
    results: Results,
}

impl Arguments {
    /// The trials that the arguments select. For `mean` these are the trials of all regions.
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

/// The score that a front compares with the network's size.
#[derive(Debug, Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Over {
    ValidationMse,
    NrpError,
}

pub(crate) async fn run(arguments: Arguments, format: Format) -> miette::Result<Ended> {
    arguments.choice.check(Listing::Best)?;
    let results = arguments.results.clone();
    Access::read(&results, async |access| {
        answer(access, arguments, format).await
    })
    .await
}

async fn answer(access: &Access, arguments: Arguments, format: Format) -> miette::Result<Ended> {
    let front = match arguments.over {
        Over::ValidationMse => Front::ValidationMse,
        Over::NrpError => Front::NrpError,
    };
    let front = arguments.pareto.then_some(front);
    let chosen = arguments.scope.choose(&access.client).await?;
    let asked = TrialsRequest {
        sweep: chosen.named(),
        ..arguments.asked()
    };
    scope::check(&access.client, asked).await?;
    let request = BestRequest {
        ann: arguments.scope.ann.unwrap_or_default(),
        filters: arguments.scope.filters,
        top: arguments.top,
        front: front.map_or(0, Front::to_wire),
        ..BestRequest::default()
    };
    let region = arguments.region.as_deref();
    let choice = &arguments.choice;
    let rows = show(&access.client, &chosen, request, region, choice, format).await?;
    for sentence in advice::penalties(&rows) {
        ui::notice(&sentence);
    }
    Ok(Ended::Done)
}

/// Asks for the best trials of each sweep, writes them to stdout and returns them.
pub(crate) async fn show(
    client: &Client,
    chosen: &Chosen,
    request: BestRequest,
    region: Option<&str>,
    choice: &Choice,
    format: Format,
) -> Result<Vec<Row>, CommandError> {
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
            let mut answer = Vec::new();
            for (sweep, rows) in &document {
                let over_splits = OverSplits::ask(client, &sweep.id, rows).await?;
                answer.extend(rows.iter().map(|row| over_splits.add_to(row)));
            }
            output::json(&answer)?;
        }
        Format::Text => {
            for (sweep, rows) in &document {
                chosen.introduce(sweep, rows.iter().map(|row| &row.provenance))?;
                text(rows, choice)?;
            }
        }
    }
    Ok(document.into_iter().flat_map(|(_, rows)| rows).collect())
}

/// The best trials of a sweep, with the mean over regions of each group that has finished.
pub(crate) async fn rows(
    client: &Client,
    request: BestRequest,
    region: Option<&str>,
    origin: &Origin,
) -> Result<Vec<Row>, CommandError> {
    // Averages are of best trials alone.
    let averaged = request.front == 0 && request.top <= 1;
    let found = ask(client, request).await?;
    let mut rows = if averaged {
        with_means(&found, origin)
    } else {
        let best = found.iter().flat_map(|row| &row.best);
        best.map(|record| Row::new(record, origin)).collect()
    };
    if let Some(region) = region {
        rows.retain(|row| row.cell.region() == region);
    }
    Ok(rows)
}

/// The rows of all pages.
pub(crate) async fn ask(
    client: &Client,
    request: BestRequest,
) -> Result<Vec<BestRow>, CommandError> {
    Ok(client.best(request).all().await?)
}

/// The best trials in the given order, each group's mean after its regions.
fn with_means(rows: &[BestRow], origin: &Origin) -> Vec<Row> {
    rows.chunk_by(|a, b| a.group == b.group)
        .flat_map(|group| {
            let best: Vec<Row> = group
                .iter()
                .filter_map(|row| row.best.first())
                .map(|record| Row::new(record, origin))
                .collect();
            let finished = group
                .iter()
                .all(|row| row.open == 0 && !row.best.is_empty());
            let mean =
                (finished && !best.is_empty()).then(|| Row::mean(&best.iter().collect::<Vec<_>>()));
            best.into_iter().chain(mean)
        })
        .collect()
}

fn text(rows: &[Row], choice: &Choice) -> Result<(), CommandError> {
    if rows.is_empty() {
        return output::line("no such trial has finished yet");
    }
    output::text(&listing::of_best(rows, choice, output::width())?)
}

/// A row as JSON has it.
#[derive(Serialize)]
struct Answer<'a> {
    #[serde(flatten)]
    row: &'a Row,
    /// Median over sites of Pearson r in each split of the row's ANN, region, linear model and layer set, by
    /// the split's number, null where the split has no scores yet. Null for networks, comparisons and means.
    /// A constant prediction counts as r = 0, as in `pearson_median`; Brain-Score leaves it out.
    pearson_per_split: Option<Vec<Option<f64>>>,
    /// The same of a comparison's similarity in each split's part of the stimuli. Null for all others.
    similarity_per_split: Option<Vec<Option<f64>>>,
}

/// Linear models and comparisons in every split: `nrp best` has the best layer set of each split, and these
/// have the same layer set in all.
#[derive(Default)]
struct OverSplits {
    /// The first of a trial's fellows, by the trial's id.
    alike: HashMap<String, usize>,
    each: Vec<Each>,
}

/// A model in every split.
struct Each {
    kind: Kind,
    /// Its score in a split, by the split's number.
    of_splits: BTreeMap<u32, Option<f64>>,
}

impl OverSplits {
    /// Asks for the linear trials of a sweep, if `rows` have any.
    async fn ask(client: &Client, sweep: &str, rows: &[Row]) -> Result<Self, CommandError> {
        let mut all = Self::default();
        let is_linear = |row: &Row| row.cell.model() != NRP_NETWORK && row.cell.trial.is_some();
        if !rows.iter().any(is_linear) {
            return Ok(all);
        }
        let request = TrialsRequest {
            sweep: sweep.to_owned(),
            filters: vec![format!("{}!={NRP_NETWORK}", Axis::Model)],
            ..TrialsRequest::default()
        };
        let mut trials = client.trials(request).await?;
        let mut known = HashMap::new();
        while let Some(record) = trials.next().await? {
            all.take(record, &mut known);
        }
        Ok(all)
    }

    fn take(&mut self, record: TrialRecord, known: &mut HashMap<String, usize>) {
        let spec = record.spec.unwrap_or_default();
        let kind = match spec.model.parse() {
            Ok(Model::Comparison(_)) => Kind::Comparison,
            Ok(Model::Linear(_)) | Err(_) => Kind::Prediction,
        };
        let number = *known.entry(in_any_split(&spec)).or_insert_with(|| {
            let of_splits = BTreeMap::new();
            self.each.push(Each { kind, of_splits });
            self.each.len() - 1
        });
        let score = match kind {
            Kind::Prediction => Score::PearsonMedian,
            Kind::Comparison => Score::SimilaritySplit,
        };
        let value = record.scores.and_then(|scores| score.of(&scores));
        self.each[number]
            .of_splits
            .insert(spec.split_number(), value);
        self.alike.insert(record.id, number);
    }

    fn add_to<'a>(&self, row: &'a Row) -> Answer<'a> {
        let number = row.cell.trial.as_ref().and_then(|id| self.alike.get(id));
        let each = number.map(|number| &self.each[*number]);
        let of = |kind: Kind| {
            let of_kind = each.filter(|each| each.kind == kind)?;
            Some(of_kind.of_splits.values().copied().collect())
        };
        Answer {
            row,
            pearson_per_split: of(Kind::Prediction),
            similarity_per_split: of(Kind::Comparison),
        }
    }
}

/// The id of what trials share that differ in nothing but their split of the scheme.
fn in_any_split(spec: &TrialSpec) -> String {
    let split = spec.split.as_ref().map(|split| SplitSpec {
        number: 0,
        ..split.clone()
    });
    let spec = TrialSpec {
        split,
        ..spec.clone()
    };
    spec.id()
}

#[cfg(test)]
mod tests {
    use super::*;
    use nrp_proto::wire::{AnnSpec, Scores};

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
    fn a_linear_model_has_its_correlation_in_each_split_whatever_the_order_of_trials() {
        let record = |layers: &str, split: u32, r: Option<f64>| TrialRecord {
            id: format!("{layers}{split}"),
            spec: Some(TrialSpec {
                model: "ridgecv".to_owned(),
                layers: vec![layers.to_owned()],
                split: Some(SplitSpec {
                    number: split,
                    ..Default::default()
                }),
                ..Default::default()
            }),
            scores: r.map(|r| Scores {
                pearson_median: Some(r),
                ..Default::default()
            }),
            ..Default::default()
        };
        let records = [
            record("a", 2, Some(0.75)),
            record("b", 0, Some(0.5)),
            record("a", 0, Some(0.25)),
            record("a", 1, None),
        ];
        let (mut all, mut known) = (OverSplits::default(), HashMap::new());
        for record in records.clone() {
            all.take(record, &mut known);
        }
        let of = |record: &TrialRecord| {
            let row = Row::new(record, &Origin::default());
            serde_json::to_value(all.add_to(&row)).expect("JSON")
        };
        let expected = serde_json::json!([0.25, null, 0.75]);
        assert_eq!(of(&records[0])["pearson_per_split"], expected);
        assert_eq!(of(&records[3])["pearson_per_split"], expected);
        assert_eq!(
            of(&records[1])["pearson_per_split"],
            serde_json::json!([0.5])
        );
        assert_eq!(of(&records[1])["pearson_median"], 0.5, "beside the row");
        assert!(of(&records[1])["similarity_per_split"].is_null());
        let network = of(&TrialRecord::default());
        assert!(network["pearson_per_split"].is_null());
    }

    #[test]
    fn a_comparison_has_its_similarity_in_each_split_and_no_correlation() {
        let record = |split: u32, similarity_split: Option<f64>| TrialRecord {
            id: split.to_string(),
            spec: Some(TrialSpec {
                model: "rdm".to_owned(),
                split: Some(SplitSpec {
                    number: split,
                    ..Default::default()
                }),
                ..Default::default()
            }),
            scores: similarity_split.map(|of| Scores {
                similarity: Some(0.5),
                similarity_split: Some(of),
                ..Default::default()
            }),
            ..Default::default()
        };
        let records = [
            record(1, None),
            record(0, Some(0.25)),
            record(2, Some(0.75)),
        ];
        let (mut all, mut known) = (OverSplits::default(), HashMap::new());
        for record in records.clone() {
            all.take(record, &mut known);
        }
        let row = Row::new(&records[2], &Origin::default());
        let found = serde_json::to_value(all.add_to(&row)).expect("JSON");
        assert_eq!(
            found["similarity_per_split"],
            serde_json::json!([0.25, null, 0.75])
        );
        assert_eq!(found["similarity"], 0.5);
        for absent in [
            "pearson_per_split",
            "nrp_error",
            "validation_mse",
            "parameters",
        ] {
            assert!(found[absent].is_null(), "{absent}");
        }
    }

    #[test]
    fn the_mean_averages_regions_and_keeps_what_they_share() {
        let rows = of(&[
            best_row("V4", Some(1.0), 16, 0),
            best_row("IT", Some(2.0), 64, 0),
        ]);
        let mean = rows.last().expect("three rows");
        assert_eq!(rows.len(), 3);
        assert_eq!(mean.cell.region(), MEAN);
        assert_eq!(mean.scores.nrp_error, Some(1.5));
        assert_eq!(mean.scores.r2_mean, None, "one region has none");
        let place = &mean.cell.place;
        let units = [Axis::L1, Axis::L2].map(|axis| place.whole(axis));
        assert_eq!(units, [None, Some(32)]);
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
