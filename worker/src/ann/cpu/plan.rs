//! The plan of one pass: which nodes are computed for the requested layers, and which of them form
//! one step. No arithmetic in here.
//!
//! A step absorbs the next node if nothing else reads the value between them: a zero padding goes
//! into the convolution after it, a ReLU and a residual sum into the convolution before. That saves
//! passes over memory and changes no value: each is still rounded where the layers do.

use super::super::fold::{self, folds_into};
use super::super::graph::{Conv, End, Graph, NodeId, Op, Padding, Pads, Window};

/// What is computed, in order.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) steps: Vec<Step>,
    /// How often each node's value is read, requests included.
    pub(super) readers: Vec<usize>,
}

/// One pass over memory.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) kind: Kind,
    /// The nodes whose values it reads, the residual last.
    pub(super) reads: Vec<NodeId>,
    /// The node whose value it makes.
    pub(super) makes: NodeId,
    /// Where the value is cut off.
    pub(super) cut: Cut,
}

/// What a step does.
#[derive(Debug)]
pub(super) enum Kind {
    /// A convolution, depthwise convolution or both, with the batch norm after it.
    Conv {
        /// The node with the kernel.
        conv: NodeId,
        /// The batch norm folded into it, or the convolution itself.
        weights: NodeId,
        /// Padding in place of the window's own.
        pads: Option<Pads>,
        /// Whether the last value read is added.
        residual: bool,
    },
    /// What the node says.
    Node(NodeId),
}

/// Values below `low` and above `high` are cut off.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Cut {
    pub(super) low: f32,
    pub(super) high: f32,
}

impl Cut {
    /// No limits.
    pub(super) const NOTHING: Self = Self {
        low: f32::NEG_INFINITY,
        high: f32::INFINITY,
    };
    const NEGATIVE: Self = Self {
        low: 0.0,
        high: f32::INFINITY,
    };
}

impl Plan {
    /// Plans the part of `graph` that `requested` needs.
    pub(super) fn new(graph: &Graph, requested: &[NodeId]) -> Self {
        let mut making = Making::new(graph, requested);
        for id in (0..graph.nodes().len()).map(NodeId) {
            if making.readers[id.0] > 0 {
                let step = making.step(id);
                making.steps[id.0] = Some(step);
            }
        }
        let steps: Vec<Step> = making.steps.into_iter().flatten().collect();
        let mut readers = vec![0; graph.nodes().len()];
        let reads = steps.iter().flat_map(|step| &step.reads);
        for id in reads.chain(requested) {
            readers[id.0] += 1;
        }
        Self { steps, readers }
    }
}

/// The window of a convolution.
pub(super) fn window(op: &Op) -> &Window {
    let (Op::Conv(Conv { window, .. })
    | Op::DepthwiseConv { window }
    | Op::SeparableConv { window, .. }) = op
    else {
        unreachable!("{op:?} is not a convolution");
    };
    window
}

struct Making<'a> {
    graph: &'a Graph,
    requested: &'a [NodeId],
    /// What each node reads; not the graph's inputs where a batch norm is folded.
    reads: Vec<Vec<NodeId>>,
    readers: Vec<usize>,
    /// The step that makes each node's value, if planned and not absorbed by another step.
    steps: Vec<Option<Step>>,
}

impl<'a> Making<'a> {
    fn new(graph: &'a Graph, requested: &'a [NodeId]) -> Self {
        let reads = fold::reads(graph);
        Self {
            graph,
            requested,
            readers: fold::readers(&reads, requested),
            steps: reads.iter().map(|_| None).collect(),
            reads,
        }
    }

