//! Table 1 as published: Anand, Sen & Roy (2021), Front. Comput. Neurosci. 15:609721.

use serde::Serialize;

/// What the paper reports of one ANN.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Published {
    /// Name in sweep files.
    #[serde(skip)]
    ann: &'static str,
    /// The ANN's parameters.
    pub(super) parameters: u64,
    /// Accuracies on ImageNet, 0 to 1.
    pub(super) top1: f64,
    pub(super) top5: f64,
    /// Mean of V4 and IT, in the units of the paper's recordings.
    pub(super) nrp_error: f64,
}

#[rustfmt::skip]
const TABLE_1: [Published; 8] = [
    Published { ann: "mobilenet", parameters: 4_253_864, top1: 0.704, top5: 0.895, nrp_error: 0.237 },
    Published { ann: "mobilenet_v2", parameters: 3_538_984, top1: 0.713, top5: 0.901, nrp_error: 0.249 },
    Published { ann: "nasnet_mobile", parameters: 5_326_716, top1: 0.744, top5: 0.919, nrp_error: 0.247 },
    Published { ann: "resnet50", parameters: 25_636_712, top1: 0.749, top5: 0.921, nrp_error: 0.290 },
    Published { ann: "xception", parameters: 22_910_480, top1: 0.790, top5: 0.945, nrp_error: 0.257 },
    Published { ann: "densenet121", parameters: 8_062_504, top1: 0.750, top5: 0.923, nrp_error: 0.249 },
    Published { ann: "densenet169", parameters: 14_307_880, top1: 0.762, top5: 0.932, nrp_error: 0.249 },
    Published { ann: "alexnet", parameters: 60_954_656, top1: 0.570, top5: 0.803, nrp_error: 0.226 },
];

/// What is published of an ANN with all its weights; none of one that the paper does not have.
pub(super) fn of(ann: &str) -> Option<Published> {
    TABLE_1.into_iter().find(|row| row.ann == ann)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nrp_worker::ann;

    /// The paper counts AlexNet's parameters without biases, the others' with all of them.
    #[test]
    fn published_anns_are_those_offered() {
        for row in TABLE_1 {
            let info = ann::find(row.ann).expect("offered");
            let counts = [Some(info.parameters), info.parameters_without_biases];
            assert!(counts.contains(&Some(row.parameters)), "{}", row.ann);
        }
    }
}
