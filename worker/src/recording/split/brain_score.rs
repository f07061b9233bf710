//! Brain-Score's splits: its 90 % that train and 10 % that test, index by index.
//!
//! They are those of scikit-learn 1.5's `ShuffleSplit` and `StratifiedShuffleSplit` with ten splits and
//! `train_size=0.9`, as brainscore-vision 2.4.2 uses them: one stream of draws for all ten, so a split
//! is drawn after those before it.

use super::SplitError;
use crate::recording::numpy::RandomState;
use crate::recording::ranks::ranks;

/// The fraction of the stimuli that train.
const TRAIN: f64 = 0.9;
/// The fraction of the stimuli that comparisons without a fit are computed on.
const COMPARED: f64 = 0.9;

/// Fewest stimuli of which a tenth is one.
const LEAST_STIMULI: usize = 10;

/// Refuses so few stimuli that a tenth of them is none.
///
/// # Errors
/// When there are fewer than ten.
pub fn check(stimuli: usize) -> Result<(), SplitError> {
    let least = LEAST_STIMULI;
    if stimuli < least {
        return Err(SplitError::TooFew { stimuli, least });
    }
    Ok(())
}

/// Positions in the order of the stimuli, in the order drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drawn {
    /// Those that models are fitted to.
    pub train: Vec<usize>,
    /// Those that the reported scores are computed on.
    pub test: Vec<usize>,
}

/// Draws the split of this `number`, from 0, of `stimuli`; stratified by `labels`, where there are any.
/// The numbers are positions in the order of the labels.
///
/// # Errors
/// When scikit-learn refuses: a class has one member only, or a part has fewer stimuli than there are
/// classes; or when a part would be empty.
pub fn draw(
    number: u32,
    stimuli: usize,
    labels: Option<&[&str]>,
    seed: u32,
) -> Result<Drawn, SplitError> {
    let train = (TRAIN * stimuli as f64).floor() as usize;
    let sizes = Sizes {
        train,
        test: stimuli - train,
    };
    drawn(number, stimuli, labels, seed, sizes)
}

/// Draws, as [`draw`], the nine tenths on which Brain-Score computes the similarity of a split: scikit-learn's
/// `test_size=0.9`, of which it is the test part.
///
/// # Errors
/// As [`draw`].
pub fn compared(
    number: u32,
    stimuli: usize,
    labels: Option<&[&str]>,
    seed: u32,
) -> Result<Vec<usize>, SplitError> {
    let test = (COMPARED * stimuli as f64).ceil() as usize;
    let sizes = Sizes {
        train: stimuli - test,
        test,
    };
    Ok(drawn(number, stimuli, labels, seed, sizes)?.test)
}

fn drawn(
    number: u32,
    stimuli: usize,
    labels: Option<&[&str]>,
    seed: u32,
    sizes: Sizes,
) -> Result<Drawn, SplitError> {
    for (part, size) in [("train", sizes.train), ("test", sizes.test)] {
        if size == 0 {
            let fractions = [TRAIN, 0.0, 1.0 - TRAIN];
            return Err(SplitError::EmptyPart {
                stimuli,
                fractions,
                part,
            });
        }
    }
    let mut rng = RandomState::new(seed);
    let classes = labels.map(|labels| classes(labels, sizes)).transpose()?;
    let mut draw = || match &classes {
        None => plain(stimuli, sizes, &mut rng),
        Some(classes) => stratified(classes, sizes, &mut rng),
    };
    for _ in 0..number {
        draw();
    }
    Ok(draw())
}

/// How many stimuli each part has.
#[derive(Clone, Copy)]
struct Sizes {
    train: usize,
    test: usize,
}

fn plain(stimuli: usize, sizes: Sizes, rng: &mut RandomState) -> Drawn {
    let mut test = rng.permutation(stimuli);
    let mut train = test.split_off(sizes.test);
    train.truncate(sizes.train);
    Drawn { train, test }
}

/// The stimuli of each class, classes in the order of their labels.
fn classes(labels: &[&str], sizes: Sizes) -> Result<Vec<Vec<usize>>, SplitError> {
    let ranks = ranks(labels);
    let mut classes = vec![Vec::new(); ranks.iter().max().map_or(0, |most| most + 1)];
    for (stimulus, rank) in ranks.into_iter().enumerate() {
        classes[rank].push(stimulus);
    }
    if let Some(alone) = classes.iter().find(|class| class.len() < 2) {
        return Err(SplitError::AloneInClass {
            class: labels[alone[0]].to_owned(),
        });
    }
    for (part, stimuli) in [("train", sizes.train), ("test", sizes.test)] {
        if stimuli < classes.len() {
            return Err(SplitError::Classes {
                part,
                stimuli,
                classes: classes.len(),
            });
        }
    }
    Ok(classes)
}

fn stratified(classes: &[Vec<usize>], sizes: Sizes, rng: &mut RandomState) -> Drawn {
    let counts: Vec<usize> = classes.iter().map(Vec::len).collect();
    let of_train = mode(&counts, sizes.train, rng);
    let left: Vec<usize> = counts.iter().zip(&of_train).map(|(n, k)| n - k).collect();
    let of_test = mode(&left, sizes.test, rng);
    let (mut train, mut test) = (Vec::new(), Vec::new());
    for ((class, train_size), test_size) in classes.iter().zip(of_train).zip(of_test) {
        let mut drawn = rng.permutation(class.len()).into_iter().map(|at| class[at]);
        train.extend(drawn.by_ref().take(train_size));
        test.extend(drawn.take(test_size));
    }
    rng.shuffle(&mut train);
    rng.shuffle(&mut test);
    Drawn { train, test }
}

