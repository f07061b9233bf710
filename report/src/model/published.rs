//! Table 1 as published: Anand, Sen & Roy (2021), Front. Comput. Neurosci. 15:609721.

use serde::Serialize;

/// What the paper reports of one ANN.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Published {
    /// The ANN's name in sweep files.
    #[serde(skip)]
    pub ann: &'static str,
    /// The ANN's parameters.
    pub parameters: u64,
    /// Top-1 accuracy on ImageNet, from 0 to 1.
    pub top1: f64,
    /// Top-5 accuracy on ImageNet, from 0 to 1.
    pub top5: f64,
    /// NRP-error, the mean of V4 and IT in the units of the paper's recordings.
    pub nrp_error: f64,
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

impl Published {
    /// Every ANN of the table.
    pub const ALL: [Self; 8] = TABLE_1;

    /// The paper's numbers on a dense ANN; none for an ANN that the paper lacks.
    pub fn of(ann: &str) -> Option<Self> {
        TABLE_1.into_iter().find(|row| row.ann == ann)
    }
}
