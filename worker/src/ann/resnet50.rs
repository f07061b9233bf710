//! ResNet50 (v1, 224 × 224), layer for layer as `keras.applications.ResNet50`: its convolutions have
//! biases, and a strided block strides in its first 1 × 1 convolution.

use super::graph::{Conv, End, Graph, GraphBuilder, NodeId, Op, Window};
use super::{AnnInfo, Files, Preprocessing};

pub(super) const RESNET50: AnnInfo = AnnInfo {
    name: "resnet50",
    parameters: 25_636_712,
    parameters_without_biases: None,
    input: [224, 224, 3],
    preprocessing: Preprocessing::Caffe,
    files: Files::Keras,
    candidates: &[
        "conv2_block3_out",
        "conv3_block4_out",
        "conv4_block6_out",
        "conv5_block3_out",
    ],
    region_layers: &[
        ("V1", "conv3_block4_out"),
        ("V2", "conv4_block1_out"),
        ("V4", "conv3_block4_out"),
        ("IT", "conv5_block1_out"),
    ],
    graph,
};

const NORM: Op = Op::BatchNorm { epsilon: 1.001e-5 };
const RELU: Op = Op::Relu { max: None };

/// Filters, blocks and first stride of the stacks `conv2` to `conv5`.
const STACKS: [(usize, usize, usize); 4] = [(64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)];

fn graph() -> Graph {
    let (mut g, image) = GraphBuilder::new(RESNET50.input);
    let mut x = g.add("conv1_pad", Op::ZeroPadding([(3, 3); 2]), &[image]);
    x = g.add("conv1_conv", conv(64, Window::valid(7).stride(2)), &[x]);
    x = g.add("conv1_bn", NORM, &[x]);
    x = g.add("conv1_relu", RELU, &[x]);
    x = g.add("pool1_pad", Op::ZeroPadding([(1, 1); 2]), &[x]);
    x = g.add("pool1_pool", Op::MaxPool(Window::valid(3).stride(2)), &[x]);
    for (i, (filters, blocks, stride)) in (2..).zip(STACKS) {
        for j in 1..=blocks {
            let name = format!("conv{i}_block{j}");
            x = block(&mut g, &name, filters, if j == 1 { stride } else { 1 }, x);
        }
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

fn conv(filters: usize, window: Window) -> Op {
    Op::Conv(Conv::new(filters, window).with_bias())
}

/// A bottleneck; the first of a stack has a convolution in its shortcut.
fn block(g: &mut GraphBuilder, name: &str, filters: usize, stride: usize, input: NodeId) -> NodeId {
    let point = Window::valid(1);
    let out = 4 * filters;
    let shortcut = if g.shape(input)[2] == out {
        input
    } else {
        let window = point.stride(stride);
        let x = g.add(format!("{name}_0_conv"), conv(out, window), &[input]);
        g.add(format!("{name}_0_bn"), NORM, &[x])
    };
    let first = conv(filters, point.stride(stride));
    let mut x = g.add(format!("{name}_1_conv"), first, &[input]);
    x = g.add(format!("{name}_1_bn"), NORM, &[x]);
    x = g.add(format!("{name}_1_relu"), RELU, &[x]);
    x = g.add(
        format!("{name}_2_conv"),
        conv(filters, Window::same(3)),
        &[x],
    );
    x = g.add(format!("{name}_2_bn"), NORM, &[x]);
    x = g.add(format!("{name}_2_relu"), RELU, &[x]);
    x = g.add(format!("{name}_3_conv"), conv(out, point), &[x]);
    x = g.add(format!("{name}_3_bn"), NORM, &[x]);
    x = g.add(format!("{name}_add"), Op::Add, &[shortcut, x]);
    g.add(format!("{name}_out"), RELU, &[x])
}
