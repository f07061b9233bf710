//! `nrp commit` and region maps: the choice is that of Brain-Score's formulas, and the file that is written says the
//! same to a sweep that reads it.

use crate::brain_score::{median, npy, read_json};
use crate::harness::{Place, json, refusal, shared};
use crate::report::{document, report};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ops::Range;

/// Largest difference between two programs' numbers of one formula.
const TOLERANCE: f64 = 1e-9;

/// Files as an uncompressed zip.
fn zip(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    fn crc(bytes: &[u8]) -> u32 {
        let step = |crc: u32, byte: &u8| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
                (crc >> 1) ^ (0xedb8_8320 * (crc & 1))
            })
        };
        !bytes.iter().fold(!0, step)
    }
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in files {
        let offset = bytes.len() as u32;
        let length = content.len() as u32;
        // Version, flags, method, time and date.
        let mut shared = [20_u16, 0, 0, 0, 0x21].map(u16::to_le_bytes).concat();
        for word in [crc(content), length, length] {
            shared.extend(word.to_le_bytes());
        }
        shared.extend((name.len() as u16).to_le_bytes());
        shared.extend([0; 2]);
        bytes.extend(b"PK\x03\x04");
        bytes.extend(&shared);
        bytes.extend(name.as_bytes());
        bytes.extend(content);
        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(&shared);
        directory.extend([0; 10]);
        directory.extend(offset.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let [count, start] = [files.len() as u32, bytes.len() as u32];
    bytes.extend(&directory);
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    for _ in 0..2 {
        bytes.extend((count as u16).to_le_bytes());
    }
    bytes.extend((directory.len() as u32).to_le_bytes());
    bytes.extend(start.to_le_bytes());
    bytes.extend([0; 2]);
    bytes
}

/// A sweep of `layer_sets` on the recordings that Brain-Score's packages wrote.
fn sweep(layer_sets: &str, more: &str) -> String {
    format!(
        r#"
        name = "layers"
        [recordings]
        assembly = "assy_lab_Made2026rep.nc"
        stimuli = "stimulus_lab_Made2026.csv"
        images = "stimulus_lab_Made2026.zip"
        regions = ["IT"]
        [split]
        scheme = "brain-score"
        [[ann]]
        name = "features"
        weights = "layers.npz"
        {layer_sets}
        [grid]
        l1 = [2]
        l2 = [2]
        learning_rate = [1e-3]
        [training]
        max_epochs = 1
        {more}
        "#
    )
}

const BASELINES: &str = "baselines = [\"pls\", \"ridge-1\"]";

const LAYERS: [&str; 3] = ["early", "middle", "late"];

/// The units of a layer, of the 60 that there are.
fn units(layer: &str) -> Range<usize> {
    match layer {
        "early" => 0..10,
        "middle" => 10..30,
        _ => 30..60,
    }
}

/// A place with these recordings and, as three layers, the units that they were made from.
fn place() -> Option<Place> {
    let folder = shared("brain-score")?;
    let place = Place::new();
    for file in [
        "assy_lab_Made2026rep.nc",
        "stimulus_lab_Made2026.csv",
        "stimulus_lab_Made2026.zip",
    ] {
        std::fs::copy(folder.join(file), place.path(file)).unwrap();
    }
    let golden = read_json(&folder.join("golden.json"));
    let rows: Vec<Vec<f64>> = serde_json::from_value(golden["activations"].clone()).unwrap();
    let of = |name: &str| -> Vec<Vec<f64>> {
        rows.iter().map(|row| row[units(name)].to_vec()).collect()
    };
    let files = LAYERS.map(|name| (format!("{name}.npy"), npy(&of(name))));
    let files = files
        .iter()
        .map(|(name, bytes)| (name.as_str(), bytes.clone()));
    place.write("layers.npz", zip(&files.collect::<Vec<_>>()));
    Some(place)
}

/// What `nrp commit` says, with its exit code.
fn commit(place: &Place, arguments: &[&str]) -> (Value, i32, String) {
    let mut command = place.nrp(&["commit", "--state", "state", "--output", "json"]);
    let output = command.args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let document = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (document, output.status.code().unwrap(), said)
}

/// The files of a directory and below, with their contents.
fn contents(directory: &std::path::Path) -> BTreeMap<std::path::PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(contents(&path));
        } else {
            let bytes = std::fs::read(&path).unwrap();
            all.insert(path, bytes);
        }
    }
    all
}

