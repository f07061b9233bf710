//! Random draws of a trial: one independent ChaCha8 stream per purpose, all from the trial's seed.
//!
//! Draws use raw 32- and 64-bit words only, so no change in a library's distributions can change a
//! trial's outcome.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// What a stream of draws is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The initial weights of one tensor, by its index in the network.
    Weights(u32),
    /// The order of the training stimuli.
    Order,
    /// Which hidden units are dropped.
    Dropout,
}

/// The stream of draws for one purpose.
pub(crate) struct Draws(ChaCha8Rng);

impl Draws {
    /// Opens the stream of `purpose` under `seed`.
    pub(crate) fn new(seed: u64, purpose: Purpose) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        let mut generator = ChaCha8Rng::from_seed(key);
        generator.set_stream(match purpose {
            Purpose::Order => 0,
            Purpose::Dropout => 1,
            Purpose::Weights(tensor) => 2 + u64::from(tensor),
        });
        Self(generator)
    }

    /// A number in `[0, 1)`, a multiple of 2⁻²⁴.
    pub(crate) fn unit(&mut self) -> f32 {
        (self.0.next_u32() >> 8) as f32 / (1 << 24) as f32
    }

    /// Shuffles `items` (Fisher and Yates).
    pub(crate) fn shuffle(&mut self, items: &mut [usize]) {
        for last in (1..items.len()).rev() {
            // Multiply and shift: the bias is below 2⁻⁴⁰ for any stimulus set that fits in memory.
            let scaled = u128::from(self.0.next_u64()) * (last as u128 + 1);
            items.swap(last, (scaled >> 64) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Draws, Purpose};

    #[test]
    fn streams_differ_and_repeat() {
        let first = |seed, purpose| {
            let mut draws = Draws::new(seed, purpose);
            [draws.unit(), draws.unit(), draws.unit()]
        };
        assert_eq!(first(1, Purpose::Order), first(1, Purpose::Order));
        assert_ne!(first(1, Purpose::Order), first(2, Purpose::Order));
        assert_ne!(first(1, Purpose::Order), first(1, Purpose::Dropout));
        assert_ne!(first(1, Purpose::Weights(0)), first(1, Purpose::Weights(1)));
    }

    #[test]
    fn draws_never_change() {
        // A trial's seed determines these numbers: changing them changes every outcome.
        let mut draws = Draws::new(7, Purpose::Order);
        let mut order: Vec<usize> = (0..10).collect();
        draws.shuffle(&mut order);
        insta::assert_compact_debug_snapshot!(order, @"[5, 3, 9, 8, 1, 6, 2, 0, 4, 7]");
    }

    #[test]
    fn shuffling_keeps_every_item() {
        let mut order: Vec<usize> = (0..100).collect();
        Draws::new(3, Purpose::Order).shuffle(&mut order);
        assert_ne!(order, (0..100).collect::<Vec<_>>());
        order.sort_unstable();
        assert_eq!(order, (0..100).collect::<Vec<_>>());
    }
}
