//! `nrp run`, from a sweep file to the best configuration.

use crate::harness::{Place, SMALL_SWEEP, json, of_any_sweep, shared, shared_cache};
use serde_json::Value;
use std::path::Path;

/// Fields that every row of `nrp best` has.
const FIELDS: [&str; 20] = [
    "ann",
    "region",
    "nrp_error",
    "mean_predictor_error",
    "noise_floor",
    "r2_mean",
    "r2_median",
    "pearson_median",
    "ceiling_median",
    "pearson2_over_ceiling",
    "validation_mse",
    "layers",
    "l1",
    "l2",
    "depth",
    "learning_rate",
    "weight_decay",
    "dropout",
    "sparsity",
    "seed",
];

fn by_region<'a>(rows: &'a Value, region: &str) -> &'a Value {
    let rows = rows.as_array().unwrap();
    rows.iter().find(|row| row["region"] == region).unwrap()
}

#[test]
fn a_sweep_ends_with_the_best_configuration_of_each_region_and_their_mean() {
    let place = Place::new();
    let file = place.write("small.toml", SMALL_SWEEP);
    let best = json(&place.run(&file).output().unwrap());
    assert_eq!(best.as_array().unwrap().len(), 3, "V4, IT and their mean");
    for row in best.as_array().unwrap() {
        for field in FIELDS {
            assert!(row.get(field).is_some(), "{field} is missing in {row}");
        }
        assert!(row.get("trial").is_some());
        assert_eq!(row["simulated"], true);
        assert_eq!(row["random_weights"], true);
    }
    let error = |region| by_region(&best, region)["nrp_error"].as_f64().unwrap();
    assert!((error("mean") - (error("V4") + error("IT")) / 2.0).abs() < 1e-12);

    // The best trial is the finished one with the lowest validation loss.
    let trials = place.trials();
    assert_eq!(trials.len(), 8);
    for region in ["V4", "IT"] {
        let lowest = trials
            .iter()
            .filter(|trial| trial["region"] == region)
            .min_by(|a, b| {
                let loss = |t: &Value| t["validation_mse"].as_f64().unwrap();
                loss(a).total_cmp(&loss(b))
            })
            .unwrap();
        assert_eq!(lowest["trial"], by_region(&best, region)["trial"]);
        assert_eq!(lowest["nrp_error"], by_region(&best, region)["nrp_error"]);
    }
    for trial in &trials {
        assert_eq!(trial["state"], "finished");
        assert_eq!(trial["epochs"], 12);
        assert_eq!(trial["worker"], "local");
        assert!(trial["train_seconds"].as_f64().unwrap() > 0.0);
    }

    // Asking again gives the same document, and running again trains nothing.
    let again = place
        .nrp(&["best", "--state", "state", "--output", "json"])
        .output()
        .unwrap();
    assert_eq!(json(&again), best);
    assert_eq!(json(&place.run(&file).output().unwrap()), best);
    assert_eq!(place.trials(), trials);

    // A larger grid runs only its new cells.
    let larger = SMALL_SWEEP.replace("l2 = [8]", "l2 = [8, 12]");
    json(
        &place
            .run(&place.write("larger.toml", larger))
            .output()
            .unwrap(),
    );
    let more = place.trials();
    assert_eq!(more.len(), 16);
    let more = of_any_sweep(&more);
    for trial in of_any_sweep(&trials) {
        assert!(
            more.contains(&trial),
            "a finished trial was trained again: {trial}"
        );
    }
}

