//! Comparisons: models without a prediction of sites, as sweep files and trials spell them, and all words of
//! `baselines`. The worker computes them.

use super::Baseline;
use super::baseline::MEAN_PREDICTOR;
use crate::score::Kind;
use crate::word::UnknownWord;
use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

/// A comparison of activations with the responses of a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// Rank correlation of the two matrices of dissimilarities between stimuli.
    Rdm,
    /// Linear centred kernel alignment, unbiased.
    Cka,
    /// Linear centred kernel alignment as it was first defined, which grows with the number of units.
    CkaBiased,
    /// Partial least squares from sites to units, with so many components.
    ReversePls(NonZeroU32),
}

/// A model besides NRP networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Model {
    /// A linear baseline, which predicts sites.
    Linear(Baseline),
    /// A comparison, which does not.
    Comparison(Comparison),
}

impl Comparison {
    /// How each is spelled. `K` stands for a number of components from 1.
    pub const NAMES: [&'static str; 5] = ["rdm", "cka", "cka-biased", REVERSE_PLS, "reverse-pls:K"];

    /// Components of reverse PLS where their number is not said, as in Brain-Score.
    pub const COMPONENTS: NonZeroU32 = NonZeroU32::new(25).expect("it is above 0");
}

const REVERSE_PLS: &str = "reverse-pls";

impl FromStr for Comparison {
    type Err = UnknownWord;

    /// Each has one spelling, since trials are named by it.
    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        let comparison = match (word, word.strip_prefix("reverse-pls:")) {
            ("rdm", _) => Some(Self::Rdm),
            ("cka", _) => Some(Self::Cka),
            ("cka-biased", _) => Some(Self::CkaBiased),
            (REVERSE_PLS, _) => Some(Self::ReversePls(Self::COMPONENTS)),
            (_, Some(components)) => components.parse().ok().map(Self::ReversePls),
            (_, None) => None,
        };
        comparison
            .filter(|comparison| comparison.to_string() == word)
            .ok_or_else(|| UnknownWord::new("comparison", word, &Self::NAMES))
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rdm => f.write_str("rdm"),
            Self::Cka => f.write_str("cka"),
            Self::CkaBiased => f.write_str("cka-biased"),
            Self::ReversePls(Self::COMPONENTS) => f.write_str(REVERSE_PLS),
            Self::ReversePls(components) => write!(f, "{REVERSE_PLS}:{components}"),
        }
    }
}

impl Model {
    /// How each is spelled, the linear baselines first.
    pub const NAMES: [&'static str; Baseline::NAMES.len() + Comparison::NAMES.len()] = {
        let mut names = [""; Baseline::NAMES.len() + Comparison::NAMES.len()];
        let mut at = 0;
        while at < names.len() {
            names[at] = match at.checked_sub(Baseline::NAMES.len()) {
                None => Baseline::NAMES[at],
                Some(behind) => Comparison::NAMES[behind],
            };
            at += 1;
        }
        names
    };

    /// The words that `baselines` accepts.
    pub(super) fn words() -> Vec<&'static str> {
        [MEAN_PREDICTOR].into_iter().chain(Self::NAMES).collect()
    }

    /// The kind of scores that it has.
    pub fn kind(self) -> Kind {
        match self {
            Self::Linear(_) => Kind::Prediction,
            Self::Comparison(_) => Kind::Comparison,
        }
    }
}

impl FromStr for Model {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        let linear = word.parse().map(Self::Linear);
        linear
            .or_else(|_| word.parse().map(Self::Comparison))
            .map_err(|_| UnknownWord::new("model", word, &Self::NAMES))
    }
}

impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Linear(baseline) => baseline.fmt(f),
            Self::Comparison(comparison) => comparison.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_one_spelling() {
        let spelled = [
            "rdm",
            "cka",
            "cka-biased",
            "reverse-pls",
            "reverse-pls:5",
            "pls",
            "ridge-1",
        ];
        for word in spelled {
            let model: Model = word.parse().expect("a model");
            assert_eq!(model.to_string(), word);
        }
        for word in [
            "",
            "RDM",
            "mean",
            "reverse-pls:0",
            "reverse-pls:25",
            "reverse-pls:05",
        ] {
            assert!(word.parse::<Model>().is_err(), "{word}");
        }
        let error = "ckaa".parse::<Model>().expect_err("no model");
        assert_eq!(
            error.to_string(),
            "unknown model `ckaa`; did you mean `cka`?"
        );
        assert_eq!(error.words.len(), 11);
    }

    #[test]
    fn a_comparison_predicts_nothing() {
        let kind = |word: &str| word.parse::<Model>().expect("a model").kind();
        assert_eq!(kind("cka"), Kind::Comparison);
        assert_eq!(kind("pls"), Kind::Prediction);
    }
}
