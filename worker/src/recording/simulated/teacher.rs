//! The teacher: a small random network from rendered images to rates, which a network under test
//! has to imitate. V4 sites pool rectified oriented filters over a receptive field; IT sites pool a
//! further rectified layer over a wider one.
//!
//! It sees pixels only, never the latents that made them.

use image::RgbImage;
use pulp::Arch;
use rand::Rng;
use rayon::prelude::*;

use super::super::chance::{normal, unit};
use super::scene::{SIDE_PIXELS, bump, wave};

const FILTERS: usize = 24;
const FILTER_SIDE: usize = 9;
const STRIDE: usize = 5;
/// Filter positions along one side of the image.
const GRID: usize = (SIDE_PIXELS as usize - FILTER_SIDE) / STRIDE + 1;
const POSITIONS: usize = GRID * GRID;
/// Units per position of the layer that only IT sees.
const HIDDEN: usize = 32;
/// The rate of a site at an average stimulus, and how far it can move from it.
const MEAN_RATE: f64 = 20.0;
const RATE_SWING: f64 = 8.0;

/// Noiseless rates of the sites of V4 and, where `sites` has them, of IT, each `[stimuli, sites]`.
pub(super) fn rates(images: &[RgbImage], sites: &[usize], rng: &mut impl Rng) -> Vec<Vec<f64>> {
    let filters: Vec<Vec<f64>> = (0..FILTERS).map(|_| filter(rng)).collect();
    let mut maps: Vec<Vec<f64>> = images
        .par_iter()
        .map(|image| convolve(image, &filters))
        .collect();
    equalise(&mut maps, FILTERS);
    let mut rates = vec![pooled(&maps, FILTERS, sites[0], 0.45, rng)];
    let Some(&sites) = sites.get(1) else {
        return rates;
    };
    let mixing: Vec<Vec<f64>> = (0..HIDDEN)
        .map(|_| (0..FILTERS).map(|_| normal(rng)).collect())
        .collect();
    let mut deeper: Vec<Vec<f64>> = maps.par_iter().map(|map| mix(map, &mixing)).collect();
    equalise(&mut deeper, HIDDEN);
    rates.push(pooled(&deeper, HIDDEN, sites, 0.8, rng));
    rates
}

/// An oriented, coloured, localised wave: `[3, FILTER_SIDE, FILTER_SIDE]`.
fn filter(rng: &mut impl Rng) -> Vec<f64> {
    let t = 2.0 * unit(rng) - 1.0;
    let (cos, sin) = ((1.0 - t * t) / (1.0 + t * t), 2.0 * t / (1.0 + t * t));
    let (cycles, phase) = (0.3 + 0.6 * unit(rng), unit(rng));
    let colour = [0; 3].map(|_| 0.5 + normal(rng));
    let centre = (FILTER_SIDE as f64 - 1.0) / 2.0;
    let mut shape = Vec::with_capacity(FILTER_SIDE * FILTER_SIDE);
    for row in 0..FILTER_SIDE {
        for column in 0..FILTER_SIDE {
            let (x, y) = (column as f64 - centre, row as f64 - centre);
            let (x, y) = (x / (centre + 1.0), y / (centre + 1.0));
            shape.push(bump(x * x + y * y) * wave(cycles * (x * cos + y * sin) + phase));
        }
    }
    colour
        .iter()
        .flat_map(|weight| shape.iter().map(move |value| weight * value))
        .collect()
}

/// Filters `image` and rectifies: `[FILTERS, POSITIONS]`.
fn convolve(image: &RgbImage, filters: &[Vec<f64>]) -> Vec<f64> {
    let side = SIDE_PIXELS as usize;
    let pixels = image.as_raw().iter();
    let pixels: Vec<f64> = pixels.map(|&x| f64::from(x) / 255.0 - 0.5).collect();
    let mut patches = Vec::with_capacity(3 * FILTER_SIDE * FILTER_SIDE * POSITIONS);
    for channel in 0..3 {
        for within in 0..FILTER_SIDE * FILTER_SIDE {
            patches.extend((0..POSITIONS).map(|position| {
                let (top, left) = (position / GRID * STRIDE, position % GRID * STRIDE);
                let (row, column) = (top + within / FILTER_SIDE, left + within % FILTER_SIDE);
                pixels[(row * side + column) * 3 + channel]
            }));
        }
    }
    let maps = filters.iter().flat_map(|filter| combined(filter, &patches));
    maps.map(|drive| drive.max(0.0)).collect()
}

