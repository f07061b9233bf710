//! An ANN with its weights on a device, which computes the activations of chosen layers.
//!
//! A pass computes what the requested layers need and nothing beyond. A layer's activations do not
//! depend on which others are requested.

use burn::tensor::Device;

use super::graph::{Graph, NodeId};
use super::pruning::Reached;
use super::weights::Weights;
use super::{AnnError, AnnInfo, Pruning, WeightsSource, cpu, tensors};
use crate::device;

/// A frozen ANN, ready to run on images.
#[derive(Debug)]
pub struct Ann {
    info: &'static AnnInfo,
    graph: Graph,
    /// Whether its file had each weight tensor.
    present: Vec<bool>,
    reached: Reached,
    /// What the user should know about the weights.
    notices: Vec<String>,
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
    /// Builds `info` on `device` with the weights of `source`, pruned, to compute `layers`. A file may
    /// lack the weights that none of them depends on.
    ///
    /// # Errors
    /// When the ANN lacks a layer, or the weights cannot be read, are another network's, or too few to
    /// be pruned.
    pub fn load(
        info: &'static AnnInfo,
        source: &WeightsSource,
        pruning: Pruning,
        layers: &[String],
        device: &Device,
    ) -> Result<Self, AnnError> {
        let graph = info.graph();
        let asked: Result<Vec<_>, _> = layers.iter().map(|of| node(info, &graph, of)).collect();
        let (weights, notices) = source.read(info, &graph, &asked?)?;
        Ok(Self {
            notices,
            ..Self::with_weights(info, graph, weights, pruning, device)?
        })
    }

    /// Builds `info` from weight tensors in the graph's order, once pruned.
    pub(super) fn with_weights(
        info: &'static AnnInfo,
        graph: Graph,
        mut weights: Weights,
        pruning: Pruning,
        device: &Device,
    ) -> Result<Self, AnnError> {
        let mut specs = graph.weights().iter().zip(&weights);
        assert!(
            weights.len() == graph.weights().len()
                && specs.all(|(spec, of)| of.as_ref().is_none_or(|x| x.len() == spec.elements())),
            "weights of another graph"
        );
        let reached = pruning.apply(info.name, &graph, &mut weights)?;
        let present = weights.iter().map(Option::is_some).collect();
        // Nothing reads an absent tensor.
        let weights = weights.into_iter().map(Option::unwrap_or_default).collect();
        let network = if device::is_flex(device) {
            Network::Cpu(cpu::Network::new(graph.clone(), weights))
        } else {
            Network::Tensors(tensors::Network::new(&graph, &weights, device))
        };
        Ok(Self {
            info,
            graph,
            present,
            reached,
            notices: Vec::new(),
            network,
        })
    }

    /// The ANN without its weights.
    pub fn info(&self) -> &'static AnnInfo {
        self.info
    }

    /// The fraction of zeros in the kernels that its file has.
    pub fn reached_sparsity(&self) -> f64 {
        self.reached.sparsity
    }

    /// Notices for the user about where in its file the weights were.
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    /// The first layer whose kernels its file lacks, so that they are not counted.
    pub fn uncounted(&self) -> Option<&str> {
        self.reached.absent.as_deref()
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
    /// When `images` does not consist of whole images, or a layer needs weights that the file lacks,
    /// because the ANN was loaded for other layers.
    pub fn activations(
        &self,
        images: &[f32],
        layers: &[String],
    ) -> Result<Vec<Vec<f32>>, AnnError> {
        let pixels = self.info.input.iter().product::<usize>();
        assert_eq!(images.len() % pixels, 0, "images must be whole");
        let requested = self.nodes(layers)?;
        let needed = self.graph.needed(&requested);
        let mut of_file = needed.iter().zip(&self.present);
        assert!(
            of_file.all(|(needed, present)| *present || !needed),
            "the ANN was loaded for other layers than {layers:?}"
        );
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
        let node = |layer: &String| node(self.info, &self.graph, layer);
        layers.iter().map(node).collect()
    }
}

fn node(info: &AnnInfo, graph: &Graph, layer: &str) -> Result<NodeId, AnnError> {
    match graph.listed().find(|(_, node)| node.name == layer) {
        Some((id, _)) => Ok(id),
        None => Err(info
            .layer(layer)
            .expect_err("a layer of the ANN is a layer of its graph")),
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
            &[],
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
