//! Pruned ANNs, from the sweep file to Figure 3B.

use crate::harness::{Place, json, shared};
use serde_json::Value;

const SWEEP: &str = r#"
name = "pruned"
[recordings]
assembly = "simulated"
[[ann]]
name = "mobilenet"
weights = "random:1"
layer_sets = [["global_average_pooling2d"]]
[grid]
l1 = [8]
l2 = [8]
learning_rate = [3e-3]
seed = [0, 1]
[training]
max_epochs = 3
patience = 0
"#;

/// The sweep with these lines in its `[[ann]]`.
fn sweep(lines: &str) -> String {
    SWEEP.replace("[grid]", &format!("{lines}\n[grid]"))
}

fn ids(trials: &[Value]) -> Vec<&str> {
    let ids = trials.iter().map(|trial| trial["trial"].as_str().unwrap());
    ids.collect()
}

/// Figure 3B of the latest sweep, as SVG.
fn figure_3b(place: &Place) -> String {
    let arguments = ["report", "--out", "out", "--state", "state"];
    json(
        &place
            .nrp(&arguments)
            .args(["--output", "json"])
            .output()
            .unwrap(),
    );
    std::fs::read_to_string(place.path("out/figure-3b.svg")).unwrap()
}

/// Runs the sweep with these lines in its `[[ann]]`. Returns its trials and what was printed.
fn run(place: &Place, lines: &str) -> (Vec<Value>, String) {
    let file = place.write("sweep.toml", sweep(lines));
    let ran = place.run(&file).output().unwrap();
    json(&ran);
    let told = String::from_utf8_lossy(&ran.stderr).into_owned();
    (place.trials(), told)
}

#[test]
fn a_pruned_ann_is_another_and_says_how_many_weights_are_zero() {
    let place = Place::new();
    let (dense, _) = run(&place, "");
    let (by_layer, told) = run(&place, "sparsity = [0.0, 0.4, 0.8]");
    for said in [
        "12 trials, 4 of them finished before",
        "mobilenet at sparsity 0.4, pruned in one shot, layer by layer: 39.99 % of",
    ] {
        assert!(told.contains(said), "{told}");
    }
    let pruning = "sparsity = [0.0, 0.4, 0.8]\npruning = \"global\"";
    let (global, _) = run(&place, pruning);
    for trials in [&by_layer, &global] {
        assert_eq!(trials.len(), 4 + 8);
        let known = ids(trials);
        assert!(
            ids(&dense).iter().all(|id| known.contains(id)),
            "unpruned trials are what they were"
        );
    }
    let trials = [&by_layer[..], &global[..]].concat();
    let mut errors = Vec::new();
    for trial in &trials {
        let asked = trial["sparsity"].as_f64().unwrap();
        let reached = trial["reached_sparsity"].as_f64().unwrap();
        assert!((reached - asked).abs() < 3e-4, "{trial}");
        // The first convolution has 864 of 4,209,088 weights.
        let is_by_layer = trial["pruning"] == "layer";
        assert_eq!(
            is_by_layer && reached < asked - 5e-5,
            is_by_layer,
            "{trial}"
        );
        assert_eq!(trial["pruning"].is_null(), asked == 0.0);
        errors.push(trial["nrp_error"].as_f64().unwrap());
    }
    errors.sort_by(f64::total_cmp);
    errors.dedup();
    // The four trials without pruning belong to both sweeps.
    assert_eq!(
        errors.len(),
        trials.len() - 4,
        "each sees other activations"
    );

    let figure = figure_3b(&place);
    for said in [
        "sparsity, one-shot global pruning",
        "Simulated recordings, random weights",
        "mean predictor, V4",
        "noise floor, IT",
    ] {
        assert!(figure.contains(said), "{said}: {figure}");
    }
    let table = std::fs::read_to_string(place.path("out/figure-3b.csv")).unwrap();
    assert_eq!(table.lines().count(), 1 + 3 * 2);
}

#[test]
fn a_checkpoint_of_ones_own_is_run_as_it_is_and_its_zeros_are_counted() {
    let Some(file) = shared("data/weights/mobilenet_1_0_224_tf.h5") else {
        return;
    };
    let place = Place::new();
    let lines = format!("sparsity = [0.0, 0.8]\npruning = {{ \"0.8\" = {file:?} }}");
    let (trials, _) = run(&place, &lines);
    let own: Vec<&Value> = trials.iter().filter(|of| of["sparsity"] == 0.8).collect();
    assert_eq!((trials.len(), own.len()), (8, 4));
    for trial in &own {
        assert_eq!(trial["pruning"], "checkpoint");
        assert_eq!(trial["random_weights"], false);
        let reached = trial["reached_sparsity"].as_f64().unwrap();
        assert!(reached < 0.2, "it is called pruned, and is not: {reached}");
    }
    let mut count = place.nrp(&["ann", "sparsity", "mobilenet", "--output", "json"]);
    let counted = json(&count.arg(&file).output().unwrap());
    assert_eq!(counted["reached_sparsity"], own[0]["reached_sparsity"]);
    let figure = figure_3b(&place);
    assert!(
        figure.contains("sparsity, own pruned checkpoints"),
        "{figure}"
    );
}
