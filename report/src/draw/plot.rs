//! Plot: points with error bars, lines and reference lines, with a legend beside them.

use super::canvas::{self, Align, Drawn, FAINT, INK, Marker, Screen};
use crate::text;
use plotters::element::DashedPathElement;
use plotters::prelude::*;
use std::ops::Range;

/// Width of a plot without its legend.
const WIDTH: i32 = 640;
/// Width of the legend.
const LEGEND: i32 = 300;
/// Height of a plot with its axes.
const HEIGHT: i32 = 400;
/// Height of a category, where y has categories instead of numbers.
const CATEGORY: i32 = 30;
/// Width of a category's name.
const NAMES: i32 = 240;
/// Number of characters of a name that fit.
const NAME_CHARS: usize = 32;
/// Pixels from the middle of a small point to its edge.
const DOT: i32 = 2;
/// Height of a line of the legend.
const LINE: i32 = 22;

/// Gives the pixel of a point.
type Place<'a> = dyn Fn(f64, f64) -> (i32, i32) + 'a;

/// A number, and its standard deviation if that is known.
pub(crate) type Value = (f64, Option<f64>);

/// The axis that a value lies on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Along {
    /// The horizontal axis.
    X,
    /// The vertical axis.
    Y,
}

/// How a series is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Points alone.
    Points,
    /// Points, and a line that joins them.
    Joined,
    /// A line without points.
    Line,
    /// A dashed line without points.
    Dashes,
    /// Small points, for series with many of them.
    Dots,
    /// Short horizontal lines, for values that are no scores.
    Ticks,
}

/// Points that belong together.
pub(crate) struct Series {
    /// The name in the legend; a series without a name is left out of the legend.
    pub(crate) name: String,
    /// Colour and shape.
    pub(crate) marker: Marker,
    /// The points' x and y.
    pub(crate) points: Vec<(Value, Value)>,
    /// How the points are drawn.
    pub(crate) form: Form,
}

/// A line across the plot, at a value that others are compared with.
pub(crate) struct Reference {
    /// The name in the legend.
    pub(crate) name: String,
    /// The axis that the value lies on.
    pub(crate) along: Along,
    /// The value.
    pub(crate) value: f64,
    /// The line's colour.
    pub(crate) colour: RGBColor,
    /// Length of the line's dashes in pixels.
    pub(crate) dash: i32,
}

/// A plot before it is drawn.
#[derive(Default)]
pub(crate) struct Plot {
    /// Name of the horizontal axis.
    pub(crate) x_name: &'static str,
    /// Name of the vertical axis.
    pub(crate) y_name: &'static str,
    /// Names of y = 0, 1, …, from the top; empty if y is a number.
    pub(crate) y_categories: Vec<String>,
    /// The series; later ones are drawn over earlier ones.
    pub(crate) series: Vec<Series>,
    /// Lines across the plot.
    pub(crate) references: Vec<Reference>,
    /// Whether a line shows where x and y are equal.
    pub(crate) diagonal: bool,
    /// Whether x takes whole numbers only.
    pub(crate) x_is_whole: bool,
    /// Whether y is logarithmic; then all y must be above 0.
    pub(crate) y_is_log: bool,
    /// Whether a line marks y = 0 if that is within the axes.
    pub(crate) y_zero: bool,
}

impl Plot {
    /// The whole figure as SVG.
    pub(crate) fn svg(&self, title: &str, marks: &[String]) -> String {
        let left = if self.y_categories.is_empty() {
            0
        } else {
            NAMES
        };
        let body = match self.y_categories.len() as i32 {
            0 => HEIGHT,
            categories => categories * CATEGORY + 80,
        };
        let named = self.series.iter().filter(|series| !series.name.is_empty());
        let entries = named.count() + self.references.len() + usize::from(self.diagonal);
        let head = canvas::head(marks);
        let height = head + body.max(entries as i32 * LINE + 20);
        let size = ((left + WIDTH + LEGEND) as u32, height as u32);
        canvas::svg(size, title, marks, |screen| {
            self.body(screen, (left, head))?;
            self.legend(screen, (left + WIDTH + 8, head))
        })
    }

