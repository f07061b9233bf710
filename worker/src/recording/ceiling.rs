//! Noise: what repetitions say about how well any predictor can do. The noise ceiling of each site,
//! and the noise floor of the error.
//!
//! Pure arithmetic on presentations, which are let go: what is kept is no larger than the averaged
//! responses. The splits are drawn from a fixed seed, so a ceiling belongs to its recordings.
//!
//! Ceiling: split-half reliability. The repetitions of each stimulus are divided at random, both
//! halves averaged, and correlated over stimuli; the Spearman–Brown formula 2r / (1 + r) (Spearman
//! 1910, Brown 1910) then gives the reliability of the average over all repetitions. This is the
//! ceiling of Brain-Score (Schrimpf et al. 2018). It is a share of variance, to be compared with
//! r², not with r: the true rates correlate with their noisy average by the ceiling's square root.
//! Hence r² / ceiling; Brain-Score's older scores were (r / ceiling)².
//!
//! Floor: the mean absolute error that is left to a predictor of the true rates. Where noise is
//! Gaussian and independent between repetitions, an average of n with standard deviation σ misses
//! the true rate by √(2/π) σ/√n in the mean. σ is estimated for each stimulus and site from its own
//! repetitions, so that noise may grow with the rate. Slow drifts shared by all repetitions cannot
//! be seen in them: then the floor is higher and the ceiling lower than is said here.

use std::f64::consts::{FRAC_2_PI, PI};

use rand::Rng;
use rayon::prelude::*;
use serde::Serialize;

use super::chance::generator;
use crate::nrp::metrics::median;

/// How many random splits a ceiling is averaged over. More change it by less than 0.001.
const SPLITS: usize = 100;
/// Fewest stimuli that halves are correlated over: two always correlate perfectly.
const MIN_STIMULI: usize = 3;

/// What the repetitions of a region's stimuli say about its noise.
#[derive(Debug, Clone, PartialEq)]
pub struct Noise {
    /// Per site, the Spearman–Brown corrected split-half correlation, mean over random splits; the
    /// reliability of the averaged responses. Below 0 by chance alone. `None` where it is undefined.
    pub ceilings: Vec<Option<f64>>,
    /// Expected absolute error of the averaged responses, `[stimuli, sites]`, in the recordings'
    /// units; NaN where nothing was recorded, and at sites that no stimulus was repeated to.
    pub errors: Vec<f32>,
    /// The ceiling as Brain-Score aggregates it: for each random split the median over sites, and the
    /// mean of those. Not that of `ceilings`, which are means over splits first.
    pub consistency: Option<f64>,
}

/// The noise of a region in brief, over all its stimuli and sites.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NoiseReport {
    /// Lowest noise ceiling of a site.
    pub ceiling_min: f64,
    /// Median of the sites' noise ceilings.
    pub ceiling_median: f64,
    /// Highest noise ceiling of a site.
    pub ceiling_max: f64,
    /// Mean absolute error that noise leaves to a predictor of the true rates.
    pub noise_floor: f64,
}

impl Noise {
    /// Measures the noise of `sites`, or nothing where no stimulus was shown twice.
    ///
    /// `stimulus_of` gives the row of each presentation's stimulus among `stimuli` rows; `value` the
    /// response to a presentation at a site, not finite where there is none.
    pub(super) fn measure(
        stimulus_of: &[usize],
        stimuli: usize,
        sites: usize,
        value: impl Fn(usize, usize) -> f64 + Sync,
    ) -> Option<Self> {
        let mut groups = vec![Vec::new(); stimuli];
        for (presentation, &stimulus) in stimulus_of.iter().enumerate() {
            groups[stimulus].push(presentation);
        }
        if groups.iter().all(|group| group.len() < 2) {
            return None;
        }
        let splits = splits(&groups, stimulus_of.len());
        let columns: Vec<(Vec<Option<f64>>, Vec<f32>)> = (0..sites)
            .into_par_iter()
            .map(|site| {
                let column: Vec<f64> = (0..stimulus_of.len()).map(|p| value(p, site)).collect();
                (reliabilities(&column, &splits), errors(&column, &groups))
            })
            .collect();
        let cell = |stimulus: usize| columns.iter().map(move |(_, errors)| errors[stimulus]);
        let errors = (0..stimuli).flat_map(cell).collect();
        let reliabilities: Vec<_> = columns.into_iter().map(|(of_site, _)| of_site).collect();
        Some(Self {
            errors,
            ceilings: reliabilities
                .iter()
                .map(|of_site| ceiling(of_site))
                .collect(),
            consistency: consistency(&reliabilities),
        })
    }

