//! Noise, measured from repetitions: how well any predictor can do. The noise ceiling of each site,
//! and the noise floor of the error.
//!
//! Pure arithmetic on presentations, which are not kept: the result is no larger than the averaged
//! responses. Random splits use a fixed seed, so a ceiling depends on its recordings alone.
//!
//! Ceiling: split-half reliability. The repetition numbers are halved, the same for all stimuli, each
//! stimulus's responses averaged in both halves, and correlated over stimuli; the Spearman–Brown
//! formula 2r / (1 + r) (Spearman 1910, Brown 1910) then gives the reliability of the average over all
//! repetitions. This is the ceiling of Brain-Score (Schrimpf et al. 2018), its
//! `internal_consistency`. What all stimuli of a repetition share, such as a drift from block to
//! block, shifts a whole half and leaves the correlation unchanged; drawing halves separately for
//! each stimulus would count it as noise. A stimulus that lacks repetitions may have unequal
//! halves; one without any in a half is left out of that split, where Brain-Score fails with an
//! error. This is the default; `chosen` has Brain-Score's own ten halvings and others.
//!
//! It is a fraction of variance, to be compared with r², not with r: the true rates correlate with
//! their noisy average by the ceiling's square root. Hence r² / ceiling; Brain-Score's older scores
//! were (r / ceiling)². Drifts that the repetitions of one stimulus share are invisible: then the
//! true ceiling is lower than the one computed here.

mod chosen;

use nrp_proto::sweep::Ceiling;
use rand::Rng;
use rayon::prelude::*;
use serde::Serialize;

use super::chance::generator;
use super::floor;
use super::presentations::{MIN_STIMULI, Presentations};
use crate::statistics::{mean, median};

pub use chosen::CeilingError;
pub(super) use chosen::{Shown, notice};

/// Most splits that a ceiling is averaged over: all splits of up to eight repetitions, this many
/// random ones of more. More splits change it by less than 0.001.
const SPLITS: usize = 100;

/// A region's noise, measured from repetitions of stimuli.
#[derive(Debug, Clone, PartialEq)]
pub struct Noise {
    /// Per site, the Spearman–Brown corrected split-half correlation, mean over splits; the
    /// reliability of the averaged responses. Below 0 by chance alone. `None` where it is undefined.
    pub ceilings: Vec<Option<f64>>,
    /// Expected absolute error of the averaged responses, `[stimuli, sites]`, in the recordings'
    /// units; NaN where nothing was recorded, and at sites that no stimulus was repeated to.
    pub errors: Vec<f32>,
    /// The ceiling as Brain-Score aggregates it: for each split the median over sites, and the
    /// mean of those. Differs from the median of `ceilings`, which average over splits first.
    pub consistency: Option<f64>,
    /// The standard error of `consistency`: over halvings, or, of a coordinate, over resamples of the
    /// sites.
    pub consistency_error: Option<f64>,
}

/// A summary of a region's noise, over all its stimuli and sites.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NoiseReport {
    /// Lowest noise ceiling of a site.
    pub ceiling_min: f64,
    /// Median of the sites' noise ceilings.
    pub ceiling_median: f64,
    /// Highest noise ceiling of a site.
    pub ceiling_max: f64,
    /// Mean absolute error that noise leaves to a predictor of the true rates; absent where no stimulus
    /// was repeated.
    pub noise_floor: Option<f64>,
}

