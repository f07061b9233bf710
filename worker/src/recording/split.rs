//! Splits: which stimuli train, validate and test. Pure: the same arguments give the same split on
//! every machine.

pub mod brain_score;
pub mod listed;

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
    #[diagnostic(help("raise the fraction, or use recordings with more stimuli"))]
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

#[cfg(test)]
mod tests {
    use super::*;

    const USUAL: [f64; 3] = [0.8, 0.1, 0.1];
    const DRAWS: [Draw; 4] = [
        Draw::Holdout,
        Draw::Shuffle(0),
        Draw::Shuffle(7),
        Draw::ValidationIsTest,
    ];

    fn holdout(
        stimuli: usize,
        fractions: [f64; 3],
        strata: Option<&[String]>,
        seed: u64,
    ) -> Result<Split, SplitError> {
        split(Draw::Holdout, stimuli, fractions, strata, &[], seed)
    }

    fn assert_whole(split: &Split, stimuli: usize) {
        let mut all = [&split.train[..], &split.validation, &split.test].concat();
        all.sort_unstable();
        assert_eq!(all, (0..stimuli).collect::<Vec<_>>());
    }

    #[test]
    fn sizes_are_exact_by_largest_remainder() {
        assert_eq!(sizes(1200, USUAL), Ok([960, 120, 120]));
        assert_eq!(sizes(640, USUAL), Ok([512, 64, 64]));
        assert_eq!(sizes(320, USUAL), Ok([256, 32, 32]));
        assert_eq!(sizes(13, USUAL), Ok([11, 1, 1]));
        assert_eq!(sizes(100, [0.29, 0.57, 0.14]), Ok([29, 57, 14]));
        let third = 1.0 / 3.0;
        assert_eq!(sizes(10, [third, third, third]), Ok([4, 3, 3]));
    }

    #[test]
    fn every_stimulus_is_in_exactly_one_part() {
        for stimuli in [10, 11, 97, 640, 1200] {
            for seed in 0..5 {
                let split = holdout(stimuli, USUAL, None, seed).expect("a split");
                assert_whole(&split, stimuli);
            }
        }
    }

    #[test]
    fn strata_are_in_proportion() {
        // 8 objects, 40 each, as the simulated set; and one of 5 among 315.
        let even: Vec<String> = (0..320).map(|i| format!("object{}", i % 8)).collect();
        let split = holdout(320, USUAL, Some(&even), 3).expect("a split");
        assert_whole(&split, 320);
        for object in 0..8 {
            let held = |part: &[usize]| part.iter().filter(|&&i| i % 8 == object).count();
            let counts = (
                held(&split.train),
                held(&split.validation),
                held(&split.test),
            );
            assert_eq!(counts, (32, 4, 4), "object{object}");
        }
        let rare: Vec<String> = (0..320).map(|i| format!("{}", i % 64 == 0)).collect();
        for seed in 0..10 {
            let split = holdout(320, USUAL, Some(&rare), seed).expect("a split");
            let held = split.train.iter().filter(|&&i| i % 64 == 0).count();
            assert!((3..=5).contains(&held), "{held} of 5 rare stimuli in train");
        }
    }

    #[test]
    fn the_seed_decides_and_nothing_else() {
        let split = |seed| holdout(20, USUAL, None, seed).expect("a split");
        assert_eq!(split(1), split(1));
        assert_ne!(split(1), split(2));
        // Written down so that another machine or a newer dependency cannot change it unnoticed.
        insta::assert_snapshot!(format!("{:?} {:?}", split(1).validation, split(1).test), @"[6, 13] [5, 15]");
    }

    #[test]
    fn shuffles_are_stratified_divisions_of_their_own() {
        let labels: Vec<String> = (0..320).map(|i| format!("object{}", i % 8)).collect();
        let shuffle = |number, seed| {
            split(Draw::Shuffle(number), 320, USUAL, Some(&labels), &[], seed).expect("a split")
        };
        let all: Vec<Split> = (0..10).map(|n| shuffle(n, 1)).collect();
        for (number, one) in all.iter().enumerate() {
            assert_whole(one, 320);
            for object in 0..8 {
                let held = one.test.iter().filter(|&&i| i % 8 == object).count();
                assert_eq!(held, 4, "object{object} in test stimuli of {number}");
            }
            assert!(all[..number].iter().all(|other| other.test != one.test));
        }
        assert_eq!(all[3], shuffle(3, 1));
        assert_ne!(all[3], shuffle(3, 2));
        insta::assert_compact_debug_snapshot!(all[1].test[..6], @"[1, 2, 4, 44, 51, 57]");
    }

