//! torchvision's variants of five ANNs, layer for layer as `torchvision.models`. They are networks of
//! their own: padding, epsilon, biases and strides differ from Keras's.
//!
//! Layers have the names of torchvision's own feature extraction (`get_graph_node_names`), and inside
//! its `Conv2dNormActivation` those of the modules. Nodes stand in the order of `state_dict`.

use super::graph::{Conv, End, Graph, GraphBuilder, NodeId, Op, Padding, Window};
use super::{AnnInfo, Files, Preprocessing};

pub(super) const RESNET50: AnnInfo = AnnInfo {
    name: "resnet50-torchvision",
    // Keras counts moving statistics among parameters, PyTorch does not; here as in Keras.
    parameters: 25_610_152,
    parameters_without_biases: None,
    input: [224, 224, 3],
    preprocessing: Preprocessing::Torch,
    files: Files::Torch,
    candidates: &[
        "layer1.2.relu_2",
        "layer2.3.relu_2",
        "layer3.5.relu_2",
        "layer4.2.relu_2",
    ],
    region_layers: &[
        ("V1", "layer2.3.relu_2"),
        ("V2", "layer3.0.relu_2"),
        ("V4", "layer2.3.relu_2"),
        ("IT", "layer4.0.relu_2"),
    ],
    graph: resnet50,
};

pub(super) const MOBILENET_V2: AnnInfo = AnnInfo {
    name: "mobilenet_v2-torchvision",
    parameters: 3_538_984,
    candidates: &[
        "features.4.conv.0",
        "features.7.conv.0",
        "features.14.conv.0",
        "features.17.conv.3",
        "features.18",
    ],
    region_layers: &[],
    graph: mobilenet_v2,
    ..RESNET50
};

pub(super) const DENSENET121: AnnInfo = AnnInfo {
    name: "densenet121-torchvision",
    parameters: 8_062_504,
    candidates: &[
        "features.transition1.pool",
        "features.transition2.pool",
        "features.transition3.pool",
        "relu",
    ],
    region_layers: &[
        ("V1", "features.transition1.pool"),
        ("V2", "features.transition2.pool"),
        ("V4", "features.transition1.pool"),
        ("IT", "features.transition3.pool"),
    ],
    graph: || densenet([6, 12, 24, 16]),
    ..RESNET50
};

pub(super) const DENSENET169: AnnInfo = AnnInfo {
    name: "densenet169-torchvision",
    region_layers: &[
        ("V1", "features.transition1.pool"),
        ("V2", "features.transition2.pool"),
        ("V4", "features.transition2.pool"),
        ("IT", "features.transition3.pool"),
    ],
    parameters: 14_307_880,
    graph: || densenet([6, 12, 32, 32]),
    ..DENSENET121
};

pub(super) const ALEXNET: AnnInfo = AnnInfo {
    name: "alexnet-torchvision",
    parameters: 61_100_840,
    candidates: &[
        "features.2",
        "features.5",
        "features.7",
        "features.9",
        "features.11",
        "features.12",
        "classifier.2",
        "classifier.5",
    ],
    region_layers: &[
        ("V1", "features.2"),
        ("V2", "features.7"),
        ("V4", "features.7"),
        ("IT", "features.12"),
    ],
    graph: alexnet,
    ..RESNET50
};

const NORM: Op = Op::BatchNorm { epsilon: 1e-5 };
const RELU: Op = Op::Relu { max: None };
const RELU6: Op = Op::Relu { max: Some(6.0) };

/// A square window with `pixels` around the map.
fn window(size: usize, stride: usize, pixels: usize) -> Window {
    Window {
        padding: Padding::Around(pixels),
        ..Window::valid(size).stride(stride)
    }
}

fn conv(filters: usize, window: Window) -> Op {
    Op::Conv(Conv::new(filters, window))
}

fn classifier(units: usize) -> Op {
    let end = End::Linear;
    Op::Dense { units, end }
}