impl Noise {
    /// Measures the noise of `sites`; `None` if no stimulus was shown twice. `value` gives the
    /// response to a presentation at a site, not finite where it is missing.
    pub(super) fn measure(
        shown: &Presentations,
        sites: usize,
        value: impl Fn(usize, usize) -> f64 + Sync,
    ) -> Option<Self> {
        let groups = shown.groups();
        if groups.iter().all(|group| group.len() < 2) {
            return None;
        }
        let splits = splits(shown.repetitions);
        let columns: Vec<(Vec<Option<f64>>, Vec<f32>)> = (0..sites)
            .into_par_iter()
            .map(|site| {
                let presentations = 0..shown.stimulus_of.len();
                let column: Vec<f64> = presentations.map(|p| value(p, site)).collect();
                let halves = splits.iter().map(|split| split_half(&column, shown, split));
                let reliabilities = halves.map(|r| r.map(spearman_brown)).collect();
                (reliabilities, floor::errors(&column, shown, &groups))
            })
            .collect();
        let cell = |stimulus: usize| columns.iter().map(move |(_, errors)| errors[stimulus]);
        let errors = (0..shown.stimuli).flat_map(cell).collect();
        let reliabilities: Vec<_> = columns.into_iter().map(|(of_site, _)| of_site).collect();
        let medians = medians(&reliabilities);
        Some(Self {
            errors,
            ceilings: reliabilities
                .iter()
                .map(|of_site| mean(of_site.iter().flatten().copied()))
                .collect(),
            consistency: mean(medians.iter().copied()),
            consistency_error: (!medians.is_empty())
                .then(|| deviation(&medians) / (medians.len() as f64).sqrt()),
        })
    }

    /// The same, with so many more entries of `errors` before the others: of stimuli whose noise is unknown.
    pub(super) fn after(mut self, entries: usize) -> Self {
        if entries > 0 {
            let unknown = std::iter::repeat_n(f32::NAN, entries);
            self.errors = unknown.chain(self.errors).collect();
        }
        self
    }

    /// As [`Noise::measure`], with the ceiling that the sweep file chooses.
    ///
    /// # Errors
    /// When the ceiling cannot be measured so.
    pub(super) fn chosen(
        ceiling: &Ceiling,
        shown: &Shown<'_>,
        sites: usize,
        value: impl Fn(usize, usize) -> f64 + Sync,
    ) -> Result<Option<Self>, CeilingError> {
        let presentations = {
            let labels = shown.labels.map(|labels| &labels.words[..]);
            Presentations::of(shown.stimulus_of, shown.stimuli, labels)
        };
        let noise = Self::measure(&presentations, sites, &value);
        let noise = match (noise, ceiling) {
            (Some(noise), _) => noise,
            // A coordinate says the ceiling of averaged responses, too.
            (None, Ceiling::Coordinate(_)) => Self {
                ceilings: vec![None; sites],
                errors: vec![f32::NAN; sites * shown.stimuli],
                consistency: None,
                consistency_error: None,
            },
            (None, _) => return Ok(None),
        };
        Ok(Some(
            match chosen::measure(ceiling, shown, sites, &value)? {
                None => noise,
                Some(measured) => Self {
                    errors: noise.errors,
                    ceilings: measured.ceilings,
                    consistency: measured.consistency,
                    consistency_error: measured.error,
                },
            },
        ))
    }

    /// The summary of the noise; `None` if no site has a ceiling.
    pub(super) fn report(&self) -> Option<NoiseReport> {
        let mut ceilings: Vec<f64> = self.ceilings.iter().flatten().copied().collect();
        let ceiling_median = median(&mut ceilings)?;
        // `median` has sorted them.
        let (&ceiling_min, &ceiling_max) = ceilings.first().zip(ceilings.last())?;
        Some(NoiseReport {
            ceiling_min,
            ceiling_median,
            ceiling_max,
            noise_floor: self.floor(),
        })
    }

    /// Mean absolute error that noise leaves to a predictor of the true rates, over all recorded
    /// cells; `None` if it is unknown.
    pub fn floor(&self) -> Option<f64> {
        let known = self.errors.iter().filter(|error| !error.is_nan());
        mean(known.map(|error| f64::from(*error)))
    }

    /// The noise of the same sites at some of the stimuli.
    pub fn at(&self, stimuli: &[usize]) -> Self {
        let sites = self.ceilings.len();
        let row = |stimulus: &usize| &self.errors[stimulus * sites..][..sites];
        Self {
            ceilings: self.ceilings.clone(),
            consistency: self.consistency,
            consistency_error: self.consistency_error,
            errors: stimuli.iter().flat_map(row).copied().collect(),
        }
    }
}

