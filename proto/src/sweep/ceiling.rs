//! Ceilings: how the noise ceiling of recordings is measured, as sweep files spell it.

use crate::word::UnknownWord;
use std::fmt;
use std::str::FromStr;

/// How the noise ceiling of recordings is measured.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Ceiling {
    /// By all halvings of the repetitions, or 100 of them; the default.
    #[default]
    Halvings,
    /// By ten halvings of the repetitions' labels, as Brain-Score's `internal_consistency` draws them.
    Repetition,
    /// By one halving: each stimulus's even repetitions against its odd ones.
    EvenOdd,
    /// By ten halvings of each stimulus's own repetitions, as Brain-Score's
    /// `SplitHalfPredictorConsistency` draws them.
    PerStimulus,
    /// By a coordinate of the sites that says it.
    Coordinate(String),
}

/// What stands before the name of a coordinate.
const COORDINATE: &str = "coordinate:";

impl Ceiling {
    /// Every spelling, for messages.
    pub const NAMES: [&'static str; 4] =
        ["repetition", "even-odd", "per-stimulus", "coordinate:NAME"];
}

impl fmt::Display for Ceiling {
    /// The word of sweep files; empty for the default.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Halvings => Ok(()),
            Self::Repetition => f.write_str(Self::NAMES[0]),
            Self::EvenOdd => f.write_str(Self::NAMES[1]),
            Self::PerStimulus => f.write_str(Self::NAMES[2]),
            Self::Coordinate(name) => write!(f, "{COORDINATE}{name}"),
        }
    }
}

impl FromStr for Ceiling {
    type Err = UnknownWord;

    /// Reads a word; an empty one is the default.
    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        match word {
            "" => Ok(Self::Halvings),
            "repetition" => Ok(Self::Repetition),
            "even-odd" => Ok(Self::EvenOdd),
            "per-stimulus" => Ok(Self::PerStimulus),
            _ => match word.strip_prefix(COORDINATE) {
                Some(name) if !name.is_empty() => Ok(Self::Coordinate(name.to_owned())),
                Some(_) | None => Err(UnknownWord::new("ceiling", word, &Self::NAMES)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_ceiling_is_read_as_it_is_written() {
        let named = Ceiling::Coordinate("reliability_window".to_owned());
        for ceiling in [
            Ceiling::Halvings,
            Ceiling::Repetition,
            Ceiling::EvenOdd,
            Ceiling::PerStimulus,
            named,
        ] {
            assert_eq!(ceiling.to_string().parse(), Ok(ceiling));
        }
        assert!("coordinate:".parse::<Ceiling>().is_err());
    }
}
