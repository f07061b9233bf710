//! Windows moved over maps: padding, pools, depthwise convolutions, and the patches that a
//! convolution multiplies.

use pulp::{Arch, Simd, WithSimd};

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
    /// How many values.
    pub(super) fn len(self) -> usize {
        self.stimuli * self.height * self.width * self.channels
    }

    /// The same with zeros around.
    pub(super) fn padded(self, [top, left]: Pads) -> Self {
        Self {
            height: self.height + top.0 + top.1,
            width: self.width + left.0 + left.1,
            ..self
        }
    }

    /// Where a pixel begins.
    fn at(self, stimulus: usize, y: usize, x: usize) -> usize {
        ((stimulus * self.height + y) * self.width + x) * self.channels
    }

    /// Every row of pixels as (stimulus, y).
    fn rows(self) -> impl Iterator<Item = (usize, usize)> {
        (0..self.stimuli).flat_map(move |stimulus| (0..self.height).map(move |y| (stimulus, y)))
    }
}

/// What of a window over one axis lies within the map: the window's offsets, and where the first of
/// them lies in the map.
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

/// Calls `each(output pixel, input pixels under its window that are within the map)`.
fn windows(
    from: Map,
    to: Map,
    window: &Window,
    mut each: impl FnMut(usize, &mut dyn Iterator<Item = usize>),
) {
    let [top, left] = window.pads([from.height, from.width]).map(|pad| pad.0);
    let [high, wide] = window.size;
    for (stimulus, y) in to.rows() {
        let (dy, dy_end, first_y) = within(y, window.stride[0], top, high, from.height);
        for x in 0..to.width {
            let (dx, dx_end, first_x) = within(x, window.stride[1], left, wide, from.width);
            let mut pixels = (0..dy_end - dy).flat_map(|dy| {
                (0..dx_end - dx).map(move |dx| from.at(stimulus, first_y + dy, first_x + dx))
            });
            each(to.at(stimulus, y, x), &mut pixels);
        }
    }
}

/// The largest value under each window; NaN where there is one.
pub(super) fn max_pool(from: Map, x: &[f32], to: Map, window: &Window, out: &mut [f32]) {
    let channels = from.channels;
    windows(from, to, window, |at, pixels| {
        let out = &mut out[at..at + channels];
        out.fill(f32::NEG_INFINITY);
        for pixel in pixels {
            for (out, x) in out.iter_mut().zip(&x[pixel..pixel + channels]) {
                *out = if *x <= *out || out.is_nan() { *out } else { *x };
            }
        }
    });
}

/// The mean under each window; padding does not count.
pub(super) fn average_pool(from: Map, x: &[f32], to: Map, window: &Window, out: &mut [f32]) {
    let channels = from.channels;
    windows(from, to, window, |at, pixels| {
        let out = &mut out[at..at + channels];
        out.fill(0.0);
        let mut count = 0;
        for pixel in pixels {
            count += 1;
            for (out, x) in out.iter_mut().zip(&x[pixel..pixel + channels]) {
                *out += x;
            }
        }
        for out in out {
            *out /= count as f32;
        }
    });
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

/// Vectors of channels that a depthwise convolution sums up at once.
const VECTORS: usize = 4;

/// An input pixel's channels, and the filters' weights for it.
type Tap<'a> = (&'a [f32], &'a [f32]);

impl Depthwise<'_> {
    /// Computes all of `out`.
    pub(super) fn run(self) {
        Arch::new().dispatch(self);
    }

    /// One output pixel. Several vectors at once, whose sums need not wait for each other; the last
    /// vector overlaps the one before where channels do not fill it.
    #[inline(always)]
    fn pixel<S: Simd>(&mut self, simd: S, taps: &[Tap<'_>], at: usize) {
        let (channels, lanes) = (self.from.channels, S::F32_LANES);
        let mut start = 0;
        while start + VECTORS * lanes <= channels {
            self.vectors::<S, VECTORS>(simd, taps, at, start, lanes);
            start += VECTORS * lanes;
        }
        while start < channels {
            let last = channels.saturating_sub(lanes);
            let width = lanes.min(channels);
            self.vectors::<S, 1>(simd, taps, at, start.min(last), width);
            start += lanes;
        }
    }

    /// `V` vectors of `width` channels each, from channel `start` on, of the output pixel `at`.
    #[inline(always)]
    fn vectors<S: Simd, const V: usize>(
        &mut self,
        simd: S,
        taps: &[Tap<'_>],
        at: usize,
        start: usize,
        width: usize,
    ) {
        let low = simd.splat_f32s(self.cut.low);
        let high = simd.splat_f32s(self.cut.high);
        let some = start..start + V * width;
        let bias = &self.bias[some.clone()];
        let mut sums: [S::f32s; V] =
            std::array::from_fn(|v| load(simd, &bias[v * width..(v + 1) * width]));
        for (x, weights) in taps {
            let (x, weights) = (&x[some.clone()], &weights[some.clone()]);
            for (v, sum) in sums.iter_mut().enumerate() {
                let lanes = v * width..(v + 1) * width;
                let weights = load(simd, &weights[lanes.clone()]);
                *sum = simd.mul_add_f32s(load(simd, &x[lanes]), weights, *sum);
            }
        }
        let out = &mut self.out[at + some.start..at + some.end];
        for (sum, out) in sums.into_iter().zip(out.chunks_exact_mut(width)) {
            // In this order of operands, a NaN stays one.
            let value = simd.min_f32s(high, simd.max_f32s(low, sum));
            store(simd, out, value);
        }
    }
}

impl WithSimd for Depthwise<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let (from, to, x, kernel) = (self.from, self.to, self.x, self.kernel);
        let ([high, wide], [down, right]) = (self.window.size, self.window.stride);
        let [(top, _), (left, _)] = self.pads;
        let channels = from.channels;
        let mut taps: Vec<Tap<'_>> = Vec::with_capacity(high * wide);
        for (stimulus, y) in to.rows() {
            let (dy, dy_end, first_y) = within(y, down, top, high, from.height);
            for to_x in 0..to.width {
                let (dx, dx_end, first_x) = within(to_x, right, left, wide, from.width);
                taps.clear();
                for row in dy..dy_end {
                    for column in dx..dx_end {
                        let pixel = from.at(stimulus, first_y + row - dy, first_x + column - dx);
                        let weights = (row * wide + column) * channels;
                        taps.push((
                            &x[pixel..pixel + channels],
                            &kernel[weights..weights + channels],
                        ));
                    }
                }
                self.pixel(simd, &taps, to.at(stimulus, y, to_x));
            }
        }
    }
}
