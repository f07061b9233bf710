//! ANNs on the CPU: Keras's layers over maps with channels last, as Keras has them.
//!
//! Each thread runs a few stimuli through the whole network, so that a map is read again while it
//! is still in the cache; a layer is never divided between threads. Values depend neither on which
//! stimuli run together nor on which layers are requested.

mod elementwise;
mod plan;
mod pool;
mod product;
mod window;

use std::sync::OnceLock;

use rayon::prelude::*;

use super::fold::{Affine, folds_into};
use super::graph::{Conv, End, Graph, NodeId, Op, Pads, Window};
use plan::{Cut, Kind, Plan, Step};
use pool::Pool;
use product::{Output, Packed};
use window::{Depthwise, Map, Patches};

/// Most bytes of the largest map of the stimuli that run together, so that it stays in the cache.
const MAP_BYTES: usize = 16 << 20;

/// A network's weights, in the order in which they are read.
#[derive(Debug)]
pub(super) struct Network {
    graph: Graph,
    /// The weights as the graph lists them.
    weights: Vec<Vec<f32>>,
    /// Of the node that makes the value: a convolution folded with its batch norm stands at the norm.
    prepared: Vec<OnceLock<Prepared>>,
}

/// Weights of one node, laid out for its arithmetic.
#[derive(Debug)]
enum Prepared {
    /// One product per group of channels.
    Product(Vec<Packed>),
    /// `[height, width, channels]` and a bias per channel.
    Depthwise { kernel: Vec<f32>, bias: Vec<f32> },
    /// A depthwise kernel, then a product over channels.
    Separable { kernel: Vec<f32>, product: Packed },
    /// Scale and shift per channel.
    Affine { scale: Vec<f32>, shift: Vec<f32> },
}

impl Network {
    /// From weight tensors in the graph's order.
    pub(super) fn new(graph: Graph, weights: Vec<Vec<f32>>) -> Self {
        let prepared = graph.nodes().iter().map(|_| OnceLock::new()).collect();
        Self {
            graph,
            weights,
            prepared,
        }
    }

    /// Computes the values of the `requested` nodes.
    ///
    /// # Shapes
    /// - `images`: `[stimuli, height, width, channels]`, preprocessed
    /// - returns `[stimuli, units]` per node requested
    pub(super) fn run(&self, images: &[f32], requested: &[NodeId]) -> Vec<Vec<f32>> {
        let plan = Plan::new(&self.graph, requested);
        let image = self.units(NodeId(0));
        let stimuli = images.len() / image;
        let mut answers: Vec<Vec<f32>> = requested
            .iter()
            .map(|id| vec![0.0; stimuli * self.units(*id)])
            .collect();
        let together = self.together(&plan, stimuli);
        let mut parts: Vec<Part<'_>> = images
            .chunks(together * image)
            .map(|images| Part {
                images,
                answers: Vec::new(),
            })
            .collect();
        for (answer, id) in answers.iter_mut().zip(requested) {
            let cut = answer.chunks_mut(together * self.units(*id));
            for (part, answer) in parts.iter_mut().zip(cut) {
                part.answers.push(answer);
            }
        }
        parts
            .into_par_iter()
            .for_each_init(Pool::default, |pool, part| {
                Pass {
                    network: self,
                    pool,
                    stimuli: part.images.len() / image,
                    images: part.images,
                    values: self.graph.nodes().iter().map(|_| None).collect(),
                    readers_left: plan.readers.clone(),
                }
                .run(&plan, requested, part.answers);
            });
        answers
    }

    /// How many stimuli one thread runs through the network together.
    fn together(&self, plan: &Plan, stimuli: usize) -> usize {
        let made = plan.steps.iter().map(|step| self.units(step.makes));
        let largest = made.max().unwrap_or(1) * size_of::<f32>();
        let share = stimuli.div_ceil(rayon::current_num_threads());
        (MAP_BYTES / largest).clamp(1, share.max(1))
    }

    fn units(&self, NodeId(id): NodeId) -> usize {
        self.graph.nodes()[id].shape.iter().product()
    }

    fn map(&self, id: NodeId, stimuli: usize) -> Map {
        match self.graph.node(id).shape[..] {
            [height, width, channels] => Map {
                stimuli,
                height,
                width,
                channels,
            },
            [units] => Map {
                stimuli,
                height: 1,
                width: 1,
                channels: units,
            },
            ref shape => unreachable!("a layer's value has one or three axes, not {shape:?}"),
        }
    }

    /// The weights of the step that makes `id` with the kernel of `of`.
    fn prepared(&self, id: NodeId, of: NodeId) -> &Prepared {
        self.prepared[id.0].get_or_init(|| self.prepare(id, of))
    }

