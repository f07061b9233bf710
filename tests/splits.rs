//! Split schemes, from the sweep file to tables: several divisions, and the paper's.

use crate::harness::{Place, SMALL_SWEEP, json};
use serde_json::Value;
use std::collections::BTreeSet;

fn sweep(scheme: &str) -> String {
    SMALL_SWEEP
        .replace("\"small\"", "\"splits\"")
        .replace("[[ann]]", &format!("[split]\nscheme = {scheme:?}\n[[ann]]"))
        .replace("[training]", "[training]\nbaselines = [\"ridge\"]")
}

fn best(place: &Place, arguments: &[&str]) -> Vec<Value> {
    let mut command = place.nrp(&["best"]);
    let output = command
        .args(arguments)
        .args(["--state", "state", "--output", "json"])
        .output();
    json(&output.unwrap()).as_array().unwrap().clone()
}

#[test]
fn every_split_has_all_trials_and_a_best_of_its_own() {
    let place = Place::new();
    let file = place.write("splits.toml", sweep("shuffle"));
    json(&place.run(&file).output().unwrap());
    let trials = place.trials();
    // Two regions, each with four cells and a baseline.
    assert_eq!(trials.len(), 10 * 2 * (4 + 1));
    let test_scores: BTreeSet<String> = trials
        .iter()
        .filter(|of| of["model"] == "ridge" && of["region"] == "V4")
        .map(|of| of["mean_predictor_error"].to_string())
        .collect();
    assert_eq!(test_scores.len(), 10, "other test stimuli in each split");
    for trial in &trials {
        assert_eq!(
            (&trial["state"], &trial["scheme"]),
            (&"finished".into(), &"shuffle".into())
        );
        // Ceilings use all repetitions, whatever the split.
        let of_region = trials.iter().find(|of| of["region"] == trial["region"]);
        let consistency = &of_region.unwrap()["split_half_consistency"];
        assert!(consistency.is_number());
        assert_eq!(&trial["split_half_consistency"], consistency);
    }
    for split in 0..10 {
        let here: Vec<_> = trials.iter().filter(|of| of["split"] == split).collect();
        assert_eq!(here.len(), 2 * (4 + 1));
        let where_split = format!("split={split}");
        let rows = best(&place, &["--where", &where_split, "--region", "V4"]);
        assert_eq!(rows.len(), 2, "a network and a baseline");
        let losses = here
            .iter()
            .filter(|of| of["region"] == "V4" && of["model"] == "nrp")
            .map(|of| of["validation_mse"].as_f64().unwrap());
        let lowest = losses.fold(f64::INFINITY, f64::min);
        assert_eq!(rows[0]["validation_mse"], lowest);
    }
    let rows = best(&place, &["--region", "V4"]);
    let splits: Vec<_> = rows
        .iter()
        .map(|row| row["split"].as_u64().unwrap())
        .collect();
    let expected: Vec<u64> = (0..10).chain(0..10).collect();
    assert_eq!(splits, expected, "networks split by split, then baselines");

    // A second run trains nothing.
    json(&place.run(&file).output().unwrap());
    assert_eq!(place.trials(), trials);
}

#[test]
fn what_is_tested_on_what_selected_it_says_so() {
    let place = Place::new();
    let file = place.write("splits.toml", sweep("validation-is-test"));
    let output = place.run(&file).output().unwrap();
    json(&output);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(
        told.contains("the validation stimuli are the test stimuli"),
        "{told}"
    );
    let shown = place.nrp(&["best", "--state", "state"]).output().unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("validation-is-test"), "{shown}");
    // With one site's variance as the unit, the validation loss of the selected trial is its test
    // loss.
    for trial in place.trials() {
        assert_eq!(trial["split"], 0);
        assert_eq!(trial["scheme"], "validation-is-test");
    }
}

