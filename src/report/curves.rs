//! Learning curves: losses of the networks' best trials, epoch by epoch.

use super::canvas::Marker;
use super::figures::{self, Figure};
use super::gather::{Network, Report};
use super::plot::{Form, Plot, Series, Value as Point};
use super::table::{OnPage, Table, Value, field, short};
use super::tables;
use crate::row;
use nrp_proto::plain;
use serde::Serialize;

/// How many times the lowest loss the highest must be for an axis of powers.
const WIDE: f64 = 10.0;

/// Losses of one trial: mean squared errors in fitted units, from the first epoch on; null where
/// undefined.
#[derive(Debug, Serialize)]
pub(super) struct Curve {
    pub(super) ann: String,
    pub(super) region: String,
    pub(super) trial: Option<String>,
    pub(super) training_mse: Vec<f32>,
    pub(super) validation_mse: Vec<f32>,
    /// Which of the report's networks.
    #[serde(skip)]
    network: usize,
}

/// Of every network in every region, as far as its best trial has them.
pub(super) fn all(report: &Report) -> Vec<Curve> {
    let labels = report.labels();
    let mut curves = Vec::new();
    for region in report.regions() {
        for (number, (network, label)) in report.networks.iter().zip(&labels).enumerate() {
            let Some(best) = network.network_in(region) else {
                continue;
            };
            let details = best.details.as_ref();
            let details = details.filter(|of| !of.validation_mse.is_empty());
            curves.extend(details.map(|details| Curve {
                ann: label.clone(),
                region: region.to_owned(),
                trial: best.row.cell.trial.clone(),
                training_mse: details.training_mse.clone(),
                validation_mse: details.validation_mse.clone(),
                network: number,
            }));
        }
    }
    curves
}

/// A figure for each region, with the curves of all networks.
pub(super) fn figures(report: &Report) -> Vec<Figure> {
    let regions = report.regions().into_iter();
    let of = |(number, region): (usize, &str)| {
        let curves = report.curves.iter().filter(|curve| {
            curve.region == region && report.is_compared(&report.networks[curve.network])
        });
        figure(report, region, number, &curves.collect::<Vec<_>>())
    };
    regions.enumerate().filter_map(of).collect()
}

fn figure(report: &Report, region: &str, number: usize, curves: &[&Curve]) -> Option<Figure> {
    let mut series = Vec::new();
    for curve in curves {
        let marker = Marker {
            number: curve.network,
            hollow: false,
        };
        let of = |name: &str, points: Vec<(Point, Point)>, form: Form| Series {
            name: name.to_owned(),
            marker,
            points,
            form,
        };
        let validation = points(&curve.validation_mse);
        let lowest = validation
            .iter()
            .min_by(|(_, (a, _)), (_, (b, _))| a.total_cmp(b));
        let lowest = lowest.copied().into_iter().collect();
        series.push(of("", points(&curve.training_mse), Form::Dashes));
        series.push(of(&curve.ann, validation, Form::Line));
        series.push(of("", lowest, Form::Points));
    }
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
    let title = format!(
        "Learning curves, {}",
        row::region_label(region, report.sweep.simulated)
    );
    let networks = curves.iter().map(|curve| &report.networks[curve.network]);
    Some(Figure {
        name: format!("curves-{}-{}", plain::file_part(region), number + 1),
        caption: format!(
            "Loss of each ANN's best NRP network on the training stimuli (dashed) and on the validation \
             stimuli, after each epoch: mean squared error in fitted units. A dot marks a curve's lowest \
             validation loss.{}",
            report.left_out()
        ),
        svg: Plot {
            x_name: "epoch",
            y_name: "mean squared error",
            series,
            x_is_whole: true,
            y_is_log: low > 0.0 && high > WIDE * low,
            ..Plot::default()
        }
        .svg(&title, &figures::marks(report, networks)),
        title,
    })
}

/// Epochs, from 1, and losses; undefined ones are left out.
fn points(losses: &[f32]) -> Vec<(Point, Point)> {
    let epochs = (1u32..).zip(losses).filter(|(_, loss)| loss.is_finite());
    let points = epochs.map(|(epoch, loss)| ((epoch.into(), None), (f64::from(*loss), None)));
    points.collect()
}

/// The same as numbers, a row for each epoch.
pub(super) fn table(report: &Report) -> Table {
    let mut rows = Vec::new();
    for curve in &report.curves {
        let network: &Network = &report.networks[curve.network];
        let region = row::region_label(&curve.region, report.sweep.simulated);
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
            fields.extend(tables::weights(network));
            rows.push(fields);
        }
    }
    Table {
        name: "curves",
        title: "Learning curves",
        note: "Losses of each ANN's best NRP network after each epoch, the 1000th at most: mean squared \
               error in fitted units."
            .to_owned(),
        rows,
        on_page: OnPage::Some(Vec::new()),
    }
}