    fn prepare(&self, id: NodeId, of: NodeId) -> Prepared {
        let node = self.graph.node(of);
        let own = |id: NodeId| &self.weights[self.graph.node(id).weights.clone()];
        let norm = folds_into(&self.graph, self.graph.node(id)).map(|_| {
            let Op::BatchNorm { epsilon } = self.graph.node(id).op else {
                unreachable!("only a batch norm is folded");
            };
            Affine::new(own(id), epsilon)
        });
        let weights = own(of);
        let channels = *node.shape.last().expect("a value has channels");
        match &node.op {
            Op::Conv(conv) => {
                let (kernel, bias) = folded(&weights[0], weights.get(1), channels, norm);
                Prepared::Product(grouped(&kernel, &bias, conv.groups))
            }
            Op::DepthwiseConv { .. } => {
                let (kernel, bias) = folded(&weights[0], None, channels, norm);
                Prepared::Depthwise { kernel, bias }
            }
            Op::SeparableConv { filters, .. } => {
                let (product, bias) = folded(&weights[1], None, *filters, norm);
                Prepared::Separable {
                    kernel: weights[0].clone(),
                    product: Packed::new(&product, *filters, &bias),
                }
            }
            Op::Dense { units, .. } => {
                Prepared::Product(vec![Packed::new(&weights[0], *units, &weights[1])])
            }
            Op::BatchNorm { epsilon } => {
                let (scale, shift) = Affine::new(weights, *epsilon).narrowed();
                Prepared::Affine { scale, shift }
            }
            op => unreachable!("{op:?} has no weights"),
        }
    }
}

/// A kernel whose last axis is the output's channels, and its bias, with a batch norm folded in.
fn folded(
    kernel: &[f32],
    bias: Option<&Vec<f32>>,
    channels: usize,
    norm: Option<Affine>,
) -> (Vec<f32>, Vec<f32>) {
    let mut kernel = kernel.to_vec();
    let bias = match norm {
        None => bias.cloned().unwrap_or_else(|| vec![0.0; channels]),
        Some(norm) => {
            norm.scale_last_axis(&mut kernel);
            norm.bias(bias.map(Vec::as_slice))
        }
    };
    (kernel, bias)
}

/// One packed product per group, from a kernel `[inputs of a group, outputs of all groups]`.
fn grouped(kernel: &[f32], bias: &[f32], groups: usize) -> Vec<Packed> {
    let outputs = bias.len();
    let per_group = outputs / groups;
    (0..groups)
        .map(|group| {
            let columns = group * per_group..(group + 1) * per_group;
            let rows = kernel.chunks_exact(outputs);
            let kernel: Vec<f32> = rows
                .flat_map(|row| &row[columns.clone()])
                .copied()
                .collect();
            Packed::new(&kernel, per_group, &bias[columns])
        })
        .collect()
}

/// Stimuli that run through the network together, and the buffers for their results.
struct Part<'a> {
    images: &'a [f32],
    answers: Vec<&'a mut [f32]>,
}

/// A few stimuli while they run through the network.
struct Pass<'a> {
    network: &'a Network,
    pool: &'a mut Pool,
    stimuli: usize,
    images: &'a [f32],
    values: Vec<Option<Vec<f32>>>,
    readers_left: Vec<usize>,
}