    fn body(&self, screen: &Screen<'_>, (left, head): (i32, i32)) -> Drawn {
        let (x, mut y) = self.ranges();
        let categories = self.y_categories.len();
        if categories > 0 {
            // The first category is at the top.
            y = categories as f64 - 0.5..-0.5;
        }
        let (x_unit, y_unit) = self.units(&x, &y);
        let area = screen.margin(head, 0, left, LEGEND);
        let mut chart = ChartBuilder::on(&area)
            .margin_left(16)
            .margin_right(16)
            .margin_top(8)
            .x_label_area_size(52)
            .y_label_area_size(if categories == 0 { 76 } else { 8 })
            .build_cartesian_2d(
                x.start / x_unit..x.end / x_unit,
                y.start / y_unit..y.end / y_unit,
            )?;
        let (x_span, y_span) = (x.end - x.start, (y.end - y.start).abs());
        let x_label = |value: &f64| {
            if self.x_is_whole {
                whole(*value, x_span)
            } else {
                short(value * x_unit, x_span)
            }
        };
        let y_label = |value: &f64| short(value * y_unit, y_span);
        let mut mesh = chart.configure_mesh();
        mesh.x_desc(self.x_name)
            .axis_desc_style(("sans-serif", 17, &INK))
            .label_style(("sans-serif", 15, &INK))
            .light_line_style(TRANSPARENT)
            .bold_line_style(INK.mix(0.1))
            .axis_style(INK.mix(0.5))
            .x_labels(7)
            .x_label_formatter(&x_label)
            .y_label_formatter(&y_label);
        match (categories, self.y_is_log) {
            (0, false) => mesh.y_labels(8).y_desc(self.y_name),
            (0, true) => mesh.y_labels(0).disable_y_mesh().y_desc(self.y_name),
            (_, _) => mesh.y_labels(0).disable_y_mesh(),
        };
        mesh.draw()?;
        let place = |x: f64, y: f64| {
            let area = chart.plotting_area();
            area.map_coordinate(&(x / x_unit, y / y_unit))
        };
        self.lines(screen, left, (&x, &y), &place)?;
        let pixel = |x: f64, y: f64| place(x, self.scaled(y));
        self.series
            .iter()
            .try_for_each(|series| series.draw(screen, &pixel))
    }

    /// Draws what lies below the series: names of categories, lines of a logarithmic axis, the diagonal,
    /// zero, and references. `place` gives the pixel of a point along the axes.
    fn lines(
        &self,
        screen: &Screen<'_>,
        left: i32,
        (x, y): (&Range<f64>, &Range<f64>),
        place: &Place<'_>,
    ) -> Drawn {
        let pixel = |x: f64, y: f64| place(x, self.scaled(y));
        for (number, name) in self.y_categories.iter().enumerate() {
            let (_, at) = pixel(x.start, number as f64);
            let name = cut(name);
            canvas::text(screen, &name, (left - 4, at), Align::Right, 15, INK)?;
        }
        if self.y_is_log {
            for (number, shown) in powers(y) {
                let (from, to) = (pixel(x.start, number), pixel(x.end, number));
                let at = (from.0 - 8, from.1);
                screen.draw(&PathElement::new([from, to], INK.mix(0.1)))?;
                canvas::text(screen, &shown, at, Align::Right, 15, INK)?;
            }
        }
        if self.diagonal {
            let (from, to) = (place(x.start, y.start), place(x.end, y.end));
            dashed(screen, from, to, (FAINT, 2))?;
        }
        if self.y_zero && y.contains(&0.0) {
            let (from, to) = (pixel(x.start, 0.0), pixel(x.end, 0.0));
            screen.draw(&PathElement::new([from, to], INK.mix(0.5)))?;
        }
        for of in &self.references {
            let (from, to) = match of.along {
                Along::X => (place(of.value, y.start), place(of.value, y.end)),
                Along::Y => (pixel(x.start, of.value), pixel(x.end, of.value)),
            };
            dashed(screen, from, to, (of.colour, of.dash))?;
        }
        Ok(())
    }

    fn legend(&self, screen: &Screen<'_>, (left, head): (i32, i32)) -> Drawn {
        let mut at = head + 18;
        let name = |text: &str, at| {
            canvas::text(screen, &cut(text), (left + 34, at), Align::Left, 15, INK)
        };
        for series in self.series.iter().filter(|series| !series.name.is_empty()) {
            series.draw_key(screen, (left, at))?;
            name(&series.name, at)?;
            at += LINE;
        }
        let references = self.references.iter();
        let lines = references.map(|of| (of.name.as_str(), of.colour, of.dash));
        let diagonal = self.diagonal.then_some(("equal errors", FAINT, 2));
        for (text, colour, dash) in lines.chain(diagonal) {
            dashed(screen, (left, at), (left + 28, at), (colour, dash))?;
            name(text, at)?;
            at += LINE;
        }
        Ok(())
    }

    /// The ranges of both axes; with a diagonal, the same range for both.
    fn ranges(&self) -> (Range<f64>, Range<f64>) {
        let (x, y) = (self.range(Along::X), self.range(Along::Y));
        if self.diagonal {
            let both = x.start.min(y.start)..x.end.max(y.end);
            (both.clone(), both)
        } else {
            (x, y)
        }
    }

