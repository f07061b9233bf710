//! Whole networks, pickled by PyTorch 2.15 (`testdata/whole/make_whole_networks.py`): those that compute what
//! torchvision's do, and others with the same weights.

use std::path::{Path, PathBuf};

use super::super::file::TorchFile;
use super::super::fit::Wanted;
use super::super::{TorchError, read};
use super::networks::places;
use super::node;
use crate::ann::graph::{Graph, NodeId};
use crate::ann::{AnnInfo, find};

/// Files that are asked for another layer than the last.
const ASKED: [(&str, &str); 5] = [
    ("resnet50_ok_layers", "layer2.3.relu_2"),
    ("resnet50_ok_segmentation", "layer2.3.relu_2"),
    ("resnet50_ok_sequence", "layer4.2.relu_2"),
    ("resnet50_ok_quantised_head", "layer4.2.relu_2"),
    ("densenet121_not_layers", "relu"),
];

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ann/torch/testdata/whole")
}

/// The names of the files, without `.pth`, in their order.
fn files() -> Vec<String> {
    let entries = std::fs::read_dir(directory()).expect("made by the script");
    let names = entries.map(|entry| entry.expect("readable").file_name());
    let names = names.filter_map(|name| name.to_str()?.strip_suffix(".pth").map(str::to_owned));
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

/// The ANN that a file is of.
fn ann(name: &str) -> &'static AnnInfo {
    let ann = name.split("_ok").next().unwrap_or(name);
    let ann = ann.split("_not").next().unwrap_or(ann);
    find(&format!("{ann}-torchvision")).expect("offered")
}

fn asked(graph: &Graph, name: &str) -> NodeId {
    match ASKED.iter().find(|(file, _)| *file == name) {
        Some((_, layer)) => node(graph, layer),
        None => graph.listed().last().map(|(id, _)| id).expect("a layer"),
    }
}

/// The places in the state dict of the tensors that are found, once the network is compared.
fn compared(
    name: &str,
    asked: impl FnOnce(&Graph) -> NodeId,
) -> Result<Vec<Option<usize>>, TorchError> {
    let (info, path) = (ann(name), directory().join(format!("{name}.pth")));
    let (ann, path, graph) = (info.name, path.as_path(), info.graph());
    let (file, asked) = (TorchFile { ann, path }, [asked(&graph)]);
    let checkpoint = file.open()?.checkpoint;
    let fit = Wanted::new(file, &graph, &asked).find(&checkpoint)?;
    file.compare(&checkpoint, &fit, &graph, &asked)?;
    Ok(places(&fit))
}

#[test]
fn whole_networks_of_torchvision_are_found_in_every_wrapper() {
    let names = files().into_iter().filter(|name| !name.contains("_not_"));
    let names: Vec<String> = names.collect();
    assert_eq!(names.len(), 24);
    for name in names {
        let places = compared(&name, |graph| asked(graph, &name))
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let graph = ann(&name).graph();
        let needed = graph.needed(&[asked(&graph, &name)]);
        for (place, (found, needed)) in places.into_iter().zip(needed).enumerate() {
            assert!(found == Some(place) || !needed, "{name}: {place}");
        }
    }
}

#[test]
fn whole_networks_of_torchvision_are_read() {
    for name in ["mobilenet_v2", "resnet50", "densenet121"] {
        let (info, path) = (ann(name), directory().join(format!("{name}.pth")));
        let graph = info.graph();
        let asked = [asked(&graph, name)];
        let (weights, _) = read(&path, None, info.name, &graph, &asked).expect("torchvision's");
        for (place, values) in weights.into_iter().enumerate() {
            let values = values.expect("there");
            assert!(values.iter().all(|x| *x == place as f32), "{name}: {place}");
        }
    }
}

