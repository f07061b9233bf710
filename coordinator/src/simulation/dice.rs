//! The only source of chance: what a seed says, and nothing else.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Draws. Two streams of one seed are independent.
pub(super) struct Dice(ChaCha8Rng);

impl Dice {
    pub(super) fn new(seed: u64, stream: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        Self(rng)
    }

    /// From 0 to `bound`, which it does not reach.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        // Biased by less than 2^-40 for the small bounds asked for in here.
        self.0.next_u64() % bound.max(1)
    }

    pub(super) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    pub(super) fn chance(&mut self, permille: u64) -> bool {
        self.below(1_000) < permille
    }
}
