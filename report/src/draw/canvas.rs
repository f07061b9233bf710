//! Canvas: a figure's title and marks as SVG, with room below for what `plot` and `heat_map` draw; and the
//! PNG of an SVG.

use nrp_proto::plain;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree, fontdb::Database};
use std::sync::Arc;

/// A figure's drawing area, in pixels from the upper left corner.
pub(crate) type Screen<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// The result of drawing.
pub(crate) type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;

/// Height of the title and up to two marks.
const HEAD: i32 = 78;
/// Height of a mark.
const MARK: i32 = 18;

/// Pixels of the PNG for each pixel of the SVG.
const PNG_SCALE: f32 = 2.0;

/// Colour of text and axes.
pub(crate) const INK: RGBColor = RGBColor(0x22, 0x22, 0x22);
/// Colour of what stands back: notes and helper lines.
pub(crate) const FAINT: RGBColor = RGBColor(0x66, 0x66, 0x66);
const WARNING: RGBColor = RGBColor(0xb0, 0x00, 0x20);

/// Okabe and Ito's colours, which colour-blind people can tell apart, with purple in place of yellow.
const COLOURS: [RGBColor; 8] = [
    RGBColor(0x00, 0x72, 0xb2),
    RGBColor(0xd5, 0x5e, 0x00),
    RGBColor(0x00, 0x9e, 0x73),
    RGBColor(0xcc, 0x79, 0xa7),
    RGBColor(0xe6, 0x9f, 0x00),
    RGBColor(0x56, 0xb4, 0xe9),
    RGBColor(0x6a, 0x3d, 0x9a),
    RGBColor(0x22, 0x22, 0x22),
];

/// How a point looks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Marker {
    /// Selects colour and shape, which differ for numbers below 24.
    pub(crate) number: usize,
    /// Whether only the outline is drawn.
    pub(crate) hollow: bool,
}

impl Marker {
    /// For what belongs to no series.
    pub(crate) const NEUTRAL: Self = Self {
        number: COLOURS.len() - 1,
        hollow: false,
    };

    /// A filled marker.
    pub(crate) const fn solid(number: usize) -> Self {
        Self {
            number,
            hollow: false,
        }
    }

    /// The marker's colour.
    pub(crate) fn colour(self) -> RGBColor {
        COLOURS[self.number % COLOURS.len()]
    }

    /// Whether a lower number has the same colour, so that only the shape tells them apart.
    pub(crate) fn shares_colour(self) -> bool {
        self.number >= COLOURS.len()
    }

    /// Draws the marker with its middle at `at`.
    pub(crate) fn draw(self, screen: &Screen<'_>, at: (i32, i32)) -> Drawn {
        self.draw_sized(screen, at, 6)
    }

    /// As [`Marker::draw`], with `size` pixels from the middle to the edge.
    pub(crate) fn draw_sized(self, screen: &Screen<'_>, at: (i32, i32), size: i32) -> Drawn {
        let (x, y) = at;
        let style = if self.hollow {
            self.colour().stroke_width(2)
        } else {
            self.colour().filled()
        };
        match self.number / COLOURS.len() % 3 {
            0 => screen.draw(&Circle::new((x, y), size, style)),
            1 => {
                let half = (size - 1).max(2);
                let corners = [(x - half, y - half), (x + half, y + half)];
                screen.draw(&Rectangle::new(corners, style))
            }
            _ => {
                let top = (x, y - size);
                let form = [top, (x + size, y), (x, y + size), (x - size, y), top];
                if self.hollow {
                    screen.draw(&PathElement::new(form, style))
                } else {
                    screen.draw(&Polygon::new(form, style))
                }
            }
        }
    }
}

/// Which part of a text lies at the point where it is drawn.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Align {
    Left,
    Centre,
    Right,
}

/// Writes a line of text, vertically centred at `at`.
pub(crate) fn text(
    screen: &Screen<'_>,
    text: &str,
    at: (i32, i32),
    align: Align,
    size: u32,
    colour: RGBColor,
) -> Drawn {
    let h = match align {
        Align::Left => HPos::Left,
        Align::Centre => HPos::Center,
        Align::Right => HPos::Right,
    };
    let style = TextStyle::from(("sans-serif", size).into_font())
        .color(&colour)
        .pos(Pos::new(h, VPos::Center));
    // XML forbids control characters, and marks that reorder text would garble the label.
    screen.draw_text(&plain::line(text), &style, at)
}

/// Height of the title and the marks.
pub(crate) fn head(marks: &[String]) -> i32 {
    HEAD + MARK * (marks.len() as i32 - 2).max(0)
}

/// A figure of `size` as SVG: `title`, `marks`, and below them what `draw` draws.
pub(crate) fn svg(
    size: (u32, u32),
    title: &str,
    marks: &[String],
    draw: impl FnOnce(&Screen<'_>) -> Drawn,
) -> String {
    let mut svg = String::new();
    let whole = || -> Drawn {
        let screen = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        screen.fill(&WHITE)?;
        text(&screen, title, (16, 22), Align::Left, 20, INK)?;
        for (line, mark) in (0..).zip(marks) {
            text(
                &screen,
                mark,
                (16, 45 + MARK * line),
                Align::Left,
                15,
                WARNING,
            )?;
        }
        draw(&screen)?;
        screen.present()
    };
    whole().expect("a string takes all that is drawn");
    svg
}

/// Turns SVGs into PNGs with a built-in font, so that machines without fonts draw the same.
pub struct Painter {
    options: Options<'static>,
}

impl Default for Painter {
    /// Loads the font.
    fn default() -> Self {
        let mut fonts = Database::new();
        fonts.load_font_data(dejavu::sans::regular().to_vec());
        fonts.set_sans_serif_family("DejaVu Sans");
        let options = Options {
            fontdb: Arc::new(fonts),
            ..Options::default()
        };
        Self { options }
    }
}

impl Painter {
    /// The PNG of an SVG that [`crate::Figure::svg`] made.
    pub fn png(&self, svg: &str) -> Vec<u8> {
        let tree = Tree::from_str(svg, &self.options).expect("an SVG of our own");
        let size = tree.size().to_int_size();
        let [width, height] =
            [size.width(), size.height()].map(|side| (side as f32 * PNG_SCALE) as u32);
        let mut pixels = Pixmap::new(width, height).expect("a figure has a size");
        let scale = Transform::from_scale(PNG_SCALE, PNG_SCALE);
        resvg::render(&tree, scale, &mut pixels.as_mut());
        pixels.encode_png().expect("memory takes a PNG")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_and_text_is_drawn_without_system_fonts() {
        let title = "<script>&\"R² –";
        let text = svg((300, 100), title, &[], |_| Ok(()));
        assert!(text.contains("&lt;script&gt;&amp;&quot;R² –"), "{text}");
        let painter = Painter::default();
        let blank = painter.png(&svg((300, 100), "", &[], |_| Ok(())));
        assert_ne!(painter.png(&text), blank);
    }
}
