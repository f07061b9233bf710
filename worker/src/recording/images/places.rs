//! Which file is a stimulus's image: the one whose path matches the stimulus set's in whole
//! components, or none.
//!
//! Knows paths only and opens nothing. A file of the same name in another folder may well be
//! another stimulus's image, so it is never used. Where no path matches letter by letter, capitals and
//! the way in which accents are composed do not count: systems that copied the files may have changed
//! both. Nor do they where that finds a file whose path matches in more components.

use std::collections::HashMap;

use unicode_normalization::UnicodeNormalization;

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

/// Files by their paths' last components: as these are spelt, and alike but for capitals and accents.
pub(super) struct Places {
    spelt: Index,
    folded: Index,
}

/// Files by the last component of their paths, under one spelling: each with its path's components.
struct Index {
    spelling: fn(&str) -> String,
    by_name: HashMap<String, Vec<(Vec<String>, Entry)>>,
}

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
        Self {
            spelt: Index::of(entries, str::to_owned),
            folded: Index::of(entries, folded),
        }
    }

    /// The image of `stimulus`, by its exact path if there is one.
    pub(super) fn image(&self, stimulus: &Stimulus) -> Found {
        let name = stimulus.image_name();
        let (spelt, as_spelt) = self.spelt.image(name);
        let (folded, as_folded) = self.folded.image(name);
        if folded > spelt { as_folded } else { as_spelt }
    }
}

impl Index {
    fn of(entries: &[Entry], spelling: fn(&str) -> String) -> Self {
        let mut by_name: HashMap<String, Vec<_>> = HashMap::new();
        for entry in entries {
            let path = parts(&entry.file);
            let path: Vec<String> = path.into_iter().map(spelling).collect();
            if let Some(last) = path.last() {
                let alike = by_name.entry(last.clone()).or_default();
                alike.push((path, entry.clone()));
            }
        }
        Self { spelling, by_name }
    }

    /// The image called `name`, which may lack the extension if no file has exactly that name, and in how
    /// many components it matches.
    fn image(&self, name: &str) -> (usize, Found) {
        match self.under(name) {
            (_, Found::Nothing) => {}
            (matching, found @ (Found::One(_) | Found::Several(_))) => return (matching, found),
        }
        let (mut most, mut all) = (0, Vec::new());
        for ending in LEFT_OUT {
            let (matching, found) = self.under(&format!("{name}{ending}"));
            most = most.max(matching);
            match found {
                Found::Nothing => {}
                Found::One(entry) => all.push(entry),
                Found::Several(entries) => all.extend(entries),
            }
        }
        (most, Found::of(all))
    }

    /// The file at `path`, or the one that matches it in most components from the end: one of the
    /// two paths must end with the other. With it, in how many.
    fn under(&self, path: &str) -> (usize, Found) {
        let path: Vec<String> = parts(path).into_iter().map(self.spelling).collect();
        let Some(alike) = path.last().and_then(|last| self.by_name.get(last)) else {
            return (0, Found::Nothing);
        };
        // How many components match, and whether these are the whole of both paths.
        let agreement = |file: &Vec<String>| {
            let agree = file.ends_with(&path) || path.ends_with(file);
            agree.then(|| (file.len().min(path.len()), file.len() == path.len()))
        };
        let best = alike.iter().filter_map(|(file, _)| agreement(file)).max();
        let found = alike.iter().filter(|(file, _)| agreement(file) == best);
        match best {
            None => (0, Found::Nothing),
            Some((matching, _)) => {
                let found = found.map(|(_, entry)| entry.clone()).collect();
                (matching, Found::of(found))
            }
        }
    }
}

/// A name in small letters, with composed accents.
fn folded(name: &str) -> String {
    let small: String = name.nfd().flat_map(char::to_lowercase).collect();
    small.nfc().collect()
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