fn resnet50() -> Graph {
    let (mut g, image) = GraphBuilder::new(RESNET50.input);
    let mut x = g.add("conv1", conv(64, window(7, 2, 3)), &[image]);
    x = g.add("bn1", NORM, &[x]);
    x = g.add("relu", RELU, &[x]);
    x = g.add("maxpool", Op::MaxPool(window(3, 2, 1)), &[x]);
    for (i, (filters, blocks)) in (1..).zip([(64, 3), (128, 4), (256, 6), (512, 3)]) {
        for j in 0..blocks {
            let stride = if i > 1 && j == 0 { 2 } else { 1 };
            x = bottleneck(&mut g, &format!("layer{i}.{j}"), filters, stride, x);
        }
    }
    let pool = Op::GlobalAveragePooling { keep_dims: true };
    x = g.add("avgpool", pool, &[x]);
    x = g.add("flatten", Op::Flatten, &[x]);
    g.add("fc", classifier(1000), &[x]);
    g.finish_as_stated()
}

/// Strides in its 3 × 3 convolution ("v1.5").
fn bottleneck(
    g: &mut GraphBuilder,
    name: &str,
    filters: usize,
    stride: usize,
    input: NodeId,
) -> NodeId {
    let point = window(1, 1, 0);
    let out = 4 * filters;
    let mut x = g.add(format!("{name}.conv1"), conv(filters, point), &[input]);
    x = g.add(format!("{name}.bn1"), NORM, &[x]);
    x = g.add(format!("{name}.relu"), RELU, &[x]);
    let second = conv(filters, window(3, stride, 1));
    x = g.add(format!("{name}.conv2"), second, &[x]);
    x = g.add(format!("{name}.bn2"), NORM, &[x]);
    x = g.add(format!("{name}.relu_1"), RELU, &[x]);
    x = g.add(format!("{name}.conv3"), conv(out, point), &[x]);
    x = g.add(format!("{name}.bn3"), NORM, &[x]);
    let shortcut = if g.shape(input)[2] == out {
        input
    } else {
        let down = conv(out, window(1, stride, 0));
        let y = g.add(format!("{name}.downsample.0"), down, &[input]);
        g.add(format!("{name}.downsample.1"), NORM, &[y])
    };
    x = g.add(format!("{name}.add"), Op::Add, &[x, shortcut]);
    g.add(format!("{name}.relu_2"), RELU, &[x])
}

fn mobilenet_v2() -> Graph {
    /// Expansion, output channels, blocks and first stride.
    const STACKS: [(usize, usize, usize, usize); 7] = [
        (1, 16, 1, 1),
        (6, 24, 2, 2),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    ];
    let (mut g, image) = GraphBuilder::new(MOBILENET_V2.input);
    let mut x = normalised(&mut g, "features.0", conv(32, window(3, 2, 1)), image);
    let mut i = 0;
    for (expansion, filters, blocks, stride) in STACKS {
        for j in 0..blocks {
            i += 1;
            let name = format!("features.{i}");
            let stride = if j == 0 { stride } else { 1 };
            x = inverted_residual(&mut g, &name, expansion, filters, stride, x);
        }
    }
    x = normalised(&mut g, "features.18", conv(1280, window(1, 1, 0)), x);
    let pool = Op::GlobalAveragePooling { keep_dims: true };
    x = g.add("adaptive_avg_pool2d", pool, &[x]);
    x = g.add("flatten", Op::Flatten, &[x]);
    x = g.add("classifier.0", Op::Dropout, &[x]);
    g.add("classifier.1", classifier(1000), &[x]);
    g.finish_as_stated()
}

fn inverted_residual(
    g: &mut GraphBuilder,
    name: &str,
    expansion: usize,
    filters: usize,
    stride: usize,
    input: NodeId,
) -> NodeId {
    let channels = g.shape(input)[2];
    let mut parts = (0..).map(|part| format!("{name}.conv.{part}"));
    let mut part = || parts.next().expect("never ends");
    let mut x = input;
    if expansion > 1 {
        let expand = conv(expansion * channels, window(1, 1, 0));
        x = normalised(g, &part(), expand, x);
    }
    let depthwise = Op::DepthwiseConv {
        window: window(3, stride, 1),
    };
    x = normalised(g, &part(), depthwise, x);
    x = g.add(part(), conv(filters, window(1, 1, 0)), &[x]);
    x = g.add(part(), NORM, &[x]);
    if stride == 1 && channels == filters {
        g.add(format!("{name}.add"), Op::Add, &[input, x])
    } else {
        x
    }
}

