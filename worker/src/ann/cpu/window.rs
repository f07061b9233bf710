//! Windows moved over maps: padding, pools, depthwise convolutions, and the patches that a
//! convolution multiplies.

use pulp::{Arch, Simd, WithSimd};
use std::ops::Range;

use super::super::graph::{Pads, Window};
use super::plan::Cut;
use super::product::{Rows, load, store};

/// Channels up to which a padded copy, whose rows of a window are one run, is faster.
const FEW_CHANNELS: usize = 16;

/// The shape of maps, channels last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Map {
    pub(super) stimuli: usize,
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) channels: usize,
}

impl Map {
    /// Number of values.
    pub(super) fn len(self) -> usize {
        self.stimuli * self.height * self.width * self.channels
    }

    /// The shape with zeros around it.
    pub(super) fn padded(self, [top, left]: Pads) -> Self {
        Self {
            height: self.height + top.0 + top.1,
            width: self.width + left.0 + left.1,
            ..self
        }
    }

    /// Index of a pixel's first value.
    fn at(self, stimulus: usize, y: usize, x: usize) -> usize {
        ((stimulus * self.height + y) * self.width + x) * self.channels
    }

    /// Every row of pixels as (stimulus, y).
    fn rows(self) -> impl Iterator<Item = (usize, usize)> {
        (0..self.stimuli).flat_map(move |stimulus| (0..self.height).map(move |y| (stimulus, y)))
    }
}

/// The part of a window within the map, along one axis: the window's offsets, and the first one's
/// position in the map.
fn within(out: usize, stride: usize, pad: usize, size: usize, map: usize) -> (usize, usize, usize) {
    let start = out * stride;
    let first = pad.saturating_sub(start);
    let last = size.min((map + pad).saturating_sub(start));
    (first.min(last), last, (start + first).saturating_sub(pad))
}

/// The rows that a convolution multiplies: the pixels under its window, for each output pixel.
pub(super) struct Patches {
    from: Map,
    to: Map,
    size: [usize; 2],
    stride: [usize; 2],
    pads: [usize; 2],
    /// The first channel of the group.
    channel: usize,
    /// Channels of the group.
    channels: usize,
    /// Whether a row of the window is one run.
    joined: bool,
}

impl Patches {
    /// Whether a padded copy of the input should be made first.
    pub(super) fn want_padding(from: Map, pads: Pads, groups: usize) -> bool {
        groups == 1 && from.channels < FEW_CHANNELS && pads != [(0, 0); 2]
    }

    /// The patches of one group of channels.
    pub(super) fn new(
        from: Map,
        to: Map,
        window: &Window,
        [top, left]: Pads,
        group: usize,
        groups: usize,
    ) -> Self {
        let channels = from.channels / groups;
        Self {
            from,
            to,
            size: window.size,
            stride: window.stride,
            pads: [top.0, left.0],
            channel: group * channels,
            channels,
            joined: groups == 1 && [top, left] == [(0, 0); 2],
        }
    }
}

impl Rows for Patches {
    fn rows(&self) -> usize {
        self.to.stimuli * self.to.height * self.to.width
    }

    fn taps(&self) -> usize {
        if self.joined {
            self.size[0]
        } else {
            self.size[0] * self.size[1]
        }
    }

    fn run(&self) -> usize {
        if self.joined {
            self.size[1] * self.channels
        } else {
            self.channels
        }
    }

    #[inline]
    fn starts(&self, row: usize, mut each: impl FnMut(Option<usize>)) {
        let (above, x) = (row / self.to.width, row % self.to.width);
        let (stimulus, y) = (above / self.to.height, above % self.to.height);
        let columns = if self.joined { 1 } else { self.size[1] };
        for dy in 0..self.size[0] {
            let y = (y * self.stride[0] + dy).wrapping_sub(self.pads[0]);
            for dx in 0..columns {
                let x = (x * self.stride[1] + dx).wrapping_sub(self.pads[1]);
                let inside = y < self.from.height && x < self.from.width;
                each(inside.then(|| self.from.at(stimulus, y, x) + self.channel));
            }
        }
    }
}

/// A map with zeros around.
pub(super) fn pad(from: Map, x: &[f32], pads: Pads, out: &mut [f32]) {
    let to = from.padded(pads);
    let [(top, _), (left, _)] = pads;
    out.fill(0.0);
    let row = from.width * from.channels;
    for (stimulus, y) in from.rows() {
        let (at, start) = (to.at(stimulus, y + top, left), from.at(stimulus, y, 0));
        out[at..at + row].copy_from_slice(&x[start..start + row]);
    }
}

