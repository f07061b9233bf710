use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::*;
use crate::recording::ceiling::Noise;
use crate::recording::{Layout, Recordings, Source};

/// Numbers of NumPy and SciPy; see `testdata/make_chosen_ceilings.py`.
#[derive(Deserialize)]
struct Fixture {
    cases: Vec<Case>,
    coordinates: Vec<Coordinate>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    stimulus_of: Vec<usize>,
    label_of: Vec<usize>,
    /// Whether the labels are these numbers' digits, as text.
    text: bool,
    values: Vec<Vec<Option<f64>>>,
    ceilings: BTreeMap<String, Expected>,
}

#[derive(Deserialize)]
struct Expected {
    consistency: f64,
    error: f64,
    ceilings: Vec<Option<f64>>,
}

#[derive(Deserialize)]
struct Coordinate {
    values: Vec<Option<f64>>,
    consistency: f64,
    error: f64,
}

fn fixture() -> Fixture {
    serde_json::from_str(include_str!("../../testdata/chosen_ceilings.json")).expect("readable")
}

/// Both sides compute in f64; only the order of the sums differs.
fn close(found: Option<f64>, expected: Option<f64>, what: &str) {
    match (found, expected) {
        (Some(found), Some(expected)) => {
            assert!(
                (found - expected).abs() < 1e-12,
                "{what}: {found} {expected}"
            );
        }
        (found, expected) => assert_eq!(found, expected, "{what}"),
    }
}

#[test]
fn each_ceiling_is_as_numpy_computes_it() {
    let mut kinds = 0;
    for case in fixture().cases {
        let ids: Vec<String> = (case.stimulus_of.iter())
            .map(|of| format!("s{of:03}"))
            .collect();
        let labels = Labels {
            words: case.label_of.iter().map(usize::to_string).collect(),
            are_text: case.text,
        };
        let shown = Shown {
            stimulus_of: &case.stimulus_of,
            ids: &ids,
            ids_are_text: true,
            labels: Some(&labels),
            stimuli: case.stimulus_of.iter().max().expect("stimuli") + 1,
            coordinate: None,
        };
        let value = |at: usize, site: usize| case.values[at][site].unwrap_or(f64::NAN);
        let sites = case.values[0].len();
        for (kind, expected) in &case.ceilings {
            kinds += 1;
            let what = format!("{}, {kind}", case.name);
            let ceiling: Ceiling = kind.parse().expect("a ceiling");
            let noise = Noise::chosen(&ceiling, &shown, sites, value);
            let noise = noise.expect("measured").expect("repetitions");
            close(noise.consistency, Some(expected.consistency), &what);
            close(noise.consistency_error, Some(expected.error), &what);
            for (found, expected) in noise.ceilings.iter().zip(&expected.ceilings) {
                close(*found, *expected, &what);
            }
            // Ids that are numbers are ordered as numbers.
            let numbers: Vec<String> = case.stimulus_of.iter().map(usize::to_string).collect();
            let of = |ids_are_text| Shown {
                ids: &numbers,
                ids_are_text,
                ..shown
            };
            let consistency = |shown| {
                let noise = Noise::chosen(&ceiling, &shown, sites, value).expect("measured");
                noise.expect("repetitions").consistency
            };
            assert_eq!(consistency(of(false)), noise.consistency, "{what}");
            let is_same = consistency(of(true)) == noise.consistency;
            assert_eq!(is_same, ceiling != Ceiling::PerStimulus, "{what}");
            // The floor is measured as ever.
            let halvings = Noise::chosen(&Ceiling::Halvings, &shown, sites, value);
            let halvings = halvings.expect("measured").expect("repetitions");
            assert_eq!(noise.floor(), halvings.floor());
            assert_ne!(noise.consistency, halvings.consistency);
        }
    }
    assert!(kinds >= 15);
}

#[test]
fn a_coordinate_is_resampled_as_numpy_does() {
    for case in fixture().coordinates {
        let values: Vec<f64> = case
            .values
            .iter()
            .map(|of| of.unwrap_or(f64::NAN))
            .collect();
        let found = coordinate("reliability", Some(&values)).expect("measured");
        close(found.consistency, Some(case.consistency), "median");
        close(found.error, Some(case.error), "error");
        assert_eq!(found.ceilings, case.values);
    }
    let refused = coordinate("depth", Some(&[0.5, 1200.0])).expect_err("no reliability");
    assert_eq!(
        refused.to_string(),
        "the coordinate `depth` has 1200, and a ceiling is at most 1"
    );
    for none in [None, Some(&[f64::NAN][..])] {
        let refused = coordinate("depth", none).expect_err("nothing there");
        assert!(matches!(refused, CeilingError::NoCoordinate { .. }));
    }
}

