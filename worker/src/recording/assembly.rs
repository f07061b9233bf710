//! Responses in memory, presentation by presentation, as a format's reader hands them over.
//!
//! Nothing is averaged over presentations or matched with stimuli in here.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use nrp_proto::sweep::ArrayAxis;

use super::bins::TimeBin;
use super::error::RecordingError;
use super::ranks::Labels;
use super::region::Part;
use super::site::{Described, Site, SiteKey};
use super::words::{counted, some_of};

/// Responses of sites to presentations, as stored.
pub(super) struct Assembly {
    /// Where it was read from.
    pub(super) path: PathBuf,
    /// Where the presentations from `noise_from` on were read from, if that is another file.
    pub(super) test_path: Option<PathBuf>,
    /// The name of each site that was read. With every time bin as a region, a site is here once for each bin.
    pub(super) sites: Vec<String>,
    /// What identifies each of these in its file.
    pub(super) keys: Vec<SiteKey>,
    /// The region of each of these; empty where it has none that was read.
    pub(super) regions: Vec<String>,
    /// The regions that were read, in their order.
    pub(super) parts: Vec<Part>,
    /// What the file has, read or not.
    pub(super) contents: Contents,
    /// The coordinate that says the ceiling of each site that was read, where one is asked for and there; NaN
    /// where a site has none.
    pub(super) ceilings: Option<Vec<f64>>,
    /// Notices for the user that are not errors.
    pub(super) notices: Vec<String>,
    /// Of an array, what its axes were, where that is not the documented order.
    pub(super) axes: Vec<ArrayAxis>,
    /// The stimulus shown, per presentation.
    pub(super) shown: Vec<String>,
    /// Whether the file stores these as text, digits too.
    pub(super) ids_are_text: bool,
    /// The repetition number of each presentation, where the file has any.
    pub(super) repetitions: Option<Labels>,
    /// The responses, `[presentations, sites]` row by row.
    pub(super) values: Vec<f64>,
    /// The first presentation whose repetitions tell noise; those before it show other stimuli.
    pub(super) noise_from: usize,
}

/// What a file of responses has.
#[derive(Debug, Clone, Default)]
pub(super) struct Contents {
    /// Every site, in the order of the file.
    pub(super) sites: Vec<Site>,
    /// Every time bin, in the order of the file; empty where it has no axis of them.
    pub(super) time_bins: Vec<TimeBin>,
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
        let described = Described {
            ids: sites.clone(),
            regions: regions.clone(),
            subjects: None,
            reliabilities: None,
        };
        Self {
            path: path.to_owned(),
            test_path: None,
            parts: parts(&regions),
            keys: described.keys(),
            sites,
            regions,
            contents: Contents {
                sites: described.sites(),
                time_bins: Vec::new(),
            },
            ceilings: None,
            notices: Vec::new(),
            axes: Vec::new(),
            shown,
            ids_are_text: false,
            repetitions: None,
            values,
            noise_from: 0,
        }
    }

    /// The file that a presentation was read from.
    pub(super) fn path_of(&self, presentation: usize) -> &Path {
        let of_test = self.test_path.as_deref();
        let of_test = of_test.filter(|_| presentation >= self.noise_from);
        of_test.unwrap_or(&self.path)
    }

    /// The response of `site` in `presentation`; NaN where nothing was recorded.
    pub(super) fn value(&self, presentation: usize, site: usize) -> f64 {
        self.values[presentation * self.sites.len() + site]
    }

    /// Leaves out the presentations of other stimuli than those that are `wanted`.
    pub(super) fn keep_presentations(&mut self, wanted: impl Fn(&str) -> bool) {
        let width = self.sites.len();
        let keep: Vec<bool> = self.shown.iter().map(|id| wanted(id)).collect();
        let mut kept = 0;
        for (at, _) in keep.iter().enumerate().filter(|(_, keep)| **keep) {
            self.values
                .copy_within(at * width..(at + 1) * width, kept * width);
            kept += 1;
        }
        self.values.truncate(kept * width);
        self.values.shrink_to_fit();
        let mut of = keep.iter();
        self.shown.retain(|_| of.next().is_some_and(|keep| *keep));
        if let Some(labels) = &mut self.repetitions {
            let mut of = keep.iter();
            labels.words.retain(|_| of.next().is_some_and(|keep| *keep));
        }
    }

    /// Everything that the user should know.
    pub(super) fn notices(&self) -> Vec<String> {
        let mut notices = self.notices.clone();
        let regions = || self.contents.sites.iter().map(|site| &site.region);
        let unnamed = regions().filter(|region| region.is_empty()).count();
        if unnamed > 0 && unnamed < regions().count() {
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

    /// Refuses a region that has one site twice: its tables could not tell which is which.
    pub(super) fn refuse_named_twice(&self) -> Result<(), RecordingError> {
        let mut named = HashSet::new();
        let sites = self.regions.iter().zip(&self.sites);
        // A site without a region is in none, and may have no name.
        let sites = sites.filter(|(region, site)| !region.is_empty() && !site.is_empty());
        let twice = sites.filter(|of| !named.insert(*of));
        let (sites, count) = some_of(twice.map(|(_, site)| site.clone()));
        match count {
            0 => Ok(()),
            count => Err(RecordingError::SitesNamedTwice {
                path: self.path.clone(),
                sites,
                count,
            }),
        }
    }
}

/// The regions in the order of their first site. Sites without a region are in none, unless all are.
fn parts(regions: &[String]) -> Vec<Part> {
    let has_unnamed_only = regions.iter().all(String::is_empty);
    let mut known = HashSet::new();
    let named = regions
        .iter()
        .filter(|region| (has_unnamed_only || !region.is_empty()) && known.insert(region.as_str()));
    named.map(|region| Part::whole(region)).collect()
}
