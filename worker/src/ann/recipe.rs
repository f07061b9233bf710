//! Weights and images that any program can rebuild: a SplitMix64 stream per tensor, and the range
//! each variable is drawn from.

use super::graph::{Graph, WeightSpec};

/// The ordinal of the image's stream.
const IMAGE: u64 = 0xFF_FFFF;

/// Every weight of the fixture made with `seed`, in the graph's order.
pub(super) fn fixture_weights(graph: &Graph, seed: u64) -> Vec<Vec<f32>> {
    let draw = |(ordinal, weight): (u64, &WeightSpec)| {
        let (low, high) = match weight.variable {
            "gamma" | "moving_variance" => (0.5, 1.5),
            "beta" | "moving_mean" | "bias" => (-0.1, 0.1),
            _ => kernel_range(weight),
        };
        tensor(seed << 32, ordinal, weight.elements(), low, high)
    };
    (0..).zip(graph.weights()).map(draw).collect()
}

/// The image of the fixture made with `seed`: already preprocessed, in H, W, C order.
pub(super) fn fixture_image(elements: usize, seed: u64) -> Vec<f32> {
    tensor(seed << 32, IMAGE, elements, -1.0, 1.0)
}

/// Untrained weights, in the graph's order: kernels uniform with He's variance, batch norm the
/// identity, biases zero. In MobileNet about half of each layer is then active, far from 6.
pub(super) fn random_weights(graph: &Graph, seed: u64) -> Vec<Vec<f32>> {
    // Finalised, so that no two of the 2^64 seeds share a stream, and none a fixture's.
    let origin = finalise(seed.wrapping_add(GAMMA));
    let draw = |(ordinal, weight): (u64, &WeightSpec)| match weight.variable {
        "gamma" | "moving_variance" => vec![1.0; weight.elements()],
        "beta" | "moving_mean" | "bias" => vec![0.0; weight.elements()],
        _ => {
            let (low, high) = kernel_range(weight);
            tensor(origin, ordinal, weight.elements(), low, high)
        }
    };
    (0..).zip(graph.weights()).map(draw).collect()
}

/// ±sqrt(6 / inputs per output), He et al. (2015).
fn kernel_range(weight: &WeightSpec) -> (f64, f64) {
    let inputs: usize = match (weight.variable, &*weight.shape) {
        ("depthwise_kernel", &[h, w, _, _]) => h * w,
        (_, [inputs @ .., _]) => inputs.iter().product(),
        (_, []) => 1,
    };
    let bound = (6.0 / inputs as f64).sqrt();
    (-bound, bound)
}

fn tensor(origin: u64, ordinal: u64, elements: usize, low: f64, high: f64) -> Vec<f32> {
    let mut z = origin.wrapping_add(ordinal.wrapping_mul(0x1_0000_0001));
    let element = |_| {
        z = z.wrapping_add(GAMMA);
        let u = (finalise(z) >> 40) as f64 / (1u64 << 24) as f64;
        (low + (high - low) * u) as f32
    };
    (0..elements).map(element).collect()
}

/// SplitMix64's increment.
const GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

/// SplitMix64's output function.
fn finalise(mut z: u64) -> u64 {
    z ^= z >> 30;
    z = z.wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z ^= z >> 27;
    z = z.wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ann::find;

    /// The published test vector of SplitMix64, seed 1234567.
    #[test]
    fn the_stream_is_splitmix64() {
        let mut z = 1_234_567_u64;
        let next = std::array::from_fn(|_| {
            z = z.wrapping_add(GAMMA);
            finalise(z)
        });
        assert_eq!(
            next,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );
    }

    #[test]
    fn random_weights_differ_by_seed_even_beyond_32_bits() {
        let graph = find("mobilenet").expect("offered").graph();
        let first = |seed| random_weights(&graph, seed)[0][0];
        assert_eq!(first(7), first(7));
        assert_ne!(first(7), first(8));
        assert_ne!(first(7), first(7 + (1 << 32)));
    }
}
