//! Resizing like Pillow's `BILINEAR`, bit for bit: a triangle filter, widened when shrinking, first
//! along rows, then along columns, in fixed point and with bytes in between.
//!
//! It is exact because a trained ANN amplifies rounding: a resize that was off by one grey level in
//! some pixels moved MobileNet's `conv_pw_13_relu` by 9 % of its standard deviation (root mean
//! square). Pillow 13 resizes an image along columns first where its height shrinks much more than
//! its width; there the two may differ by one grey level.

use image::RgbImage;

/// Fractional bits of Pillow's weights for bytes.
const PRECISION_BITS: u32 = 32 - 8 - 2;

/// RGB bytes, row by row, of `image` at another height and width.
///
/// # Panics
/// When `image` has no pixels.
pub(super) fn bilinear(image: &RgbImage, height: usize, width: usize) -> Vec<u8> {
    let (rows, columns) = (image.height() as usize, image.width() as usize);
    assert!(rows > 0 && columns > 0, "an image has pixels");
    let wide = resample(image.as_raw(), rows, columns, 3, width);
    resample(&wide, 1, rows, width * 3, height)
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
        width: u32,
        height: u32,
        /// Hash of all bytes.
        fnv: u64,
        /// Row, column, red, green, blue.
        pixels: Vec<[usize; 5]>,
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
    fn bytes_are_pillows() {
        let text = std::fs::read(testdata("pillow_bilinear.json")).expect("made by the script");
        let cases: Vec<Case> = serde_json::from_slice(&text).expect("JSON");
        for case in cases {
            let ours = bilinear(&source(case.width, case.height), 224, 224);
            let size = (case.width, case.height);
            for [row, column, rgb @ ..] in case.pixels {
                let at = (row * 224 + column) * 3;
                for (ours, pillows) in ours[at..at + 3].iter().zip(rgb) {
                    let off = usize::from(*ours).abs_diff(pillows);
                    assert!(
                        off <= 1,
                        "{size:?} at {row}, {column}: {ours}, not {pillows}"
                    );
                }
            }
            // Tall images may come from a Pillow that begins with columns.
            if case.height <= case.width {
                assert_eq!(fnv(&ours), case.fnv, "{size:?}");
            }
        }
    }
}
