//! Tables: Table 1 with the published numbers beside ours, and the numbers behind the other figures.

use super::gather::{Network, Report, Winner};
use super::table::{Field, OnPage, Table, Value, field};
use super::{compare, curves, sites, sparsity, splits};
use crate::best::Row;
use crate::row::{self, TestScores};

/// All tables that have a row.
pub(super) fn all(report: &Report) -> Vec<Table> {
    let of_one_split = [
        table_1(report),
        baselines(report),
        layers(report),
        sizes(report),
        sparsities(report),
        sites::table(report),
        curves::table(report),
    ];
    let of_all_splits = [
        splits::table(report),
        compare::of_networks(report),
        compare::of_linear(report),
    ];
    let with = |caveat: &str, mut table: Table| {
        table.note.push_str(caveat);
        table
    };
    let [one, all] = [&report.of_one_split(), report.of_any_split()];
    let mut tables: Vec<Table> = of_one_split.map(|table| with(one, table)).into();
    // Behind the first two, with which they belong.
    tables.splice(2..2, of_all_splits.map(|table| with(all, table)));
    tables.retain(|table| !table.rows.is_empty());
    tables
}

fn table_1(report: &Report) -> Table {
    let mut rows = Vec::new();
    for network in &report.networks {
        let regions = network.regions.iter();
        let best = regions.filter_map(|region| region.best.as_ref());
        rows.extend(best.map(|winner| table_1_row(network, winner, false)));
        rows.extend(
            network
                .mean
                .iter()
                .map(|mean| table_1_row(network, mean, true)),
        );
    }
    Table {
        name: "table-1",
        title: "Table 1: the best configuration per ANN and region",
        note:
            "Chosen by validation loss alone; the scores are on test stimuli, in the recordings' \
               own units. The row mean averages over regions, once all their trials have an \
               outcome. Published: mean of V4 and IT as Anand, Sen & Roy (2021) report it, in the \
               units of their recordings, which are others than these; accuracies and parameters \
               are the trained ANN's. What is published is of dense nets, and stands beside no net \
               of whose weights 1 % or more are zero."
                .to_owned(),
        rows,
        on_page: OnPage::All,
    }
}

fn table_1_row(network: &Network, winner: &Winner, is_mean: bool) -> Vec<Field> {
    let published = network.published;
    let mut fields = names(network, &winner.row);
    fields.push(nrp_error(&winner.row));
    // It is a mean, and stands beside one.
    let error = published.filter(|_| is_mean).map(|of| of.nrp_error);
    fields.push(field(
        "published NRP-error",
        "published_nrp_error",
        Value::Number(error),
    ));
    fields.extend(context(&winner.row));
    fields.extend(over_seeds(winner));
    fields.extend(configuration(&winner.row));
    fields.extend(weights(network));
    fields.extend([
        field(
            "ANN's top-1",
            "published_top1",
            Value::Number(published.map(|of| of.top1)),
        ),
        field(
            "ANN's top-5",
            "published_top5",
            Value::Number(published.map(|of| of.top5)),
        ),
        field(
            "ANN's parameters",
            "published_parameters",
            Value::Count(published.map(|of| of.parameters)),
        ),
    ]);
    fields
}

/// NRP networks, linear baselines and the mean predictor, of regions that have a linear baseline.
fn baselines(report: &Report) -> Table {
    let mut rows = Vec::new();
    for network in &report.networks {
        let regions = network.regions.iter();
        for region in regions.filter(|region| !region.baselines.is_empty()) {
            let best = region.best.as_ref().map(|winner| &winner.row);
            rows.extend(best.into_iter().chain(&region.baselines).map(|row| {
                let layers = Value::Word(row.cell.layers_label());
                compared(network, row, row.cell.model_label(), layers)
            }));
            // It sees no layer, and its error is beside everyone's.
            if let Some(any) = best.or(region.baselines.first()) {
                let mean = Row {
                    scores: TestScores {
                        nrp_error: any.scores.mean_predictor_error,
                        mean_predictor_error: any.scores.mean_predictor_error,
                        noise_floor: any.scores.noise_floor,
                        ..TestScores::default()
                    },
                    ..any.clone()
                };
                let no_layers = Value::Word(String::new());
                rows.push(compared(network, &mean, "mean".to_owned(), no_layers));
            }
        }
    }
    Table {
        name: "baselines",
        title: "NRP networks beside linear baselines",
        note: "Each with the layer set that is best for it, chosen by validation loss; scores are on \
               test stimuli. ols: least squares of least norm; ridge: its penalty cross-validated for \
               each site; pls: partial least squares, 25 components; mean: each site's training mean."
        .to_owned(),
        rows,
        on_page: OnPage::All,
    }
}

fn compared(network: &Network, row: &Row, model: String, layers: Value) -> Vec<Field> {
    let mut fields = names(network, row);
    fields.push(field("model", "model", Value::Word(model)));
    fields.push(nrp_error(row));
    fields.extend(context(row));
    fields.push(field("layers", "layers", layers));
    fields.extend(weights(network));
    fields
}

fn layers(report: &Report) -> Table {
    let mut rows = Vec::new();
    for network in &report.networks {
        for set in network.regions.iter().flat_map(|region| &region.layer_sets) {
            let mut fields = names(network, &set.best);
            fields.push(field(
                "layers",
                "layers",
                Value::Word(set.best.cell.layers_label()),
            ));
            fields.push(trials(set.trials));
            fields.push(nrp_error(&set.best));
            fields.extend(context(&set.best));
            fields.extend(weights(network));
            rows.push(fields);
        }
    }
    Table {
        name: "layers",
        title: "The best trial of each layer set",
        note: "Chosen by validation loss among all trials that see these layers.".to_owned(),
        rows,
        on_page: OnPage::All,
    }
}

