//! Regions whose truth is known, so that it is certain how well a predictor must do. `linear` is linear
//! in a few features of the image, `nonlinear` is even in them, so that every linear map of them is
//! uncorrelated with it, and `noise` does not depend on the image.
//!
//! The features are sums over pixels, so every early layer of an ANN has them all but linearly.

use image::RgbImage;
use rand::Rng;

use super::super::chance::normal;
use super::scene::SIDE_PIXELS;

/// The regions and their sites.
pub(super) const REGIONS: [(&str, usize); 3] = [("linear", 16), ("nonlinear", 16), ("noise", 16)];
/// The fraction of each site's variance, after averaging, that the stimulus explains in the regions
/// that depend on it.
pub(super) const EXPLAINABLE: f64 = 0.9;

const FEATURES: usize = 2;
const MEAN_RATE: f64 = 20.0;
/// Standard deviation of a site's rates over stimuli, noise aside.
pub(super) const DEVIATION: f64 = 3.0;

/// Noiseless rates of the sites of [`REGIONS`], each `[stimuli, sites]`.
pub(super) fn rates(images: &[RgbImage], rng: &mut impl Rng) -> [Vec<f64>; 3] {
    let features: Vec<Vec<f64>> = (0..FEATURES).map(|of| standardised(images, of)).collect();
    REGIONS.map(|(region, sites)| {
        let mut rates = vec![MEAN_RATE; images.len() * sites];
        for site in 0..sites {
            let weights = [(); FEATURES].map(|()| normal(rng));
            let drives = (0..images.len()).map(|stimulus| {
                let parts = weights.iter().zip(&features);
                let drive: f64 = parts
                    .map(|(weight, feature)| weight * feature[stimulus])
                    .sum();
                match region {
                    "linear" => drive,
                    "nonlinear" => drive.abs(),
                    "noise" => 0.0,
                    other => unreachable!("no such region: {other}"),
                }
            });
            let drives = scaled(drives.collect());
            for (stimulus, drive) in drives.into_iter().enumerate() {
                rates[stimulus * sites + site] += DEVIATION * drive;
            }
        }
        rates
    })
}

/// A feature of each image, with mean 0 and variance 1 over them: how bright the frame is, and how red
/// rather than blue the middle.
fn standardised(images: &[RgbImage], feature: usize) -> Vec<f64> {
    let of = |image: &RgbImage| {
        let frame = SIDE_PIXELS / 8;
        let is_frame = |at: u32| at < frame || at >= SIDE_PIXELS - frame;
        let pixels = image.enumerate_pixels();
        let sum = pixels.map(|(x, y, pixel)| {
            let [red, green, blue] = pixel.0.map(f64::from);
            match (feature, is_frame(x) || is_frame(y)) {
                (0, true) => red + green + blue,
                (0, false) | (_, true) => 0.0,
                (_, false) => red - blue,
            }
        });
        sum.sum::<f64>()
    };
    scaled(images.iter().map(of).collect())
}

/// Scales to mean 0 and variance 1; constant features become 0.
fn scaled(values: Vec<f64>) -> Vec<f64> {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n;
    let by = if variance > 0.0 { variance.sqrt() } else { 1.0 };
    values.into_iter().map(|x| (x - mean) / by).collect()
}
