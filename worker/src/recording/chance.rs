//! Chance: seeded draws that are the same on every machine and with every version of the `rand`
//! crates. Integer and IEEE arithmetic only: no logarithm or sine, whose last bits differ between
//! platforms.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A generator for one `purpose`; the same seed serves many purposes independently.
pub(super) fn generator(seed: u64, purpose: &str) -> ChaCha8Rng {
    ChaCha8Rng::from_seed(blake3::derive_key(purpose, &seed.to_le_bytes()))
}

/// Uniform in `[0, 1)`, with 53 random bits.
pub(super) fn unit(rng: &mut impl Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

/// Nearly normal with mean 0 and variance 1: the sum of 12 uniform draws (Irwin-Hall).
pub(super) fn normal(rng: &mut impl Rng) -> f64 {
    (0..12).map(|_| unit(rng)).sum::<f64>() - 6.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_have_the_moments_they_should() {
        let mut rng = generator(1, "test");
        let draws: Vec<f64> = (0..20_000).map(|_| normal(&mut rng)).collect();
        let mean = draws.iter().sum::<f64>() / 20_000.0;
        let variance = draws.iter().map(|x| x * x).sum::<f64>() / 20_000.0 - mean * mean;
        // Standard errors are 0.007 and 0.01.
        assert!(mean.abs() < 0.03, "mean {mean}");
        assert!((variance - 1.0).abs() < 0.04, "variance {variance}");
    }

    #[test]
    fn purposes_and_seeds_are_independent() {
        let first = |seed, purpose| generator(seed, purpose).next_u64();
        assert_ne!(first(1, "a"), first(1, "b"));
        assert_ne!(first(1, "a"), first(2, "a"));
        assert_eq!(first(1, "a"), first(1, "a"));
    }
}
