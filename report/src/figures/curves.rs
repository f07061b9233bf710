//! Learning curves: losses of the best NRP networks, epoch by epoch.

use super::figure::{Drawing, Figure};
use crate::caveats::{Caveats, left_out};
use crate::draw::canvas::Marker;
use crate::draw::plot::{Form, Plot, Series, Value};
use crate::model::{AnnResults, Curve};
use nrp_proto::plain;

/// Ratio of the highest to the lowest loss above which the axis is logarithmic.
const WIDE: f64 = 10.0;

/// A figure for each region, with the curves of all ANNs that are compared.
pub(crate) fn all(curves: &[Curve], anns: &AnnResults, caveats: &Caveats) -> Vec<Figure> {
    let regions = anns.regions().into_iter();
    let of = |(number, region): (usize, &str)| {
        let of_region = curves.iter().filter(|curve| curve.region == region);
        let compared = of_region.filter(|curve| anns.is_compared(&anns[curve.network]));
        figure(
            &compared.collect::<Vec<_>>(),
            (number, region),
            anns,
            caveats,
        )
    };
    regions.enumerate().filter_map(of).collect()
}

fn figure(
    curves: &[&Curve],
    (number, region): (usize, &str),
    anns: &AnnResults,
    caveats: &Caveats,
) -> Option<Figure> {
    let mut series: Vec<Series> = curves.iter().flat_map(|curve| of_curve(curve)).collect();
    if series.iter().all(|series| series.points.is_empty()) {
        return None;
    }
    series.extend(
        [("validation", Form::Line), ("training", Form::Dashes)].map(|(name, form)| Series {
            name: name.to_owned(),
            marker: Marker::NEUTRAL,
            points: Vec::new(),
            form,
        }),
    );
    let losses = series.iter().flat_map(|of| &of.points).map(|(_, (y, _))| y);
    let (low, high) = losses.fold((f64::INFINITY, 0.0f64), |(low, high), loss| {
        (loss.min(low), loss.max(high))
    });
    Some(Figure {
        name: format!("curves-{}-{}", plain::file_part(region), number + 1),
        title: format!("Learning curves, {}", caveats.region(region)),
        caption: format!(
            "Loss of each ANN's best NRP network on the training stimuli (dashed) and on the validation \
             stimuli, after each epoch: mean squared error in fitted units. A dot marks a curve's lowest \
             validation loss.{}",
            left_out(anns)
        ),
        marks: caveats.marks(curves.iter().map(|curve| &anns[curve.network])),
        drawing: Drawing::Plot(Plot {
            x_name: "epoch",
            y_name: "mean squared error",
            series,
            x_is_whole: true,
            y_is_log: low > 0.0 && high > WIDE * low,
            ..Plot::default()
        }),
    })
}

/// Training loss, validation loss, and the lowest validation loss.
fn of_curve(curve: &Curve) -> [Series; 3] {
    let of = |name: &str, points: Vec<(Value, Value)>, form: Form| Series {
        name: name.to_owned(),
        marker: Marker::solid(curve.network),
        points,
        form,
    };
    let validation = points(&curve.validation_mse);
    let lowest = validation
        .iter()
        .min_by(|(_, (a, _)), (_, (b, _))| a.total_cmp(b));
    let lowest = lowest.copied().into_iter().collect();
    [
        of("", points(&curve.training_mse), Form::Dashes),
        of(&curve.ann, validation, Form::Line),
        of("", lowest, Form::Points),
    ]
}

/// Epochs, from 1, and losses; undefined losses are left out.
fn points(losses: &[f32]) -> Vec<(Value, Value)> {
    let epochs = (1u32..).zip(losses).filter(|(_, loss)| loss.is_finite());
    let points = epochs.map(|(epoch, loss)| ((epoch.into(), None), (f64::from(*loss), None)));
    points.collect()
}
