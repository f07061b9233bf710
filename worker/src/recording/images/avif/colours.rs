//! From numbers of YUV to RGB, to the bit as Pillow's libavif does it: by the fixed-point arithmetic of
//! libyuv where that has a matrix, and by libavif's own floats where not.

use super::av1::{Frame, Plane};
use super::container::Meaning;
use super::floats::{self, Floats};
use crate::recording::images::picture::Undecodable;

/// The alpha channel of a picture, which Pillow drops.
pub(super) enum Alpha<'f> {
    /// There is none.
    None,
    /// It says nothing about the colours.
    Apart,
    /// The colours were multiplied by it, and are divided again.
    Multiplied(&'f Frame),
}

/// Coefficients of libyuv, in 64ths: of Y, what is added, of U in blue, of U and V in green, and of V in
/// red.
#[derive(Debug, Clone, Copy)]
struct Fixed {
    y: u32,
    bias: i32,
    blue: i32,
    green: [i32; 2],
    red: i32,
}

const fn fixed(y: u32, bias: i32, [blue, green_u, green_v, red]: [i32; 4]) -> Fixed {
    let green = [green_u, green_v];
    Fixed {
        y,
        bias,
        blue,
        green,
        red,
    }
}

const BT601: Fixed = fixed(18997, -1160, [128, 25, 52, 102]);
const BT601_FULL: Fixed = fixed(16320, 32, [113, 22, 46, 90]);
const BT709: Fixed = fixed(18997, -1160, [128, 14, 34, 115]);
const BT709_FULL: Fixed = fixed(16320, 32, [119, 12, 30, 101]);
const BT2020: Fixed = fixed(19003, -1160, [128, 12, 42, 107]);
const BT2020_FULL: Fixed = fixed(16320, 32, [120, 11, 37, 94]);

/// How a picture's numbers become colours.
enum Arithmetic {
    Fixed(Fixed),
    Floats(Floats),
}

/// RGB of every pixel, row by row.
pub(super) fn rgb(
    frame: &Frame,
    meaning: Meaning,
    alpha: &Alpha<'_>,
) -> Result<Vec<u8>, Undecodable> {
    let has_alpha = !matches!(alpha, Alpha::None);
    match arithmetic(frame, meaning, has_alpha)? {
        Arithmetic::Floats(floats) => Ok(floats::rgb(frame, &floats, alpha)),
        Arithmetic::Fixed(matrix) => {
            let mut rgb = by_fixed(frame, matrix, has_alpha);
            if let Alpha::Multiplied(alpha) = alpha {
                // libyuv cuts where it converts alpha with the colours, and libavif rounds.
                let cut = !is_nearest(frame) && frame.sampling.is_some();
                divide(&mut rgb, alpha, |number| match alpha.depth {
                    8 => number as u8,
                    depth if cut => (number >> (depth - 8)) as u8,
                    depth => floats::byte(f32::from(number) / floats::most(depth)),
                });
            }
            Ok(rgb)
        }
    }
}

/// Which arithmetic libavif 1.4 chooses, or why it has none. Grey without alpha stays grey, and no matrix
/// matters to it.
fn arithmetic(
    frame: &Frame,
    Meaning {
        primaries,
        matrix,
        full,
    }: Meaning,
    has_alpha: bool,
) -> Result<Arithmetic, Undecodable> {
    let grey = frame.sampling.is_none();
    let stays_grey = grey && !has_alpha;
    let whole = frame.sampling == Some([0, 0]);
    let fixed = |limited, all| Arithmetic::Fixed(if full { all } else { limited });
    let weighted = |weights| Arithmetic::Floats(Floats::weighted(frame.depth, full, weights));
    let chosen = match (matrix, primaries) {
        (0 | 1 | 2 | 4 | 5 | 6 | 7 | 9 | 12, _) if stays_grey => {
            Arithmetic::Floats(Floats::identity(frame.depth, full))
        }
        (0, _) if whole => Arithmetic::Floats(Floats::identity(frame.depth, full)),
        (8, _) if full => Arithmetic::Floats(Floats::ycgco(frame.depth)),
        (4, _) => weighted([0.30, 0.11]),
        (7, _) => weighted([0.212, 0.087]),
        (0, _) if grey => fixed(BT601, BT601_FULL),
        (1, _) | (12, 1 | 2) => fixed(BT709, BT709_FULL),
        (2 | 5 | 6, _) | (12, 5 | 6) => fixed(BT601, BT601_FULL),
        (9, _) | (12, 9) => fixed(BT2020, BT2020_FULL),
        _ => {
            let range = if full { "" } else { " in limited range" };
            return Err(Undecodable::NotAPicture(format!(
                "an AVIF whose colours are coded by matrix {matrix} (H.273), which is not read{range}"
            )));
        }
    };
    Ok(chosen)
}

