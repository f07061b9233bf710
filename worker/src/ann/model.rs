//! An ANN with its weights on a device, which computes the activations of chosen layers.
//!
//! A pass computes what the requested layers need and nothing beyond. A layer's activations do not
//! depend on which others are requested.

use burn::tensor::Device;

use super::graph::{Graph, NodeId};
use super::{AnnError, AnnInfo, Pruning, WeightsSource, cpu, tensors};
use crate::device;

/// A frozen ANN, ready to run on images.
#[derive(Debug)]
pub struct Ann {
    info: &'static AnnInfo,
    graph: Graph,
    reached_sparsity: f64,
    network: Network,
}

#[derive(Debug)]
enum Network {
    /// On the CPU by our own code, if burn's device is flex.
    Cpu(cpu::Network),
    /// On another of burn's devices.
    Tensors(tensors::Network),
}

impl Ann {
    /// Builds `info` on `device` with the weights of `source`, pruned.
    ///
    /// # Errors
    /// When the weights cannot be read, or are another network's.
    pub fn load(
        info: &'static AnnInfo,
        source: &WeightsSource,
        pruning: Pruning,
        device: &Device,
    ) -> Result<Self, AnnError> {
        let graph = info.graph();
        let weights = source.read(info, &graph)?;
        Ok(Self::with_weights(info, graph, weights, pruning, device))
    }

    /// Builds `info` from weight tensors in the graph's order, once pruned.
    pub(super) fn with_weights(
        info: &'static AnnInfo,
        graph: Graph,
        mut weights: Vec<Vec<f32>>,
        pruning: Pruning,
        device: &Device,
    ) -> Self {
        let specs = graph.weights().iter();
        assert!(
            specs
                .map(|spec| spec.elements())
                .eq(weights.iter().map(Vec::len)),
            "weights of another graph"
        );
        let reached_sparsity = pruning.apply(&graph, &mut weights);
        let network = if device::is_flex(device) {
            Network::Cpu(cpu::Network::new(graph.clone(), weights))
        } else {
            Network::Tensors(tensors::Network::new(&graph, &weights, device))
        };
        Self {
            info,
            graph,
            reached_sparsity,
            network,
        }
    }

    /// The ANN without its weights.
    pub fn info(&self) -> &'static AnnInfo {
        self.info
    }

    /// The fraction of zeros in all its kernels.
    pub fn reached_sparsity(&self) -> f64 {
        self.reached_sparsity
    }

    /// The activations of `layers`, in one pass that ends with the deepest of them.
    ///
    /// # Shapes
    /// - `images`: `[stimuli, height, width, channels]`, preprocessed, row-major
    /// - returns one `[stimuli, units]` per layer, in the order asked for; units in Keras's order
    ///   (height, width, channels)
    ///
    /// # Errors
    /// When the ANN lacks a layer, or the device fails.
    ///
    /// # Panics
    /// When `images` does not consist of whole images.
    pub fn activations(
        &self,
        images: &[f32],
        layers: &[String],
    ) -> Result<Vec<Vec<f32>>, AnnError> {
        let pixels = self.info.input.iter().product::<usize>();
        assert_eq!(images.len() % pixels, 0, "images must be whole");
        let requested = self.nodes(layers)?;
        match &self.network {
            Network::Cpu(network) => Ok(network.run(images, &requested)),
            Network::Tensors(network) => {
                network
                    .run(images, &requested)
                    .map_err(|why| AnnError::Device {
                        ann: self.info.name,
                        why,
                    })
            }
        }
    }

    /// Bytes that each stimulus of a batch takes while `layers` are computed: intermediate tensors,
    /// its image and its activations.
    ///
    /// # Errors
    /// When the ANN lacks a layer.
    pub fn stimulus_bytes(&self, layers: &[String]) -> Result<usize, AnnError> {
        let requested = self.nodes(layers)?;
        let units = |id: &NodeId| self.graph.node(*id).shape.iter().product::<usize>();
        let held = match &self.network {
            // A thread has only a few stimuli in progress.
            Network::Cpu(_) => 0,
            Network::Tensors(network) => network.most_units_held(&self.graph, &requested),
        };
        let image: usize = self.info.input.iter().product();
        let answers: usize = requested.iter().map(units).sum();
        Ok((held + image + answers) * size_of::<f32>())
    }

    fn nodes(&self, layers: &[String]) -> Result<Vec<NodeId>, AnnError> {
        layers.iter().map(|layer| self.node(layer)).collect()
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ann::tiny::TINY;
    use crate::ann::{find, recipe};

    fn images(info: &AnnInfo, seeds: std::ops::Range<u64>) -> Vec<f32> {
        let pixels = info.input.iter().product();
        seeds
            .flat_map(|seed| recipe::fixture_image(pixels, seed))
            .collect()
    }

    fn run(ann: &Ann, images: Vec<f32>, layers: &[&str]) -> Vec<Vec<f32>> {
        let layers: Vec<_> = layers.iter().map(|layer| layer.to_string()).collect();
        ann.activations(&images, &layers).expect("it runs")
    }

    fn random(info: &'static AnnInfo) -> Ann {
        Ann::load(
            info,
            &WeightsSource::Random(3),
            Pruning::None,
            &Device::flex(),
        )
        .expect("no file to miss")
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
    fn a_stimulus_takes_its_image_and_its_answers() {
        let names = ["stem", "dense"].map(str::to_owned);
        let bytes = random(&TINY).stimulus_bytes(&names).expect("layers");
        assert_eq!(bytes, (9 * 8 * 3 + 5 * 4 * 4 + 5) * 4);
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

    /// Alone, a layer is computed in fused steps; together with all others, layer by layer.
    #[test]
    fn every_ann_answers_alike_whatever_is_asked() {
        for info in crate::ann::offered() {
            let ann = random(info);
            let names: Vec<_> = info.layers().into_iter().map(|layer| layer.name).collect();
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            let all = run(&ann, images(info, 0..1), &names);
            for at in [names.len() / 3, names.len() / 2, names.len() - 1] {
                let alone = run(&ann, images(info, 0..1), &[names[at]]);
                assert!(alone[0] == all[at], "{} {}", info.name, names[at]);
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
        let refused = ann.activations(&images(&TINY, 0..1), &["stem_rleu".to_owned()]);
        assert!(matches!(
            refused,
            Err(AnnError::UnknownLayer { near: Some(near), .. }) if near == "stem_relu"
        ));
    }
}
