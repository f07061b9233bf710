//! Comparisons against NumPy, SciPy and scikit-learn, and what is refused.

use super::kernel::Kernel;
use super::{
    Compared, ComparisonError, Responses, cka, evaluate, evaluate_reverse, least_stimuli, reverse,
};
use crate::nrp::{Activations, Data, TrainError, Trained};
use nrp_proto::sweep::Comparison;
use serde::Deserialize;
use std::error::Error;

/// A case of `testdata/make_comparisons.py`. Of each list of two, the first number is over all stimuli, the
/// second over the part.
#[derive(Deserialize)]
struct Case {
    name: String,
    units: Vec<usize>,
    sites: usize,
    activations: Vec<Vec<f64>>,
    responses: Vec<Vec<f64>>,
    part: Vec<usize>,
    train: Vec<usize>,
    test: Vec<usize>,
    rdm: [f64; 2],
    cka: [f64; 2],
    cka_biased: [f64; 2],
    components: u32,
    reverse: f64,
    varying: usize,
    #[serde(default)]
    subjects: Vec<Subject>,
}

/// What is expected of one of several subjects, whose sites take turns.
#[derive(Deserialize)]
struct Subject {
    rdm: f64,
    upper: f64,
    lower: f64,
    cka: f64,
    between: Vec<f64>,
}

/// Activations that are known in 64 bits, the units of all layers in one row.
struct Wide {
    units: Vec<usize>,
    rows: Vec<Vec<f64>>,
}

impl Activations for Wide {
    fn units(&self) -> &[usize] {
        &self.units
    }

    fn read(
        &self,
        _layer: usize,
        _stimulus: usize,
        _first: usize,
        _out: &mut [f32],
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        Err("a comparison reads 64 bits".into())
    }

    fn read_wide(
        &self,
        layer: usize,
        stimulus: usize,
        first: usize,
        out: &mut [f64],
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        let before: usize = self.units[..layer].iter().sum();
        out.copy_from_slice(&self.rows[stimulus][before + first..][..out.len()]);
        Ok(())
    }
}

fn cases() -> Vec<Case> {
    let cases: Vec<Case> =
        serde_json::from_str(include_str!("testdata/comparisons.json")).expect("readable fixture");
    assert!(cases.len() >= 8);
    cases
}

impl Case {
    fn activations(&self) -> Wide {
        Wide {
            units: self.units.clone(),
            rows: self.activations.clone(),
        }
    }

    fn responses(&self) -> Vec<f64> {
        self.responses.concat()
    }

    fn evaluate(&self, comparison: Comparison) -> Result<Trained, TrainError> {
        let all: Vec<usize> = (0..self.responses.len()).collect();
        let values = self.responses();
        let compared = Compared {
            responses: Responses {
                subject: "",
                values: &values,
                sites: self.sites,
            },
            others: &[],
            stimuli: &all,
            part: &self.part,
        };
        let activations = Kernel::of_activations(&self.activations(), &all, &mut |_| true)?;
        evaluate(comparison, &activations, compared)
    }

    fn refused(&self, comparison: Comparison) -> String {
        let refused = self.evaluate(comparison).expect_err("refused");
        refused.to_string()
    }
}

fn data<'a>(case: &'a Case, activations: &'a Wide, responses: &'a [f64]) -> Data<'a> {
    Data {
        activations,
        responses,
        noise: None,
        sites: case.sites,
        train: &case.train,
        validation: &case.test,
        test: &case.test,
        linear_path: None,
    }
}

#[test]
fn similarities_are_those_of_numpy_and_scipy() {
    for case in cases() {
        for (comparison, expected) in [
            (Comparison::Rdm, case.rdm),
            (Comparison::Cka, case.cka),
            (Comparison::CkaBiased, case.cka_biased),
        ] {
            let scores = case.evaluate(comparison).expect("compares").test.scores;
            let found = [scores.similarity, scores.similarity_split];
            for (found, expected) in found.into_iter().zip(expected) {
                let found = found.expect("has one");
                // Only the order of sums differs. NumPy orders dissimilarities that are equal but for
                // rounding by that rounding, and centres rows far from 0 in 64 bits.
                let tolerance = match (case.name.as_str(), comparison) {
                    ("stimuli that look the same", Comparison::Rdm) => 1e-3,
                    ("far from 0", Comparison::Rdm | Comparison::CkaBiased) => 1e-6,
                    _ => 1e-12,
                };
                assert!(
                    (found - expected).abs() < tolerance,
                    "{} {comparison}: {found}, {expected}",
                    case.name
                );
            }
            assert_eq!((scores.sites, scores.sites_scored), (case.sites as u32, 0));
        }
    }
}

