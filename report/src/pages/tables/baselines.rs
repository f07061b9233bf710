//! NRP networks beside linear baselines and the mean predictor.

use super::fields::{context, linear_fit, names, nrp_error, weights};
use crate::model::{AnnResult, AnnResults};
use crate::pages::table::{Field, OnPage, Table, Value, field};
use crate::row::{Row, TestScores};
use nrp_proto::wire::SplitSpec;

/// NRP networks, linear baselines and the mean predictor, for regions that have a linear baseline.
pub(crate) fn baselines(anns: &AnnResults, split: &SplitSpec) -> Table {
    let mut rows = Vec::new();
    for ann in &**anns {
        let regions = ann.regions.iter();
        for region in regions.filter(|region| !region.baselines.is_empty()) {
            let best = region.best.as_ref().map(|winner| &winner.row);
            rows.extend(best.into_iter().chain(&region.baselines).map(|row| {
                let layers = Value::Word(row.cell.layers_label());
                compared(ann, row, row.cell.model_label(), layers)
            }));
            // The mean predictor sees no layer; its error stands beside every trial's.
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
                rows.push(compared(ann, &mean, "mean".to_owned(), no_layers));
            }
        }
    }
    Table {
        name: "baselines",
        title: "NRP networks beside linear baselines",
        note: format!(
            "Each model has its own best layer set, chosen by validation loss; scores are on test \
               stimuli. ols: minimum-norm least squares; ridge: ridge regression whose penalty is \
               cross-validated for each site; ridge-1: with a penalty of 1; ridgecv: with one \
               cross-validated penalty for all sites; pls: partial least squares, 25 components; single-unit: the \
               unit with the highest correlation; mean: each \
               site's training mean.{}",
            linear_fit(split)
        ),
        rows,
        on_page: OnPage::All,
    }
}

fn compared(ann: &AnnResult, row: &Row, model: String, layers: Value) -> Vec<Field> {
    let mut fields = names(ann, row);
    fields.push(field("model", "model", Value::Word(model)));
    fields.push(nrp_error(row));
    fields.extend(context(row));
    fields.push(field("layers", "layers", layers));
    fields.extend(weights(ann));
    fields
}