#[test]
fn other_networks_in_the_same_clothes_are_refused() {
    let names = files().into_iter().filter(|name| name.contains("_not_"));
    let all: Vec<String> = names
        .map(|name| match compared(&name, |graph| asked(graph, &name)) {
            Ok(_) => format!("{name}: TAKEN"),
            Err(error) => {
                let said = error.to_string();
                let said = said.split_once("-torchvision").expect("named").1;
                format!("{name}{said}")
            }
        })
        .collect();
    insta::assert_snapshot!(all.join("\n"), @r"
    alexnet_not_average: `features.2` is an `AvgPool2d`, expected a `MaxPool2d`
    alexnet_not_behind_conv: `0` is a `Sequential` in front of the network, expected none
    alexnet_not_behind_normalize: `0` is a `torchvision.transforms.transforms.Normalize` in front of the network, expected none
    alexnet_not_beside_copy: `features.1` is a `ReLU6`, expected a `ReLU`
    alexnet_not_beside_state_dict: `features.1` is a `ReLU6`, expected a `ReLU`
    alexnet_not_beside_twin: `features.1` is a `ReLU6`, expected a `ReLU`
    alexnet_not_ceil: `features.2` is a `MaxPool2d` with `ceil_mode` 1, expected a `MaxPool2d` with `ceil_mode` 0
    alexnet_not_dilated: `features.3` is a `Conv2d` with `dilation` 2, expected a `Conv2d` with `dilation` 1
    alexnet_not_dropout: `classifier.0` is a `GELU`, expected none
    alexnet_not_groups: `features.3` is a `Conv2d` with `groups` 2, expected a `Conv2d` with `groups` 1
    alexnet_not_hooked: `features.4` is a `ReLU` with `_forward_hooks` of its own, expected none
    alexnet_not_hooked_before: `net` is a `torchvision.models.alexnet.AlexNet` with `_forward_pre_hooks` of its own, expected none
    alexnet_not_hooked_dropout: `classifier.0` is a `Dropout` with `_forward_hooks` of its own, expected none
    alexnet_not_hooked_wrapper: `net` is a `torch.nn.parallel.data_parallel.DataParallel` with `_forward_hooks` of its own, expected none
    alexnet_not_identity: `features.1` is an `Identity`, expected a `ReLU`
    alexnet_not_in_order: `features.1` is called after `features.2`, expected before it
    alexnet_not_last_pool: `avgpool` is an `AdaptiveMaxPool2d`, expected an `AvgPool2d`
    alexnet_not_leaky: `features.1` is a `LeakyReLU`, expected a `ReLU`
    alexnet_not_list: `features` is a `ModuleList`, expected a `Sequential`
    alexnet_not_more: `features.12a` is a `GELU`, expected none
    alexnet_not_more_between: `classifier.1a` is a `Sequential`, expected none
    alexnet_not_no_pool: `features.2` is an `Identity`, expected a `MaxPool2d`
    alexnet_not_oblong: `features.3` is a `Conv2d` with `stride` (1, 2), expected a `Conv2d` with `stride` 1
    alexnet_not_old_spectral_norm's: layer `features.3.weight` should be [192, 64, 5, 5], found no such tensor; the nearest names there are `features.3.weight_v`, `features.3.weight_u`, `features.8.weight`
    alexnet_not_old_weight_norm's: layer `features.3.weight` should be [192, 64, 5, 5], found no such tensor; the nearest names there are `features.3.weight_v`, `features.3.weight_g`, `features.8.weight`
    alexnet_not_padding: `features.3` is a `Conv2d` with `padding` 1, expected a `Conv2d` with `padding` 2
    alexnet_not_padding_same: `features.3` is a `Conv2d` with `padding` same, expected a `Conv2d` with `padding` 2
    alexnet_not_patched: `features.4` is a `ReLU` with `forward` of its own, expected none
    alexnet_not_patched_net: `net` is a `torchvision.models.alexnet.AlexNet` with `forward` of its own, expected none
    alexnet_not_pool_adaptive: `features.2` is an `AdaptiveMaxPool2d`, expected a `MaxPool2d`
    alexnet_not_pool_dilated: `features.2` is a `MaxPool2d` with `dilation` 2, expected a `MaxPool2d` with `dilation` 1
    alexnet_not_pool_padded: `features.2` is a `MaxPool2d` with `padding` 1, expected a `MaxPool2d` with `padding` 0
    alexnet_not_pool_small: `features.2` is a `MaxPool2d` with `kernel_size` 2, expected a `MaxPool2d` with `kernel_size` 3
    alexnet_not_reflect: `features.3` is a `Conv2d` with `padding_mode` reflect, expected a `Conv2d` with `padding_mode` zeros
    alexnet_not_relu6: `features.1` is a `ReLU6`, expected a `ReLU`
    alexnet_not_scaled: `net` is a `__main__.Scaled`, expected the network alone, or in a wrapper such as `DataParallel`
    alexnet_not_scaled_within: `features` is a `__main__.Scaled`, expected the module alone, or in a wrapper such as `DataParallel`
    alexnet_not_sequence: `features.1` is a `Sequential`, expected a `ReLU`
    alexnet_not_spectral_norm's: layer `features.3.weight` should be [192, 64, 5, 5], found no such tensor; the nearest names there are `features.8.weight`, `features.6.weight`, `features.0.weight`
    alexnet_not_stride: `features.3` is a `Conv2d` with `stride` 2, expected a `Conv2d` with `stride` 1
    alexnet_not_subclass: `net` is a `__main__.Other`, expected torchvision's `AlexNet` or a `Sequential`
    alexnet_not_subclassed_relu: `features.1` is a `__main__.OtherReLU`, expected a `ReLU`
    alexnet_not_weight_norm's: layer `features.3.weight` should be [192, 64, 5, 5], found no such tensor; the nearest names there are `features.8.weight`, `features.6.weight`, `features.0.weight`
    alexnet_not_without_relu: `features.1` is absent, expected a `ReLU`
    densenet121_not_divided: `features.transition1.pool` is an `AvgPool2d` with `divisor_override` 3, expected an `AvgPool2d` with `divisor_override` None
    densenet121_not_in_order: `features.norm0` is called after `features.relu0`, expected before it
    densenet121_not_in_order_within: `features.denseblock2.denselayer1` is called after `features.denseblock2.denselayer2`, expected before it
    densenet121_not_layers: `relu` is not computed in a `Sequential`, expected torchvision's code
    densenet121_not_more: `features.denseblock1.denselayer6a` is an `AdaptiveAvgPool2d`, expected none
    mobilenet_v2_not_added: `features.3` is an `InvertedResidual` with `use_res_connect` 0, expected an `InvertedResidual` with `use_res_connect` 1
    mobilenet_v2_not_cut: `features.0.2` is a `ReLU6` with `max_val` 20, expected a `ReLU6` with `max_val` 6
    mobilenet_v2_not_more: `features.4.conv.3a` is a `Hardswish`, expected none
    mobilenet_v2_not_quantizable: `net` is a `torchvision.models.quantization.mobilenetv2.QuantizableMobileNetV2`, expected torchvision's `MobileNetV2` or a `Sequential`
    mobilenet_v2_not_without_relu: `features.4.conv.1` is a `torchvision.ops.misc.Conv2dNormActivation`, expected a `ReLU6`
    resnet50_not_dilated: `layer4.0.conv2` is a `Conv2d` with `stride` 1, expected a `Conv2d` with `stride` 2
    resnet50_not_epsilon: `layer4.1.bn2` is a `BatchNorm2d` with `eps` 0.001, expected a `BatchNorm2d` with `eps` 0.00001
    resnet50_not_function: `layer1.1.relu` is absent, expected a `ReLU`
    resnet50_not_quantizable: `net` is a `torchvision.models.quantization.resnet.QuantizableResNet`, expected torchvision's `ResNet` or a `Sequential`
    resnet50_not_relu: `layer1.1.relu` is a `GELU`, expected a `ReLU`
    resnet50_not_shortcut: `layer1.1.downsample` is a `MaxPool2d`, expected none
    resnet50_not_shortcut_pool: `layer2.0.downsample.0` is a `Conv2d` with `stride` 1, expected a `Conv2d` with `stride` 2
    resnet50_not_version_1: `layer2.0.conv1` is a `Conv2d` with `stride` 2, expected a `Conv2d` with `stride` 1
    ");
}

#[test]
fn layers_before_the_first_difference_are_read() {
    for (name, last, next) in [
        ("alexnet_not_ceil", "features.1", "features.2"),
        ("alexnet_not_in_order", "features.0", "features.1"),
        ("alexnet_not_without_relu", "features.0", "features.1"),
        ("alexnet_not_more_between", "features.12", "classifier.2"),
        (
            "mobilenet_v2_not_added",
            "features.2.conv.3",
            "features.3.add",
        ),
        (
            "mobilenet_v2_not_more",
            "features.3.add",
            "features.4.conv.3",
        ),
        ("resnet50_not_epsilon", "layer4.0.relu_2", "layer4.1.relu_2"),
        ("resnet50_not_dilated", "layer3.5.relu_2", "layer4.0.relu_2"),
        ("resnet50_not_version_1", "layer1.2.relu_2", "layer2.0.relu"),
        ("densenet121_not_layers", "features.norm5", "relu"),
        (
            "densenet121_not_more",
            "features.pool0",
            "features.transition1.pool",
        ),
    ] {
        let read = compared(name, |graph| node(graph, last));
        assert!(read.is_ok(), "{name}: {last}: {:?}", read.err());
        assert!(compared(name, |graph| node(graph, next)).is_err(), "{name}");
    }
}
