//! Networks that have the weights of `tiny` and compute something else: Keras's own description, changed
//! in one place.

use super::*;

/// What Keras 3.15.1 saved beside the weights of `tiny`, and what tf_keras 2.21.0 says of the same network.
pub(super) fn descriptions() -> [String; 2] {
    let path = testdata("tiny_model.h5");
    let file = WeightsFile {
        ann: "tiny",
        path: &path,
    };
    let content = file.open().expect("made by the script");
    let keras2 = std::fs::read_to_string(testdata("tiny_keras2.json")).expect("made by the script");
    [content.config.expect("a whole model"), keras2]
}

/// What a file of `tiny`'s weights with this description is told when `layers` are asked for.
pub(super) fn compared(config: &str, layers: &[&str]) -> Result<Vec<String>, AnnError> {
    compared_in("tiny_model.h5", config, layers)
}

/// The same with the weights of `file`.
pub(super) fn compared_in(
    file: &str,
    config: &str,
    layers: &[&str],
) -> Result<Vec<String>, AnnError> {
    let path = testdata(file);
    let file = WeightsFile {
        ann: "tiny",
        path: &path,
    };
    let (graph, content) = (TINY.graph(), file.open().expect("made by the script"));
    let asked = nodes(&graph, layers);
    let networks = file.list(&content).expect("its networks");
    let fitted = file.fit(&graph, &asked, networks).expect("its weights");
    file.compare(config, &TINY, &graph, &asked, &fitted)
}

/// How such a file is refused; `None` if it is not.
pub(super) fn refusal(config: &str, layers: &[&str]) -> Option<String> {
    match compared(config, layers).err()? {
        AnnError::AnotherNetwork {
            layer,
            expected,
            found,
            ..
        } => Some(format!("{layer}: {expected} / {found}")),
        error => panic!("{error}"),
    }
}

