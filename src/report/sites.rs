//! Sites: how well the networks' best trials predict each site, the best predicted first.

use super::canvas::Marker;
use super::figures::{self, Figure};
use super::gather::Report;
use super::plot::{Form, Plot, Series, Value as Point};
use super::table::{OnPage, Table, Value, column_part, field, short};
use crate::row;
use nrp_proto::plain;
use nrp_proto::wire;
use serde::Serialize;

/// Of a long table, sites of each region on the page: as many of the best as of the worst.
const ON_PAGE: usize = 10;

/// The sites of a region.
#[derive(Debug, Serialize)]
pub(super) struct RegionSites {
    pub(super) region: String,
    /// Those in whose best trials' details the sites are.
    pub(super) anns: Vec<String>,
    /// By which of them the sites are sorted: the one with the lowest validation loss.
    pub(super) sorted_by: String,
    /// The highest correlation first; without one last.
    pub(super) sites: Vec<Site>,
    /// Which of the report's networks the ANNs are.
    #[serde(skip)]
    networks: Vec<usize>,
}

/// One site.
#[derive(Debug, Serialize)]
pub(super) struct Site {
    /// As the recordings name it; its number where that is not known.
    pub(super) name: String,
    /// Spearman-Brown corrected split-half correlation; absent where it is not known.
    pub(super) ceiling: Option<f32>,
    /// In the order of the ANNs.
    pub(super) predicted: Vec<Predicted>,
}

/// How an ANN's best trial predicts a site.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Predicted {
    /// Mean absolute error over test stimuli.
    pub(super) nrp_error: Option<f32>,
    pub(super) pearson: Option<f32>,
}

/// Of every region, as far as the best trials of networks that are compared have them.
pub(super) fn all(report: &Report) -> Vec<RegionSites> {
    let labels = report.labels();
    let of = |region: &str| region_sites(report, region, &labels);
    report.regions().into_iter().filter_map(of).collect()
}

fn region_sites(report: &Report, region: &str, labels: &[String]) -> Option<RegionSites> {
    let with_sites: Vec<(usize, f64, &wire::Details)> = report
        .compared()
        .filter_map(|(number, network)| {
            let best = network.network_in(region)?;
            let details = best
                .details
                .as_ref()
                .filter(|of| !of.site_pearson.is_empty())?;
            Some((number, best.row.scores.validation_mse?, details))
        })
        .collect();
    let losses = with_sites.iter().map(|(_, loss, _)| loss).enumerate();
    let (first, _) = losses.min_by(|(_, a), (_, b)| a.total_cmp(b))?;
    let count = with_sites[first].2.site_pearson.len();
    let known = report.spec.sites.iter().find(|of| of.region == region);
    // Names of other sites would be worse than none.
    let known = known.filter(|known| known.names.len() == count);
    let at = |values: &[f32], site: usize| values.get(site).copied().filter(|of| of.is_finite());
    let mut sites: Vec<Site> = (0..count)
        .map(|site| Site {
            name: known.map_or_else(|| (site + 1).to_string(), |of| of.names[site].clone()),
            ceiling: known.and_then(|known| at(&known.ceilings, site)),
            predicted: with_sites
                .iter()
                .map(|(_, _, details)| Predicted {
                    nrp_error: at(&details.site_error, site),
                    pearson: at(&details.site_pearson, site),
                })
                .collect(),
        })
        .collect();
    let key = |site: &Site| site.predicted[first].pearson.unwrap_or(f32::NEG_INFINITY);
    sites.sort_by(|a, b| key(b).total_cmp(&key(a)));
    let label = |(number, ..): &(usize, f64, _)| labels[*number].clone();
    Some(RegionSites {
        region: region.to_owned(),
        sorted_by: label(&with_sites[first]),
        anns: with_sites.iter().map(label).collect(),
        networks: with_sites.iter().map(|(number, ..)| *number).collect(),
        sites,
    })
}

