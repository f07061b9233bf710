//! Networks in the same clothes: the layers of `tiny` under their own names, called, connected or fed
//! otherwise.

use serde_json::{Value, json};

use super::super::config::models;
use super::super::layer::may_be_own;
use super::super::operation::{LOCAL_RESPONSE_NORM, Operation};
use super::architecture::{behind, changed, compared, compared_in, descriptions, refusal};
use super::*;

/// The layer of the description called `name`.
fn layer<'a>(json: &'a mut Value, name: &str) -> &'a mut Value {
    let layers = json["config"]["layers"].as_array_mut().expect("layers");
    let found = layers.iter_mut().find(|of| of["config"]["name"] == name);
    found.expect("the layer")
}

/// Both descriptions, changed.
fn each(change: impl Fn(&mut Value)) -> [String; 2] {
    descriptions().map(|config| {
        let mut json: Value = serde_json::from_str(&config).expect("JSON");
        change(&mut json);
        json.to_string()
    })
}

/// What is said of both, which is the same.
fn both(configs: &[String; 2], layers: &[&str]) -> Option<String> {
    let [keras3, keras2] = configs.each_ref().map(|config| refusal(config, layers));
    assert_eq!(keras3, keras2);
    keras3
}

/// The same call that reads the call `number` of `read`.
fn reading(call: &Value, before: &str, read: &str, number: usize) -> Value {
    let (from, to) = (
        format!(r#"["{before}",0,0"#),
        format!(r#"["{read}",{number},0"#),
    );
    let text = call.to_string();
    let other = text.replace(&from, &to);
    assert!(text.contains(&from), "{text}");
    serde_json::from_str(&other).expect("JSON")
}

/// The description with `first` between the layers `before` and `after`.
fn between(json: &mut Value, before: &str, after: &str, first: Value) {
    let call = layer(json, after)["inbound_nodes"].clone();
    layer(json, after)["inbound_nodes"] = reading(&call, before, "between", 0);
    let mut first = first;
    first["name"] = "between".into();
    first["inbound_nodes"] = call;
    let layers = json["config"]["layers"].as_array_mut().expect("layers");
    layers.push(first);
}

#[test]
fn layers_that_work_as_in_training_are_refused() {
    let trained = |json: &mut Value, name: &str| {
        let call = &mut layer(json, name)["inbound_nodes"][0];
        if call.is_object() {
            call["kwargs"]["training"] = true.into();
        } else {
            call[0][3] = json!({"training": true});
        }
    };
    let configs = each(|json| trained(json, "side_bn"));
    assert_eq!(both(&configs, &["side"]), None);
    insta::assert_snapshot!(both(&configs, &["sum"]).expect("it differs"), @"side_bn: BatchNormalization (epsilon 0.001, scale true, center true) / `BatchNormalization` called with `training=True`");
    // By place, and of a dropout that would otherwise do nothing.
    let dropout = |training: bool| {
        let first = json!({
            "module": "keras.layers", "class_name": "Dropout", "registered_name": null,
            "config": {"rate": 0.5}, "inbound_nodes": [{"args": ["IMAGE", training], "kwargs": {}}],
        });
        refusal(&behind(first), &["stem"])
    };
    // Keras 3 writes this for its random layers, whatever was asked.
    let flip = json!({
        "module": "keras.layers", "class_name": "RandomFlip", "registered_name": null,
        "config": {}, "inbound_nodes": [{"args": ["IMAGE"], "kwargs": {"training": true}}],
    });
    assert_eq!(refusal(&behind(flip), &["stem"]), None);
    assert_eq!(dropout(false), None);
    insta::assert_snapshot!(dropout(true).expect("it differs"), @"stem: a layer that reads the image of 9 × 8 × 3 as `torch` preprocesses it / one that reads `first` (Dropout), which may change pixels");
}

#[test]
fn a_layer_that_is_called_twice_counts_once_per_call() {
    // `depth_bn` is called again on its own result.
    let again = |json: &mut Value, read: usize| {
        let nodes = &mut layer(json, "depth_bn")["inbound_nodes"];
        let second = reading(&nodes[0], "depth", "depth_bn", 0);
        nodes.as_array_mut().expect("calls").push(second);
        let call = layer(json, "depth_pad")["inbound_nodes"].clone();
        layer(json, "depth_pad")["inbound_nodes"] = reading(&call, "depth_bn", "depth_bn", read);
    };
    for config in each(|json| again(json, 0)) {
        assert_eq!(refusal(&config, &["softmax"]), None);
    }
    let configs = each(|json| again(json, 1));
    assert_eq!(both(&configs, &["depth_bn"]), None);
    insta::assert_snapshot!(both(&configs, &["softmax"]).expect("it differs"), @"depth_pad: a layer that reads `depth_bn` / one that reads `depth_bn` when it is called again, another value");
    for config in each(|json| again(json, 2)) {
        assert!(refusal(&config, &["softmax"]).is_some(), "no such call");
    }
}

#[test]
fn a_map_in_another_shape_is_another_map() {
    let reshaped = |before: &str, after: &str, class: &str, shape: Value| {
        each(|json| {
            let of =
                json!({"class_name": class, "config": {"target_shape": shape, "name": "between"}});
            between(json, before, after, of);
        })
    };
    let configs = reshaped("stem_relu", "side", "Reshape", json!([4, 5, 4]));
    insta::assert_snapshot!(both(&configs, &["side"]).expect("it differs"), @"side: a layer that reads `stem_relu` / one that reads `stem_relu` in another shape");
    for config in reshaped("both_relu", "pool", "Reshape", json!([4, 5, 8])) {
        assert!(refusal(&config, &["pool"]).is_some());
    }
    for config in reshaped("pool", "pool_bn", "Reshape", json!([1, 1, 8])) {
        assert_eq!(refusal(&config, &["softmax"]), None);
    }
    for config in reshaped("both_relu", "pool", "Permute", json!([2, 1, 3])) {
        assert!(refusal(&config, &["pool"]).is_some());
    }
}

#[test]
fn settings_that_are_not_known_are_never_ignored() {
    let null = Value::Null;
    for config in descriptions() {
        for (layer, key, value) in [
            ("side_bn", "axis", json!(1)),
            ("side_bn", "axis", json!([1, 2])),
            ("depth", "subsample", json!([2, 2])),
            ("depth", "padding", json!("reflect")),
            ("depth", "groups", json!(2)),
            ("pad", "data_format", json!("channels_first")),
            ("pad", "mode", json!("reflect")),
            ("both", "axis", null.clone()),
            ("both", "axis", json!(1)),
            ("pool", "data_format", json!("channels_first")),
            ("stem_relu", "alpha", json!(0.1)),
        ] {
            let other = changed(&config, layer, key, value.clone());
            assert!(
                refusal(&other, &["softmax"]).is_some(),
                "{layer} {key} {value}"
            );
            let idle = changed(&config, layer, "of_a_later_keras", null.clone());
            assert_eq!(refusal(&idle, &["softmax"]), None);
        }
        let other = changed(&config, "softmax", "class_name", "Softmax".into());
        let other = changed(&other, "softmax", "activation", Value::Null);
        let along = |axis: i64| {
            refusal(
                &changed(&other, "softmax", "axis", axis.into()),
                &["softmax"],
            )
        };
        assert_eq!(along(-1), None);
        assert!(along(0).is_some());
    }
    let configs = descriptions().map(|of| changed(&of, "depth", "subsample", json!([2, 2])));
    insta::assert_snapshot!(both(&configs, &["depth"]).expect("it differs"), @"depth: DepthwiseConv2D (window 3 × 3, strides 1 × 1, padding [(0, 1), (1, 1)], groups 1, dilation 1 × 1, bias false, activation linear) / DepthwiseConv2D with `subsample` as [2,2]");
}

#[test]
fn another_image_is_refused() {
    let configs = descriptions().map(|of| changed(&of, "input_layer", "dtype", "uint8".into()));
    insta::assert_snapshot!(both(&configs, &["stem"]).expect("it is cast"), @"stem: a layer that reads the image of 9 × 8 × 3 as `torch` preprocesses it / one that reads whole numbers, as `input_layer` is");
    for config in descriptions() {
        let key = ["batch_shape", "batch_input_shape"];
        let key = key.into_iter().find(|key| config.contains(*key));
        for shape in [json!([null, 9, 8]), json!([null, 9, 8, 3, 1])] {
            let other = changed(&config, "input_layer", key.expect("a shape"), shape);
            assert!(refusal(&other, &["stem"]).is_some());
        }
    }
}

/// The description as the layer `inner` of another model, which reads `layers` first.
fn nested(inner: &str, layers: &[Value], call: Value) -> String {
    let mut inner: Value = serde_json::from_str(inner).expect("JSON");
    inner["name"] = "inner".into();
    inner["inbound_nodes"] = call;
    let mut all = layers.to_vec();
    all.push(inner);
    json!({"class_name": "Functional", "config": {"name": "outer", "layers": all}}).to_string()
}

#[test]
fn what_is_around_a_nested_network_counts() {
    let [_, config] = descriptions();
    let input = |name: &str| {
        json!({
            "class_name": "InputLayer", "name": name, "inbound_nodes": [],
            "config": {"name": name, "batch_input_shape": [null, 9, 8, 3], "dtype": "float32"},
        })
    };
    let scaled = |scale: f64, options: Value| {
        json!({
            "class_name": "Rescaling", "name": "scaled", "config": {"scale": scale, "offset": 0.0},
            "inbound_nodes": [[["image", 0, 0, options]]],
        })
    };
    let call = |read: &str, options: Value| json!([[[read, 0, 0, options]]]);
    let none = || json!({});
    let said =
        |layers: &[Value], call: Value| refusal(&nested(&config, layers, call), &["softmax"]);
    let image = input("image");
    assert_eq!(
        said(std::slice::from_ref(&image), call("image", none())),
        None
    );
    let first = [image.clone(), scaled(1.0, none())];
    assert_eq!(said(&first, call("scaled", none())), None);
    let half = [image.clone(), scaled(0.5, none())];
    insta::assert_snapshot!(said(&half, call("scaled", none())).expect("scaled"), @"stem: a layer that reads the image of 9 × 8 × 3 as `torch` preprocesses it / one that reads pixels multiplied by 0.5, plus 0");
    insta::assert_snapshot!(said(std::slice::from_ref(&image), call("image", json!({"training": true}))).expect("training"), @"stem: a layer that reads the image of 9 × 8 × 3 as `torch` preprocesses it / one in `inner`, called with `training=True`");
    let flipped = |options: Value| {
        let flip = json!({
            "class_name": "RandomFlip", "name": "flip", "config": {},
            "inbound_nodes": [[["image", 0, 0, options]]],
        });
        said(&[image.clone(), flip], call("flip", none()))
    };
    assert_eq!(flipped(none()), None);
    assert!(
        flipped(json!({"training": true})).is_some(),
        "as Keras 2 does"
    );
    // Called with two images, which are scaled alike or not.
    let views = |scale: f64| {
        let layers = [image.clone(), scaled(scale, none()), input("other")];
        said(
            &layers,
            json!([[["scaled", 0, 0, {}]], [["other", 0, 0, {}]]]),
        )
    };
    assert_eq!(views(1.0), None);
    insta::assert_snapshot!(views(0.5).expect("scaled otherwise"), @"stem: a layer that reads the image of 9 × 8 × 3 as `torch` preprocesses it / one in `inner`, called with images of different scales");
}

#[test]
fn of_two_networks_with_the_same_layers_both_must_be_the_ann() {
    let [_, config] = descriptions();
    let two = |first: &str, second: &str| {
        let inner = |name: &str, config: &str| {
            let mut json: Value = serde_json::from_str(config).expect("JSON");
            json["name"] = name.into();
            json["inbound_nodes"] = json!([[["image", 0, 0, {}]]]);
            json
        };
        let image = json!({
            "class_name": "InputLayer", "name": "image", "inbound_nodes": [],
            "config": {"name": "image", "batch_input_shape": [null, 9, 8, 3]},
        });
        let layers = json!([image, inner("a", first), inner("b", second)]);
        let outer = json!({"class_name": "Functional", "config": {"layers": layers}});
        refusal(&outer.to_string(), &["depth"])
    };
    let other = changed(&config, "stem_relu", "max_value", Value::Null);
    assert_eq!(two(&config, &config), None);
    assert!(two(&other, &config).is_some());
    assert!(two(&config, &other).is_some());
}

#[test]
fn what_cannot_be_compared_is_said() {
    for config in descriptions() {
        assert_eq!(compared(&config, &["softmax"]).expect("the same"), [""; 0]);
        let half = json!({"class_name": "DTypePolicy", "config": {"name": "mixed_float16"}});
        let half = changed(&config, "depth", "dtype", half);
        let told = compared(&half, &["softmax"]).expect("the same");
        assert!(
            told.len() == 1 && told[0].contains("computes in `mixed_float16`"),
            "{told:?}"
        );
        let image = json!({
            "class_name": "InputLayer", "name": "image", "inbound_nodes": [],
            "config": {"batch_input_shape": [null, 9, 8, 3]},
        });
        let outer = nested(&config, &[image], json!([[["image", 0, 0, {}]]]));
        let mut own: Value = serde_json::from_str(&outer).expect("JSON");
        assert_eq!(compared(&outer, &["stem"]).expect("the same"), [""; 0]);
        own["class_name"] = "Mine".into();
        let told = compared(&own.to_string(), &["stem"]).expect("the same");
        assert!(
            told.len() == 1 && told[0].contains("within one"),
            "{told:?}"
        );
        let mut own: Value = serde_json::from_str(&config).expect("JSON");
        own["class_name"] = "Mine".into();
        let told = compared(&own.to_string(), &["stem"]).expect("the same");
        assert!(
            told.len() == 1 && told[0].contains("is a `Mine`"),
            "{told:?}"
        );
    }
}

/// A file without names has the layers of a class in the description's order.
#[test]
fn layers_of_a_file_without_names_are_those_of_its_description() {
    let configs = each(|json| {
        let layers = json["config"]["layers"].as_array_mut().expect("layers");
        let at = |layers: &[Value], name: &str| {
            let place = layers.iter().position(|of| of["config"]["name"] == name);
            place.expect("the layer")
        };
        let (stem, depth) = (at(layers, "stem_bn"), at(layers, "depth_bn"));
        layers.swap(stem, depth);
    });
    for (config, swapped) in descriptions().iter().zip(&configs) {
        let said = |config: &str| compared_in("tiny_unnamed.weights.h5", config, &["softmax"]);
        assert_eq!(said(config).expect("the same"), [""; 0]);
        let refused = said(swapped)
            .expect_err("weights of other layers")
            .to_string();
        assert!(refused.contains("layer `stem_bn`"), "{refused}");
        // Where the file has names, their order says nothing.
        assert_eq!(compared(swapped, &["softmax"]).expect("the same"), [""; 0]);
    }
}

#[test]
fn only_code_of_ones_own_stands_for_local_response_normalisation() {
    let norm = Operation::new(LOCAL_RESPONSE_NORM);
    let stands = |class: &str, module: Value, name: &str| {
        let layer = json!({"class_name": class, "module": module, "name": name, "config": {}});
        let model = json!({"class_name": "Functional", "config": {"layers": [layer]}});
        may_be_own(&norm, &models(&model).expect("a model")[0].layers[0])
    };
    for (class, module, name) in [
        ("LocalResponseNorm", json!("mine"), "norm1"),
        ("Anything", json!("mine"), "norm1"),
        ("LRN", Value::Null, "norm1"),
        ("Mine", Value::Null, "lrn_1"),
        ("Lambda", json!("keras.layers"), "convpool_1"),
    ] {
        assert!(stands(class, module, name), "{class} {name}");
    }
    for (class, module, name) in [
        ("LeakyReLU", json!("keras.layers"), "norm1"),
        ("LayerNormalization", Value::Null, "norm1"),
        ("BatchNormalization", Value::Null, "lrn_1"),
        ("ReLU", Value::Null, "lrn_1"),
    ] {
        assert!(!stands(class, module, name), "{class} {name}");
    }
    let relu = Operation::new("ReLU");
    let model = json!({"class_name": "Functional", "config": {"layers": [
        {"class_name": "LRN", "name": "lrn", "config": {}}
    ]}});
    assert!(!may_be_own(
        &relu,
        &models(&model).expect("a model")[0].layers[0]
    ));
}

#[test]
fn an_archive_without_a_description_is_refused() {
    let bytes = std::fs::read(testdata("tiny.keras")).expect("made by the script");
    let mut other = bytes.clone();
    for at in 0..bytes.len() - 11 {
        if bytes[at..].starts_with(b"config.json") {
            other[at..at + 11].copy_from_slice(b"confug.json");
        }
    }
    let file = tempfile::NamedTempFile::new().expect("temporary file");
    std::fs::write(file.path(), other).expect("written");
    let said = read_tiny(file.path(), &["softmax"]).expect_err("no description");
    assert!(said.to_string().contains("`config.json`"), "{said}");
}
