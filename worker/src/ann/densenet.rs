//! DenseNet121 and DenseNet169 (224 × 224), layer for layer as in `keras.applications.densenet`.

use super::graph::{Conv, End, Graph, GraphBuilder, NodeId, Op, Window};
use super::{AnnInfo, Files, Preprocessing};

pub(super) const DENSENET121: AnnInfo = AnnInfo {
    name: "densenet121",
    parameters: 8_062_504,
    parameters_without_biases: None,
    input: [224, 224, 3],
    preprocessing: Preprocessing::Torch,
    files: Files::Keras,
    candidates: &["pool2_pool", "pool3_pool", "pool4_pool", "relu"],
    region_layers: &[
        ("V1", "pool2_pool"),
        ("V2", "pool3_pool"),
        ("V4", "pool2_pool"),
        ("IT", "pool4_pool"),
    ],
    graph: || graph([6, 12, 24, 16]),
};

pub(super) const DENSENET169: AnnInfo = AnnInfo {
    name: "densenet169",
    parameters: 14_307_880,
    region_layers: &[
        ("V1", "pool2_pool"),
        ("V2", "pool3_pool"),
        ("V4", "pool3_pool"),
        ("IT", "pool4_pool"),
    ],
    graph: || graph([6, 12, 32, 32]),
    ..DENSENET121
};

const NORM: Op = Op::BatchNorm { epsilon: 1.001e-5 };
const RELU: Op = Op::Relu { max: None };

/// Channels that each block adds.
const GROWTH: usize = 32;

/// The network with so many blocks in each of its four stacks.
fn graph(stacks: [usize; 4]) -> Graph {
    let (mut g, image) = GraphBuilder::new(DENSENET121.input);
    let pad = |pixels| Op::ZeroPadding([(pixels, pixels); 2]);
    let mut x = g.add_numbered("zero_padding2d", pad(3), &[image]);
    let stem = Op::Conv(Conv::new(64, Window::valid(7).stride(2)));
    x = g.add("conv1_conv", stem, &[x]);
    x = g.add("conv1_bn", NORM, &[x]);
    x = g.add("conv1_relu", RELU, &[x]);
    x = g.add_numbered("zero_padding2d", pad(1), &[x]);
    x = g.add("pool1", Op::MaxPool(Window::valid(3).stride(2)), &[x]);
    for (i, blocks) in (2..).zip(stacks) {
        for j in 1..=blocks {
            x = block(&mut g, &format!("conv{i}_block{j}"), x);
        }
        if i < 5 {
            x = transition(&mut g, &format!("pool{i}"), x);
        }
    }
    x = g.add("bn", NORM, &[x]);
    x = g.add("relu", RELU, &[x]);
    x = g.add(
        "avg_pool",
        Op::GlobalAveragePooling { keep_dims: false },
        &[x],
    );
    let classifier = Op::Dense {
        units: 1000,
        end: End::Softmax,
    };
    g.add("predictions", classifier, &[x]);
    g.finish()
}

/// Adds [`GROWTH`] channels to those it is given.
fn block(g: &mut GraphBuilder, name: &str, input: NodeId) -> NodeId {
    let narrow = Op::Conv(Conv::new(4 * GROWTH, Window::same(1)));
    let grow = Op::Conv(Conv::new(GROWTH, Window::same(3)));
    let mut x = g.add(format!("{name}_0_bn"), NORM, &[input]);
    x = g.add(format!("{name}_0_relu"), RELU, &[x]);
    x = g.add(format!("{name}_1_conv"), narrow, &[x]);
    x = g.add(format!("{name}_1_bn"), NORM, &[x]);
    x = g.add(format!("{name}_1_relu"), RELU, &[x]);
    x = g.add(format!("{name}_2_conv"), grow, &[x]);
    g.add(format!("{name}_concat"), Op::Concat, &[input, x])
}

/// Halves channels, height and width.
fn transition(g: &mut GraphBuilder, name: &str, x: NodeId) -> NodeId {
    let halve = Op::Conv(Conv::new(g.shape(x)[2] / 2, Window::same(1)));
    let x = g.add(format!("{name}_bn"), NORM, &[x]);
    let x = g.add(format!("{name}_relu"), RELU, &[x]);
    let x = g.add(format!("{name}_conv"), halve, &[x]);
    let pool = Op::AveragePool(Window::valid(2).stride(2));
    g.add(format!("{name}_pool"), pool, &[x])
}
