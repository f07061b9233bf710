//! Brain-Score's own numbers through the command line: recordings that its packages wrote and the numbers
//! that they give (brainscore-core 2.5.0, brainscore-vision 2.4.2), activations from a file.

use crate::harness::{Place, json, lab_recordings, shared};
use crate::report::{document, report};
use serde_json::Value;
use std::path::Path;

/// Largest difference of a score from Brain-Score's. Cached activations have 32 bits, theirs 64.
const TOLERANCE: f64 = 1e-6;

const MODELS: [(&str, &str); 3] = [("pls", "pls"), ("ridge-1", "ridge"), ("ridgecv", "ridgecv")];

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
    let found = found.as_f64().unwrap_or_else(|| panic!("{what}: {found}"));
    assert!(
        (found - expected).abs() < TOLERANCE,
        "{what}: {found}, {expected}"
    );
}

#[test]
fn the_numbers_of_brain_score_come_out_of_the_command_line() {
    let Some(folder) = shared("brain-score") else {
        return;
    };
    let golden = read_json(&folder.join("golden.json"));
    let place = Place::new();
    for file in [
        "assy_lab_Made2026rep.nc",
        "stimulus_lab_Made2026.csv",
        "stimulus_lab_Made2026.zip",
    ] {
        std::fs::copy(folder.join(file), place.path(file)).unwrap();
    }
    // Golden rows are in the order of the stimulus set.
    let activations: Vec<Vec<f64>> = serde_json::from_value(golden["activations"].clone()).unwrap();
    place.write("m.npy", npy(&activations));
    let file = place.write(
        "golden.toml",
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
        baselines = ["pls", "ridge-1", "ridgecv"]
        "#,
    );
    json(&place.run(&file).output().unwrap());
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
    for (model, theirs) in MODELS {
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
                close(found, *median, model);
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
