//! Figure 2C: V4 against IT.

use super::figure::{Drawing, Figure};
use super::references;
use crate::caveats::{Caveats, bars, left_out};
use crate::draw::canvas::Marker;
use crate::draw::plot::{Along, Plot, Series};
use crate::model::AnnResults;

/// NRP-error in V4 against NRP-error in IT.
pub(crate) fn figure_2c(anns: &AnnResults, caveats: &Caveats) -> Option<Figure> {
    let with_both: Vec<_> = anns
        .compared()
        .filter_map(|(number, ann)| Some((number, ann, ann.best_in("V4")?, ann.best_in("IT")?)))
        .collect();
    let (_, _, v4, it) = with_both.first()?;
    let mut references = references::lines(v4, Along::X, ", V4");
    references.extend(references::lines(it, Along::Y, ", IT"));
    let series = with_both.iter().filter_map(|(number, ann, v4, it)| {
        let at = (v4.error()?, it.error()?);
        Some(Series::point(ann.label(), Marker::solid(*number), at))
    });
    Some(Figure {
        name: "figure-2c".to_owned(),
        title: "Figure 2C: NRP-error in V4 and in IT".to_owned(),
        caption: format!(
            "NRP-error of each ANN's best configuration in both regions. {}{}",
            bars(anns),
            left_out(anns)
        ),
        marks: caveats.marks(with_both.iter().map(|(_, ann, ..)| *ann)),
        drawing: Drawing::Plot(Plot {
            x_name: "NRP-error, V4",
            y_name: "NRP-error, IT",
            series: series.collect(),
            references,
            diagonal: true,
            ..Plot::default()
        }),
    })
}
