//! Absent: what a reader may look for in a report, and why it is missing.

use crate::model::{AnnResults, Protocol, RankedSites, Report};

/// Figures, by the beginning of their names, and why they may be missing.
const FIGURES: [(&str, &str); 8] = [
    (
        "figure-2a",
        "Figure 2A (NRP-error against top-1 accuracy): no dense ANN of the published Table 1 has an \
         outcome for every trial and scores in every region.",
    ),
    (
        "figure-2b",
        "Figure 2B (linear baselines against NRP networks): no ANN has scores of both in the \
         same region; name baselines as `baselines` in `[training]`.",
    ),
    (
        "figure-2c",
        "Figure 2C (V4 against IT): no ANN has scores in both regions.",
    ),
    (
        "figure-3a",
        "Figure 3A (network sizes): no ANN has scores for several network sizes.",
    ),
    (
        "figure-3b",
        "Figure 3B (sparsity): no ANN has scores at several sparsities.",
    ),
    (
        "layers-",
        "NRP-error over layers: no ANN has scores for several layer sets.",
    ),
    (
        "curves-",
        "Learning curves: no best trial has its losses epoch by epoch. Earlier versions of nrp did not \
         record them.",
    ),
    (
        "sites-",
        "Sites sorted by predictability: no best trial has the scores of each site. Earlier versions of \
         nrp did not record them, and they are not recorded for regions of more than 4096 sites.",
    ),
];

/// What is missing from a report; `has` says whether it has a figure whose name begins so.
pub(crate) fn all(report: &Report, has: impl Fn(&str) -> bool) -> Vec<String> {
    let missing = FIGURES.iter().filter(|(name, _)| !has(name));
    let mut absent: Vec<&str> = missing.map(|(_, why)| *why).collect();
    if report
        .networks
        .winners()
        .all(|winner| winner.over_seeds.is_none())
    {
        absent.push("Error bars: no winning configuration has finished with several seeds.");
    }
    if report.sweep.is_partial() {
        absent.push("Advice on what to try next: the sweep has trials without scores.");
    }
    absent.extend(splits(&report.networks, &report.protocol));
    absent.extend(comparisons(report));
    absent.extend(sites(&report.sites));
    absent.extend(provenance(report));
    let mut absent: Vec<String> = absent.into_iter().map(str::to_owned).collect();
    let known = report
        .networks
        .bests()
        .filter(|best| best.details.is_some())
        .count();
    let bests = report.networks.bests().count();
    if (1..bests).contains(&known) {
        absent.push(format!(
            "Details of {} of the {bests} best trials: an earlier version of nrp, which kept none, recorded \
             their outcomes.",
            bests - known
        ));
    }
    absent
}

fn splits(anns: &AnnResults, protocol: &Protocol) -> Option<&'static str> {
    let regions = anns.iter().flat_map(|ann| &ann.regions);
    let mut models = regions.flat_map(|region| &region.models);
    let finished = models.any(|model| model.over_splits.is_some());
    match (protocol.splits, finished) {
        (0 | 1, _) => Some(
            "Scores over splits: the sweep has one split; in `[split]`, `scheme = \"shuffle\"` has ten, and \
             `scheme = \"brain-score\"` has Brain-Score's ten. What Brain-Score makes of one split is in report.json.",
        ),
        (_, false) => Some("Scores over splits: no split has an outcome for every trial."),
        (_, true) => None,
    }
}

fn comparisons(report: &Report) -> Vec<&'static str> {
    let mut absent = Vec::new();
    if report.comparisons.is_empty() {
        absent.push(match report.networks.len() {
            0 | 1 => "Comparison between ANNs: the sweep has fewer than two.",
            _ => {
                "Comparison between ANNs: no two ANNs share a split in which every trial has an outcome and \
                 the best trials have errors of each site."
            }
        });
    }
    if report.network_against_linear.is_empty() {
        absent.push(
            "Comparison with linear baselines: no NRP network and baseline share a split in which every trial \
             has an outcome and the best trials have errors of each site.",
        );
    }
    absent
}

fn sites(regions: &[RankedSites]) -> Option<&'static str> {
    let mut sites = regions.iter().flat_map(|region| &region.sites);
    if !regions.iter().all(|of| of.is_described) {
        return Some(
            "Names and noise ceilings of sites: the sweep was submitted by an earlier version of nrp, which \
             did not keep them. Sites are numbered as in the recordings.",
        );
    }
    let any = !regions.is_empty();
    let no_ceiling = any && sites.all(|site| site.ceiling.is_none());
    no_ceiling.then_some("Noise ceilings of sites: no stimulus was repeated.")
}

fn provenance(report: &Report) -> Vec<&'static str> {
    let protocol = &report.protocol;
    let mut absent = Vec::new();
    if report.sweep.outcomes.undated > 0 {
        absent.push("Dates of some outcomes: an earlier version of nrp, which kept no dates, recorded them.");
    }
    if protocol.worker_versions.is_empty() || protocol.devices.is_empty() {
        absent.push(
            "Versions and devices of the workers: no best trial has them. Earlier versions of nrp did not \
             record them.",
        );
    }
    absent
}
