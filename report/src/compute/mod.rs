//! Compute: what follows from a sweep's trials once all of them are known. Functions here take parts of
//! the model, never the whole report.

mod bootstrap;
mod brain_score;
pub(crate) mod compare;
pub(crate) mod curves;
mod similarity;
pub(crate) mod sites;
pub(crate) mod sparsity;
mod splits;
pub(crate) mod subjects;
pub(crate) mod time;

pub(crate) use bootstrap::RESAMPLES;
pub(crate) use brain_score::{Correlations, brain_score};
pub(crate) use subjects::{Scored, mean as over_subjects};

use super::fold::add;
use super::model::{AnnResult, AnnResults, Protocol, Published, RegionResult, Spread, Winner};
use crate::row::Row;
use nrp_proto::axis::Axis;
use nrp_proto::wire::RegionSites;

/// Completes the results of each ANN: the spread over seeds and splits, the mean over regions and the
/// published numbers. `described` are the noise ceilings that the sweep was submitted with.
pub(crate) fn conclude(anns: &mut AnnResults, described: &[RegionSites]) {
    for ann in &mut anns.0 {
        for region in &mut ann.regions {
            let described = described.iter().find(|of| of.region == region.region);
            conclude_region(region, described.map_or(&[], |of| &of.ceilings));
        }
        ann.regions.of_subjects = subjects::conclude(&ann.regions, described);
        ann.mean = mean(&ann.regions);
        ann.published = published(ann);
    }
}

/// Adds to the protocol which versions and devices trained the best trials.
pub(crate) fn conclude_protocol(protocol: &mut Protocol, anns: &AnnResults) {
    for details in anns.bests().filter_map(|best| best.details.as_ref()) {
        add(
            &mut protocol.worker_versions,
            details.worker_version.clone(),
        );
        add(&mut protocol.devices, details.device.clone());
    }
}

fn conclude_region(region: &mut RegionResult, ceilings: &[f32]) {
    region.sizes.sort_by_key(|size| {
        let place = &size.best.cell.place;
        [Axis::Depth, Axis::L1, Axis::L2].map(|axis| place.whole(axis))
    });
    if let Some(winner) = &mut region.best {
        winner.over_seeds = over_seeds(winner.errors.values().copied());
    }
    for model in &mut region.models {
        splits::conclude(model, ceilings);
    }
    region.brain_score = splits::standing(&region.models);
    region.similarities = region.compared.iter().filter_map(similarity::of).collect();
}

/// The paper's numbers on an ANN. They are about dense ANNs, and so shown beside no other.
fn published(ann: &AnnResult) -> Option<Published> {
    Published::of(&ann.ann).filter(|_| ann.is_dense())
}

/// The spread of errors over seeds; none with fewer than two.
fn over_seeds(errors: impl Iterator<Item = f64>) -> Option<Spread> {
    Spread::of(&errors.collect::<Vec<_>>()).filter(|over| over.count > 1)
}

/// The mean of the regions' winners, once all trials have an outcome. Its spread is over the seeds that
/// all winners share.
fn mean(regions: &[RegionResult]) -> Option<Winner> {
    let winners: Option<Vec<&Winner>> = regions
        .iter()
        .map(|region| region.best.as_ref().filter(|_| region.open == 0))
        .collect();
    let winners = winners.filter(|winners| !winners.is_empty())?;
    let rows: Vec<&Row> = winners.iter().map(|winner| &winner.row).collect();
    let seeds = winners[0].errors.keys();
    let errors = seeds.filter_map(|seed| {
        let errors: Option<Vec<f64>> = winners
            .iter()
            .map(|winner| winner.errors.get(seed).copied())
            .collect();
        let errors = errors?;
        Some((*seed, errors.iter().sum::<f64>() / errors.len() as f64))
    });
    let mut mean = Winner::new(&Row::mean(&rows));
    mean.errors = errors.collect();
    mean.over_seeds = over_seeds(mean.errors.values().copied());
    Some(mean)
}
