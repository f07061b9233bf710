//! Finds all mistakes in a sweep: values out of range, unknown words. A sweep on the wire is checked as
//! the equivalent file, by the same rules, and its mistakes are named by the keys of that file. Only
//! files are checked against the catalogue of ANNs.

mod ann;
mod recordings;
mod spec;
mod split;
#[cfg(test)]
pub(super) mod tests;

use super::baseline::MEAN_PREDICTOR;
use super::{
    AnnTable, InputScaling, Mistake, Model, Projection, SearchTable, SweepError, SweepFile,
    TRIALS_MAX, TargetScaling,
};
use crate::near_miss;
use std::collections::HashSet;
use std::fmt::{Debug, Display};
use std::hash::Hash;

/// The ANNs a sweep may name. The worker's catalogue implements it.
pub trait Catalogue {
    /// ANNs that can be run.
    fn offered(&self) -> Vec<&str>;
    /// Layers of an offered ANN; none if only its file defines them, as for ONNX. Such an ANN needs its
    /// file, so its weights are never random, and the sweep file names its preprocessing.
    fn layers(&self, ann: &AnnTable) -> Option<Vec<String>>;
    /// The layers that words for layer sets draw from; empty if they are not known.
    fn candidates(&self, ann: &AnnTable) -> Vec<&str>;
    /// Regions, each with its published layer; empty if none is known.
    fn region_layers(&self, ann: &str) -> Vec<(&str, &str)>;
    /// The regions of a file, each with the ANN's layers that the file names for it; empty if the file is not
    /// known.
    fn region_map(&self, ann: &AnnTable, file: &str) -> &[(String, Vec<String>)];
}

/// Longest name of a sweep, in bytes.
const NAME_BYTES_MAX: usize = 64;
/// The most ANNs of a sweep, counting each sparsity, and the most regions.
const ANNS_MAX: usize = 1_000;
const REGIONS_MAX: usize = 1_000;
/// The most layer sets of an ANN.
const LAYER_SETS_MAX: usize = 10_000;
/// The most bytes of a layer set's names together: each trial of a job names them.
const SET_BYTES_MAX: usize = 3_072;
/// Longest name of a region, layer, column, site or digest, and longest path, in bytes.
const TEXT_BYTES_MAX: usize = 256;
const PATH_BYTES_MAX: usize = 4_096;
/// The most characters of a text that a mistake shows.
const SHOWN_CHARS: usize = 64;
/// The most stimuli of a mini-batch, and the most epochs of a trial.
pub(super) const COUNT_MAX: i64 = 1_000_000;

/// Collects mistakes.
#[derive(Default)]
pub(super) struct Found(Vec<Mistake>);

impl Found {
    /// All mistakes found, as an error.
    fn result(self) -> Result<(), SweepError> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(SweepError::Mistakes(self.0))
        }
    }

    pub(super) fn add(
        &mut self,
        key: impl Into<String>,
        value: impl Display,
        problem: impl Into<String>,
    ) {
        self.add_near(key, value, problem, None);
    }

    fn add_near(
        &mut self,
        key: impl Into<String>,
        value: impl Display,
        problem: impl Into<String>,
        near_miss: Option<&str>,
    ) {
        self.0.push(Mistake {
            key: key.into(),
            value: value.to_string(),
            problem: problem.into(),
            near_miss: near_miss.map(str::to_owned),
        });
    }

    /// Checks that `word` is one of `words`.
    pub(super) fn word(&mut self, key: impl Into<String>, word: &str, words: &[&str]) {
        if !words.contains(&word) {
            let problem = format!("must be one of {}", backticked(words));
            let near = near_miss(word, words.iter().copied());
            self.add_near(key, quote(word), problem, near);
        }
    }

    /// Checks that a text is not empty, has at most `bytes_max` bytes, and no control characters.
    pub(super) fn text(&mut self, key: impl Into<String>, text: &str, bytes_max: usize) {
        let bytes = text.len();
        let problem = if text.is_empty() {
            "is empty".to_owned()
        } else if bytes > bytes_max {
            format!("has {bytes} bytes; the limit is {bytes_max}")
        } else if let Some(c) = text.chars().find(|c| c.is_control()) {
            format!("has a control character, {}", c.escape_debug())
        } else {
            return;
        };
        self.add(key, quote(text), problem);
    }

    /// Checks that a path stays in the data directory on every machine.
    pub(super) fn path(&mut self, key: impl Into<String>, path: &str) {
        let key = key.into();
        let problem = if path.starts_with(['/', '\\']) {
            "is absolute, not in the data directory"
        } else if path.split(['/', '\\']).any(|part| part == "..") {
            "leads out of the data directory"
        } else {
            return self.text(key, path, PATH_BYTES_MAX);
        };
        let hint = "; `--data-dir DIR` names one that holds all files of the sweep";
        self.add(key, quote(path), format!("{problem}{hint}"));
    }

    /// Checks that a list is not too long, and returns whether it is not.
    pub(super) fn count(&mut self, key: impl Into<String>, found: usize, most: usize) -> bool {
        if found > most {
            let problem = format!("has {found} entries; the limit is {most}");
            self.add(key, "", problem);
        }
        found <= most
    }

    /// Checks an axis of the grid: it has values, all of them allowed, none twice.
    pub(super) fn axis<T: Copy + Debug>(
        &mut self,
        key: &str,
        values: &[T],
        good: impl Fn(T) -> bool,
        rule: &str,
    ) {
        if values.is_empty() {
            self.add(key, "[]", "is empty, so the grid has no cell");
        }
        if !self.count(key, values.len(), TRIALS_MAX as usize) {
            return;
        }
        let mut seen = HashSet::new();
        for (index, value) in values.iter().enumerate() {
            if !good(*value) {
                self.add(format!("{key}[{index}]"), format!("{value:?}"), rule);
            }
            if !seen.insert(format!("{value:?}")) {
                self.add(format!("{key}[{index}]"), format!("{value:?}"), DUPLICATE);
            }
        }
    }
}

