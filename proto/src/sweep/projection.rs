//! The projection of activations, as sweep files and trials spell it. The worker computes it.

use crate::word::UnknownWord;
use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

/// The projection of what is trained on the activations themselves.
pub const NO_PROJECTION: &str = "none";

/// What a layer's activations are projected onto before NRP-L1 sees them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Projection {
    /// Nothing: NRP-L1 sees every unit, as in the paper.
    None,
    /// The span of the training stimuli's centred activations.
    RowSpace,
    /// The first principal axes of the training stimuli's activations, as many as the number says.
    Pca(NonZeroU32),
}

impl Projection {
    /// How each is spelled. `K` stands for a number of components from 1.
    pub const NAMES: [&'static str; 3] = [NO_PROJECTION, "row-space", "pca:K"];
}

impl FromStr for Projection {
    type Err = UnknownWord;

    /// Each has one spelling, since trials are named by it.
    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        let projection = match (word, word.strip_prefix("pca:")) {
            (NO_PROJECTION, _) => Some(Self::None),
            ("row-space", _) => Some(Self::RowSpace),
            (_, Some(components)) => components.parse().ok().map(Self::Pca),
            (_, None) => None,
        };
        projection
            .filter(|projection| projection.to_string() == word)
            .ok_or_else(|| UnknownWord::new("projection", word, &Self::NAMES))
    }
}

impl fmt::Display for Projection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str(NO_PROJECTION),
            Self::RowSpace => f.write_str("row-space"),
            Self::Pca(components) => write!(f, "pca:{components}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_one_spelling() {
        for word in ["none", "row-space", "pca:1", "pca:200"] {
            let projection: Projection = word.parse().expect("a projection");
            assert_eq!(projection.to_string(), word);
        }
        for word in [
            "", "None", "pca", "pca:", "pca:0", "pca:-1", "pca:+2", "pca:02", "pca:2.5",
        ] {
            assert!(word.parse::<Projection>().is_err(), "{word}");
        }
    }
}