/// The score of a layer from its trials, by the formula of January 2026: the mean over splits of the median r,
/// squared, over the ceiling.
fn ceiled(trials: &[Value], model: &str, layer: &str) -> f64 {
    let of: Vec<&Value> = trials
        .iter()
        .filter(|trial| trial["model"] == model && trial["layers"] == json!([layer]))
        .collect();
    assert_eq!(of.len(), 10, "{model} {layer}");
    let value = |trial: &Value, name: &str| trial[name].as_f64().unwrap();
    let center = of
        .iter()
        .map(|trial| value(trial, "pearson_median"))
        .sum::<f64>()
        / 10.0;
    center.powi(2) / value(of[0], "split_half_consistency")
}

/// The ceiled score of ridge regression with a penalty of 1 on some units, from the golden splits, responses and
/// ceiling alone.
fn golden_ridge(golden: &Value, units: Range<usize>) -> f64 {
    let ids: Vec<String> = serde_json::from_value(golden["ids"].clone()).unwrap();
    assert_eq!(golden["responses_mean"]["ids"], golden["ids"]);
    let of = |value: &Value| -> Vec<Vec<f64>> { serde_json::from_value(value.clone()).unwrap() };
    let activations = of(&golden["activations"]);
    let responses = of(&golden["responses_mean"]["values"]);
    let x: Vec<&[f64]> = activations.iter().map(|row| &row[units.clone()]).collect();
    let medians = golden["splits"].as_array().unwrap().iter().map(|split| {
        let rows = |part: &str| -> Vec<usize> {
            let names = split[part].as_array().unwrap().iter();
            let row = |name: &Value| ids.iter().position(|id| name == id).unwrap();
            names.map(row).collect()
        };
        let (train, test) = (rows("train"), rows("test"));
        let sites = 0..responses[0].len();
        let correlations = sites.map(|site| {
            let y: Vec<f64> = responses.iter().map(|row| row[site]).collect();
            let measured: Vec<f64> = test.iter().map(|row| y[*row]).collect();
            pearson(&measured, &ridge(&x, &y, &train, &test))
        });
        median(correlations.collect())
    });
    let center = medians.sum::<f64>() / 10.0;
    center.powi(2) / golden["internal_consistency"]["value"].as_f64().unwrap()
}

/// What ridge regression with a penalty of 1, fitted to the rows `train`, predicts for the rows `test`: the normal
/// equations of centred rows, by elimination.
fn ridge(x: &[&[f64]], y: &[f64], train: &[usize], test: &[usize]) -> Vec<f64> {
    let units = x[0].len();
    let sum = |of: &dyn Fn(usize) -> f64| train.iter().map(|row| of(*row)).sum::<f64>();
    let mean = |of: &dyn Fn(usize) -> f64| sum(of) / train.len() as f64;
    let x_mean: Vec<f64> = (0..units).map(|unit| mean(&|row| x[row][unit])).collect();
    let y_mean = mean(&|row| y[row]);
    let centred = |row: usize, unit: usize| x[row][unit] - x_mean[unit];
    let line = |a: usize| -> Vec<f64> {
        let products = (0..units).map(|b| sum(&|row| centred(row, a) * centred(row, b)));
        let mut line: Vec<f64> = products.collect();
        line[a] += 1.0;
        line.push(sum(&|row| centred(row, a) * (y[row] - y_mean)));
        line
    };
    let mut system: Vec<Vec<f64>> = (0..units).map(line).collect();
    for at in 0..units {
        let pivot = system[at].clone();
        for (_, line) in system.iter_mut().enumerate().filter(|(of, _)| *of != at) {
            let factor = line[at] / pivot[at];
            for (value, of_pivot) in line.iter_mut().zip(&pivot) {
                *value -= factor * of_pivot;
            }
        }
    }
    let predict = |row: &usize| {
        let weights = system.iter().enumerate();
        let weights = weights.map(|(unit, line)| (unit, line[units] / line[unit]));
        y_mean
            + weights
                .map(|(unit, weight)| centred(*row, unit) * weight)
                .sum::<f64>()
    };
    test.iter().map(predict).collect()
}

fn pearson(a: &[f64], b: &[f64]) -> f64 {
    let mean = |of: &[f64]| of.iter().sum::<f64>() / of.len() as f64;
    let (a_mean, b_mean) = (mean(a), mean(b));
    let sum = |of: &dyn Fn(f64, f64) -> f64| {
        let pairs = a.iter().zip(b);
        pairs.map(|(a, b)| of(a - a_mean, b - b_mean)).sum::<f64>()
    };
    sum(&|a, b| a * b) / (sum(&|a, _| a * a) * sum(&|_, b| b * b)).sqrt()
}

