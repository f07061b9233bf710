//! Pruning: sets an ANN's smallest weights to zero in one shot, without further training, and
//! counts its zeros.
//!
//! Kernels count: those of convolutions, depthwise and separable ones included, and of dense layers.
//! Biases and batch norm neither lose weights nor are counted.

use nrp_proto::sweep::PruningMethod;
use nrp_proto::wire::AnnSpec;
use nrp_proto::word::UnknownWord;

use super::AnnError;
use super::graph::Graph;
use super::weights::Weights;

/// Which weights of an ANN are zero. The number is the sparsity asked for: the fraction of zero
/// weights, from 0 on and below 1.
///
/// Of `n` weights the `sparsity · n` smallest by magnitude are set to zero, rounded half to even as
/// in PyTorch's `l1_unstructured` and `global_unstructured`; of equal weights, those that come
/// first in the graph. Weights that are already zero count as the smallest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pruning {
    /// Only those that are zero in the file.
    None,
    /// The smallest of each kernel. The first convolution stays dense. A separable convolution has
    /// two kernels.
    Layer(f64),
    /// The smallest of all kernels together.
    Global(f64),
    /// Those of a checkpoint that the user has pruned.
    Checkpoint(f64),
}

/// How sparse an ANN turned out to be.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reached {
    /// The fraction of zeros in the kernels that are there.
    pub(super) sparsity: f64,
    /// The first layer whose kernels are not there, and not counted.
    pub(super) absent: Option<String>,
}

impl Pruning {
    /// The sparsity asked for.
    pub fn sparsity(self) -> f64 {
        match self {
            Self::None => 0.0,
            Self::Layer(sparsity) | Self::Global(sparsity) | Self::Checkpoint(sparsity) => sparsity,
        }
    }

    /// Its name in ids and cache keys; empty without pruning.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Layer(_) => PruningMethod::Layer.name(),
            Self::Global(_) => PruningMethod::Global.name(),
            Self::Checkpoint(_) => PruningMethod::Checkpoint.name(),
        }
    }

    /// Prunes `weights`, tensors in the graph's order, and counts their zeros.
    ///
    /// # Errors
    /// When kernels are absent and all are pruned together: which weights are the smallest depends on
    /// the absent ones.
    pub(super) fn apply(
        self,
        ann: &'static str,
        graph: &Graph,
        weights: &mut Weights,
    ) -> Result<Reached, AnnError> {
        let tensors = graph.weights().iter().zip(weights);
        let (mut kernels, mut absent): (Vec<&mut [f32]>, _) = (Vec::new(), None);
        for (spec, values) in tensors.filter(|(spec, _)| spec.is_kernel()) {
            match values {
                Some(values) => kernels.push(values),
                None => absent = absent.or_else(|| Some(spec.layer.clone())),
            }
        }
        match (self, &absent) {
            (Self::None | Self::Checkpoint(_), _) => {}
            (Self::Layer(sparsity), _) => {
                // The first kernel is always there.
                for kernel in kernels.iter_mut().skip(1) {
                    zero_smallest(std::slice::from_mut(kernel), sparsity);
                }
            }
            (Self::Global(sparsity), None) => zero_smallest(&mut kernels, sparsity),
            (Self::Global(sparsity), Some(layer)) => {
                return Err(AnnError::PrunedPart {
                    ann,
                    layer: layer.clone(),
                    sparsity,
                });
            }
        }
        let all: usize = kernels.iter().map(|kernel| kernel.len()).sum();
        let of_kernels = kernels.iter().flat_map(|kernel| kernel.iter());
        let zeros = of_kernels.filter(|weight| **weight == 0.0).count();
        Ok(Reached {
            sparsity: zeros as f64 / all as f64,
            absent,
        })
    }
}

impl TryFrom<&AnnSpec> for Pruning {
    type Error = AnnError;

    fn try_from(spec: &AnnSpec) -> Result<Self, AnnError> {
        if spec.pruning.is_empty() && spec.sparsity == 0.0 {
            return Ok(Self::None);
        }
        match spec.pruning.parse() {
            Ok(PruningMethod::Layer) => Ok(Self::Layer(spec.sparsity)),
            Ok(PruningMethod::Global) => Ok(Self::Global(spec.sparsity)),
            Ok(PruningMethod::Checkpoint) => Ok(Self::Checkpoint(spec.sparsity)),
            Err(UnknownWord { .. }) => Err(AnnError::Pruning {
                word: spec.pruning.clone(),
                sparsity: spec.sparsity,
            }),
        }
    }
}

