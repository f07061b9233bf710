//! Brain-Score's own numbers through the command line: recordings that its packages wrote and the numbers
//! that they give (brainscore-core 2.5.0, brainscore-vision 2.4.2), activations from a file.

use crate::harness::{Place, bmp, json, lab_recordings, shared};
use crate::netcdf::{self, Values};
use crate::report::{document, report};
use serde_json::Value;
use std::path::Path;

/// Largest difference of a score from Brain-Score's. Cached activations have 32 bits, theirs 64.
const TOLERANCE: f64 = 1e-6;

/// Models, Brain-Score's names for them, and the largest difference of their scores. Least squares of fewer
/// stimuli than units keeps a direction of rounding in scikit-learn.
const MODELS: [(&str, &str, f64); 5] = [
    ("pls", "pls", TOLERANCE),
    ("ridge-1", "ridge", TOLERANCE),
    ("ridgecv", "ridgecv", TOLERANCE),
    ("single-unit", "neuron_to_neuron", TOLERANCE),
    ("ols", "linear", 1e-4),
];

pub(crate) fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// `rows` as a NumPy array.
pub(crate) fn npy(rows: &[Vec<f64>]) -> Vec<u8> {
    let shape = format!("({}, {})", rows.len(), rows[0].len());
    let header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}");
    let mut bytes = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
    bytes.extend(format!("{header:117}\n").as_bytes());
    bytes.extend(rows.iter().flatten().flat_map(|value| value.to_le_bytes()));
    bytes
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let (low, high) = ((values.len() - 1) / 2, values.len() / 2);
    (values[low] + values[high]) / 2.0
}

fn close(found: &Value, expected: f64, what: &str) {
    near(found, expected, TOLERANCE, what);
}

fn near(found: &Value, expected: f64, tolerance: f64, what: &str) {
    let found = found.as_f64().unwrap_or_else(|| panic!("{what}: {found}"));
    assert!(
        (found - expected).abs() < tolerance,
        "{what}: {found}, {expected}"
    );
}

/// A place in which a sweep with these models has run on the golden recordings and activations, whose rows are
/// in the order of the stimulus set.
fn golden_sweep(folder: &Path, models: &str) -> (Place, Value) {
    let golden = read_json(&folder.join("golden.json"));
    let place = Place::new();
    for file in [
        "assy_lab_Made2026rep.nc",
        "stimulus_lab_Made2026.csv",
        "stimulus_lab_Made2026.zip",
    ] {
        std::fs::copy(folder.join(file), place.path(file)).unwrap();
    }
    let activations: Vec<Vec<f64>> = serde_json::from_value(golden["activations"].clone()).unwrap();
    place.write("m.npy", npy(&activations));
    let file = place.write(
        "golden.toml",
        format!(
            r#"
            name = "golden"
            [recordings]
            assembly = "assy_lab_Made2026rep.nc"
            stimuli = "stimulus_lab_Made2026.csv"
            images = "stimulus_lab_Made2026.zip"
            regions = ["IT"]
            [split]
            scheme = "brain-score"
            [[ann]]
            name = "features"
            weights = "m.npy"
            [grid]
            l1 = [2]
            l2 = [2]
            learning_rate = [1e-3]
            [training]
            max_epochs = 1
            baselines = {models}
            "#
        ),
    );
    json(&place.run(&file).output().unwrap());
    (place, golden)
}

