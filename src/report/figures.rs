//! Figures: what the paper shows, of this sweep, and a profile over layers. Each says on itself what
//! is simulated or random, and how much of the sweep is there.

use super::canvas::{FAINT, INK, Marker};
use super::gather::{Network, Region, Report, Size, Winner};
use super::heat_map::{self, Line, Panel};
use super::plot::{Along, Form, Plot, Reference, Series, Value};
use super::{curves, sites, sparsity};
use crate::{output, row};
use nrp_proto::plain;
use std::collections::HashSet;

/// The figure that shows nothing of the sweep's.
pub(super) const PUBLISHED: &str = "figure-2a-published";

/// One figure, and what its files are called.
pub(super) struct Figure {
    pub(super) name: String,
    pub(super) title: String,
    pub(super) caption: String,
    pub(super) svg: String,
}

/// All figures that the sweep has enough for.
pub(super) fn all(report: &Report) -> Vec<Figure> {
    let mut figures = Vec::new();
    figures.extend(figure_2a(report));
    figures.extend(figure_2a_published(report));
    figures.extend(figure_2b(report));
    figures.extend(figure_2c(report));
    for (number, network) in (1..).zip(&report.networks) {
        figures.extend(figure_3a(report, network, number));
    }
    figures.extend(sparsity::figure_3b(report));
    for (number, network) in (1..).zip(&report.networks) {
        figures.extend(layer_profile(report, network, number));
    }
    figures.extend(sites::figures(report));
    figures.extend(curves::figures(report));
    for figure in &mut figures {
        // What is published has no splits of ours.
        if figure.name != PUBLISHED {
            figure.caption.push_str(&report.of_one_split());
        }
    }
    // Regions `it` and `IT` are the same file's name to some systems.
    let mut taken = HashSet::new();
    for (number, figure) in (1..).zip(&mut figures) {
        if !taken.insert(figure.name.to_lowercase()) {
            figure.name.push_str(&format!("-f{number}"));
        }
    }
    figures
}

/// What must be known of a figure over `networks`, a line each.
pub(super) fn marks<'a>(
    report: &Report,
    networks: impl IntoIterator<Item = &'a Network> + Clone,
) -> Vec<String> {
    let mut marks = Vec::new();
    let random = |network: &Network| network.random_weights;
    let all_random = networks.clone().into_iter().all(random);
    let any_random = networks.into_iter().any(random);
    let of = match (report.sweep.simulated, all_random, any_random) {
        (true, true, _) => Some("Simulated recordings, random weights: says nothing about brains"),
        (true, false, true) => {
            Some("Simulated recordings, some weights random: says nothing about brains")
        }
        (true, false, false) => Some("Simulated recordings: says nothing about brains"),
        (false, true, _) => Some("Random weights: says nothing about trained ANNs"),
        (false, false, true) => Some("Some weights are random: they say nothing of trained ANNs"),
        (false, false, false) => None,
    };
    marks.extend(of.map(str::to_owned));
    if report.protocol.validation_is_test {
        marks.push("Scores are of stimuli that also selected".to_owned());
    }
    if report.is_partial() {
        marks.push(report.progress());
    }
    marks
}

impl Report {
    /// How much of the sweep is there.
    pub(super) fn progress(&self) -> String {
        let stopped = match self.stopped() {
            0 => String::new(),
            1 => ", 1 was stopped early, as the sweep asks".to_owned(),
            stopped => format!(", {stopped} were stopped early, as the sweep asks"),
        };
        format!(
            "{} of {} trials have finished{stopped}",
            self.sweep.finished, self.sweep.trials
        )
    }

    /// What error bars are.
    pub(super) fn bars(&self) -> &'static str {
        match self.winners().any(|winner| winner.over_seeds.is_some()) {
            true => {
                "Bars: standard deviation of the winning configuration's NRP-error over its seeds, \
                 where it has several."
            }
            false => "No error bars: no winning configuration was trained from several seeds.",
        }
    }
}

/// NRP-error against top-1 accuracy.
fn figure_2a(report: &Report) -> Option<Figure> {
    let with_both: Vec<_> = report
        .compared()
        .filter_map(|(number, net)| Some((number, net, net.mean.as_ref()?, net.published?)))
        .collect();
    let series = with_both
        .iter()
        .filter_map(|(number, network, mean, published)| {
            let accuracy = (published.top1, None);
            Some(point(
                network.label(),
                *number,
                false,
                (accuracy, mean.error()?),
            ))
        });
    let series = series.collect();
    let (_, first, mean, _) = with_both.first()?;
    let regions: Vec<&str> = first.regions.iter().map(|of| of.region.as_str()).collect();
    let networks = with_both.iter().map(|(_, network, ..)| *network);
    let title = "Figure 2A: NRP-error against top-1 accuracy";
    Some(Figure {
        name: "figure-2a".to_owned(),
        title: title.to_owned(),
        caption: format!(
            "Mean over {} of the NRP-error of each ANN's best configurations, in the recordings' own \
             units, against the accuracy on ImageNet that is published of the trained ANN. {}{}",
            regions.join(" and "),
            report.bars(),
            report.left_out()
        ),
        svg: Plot {
            x_name: "top-1 accuracy",
            y_name: "NRP-error, mean over regions",
            series,
            references: references(mean, Along::Y, ""),
            ..Plot::default()
        }
        .svg(title, &marks(report, networks)),
    })
}