#[test]
fn reverse_pls_is_scikit_learns() {
    for case in cases() {
        let (activations, responses) = (case.activations(), case.responses());
        let data = data(&case, &activations, &responses);
        let varying = reverse::correlations(&data, case.components, &mut |_| true);
        assert_eq!(varying.expect("fits").len(), case.varying, "{}", case.name);
        let found = evaluate_reverse(case.components, &data, &mut |_| true);
        let scores = found.expect("fits").test.scores;
        let found = scores.similarity.expect("has one");
        // The iteration stops early, and so carries rounding into its weights.
        assert!(
            (found - case.reverse).abs() < 1e-9,
            "{}: {found}, {}",
            case.name,
            case.reverse
        );
        assert_eq!(scores.similarity_split, Some(found));
    }
}

/// Nili's bounds, and CKA of pairs of subjects.
#[test]
fn other_subjects_bound_the_similarity() {
    let cases = cases();
    let case = cases.iter().find(|case| !case.subjects.is_empty());
    let case = case.expect("one has subjects");
    let (subjects, all) = (
        case.subjects.len(),
        (0..case.responses.len()).collect::<Vec<_>>(),
    );
    let own = |subject: usize| -> Vec<f64> {
        let rows = case.responses.iter();
        let own = rows.flat_map(|row| row.iter().skip(subject).step_by(subjects));
        own.copied().collect()
    };
    let mut values: Vec<Vec<f64>> = (0..subjects).map(own).collect();
    let kernel = Kernel::of_activations(&case.activations(), &all, &mut |_| true);
    let kernel = kernel.expect("finite");
    let scores = |values: &[Vec<f64>], subject: usize, comparison| {
        let mut of = values.iter().map(|values| Responses {
            subject: "one",
            values,
            sites: case.sites / subjects,
        });
        let mut all_subjects: Vec<Responses<'_>> = of.by_ref().collect();
        let responses = all_subjects.remove(subject);
        let compared = Compared {
            responses,
            others: &all_subjects,
            stimuli: &all,
            part: &case.part,
        };
        evaluate(comparison, &kernel, compared).map(|of| of.test.scores)
    };
    let near = |found: Option<f64>, expected: f64| {
        let found = found.expect("has one");
        // Only the order of sums differs.
        assert!((found - expected).abs() < 1e-12, "{found}, {expected}");
    };
    for (subject, expected) in case.subjects.iter().enumerate() {
        let rdm = scores(&values, subject, Comparison::Rdm).expect("compares");
        near(rdm.similarity, expected.rdm);
        near(rdm.similarity_upper, expected.upper);
        near(rdm.similarity_lower, expected.lower);
        assert!(rdm.between_subjects.is_empty());
        let cka = scores(&values, subject, Comparison::Cka).expect("compares");
        near(cka.similarity, expected.cka);
        assert_eq!(cka.between_subjects.len(), expected.between.len());
        assert_eq!(cka.other_subjects, vec!["one"; expected.between.len()]);
        for (found, expected) in cka.between_subjects.iter().zip(&expected.between) {
            near(Some(*found), *expected);
        }
        assert_eq!((cka.similarity_upper, cka.similarity_lower), (None, None));
    }
    // What another subject lacks takes its bounds away, and what its own lacks the similarity.
    values[2][7] = f64::NAN;
    let found = scores(&values, 0, Comparison::Rdm).expect("compares");
    near(found.similarity, case.subjects[0].rdm);
    assert_eq!(
        (found.similarity_upper, found.similarity_lower),
        (None, None)
    );
    let found = scores(&values, 0, Comparison::Cka).expect("compares");
    assert!(found.between_subjects.is_empty());
    assert!(scores(&values, 2, Comparison::Rdm).is_err());
}