#[test]
fn the_numbers_of_brain_score_come_out_of_the_command_line() {
    let Some(folder) = shared("brain-score") else {
        return;
    };
    let models = r#"["pls", "ridge-1", "ridgecv", "single-unit", "ols"]"#;
    let (place, golden) = golden_sweep(&folder, models);
    let best = place
        .nrp(&["best", "--state", "state", "--output", "json"])
        .output();
    let best = json(&best.unwrap());
    report(&place, &[]);
    let report = document(&place);
    let region = &report["networks"][0]["regions"][0];
    assert_eq!(
        region["brain_score"]["model"], "pls",
        "the first linear model"
    );
    assert_eq!(region["brain_score"]["version"], "2026-01");
    let ceiling = &golden["internal_consistency"];
    for (model, theirs, tolerance) in MODELS {
        let close = |found: &Value, expected: f64, what: &str| {
            near(found, expected, tolerance, &format!("{model} {what}"));
        };
        let theirs = &golden[theirs];
        let raw: Vec<Vec<f64>> = serde_json::from_value(theirs["raw"].clone()).unwrap();
        let medians: Vec<f64> = raw.into_iter().map(median).collect();
        let rows = best.as_array().unwrap().iter();
        let rows: Vec<&Value> = rows
            .filter(|row| row["model"] == model && row["region"] == "IT")
            .collect();
        assert!(!rows.is_empty(), "{best}");
        for row in rows {
            let found = row["pearson_per_split"].as_array().unwrap();
            assert_eq!(found.len(), medians.len());
            for (found, median) in found.iter().zip(&medians) {
                close(found, *median, "in a split");
            }
        }
        let models = region["models"].as_array().unwrap();
        let ours = models.iter().find(|of| of["model"] == model).unwrap();
        let score = &ours["over_splits"]["brain_score"];
        assert_eq!(score["version"], "2026-01");
        assert_eq!(score["splits"], 10);
        let value = |name: &str| theirs[name].as_f64().unwrap();
        close(&score["center"], value("value"), "center");
        close(&score["center_error"], value("error"), "its error");
        close(&score["score_error"], value("error"), "the score's error");
        close(&score["score"], value("ceiled"), "score");
        close(
            &score["ceiling"],
            ceiling["value"].as_f64().unwrap(),
            "ceiling",
        );
        close(
            &score["ceiling_error"],
            ceiling["error"].as_f64().unwrap(),
            "its error",
        );
        let before = value("value") / ceiling["value"].as_f64().unwrap();
        close(
            &score["score_before_2026"],
            before.powi(2),
            "the older score",
        );
    }
}

/// Largest difference of a similarity from Brain-Score's: both compute in 64 bits.
const OF_SIMILARITIES: f64 = 1e-9;

