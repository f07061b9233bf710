//! What a file's layers are called in the graph: names that older versions of Keras used, numbers that
//! depend on the session that built the network, and order where names say too little.
//!
//! A layer that remains without a name of the graph's is another network's, or part of another classifier.

use std::collections::BTreeSet;

use super::tensors::{fits, place_of, specs_of};
use super::{FileLayer, Network, Order};
use crate::ann::graph::{Graph, Node, Op};

/// The classifier in keras-applications 1.0.8 and before: MobileNetV2's, ResNet50's and DenseNet's.
const OLD_CLASSIFIERS: [&str; 3] = ["Logits", "probs", "fc1000"];

/// Keras 1's names for the classes of layers that it numbered, and those of today.
const OLD_CLASSES: [(&str, &str); 3] = [
    ("convolution2d", "conv2d"),
    ("batchnormalization", "batch_normalization"),
    ("separableconvolution2d", "separable_conv2d"),
];

/// Gives the network's layers the graph's names for them.
pub(super) fn settle(graph: &Graph, network: &mut Network) {
    for layer in &mut network.layers {
        layer.name = match &layer.own_name {
            Some(name) => known(graph, name),
            None => by_number(graph, &layer.group),
        };
    }
    name_old_classifier(graph, network);
    rename_numbered(graph, network);
    if network.order == Order::Model {
        name_by_order(graph, network);
    }
}

/// The graph's name for `name`, possibly behind the names of the models that the layer is in.
fn known(graph: &Graph, name: &str) -> Option<String> {
    let weighted = || graph.nodes().iter().filter(|node| !node.weights.is_empty());
    let fixed = |name: &str| {
        let mut nodes = weighted().filter(|node| !node.auto_numbered);
        nodes.any(|node| node.name == name).then(|| name.to_owned())
    };
    let starts = name.match_indices('/').map(|(at, _)| at + 1);
    let mut ends = std::iter::once(0).chain(starts).map(|start| &name[start..]);
    // DenseNet's `conv1/conv` is now `conv1_conv`.
    ends.find_map(|end| fixed(end).or_else(|| fixed(&end.replace('/', "_"))))
}

/// Gives the classifier's name to the layer that has one of older versions, if it alone may be the classifier: in
/// a network with the name of today it is another head.
fn name_old_classifier(graph: &Graph, network: &mut Network) {
    let mut weighted = graph.nodes().iter().filter(|node| !node.weights.is_empty());
    let last = weighted.next_back();
    let Some(classifier) = last.filter(|node| matches!(node.op, Op::Dense { .. })) else {
        return;
    };
    let is_today = |layer: &FileLayer| layer.name.as_deref() == Some(&*classifier.name);
    if network.layers.iter().any(is_today) {
        return;
    }
    let is_old = |layer: &&mut FileLayer| {
        let name = layer.own_name.as_deref().unwrap_or_default();
        OLD_CLASSIFIERS.contains(&name.rsplit('/').next().unwrap_or(name))
    };
    let mut old = network.layers.iter_mut().filter(is_old);
    if let (Some(layer), None) = (old.next(), old.next()) {
        layer.name = Some(classifier.name.clone());
    }
}

/// The n-th layer of a class in a Keras 3 file is the graph's n-th.
fn by_number(graph: &Graph, group: &str) -> Option<String> {
    let (class, number) = class_and_number(group);
    let mut alike = graph.nodes().iter().filter(|n| n.op.keras_class() == class);
    alike.nth(number).map(|node| node.name.clone())
}

