//! Resizing like Pillow's `BILINEAR`, bit for bit: a triangle filter, widened when shrinking, along rows
//! and along columns, in fixed point and with bytes in between.
//!
//! It is exact because a trained ANN amplifies rounding: a resize that was off by one grey level in
//! some pixels moved MobileNet's `conv_pw_13_relu` by 9 % of its standard deviation (root mean
//! square). For the same reason it knows two orders: Pillow 13 begins with columns where an image's
//! height shrinks by more than twice as much as its width; the two differ by one grey level there.

use image::RgbImage;

use nrp_proto::sweep::PILLOW_12;

/// The word of preprocessing ids for rows first, in all images or because no image asks for columns.
pub(super) const ROWS_FIRST: &str = "v1";
/// The word for Pillow 13's order, where at least one image begins with columns.
pub(super) const COLUMNS_FIRST: &str = "v2";

/// Fractional bits of Pillow's weights for bytes.
const PRECISION_BITS: u32 = 32 - 8 - 2;

/// Whose order of the two passes is followed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Resize {
    /// Columns first where that is less work, as Pillow has done since version 13.
    #[default]
    Pillow13,
    /// Rows first, always, as Pillow did until version 12.
    Pillow12,
}

impl Resize {
    /// The order in an ANN's preprocessing: as the sweep file has it, or in the id made of that.
    pub fn of_preprocessing(preprocessing: &str) -> Self {
        let rows_first = |word: &str| word == PILLOW_12 || word == ROWS_FIRST;
        if preprocessing.split(' ').any(rows_first) {
            Self::Pillow12
        } else {
            Self::Pillow13
        }
    }

    /// Whether an id of preprocessing says that some images begin with columns.
    pub fn begins_with_columns_in(id: &str) -> bool {
        id.contains(&format!("bilinear {COLUMNS_FIRST}"))
    }

    /// Whether this order begins with the columns of an image of `size` (width, height) that becomes
    /// `[height, width]`.
    pub(super) fn begins_with_columns(self, size: [u32; 2], [height, width]: [usize; 2]) -> bool {
        let [from_width, from_height] = size.map(i64::from);
        let (width, height) = (width as i64, height as i64);
        match self {
            Self::Pillow12 => false,
            // Where the width stays there is one pass.
            Self::Pillow13 => {
                from_width != width
                    && from_height > height
                    && from_height - height > 2 * (from_width - width)
            }
        }
    }
}

/// RGB bytes, row by row, of `image` at another height and width.
///
/// # Panics
/// When `image` has no pixels.
pub(super) fn bilinear(image: &RgbImage, height: usize, width: usize, order: Resize) -> Vec<u8> {
    let size = [image.width(), image.height()];
    let [columns, rows] = size.map(|side| side as usize);
    assert!(rows > 0 && columns > 0, "an image has pixels");
    if order.begins_with_columns(size, [height, width]) {
        let low = resample(image.as_raw(), 1, rows, columns * 3, height);
        resample(&low, height, columns, 3, width)
    } else {
        let narrow = resample(image.as_raw(), rows, columns, 3, width);
        resample(&narrow, 1, rows, width * 3, height)
    }
}

/// Resizes the middle axis of bytes `[outer, from, inner]` to `[outer, to, inner]`.
fn resample(bytes: &[u8], outer: usize, from: usize, inner: usize, to: usize) -> Vec<u8> {
    if from == to {
        return bytes.to_vec();
    }
    let windows = windows(from, to);
    let mut resized = Vec::with_capacity(outer * to * inner);
    let mut sums = vec![0_i64; inner];
    for block in bytes.chunks_exact(from * inner) {
        for window in &windows {
            sums.fill(1 << (PRECISION_BITS - 1));
            let lines = block.chunks_exact(inner).skip(window.first);
            for (line, weight) in lines.zip(&window.weights) {
                for (sum, byte) in sums.iter_mut().zip(line) {
                    *sum += i64::from(*byte) * weight;
                }
            }
            let byte = |sum: &i64| (sum >> PRECISION_BITS).clamp(0, 255) as u8;
            resized.extend(sums.iter().map(byte));
        }
    }
    resized
}

/// The inputs that one output is a weighted mean of.
struct Window {
    first: usize,
    /// Fixed point, of sum one.
    weights: Vec<i64>,
}

fn windows(from: usize, to: usize) -> Vec<Window> {
    let scale = from as f64 / to as f64;
    // The triangle is at least one input wide to each side, and wider when shrinking.
    let support = scale.max(1.0);
    let window = |at: usize| {
        let centre = (at as f64 + 0.5) * scale;
        let first = (centre - support + 0.5).max(0.0) as usize;
        let end = ((centre + support + 0.5) as usize).min(from);
        let triangle = |input: usize| {
            let off = (input as f64 - centre + 0.5) * (1.0 / support);
            (1.0 - off.abs()).max(0.0)
        };
        let weights: Vec<f64> = (first..end).map(triangle).collect();
        let total: f64 = weights.iter().sum();
        let one = f64::from(1_u32 << PRECISION_BITS);
        let fixed = |weight: f64| (weight / total * one + 0.5) as i64;
        Window {
            first,
            weights: weights.into_iter().map(fixed).collect(),
        }
    };
    (0..to).map(window).collect()
}

#[cfg(test)]
mod tests {
    use image::Rgb;
    use serde::Deserialize;

    use super::*;
    use crate::ann::testing::testdata;

    #[derive(Deserialize)]
    struct Case {
        /// Width and height of the source.
        size: [u32; 2],
        /// Width and height after resizing.
        to: [usize; 2],
        /// Hashes of all bytes, of each version of Pillow.
        pillow_12: u64,
        pillow_13: u64,
    }

    /// The formula of `testdata/make_pillow_images.py`.
    fn source(width: u32, height: u32) -> RgbImage {
        RgbImage::from_fn(width, height, |x, y| {
            let blue = if (x / 9 + y / 13) % 2 == 0 { 250 } else { 3 };
            let byte = |value: u32| (value % 256) as u8;
            Rgb([byte(x * y / 3 + 7 * x), byte(x * x / 5 + 11 * y), blue])
        })
    }

    /// FNV-1a of 64 bits.
    fn fnv(bytes: &[u8]) -> u64 {
        bytes.iter().fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01B3)
        })
    }

    #[test]
    fn bytes_are_those_of_pillow_13_and_of_pillow_12() {
        let text = std::fs::read(testdata("pillow_bilinear.json")).expect("made by the script");
        let cases: Vec<Case> = serde_json::from_slice(&text).expect("JSON");
        let mut columns_first = 0;
        for Case {
            size: [width, height],
            to,
            pillow_12,
            pillow_13,
        } in cases
        {
            let image = source(width, height);
            let hash = |order| fnv(&bilinear(&image, to[1], to[0], order));
            assert_eq!(
                hash(Resize::Pillow12),
                pillow_12,
                "{width}x{height} to {to:?}"
            );
            assert_eq!(
                hash(Resize::Pillow13),
                pillow_13,
                "{width}x{height} to {to:?}"
            );
            let is_first = Resize::Pillow13.begins_with_columns([width, height], [to[1], to[0]]);
            // Where the order is the same, so are the bytes.
            assert!(
                is_first || pillow_12 == pillow_13,
                "{width}x{height} to {to:?}"
            );
            columns_first += usize::from(is_first && pillow_12 != pillow_13);
        }
        assert!(columns_first >= 8, "{columns_first} tell the orders apart");
    }
}
