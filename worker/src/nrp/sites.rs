//! Statistics of the sites' training responses: how responses are scaled for fitting, and which
//! sites' errors select.
//!
//! Everything is in f64 about each site's training mean, so that neither a large offset nor the
//! recordings' scale costs precision.

use super::error::TrainError;
use super::scaling::TargetScaling;
use super::trial::Data;

/// Training responses that must differ from the most frequent one for a site to select: a tenth of
/// them, and no more than this many.
const DIFFERING: usize = 10;
/// A site whose validation responses scatter about the training mean by more than this many times the
/// training variance does not select.
const SCATTER: f64 = 10.0;
/// What rounding may leave between equal responses that were averaged over different repetitions, in
/// parts of them.
pub(super) const ROUNDING: f64 = 1e-14;

/// Mean and spread of every site over the training stimuli, and whether it selects.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SiteStatistics {
    /// `[sites]`: the mean predictor's answer, in the recordings' units.
    pub(crate) training_mean: Vec<f64>,
    /// `[sites]`: what is subtracted from a response before fitting.
    offset: Vec<f64>,
    /// `[sites]`: what it is then divided by.
    spread: Vec<f64>,
    /// Mean square of the scaled training responses: the loss of always answering 0.
    pub(crate) mean_square: f64,
    /// `[sites]`: whether its validation error counts.
    selects: Vec<bool>,
}

/// Statistics of one site's responses.
struct Site {
    /// Its present training responses.
    present: Vec<f64>,
    mean: f64,
    /// The population variance; 0 if it is only rounding.
    variance: f64,
    selects: bool,
}

/// The sites of a region that do not select, in increasing order, as in
/// [`SiteStatistics::measure`]; empty if a site has no training response.
///
/// # Shapes
/// - `responses`: `[stimuli, sites]`, row-major, NaN where missing
pub(crate) fn left_out(
    responses: &[f64],
    sites: usize,
    train: &[usize],
    validation: &[usize],
) -> Vec<usize> {
    let all = all(responses, sites, train, validation).unwrap_or_default();
    let numbered = all.iter().enumerate();
    numbered
        .filter(|(_, site)| !site.selects)
        .map(|(at, _)| at)
        .collect()
}

impl SiteStatistics {
    /// Takes the statistics of `data`'s training stimuli.
    ///
    /// A site with too little information does not select, however it is scaled: a response divided
    /// by the standard deviation of an almost silent training set can be arbitrarily large, and
    /// would decide alone. These sites do not select:
    /// - sites with fewer than a tenth, and fewer than 10, training responses that differ from the most
    ///   frequent one (at least one must differ),
    /// - sites whose validation responses scatter about the training mean by more than 10 times the
    ///   training variance.
    ///
    /// If these are all the sites that have validation responses, all sites select.
    ///
    /// # Errors
    /// When a site has no response to any training stimulus.
    pub(crate) fn measure(data: &Data<'_>, scaling: TargetScaling) -> Result<Self, TrainError> {
        let sites = all(data.responses, data.sites, data.train, data.validation)?;
        let (mut offset, mut spread) = (Vec::new(), Vec::new());
        let (mut square_sum, mut cells) = (0.0, 0_usize);
        for site in &sites {
            let (from, by) = match scaling {
                TargetScaling::None => (0.0, 1.0),
                TargetScaling::Centred => (site.mean, 1.0),
                TargetScaling::Standardised if site.variance > 0.0 => {
                    (site.mean, site.variance.sqrt())
                }
                TargetScaling::Standardised => (site.mean, 1.0),
            };
            let squares = site.present.iter().map(|y| ((y - from) / by).powi(2));
            square_sum += squares.sum::<f64>();
            cells += site.present.len();
            offset.push(from);
            spread.push(by);
        }
        Ok(Self {
            training_mean: sites.iter().map(|site| site.mean).collect(),
            offset,
            spread,
            mean_square: square_sum / cells as f64,
            selects: sites.iter().map(|site| site.selects).collect(),
        })
    }

    /// Whether a site's validation error counts.
    pub(crate) fn selects(&self, site: usize) -> bool {
        self.selects[site]
    }

    /// The sites that do not select, in rising order.
    pub(crate) fn left_out(&self) -> Vec<usize> {
        (0..self.selects.len())
            .filter(|site| !self.selects[*site])
            .collect()
    }

