//! A made-up ANN with every kind of layer, whose Keras twin `testdata/make_keras_files.py` builds.

use super::graph::{Conv, End, Graph, GraphBuilder, Op, Padding, Window};
use super::{AnnInfo, Files, Preprocessing};

pub(super) static TINY: AnnInfo = AnnInfo {
    name: "tiny",
    parameters: 321,
    parameters_without_biases: None,
    input: [9, 8, 3],
    preprocessing: Preprocessing::Torch,
    files: Files::Keras,
    candidates: &[],
    region_layers: &[],
    graph,
};

fn graph() -> Graph {
    let (mut g, image) = GraphBuilder::new([9, 8, 3]);
    let norm = Op::BatchNorm { epsilon: 1e-3 };
    let conv = |window| Conv::new(4, window);
    let stem = Op::Conv(conv(Window::same(3).stride(2)).with_bias());
    let x = g.add("stem", stem, &[image]);
    let x = g.add("stem_bn", norm.clone(), &[x]);
    let stem = g.add("stem_relu", Op::Relu { max: Some(6.0) }, &[x]);
    let x = g.add("pad", Op::ZeroPadding([(0, 1), (1, 1)]), &[stem]);
    let depthwise = Op::DepthwiseConv {
        window: Window::valid(3),
    };
    let x = g.add("depth", depthwise, &[x]);
    let depth_bn = g.add("depth_bn", norm.clone(), &[x]);
    let wide = Window {
        size: [1, 3],
        stride: [1, 1],
        padding: Padding::Same,
    };
    let side = g.add("side", Op::Conv(conv(wide)), &[stem]);
    let x = g.add("depth_pad", Op::ZeroPadding([(1, 0), (0, 0)]), &[depth_bn]);
    let side_bn = g.add("side_bn", norm.clone(), &[side]);
    let x = g.add("sum", Op::Add, &[x, side, side_bn]);
    let x = g.add("both", Op::Concat, &[x, stem]);
    let x = g.add("both_relu", Op::Relu { max: None }, &[x]);
    let pool = Op::GlobalAveragePooling { keep_dims: false };
    let x = g.add("pool", pool, &[x]);
    let x = g.add("pool_bn", norm, &[x]);
    let dense = Op::Dense {
        units: 5,
        end: End::Linear,
    };
    let x = g.add("dense", dense, &[x]);
    g.add("softmax", Op::Softmax, &[x]);
    g.finish()
}
