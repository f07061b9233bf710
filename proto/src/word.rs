//! Words: the closed sets of words that sweep files, trials, the wire and tables share. Each set is
//! written once, as an enum; [`word_enum!`] and [`answer_enum!`] derive the rest.

use crate::near_miss::{did_you_mean, near_miss};
use miette::Diagnostic;
use thiserror::Error;

/// The most characters of an unknown word that an error repeats.
const SHOWN_CHARS_MAX: usize = 64;

/// A word that is not in its set.
#[derive(Debug, Clone, PartialEq, Eq, Error, Diagnostic)]
#[error("unknown {what} `{found}`{}", did_you_mean(*.near_miss))]
#[diagnostic(help("expected one of {}", .words.join(", ")))]
pub struct UnknownWord {
    /// What the set names: "scheme".
    pub what: &'static str,
    /// The word found, shortened to 64 characters.
    pub found: String,
    /// The word probably meant.
    pub near_miss: Option<&'static str>,
    /// Every word of the set.
    pub words: &'static [&'static str],
}

impl UnknownWord {
    /// The error for `found`, which is not one of `words`.
    pub fn new(what: &'static str, found: &str, words: &'static [&'static str]) -> Self {
        let found: String = found.chars().take(SHOWN_CHARS_MAX).collect();
        Self {
            what,
            near_miss: near_miss(&found, words.iter().copied()),
            found,
            words,
        }
    }
}

/// A number on the wire that this version knows no word for.
#[derive(Debug, Clone, PartialEq, Eq, Error, Diagnostic)]
#[error("unknown {what} {number} on the wire")]
#[diagnostic(help("run the same version of nrp on both sides"))]
pub struct UnknownAnswer {
    /// What the enum names: "state of a trial".
    pub what: &'static str,
    /// The number found.
    pub number: i32,
}

/// A word that travels as a number of a proto3 enum.
pub trait Answer: Copy + std::str::FromStr {
    /// The word for people, JSON and files.
    fn name(self) -> &'static str;
    /// The number on the wire.
    fn to_wire(self) -> i32;
    /// The answer that a number on the wire stands for.
    ///
    /// # Errors
    /// When the number is 0, which says nothing, or a later version's.
    fn of_wire(number: i32) -> Result<Self, UnknownAnswer>;
}

/// Declares an enum of words: its variants in the order in which they are listed, each with its one
/// spelling. Provides `ALL`, `NAMES`, `name`, `Display` and `FromStr`.
macro_rules! word_enum {
    (
        $(#[$meta:meta])*
        pub enum $name:ident: $what:literal {
            $($(#[$about:meta])* $variant:ident = $word:literal,)+
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {
            $($(#[$about])* $variant,)+
        }

        impl $name {
            /// Every variant, in the order in which they are listed.
            pub const ALL: [$name; [$($word),+].len()] = [$($name::$variant),+];

            /// The word of each variant, in the same order.
            pub const NAMES: [&'static str; [$($word),+].len()] = [$($word),+];

            /// The word, as files, JSON and tables spell it.
            pub const fn name(self) -> &'static str {
                match self {
                    $($name::$variant => $word,)+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::word::UnknownWord;

            fn from_str(word: &str) -> Result<Self, Self::Err> {
                let named = Self::ALL.into_iter().find(|of| of.name() == word);
                named.ok_or_else(|| $crate::word::UnknownWord::new($what, word, &Self::NAMES))
            }
        }
    };
}

/// Declares an enum of words as [`word_enum!`] does, and maps it to the enum of the same variants on
/// the wire. A variant that only one of the two has does not compile.
macro_rules! answer_enum {
    (
        $(#[$meta:meta])*
        pub enum $name:ident: $what:literal = wire::$wire:ident {
            $($(#[$about:meta])* $variant:ident = $word:literal,)+
        }
    ) => {
        $crate::word::word_enum! {
            $(#[$meta])*
            pub enum $name: $what {
                $($(#[$about])* $variant = $word,)+
            }
        }

        impl $name {
            /// The number on the wire.
            pub const fn to_wire(self) -> i32 {
                match self {
                    $($name::$variant => $crate::wire::$wire::$variant as i32,)+
                }
            }

            /// The variant that a number on the wire stands for.
            ///
            /// # Errors
            /// When the number is 0, which says nothing, or a later version's.
            pub fn of_wire(number: i32) -> Result<Self, $crate::word::UnknownAnswer> {
                use $crate::wire::$wire;
                match $wire::try_from(number) {
                    $(Ok($wire::$variant) => Ok(Self::$variant),)+
                    Ok($wire::Unspecified) | Err(_) => Err($crate::word::UnknownAnswer {
                        what: $what,
                        number,
                    }),
                }
            }
        }

        impl $crate::word::Answer for $name {
            fn name(self) -> &'static str {
                $name::name(self)
            }

            fn to_wire(self) -> i32 {
                $name::to_wire(self)
            }

            fn of_wire(number: i32) -> Result<Self, $crate::word::UnknownAnswer> {
                $name::of_wire(number)
            }
        }
    };
}

pub(crate) use {answer_enum, word_enum};

/// An answer as people and JSON read it: its word, nothing for 0, which says nothing, and for a number
/// that this version does not know a text that names it.
pub fn shown<A: Answer>(number: i32) -> String {
    match (number, A::of_wire(number)) {
        (0, _) => String::new(),
        (_, Ok(answer)) => answer.name().to_owned(),
        (_, Err(unknown)) => unknown.to_string(),
    }
}

/// Writes an answer into JSON as [`shown`] has it.
pub(crate) fn serialize<A: Answer, S: serde::Serializer>(
    number: &i32,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&shown::<A>(*number))
}

/// Reads what [`serialize`] writes.
pub(crate) fn deserialize<'de, A: Answer, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<i32, D::Error>
where
    A::Err: std::fmt::Display,
{
    let word: std::borrow::Cow<'de, str> = serde::Deserialize::deserialize(deserializer)?;
    if word.is_empty() {
        return Ok(0);
    }
    let answer: A = word.parse().map_err(serde::de::Error::custom)?;
    Ok(answer.to_wire())
}

#[cfg(test)]
mod tests {
    use crate::state::TrialState;
    use crate::sweep::{Baseline, Scheme};
    use crate::wire::Retracted;
    use miette::Diagnostic;

    #[test]
    fn each_word_has_one_spelling() {
        for scheme in Scheme::ALL {
            assert_eq!(scheme.to_string().parse(), Ok(scheme));
        }
        for word in ["", "Holdout", "validation"] {
            assert!(word.parse::<Scheme>().is_err(), "{word}");
        }
        for word in ["", "mean", "OLS", "nrp", "lasso"] {
            assert!(word.parse::<Baseline>().is_err(), "{word}");
        }
    }

    #[test]
    fn an_unknown_word_is_named_with_the_likely_one() {
        let error = "holdot".parse::<Scheme>().expect_err("a misspelling");
        let help = error.help().expect("help").to_string();
        insta::assert_snapshot!(format!("{error}\n{help}"), @r#"
        unknown scheme `holdot`; did you mean `holdout`?
        expected one of holdout, shuffle, validation-is-test, brain-score, file, given
        "#);
        let error = "zebra".parse::<TrialState>().expect_err("not a state");
        assert_eq!(error.to_string(), "unknown state of a trial `zebra`");
    }

    #[test]
    fn an_unknown_number_is_an_error_that_names_it() {
        for state in TrialState::ALL {
            assert_eq!(TrialState::of_wire(state.to_wire()), Ok(state));
        }
        for number in [0, 99] {
            let error = TrialState::of_wire(number).expect_err("stands for nothing");
            let said = format!("unknown state of a trial {number} on the wire");
            assert_eq!(error.to_string(), said);
        }
    }

    #[test]
    fn json_has_words_for_numbers() {
        let retracted = |state: i32| Retracted {
            trial: "t".to_owned(),
            state,
        };
        let json = |state: i32| serde_json::to_value(retracted(state)).expect("JSON");
        let parked = TrialState::Parked.to_wire();
        assert_eq!(json(parked)["state"], "parked");
        assert_eq!(json(0)["state"], "");
        assert_eq!(json(99)["state"], "unknown state of a trial 99 on the wire");
        let read = |state: &str| {
            let document = serde_json::json!({"trial": "t", "state": state});
            serde_json::from_value::<Retracted>(document)
        };
        assert_eq!(read("parked").expect("reads"), retracted(parked));
        assert!(read("park").is_err());
    }
}