    /// Responses of `stimuli` as they are fitted: `[stimuli, sites]`, NaN where missing.
    pub(crate) fn scaled(&self, responses: &[f64], stimuli: &[usize]) -> Vec<f64> {
        let sites = self.offset.len();
        let mut scaled = Vec::with_capacity(stimuli.len() * sites);
        for stimulus in stimuli {
            for (site, response) in responses[stimulus * sites..][..sites].iter().enumerate() {
                scaled.push((response - self.offset[site]) / self.spread[site]);
            }
        }
        scaled
    }

    /// Turns fitted predictions `[stimuli, sites]` into the recordings' units, each less its site's
    /// training mean.
    pub(crate) fn about_means(&self, predicted: impl IntoIterator<Item = f64>) -> Vec<f64> {
        let sites = (0..self.offset.len()).cycle();
        let predicted = predicted.into_iter().zip(sites);
        let restored = predicted.map(|(value, site)| {
            value * self.spread[site] + (self.offset[site] - self.training_mean[site])
        });
        restored.collect()
    }

    /// Responses of `stimuli` less each site's training mean: `[stimuli, sites]`, NaN where missing.
    pub(crate) fn measured(&self, responses: &[f64], stimuli: &[usize]) -> Vec<f64> {
        let sites = self.offset.len();
        let row = |stimulus: &usize| &responses[stimulus * sites..][..sites];
        let less = |(response, mean): (&f64, &f64)| response - mean;
        let cells = stimuli.iter().flat_map(row);
        cells
            .zip(self.training_mean.iter().cycle())
            .map(less)
            .collect()
    }
}

/// All sites of a region.
///
/// # Errors
/// When one has no response to any training stimulus.
fn all(
    responses: &[f64],
    sites: usize,
    train: &[usize],
    validation: &[usize],
) -> Result<Vec<Site>, TrainError> {
    let present = |stimuli: &[usize], site: usize| -> Vec<f64> {
        let of_site = stimuli
            .iter()
            .map(|stimulus| responses[stimulus * sites + site]);
        of_site.filter(|response| !response.is_nan()).collect()
    };
    let mut is_left = false;
    let mut all = Vec::with_capacity(sites);
    for at in 0..sites {
        let training = present(train, at);
        if training.is_empty() {
            let stimuli = train.len();
            return Err(TrainError::NoTrainingResponses { site: at, stimuli });
        }
        let validation = present(validation, at);
        let site = Site::of(training, &validation);
        is_left |= site.selects && !validation.is_empty();
        all.push(site);
    }
    if !is_left {
        all.iter_mut().for_each(|site| site.selects = true);
    }
    Ok(all)
}

impl Site {
    /// Measures a site from its training responses, of which there is at least one.
    fn of(present: Vec<f64>, validation: &[f64]) -> Self {
        let n = present.len() as f64;
        let mean = present.iter().sum::<f64>() / n;
        let about_mean = |of: &[f64]| {
            let squares = of.iter().map(|y| (y - mean) * (y - mean));
            squares.sum::<f64>() / of.len() as f64
        };
        let variance = about_mean(&present);
        // scikit-learn's rule for a constant feature (1.9, `_is_constant_feature`), and subnormal
        // deviations.
        let rounding = n * f64::EPSILON * variance + (n * mean * f64::EPSILON).powi(2);
        let is_constant = variance <= rounding || variance.sqrt() < f64::from(f32::MIN_POSITIVE);
        let least = (present.len() / DIFFERING).clamp(1, DIFFERING);
        let scatters = !validation.is_empty() && about_mean(validation) > SCATTER * variance;
        Self {
            mean,
            variance: if is_constant { 0.0 } else { variance },
            selects: !is_constant && differing(&present) >= least && !scatters,
            present,
        }
    }
}

/// How many responses differ from the most frequent one by more than rounding.
fn differing(responses: &[f64]) -> usize {
    let mut sorted = responses.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let (mut from, mut longest) = (0, 0);
    for (at, value) in sorted.iter().enumerate() {
        if value - sorted[from] > ROUNDING * value.abs() {
            from = at;
        }
        longest = longest.max(at + 1 - from);
    }
    sorted.len() - longest
}

#[cfg(test)]
mod tests;
