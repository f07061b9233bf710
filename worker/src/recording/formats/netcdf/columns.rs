//! Which sites and time bins are read: those of the regions that are asked for.

use std::collections::{HashMap, HashSet};

use super::header::Header;
use crate::recording::bins::Group;
use crate::recording::error::RecordingError;
use crate::recording::formats::reading::Asked;
use crate::recording::region::{chosen, of_bin};

/// The columns that are read: every site of `sites` for every group, `[groups, sites]`.
pub(super) struct Columns {
    /// Positions in the file.
    pub(super) sites: Vec<usize>,
    pub(super) groups: Vec<Group>,
    /// The name of each column.
    pub(super) names: Vec<String>,
    /// The region of each column; empty where it is of a region that is not asked for.
    pub(super) regions: Vec<String>,
    /// The regions, in the order asked for.
    pub(super) region_names: Vec<String>,
}

impl Columns {
    /// The columns of the regions that are asked for, or of all: regions in the order of the file, the bins of each
    /// in the order of `groups`.
    ///
    /// # Errors
    /// When there is no such region.
    pub(super) fn of(
        asked: &Asked<'_>,
        header: &Header,
        groups: &[Group],
    ) -> Result<Self, RecordingError> {
        let mut seen = HashSet::new();
        let known = header.sites.iter().map(|site| site.region.as_str());
        let known: Vec<&str> = known
            .filter(|region| !region.is_empty() && seen.insert(*region))
            .collect();
        let mut all = Vec::new();
        for region in &known {
            all.extend(groups.iter().map(|group| of_bin(region, &group.label)));
        }
        let labels: Vec<String> = groups.iter().map(|group| group.label.clone()).collect();
        let recordings = format!("`{}`", asked.path.display());
        let region_names = chosen(asked.regions, &all, &labels, &recordings)?;
        let wanted: HashSet<&String> = region_names.iter().collect();
        // The regions that are wanted of a group, with their names in its bins.
        let of_group = |group: &Group| {
            let regions = known.iter();
            let regions = regions.map(|&region| (region, of_bin(region, &group.label)));
            let regions = regions.filter(|(_, name)| wanted.contains(name));
            regions.collect::<HashMap<&str, String>>()
        };
        let of_groups = groups.iter().map(|group| (group, of_group(group)));
        let of_groups: Vec<(&Group, HashMap<&str, String>)> = of_groups
            .filter(|(_, regions)| !regions.is_empty())
            .collect();
        let used = of_groups.iter().flat_map(|(_, regions)| regions.keys());
        let used: HashSet<&str> = used.copied().collect();
        let is_used = |site: &usize| used.contains(header.sites[*site].region.as_str());
        let sites: Vec<usize> = (0..header.sites.len()).filter(is_used).collect();
        let (mut names, mut regions) = (Vec::new(), Vec::new());
        for (_, of_group) in &of_groups {
            for &site in &sites {
                let site = &header.sites[site];
                let region = of_group.get(site.region.as_str());
                regions.push(region.cloned().unwrap_or_default());
                names.push(site.name.clone());
            }
        }
        Ok(Self {
            groups: of_groups
                .iter()
                .map(|(group, _)| (*group).clone())
                .collect(),
            sites,
            names,
            regions,
            region_names,
        })
    }
}
