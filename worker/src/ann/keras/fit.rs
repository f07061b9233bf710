//! Whether a file's networks are the ANN: one tensor per weight that the requested layers depend on, of
//! the right shape, and no layer of a larger network of the same family.

use std::collections::{BTreeMap, BTreeSet};

use super::names::{class_and_number, pattern, settle};
use super::tensors::{fits, in_order, listed, place_of, shapes, specs_of};
use super::values::Stored;
use super::{FileLayer, Network, Order, WeightsFile};
use crate::ann::AnnError;
use crate::ann::graph::{Graph, Node, NodeId, Op, WeightSpec};

/// What a file has for a graph.
pub(super) struct Fitted {
    /// Where the network is in the file; empty for an older file's own layers.
    pub(super) place: String,
    /// One per weight of the graph; absent where the file lacks it and nothing asked depends on it.
    pub(super) tensors: Vec<Option<Stored>>,
    /// What the file calls the layer of each node, if it has it and says so.
    pub(super) names: Vec<Option<String>>,
    /// The group that the layer of each node is in, if the file has it.
    pub(super) groups: Vec<Option<String>>,
}

impl WeightsFile<'_> {
    /// The tensors of the network that is the ANN, or the first layer that differs.
    pub(super) fn fit(
        &self,
        graph: &Graph,
        asked: &[NodeId],
        networks: Vec<Network>,
    ) -> Result<Fitted, AnnError> {
        let needed = graph.needed(asked);
        let mut fitting: Option<Fitted> = None;
        let mut refusal: Option<(usize, AnnError)> = None;
        for mut network in networks {
            settle(graph, &mut network);
            let named = network.layers.iter().filter(|of| of.name.is_some()).count();
            match self.fit_one(graph, &needed, network) {
                Ok(fitted) => match &fitting {
                    None => fitting = Some(fitted),
                    Some(other) => return Err(self.ambiguous(&other.place, &fitted.place)),
                },
                // The refusal that counts is that of the network that comes closest.
                Err(error) if refusal.as_ref().is_none_or(|(most, _)| named > *most) => {
                    refusal = Some((named, error));
                }
                Err(_) => {}
            }
        }
        match (fitting, refusal) {
            (Some(fitted), _) => Ok(fitted),
            (None, Some((_, error))) => Err(error),
            (None, None) => Err(self.not_keras("it has no layers")),
        }
    }

    fn ambiguous(&self, one: &str, other: &str) -> AnnError {
        AnnError::SeveralNetworks {
            ann: self.ann,
            path: self.path(),
            one: one.to_owned(),
            other: other.to_owned(),
        }
    }

    fn fit_one(
        &self,
        graph: &Graph,
        needed: &[bool],
        mut network: Network,
    ) -> Result<Fitted, AnnError> {
        let ours: Vec<&Node> = weighted(graph).collect();
        self.refuse_twice(&network)?;
        let mut fitted = Fitted {
            place: std::mem::take(&mut network.place),
            tensors: Vec::new(),
            names: vec![None; graph.nodes().len()],
            groups: vec![None; graph.nodes().len()],
        };
        for (at, node) in graph.nodes().iter().enumerate() {
            if node.weights.is_empty() {
                continue;
            }
            let specs = specs_of(graph, node);
            let is = |layer: &&mut FileLayer| layer.name.as_deref() == Some(&*node.name);
            match network.layers.iter_mut().find(is) {
                Some(layer) if fits(specs, &layer.tensors) => {
                    fitted.names[at].clone_from(&layer.own_name);
                    fitted.groups[at] = Some(layer.group.clone());
                    let tensors = std::mem::take(&mut layer.tensors);
                    fitted.tensors.extend(in_order(specs, tensors).map(Some));
                }
                Some(layer) if !needed[node.weights.start] && may_differ(&ours, node, layer) => {
                    fitted.tensors.extend(specs.iter().map(|_| None));
                }
                None if !needed[node.weights.start] => {
                    fitted.tensors.extend(specs.iter().map(|_| None));
                }
                Some(layer) => {
                    let found = shapes(&layer.tensors);
                    return Err(self.mismatch(node, specs, found));
                }
                None => {
                    let instead = instead(graph, &network, &ours, node);
                    return Err(self.mismatch(node, specs, instead));
                }
            }
        }
        self.refuse_larger(&ours, &network)?;
        Ok(fitted)
    }

    /// Refuses a network that has further layers of the same family among the ANN's: a DenseNet169 has
    /// every layer of a DenseNet121. Further layers behind the ANN's are another classifier.
    fn refuse_larger(&self, ours: &[&Node], network: &Network) -> Result<(), AnnError> {
        let family: BTreeSet<String> = ours.iter().map(|node| pattern(&node.name)).collect();
        let layers = network.layers.iter().enumerate();
        for (at, layer) in layers.filter(|(_, layer)| layer.name.is_none()) {
            let class = class_and_number(&layer.group).0;
            let mut behind = network.layers[at + 1..].iter();
            let is_among = match network.order {
                Order::Model => behind.any(|of| of.name.is_some()),
                Order::Classes => {
                    behind.any(|of| of.name.is_some() && class_and_number(&of.group).0 == class)
                }
                Order::Trained => true,
            };
            let is_larger = match &layer.own_name {
                Some(name) => is_among && family.contains(&pattern(name)),
                // Without names, an ANN with more convolutions is another ANN.
                None => class.ends_with("conv2d"),
            };
            if is_larger {
                return Err(AnnError::WeightsMismatch {
                    ann: self.ann,
                    path: self.path(),
                    layer: layer.own_name.clone().unwrap_or(layer.group.clone()),
                    expected: "absent".to_owned(),
                    found: shapes(&layer.tensors),
                });
            }
        }
        Ok(())
    }

    /// Refuses a network in which two layers have one name of the graph's, as behind the names of different
    /// models.
    fn refuse_twice(&self, network: &Network) -> Result<(), AnnError> {
        let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
        for layer in &network.layers {
            let (Some(name), Some(own)) = (&layer.name, &layer.own_name) else {
                continue;
            };
            if let Some(other) = seen.insert(name, own) {
                return Err(self.ambiguous(other, own));
            }
        }
        Ok(())
    }

    fn mismatch(&self, node: &Node, specs: &[WeightSpec], found: String) -> AnnError {
        let expected = specs.iter().map(|spec| (spec.variable, &*spec.shape));
        AnnError::WeightsMismatch {
            ann: self.ann,
            path: self.path(),
            layer: node.name.clone(),
            expected: listed(expected),
            found,
        }
    }
}

