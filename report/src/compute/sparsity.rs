//! Sparsity: which results of a sweep are of one ANN at several sparsities.

use crate::model::{AnnResult, AnnResults};
use nrp_proto::sweep::Pruning;

/// One ANN at several sparsities: dense, if the sweep has it so, and pruned in one way.
pub(crate) struct Study<'a> {
    /// The ANN's results, the fewest zeros first.
    pub(crate) anns: Vec<&'a AnnResult>,
    /// The way of pruning.
    pub(crate) pruning: &'a str,
}

/// Every ANN that has scores at several sparsities.
pub(crate) fn studies(anns: &AnnResults) -> Vec<Study<'_>> {
    let mut studies: Vec<Study<'_>> = Vec::new();
    let scored = |ann: &&AnnResult| ann.regions.iter().any(|of| of.best.is_some());
    let scored = || anns.iter().filter(scored);
    for ann in scored().filter(|ann| !ann.is_dense()) {
        // A pruned checkpoint has other weights than the dense one that it was made from.
        let same = |other: &AnnResult| {
            other.ann == ann.ann
                && (ann.pruned_by() == Pruning::CHECKPOINT || other.weights == ann.weights)
        };
        let of_this = |of: &&mut Study<'_>| {
            of.pruning == ann.pruned_by() && of.anns.iter().any(|other| same(other))
        };
        match studies.iter_mut().find(of_this) {
            Some(study) => study.anns.push(ann),
            None => {
                let dense = scored().filter(|other| other.is_dense() && same(other));
                studies.push(Study {
                    anns: dense.chain([ann]).collect(),
                    pruning: ann.pruned_by(),
                });
            }
        }
    }
    for study in &mut studies {
        let zeros = |ann: &&AnnResult| ann.zeros();
        study.anns.sort_by(|a, b| zeros(a).total_cmp(&zeros(b)));
    }
    studies.retain(|study| study.anns.len() > 1);
    studies
}