/// Gives the layers that Keras numbered the graph's names for them: their numbers depend on the
/// session that built the network and on those that built its head, their order in the file does not.
fn rename_numbered(graph: &Graph, network: &mut Network) {
    let weighted = graph.nodes().iter().filter(|node| !node.weights.is_empty());
    let mut numbered: Vec<_> = weighted
        .filter(|node| node.auto_numbered)
        .map(|node| (class_and_number(&node.name), node))
        .collect();
    numbered.sort_unstable_by_key(|(place, _)| *place);
    for ours in numbered.chunk_by(|a, b| a.0.0 == b.0.0) {
        let class = ours[0].0.0;
        let layers = network.layers.iter_mut();
        let mut theirs: Vec<(usize, &mut FileLayer)> = layers
            .filter_map(|layer| Some((number_in(class, layer)?, layer)))
            .collect();
        let is_certain = match network.order {
            Order::Model | Order::Classes => true,
            Order::Trained if theirs.is_sorted_by_key(|(number, _)| *number) => true,
            // Layers that are not trained come last: the numbers tell, if none is another network's.
            Order::Trained => {
                theirs.sort_by_key(|(number, _)| *number);
                let mut pairs = ours.iter().zip(&theirs);
                ours.len() == theirs.len()
                    && pairs.all(|((_, node), (_, of))| fits(specs_of(graph, node), &of.tensors))
            }
        };
        if is_certain {
            for ((_, node), (_, layer)) in ours.iter().zip(theirs) {
                layer.name = Some(node.name.clone());
            }
        }
    }
}

/// The number of a layer that Keras called by `class`, in whatever version.
fn number_in(class: &str, layer: &FileLayer) -> Option<usize> {
    let name = layer.own_name.as_deref().or(layer.name.as_deref())?;
    let name = name.rsplit('/').next().unwrap_or(name);
    let (found, number) = class_and_number(name);
    let old = OLD_CLASSES.iter().find(|(old, _)| *old == found);
    (old.map_or(found, |(_, new)| new) == class).then_some(number)
}

/// Names layers by their order, where between two named ones the file has as many layers as the graph,
/// of the same shapes, and no two of those shapes are equal: then no other order would fit.
fn name_by_order(graph: &Graph, network: &mut Network) {
    let ours: Vec<&Node> = graph
        .nodes()
        .iter()
        .filter(|node| !node.weights.is_empty())
        .collect();
    let told: Vec<Option<usize>> = network
        .layers
        .iter()
        .map(|layer| place_of(&ours, layer.name.as_deref()?))
        .collect();
    if !told.iter().flatten().is_sorted_by(|a, b| a < b) || told.iter().all(Option::is_none) {
        return;
    }
    let (mut theirs_from, mut ours_from) = (0, 0);
    for at in 0..=told.len() {
        let to = match told.get(at) {
            Some(None) => continue,
            Some(Some(place)) => *place,
            None => ours.len(),
        };
        let (missing, unknown) = (&ours[ours_from..to], &mut network.layers[theirs_from..at]);
        let shapes: Vec<_> = missing.iter().map(|node| specs_of(graph, node)).collect();
        let shapes = shapes
            .iter()
            .map(|specs| specs.iter().map(|spec| &spec.shape).collect());
        let distinct: BTreeSet<Vec<_>> = shapes.collect();
        let is_of =
            |(node, layer): (&&Node, &FileLayer)| fits(specs_of(graph, node), &layer.tensors);
        if missing.len() == unknown.len()
            && distinct.len() == missing.len()
            && missing.iter().zip(&*unknown).all(is_of)
        {
            for (node, layer) in missing.iter().zip(unknown) {
                layer.name = Some(node.name.clone());
            }
        }
        (theirs_from, ours_from) = (at + 1, to + 1);
    }
}

/// `conv2d_3` is the layer 3 of class `conv2d`; `conv2d` alone is its layer 0.
pub(super) fn class_and_number(group: &str) -> (&str, usize) {
    let numbered = group
        .rsplit_once('_')
        .and_then(|(class, number)| Some((class, number.parse().ok()?)));
    numbered.unwrap_or((group, 0))
}

/// A name with each of its numbers as `#`: `conv4_block7_1_conv` and `conv4_block6_1_conv` are alike.
pub(super) fn pattern(name: &str) -> String {
    let mut pattern = String::new();
    for c in name.chars() {
        match c.is_ascii_digit() {
            true if pattern.ends_with('#') => {}
            true => pattern.push('#'),
            false => pattern.push(c),
        }
    }
    pattern
}
