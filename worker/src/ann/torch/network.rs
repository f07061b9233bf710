//! Whole networks: a pickle of one says of which modules it consists, and these are compared with the graph.
//! The same weights in another network give other activations.
//!
//! No code of the pickle runs, so its code must be known: containers are PyTorch's `Sequential` or classes of
//! torchvision's network, all others are refused, and so are hooks and methods that were put into an object.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::TorchError;
use super::checkpoint::Checkpoint;
use super::classes::{self, Class, a};
use super::file::TorchFile;
use super::fit::Fit;
use super::layout::torchvision_name;
use super::modules::{Counterpart, counterpart, in_words};
use super::pickle::{Pickle, Value};
use crate::ann::graph::{Graph, Node, NodeId, Op};

/// Methods that an object may have instead of its class's.
const METHODS: [&str; 5] = [
    "forward",
    "_forward_impl",
    "_conv_forward",
    "_call_impl",
    "bn_function",
];

/// A difference: the module's path, what it is, what it should be.
type Difference = (String, String, String);

/// The modules of a file.
struct Network<'a> {
    ann: &'static str,
    pickle: &'a Pickle,
    /// By their paths in the file, each before what it contains.
    modules: &'a [(String, Value)],
    /// Ordinals in `modules`.
    parents: Vec<Option<usize>>,
    children: Vec<Vec<usize>>,
    /// Ordinals by torchvision's path within the network; of several the last is inside of the others, its
    /// wrappers.
    own: HashMap<String, Vec<usize>>,
}

impl TorchFile<'_> {
    /// Refuses a whole network that differs from the graph in what `asked` depend on: the one that is taken,
    /// and any other of the file, which shares its tensors, or which a state dict beside it may be a copy of.
    /// State dicts have no modules.
    pub(super) fn compare(
        &self,
        checkpoint: &Checkpoint,
        fit: &Fit,
        graph: &Graph,
        asked: &[NodeId],
    ) -> Result<(), TorchError> {
        for other in fit.others.iter().chain(&fit.twins) {
            self.compare(checkpoint, other, graph, asked)?;
        }
        let modules = &fit.dict.modules;
        let Some(pickle) = checkpoint.pickle.as_ref().filter(|_| !modules.is_empty()) else {
            return Ok(());
        };
        let inner = fit.prefix.trim_end_matches('.');
        let network = Network::new(self.ann, pickle, modules, inner);
        network
            .compare(graph, asked)
            .map_err(|(module, found, expected)| TorchError::Module {
                ann: self.ann,
                path: self.path.to_owned(),
                module,
                found,
                expected,
            })
    }
}

impl<'a> Network<'a> {
    fn new(
        ann: &'static str,
        pickle: &'a Pickle,
        modules: &'a [(String, Value)],
        inner: &str,
    ) -> Self {
        let mut network = Self {
            ann,
            pickle,
            modules,
            parents: Vec::new(),
            children: vec![Vec::new(); modules.len()],
            own: HashMap::new(),
        };
        let mut outer: Vec<usize> = Vec::new();
        for (ordinal, (path, _)) in modules.iter().enumerate() {
            while let Some(last) = outer.last()
                && within(&modules[*last].0, path).is_none_or(str::is_empty)
            {
                outer.pop();
            }
            let parent = outer.last().copied();
            if let Some(parent) = parent {
                network.children[parent].push(ordinal);
            }
            network.parents.push(parent);
            outer.push(ordinal);
            if let Some(own) = within(inner, &torchvision_name(path)) {
                network.own.entry(own.to_owned()).or_default().push(ordinal);
            }
        }
        network
    }

