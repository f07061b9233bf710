//! MobileNet (v1, width 1.0, 224 × 224), layer for layer as `keras.applications.MobileNet`.

use super::graph::{Conv, Graph, GraphBuilder, NodeId, Op, Window};
use super::{AnnInfo, Files, Preprocessing};

pub(super) const MOBILENET: AnnInfo = AnnInfo {
    name: "mobilenet",
    parameters: 4_253_864,
    parameters_without_biases: None,
    input: [224, 224, 3],
    preprocessing: Preprocessing::Tf,
    files: Files::Keras,
    candidates: &[
        "conv_pw_1_relu",
        "conv_pw_3_relu",
        "conv_pw_5_relu",
        "conv_pw_6_relu",
        "conv_pw_7_relu",
        "conv_pw_8_relu",
        "conv_pw_9_relu",
        "conv_pw_10_relu",
        "conv_pw_11_relu",
        "conv_pw_13_relu",
    ],
    region_layers: &[],
    graph,
};

/// Keras's default for `BatchNormalization`.
const EPSILON: f64 = 1e-3;

/// Output channels and stride of the thirteen depthwise-separable blocks.
const BLOCKS: [(usize, usize); 13] = [
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    (512, 1),
    (512, 1),
    (512, 1),
    (512, 1),
    (512, 1),
    (1024, 2),
    (1024, 1),
];

fn graph() -> Graph {
    let (mut g, image) = GraphBuilder::new(MOBILENET.input);
    let conv1 = Op::Conv(Conv::new(32, Window::same(3).stride(2)));
    let mut x = normalised(&mut g, "conv1", conv1, image);
    for (i, (filters, stride)) in (1..).zip(BLOCKS) {
        x = block(&mut g, i, filters, stride, x);
    }
    let pool = Op::GlobalAveragePooling { keep_dims: true };
    x = g.add_numbered("global_average_pooling2d", pool, &[x]);
    x = g.add_numbered("dropout", Op::Dropout, &[x]);
    let classifier = Op::Conv(Conv::new(1000, Window::same(1)).with_bias());
    x = g.add("conv_preds", classifier, &[x]);
    x = g.add("reshape_2", Op::Flatten, &[x]);
    g.add("predictions", Op::Softmax, &[x]);
    g.finish()
}

/// Depthwise then pointwise convolution; a strided one is padded at its end, as in TensorFlow.
fn block(g: &mut GraphBuilder, i: usize, filters: usize, stride: usize, x: NodeId) -> NodeId {
    let (x, window) = if stride == 1 {
        (x, Window::same(3))
    } else {
        let pad = Op::ZeroPadding([(0, 1); 2]);
        let x = g.add(format!("conv_pad_{i}"), pad, &[x]);
        (x, Window::valid(3).stride(stride))
    };
    let depthwise = Op::DepthwiseConv { window };
    let x = normalised(g, &format!("conv_dw_{i}"), depthwise, x);
    let pointwise = Op::Conv(Conv::new(filters, Window::same(1)));
    normalised(g, &format!("conv_pw_{i}"), pointwise, x)
}

/// A convolution, its batch normalisation and ReLU6.
fn normalised(g: &mut GraphBuilder, name: &str, op: Op, x: NodeId) -> NodeId {
    let x = g.add(name, op, &[x]);
    let x = g.add(
        format!("{name}_bn"),
        Op::BatchNorm { epsilon: EPSILON },
        &[x],
    );
    g.add(format!("{name}_relu"), Op::Relu { max: Some(6.0) }, &[x])
}
