//! Xception (299 × 299), layer for layer as `keras.applications.Xception`.

use super::graph::{Conv, End, Graph, GraphBuilder, NodeId, Op, Window};
use super::{AnnInfo, Files, Preprocessing};

pub(super) const XCEPTION: AnnInfo = AnnInfo {
    name: "xception",
    parameters: 22_910_480,
    parameters_without_biases: None,
    input: [299, 299, 3],
    preprocessing: Preprocessing::Tf,
    files: Files::Keras,
    candidates: &[
        "block4_sepconv2_act",
        "block13_sepconv2_act",
        "block14_sepconv2_act",
    ],
    region_layers: &[
        ("V1", "block4_sepconv1"),
        ("V2", "block5_sepconv1"),
        ("V4", "block4_sepconv1"),
        ("IT", "block9_sepconv1"),
    ],
    graph,
};

const NORM: Op = Op::BatchNorm { epsilon: 1e-3 };
const RELU: Op = Op::Relu { max: None };

fn graph() -> Graph {
    let (mut g, image) = GraphBuilder::new(XCEPTION.input);
    let mut x = image;
    for (i, filters, stride) in [(1, 32, 2), (2, 64, 1)] {
        let name = format!("block1_conv{i}");
        let conv = Op::Conv(Conv::new(filters, Window::valid(3).stride(stride)));
        x = g.add(&name, conv, &[x]);
        x = g.add(format!("{name}_bn"), NORM, &[x]);
        x = g.add(format!("{name}_act"), RELU, &[x]);
    }
    x = narrowing(&mut g, 2, [128, 128], x);
    x = narrowing(&mut g, 3, [256, 256], x);
    x = narrowing(&mut g, 4, [728, 728], x);
    for i in 5..=12 {
        let input = x;
        for j in 1..=3 {
            x = activated(&mut g, &format!("block{i}_sepconv{j}"), 728, x);
        }
        x = g.add_numbered("add", Op::Add, &[x, input]);
    }
    x = narrowing(&mut g, 13, [728, 1024], x);
    for (j, filters) in [(1, 1536), (2, 2048)] {
        let name = format!("block14_sepconv{j}");
        x = separable(&mut g, &name, filters, x);
        x = g.add(format!("{name}_act"), RELU, &[x]);
    }
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

/// Two separable convolutions and a pool that halves the map, beside a strided shortcut.
fn narrowing(g: &mut GraphBuilder, i: usize, filters: [usize; 2], input: NodeId) -> NodeId {
    let point = Window::same(1).stride(2);
    let shortcut = g.add_numbered("conv2d", Op::Conv(Conv::new(filters[1], point)), &[input]);
    let shortcut = g.add_numbered("batch_normalization", NORM, &[shortcut]);
    let first = format!("block{i}_sepconv1");
    // What block 2 reads is activated already.
    let x = match i {
        2 => separable(g, &first, filters[0], input),
        _ => activated(g, &first, filters[0], input),
    };
    let x = activated(g, &format!("block{i}_sepconv2"), filters[1], x);
    let pool = Op::MaxPool(Window::same(3).stride(2));
    let x = g.add(format!("block{i}_pool"), pool, &[x]);
    g.add_numbered("add", Op::Add, &[x, shortcut])
}

fn activated(g: &mut GraphBuilder, name: &str, filters: usize, x: NodeId) -> NodeId {
    let x = g.add(format!("{name}_act"), RELU, &[x]);
    separable(g, name, filters, x)
}

fn separable(g: &mut GraphBuilder, name: &str, filters: usize, x: NodeId) -> NodeId {
    let window = Window::same(3);
    let x = g.add(name, Op::SeparableConv { filters, window }, &[x]);
    g.add(format!("{name}_bn"), NORM, &[x])
}
