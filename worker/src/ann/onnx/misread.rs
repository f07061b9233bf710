//! Operations whose attributes tract passes over, or whose numbers it gets wrong: refused.

use tract_onnx::pb::{AttributeProto, NodeProto};

/// What tract 0.23.9 would compute otherwise than ONNX in `node`, or in a node of its graphs.
pub(super) fn misread(node: &NodeProto) -> Option<String> {
    let op = &node.op_type;
    let attribute = |name: &str| node.attribute.iter().find(|it| it.name == name);
    let whole = |name: &str| attribute(name).map(|it| it.i);
    let text = |name: &str| attribute(name).map(|it| String::from_utf8_lossy(&it.s).into_owned());
    let is = |name: &str, value: &str| text(name).is_some_and(|text| text == value);
    let refused = match &**op {
        "BatchNormalization" => {
            (whole("training_mode") == Some(1)).then(|| "is in training mode".to_owned())
        }
        "Bernoulli" | "Multinomial" | "RandomNormal" | "RandomNormalLike" | "RandomUniform"
        | "RandomUniformLike" => Some("draws other numbers each time it runs".to_owned()),
        "Swish" | "Celu" => attribute("alpha")
            .is_some_and(|it| it.f != 1.0)
            .then(|| "with a factor is not supported".to_owned()),
        "RNN" | "GRU" | "LSTM" => recurrent(node),
        // tract's is the mean, not the sum, and takes no absolute value.
        "GlobalLpPool" => Some("is not supported".to_owned()),
        "Resize" => {
            let nearest = attribute("mode").is_none() || is("mode", "nearest");
            let symmetric = is("coordinate_transformation_mode", "half_pixel_symmetric");
            (nearest && symmetric)
                .then(|| "to the nearest by `half_pixel_symmetric` is not supported".to_owned())
        }
        "GridSample" => {
            let cubic = is("mode", "cubic") || is("mode", "bicubic");
            (cubic && is("padding_mode", "border"))
                .then(|| "by cubes with the border's values is not supported".to_owned())
        }
        "ConvTranspose" => (attribute("output_shape").is_some() && is("auto_pad", "VALID"))
            .then(|| "with `output_shape` and `auto_pad` VALID is not supported".to_owned()),
        "TopK" => (whole("sorted") == Some(0)).then(|| "in no order is not supported".to_owned()),
        "QuantizeLinear" => {
            let third = node.input.get(2).is_some_and(|name| !name.is_empty());
            let other = whole("output_dtype").is_some_and(|kind| kind != 0);
            (other && !third).then(|| "with `output_dtype` is not supported".to_owned())
        }
        "Pad" => {
            (node.domain == "com.microsoft").then(|| "of Microsoft's is not supported".to_owned())
        }
        _ => None,
    };
    let graphs = |it: &AttributeProto| {
        let mut graphs = it.g.iter().chain(&it.graphs);
        graphs.find_map(|graph| graph.node.iter().find_map(misread))
    };
    let refused = refused.map(|why| format!("`{op}` {why}"));
    refused.or_else(|| node.attribute.iter().find_map(graphs))
}

/// tract takes its own activations, clips nothing, and goes backwards only as the second of two.
fn recurrent(node: &NodeProto) -> Option<String> {
    let own: &[&str] = match &*node.op_type {
        "RNN" => &["Tanh"],
        "GRU" => &["Sigmoid", "Tanh"],
        _ => &["Sigmoid", "Tanh", "Tanh"],
    };
    node.attribute.iter().find_map(|it| match &*it.name {
        "activations" => {
            let given = it.strings.iter().map(|name| String::from_utf8_lossy(name));
            let given: Vec<_> = given.collect();
            let mut pairs = given.iter().zip(own.iter().cycle());
            let same = pairs.all(|(given, own)| given.eq_ignore_ascii_case(own));
            (!same).then(|| format!("with activations {} is not supported", given.join(", ")))
        }
        "activation_alpha" | "activation_beta" => {
            (!it.floats.is_empty()).then(|| format!("with `{}` is not supported", it.name))
        }
        "clip" => Some(format!("with `clip` {} is not supported", it.f)),
        "input_forget" => (it.i != 0).then(|| "with `input_forget` is not supported".to_owned()),
        "direction" => (!matches!(&*it.s, b"forward" | b"bidirectional")).then(|| {
            let direction = String::from_utf8_lossy(&it.s);
            format!("of direction `{direction}` is not supported")
        }),
        _ => None,
    })
}
