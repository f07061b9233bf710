//! Linear baselines, from the sweep file to tables, exports and reports: they are trials like any
//! other.

use crate::harness::{Place, SMALL_SWEEP, json, lab_recordings, npy, of_any_sweep};
use crate::report::document;
use serde_json::Value;

const BASELINES: [&str; 6] = ["ols", "ridge", "ridge-1", "ridgecv", "pls", "single-unit"];

/// The small sweep with all baselines, and a second layer set.
fn sweep() -> String {
    SMALL_SWEEP
        .replace("\"small\"", "\"baselines\"")
        .replace(
            "[[\"global_average_pooling2d\"]]",
            "[[\"global_average_pooling2d\"], [\"global_average_pooling2d\", \"predictions\"]]",
        )
        .replace(
            "[training]",
            "[training]\nbaselines = [\"mean\", \"ols\", \"ridge\", \"ridge-1\", \"ridgecv\", \"pls\", \"single-unit\"]",
        )
}

fn of_model<'a>(rows: &'a [Value], model: &str) -> Vec<&'a Value> {
    rows.iter().filter(|row| row["model"] == model).collect()
}

fn ask(place: &Place, arguments: &[&str]) -> Vec<Value> {
    let mut command = place.nrp(arguments);
    let output = command
        .args(["--state", "state", "--output", "json"])
        .output();
    json(&output.unwrap()).as_array().unwrap().clone()
}

#[test]
fn baselines_are_trials_like_any_other() {
    let place = Place::new();
    // Networks first, without baselines: adding baselines must not change their trials.
    let networks = place.write("small.toml", SMALL_SWEEP);
    json(&place.run(&networks).output().unwrap());
    let before = place.trials();
    assert!(of_model(&before, "nrp").len() == before.len());

    let file = place.write("baselines.toml", sweep());
    json(&place.run(&file).output().unwrap());
    let trials = place.trials();
    // Two regions and two layer sets: four networks each, and six baselines.
    assert_eq!(trials.len(), 4 * (4 + 6));
    assert_eq!(of_model(&trials, "nrp").len(), 16);
    let after = of_any_sweep(&trials);
    for trial in of_any_sweep(&before) {
        assert!(after.contains(&trial), "{trial} was trained again");
    }
    for baseline in BASELINES {
        let of_baseline = of_model(&trials, baseline);
        assert_eq!(of_baseline.len(), 4);
        for trial in of_baseline {
            assert_eq!(trial["state"], "finished");
            for axis in ["l1", "l2", "depth", "learning_rate", "dropout", "seed"] {
                assert_eq!(trial[axis], Value::Null, "{axis}");
            }
            assert_eq!(
                (&trial["epochs"], &trial["worker"]),
                (&0.into(), &"local".into())
            );
            let sites = trial["sites"].as_u64().unwrap();
            let units = 1024 + 1000 * (trial["layers"].as_array().unwrap().len() as u64 - 1);
            let parameters = match baseline {
                "single-unit" => 2 * sites,
                _ => (units + 1) * sites,
            };
            assert_eq!(trial["parameters"], parameters);
            // The same stimuli, responses and noise as networks have.
            let network = of_model(&trials, "nrp");
            let network = network.iter().find(|of| of["region"] == trial["region"]);
            for score in ["mean_predictor_error", "noise_floor", "ceiling_median"] {
                assert_eq!(trial[score], network.unwrap()[score], "{score}");
            }
            assert!(trial["pearson2_over_ceiling"].is_number());
            match baseline {
                "ridge-1" => assert_eq!(trial["alpha"], 1.0),
                "ridgecv" => assert!(trial["alpha"].as_f64() >= Some(0.01)),
                _ => assert_eq!(trial["alpha"], Value::Null),
            }
        }
    }
    // Least squares interpolates the noise here, so a penalty can hardly make it worse, and makes
    // it far better.
    let error = |model: &str| -> f64 {
        let errors = of_model(&trials, model);
        errors
            .iter()
            .map(|of| of["validation_mse"].as_f64().unwrap())
            .sum()
    };
    assert!(error("ridge") < error("ols"));

    let best = ask(&place, &["best"]);
    for model in [
        "nrp",
        "ols",
        "ridge",
        "ridge-1",
        "ridgecv",
        "pls",
        "single-unit",
    ] {
        let rows = of_model(&best, model);
        let regions: Vec<_> = rows.iter().map(|row| &row["region"]).collect();
        assert_eq!(regions, ["IT", "V4", "mean"], "{model}");
        for row in &rows[..2] {
            let same = of_model(&trials, model);
            let losses = same.iter().filter(|of| of["region"] == row["region"]);
            let losses = losses.map(|of| of["validation_mse"].as_f64().unwrap());
            let lowest = losses.fold(f64::INFINITY, f64::min);
            assert_eq!(row["validation_mse"], lowest, "its best layer set");
            assert!(row["layers"].is_array());
            let per_split = match model {
                "nrp" => Value::Null,
                _ => serde_json::json!([row["pearson_median"]]),
            };
            assert_eq!(row["pearson_per_split"], per_split, "{model}");
        }
        assert_eq!(rows[2]["pearson_per_split"], Value::Null, "of a mean");
    }
    assert_eq!(best.len(), 21);
    assert_eq!(best[0]["model"], "nrp", "networks stand first");
    assert_eq!(ask(&place, &["best", "--where", "model=ridge"]).len(), 3);

    // Fronts and marginals are of networks, unless a condition says otherwise.
    for cell in ask(&place, &["marginals", "--by", "l1"]) {
        assert!(cell["l1"].is_number(), "{cell}");
    }
    let ridge = ask(
        &place,
        &["marginals", "--by", "layers", "--where", "model=ridge"],
    );
    assert_eq!(ridge.len(), 4);
    for row in ask(&place, &["best", "--pareto"]) {
        assert_eq!(row["model"], "nrp");
    }

    // A second run fits nothing again.
    json(&place.run(&file).output().unwrap());
    assert_eq!(place.trials(), trials);

    let export = place
        .nrp(&["export", "--format", "csv", "--state", "state"])
        .output();
    let csv = String::from_utf8(export.unwrap().stdout).unwrap();
    assert_eq!(csv.matches(",ridge,").count(), 4);

    let mut report = place.nrp(&["report", "--out", "out", "--state", "state"]);
    json(&report.args(["--output", "json"]).output().unwrap());
    let read = |name: &str| std::fs::read_to_string(place.path(&format!("out/{name}"))).unwrap();
    // A header, then the network, six baselines and the mean predictor in each region.
    let table = read("baselines.csv");
    assert_eq!(table.lines().count(), 1 + 2 * 8, "{table}");
    for model in [
        "NRP",
        "ols",
        "ridge",
        "ridge-1",
        "ridgecv",
        "pls",
        "single-unit",
        "mean",
    ] {
        assert_eq!(table.matches(&format!(",{model},")).count(), 2, "{model}");
    }
    assert!(read("figure-2b.svg").contains("ridge, mobilenet (random"));
    let document: Value = serde_json::from_str(&read("report.json")).unwrap();
    for region in document["networks"][0]["regions"].as_array().unwrap() {
        assert_eq!(region["best"]["model"], "nrp");
        assert_eq!((&region["trials"], &region["open"]), (&8.into(), &0.into()));
        assert_eq!(region["baselines"].as_array().unwrap().len(), 6);
    }
}

