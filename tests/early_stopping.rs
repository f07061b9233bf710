//! Early stopping and random search on the simulated recordings: which trials are stopped, and that
//! everything else is what an exhaustive sweep would find.

use crate::harness::{Place, json, lasting, of_any_sweep};
use serde_json::Value;

/// Trials alternate between a learning rate that works and one near zero, so that not every trial
/// can be better than all before it.
const SWEEP: &str = r#"
name = "rates"
[recordings]
assembly = "simulated"
[[ann]]
name = "mobilenet"
weights = "random:1"
layer_sets = [["global_average_pooling2d"]]
[grid]
l1 = [8, 16]
l2 = [8]
learning_rate = [3e-3, 1e-5]
[training]
max_epochs = 12
patience = 0
"#;

const ASHA: &str = r#"
[search]
early_stopping = "asha"
min_epochs = 1
"#;

fn in_state(trials: &[Value], state: &str) -> Vec<Value> {
    let trials = trials.iter().filter(|trial| trial["state"] == state);
    trials.cloned().collect()
}

#[test]
fn what_is_not_stopped_scores_as_ever_and_what_was_is_run_for_who_wants_it() {
    let exhaustive = Place::new();
    let whole = exhaustive.write("whole.toml", SWEEP);
    json(&exhaustive.run(&whole).output().unwrap());
    let all = exhaustive.trials();
    assert_eq!(in_state(&all, "finished").len(), 8);

    let place = Place::new();
    let halved = place.write("halved.toml", format!("{SWEEP}{ASHA}"));
    let best = json(&place.run(&halved).output().unwrap());
    let trials = place.trials();
    let (finished, stopped) = (in_state(&trials, "finished"), in_state(&trials, "stopped"));
    assert_eq!(finished.len() + stopped.len(), 8);
    for region in ["V4", "IT"] {
        let is_there = |trials: &[Value]| trials.iter().any(|trial| trial["region"] == region);
        assert!(is_there(&stopped), "{region}: {stopped:?}");
        assert!(is_there(&finished), "the first goes on: {finished:?}");
    }
    for trial in &stopped {
        assert!([1, 3, 9].map(Value::from).contains(&trial["epochs"]));
        assert!(trial["validation_mse"].as_f64().unwrap() > 0.0);
        assert_eq!(trial["nrp_error"], Value::Null, "it has no scores");
    }
    for row in best.as_array().unwrap() {
        let shown = &row["trial"];
        assert!(stopped.iter().all(|trial| trial["trial"] != *shown));
    }
    // Bit for bit what the exhaustive sweep has found.
    let ids: Vec<_> = finished.iter().map(|trial| &trial["trial"]).collect();
    let mut same = lasting(&all);
    same.retain(|trial| ids.contains(&&trial["trial"]));
    assert_eq!(lasting(&finished), same);

    // A second run stops the same trials; an exhaustive run trains only what is missing.
    json(&place.run(&halved).output().unwrap());
    assert_eq!(place.trials(), trials);
    let whole = place.write("whole.toml", SWEEP);
    json(&place.run(&whole).output().unwrap());
    let more = place.trials();
    assert_eq!(lasting(&more), lasting(&all));
    let more = of_any_sweep(&more);
    for trial in of_any_sweep(&finished) {
        assert!(more.contains(&trial), "it was trained again: {trial}");
    }
    let halved = place
        .nrp(&["sweep", "list", "--state", "state", "--output", "json"])
        .output();
    let sweeps = json(&halved.unwrap());
    for sweep in sweeps.as_array().unwrap() {
        let counts = (&sweep["state"], &sweep["finished"]);
        assert_eq!(counts, (&"finished".into(), &8.into()), "{sweep}");
    }
}

#[test]
fn a_random_search_is_part_of_the_grid() {
    let place = Place::new();
    let random = "[search]\nstrategy = \"random\"\ntrials = 3\nseed = 1\n";
    let file = place.write("random.toml", format!("{SWEEP}{random}"));
    let output = place.run(&file).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("3 trials drawn from 8 with seed 1"), "{told}");
    let drawn = place.trials();
    assert_eq!(in_state(&drawn, "finished").len(), 3);
    let whole = place.write("whole.toml", SWEEP);
    let output = place.run(&whole).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("8 trials, 3 of them finished"), "{told}");
    let all = of_any_sweep(&place.trials());
    let drawn = of_any_sweep(&drawn);
    assert!(drawn.iter().all(|trial| all.contains(trial)));
}