/// As where only the test recordings' stimuli count.
#[test]
fn a_comparison_of_some_stimuli_is_that_of_a_part() {
    for case in cases() {
        let (stimuli, values) = (&case.part, case.responses());
        let places: Vec<usize> = (0..stimuli.len()).collect();
        let compared = Compared {
            responses: Responses {
                subject: "",
                values: &values,
                sites: case.sites,
            },
            others: &[],
            stimuli,
            part: &places[1..],
        };
        let kernel = Kernel::of_activations(&case.activations(), stimuli, &mut |_| true);
        let kernel = kernel.expect("finite");
        assert!(kernel.is_of(stimuli) && !kernel.is_of(&places));
        for comparison in [Comparison::Rdm, Comparison::Cka] {
            let some = evaluate(comparison, &kernel, compared).expect("compares");
            let all = case.evaluate(comparison).expect("compares");
            let [some, all] = [some, all].map(|of| of.test.scores);
            let [found, expected] =
                [some.similarity, all.similarity_split].map(|of| of.expect("has one"));
            // Only the order of sums differs.
            assert!((found - expected).abs() < 1e-12, "{found}, {expected}");
            assert_ne!(some.similarity_split, some.similarity);
        }
    }
}

#[test]
fn blocks_of_units_change_nothing() {
    let case = &cases()[1];
    let [one, several] = [vec![61], vec![1, 20, 40]].map(|units| {
        let case = Case {
            units,
            activations: case.activations.clone(),
            responses: case.responses.clone(),
            part: case.part.clone(),
            train: case.train.clone(),
            test: case.test.clone(),
            name: String::new(),
            subjects: Vec::new(),
            ..*case
        };
        let rdm = case.evaluate(Comparison::Rdm).expect("compares");
        let (activations, responses) = (case.activations(), case.responses());
        let data = data(&case, &activations, &responses);
        let reverse = evaluate_reverse(3, &data, &mut |_| true).expect("fits");
        [rdm, reverse].map(|of| of.test.scores.similarity.expect("has one"))
    });
    for (one, several) in one.into_iter().zip(several) {
        // Sums of other blocks round otherwise.
        assert!((one - several).abs() < 1e-10, "{one}, {several}");
    }
}

#[test]
fn what_cannot_be_compared_is_refused_with_what_was_found() {
    let all = || cases().swap_remove(0);
    let mut missing = all();
    missing.responses[3][2] = f64::NAN;
    assert_eq!(
        missing.refused(Comparison::Cka),
        "1 of 24 stimuli lack a response at one of the 7 sites"
    );
    let mut constant = all();
    constant.activations[5] = vec![0.1; 13];
    assert_eq!(
        constant.refused(Comparison::Rdm),
        "stimulus 5 has the same value at all units: its dissimilarities are undefined"
    );
    assert!(constant.evaluate(Comparison::Cka).is_ok());
    let mut wild = all();
    wild.activations[5][6] = f64::INFINITY;
    assert!(matches!(
        wild.evaluate(Comparison::Rdm),
        Err(TrainError::NonFiniteActivation { layer: 0, unit: 6 })
    ));
    let mut few = all();
    few.responses.truncate(3);
    few.part = vec![0, 1];
    assert_eq!(
        few.refused(Comparison::Cka),
        "3 stimuli cannot be compared; `cka` needs 4"
    );
    assert!(few.evaluate(Comparison::CkaBiased).is_ok());
    few.responses.truncate(2);
    assert_eq!(
        few.refused(Comparison::Rdm),
        "2 stimuli cannot be compared; `rdm` needs 3"
    );
    let mut narrow = all();
    narrow.sites = 2;
    narrow.responses.iter_mut().for_each(|row| row.truncate(2));
    assert_eq!(
        narrow.refused(Comparison::Rdm),
        "2 sites make no dissimilarities: `rdm` needs 3"
    );
    let mut alike = all();
    alike.activations = vec![alike.activations[0].clone(); 24];
    assert_eq!(
        alike.refused(Comparison::Cka),
        "the activations are the same for all stimuli: there is nothing to align"
    );
    assert_eq!(
        alike.refused(Comparison::Rdm),
        "all dissimilarities between activations are equal: they have no order"
    );
}

