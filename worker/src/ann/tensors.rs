//! One pass over a graph's blocks on any of burn's devices. A value is dropped as soon as its last
//! reader has run.

use burn::tensor::{Device, Tensor, TensorData};

use super::blocks::{Block, Value};
use super::fold;
use super::graph::{Graph, NodeId};

/// A graph's blocks with their weights on a device.
#[derive(Debug)]
pub(super) struct Network {
    device: Device,
    /// Height, width, channels.
    image: [usize; 3],
    blocks: Vec<Block>,
    /// What each node's block reads; not the graph's inputs where a batch norm is folded.
    reads: Vec<Vec<NodeId>>,
}

impl Network {
    /// From weight tensors in the graph's order.
    pub(super) fn new(graph: &Graph, weights: &[Vec<f32>], device: &Device) -> Self {
        let nodes = graph.nodes();
        let blocks = nodes
            .iter()
            .map(|node| Block::new(graph, node, weights, device));
        Self {
            device: device.clone(),
            image: graph.input(),
            blocks: blocks.collect(),
            reads: fold::reads(graph),
        }
    }

    /// Computes the values of the `requested` nodes.
    ///
    /// # Shapes
    /// - `images`: `[stimuli, height, width, channels]`, preprocessed
    /// - returns `[stimuli, units]` per node requested
    ///
    /// # Errors
    /// The device's error, if the results could not be read back.
    pub(super) fn run(
        &self,
        images: &[f32],
        requested: &[NodeId],
    ) -> Result<Vec<Vec<f32>>, String> {
        let [height, width, channels] = self.image;
        let stimuli = images.len() / (height * width * channels);
        let images = TensorData::new(images.to_vec(), [stimuli, height, width, channels]);
        let answers = self.answers(Tensor::from_data(images, &self.device), requested);
        let read = |answer: Tensor<2>| answer.try_into_vec_as::<f32>().map_err(|e| e.to_string());
        answers.into_iter().map(read).collect()
    }

    fn answers(&self, images: Tensor<4>, requested: &[NodeId]) -> Vec<Tensor<2>> {
        let mut readers_left = fold::readers(&self.reads, requested);
        let mut values: Vec<Option<Value>> = vec![None; self.blocks.len()];
        let mut answers: Vec<Option<Tensor<2>>> = vec![None; requested.len()];
        let mut images = Some(Value::from_images(images));
        for (id, block) in self.blocks.iter().enumerate() {
            if readers_left[id] == 0 {
                continue;
            }
            let inputs = match block {
                Block::Input => images.take().into_iter().collect(),
                _ => self.reads[id]
                    .iter()
                    .map(|read| take(&mut values, &mut readers_left, *read))
                    .collect(),
            };
            values[id] = Some(block.run(inputs));
            for (answer, asked) in answers.iter_mut().zip(requested) {
                if asked.0 == id {
                    *answer = Some(take(&mut values, &mut readers_left, *asked).into_units());
                }
            }
        }
        let computed = |answer: Option<_>| answer.expect("every requested layer has a reader");
        answers.into_iter().map(computed).collect()
    }

    /// Most units of one stimulus in memory at once while `requested` are computed; a layer's input
    /// and output both count.
    pub(super) fn most_units_held(&self, graph: &Graph, requested: &[NodeId]) -> usize {
        let mut readers_left = fold::readers(&self.reads, requested);
        let units = |NodeId(id): NodeId| graph.nodes()[id].shape.iter().product::<usize>();
        let (mut held, mut most) = (0, 0);
        for id in (0..readers_left.len()).map(NodeId) {
            if readers_left[id.0] == 0 {
                continue;
            }
            held += units(id);
            most = most.max(held);
            let done = requested.iter().filter(|asked| **asked == id);
            for read in self.reads[id.0].iter().chain(done) {
                readers_left[read.0] -= 1;
                if readers_left[read.0] == 0 {
                    held -= units(*read);
                }
            }
        }
        most
    }
}

/// A node's value for one of its readers; the last one gets it whole, so that the device may
/// overwrite it.
fn take(values: &mut [Option<Value>], readers_left: &mut [usize], NodeId(id): NodeId) -> Value {
    readers_left[id] -= 1;
    let value = if readers_left[id] == 0 {
        values[id].take()
    } else {
        values[id].clone()
    };
    value.expect("a node runs before its readers")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ann::{cpu, offered, recipe};

    /// burn's flex stands in for the devices that a test machine lacks; the CPU's own passes, which
    /// the fixtures compare with Keras, are the reference. 1e-3 of a layer's standard deviation, as
    /// there.
    #[test]
    fn both_ways_to_run_a_graph_agree() {
        for info in offered() {
            let graph = info.graph();
            let weights = recipe::fixture_weights(&graph, 3);
            let image = recipe::fixture_image(info.input.iter().product(), 3);
            let nodes: Vec<NodeId> = graph.listed().map(|(id, _)| id).collect();
            let nodes = [nodes[nodes.len() / 2], nodes[nodes.len() - 3]];
            let tensors = Network::new(&graph, &weights, &Device::flex());
            let tensors = tensors.run(&image, &nodes).expect("read back");
            let own = cpu::Network::new(graph.clone(), weights).run(&image, &nodes);
            for ((a, b), node) in tensors.iter().zip(&own).zip(nodes) {
                let count = b.len() as f32;
                let mean = b.iter().sum::<f32>() / count;
                let variance = b.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / count;
                let worst = a.iter().zip(b).map(|(a, b)| (a - b).abs());
                let worst = worst.fold(0.0, f32::max);
                let name = &graph.node(node).name;
                assert_eq!(a.len(), b.len());
                assert!(
                    worst < 1e-3 * variance.sqrt(),
                    "{} {name}: {worst}",
                    info.name
                );
            }
        }
    }
}