fn weighted(graph: &Graph) -> impl Iterator<Item = &Node> {
    graph.nodes().iter().filter(|node| !node.weights.is_empty())
}

/// Whether the file's `layer` may have other shapes than `node` where nothing depends on it: another
/// classifier. Within the network, a layer of the ANN's own name with other shapes is another network's.
fn may_differ(ours: &[&Node], node: &Node, layer: &FileLayer) -> bool {
    let is_last = ours.last().is_some_and(|last| last.name == node.name);
    let is_dense = |of: &Node| matches!(of.op, Op::Dense { .. });
    let mut from_here = ours.iter().skip_while(|of| of.name != node.name);
    let is_head = is_last || from_here.all(|of| is_dense(of));
    // Names that Keras gave by numbers, or that the file lacks, may be those of another head.
    let is_named = match &layer.own_name {
        Some(_) => !node.auto_numbered,
        None => class_and_number(&layer.group).0.ends_with("conv2d"),
    };
    is_head || !is_named
}

/// What the file has in place of `node`, which it lacks.
fn instead(graph: &Graph, network: &Network, ours: &[&Node], node: &Node) -> String {
    let layer = if network.order == Order::Model {
        place_of(ours, &node.name).and_then(|place| network.layers.get(place))
    } else {
        let class = node.op.keras_class();
        let alike = graph.nodes().iter().filter(|n| n.op.keras_class() == class);
        let number = alike.take_while(|n| n.name != node.name).count();
        let mut layers = network.layers.iter();
        layers.find(|layer| class_and_number(&layer.group) == (class, number))
    };
    match layer {
        None => "no such layer".to_owned(),
        Some(layer) => {
            let name = layer.own_name.as_deref().unwrap_or(&layer.group);
            let tensors = match &*layer.tensors {
                [] => "loaded already".to_owned(),
                tensors => shapes(tensors),
            };
            if fits(specs_of(graph, node), &layer.tensors) {
                format!("no layer of that name; `{name}` in its place has these shapes")
            } else {
                format!("`{name}` in its place: {tensors}")
            }
        }
    }
}