#[test]
fn similarities_of_brain_score_come_out_of_the_command_line() {
    let Some(folder) = shared("brain-score") else {
        return;
    };
    let (place, golden) = golden_sweep(&folder, r#"["rdm", "cka", "cka-biased", "reverse-pls:5"]"#);
    let trials = place.trials();
    report(&place, &[]);
    let report = document(&place);
    let region = &report["networks"][0]["regions"][0];
    let found = |model: &str| {
        let all = region["similarities"].as_array().unwrap().iter();
        let mut of_model = all.filter(|of| of["model"] == model);
        of_model
            .next()
            .unwrap_or_else(|| panic!("{model}: {region}"))
    };
    for (model, whole, parts) in [
        ("rdm", "rdm", Some("rdm_cv")),
        ("cka", "cka", Some("cka_cv")),
        ("cka-biased", "cka_biased", None),
    ] {
        let whole = golden[whole].as_f64().unwrap();
        near(&found(model)["similarity"], whole, OF_SIMILARITIES, model);
        let Some(parts) = parts else { continue };
        let over = &found(model)["over_splits"];
        let value = |name: &str| golden[parts][name].as_f64().unwrap();
        near(&over["mean"], value("value"), OF_SIMILARITIES, parts);
        near(&over["error"], value("error"), OF_SIMILARITIES, parts);
        assert_eq!(over["splits"], 10);
        let raw = golden[parts]["raw"].as_array().unwrap();
        for (split, raw) in raw.iter().enumerate() {
            let is_it = |of: &&Value| of["model"] == model && of["split"] == split;
            let trial = trials.iter().find(is_it).unwrap();
            near(&trial["similarity"], whole, OF_SIMILARITIES, model);
            let raw = raw.as_f64().unwrap();
            near(&trial["similarity_split"], raw, OF_SIMILARITIES, parts);
        }
    }
    let reverse = &golden["reverse_pls"];
    let value = |name: &str| reverse[name].as_f64().unwrap();
    let ours = found("reverse-pls:5");
    close(&ours["similarity"], value("value"), "reverse PLS");
    close(&ours["over_splits"]["mean"], value("value"), "reverse PLS");
    close(&ours["over_splits"]["error"], value("error"), "its error");
    let raw: Vec<Vec<Option<f64>>> = serde_json::from_value(reverse["raw"].clone()).unwrap();
    for (split, raw) in raw.into_iter().enumerate() {
        let is_it = |of: &&Value| of["model"] == "reverse-pls:5" && of["split"] == split;
        let trial = trials.iter().find(is_it).unwrap();
        let of_split = median(raw.into_iter().flatten().collect());
        close(&trial["similarity"], of_split, "reverse PLS in a split");
    }
    // What predicts no site has no score of a prediction, in any command.
    for model in ["rdm", "cka", "cka-biased", "reverse-pls:5"] {
        let is_it = |of: &&Value| of["model"] == model;
        for trial in trials.iter().filter(is_it) {
            for score in [
                "nrp_error",
                "mean_predictor_error",
                "r2_mean",
                "pearson_median",
                "validation_mse",
                "noise_floor",
                "epochs",
                "best_epoch",
                "sites_scored",
                "alpha",
            ] {
                assert!(trial[score].is_null(), "{score}: {trial}");
            }
        }
        assert_eq!(trials.iter().filter(is_it).count(), 10, "{model}");
    }
}

/// Two subjects, all of whose sites are one region, as Brain-Score's `RSACeiling` takes them.
#[test]
fn the_bounds_of_two_subjects_are_brain_scores() {
    let Some(folder) = shared("brain-score") else {
        return;
    };
    let golden = read_json(&folder.join("golden.json"));
    let recorded = &golden["responses_subjects"];
    let words =
        |name: &str| -> Vec<String> { serde_json::from_value(recorded[name].clone()).unwrap() };
    let (ids, subjects) = (words("ids"), words("subject"));
    let rows: Vec<Vec<f64>> = serde_json::from_value(recorded["values"].clone()).unwrap();
    let place = Place::new();
    for file in ["stimulus_lab_Made2026.csv", "stimulus_lab_Made2026.zip"] {
        std::fs::copy(folder.join(file), place.path(file)).unwrap();
    }
    let activations: Vec<Vec<f64>> = serde_json::from_value(golden["activations"].clone()).unwrap();
    place.write("m.npy", npy(&activations));
    let regions = vec!["VC".to_owned(); subjects.len()];
    let file = netcdf::classic(
        &[("presentation", ids.len()), ("neuroid", subjects.len())],
        &[
            ("stimulus_id", &[0], Values::Words(&ids)),
            ("neuroid_id", &[1], Values::Words(&words("neuroid_id"))),
            ("region", &[1], Values::Words(&regions)),
            ("subject", &[1], Values::Words(&subjects)),
            ("data", &[0, 1], Values::Numbers(&rows.concat())),
        ],
    );
    place.write("subjects.nc", file);
    let file = place.write(
        "subjects.toml",
        r#"
        name = "subjects"
        [recordings]
        assembly = "subjects.nc"
        stimuli = "stimulus_lab_Made2026.csv"
        images = "stimulus_lab_Made2026.zip"
        subjects = "each"
        regions = ["VC"]
        [[ann]]
        name = "features"
        weights = "m.npy"
        [grid]
        l1 = [2]
        l2 = [2]
        learning_rate = [1e-3]
        [training]
        max_epochs = 1
        baselines = ["rdm", "cka"]
        "#,
    );
    json(&place.run(&file).output().unwrap());
    let trials = place.trials();
    let rsa = &golden["rsa"];
    let of = |model: &str, subject: &str| {
        let region = format!("VC/{subject}");
        let is_it = |of: &&Value| of["model"] == model && of["region"] == region;
        trials.iter().find(is_it).unwrap()
    };
    let [f, n] = ["monkeyF", "monkeyN"].map(|subject| of("rdm", subject));
    for (trial, expected) in [f, n]
        .into_iter()
        .zip(rsa["per_subject"].as_array().unwrap())
    {
        let expected = expected.as_f64().unwrap();
        near(
            &trial["similarity"],
            expected,
            OF_SIMILARITIES,
            "similarity",
        );
    }
    for (bound, name) in [("similarity_upper", "upper"), ("similarity_lower", "lower")] {
        let mean = (f[bound].as_f64().unwrap() + n[bound].as_f64().unwrap()) / 2.0;
        near(
            &mean.into(),
            rsa[name].as_f64().unwrap(),
            OF_SIMILARITIES,
            name,
        );
    }
    assert!(of("cka", "monkeyF")["similarity_upper"].is_null());
    report(&place, &[]);
    let report = document(&place);
    let regions = report["networks"][0]["regions"].as_array().unwrap();
    let whole = regions.iter().find(|of| of["region"] == "VC").unwrap();
    let found = whole["similarities"].as_array().unwrap();
    let mean = found.iter().find(|of| of["model"] == "rdm").unwrap();
    for (name, theirs) in [
        ("similarity", "raw"),
        ("upper", "upper"),
        ("lower", "lower"),
        ("ceiled", "ceiled"),
    ] {
        let expected = rsa[theirs].as_f64().unwrap();
        near(&mean[name], expected, OF_SIMILARITIES, name);
    }
    assert_eq!(mean["subjects"], 2);
    assert_eq!(mean["per_subject"][1]["subject"], "monkeyN");
}

#[test]
fn an_ann_sees_images_at_its_visual_angle_and_its_trials_say_so() {
    let place = Place::new();
    lab_recordings(&place, 30);
    let sweep = |degrees: &str, ann: &str| {
        format!(
            "name = \"seen\"\n[recordings]\nassembly = \"V4.npy\"\nstimuli = \"stimuli.csv\"\nimages = \
             \"images\"\nregions = [\"V4\"]\n{degrees}\n[[ann]]\nname = \"mobilenet\"\nweights = \
             \"random:1\"\nlayer_sets = [[\"global_average_pooling2d\"]]\n{ann}\n"
        )
    };
    let check = |degrees: &str, ann: &str| {
        let file = place.write("seen.toml", sweep(degrees, ann));
        let checked = place.nrp(&["sweep", "check"]).arg(&file).output().unwrap();
        let words =
            String::from_utf8_lossy(&[checked.stdout, checked.stderr].concat()).into_owned();
        (checked.status.success(), words)
    };
    let (passed, words) = check("degrees = 4", "degrees = 8");
    assert!(
        passed && words.contains("mobilenet sees 8 degrees: images are placed on grey"),
        "{words}"
    );
    let (passed, words) = check("", "degrees = 8");
    assert!(
        !passed && words.contains("nothing says how many degrees the images have"),
        "{words}"
    );
    assert!(
        words.contains("hint: say it of all images by `degrees` under `[recordings]`"),
        "{words}"
    );
    let (passed, words) = check("degrees = 4", "");
    assert!(
        !passed && words.contains("changes nothing until an `[[ann]]` has `degrees` too"),
        "{words}"
    );
    let (passed, words) = check("degrees = 0.0", "degrees = -1");
    assert!(
        !passed
            && words
                .matches("must be degrees of visual angle above 0")
                .count()
                == 2,
        "{words}"
    );
}

/// The stimulus set `name` of the lines of `csv` whose id, in its column `stimulus_id`, is in `ids`; their ids.
pub(crate) fn stimulus_set(place: &Place, name: &str, csv: &str, ids: &Value) -> Vec<String> {
    let (header, lines) = csv.split_once('\n').unwrap();
    let column = header.trim().split(',').position(|of| of == "stimulus_id");
    let id = |line: &str| {
        line.trim()
            .split(',')
            .nth(column.unwrap())
            .unwrap()
            .to_owned()
    };
    let ids: Vec<&str> = ids
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let lines: Vec<&str> = lines
        .lines()
        .filter(|line| ids.contains(&&*id(line)))
        .collect();
    assert_eq!(lines.len(), ids.len());
    place.write(name, format!("{}\n{}\n", header.trim(), lines.join("\n")));
    lines.into_iter().map(id).collect()
}

/// Runs a sweep, and returns what `nrp best` and the report say.
fn run(place: &Place, sweep: &str) -> (Value, Value) {
    let file = place.write("given.toml", sweep);
    json(&place.run(&file).output().unwrap());
    let best = place
        .nrp(&[
            "best", "--state", "state", "--output", "json", "--top", "100",
        ])
        .output();
    let best = json(&best.unwrap());
    report(place, &[]);
    (best, document(place))
}

/// A model's aggregate in a region of several subjects.
pub(crate) fn over_subjects<'a>(report: &'a Value, region: &str, model: &str) -> &'a Value {
    let regions = report["networks"][0]["regions"].as_array().unwrap();
    let region = regions.iter().find(|of| of["region"] == region).unwrap();
    let models = region["models"].as_array().unwrap();
    let model = models.iter().find(|of| of["model"] == model).unwrap();
    &model["over_splits"]["brain_score"]
}

