//! PyTorch's names of layers, such as `layer1.0.relu`: which tensor each of a network's modules returns.
//!
//! PyTorch's exporter writes into the metadata of each node the modules in which it traced the node. The
//! tensor that a module returns is the one that nodes outside the module read. If a module is called
//! several times, its last call counts, as in a forward hook whose last call overwrites the others.

use std::collections::HashMap;

use super::reading::Contents;

/// A module of a network.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Module {
    /// Its name in PyTorch.
    pub path: String,
    /// The tensors that its last call returns: one, if the name is a layer.
    pub tensors: Vec<String>,
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
