//! Schemes: how stimuli are divided, as sweep files and trials spell it.

use crate::wire::SplitSpec;
use crate::word::{UnknownWord, word_enum};

word_enum! {
    /// How stimuli are divided into those that train, validate and test.
    pub enum Scheme: "scheme" {
        /// Three parts, drawn once: train, select on validation, report on test.
        Holdout = "holdout",
        /// The same, drawn [`Scheme::SHUFFLES`] times independently, as Brain-Score does. Linear
        /// baselines, which need no validation stimuli, are fitted to those as well.
        Shuffle = "shuffle",
        /// Two parts, of which the second both validates and tests, as in the published experiment.
        /// What is selected on the stimuli that it is tested on scores better there than elsewhere.
        ValidationIsTest = "validation-is-test",
    }
}

impl Scheme {
    /// Splits of [`Scheme::Shuffle`].
    pub const SHUFFLES: u32 = 10;

    /// How many splits it has. Every cell of the grid is trained on each.
    pub const fn splits(self) -> u32 {
        match self {
            Scheme::Holdout | Scheme::ValidationIsTest => 1,
            Scheme::Shuffle => Self::SHUFFLES,
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