fn row<'a>(best: &'a Value, region: &str, model: &str) -> &'a Value {
    let mut rows = best.as_array().unwrap().iter();
    let row = rows.find(|row| row["region"] == region && row["model"] == model);
    row.unwrap_or_else(|| panic!("no {model} in {region}: {best}"))
}

/// Brain-Score's own benchmark of train and test recordings, subject by subject. One assembly holds both; the
/// stimulus sets choose.
#[test]
fn train_and_test_recordings_of_subjects_score_as_in_brain_score() {
    let Some(folder) = shared("brain-score") else {
        return;
    };
    let golden = read_json(&folder.join("golden.json"));
    let benchmark = read_json(&folder.join("golden_benchmark.json"));
    let place = Place::new();
    for file in ["assy_lab_Made2026subjects.nc", "stimulus_lab_Made2026.zip"] {
        std::fs::copy(folder.join(file), place.path(file)).unwrap();
    }
    let csv = std::fs::read_to_string(folder.join("stimulus_lab_Made2026.csv")).unwrap();
    let mut shown = stimulus_set(&place, "train.csv", &csv, &benchmark["train_ids"]);
    shown.extend(stimulus_set(
        &place,
        "test.csv",
        &csv,
        &benchmark["test_ids"],
    ));
    // Row i of the activations is line i of the one stimulus set, then of the other.
    let ids = golden["ids"].as_array().unwrap();
    let activations: Vec<Vec<f64>> = serde_json::from_value(golden["activations"].clone()).unwrap();
    let of = |id: &String| activations[ids.iter().position(|of| of == id).unwrap()].clone();
    place.write("m.npy", npy(&shown.iter().map(of).collect::<Vec<_>>()));
    let (best, report) = run(
        &place,
        r#"
        name = "given"
        [recordings]
        regions = ["IT"]
        [recordings.train]
        assembly = "assy_lab_Made2026subjects.nc"
        stimuli = "train.csv"
        images = "stimulus_lab_Made2026.zip"
        [recordings.test]
        assembly = "assy_lab_Made2026subjects.nc"
        stimuli = "test.csv"
        images = "stimulus_lab_Made2026.zip"
        [split]
        scheme = "given"
        [[ann]]
        name = "features"
        weights = "m.npy"
        [grid]
        l1 = [2]
        l2 = [2]
        learning_rate = [1e-3]
        [training]
        max_epochs = 1
        baselines = ["ridgecv", "ridge-1"]
        "#,
    );
    for (model, theirs) in [
        ("ridgecv", "train_test_subject_ridgecv"),
        ("ridge-1", "train_test_subject_ridge"),
    ] {
        let theirs = &benchmark[theirs];
        let number = |of: &Value, name: &str| of[name].as_f64().unwrap();
        let score = over_subjects(&report, "IT", model);
        assert_eq!(
            (&score["subjects"], &score["splits"]),
            (&2.into(), &1.into())
        );
        assert_eq!(score["version"], "2026-01");
        assert!(score["center_error"].is_null() && score["score_error"].is_null());
        close(&score["score"], number(theirs, "score"), "score");
        close(&score["center"], number(theirs, "raw"), "center");
        close(&score["ceiling"], number(theirs, "ceiling"), "ceiling");
        for (at, subject) in ["monkeyF", "monkeyN"].into_iter().enumerate() {
            let theirs = &theirs[subject];
            let ours = &score["per_subject"][at];
            assert_eq!(ours["subject"], subject);
            close(&ours["score"], number(theirs, "score"), subject);
            close(&ours["center"], number(theirs, "raw"), subject);
            close(&ours["ceiling"], number(theirs, "ceiling"), subject);
            let row = row(&best, &format!("IT/{subject}"), model);
            close(&row["pearson_per_split"][0], number(theirs, "raw"), subject);
            if theirs["alpha"].is_f64() {
                assert_eq!(row["alpha"], theirs["alpha"], "{subject}");
            }
        }
    }
}

