//! Simulated recordings: seeded images of single objects and a seeded nonlinear teacher with noise,
//! for trying the program without data. Nothing in here is neuroscience, and results say so.
//!
//! The same seed gives the same bits on every machine: draws and arithmetic are IEEE basic
//! operations in a fixed order. A change of any number made here needs a new [`VERSION`].

mod scene;
mod teacher;
mod truth;

use std::collections::BTreeMap;

use image::RgbImage;
use rand_chacha::ChaCha8Rng;

use super::ceiling::Noise;
use super::chance::{generator, normal};
use super::presentations::Presentations;
use super::region::Region;
use super::stimuli::Stimulus;

/// Goes into the digest, so that results of different simulations are never mixed up.
pub(super) const VERSION: u32 = 1;
/// The simulated regions and their sites, as many as in the public recordings of Majaj, Hong et
/// al. (2015).
pub(super) const REGIONS: [(&str, usize); 2] = [("V4", 88), ("IT", 168)];
/// Names of all regions, those whose truth is known last.
pub(super) const NAMES: [&str; 5] = [
    REGIONS[0].0,
    REGIONS[1].0,
    truth::REGIONS[0].0,
    truth::REGIONS[1].0,
    truth::REGIONS[2].0,
];
/// How many stimuli there are: 40 of each object.
const STIMULI: usize = 320;
/// How often each is shown; the repetitions are averaged, as in recordings that are read.
const REPETITIONS: usize = 4;
/// The fraction of each site's variance, after averaging, that the stimulus explains.
const EXPLAINABLE: f64 = 0.55;

/// The recordings made from a seed.
pub(super) struct Simulated {
    /// The stimuli with their `object_name`.
    pub(super) stimuli: Vec<Stimulus>,
    /// Their images, 64 x 64.
    pub(super) images: Vec<RgbImage>,
    /// The regions asked for, in that order.
    pub(super) regions: Vec<Region>,
}

/// Renders the stimuli of `seed` and lets its teacher respond to the images, in the regions
/// `wanted`. A region does not depend on which others are requested.
pub(super) fn simulate(seed: u64, wanted: &[String]) -> Simulated {
    let mut rng = generator(seed, "nrp simulated scenes v1");
    let scenes: Vec<scene::Scene> = (0..STIMULI)
        .map(|i| scene::Scene::draw(i % scene::OBJECTS.len(), &mut rng))
        .collect();
    let images: Vec<RgbImage> = scenes.iter().map(scene::Scene::render).collect();
    let mut rng = generator(seed, "nrp simulated teacher v1");
    // IT is drawn after V4 everywhere, so V4 can be simulated alone.
    let [v4, it] = REGIONS;
    let known = if wanted.iter().any(|wanted| wanted == it.0) {
        vec![v4, it]
    } else {
        vec![v4]
    };
    let sites: Vec<usize> = known.iter().map(|(_, sites)| *sites).collect();
    let rates = teacher::rates(&images, &sites, &mut rng);
    let mut rng = generator(seed, "nrp simulated noise v1");
    let known = known.into_iter().zip(&rates).map(|((name, sites), rates)| {
        let noise_sd = noise_sd(rates, sites);
        (name, sites, repeated(rates, &noise_sd, &mut rng))
    });
    let mut drawn: Vec<_> = known.collect();
    let rates = truth::rates(&images, &mut generator(seed, "nrp simulated truth v1"));
    let mut rng = generator(seed, "nrp simulated truth's noise v1");
    let noise_sd = sd_of_noise(truth::DEVIATION.powi(2), truth::EXPLAINABLE);
    let known = truth::REGIONS.iter().zip(&rates);
    drawn.extend(known.map(|(&(name, sites), rates)| {
        (
            name,
            sites,
            repeated(rates, &vec![noise_sd; sites], &mut rng),
        )
    }));
    let regions = wanted
        .iter()
        .filter_map(|wanted| drawn.iter().find(|(name, ..)| name == wanted))
        .map(|(name, sites, rates)| region(name, rates, *sites))
        .collect();
    let stimuli = scenes
        .iter()
        .enumerate()
        .map(|(i, scene)| stimulus(i, scene))
        .collect();
    Simulated {
        stimuli,
        images,
        regions,
    }
}