/// The part of a map that begins at (top, left).
pub(super) fn crop(from: Map, x: &[f32], [top, left]: [usize; 2], to: Map, out: &mut [f32]) {
    let row = to.width * to.channels;
    for (stimulus, y) in to.rows() {
        let (at, start) = (to.at(stimulus, y, 0), from.at(stimulus, y + top, left));
        out[at..at + row].copy_from_slice(&x[start..start + row]);
    }
}

/// The input pixels under one window that are within the map.
struct Under {
    from: Map,
    stimulus: usize,
    rows: Range<usize>,
    columns: Range<usize>,
}

impl Under {
    fn count(&self) -> usize {
        self.rows.len() * self.columns.len()
    }

    /// Index of each pixel's first value.
    fn pixels(&self) -> impl Iterator<Item = usize> + use<> {
        let (from, stimulus, columns) = (self.from, self.stimulus, self.columns.clone());
        let rows = self.rows.clone();
        rows.flat_map(move |y| columns.clone().map(move |x| from.at(stimulus, y, x)))
    }
}

/// Calls `each(where an output pixel begins, what is under its window)`, compiled for the widest
/// vectors that this machine has.
fn windows(from: Map, to: Map, window: &Window, mut each: impl FnMut(usize, Under)) {
    Arch::new().dispatch(|| under_all(from, to, window, &mut each));
}

#[inline(always)]
fn under_all(from: Map, to: Map, window: &Window, each: &mut impl FnMut(usize, Under)) {
    let [top, left] = window.pads([from.height, from.width]).map(|pad| pad.0);
    let [high, wide] = window.size;
    for (stimulus, y) in to.rows() {
        let (dy, dy_end, first_y) = within(y, window.stride[0], top, high, from.height);
        for x in 0..to.width {
            let (dx, dx_end, first_x) = within(x, window.stride[1], left, wide, from.width);
            let under = Under {
                from,
                stimulus,
                rows: first_y..first_y + dy_end - dy,
                columns: first_x..first_x + dx_end - dx,
            };
            each(to.at(stimulus, y, x), under);
        }
    }
}

/// The largest value under each window, or NaN if there is one.
pub(super) fn max_pool(from: Map, x: &[f32], to: Map, window: &Window, out: &mut [f32]) {
    let channels = from.channels;
    let largest = |at: usize, under: Under| {
        let out = &mut out[at..at + channels];
        out.fill(f32::NEG_INFINITY);
        for pixel in under.pixels() {
            for (out, x) in out.iter_mut().zip(&x[pixel..pixel + channels]) {
                *out = if *x <= *out || out.is_nan() { *out } else { *x };
            }
        }
    };
    windows(from, to, window, largest);
}

/// The mean under each window; padding does not count.
pub(super) fn average_pool(from: Map, x: &[f32], to: Map, window: &Window, out: &mut [f32]) {
    let channels = from.channels;
    let mean = |at: usize, under: Under| {
        let out = &mut out[at..at + channels];
        out.fill(0.0);
        for pixel in under.pixels() {
            for (out, x) in out.iter_mut().zip(&x[pixel..pixel + channels]) {
                *out += x;
            }
        }
        let count = under.count() as f32;
        out.iter_mut().for_each(|out| *out /= count);
    };
    windows(from, to, window, mean);
}

/// The mean over all pixels.
pub(super) fn global_average(from: Map, x: &[f32], out: &mut [f32]) {
    let pixels = from.height * from.width;
    let maps = x.chunks_exact(pixels * from.channels);
    for (out, map) in out.chunks_exact_mut(from.channels).zip(maps) {
        out.fill(0.0);
        for pixel in map.chunks_exact(from.channels) {
            for (out, x) in out.iter_mut().zip(pixel) {
                *out += x;
            }
        }
        for out in out {
            *out /= pixels as f32;
        }
    }
}

/// Channels before height and width.
pub(super) fn channels_first(from: Map, x: &[f32], out: &mut [f32]) {
    let pixels = from.height * from.width;
    let maps = x.chunks_exact(pixels * from.channels);
    for (out, map) in out.chunks_exact_mut(pixels * from.channels).zip(maps) {
        for (channel, out) in out.chunks_exact_mut(pixels).enumerate() {
            for (out, x) in out
                .iter_mut()
                .zip(map[channel..].iter().step_by(from.channels))
            {
                *out = *x;
            }
        }
    }
}

/// Every channel convolved with a filter of its own.
pub(super) struct Depthwise<'a> {
    pub(super) from: Map,
    pub(super) x: &'a [f32],
    pub(super) to: Map,
    pub(super) window: &'a Window,
    pub(super) pads: Pads,
    /// `[height, width, channels]`.
    pub(super) kernel: &'a [f32],
    pub(super) bias: &'a [f32],
    pub(super) cut: Cut,
    pub(super) out: &'a mut [f32],
}

