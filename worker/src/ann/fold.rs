//! Batch norm at inference: a scale and a shift per channel, folded into the convolution before it
//! wherever nothing else reads that convolution.

use super::graph::{Conv, End, Graph, Node, NodeId, Op};

/// The convolution that the batch norm `node` is folded into: its input, if nothing else reads it.
pub(super) fn folds_into(graph: &Graph, node: &Node) -> Option<NodeId> {
    let Op::BatchNorm { .. } = node.op else {
        return None;
    };
    let before = node.inputs[0];
    let readers = graph.nodes().iter().flat_map(|reader| &reader.inputs);
    let alone = readers.filter(|input| **input == before).count() == 1;
    let is_conv = matches!(
        graph.node(before).op,
        Op::Conv(Conv {
            end: End::Linear,
            ..
        }) | Op::DepthwiseConv { .. }
            | Op::SeparableConv { .. }
    );
    (alone && is_conv).then_some(before)
}

/// What each node reads; where a batch norm is folded, that differs from the graph's inputs.
pub(super) fn reads(graph: &Graph) -> Vec<Vec<NodeId>> {
    let nodes = graph.nodes().iter();
    nodes
        .map(|node| match folds_into(graph, node) {
            Some(conv) => graph.node(conv).inputs.clone(),
            None => node.inputs.clone(),
        })
        .collect()
}

/// How often each node's value is read for the requested nodes, requests included; 0 if it is not
/// needed.
pub(super) fn readers(reads: &[Vec<NodeId>], requested: &[NodeId]) -> Vec<usize> {
    let mut readers = vec![0; reads.len()];
    for id in requested {
        readers[id.0] += 1;
    }
    for id in (0..readers.len()).rev() {
        if readers[id] > 0 {
            for read in &reads[id] {
                readers[read.0] += 1;
            }
        }
    }
    readers
}

/// A batch norm at inference, as `x · scale + shift` per channel.
pub(super) struct Affine {
    scale: Vec<f64>,
    shift: Vec<f64>,
}

impl Affine {
    /// From gamma, beta, moving mean and moving variance. In f64, so that folding costs no accuracy.
    pub(super) fn new(weights: &[Vec<f32>], epsilon: f64) -> Self {
        let [gamma, beta, mean, variance] = weights else {
            unreachable!("batch norm has four variables");
        };
        let scale: Vec<f64> = gamma
            .iter()
            .zip(variance)
            .map(|(gamma, variance)| f64::from(*gamma) / (f64::from(*variance) + epsilon).sqrt())
            .collect();
        let shift = beta
            .iter()
            .zip(mean)
            .zip(&scale)
            .map(|((beta, mean), scale)| f64::from(*beta) - f64::from(*mean) * scale)
            .collect();
        Self { scale, shift }
    }

    /// Scale and shift.
    pub(super) fn narrowed(&self) -> (Vec<f32>, Vec<f32>) {
        (narrowed(&self.scale), narrowed(&self.shift))
    }

    /// Scales a kernel whose filters are the first axis.
    pub(super) fn scale_first_axis(&self, kernel: &mut [f32]) {
        let per_filter = kernel.len() / self.scale.len();
        for (filter, scale) in kernel.chunks_exact_mut(per_filter).zip(&self.scale) {
            for weight in filter {
                *weight = (f64::from(*weight) * scale) as f32;
            }
        }
    }

    /// Scales a kernel whose filters are the last axis.
    pub(super) fn scale_last_axis(&self, kernel: &mut [f32]) {
        for filters in kernel.chunks_exact_mut(self.scale.len()) {
            for (weight, scale) in filters.iter_mut().zip(&self.scale) {
                *weight = (f64::from(*weight) * scale) as f32;
            }
        }
    }

    /// The bias of the scaled kernel, whose own was `bias`.
    pub(super) fn bias(&self, bias: Option<&[f32]>) -> Vec<f32> {
        let mut shift = self.shift.clone();
        for ((shift, scale), bias) in shift
            .iter_mut()
            .zip(&self.scale)
            .zip(bias.unwrap_or_default())
        {
            *shift += f64::from(*bias) * scale;
        }
        narrowed(&shift)
    }
}

fn narrowed(values: &[f64]) -> Vec<f32> {
    values.iter().map(|x| *x as f32).collect()
}
