//! NASNetMobile (224 × 224), layer for layer as `keras.applications.NASNetMobile`.
//!
//! Names in here are those of Keras's code: a cell reads its input `x` and `p`, the input of the cell
//! before it.

use super::graph::{Conv, End, Graph, GraphBuilder, NodeId, Op, Window};
use super::{AnnInfo, Files, Preprocessing};

pub(super) const NASNET_MOBILE: AnnInfo = AnnInfo {
    name: "nasnet_mobile",
    parameters: 5_326_716,
    parameters_without_biases: None,
    input: [224, 224, 3],
    preprocessing: Preprocessing::Tf,
    files: Files::Keras,
    candidates: &[
        "normal_concat_0",
        "normal_concat_1",
        "normal_concat_2",
        "normal_concat_3",
        "normal_concat_5",
        "normal_concat_6",
        "normal_concat_7",
        "normal_concat_8",
        "normal_concat_9",
        "normal_concat_10",
        "normal_concat_11",
        "normal_concat_12",
    ],
    region_layers: &[
        ("V1", "normal_concat_3"),
        ("V2", "normal_concat_5"),
        ("V4", "normal_concat_3"),
        ("IT", "reduction_concat_reduce_8"),
    ],
    graph,
};

const NORM: Op = Op::BatchNorm { epsilon: 1e-3 };
const RELU: Op = Op::Relu { max: None };

/// Filters of the first normal cells; doubled by each of the two reductions after them.
const FILTERS: usize = 44;
/// Normal cells between two reductions.
const CELLS: usize = 4;

fn graph() -> Graph {
    let (mut g, image) = GraphBuilder::new(NASNET_MOBILE.input);
    let stem = Op::Conv(Conv::new(32, Window::valid(3).stride(2)));
    let x = g.add("stem_conv1", stem, &[image]);
    let x = g.add("stem_bn1", NORM, &[x]);
    let mut cells = Cells { g: &mut g, x, p: x };
    cells.reduction(FILTERS / 4, "stem_1");
    cells.reduction(FILTERS / 2, "stem_2");
    for i in 0..CELLS {
        cells.normal(FILTERS, &i.to_string());
    }
    cells.reduction(2 * FILTERS, "reduce_4");
    for i in CELLS + 1..=2 * CELLS {
        cells.normal(2 * FILTERS, &i.to_string());
    }
    cells.reduction(4 * FILTERS, "reduce_8");
    for i in 2 * CELLS + 1..=3 * CELLS {
        cells.normal(4 * FILTERS, &i.to_string());
    }
    let x = cells.x;
    let x = g.add_numbered("activation", RELU, &[x]);
    let pool = Op::GlobalAveragePooling { keep_dims: false };
    let x = g.add_numbered("global_average_pooling2d", pool, &[x]);
    let classifier = Op::Dense {
        units: 1000,
        end: End::Softmax,
    };
    g.add("predictions", classifier, &[x]);
    g.finish()
}

/// A row of cells.
struct Cells<'a> {
    g: &'a mut GraphBuilder,
    /// Output of the last cell.
    x: NodeId,
    /// Input of the last cell.
    p: NodeId,
}

