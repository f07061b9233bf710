//! Tables of best trials: Table 1 with the published numbers beside ours, and the numbers behind the
//! figures over layers, sizes and sparsities.

use super::fields::{configuration, context, names, nrp_error, over_seeds, trials, weights};
use crate::compute::sparsity::studies;
use crate::model::{AnnResult, AnnResults, Winner};
use crate::pages::table::{Field, OnPage, Table, Value, field};
use nrp_proto::axis::Axis;

/// Table 1: the best configuration of each ANN and region.
pub(crate) fn table_1(anns: &AnnResults) -> Table {
    let mut rows = Vec::new();
    for ann in anns {
        let regions = ann.regions.iter();
        let best = regions.filter_map(|region| region.best.as_ref());
        rows.extend(best.map(|winner| table_1_row(ann, winner, false)));
        let mean = ann.mean.iter();
        rows.extend(mean.map(|mean| table_1_row(ann, mean, true)));
    }
    Table {
        name: "table-1",
        title: "Table 1: the best configuration per ANN and region",
        note:
            "Chosen by validation loss alone; scores are on test stimuli, in the recordings' own \
             units. The row mean averages over regions, once all their trials have an outcome. \
             Published errors are means of V4 and IT from Anand, Sen & Roy (2021), in the units of \
             their recordings, which differ from these; published accuracies and parameters are \
             those of the trained ANN. The published ANNs are dense, so an ANN with 1 % or more zero \
             weights has no published numbers beside it."
                .to_owned(),
        rows,
        on_page: OnPage::All,
    }
}

fn table_1_row(ann: &AnnResult, winner: &Winner, is_mean: bool) -> Vec<Field> {
    let published = ann.published;
    let mut fields = names(ann, &winner.row);
    fields.push(nrp_error(&winner.row));
    // The published error is a mean over regions, so it stands beside ours.
    let error = published.filter(|_| is_mean).map(|of| of.nrp_error);
    fields.push(field(
        "published NRP-error",
        "published_nrp_error",
        Value::Number(error),
    ));
    fields.extend(context(&winner.row));
    fields.extend(over_seeds(winner));
    fields.extend(configuration(&winner.row));
    fields.extend(weights(ann));
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

/// The best trial of each layer set.
pub(crate) fn layers(anns: &AnnResults) -> Table {
    let mut rows = Vec::new();
    for ann in anns {
        for set in ann.regions.iter().flat_map(|region| &region.layer_sets) {
            let mut fields = names(ann, &set.best);
            fields.push(field(
                "layers",
                "layers",
                Value::Word(set.best.cell.layers_label()),
            ));
            fields.push(trials(set.trials));
            fields.push(nrp_error(&set.best));
            fields.extend(context(&set.best));
            fields.extend(weights(ann));
            rows.push(fields);
        }
    }
    Table {
        name: "layers",
        title: "The best trial of each layer set",
        note: "Chosen by validation loss among all trials on these layers.".to_owned(),
        rows,
        on_page: OnPage::All,
    }
}

/// The best trial of each network size.
pub(crate) fn sizes(anns: &AnnResults) -> Table {
    let mut rows = Vec::new();
    for ann in anns {
        for size in ann.regions.iter().flat_map(|region| &region.sizes) {
            let cell = &size.best.cell;
            let count = |axis| Value::Count(cell.place.whole(axis));
            let mut fields = names(ann, &size.best);
            fields.extend([
                field("depth", "depth", count(Axis::Depth)),
                field("L1", "l1", count(Axis::L1)),
                field("L2", "l2", count(Axis::L2)),
                trials(size.trials),
                nrp_error(&size.best),
                field(
                    "mean NRP-error of its trials",
                    "mean_nrp_error",
                    Value::Score(Some(size.mean_nrp_error)),
                ),
            ]);
            fields.extend(context(&size.best));
            fields.extend(weights(ann));
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

/// The best configuration at each sparsity.
pub(crate) fn sparsities(anns: &AnnResults) -> Table {
    let mut rows = Vec::new();
    let studies = studies(anns);
    for ann in studies.iter().flat_map(|study| &study.anns) {
        let best = ann.regions.iter();
        for winner in best.filter_map(|region| region.best.as_ref()) {
            let mut fields = names(ann, &winner.row);
            fields.extend(weights(ann));
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
        note: "Chosen by validation loss. Zeros: the counted fraction of zero weights in all kernels \
               of convolutions and dense layers. Pruning `layer` and `global` is one-shot: the smallest \
               weights are set to zero without retraining."
        .to_owned(),
        rows,
        on_page: OnPage::All,
    }
}
