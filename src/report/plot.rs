//! Plot: points with error bars in two dimensions, reference lines, and a legend beside them.

use super::canvas::{self, Align, Drawn, FAINT, HEAD, INK, Marker, Screen};
use plotters::element::DashedPathElement;
use plotters::prelude::*;
use std::ops::Range;

/// Width of a plot without its legend, and of the legend.
const WIDTH: i32 = 640;
const LEGEND: i32 = 300;
/// Height of a plot's axes and what is between them.
const HEIGHT: i32 = 400;
/// Height of a category, where there are such instead of numbers.
const CATEGORY: i32 = 30;
/// Width of a category's name.
const NAMES: i32 = 240;
/// Letters of a name that fit.
const NAME_CHARS: usize = 32;
/// Height of a line of the legend.
const LINE: i32 = 22;

/// A number and its spread, if that is known.
pub(super) type Value = (f64, Option<f64>);

/// Which axis a value is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Along {
    X,
    Y,
}

/// Points that belong together.
pub(super) struct Series {
    pub(super) name: String,
    pub(super) marker: Marker,
    pub(super) points: Vec<(Value, Value)>,
    /// Whether a line joins them.
    pub(super) joined: bool,
}

/// A value that others are compared with: a line across the plot.
pub(super) struct Reference {
    pub(super) name: String,
    pub(super) along: Along,
    pub(super) value: f64,
    pub(super) colour: RGBColor,
    /// Lengths of its dashes in pixels.
    pub(super) dash: i32,
}

/// A plot before it is drawn.
pub(super) struct Plot {
    pub(super) x_name: &'static str,
    pub(super) y_name: &'static str,
    /// Names of y = 0, 1, …, from the top; empty where y is a number.
    pub(super) y_categories: Vec<String>,
    pub(super) series: Vec<Series>,
    pub(super) references: Vec<Reference>,
    /// Whether a line shows where x and y are equal.
    pub(super) diagonal: bool,
}

impl Plot {
    /// The whole figure as SVG.
    pub(super) fn svg(&self, title: &str, marks: &[String]) -> String {
        let left = match self.y_categories.is_empty() {
            true => 0,
            false => NAMES,
        };
        let body = match self.y_categories.len() as i32 {
            0 => HEIGHT,
            categories => categories * CATEGORY + 80,
        };
        let entries = self.series.len() + self.references.len() + usize::from(self.diagonal);
        let height = HEAD + body.max(entries as i32 * LINE + 20);
        let size = ((left + WIDTH + LEGEND) as u32, height as u32);
        canvas::svg(size, title, marks, |screen| {
            self.body(screen, left)?;
            self.legend(screen, left + WIDTH + 8)
        })
    }

    fn body(&self, screen: &Screen<'_>, left: i32) -> Drawn {
        let (x, mut y) = self.ranges();
        let categories = self.y_categories.len();
        if categories > 0 {
            // The first one on top.
            y = categories as f64 - 0.5..-0.5;
        }
        let area = screen.margin(HEAD, 0, left, LEGEND);
        let mut chart = ChartBuilder::on(&area)
            .margin_left(16)
            .margin_right(16)
            .margin_top(8)
            .x_label_area_size(52)
            .y_label_area_size(if categories == 0 { 76 } else { 8 })
            .build_cartesian_2d(x.clone(), y.clone())?;
        let mut mesh = chart.configure_mesh();
        mesh.x_desc(self.x_name)
            .axis_desc_style(("sans-serif", 17, &INK))
            .label_style(("sans-serif", 15, &INK))
            .light_line_style(TRANSPARENT)
            .bold_line_style(INK.mix(0.1))
            .axis_style(INK.mix(0.5))
            .x_labels(7)
            .x_label_formatter(&short)
            .y_label_formatter(&short);
        match categories {
            0 => mesh.y_labels(8).y_desc(self.y_name),
            _ => mesh.y_labels(0).disable_y_mesh(),
        };
        mesh.draw()?;
        let pixel = |x: f64, y: f64| chart.plotting_area().map_coordinate(&(x, y));
        let line = |from, to, colour: RGBColor, dash: i32| {
            let points = vec![from, to];
            let style = colour.stroke_width(2);
            screen.draw(&DashedPathElement::new(points, dash, 4, style))
        };
        for (number, name) in self.y_categories.iter().enumerate() {
            let (_, at) = pixel(x.start, number as f64);
            let name = cut(name);
            canvas::text(screen, &name, (left - 4, at), Align::Right, 15, INK)?;
        }
        if self.diagonal {
            line(pixel(x.start, y.start), pixel(x.end, y.end), FAINT, 2)?;
        }
        for of in &self.references {
            let (from, to) = match of.along {
                Along::X => (pixel(of.value, y.start), pixel(of.value, y.end)),
                Along::Y => (pixel(x.start, of.value), pixel(x.end, of.value)),
            };
            line(from, to, of.colour, of.dash)?;
        }
        for series in &self.series {
            let colour = series.marker.colour();
            if series.joined {
                let points = series.points.iter();
                let points: Vec<_> = points.map(|((x, _), (y, _))| pixel(*x, *y)).collect();
                screen.draw(&PathElement::new(points, colour.mix(0.6).stroke_width(2)))?;
            }
            for &((x, x_sd), (y, y_sd)) in &series.points {
                if let Some(sd) = x_sd {
                    bar(screen, pixel(x - sd, y), pixel(x + sd, y), colour)?;
                }
                if let Some(sd) = y_sd {
                    bar(screen, pixel(x, y - sd), pixel(x, y + sd), colour)?;
                }
                series.marker.draw(screen, pixel(x, y))?;
            }
        }
        Ok(())
    }