    #[test]
    fn validation_stimuli_test_where_the_scheme_says_so() {
        let one = split(Draw::ValidationIsTest, 100, USUAL, None, &[], 1).expect("a split");
        let parts = holdout(100, USUAL, None, 1).expect("a split");
        assert_eq!(one.train, parts.train);
        assert_eq!(one.validation, one.test);
        let mut held_out = [parts.validation, parts.test].concat();
        held_out.sort_unstable();
        assert_eq!(one.test, held_out);
    }

    /// Groups among `stimuli`, some of each size given; the other stimuli are alone.
    fn groups(stimuli: usize, sizes: &[usize], seed: u64) -> Vec<Vec<usize>> {
        let mut order: Vec<usize> = (0..stimuli).collect();
        shuffle(&mut order, &mut generator(seed, "groups"));
        let group = |&size: &usize| {
            let mut group = order.split_off(order.len() - size);
            group.sort_unstable();
            group
        };
        sizes.iter().map(group).collect()
    }

    #[test]
    fn the_same_picture_under_two_ids_is_on_one_side_of_every_split() {
        let twins: Vec<usize> = std::iter::repeat_n(2, 60).chain([3, 3, 5, 8, 20]).collect();
        for scheme in DRAWS {
            for seed in 0..20 {
                let together = groups(300, &twins, seed);
                let split = split(scheme, 300, USUAL, None, &together, seed);
                let split = split.expect("a split");
                let part = |stimulus: &usize| {
                    [&split.train, &split.validation, &split.test]
                        .map(|part| part.contains(stimulus))
                };
                for group in &together {
                    assert!(
                        group.iter().all(|of| part(of) == part(&group[0])),
                        "{group:?}"
                    );
                }
                // Half of the largest group that is no more than half of a part of 30.
                let near = |part: &[usize], size: usize| part.len().abs_diff(size) <= 4;
                match scheme {
                    Draw::Holdout | Draw::Shuffle(_) => {
                        assert_whole(&split, 300);
                        let [a, b] = [&split.validation, &split.test];
                        assert!(near(&split.train, 240), "{}", split.train.len());
                        assert!(
                            a.len().abs_diff(30) <= 8 && near(b, 30),
                            "{} {}",
                            a.len(),
                            b.len()
                        );
                    }
                    Draw::ValidationIsTest => {
                        assert_eq!(split.validation, split.test);
                        let all = [&split.train[..], &split.test].concat();
                        assert_eq!(all.len(), 300);
                        // Here 20 are no more than half of 60.
                        assert!(split.train.len().abs_diff(240) <= 10);
                    }
                }
                if scheme != Draw::ValidationIsTest {
                    let blank = together.last().expect("20 of them");
                    assert!(blank.iter().all(|of| split.train.contains(of)));
                }
            }
        }
    }

    #[test]
    fn strata_stay_in_proportion_where_ids_stay_together() {
        let labels: Vec<String> = (0..400).map(|i| format!("object{}", i % 4)).collect();
        for seed in 0..10 {
            // Twins are of one object: i and i + 4.
            let together: Vec<Vec<usize>> = (0..200)
                .filter(|i| i % 8 < 4)
                .map(|i| vec![i, i + 4])
                .collect();
            let split = split(Draw::Holdout, 400, USUAL, Some(&labels), &together, seed);
            let split = split.expect("a split");
            for object in 0..4 {
                let held = |part: &[usize]| part.iter().filter(|&&i| i % 4 == object).count();
                let found = [&split.train, &split.validation, &split.test].map(|part| held(part));
                for (found, wanted) in found.into_iter().zip([80_usize, 10, 10]) {
                    assert!(
                        found.abs_diff(wanted) <= 3,
                        "object{object}: {found} for {wanted}"
                    );
                }
            }
        }
    }

