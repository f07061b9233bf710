//! Shares, strata, ids that stay together, and the division that a seed makes.

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
                [&split.train, &split.validation, &split.test].map(|part| part.contains(stimulus))
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
