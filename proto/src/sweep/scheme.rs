//! Schemes: how stimuli are divided, as sweep files and trials spell it.

use crate::wire::SplitSpec;
use crate::word::{UnknownWord, word_enum};

word_enum! {
    /// How stimuli are divided into those that train, validate and test.
    pub enum Scheme: "scheme" {
        /// Three parts, drawn once: train, select on validation, report on test.
        Holdout = "holdout",
        /// The same, drawn [`Scheme::SHUFFLES`] times independently. Linear baselines, which need no
        /// validation stimuli, are fitted to those as well.
        Shuffle = "shuffle",
        /// Two parts, of which the second both validates and tests, as in the published experiment.
        /// What is selected on the stimuli that it is tested on scores better there than elsewhere.
        ValidationIsTest = "validation-is-test",
        /// The test stimuli that Brain-Score draws, [`Scheme::SHUFFLES`] times. The others train, and some
        /// of them validate; linear baselines are fitted to all of them.
        BrainScore = "brain-score",
        /// The parts that a file lists.
        File = "file",
        /// The train recordings and the test recordings, which are files of their own. Some of those that
        /// train validate; linear baselines are fitted to all of them.
        Given = "given",
    }
}

impl Scheme {
    /// Splits of [`Scheme::Shuffle`] and [`Scheme::BrainScore`].
    pub const SHUFFLES: u32 = 10;

    /// The most splits that a file may list.
    pub const FILE_SPLITS_MAX: u32 = 1_000;

    /// Fractions of the stimuli that [`Scheme::BrainScore`] trains on, validates on and tests on.
    pub const BRAIN_SCORE_FRACTIONS: [f64; 3] = [0.8, 0.1, 0.1];

    /// The highest seed of [`Scheme::BrainScore`]: NumPy's `RandomState` takes 32 bits.
    pub const BRAIN_SCORE_SEED_MAX: u64 = u32::MAX as u64;

    /// Whether a linear model's test predictions come from a fit to training and validation stimuli together.
    pub fn refits(self) -> bool {
        match self {
            Self::Shuffle | Self::BrainScore | Self::File | Self::Given => true,
            Self::Holdout | Self::ValidationIsTest => false,
        }
    }

    /// The scheme of a split.
    ///
    /// # Errors
    /// When the split names an unknown scheme.
    pub fn of(split: &SplitSpec) -> Result<Self, UnknownWord> {
        split.scheme.parse()
    }
}

impl SplitSpec {
    /// How many splits its scheme has. Every cell of the grid is trained on each. A scheme from a later
    /// version is taken to have one.
    pub fn count(&self) -> u32 {
        match Scheme::of(self) {
            Ok(Scheme::Shuffle | Scheme::BrainScore) => Scheme::SHUFFLES,
            // Before the file has been read, it counts as one.
            Ok(Scheme::File) => self.splits.max(1),
            Ok(Scheme::Holdout | Scheme::ValidationIsTest | Scheme::Given) | Err(_) => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_as_many_splits_as_it_lists() {
        let count = |scheme: &str, splits| {
            let scheme = scheme.to_owned();
            SplitSpec {
                scheme,
                splits,
                ..SplitSpec::default()
            }
            .count()
        };
        assert_eq!(
            [count("file", 0), count("file", 1), count("file", 25)],
            [1, 1, 25]
        );
        let others = [
            "holdout",
            "shuffle",
            "validation-is-test",
            "brain-score",
            "given",
            "later",
        ];
        assert_eq!(others.map(|scheme| count(scheme, 0)), [1, 10, 1, 10, 1, 1]);
    }
}