const DUPLICATE: &str = "is listed twice, which makes duplicate cells";

/// A text as mistakes show it: escaped, and shortened if it is long.
fn quote(word: &str) -> String {
    match word.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{:?}…", &word[..end]),
        None => format!("{word:?}"),
    }
}

fn backticked(words: &[&str]) -> String {
    words
        .iter()
        .map(|word| format!("`{word}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// The indices of repeated values.
fn repeated<K: Hash + Eq>(keys: impl IntoIterator<Item = K>) -> Vec<usize> {
    let mut seen = HashSet::new();
    keys.into_iter()
        .enumerate()
        .filter_map(|(index, key)| (!seen.insert(key)).then_some(index))
        .collect()
}

impl SweepFile {
    /// Checks every value against its range, the catalogue, and what this version offers.
    ///
    /// # Errors
    /// All mistakes found, each with its key, value and near miss.
    pub fn check(&self, catalogue: &dyn Catalogue) -> Result<(), SweepError> {
        let mut found = Found::default();
        self.check_recordings_and_name(&mut found);
        self.check_anns(catalogue, &mut found);
        self.check_protocol(&mut found);
        if let Some(preset) = &self.preset {
            preset.explain(&mut found.0);
        }
        found.result()
    }

    fn check_recordings_and_name(&self, found: &mut Found) {
        self.check_name(found);
        self.check_recordings(found);
        self.check_split(found);
    }

    fn check_protocol(&self, found: &mut Found) {
        let baselines = self.training.baselines.iter();
        let has_others = baselines
            .into_iter()
            .any(|word| word.parse::<Model>().is_ok());
        self.grid.check(has_others, found);
        self.search.check(self.training.max_epochs, found);
        if self.grid.lacks_networks() && self.search != SearchTable::default() {
            let problem = "draws and stops NRP networks, and `grid.depth` is empty, so there are none; leave it out";
            found.add("search", "", problem);
        }
        self.check_training(found);
    }

    fn check_name(&self, found: &mut Found) {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if self.name.is_empty() || self.name.len() > NAME_BYTES_MAX || !self.name.chars().all(plain)
        {
            found.add(
                "name",
                quote(&self.name),
                format!("must be 1 to {NAME_BYTES_MAX} letters, digits, `-`, `_` or `.`"),
            );
        }
    }

    fn check_training(&self, found: &mut Found) {
        let training = &self.training;
        let counts = [
            ("batch_size", training.batch_size, 1),
            ("max_epochs", training.max_epochs, 1),
            ("patience", training.patience, 0),
        ];
        for (key, count, least) in counts {
            if !(least..=COUNT_MAX).contains(&count) {
                let problem = format!("must be {least} to {COUNT_MAX}");
                found.add(format!("training.{key}"), count, problem);
            }
        }
        found.word("training.inputs", &self.inputs(), &InputScaling::NAMES);
        found.word("training.targets", &self.targets(), &TargetScaling::NAMES);
        check_projection(&training.projection, found);
        for (index, word) in training.baselines.iter().enumerate() {
            if word != MEAN_PREDICTOR && word.parse::<Model>().is_err() {
                found.word(
                    format!("training.baselines[{index}]"),
                    word,
                    &Model::words(),
                );
            }
        }
        for index in repeated(&training.baselines) {
            let key = format!("training.baselines[{index}]");
            found.add(key, quote(&training.baselines[index]), "is listed twice");
        }
    }
}

fn check_projection(word: &str, found: &mut Found) {
    if word.parse::<Projection>().is_err() {
        let key = "training.projection";
        let problem = format!(
            "must be one of {}, K a whole number from 1 on",
            backticked(&Projection::NAMES)
        );
        found.add_near(
            key,
            quote(word),
            problem,
            near_miss(word, Projection::NAMES),
        );
    }
}
