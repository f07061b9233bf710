//! Which file is a stimulus's image: the one whose path matches the stimulus set's in whole
//! components, or none.
//!
//! Knows paths only and opens nothing. A file of the same name in another folder may well be
//! another stimulus's image, so it is never used.

use std::collections::HashMap;

use crate::recording::stimuli::Stimulus;

/// The extensions that an image's name may lack in the stimulus set.
const LEFT_OUT: [&str; 3] = [".png", ".jpg", ".jpeg"];

/// An image's place in its container; found by the stimulus set's path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::recording) struct Entry {
    /// The path inside the zip or folder.
    pub(in crate::recording) file: String,
    /// Its number in a zip; 0 in a folder.
    pub(super) index: usize,
}

/// Files by the last component of their paths.
pub(super) struct Places(HashMap<String, Vec<Entry>>);

/// The files found at a path.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    One(Entry),
    /// Files that match equally well.
    Several(Vec<Entry>),
}

impl Places {
    pub(super) fn of(entries: &[Entry]) -> Self {
        let mut by_name: HashMap<String, Vec<Entry>> = HashMap::new();
        for entry in entries {
            if let Some(last) = parts(&entry.file).last() {
                let alike = by_name.entry((*last).to_owned()).or_default();
                alike.push(entry.clone());
            }
        }
        Self(by_name)
    }

    /// The image of `stimulus`. Its name may lack the extension if no file has exactly that name.
    pub(super) fn image(&self, stimulus: &Stimulus) -> Found {
        let name = stimulus.image_name();
        match self.under(name) {
            Found::Nothing => {}
            found @ (Found::One(_) | Found::Several(_)) => return found,
        }
        let mut found = Vec::new();
        for ending in LEFT_OUT {
            match self.under(&format!("{name}{ending}")) {
                Found::Nothing => {}
                Found::One(entry) => found.push(entry),
                Found::Several(entries) => found.extend(entries),
            }
        }
        Found::of(found)
    }

    /// The file at `path`, or the one that matches it in most components from the end: one of the
    /// two paths must end with the other.
    fn under(&self, path: &str) -> Found {
        let path = parts(path);
        let Some(alike) = path.last().and_then(|last| self.0.get(*last)) else {
            return Found::Nothing;
        };
        // How many components match, and whether these are the whole of both paths.
        let agreement = |entry: &Entry| {
            let file = parts(&entry.file);
            let agree = file.ends_with(&path) || path.ends_with(&file);
            agree.then(|| (file.len().min(path.len()), file.len() == path.len()))
        };
        let best = alike.iter().filter_map(agreement).max();
        let found = alike.iter().filter(|entry| agreement(entry) == best);
        match best {
            None => Found::Nothing,
            Some(_) => Found::of(found.cloned().collect()),
        }
    }
}

impl Found {
    fn of(mut entries: Vec<Entry>) -> Self {
        match entries.len() {
            0 => Self::Nothing,
            1 => Self::One(entries.remove(0)),
            _ => Self::Several(entries),
        }
    }
}

/// Whether two paths of the stimulus set are the same.
pub(super) fn same(one: &str, other: &str) -> bool {
    parts(one) == parts(other)
}

/// The components of a path, with either separator.
fn parts(path: &str) -> Vec<&str> {
    let parts = path.split(['/', '\\']);
    parts.filter(|part| !matches!(*part, "" | ".")).collect()
}
