//! Sparsity: which networks of a sweep are one ANN at several sparsities, and Figure 3B of them.

use super::canvas::Marker;
use super::figures::{self, Figure};
use super::gather::{Network, Region, Report, Winner};
use super::plot::{Along, Form, Plot, Reference, Series, Value};
use crate::row;
use nrp_proto::sweep::Pruning;

/// One ANN at several sparsities, in their order: as it is, where the sweep has it so, and pruned in
/// one way.
pub(super) struct Study<'a> {
    pub(super) networks: Vec<&'a Network>,
    pruning: &'a str,
}

/// Every ANN that has scores at several sparsities.
pub(super) fn studies(report: &Report) -> Vec<Study<'_>> {
    let mut studies: Vec<Study<'_>> = Vec::new();
    let scored = |network: &&Network| network.regions.iter().any(|of| of.best.is_some());
    let scored = || report.networks.iter().filter(scored);
    for network in scored().filter(|network| !network.is_dense()) {
        // A checkpoint has other weights than what it was made from.
        let same = |other: &Network| {
            other.ann == network.ann
                && (network.pruned_by() == Pruning::CHECKPOINT || other.weights == network.weights)
        };
        let of_this = |of: &&mut Study<'_>| {
            of.pruning == network.pruned_by() && of.networks.iter().any(|other| same(other))
        };
        match studies.iter_mut().find(of_this) {
            Some(study) => study.networks.push(network),
            None => {
                let dense = scored().filter(|other| other.is_dense() && same(other));
                studies.push(Study {
                    networks: dense.chain([network]).collect(),
                    pruning: network.pruned_by(),
                });
            }
        }
    }
    for study in &mut studies {
        let zeros = |network: &&Network| network.zeros();
        study.networks.sort_by(|a, b| zeros(a).total_cmp(&zeros(b)));
    }
    studies.retain(|study| study.networks.len() > 1);
    studies
}

impl Study<'_> {
    /// How its weights came to be zero.
    fn how(&self) -> &'static str {
        match self.pruning {
            Pruning::LAYER => "one-shot pruning by layer",
            Pruning::GLOBAL => "one-shot global pruning",
            _ => "own pruned checkpoints",
        }
    }

    /// NRP-error against the sparsity reached, in a region; where there are several seeds, their mean
    /// and standard deviation.
    fn points(&self, region: &str) -> Vec<(Value, Value)> {
        let points = self.networks.iter().filter_map(|network| {
            let best = network.best_in(region)?;
            let error = match best.over_seeds {
                Some(over) => (over.mean_nrp_error, Some(over.sd_nrp_error)),
                None => best.error()?,
            };
            Some(((network.zeros(), None), error))
        });
        points.collect()
    }
}

/// NRP-error against sparsity, of ANNs that were run at several.
pub(super) fn figure_3b(report: &Report) -> Option<Figure> {
    let studies = studies(report);
    let mut ways: Vec<&str> = studies.iter().map(Study::how).collect();
    ways.sort_unstable();
    ways.dedup();
    let shown = || studies.iter().flat_map(|study| &study.networks).copied();
    let mut regions: Vec<(&str, &Winner)> = Vec::new();
    for Region { region, best, .. } in shown().flat_map(|network| &network.regions) {
        if let Some(best) = best
            && regions.iter().all(|(known, _)| *known != region.as_str())
        {
            regions.push((region, best));
        }
    }
    let mut series: Vec<Series> = Vec::new();
    for study in &studies {
        let network = study.networks[0];
        let ann = row::ann_label(&network.ann, &network.weights);
        for (region, _) in &regions {
            let name = match ways.len() {
                1 => format!("{region}, {ann}"),
                _ => format!("{region}, {ann}, {}", study.how()),
            };
            series.push(Series {
                name,
                marker: Marker {
                    number: series.len(),
                    hollow: false,
                },
                points: study.points(region),
                form: Form::Joined,
            });
        }
    }
    let references = regions
        .iter()
        .zip(&series)
        .flat_map(|((region, best), of_region)| {
            let colour = of_region.marker.colour();
            let references = figures::references(best, Along::Y, &format!(", {region}"));
            references.into_iter().map(move |reference| Reference {
                colour,
                ..reference
            })
        });
    let references: Vec<Reference> = references.collect();
    series.retain(|series| !series.points.is_empty());
    let title = format!(
        "Figure 3B: NRP-error against sparsity, {}",
        ways.join(" and ")
    );
    let is_one_shot = studies.iter().any(|of| of.pruning != Pruning::CHECKPOINT);
    let one_shot = match is_one_shot {
        true => {
            "One-shot pruning sets the smallest weights to zero and trains nothing again, unlike the \
             paper's. "
        }
        false => "",
    };
    (!series.is_empty()).then(|| Figure {
        name: "figure-3b".to_owned(),
        caption: format!(
            "NRP-error of the best configuration at each sparsity, its mean over seeds where there are \
             several. Sparsity is the fraction of zero weights counted in all kernels of \
             convolutions and dense layers. {one_shot}{}",
            report.bars()
        ),
        svg: Plot {
            x_name: "sparsity (fraction of zero weights)",
            y_name: "NRP-error",
            series,
            references,
            ..Plot::default()
        }
        .svg(&title, &figures::marks(report, shown())),
        title,
    })
}