    fn compare(&self, graph: &Graph, asked: &[NodeId]) -> Result<(), Difference> {
        let read = graph.read_by(asked);
        let read = graph.nodes().iter().zip(read).filter(|(_, read)| *read);
        let read: Vec<&Node> = read.map(|(node, _)| node).collect();
        self.outside()?;
        let paths = |nodes: &[&Node]| -> Vec<String> {
            let modules = nodes
                .iter()
                .filter(|node| matches!(counterpart(self.ann, node), Counterpart::Module { .. }));
            modules.map(|node| self.path(node)).collect()
        };
        let needed = paths(&read);
        let containers: BTreeSet<&str> = needed.iter().flat_map(|path| ancestors(path)).collect();
        for path in &containers {
            self.container(path, graph)?;
        }
        read.iter().try_for_each(|node| self.layer(node))?;
        let all = paths(&graph.nodes().iter().collect::<Vec<_>>());
        let known = all.iter().flat_map(|path| {
            let itself = std::iter::once(path.as_str());
            itself.chain(ancestors(path))
        });
        let known: HashSet<&str> = known.collect();
        let mut containers = containers.into_iter();
        containers.try_for_each(|path| self.content(path, &needed, &known))
    }

    /// The module's class, by the file of its code and its name.
    fn class(&self, ordinal: usize) -> Option<Class<'a>> {
        let call = self.pickle.call(&self.modules[ordinal].1)?;
        match self.pickle.global(&call.callable)? {
            // Protocols 0 and 1.
            ("copy_reg" | "copyreg", "_reconstructor") => {
                let arguments = self.pickle.sequence(&call.arguments)?;
                self.pickle.global(arguments.first()?)
            }
            class => Some(class),
        }
    }

    /// The module's class for messages.
    fn named(&self, ordinal: usize) -> String {
        let class = self.class(ordinal);
        class.map_or_else(|| "an object without a class".to_owned(), classes::in_words)
    }

    fn attribute(&self, ordinal: usize, name: &str) -> Option<&'a Value> {
        let call = self.pickle.call(&self.modules[ordinal].1)?;
        self.pickle.get(&call.state, name)
    }

    /// The module at a path in the network, without what wraps it.
    fn at(&self, path: &str) -> Option<usize> {
        self.own.get(path)?.last().copied()
    }

    /// The path of the module that computes `node`.
    fn path(&self, node: &Node) -> String {
        // A node of a convolution's name, with batch norm and ReLU in it, is the ReLU.
        let last = format!("{}.2", node.name);
        if matches!(node.op, Op::Relu { .. }) && self.own.contains_key(&last) {
            return last;
        }
        // A module that is called more than once is a node for each call.
        let numbered = node.name.rsplit_once('_');
        let numbered = numbered.filter(|(_, call)| call.parse::<u32>().is_ok());
        match numbered {
            Some((name, _)) if !self.own.contains_key(&node.name) => name.to_owned(),
            Some(_) | None => node.name.clone(),
        }
    }

    /// Refuses what is in front of the network, and wrappers that may change its pixels.
    fn outside(&self) -> Result<(), Difference> {
        let Some(mut child) = self.at("") else {
            return Ok(());
        };
        while let Some(outer) = self.parents[child] {
            let path = called(&self.modules[outer].0);
            let class = self.class(outer);
            self.plain(outer, path)?;
            if class.is_some_and(classes::is_sequential) {
                let children = self.children[outer].iter();
                let mut before = children.take_while(|ordinal| **ordinal != child);
                if let Some(before) = before.find(|ordinal| !self.is_identity(**ordinal)) {
                    let found = format!("{} in front of the network", self.named(*before));
                    return Err((self.modules[*before].0.clone(), found, "none".to_owned()));
                }
            } else if !class.is_some_and(classes::is_transparent) {
                let expected =
                    "the network alone, or in a wrapper such as `DataParallel`".to_owned();
                return Err((path.to_owned(), self.named(outer), expected));
            }
            child = outer;
        }
        Ok(())
    }

    fn is_identity(&self, ordinal: usize) -> bool {
        let mut children = self.children[ordinal].iter();
        self.class(ordinal).is_some_and(classes::is_identity)
            && self.plain(ordinal, "").is_ok()
            && children.all(|ordinal| self.is_identity(*ordinal))
    }

    /// Refuses functions that are called before or after a module or in place of its class's. Those that
    /// prune weights may be there: weights are masked as they are read.
    fn plain(&self, ordinal: usize, path: &str) -> Result<(), Difference> {
        let refused = |name: &str| {
            let found = format!("{} with `{name}` of its own", self.named(ordinal));
            Err((path.to_owned(), found, "none".to_owned()))
        };
        if let Some(name) = METHODS
            .into_iter()
            .find(|name| self.attribute(ordinal, name).is_some())
        {
            return refused(name);
        }
        for name in ["_forward_hooks", "_forward_pre_hooks"] {
            let Some(hooks) = self.attribute(ordinal, name) else {
                continue;
            };
            let is_pruning = |hook: &Value| {
                let call = self.pickle.call(hook);
                let class = call.and_then(|call| self.pickle.global(&call.callable));
                class.is_some_and(|(file, _)| file == "torch.nn.utils.prune")
            };
            let hooks = self.pickle.items(hooks);
            if hooks.is_none_or(|hooks| hooks.iter().any(|(_, hook)| !is_pruning(hook))) {
                return refused(name);
            }
        }
        Ok(())
    }

    /// The wrappers of the module at `path` in the network, and the module itself.
    fn unwrapped(&self, path: &str) -> Result<Option<usize>, Difference> {
        let Some(nested) = self.own.get(path) else {
            return Ok(None);
        };
        for pair in nested.windows(2) {
            // What wraps the whole network, `outside` has seen.
            let class = self.class(pair[0]);
            let is_wrapper = path.is_empty() || class.is_some_and(classes::is_transparent);
            if !is_wrapper || self.parents[pair[1]] != Some(pair[0]) {
                let expected = "the module alone, or in a wrapper such as `DataParallel`";
                let found = self.named(pair[0]);
                return Err((called(path).to_owned(), found, expected.to_owned()));
            }
        }
        for ordinal in nested {
            self.plain(*ordinal, called(path))?;
        }
        Ok(nested.last().copied())
    }

    /// Refuses a container of unknown code.
    fn container(&self, path: &str, graph: &Graph) -> Result<(), Difference> {
        let expected = || classes::containers(self.ann, path.is_empty());
        let Some(ordinal) = self.unwrapped(path)? else {
            return Err((called(path).to_owned(), "absent".to_owned(), expected()));
        };
        let class = self.class(ordinal);
        if !class.is_some_and(classes::is_plain_order) && !self.is_coded(path) {
            return Err((called(path).to_owned(), self.named(ordinal), expected()));
        }
        // MobileNetV2's blocks say whether they add.
        if let Some(adds) = self.attribute(ordinal, "use_res_connect") {
            let sum = format!("{path}.add");
            let expected = graph.nodes().iter().any(|node| node.name == sum);
            let expected = u8::from(expected).to_string();
            self.differs(path, ordinal, "use_res_connect", adds, &expected)?;
        }
        Ok(())
    }

    /// Whether the module at `path` is of torchvision's classes that have code of their own.
    fn is_coded(&self, path: &str) -> bool {
        let class = self.at(path).and_then(|ordinal| self.class(ordinal));
        class.is_some_and(|class| classes::is_coded(self.ann, path.is_empty(), class))
    }

    /// Compares the module that computes `node`.
    fn layer(&self, node: &Node) -> Result<(), Difference> {
        let (names, attributes) = match counterpart(self.ann, node) {
            Counterpart::Nothing => return Ok(()),
            Counterpart::Function => {
                let outer = node.name.rsplit_once('.').map_or("", |(outer, _)| outer);
                if self.is_coded(outer) {
                    return Ok(());
                }
                let found = "not computed in a `Sequential`".to_owned();
                return Err((node.name.clone(), found, "torchvision's code".to_owned()));
            }
            Counterpart::Module {
                classes,
                attributes,
            } => (classes, attributes),
        };
        let path = self.path(node);
        let expected = a(names[0]);
        let Some(ordinal) = self.unwrapped(&path)? else {
            return Err((path, "absent".to_owned(), expected));
        };
        let class = self.class(ordinal);
        if !class.is_some_and(|class| classes::is_layer(class, names)) {
            return Err((path, self.named(ordinal), expected));
        }
        if let Some(child) = self.children[ordinal].first() {
            let found = format!("{} with {} in it", self.named(ordinal), self.named(*child));
            return Err((path, found, expected));
        }
        for (name, expected) in attributes {
            if let Some(found) = self.attribute(ordinal, name) {
                self.differs(&path, ordinal, name, found, &expected)?;
            }
        }
        Ok(())
    }

    /// Refuses an attribute with another value.
    fn differs(
        &self,
        path: &str,
        ordinal: usize,
        name: &str,
        found: &Value,
        expected: &str,
    ) -> Result<(), Difference> {
        let found = in_words(self.pickle, found);
        if found == expected {
            return Ok(());
        }
        let class = self.class(ordinal).map_or("module", |(_, class)| class);
        let of = |value: &str| format!("{} with `{name}` {value}", a(class));
        Err((called(path).to_owned(), of(&found), of(expected)))
    }

    /// Refuses a container with other modules than the graph's, or with these in another order; `needed` are
    /// the paths that requested layers depend on, in the graph's order, `known` all of the graph.
    fn content(
        &self,
        path: &str,
        needed: &[String],
        known: &HashSet<&str>,
    ) -> Result<(), Difference> {
        let Some(ordinal) = self.at(path) else {
            return Ok(());
        };
        let children = self.children[ordinal].iter();
        let children = children.filter(|ordinal| !self.is_identity(**ordinal));
        let children: Vec<&str> = children.map(|ordinal| &*self.modules[*ordinal].0).collect();
        let start = self.modules[ordinal].0.as_str();
        let children = children
            .into_iter()
            .filter_map(|child| within(start, child));
        let found: Vec<String> = children.map(|child| join(path, child)).collect();
        let unknown = |child: &&String| !known.contains(child.as_str());
        if self.class(ordinal).is_some_and(classes::is_in_order) {
            let mut wanted: Vec<String> = Vec::new();
            for child in needed.iter().filter_map(|needed| within(path, needed)) {
                let child = join(path, child.split('.').next().unwrap_or(child));
                if !wanted.contains(&child) {
                    wanted.push(child);
                }
            }
            let mut pairs = wanted.iter().zip(&found);
            if let Some((wanted, found)) = pairs.find(|(wanted, found)| wanted != found)
                && known.contains(found.as_str())
            {
                let after = format!("called after `{found}`");
                return Err((wanted.clone(), after, "before it".to_owned()));
            }
        }
        // torchvision's code of a whole network calls no module that it does not have.
        let is_called = !path.is_empty() || !self.is_coded(path);
        match found.iter().filter(|_| is_called).find(unknown) {
            Some(child) => {
                self.unwrapped(child)?;
                let kind = self.at(child).map(|ordinal| self.named(ordinal));
                Err((child.clone(), kind.unwrap_or_default(), "none".to_owned()))
            }
            None => Ok(()),
        }
    }
}

/// What is left of `path` behind `outer`; empty where they are the same.
fn within<'p>(outer: &str, path: &'p str) -> Option<&'p str> {
    match outer {
        "" => Some(path),
        outer => {
            let rest = path.strip_prefix(outer)?;
            if rest.is_empty() {
                Some(rest)
            } else {
                rest.strip_prefix('.')
            }
        }
    }
}

/// The paths that `path` is in, the network's own, which is empty, last.
fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    let itself = Some(path).filter(|path| !path.is_empty());
    std::iter::successors(itself, |path| path.rsplit_once('.').map(|(outer, _)| outer))
        .skip(1)
        .chain(itself.map(|_| ""))
}

fn join(path: &str, child: &str) -> String {
    match path {
        "" => child.to_owned(),
        path => format!("{path}.{child}"),
    }
}

/// A module's path, for messages.
fn called(path: &str) -> &str {
    if path.is_empty() { "net" } else { path }
}
