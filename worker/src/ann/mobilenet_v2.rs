//! MobileNetV2 (width 1.0, 224 × 224), layer for layer as `keras.applications.MobileNetV2`.

use super::graph::{Conv, End, Graph, GraphBuilder, NodeId, Op, Window};
use super::{AnnInfo, Files, Preprocessing};

pub(super) const MOBILENET_V2: AnnInfo = AnnInfo {
    name: "mobilenet_v2",
    parameters: 3_538_984,
    parameters_without_biases: None,
    input: [224, 224, 3],
    preprocessing: Preprocessing::Tf,
    files: Files::Keras,
    candidates: &[
        "block_3_expand_relu",
        "block_6_expand_relu",
        "block_13_expand_relu",
        "block_16_project_BN",
        "out_relu",
    ],
    region_layers: &[
        ("V1", "block_13_project_BN"),
        ("V2", "block_13_depthwise_relu"),
        ("V4", "block_13_depthwise_relu"),
        ("IT", "block_13_project"),
    ],
    graph,
};

const NORM: Op = Op::BatchNorm { epsilon: 1e-3 };
const RELU6: Op = Op::Relu { max: Some(6.0) };

/// Output channels and stride of the inverted residual blocks after the first.
const BLOCKS: [(usize, usize); 16] = [
    (24, 2),
    (24, 1),
    (32, 2),
    (32, 1),
    (32, 1),
    (64, 2),
    (64, 1),
    (64, 1),
    (64, 1),
    (96, 1),
    (96, 1),
    (96, 1),
    (160, 2),
    (160, 1),
    (160, 1),
    (320, 1),
];

/// How much wider a block is inside than its input.
const EXPANSION: usize = 6;

fn graph() -> Graph {
    let (mut g, image) = GraphBuilder::new(MOBILENET_V2.input);
    let conv = Op::Conv(Conv::new(32, Window::same(3).stride(2)));
    let mut x = g.add("Conv1", conv, &[image]);
    x = g.add("bn_Conv1", NORM, &[x]);
    x = g.add("Conv1_relu", RELU6, &[x]);
    x = depthwise_and_project(&mut g, "expanded_conv", 16, 1, x);
    for (i, (filters, stride)) in (1..).zip(BLOCKS) {
        x = block(&mut g, &format!("block_{i}"), filters, stride, x);
    }
    x = g.add("Conv_1", Op::Conv(Conv::new(1280, Window::same(1))), &[x]);
    x = g.add("Conv_1_bn", NORM, &[x]);
    x = g.add("out_relu", RELU6, &[x]);
    let pool = Op::GlobalAveragePooling { keep_dims: false };
    x = g.add_numbered("global_average_pooling2d", pool, &[x]);
    let classifier = Op::Dense {
        units: 1000,
        end: End::Softmax,
    };
    g.add("predictions", classifier, &[x]);
    g.finish()
}

/// Widen, filter each channel, narrow; with a shortcut where input and output are alike.
fn block(g: &mut GraphBuilder, name: &str, filters: usize, stride: usize, x: NodeId) -> NodeId {
    let input = x;
    let channels = g.shape(input)[2];
    let expand = Op::Conv(Conv::new(EXPANSION * channels, Window::same(1)));
    let x = g.add(format!("{name}_expand"), expand, &[input]);
    let x = g.add(format!("{name}_expand_BN"), NORM, &[x]);
    let x = g.add(format!("{name}_expand_relu"), RELU6, &[x]);
    let x = depthwise_and_project(g, name, filters, stride, x);
    if stride == 1 && channels == filters {
        g.add(format!("{name}_add"), Op::Add, &[input, x])
    } else {
        x
    }
}

fn depthwise_and_project(
    g: &mut GraphBuilder,
    name: &str,
    filters: usize,
    stride: usize,
    x: NodeId,
) -> NodeId {
    let (x, window) = if stride == 1 {
        (x, Window::same(3))
    } else {
        let pad = Op::ZeroPadding(Window::same(3).correct_pad(g.shape(x)));
        let x = g.add(format!("{name}_pad"), pad, &[x]);
        (x, Window::valid(3).stride(stride))
    };
    let x = g.add(
        format!("{name}_depthwise"),
        Op::DepthwiseConv { window },
        &[x],
    );
    let x = g.add(format!("{name}_depthwise_BN"), NORM, &[x]);
    let x = g.add(format!("{name}_depthwise_relu"), RELU6, &[x]);
    let project = Op::Conv(Conv::new(filters, Window::same(1)));
    let x = g.add(format!("{name}_project"), project, &[x]);
    g.add(format!("{name}_project_BN"), NORM, &[x])
}
