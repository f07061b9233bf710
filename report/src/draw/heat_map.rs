//! Heat map: scores over NRP-L1, NRP-L2 and depth, a panel for each depth and region.

use super::canvas::{self, Align, Drawn, FAINT, INK, Screen};
use crate::text;
use plotters::prelude::*;

/// Width and height of a cell.
const CELL: (i32, i32) = (84, 34);
/// Room left of and above a panel's cells for the names of rows and columns.
const LEFT: i32 = 84;
const ABOVE: i32 = 58;
/// Gap between panels.
const GAP: i32 = 18;

/// Ends of the colour scale: light for low errors, dark for high ones.
const LIGHT: RGBColor = RGBColor(0xf1, 0xf7, 0xfb);
const DARK: RGBColor = RGBColor(0x08, 0x45, 0x94);

/// Height of the note on a region.
const NOTE: i32 = 30;

/// The panels of one region.
pub(crate) struct Line {
    /// What the region's scores are to be compared with.
    pub(crate) note: String,
    /// The panels, from left to right.
    pub(crate) panels: Vec<Panel>,
}

/// Networks of one depth in one region.
pub(crate) struct Panel {
    /// The panel's heading.
    pub(crate) name: String,
    /// Sizes of NRP-L1, from the top; none if the network has no such layer.
    pub(crate) rows: Vec<Option<u32>>,
    /// Sizes of NRP-L2, from the left.
    pub(crate) columns: Vec<Option<u32>>,
    /// Row, column and score.
    pub(crate) cells: Vec<(usize, usize, f64)>,
}

impl Panel {
    fn size(&self) -> (i32, i32) {
        let width = LEFT + self.columns.len() as i32 * CELL.0;
        let height = ABOVE + self.rows.len() as i32 * CELL.1;
        // The heading needs some room, too.
        (width.max(LEFT + 150) + GAP, height + GAP)
    }
}

/// The whole figure as SVG, one line of panels for each region.
pub(crate) fn svg(title: &str, marks: &[String], lines: &[Line]) -> String {
    let widths = lines.iter().map(|line| {
        let widths = line.panels.iter().map(|panel| panel.size().0);
        widths.sum::<i32>()
    });
    let height = |line: &Line| {
        let panels = line.panels.iter().map(|panel| panel.size().1);
        NOTE + panels.max().unwrap_or(0)
    };
    let heights: Vec<i32> = lines.iter().map(height).collect();
    let width = widths.max().unwrap_or(0).max(660) + 2 * GAP;
    let head = canvas::head(marks);
    let size = (width as u32, (head + heights.iter().sum::<i32>()) as u32);
    canvas::svg(size, title, marks, |screen| {
        let mut y = head;
        for (line, height) in lines.iter().zip(&heights) {
            let mut x = GAP;
            canvas::text(screen, &line.note, (x, y + 10), Align::Left, 15, FAINT)?;
            let scores = line.panels.iter().flat_map(|panel| &panel.cells);
            let (low, high) = scores
                .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), cell| {
                    (low.min(cell.2), high.max(cell.2))
                });
            for panel in &line.panels {
                draw(screen, panel, (x, y + NOTE), (low, high))?;
                x += panel.size().0;
            }
            y += height;
        }
        Ok(())
    })
}

fn draw(screen: &Screen<'_>, panel: &Panel, at: (i32, i32), scale: (f64, f64)) -> Drawn {
    let (x, y) = at;
    let left = x + LEFT;
    let top = y + ABOVE;
    canvas::text(screen, &panel.name, (x, y + 14), Align::Left, 17, INK)?;
    let size = |size: &Option<u32>| size.map_or_else(|| "none".to_owned(), |n| n.to_string());
    for (row, l1) in (0..).zip(&panel.rows) {
        let middle = top + row * CELL.1 + CELL.1 / 2;
        let name = format!("L1 {}", size(l1));
        canvas::text(screen, &name, (left - 8, middle), Align::Right, 15, INK)?;
    }
    for (column, l2) in (0..).zip(&panel.columns) {
        let middle = left + column * CELL.0 + CELL.0 / 2;
        let name = format!("L2 {}", size(l2));
        canvas::text(screen, &name, (middle, top - 12), Align::Centre, 15, INK)?;
    }
    for &(row, column, score) in &panel.cells {
        let x = left + column as i32 * CELL.0;
        let y = top + row as i32 * CELL.1;
        let depth = if scale.1 > scale.0 {
            (score - scale.0) / (scale.1 - scale.0)
        } else {
            0.0
        };
        let corners = [(x, y), (x + CELL.0 - 2, y + CELL.1 - 2)];
        screen.draw(&Rectangle::new(corners, mixed(depth).filled()))?;
        let ink = if depth > 0.5 { WHITE } else { INK };
        let middle = (x + CELL.0 / 2 - 1, y + CELL.1 / 2 - 1);
        let score = text::significant(score);
        canvas::text(screen, &score, middle, Align::Centre, 15, ink)?;
    }
    Ok(())
}

/// The colour at `depth`, from 0 to 1 along the scale.
fn mixed(depth: f64) -> RGBColor {
    let mix = |light: u8, dark: u8| {
        (f64::from(light) + depth * (f64::from(dark) - f64::from(light))).round() as u8
    };
    RGBColor(
        mix(LIGHT.0, DARK.0),
        mix(LIGHT.1, DARK.1),
        mix(LIGHT.2, DARK.2),
    )
}
