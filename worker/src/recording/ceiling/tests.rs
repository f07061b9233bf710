use serde::Deserialize;

use super::super::chance::{normal, unit};
use super::*;

/// Numbers of NumPy and SciPy; see `testdata/make_ceiling.py`.
#[derive(Deserialize)]
struct Fixture {
    stimuli: usize,
    stimulus_of: Vec<usize>,
    repetition_of: Vec<usize>,
    sites: Vec<Site>,
    consistency: f64,
    error: f64,
}

#[derive(Deserialize)]
struct Site {
    values: Vec<Option<f64>>,
    ceiling: f64,
    errors: Vec<Option<f64>>,
}

#[test]
fn agrees_with_scipy() {
    let cases: Vec<Fixture> =
        serde_json::from_str(include_str!("../testdata/ceiling.json")).expect("readable fixture");
    assert!(cases.len() >= 3);
    // Both sides compute in f64; only the order of the sums differs.
    let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-11, "{a} is not {b}");
    for case in cases {
        let labels: Vec<String> = case.repetition_of.iter().map(usize::to_string).collect();
        let shown = Presentations::of(&case.stimulus_of, case.stimuli, Some(&labels));
        assert_eq!(shown.repetition_of, case.repetition_of);
        let value = |presentation: usize, site: usize| {
            case.sites[site].values[presentation].unwrap_or(f64::NAN)
        };
        let noise = Noise::measure(&shown, case.sites.len(), value).expect("repetitions");
        close(noise.consistency.expect("defined"), case.consistency);
        close(noise.consistency_error.expect("defined"), case.error);
        for (at, site) in case.sites.iter().enumerate() {
            close(noise.ceilings[at].expect("defined"), site.ceiling);
            assert_eq!(site.errors.len(), case.stimuli);
            for (stimulus, expected) in site.errors.iter().enumerate() {
                let found = noise.errors[stimulus * case.sites.len() + at];
                match expected {
                    // Kept in f32, relative 6e-8.
                    Some(expected) => {
                        let off = f64::from(found) / expected - 1.0;
                        assert!(off.abs() < 1e-7, "{found} is not {expected}");
                    }
                    None => assert!(found.is_nan()),
                }
            }
        }
    }
}

/// Signal of variance 1 and noise of the given deviation, that of a stimulus up to half as much
/// again; `repetitions` says how often stimulus `i` is shown.
struct Simulation {
    stimulus_of: Vec<usize>,
    labels: Option<Vec<String>>,
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
        labels: None,
        truth,
        values,
        sites,
    }
}

impl Simulation {
    fn noise(&self) -> Option<Noise> {
        let value = |presentation, site| self.values[presentation * self.sites + site];
        let stimuli = self.truth.len() / self.sites;
        let shown = Presentations::of(&self.stimulus_of, stimuli, self.labels.as_deref());
        Noise::measure(&shown, self.sites, value)
    }

    /// The same, with what all stimuli of a repetition share added at each site: a walk of `step` from
    /// one to the next. Its presentations stand in the order of repetitions.
    fn drifting(mut self, step: f64) -> Self {
        let stimuli = self.truth.len() / self.sites;
        let shown = Presentations::of(&self.stimulus_of, stimuli, None);
        let mut rng = generator(12, "test");
        let walk: Vec<f64> = (0..self.sites * shown.repetitions)
            .scan(0.0, |at, _| {
                *at += step * normal(&mut rng);
                Some(*at)
            })
            .collect();
        for (cell, value) in self.values.iter_mut().enumerate() {
            let (presentation, site) = (cell / self.sites, cell % self.sites);
            *value += walk[site * shown.repetitions + shown.repetition_of[presentation]];
        }
        // Named, and shuffled within each stimulus, so that the file's order tells nothing.
        let mut order: Vec<usize> = (0..self.stimulus_of.len()).collect();
        order.sort_by_key(|&p| (shown.stimulus_of[p] * 7 + shown.repetition_of[p] * 5) % 11);
        let row = |p: &usize| self.values[p * self.sites..][..self.sites].to_vec();
        self.values = order.iter().flat_map(row).collect();
        self.stimulus_of = order.iter().map(|&p| shown.stimulus_of[p]).collect();
        let label = |&p: &usize| shown.repetition_of[p].to_string();
        self.labels = Some(order.iter().map(label).collect());
        self
    }

