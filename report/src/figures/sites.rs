//! Sites: Pearson's r of each site, the best predicted site first.

use super::figure::{Drawing, Figure};
use crate::caveats::{Caveats, left_out};
use crate::draw::canvas::Marker;
use crate::draw::plot::{Form, Plot, Series, Value};
use crate::model::{AnnResults, RankedSites, Site};
use nrp_proto::plain;

/// A figure for each region, with the correlations of all ANNs that are compared.
pub(crate) fn all(sites: &[RankedSites], anns: &AnnResults, caveats: &Caveats) -> Vec<Figure> {
    let regions = (1..).zip(sites);
    let of = |(number, region)| figure(region, number, anns, caveats);
    regions.map(of).collect()
}

fn figure(of: &RankedSites, number: usize, anns: &AnnResults, caveats: &Caveats) -> Figure {
    Figure {
        name: format!("sites-{}-{number}", plain::file_part(&of.region)),
        title: format!("Sites by predictability, {}", caveats.region(&of.region)),
        caption: format!(
            "Pearson's r between each site's responses to test stimuli and the predictions of each ANN's \
             best NRP network. Sites are sorted by the r of {}, which has the lowest validation loss. The \
             square root of a site's noise ceiling is the highest r that a perfect predictor could reach, \
             given the site's noise.{}",
            of.sorted_by,
            left_out(anns)
        ),
        marks: caveats.marks(of.networks.iter().map(|number| &anns[*number])),
        drawing: Drawing::Plot(Plot {
            x_name: "site, from the best predicted",
            y_name: "Pearson's r",
            series: series(of),
            x_is_whole: true,
            y_zero: true,
            ..Plot::default()
        }),
    }
}

/// The highest possible r of each site, and a series for each ANN.
fn series(of: &RankedSites) -> Vec<Series> {
    let highest = |site: &Site| site.ceiling.filter(|of| *of >= 0.0).map(f32::sqrt);
    let highest = points(of, &highest);
    let mut series = Vec::new();
    if !highest.is_empty() {
        series.push(Series {
            name: "√ceiling of the site".to_owned(),
            marker: Marker::NEUTRAL,
            points: highest,
            form: Form::Ticks,
        });
    }
    let of_anns = of.networks.iter().zip(&of.anns).enumerate();
    let of_anns = of_anns.map(|(place, (network, ann))| Series {
        name: ann.clone(),
        marker: Marker::solid(*network),
        points: points(of, &|site| site.predicted[place].pearson),
        form: if *ann == of.sorted_by {
            Form::Line
        } else {
            Form::Dots
        },
    });
    // The line lies over the dots.
    let (lines, dots): (Vec<_>, Vec<_>) = of_anns.partition(|of| of.form == Form::Line);
    series.extend(dots);
    series.extend(lines);
    series
}

/// Ranks, from 1, and values; sites without a value are left out.
fn points(of: &RankedSites, value: &dyn Fn(&Site) -> Option<f32>) -> Vec<(Value, Value)> {
    let sites = (1u32..).zip(&of.sites);
    let points = sites.filter_map(|(rank, site)| {
        let point: (Value, Value) = ((rank.into(), None), (value(site)?.into(), None));
        Some(point)
    });
    points.collect()
}