#[test]
fn a_part_with_too_few_stimuli_takes_only_its_own_similarity_away() {
    let with = |part: &[usize], comparison| {
        let mut case = cases().swap_remove(0);
        case.part = part.to_vec();
        let scores = case.evaluate(comparison).expect("compares").test.scores;
        (scores.similarity, scores.similarity_split.is_some())
    };
    for (comparison, least) in [
        (Comparison::Rdm, 3),
        (Comparison::Cka, 4),
        (Comparison::CkaBiased, 2),
    ] {
        assert_eq!(least_stimuli(comparison), least);
        let part = [4, 9, 2, 17];
        let (enough, has_part) = with(&part[..least], comparison);
        assert!(has_part, "{comparison}");
        let (few, has_part) = with(&part[..least - 1], comparison);
        assert!(!has_part, "{comparison}");
        assert!(few.is_some() && few == enough, "{comparison}");
    }
}

#[test]
fn reverse_pls_says_which_count_is_too_small() {
    let case = &cases()[0];
    let (activations, mut responses) = (case.activations(), case.responses());
    let refused = |responses: &[f64], components| {
        let data = data(case, &activations, responses);
        match evaluate_reverse(components, &data, &mut |_| true) {
            Err(TrainError::Comparison(refused)) => refused,
            other => panic!("{:?}", other.map(|of| of.test)),
        }
    };
    let of_sites = ComparisonError::Components {
        components: 8,
        of: "sites",
        found: 7,
    };
    assert_eq!(refused(&responses, 8), of_sites);
    responses[case.test[0] * case.sites] = f64::NAN;
    assert!(matches!(
        refused(&responses, 2),
        ComparisonError::Missing {
            stimuli: 1,
            of: 18,
            sites: 7
        }
    ));
    let flat = Wide {
        units: vec![13],
        rows: vec![vec![0.25; 13]; 24],
    };
    let responses = case.responses();
    let found = evaluate_reverse(2, &data(case, &flat, &responses), &mut |_| true);
    assert!(matches!(
        found,
        Err(TrainError::Comparison(ComparisonError::NoUnit {
            stimuli: 6
        }))
    ));
}

#[test]
fn a_comparison_stops_when_it_is_told_to() {
    let case = &cases()[0];
    let (activations, responses) = (case.activations(), case.responses());
    let stopped = Kernel::of_activations(&activations, &[0, 1, 2], &mut |_| false);
    assert!(matches!(stopped, Err(TrainError::Interrupted { .. })));
    let stopped = evaluate_reverse(2, &data(case, &activations, &responses), &mut |_| false);
    assert!(matches!(stopped, Err(TrainError::Interrupted { .. })));
}

/// Rows that are one row, at counts where sums of their means round and where they do not; and rows that differ in
/// single precision.
#[test]
fn rows_that_are_alike_are_refused_whatever_their_number() {
    let sites = 7;
    let drawn = |at: usize| (12.9898 * at as f64).sin() * 437.585_453 % 1.0;
    for stimuli in [4, 23, 24, 41, 50, 57, 60, 77, 100, 251] {
        for offset in [0.0, 1e3, -1e6] {
            let all: Vec<usize> = (0..stimuli).collect();
            let row: Vec<f64> = (0..sites).map(|at| offset + drawn(at)).collect();
            let varied: Vec<f64> = (0..stimuli * sites).map(|at| drawn(at + 99)).collect();
            let kernel =
                |values: &[f64]| Kernel::of_responses(values, sites, &all).expect("all there");
            let (alike, varied) = (kernel(&row.repeat(stimuli)), kernel(&varied));
            for is_unbiased in [true, false] {
                for (a, b) in [(&alike, &varied), (&varied, &alike)] {
                    let found = cka::cka(a, b, &all, is_unbiased);
                    assert!(
                        matches!(found, Err(ComparisonError::Alike { .. })),
                        "{stimuli} {offset} {is_unbiased}: {found:?}"
                    );
                }
            }
            let mut nearly = row.repeat(stimuli);
            nearly[0] += 1e-3 * (1.0 + offset.abs());
            assert!(cka::cka(&kernel(&nearly), &varied, &all, false).is_ok());
        }
    }
}