    /// Average responses less the true rates.
    fn misses(&self) -> Vec<f64> {
        let stimuli = self.truth.len() / self.sites;
        let mut shown = vec![0.0; stimuli];
        let mut sums = vec![0.0; self.truth.len()];
        for (presentation, &stimulus) in self.stimulus_of.iter().enumerate() {
            shown[stimulus] += 1.0;
            for site in 0..self.sites {
                sums[stimulus * self.sites + site] += self.values[presentation * self.sites + site];
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
fn a_drift_that_stimuli_share_lowers_no_ceiling() {
    for repetitions in [|_| 6, |_| 12] as [fn(usize) -> usize; 2] {
        let made = |step: f64| simulation(1.0, 8, 200, repetitions).drifting(step);
        let still = made(0.0).noise().expect("repetitions");
        let drifting = made(2.0).noise().expect("repetitions");
        // Each half moves as a whole: but for rounding, nothing changes.
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-6, "{a} is not {b}");
        for (a, b) in still.ceilings.iter().zip(&drifting.ceilings) {
            close(a.expect("defined"), b.expect("defined"));
        }
        let consistency = |noise: &Noise| noise.consistency.expect("defined");
        close(consistency(&still), consistency(&drifting));
        close(
            still.floor().expect("known"),
            drifting.floor().expect("known"),
        );
    }
}

#[test]
fn a_drift_counts_where_stimuli_lack_repetitions() {
    // Signal 1, noise of variance 0.27, a walk of steps of 0.4: halves that are drawn for each
    // stimulus find 0.74. Stimuli that lack the last repetitions are off by what drifted there.
    let made = simulation(0.5, 20, 1000, |i| 6 + (i % 3) * 2).drifting(0.4);
    let noise = made.noise().expect("repetitions");
    let ceilings: Vec<f64> = noise.ceilings.iter().map(|c| c.expect("defined")).collect();
    let said = mean(noise.errors.iter().map(|&error| error.into()));
    // About the mean miss, which a predictor learns as part of the site's mean.
    let misses = made.misses();
    let of_site = |site: usize| {
        misses[site..]
            .iter()
            .step_by(20)
            .copied()
            .collect::<Vec<_>>()
    };
    let (mut absolute, mut shares) = (0.0, 0.0);
    for site in 0..20 {
        let of = of_site(site);
        let common = mean(of.iter().copied());
        absolute += mean(of.iter().map(|miss| (miss - common).abs())) / 20.0;
        let truth: Vec<f64> = made.truth[site..].iter().step_by(20).copied().collect();
        let average: Vec<f64> = truth.iter().zip(&of).map(|(t, m)| t + m).collect();
        shares += correlation(&truth, &average).expect("defined").powi(2) / 20.0;
    }
    assert!(
        (said / absolute - 1.0).abs() < 0.03,
        "{said} for {absolute}"
    );
    let found = mean(ceilings.into_iter());
    assert!(
        found <= shares + 0.01,
        "{found}, and the true rates reach {shares}"
    );
    assert!(
        found > shares - 0.06,
        "{found}, and the true rates reach {shares}"
    );
}

#[test]
fn few_repetitions_are_halved_in_every_way_once() {
    let count = |repetitions| splits(repetitions).len();
    assert_eq!(
        [2, 3, 4, 5, 6, 7, 8, 9].map(count),
        [1, 3, 3, 10, 10, 35, 35, 100]
    );
    for repetitions in [2, 5, 8, 11] {
        for split in splits(repetitions) {
            let first = split.iter().filter(|is_first| **is_first).count();
            assert_eq!((split.len(), first), (repetitions, repetitions.div_ceil(2)));
        }
    }
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
    let shown = Presentations::of(&shown, 5, None);
    let noise = Noise::measure(&shown, 2, value).expect("repetitions");
    assert_eq!(noise.ceilings, [None, None]);
    for row in noise.errors.chunks(2) {
        assert!(row[0].is_nan() && row[1] == 0.0, "{row:?}");
    }
}
