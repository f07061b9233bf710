//! ONNX nets from the command line to the best configuration. `conv.onnx` is exported by PyTorch, its
//! weights random; the worker's own tests hold its activations against PyTorch's.

use crate::harness::{Place, json, refusal};
use serde_json::Value;
use std::path::Path;

const SWEEP: &str = r#"
name = "own-net"
[recordings]
assembly = "simulated"
[[ann]]
name = "onnx"
weights = "conv.onnx"
layer_sets = [["/inner/Conv"], ["/inner/Conv_output_0", "/MaxPool"]]
[grid]
l1 = [8]
l2 = [8]
learning_rate = [3e-3]
[training]
max_epochs = 4
"#;

/// A place with the net in it.
fn place() -> Place {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let place = Place::new();
    let net = manifest.join("worker/src/ann/testdata/conv.onnx");
    std::fs::copy(net, place.path("conv.onnx")).unwrap();
    place
}

#[test]
fn a_net_of_ones_own_is_listed_and_swept() {
    let place = place();
    let list = place
        .nrp(&["ann", "layers", "conv.onnx", "--output", "json"])
        .output();
    let layers = json(&list.unwrap());
    let inner = layers
        .as_array()
        .unwrap()
        .iter()
        .find(|layer| layer["node"] == "/inner/Conv");
    let expected = serde_json::json!({
        "name": "/inner/Conv_output_0", "node": "/inner/Conv", "op": "Conv",
        "shape": [4, 4, 6], "units": 96,
    });
    assert_eq!(inner, Some(&expected));

    let file = place.write("sweep.toml", SWEEP);
    let best = json(&place.run(&file).output().unwrap());
    let rows = best.as_array().unwrap();
    assert_eq!(rows.len(), 3, "V4, IT and their mean");
    for row in rows {
        assert_eq!(row["ann"], "onnx");
        assert_eq!(row["random_weights"], false);
        assert!(row["nrp_error"].as_f64().unwrap() > 0.0);
    }
    let trials = place.trials();
    assert_eq!(trials.len(), 4);
    assert!(trials.iter().all(|trial| trial["state"] == "finished"));

    // `torch` is what it is when it is not said; another preprocessing makes other trials.
    let ids = |trials: &[Value]| -> Vec<String> {
        let ids = trials.iter().map(|trial| trial["trial"].to_string());
        ids.collect()
    };
    let with = |word: &str| {
        let line = format!("weights = \"conv.onnx\"\npreprocessing = \"{word}\"");
        let text = SWEEP.replace("weights = \"conv.onnx\"", &line);
        json(
            &place
                .run(&place.write("other.toml", text))
                .output()
                .unwrap(),
        );
        place.trials()
    };
    assert_eq!(ids(&with("torch")), ids(&trials));
    let raw = ids(&with("none"));
    assert_eq!(raw.len(), 4);
    assert!(ids(&trials).iter().all(|trial| !raw.contains(trial)));
}

#[test]
fn what_cannot_be_had_of_a_net_is_refused_before_anything_runs() {
    let place = place();
    place.write("text.onnx", "<html>not found</html>\n");
    let bytes = std::fs::read(place.path("conv.onnx")).unwrap();
    place.write("half.onnx", &bytes[..bytes.len() / 2]);
    for (from, to, says) in [
        ("/MaxPool", "/MaxPol", "did you mean `/MaxPool"),
        ("conv.onnx", "text.onnx", "is not an ONNX file"),
        ("conv.onnx", "half.onnx", "is truncated"),
        ("conv.onnx", "none.onnx", "none.onnx` cannot be read"),
        ("conv.onnx", "random:1", "no weights but its file's"),
        (
            "\"conv.onnx\"",
            "\"conv.onnx\"\npreprocessing = \"cafe\"",
            "did you mean `caffe`",
        ),
    ] {
        let file = place.write("sweep.toml", SWEEP.replace(from, to));
        let error = refusal(&place.run(&file).output().unwrap());
        assert!(error.contains(says), "`{says}` is not in: {error}");
    }
    assert!(!place.path("state").join("journal.jsonl").exists());
    let bare = refusal(&place.nrp(&["ann", "layers", "onnx"]).output().unwrap());
    assert!(bare.contains("nrp ann layers net.onnx"), "{bare}");
}
