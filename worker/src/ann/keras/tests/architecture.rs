//! Networks that have the weights of `tiny` and compute something else: Keras's own description, changed
//! in one place.

use super::*;

/// What Keras 3.15.1 saved beside the weights of `tiny`, and what tf_keras 2.21.0 says of the same network.
fn descriptions() -> [String; 2] {
    let path = testdata("tiny_model.h5");
    let file = WeightsFile {
        ann: "tiny",
        path: &path,
    };
    let content = file.open().expect("made by the script");
    let keras2 = std::fs::read_to_string(testdata("tiny_keras2.json")).expect("made by the script");
    [content.config.expect("a whole model"), keras2]
}

/// What is said of a file with this description when `layers` are asked for; `None` if nothing.
fn refusal(config: &str, layers: &[&str]) -> Option<String> {
    let path = testdata("tiny_model.h5");
    let file = WeightsFile {
        ann: "tiny",
        path: &path,
    };
    let (graph, content) = (TINY.graph(), file.open().expect("made by the script"));
    let asked = nodes(&graph, layers);
    let networks = file.list(&content).expect("its networks");
    let fitted = file.fit(&graph, &asked, networks).expect("its weights");
    let compared = file.compare(config, &TINY, &graph, &asked, &fitted);
    let error = compared.err()?;
    let AnnError::AnotherNetwork {
        layer,
        expected,
        found,
        ..
    } = error
    else {
        panic!("{error}");
    };
    Some(format!("{layer}: {expected} / {found}"))
}

/// The description with the setting `key` of `layer` as `value`.
fn changed(config: &str, layer: &str, key: &str, value: serde_json::Value) -> String {
    let mut json: serde_json::Value = serde_json::from_str(config).expect("JSON");
    let layers = json["config"]["layers"].as_array_mut().expect("layers");
    let of = layers.iter_mut().find(|of| of["config"]["name"] == layer);
    let of = of.expect("the layer");
    match key {
        "class_name" => of["class_name"] = value,
        key => of["config"][key] = value,
    }
    json.to_string()
}

#[test]
fn the_same_network_is_accepted_whatever_is_asked() {
    let graph = TINY.graph();
    for config in descriptions() {
        for (_, node) in graph.listed() {
            assert_eq!(refusal(&config, &[&node.name]), None, "{}", node.name);
        }
    }
}

#[test]
fn what_a_requested_layer_depends_on_must_not_differ() {
    let change = |layer: &str, key: &str, value: serde_json::Value, asked: &str, before: &str| {
        let mut said = Vec::new();
        for config in descriptions() {
            let other = changed(&config, layer, key, value.clone());
            assert_eq!(refusal(&other, &[before]), None, "{layer} {key}");
            said.push(refusal(&other, &[asked]).expect("it differs"));
        }
        assert_eq!(said[0], said[1], "as Keras 2 says it");
        said.swap_remove(0)
    };
    let null = serde_json::Value::Null;
    insta::assert_snapshot!(change("stem_relu", "max_value", null, "depth", "stem_bn"), @"stem_relu: ReLU with maximum 6 / ReLU with maximum none");
    insta::assert_snapshot!(change("side_bn", "epsilon", 1e-5.into(), "softmax", "side"), @"side_bn: BatchNormalization with epsilon 0.001 / BatchNormalization with epsilon 0.00001");
    let pads = serde_json::json!([[1, 0], [1, 1]]);
    insta::assert_snapshot!(change("pad", "padding", pads, "depth", "stem_relu"), @"depth: DepthwiseConv2D with padding [(0, 1), (1, 1)] / DepthwiseConv2D with padding [(1, 0), (1, 1)]");
    let strides = serde_json::json!([2, 2]);
    insta::assert_snapshot!(change("depth", "strides", strides, "depth_bn", "pad"), @"depth: DepthwiseConv2D with strides 1 × 1 / DepthwiseConv2D with strides 2 × 2");
    insta::assert_snapshot!(change("dense", "activation", "relu".into(), "dense", "pool_bn"), @"dense: Dense with activation linear / Dense with activation relu");
    insta::assert_snapshot!(change("both_relu", "class_name", "LeakyReLU".into(), "pool", "both"), @"both_relu: ReLU (maximum none, negative slope 0, threshold 0) / `LeakyReLU`");
}

