//! Figure 2A: NRP-error against top-1 accuracy, ours and as published.

use super::figure::{Drawing, Figure};
use super::references;
use crate::caveats::{Caveats, bars, left_out};
use crate::draw::canvas::Marker;
use crate::draw::plot::{Along, Plot, Series};
use crate::model::AnnResults;

/// The figure that shows none of the sweep's scores.
pub(crate) const PUBLISHED: &str = "figure-2a-published";

/// NRP-error against top-1 accuracy.
pub(crate) fn figure_2a(anns: &AnnResults, caveats: &Caveats) -> Option<Figure> {
    let with_both: Vec<_> = anns
        .compared()
        .filter_map(|(number, ann)| Some((number, ann, ann.mean.as_ref()?, ann.published?)))
        .collect();
    let series = with_both
        .iter()
        .filter_map(|(number, ann, mean, published)| {
            let accuracy = (published.top1, None);
            let marker = Marker::solid(*number);
            Some(Series::point(
                ann.label(),
                marker,
                (accuracy, mean.error()?),
            ))
        });
    let series = series.collect();
    let (_, first, mean, _) = with_both.first()?;
    let regions: Vec<&str> = first.regions.iter().map(|of| of.region.as_str()).collect();
    Some(Figure {
        name: "figure-2a".to_owned(),
        title: "Figure 2A: NRP-error against top-1 accuracy".to_owned(),
        caption: format!(
            "NRP-error of each ANN's best configurations, averaged over {}, in the recordings' own units, \
             against the published ImageNet accuracy of the trained ANN. {}{}",
            regions.join(" and "),
            bars(anns),
            left_out(anns)
        ),
        marks: caveats.marks(with_both.iter().map(|(_, ann, ..)| *ann)),
        drawing: Drawing::Plot(Plot {
            x_name: "top-1 accuracy",
            y_name: "NRP-error, mean over regions",
            series,
            references: references::lines(mean, Along::Y, ""),
            ..Plot::default()
        }),
    })
}

/// The paper's own Figure 2A, with the ANNs of this sweep. The paper's errors are in other units than
/// ours, and so in a figure of their own.
pub(crate) fn figure_2a_published(anns: &AnnResults) -> Option<Figure> {
    let mut series: Vec<Series> = Vec::new();
    for (number, ann) in anns.compared() {
        let Some(published) = ann.published.filter(|_| ann.mean.is_some()) else {
            continue;
        };
        // The sweep may have the same ANN with several weights.
        if series.iter().any(|of| of.name == ann.ann) {
            continue;
        }
        let at = ((published.top1, None), (published.nrp_error, None));
        let marker = Marker {
            number,
            hollow: true,
        };
        series.push(Series::point(ann.ann.clone(), marker, at));
    }
    (!series.is_empty()).then(|| Figure {
        name: PUBLISHED.to_owned(),
        title: "Figure 2A as published: NRP-error against top-1 accuracy".to_owned(),
        caption:
            "Results of Anand, Sen & Roy (2021) for the same ANNs: mean of V4 and IT, in the units of \
             their recordings. Compare the order of the ANNs with Figure 2A, not the numbers."
                .to_owned(),
        marks: vec!["Published numbers, not results of this sweep".to_owned()],
        drawing: Drawing::Plot(Plot {
            x_name: "top-1 accuracy",
            y_name: "published NRP-error, units of the paper",
            series,
            ..Plot::default()
        }),
    })
}
