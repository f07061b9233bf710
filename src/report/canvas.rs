//! Canvas: one figure as SVG with its title and what must be known of it, and the same as PNG. What
//! is drawn comes from `plot` and `heat_map`.

use nrp_proto::plain;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree, fontdb::Database};
use std::sync::Arc;

/// A figure's pixels, in its own coordinates from the upper left.
pub(super) type Screen<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// What drawing returns.
pub(super) type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;

/// Height of title and marks, as long as there are at most two.
const HEAD: i32 = 78;
/// Height of a mark.
const MARK: i32 = 18;

/// Pixels of a PNG for each of its SVG.
const PNG_SCALE: f32 = 2.0;

/// Text, and what is not data.
pub(super) const INK: RGBColor = RGBColor(0x22, 0x22, 0x22);
pub(super) const FAINT: RGBColor = RGBColor(0x66, 0x66, 0x66);
const WARNING: RGBColor = RGBColor(0xb0, 0x00, 0x20);

/// Okabe and Ito's colours, which colour-blind people tell apart, with a purple for their yellow.
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
pub(super) struct Marker {
    /// Which colour and form: different for different numbers, up to 24.
    pub(super) number: usize,
    pub(super) hollow: bool,
}

impl Marker {
    /// Of what belongs to no series.
    pub(super) const NEUTRAL: Self = Self {
        number: COLOURS.len() - 1,
        hollow: false,
    };

    pub(super) fn colour(self) -> RGBColor {
        COLOURS[self.number % COLOURS.len()]
    }

    /// Whether another number has its colour, and only its form is its own.
    pub(super) fn shares_colour(self) -> bool {
        self.number >= COLOURS.len()
    }

    pub(super) fn draw(self, screen: &Screen<'_>, at: (i32, i32)) -> Drawn {
        self.draw_sized(screen, at, 6)
    }

    /// Of so many pixels from its middle to its edge.
    pub(super) fn draw_sized(self, screen: &Screen<'_>, at: (i32, i32), size: i32) -> Drawn {
        let (x, y) = at;
        let style = match self.hollow {
            true => self.colour().stroke_width(2),
            false => self.colour().filled(),
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
                match self.hollow {
                    true => screen.draw(&PathElement::new(form, style)),
                    false => screen.draw(&Polygon::new(form, style)),
                }
            }
        }
    }
}

/// Where a text lies from the point it is drawn at.
#[derive(Debug, Clone, Copy)]
pub(super) enum Align {
    Left,
    Centre,
    Right,
}

/// Writes a line of text, vertically centred at `at`.
pub(super) fn text(
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
    // XML has no place for controls, and a reader none for what reorders a label.
    screen.draw_text(&plain::line(text), &style, at)
}

/// Height of a title and marks below it.
pub(super) fn head(marks: &[String]) -> i32 {
    HEAD + MARK * (marks.len() as i32 - 2).max(0)
}

/// A figure of `size` as SVG: what `draw` makes, below `title` and `marks`.
pub(super) fn svg(
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

/// Makes PNGs of SVGs, with a font of its own: machines without fonts draw the same.
pub(super) struct Painter {
    options: Options<'static>,
}

impl Painter {
    pub(super) fn new() -> Self {
        let mut fonts = Database::new();
        fonts.load_font_data(dejavu::sans::regular().to_vec());
        fonts.set_sans_serif_family("DejaVu Sans");
        let options = Options {
            fontdb: Arc::new(fonts),
            ..Options::default()
        };
        Self { options }
    }

    /// The PNG of an SVG that [`svg`] made.
    pub(super) fn png(&self, svg: &str) -> Vec<u8> {
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
        let painter = Painter::new();
        let blank = painter.png(&svg((300, 100), "", &[], |_| Ok(())));
        assert_ne!(painter.png(&text), blank);
    }
}
