//! Absent: what a reader may look for in a report, and why it is missing.

use crate::model::{AnnResults, Protocol, RankedSites, Report};

/// Figures, by the beginning of their names, and why they may be missing.
const FIGURES: [(&str, &str); 8] = [
    (
        "figure-2a",
        "Figure 2A (NRP-error against top-1 accuracy): no ANN of the published Table 1 \
         that is dense, as those are, has outcomes of all trials in all regions, and scores in each.",
    ),
    (
        "figure-2b",
        "Figure 2B (linear baselines against NRP networks): no ANN has scores of both in one \
         region; `baselines` in `[training]` names baselines.",
    ),
    (
        "figure-2c",
        "Figure 2C (V4 against IT): no ANN has scores in both regions.",
    ),
    (
        "figure-3a",
        "Figure 3A (network sizes): no ANN has scores of several sizes.",
    ),
    (
        "figure-3b",
        "Figure 3B (sparsity): no ANN has scores at several sparsities.",
    ),
    (
        "layers-",
        "NRP-error over layers: no ANN has scores of several layer sets.",
    ),
    (
        "curves-",
        "Learning curves: of no best trial's outcome losses are known epoch by epoch. Outcomes that were \
         recorded before they were kept do not have them.",
    ),
    (
        "sites-",
        "Sites sorted by predictability: of no best trial's outcome the scores of each site are known. \
         Outcomes that were recorded before they were kept do not have them, nor do regions of more \
         than 4096 sites.",
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
            "Details of {} of the {bests} best trials: their outcomes were recorded before details were \
             kept.",
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
            "Scores over splits, and Brain-Score's aggregate of them: the sweep has one split; \
             `scheme = \"shuffle\"` in `[split]` has ten.",
        ),
        (_, false) => Some("Scores over splits: of no split all trials have an outcome."),
        (_, true) => None,
    }
}

fn comparisons(report: &Report) -> Vec<&'static str> {
    let mut absent = Vec::new();
    if report.comparisons.is_empty() {
        absent.push(match report.networks.len() {
            0 | 1 => "Comparison between ANNs: the sweep has no two.",
            _ => {
                "Comparison between ANNs: no two have a split of which all trials have an outcome and \
                 the best one's errors of each site are known."
            }
        });
    }
    if report.network_against_linear.is_empty() {
        absent.push(
            "Comparison with linear baselines: no NRP network and baseline have a split of which all trials \
             have an outcome and the best one's errors of each site are known.",
        );
    }
    absent
}

fn sites(regions: &[RankedSites]) -> Option<&'static str> {
    let mut sites = regions.iter().flat_map(|region| &region.sites);
    if !regions.iter().all(|of| of.is_described) {
        return Some(
            "Names and noise ceilings of sites: the sweep was submitted before they were kept. Sites have \
             their numbers in the recordings.",
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
        absent.push("Dates of some outcomes: they were recorded before dates were kept.");
    }
    if protocol.worker_versions.is_empty() || protocol.devices.is_empty() {
        absent.push(
            "Versions and devices of the workers: no best trial's outcome has them. Those that were \
             recorded before they were kept do not.",
        );
    }
    absent
}
