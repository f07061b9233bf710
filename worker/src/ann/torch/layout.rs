//! torchvision's names, shapes and order of numbers for a graph's weights.

use crate::ann::graph::WeightSpec;

/// Parts of names that wrappers put in: `DataParallel`, `torch.compile`, FSDP, activation checkpoints, and
/// Lightning's Fabric.
const WRAPPERS: [&str; 6] = [
    "module",
    "_orig_mod",
    "_fsdp_wrapped_module",
    "_fpw_module",
    "_checkpoint_wrapped_module",
    "_forward_module",
];

/// A name in a file as torchvision has it now, without what wrappers put in, and without the dots that
/// DenseNet's files of 2017 have (`norm.1` for `norm1`).
pub(super) fn torchvision_name(name: &str) -> String {
    let parts = name.split('.').filter(|part| !WRAPPERS.contains(part));
    let name = parts.collect::<Vec<_>>().join(".");
    if !name.contains(".denselayer") {
        return name;
    }
    ["norm", "conv"].iter().fold(name, |name, part| {
        [1, 2].iter().fold(name, |name, i| {
            name.replace(&format!(".{part}.{i}."), &format!(".{part}{i}."))
        })
    })
}

/// The wrappers' parts of `name`, each once.
pub(super) fn wrappers(name: &str) -> Vec<&'static str> {
    let is_in = |wrapper: &&str| name.split('.').any(|part| part == *wrapper);
    WRAPPERS.into_iter().filter(is_in).collect()
}

/// The tensor's name in torchvision.
pub(super) fn name(spec: &WeightSpec) -> String {
    let variable = match spec.variable {
        "beta" => "bias",
        "moving_mean" => "running_mean",
        "moving_variance" => "running_var",
        "bias" => "bias",
        _ => "weight",
    };
    format!("{}.{variable}", spec.layer)
}

/// PyTorch's shape: OIHW, (C, 1, H, W) or (out, in).
pub(super) fn shape(spec: &WeightSpec) -> Vec<usize> {
    match *spec.shape {
        [h, w, c, 1] if spec.variable == "depthwise_kernel" => vec![c, 1, h, w],
        [h, w, i, o] => vec![o, i, h, w],
        [i, o] => vec![o, i],
        ref other => other.to_vec(),
    }
}

/// PyTorch's values in Keras's order.
pub(super) fn keras_order(spec: &WeightSpec, values: Vec<f32>) -> Vec<f32> {
    // In both layouts a kernel is a matrix whose transpose is the other's, where its rows are the
    // outputs (for a depthwise kernel: the channels) in PyTorch and the columns in Keras; within a
    // row PyTorch has channels before pixels.
    let (pixels, channels, outputs) = match *spec.shape {
        [h, w, c, 1] if spec.variable == "depthwise_kernel" => (h * w, 1, c),
        [h, w, i, o] => (h * w, i, o),
        [i, o] => (1, i, o),
        _ => return values,
    };
    let mut turned = Vec::with_capacity(values.len());
    for pixel in 0..pixels {
        for channel in 0..channels {
            for output in 0..outputs {
                turned.push(values[(output * channels + channel) * pixels + pixel]);
            }
        }
    }
    turned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_wrappers_and_of_older_files_are_known() {
        for (old, new) in [
            (
                "module.features.denseblock1.denselayer2.norm.1.running_mean",
                "features.denseblock1.denselayer2.norm1.running_mean",
            ),
            ("features.0.conv.1.weight", "features.0.conv.1.weight"),
            ("features.module.0.weight", "features.0.weight"),
            (
                "_orig_mod.layer1._fsdp_wrapped_module.0._checkpoint_wrapped_module.conv1.weight",
                "layer1.0.conv1.weight",
            ),
        ] {
            assert_eq!(torchvision_name(old), new);
        }
        assert_eq!(
            wrappers("a.module._orig_mod.module.b"),
            ["module", "_orig_mod"]
        );
    }
}