#[test]
fn baselines_see_projected_activations_and_are_neither_drawn_nor_stopped() {
    let place = Place::new();
    let searched = sweep().replace("patience = 0", "patience = 0\nprojection = \"row-space\"")
        + "[search]\nstrategy = \"random\"\ntrials = 3\nseed = 1\n\
           early_stopping = \"asha\"\nmin_epochs = 2\n";
    let file = place.write("searched.toml", searched);
    json(&place.run(&file).output().unwrap());
    let trials = place.trials();
    assert_eq!(trials.len(), 3 + 4 * 6);
    for baseline in BASELINES {
        for trial in of_model(&trials, baseline) {
            assert_eq!(trial["state"], "finished", "{trial}");
            assert_eq!(trial["projection"], "row-space");
        }
    }
}

/// Scores of an ANN's layers as they are, for which no network has to be trained.
#[test]
fn linear_baselines_alone_are_a_sweep() {
    let place = Place::new();
    lab_recordings(&place, 40);
    place.write("m.npy", npy(&[40, 30]));
    let text = r#"
        name = "linear"
        [recordings]
        assembly = "V4.npy"
        stimuli = "stimuli.csv"
        images = "images"
        regions = ["V4"]
        [[ann]]
        name = "features"
        weights = "m.npy"
        [grid]
        depth = []
        [training]
        baselines = ["ridge", "pls"]
        "#;
    let file = place.write("linear.toml", text);
    let checked = place
        .nrp(&["sweep", "check", "linear.toml"])
        .output()
        .unwrap();
    assert!(checked.status.success(), "{checked:?}");
    let run = place
        .nrp(&["run", "linear.toml", "--state", "state"])
        .output()
        .unwrap();
    assert!(run.status.success(), "{run:?}");
    let trials = place.trials();
    let models: Vec<&Value> = trials.iter().map(|trial| &trial["model"]).collect();
    assert_eq!(models.len(), 2);
    assert!(models.contains(&&"ridge".into()) && models.contains(&&"pls".into()));
    let best = ask(&place, &["best", "--region", "V4"]);
    assert_eq!(best.len(), 2, "{best:?}");
    for arguments in [
        &["best", "--state", "state"][..],
        &["trials", "--state", "state"],
        &["export", "--state", "state", "--format", "csv"],
        &["marginals", "--state", "state", "--by", "ann"],
        &["report", "--state", "state", "--out", "out"],
    ] {
        let output = place.nrp(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
    }
    let report = document(&place);
    let models = report["networks"][0]["regions"][0]["models"]
        .as_array()
        .unwrap();
    let models: Vec<&Value> = models.iter().map(|of| &of["model"]).collect();
    assert_eq!(models, ["ridge", "pls"]);
    json(&place.run(&file).output().unwrap());
    assert_eq!(place.trials(), trials, "nothing is left to do");
}
