//! ONNX files against PyTorch's activations, by `testdata/make_onnx.py`, and files that are broken.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::*;

/// Largest difference from PyTorch. Values are of order 1 in 32-bit floats, summed in another order.
const TOLERANCE: f64 = 1e-5;

fn testdata(name: &str) -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.join("src/ann/testdata").join(name)
}

pub(super) fn open(name: &str) -> Arc<OnnxFile> {
    Arc::new(OnnxFile::open(&testdata(name)).expect("opens"))
}

fn refusal(name: &str, layer: &str) -> String {
    let refused = open(name).shape(layer).expect_err("no layer");
    refused.to_string()
}

/// The image of `make_onnx.py`, shifted by `seed`.
pub(super) fn image(file: &OnnxFile, seed: usize) -> Vec<f32> {
    let pixels = file.input().iter().product();
    let value = |i| ((7 * i + 3 + seed) % 256) as f32 / 255.0 - 0.5;
    (0..pixels).map(value).collect()
}

pub(super) fn run(file: &Arc<OnnxFile>, layers: &[&str], images: &[f32]) -> Vec<Vec<f32>> {
    let layers: Vec<String> = layers.iter().map(|layer| (*layer).to_owned()).collect();
    let pass = OnnxPass::new(file, &layers).expect("runnable");
    pass.run(images).expect("it runs")
}

#[test]
fn layers_are_pytorchs() {
    let text = std::fs::read(testdata("onnx.json")).expect("readable");
    let references: Value = serde_json::from_slice(&text).expect("JSON");
    let mut compared = 0;
    for (name, layers) in references.as_object().expect("nets") {
        let file = open(name);
        for (layer, reference) in layers.as_object().expect("layers") {
            let tensor = reference["tensor"].as_str().expect("a name");
            let shape = serde_json::json!(file.shape(tensor).expect("a layer"));
            assert_eq!(shape, reference["shape"], "{name} {layer}");
            let ours = run(&file, &[tensor], &image(&file, 0)).remove(0);
            let step = reference["step"].as_u64().unwrap_or(1) as usize;
            let theirs = reference["values"].as_array().expect("values");
            assert_eq!(
                ours.iter().step_by(step).len(),
                theirs.len(),
                "{name} {layer}"
            );
            for (ours, theirs) in ours.iter().step_by(step).zip(theirs) {
                let theirs = theirs.as_f64().expect("a number");
                let difference = (f64::from(*ours) - theirs).abs();
                assert!(difference < TOLERANCE, "{name} {layer}: {ours} {theirs}");
            }
            compared += 1;
        }
    }
    assert_eq!(compared, 10, "five layers, four and one");
}

#[test]
fn a_layer_depends_neither_on_its_batch_nor_on_what_else_is_asked() {
    for name in ["conv.onnx", "attention.onnx"] {
        let file = open(name);
        let layers = file.layers();
        let all: Vec<&str> = layers.iter().map(|layer| &*layer.name).collect();
        let two = [image(&file, 0), image(&file, 5)];
        let together = run(&file, &all, &two.concat());
        for ((layer, answer), shape) in all.iter().zip(together).zip(&layers) {
            let units: usize = shape.shape.iter().product();
            assert_eq!(answer.len(), 2 * units, "{name} {layer}");
            for (image, answer) in two.iter().zip(answer.chunks_exact(units)) {
                assert_eq!(run(&file, &[layer], image)[0], answer, "{name} {layer}");
            }
        }
        assert!(run(&file, &[], &two[0]).is_empty());
    }
}

#[test]
fn layers_are_called_by_tensor_or_node() {
    let file = open("conv.onnx");
    assert_eq!(file.input(), [8, 12, 3]);
    let layers = file.layers();
    let inner = layers.iter().find(|layer| layer.node == "/inner/Conv");
    let inner = inner.expect("a layer");
    assert_eq!(inner.name, "/inner/Conv_output_0");
    assert_eq!(inner.op, "Conv");
    assert_eq!(inner.shape, [4, 4, 6]);
    let image = image(&file, 0);
    let [tensor, node] = [&inner.name, &inner.node].map(|name| run(&file, &[name], &image));
    assert_eq!(tensor, node);
    // By its node, the batch is not the first axis of every tensor.
    let names = open("attention.onnx").layers();
    assert!(
        names.iter().any(|layer| layer.shape == [7, 1, 8]),
        "{names:?}"
    );
}

