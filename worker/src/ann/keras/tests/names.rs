//! What a file's layers are taken for: by order where numbers say nothing, and never for another network's.

use super::super::names::settle;
use super::*;

/// The networks of a file of `tiny`.
fn networks(path: &Path) -> Vec<Network> {
    let file = WeightsFile { ann: "tiny", path };
    let content = file.open().expect("made by the script");
    file.list(&content).expect("its networks")
}

/// What batch norms of so many channels, called so, are taken for in Xception, whose own that are numbered
/// have 128, 256, 728 and 1024.
fn taken_for(order: Order, norms: &[(&str, usize)]) -> Vec<Option<String>> {
    let own = networks(&testdata("tiny_legacy.h5")).swap_remove(0);
    let data = &own.layers[0].tensors[0].data;
    let layer = |(name, channels): &(&str, usize)| FileLayer {
        own_name: Some((*name).to_owned()),
        name: None,
        group: (*name).to_owned(),
        tensors: ["gamma", "beta", "moving_mean", "moving_variance"]
            .into_iter()
            .map(|variable| FileTensor {
                variable: variable.to_owned(),
                shape: vec![*channels],
                data: data.clone(),
            })
            .collect(),
    };
    let mut network = Network {
        place: String::new(),
        order,
        layers: norms.iter().map(layer).collect(),
    };
    settle(&find("xception").expect("offered").graph(), &mut network);
    let layers = network.layers.into_iter();
    layers.map(|layer| layer.name).collect()
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