/// Whether libyuv repeats U and V instead of interpolating them.
fn is_nearest(frame: &Frame) -> bool {
    frame.depth == 12 && frame.sampling == Some([1, 1])
}

/// libyuv's conversion. Without alpha, deep numbers are cut to 8 bits first; with it, where libyuv has a
/// function for them, U and V are interpolated before.
fn by_fixed(frame: &Frame, matrix: Fixed, alpha: bool) -> Vec<u8> {
    let deep = frame.depth - 8;
    let nearest = alpha && is_nearest(frame);
    let late = nearest || (alpha && frame.depth == 10 && frame.sampling.is_some());
    let (before, after) = if late { (0, deep) } else { (deep, 0) };
    let [width, height] = frame.size;
    let mut rgb = Vec::with_capacity(3 * width * height);
    // Grey has the middle of both.
    let mut chroma = [vec![128; width], vec![128; width]];
    for row in 0..height {
        for (numbers, plane) in chroma.iter_mut().zip(frame.planes.iter().skip(1)) {
            let rows = rows(frame, plane, row, nearest);
            upsample(numbers, rows, frame, nearest, before);
        }
        let [u, v] = &chroma;
        for ((y, u), v) in frame.planes[0].row(row).iter().zip(u).zip(v) {
            let y = u32::from(*y) >> before;
            // 16 bits, the upper repeated below.
            let y = match after {
                0 => y << 8 | y,
                after => y << (8 - after) | y >> (2 * after),
            };
            let y = ((y * matrix.y) >> 16) as i32 + matrix.bias;
            let [u, v] = [u, v].map(|number| (*number >> after) - 128);
            let red = y + v * matrix.red;
            let green = y - (u * matrix.green[0] + v * matrix.green[1]);
            let blue = y + u * matrix.blue;
            rgb.extend([red, green, blue].map(|sum| (sum >> 6).clamp(0, 255) as u8));
        }
    }
    rgb
}

/// The rows of U or V from which those of a row of pixels come: the nearest and the next.
fn rows<'f>(frame: &Frame, plane: &'f Plane, row: usize, nearest: bool) -> [&'f [u16]; 2] {
    if frame.sampling != Some([1, 1]) {
        return [plane.row(row); 2];
    }
    let near = row / 2;
    let next = if nearest {
        near
    } else {
        neighbour(row, frame.size[1], true)
    };
    [plane.row(near), plane.row(next)]
}

/// Where the number of U or V lies that is next to a pixel after the nearest one. The first pixel has none
/// but the nearest, nor has the last; with `even_alone`, the last of an odd count has.
pub(super) fn neighbour(at: usize, count: usize, even_alone: bool) -> usize {
    let near = at / 2;
    let last = at + 1 == count && (!even_alone || at % 2 == 1);
    if at == 0 || last {
        near
    } else if at % 2 == 1 {
        near + 1
    } else {
        near - 1
    }
}

/// A row of U or V for every pixel: nine parts of the nearest number, three of each of its neighbours,
/// and one of the neighbour of both.
fn upsample(numbers: &mut [i32], rows: [&[u16]; 2], frame: &Frame, nearest: bool, before: u32) {
    let [near, next] = rows;
    let one = |row: &[u16], at: usize| i32::from(row[at] >> before);
    let width = numbers.len();
    for (at, number) in numbers.iter_mut().enumerate() {
        *number = if frame.sampling == Some([0, 0]) {
            one(near, at)
        } else if nearest {
            one(near, at / 2)
        } else {
            let (own, beside) = (at / 2, neighbour(at, width, false));
            let sum = 9 * one(near, own) + 3 * one(near, beside);
            (sum + 3 * one(next, own) + one(next, beside) + 8) >> 4
        };
    }
}

/// Divides colours by alpha as libyuv does it on x86: by multiplying with a reciprocal, in 16 bits.
/// `byte` makes 8 bits of a number of alpha.
pub(super) fn divide(rgb: &mut [u8], alpha: &Frame, byte: impl Fn(u16) -> u8) {
    let numbers = &alpha.planes[0].numbers;
    for (pixel, alpha) in rgb.as_chunks_mut::<3>().0.iter_mut().zip(numbers) {
        let reciprocal = match u32::from(byte(*alpha)) {
            0 => 0,
            1 => 0xffff,
            255 => 0x100,
            alpha => 0x10000 / alpha,
        };
        *pixel = pixel.map(|value| {
            let product = (u32::from(value) * 0x101 * reciprocal) >> 16;
            // The sum of 16 bits has a sign, and what is below zero becomes zero.
            if product > 0x7fff {
                0
            } else {
                product.min(255) as u8
            }
        });
    }
}