/// The paper's own Figure 2A, of the same ANNs. Its errors are in other units than ours, and so are on
/// an axis of their own.
fn figure_2a_published(report: &Report) -> Option<Figure> {
    let mut series: Vec<Series> = Vec::new();
    for (number, network) in report.compared() {
        let Some(published) = network.published.filter(|_| network.mean.is_some()) else {
            continue;
        };
        // The same ANN may be there with several weights.
        if series.iter().any(|of| of.name == network.ann) {
            continue;
        }
        let at = ((published.top1, None), (published.nrp_error, None));
        series.push(point(network.ann.clone(), number, true, at));
    }
    let title = "Figure 2A as published: NRP-error against top-1 accuracy";
    (!series.is_empty()).then(|| Figure {
        name: PUBLISHED.to_owned(),
        title: title.to_owned(),
        caption:
            "What Anand, Sen & Roy (2021) report of the same ANNs: mean of V4 and IT, in the units \
                  of their recordings. Orders may be compared with Figure 2A's, numbers may not."
                .to_owned(),
        svg: Plot {
            x_name: "top-1 accuracy",
            y_name: "published NRP-error, units of the paper",
            series,
            ..Plot::default()
        }
        .svg(title, &["Published numbers, none of this sweep".to_owned()]),
    })
}

/// A series of one point.
fn point(name: String, number: usize, hollow: bool, at: (Value, Value)) -> Series {
    Series {
        name,
        marker: Marker { number, hollow },
        points: vec![at],
        form: Form::Points,
    }
}

/// Linear baselines against NRP networks: in IT, as the paper has it, or else in the first region that
/// has both.
fn figure_2b(report: &Report) -> Option<Figure> {
    let all = report.compared().flat_map(|(_, network)| &network.regions);
    let with_both = all.filter(|of| of.best.is_some() && !of.baselines.is_empty());
    let regions: Vec<&str> = with_both.map(|of| of.region.as_str()).collect();
    let name = *regions
        .iter()
        .find(|name| **name == "IT")
        .or(regions.first())?;
    let mut series = Vec::new();
    let mut shown = Vec::new();
    for (_, network) in report.compared() {
        let Some(region) = network.regions.iter().find(|of| of.region == name) else {
            continue;
        };
        let Some(best) = &region.best else { continue };
        for baseline in &region.baselines {
            let (error, linear) = (best.error()?, baseline.scores.nrp_error?);
            shown.push((network, best));
            series.push(Series {
                name: format!("{}, {}", baseline.cell.model_label(), network.label()),
                marker: Marker {
                    number: series.len(),
                    hollow: false,
                },
                points: vec![((linear, None), error)],
                form: Form::Points,
            });
        }
    }
    let (_, best) = shown.first()?;
    let region = row::region_label(name, report.sweep.simulated);
    let title = format!("Figure 2B: linear baselines against NRP networks, {region}");
    Some(Figure {
        name: "figure-2b".to_owned(),
        caption: format!(
            "Mean absolute error of each ANN's linear baselines and of its best NRP network, each on \
             the layer set that is best for it by validation loss. Below the diagonal the network is \
             better. {}{}",
            report.bars(),
            report.left_out()
        ),
        svg: Plot {
            x_name: "error of the linear baseline",
            y_name: "NRP-error",
            series,
            references: references(best, Along::Y, ""),
            diagonal: true,
            ..Plot::default()
        }
        .svg(
            &title,
            &marks(report, shown.iter().map(|(network, _)| *network)),
        ),
        title,
    })
}

/// V4 against IT.
fn figure_2c(report: &Report) -> Option<Figure> {
    let with_both: Vec<_> = report
        .compared()
        .filter_map(|(number, net)| Some((number, net, net.best_in("V4")?, net.best_in("IT")?)))
        .collect();
    let (_, _, v4, it) = with_both.first()?;
    let mut references_of_both = references(v4, Along::X, ", V4");
    references_of_both.extend(references(it, Along::Y, ", IT"));
    let series = with_both.iter().filter_map(|(number, network, v4, it)| {
        Some(Series {
            name: network.label(),
            marker: Marker {
                number: *number,
                hollow: false,
            },
            points: vec![(v4.error()?, it.error()?)],
            form: Form::Points,
        })
    });
    let title = "Figure 2C: NRP-error in V4 and in IT";
    Some(Figure {
        name: "figure-2c".to_owned(),
        title: title.to_owned(),
        caption: format!(
            "NRP-error of each ANN's best configuration in either region. {}{}",
            report.bars(),
            report.left_out()
        ),
        svg: Plot {
            x_name: "NRP-error, V4",
            y_name: "NRP-error, IT",
            series: series.collect(),
            references: references_of_both,
            diagonal: true,
            ..Plot::default()
        }
        .svg(
            title,
            &marks(report, with_both.iter().map(|(_, network, ..)| *network)),
        ),
    })
}

