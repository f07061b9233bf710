//! An ANN with its weights on a device, answering with the activations of chosen layers.
//!
//! A pass computes what the requested layers need and nothing beyond, and lets go of a value as soon
//! as its last reader has run. A layer's activations do not depend on which others are requested.

use burn::tensor::{Device, Tensor};

use super::blocks::{Block, Value, folds_into};
use super::graph::{Graph, NodeId};
use super::{AnnError, AnnInfo, WeightsSource};

/// A frozen ANN, ready to be shown images.
#[derive(Debug)]
pub struct Ann {
    info: &'static AnnInfo,
    graph: Graph,
    blocks: Vec<Block>,
    /// What each node's block reads; not the graph's inputs where a batch norm is folded.
    reads: Vec<Vec<NodeId>>,
}

impl Ann {
    /// Builds `info` on `device` with the weights of `source`.
    ///
    /// # Errors
    /// When the weights cannot be read, or are another network's.
    pub fn load(
        info: &'static AnnInfo,
        source: &WeightsSource,
        device: &Device,
    ) -> Result<Self, AnnError> {
        let graph = info.graph();
        let weights = source.read(info, &graph)?;
        Ok(Self::with_weights(info, graph, &weights, device))
    }

    /// Builds `info` from weight tensors in the graph's order.
    pub(super) fn with_weights(
        info: &'static AnnInfo,
        graph: Graph,
        weights: &[Vec<f32>],
        device: &Device,
    ) -> Self {
        let specs = graph.weights().iter();
        assert!(
            specs
                .map(|spec| spec.elements())
                .eq(weights.iter().map(Vec::len)),
            "weights of another graph"
        );
        let nodes = graph.nodes();
        let blocks = nodes
            .iter()
            .map(|node| Block::new(&graph, node, weights, device));
        let reads = nodes.iter().map(|node| match folds_into(&graph, node) {
            Some(conv) => graph.node(conv).inputs.clone(),
            None => node.inputs.clone(),
        });
        Self {
            info,
            blocks: blocks.collect(),
            reads: reads.collect(),
            graph,
        }
    }

