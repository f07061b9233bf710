//! Splits: which stimuli train, validate and test. Pure: the same arguments give the same split on
//! every machine.

pub mod brain_score;
pub mod listed;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use miette::Diagnostic;
use nrp_proto::word::UnknownWord;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::chance::{generator, unit};
use listed::SplitFileError;

/// How far the sum of the fractions may be from 1; they are decimal numbers.
const FRACTIONS_TOLERANCE: f64 = 1e-6;

/// How stimuli are drawn into parts of given fractions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Draw {
    /// Three parts.
    Holdout,
    /// Three parts; each number gives another division.
    Shuffle(u32),
    /// Two parts, of which the second both validates and tests.
    ValidationIsTest,
}

/// Indices of stimuli, in increasing order. No stimulus is in two parts, except with
/// [`Draw::ValidationIsTest`], where the last two parts are the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Split {
    /// Stimuli that models are fitted to.
    pub train: Vec<usize>,
    /// Stimuli that stop training and select the configuration.
    pub validation: Vec<usize>,
    /// Stimuli that the reported scores are computed on.
    pub test: Vec<usize>,
}

/// Why stimuli cannot be split.
#[derive(Debug, Error, Diagnostic, PartialEq)]
pub enum SplitError {
    /// Fractions that do not divide a whole.
    #[error("the fractions {fractions:?} are not positive numbers that sum to 1")]
    #[diagnostic(help("set three fractions above 0 that sum to 1, such as [0.8, 0.1, 0.1]"))]
    Fractions {
        /// The fractions: training, validation, test.
        fractions: [f64; 3],
    },
    /// A part that would be empty.
    #[error("the fractions {fractions:?} of {stimuli} stimuli leave the {part} part empty")]
    #[diagnostic(help(
        "use recordings with more stimuli, or raise the fraction where the scheme has one"
    ))]
    EmptyPart {
        /// How many stimuli there are.
        stimuli: usize,
        /// The fractions.
        fractions: [f64; 3],
        /// The part without stimuli.
        part: &'static str,
    },
    /// A part that would be empty because the ids of one picture stay together.
    #[error(
        "no split of {stimuli} stimuli by {fractions:?} keeps the ids of each picture together: the {part} part would be empty"
    )]
    #[diagnostic(help(
        "drop all but one id of each picture from the recordings, or set `duplicates = \"ignored\"` under `[split]`; `nrp data check` lists them"
    ))]
    Together {
        /// How many stimuli there are.
        stimuli: usize,
        /// The fractions.
        fractions: [f64; 3],
        /// The part without stimuli.
        part: &'static str,
    },
    /// Too few stimuli for Brain-Score's splits.
    #[error(
        "Brain-Score's splits of nine tenths and a tenth need {least} stimuli, and there are {stimuli}"
    )]
    #[diagnostic(help(
        "use recordings with more stimuli, or another `scheme` under `[split]`, such as \"holdout\""
    ))]
    TooFew {
        /// How many stimuli there are.
        stimuli: usize,
        /// How many are needed.
        least: usize,
    },
    /// A class of which a part cannot have its share.
    #[error("one stimulus alone is of class `{class}`, and stratified splits need two of each")]
    #[diagnostic(help(
        "drop it from the recordings, stratify by another column, or not at all: `stratify = \"\"`"
    ))]
    AloneInClass {
        /// The class.
        class: String,
    },
    /// More classes than stimuli in a part.
    #[error("{classes} classes for {stimuli} stimuli that {part}: not one of each")]
    #[diagnostic(help("stratify by a column with fewer values, or not at all: `stratify = \"\"`"))]
    Classes {
        /// The part.
        part: &'static str,
        /// How many stimuli it has.
        stimuli: usize,
        /// How many classes there are.
        classes: usize,
    },
    /// The stimulus set lacks a column to order by.
    #[error("the stimulus set has no column `{column}` to order stimuli by")]
    #[diagnostic(help(
        "its columns are {known}; without `order`, stimuli are in the order of their ids"
    ))]
    NoOrder {
        /// The column.
        column: String,
        /// The columns that the stimulus set has.
        known: String,
    },
    /// A seed that NumPy does not take.
    #[error("the seed {seed} has more than 32 bits, which NumPy's `RandomState` does not take")]
    #[diagnostic(help("set a `seed` of at most 4294967295 under `[split]`"))]
    Seed {
        /// The seed.
        seed: u64,
    },
    /// Too few training stimuli to take some of them for validation.
    #[error("of {drawn} training stimuli none can validate")]
    #[diagnostic(help("use recordings with more stimuli, or list at least two in `train`"))]
    Carve {
        /// How many there are.
        drawn: usize,
    },
    /// The scheme needs a file, and none is named.
    #[error("no file lists the splits")]
    #[diagnostic(help("name one: `file = \"splits.json\"` under `[split]`"))]
    NoFile,
    /// The scheme needs train and test recordings.
    #[error("the recordings are not train and test recordings")]
    #[diagnostic(help(
        "`scheme = \"given\"` needs `[recordings.train]` and `[recordings.test]`; run the same version of nrp on coordinator and workers"
    ))]
    NotGiven,
    /// The file that lists the splits cannot be used.
    #[error(transparent)]
    #[diagnostic(transparent)]
    File(#[from] SplitFileError),
    /// The split has a word that this version does not know, for its scheme or its duplicates.
    #[error(transparent)]
    #[diagnostic(help("run the same version of nrp on coordinator and workers"))]
    Word(#[from] UnknownWord),
    /// The stimulus set lacks the column to stratify by.
    #[error("the stimulus set has no column `{column}` to stratify by")]
    #[diagnostic(help("its columns are {known}; `stratify = \"\"` turns stratification off"))]
    NoColumn {
        /// The column.
        column: String,
        /// The columns that the stimulus set has.
        known: String,
    },
    /// The column to stratify by has no value for some stimuli.
    #[error("{missing} of {stimuli} stimuli have no value in column `{column}`")]
    #[diagnostic(help("fill the column, or turn stratification off: `stratify = \"\"`"))]
    EmptyColumn {
        /// The column.
        column: String,
        /// Stimuli without a value.
        missing: usize,
        /// How many stimuli there are.
        stimuli: usize,
    },
    /// Labels that do not belong to the stimuli.
    #[error("{labels} labels for {stimuli} stimuli")]
    #[diagnostic(help("stratify by a column of the stimulus set"))]
    Labels {
        /// How many stimuli there are.
        stimuli: usize,
        /// How many labels were given.
        labels: usize,
    },
}

/// Divides `stimuli` into training, validation and test parts of the given `fractions`.
///
/// Sizes are rounded by largest remainder, so that they are exact in total. With `strata`, each
/// part holds each label in proportion, up to one stimulus at either end of the part.
///
/// The stimuli of each group in `together` are drawn as one, with the label of the first; sizes and
/// proportions are then exact up to half a group. A group larger than half the smallest held-out
/// part would fill most of that part, so it goes to training.
///
/// # Errors
/// When the fractions are not positive or do not sum to 1, or a part would be empty.
pub fn split(
    draw: Draw,
    stimuli: usize,
    fractions: [f64; 3],
    strata: Option<&[String]>,
    together: &[Vec<usize>],
    seed: u64,
) -> Result<Split, SplitError> {
    let [of_train, of_validation, of_test] = sizes(stimuli, fractions)?;
    if let Some(labels) = strata
        && labels.len() != stimuli
    {
        return Err(SplitError::Labels {
            stimuli,
            labels: labels.len(),
        });
    }
    let mut rng = match draw {
        Draw::Holdout | Draw::ValidationIsTest => generator(seed, "nrp holdout v1"),
        Draw::Shuffle(number) => generator(seed, &format!("nrp shuffle v1 {number}")),
    };
    let held_out = of_validation + of_test;
    let (ends, smallest) = match draw {
        Draw::Holdout | Draw::Shuffle(_) => (
            [of_train, of_train + of_validation],
            of_validation.min(of_test),
        ),
        Draw::ValidationIsTest => ([of_train, of_train], held_out),
    };
    let drawn = interleaved(units(stimuli, together), strata, &mut rng);
    let is_large = |unit: &Vec<usize>| unit.len() > 1 && 2 * unit.len() > smallest;
    let (large, others): (Vec<_>, Vec<_>) = drawn.into_iter().partition(is_large);
    let mut parts = [const { Vec::new() }; 3];
    let mut before = 0;
    for unit in large.into_iter().chain(others) {
        // A unit belongs to the part that its middle falls into.
        let middle = 2 * before + unit.len();
        let part = ends.iter().filter(|end| middle > 2 * **end).count();
        before += unit.len();
        parts[part].extend(unit);
    }
    parts.iter_mut().for_each(|part| part.sort_unstable());
    let [train, mut validation, test] = parts;
    if draw == Draw::ValidationIsTest {
        validation.clone_from(&test);
    }
    for (part, of_part) in [
        ("train", &train),
        ("validation", &validation),
        ("test", &test),
    ] {
        if of_part.is_empty() {
            return Err(SplitError::Together {
                stimuli,
                fractions,
                part,
            });
        }
    }
    Ok(Split {
        train,
        validation,
        test,
    })
}

/// The stimuli that validate, taken from the end of those drawn to train: a ninth of them, which is a
/// tenth of all where nine tenths train.
///
/// # Errors
/// When fewer than two train.
pub fn carve(mut train: Vec<usize>, mut test: Vec<usize>) -> Result<Split, SplitError> {
    let drawn = train.len();
    if drawn < 2 {
        return Err(SplitError::Carve { drawn });
    }
    let of_validation = ((drawn + 4) / 9).max(1);
    let mut validation = train.split_off(drawn - of_validation);
    for part in [&mut train, &mut validation, &mut test] {
        part.sort_unstable();
    }
    Ok(Split {
        train,
        validation,
        test,
    })
}

/// The parts of split `number` that a file lists; without validation stimuli, some of those that train
/// are drawn, whatever their order in the file.
///
/// # Errors
/// When fewer than two stimuli train, and none validates.
pub fn of_listed(parts: listed::Parts, number: u32, seed: u64) -> Result<Split, SplitError> {
    let listed::Parts {
        mut train,
        validation,
        mut test,
    } = parts;
    train.sort_unstable();
    test.sort_unstable();
    match validation {
        Some(mut validation) => {
            validation.sort_unstable();
            Ok(Split {
                train,
                validation,
                test,
            })
        }
        None => {
            let purpose = format!("nrp listed split's validation v1 {number}");
            shuffle(&mut train, &mut generator(seed, &purpose));
            carve(train, test)
        }
    }
}

/// The units that are drawn: each group of `together`, and every other stimulus by itself, in the
/// order of their first stimuli.
fn units(stimuli: usize, together: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut units: Vec<Vec<usize>> = (0..stimuli).map(|stimulus| vec![stimulus]).collect();
    for group in together {
        for &stimulus in group {
            units[stimulus].clear();
        }
        if let Some(&first) = group.first() {
            units[first].clone_from(group);
        }
    }
    units.retain(|unit| !unit.is_empty());
    units
}

/// A random order in which every stretch holds every label in proportion: a unit's middle is placed
/// at `(k + offset) / n` of the way, where `k` of its label's `n` stimuli precede it.
fn interleaved(
    units: Vec<Vec<usize>>,
    strata: Option<&[String]>,
    rng: &mut ChaCha8Rng,
) -> Vec<Vec<usize>> {
    let mut groups: BTreeMap<&str, Vec<Vec<usize>>> = BTreeMap::new();
    for unit in units {
        let label = strata.map_or("", |labels| labels[unit[0]].as_str());
        groups.entry(label).or_default().push(unit);
    }
    let mut placed: Vec<(f64, u64, Vec<usize>)> = Vec::new();
    for mut group in groups.into_values() {
        shuffle(&mut group, rng);
        let offset = unit(rng);
        let stimuli: usize = group.iter().map(Vec::len).sum();
        let mut before = 0;
        for unit in group {
            let middle = before as f64 + (unit.len() - 1) as f64 / 2.0;
            before += unit.len();
            placed.push(((middle + offset) / stimuli as f64, rng.next_u64(), unit));
        }
    }
    placed.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    placed.into_iter().map(|(_, _, unit)| unit).collect()
}

fn shuffle<T>(items: &mut [T], rng: &mut ChaCha8Rng) {
    for last in (1..items.len()).rev() {
        items.swap(last, below(rng, last as u64 + 1) as usize);
    }
}

/// Uniform among `0..bound`.
fn below(rng: &mut ChaCha8Rng, bound: u64) -> u64 {
    assert!(bound > 0, "nothing to draw from");
    // Draws beyond the last whole multiple of `bound` would favour small numbers.
    let whole = u64::MAX - u64::MAX % bound;
    loop {
        let draw = rng.next_u64();
        if draw < whole {
            return draw % bound;
        }
    }
}

fn sizes(stimuli: usize, fractions: [f64; 3]) -> Result<[usize; 3], SplitError> {
    let whole: f64 = fractions.iter().sum();
    let usable = |fraction: &f64| fraction.is_finite() && (0.0..=1.0).contains(fraction);
    if !fractions.iter().all(usable) || (whole - 1.0).abs() > FRACTIONS_TOLERANCE {
        return Err(SplitError::Fractions { fractions });
    }
    let shares = fractions.map(|fraction| fraction / whole * stimuli as f64);
    let mut sizes = shares.map(|share| share.floor() as usize);
    let mut parts = [0, 1, 2];
    let remainder = |part: usize| shares[part] - shares[part].floor();
    parts.sort_by(|&a, &b| remainder(b).total_cmp(&remainder(a)).then(a.cmp(&b)));
    let missing = stimuli.saturating_sub(sizes.iter().sum());
    for part in parts.into_iter().cycle().take(missing) {
        sizes[part] += 1;
    }
    for (part, size) in ["train", "validation", "test"].into_iter().zip(sizes) {
        if size == 0 {
            return Err(SplitError::EmptyPart {
                stimuli,
                fractions,
                part,
            });
        }
    }
    Ok(sizes)
}
