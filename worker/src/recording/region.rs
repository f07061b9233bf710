//! One brain region's responses, as training takes them.

use super::ceiling::Noise;

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
