//! PyTorch's names of layers, such as `layer1.0.relu`: which tensor each of a network's modules returns.
//!
//! PyTorch's exporter writes into the metadata of each node the modules in which it traced the node. The
//! tensor that a module returns is the one that nodes outside the module read. If a module is called
//! several times, its last call counts, as in a forward hook whose last call overwrites the others.

use std::collections::HashMap;

use prost::Message;

use super::reading::Contents;

/// The metadata that names a node's modules: `['', 'layer1', 'layer1.0', 'relu_3']`, from the network to
/// the node itself.
const SCOPES: &str = "pkg.torch.onnx.name_scopes";
/// Most modules that a node may be in.
const DEPTH_MAX: usize = 64;

/// A module of a network.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Module {
    /// Its name in PyTorch.
    pub path: String,
    /// The tensors that its last call returns: one, if the name is a layer.
    pub tensors: Vec<String>,
}

/// The part of an ONNX file that tract does not decode.
#[derive(Clone, PartialEq, Message)]
struct File {
    #[prost(message, optional, tag = "7")]
    graph: Option<Graph>,
}

#[derive(Clone, PartialEq, Message)]
struct Graph {
    #[prost(message, repeated, tag = "1")]
    nodes: Vec<Node>,
}

#[derive(Clone, PartialEq, Message)]
struct Node {
    #[prost(message, repeated, tag = "9")]
    metadata: Vec<Entry>,
}

#[derive(Clone, PartialEq, Message)]
struct Entry {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, tag = "2")]
    value: String,
}

/// For each node of an ONNX file, the modules that it is in, outermost first.
pub(super) fn scopes(bytes: &[u8]) -> Result<Vec<Vec<String>>, prost::DecodeError> {
    let nodes = File::decode(bytes)?.graph.unwrap_or_default().nodes;
    let of = |node: Node| {
        let mut entries = node.metadata.into_iter();
        let scopes = entries.find(|entry| entry.key == SCOPES);
        scopes.map_or_else(Vec::new, |entry| paths(&entry.value))
    };
    Ok(nodes.into_iter().map(of).collect())
}

/// The modules in a list as Python writes it; its last entry is the node's own name.
fn paths(list: &str) -> Vec<String> {
    let mut entries: Vec<String> = Vec::new();
    let mut quote = None;
    let mut characters = list.chars();
    while let Some(character) = characters.next() {
        match quote {
            None if matches!(character, '\'' | '"') => {
                quote = Some(character);
                entries.push(String::new());
            }
            None => {}
            Some(end) if character == end => quote = None,
            Some(_) => {
                let literal = match character {
                    '\\' => characters.next(),
                    other => Some(other),
                };
                let entry = entries.last_mut();
                entry.into_iter().for_each(|entry| entry.extend(literal));
            }
        }
    }
    entries.pop();
    entries.retain(|path| !path.is_empty());
    entries.dedup();
    entries.truncate(DEPTH_MAX);
    entries
}

/// What is known of a module while the nodes go by.
#[derive(Default)]
struct Seen {
    calls: usize,
    /// The last node in it, counting the nodes that are in modules.
    last: Option<usize>,
    /// The tensors that are read outside it, and the call that writes each.
    read_outside: Vec<(usize, String)>,
}

/// The modules of a graph, in the order of their first nodes. `is_layer` tells which tensors may be layers.
pub(super) fn modules(contents: &Contents, is_layer: impl Fn(&str) -> bool) -> Vec<Module> {
    let (nodes, scopes) = (contents.nodes(), &contents.scopes);
    let mut readers: HashMap<&str, Vec<usize>> = HashMap::new();
    for (at, node) in nodes.iter().enumerate() {
        for input in &node.input {
            readers.entry(input).or_default().push(at);
        }
    }
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut modules: Vec<(&str, Seen)> = Vec::new();
    let inside = scopes.iter().zip(nodes);
    let inside = inside.filter(|(scopes, _)| !scopes.is_empty());
    for (at, (own, node)) in inside.enumerate() {
        let written = node.output.iter().filter(|name| is_layer(name));
        let written: Vec<&String> = written.collect();
        for path in own {
            let place = *places.entry(path).or_insert_with(|| {
                modules.push((path, Seen::default()));
                modules.len() - 1
            });
            let (_, seen) = &mut modules[place];
            if seen.last.is_none_or(|last| last + 1 < at) {
                seen.calls += 1;
            }
            seen.last = Some(at);
            for name in &written {
                let mut readers = readers.get(&***name).into_iter().flatten();
                let outside = |reader: &usize| !scopes[*reader].contains(path);
                if contents.outputs.contains(name) || readers.any(outside) {
                    seen.read_outside.push((seen.calls, (*name).clone()));
                }
            }
        }
    }
    let returned = modules.into_iter().filter_map(|(path, seen)| {
        let (last, _) = seen.read_outside.last()?;
        let last = seen.read_outside.iter().filter(|(call, _)| call == last);
        Some(Module {
            path: path.to_owned(),
            tensors: last.map(|(_, name)| name.clone()).collect(),
        })
    });
    returned.collect()
}
