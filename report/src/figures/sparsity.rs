//! Figure 3B: NRP-error against sparsity.

use super::figure::{Drawing, Figure};
use super::references;
use crate::caveats::{Caveats, bars};
use crate::compute::sparsity::{Study, studies};
use crate::draw::canvas::Marker;
use crate::draw::plot::{Along, Form, Plot, Reference, Series, Value};
use crate::model::{AnnResult, AnnResults, RegionResult, Winner};
use crate::row;
use nrp_proto::sweep::Pruning;

/// NRP-error against sparsity, for the ANNs that have several.
pub(crate) fn figure_3b(anns: &AnnResults, caveats: &Caveats) -> Option<Figure> {
    let studies = studies(anns);
    let mut ways: Vec<&str> = studies.iter().map(way).collect();
    ways.sort_unstable();
    ways.dedup();
    let shown = || studies.iter().flat_map(|study| &study.anns).copied();
    let regions = regions(shown());
    let mut series = series(&studies, &regions, ways.len() > 1);
    let references = regions.iter().zip(&series).flat_map(|(of, series)| {
        let (region, best) = of;
        let colour = series.marker.colour();
        let lines = references::lines(best, Along::Y, &format!(", {region}"));
        lines
            .into_iter()
            .map(move |line| Reference { colour, ..line })
    });
    let references: Vec<Reference> = references.collect();
    series.retain(|series| !series.points.is_empty());
    let is_one_shot = studies.iter().any(|of| of.pruning != Pruning::CHECKPOINT);
    let one_shot = if is_one_shot {
        "One-shot pruning sets the smallest weights to zero without retraining, unlike the paper's \
         method. "
    } else {
        ""
    };
    (!series.is_empty()).then(|| Figure {
        name: "figure-3b".to_owned(),
        title: format!(
            "Figure 3B: NRP-error against sparsity, {}",
            ways.join(" and ")
        ),
        caption: format!(
            "NRP-error of the best configuration at each sparsity, averaged over seeds if there are \
             several. Sparsity is the counted fraction of zero weights in all kernels of \
             convolutions and dense layers. {one_shot}{}",
            bars(anns)
        ),
        marks: caveats.marks(shown()),
        drawing: Drawing::Plot(Plot {
            x_name: "sparsity (fraction of zero weights)",
            y_name: "NRP-error",
            series,
            references,
            ..Plot::default()
        }),
    })
}

/// Each region with the first winner in it.
fn regions<'a>(anns: impl Iterator<Item = &'a AnnResult>) -> Vec<(&'a str, &'a Winner)> {
    let mut regions: Vec<(&str, &Winner)> = Vec::new();
    for RegionResult { region, best, .. } in anns.flat_map(|ann| &ann.regions) {
        if let Some(best) = best
            && regions.iter().all(|(known, _)| *known != region.as_str())
        {
            regions.push((region, best));
        }
    }
    regions
}

/// A series for each study and region.
fn series(studies: &[Study<'_>], regions: &[(&str, &Winner)], several_ways: bool) -> Vec<Series> {
    let mut series: Vec<Series> = Vec::new();
    for study in studies {
        let first = study.anns[0];
        let ann = row::ann_label(&first.ann, &first.weights);
        for (region, _) in regions {
            let name = if several_ways {
                format!("{region}, {ann}, {}", way(study))
            } else {
                format!("{region}, {ann}")
            };
            series.push(Series {
                name,
                marker: Marker::solid(series.len()),
                points: points(study, region),
                form: Form::Joined,
            });
        }
    }
    series
}

/// How a study's weights became zero.
fn way(study: &Study<'_>) -> &'static str {
    match study.pruning {
        Pruning::LAYER => "one-shot pruning by layer",
        Pruning::GLOBAL => "one-shot global pruning",
        _ => "own pruned checkpoints",
    }
}

/// NRP-error in a region against the sparsity reached; with several seeds, their mean and standard
/// deviation.
fn points(study: &Study<'_>, region: &str) -> Vec<(Value, Value)> {
    let points = study.anns.iter().filter_map(|ann| {
        let best = ann.best_in(region)?;
        let error = match best.over_seeds {
            Some(over) => (over.mean, over.sd),
            None => best.error()?,
        };
        Some(((ann.zeros(), None), error))
    });
    points.collect()
}