impl Cells<'_> {
    fn normal(&mut self, filters: usize, id: &str) {
        let p = self.adjusted(filters, id);
        let h = self.squeezed("normal", filters, id);
        let mean = Op::AveragePool(Window::same(3));
        let x1_1 = self.separable(h, filters, 5, 1, &format!("normal_left1_{id}"));
        let x1_2 = self.separable(p, filters, 3, 1, &format!("normal_right1_{id}"));
        let x1 = self.sum(&format!("normal_add_1_{id}"), x1_1, x1_2);
        let x2_1 = self.separable(p, filters, 5, 1, &format!("normal_left2_{id}"));
        let x2_2 = self.separable(p, filters, 3, 1, &format!("normal_right2_{id}"));
        let x2 = self.sum(&format!("normal_add_2_{id}"), x2_1, x2_2);
        let x3 = self.g.add(format!("normal_left3_{id}"), mean.clone(), &[h]);
        let x3 = self.sum(&format!("normal_add_3_{id}"), x3, p);
        let x4_1 = self.g.add(format!("normal_left4_{id}"), mean.clone(), &[p]);
        let x4_2 = self.g.add(format!("normal_right4_{id}"), mean, &[p]);
        let x4 = self.sum(&format!("normal_add_4_{id}"), x4_1, x4_2);
        let x5 = self.separable(h, filters, 3, 1, &format!("normal_left5_{id}"));
        let x5 = self.sum(&format!("normal_add_5_{id}"), x5, h);
        self.give(&format!("normal_concat_{id}"), &[p, x1, x2, x3, x4, x5]);
    }

    fn reduction(&mut self, filters: usize, id: &str) {
        let p = self.adjusted(filters, id);
        let h = self.squeezed("reduction", filters, id);
        let pad = Op::ZeroPadding(Window::same(3).correct_pad(self.g.shape(h)));
        let h3 = self.g.add(format!("reduction_pad_1_{id}"), pad, &[h]);
        let half = Window::valid(3).stride(2);
        let x1_1 = self.separable(h, filters, 5, 2, &format!("reduction_left1_{id}"));
        let x1_2 = self.separable(p, filters, 7, 2, &format!("reduction_right1_{id}"));
        let x1 = self.sum(&format!("reduction_add_1_{id}"), x1_1, x1_2);
        let largest = Op::MaxPool(half);
        let x2_1 = self
            .g
            .add(format!("reduction_left2_{id}"), largest.clone(), &[h3]);
        let x2_2 = self.separable(p, filters, 7, 2, &format!("reduction_right2_{id}"));
        let x2 = self.sum(&format!("reduction_add_2_{id}"), x2_1, x2_2);
        let x3_1 = self.g.add(
            format!("reduction_left3_{id}"),
            Op::AveragePool(half),
            &[h3],
        );
        let x3_2 = self.separable(p, filters, 5, 2, &format!("reduction_right3_{id}"));
        let x3 = self.sum(&format!("reduction_add3_{id}"), x3_1, x3_2);
        let mean = Op::AveragePool(Window::same(3));
        let x4 = self.g.add(format!("reduction_left4_{id}"), mean, &[x1]);
        let x4 = self.g.add_numbered("add", Op::Add, &[x2, x4]);
        let x5_1 = self.separable(x1, filters, 3, 1, &format!("reduction_left4_{id}"));
        let x5_2 = self.g.add(format!("reduction_right5_{id}"), largest, &[h3]);
        let x5 = self.sum(&format!("reduction_add4_{id}"), x5_1, x5_2);
        self.give(&format!("reduction_concat_{id}"), &[x2, x3, x4, x5]);
    }

    /// `p`, made as large as `x` and as deep as the cell.
    fn adjusted(&mut self, filters: usize, id: &str) -> NodeId {
        let Self { g, x, p } = self;
        if x == p {
            return *p;
        }
        let half = Op::AveragePool(Window::valid(1).stride(2));
        if g.shape(*p)[0] != g.shape(*x)[0] {
            let narrow = Op::Conv(Conv::new(filters / 2, Window::same(1)));
            let p = g.add(format!("adjust_relu_1_{id}"), RELU, &[*p]);
            let p1 = g.add(format!("adjust_avg_pool_1_{id}"), half.clone(), &[p]);
            let p1 = g.add(format!("adjust_conv_1_{id}"), narrow.clone(), &[p1]);
            let p2 = g.add_numbered("zero_padding2d", Op::ZeroPadding([(0, 1); 2]), &[p]);
            let p2 = g.add_numbered("cropping2d", Op::Cropping([(1, 0); 2]), &[p2]);
            let p2 = g.add(format!("adjust_avg_pool_2_{id}"), half, &[p2]);
            let p2 = g.add(format!("adjust_conv_2_{id}"), narrow, &[p2]);
            let p = g.add_numbered("concatenate", Op::Concat, &[p1, p2]);
            return g.add(format!("adjust_bn_{id}"), NORM, &[p]);
        }
        if g.shape(*p)[2] != filters {
            let project = Op::Conv(Conv::new(filters, Window::same(1)));
            let p = g.add_numbered("activation", RELU, &[*p]);
            let p = g.add(format!("adjust_conv_projection_{id}"), project, &[p]);
            return g.add(format!("adjust_bn_{id}"), NORM, &[p]);
        }
        *p
    }

    /// `x`, made as deep as the cell.
    fn squeezed(&mut self, cell: &str, filters: usize, id: &str) -> NodeId {
        let conv = Op::Conv(Conv::new(filters, Window::same(1)));
        let h = self.g.add_numbered("activation", RELU, &[self.x]);
        let h = self.g.add(format!("{cell}_conv_1_{id}"), conv, &[h]);
        self.g.add(format!("{cell}_bn_1_{id}"), NORM, &[h])
    }

    /// Twice ReLU, separable convolution and batch norm; the first one strides.
    fn separable(
        &mut self,
        x: NodeId,
        filters: usize,
        size: usize,
        stride: usize,
        id: &str,
    ) -> NodeId {
        let g = &mut *self.g;
        let mut x = g.add_numbered("activation", RELU, &[x]);
        let mut window = Window::same(size);
        if stride > 1 {
            let pad = Op::ZeroPadding(window.correct_pad(g.shape(x)));
            x = g.add(format!("separable_conv_1_pad_{id}"), pad, &[x]);
            window = Window::valid(size).stride(stride);
        }
        let first = Op::SeparableConv { filters, window };
        let second = Op::SeparableConv {
            filters,
            window: Window::same(size),
        };
        let x = g.add(format!("separable_conv_1_{id}"), first, &[x]);
        let x = g.add(format!("separable_conv_1_bn_{id}"), NORM, &[x]);
        let x = g.add_numbered("activation", RELU, &[x]);
        let x = g.add(format!("separable_conv_2_{id}"), second, &[x]);
        g.add(format!("separable_conv_2_bn_{id}"), NORM, &[x])
    }

    fn sum(&mut self, name: &str, a: NodeId, b: NodeId) -> NodeId {
        self.g.add(name, Op::Add, &[a, b])
    }

    /// Ends a cell.
    fn give(&mut self, name: &str, parts: &[NodeId]) {
        self.p = self.x;
        self.x = self.g.add(name, Op::Concat, parts);
    }
}
