//! What a file's layers are taken for: by order where numbers say nothing, and never for another network's.

use super::super::names::settle;
use super::*;

/// The networks of a file of `tiny`.
fn networks(path: &Path) -> Vec<Network> {
    let file = WeightsFile { ann: "tiny", path };
    let content = file.open().expect("made by the script");
    file.list(&content).expect("its networks")
}

/// A tensor's variable and shape.
type Shaped<'a> = (&'a str, Vec<usize>);

/// A network of layers called so, with such tensors.
fn network(order: Order, layers: &[(&str, Vec<Shaped<'_>>)]) -> Network {
    let own = networks(&testdata("tiny_legacy.h5")).swap_remove(0);
    let data = &own.layers[0].tensors[0].data;
    let layer = |(name, tensors): &(&str, Vec<Shaped<'_>>)| FileLayer {
        own_name: Some((*name).to_owned()),
        name: None,
        group: (*name).to_owned(),
        tensors: tensors
            .iter()
            .map(|(variable, shape)| FileTensor {
                variable: (*variable).to_owned(),
                shape: shape.clone(),
                data: data.clone(),
            })
            .collect(),
    };
    Network {
        place: String::new(),
        order,
        layers: layers.iter().map(layer).collect(),
    }
}

fn settled(ann: &str, mut network: Network) -> Vec<Option<String>> {
    settle(&find(ann).expect("offered").graph(), &mut network);
    let layers = network.layers.into_iter();
    layers.map(|layer| layer.name).collect()
}

/// What batch norms of so many channels, called so, are taken for in Xception, whose own that are numbered
/// have 128, 256, 728 and 1024.
fn taken_for(order: Order, norms: &[(&'static str, usize)]) -> Vec<Option<String>> {
    let variables = ["gamma", "beta", "moving_mean", "moving_variance"];
    let norm = |(name, channels): &(&'static str, usize)| {
        let tensors = variables.map(|variable| (variable, vec![*channels]));
        (*name, tensors.to_vec())
    };
    let norms: Vec<_> = norms.iter().map(norm).collect();
    settled("xception", network(order, &norms))
}

/// What dense layers of MobileNetV2's classifier's shape, called so, are taken for in it.
fn heads_taken_for(names: &[&str]) -> Vec<Option<String>> {
    let head = || vec![("kernel", vec![1280, 1000]), ("bias", vec![1000])];
    let heads: Vec<_> = names.iter().map(|name| (*name, head())).collect();
    settled("mobilenet_v2", network(Order::Model, &heads))
}

const OURS: [&str; 4] = [
    "batch_normalization",
    "batch_normalization_1",
    "batch_normalization_2",
    "batch_normalization_3",
];

#[test]
fn a_head_of_another_session_is_not_the_networks_first_layer() {
    let norms = [
        ("batch_normalization_4", 128),
        ("batch_normalization_5", 256),
        ("batch_normalization_6", 728),
        ("batch_normalization", 128),
    ];
    for order in [Order::Model, Order::Classes] {
        assert_eq!(taken_for(order, &norms), OURS.map(|of| Some(of.to_owned())));
    }
    // A model's layers that are not trained come last, so that neither order nor numbers tell.
    assert_eq!(taken_for(Order::Trained, &norms), [None, None, None, None]);
}

#[test]
fn the_numbers_tell_where_some_layers_are_not_trained() {
    let norms = [
        ("batch_normalization_6", 728),
        ("batch_normalization_7", 1024),
        ("batch_normalization_4", 128),
        ("batch_normalization_5", 256),
    ];
    let taken = taken_for(Order::Trained, &norms);
    let expected = [2, 3, 0, 1].map(|at| Some(OURS[at].to_owned()));
    assert_eq!(taken, expected);
}

/// Keras 3.15's MobileNetV2 with a second head called `Logits`, before or behind its own.
#[test]
fn an_old_classifiers_name_is_a_heads_where_the_classifier_has_its_own() {
    let classifier = || Some("predictions".to_owned());
    assert_eq!(heads_taken_for(&["Logits"]), [classifier()]);
    assert_eq!(heads_taken_for(&["base/Logits"]), [classifier()]);
    assert_eq!(
        heads_taken_for(&["Logits", "predictions"]),
        [None, classifier()]
    );
    assert_eq!(
        heads_taken_for(&["predictions", "Logits"]),
        [classifier(), None]
    );
    assert_eq!(
        heads_taken_for(&["probs", "predictions", "fc1000"]),
        [None, classifier(), None]
    );
    // Either may be the classifier.
    assert_eq!(heads_taken_for(&["Logits", "fc1000"]), [None, None]);
    // Two of one name are refused as the weights are fitted.
    assert_eq!(
        heads_taken_for(&["a/predictions", "b/predictions"]),
        [classifier(), classifier()]
    );
}

#[test]
fn two_layers_of_one_name_are_refused_however_they_are_written() {
    let kernel = || vec![("kernel", vec![7, 7, 3, 64])];
    for names in [
        ["conv1/conv", "conv1_conv"],
        ["a/conv1_conv", "b/conv1_conv"],
    ] {
        let layers = names.map(|name| (name, kernel()));
        let graph = find("densenet121").expect("offered").graph();
        let file = WeightsFile {
            ann: "densenet121",
            path: Path::new("two.h5"),
        };
        let networks = vec![network(Order::Trained, &layers)];
        let refused = file.fit(&graph, &nodes(&graph, &["conv1_conv"]), networks);
        let [one, other] = names;
        let refused = refused.err().expect("refused").to_string();
        let said = format!("two networks that fit, `{one}` and `{other}`");
        assert!(refused.contains(&said), "{refused}");
    }
}

/// How a file of `tiny` is refused whose layer of this name, or else of this group, has other shapes.
fn other_shape(file: &str, name: &str, group: &str) -> Option<String> {
    let (path, graph) = (testdata(file), TINY.graph());
    let mut networks = networks(&path);
    let is = |of: &&mut FileLayer| match &of.own_name {
        Some(own) => own == name,
        None => of.group == group,
    };
    let layer = networks[0].layers.iter_mut().find(is).expect("the layer");
    layer.tensors[0].shape[0] += 1;
    let file = WeightsFile {
        ann: "tiny",
        path: &path,
    };
    let fitted = file.fit(&graph, &nodes(&graph, &["stem_bn"]), networks);
    fitted.err().map(|error| error.to_string())
}

#[test]
fn only_the_classifier_may_have_other_shapes() {
    for file in FILES {
        assert_eq!(other_shape(file, "dense", "dense"), None, "{file}");
        let said = other_shape(file, "side", "conv2d_1").expect("another network");
        assert!(said.contains("layer `side` should be kernel"), "{said}");
    }
}
