//! Sites: how well the best NRP networks predict each site, the best predicted site first.

use crate::model::{AnnResults, Predicted, RankedSites, Site};
use nrp_proto::wire::{Details, RegionSites};

/// The sites of each region, as far as the best trials of the ANNs that are compared have them.
/// `described` are the names and noise ceilings that the sweep was submitted with.
pub(crate) fn all(anns: &AnnResults, described: &[RegionSites]) -> Vec<RankedSites> {
    let labels = anns.labels();
    let of = |region: &str| {
        let described = described.iter().find(|of| of.region == region);
        ranked(anns, region, described, &labels)
    };
    anns.regions().into_iter().filter_map(of).collect()
}

fn ranked(
    anns: &AnnResults,
    region: &str,
    described: Option<&RegionSites>,
    labels: &[String],
) -> Option<RankedSites> {
    let with_sites: Vec<(usize, f64, &Details)> = anns
        .compared()
        .filter_map(|(number, ann)| {
            let best = ann.network_in(region)?;
            let details = best.details.as_ref();
            let details = details.filter(|of| !of.site_pearson.is_empty())?;
            Some((number, best.row.scores.validation_mse?, details))
        })
        .collect();
    let losses = with_sites.iter().map(|(_, loss, _)| loss).enumerate();
    let (first, _) = losses.min_by(|(_, a), (_, b)| a.total_cmp(b))?;
    let count = with_sites[first].2.site_pearson.len();
    // Names of other sites would be worse than numbers.
    let known = described.filter(|known| known.names.len() == count);
    let at = |values: &[f32], site: usize| values.get(site).copied().filter(|of| of.is_finite());
    let mut sites: Vec<Site> = (0..count)
        .map(|site| Site {
            name: known.map_or_else(|| (site + 1).to_string(), |of| of.names[site].clone()),
            ceiling: known.and_then(|known| at(&known.ceilings, site)),
            predicted: with_sites
                .iter()
                .map(|(_, _, details)| Predicted {
                    nrp_error: at(&details.site_error, site),
                    pearson: at(&details.site_pearson, site),
                })
                .collect(),
        })
        .collect();
    let key = |site: &Site| site.predicted[first].pearson.unwrap_or(f32::NEG_INFINITY);
    sites.sort_by(|a, b| key(b).total_cmp(&key(a)));
    let label = |(number, ..): &(usize, f64, _)| labels[*number].clone();
    Some(RankedSites {
        region: region.to_owned(),
        sorted_by: label(&with_sites[first]),
        anns: with_sites.iter().map(label).collect(),
        networks: with_sites.iter().map(|(number, ..)| *number).collect(),
        is_described: described.is_some(),
        sites,
    })
}