/// torchvision's `Conv2dNormActivation`: a convolution, its batch norm and ReLU6.
fn normalised(g: &mut GraphBuilder, name: &str, op: Op, x: NodeId) -> NodeId {
    let x = g.add(format!("{name}.0"), op, &[x]);
    let x = g.add(format!("{name}.1"), NORM, &[x]);
    g.add(name, RELU6, &[x])
}

fn densenet(stacks: [usize; 4]) -> Graph {
    let (mut g, image) = GraphBuilder::new(DENSENET121.input);
    let mut x = g.add("features.conv0", conv(64, window(7, 2, 3)), &[image]);
    x = g.add("features.norm0", NORM, &[x]);
    x = g.add("features.relu0", RELU, &[x]);
    x = g.add("features.pool0", Op::MaxPool(window(3, 2, 1)), &[x]);
    for (i, layers) in (1..).zip(stacks) {
        let block = format!("features.denseblock{i}");
        let mut grown = vec![x];
        for j in 1..=layers {
            let layer = dense_layer(&mut g, &format!("{block}.denselayer{j}"), &grown);
            grown.push(layer);
        }
        x = g.add(format!("{block}.cat"), Op::Concat, &grown);
        if i < 4 {
            x = transition(&mut g, &format!("features.transition{i}"), x);
        }
    }
    x = g.add("features.norm5", NORM, &[x]);
    x = g.add("relu", RELU, &[x]);
    let pool = Op::GlobalAveragePooling { keep_dims: true };
    x = g.add("adaptive_avg_pool2d", pool, &[x]);
    x = g.add("flatten", Op::Flatten, &[x]);
    g.add("classifier", classifier(1000), &[x]);
    g.finish_as_stated()
}

/// 32 channels more, from all before.
fn dense_layer(g: &mut GraphBuilder, name: &str, grown: &[NodeId]) -> NodeId {
    let mut x = g.add(format!("{name}.cat"), Op::Concat, grown);
    for (i, op) in [
        (1, conv(128, window(1, 1, 0))),
        (2, conv(32, window(3, 1, 1))),
    ] {
        x = g.add(format!("{name}.norm{i}"), NORM, &[x]);
        x = g.add(format!("{name}.relu{i}"), RELU, &[x]);
        x = g.add(format!("{name}.conv{i}"), op, &[x]);
    }
    x
}

fn transition(g: &mut GraphBuilder, name: &str, x: NodeId) -> NodeId {
    let halve = conv(g.shape(x)[2] / 2, window(1, 1, 0));
    let x = g.add(format!("{name}.norm"), NORM, &[x]);
    let x = g.add(format!("{name}.relu"), RELU, &[x]);
    let x = g.add(format!("{name}.conv"), halve, &[x]);
    g.add(
        format!("{name}.pool"),
        Op::AveragePool(window(2, 2, 0)),
        &[x],
    )
}

fn alexnet() -> Graph {
    let (mut g, image) = GraphBuilder::new(ALEXNET.input);
    let pool = Op::MaxPool(window(3, 2, 0));
    let conv = |filters, window| Op::Conv(Conv::new(filters, window).with_bias());
    let features = [
        conv(64, window(11, 4, 2)),
        RELU,
        pool.clone(),
        conv(192, window(5, 1, 2)),
        RELU,
        pool.clone(),
        conv(384, window(3, 1, 1)),
        RELU,
        conv(256, window(3, 1, 1)),
        RELU,
        conv(256, window(3, 1, 1)),
        RELU,
        pool,
    ];
    let mut x = image;
    for (i, op) in features.into_iter().enumerate() {
        x = g.add(format!("features.{i}"), op, &[x]);
    }
    // Adaptive pooling to 6 × 6 of a map that is 6 × 6.
    x = g.add("avgpool", Op::AveragePool(window(1, 1, 0)), &[x]);
    x = g.add("flatten", Op::FlattenChannelsFirst, &[x]);
    let rest = [
        Op::Dropout,
        classifier(4096),
        RELU,
        Op::Dropout,
        classifier(4096),
        RELU,
        classifier(1000),
    ];
    for (i, op) in rest.into_iter().enumerate() {
        x = g.add(format!("classifier.{i}"), op, &[x]);
    }
    g.finish_as_stated()
}
