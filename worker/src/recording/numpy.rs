//! NumPy's random draws, number by number: the legacy `RandomState`, which scikit-learn shuffles with,
//! and `default_rng`. Splits and ceilings that Brain-Score draws are drawn by these.

/// Words of MT19937's state.
const WORDS: usize = 624;
/// How far ahead a word is mixed with.
const AHEAD: usize = 397;

/// `numpy.random.RandomState(seed)`: MT19937, seeded by `init_genrand` (Matsumoto & Nishimura 2002).
pub(super) struct RandomState {
    state: [u32; WORDS],
    next: usize,
}

impl RandomState {
    /// As NumPy seeds it by one number of 32 bits.
    pub(super) fn new(seed: u32) -> Self {
        let mut state = [seed; WORDS];
        for at in 1..WORDS {
            let last = state[at - 1];
            let mixed = (last ^ (last >> 30)).wrapping_mul(1_812_433_253);
            state[at] = mixed.wrapping_add(at as u32);
        }
        Self { state, next: WORDS }
    }

    fn next_u32(&mut self) -> u32 {
        if self.next == WORDS {
            for at in 0..WORDS {
                let (high, low) = (self.state[at], self.state[(at + 1) % WORDS]);
                let word = (high & 0x8000_0000) | (low & 0x7fff_ffff);
                let twist = if word & 1 == 1 { 0x9908_b0df } else { 0 };
                self.state[at] = self.state[(at + AHEAD) % WORDS] ^ (word >> 1) ^ twist;
            }
            self.next = 0;
        }
        let mut word = self.state[self.next];
        self.next += 1;
        word ^= word >> 11;
        word ^= (word << 7) & 0x9d2c_5680;
        word ^= (word << 15) & 0xefc6_0000;
        word ^ (word >> 18)
    }

    /// `shuffle(items)`.
    ///
    /// # Panics
    /// When there are 2³² items or more.
    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let most = u32::try_from(last).expect("fewer than 2^32 items");
            items.swap(last, interval(most, || self.next_u32()) as usize);
        }
    }

    /// `permutation(count)`.
    pub(super) fn permutation(&mut self, count: usize) -> Vec<usize> {
        let mut numbers: Vec<usize> = (0..count).collect();
        self.shuffle(&mut numbers);
        numbers
    }

    /// `choice(items, size=count, replace=False)`.
    pub(super) fn choice(&mut self, items: &[usize], count: usize) -> Vec<usize> {
        let drawn = self.permutation(items.len()).into_iter().take(count);
        drawn.map(|at| items[at]).collect()
    }

    /// `choice(items, size=count)`, in which an item may be drawn again.
    ///
    /// # Panics
    /// When there is no item, or there are 2³² or more.
    pub(super) fn choice_again<T: Copy>(&mut self, items: &[T], count: usize) -> Vec<T> {
        let most = items.len().checked_sub(1);
        let most = most.and_then(|most| u32::try_from(most).ok());
        let most = most.expect("1 to 2^32 items");
        let item = |_| items[interval(most, || self.next_u32()) as usize];
        (0..count).map(item).collect()
    }
}

/// `numpy.random.default_rng(seed)`: PCG64 (XSL-RR 128/64, O'Neill 2014), seeded by a `SeedSequence`.
pub(super) struct DefaultRng {
    state: u128,
    increment: u128,
    /// The upper half of the last draw of 64 bits, where only the lower was used.
    kept: Option<u32>,
}

const PCG_MULTIPLIER: u128 = 0x2360_ED05_1FC6_5DA4_4385_DF64_9FCC_F645;

impl DefaultRng {
    /// As NumPy seeds it by one number of 32 bits.
    pub(super) fn new(seed: u32) -> Self {
        let [state_high, state_low, stream_high, stream_low] = seed_sequence(seed);
        let wide = |high: u64, low: u64| u128::from(high) << 64 | u128::from(low);
        let increment = wide(stream_high, stream_low) << 1 | 1;
        let mut made = Self {
            state: 0,
            increment,
            kept: None,
        };
        made.step();
        made.state = made.state.wrapping_add(wide(state_high, state_low));
        made.step();
        made
    }

    fn step(&mut self) {
        let product = self.state.wrapping_mul(PCG_MULTIPLIER);
        self.state = product.wrapping_add(self.increment);
    }

