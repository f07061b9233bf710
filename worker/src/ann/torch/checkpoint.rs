//! The tensors of a file by name: its state dicts, wherever they are in it, and its whole networks.

use std::collections::{HashMap, HashSet};

use super::pickle::{Pickle, Value, text};
use super::tensor::{Entry, number_sizes};

/// Deepest nesting of dicts and modules.
const MAX_DEPTH: usize = 48;
/// Most tensors and modules that are listed.
const MAX_LISTED: usize = 200_000;
/// Longest name, with all that it is in.
const MAX_NAME: usize = 1024;
/// Most elements of a tuple or list that are looked into.
const MAX_ELEMENTS: usize = 16;

/// Tensors by name.
#[derive(Debug)]
pub(super) struct StateDict {
    /// The keys that lead to it, with dots between; empty where it is the file's all.
    pub(super) path: String,
    pub(super) tensors: Vec<(String, Entry)>,
    /// The modules by their paths, where it was a whole network; the network itself has an empty one.
    pub(super) modules: Vec<(String, Value)>,
}

impl StateDict {
    pub(super) fn new(path: String, tensors: Vec<(String, Entry)>) -> Self {
        Self {
            path,
            tensors,
            modules: Vec::new(),
        }
    }
}

/// What a file holds.
#[derive(Debug)]
pub(super) struct Checkpoint {
    /// Absent where the file has no pickle.
    pub(super) pickle: Option<Pickle>,
    /// In the file's order.
    pub(super) dicts: Vec<StateDict>,
    /// The file's own keys, for messages.
    pub(super) keys: Vec<String>,
}

impl Checkpoint {
    /// A file of nothing but named tensors.
    pub(super) fn flat(dict: StateDict) -> Self {
        Self {
            pickle: None,
            dicts: vec![dict],
            keys: Vec::new(),
        }
    }

    /// Lists what `pickle` describes.
    ///
    /// # Errors
    /// In words, when it goes beyond a limit.
    pub(super) fn of(pickle: Pickle) -> Result<Self, String> {
        let mut walk = Walk {
            pickle: &pickle,
            dicts: Vec::new(),
            seen: HashSet::new(),
            left: MAX_LISTED,
        };
        walk.look(&pickle.root, "", 0)?;
        let dicts = walk.dicts;
        let items = pickle.items(&pickle.root).unwrap_or_default();
        let keys = items
            .iter()
            .filter_map(|(key, _)| text(key))
            .map(str::to_owned);
        Ok(Self {
            keys: keys.collect(),
            dicts,
            pickle: Some(pickle),
        })
    }

    /// How many bytes a number of each storage takes, which files of before 1.6 do not say beside it.
    pub(super) fn number_sizes(&self) -> HashMap<String, u64> {
        self.pickle.as_ref().map(number_sizes).unwrap_or_default()
    }
}

struct Walk<'a> {
    pickle: &'a Pickle,
    dicts: Vec<StateDict>,
    /// Objects looked into: one that is twice in a file is listed at its first place.
    seen: HashSet<usize>,
    left: usize,
}

impl<'a> Walk<'a> {
    fn look(&mut self, value: &'a Value, path: &str, depth: usize) -> Result<(), String> {
        let Value::Object(number) = value else {
            return Ok(());
        };
        if depth > MAX_DEPTH || !self.seen.insert(*number) {
            return Ok(());
        }
        let mut dict = StateDict::new(path.to_owned(), Vec::new());
        if parts(self.pickle, value).is_some() || compiled(self.pickle, value).is_some() {
            self.module(value, "", depth, &mut dict)?;
            self.dicts.push(dict);
            return Ok(());
        }
        let mut inner = Vec::new();
        for (key, value) in named(self.pickle, value) {
            match Entry::of(self.pickle, value) {
                Some(entry) => {
                    self.count()?;
                    dict.tensors.push((key, entry));
                }
                None => inner.push((key, value)),
            }
        }
        if !dict.tensors.is_empty() {
            self.dicts.push(dict);
        }
        for (key, value) in inner {
            self.look(value, &join(path, &key)?, depth + 1)?;
        }
        Ok(())
    }

    /// Adds a module's tensors and modules to `dict`, in the order of its `state_dict()`.
    fn module(
        &mut self,
        value: &'a Value,
        path: &str,
        depth: usize,
        dict: &mut StateDict,
    ) -> Result<(), String> {
        let (parts, compiled) = (parts(self.pickle, value), compiled(self.pickle, value));
        if parts.is_none() && compiled.is_none() {
            return Ok(());
        }
        if depth > MAX_DEPTH {
            return Err(format!("its modules are nested more than {MAX_DEPTH} deep"));
        }
        self.count()?;
        dict.modules.push((path.to_owned(), value.clone()));
        let Some(parts) = parts else {
            return compiled.map_or(Ok(()), |inner| {
                self.module(inner, &join(path, "_orig_mod")?, depth + 1, dict)
            });
        };
        let [parameters, buffers, modules] =
            parts.map(|part| self.pickle.items(part).unwrap_or_default());
        for (key, value) in parameters.into_iter().chain(buffers) {
            if let (Some(key), Some(entry)) = (text(key), Entry::of(self.pickle, value)) {
                self.count()?;
                dict.tensors.push((join(path, key)?, entry));
            }
        }
        for (key, value) in modules {
            if let Some(key) = text(key) {
                self.module(value, &join(path, key)?, depth + 1, dict)?;
            }
        }
        Ok(())
    }

    fn count(&mut self) -> Result<(), String> {
        let left = self.left.checked_sub(1);
        self.left =
            left.ok_or_else(|| format!("it has more than {MAX_LISTED} tensors and modules"))?;
        Ok(())
    }
}

/// What is under a name in a dict, or a number in a tuple or list.
fn named<'a>(pickle: &'a Pickle, value: &Value) -> Vec<(String, &'a Value)> {
    if let Some(items) = pickle.items(value) {
        let named = items
            .into_iter()
            .filter_map(|(key, value)| Some((text(key)?, value)));
        let short = named.filter(|(key, _)| key.len() <= MAX_NAME);
        return short.map(|(key, value)| (key.to_owned(), value)).collect();
    }
    let elements = pickle.sequence(value).unwrap_or_default().iter();
    let numbered = (0..MAX_ELEMENTS).zip(elements);
    numbered
        .map(|(number, value)| (number.to_string(), value))
        .collect()
}

/// Parameters, buffers and modules of a pickled `torch.nn.Module`.
fn parts<'a>(pickle: &'a Pickle, value: &Value) -> Option<[&'a Value; 3]> {
    let state = &pickle.call(value)?.state;
    let part = |name| pickle.get(state, name);
    Some([part("_parameters")?, part("_buffers")?, part("_modules")?])
}

/// The module that `torch.compile` wrapped: its pickle says what to wrap again.
fn compiled<'a>(pickle: &'a Pickle, value: &Value) -> Option<&'a Value> {
    let call = pickle.call(value)?;
    let class = pickle.global(&call.callable)?;
    let arguments = pickle.sequence(&call.arguments)?;
    arguments
        .first()
        .filter(|_| class == ("torch._dynamo.eval_frame", "OptimizedModule"))
}

fn join(path: &str, key: &str) -> Result<String, String> {
    if path.len() + key.len() >= MAX_NAME {
        return Err(format!("it has a name of more than {MAX_NAME} bytes"));
    }
    Ok(match path {
        "" => key.to_owned(),
        path => format!("{path}.{key}"),
    })
}