    fn legend(&self, screen: &Screen<'_>, left: i32) -> Drawn {
        let mut at = HEAD + 18;
        let name = |text: &str, at| {
            canvas::text(screen, &cut(text), (left + 34, at), Align::Left, 15, INK)
        };
        for series in &self.series {
            series.marker.draw(screen, (left + 14, at))?;
            name(&series.name, at)?;
            at += LINE;
        }
        let references = self.references.iter();
        let lines = references.map(|of| (of.name.as_str(), of.colour, of.dash));
        let diagonal = self.diagonal.then_some(("equal errors", FAINT, 2));
        for (text, colour, dash) in lines.chain(diagonal) {
            let points = vec![(left, at), (left + 28, at)];
            let style = colour.stroke_width(2);
            screen.draw(&DashedPathElement::new(points, dash, 4, style))?;
            name(text, at)?;
            at += LINE;
        }
        Ok(())
    }

    /// What the axes show: the same numbers where equal ones lie on a line.
    fn ranges(&self) -> (Range<f64>, Range<f64>) {
        let (x, y) = (self.range(Along::X), self.range(Along::Y));
        match self.diagonal {
            true => {
                let both = x.start.min(y.start)..x.end.max(y.end);
                (both.clone(), both)
            }
            false => (x, y),
        }
    }

    /// From the lowest to the highest number on an axis, and a little more.
    fn range(&self, along: Along) -> Range<f64> {
        let of = |(x, y): &(Value, Value)| match along {
            Along::X => *x,
            Along::Y => *y,
        };
        let points = self.series.iter().flat_map(|series| &series.points);
        let ends = points.map(of).flat_map(|(value, sd)| {
            let sd = sd.unwrap_or(0.0);
            [value - sd, value + sd]
        });
        let references = self.references.iter().filter(|of| of.along == along);
        let all = ends.chain(references.map(|of| of.value));
        let (low, high) = all.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        });
        let margin = match high - low {
            0.0 => 0.5 * high.abs().max(0.1),
            width => 0.08 * width,
        };
        low - margin..high + margin
    }
}

/// An error bar.
fn bar(screen: &Screen<'_>, from: (i32, i32), to: (i32, i32), colour: RGBColor) -> Drawn {
    screen.draw(&PathElement::new([from, to], colour.stroke_width(2)))?;
    for (x, y) in [from, to] {
        let (dx, dy) = match from.0 == to.0 {
            true => (5, 0),
            false => (0, 5),
        };
        let cap = [(x - dx, y - dy), (x + dx, y + dy)];
        screen.draw(&PathElement::new(cap, colour.stroke_width(2)))?;
    }
    Ok(())
}

/// A number on an axis, without the digits that arithmetic leaves behind.
fn short(value: &f64) -> String {
    let rounded = (value * 1e6).round() / 1e6;
    rounded.to_string()
}

/// A name as far as it fits.
fn cut(name: &str) -> String {
    match name.char_indices().nth(NAME_CHARS) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_equal_errors_is_within_the_axes_though_the_errors_are_far_apart() {
        let plot = |diagonal| Plot {
            x_name: "",
            y_name: "",
            y_categories: Vec::new(),
            series: vec![Series {
                name: String::new(),
                marker: Marker {
                    number: 0,
                    hollow: false,
                },
                points: vec![((0.80, None), (0.89, Some(0.01)))],
                joined: false,
            }],
            references: Vec::new(),
            diagonal,
        };
        let (x, y) = plot(true).ranges();
        assert_eq!(x, y);
        assert!(x.contains(&0.80) && y.contains(&0.90));
        assert_ne!(plot(false).range(Along::X), plot(false).range(Along::Y));
    }
}