    fn step(&mut self, id: NodeId) -> Step {
        let node = self.graph.node(id);
        match &node.op {
            Op::Conv(_) | Op::DepthwiseConv { .. } | Op::SeparableConv { .. } => self.conv(id, id),
            Op::BatchNorm { .. } => match folds_into(self.graph, node) {
                None => self.as_node(id),
                Some(conv) => self.conv(id, conv),
            },
            Op::Relu { max } => self.relu(id, *max),
            Op::Add => self.add(id),
            Op::Input
            | Op::ZeroPadding(_)
            | Op::Cropping(_)
            | Op::MaxPool(_)
            | Op::AveragePool(_)
            | Op::LocalResponseNorm { .. }
            | Op::GlobalAveragePooling { .. }
            | Op::Dropout
            | Op::Flatten
            | Op::FlattenChannelsFirst
            | Op::Dense { .. }
            | Op::Softmax
            | Op::Concat => self.as_node(id),
        }
    }

    fn as_node(&self, id: NodeId) -> Step {
        let cut = match &self.graph.node(id).op {
            Op::Dense { end: End::Relu, .. } => Cut::NEGATIVE,
            _ => Cut::NOTHING,
        };
        Step {
            kind: Kind::Node(id),
            reads: self.reads[id.0].clone(),
            makes: id,
            cut,
        }
    }

    fn conv(&mut self, id: NodeId, conv: NodeId) -> Step {
        let cut = match &self.graph.node(conv).op {
            Op::Conv(Conv { end: End::Relu, .. }) => Cut::NEGATIVE,
            _ => Cut::NOTHING,
        };
        let mut reads = self.reads[id.0].clone();
        let mut pads = None;
        if let Op::ZeroPadding(around) = self.graph.node(reads[0]).op
            && window(&self.graph.node(conv).op).padding == Padding::Valid
            && let Some(padding) = self.take_in(reads[0])
        {
            pads = Some(around);
            reads = padding.reads;
        }
        Step {
            kind: Kind::Conv {
                conv,
                weights: id,
                pads,
                residual: false,
            },
            reads,
            makes: id,
            cut,
        }
    }

    fn relu(&mut self, id: NodeId, max: Option<f64>) -> Step {
        let cut = Cut {
            high: max.map_or(f32::INFINITY, |max| max as f32),
            ..Cut::NEGATIVE
        };
        let before = self.reads[id.0][0];
        let cuts = |step: &Step| match step.kind {
            Kind::Conv { .. } => step.cut == Cut::NOTHING,
            Kind::Node(node) => matches!(
                self.graph.node(node).op,
                Op::Add | Op::BatchNorm { .. } | Op::Concat
            ),
        };
        if self.steps[before.0].as_ref().is_some_and(cuts)
            && let Some(step) = self.take_in(before)
        {
            return Step {
                makes: id,
                cut,
                ..step
            };
        }
        Step {
            cut,
            ..self.as_node(id)
        }
    }

    fn add(&mut self, id: NodeId) -> Step {
        let [a, b] = self.reads[id.0][..] else {
            return self.as_node(id);
        };
        for (before, residual) in [(b, a), (a, b)] {
            let sums = |step: &Step| {
                let Kind::Conv { conv, residual, .. } = step.kind else {
                    return false;
                };
                let depthwise = matches!(self.graph.node(conv).op, Op::DepthwiseConv { .. });
                step.cut == Cut::NOTHING && !residual && !depthwise
            };
            if before != residual
                && self.steps[before.0].as_ref().is_some_and(sums)
                && let Some(step) = self.take_in(before)
                && let Kind::Conv {
                    conv,
                    weights,
                    pads,
                    residual: false,
                } = step.kind
            {
                let mut reads = step.reads;
                reads.push(residual);
                return Step {
                    kind: Kind::Conv {
                        conv,
                        weights,
                        pads,
                        residual: true,
                    },
                    reads,
                    makes: id,
                    cut: Cut::NOTHING,
                };
            }
        }
        self.as_node(id)
    }

    /// The step that makes `id`, to be continued by the only reader of its value.
    fn take_in(&mut self, id: NodeId) -> Option<Step> {
        let alone = self.readers[id.0] == 1 && !self.requested.contains(&id);
        if alone { self.steps[id.0].take() } else { None }
    }
}