/// NRP-error over the sizes of the NRP network.
fn figure_3a(report: &Report, network: &Network, number: usize) -> Option<Figure> {
    let regions = network.regions.iter();
    let lines: Vec<Line> = regions
        .filter_map(|region| {
            Some(Line {
                note: comparison(region)?,
                panels: panels(report, region),
            })
        })
        .collect();
    if network.regions.iter().all(|region| region.sizes.len() < 2) {
        return None;
    }
    let title = format!(
        "Figure 3A: NRP-error over network sizes, {}",
        network.label()
    );
    Some(Figure {
        name: format!("figure-3a-{}-{number}", plain::file_part(&network.ann)),
        caption: "NRP-error, on test stimuli, of the best of all trials of each size, chosen by \
                  validation loss. Dark is a high error, on a scale of its own for each region."
            .to_owned(),
        svg: heat_map::svg(&title, &marks(report, [network]), &lines),
        title,
    })
}

/// A panel for each depth.
fn panels(report: &Report, region: &Region) -> Vec<Panel> {
    let by_depth = region
        .sizes
        .chunk_by(|a, b| a.best.cell.depth == b.best.cell.depth);
    let panel = |sizes: &[Size]| {
        let mut rows: Vec<_> = sizes.iter().map(|size| size.best.cell.l1).collect();
        let mut columns: Vec<_> = sizes.iter().map(|size| size.best.cell.l2).collect();
        for sides in [&mut rows, &mut columns] {
            sides.sort_unstable();
            sides.dedup();
        }
        let cells = sizes.iter().filter_map(|size| {
            let row = rows.iter().position(|l1| *l1 == size.best.cell.l1)?;
            let column = columns.iter().position(|l2| *l2 == size.best.cell.l2)?;
            Some((row, column, size.best.scores.nrp_error?))
        });
        let region = row::region_label(&region.region, report.sweep.simulated);
        let depth = sizes.first().and_then(|size| size.best.cell.depth);
        Panel {
            name: format!("{region}, depth {}", depth.unwrap_or_default()),
            cells: cells.collect(),
            rows,
            columns,
        }
    };
    by_depth.map(panel).collect()
}

/// The best NRP-error of each layer set.
fn layer_profile(report: &Report, network: &Network, number: usize) -> Option<Figure> {
    let mut names: Vec<String> = Vec::new();
    for set in network.regions.iter().flat_map(|region| &region.layer_sets) {
        let name = set.best.cell.layers_label();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if names.len() < 2 {
        return None;
    }
    let mut series = Vec::new();
    let mut all_references = Vec::new();
    for (number, region) in network.regions.iter().enumerate() {
        let marker = Marker {
            number,
            hollow: false,
        };
        let points = region.layer_sets.iter().filter_map(|set| {
            let name = set.best.cell.layers_label();
            let place = names.iter().position(|of| *of == name)?;
            Some(((set.best.scores.nrp_error?, None), (place as f64, None)))
        });
        series.push(Series {
            name: row::region_label(&region.region, report.sweep.simulated),
            marker,
            points: points.collect(),
            form: Form::Points,
        });
        if let Some(best) = &region.best {
            let suffix = format!(", {}", region.region);
            let of_region = references(best, Along::X, &suffix);
            all_references.extend(of_region.into_iter().map(|reference| Reference {
                colour: marker.colour(),
                ..reference
            }));
        }
    }
    let title = format!("NRP-error over layers, {}", network.label());
    Some(Figure {
        name: format!("layers-{}-{number}", plain::file_part(&network.ann)),
        caption: "NRP-error, on test stimuli, of the best of all trials that see a layer set, \
                  chosen by validation loss, in the order of the sweep."
            .to_owned(),
        svg: Plot {
            x_name: "NRP-error",
            y_name: "",
            y_categories: names,
            series,
            references: all_references,
            ..Plot::default()
        }
        .svg(&title, &marks(report, [network])),
        title,
    })
}

/// What an error is to be compared with: that of the mean predictor, and the noise floor where
/// there is one.
pub(super) fn references(winner: &Winner, along: Along, suffix: &str) -> Vec<Reference> {
    let scores = &winner.row.scores;
    let reference = |name: &str, value: Option<f64>, colour, dash| {
        value.map(|value| Reference {
            name: format!("{name}{suffix} ({})", output::significant(value)),
            along,
            value,
            colour,
            dash,
        })
    };
    let mean = reference("mean predictor", scores.mean_predictor_error, INK, 10);
    let floor = reference("noise floor", scores.noise_floor, FAINT, 3);
    mean.into_iter().chain(floor).collect()
}

/// The same in words.
fn comparison(region: &Region) -> Option<String> {
    let scores = &region.best.as_ref()?.row.scores;
    let mean = scores.mean_predictor_error?;
    let floor = match scores.noise_floor {
        Some(floor) => format!("noise floor {}", output::significant(floor)),
        None => "noise floor not known".to_owned(),
    };
    Some(format!(
        "{}: mean predictor {}, {floor}",
        region.region,
        output::significant(mean)
    ))
}