    fn next_u32(&mut self) -> u32 {
        if let Some(kept) = self.kept.take() {
            return kept;
        }
        self.step();
        let folded = (self.state >> 64) as u64 ^ self.state as u64;
        let draw = folded.rotate_right((self.state >> 122) as u32);
        self.kept = Some((draw >> 32) as u32);
        draw as u32
    }

    /// `permutation(items)`.
    ///
    /// # Panics
    /// When there are 2³² items or more.
    pub(super) fn permutation<T>(&mut self, mut items: Vec<T>) -> Vec<T> {
        for last in (1..items.len()).rev() {
            let most = u32::try_from(last).expect("fewer than 2^32 items");
            items.swap(last, interval(most, || self.next_u32()) as usize);
        }
        items
    }
}

/// Uniform in `0..=most`: draws of as many bits as `most` has, until one is no larger.
fn interval(most: u32, mut draw: impl FnMut() -> u32) -> u32 {
    if most == 0 {
        return 0;
    }
    let mask = u32::MAX >> most.leading_zeros();
    loop {
        let drawn = draw() & mask;
        if drawn <= most {
            return drawn;
        }
    }
}

/// `SeedSequence(seed).generate_state(4, uint64)`: the seed, hashed into a pool of four words (after
/// O'Neill's `randutils`).
fn seed_sequence(seed: u32) -> [u64; 4] {
    const HASH: (u32, u32) = (0x43b0_d7e5, 0x931e_8875);
    const DRAW: (u32, u32) = (0x8b51_f9dd, 0x58f3_8ded);
    const MIX: (u32, u32) = (0xca01_f9dd, 0x4973_f715);
    let scramble = |value: u32, constant: &mut u32, multiplier: u32| {
        let value = value ^ *constant;
        *constant = constant.wrapping_mul(multiplier);
        let value = value.wrapping_mul(*constant);
        value ^ (value >> 16)
    };
    let mut constant = HASH.0;
    let mut pool = [seed, 0, 0, 0].map(|word| scramble(word, &mut constant, HASH.1));
    for from in 0..pool.len() {
        for to in (0..pool.len()).filter(|to| *to != from) {
            let hashed = scramble(pool[from], &mut constant, HASH.1);
            let mixed = (pool[to].wrapping_mul(MIX.0)).wrapping_sub(hashed.wrapping_mul(MIX.1));
            pool[to] = mixed ^ (mixed >> 16);
        }
    }
    let mut constant = DRAW.0;
    let mut word = |at: usize| u64::from(scramble(pool[at % 4], &mut constant, DRAW.1));
    [0, 2, 4, 6].map(|at| {
        let low = word(at);
        word(at + 1) << 32 | low
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    /// Numbers of NumPy; see `testdata/make_numpy_draws.py`.
    #[derive(Deserialize)]
    struct Case {
        seed: u32,
        /// Of a `RandomState`: permutations of these lengths, one after the other.
        permutations: Vec<Vec<usize>>,
        /// Then a choice among the squares of the first numbers: how many of how many.
        choice: (usize, usize),
        chosen: Vec<usize>,
        /// Then the last number of a long permutation.
        long: usize,
        last: usize,
        /// Then a choice of these among so many numbers, again and again.
        among: usize,
        chosen_again: Vec<usize>,
        /// Of a `default_rng`: permutations of ranges.
        default_permutations: Vec<Vec<usize>>,
    }

    #[test]
    fn draws_are_numpys() {
        let cases: Vec<Case> = serde_json::from_str(include_str!("testdata/numpy_draws.json"))
            .expect("readable fixture");
        assert!(cases.len() >= 5);
        for case in cases {
            let mut legacy = RandomState::new(case.seed);
            for expected in &case.permutations {
                assert_eq!(&legacy.permutation(expected.len()), expected);
            }
            let (count, of) = case.choice;
            let squares: Vec<usize> = (0..of).map(|number| number * number).collect();
            assert_eq!(legacy.choice(&squares, count), case.chosen);
            let long = legacy.permutation(case.long);
            assert_eq!(long.last(), Some(&case.last));
            let numbers: Vec<usize> = (0..case.among).collect();
            let count = case.chosen_again.len();
            assert_eq!(legacy.choice_again(&numbers, count), case.chosen_again);
            let mut modern = DefaultRng::new(case.seed);
            for expected in &case.default_permutations {
                let range = (0..expected.len()).collect();
                assert_eq!(&modern.permutation(range), expected);
            }
        }
    }
}