impl Pass<'_> {
    fn run(mut self, plan: &Plan, requested: &[NodeId], mut answers: Vec<&mut [f32]>) {
        for step in &plan.steps {
            let value = self.step(step);
            for read in &step.reads {
                self.let_go(*read);
            }
            self.values[step.makes.0] = Some(value);
            for (answer, id) in answers.iter_mut().zip(requested) {
                if *id == step.makes {
                    answer.copy_from_slice(self.value(*id));
                    self.let_go(*id);
                }
            }
        }
    }

    fn value(&self, NodeId(id): NodeId) -> &[f32] {
        let value = self.values[id].as_ref();
        value.expect("a node runs before its readers, the last of which lets go of it")
    }

    fn let_go(&mut self, NodeId(id): NodeId) {
        self.readers_left[id] -= 1;
        if self.readers_left[id] == 0
            && let Some(value) = self.values[id].take()
        {
            self.pool.give_back(value);
        }
    }

    fn step(&mut self, step: &Step) -> Vec<f32> {
        let units = self.network.units(step.makes);
        let mut out = self.pool.take(self.stimuli * units);
        match step.kind {
            Kind::Conv {
                conv,
                weights,
                pads,
                residual,
            } => {
                let residual = residual.then(|| self.value(step.reads[1]));
                self.conv(step, conv, weights, pads, residual, &mut out);
            }
            Kind::Node(node) => self.node(step, node, &mut out),
        }
        out
    }

    fn conv(
        &self,
        step: &Step,
        conv: NodeId,
        weights: NodeId,
        pads: Option<Pads>,
        residual: Option<&[f32]>,
        out: &mut [f32],
    ) {
        let network = self.network;
        let from = network.map(step.reads[0], self.stimuli);
        let to = network.map(step.makes, self.stimuli);
        let op = &network.graph.node(conv).op;
        let window = plan::window(op);
        let pads = pads.unwrap_or_else(|| window.pads([from.height, from.width]));
        let end = product::End {
            residual,
            low: step.cut.low,
            high: step.cut.high,
        };
        let input = self.value(step.reads[0]);
        match network.prepared(weights, conv) {
            Prepared::Product(groups) => {
                if Patches::want_padding(from, pads, groups.len()) {
                    let wide = from.padded(pads);
                    let mut padded = vec![0.0; wide.len()];
                    window::pad(from, input, pads, &mut padded);
                    let none = [(0, 0); 2];
                    multiply(groups, &padded, wide, to, window, none, out, end);
                } else {
                    multiply(groups, input, from, to, window, pads, out, end);
                }
            }
            Prepared::Depthwise { kernel, bias } => Depthwise {
                from,
                x: input,
                to,
                window,
                pads,
                kernel,
                bias,
                cut: step.cut,
                out,
            }
            .run(),
            Prepared::Separable { kernel, product } => {
                let between = Map {
                    channels: from.channels,
                    ..to
                };
                let mut deep = vec![0.0; between.len()];
                Depthwise {
                    from,
                    x: input,
                    to: between,
                    window,
                    pads,
                    kernel,
                    bias: &vec![0.0; from.channels],
                    cut: Cut::NOTHING,
                    out: &mut deep,
                }
                .run();
                let product = std::slice::from_ref(product);
                let point = Window::valid(1);
                multiply(product, &deep, between, to, &point, [(0, 0); 2], out, end);
            }
            Prepared::Affine { .. } => unreachable!("a convolution has a kernel"),
        }
        if let Op::Conv(Conv {
            end: End::Softmax, ..
        }) = op
        {
            elementwise::softmax(to.channels, out);
        }
    }

    fn node(&self, step: &Step, id: NodeId, out: &mut [f32]) {
        let network = self.network;
        let node = network.graph.node(id);
        let to = network.map(step.makes, self.stimuli);
        let Some(&first) = step.reads.first() else {
            out.copy_from_slice(self.images);
            return;
        };
        let from = network.map(first, self.stimuli);
        let x = self.value(first);
        match &node.op {
            Op::ZeroPadding(pads) => window::pad(from, x, *pads, out),
            Op::Cropping([top, left]) => window::crop(from, x, [top.0, left.0], to, out),
            Op::BatchNorm { .. } => {
                let Prepared::Affine { scale, shift } = network.prepared(id, id) else {
                    unreachable!("a batch norm by itself scales and shifts");
                };
                elementwise::affine(x, scale, shift, step.cut, out);
            }
            Op::Relu { .. } => elementwise::cut(x, step.cut, out),
            Op::MaxPool(w) => window::max_pool(from, x, to, w, out),
            Op::AveragePool(w) => window::average_pool(from, x, to, w, out),
            Op::LocalResponseNorm { size, alpha, beta } => {
                elementwise::local_response_norm(from.channels, x, *size, *alpha, *beta, out);
            }
            Op::GlobalAveragePooling { .. } => window::global_average(from, x, out),
            Op::Dropout | Op::Flatten => out.copy_from_slice(x),
            Op::FlattenChannelsFirst => window::channels_first(from, x, out),
            Op::Dense { end, .. } => {
                let Prepared::Product(product) = network.prepared(id, id) else {
                    unreachable!("a dense layer is a product");
                };
                let none = product::End {
                    residual: None,
                    low: step.cut.low,
                    high: step.cut.high,
                };
                let vector = Map {
                    stimuli: self.stimuli,
                    height: 1,
                    width: 1,
                    channels: from.len() / self.stimuli,
                };
                let point = Window::valid(1);
                multiply(product, x, vector, to, &point, [(0, 0); 2], out, none);
                if *end == End::Softmax {
                    elementwise::softmax(to.channels, out);
                }
            }
            Op::Softmax => {
                out.copy_from_slice(x);
                elementwise::softmax(to.channels, out);
            }
            Op::Add => {
                let others = step.reads[1..].iter().map(|id| self.value(*id));
                elementwise::add(x, others, step.cut, out);
            }
            Op::Concat => {
                let mut column = 0;
                for id in &step.reads {
                    let channels = network.map(*id, self.stimuli).channels;
                    elementwise::put_columns(
                        self.value(*id),
                        channels,
                        column,
                        to.channels,
                        step.cut,
                        out,
                    );
                    column += channels;
                }
            }
            Op::Input | Op::Conv(_) | Op::DepthwiseConv { .. } | Op::SeparableConv { .. } => {
                unreachable!("{:?} is another kind of step", node.op)
            }
        }
    }
}

/// A convolution, group by group.
#[allow(clippy::too_many_arguments)]
fn multiply(
    groups: &[Packed],
    input: &[f32],
    from: Map,
    to: Map,
    window: &Window,
    pads: Pads,
    out: &mut [f32],
    end: product::End<'_>,
) {
    for (group, product) in groups.iter().enumerate() {
        let patches = Patches::new(from, to, window, pads, group, groups.len());
        let mut output = Output {
            values: out,
            width: to.channels,
            column: group * (to.channels / groups.len()),
        };
        product.multiply(input, &patches, &mut output, end);
    }
}
