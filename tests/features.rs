//! Activations that another program computed, from the command line to the best configuration. NumPy wrote the
//! files; the worker's own tests read every kind of them.

use crate::harness::{Place, json, refusal};
use serde_json::{Value, json};
use std::path::Path;

const SWEEP: &str = r#"
name = "activations"
[recordings]
assembly = "small.npz"
stimuli = "small.csv"
images = "small.zip"
regions = ["V4"]
[[ann]]
name = "features"
weights = "features/small.npy"
[grid]
l1 = [4]
l2 = [4]
learning_rate = [3e-3]
[training]
max_epochs = 3
baselines = ["mean", "ridge"]
"#;

/// A place with small recordings, and activations in a folder `features`.
fn place() -> Place {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("worker/src");
    let place = Place::new();
    for name in ["small.npz", "small.csv", "small.zip"] {
        let from = sources.join("recording/testdata").join(name);
        std::fs::copy(from, place.path(name)).unwrap();
    }
    std::fs::create_dir(place.path("features")).unwrap();
    for name in ["small.npy", "small.npz", "stored.npz", "four.npy"] {
        let from = sources.join("ann/features/testdata").join(name);
        std::fs::copy(from, place.path("features").join(name)).unwrap();
    }
    place
}

#[test]
fn the_layers_of_a_file_are_listed_and_nothing_is_verified() {
    let place = place();
    let said = |arguments: &[&str]| refusal(&place.nrp(arguments).output().unwrap());
    let file = "features/stored.npz";
    let list = [
        "ann",
        "layers",
        "features",
        "--weights",
        file,
        "--output",
        "json",
    ];
    assert_eq!(
        json(&place.nrp(&list).output().unwrap()),
        json!([
            { "name": "conv1", "stimuli": 6, "shape": [2, 2], "units": 4 },
            { "name": "layer1.0/relu", "stimuli": 6, "shape": [3], "units": 3 },
        ])
    );
    let table = place.nrp(&list[..5]).output().unwrap();
    let notes = String::from_utf8(table.stderr).unwrap();
    assert!(notes.contains("rows go by their ids"), "{notes}");
    assert!(notes.contains("`basis` is not a layer"), "{notes}");
    for (arguments, says) in [
        (&["ann", "layers", "features"][..], "--weights features.npz"),
        (
            &["ann", "layers", "mobilenet", "--weights", file],
            "`--weights` is for `features`",
        ),
        (&["ann", "verify", file], "nothing to verify"),
        (
            &["ann", "sparsity", "features", file],
            "defined by their file",
        ),
    ] {
        let error = said(arguments);
        assert!(error.contains(says), "`{says}` is not in: {error}");
    }
}

#[test]
fn activations_by_line_and_by_id_give_the_same_scores() {
    let place = place();
    let scores = |text: &str| -> Vec<Value> {
        let best = json(
            &place
                .run(&place.write("sweep.toml", text))
                .output()
                .unwrap(),
        );
        let rows = best.as_array().unwrap();
        assert!(rows.iter().all(|row| row["ann"] == "features"), "{best}");
        assert_eq!(place.trials().len(), 2, "a network and a baseline");
        let mut scores: Vec<Value> = rows
            .iter()
            .map(|row| {
                assert_eq!(row["layers"], json!(["small"]));
                json!([
                    row["region"],
                    row["model"],
                    row["nrp_error"],
                    row["pearson_median"]
                ])
            })
            .collect();
        scores.sort_by_key(Value::to_string);
        scores
    };
    let by_line = scores(SWEEP);
    assert!(by_line.iter().any(|row| row[1] == "ridge"), "{by_line:?}");
    let by_id = scores(&SWEEP.replace("small.npy", "small.npz"));
    assert_eq!(by_id, by_line);
}

#[test]
fn what_a_file_lacks_is_refused_before_anything_runs() {
    let place = place();
    for (from, to, says) in [
        (
            "small.npy",
            "four.npy",
            "4 rows, and the stimulus set lists 40 stimuli",
        ),
        ("small.npy", "stored.npz", "there are 2 layers"),
        (
            "small.npy\"",
            "stored.npz\"\nlayer_sets = \"single\"",
            "lacks 40 of the recordings' 40 stimuli: `i0`",
        ),
        ("small.npy", "none.npy", "none.npy` cannot be read"),
        (
            "small.npy\"",
            "small.npy\"\nsparsity = [0.5]",
            "have no weights to prune",
        ),
        (
            "small.npy\"",
            "small.npy\"\nlayer_sets = [[\"smal\"]]",
            "did you mean `small`",
        ),
    ] {
        let file = place.write("sweep.toml", SWEEP.replace(from, to));
        for command in [&["sweep", "check"][..], &["run"]] {
            let arguments = [command, &[file.to_str().unwrap()]].concat();
            let error = refusal(&place.nrp(&arguments).output().unwrap());
            assert!(error.contains(says), "`{says}` is not in: {error}");
        }
    }
    assert!(!place.path("state").join("journal.jsonl").exists());
}
