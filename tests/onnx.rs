//! ONNX models from the command line to the best configuration. PyTorch exported `conv.onnx` with
//! random weights; the worker's own tests compare its activations with PyTorch's.

use crate::harness::{Place, json, refusal, wait_for};
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

/// A place with the model in it.
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
        "name": "/inner/Conv_output_0", "node": "/inner/Conv", "modules": [], "op": "Conv",
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

    // `torch` is the default; another preprocessing gives other trials.
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

/// A protobuf field with bytes.
fn bytes(number: u8, content: impl AsRef<[u8]>) -> Vec<u8> {
    let content = content.as_ref();
    let mut field = vec![number << 3 | 2];
    varint(content.len() as u64, &mut field);
    field.extend(content);
    field
}

/// A protobuf field with a number.
fn number(number: u8, value: i64) -> Vec<u8> {
    let mut field = Vec::new();
    varint(u64::from(number << 3), &mut field);
    varint(value as u64, &mut field);
    field
}

fn varint(mut value: u64, into: &mut Vec<u8>) {
    while value >= 0x80 {
        into.push(value as u8 | 0x80);
        value >>= 7;
    }
    into.push(value as u8);
}

/// An attribute with a list of numbers.
fn ints(name: &str, values: &[i64]) -> Vec<u8> {
    let values = values.iter().flat_map(|value| number(8, *value));
    // Its type, field 20, is 7.
    let kind = [0xa0, 0x01, 7];
    bytes(5, [bytes(1, name), values.collect(), kind.into()].concat())
}

/// An attribute with a number.
fn int(name: &str, value: i64) -> Vec<u8> {
    let kind = [0xa0, 0x01, 2];
    bytes(5, [bytes(1, name), number(3, value), kind.into()].concat())
}

/// A graph with one node, which reads the image and, if there are any, a constant of whole numbers.
fn graph(op: &str, attributes: &[Vec<u8>], constant: &[i64], sizes: &[Vec<u8>; 4]) -> Vec<u8> {
    let dims = sizes.iter().flat_map(|size| bytes(1, size));
    let shape = bytes(2, dims.collect::<Vec<_>>());
    let kind = bytes(2, bytes(1, [number(1, 1), shape].concat()));
    let image = bytes(11, [bytes(1, "image"), kind].concat());
    let mut node = [
        bytes(1, "image"),
        bytes(2, "out"),
        bytes(3, "node"),
        bytes(4, op),
    ]
    .concat();
    node.extend(attributes.concat());
    let mut initializer = Vec::new();
    if !constant.is_empty() {
        node.extend(bytes(1, "constant"));
        let values = constant.iter().flat_map(|value| number(7, *value));
        let tensor = [
            number(1, constant.len() as i64),
            number(2, 7),
            values.collect(),
            bytes(8, "constant"),
        ];
        initializer = bytes(5, tensor.concat());
    }
    let graph = [bytes(1, node), bytes(2, "g"), initializer, image].concat();
    [number(1, 8), bytes(7, graph), bytes(8, number(2, 17))].concat()
}

/// Graphs that no exporter writes, which make the reader panic, overflow or follow a formula
/// without end.
#[test]
fn a_graph_that_makes_the_reader_panic_gives_an_error_alone() {
    let place = Place::new();
    let sizes = || [number(1, 1), number(1, 3), number(1, 4), number(1, 4)];
    let sized = |height: Vec<u8>, width: Vec<u8>| [number(1, 1), number(1, 3), height, width];
    let deep = ["(".repeat(200_000), "a".to_owned(), ")".repeat(200_000)].concat();
    for (what, net) in [
        (
            "transpose",
            graph("Transpose", &[ints("perm", &[0, 1, 2, 7])], &[], &sizes()),
        ),
        (
            "axis",
            graph("ReduceMean", &[ints("axes", &[17])], &[], &sizes()),
        ),
        (
            "flatten",
            graph("Flatten", &[int("axis", 50)], &[], &sizes()),
        ),
        (
            "blocks",
            graph("DepthToSpace", &[int("blocksize", 0)], &[], &sizes()),
        ),
        (
            "stride",
            graph(
                "MaxPool",
                &[ints("kernel_shape", &[2, 2]), ints("strides", &[0, 0])],
                &[],
                &sizes(),
            ),
        ),
        (
            "kernel",
            graph(
                "AveragePool",
                &[ints("kernel_shape", &[0, 0])],
                &[],
                &sizes(),
            ),
        ),
        ("unsqueeze", graph("Unsqueeze", &[], &[55], &sizes())),
        (
            "pad",
            graph("Pad", &[], &[0, 0, 0, 0, -9, -9, -9, -9], &sizes()),
        ),
        (
            "split",
            graph("Split", &[int("axis", 1)], &[9, -7], &sizes()),
        ),
        (
            "tile",
            graph("Tile", &[], &[1, 1, -5, 1_000_000_000_000], &sizes()),
        ),
        (
            "wide",
            graph(
                "Relu",
                &[],
                &[],
                &sized(number(1, 1 << 31), number(1, 1 << 33)),
            ),
        ),
        (
            "large",
            graph(
                "Relu",
                &[],
                &[],
                &sized(number(1, 1 << 20), number(1, 1 << 20)),
            ),
        ),
        (
            "deep",
            graph("Relu", &[], &[], &sized(bytes(2, &deep), number(1, 4))),
        ),
    ] {
        place.write("net.onnx", net);
        place.write(
            "sweep.toml",
            SWEEP.replace("conv.onnx", "net.onnx").replace(
                "[[\"/inner/Conv\"], [\"/inner/Conv_output_0\", \"/MaxPool\"]]",
                "[[\"node\"]]",
            ),
        );
        let listed = place.nrp(&["ann", "layers", "net.onnx"]).output().unwrap();
        let stderr = String::from_utf8(listed.stderr.clone()).unwrap();
        assert!(
            matches!(listed.status.code(), Some(0 | 1)),
            "{what}: {listed:?}"
        );
        assert!(!stderr.contains("panicked"), "{what}: {stderr}");
        if !["deep", "split"].contains(&what) {
            let swept = place.run(&place.path("sweep.toml")).output().unwrap();
            let error = refusal(&swept);
            assert!(error.starts_with("error: "), "{what}: {error}");
        }
    }
}

