//! Files of `make_onnx_modules.py` and of `shared/inputs`: names of modules, our own operations, halves,
//! fixed batches, and what is left out.

use serde_json::Value;

use super::tests::{image, open, run};
use super::*;
use crate::ann::testing::{shared, testdata};

/// Largest difference from PyTorch 2.15 and onnxruntime 1.32, in units of a layer of deviation about 1:
/// sums of at most 108 products, in another order.
const TOLERANCE: f64 = 2e-5;
/// The same where the layer holds 16-bit floats: one unit in the last place of its largest number.
const HALF: f64 = 1e-3;

fn references(path: &Path) -> Value {
    let text = std::fs::read(path).expect("readable");
    serde_json::from_slice(&text).expect("JSON")
}

/// The largest difference between `ours` and the numbers in `theirs`: all, the first, or each so many.
fn difference(ours: &[f32], theirs: &Value) -> f64 {
    let values = theirs.as_array().or_else(|| theirs["values"].as_array());
    let values = values.expect("numbers").iter();
    let values = values.map(|value| value.as_f64().expect("a number"));
    let step = theirs["step"].as_u64().unwrap_or(1) as usize;
    let size = theirs["size"].as_u64().unwrap_or(ours.len() as u64);
    assert_eq!(ours.len() as u64, size);
    let pairs = ours.iter().step_by(step).zip(values);
    pairs.fold(0.0, |most: f64, (a, b)| most.max((f64::from(*a) - b).abs()))
}

/// The largest of the numbers in `theirs`, at least 1.
fn largest(theirs: &Value) -> f64 {
    let values = theirs["values"].as_array().expect("numbers").iter();
    let values = values.map(|value| value.as_f64().expect("a number"));
    values.fold(1.0, |most, value| most.max(value.abs()))
}

#[test]
fn a_modules_name_is_what_its_last_call_returns() {
    let all = references(&testdata("onnx_modules.json"));
    for (name, expected) in [("blocks.onnx", 12), ("returns.onnx", 3)] {
        let file = open(name);
        let listed: Vec<String> = file
            .layers()
            .into_iter()
            .flat_map(|it| it.modules)
            .collect();
        let mut compared = 0;
        for (module, values) in all[name].as_object().expect("modules") {
            if !listed.contains(module) {
                continue;
            }
            let ours = run(&file, &[module], &image(&file, 0)).remove(0);
            let error = difference(&ours, values);
            assert!(error < TOLERANCE, "{name} {module}: {error}");
            compared += 1;
        }
        assert_eq!(compared, expected, "{name}: {listed:?}");
    }
    // The convolutions of blocks.onnx are one with their batch norm, so nothing returns what they do.
    let blocks = open("blocks.onnx").layers();
    let modules = |path: &str| {
        blocks
            .iter()
            .any(|layer| layer.modules.contains(&path.to_owned()))
    };
    assert!(modules("layer1.0.bn1") && modules("layer1.0") && modules("layer1.0.relu"));
    assert!(!modules("layer1.0.conv1"));
}

#[test]
fn several_tensors_that_a_module_returns_and_names_that_clash_are_said() {
    let file = open("returns.onnx");
    let unnamed = file.unnamed_modules();
    let tensors = |module: &str| {
        let found = unnamed.iter().find(|(name, _)| *name == module);
        found.map(|(_, tensors)| tensors.to_vec())
    };
    let several = tensors("lstm").expect("a sequence and a state");
    assert_eq!(several.len(), 2, "{several:?}");
    let refused = file.shape("lstm").expect_err("ambiguous").to_string();
    assert!(
        several.iter().all(|name| refused.contains(name)),
        "{refused}"
    );
    // `relu` is the first ReLU's tensor, as it was before modules had names.
    let last = tensors("relu").expect("a clash");
    assert_ne!(last, ["relu"]);
    let image = image(&file, 0);
    assert_eq!(
        run(&file, &["relu"], &image),
        run(&file, &["first"], &image)
    );
}

#[test]
fn attention_and_constants_are_onnxruntimes() {
    let all = references(&testdata("onnx_modules.json"));
    let file = open("attention_kinds.onnx");
    let layers: Vec<String> = file.layers().into_iter().map(|layer| layer.name).collect();
    let expected = all["attention_kinds.onnx"].as_object().expect("tensors");
    assert_eq!(layers.len(), expected.len(), "{layers:?}");
    for layer in &layers {
        let ours = run(&file, &[layer], &image(&file, 0)).remove(0);
        let error = difference(&ours, &expected[layer]);
        let tolerance = if layer.starts_with("half") || layer.ends_with("16") {
            HALF
        } else {
            TOLERANCE
        };
        assert!(error < tolerance, "{layer}: {error}");
    }
}