fn sizes(report: &Report) -> Table {
    let mut rows = Vec::new();
    for network in &report.networks {
        for size in network.regions.iter().flat_map(|region| &region.sizes) {
            let cell = &size.best.cell;
            let count = |count: Option<u32>| Value::Count(count.map(u64::from));
            let mut fields = names(network, &size.best);
            fields.extend([
                field("depth", "depth", count(cell.depth)),
                field("L1", "l1", count(cell.l1)),
                field("L2", "l2", count(cell.l2)),
                trials(size.trials),
                nrp_error(&size.best),
                field(
                    "mean NRP-error of its trials",
                    "mean_nrp_error",
                    Value::Score(Some(size.mean_nrp_error)),
                ),
            ]);
            fields.extend(context(&size.best));
            fields.extend(weights(network));
            rows.push(fields);
        }
    }
    Table {
        name: "figure-3a",
        title: "The best trial of each size",
        note: "Chosen by validation loss among all trials of this depth and these layer sizes."
            .to_owned(),
        rows,
        on_page: OnPage::All,
    }
}

fn sparsities(report: &Report) -> Table {
    let mut rows = Vec::new();
    let studies = sparsity::studies(report);
    for network in studies.iter().flat_map(|study| &study.networks) {
        let best = network.regions.iter();
        for winner in best.filter_map(|region| region.best.as_ref()) {
            let mut fields = names(network, &winner.row);
            fields.extend(weights(network));
            fields.push(nrp_error(&winner.row));
            fields.extend(over_seeds(winner));
            fields.extend(context(&winner.row));
            fields.extend(configuration(&winner.row));
            rows.push(fields);
        }
    }
    Table {
        name: "figure-3b",
        title: "The best configuration at each sparsity",
        note: "Chosen by validation loss. Zeros: the fraction of zero weights counted in all kernels \
               of convolutions and dense layers. Pruning by layer or global is one-shot: the smallest \
               weights are set to zero, and nothing is trained again."
        .to_owned(),
        rows,
        on_page: OnPage::All,
    }
}

pub(super) fn names(network: &Network, of: &Row) -> Vec<Field> {
    vec![
        field("ANN", "ann", Value::Word(network.label())),
        field("region", "region", Value::Word(of.cell.region_label())),
    ]
}

/// What else tells networks apart, behind what people look for.
pub(super) fn weights(network: &Network) -> [Field; 4] {
    let digest = row::short(&network.weights).to_owned();
    let sparsity = Value::Number(Some(network.sparsity));
    [
        field("weights", "weights", Value::Word(digest)),
        field(
            "zeros",
            "reached_sparsity",
            Value::Score(network.reached_sparsity),
        ),
        field("sparsity asked", "sparsity", sparsity),
        field("pruning", "pruning", Value::Word(network.pruning.clone())),
    ]
}

fn over_seeds(winner: &Winner) -> [Field; 3] {
    let over = winner.over_seeds;
    [
        field(
            "seeds",
            "seeds",
            Value::Count(over.map(|over| over.seeds as u64)),
        ),
        field(
            "NRP-error, mean over seeds",
            "mean_nrp_error_over_seeds",
            Value::Score(over.map(|over| over.mean_nrp_error)),
        ),
        field(
            "s.d. over seeds",
            "sd_nrp_error_over_seeds",
            Value::Score(over.map(|over| over.sd_nrp_error)),
        ),
    ]
}

fn trials(count: u64) -> Field {
    field("trials", "trials", Value::Count(Some(count)))
}

fn nrp_error(of: &Row) -> Field {
    field("NRP-error", "nrp_error", Value::Score(of.scores.nrp_error))
}

/// What stands beside every NRP-error.
fn context(of: &Row) -> Vec<Field> {
    let scores = &of.scores;
    let all = [
        (
            "mean predictor",
            "mean_predictor_error",
            scores.mean_predictor_error,
        ),
        ("noise floor", "noise_floor", scores.noise_floor),
        ("R² mean", "r2_mean", scores.r2_mean),
        ("R² median", "r2_median", scores.r2_median),
        ("R² pooled", "r2_pooled", scores.r2_pooled),
        ("r median", "pearson_median", scores.pearson_median),
        ("ceiling", "ceiling_median", scores.ceiling_median),
        (
            "r²/ceiling",
            "pearson2_over_ceiling",
            scores.pearson2_over_ceiling,
        ),
        ("validation MSE", "validation_mse", scores.validation_mse),
    ];
    all.map(|(head, column, score)| field(head, column, Value::Score(score)))
        .into()
}

/// What was tried.
fn configuration(of: &Row) -> Vec<Field> {
    let cell = &of.cell;
    let count = |count: Option<u32>| Value::Count(count.map(u64::from));
    vec![
        field("layers", "layers", Value::Word(cell.layers_label())),
        field("L1", "l1", count(cell.l1)),
        field("L2", "l2", count(cell.l2)),
        field("depth", "depth", count(cell.depth)),
        field("rate", "learning_rate", Value::Number(cell.learning_rate)),
        field("decay", "weight_decay", Value::Number(cell.weight_decay)),
        field("dropout", "dropout", Value::Number(cell.dropout)),
        field(
            "linear path",
            "linear_path",
            Value::Word(cell.linear_path.clone().unwrap_or_default()),
        ),
        field("ensemble", "ensemble", count(cell.ensemble)),
        field("seed", "seed", Value::Count(cell.seed)),
        field("parameters", "parameters", Value::Count(of.parameters)),
        field(
            "trial",
            "trial",
            Value::Word(cell.trial.clone().unwrap_or_default()),
        ),
    ]
}