#[test]
fn tables_label_what_is_simulated_and_random() {
    let place = Place::new();
    let file = place.write("small.toml", SMALL_SWEEP);
    json(&place.run(&file).output().unwrap());
    for command in ["best", "trials"] {
        let shown = |more: &[&str]| {
            let arguments = [&[command, "--state", "state"], more].concat();
            let output = place.nrp(&arguments).output().unwrap();
            String::from_utf8(output.stdout).unwrap()
        };
        // Behind what the sweep says of itself: what all rows share, and the table.
        let text = shown(&[]);
        let parts: Vec<&str> = text.split("\n\n").collect();
        let shared = parts[1].replace('\n', " ");
        assert!(shared.contains("simulated recordings"), "{shared}");
        assert!(shared.contains("(random weights)"), "{shared}");
        assert!(parts[2].lines().count() > 2, "{text}");
        for line in text.lines().skip_while(|line| !line.starts_with("in all")) {
            assert!(line.chars().count() <= 80, "{line}");
        }
        let text = shown(&["--wide"]);
        let (_, table) = text.split_once("\n\n").unwrap();
        assert!(table.lines().count() > 2);
        for line in table.lines().skip(1) {
            assert!(line.contains("(simulated)"), "{line}");
            assert!(line.contains("(random weights)"), "{line}");
        }
    }
}

