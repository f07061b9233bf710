//! Learning curves: losses of the best NRP networks, epoch by epoch.

use crate::model::{AnnResults, Curve};

/// The curves of each ANN in each region whose best trial has losses.
pub(crate) fn all(anns: &AnnResults) -> Vec<Curve> {
    let labels = anns.labels();
    let mut curves = Vec::new();
    for region in anns.regions() {
        for (number, (ann, label)) in anns.iter().zip(&labels).enumerate() {
            let Some(best) = ann.network_in(region) else {
                continue;
            };
            let details = best.details.as_ref();
            let details = details.filter(|of| !of.validation_mse.is_empty());
            curves.extend(details.map(|details| Curve {
                ann: label.clone(),
                region: region.to_owned(),
                trial: best.row.cell.trial.clone(),
                training_mse: details.training_mse.clone(),
                validation_mse: details.validation_mse.clone(),
                network: number,
            }));
        }
    }
    curves
}