fn stimulus(index: usize, scene: &scene::Scene) -> Stimulus {
    let id = format!("simulated-{index:03}");
    let labels = [
        ("stimulus_id", id.clone()),
        ("object_name", scene.object_name().to_owned()),
    ];
    Stimulus {
        labels: BTreeMap::from(labels.map(|(column, label)| (column.to_owned(), label))),
        id,
    }
}

fn region(name: &str, rates: &[[f64; REPETITIONS]], sites: usize) -> Region {
    Region {
        subject: None,
        bin: None,
        name: name.to_owned(),
        sites: (0..sites).map(|site| format!("{name}-{site:03}")).collect(),
        responses: averaged(rates),
        repetitions: (REPETITIONS, REPETITIONS),
        noise: noise(rates, sites),
    }
}

/// Each site's standard deviation of a repetition's noise, from its rates `[stimuli, sites]`.
fn noise_sd(rates: &[f64], sites: usize) -> Vec<f64> {
    let stimuli = rates.len() / sites;
    let of_site = |site| {
        let column = || rates[site..].iter().step_by(sites);
        let mean = column().sum::<f64>() / stimuli as f64;
        let variance = column().map(|x| (x - mean) * (x - mean)).sum::<f64>() / stimuli as f64;
        sd_of_noise(variance, EXPLAINABLE)
    };
    (0..sites).map(of_site).collect()
}

/// Standard deviation of a repetition's noise such that rates of this variance explain the given
/// fraction of the averages' variance.
fn sd_of_noise(variance: f64, explainable: f64) -> f64 {
    (variance * REPETITIONS as f64 * (1.0 - explainable) / explainable).sqrt()
}

/// Noisy repetitions of `rates`, `[stimuli, sites]`. A repetition's spike count is at least 0.
fn repeated(rates: &[f64], noise_sd: &[f64], rng: &mut ChaCha8Rng) -> Vec<[f64; REPETITIONS]> {
    let sites = noise_sd.len();
    let one = |(cell, rate): (usize, &f64)| {
        [0; REPETITIONS].map(|_| (rate + noise_sd[cell % sites] * normal(rng)).max(0.0))
    };
    rates.iter().enumerate().map(one).collect()
}

/// Rounded to single precision, as a recording system would.
fn averaged(rates: &[[f64; REPETITIONS]]) -> Vec<f64> {
    let mean = |repetitions: &[f64; REPETITIONS]| {
        f64::from((repetitions.iter().sum::<f64>() / REPETITIONS as f64) as f32)
    };
    rates.iter().map(mean).collect()
}

