//! AlexNet (227 × 227) as BVLC trained it: two groups in `conv2`, `conv4` and `conv5`, local response
//! normalisation before the first two pools. Not torchvision's one-tower network.
//!
//! Layers have Caffe's names; as in Caffe, `conv*`, `fc6` and `fc7` are what comes out of their ReLU.

use super::graph::{Conv, End, Graph, GraphBuilder, Op, Window};
use super::{AnnInfo, Files, Preprocessing};

pub(super) const ALEXNET: AnnInfo = AnnInfo {
    name: "alexnet",
    parameters: 60_965_224,
    parameters_without_biases: Some(60_954_656),
    input: [227, 227, 3],
    preprocessing: Preprocessing::Caffe,
    files: Files::Keras,
    candidates: &[
        "pool1", "pool2", "conv3", "conv4", "conv5", "pool5", "fc6", "fc7",
    ],
    region_layers: &[
        ("V1", "pool1"),
        ("V2", "conv3"),
        ("V4", "conv3"),
        ("IT", "pool5"),
    ],
    graph,
};

const NORM: Op = Op::LocalResponseNorm {
    size: 5,
    alpha: 1e-4,
    beta: 0.75,
};

fn graph() -> Graph {
    let (mut g, image) = GraphBuilder::new(ALEXNET.input);
    let pool = Op::MaxPool(Window::valid(3).stride(2));
    let mut x = g.add("conv1", conv(96, Window::valid(11).stride(4), 1), &[image]);
    x = g.add("norm1", NORM, &[x]);
    x = g.add("pool1", pool.clone(), &[x]);
    x = g.add("conv2", conv(256, Window::same(5), 2), &[x]);
    x = g.add("norm2", NORM, &[x]);
    x = g.add("pool2", pool.clone(), &[x]);
    x = g.add("conv3", conv(384, Window::same(3), 1), &[x]);
    x = g.add("conv4", conv(384, Window::same(3), 2), &[x]);
    x = g.add("conv5", conv(256, Window::same(3), 2), &[x]);
    x = g.add("pool5", pool, &[x]);
    x = g.add("flatten", Op::Flatten, &[x]);
    x = g.add("fc6", dense(4096, End::Relu), &[x]);
    x = g.add("fc7", dense(4096, End::Relu), &[x]);
    x = g.add("fc8", dense(1000, End::Linear), &[x]);
    g.add("prob", Op::Softmax, &[x]);
    g.finish()
}

fn conv(filters: usize, window: Window, groups: usize) -> Op {
    Op::Conv(Conv {
        groups,
        end: End::Relu,
        ..Conv::new(filters, window).with_bias()
    })
}

fn dense(units: usize, end: End) -> Op {
    Op::Dense { units, end }
}