#[test]
fn what_is_no_layer_is_refused_with_the_reason() {
    let names: Vec<String> = open("odd.onnx")
        .layers()
        .into_iter()
        .map(|l| l.name)
        .collect();
    assert_eq!(names, ["first", "second", "sum"]);
    let file = testdata("odd.onnx");
    let file = file.display();
    for (layer, says) in [
        (
            "twin",
            format!("layer `twin` of `{file}` is ambiguous: `first`, `second`"),
        ),
        (
            "shape",
            format!("`shape` of `{file}` is not a layer: it does not depend on the image"),
        ),
        (
            "one",
            format!("`one` of `{file}` is not a layer: it does not depend on the image"),
        ),
        (
            "strange",
            format!(
                "`strange` of `{file}` is not a layer: `strange` cannot be computed (unknown \
                 operation `Strange`)"
            ),
        ),
        ("frist", format!("layer `frist` is not in `{file}`")),
    ] {
        let refusal = refusal("odd.onnx", layer);
        assert!(refusal.starts_with(&says), "{refusal}");
    }
    let refused = open("odd.onnx").shape("frist");
    let Err(OnnxError::UnknownLayer { near, .. }) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(near.as_deref(), Some("first"));
    // What nobody knows is not in the way of what comes before it.
    let file = open("odd.onnx");
    assert_eq!(run(&file, &["sum"], &[-1.0; 48]), [[1.0; 48]]);
}

#[test]
fn weights_beside_the_file_are_read_and_digested() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = |name: &str| directory.path().join(name);
    for name in ["outside.onnx", "outside.onnx.data"] {
        std::fs::copy(testdata(name), at(name)).expect("copied");
    }
    let first = Arc::new(OnnxFile::open(&at("outside.onnx")).expect("opens"));
    let inside = open("conv.onnx");
    let image = image(&inside, 0);
    let layers = ["/inner/Conv"];
    assert_eq!(run(&first, &layers, &image), run(&inside, &layers, &image));

    let mut data = std::fs::read(at("outside.onnx.data")).expect("readable");
    data[0] ^= 1;
    std::fs::write(at("outside.onnx.data"), &data).expect("written");
    let other = OnnxFile::open(&at("outside.onnx")).expect("opens");
    assert_ne!(first.digest(), other.digest());

    std::fs::write(at("outside.onnx.data"), &data[..100]).expect("written");
    let refused = OnnxFile::open(&at("outside.onnx"));
    assert!(
        matches!(refused, Err(OnnxError::Graph { .. })),
        "{refused:?}"
    );
    std::fs::remove_file(at("outside.onnx.data")).expect("removed");
    let refused = OnnxFile::open(&at("outside.onnx")).expect_err("incomplete");
    assert!(
        refused.to_string().contains("outside.onnx.data"),
        "{refused}"
    );
}

#[test]
fn a_digest_is_the_files_blake3() {
    let bytes = std::fs::read(testdata("conv.onnx")).expect("readable");
    let digest = blake3::hash(&bytes).to_hex();
    assert_eq!(open("conv.onnx").digest(), &digest[..32]);
}

#[test]
fn broken_files_are_refused() {
    let file = tempfile::NamedTempFile::new().expect("temporary file");
    let opened = |bytes: &[u8]| {
        std::fs::write(file.path(), bytes).expect("written");
        OnnxFile::open(file.path())
    };
    let sound = std::fs::read(testdata("attention.onnx")).expect("readable");
    assert!(opened(&sound).is_ok());
    for length in (0..sound.len()).step_by(13).chain([sound.len() - 1]) {
        let refused = opened(&sound[..length]);
        assert!(
            matches!(refused, Err(OnnxError::NotOnnx { .. })),
            "{length}: {refused:?}"
        );
    }
    for other in [
        &b"<html>not found</html>\n"[..],
        b"\x89HDF\r\n\x1a\n",
        b"PK\x03\x04",
        &[0; 64],
    ] {
        let refused = opened(other);
        assert!(
            matches!(refused, Err(OnnxError::NotOnnx { .. })),
            "{refused:?}"
        );
    }
    let missing = OnnxFile::open(Path::new("/no/such/net.onnx"));
    assert!(matches!(missing, Err(OnnxError::Unreadable { .. })));
}

/// A bit may flip where it is not seen; what it must never do is end the process.
#[test]
fn a_flipped_bit_ends_nothing() {
    let file = tempfile::NamedTempFile::new().expect("temporary file");
    let sound = std::fs::read(testdata("conv.onnx")).expect("readable");
    let mut refused = 0;
    for at in 0..sound.len() {
        let mut flipped = sound.clone();
        flipped[at] ^= 1 << (at % 8);
        std::fs::write(file.path(), flipped).expect("written");
        match OnnxFile::open(file.path()) {
            Err(_) => refused += 1,
            Ok(opened) => {
                let layers: Vec<String> = opened.layers().into_iter().map(|l| l.name).collect();
                let _ = OnnxPass::new(&Arc::new(opened), &layers);
            }
        }
    }
    assert!(refused > 100, "{refused}");
}