/// Numbers of NumPy, SciPy and scikit-learn on other recordings, see `given/make_given.py`: two files whose sites
/// are in different orders, one of which says how reliable they are.
#[test]
fn train_and_test_recordings_with_a_filter_of_sites_score_as_in_scikit_learn() {
    let given = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/given");
    let expected = read_json(&given.join("given.json"));
    let ids: Vec<String> = serde_json::from_value(expected["ids"].clone()).unwrap();
    for (filter, sites) in [
        ("", ""),
        ("reliability > 0.3", "sites = \"reliability > 0.3\""),
    ] {
        let expected = &expected["filters"][filter];
        let place = Place::new();
        let mut csv = "stimulus_id,filename\n".to_owned();
        std::fs::create_dir(place.path("images")).unwrap();
        for (at, id) in ids.iter().enumerate() {
            csv.push_str(&format!("{id},{at}.bmp\n"));
            place.write(&format!("images/{at}.bmp"), bmp(at as u8));
        }
        place.write("stimuli.csv", csv);
        for file in ["train.nc", "test.nc"] {
            std::fs::copy(given.join(file), place.path(file)).unwrap();
        }
        let units: Value = read_json(&given.join("given.json"))["units"].clone();
        let units: Vec<Vec<f64>> = serde_json::from_value(units).unwrap();
        place.write("m.npy", npy(&units));
        // One stimulus set lists the stimuli of both.
        let (best, report) = run(
            &place,
            &format!(
                r#"
                name = "given"
                [recordings]
                regions = ["IT"]
                {sites}
                [recordings.train]
                assembly = "train.nc"
                stimuli = "stimuli.csv"
                images = "images"
                [recordings.test]
                assembly = "test.nc"
                stimuli = "stimuli.csv"
                images = "images"
                [split]
                scheme = "given"
                [[ann]]
                name = "features"
                weights = "m.npy"
                [grid]
                l1 = [2]
                l2 = [2]
                learning_rate = [1e-3]
                [training]
                max_epochs = 1
                baselines = ["ridge-1", "ridgecv"]
                "#
            ),
        );
        for model in ["ridge-1", "ridgecv"] {
            let score = over_subjects(&report, "IT", model);
            assert_eq!(score["subjects"], 3);
            for key in ["center", "ceiling", "score"] {
                let expected = expected[model][key].as_f64().unwrap();
                close(&score[key], expected, &format!("{filter} {model} {key}"));
            }
            for (subject, expected) in expected[model]["subjects"].as_object().unwrap() {
                let row = row(&best, &format!("IT/{subject}"), model);
                assert_eq!(row["alpha"], expected["alpha"], "{filter} {subject}");
                let center = expected["center"].as_f64().unwrap();
                close(&row["pearson_per_split"][0], center, subject);
            }
        }
    }
}