    /// The noise in brief, where a site has a ceiling.
    pub(super) fn report(&self) -> Option<NoiseReport> {
        let mut ceilings: Vec<f64> = self.ceilings.iter().flatten().copied().collect();
        ceilings.sort_unstable_by(f64::total_cmp);
        let (&min, &max) = ceilings.first().zip(ceilings.last())?;
        let n = ceilings.len();
        Some(NoiseReport {
            ceiling_min: min,
            ceiling_median: (ceilings[(n - 1) / 2] + ceilings[n / 2]) / 2.0,
            ceiling_max: max,
            noise_floor: self.floor()?,
        })
    }

    /// Mean absolute error that is left to a predictor of the true rates: that of all recorded
    /// cells, where it is known.
    pub fn floor(&self) -> Option<f64> {
        let known = self.errors.iter().filter(|error| !error.is_nan());
        let (n, sum) = known.fold((0_usize, 0.0), |(n, sum), error| {
            (n + 1, sum + f64::from(*error))
        });
        (n > 0).then(|| sum / n as f64)
    }

    /// The same sites' noise at some of the stimuli.
    pub fn at(&self, stimuli: &[usize]) -> Self {
        let sites = self.ceilings.len();
        let row = |stimulus: &usize| &self.errors[stimulus * sites..][..sites];
        Self {
            ceilings: self.ceilings.clone(),
            consistency: self.consistency,
            errors: stimuli.iter().flat_map(row).copied().collect(),
        }
    }
}

/// The presentations of each stimulus in a random order; halves are taken from it in turn.
type Split = Vec<Vec<usize>>;

/// Draws a key for each presentation in the order of the file, so that the same recordings are split
/// alike whatever order their stimuli stand in.
fn splits(groups: &[Vec<usize>], presentations: usize) -> Vec<Split> {
    let mut rng = generator(0, "nrp split-half v1");
    let draw = |_| {
        let keys: Vec<u64> = (0..presentations).map(|_| rng.next_u64()).collect();
        let mut split = groups.to_vec();
        for group in &mut split {
            group.sort_unstable_by_key(|&presentation| keys[presentation]);
        }
        split
    };
    (0..SPLITS).map(draw).collect()
}

/// A site's corrected correlation in each of `splits`.
fn reliabilities(column: &[f64], splits: &[Split]) -> Vec<Option<f64>> {
    let halves = splits.iter().map(|split| split_half(column, split));
    halves.map(|r| r.map(spearman_brown)).collect()
}

/// A site's mean over splits.
fn ceiling(reliabilities: &[Option<f64>]) -> Option<f64> {
    let known = reliabilities.iter().flatten();
    let (n, sum) = known.fold((0_usize, 0.0), |(n, sum), r| (n + 1, sum + r));
    (n > 0).then(|| sum / n as f64)
}

/// The median over sites in each split, and the mean of those; `[sites][splits]`.
fn consistency(reliabilities: &[Vec<Option<f64>>]) -> Option<f64> {
    let splits = reliabilities.first().map_or(0, Vec::len);
    let medians = (0..splits).map(|split| {
        let sites = reliabilities.iter();
        let mut of_split: Vec<f64> = sites.filter_map(|of_site| of_site[split]).collect();
        median(&mut of_split)
    });
    ceiling(&medians.collect::<Vec<_>>())
}