    /// From the lowest to the highest number on an axis, with a margin.
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
        let all = all.map(|value| match along {
            Along::X => value,
            Along::Y => self.scaled(value),
        });
        let (low, high) = all.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        });
        let margin = match high - low {
            0.0 if high == 0.0 => 0.05,
            0.0 => 0.5 * high.abs(),
            width => 0.08 * width,
        };
        low - margin..high + margin
    }

    /// The units of x and y, by which numbers are divided before they are drawn: powers of ten for very
    /// small or large numbers, because plotters treats a range narrower than 2e-16 as empty.
    fn units(&self, x: &Range<f64>, y: &Range<f64>) -> (f64, f64) {
        let x_unit = if self.x_is_whole { 1.0 } else { unit(x) };
        let y_is_unscaled = self.y_is_log || !self.y_categories.is_empty();
        let y_unit = if y_is_unscaled { 1.0 } else { unit(y) };
        (x_unit, y_unit)
    }

    /// The position of a number along y.
    fn scaled(&self, y: f64) -> f64 {
        if self.y_is_log { y.log10() } else { y }
    }
}

impl Series {
    /// A series of one point.
    pub(crate) fn point(name: String, marker: Marker, at: (Value, Value)) -> Self {
        Self {
            name,
            marker,
            points: vec![at],
            form: Form::Points,
        }
    }

    /// Draws error bars and points; `pixel` gives the pixel of a point.
    fn draw(&self, screen: &Screen<'_>, pixel: &Place<'_>) -> Drawn {
        let colour = self.marker.colour();
        for &((x, x_sd), (y, y_sd)) in &self.points {
            if let Some(sd) = x_sd {
                bar(screen, pixel(x - sd, y), pixel(x + sd, y), colour)?;
            }
            if let Some(sd) = y_sd {
                bar(screen, pixel(x, y - sd), pixel(x, y + sd), colour)?;
            }
        }
        let pixels = self.points.iter().map(|((x, _), (y, _))| pixel(*x, *y));
        self.draw_at(screen, &pixels.collect::<Vec<_>>())
    }

    fn draw_at(&self, screen: &Screen<'_>, pixels: &[(i32, i32)]) -> Drawn {
        let colour = self.marker.colour();
        let line = |style| screen.draw(&PathElement::new(pixels, style));
        if self.form == Form::Joined {
            line(colour.mix(0.6).stroke_width(2))?;
        }
        match self.form {
            Form::Line => line(colour.stroke_width(2)),
            Form::Dashes => {
                let style = colour.stroke_width(1);
                screen.draw(&DashedPathElement::new(pixels.to_vec(), 4, 3, style))
            }
            Form::Points | Form::Joined => {
                let mut pixels = pixels.iter();
                pixels.try_for_each(|at| self.marker.draw(screen, *at))
            }
            Form::Dots => {
                let mut pixels = pixels.iter();
                pixels.try_for_each(|at| self.marker.draw_sized(screen, *at, DOT))
            }
            Form::Ticks => {
                let mut pixels = pixels.iter();
                pixels.try_for_each(|(x, y)| {
                    let tick = [(x - 3, *y), (x + 3, *y)];
                    screen.draw(&PathElement::new(tick, FAINT.stroke_width(1)))
                })
            }
        }
    }

    /// Draws the series' key in the legend, from `left`.
    fn draw_key(&self, screen: &Screen<'_>, (left, at): (i32, i32)) -> Drawn {
        match self.form {
            Form::Line | Form::Dashes => {
                self.draw_at(screen, &[(left, at), (left + 28, at)])?;
                if self.marker.shares_colour() {
                    self.marker.draw(screen, (left + 14, at))?;
                }
                Ok(())
            }
            Form::Points | Form::Joined | Form::Dots | Form::Ticks => {
                self.draw_at(screen, &[(left + 14, at)])
            }
        }
    }
}

/// Numbers along a logarithmic axis, and their labels: 1, 2 and 5 times each power of ten, or the powers
/// alone if there are many.
fn powers(axis: &Range<f64>) -> Vec<(f64, String)> {
    let mantissas: &[f64] = if axis.end - axis.start > 3.0 {
        &[1.0]
    } else {
        &[1.0, 2.0, 5.0]
    };
    let powers = axis.start.floor() as i32..=axis.end.ceil() as i32;
    let numbers = powers.flat_map(|power| {
        let written = move |of: &f64| format!("{of}e{power}");
        mantissas.iter().map(written)
    });
    let numbers = numbers.filter_map(|written| written.parse::<f64>().ok());
    let within = numbers.filter(|number| axis.contains(&number.log10()));
    within
        .map(|number| {
            let shown = text::number(Some(number));
            (number, shown)
        })
        .collect()
}