#[test]
fn the_layer_of_the_highest_ceiled_score_is_committed_and_read_back() {
    let Some(place) = place() else { return };
    let file = place.write(
        "layers.toml",
        sweep(
            "layer_sets = [[\"early\"], [\"middle\"], [\"late\"], [\"early\", \"late\"]]",
            BASELINES,
        ),
    );
    json(&place.run(&file).output().unwrap());
    let trials = place.trials();
    let before = contents(&place.path("state"));
    let golden = read_json(&shared("brain-score/golden.json").unwrap());
    for model in ["pls", "ridge-1"] {
        let (said, code, _) = commit(&place, &["--model", model, "--by", "IT"]);
        assert_eq!(code, 0);
        let region = &said["anns"][0]["regions"][0];
        assert_eq!(
            (&region["region"], &region["by"]),
            (&json!("IT"), &json!("score"))
        );
        let sets = region["layer_sets"].as_array().unwrap();
        assert_eq!(sets.len(), 4, "every layer set is shown");
        let mut best = ("", f64::NEG_INFINITY);
        for (layer, set) in LAYERS.into_iter().zip(sets) {
            assert_eq!(set["layers"], json!([layer]));
            let score = ceiled(&trials, model, layer);
            let found = set["brain_score"]["score"].as_f64().unwrap();
            assert!(
                (found - score).abs() < TOLERANCE,
                "{layer}: {found}, {score}"
            );
            if model == "ridge-1" {
                let golden = golden_ridge(&golden, units(layer));
                // Cached activations have 32 bits.
                assert!((found - golden).abs() < 1e-6, "{layer}: {found}, {golden}");
            }
            if score > best.1 {
                best = (layer, score);
            }
        }
        assert_eq!(sets[3]["barred"], "several_layers");
        assert!(sets[3]["brain_score"]["score"].is_f64());
        for set in sets {
            assert_eq!(set["chosen"], set["layers"] == json!([best.0]));
        }
        assert_eq!(region["layer"], best.0);
        assert_eq!(said["anns"][0]["region_layer_map"], json!({ "IT": best.0 }));
        assert_eq!(said["anns"][0]["file"], Value::Null);
    }
    // The report scores the same layer by the same function, where it is the model's scored one.
    report(&place, &[]);
    let document = document(&place);
    let (said, _, _) = commit(&place, &[]);
    let sets = &said["anns"][0]["regions"][0]["layer_sets"];
    let models = &document["networks"][0]["regions"][0]["models"];
    let pls = models.as_array().unwrap().iter();
    let pls = pls.clone().find(|of| of["model"] == "pls").unwrap();
    let reported = &pls["over_splits"]["brain_score"];
    let same = sets.as_array().unwrap().iter();
    let same = same.clone().find(|set| set["layers"] == reported["layers"]);
    let ours = &same.unwrap()["brain_score"];
    for field in [
        "center",
        "center_error",
        "ceiling",
        "ceiling_error",
        "score",
    ] {
        assert_eq!(ours[field], reported[field], "{field}");
    }

    // Written for one ANN as a file or in a folder, where Brain-Score would look for it.
    let (said, _, _) = commit(&place, &["--out", "map.json"]);
    let layer = said["anns"][0]["regions"][0]["layer"].clone();
    assert_eq!(said["anns"][0]["file"], "map.json");
    assert_eq!(read_json(&place.path("map.json")), json!({ "IT": layer }));
    commit(&place, &["--out", "region_layer_map"]);
    let in_folder = read_json(&place.path("region_layer_map/layers.json"));
    assert_eq!(in_folder, json!({ "IT": layer }));
    place.write("map.json", r#"{ "V1": ["early"], "IT": "early" }"#);
    let (_, _, said) = commit(&place, &["--out", "map.json", "--merge"]);
    assert!(said.contains("keeps its layers of V1"), "{said}");
    let merged = json!({ "IT": layer, "V1": ["early"] });
    assert_eq!(read_json(&place.path("map.json")), merged);
    assert_eq!(
        contents(&place.path("state")),
        before,
        "a command that reads"
    );

    // The same layer from the file: the trials are those of the sweep.
    let file = place.write(
        "mapped.toml",
        sweep("layer_sets = \"region-map:map.json\"", BASELINES),
    );
    let checked = place
        .nrp(&["sweep", "check", "--output", "json"])
        .arg(&file)
        .output()
        .unwrap();
    let notes = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert!(
        notes.contains("`map.json` also names layers of V1, which the sweep does not have"),
        "{notes}"
    );
    let checked = json(&checked);
    assert_eq!(checked["anns"][0]["layer_sets"], json!([[layer]]));
    assert_eq!(checked["anns"][0]["of_region"], json!(["IT"]));
    let ran = json(&place.run(&file).output().unwrap());
    let ran = ran.as_array().unwrap().iter();
    let known: Vec<&Value> = trials.iter().map(|trial| &trial["trial"]).collect();
    for row in ran.filter(|row| row["model"] != "nrp") {
        assert_eq!(row["layers"], json!([layer]));
        assert!(known.contains(&&row["trial"]), "{row}");
    }
}

#[test]
fn what_cannot_be_chosen_is_said() {
    let Some(place) = place() else { return };
    let file = place.write(
        "layers.toml",
        sweep(
            "layer_sets = \"single\"",
            "baselines = [\"ols\", \"ridge-1\"]",
        ),
    );
    json(&place.run(&file).output().unwrap());
    let refused = |arguments: &[&str]| {
        let mut command = place.nrp(&["commit", "--state", "state"]);
        refusal(&command.args(arguments).output().unwrap())
    };
    let error = refused(&[]);
    assert!(
        error.contains("has several linear models, `ols`, `ridge-1`, and none is `pls`"),
        "{error}"
    );
    let error = refused(&["--model", "rigde-1"]);
    assert!(error.contains("did you mean `ridge-1`?"), "{error}");
    let error = refused(&["--model", "ols", "--by", "It"]);
    assert!(error.contains("did you mean `IT`?"), "{error}");
    // One trial is taken back: nothing is chosen until it has run again.
    let trials = place.trials();
    let one = trials.iter().find(|trial| trial["model"] == "ols").unwrap();
    let retract = place
        .nrp(&["trials", "retract", "--state", "state", "--reason", "test"])
        .arg(one["trial"].as_str().unwrap())
        .output()
        .unwrap();
    assert!(retract.status.success());
    let (said, code, notes) = commit(&place, &["--model", "ols", "--out", "map.json"]);
    assert_eq!(code, 1);
    assert!(
        notes.contains("29 of 30 trials of `ols` have ended"),
        "{notes}"
    );
    assert_eq!(said["anns"][0]["regions"][0]["layer"], Value::Null);
    assert_eq!(said["anns"][0]["regions"][0]["layer_sets"][2]["trials"], 10);
    assert!(!place.path("map.json").exists());
    // Those of the other model are all there.
    let (said, code, _) = commit(&place, &["--model", "ridge-1"]);
    assert_eq!((code, said["model"].as_str()), (0, Some("ridge-1")));
}

#[test]
fn region_maps_of_brain_score_are_read_as_brain_score_means_them() {
    let place = Place::new();
    let check = |ann: &str, map: &str, regions: &str| {
        place.write("map.json", map);
        let file = place.write(
            "sweep.toml",
            format!(
                "name = \"map\"\n[recordings]\nassembly = \"simulated\"\nregions = {regions}\n[[ann]]\nname = \
                 \"{ann}\"\nweights = \"random:1\"\nlayer_sets = \"region-map:map.json\"\n"
            ),
        );
        let mut command = place.nrp(&["sweep", "check", "--output", "json"]);
        command.arg(file).output().unwrap()
    };
    let alexnet =
        r#"{"V1": "features.2", "V2": "features.7", "V4": "features.7", "IT": "features.12"}"#;
    let checked = json(&check("alexnet-torchvision", alexnet, "[\"V4\", \"IT\"]"));
    let sets = json!([["features.7"], ["features.12"]]);
    assert_eq!(checked["anns"][0]["layer_sets"], sets);
    assert_eq!(checked["anns"][0]["of_region"], json!(["V4", "IT"]));
    // A module that runs three times in a block: hooks keep the last call.
    let resnet = r#"{"V4": "layer2.3.relu", "IT": ["layer4.0.relu", "avgpool"]}"#;
    let output = check("resnet50-torchvision", resnet, "[\"V4\", \"IT\"]");
    let notes = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        notes.contains("its last call is meant, `layer2.3.relu_2`"),
        "{notes}"
    );
    let sets = json!([["layer2.3.relu_2"], ["layer4.0.relu_2", "avgpool"]]);
    assert_eq!(json(&output)["anns"][0]["layer_sets"], sets);
    // Names of another network's, a region without a layer, and what is no map.
    let error = refusal(&check(
        "mobilenet",
        r#"{"V4": "conv_pw_6_rel"}"#,
        "[\"V4\"]",
    ));
    assert!(error.contains("did you mean `conv_pw_6_relu`?"), "{error}");
    let error = refusal(&check("mobilenet", alexnet, "[\"IT\", \"V3\"]"));
    assert!(error.contains("the file names no layer for V3"), "{error}");
    let error = refusal(&check("mobilenet", "[1]", "[\"V4\"]"));
    assert!(error.contains("is not a region map"), "{error}");
    let error = refusal(&check("mobilenet", r#"{"V4": 7}"#, "[\"V4\"]"));
    assert!(error.contains("the layer of V4 is 7"), "{error}");
}