/// A figure for each region, with the correlations of all networks.
pub(super) fn figures(report: &Report) -> Vec<Figure> {
    let regions = report.sites.iter().enumerate();
    regions
        .map(|(number, region)| figure(report, region, number))
        .collect()
}

fn figure(report: &Report, of: &RegionSites, number: usize) -> Figure {
    let points = |value: &dyn Fn(&Site) -> Option<f32>| {
        let sites = (1u32..).zip(&of.sites);
        let points = sites.filter_map(|(rank, site)| {
            let point: (Point, Point) = ((rank.into(), None), (value(site)?.into(), None));
            Some(point)
        });
        points.collect::<Vec<_>>()
    };
    let highest = points(&|site| site.ceiling.filter(|of| *of >= 0.0).map(f32::sqrt));
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
        marker: Marker {
            number: *network,
            hollow: false,
        },
        points: points(&|site| site.predicted[place].pearson),
        form: match *ann == of.sorted_by {
            true => Form::Line,
            false => Form::Dots,
        },
    });
    // The line over the dots.
    let (lines, dots): (Vec<_>, Vec<_>) = of_anns.partition(|of| of.form == Form::Line);
    series.extend(dots);
    series.extend(lines);
    let title = format!(
        "Sites by predictability, {}",
        row::region_label(&of.region, report.sweep.simulated)
    );
    let networks = of.networks.iter().map(|number| &report.networks[*number]);
    Figure {
        name: format!("sites-{}-{}", plain::file_part(&of.region), number + 1),
        caption: format!(
            "Pearson's r of each site, as each ANN's best NRP network predicts its test stimuli. Sites are \
             in the order of r of {}, which has the lowest validation loss. The square root of a site's \
             noise ceiling is the highest r that its noise leaves to a predictor of its true rates.{}",
            of.sorted_by,
            report.left_out()
        ),
        svg: Plot {
            x_name: "site, from the best predicted",
            y_name: "Pearson's r",
            series,
            x_is_whole: true,
            y_zero: true,
            ..Plot::default()
        }
        .svg(&title, &figures::marks(report, networks)),
        title,
    }
}

/// The same as numbers, a row for each site and two columns for each ANN.
pub(super) fn table(report: &Report) -> Table {
    let labels = report.labels();
    let mut rows = Vec::new();
    let mut on_page = Vec::new();
    for of in &report.sites {
        let region = row::region_label(&of.region, report.sweep.simulated);
        for (rank, site) in of.sites.iter().enumerate() {
            if rank < ON_PAGE || rank + ON_PAGE >= of.sites.len() {
                on_page.push(rows.len());
            }
            let score = |score: Option<f32>| Value::Score(score.map(short));
            let mut fields = vec![
                field("region", "region", Value::Word(region.clone())),
                field("rank", "rank", Value::Count(Some(rank as u64 + 1))),
                field("site", "site", Value::Word(site.name.clone())),
                field("ceiling", "ceiling", score(site.ceiling)),
            ];
            for (network, label) in labels.iter().enumerate() {
                // Columns are the same in all regions.
                if report
                    .sites
                    .iter()
                    .all(|of| !of.networks.contains(&network))
                {
                    continue;
                }
                let place = of.networks.iter().position(|of| *of == network);
                let predicted = place.map(|place| site.predicted[place]);
                let part = column_part(label);
                fields.push(field(
                    format!("r, {label}"),
                    format!("pearson_{part}"),
                    score(predicted.and_then(|of| of.pearson)),
                ));
                fields.push(field(
                    format!("NRP-error, {label}"),
                    format!("nrp_error_{part}"),
                    score(predicted.and_then(|of| of.nrp_error)),
                ));
            }
            rows.push(fields);
        }
    }
    Table {
        name: "sites",
        title: "Sites by predictability",
        note: format!(
            "Of each ANN's best NRP network, on test stimuli; sites in the order of the figure. Of a \
             region with more than {} sites, the page has the best and the worst {ON_PAGE}.",
            2 * ON_PAGE
        ),
        rows,
        on_page: OnPage::Some(on_page),
    }
}