/// What is said where stimuli `0..shown.len()` have presentations with these labels and one site; a label
/// with `!` is one without a response.
fn refusal(ceiling: Ceiling, shown: &[&[&str]], is_labelled: bool) -> String {
    let (mut stimulus_of, mut ids, mut labels, mut values) = (vec![], vec![], vec![], vec![]);
    for (stimulus, repetitions) in shown.iter().enumerate() {
        for (at, label) in repetitions.iter().enumerate() {
            stimulus_of.push(stimulus);
            ids.push(format!("im{stimulus}"));
            labels.push(label.trim_end_matches('!').to_owned());
            let value = (stimulus * 7 % 5 + at) as f64;
            values.push(if label.ends_with('!') {
                f64::NAN
            } else {
                value
            });
        }
    }
    let labels = Labels {
        words: labels,
        are_text: false,
    };
    let shown = Shown {
        stimulus_of: &stimulus_of,
        ids: &ids,
        ids_are_text: true,
        labels: is_labelled.then_some(&labels),
        stimuli: shown.len(),
        coordinate: None,
    };
    let measured = measure(&ceiling, &shown, 1, &|at, _| values[at]);
    let refused = measured.expect_err("refused");
    let help = Diagnostic::help(&refused).expect("what to do");
    format!("{refused}\n  {help}")
}