/// Draws a dashed line in a colour, with dashes of that many pixels.
fn dashed(
    screen: &Screen<'_>,
    from: (i32, i32),
    to: (i32, i32),
    (colour, dash): (RGBColor, i32),
) -> Drawn {
    let style = colour.stroke_width(2);
    screen.draw(&DashedPathElement::new(vec![from, to], dash, 4, style))
}

/// Draws an error bar.
fn bar(screen: &Screen<'_>, from: (i32, i32), to: (i32, i32), colour: RGBColor) -> Drawn {
    screen.draw(&PathElement::new([from, to], colour.stroke_width(2)))?;
    for (x, y) in [from, to] {
        let (dx, dy) = if from.0 == to.0 { (5, 0) } else { (0, 5) };
        let cap = [(x - dx, y - dy), (x + dx, y + dy)];
        screen.draw(&PathElement::new(cap, colour.stroke_width(2)))?;
    }
    Ok(())
}

/// The power of ten of the largest number on an axis; 1 unless that is very small or large.
fn unit(axis: &Range<f64>) -> f64 {
    let largest = axis.start.abs().max(axis.end.abs());
    if (1e-3..1e6).contains(&largest) || largest == 0.0 {
        1.0
    } else {
        10f64.powf(largest.log10().floor())
    }
}

/// The label of a number on an axis that is `span` long, without digits from rounding errors.
fn short(value: f64, span: f64) -> String {
    if value.abs() < 1e-9 * span {
        return "0".to_owned();
    }
    let digits = value.abs().log10().floor() - span.log10().floor() + 4.0;
    let rounded = format!("{value:.*e}", digits.clamp(0.0, 14.0) as usize);
    let rounded: f64 = rounded.parse().unwrap_or(value);
    if (1e-3..1e6).contains(&rounded.abs()) {
        rounded.to_string()
    } else {
        format!("{rounded:e}")
    }
}

/// As [`short`], for an axis of whole numbers: other numbers have no label.
fn whole(value: f64, span: f64) -> String {
    if value.fract().abs() < 1e-9 {
        short(value, span)
    } else {
        String::new()
    }
}

/// A name, shortened if it does not fit.
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
    fn the_diagonal_is_within_the_axes_even_for_distant_errors() {
        let plot = |diagonal| Plot {
            series: vec![Series {
                name: String::new(),
                marker: Marker {
                    number: 0,
                    hollow: false,
                },
                points: vec![((0.80, None), (0.89, Some(0.01)))],
                form: Form::Points,
            }],
            diagonal,
            ..Plot::default()
        };
        let (x, y) = plot(true).ranges();
        assert_eq!(x, y);
        assert!(x.contains(&0.80) && y.contains(&0.90));
        assert_ne!(plot(false).range(Along::X), plot(false).range(Along::Y));
    }

    #[test]
    fn axes_of_small_units_show_their_numbers() {
        let plot = |errors: [f64; 2]| {
            let plot = Plot {
                x_name: "error",
                series: vec![Series {
                    name: String::new(),
                    marker: Marker::NEUTRAL,
                    points: errors.map(|error| ((error, None), (error, None))).into(),
                    form: Form::Points,
                }],
                ..Plot::default()
            };
            plot.svg("volts", &[])
        };
        let svg = plot([1e-6, 3e-6]);
        for shown in ["\n1e-6\n", "\n2e-6\n", "\n3e-6\n"] {
            assert!(svg.contains(shown), "{shown} in {svg}");
        }
        assert!(!svg.contains("\n0\n"), "{svg}");
        // Squares of picoamperes.
        assert!(plot([1e-24, 3e-24]).contains("\n2e-24\n"));
        let one = Plot {
            references: vec![Reference {
                name: String::new(),
                along: Along::Y,
                value: 2e-6,
                colour: INK,
                dash: 1,
            }],
            ..Plot::default()
        };
        assert_eq!(one.range(Along::Y), 1e-6..3e-6);
        let shown = [
            (0.1 + 0.2, 1.0),
            (-1.2e-17, 1.0),
            (100_000_002.0, 10.0),
            (0.005, 0.01),
        ];
        let shown = shown.map(|(value, span)| short(value, span));
        assert_eq!(shown, ["0.3", "0", "1.00000002e8", "0.005"]);
    }

    #[test]
    fn an_axis_of_powers_has_few_round_numbers() {
        let shown = |axis: Range<f64>| {
            let powers = powers(&axis).into_iter().map(|(_, shown)| shown);
            powers.collect::<Vec<_>>()
        };
        assert_eq!(shown(-1.1..0.4), ["0.1", "0.2", "0.5", "1", "2"]);
        assert_eq!(shown(-2.5..1.5), ["0.01", "0.1", "1", "10"]);
    }
}
