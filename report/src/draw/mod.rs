//! Draw: points, lines and cells as SVG, and SVG as PNG. Nothing in here knows what a sweep is.

pub(crate) mod canvas;
pub(crate) mod heat_map;
pub(crate) mod plot;