    #[test]
    fn stimuli_that_are_alone_are_drawn_as_if_there_were_no_groups() {
        for scheme in DRAWS {
            let alone: Vec<Vec<usize>> = (0..97).map(|stimulus| vec![stimulus]).collect();
            let of = |together: &[Vec<usize>]| split(scheme, 97, USUAL, None, together, 5);
            assert_eq!(of(&alone), of(&[]));
        }
    }

    #[test]
    fn ids_of_one_picture_that_leave_nothing_to_a_part_are_refused() {
        let all = vec![(0..20).collect::<Vec<_>>()];
        let refusal = split(Draw::Holdout, 20, USUAL, None, &all, 1).expect_err("a refusal");
        assert!(
            matches!(
                refusal,
                SplitError::Together {
                    part: "validation",
                    ..
                }
            ),
            "{refusal}"
        );
        // What can be split is: with parts of one stimulus each, a pair trains.
        for seed in 0..20 {
            let split = split(Draw::Holdout, 13, USUAL, None, &[vec![3, 9]], seed);
            let split = split.expect("a split");
            assert!(split.train.contains(&3) && split.train.contains(&9));
            assert_eq!((split.validation.len(), split.test.len()), (1, 1));
        }
    }

    #[test]
    fn draws_favour_no_number() {
        let mut rng = generator(1, "test");
        let mut counts = [0; 5];
        for _ in 0..20_000 {
            counts[below(&mut rng, 5) as usize] += 1;
        }
        assert!(
            counts.iter().all(|count| (3_700..4_300).contains(count)),
            "{counts:?}"
        );
    }

    #[test]
    fn impossible_splits_are_refused() {
        for fractions in [[0.8, 0.1, 0.2], [1.2, -0.1, -0.1], [f64::NAN, 0.5, 0.5]] {
            let refusal = holdout(100, fractions, None, 0).expect_err("a refusal");
            assert!(matches!(refusal, SplitError::Fractions { .. }));
        }
        for (stimuli, fractions, empty) in [
            (0, USUAL, "train"),
            (3, USUAL, "validation"),
            (100, [0.9, 0.1, 0.0], "test"),
        ] {
            let refusal = holdout(stimuli, fractions, None, 0).expect_err("a refusal");
            assert!(matches!(refusal, SplitError::EmptyPart { part, .. } if part == empty));
        }
        let labels = ["a".to_owned()];
        let refusal = holdout(10, USUAL, Some(&labels), 0).expect_err("a refusal");
        assert_eq!(
            refusal,
            SplitError::Labels {
                stimuli: 10,
                labels: 1
            }
        );
    }

    #[test]
    fn validation_stimuli_are_carved_from_those_that_train() {
        let split = carve((0..57).rev().collect(), vec![60, 58]).expect("a split");
        assert_eq!(split.validation, [0, 1, 2, 3, 4, 5]);
        assert_eq!(split.train, (6..57).collect::<Vec<_>>());
        assert_eq!(split.test, [58, 60]);
        let least = carve(vec![3, 1], vec![2]).expect("a split");
        assert_eq!((least.train, least.validation), (vec![3], vec![1]));
        let refusal = carve(vec![3], vec![2]).expect_err("a refusal");
        assert_eq!(refusal, SplitError::Carve { drawn: 1 });
    }

    #[test]
    fn what_a_file_lists_stays_as_it_is() {
        let parts = |train: Vec<usize>, validation: Option<Vec<usize>>| listed::Parts {
            train,
            validation,
            test: vec![40, 30],
        };
        let given = of_listed(parts(vec![2, 0], Some(vec![9, 1])), 0, 1).expect("a split");
        assert_eq!((given.train, given.validation), (vec![0, 2], vec![1, 9]));
        assert_eq!(given.test, [30, 40]);
        // The order in the file says nothing, and each split draws for itself.
        let upwards: Vec<usize> = (0..27).collect();
        let downwards: Vec<usize> = (0..27).rev().collect();
        let drawn = |of: &[usize], number| of_listed(parts(of.to_vec(), None), number, 1);
        let one = drawn(&upwards, 0).expect("a split");
        assert_eq!(one.validation.len(), 3);
        assert_eq!(Ok(one.clone()), drawn(&downwards, 0));
        assert_ne!(Ok(one), drawn(&upwards, 1));
    }
}