#[test]
fn weights_beside_a_net_that_are_no_regular_file_are_refused_before_they_are_opened() {
    use std::os::unix::fs::symlink;
    let place = Place::new();
    let testdata = Path::new(env!("CARGO_MANIFEST_DIR")).join("worker/src/ann/testdata");
    std::fs::create_dir(place.path("nets")).unwrap();
    let data = place.path("nets/outside.onnx.data");
    let net = std::fs::read(testdata.join("outside.onnx")).unwrap();
    place.write("nets/outside.onnx", &net);
    std::fs::copy(testdata.join("outside.onnx.data"), place.path("elsewhere")).unwrap();
    let listed = |says: &str| {
        let mut listing = place.nrp(&["ann", "layers", "nets/outside.onnx"]);
        let piped = std::process::Stdio::piped;
        let mut listing = listing.stdout(piped()).stderr(piped()).spawn().unwrap();
        // A process that waits at the other end of a pipe, or reads forever, does not end by
        // itself.
        let ended = wait_for("an answer", || listing.try_wait().unwrap());
        let output = listing.wait_with_output().unwrap();
        assert_eq!(ended.code(), Some(1), "{says}");
        let error = refusal(&output);
        assert!(
            error.contains("outside.onnx.data") && error.contains(says),
            "{error}"
        );
    };
    let made = std::process::Command::new("mkfifo")
        .arg(&data)
        .status()
        .unwrap();
    assert!(made.success());
    listed("regular file");
    std::fs::remove_file(&data).unwrap();
    std::fs::create_dir(&data).unwrap();
    listed("regular file");
    std::fs::remove_dir(&data).unwrap();
    for target in ["/dev/zero", "../elsewhere"] {
        symlink(target, &data).unwrap();
        listed("leaves the directory");
        std::fs::remove_file(&data).unwrap();
    }
    // A link within the directory is accepted like the file.
    std::fs::rename(place.path("elsewhere"), place.path("nets/real")).unwrap();
    symlink("real", &data).unwrap();
    json(
        &place
            .nrp(&["ann", "layers", "nets/outside.onnx", "--output", "json"])
            .output()
            .unwrap(),
    );
    // The same path, which leads out of the directory and back.
    let at = net
        .windows(17)
        .position(|window| window == b"outside.onnx.data")
        .unwrap();
    let mut climbing = net.clone();
    let mut changed = 0;
    for at in at..net.len() - 16 {
        if &net[at..at + 17] == b"outside.onnx.data" {
            climbing[at..at + 17].copy_from_slice(b"../nets/././/real");
            changed += 1;
        }
    }
    assert!(changed > 1);
    place.write("nets/outside.onnx", climbing);
    let error = refusal(
        &place
            .nrp(&["ann", "layers", "nets/outside.onnx"])
            .output()
            .unwrap(),
    );
    assert!(error.contains("leaves the directory"), "{error}");
}

#[test]
fn a_data_directory_beside_an_absolute_path_runs() {
    let place = place();
    let elsewhere = Place::new();
    let net = place.path("conv.onnx");
    let sweep = SWEEP.replace("conv.onnx", net.to_str().unwrap());
    let file = elsewhere.write("sweep.toml", sweep);
    let data = elsewhere.path("data");
    std::fs::create_dir(&data).unwrap();
    let run = elsewhere.run(&file).arg("--data-dir").arg(&data).output();
    assert_eq!(json(&run.unwrap()).as_array().unwrap().len(), 3);
}