/// Vectors of channels that a depthwise convolution sums up at once, for as many pixels in a row.
const VECTORS: usize = 2;
const PIXELS: usize = 4;

/// What is summed up at once: neighbouring output pixels with the same part of their windows within
/// the map.
struct Sum {
    /// Where the first pixel under the first window begins.
    x: usize,
    /// Where the first output pixel begins.
    out: usize,
    /// Which of the window's rows and columns are within the map.
    rows: Range<usize>,
    columns: Range<usize>,
}

impl Depthwise<'_> {
    /// Computes all of `out`.
    pub(super) fn run(self) {
        Arch::new().dispatch(self);
    }

    /// All channels of `P` pixels. The last vectors overlap those before where channels do not fill
    /// them.
    #[inline(always)]
    fn pixels<S: Simd, const P: usize>(&mut self, simd: S, sum: &Sum) {
        let (channels, lanes) = (self.from.channels, S::F32_LANES);
        let (several, one) = (VECTORS * lanes, lanes.min(channels));
        let mut start = 0;
        while start < channels {
            if channels - start > lanes && channels >= several {
                let from = start.min(channels - several);
                self.vectors::<S, P, VECTORS>(simd, sum, from, lanes);
                start += several;
            } else {
                self.vectors::<S, P, 1>(simd, sum, start.min(channels - one), one);
                start += lanes;
            }
        }
    }

    /// `V` vectors of `width` channels each, from channel `start` on, of `P` pixels. Their sums are
    /// independent, and the pixels share the weights.
    #[inline(always)]
    fn vectors<S: Simd, const P: usize, const V: usize>(
        &mut self,
        simd: S,
        sum: &Sum,
        start: usize,
        width: usize,
    ) {
        let channels = self.from.channels;
        let across = self.from.width * channels;
        let (next, wide) = (self.window.stride[1] * channels, self.window.size[1]);
        let lanes = |v: usize| v * width..(v + 1) * width;
        let bias = &self.bias[start..start + V * width];
        let bias: [S::f32s; V] = std::array::from_fn(|v| load(simd, &bias[lanes(v)]));
        let mut sums = [bias; P];
        for (down, row) in sum.rows.clone().enumerate() {
            for (right, column) in sum.columns.clone().enumerate() {
                let weights = (row * wide + column) * channels + start;
                let weights = &self.kernel[weights..weights + V * width];
                let weights: [S::f32s; V] = std::array::from_fn(|v| load(simd, &weights[lanes(v)]));
                let first = sum.x + down * across + right * channels + start;
                for (p, sums) in sums.iter_mut().enumerate() {
                    let x = &self.x[first + p * next..first + p * next + V * width];
                    for (v, sum) in sums.iter_mut().enumerate() {
                        *sum = simd.mul_add_f32s(load(simd, &x[lanes(v)]), weights[v], *sum);
                    }
                }
            }
        }
        let low = simd.splat_f32s(self.cut.low);
        let high = simd.splat_f32s(self.cut.high);
        for (p, sums) in sums.into_iter().enumerate() {
            let out = sum.out + p * channels + start;
            let out = &mut self.out[out..out + V * width];
            for (sum, out) in sums.into_iter().zip(out.chunks_exact_mut(width)) {
                // In this order of operands, a NaN stays one.
                let value = simd.min_f32s(high, simd.max_f32s(low, sum));
                store(simd, out, value);
            }
        }
    }
}

impl WithSimd for Depthwise<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let (from, to) = (self.from, self.to);
        let ([high, wide], [down, right]) = (self.window.size, self.window.stride);
        let [(top, _), (left, _)] = self.pads;
        for (stimulus, y) in to.rows() {
            let (dy, dy_end, first_y) = within(y, down, top, high, from.height);
            let mut x = 0;
            while x < to.width {
                let (dx, dx_end, first_x) = within(x, right, left, wide, from.width);
                let sum = Sum {
                    x: from.at(stimulus, first_y, first_x),
                    out: to.at(stimulus, y, x),
                    rows: dy..dy_end,
                    columns: dx..dx_end,
                };
                // Whole windows only: their pixels lie the same way.
                let last = x + PIXELS - 1;
                let together = last < to.width
                    && dx == 0
                    && within(last, right, left, wide, from.width).1 == wide;
                if together {
                    self.pixels::<S, PIXELS>(simd, &sum);
                    x += PIXELS;
                } else {
                    self.pixels::<S, 1>(simd, &sum);
                    x += 1;
                }
            }
        }
    }
}