#[test]
fn a_network_with_another_structure_is_refused() {
    let [config, _] = descriptions();
    // `both_relu` reads `sum` instead of `both`.
    let other = config.replace(
        r#""keras_history": ["both", 0, 0]"#,
        r#""keras_history": ["sum", 0, 0]"#,
    );
    assert_ne!(other, config);
    assert_eq!(refusal(&other, &["both"]), None);
    insta::assert_snapshot!(refusal(&other, &["pool"]).expect("it differs"), @"both_relu: a layer that reads `both` / one that reads `sum`, another value");
}

#[test]
fn an_image_that_the_network_changes_first_is_refused() {
    let [config, _] = descriptions();
    let mut json: serde_json::Value = serde_json::from_str(&config).expect("JSON");
    let layers = json["config"]["layers"].as_array_mut().expect("layers");
    let of_image = layers[0]["inbound_nodes"].clone();
    assert_eq!(of_image, serde_json::json!([]));
    let call = layers[1]["inbound_nodes"].clone();
    let text = layers[1]["inbound_nodes"]
        .to_string()
        .replace("input_layer", "rescaling");
    layers[1]["inbound_nodes"] = serde_json::from_str(&text).expect("JSON");
    layers.insert(
        1,
        serde_json::json!({
            "class_name": "Rescaling", "name": "rescaling", "inbound_nodes": call,
            "config": {"name": "rescaling", "scale": 1.0 / 255.0, "offset": 0.0},
        }),
    );
    insta::assert_snapshot!(refusal(&json.to_string(), &["stem"]).expect("it differs"), @"stem: a layer that reads the image of 9 × 8 × 3 as `torch` preprocesses it / one that reads pixels multiplied by 0.00392156862745098, plus 0");
    let small = changed(
        &config,
        "input_layer",
        "batch_shape",
        serde_json::json!([null, 9, 9, 3]),
    );
    insta::assert_snapshot!(refusal(&small, &["stem"]).expect("another size"), @"input_layer: a layer that reads the image of 9 × 8 × 3 as `torch` preprocesses it / one that reads an image of 9 × 9 × 3");
    let open = changed(
        &config,
        "input_layer",
        "batch_shape",
        serde_json::json!([null, null, null, 3]),
    );
    assert_eq!(refusal(&open, &["stem"]), None);
}

/// tf_keras's `preprocess_input` is operations on tensors.
#[test]
fn tf_keras_scales_by_operations() {
    let [_, config] = descriptions();
    let mut json: serde_json::Value = serde_json::from_str(&config).expect("JSON");
    let layers = json["config"]["layers"].as_array_mut().expect("layers");
    layers[1]["inbound_nodes"] = serde_json::json!([[["minus", 0, 0, {}]]]);
    for (name, function, read, y) in [
        ("minus", "math.subtract", "over", 1.0),
        ("over", "math.truediv", "input_layer", 127.5),
    ] {
        layers.push(serde_json::json!({
            "class_name": "TFOpLambda", "name": name,
            "inbound_nodes": [[read, 0, 0, {"y": y, "name": null}]],
            "config": {"name": name, "function": function},
        }));
    }
    let said = refusal(&json.to_string(), &["stem"]).expect("`tiny` has other preprocessing");
    let found = "pixels multiplied by 0.00784313725490196, plus -1";
    assert!(said.ends_with(found), "{said}");
}

#[test]
fn a_description_that_is_damaged_is_an_error_or_says_nothing() {
    let [config, _] = descriptions();
    for cut in (0..config.len()).step_by(97) {
        let path = testdata("tiny_model.h5");
        let file = WeightsFile {
            ann: "tiny",
            path: &path,
        };
        let said = super::super::config::models(&config[..cut]);
        assert!(said.is_err(), "{cut} of {} bytes", file.path.display());
    }
    // Every layer reads itself.
    let circle = config.replace(
        r#""keras_history": ["#,
        r#""keras_history": ["softmax", 0, 0, "#,
    );
    assert!(refusal(&circle, &["softmax"]).is_some());
    // A class of the user's own says nothing.
    assert_eq!(
        refusal(r#"{"class_name": "Mine", "config": {}}"#, &["softmax"]),
        None
    );
}
