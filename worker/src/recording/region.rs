//! One brain region's responses, as training takes them, and how regions are chosen by name.

use super::ceiling::Noise;
use super::error::RecordingError;

/// Responses of the sites of one brain region.
#[derive(Debug, Clone)]
pub struct Region {
    /// Its name, as the file spells it.
    pub name: String,
    /// Its sites.
    pub sites: Vec<String>,
    /// Rates, `[stimuli, sites]` row by row, averaged over repetitions; NaN where nothing was
    /// recorded.
    pub responses: Vec<f64>,
    /// Fewest and most recorded repetitions of a stimulus.
    pub repetitions: (usize, usize),
    /// What the repetitions say about noise, where there are any.
    pub noise: Option<Noise>,
}

/// The name of `region` in the time bin of this label, which is empty where bins are no regions of their own.
pub(super) fn of_bin(region: &str, label: &str) -> String {
    match label {
        "" => region.to_owned(),
        label => format!("{region} {label}"),
    }
}

/// The regions that are asked for, each once, or all that are known. Where time bins are regions of their own, whose
/// `labels` these are, a region without one stands for those of all its bins.
///
/// # Errors
/// When one is not known.
pub(super) fn chosen(
    asked: &[String],
    known: &[String],
    labels: &[String],
    recordings: &str,
) -> Result<Vec<String>, RecordingError> {
    if asked.is_empty() {
        return Ok(known.to_vec());
    }
    let mut chosen: Vec<String> = Vec::new();
    for region in asked {
        let mut of_region = vec![region.clone()];
        if !known.contains(region) {
            of_region = labels.iter().map(|label| of_bin(region, label)).collect();
            of_region.retain(|of_bin| known.contains(of_bin));
        }
        if of_region.is_empty() {
            return Err(RecordingError::UnknownRegion {
                region: region.clone(),
                recordings: recordings.to_owned(),
                known: known.to_vec(),
            });
        }
        for region in of_region {
            if !chosen.contains(&region) {
                chosen.push(region);
            }
        }
    }
    Ok(chosen)
}
