//! Layers that treat every value, or every pixel's channels, independently.

use super::plan::Cut;

impl Cut {
    /// NaN stays NaN.
    #[inline(always)]
    pub(super) fn apply(self, x: f32) -> f32 {
        let x = if x < self.low { self.low } else { x };
        if x > self.high { self.high } else { x }
    }
}

/// Cuts values off.
pub(super) fn cut(x: &[f32], cut: Cut, out: &mut [f32]) {
    for (out, x) in out.iter_mut().zip(x) {
        *out = cut.apply(*x);
    }
}

/// `x · scale + shift` per channel.
pub(super) fn affine(x: &[f32], scale: &[f32], shift: &[f32], cut: Cut, out: &mut [f32]) {
    let channels = scale.len();
    for (out, x) in out.chunks_exact_mut(channels).zip(x.chunks_exact(channels)) {
        for (((out, x), scale), shift) in out.iter_mut().zip(x).zip(scale).zip(shift) {
            *out = cut.apply(x * scale + shift);
        }
    }
}

/// The sum of all inputs.
pub(super) fn add<'a>(
    x: &[f32],
    others: impl ExactSizeIterator<Item = &'a [f32]>,
    cut: Cut,
    out: &mut [f32],
) {
    let last = others.len().saturating_sub(1);
    out.copy_from_slice(x);
    for (i, other) in others.enumerate() {
        let cut = if i == last { cut } else { Cut::NOTHING };
        for (out, x) in out.iter_mut().zip(other) {
            *out = cut.apply(*out + x);
        }
    }
}

/// Writes the `channels` of every pixel of `x` from `column` on into pixels of `width` channels.
pub(super) fn put_columns(
    x: &[f32],
    channels: usize,
    column: usize,
    width: usize,
    cut: Cut,
    out: &mut [f32],
) {
    for (out, x) in out.chunks_exact_mut(width).zip(x.chunks_exact(channels)) {
        for (out, x) in out[column..column + channels].iter_mut().zip(x) {
            *out = cut.apply(*x);
        }
    }
}

/// Softmax over each pixel's channels, in place.
pub(super) fn softmax(channels: usize, values: &mut [f32]) {
    for values in values.chunks_exact_mut(channels) {
        let largest = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let mut sum = 0.0;
        for value in values.iter_mut() {
            *value = (*value - largest).exp();
            sum += *value;
        }
        for value in values {
            *value /= sum;
        }
    }
}

/// `x / (1 + alpha / size · sum of squares of size neighbouring channels) ^ beta`.
pub(super) fn local_response_norm(
    channels: usize,
    x: &[f32],
    size: usize,
    alpha: f64,
    beta: f64,
    out: &mut [f32],
) {
    let each = (alpha / size as f64) as f32;
    let (beta, half) = (beta as f32, size / 2);
    let mut squares = vec![0.0; channels + size - 1];
    let pixels = x.chunks_exact(channels);
    for (out, x) in out.chunks_exact_mut(channels).zip(pixels) {
        for (square, x) in squares[half..].iter_mut().zip(x) {
            *square = x * x;
        }
        for (out, near) in out.iter_mut().zip(squares.windows(size)) {
            *out = 1.0 + each * near.iter().sum::<f32>();
        }
        for (out, x) in out.iter_mut().zip(x) {
            // Roots are several times faster than a power, and the published networks use these.
            let power = match beta {
                0.75 => out.sqrt() * out.sqrt().sqrt(),
                beta => out.powf(beta),
            };
            *out = x / power;
        }
    }
}