/// Correlates the two halves of each stimulus's recorded repetitions over stimuli. Of an odd number
/// the first half has one more; stimuli with fewer than two are left out.
fn split_half(column: &[f64], split: &Split) -> Option<f64> {
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for group in split {
        let (mut sums, mut recorded) = ([0.0; 2], 0);
        for &presentation in group {
            let value = column[presentation];
            if value.is_finite() {
                sums[recorded % 2] += value;
                recorded += 1;
            }
        }
        if recorded >= 2 {
            first.push(sums[0] / recorded.div_ceil(2) as f64);
            second.push(sums[1] / (recorded / 2) as f64);
        }
    }
    (first.len() >= MIN_STIMULI)
        .then(|| correlation(&first, &second))
        .flatten()
}

/// The reliability of the whole from the correlation of its halves. Below -1/3 the formula leaves the
/// range of a correlation and runs to minus infinity: a single split must not decide the mean.
fn spearman_brown(halves: f64) -> f64 {
    (2.0 * halves / (1.0 + halves)).max(-1.0)
}

/// Pearson's r, or nothing where one side is constant.
pub(super) fn correlation(a: &[f64], b: &[f64]) -> Option<f64> {
    let constant = |x: &[f64]| x.iter().all(|value| *value == x[0]);
    if constant(a) || constant(b) {
        return None;
    }
    let n = a.len() as f64;
    let (a_mean, b_mean) = (a.iter().sum::<f64>() / n, b.iter().sum::<f64>() / n);
    let (mut aa, mut bb, mut ab) = (0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(b) {
        aa += (a - a_mean) * (a - a_mean);
        bb += (b - b_mean) * (b - b_mean);
        ab += (a - a_mean) * (b - b_mean);
    }
    Some((ab / (aa.sqrt() * bb.sqrt())).clamp(-1.0, 1.0))
}

/// Expected absolute error of one site's average response to each stimulus. A stimulus recorded once
/// is taken to be as noisy as the site's others.
fn errors(column: &[f64], groups: &[Vec<usize>]) -> Vec<f32> {
    let cells: Vec<(usize, f64)> = groups
        .iter()
        .map(|group| {
            let recorded = group.iter().map(|&presentation| column[presentation]);
            let recorded: Vec<f64> = recorded.filter(|value| value.is_finite()).collect();
            (recorded.len(), deviation(&recorded))
        })
        .collect();
    let repeated = || cells.iter().filter(|(n, _)| *n >= 2);
    let typical = repeated().map(|(_, sd)| sd).sum::<f64>() / repeated().count() as f64;
    let error = |&(n, sd): &(usize, f64)| {
        let sd = if n == 1 { typical } else { sd };
        (FRAC_2_PI.sqrt() * sd / (n as f64).sqrt()) as f32
    };
    cells.iter().map(error).collect()
}

/// The standard deviation behind `values`, NaN for fewer than two. The root of the sample variance is
/// too small in the mean, by c₄(n) = √(2/(n−1)) Γ(n/2)/Γ((n−1)/2): 0.80 at two values, 0.97 at ten.
fn deviation(values: &[f64]) -> f64 {
    let n = values.len();
    if n < 2 {
        return f64::NAN;
    }
    let mean = values.iter().sum::<f64>() / n as f64;
    let squares: f64 = values.iter().map(|x| (x - mean) * (x - mean)).sum();
    // Γ(n/2)/Γ((n−1)/2) times the same for n+1 is (n−1)/2.
    let gammas = (2..n).fold(1.0 / PI.sqrt(), |ratio, n| (n as f64 - 1.0) / 2.0 / ratio);
    (squares / 2.0).sqrt() / gammas
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::super::chance::{normal, unit};
    use super::*;

    /// Numbers of NumPy and SciPy; see `testdata/make_ceiling.py`.
    #[derive(Deserialize)]
    struct Fixture {
        groups: Vec<Vec<usize>>,
        splits: Vec<Split>,
        sites: Vec<Site>,
        consistency: f64,
    }

    #[derive(Deserialize)]
    struct Site {
        values: Vec<Option<f64>>,
        halves: Vec<f64>,
        ceiling: f64,
        errors: Vec<Option<f64>>,
    }

    #[test]
    fn agrees_with_scipy() {
        let cases: Vec<Fixture> =
            serde_json::from_str(include_str!("testdata/ceiling.json")).expect("readable fixture");
        assert!(cases.len() >= 3);
        // Both sides compute in f64; only the order of the sums differs.
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-11, "{a} is not {b}");
        for case in cases {
            let mut of_sites = Vec::new();
            for site in &case.sites {
                let column: Vec<f64> = site.values.iter().map(|v| v.unwrap_or(f64::NAN)).collect();
                for (split, expected) in case.splits.iter().zip(&site.halves) {
                    close(split_half(&column, split).expect("defined"), *expected);
                }
                let of_site = reliabilities(&column, &case.splits);
                close(ceiling(&of_site).expect("defined"), site.ceiling);
                of_sites.push(of_site);
                let found = errors(&column, &case.groups);
                assert_eq!(found.len(), site.errors.len());
                for (found, expected) in found.iter().zip(&site.errors) {
                    match expected {
                        // Kept in f32, relative 6e-8.
                        Some(expected) => {
                            let off = f64::from(*found) / expected - 1.0;
                            assert!(off.abs() < 1e-7, "{found} is not {expected}");
                        }
                        None => assert!(found.is_nan()),
                    }
                }
            }
            close(consistency(&of_sites).expect("defined"), case.consistency);
        }
    }

    /// Signal of variance 1 and noise of the given deviation, that of a stimulus up to half as much
    /// again; `repetitions` says how often stimulus `i` is shown.
    struct Simulation {
        stimulus_of: Vec<usize>,
        truth: Vec<f64>,
        values: Vec<f64>,
        sites: usize,
    }

    fn simulation(
        sd: f64,
        sites: usize,
        stimuli: usize,
        repetitions: fn(usize) -> usize,
    ) -> Simulation {
        let mut rng = generator(11, "test");
        let truth: Vec<f64> = (0..stimuli * sites).map(|_| normal(&mut rng)).collect();
        let scale: Vec<f64> = truth.iter().map(|_| 0.5 + unit(&mut rng)).collect();
        let mut stimulus_of: Vec<usize> = (0..stimuli)
            .flat_map(|stimulus| vec![stimulus; repetitions(stimulus)])
            .collect();
        stimulus_of.rotate_left(stimuli / 3);
        let mut values = Vec::new();
        for &stimulus in &stimulus_of {
            for site in 0..sites {
                let cell = stimulus * sites + site;
                values.push(truth[cell] + sd * scale[cell] * normal(&mut rng));
            }
        }
        Simulation {
            stimulus_of,
            truth,
            values,
            sites,
        }
    }

    impl Simulation {
        fn noise(&self) -> Option<Noise> {
            let value = |presentation, site| self.values[presentation * self.sites + site];
            let stimuli = self.truth.len() / self.sites;
            Noise::measure(&self.stimulus_of, stimuli, self.sites, value)
        }

        /// Average responses less the true rates.
        fn misses(&self) -> Vec<f64> {
            let stimuli = self.truth.len() / self.sites;
            let mut shown = vec![0.0; stimuli];
            let mut sums = vec![0.0; self.truth.len()];
            for (presentation, &stimulus) in self.stimulus_of.iter().enumerate() {
                shown[stimulus] += 1.0;
                for site in 0..self.sites {
                    sums[stimulus * self.sites + site] +=
                        self.values[presentation * self.sites + site];
                }
            }
            let cells = sums.iter().zip(&self.truth).enumerate();
            cells
                .map(|(cell, (sum, truth))| sum / shown[cell / self.sites] - truth)
                .collect()
        }
    }

    fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
        let n = values.len() as f64;
        values.sum::<f64>() / n
    }

    #[test]
    fn the_floor_is_the_error_of_the_true_rates() {
        for repetitions in [|_| 2, |_| 5, |i| 1 + i % 4] as [fn(usize) -> usize; 3] {
            let made = simulation(0.8, 20, 1000, repetitions);
            let noise = made.noise().expect("repetitions");
            let said = mean(noise.errors.iter().map(|&error| error.into()));
            let true_error = mean(made.misses().iter().map(|miss| miss.abs()));
            // 20,000 cells: both have a relative standard error of about 0.6 %; the noise is a sum of
            // 12 uniform draws, whose mean absolute value is 0.8 % above a Gaussian's.
            assert!(
                (said / true_error - 1.0).abs() < 0.03,
                "{said} for {true_error}"
            );
        }
    }

    #[test]
    fn the_ceiling_is_the_share_of_variance_that_is_signal() {
        // Noise variance 1.5² (0.25 + 1/2 + 1/3) = 2.44 on average, 4 repetitions: 1 / 1.61.
        let made = simulation(1.5, 40, 1000, |_| 4);
        let noise = made.noise().expect("repetitions");
        let found = mean(
            noise
                .ceilings
                .iter()
                .map(|ceiling| ceiling.expect("defined")),
        );
        // 0.01 is six standard errors of a mean over 40 sites and 1,000 stimuli.
        assert!((found - 1.0 / (1.0 + 2.4375 / 4.0)).abs() < 0.01, "{found}");
        // Its root is what the true rates reach.
        let misses = made.misses();
        let reached = (0..40).map(|site| {
            let of = |values: &[f64]| {
                values[site..]
                    .iter()
                    .step_by(40)
                    .copied()
                    .collect::<Vec<_>>()
            };
            let (truth, misses) = (of(&made.truth), of(&misses));
            let average: Vec<f64> = truth.iter().zip(&misses).map(|(t, m)| t + m).collect();
            correlation(&truth, &average).expect("defined").powi(2)
        });
        let reached = mean(reached);
        assert!((reached - found).abs() < 0.01, "{reached} for {found}");
    }

    #[test]
    fn the_order_of_stimuli_does_not_matter() {
        let mut made = simulation(1.0, 2, 30, |i| 1 + i % 4);
        let noise = made.noise().expect("repetitions");
        made.stimulus_of
            .iter_mut()
            .for_each(|stimulus| *stimulus = 29 - *stimulus);
        let turned = made.noise().expect("repetitions");
        for (a, b) in noise.ceilings.iter().zip(&turned.ceilings) {
            let (a, b) = (a.expect("defined"), b.expect("defined"));
            assert!(
                (a - b).abs() < 1e-12,
                "the sums run the other way: {a} and {b}"
            );
        }
        let rows: Vec<usize> = (0..30).rev().collect();
        assert_eq!(noise.at(&rows).errors, turned.errors);
    }

    #[test]
    fn what_repetitions_do_not_tell_is_not_told() {
        assert_eq!(simulation(1.0, 2, 30, |_| 1).noise(), None);
        // Two stimuli are too few to correlate over; their error is known.
        let noise = simulation(1.0, 1, 2, |_| 3).noise().expect("repetitions");
        assert_eq!(noise.ceilings, [None]);
        assert!(noise.errors.iter().all(|error| *error > 0.0));
        // A site that only ever recorded once, and one that always answers the same.
        let value = |presentation: usize, site| match (site, presentation < 5) {
            (0, true) => presentation as f64,
            (0, false) => f64::NAN,
            _ => 3.0,
        };
        let shown: Vec<usize> = (0..10).map(|presentation| presentation % 5).collect();
        let noise = Noise::measure(&shown, 5, 2, value).expect("repetitions");
        assert_eq!(noise.ceilings, [None, None]);
        for row in noise.errors.chunks(2) {
            assert!(row[0].is_nan() && row[1] == 0.0, "{row:?}");
        }
    }
}
