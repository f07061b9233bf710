//! One figure before it is drawn.

use crate::draw::heat_map::{self, Line};
use crate::draw::plot::Plot;

/// One figure: what it shows, and its texts.
pub struct Figure {
    /// The name of its files, without the extension; unique in the report.
    pub name: String,
    /// The title, which stands in the figure as well.
    pub title: String,
    /// The text below the figure.
    pub caption: String,
    /// Caveats in the figure, a line each.
    pub(crate) marks: Vec<String>,
    /// What is drawn below title and marks.
    pub(crate) drawing: Drawing,
}

/// What a figure shows.
pub(crate) enum Drawing {
    /// Points and lines.
    Plot(Plot),
    /// Panels of coloured cells.
    HeatMap(Vec<Line>),
}

impl Figure {
    /// The figure as SVG, a document that needs no other file. [`crate::Painter`] makes a PNG of it.
    pub fn svg(&self) -> String {
        match &self.drawing {
            Drawing::Plot(plot) => plot.svg(&self.title, &self.marks),
            Drawing::HeatMap(lines) => heat_map::svg(&self.title, &self.marks, lines),
        }
    }
}