#[test]
fn exports_agree_with_the_trials() {
    let place = Place::new();
    let file = place.write("small.toml", SMALL_SWEEP);
    json(&place.run(&file).output().unwrap());
    let trials = place.trials();
    let export = |format| {
        let output = place
            .nrp(&["export", "--state", "state", "--format", format])
            .output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    };
    let lines: Vec<Value> = export("jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines, trials);
    let csv = export("csv");
    let mut rows = csv.lines();
    let header: Vec<&str> = rows.next().unwrap().split(',').collect();
    let column = header.iter().position(|name| *name == "nrp_error").unwrap();
    for (row, trial) in rows.zip(&trials) {
        let value: f64 = row.split(',').nth(column).unwrap().parse().unwrap();
        assert_eq!(value, trial["nrp_error"].as_f64().unwrap());
    }
    assert_eq!(csv.lines().count(), trials.len() + 1);
}

#[test]
fn a_diverging_trial_fails_alone() {
    let place = Place::new();
    let sweep = SMALL_SWEEP
        .replace("[1e-3, 3e-3]", "[1e-3, 1e30]")
        .replace("l1 = [8, 16]", "l1 = [8]");
    let output = place
        .run(&place.write("diverging.toml", sweep))
        .output()
        .unwrap();
    let best = json(&output);
    assert!(
        best.as_array()
            .unwrap()
            .iter()
            .all(|row| row["learning_rate"] == 1e-3)
    );
    assert!(String::from_utf8_lossy(&output.stderr).contains("2 of 4 trials failed"));
    let failed: Vec<_> = place
        .trials()
        .into_iter()
        .filter(|trial| trial["state"] == "failed")
        .collect();
    assert_eq!(failed.len(), 2);
    assert!(
        failed
            .iter()
            .all(|trial| trial["reason"].as_str().unwrap().contains("1e30")),
        "{failed:?}"
    );
}

#[test]
fn real_recordings_are_predicted_better_than_by_their_mean() {
    let Some(data) = shared("data") else { return };
    let place = Place::new();
    let sweep = r#"
        name = "real"
        [recordings]
        assembly = "v4-201025/assy_v4-201025.nc"
        stimuli = "v4-201025/stimulus_v4-201025.csv"
        images = "v4-201025/stimulus_v4-201025.zip"
        regions = ["V4"]
        [[ann]]
        name = "mobilenet"
        weights = "weights/mobilenet_1_0_224_tf.h5"
        layer_sets = [["conv_pw_11_relu"]]
        [grid]
        l1 = [16]
        l2 = [128]
        learning_rate = [1e-4]
        [training]
        max_epochs = 60
    "#;
    let file = place.write("real.toml", sweep);
    let best = json(
        &place
            .run(&file)
            .arg("--data-dir")
            .arg(data)
            .output()
            .unwrap(),
    );
    let row = by_region(&best, "V4");
    assert_eq!(
        (&row["simulated"], &row["random_weights"]),
        (&false.into(), &false.into())
    );
    let score = |name: &str| row[name].as_f64().unwrap();
    assert!(score("nrp_error") < score("mean_predictor_error"), "{row}");
    assert!(score("pearson_median") > 0.2, "{row}");
}

#[test]
fn arrays_and_single_files_run_like_assemblies() {
    let place = Place::new();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("worker/src/recording/testdata");
    let recordings = [
        (
            "npz",
            r#"assembly = "small.npz"
stimuli = "small.csv"
images = "small.zip""#,
        ),
        (
            "npy",
            r#"assembly = "V4.npy"
stimuli = "small.csv"
images = "small.zip""#,
        ),
        ("hdf5", r#"assembly = "small-ventral.hdf5""#),
    ];
    for (format, recordings) in recordings {
        let start = SMALL_SWEEP.find("[[ann]]").unwrap();
        let regions = if format == "npy" { "" } else { r#", "IT""# };
        let file = format!(
            "name = \"{format}\"\n[recordings]\n{recordings}\nregions = [\"V4\"{regions}]\n{}",
            &SMALL_SWEEP[start..]
        );
        let file = place.write(&format!("{format}.toml"), file);
        let mut run = place.nrp(&["run"]);
        run.arg(&file).args(["--state", format, "--output", "json"]);
        run.arg("--data-dir").arg(&data);
        run.arg("--cache").arg(shared_cache());
        let best = json(&run.output().unwrap());
        let v4 = by_region(&best, "V4");
        assert_eq!(v4["simulated"], false);
        // The `.npy` here has no repetitions, so its noise is unknown.
        let repeated = format != "npy";
        let trials = place
            .nrp(&["trials", "--state", format, "--output", "json"])
            .output();
        let trials = json(&trials.unwrap());
        let export = place
            .nrp(&["export", "--state", format, "--format", "jsonl"])
            .output();
        let lines = String::from_utf8(export.unwrap().stdout).unwrap();
        let export: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
        for row in [v4, &trials[0], &export] {
            for field in ["noise_floor", "ceiling_median"] {
                let known = row.get(field).is_some_and(|value| value.is_number());
                assert_eq!(known, repeated, "{format}: {field} in {row}");
            }
        }
    }
    for (format, files) in [
        ("npz", vec!["small.npz", "small.csv", "small.zip"]),
        ("hdf5", vec!["small-ventral.hdf5"]),
    ] {
        let mut check = place.nrp(&["data", "check", "--output", "json"]);
        check.args(files.iter().map(|file| data.join(file)));
        let report = json(&check.output().unwrap());
        let region = &report["assembly"]["regions"][0];
        assert!(
            region["noise"]["ceiling_median"].is_number(),
            "{format}: {report}"
        );
    }
}

#[test]
fn a_run_says_before_what_it_takes_and_after_what_to_try() {
    let place = Place::new();
    let file = place.write("small.toml", SMALL_SWEEP);
    let checked = place
        .nrp(&["sweep", "check", "small.toml"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(
        said.contains("\ndisk: ") && said.contains("\ntime: about "),
        "{said}"
    );
    let checked = place
        .nrp(&["sweep", "check", "small.toml", "--output", "json"])
        .output();
    let checked = json(&checked.unwrap());
    let stimuli = checked["stimuli"].as_u64().unwrap();
    // One layer of 1024 units, in 32 bits.
    assert_eq!(checked["cache_bytes"].as_u64().unwrap(), stimuli * 1024 * 4);
    assert!(checked["extraction_seconds"].as_f64().unwrap() > 0.0);
    assert_eq!(checked["epochs_at_most"], 8 * 12);

    let ran = place.run(&file).output().unwrap();
    json(&ran);
    let told = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(told.contains("disk: "), "{told}");
    assert!(told.contains("advice: `learning_rate` = "), "{told}");
    // Nothing is left to do, so there is no forecast.
    let again = place.run(&file).output().unwrap();
    assert!(!String::from_utf8_lossy(&again.stderr).contains("disk: "));
}