/// The description with the setting `key` of `layer` as `value`.
pub(super) fn changed(config: &str, layer: &str, key: &str, value: serde_json::Value) -> String {
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
    insta::assert_snapshot!(refusal(&small, &["stem"]).expect("another size"), @"stem: a layer that reads the image of 9 × 8 × 3 as `torch` preprocesses it / one that reads an image of 9 × 9 × 3");
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

/// A layer in front of the network of Keras 3's description.
pub(super) fn behind(first: serde_json::Value) -> String {
    let [config, _] = descriptions();
    let mut json: serde_json::Value = serde_json::from_str(&config).expect("JSON");
    let layers = json["config"]["layers"].as_array_mut().expect("layers");
    let text = layers[1]["inbound_nodes"].to_string();
    let image = layers[1]["inbound_nodes"][0]["args"][0].clone();
    layers[1]["inbound_nodes"] =
        serde_json::from_str(&text.replace("input_layer", "first")).expect("JSON");
    let mut first = first;
    first["name"] = "first".into();
    let text = first.to_string().replace(r#""IMAGE""#, &image.to_string());
    layers.insert(1, serde_json::from_str(&text).expect("JSON"));
    json.to_string()
}

#[test]
fn numbers_per_channel_are_never_taken_as_absent() {
    let rescaled = |scale: serde_json::Value, offset: serde_json::Value| {
        let first = serde_json::json!({
            "module": "keras.layers", "class_name": "Rescaling", "registered_name": null,
            "inbound_nodes": [{"args": ["IMAGE"], "kwargs": {}}],
            "config": {"scale": scale, "offset": offset},
        });
        refusal(&behind(first), &["stem"])
    };
    let list = |numbers: [f64; 3]| serde_json::json!(numbers);
    assert_eq!(rescaled(1.0.into(), 0.0.into()), None);
    assert_eq!(rescaled(list([1.0; 3]), list([0.0; 3])), None);
    let found = |said: Option<String>| {
        let said = said.expect("it differs");
        said.split_once(" / ").expect("what was found").1.to_owned()
    };
    insta::assert_snapshot!(found(rescaled(1.0.into(), list([-123.0, -116.0, -103.0]))), @"one that reads `first` (Rescaling), whose `offset` is [-123.0,-116.0,-103.0]");
    insta::assert_snapshot!(found(rescaled(list([1.0, 1.0, 0.5]), 0.0.into())), @"one that reads `first` (Rescaling), whose `scale` is [1.0,1.0,0.5]");
    insta::assert_snapshot!(found(rescaled(1.0.into(), list([-1.0; 3]))), @"one that reads pixels multiplied by 1, plus -1");
    let array =
        serde_json::json!({"class_name": "__numpy__", "config": {"value": [1.0, 2.0, 3.0]}});
    assert!(rescaled(1.0.into(), array).is_some());
}

#[test]
fn a_number_minus_the_image_is_not_the_image_minus_a_number() {
    let computed = |class: &str, args: serde_json::Value| {
        let first = serde_json::json!({
            "module": "keras.src.ops.numpy", "class_name": class, "registered_name": class,
            "inbound_nodes": [{"args": args, "kwargs": {}}], "config": {},
        });
        refusal(&behind(first), &["stem"])
    };
    for (class, number) in [("Subtract", 0.0), ("TrueDivide", 1.0)] {
        assert_eq!(computed(class, serde_json::json!(["IMAGE", number])), None);
        assert!(computed(class, serde_json::json!([number, "IMAGE"])).is_some());
    }
    for (class, number) in [("Add", 0.0), ("Multiply", 1.0)] {
        assert_eq!(computed(class, serde_json::json!(["IMAGE", number])), None);
        assert_eq!(computed(class, serde_json::json!([number, "IMAGE"])), None);
    }
}

#[test]
fn settings_in_another_form_are_refused() {
    for config in descriptions() {
        for (layer, key, value) in [
            ("stem_relu", "negative_slope", serde_json::json!([0.0, 0.1])),
            ("stem_relu", "threshold", serde_json::json!("0.5")),
            ("side_bn", "epsilon", serde_json::json!([1e-3])),
            ("depth", "dilation_rate", serde_json::json!([1, 1, 1])),
            ("depth", "activation", serde_json::json!(["relu"])),
        ] {
            let other = changed(&config, layer, key, value.clone());
            let said = refusal(&other, &["softmax"]).unwrap_or_else(|| panic!("{layer} {key}"));
            assert!(said.contains(&value.to_string()), "{said}");
        }
    }
}

#[test]
fn a_users_own_code_is_not_kerass() {
    let [config, _] = descriptions();
    let from = |module: &str, registered: &str| {
        let mut json: serde_json::Value = serde_json::from_str(&config).expect("JSON");
        let layers = json["config"]["layers"].as_array_mut().expect("layers");
        let mut layers = layers.iter_mut();
        let relu = layers.find(|of| of["config"]["name"] == "stem_relu");
        let relu = relu.expect("the layer");
        relu["module"] = serde_json::from_str(module).expect("JSON");
        relu["registered_name"] = serde_json::from_str(registered).expect("JSON");
        refusal(&json.to_string(), &["depth"])
    };
    for module in [
        r#""keras""#,
        r#""keras.src.layers""#,
        r#""tf_keras.layers""#,
    ] {
        assert_eq!(from(module, "null"), None);
        assert_eq!(from(module, r#""ReLU""#), None);
    }
    assert_eq!(from("null", "null"), None);
    insta::assert_snapshot!(from("null", r#""mine>ReLU""#).expect("another class"), @"stem_relu: ReLU (maximum 6, negative slope 0, threshold 0) / `ReLU of mine>ReLU`");
    insta::assert_snapshot!(from("null", r#""ReLU""#).expect("another class"), @"stem_relu: ReLU (maximum 6, negative slope 0, threshold 0) / `ReLU of no module, registered as ReLU`");
    insta::assert_snapshot!(from(r#""keras_of_mine""#, "null").expect("another class"), @"stem_relu: ReLU (maximum 6, negative slope 0, threshold 0) / `ReLU of keras_of_mine`");
}

#[test]
fn an_activation_that_is_an_object_is_compared_whole() {
    let [config, _] = descriptions();
    let activated = |object: serde_json::Value| {
        let mut other = changed(&config, "stem_relu", "class_name", "Activation".into());
        for key in ["max_value", "negative_slope", "threshold"] {
            other = changed(&other, "stem_relu", key, serde_json::Value::Null);
        }
        let other = changed(&other, "stem_relu", "activation", object);
        refusal(&other, &["depth"])
    };
    let relu = |slope: f64, threshold: f64| {
        serde_json::json!({
            "module": "keras.layers", "class_name": "ReLU", "registered_name": null,
            "config": {"name": "relu6", "max_value": 6.0, "negative_slope": slope, "threshold": threshold},
        })
    };
    let other = |class: &str, module: &str, config: serde_json::Value| serde_json::json!({"module": module, "class_name": class, "registered_name": class, "config": config});
    assert_eq!(activated("relu6".into()), None);
    assert_eq!(activated(relu(0.0, 0.0)), None);
    assert_eq!(
        activated(other("function", "keras.activations", "relu6".into())),
        None
    );
    insta::assert_snapshot!(activated(relu(0.1, 0.0)).expect("a slope"), @"stem_relu: ReLU (maximum 6, negative slope 0, threshold 0) / ReLU (maximum 6, negative slope 0.1, threshold 0)");
    assert!(activated(relu(0.0, 0.5)).is_some());
    insta::assert_snapshot!(activated(other("function", "builtins", "relu6".into())).expect("not Keras's"), @"stem_relu: ReLU (maximum 6, negative slope 0, threshold 0) / `relu6`, a function of builtins");
    let named = serde_json::json!({"name": "relu6"});
    insta::assert_snapshot!(activated(other("LeakyReLU", "keras.layers", named)).expect("another"), @"stem_relu: ReLU (maximum 6, negative slope 0, threshold 0) / `LeakyReLU`");
}

#[test]
fn a_description_that_is_damaged_is_an_error_or_says_nothing() {
    let [config, _] = descriptions();
    for cut in (0..config.len()).step_by(97) {
        let said = compared(&config[..cut], &["softmax"]);
        assert!(
            matches!(said, Err(AnnError::Incomparable { .. })),
            "{cut} bytes"
        );
    }
    // Every layer reads itself.
    let circle = config.replace(
        r#""keras_history": ["#,
        r#""keras_history": ["softmax", 0, 0, "#,
    );
    assert!(refusal(&circle, &["softmax"]).is_some());
    let twice = config.replace(r#""name": "depth""#, r#""name": "side""#);
    let many = config.replace(
        r#""inbound_nodes": []"#,
        &format!(r#""inbound_nodes": [{}1]"#, "1,".repeat(5000)),
    );
    for (damaged, found) in [
        (twice, "cannot be compared with it: two layers `side`"),
        (many, "more than 4096 calls of layers"),
        (
            config.replace(
                r#""name": "side""#,
                &format!(r#""name": "{}""#, "s".repeat(1025)),
            ),
            "a name of 1025 bytes, of a layer or its class; the limit is 1024",
        ),
        (
            config.replace(r#""name": ""#, r#""name": "my_"#),
            "it lacks the layers that the file has weights of",
        ),
    ] {
        assert_ne!(damaged, config);
        let said = compared(&damaged, &["softmax"])
            .expect_err("damaged")
            .to_string();
        assert!(said.contains(found), "{said}");
    }
    // A class of the user's own describes no layers.
    let told = compared(r#"{"class_name": "Mine", "config": {}}"#, &["softmax"]).expect("weights");
    assert!(
        told.len() == 1 && told[0].contains("class of its own"),
        "{told:?}"
    );
}
