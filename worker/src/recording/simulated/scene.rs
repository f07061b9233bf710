//! Scenes: one patterned object on a plain background, drawn from seven latents.
//!
//! Few latents on purpose: a network must be able to learn from 256 images.

use image::{Rgb, RgbImage};
use rand::Rng;

use super::super::chance::unit;

/// Width and height of an image.
pub(super) const SIDE_PIXELS: u32 = 64;
/// The objects; each is a pattern of its own.
pub(super) const OBJECTS: [&str; 8] = [
    "disc", "ring", "bars", "stripes", "checks", "cross", "shade", "moon",
];

/// What an image shows.
pub(super) struct Scene {
    object: usize,
    /// Centre, as a fraction of the image's side.
    centre: [f64; 2],
    /// Radius, as a fraction of the image's side.
    radius: f64,
    /// Cosine and sine of the orientation.
    direction: [f64; 2],
    /// Colour of the pattern's bright and dark parts, 0 to 1.
    colours: [[f64; 3]; 2],
    /// Grey of the background, 0 to 1.
    background: f64,
}

impl Scene {
    /// Draws the latents of a scene with the given object.
    pub(super) fn draw(object: usize, rng: &mut impl Rng) -> Self {
        let mut between = |low: f64, high: f64| low + (high - low) * unit(rng);
        let centre = [between(0.42, 0.58), between(0.42, 0.58)];
        let radius = between(0.3, 0.45);
        // The rational circle: -0.5 to 0.5 turns from -53 to 53 degrees without a sine.
        let t = between(-0.5, 0.5);
        let direction = [(1.0 - t * t) / (1.0 + t * t), 2.0 * t / (1.0 + t * t)];
        let hue = between(0.0, 0.4);
        let opposite = hue + 0.5;
        Self {
            object,
            centre,
            radius,
            direction,
            colours: [hue_colour(hue, 0.95), hue_colour(opposite, 0.55)],
            background: between(0.2, 0.7),
        }
    }

    /// What the scene shows.
    pub(super) fn object_name(&self) -> &'static str {
        OBJECTS[self.object]
    }

    /// Renders the scene.
    pub(super) fn render(&self) -> RgbImage {
        RgbImage::from_fn(SIDE_PIXELS, SIDE_PIXELS, |x, y| {
            let side = f64::from(SIDE_PIXELS);
            let dx = ((f64::from(x) + 0.5) / side - self.centre[0]) / self.radius;
            let dy = ((f64::from(y) + 0.5) / side - self.centre[1]) / self.radius;
            let [cos, sin] = self.direction;
            let (u, v) = (dx * cos + dy * sin, dy * cos - dx * sin);
            let window = bump(u * u + v * v);
            let bright = 0.5 + 0.5 * self.pattern(u, v);
            Rgb([0, 1, 2].map(|channel| {
                let inside =
                    bright * self.colours[0][channel] + (1.0 - bright) * self.colours[1][channel];
                let value = self.background + window * (inside - self.background);
                (value * 255.0 + 0.5) as u8
            }))
        })
    }

    /// The object's pattern, -1 to 1, over `u` and `v` of -1 to 1.
    fn pattern(&self, u: f64, v: f64) -> f64 {
        let squared = u * u + v * v;
        match OBJECTS[self.object] {
            "disc" => 1.0,
            "ring" => wave(1.5 * squared.sqrt()),
            "bars" => wave(1.5 * u),
            "stripes" => wave(3.0 * u),
            "checks" => wave(1.5 * u) * wave(1.5 * v),
            "cross" => (1.0 - 4.0 * u.abs().min(v.abs())).max(-1.0),
            "shade" => u.clamp(-1.0, 1.0),
            "moon" => 1.0 - 2.0 * bump((u - 0.4) * (u - 0.4) + v * v),
            other => unreachable!("no such object: {other}"),
        }
    }
}

/// 1 at the centre, flat, 0 from a squared distance of 1 on.
pub(super) fn bump(squared: f64) -> f64 {
    let inside = (1.0 - squared * squared).max(0.0);
    inside * inside
}

/// A triangle wave of period 1: 1 at 0, -1 at a half.
pub(super) fn wave(phase: f64) -> f64 {
    let within = phase - phase.floor();
    (4.0 * within - 2.0).abs() - 1.0
}

/// A saturated colour of the hue circle, 0 to 1.
fn hue_colour(hue: f64, value: f64) -> [f64; 3] {
    [0.0, 1.0 / 3.0, 2.0 / 3.0].map(|centre| {
        let distance = (hue - centre).abs();
        let around = distance.min(1.0 - distance);
        value * (2.0 - 6.0 * around).clamp(0.1, 1.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::chance::generator;

    #[test]
    fn waves_and_bumps_have_their_extremes() {
        assert_eq!(
            [0.0, 0.25, 0.5, 0.75, 1.0, -0.5].map(wave),
            [1.0, 0.0, -1.0, 0.0, 1.0, -1.0]
        );
        assert_eq!([0.0, 1.0, 4.0].map(bump), [1.0, 0.0, 0.0]);
    }

    #[test]
    fn every_object_differs_from_its_background() {
        for (object, name) in OBJECTS.iter().enumerate() {
            let image = Scene::draw(object, &mut generator(5, "test")).render();
            let corner = *image.get_pixel(0, 0);
            assert_eq!(corner.0[0], corner.0[1], "the background is grey");
            let differing = image.pixels().filter(|pixel| **pixel != corner).count();
            assert!(differing > 400, "{name} shows in {differing} pixels");
        }
    }
}