#[test]
fn networks_beside_ridge_regression_and_ensembles_are_trials_like_any_other() {
    let place = Place::new();
    let file = place.write(
        "beside.toml",
        sweep("holdout").replace(
            "[training]",
            "linear_path = [\"none\", \"ridge\"]\nensemble = [1, 3]\n[training]",
        ),
    );
    json(&place.run(&file).output().unwrap());
    let trials = place.trials();
    assert_eq!(trials.len(), 2 * (4 * 4 + 1));
    let of = |path: &str, ensemble: u64| {
        let mut of = trials.iter().filter(|of| {
            of["linear_path"] == path && of["ensemble"] == ensemble && of["region"] == "V4"
        });
        of.next().unwrap().clone()
    };
    let plain = of("none", 1);
    assert!(plain["best_epoch"].as_u64().unwrap() > 0);
    let parameters = |of: &Value| of["parameters"].as_u64().unwrap();
    assert_eq!(parameters(&of("none", 3)), 3 * parameters(&plain));
    let linear = parameters(&of("ridge", 1)) - parameters(&plain);
    let sites = plain["sites"].as_u64().unwrap();
    assert_eq!(linear, 1025 * sites);
    let ridge = trials
        .iter()
        .find(|of| of["model"] == "ridge" && of["region"] == "V4");
    let loss = |of: &Value| of["validation_mse"].as_f64().unwrap();
    // Adding nothing to ridge regression is a candidate, and its predictions are kept in f32.
    assert!(loss(&of("ridge", 1)) <= loss(ridge.unwrap()) * (1.0 + 1e-5));
    let rows = best(
        &place,
        &["--where", "linear_path=ridge", "--where", "ensemble=3"],
    );
    assert!(!rows.is_empty());
    assert!(
        rows.iter()
            .all(|row| row["linear_path"] == "ridge" && row["ensemble"] == 3)
    );
}

#[test]
fn splits_of_a_file_are_as_many_as_it_lists_and_checked_before_anything_runs() {
    let place = Place::new();
    let file = sweep("file").replace("\"file\"", "\"file\"\nfile = \"splits.json\"");
    let file = place.write("splits.toml", file);
    let ids = |from: usize, to: usize| -> Vec<String> {
        (from..to).map(|at| format!("simulated-{at:03}")).collect()
    };
    let split =
        |train: Vec<String>, test: Vec<String>| serde_json::json!({ "train": train, "test": test });
    let check = |splits: &[Value]| {
        place.write("splits.json", serde_json::to_string(splits).unwrap());
        let check = ["sweep", "check", file.to_str().unwrap(), "--output", "json"];
        place.nrp(&check).output().unwrap()
    };
    let three = [
        split(ids(0, 300), ids(300, 320)),
        split(ids(20, 320), ids(0, 20)),
        split(ids(0, 100), ids(200, 320)),
    ];
    let checked = check(&three);
    let told = String::from_utf8_lossy(&checked.stderr).into_owned();
    let unlisted = "up to 100 of 320 stimuli have no part in a split of the file";
    assert!(told.contains(unlisted), "{told}");
    let checked = json(&checked);
    assert_eq!(checked["splits"], 3);
    assert_eq!(checked["trials"], 3 * 2 * (4 + 1));

    // The last split's mistake is found before the first one runs.
    let torn = [three[0].clone(), split(ids(0, 100), ids(99, 320))];
    let refused = check(&torn);
    assert!(!refused.status.success());
    let told = String::from_utf8_lossy(&refused.stderr).replace(['\n', '│'], " ");
    let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
    let mistake = "`simulated-099` is in `train` and in `test`";
    assert!(
        told.contains("split 1 in") && told.contains(mistake),
        "{told}"
    );
}

#[test]
fn brain_scores_splits_say_in_which_order_stimuli_are_drawn() {
    let place = Place::new();
    let check = |split: &str| {
        let sweep = sweep("brain-score").replace("[split]", &format!("[split]\n{split}"));
        let file = place.write("splits.toml", sweep);
        let check = ["sweep", "check", file.to_str().unwrap(), "--output", "json"];
        let checked = place.nrp(&check).output().unwrap();
        let told = String::from_utf8_lossy(&checked.stderr).into_owned();
        (json(&checked), told)
    };
    let (checked, told) = check("");
    assert_eq!(checked["splits"], 10);
    assert!(
        told.contains("in the order of their ids, as text"),
        "{told}"
    );
    let (_, told) = check("order = [\"object_name\"]");
    assert!(
        told.contains("in the order of object_name, then of their ids"),
        "{told}"
    );
}
