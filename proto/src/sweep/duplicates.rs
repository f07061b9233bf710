//! Duplicates: what a split does with a picture that is shown under several ids, as sweep files
//! spell it.

use std::str::FromStr;
use thiserror::Error;

/// What a split does with the stimuli that show one picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duplicates {
    /// They are drawn as one, so that no network is tested on what it was trained on.
    Together,
    /// Each is drawn by itself.
    Ignored,
}

impl Duplicates {
    /// All of them, as they are listed.
    pub const ALL: [Duplicates; 2] = [Duplicates::Together, Duplicates::Ignored];

    /// Its word.
    pub const fn name(self) -> &'static str {
        match self {
            Duplicates::Together => "together",
            Duplicates::Ignored => "ignored",
        }
    }
}

/// A word that names no [`Duplicates`].
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[error("`{0}` is unknown: duplicates are `together` or `ignored`")]
pub struct UnknownDuplicates(String);

impl FromStr for Duplicates {
    type Err = UnknownDuplicates;

    fn from_str(word: &str) -> Result<Self, UnknownDuplicates> {
        let named = Self::ALL.into_iter().find(|of| of.name() == word);
        named.ok_or_else(|| UnknownDuplicates(word.to_owned()))
    }
}
