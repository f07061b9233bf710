//! Scores over time, where each time bin is a region of its own.

use super::figure::{Drawing, Figure};
use crate::caveats::Caveats;
use crate::draw::canvas::Marker;
use crate::draw::plot::{Form, Plot, Series};
use crate::model::{AnnResult, AnnResults, OverTime};
use nrp_proto::plain;

/// Brain-Score's center of each ANN in each time bin of a region.
pub(crate) fn over_time(of: &OverTime, anns: &AnnResults, caveats: &Caveats) -> Option<Figure> {
    let mut shown = Vec::new();
    let mut series = Vec::new();
    for (number, ann) in anns.compared() {
        let points = points(of, ann);
        if points.is_empty() {
            continue;
        }
        shown.push(ann);
        series.push(Series {
            name: ann.label(),
            marker: Marker::solid(number),
            points,
            form: Form::Joined,
        });
    }
    if shown.is_empty() {
        return None;
    }
    let region = caveats.region(&of.region);
    Some(Figure {
        name: format!("time-{}", plain::file_part(&of.region)),
        title: format!("r over time, {region}"),
        caption: format!(
            "Median Pearson's r over sites in each time bin, at the bin's middle{}: of each ANN's first linear \
             baseline, or of its NRP network where there is none, on the layer set that is best for it in that bin by \
             validation loss; the mean over splits, with its standard error where there are several. Each bin is \
             fitted by itself.",
            in_unit(&of.unit)
        ),
        marks: caveats.marks(shown),
        drawing: Drawing::Plot(Plot {
            x_name: match of.unit.as_str() {
                "ms" => "time (ms)",
                "s" => "time (s)",
                _ => "time",
            },
            y_name: "r, median over sites",
            series,
            y_zero: true,
            ..Plot::default()
        }),
    })
}

type Point = ((f64, Option<f64>), (f64, Option<f64>));

fn points(of: &OverTime, ann: &AnnResult) -> Vec<Point> {
    let point = |bin: &crate::model::BinRegion| {
        let mut regions = ann.regions.iter();
        let region = regions.find(|region| region.region == bin.region)?;
        let score = &region.brain_score.as_ref()?.brain_score;
        let error = score.center_error.filter(|_| score.splits > 1);
        Some((((bin.start + bin.end) / 2.0, None), (score.center, error)))
    };
    of.bins.iter().filter_map(point).collect()
}

fn in_unit(unit: &str) -> String {
    match unit {
        "" => String::new(),
        unit => format!(" in {unit}"),
    }
}