/// Whether a repetition number is in the first half, which has one more where their number is odd.
type Split = Vec<bool>;

/// All splits of a few repetition numbers, each once, or random splits of many.
fn splits(repetitions: usize) -> Vec<Split> {
    let first = repetitions.div_ceil(2);
    if repetitions <= 8 {
        let all = 0..1_usize << repetitions;
        let all = all.map(|set| {
            (0..repetitions)
                .map(|n| set >> n & 1 == 1)
                .collect::<Split>()
        });
        // Swapping two equal halves gives the same split.
        let once = |split: &Split| {
            split.iter().filter(|is_first| **is_first).count() == first
                && (repetitions % 2 == 1 || split[0])
        };
        return all.filter(once).collect();
    }
    let mut rng = generator(0, "nrp split-half v2");
    let draw = |_| {
        let mut numbers: Vec<(u64, usize)> =
            (0..repetitions).map(|n| (rng.next_u64(), n)).collect();
        numbers.sort_unstable();
        let mut split = vec![false; repetitions];
        for (_, number) in &numbers[..first] {
            split[*number] = true;
        }
        split
    };
    (0..SPLITS).map(draw).collect()
}

/// The median over sites in each split that has one, of `[sites][splits]`.
fn medians(reliabilities: &[Vec<Option<f64>>]) -> Vec<f64> {
    let splits = reliabilities.first().map_or(0, Vec::len);
    let medians = (0..splits).filter_map(|split| {
        let sites = reliabilities.iter();
        let mut of_split: Vec<f64> = sites.filter_map(|of_site| of_site[split]).collect();
        median(&mut of_split)
    });
    medians.collect()
}

/// The standard deviation, with divisor n.
fn deviation(values: &[f64]) -> f64 {
    let center = mean(values.iter().copied()).unwrap_or(f64::NAN);
    let squares = values.iter().map(|value| (value - center).powi(2));
    mean(squares).map_or(f64::NAN, f64::sqrt)
}

/// Correlates the averages of the two halves over the stimuli recorded in both.
fn split_half(column: &[f64], shown: &Presentations, split: &Split) -> Option<f64> {
    let mut halves = vec![[(0.0, 0_usize); 2]; shown.stimuli];
    let stimuli_and_repetitions = shown.stimulus_of.iter().zip(&shown.repetition_of);
    for ((&stimulus, &repetition), value) in stimuli_and_repetitions.zip(column) {
        if value.is_finite() {
            let (sum, recorded) = &mut halves[stimulus][usize::from(split[repetition])];
            *sum += value;
            *recorded += 1;
        }
    }
    let both = halves
        .iter()
        .filter(|halves| halves.iter().all(|(_, recorded)| *recorded > 0));
    let mean = |(sum, recorded): (f64, usize)| sum / recorded as f64;
    let (first, second): (Vec<f64>, Vec<f64>) = both
        .map(|&[first, second]| (mean(first), mean(second)))
        .unzip();
    (first.len() >= MIN_STIMULI)
        .then(|| correlation(&first, &second))
        .flatten()
}

/// The reliability of the whole from the correlation of its halves. Below -1/3 the formula leaves
/// the range of a correlation and tends to minus infinity, so it is cut off at -1: a single split
/// must not dominate the mean.
fn spearman_brown(halves: f64) -> f64 {
    (2.0 * halves / (1.0 + halves)).max(-1.0)
}

/// Largest relative difference that rounding may leave between averages of equal numbers.
const ROUNDING: f64 = 1e-14;

/// Pearson's r; `None` if one side is constant.
pub(super) fn correlation(a: &[f64], b: &[f64]) -> Option<f64> {
    let constant = |x: &[f64]| {
        let off = |value: &f64| (value - x[0]).abs() <= ROUNDING * x[0].abs();
        x.iter().all(off)
    };
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
    let spread = aa.sqrt() * bb.sqrt();
    (spread > 0.0).then(|| (ab / spread).clamp(-1.0, 1.0))
}

#[cfg(test)]
mod tests;