    /// What is known of this ANN without its weights.
    pub fn info(&self) -> &'static AnnInfo {
        self.info
    }

    /// The activations of `layers`, in one pass that ends with the deepest of them.
    ///
    /// # Shapes
    /// - `images`: `[stimuli, height, width, channels]`, preprocessed
    /// - returns one `[stimuli, units]` per layer, in the order asked for; units in Keras's order
    ///   (height, width, channels)
    ///
    /// # Errors
    /// When the ANN lacks a layer, or the images are not of its input's shape.
    pub fn activations(
        &self,
        images: Tensor<4>,
        layers: &[String],
    ) -> Result<Vec<Tensor<2>>, AnnError> {
        let [_, found @ ..] = images.dims();
        if found != self.info.input {
            return Err(AnnError::ImageShape {
                ann: self.info.name,
                expected: self.info.input,
                found,
            });
        }
        let requested = layers
            .iter()
            .map(|layer| self.node(layer))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(self.run(images, &requested))
    }

    fn node(&self, layer: &str) -> Result<NodeId, AnnError> {
        match self.graph.listed().find(|(_, node)| node.name == layer) {
            Some((id, _)) => Ok(id),
            None => Err(self
                .info
                .layer(layer)
                .expect_err("a layer of the ANN is a layer of its graph")),
        }
    }

    fn run(&self, images: Tensor<4>, requested: &[NodeId]) -> Vec<Tensor<2>> {
        let mut readers_left = self.readers(requested);
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

    /// How often each node's value is read on the way to the requested ones; 0 where it is not needed.
    fn readers(&self, requested: &[NodeId]) -> Vec<usize> {
        let mut readers = vec![0; self.blocks.len()];
        for id in requested {
            readers[id.0] += 1;
        }
        for id in (0..readers.len()).rev() {
            if readers[id] > 0 {
                for read in &self.reads[id] {
                    readers[read.0] += 1;
                }
            }
        }
        readers
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
    use burn::tensor::TensorData;

    use super::*;
    use crate::ann::tiny::TINY;
    use crate::ann::{find, recipe};

    fn images(info: &AnnInfo, seeds: std::ops::Range<u64>) -> Tensor<4> {
        let [h, w, c] = info.input;
        let stimuli = (seeds.end - seeds.start) as usize;
        let values = seeds.flat_map(|seed| recipe::fixture_image(h * w * c, seed));
        let data = TensorData::new(values.collect::<Vec<_>>(), [stimuli, h, w, c]);
        Tensor::from_data(data, &Device::flex())
    }

    fn run(ann: &Ann, images: Tensor<4>, layers: &[&str]) -> Vec<Vec<f32>> {
        let layers: Vec<_> = layers.iter().map(|layer| layer.to_string()).collect();
        let answers = ann.activations(images, &layers).expect("it runs");
        let read = |answer: Tensor<2>| answer.try_into_vec_as::<f32>().expect("read back");
        answers.into_iter().map(read).collect()
    }

    fn random(info: &'static AnnInfo) -> Ann {
        Ann::load(info, &WeightsSource::Random(3), &Device::flex()).expect("no file to miss")
    }

    #[test]
    fn a_layer_does_not_depend_on_what_else_is_asked() {
        let ann = random(&TINY);
        let asked = ["dense", "stem", "stem_bn", "side", "stem", "both"];
        let together = run(&ann, images(&TINY, 0..2), &asked);
        for (layer, answer) in asked.iter().zip(together) {
            assert!(
                run(&ann, images(&TINY, 0..2), &[layer]) == [answer],
                "{layer}"
            );
        }
        assert!(run(&ann, images(&TINY, 0..2), &[]).is_empty());
    }

    #[test]
    fn a_stimulus_does_not_depend_on_its_batch() {
        let info = find("mobilenet").expect("offered");
        let ann = random(info);
        let layers = ["conv1_relu", "conv_pw_6_relu", "predictions"];
        let batch = run(&ann, images(info, 0..3), &layers);
        for stimulus in 0..3 {
            let alone = run(&ann, images(info, stimulus..stimulus + 1), &layers);
            for (alone, batch) in alone.iter().zip(&batch) {
                let from = stimulus as usize * alone.len();
                assert!(batch[from..from + alone.len()] == **alone);
            }
        }
    }

    /// Untrained weights must leave something to learn from: neither vanishing nor cut off at 6.
    #[test]
    fn random_weights_keep_activations_in_range() {
        let info = find("mobilenet").expect("offered");
        let layers = ["conv_pw_1_relu", "conv_pw_6_relu", "conv_pw_13_relu"];
        for layer in run(&random(info), images(info, 0..1), &layers) {
            let active = layer.iter().filter(|x| **x > 0.0).count() as f64 / layer.len() as f64;
            let mean = layer.iter().map(|x| f64::from(*x)).sum::<f64>() / layer.len() as f64;
            assert!((0.2..0.8).contains(&active), "{active} active");
            assert!((0.03..2.0).contains(&mean), "mean {mean}");
        }
    }

    #[test]
    fn what_cannot_be_asked_is_refused() {
        let ann = random(&TINY);
        let refused = ann.activations(images(&TINY, 0..1), &["stem_rleu".to_owned()]);
        assert!(matches!(
            refused,
            Err(AnnError::UnknownLayer { near: Some(near), .. }) if near == "stem_relu"
        ));
        let wide = images(&TINY, 0..1).permute([0, 2, 1, 3]);
        let refused = ann.activations(wide, &["stem".to_owned()]);
        assert!(matches!(
            refused,
            Err(AnnError::ImageShape {
                found: [8, 9, 3],
                ..
            })
        ));
    }
}
