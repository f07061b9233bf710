//! Figure 2B: linear baselines against NRP networks.

use super::figure::{Drawing, Figure};
use super::references;
use crate::caveats::{Caveats, bars, left_out};
use crate::draw::canvas::Marker;
use crate::draw::plot::{Along, Plot, Series};
use crate::model::{AnnResults, RegionResult};

/// Linear baselines against NRP networks in one region.
pub(crate) fn figure_2b(anns: &AnnResults, caveats: &Caveats) -> Option<Figure> {
    let name = region(anns)?;
    let mut series = Vec::new();
    let mut shown = Vec::new();
    for (_, ann) in anns.compared() {
        let Some(region) = ann.regions.iter().find(|of| of.region == name) else {
            continue;
        };
        let Some(best) = &region.best else { continue };
        for baseline in &region.baselines {
            let (error, linear) = (best.error()?, baseline.scores.nrp_error?);
            shown.push((ann, best));
            let name = format!("{}, {}", baseline.cell.model_label(), ann.label());
            let marker = Marker::solid(series.len());
            series.push(Series::point(name, marker, ((linear, None), error)));
        }
    }
    let (_, best) = shown.first()?;
    Some(Figure {
        name: "figure-2b".to_owned(),
        title: format!(
            "Figure 2B: linear baselines against NRP networks, {}",
            caveats.region(name)
        ),
        caption: format!(
            "Mean absolute error of each ANN's linear baselines and of its best NRP network, each on \
             the layer set that is best for it by validation loss. Below the diagonal the network is \
             better. {}{}",
            bars(anns),
            left_out(anns)
        ),
        marks: caveats.marks(shown.iter().map(|(ann, _)| *ann)),
        drawing: Drawing::Plot(Plot {
            x_name: "error of the linear baseline",
            y_name: "NRP-error",
            series,
            references: references::lines(best, Along::Y, ""),
            diagonal: true,
            ..Plot::default()
        }),
    })
}

/// The region of the figure: IT, as in the paper, or else the first region that has NRP networks and
/// linear baselines.
fn region(anns: &AnnResults) -> Option<&str> {
    let all = anns.compared().flat_map(|(_, ann)| &ann.regions);
    let has_both = |of: &&RegionResult| of.best.is_some() && !of.baselines.is_empty();
    let regions: Vec<&str> = all.filter(has_both).map(|of| of.region.as_str()).collect();
    let it = regions.iter().find(|name| **name == "IT");
    it.or(regions.first()).copied()
}