/// How many of `draws` each class gets: its share, rounded down, and what is missing by the largest
/// remainders; of equal ones, by lot. scikit-learn's `_approximate_mode`, in its order of arithmetic.
fn mode(counts: &[usize], draws: usize, rng: &mut RandomState) -> Vec<usize> {
    let all: usize = counts.iter().sum();
    let share = |count: &usize| *count as f64 / all as f64 * draws as f64;
    let shares: Vec<f64> = counts.iter().map(share).collect();
    let mut drawn: Vec<usize> = shares.iter().map(|share| share.floor() as usize).collect();
    let mut missing = draws.saturating_sub(drawn.iter().sum());
    let remainders: Vec<f64> = shares.iter().map(|share| share - share.floor()).collect();
    let mut values = remainders.clone();
    values.sort_by(|a, b| b.total_cmp(a));
    values.dedup();
    for value in values {
        if missing == 0 {
            break;
        }
        let equal = (0..counts.len()).filter(|class| remainders[*class] == value);
        let equal: Vec<usize> = equal.collect();
        let added = equal.len().min(missing);
        for class in rng.choice(&equal, added) {
            drawn[class] += 1;
        }
        missing -= added;
    }
    drawn
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    /// Splits of scikit-learn; see `testdata/make_splits.py`.
    #[derive(Deserialize)]
    struct Case {
        stimuli: usize,
        seed: u32,
        /// The class of each stimulus; none of a plain split.
        classes: Option<Vec<String>>,
        /// The indices of some splits, or why there are none.
        splits: Vec<(u32, Vec<usize>, Vec<usize>)>,
        refused: Option<String>,
    }

    #[test]
    fn every_index_is_scikit_learns() {
        let cases: Vec<Case> =
            serde_json::from_str(include_str!("testdata/splits.json")).expect("readable fixture");
        assert!(cases.len() >= 20);
        for case in &cases {
            let labels: Option<Vec<&str>> =
                (case.classes.as_ref()).map(|of| of.iter().map(String::as_str).collect());
            let draw = |number| draw(number, case.stimuli, labels.as_deref(), case.seed);
            assert_eq!(case.refused.is_some(), case.splits.is_empty());
            if let Some(refused) = &case.refused {
                let error = draw(0).expect_err(refused);
                let expected = match () {
                    () if refused.contains("least populated class") => {
                        matches!(error, SplitError::AloneInClass { .. })
                    }
                    () if refused.contains("number of classes") => {
                        matches!(error, SplitError::Classes { .. })
                    }
                    () => matches!(error, SplitError::EmptyPart { .. }),
                };
                assert!(expected, "{error}: {refused}");
            }
            for (number, train, test) in &case.splits {
                let drawn = draw(*number).expect("a split");
                assert_eq!(&drawn.train, train, "{} {number}", case.stimuli);
                assert_eq!(&drawn.test, test, "{} {number}", case.stimuli);
            }
        }
    }

    #[test]
    fn fewer_than_ten_stimuli_are_refused_with_how_many_there_are() {
        assert!(check(10).is_ok() && compared(9, 10, None, 1).is_ok());
        insta::assert_snapshot!(
            check(9).expect_err("too few"),
            @"Brain-Score's splits of nine tenths and a tenth need 10 stimuli, and there are 9"
        );
        // There the nine tenths that comparisons take leave nothing.
        assert!(compared(0, 9, None, 1).is_err());
    }

    /// Splits that Brain-Score itself drew; see `../shared/brain-score`.
    #[test]
    fn every_index_is_brain_scores() {
        #[derive(Deserialize)]
        struct Ids {
            train: Vec<String>,
            test: Vec<String>,
        }
        #[derive(Deserialize)]
        struct Golden {
            ids: Vec<String>,
            splits: Vec<Ids>,
            splits_plain: Vec<Ids>,
        }
        let shared = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../shared/brain-score/golden.json"
        );
        let Ok(text) = std::fs::read_to_string(shared) else {
            crate::recording::tests::skipped(std::path::Path::new(shared));
            return;
        };
        let golden: Golden = serde_json::from_str(&text).expect("readable");
        // As its script made them.
        let object = |at: usize| ["car", "face", "dog", "chair"][at % 4];
        let objects: Vec<&str> = (0..golden.ids.len()).map(object).collect();
        let named = |drawn: &[usize]| -> Vec<String> {
            drawn.iter().map(|at| golden.ids[*at].clone()).collect()
        };
        for (labels, splits) in [
            (Some(&objects[..]), &golden.splits),
            (None, &golden.splits_plain),
        ] {
            assert_eq!(splits.len(), 10);
            for (number, split) in (0..).zip(splits) {
                let drawn = draw(number, golden.ids.len(), labels, 1).expect("a split");
                assert_eq!(named(&drawn.train), split.train);
                assert_eq!(named(&drawn.test), split.test);
            }
        }
    }
}
