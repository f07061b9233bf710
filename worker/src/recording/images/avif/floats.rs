//! libavif's own conversion of YUV to RGB, in 32-bit floats, for the matrices that libyuv lacks and for
//! grey.

use super::av1::Frame;
use super::colours::{Alpha, divide, neighbour};

/// Which colours the numbers are.
#[derive(Debug, Clone, Copy)]
enum Matrix {
    /// Green, blue and red, or grey.
    Identity,
    YCgCo,
    /// Weights of red and blue in Y.
    Weighted([f32; 2]),
}

/// A conversion.
#[derive(Debug, Clone, Copy)]
pub(super) struct Floats {
    matrix: Matrix,
    /// What is subtracted from Y, and by what it is divided.
    y: [f32; 2],
    /// The same for U and V.
    uv: [f32; 2],
}

impl Floats {
    fn of(matrix: Matrix, depth: u32, full: bool) -> Self {
        let scaled = |number: u32| (number << (depth - 8)) as f32;
        let (y, range) = if full {
            ([0.0, most(depth)], most(depth))
        } else {
            ([scaled(16), scaled(219)], scaled(224))
        };
        let uv = match matrix {
            Matrix::Identity => y,
            Matrix::YCgCo | Matrix::Weighted(_) => [scaled(128), range],
        };
        Self { matrix, y, uv }
    }

    pub(super) fn identity(depth: u32, full: bool) -> Self {
        Self::of(Matrix::Identity, depth, full)
    }

    pub(super) fn ycgco(depth: u32) -> Self {
        Self::of(Matrix::YCgCo, depth, true)
    }

    pub(super) fn weighted(depth: u32, full: bool, weights: [f32; 2]) -> Self {
        Self::of(Matrix::Weighted(weights), depth, full)
    }

    /// Whether libavif divides by alpha only after rounding.
    fn divides_bytes(&self, frame: &Frame) -> bool {
        let whole = frame.sampling == Some([0, 0]);
        let full = self.y[0] == 0.0;
        match self.matrix {
            Matrix::Identity => whole && full && frame.depth == 8,
            Matrix::YCgCo => false,
            Matrix::Weighted(_) => whole || frame.sampling.is_none(),
        }
    }

    /// Red, green and blue of a pixel.
    fn colours(&self, y: f32, [u, v]: [f32; 2]) -> [f32; 3] {
        match self.matrix {
            Matrix::Identity => [v, y, u],
            Matrix::YCgCo => {
                let rest = y - u;
                [rest + v, y + u, rest - v]
            }
            Matrix::Weighted([red, blue]) => {
                let green = 1.0 - red - blue;
                let others = (red * (1.0 - red) * v) + (blue * (1.0 - blue) * u);
                [
                    y + (2.0 * (1.0 - red)) * v,
                    y - ((2.0 * others) / green),
                    y + (2.0 * (1.0 - blue)) * u,
                ]
            }
        }
    }
}

/// The largest number of so many bits.
pub(super) fn most(depth: u32) -> f32 {
    ((1 << depth) - 1) as f32
}

/// A value between 0 and 1 as a byte.
pub(super) fn byte(value: f32) -> u8 {
    (0.5 + value * 255.0) as u8
}

/// RGB of every pixel, row by row.
pub(super) fn rgb(frame: &Frame, floats: &Floats, alpha: &Alpha<'_>) -> Vec<u8> {
    let [width, height] = frame.size;
    let bytes = floats.divides_bytes(frame);
    let mut rgb = Vec::with_capacity(3 * width * height);
    for row in 0..height {
        for (column, y) in frame.planes[0].row(row).iter().enumerate() {
            let y = (f32::from(*y) - floats.y[0]) / floats.y[1];
            let colours = if frame.sampling.is_none() {
                [y; 3]
            } else {
                let chroma = [1, 2].map(|plane| interpolated(frame, floats, plane, [column, row]));
                floats.colours(y, chroma)
            };
            let mut colours = colours.map(|value| value.clamp(0.0, 1.0));
            if let Alpha::Multiplied(alpha) = alpha
                && !bytes
            {
                let of = f32::from(alpha.planes[0].row(row)[column]) / most(alpha.depth);
                colours = colours.map(|value| divided(value, of));
            }
            rgb.extend(colours.map(byte));
        }
    }
    if let Alpha::Multiplied(alpha) = alpha
        && bytes
    {
        divide(&mut rgb, alpha, |number| {
            byte(f32::from(number) / most(alpha.depth))
        });
    }
    rgb
}

fn divided(value: f32, alpha: f32) -> f32 {
    if alpha == 0.0 {
        0.0
    } else if alpha < 1.0 {
        (value / alpha).min(1.0)
    } else {
        value
    }
}

/// U or V at a pixel.
fn interpolated(frame: &Frame, floats: &Floats, plane: usize, [column, row]: [usize; 2]) -> f32 {
    let plane = &frame.planes[plane];
    let at = |column: usize, row: usize| {
        (f32::from(plane.row(row)[column]) - floats.uv[0]) / floats.uv[1]
    };
    let [across, down] = frame.sampling.unwrap_or_default();
    if across == 0 {
        return at(column, row);
    }
    let next = if down == 1 {
        neighbour(row, frame.size[1], true)
    } else {
        row
    };
    let (own, beside) = (column / 2, neighbour(column, frame.size[0], true));
    let row = row >> down;
    (at(own, row) * (9.0 / 16.0))
        + (at(beside, row) * (3.0 / 16.0))
        + (at(own, next) * (3.0 / 16.0))
        + (at(beside, next) * (1.0 / 16.0))
}