/// Nothing of this is allocated: a file of some hundred bytes may ask for terabytes.
#[test]
fn operations_that_make_too_many_values_are_refused_before_they_run() {
    let file = open("sizes.onnx");
    let layers: Vec<String> = file.layers().into_iter().map(|layer| layer.name).collect();
    assert_eq!(layers, ["relu"]);
    let left_out = file.left_out().into_iter();
    let left_out: Vec<String> = left_out
        .filter(|left| left.why != NotLayer::Constant)
        .map(|left| format!("{}: {}", left.tensors[0], left.why))
        .collect();
    insta::assert_snapshot!(left_out.join("\n"), @r#"
    padded: `padded` cannot be computed (its result's shape is [16385, 16385]; the limit is 268435456 values)
    resized: `resized` cannot be computed (its result's shape is [1, 1, 16385, 16385]; the limit is 268435456 values)
    expanded: `expanded` cannot be computed (its result's shape is [16385, 16385]; the limit is 268435456 values)
    tiled: `tiled` cannot be computed (its result's shape is [16385, 16385]; the limit is 268435456 values)
    filled: `filled` cannot be computed (its result's shape is [16385, 16385]; the limit is 268435456 values)
    counted: `counted` cannot be computed (its result's shape is [300000000]; the limit is 268435456 values)
    seen: `seen` cannot be computed (Eager eval during inference: its result's shape is [1, 1, 16385, 16385]; the limit is 268435456 values)
    more: `more` cannot be computed (with it, operations on constants make 288016377 values; the limit is 268435456)
    "#);
}

/// The operations are onnxruntime's in 32 bits; a sum in 16 bits would be off by more.
#[test]
fn halves_and_pads_that_crop_are_onnxruntimes() {
    let all = references(&testdata("onnx_modules.json"));
    let file = open("halves.onnx");
    let layers: Vec<String> = file.layers().into_iter().map(|layer| layer.name).collect();
    let expected = all["halves.onnx"].as_object().expect("tensors");
    assert_eq!(layers.len(), expected.len(), "{:?}", file.left_out());
    for layer in &layers {
        let ours = run(&file, &[layer], &image(&file, 0)).remove(0);
        let error = difference(&ours, &expected[layer]) / largest(&expected[layer]);
        assert!(error < HALF, "{layer}: {error}");
    }
}

/// onnxruntime rounds nothing between operations that it computes in 32 bits: twelve roundings would be off by
/// more than a hundredth. What it has in 16 bits reads rounded numbers, of which some may be the next.
#[test]
fn a_chain_of_halves_is_rounded_where_onnxruntime_rounds_it() {
    let all = references(&testdata("onnx_modules.json"));
    let file = open("halves_deep.onnx");
    for (layer, tolerance) in [("single", TOLERANCE), ("rounded", HALF)] {
        let expected = &all["halves_deep.onnx"][layer];
        let ours = run(&file, &[layer], &image(&file, 0)).remove(0);
        let error = difference(&ours, expected) / largest(expected);
        assert!(error < tolerance, "{layer}: {error}");
    }
}

/// Remainders have the divisor's sign, and halves of a quantisation step are rounded to even.
#[test]
fn numbers_sums_and_corners_are_onnxruntimes() {
    let all = references(&testdata("onnx_modules.json"));
    let file = open("numbers.onnx");
    let expected = all["numbers.onnx"].as_object().expect("tensors");
    assert_eq!(expected.len(), 29);
    for (layer, values) in expected {
        let ours = run(&file, &[layer], &image(&file, 0)).remove(0);
        let error = difference(&ours, values) / largest(values);
        assert!(error < TOLERANCE, "{layer}: {error}");
    }
}

/// What depends on an operation that an earlier build computed otherwise is not taken from its cache.
#[test]
fn layers_of_changed_operations_have_the_next_arithmetic() {
    for (name, unchanged) in [
        (
            "numbers.onnx",
            &[
                "tenfold",
                "gathered",
                "resized",
                "large",
                "round",
                "between",
                "all_product",
                "divisor32",
            ][..],
        ),
        ("halves.onnx", &["half", "cropped_image"]),
        (
            "attention_kinds.onnx",
            &[
                "rows", "q", "k", "v", "wide", "grouped", "causal", "q4", "k4", "v4", "self",
                "q16", "k16", "v16", "same",
            ],
        ),
    ] {
        let file = open(name);
        let layers = file.layers();
        let names = layers.iter().map(|layer| &*layer.name);
        let of = |layer: &&str| file.arithmetic(layer).expect("a layer");
        let first: Vec<&str> = names.filter(|layer| of(layer) == 0).collect();
        assert_eq!(first, unchanged, "{name}");
    }
    for name in [
        "conv.onnx",
        "attention.onnx",
        "blocks.onnx",
        "unsupported.onnx",
    ] {
        let file = open(name);
        for layer in file.layers() {
            assert_eq!(
                file.arithmetic(&layer.name).expect("a layer"),
                0,
                "{name} {layer:?}"
            );
        }
    }
}

#[test]
fn a_fixed_batch_becomes_one() {
    let all = references(&testdata("onnx_modules.json"));
    let file = open("batch.onnx");
    assert_eq!(file.shape("sequence").expect("a layer"), [7, 1, 6]);
    assert_eq!(file.shape("split").expect("a layer"), [3, 7, 2]);
    for (layer, values) in all["batch.onnx"].as_object().expect("tensors") {
        let ours = run(&file, &[layer], &image(&file, 0)).remove(0);
        let error = difference(&ours, values);
        assert!(error < TOLERANCE, "{layer}: {error}");
    }
    let sequence = run(&file, &["sequence", "all"], &image(&file, 0));
    assert_eq!(sequence[0], sequence[1]);
    // Only its values tell that it mixes stimuli.
    let mixed = OnnxPass::new(&file, &["mixed".to_owned()])
        .expect_err("refused")
        .to_string();
    assert!(mixed.contains("`mixed` of one stimulus differs"), "{mixed}");
    let mean = file.shape("mean").expect_err("no layer").to_string();
    assert!(
        mean.contains("cannot be told apart in a batch of 3"),
        "{mean}"
    );
}

#[test]
fn what_is_not_supported_is_left_out_with_what_depends_on_it() {
    let file = open("unsupported.onnx");
    let layers: Vec<String> = file.layers().into_iter().map(|layer| layer.name).collect();
    let listed = ["relu", "row", "lstm_own", "cubic", "same_sum", "neg"];
    assert_eq!(layers, listed);
    let left_out = file.left_out().into_iter();
    let left_out: Vec<(String, Vec<String>)> = left_out
        .map(|left| (left.why.to_string(), left.tensors))
        .collect();
    let own = |names: &[&str]| {
        names
            .iter()
            .map(|name| (*name).to_owned())
            .collect::<Vec<_>>()
    };
    let expected = [
        (
            "`other_relu` cannot be computed (unknown operation `Relu` of `made.up`)",
            own(&["other_relu", "after_other"]),
        ),
        (
            "`trained` cannot be computed (`BatchNormalization` is in training mode)",
            own(&["trained", "m", "v"]),
        ),
        (
            "`swish` cannot be computed (`Swish` with a factor is not supported)",
            own(&["swish"]),
        ),
        (
            "`capped` cannot be computed (`Attention` with a soft cap is not supported)",
            own(&["capped"]),
        ),
        (
            "`rnn_relu` cannot be computed (`RNN` with activations Relu is not supported)",
            own(&["rnn_relu"]),
        ),
        (
            "`rnn_reverse` cannot be computed (`RNN` of direction `reverse` is not supported)",
            own(&["rnn_reverse"]),
        ),
        (
            "`gru_alpha` cannot be computed (`GRU` with `activation_alpha` is not supported)",
            own(&["gru_alpha"]),
        ),
        (
            "`gru_clip` cannot be computed (`GRU` with `clip` 0.5 is not supported)",
            own(&["gru_clip"]),
        ),
        (
            "`lstm_last` cannot be computed (`LSTM` with activations Sigmoid, Tanh, Relu is not supported)",
            own(&["lstm_last"]),
        ),
        (
            "`lstm_forget` cannot be computed (`LSTM` with `input_forget` is not supported)",
            own(&["lstm_forget"]),
        ),
        (
            "`pool` cannot be computed (`GlobalLpPool` is not supported)",
            own(&["pool"]),
        ),
        (
            "`symmetric` cannot be computed (`Resize` to the nearest by `half_pixel_symmetric` is not supported)",
            own(&["symmetric"]),
        ),
        (
            "`corners` cannot be computed (`Resize` by corners of 8 pixels by 1.3 is not a whole size)",
            own(&["corners"]),
        ),
        (
            "`lone` cannot be computed (`Resize` by `pytorch_half_pixel` to one pixel is not supported, cubic or with `antialias`)",
            own(&["lone"]),
        ),
        (
            "`smooth` cannot be computed (`Resize` by `pytorch_half_pixel` to one pixel is not supported, cubic or with `antialias`)",
            own(&["smooth"]),
        ),
        (
            "`sampled` cannot be computed (`GridSample` by cubes with the border's values is not supported)",
            own(&["sampled"]),
        ),
        (
            "`larger` cannot be computed (`ConvTranspose` with `output_shape` and `auto_pad` VALID is not supported)",
            own(&["larger"]),
        ),
        (
            "`top` cannot be computed (`TopK` in no order is not supported)",
            own(&["top", "top_at"]),
        ),
        (
            "`padded` cannot be computed (`Pad` of Microsoft's is not supported)",
            own(&["padded"]),
        ),
        (
            "`picked` cannot be computed (it cannot be optimised: Condition failed: `end <= len` (3 vs 1))",
            own(&["picked", "after_picked"]),
        ),
        (
            "`dropped` cannot be computed (`Dropout` fails when it runs: Dropout in training mode with a non-zero ratio is not supported)",
            own(&["dropped"]),
        ),
        (
            "it holds Bool, not floats",
            own(&["bright", "any_bright", "same"]),
        ),
        (
            "`any` cannot be computed (`Reduce<Max>` fails when it runs: Bool is not a number)",
            own(&["any"]),
        ),
        ("it holds I64, not floats", own(&["bright_at", "same_at"])),
        (
            "its shape depends on the image",
            own(&["bright_places", "same_places"]),
        ),
        (
            "`bright_sum` cannot be computed (`Reduce<Sum>` fails when it runs on an image of one colour: it makes the reader give up: attempt to divide by zero)",
            own(&["bright_sum", "after_bright_sum"]),
        ),
        (
            "`either` cannot be computed (`Celu` with a factor is not supported)",
            own(&["either"]),
        ),
        (
            "`noise` cannot be computed (`RandomNormal` draws other numbers each time it runs)",
            own(&["noise", "noisy"]),
        ),
        (
            "`uniform` cannot be computed (`RandomUniformLike` draws other numbers each time it runs)",
            own(&["uniform"]),
        ),
        (
            "`coin` cannot be computed (unknown operation `Bernoulli`)",
            own(&["coin"]),
        ),
        (
            "`sample` cannot be computed (`Multinomial` draws other numbers each time it runs)",
            own(&["sample"]),
        ),
        (
            "`random_either` cannot be computed (`RandomNormalLike` draws other numbers each time it runs)",
            own(&["random_either"]),
        ),
    ];
    let expected: Vec<(String, Vec<String>)> = expected
        .into_iter()
        .map(|(why, names)| (why.to_owned(), names))
        .collect();
    assert_eq!(left_out, expected);
    let image = image(&file, 0);
    let positive: Vec<f32> = run(&file, &["relu"], &image).remove(0);
    assert!(positive.iter().any(|value| *value > 0.0));
}

#[test]
fn files_that_pytorch_exported_are_onnxruntimes() {
    let Some(folder) = shared("inputs/weights/onnx") else {
        return;
    };
    let all = references(&folder.join("onnx_small.json"));
    let mut compared = 0;
    for (name, layers) in all.as_object().expect("files") {
        if !folder.join(name).exists() {
            continue;
        }
        let opened = OnnxFile::open(&folder.join(name));
        let file = Arc::new(opened.unwrap_or_else(|error| panic!("{name}: {error}")));
        let tolerance = if name.contains("half") {
            HALF
        } else {
            TOLERANCE
        };
        for (layer, values) in layers.as_object().expect("layers") {
            let ours = run(&file, &[layer], &image(&file, 0)).remove(0);
            let error = difference(&ours, values);
            assert!(error < tolerance, "{name} {layer}: {error}");
            compared += 1;
        }
        let left_out = file.left_out().into_iter();
        let failed = left_out.filter(|left| matches!(left.why, NotLayer::Failed { .. }));
        let failed: Vec<String> = failed.flat_map(|left| left.tensors).collect();
        assert!(failed.is_empty(), "{name}: {failed:?}");
    }
    assert!(compared >= 7, "{compared}");
    // The same network for one image and for four.
    let opened = OnnxFile::open(&folder.join("batch4.onnx")).expect("a fixed batch");
    let four = Arc::new(opened);
    let layers: Vec<String> = four.layers().into_iter().map(|layer| layer.name).collect();
    let layers: Vec<&str> = layers.iter().map(String::as_str).collect();
    assert_eq!(layers, ["getitem", "relu"]);
    let values = run(&four, &layers, &image(&four, 0));
    assert!(
        values[0]
            .iter()
            .zip(&values[1])
            .all(|(norm, relu)| norm.max(0.0) == *relu)
    );
}
