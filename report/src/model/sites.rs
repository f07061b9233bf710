//! What the best trials' details show: sites and learning curves.

use serde::Serialize;

/// Losses of one trial: mean squared errors in fitted units, from the first epoch on; null where
/// undefined.
#[derive(Debug, Serialize)]
pub struct Curve {
    /// The ANN's label.
    pub ann: String,
    /// The region.
    pub region: String,
    /// The trial's id.
    pub trial: Option<String>,
    /// Loss on the training stimuli after each epoch.
    pub training_mse: Vec<f32>,
    /// Loss on the validation stimuli after each epoch.
    pub validation_mse: Vec<f32>,
    /// Index of the ANN in the report.
    #[serde(skip)]
    pub network: usize,
}

/// The sites of a region, in the order in which one ANN predicts them.
#[derive(Debug, Serialize)]
pub struct RankedSites {
    /// The region.
    pub region: String,
    /// Labels of the ANNs whose best trials have scores of each site.
    pub anns: Vec<String>,
    /// The ANN that the sites are sorted by: the one with the lowest validation loss.
    pub sorted_by: String,
    /// The sites, the highest correlation first, those without a correlation last.
    pub sites: Vec<Site>,
    /// Index in the report of each ANN of `anns`.
    #[serde(skip)]
    pub networks: Vec<usize>,
    /// Whether the sweep was submitted with the names and noise ceilings of this region's sites.
    #[serde(skip)]
    pub is_described: bool,
}

/// One site.
#[derive(Debug, Serialize)]
pub struct Site {
    /// The site's name in the recordings, or its number if the name is unknown.
    pub name: String,
    /// Spearman-Brown corrected split-half correlation; absent if unknown.
    pub ceiling: Option<f32>,
    /// How each ANN predicts the site, in the order of the ANNs.
    pub predicted: Vec<Predicted>,
}

/// How an ANN's best trial predicts a site.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Predicted {
    /// Mean absolute error over test stimuli, in the recordings' units.
    pub nrp_error: Option<f32>,
    /// Pearson's r over test stimuli.
    pub pearson: Option<f32>,
}