/// Scales each channel to a mean square of 1 over all stimuli and positions, so that none dominates
/// the others.
fn equalise(maps: &mut [Vec<f64>], channels: usize) {
    for channel in 0..channels {
        let range = channel * POSITIONS..(channel + 1) * POSITIONS;
        let square = |map: &Vec<f64>| map[range.clone()].iter().map(|x| x * x).sum::<f64>();
        let total: f64 = maps.iter().map(square).sum();
        let root = (total / (maps.len() * POSITIONS) as f64).sqrt();
        if root > 0.0 {
            for map in maps.iter_mut() {
                map[range.clone()].iter_mut().for_each(|x| *x /= root);
            }
        }
    }
}

/// The rectified second layer, position by position: `[HIDDEN, POSITIONS]`.
fn mix(map: &[f64], mixing: &[Vec<f64>]) -> Vec<f64> {
    let maps = mixing.iter().flat_map(|weights| combined(weights, map));
    maps.map(|drive| drive.max(0.0)).collect()
}

/// Rates of sites that pool `channels` maps over receptive fields of `radius` (a fraction of the
/// image's side), with random weights and saturation: `[stimuli, sites]`.
fn pooled(
    maps: &[Vec<f64>],
    channels: usize,
    sites: usize,
    radius: f64,
    rng: &mut impl Rng,
) -> Vec<f64> {
    let mut rates = vec![0.0; maps.len() * sites];
    // `[POSITIONS, channels]` each.
    let turned: Vec<Vec<f64>> = maps
        .par_iter()
        .map(|map| {
            let channels = |position| map[position..].iter().step_by(POSITIONS);
            (0..POSITIONS).flat_map(channels).copied().collect()
        })
        .collect();
    for site in 0..sites {
        let centre = [0; 2].map(|_| 0.3 + 0.4 * unit(rng));
        let field: Vec<f64> = (0..POSITIONS)
            .map(|position| {
                let place =
                    [position % GRID, position / GRID].map(|i| (i as f64 + 0.5) / GRID as f64);
                let [x, y] = [0, 1].map(|axis| (place[axis] - centre[axis]) / radius);
                bump(x * x + y * y)
            })
            .collect();
        let weights: Vec<f64> = (0..channels).map(|_| normal(rng)).collect();
        let drive = |map: &Vec<f64>| -> f64 {
            let pools = combined(&field, map);
            weights
                .iter()
                .zip(pools)
                .map(|(weight, pool)| weight * pool)
                .sum()
        };
        let drives: Vec<f64> = turned.par_iter().map(drive).collect();
        for (stimulus, drive) in standardised(&drives).into_iter().enumerate() {
            rates[stimulus * sites + site] = MEAN_RATE + RATE_SWING * saturated(drive);
        }
    }
    rates
}

fn standardised(values: &[f64]) -> Vec<f64> {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let sd = (values.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n).sqrt();
    values
        .iter()
        .map(|x| if sd > 0.0 { (x - mean) / sd } else { 0.0 })
        .collect()
}

/// -1 to 1, without an exponential.
fn saturated(drive: f64) -> f64 {
    drive / (1.0 + drive.abs())
}

/// `weights · rows`: the sum of the rows of a matrix `[weights, any]`, each times its weight. The order
/// of every sum is that of the rows, though many sums are made at once.
fn combined(weights: &[f64], rows: &[f64]) -> Vec<f64> {
    let mut sums = vec![0.0; rows.len() / weights.len()];
    Arch::new().dispatch(|| {
        for (weight, row) in weights.iter().zip(rows.chunks_exact(sums.len())) {
            for (sum, value) in sums.iter_mut().zip(row) {
                *sum += weight * value;
            }
        }
    });
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::chance::generator;

    #[test]
    fn rates_depend_on_the_image_alone() {
        let mut rng = generator(2, "test");
        let plain = |level| RgbImage::from_pixel(SIDE_PIXELS, SIDE_PIXELS, image::Rgb([level; 3]));
        let images = [plain(0), plain(200), plain(0)];
        for rates in rates(&images, &[3, 4], &mut rng) {
            let sites = rates.len() / 3;
            assert_eq!(rates[..sites], rates[2 * sites..], "same image, same rates");
            assert_ne!(rates[..sites], rates[sites..2 * sites]);
            let swing = MEAN_RATE - RATE_SWING..MEAN_RATE + RATE_SWING;
            assert!(rates.iter().all(|rate| swing.contains(rate)), "{rates:?}");
        }
    }
}
