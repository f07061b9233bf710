//! The numbers behind the figures of sites and learning curves.

use super::fields::weights;
use crate::caveats::Caveats;
use crate::model::{AnnResults, Curve, RankedSites};
use crate::pages::table::{OnPage, Table, Value, column_part, field, short};

/// Of a long table, the page has this many of the best and of the worst sites of each region.
const ON_PAGE: usize = 10;

/// A row for each site, with two columns for each ANN.
pub(crate) fn sites(sites: &[RankedSites], anns: &AnnResults, caveats: &Caveats) -> Table {
    let labels = anns.labels();
    let mut rows = Vec::new();
    let mut on_page = Vec::new();
    for of in sites {
        let region = caveats.region(&of.region);
        for (rank, site) in of.sites.iter().enumerate() {
            if rank < ON_PAGE || rank + ON_PAGE >= of.sites.len() {
                on_page.push(rows.len());
            }
            let score = |score: Option<f32>| Value::Score(score.map(short));
            let mut fields = vec![
                field("region", "region", Value::Word(region.clone())),
                field("rank", "rank", Value::Count(Some(rank as u64 + 1))),
                field("site", "site", Value::Word(site.name.clone())),
                field("ceiling", "ceiling", score(site.ceiling)),
            ];
            for (network, label) in labels.iter().enumerate() {
                // All regions have the same columns.
                if sites.iter().all(|of| !of.networks.contains(&network)) {
                    continue;
                }
                let place = of.networks.iter().position(|of| *of == network);
                let predicted = place.map(|place| site.predicted[place]);
                let part = column_part(label);
                fields.push(field(
                    format!("r, {label}"),
                    format!("pearson_{part}"),
                    score(predicted.and_then(|of| of.pearson)),
                ));
                fields.push(field(
                    format!("NRP-error, {label}"),
                    format!("nrp_error_{part}"),
                    score(predicted.and_then(|of| of.nrp_error)),
                ));
            }
            rows.push(fields);
        }
    }
    Table {
        name: "sites",
        title: "Sites by predictability",
        note: format!(
            "Scores of each ANN's best NRP network on test stimuli; sites are in the order of the figure. \
             For a region with more than {} sites, the page shows the best and the worst {ON_PAGE}.",
            2 * ON_PAGE
        ),
        rows,
        on_page: OnPage::Some(on_page),
    }
}

/// A row for each epoch of each ANN's best NRP network.
pub(crate) fn curves(curves: &[Curve], anns: &AnnResults, caveats: &Caveats) -> Table {
    let mut rows = Vec::new();
    for curve in curves {
        let ann = &anns[curve.network];
        let region = caveats.region(&curve.region);
        let epochs = curve.training_mse.len().max(curve.validation_mse.len());
        for epoch in 0..epochs {
            let loss = |of: &[f32]| {
                let loss = of.get(epoch).copied();
                Value::Score(loss.filter(|loss| loss.is_finite()).map(short))
            };
            let trial = curve.trial.clone().unwrap_or_default();
            let mut fields = vec![
                field("ANN", "ann", Value::Word(curve.ann.clone())),
                field("region", "region", Value::Word(region.clone())),
                field("epoch", "epoch", Value::Count(Some(epoch as u64 + 1))),
                field("training MSE", "training_mse", loss(&curve.training_mse)),
                field(
                    "validation MSE",
                    "validation_mse",
                    loss(&curve.validation_mse),
                ),
                field("trial", "trial", Value::Word(trial)),
            ];
            fields.extend(weights(ann));
            rows.push(fields);
        }
    }
    Table {
        name: "curves",
        title: "Learning curves",
        note: "Losses of each ANN's best NRP network after each epoch, up to epoch 1000: mean squared \
               error in fitted units."
            .to_owned(),
        rows,
        on_page: OnPage::Some(Vec::new()),
    }
}