/// Sets the smallest weights of `kernels`, taken together, to zero.
fn zero_smallest(kernels: &mut [&mut [f32]], sparsity: f64) {
    // The bits of non-negative floats sort as the floats do.
    let magnitude = |weight: &f32| weight.abs().to_bits();
    let of_kernels = kernels.iter().flat_map(|kernel| kernel.iter());
    let mut magnitudes: Vec<u32> = of_kernels.map(magnitude).collect();
    let zeros = (sparsity * magnitudes.len() as f64).round_ties_even() as usize;
    let Some(last) = zeros.checked_sub(1) else {
        return;
    };
    let (before, threshold, _) = magnitudes.select_nth_unstable(last);
    let threshold = *threshold;
    let mut ties = zeros - before.iter().filter(|of| **of < threshold).count();
    for weight in kernels.iter_mut().flat_map(|kernel| kernel.iter_mut()) {
        let is_tie = magnitude(weight) == threshold;
        if magnitude(weight) < threshold || (is_tie && ties > 0) {
            ties -= usize::from(is_tie);
            *weight = 0.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ann::graph::Op;
    use crate::ann::recipe::random_weights;
    use crate::ann::testing::testdata;
    use crate::ann::tiny::TINY;
    use crate::ann::{AnnInfo, WeightsSource, find, offered};
    use serde::Deserialize;

    /// What `testdata/make_pruning.py` wrote.
    #[derive(Deserialize)]
    struct Reference {
        pytorch: String,
        /// Kernels, flat.
        kernels: Vec<Vec<f32>>,
        cases: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct Case {
        pruning: String,
        sparsity: f64,
        /// Per kernel: 1 where a weight is kept.
        masks: Vec<Vec<u8>>,
    }

    #[test]
    fn masks_are_pytorchs() {
        let text = std::fs::read(testdata("pruning.json")).expect("it is there");
        let reference: Reference = serde_json::from_slice(&text).expect("reads");
        assert!(reference.cases.len() > 10, "{}", reference.pytorch);
        for case in reference.cases {
            let mut kernels = reference.kernels.clone();
            let mut slices: Vec<&mut [f32]> = kernels.iter_mut().map(Vec::as_mut_slice).collect();
            match case.pruning.as_str() {
                "layer" => {
                    for kernel in &mut slices {
                        zero_smallest(std::slice::from_mut(kernel), case.sparsity);
                    }
                }
                "global" => zero_smallest(&mut slices, case.sparsity),
                other => panic!("{other}"),
            }
            for ((kernel, before), mask) in kernels.iter().zip(&reference.kernels).zip(case.masks) {
                let masked = before.iter().zip(mask);
                let masked: Vec<f32> = masked.map(|(w, kept)| w * f32::from(kept)).collect();
                assert_eq!(kernel, &masked, "{} {}", case.pruning, case.sparsity);
            }
        }
    }

    #[test]
    fn of_equal_weights_the_first_go() {
        let mut kernels = [vec![1.0, -1.0, 0.5, 1.0], vec![1.0, 2.0]];
        let [first, second] = &mut kernels;
        zero_smallest(&mut [first, second], 0.5);
        assert_eq!(kernels, [vec![0.0, 0.0, 0.0, 1.0], vec![1.0, 2.0]]);
        // Halves to the even number: two of five, and two of three.
        let pruned = |n: usize| {
            let mut kernel = vec![1.0; n];
            zero_smallest(&mut [&mut kernel], 0.5);
            kernel.iter().filter(|weight| **weight == 0.0).count()
        };
        assert_eq!([pruned(1), pruned(3), pruned(5)], [0, 2, 2]);
    }

    #[test]
    fn kernels_alone_are_pruned_and_the_first_by_global_pruning_only() {
        let graph = TINY.graph();
        for pruning in [Pruning::Layer(0.5), Pruning::Global(0.5)] {
            let dense: Weights = random_weights(&graph, 3).into_iter().map(Some).collect();
            let mut pruned = dense.clone();
            pruning
                .apply("tiny", &graph, &mut pruned)
                .expect("all are there");
            let first = graph.weights().iter().position(|spec| spec.is_kernel());
            for (at, spec) in graph.weights().iter().enumerate() {
                let changes =
                    spec.is_kernel() && (first != Some(at) || pruning == Pruning::Global(0.5));
                assert_eq!(
                    pruned[at] != dense[at],
                    changes,
                    "{} {pruning:?}",
                    spec.layer
                );
            }
        }
    }

    /// What an ANN reaches with the weights of `source`.
    fn reached(info: &AnnInfo, source: &WeightsSource, pruning: Pruning) -> f64 {
        let graph = info.graph();
        let (mut weights, _) = source
            .read(info, &graph, &[])
            .expect("it is there, and the ANN's");
        let reached = pruning.apply(info.name, &graph, &mut weights);
        let reached = reached.expect("all are there");
        assert_eq!(reached.absent, None);
        reached.sparsity
    }

    #[test]
    fn without_its_head_an_ann_is_pruned_layer_by_layer_alone() {
        let graph = TINY.graph();
        let dense: Weights = random_weights(&graph, 3).into_iter().map(Some).collect();
        let is_head = |at: usize| graph.weights()[at].layer == "dense";
        let mut whole = dense.clone();
        let pruning = Pruning::Layer(0.5);
        pruning
            .apply("tiny", &graph, &mut whole)
            .expect("all are there");
        let mut headless = dense;
        for (at, values) in headless.iter_mut().enumerate() {
            *values = values.take().filter(|_| !is_head(at));
        }
        let refused = Pruning::Global(0.5).apply("tiny", &graph, &mut headless);
        let said = refused.expect_err("the threshold is unknown").to_string();
        assert!(said.contains("lack those of `dense`"), "{said}");
        let reached = pruning.apply("tiny", &graph, &mut headless);
        let reached = reached.expect("each on its own");
        assert_eq!(reached.absent.as_deref(), Some("dense"));
        for (at, (part, whole)) in headless.iter().zip(&whole).enumerate() {
            assert!(
                is_head(at) || part == whole,
                "{}",
                graph.weights()[at].layer
            );
        }
        let kernels =
            (0..whole.len()).filter(|at| graph.weights()[*at].is_kernel() && !is_head(*at));
        let kernels: Vec<&Vec<f32>> = kernels.filter_map(|at| whole[at].as_ref()).collect();
        let zeros = kernels
            .iter()
            .flat_map(|of| of.iter())
            .filter(|x| **x == 0.0);
        let all: usize = kernels.iter().map(|of| of.len()).sum();
        assert_eq!(reached.sparsity, zeros.count() as f64 / all as f64);
    }

    #[test]
    fn every_ann_reaches_what_is_asked_of_it() {
        for info in offered() {
            let graph = info.graph();
            let spec = graph.weights().iter().find(|spec| spec.is_kernel());
            let name = &spec.expect("a kernel").layer;
            let first = graph.nodes().iter().find(|node| &node.name == name);
            let first = first.expect("its layer");
            assert!(matches!(first.op, Op::Conv(_)), "{}", info.name);
            let kernels = || graph.weights().iter().filter(|spec| spec.is_kernel());
            let sizes: Vec<f64> = kernels().map(|spec| spec.elements() as f64).collect();
            let all: f64 = sizes.iter().sum();
            let reached = |pruning| reached(info, &WeightsSource::Random(5), pruning);
            // Random weights have a zero now and then.
            let slack = 1e-5;
            let pruned: f64 = sizes[1..].iter().map(|n| (0.8 * n).round_ties_even()).sum();
            let layer = reached(Pruning::Layer(0.8));
            assert!(
                (layer - pruned / all).abs() < slack,
                "{} {layer}",
                info.name
            );
            let global = reached(Pruning::Global(0.8));
            assert!((global - 0.8).abs() < slack, "{} {global}", info.name);
            assert!(reached(Pruning::None) < slack);
        }
    }

    #[test]
    fn the_paper_s_resnet50_prunes_to_known_counts() {
        let info = find("resnet50").expect("offered");
        let random = WeightsSource::Random(1);
        let reached = reached(info, &random, Pruning::Layer(0.8));
        // 9,408 of 25,502,912 weights are the first convolution's.
        let expected = 0.8 * (1.0 - 9_408.0 / 25_502_912.0);
        assert!((reached - expected).abs() < 1e-5, "{reached}");
    }

    #[test]
    fn a_checkpoint_of_ones_own_is_counted_as_it_is() {
        let Some(file) = crate::ann::testing::shared("data/weights/resnet50_pruned_815.h5") else {
            return;
        };
        let info = find("resnet50").expect("offered");
        let source = WeightsSource::File(file);
        let reached = |pruning| reached(info, &source, pruning);
        let own = reached(Pruning::Checkpoint(0.8));
        assert!((own - 0.815).abs() < 5e-4, "{own}");
        assert_eq!(reached(Pruning::Global(0.8)), own, "there are enough zeros");
        assert!(reached(Pruning::Global(0.9)) - 0.9 < 1e-6);
    }

    #[test]
    fn what_no_version_knows_is_refused() {
        let pruning = |pruning: &str, sparsity| {
            let pruning = pruning.to_owned();
            Pruning::try_from(&AnnSpec {
                sparsity,
                pruning,
                ..AnnSpec::default()
            })
        };
        for known in [
            Pruning::None,
            Pruning::Layer(0.2),
            Pruning::Global(0.2),
            Pruning::Checkpoint(0.2),
        ] {
            assert_eq!(pruning(known.name(), known.sparsity()).ok(), Some(known));
        }
        let refusal = pruning("channel", 0.5).expect_err("unknown").to_string();
        assert_eq!(refusal, "unknown pruning `channel` at sparsity 0.5");
        assert!(pruning("", 0.5).is_err());
    }
}