fn noise(rates: &[[f64; REPETITIONS]], sites: usize) -> Option<Noise> {
    let stimuli = rates.len() / sites;
    let shown: Vec<usize> = (0..stimuli * REPETITIONS)
        .map(|p| p / REPETITIONS)
        .collect();
    let value = |p: usize, site: usize| rates[p / REPETITIONS * sites + site][p % REPETITIONS];
    Noise::measure(&Presentations::of(&shown, stimuli, None), sites, value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::ceiling::correlation;

    #[test]
    fn the_set_has_the_shape_it_claims() {
        let made = simulate(1, &NAMES.map(str::to_owned));
        assert_eq!((made.stimuli.len(), made.images.len()), (320, 320));
        assert!(
            made.images
                .iter()
                .all(|image| image.dimensions() == (64, 64))
        );
        let mut objects: BTreeMap<&str, usize> = BTreeMap::new();
        for stimulus in &made.stimuli {
            *objects.entry(&stimulus.labels["object_name"]).or_default() += 1;
        }
        assert_eq!(objects.len(), 8);
        assert!(objects.values().all(|count| *count == 40), "{objects:?}");
        for (region, (name, sites)) in made
            .regions
            .iter()
            .zip([REGIONS.as_slice(), &truth::REGIONS].concat())
        {
            assert_eq!((region.name.as_str(), region.sites.len()), (name, sites));
            assert_eq!(region.responses.len(), 320 * sites);
        }
    }

    #[test]
    fn a_region_is_the_same_alone() {
        let all = simulate(5, &NAMES.map(str::to_owned)).regions;
        for region in all {
            let alone = &simulate(5, std::slice::from_ref(&region.name)).regions[0];
            assert_eq!(alone.responses, region.responses, "{}", region.name);
            assert_eq!(alone.noise, region.noise, "{}", region.name);
        }
    }

    #[test]
    fn rates_are_counts_and_every_site_varies() {
        for region in simulate(7, &NAMES.map(str::to_owned)).regions {
            let sites = region.sites.len();
            assert!(
                region
                    .responses
                    .iter()
                    .all(|rate| rate.is_finite() && *rate >= 0.0)
            );
            for site in 0..sites {
                let rates: Vec<f64> = region.responses[site..]
                    .iter()
                    .step_by(sites)
                    .copied()
                    .collect();
                let mean = rates.iter().sum::<f64>() / 320.0;
                let variance = rates.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 320.0;
                assert!(mean > 1.0, "{} site {site}: mean {mean}", region.name);
                assert!(
                    variance > 0.1,
                    "{} site {site}: variance {variance}",
                    region.name
                );
            }
        }
    }

    #[test]
    fn about_half_the_variance_is_explainable() {
        // Two recordings of one teacher differ in noise alone; their correlation is the
        // explainable part. Over 320 stimuli its standard error is 0.04 per site.
        let mut rng = generator(3, "test scenes");
        let images: Vec<RgbImage> = (0..320)
            .map(|i| scene::Scene::draw(i % 8, &mut rng).render())
            .collect();
        let rates = teacher::rates(&images, &[20, 20], &mut generator(3, "test teacher"));
        for rates in &rates {
            let noise_sd = noise_sd(rates, 20);
            let recorded =
                |purpose| averaged(&repeated(rates, &noise_sd, &mut generator(3, purpose)));
            let (first, second) = (recorded("first"), recorded("second"));
            let mut sum = 0.0;
            for site in 0..20 {
                let column = |all: &[f64]| all[site..].iter().step_by(20).copied().collect();
                let (a, b): (Vec<f64>, Vec<f64>) = (column(&first), column(&second));
                sum += correlation(&a, &b).expect("both vary");
            }
            assert!((sum / 20.0 - EXPLAINABLE).abs() < 0.05, "{}", sum / 20.0);
        }
    }

    #[test]
    fn the_ceiling_is_the_explainable_part() {
        // Sites differ by a standard error of 0.04 at 320 stimuli; their mean by far less. Rates
        // cut at no spikes lose a little noise.
        for region in &simulate(1, &NAMES.map(str::to_owned)).regions[..REGIONS.len()] {
            let noise = region.noise.as_ref().expect("repetitions");
            let n = noise.ceilings.len() as f64;
            let mean = noise.ceilings.iter().flatten().sum::<f64>() / n;
            assert!(
                (mean - EXPLAINABLE).abs() < 0.015,
                "{}: {mean}",
                region.name
            );
        }
    }

    #[test]
    fn a_seed_gives_the_same_bits_and_another_does_not() {
        let digest = |seed| {
            let made = simulate(seed, &NAMES.map(str::to_owned));
            let mut hasher = blake3::Hasher::new();
            for image in &made.images {
                hasher.update(image.as_raw());
            }
            for region in &made.regions[..REGIONS.len()] {
                for rate in &region.responses {
                    hasher.update(&(*rate as f32).to_le_bytes());
                }
            }
            hasher.finalize().to_hex()[..16].to_owned()
        };
        assert_ne!(digest(1), digest(2));
        // A change here means a new VERSION: other people's results were made with these bits.
        insta::assert_snapshot!(digest(1), @"91e903334552fa56");
    }

    #[test]
    fn the_ceiling_knows_the_truth() {
        let made = simulate(2, &NAMES.map(str::to_owned));
        assert_eq!(
            NAMES,
            made.regions.iter().map(|of| &*of.name).collect::<Vec<_>>()[..]
        );
        for (region, expected) in made.regions[2..].iter().zip([0.9, 0.9, 0.0]) {
            let noise = region.noise.as_ref().expect("repetitions");
            let mean = noise.ceilings.iter().flatten().sum::<f64>() / 16.0;
            // A site's standard error at 320 stimuli is 0.06 where there is nothing to see, twice that
            // by the correction; that of 16 sites a quarter.
            assert!((mean - expected).abs() < 0.09, "{}: {mean}", region.name);
        }
    }
}