#[test]
fn what_cannot_be_halved_is_refused_by_name() {
    let whole: &[&str] = &["0", "1"];
    let said = [
        refusal(Ceiling::Repetition, &[whole; 3], false),
        refusal(Ceiling::Repetition, &[&["7", "7"][..]; 3], true),
        refusal(
            Ceiling::Repetition,
            &[whole, &["1"], whole, &["0", "1!"]],
            true,
        ),
        refusal(Ceiling::EvenOdd, &[whole, whole, &["4"], whole], true),
        // Each shown once or twice; enough of them twice.
        refusal(
            Ceiling::Repetition,
            &[&[whole; 10][..], &[&["0"][..]; 2]].concat(),
            true,
        ),
        refusal(
            Ceiling::EvenOdd,
            &[&[whole; 10][..], &[&["0"][..]; 2]].concat(),
            true,
        ),
        // Each shown twice, but not in all repetitions.
        refusal(
            Ceiling::Repetition,
            &[&["0", "1"][..], &["2", "3"], &["1", "3"]],
            true,
        ),
        refusal(Ceiling::PerStimulus, &[whole; 9], true),
        refusal(Ceiling::EvenOdd, &[&["0"][..]; 3], true),
    ];
    insta::assert_snapshot!(said.join("\n"), @r#"
    `ceiling = "repetition"` halves the labels of `repetition`, which the file lacks
      `ceiling = "even-odd"` and `"per-stimulus"` count repetitions in the order of the file; without `ceiling`, all halvings are averaged
    all presentations have the same `repetition`, `7`: there are no halves
      `ceiling = "even-odd"` and `"per-stimulus"` halve each stimulus's presentations; without `ceiling`, all halvings are averaged
    2 stimuli without a response in one half of the repetitions: `im1`, `im3`
      without `ceiling`, such a stimulus is left out of a halving; `scheme = "brain-score"` has no ceiling of fewer than ten stimuli that were shown twice: use another scheme, or leave stimuli that were shown once out of the file
    1 stimulus without a response in one half of the repetitions: `im2`
      without `ceiling`, such a stimulus is left out of a halving; `scheme = "brain-score"` has no ceiling of fewer than ten stimuli that were shown twice: use another scheme, or leave stimuli that were shown once out of the file
    2 stimuli without a response in one half of the repetitions: `im10`, `im11`
      write `ceiling = "per-stimulus"` under `[recordings]`, which leaves out stimuli that were shown once
    2 stimuli without a response in one half of the repetitions: `im10`, `im11`
      write `ceiling = "per-stimulus"` under `[recordings]`, which leaves out stimuli that were shown once
    3 stimuli without a response in one half of the repetitions: `im0`, `im1`, `im2`
      write `ceiling = "even-odd"` under `[recordings]`, which halves each stimulus's own repetitions; without `ceiling`, such a stimulus is left out of a halving, except with `scheme = "brain-score"`
    9 stimuli shown twice or more; `ceiling = "per-stimulus"` needs 10
      leave `ceiling` out: then all halvings are averaged
    no site has responses to all stimuli in both halves of a halving
      leave `ceiling` out: then a stimulus without a response is left out of a halving
    "#);
}

/// As its hint says of them.
#[test]
fn labels_that_are_all_the_same_leave_the_order_of_the_file() {
    let stimulus_of: Vec<usize> = (0..36).map(|at| at % 12).collect();
    let ids: Vec<String> = stimulus_of.iter().map(|of| format!("im{of:02}")).collect();
    let same = Labels {
        words: vec!["7".to_owned(); 36],
        are_text: false,
    };
    let value =
        |at: usize, _: usize| (stimulus_of[at] * 7 % 5) as f64 + (at * 11 % 13) as f64 / 10.0;
    for ceiling in [Ceiling::EvenOdd, Ceiling::PerStimulus] {
        let measured = |labels| {
            let shown = Shown {
                stimulus_of: &stimulus_of,
                ids: &ids,
                ids_are_text: true,
                labels,
                stimuli: 12,
                coordinate: None,
            };
            measure(&ceiling, &shown, 1, &value)
                .expect("measured")
                .expect("a ceiling")
        };
        assert_eq!(measured(Some(&same)), measured(None), "{ceiling}");
    }
}

fn shared(name: &str) -> Option<String> {
    let path = format!("{}/../../shared/{name}", env!("CARGO_MANIFEST_DIR"));
    let is_there = Path::new(&path).exists();
    if !is_there {
        crate::recording::tests::skipped(Path::new(&path));
    }
    is_there.then_some(path)
}

fn noise(assembly: &str, stimuli: &str, images: &str, region: &str, ceiling: Ceiling) -> Noise {
    let source = Source::Files {
        assembly: assembly.into(),
        stimuli: stimuli.into(),
        images: images.into(),
        layout: Layout {
            ceiling,
            ..Layout::documented()
        },
    };
    let recordings = Recordings::open(&source, &[region.to_owned()]).expect("recordings");
    recordings.regions[0].noise.clone().expect("repetitions")
}

/// What Brain-Score itself computed; see `../shared/brain-score`.
#[test]
fn ceilings_are_brain_scores() {
    #[derive(Deserialize)]
    struct Golden {
        internal_consistency: Score,
        predictor_consistency: Score,
    }
    #[derive(Deserialize)]
    struct Score {
        value: f64,
        error: f64,
        /// `[splits][sites]`
        raw: Vec<Vec<f64>>,
    }
    let file = |name: &str| shared(&format!("brain-score/{name}"));
    let (Some(golden), Some(assembly), Some(stimuli), Some(images)) = (
        file("golden.json"),
        file("assy_lab_Made2026rep.nc"),
        file("stimulus_lab_Made2026.csv"),
        file("stimulus_lab_Made2026.zip"),
    ) else {
        return;
    };
    let golden = std::fs::read_to_string(golden).expect("readable");
    let golden: Golden = serde_json::from_str(&golden).expect("its shape");
    for (ceiling, score) in [
        (Ceiling::Repetition, golden.internal_consistency),
        (Ceiling::PerStimulus, golden.predictor_consistency),
    ] {
        let what = ceiling.to_string();
        let found = noise(&assembly, &stimuli, &images, "IT", ceiling);
        close(found.consistency, Some(score.value), &what);
        close(found.consistency_error, Some(score.error), &what);
        assert_eq!(found.ceilings.len(), score.raw[0].len());
        for (site, found) in found.ceilings.iter().enumerate() {
            let of_site = score.raw.iter().map(|split| split[site]);
            close(*found, mean(of_site), &what);
        }
    }
    // Linearly spaced over ten sites, of which the last six are in IT.
    let coordinate = Ceiling::Coordinate("reliability".to_owned());
    let found = noise(&assembly, &stimuli, &images, "IT", coordinate);
    let reliability = |site: f64| 0.2 + 0.7 * site / 9.0;
    close(found.consistency, Some(reliability(6.5)), "reliability");
}

/// Computed by brainscore-vision 2.4.2 of a session of V4, whose stimuli have 6 to 10 repetitions.
#[test]
fn ceilings_of_a_session_are_brain_scores() {
    let file = |name: &str| shared(&format!("data/v4-210325/{name}"));
    let (Some(assembly), Some(stimuli), Some(images)) = (
        file("assy_v4-210325.nc"),
        file("stimulus_v4-210325.csv"),
        file("stimulus_v4-210325.zip"),
    ) else {
        return;
    };
    // Published to six digits.
    for (ceiling, expected) in [
        (Ceiling::Repetition, 0.759_461),
        (Ceiling::EvenOdd, 0.773_100),
    ] {
        let found = noise(&assembly, &stimuli, &images, "V4", ceiling.clone());
        let found = found.consistency.expect("defined");
        assert!((found - expected).abs() < 1e-6, "{ceiling}: {found}");
    }
}
