//! Linear baselines, as sweep files and trials spell them. What they compute is the worker's.

use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// The baseline whose error stands beside every trial's scores, so that it makes no trials of its own.
pub(super) const MEAN_PREDICTOR: &str = "mean";

/// A linear baseline: a model that is fitted to the same activations and responses as NRP networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Baseline {
    /// Least squares of least norm.
    Ols,
    /// Ridge regression, its penalty cross-validated for each site.
    Ridge,
    /// Partial least squares regression with 25 components.
    Pls,
}

impl Baseline {
    /// All of them, as they are listed.
    pub const ALL: [Baseline; 3] = [Baseline::Ols, Baseline::Ridge, Baseline::Pls];

    /// Its word.
    pub const fn name(self) -> &'static str {
        match self {
            Baseline::Ols => "ols",
            Baseline::Ridge => "ridge",
            Baseline::Pls => "pls",
        }
    }
}

/// A word that is no [`Baseline`].
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[error("`{0}` is no linear baseline: `ols`, `ridge` and `pls` are")]
pub struct UnknownBaseline(String);

impl FromStr for Baseline {
    type Err = UnknownBaseline;

    fn from_str(word: &str) -> Result<Self, UnknownBaseline> {
        let named = Self::ALL.into_iter().find(|of| of.name() == word);
        named.ok_or_else(|| UnknownBaseline(word.to_owned()))
    }
}

impl fmt::Display for Baseline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_one_spelling() {
        for baseline in Baseline::ALL {
            assert_eq!(baseline.to_string().parse(), Ok(baseline));
        }
        for word in ["", "mean", "OLS", "nrp", "lasso"] {
            assert!(word.parse::<Baseline>().is_err(), "{word}");
        }
    }
}
