//! Schemes: how stimuli are divided, as sweep files and trials spell it.

use crate::wire::SplitSpec;
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// How stimuli are divided into those that train, validate and test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Three parts, drawn once: train, select on validation, report on test.
    Holdout,
    /// The same, drawn [`Scheme::SHUFFLES`] times anew, as Brain-Score does. Linear baselines, which
    /// need no validation stimuli, are fitted to those as well.
    Shuffle,
    /// Two parts, of which the second both validates and tests, as in the published experiment. What
    /// is selected on the stimuli that it is tested on is better there than elsewhere.
    ValidationIsTest,
}

impl Scheme {
    /// All of them, as they are listed.
    pub const ALL: [Scheme; 3] = [Scheme::Holdout, Scheme::Shuffle, Scheme::ValidationIsTest];

    /// Splits of [`Scheme::Shuffle`].
    pub const SHUFFLES: u32 = 10;

    /// Its word.
    pub const fn name(self) -> &'static str {
        match self {
            Scheme::Holdout => "holdout",
            Scheme::Shuffle => "shuffle",
            Scheme::ValidationIsTest => "validation-is-test",
        }
    }

    /// How many splits it has, each of which every cell of the grid is trained on.
    pub const fn splits(self) -> u32 {
        match self {
            Scheme::Holdout | Scheme::ValidationIsTest => 1,
            Scheme::Shuffle => Self::SHUFFLES,
        }
    }

    /// That of a split.
    ///
    /// # Errors
    /// When it has a word that is none.
    pub fn of(split: &SplitSpec) -> Result<Self, UnknownScheme> {
        split.scheme.parse()
    }
}

/// A word that is no [`Scheme`].
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[error("`{0}` is no scheme: `holdout`, `shuffle` and `validation-is-test` are")]
pub struct UnknownScheme(String);

impl FromStr for Scheme {
    type Err = UnknownScheme;

    fn from_str(word: &str) -> Result<Self, UnknownScheme> {
        let named = Self::ALL.into_iter().find(|of| of.name() == word);
        named.ok_or_else(|| UnknownScheme(word.to_owned()))
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_one_spelling() {
        for scheme in Scheme::ALL {
            assert_eq!(scheme.to_string().parse(), Ok(scheme));
        }
        for word in ["", "Holdout", "validation"] {
            assert!(word.parse::<Scheme>().is_err(), "{word}");
        }
    }
}
