//! Responses in memory, presentation by presentation, as a format's reader hands them over.
//!
//! Nothing is averaged, selected or matched with stimuli in here.

use std::path::{Path, PathBuf};

use nrp_proto::sweep::ArrayAxis;

use super::words::counted;

/// Responses of sites to presentations, as stored.
pub(super) struct Assembly {
    /// Where it was read from.
    pub(super) path: PathBuf,
    /// `neuroid_id` per site.
    pub(super) sites: Vec<String>,
    /// `region` per site.
    pub(super) regions: Vec<String>,
    /// The stimulus shown, per presentation.
    pub(super) shown: Vec<String>,
    /// The repetition number of each presentation, where the file has any.
    pub(super) repetitions: Option<Vec<String>>,
    /// The coordinate that says each site's ceiling, where one is asked for and there; NaN where a site
    /// has none.
    pub(super) ceilings: Option<Vec<f64>>,
    /// Notices for the user that are not errors.
    pub(super) notices: Vec<String>,
    /// Of an array, what its axes were, where that is not the documented order.
    pub(super) axes: Vec<ArrayAxis>,
    /// The responses, at `presentation * presentation_stride + site * site_stride`.
    pub(super) values: Vec<f64>,
    pub(super) site_stride: usize,
    pub(super) presentation_stride: usize,
}

impl Assembly {
    /// Responses `[presentations, sites]`, row by row, of another format.
    pub(super) fn by_rows(
        path: &Path,
        sites: Vec<String>,
        regions: Vec<String>,
        shown: Vec<String>,
        values: Vec<f64>,
    ) -> Self {
        assert_eq!(values.len(), shown.len() * sites.len());
        Self {
            path: path.to_owned(),
            presentation_stride: sites.len(),
            site_stride: 1,
            sites,
            regions,
            shown,
            repetitions: None,
            ceilings: None,
            notices: Vec::new(),
            axes: Vec::new(),
            values,
        }
    }

    /// The response of `site` in `presentation`; NaN where nothing was recorded.
    pub(super) fn value(&self, presentation: usize, site: usize) -> f64 {
        self.values[presentation * self.presentation_stride + site * self.site_stride]
    }

    /// The regions in the order of their first site. Sites without a region are in none, unless all are.
    pub(super) fn region_names(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        let has_unnamed_only = self.regions.iter().all(String::is_empty);
        for region in &self.regions {
            if !names.contains(region) && (has_unnamed_only || !region.is_empty()) {
                names.push(region.clone());
            }
        }
        names
    }

    /// Everything that the user should know.
    pub(super) fn notices(&self) -> Vec<String> {
        let mut notices = self.notices.clone();
        let unnamed = self
            .regions
            .iter()
            .filter(|region| region.is_empty())
            .count();
        if unnamed > 0 && unnamed < self.regions.len() {
            let all = counted(unnamed, "site");
            notices.push(format!("{all} with an empty `region`, left out"));
        }
        notices
    }

    /// The sites of `region`, as indices in file order.
    pub(super) fn sites_of(&self, region: &str) -> Vec<usize> {
        (0..self.sites.len())
            .filter(|&site| self.regions[site] == region)
            .collect()
    }
}
