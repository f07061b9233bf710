//! What is wrong with a sweep file: values out of range, words nobody knows, what this version
//! does not offer yet. All mistakes are found, not only the first.

use super::baseline::MEAN_PREDICTOR;
use super::{
    AnnTable, Assembly, Baseline, DEFAULT_PREPROCESSING, GridTable, LayerSets, Mistake, Projection,
    Pruning, SweepError, SweepFile, layer_sets,
};
use crate::near_miss;
use std::collections::{BTreeMap, HashSet};
use std::fmt::{Debug, Display};
use std::hash::Hash;

/// The ANNs a sweep may name. The worker's catalogue implements it.
pub trait Catalogue {
    /// ANNs that can be run.
    fn offered(&self) -> Vec<&str>;
    /// Layers of an offered ANN; none where only its file tells, as ONNX does. Such an ANN is not
    /// without its file, so never random, and its preprocessing is the sweep file's to say.
    fn layers(&self, ann: &str) -> Option<Vec<String>>;
    /// Those that words for layer sets stand for; empty where only its file tells.
    fn candidates(&self, ann: &str) -> Vec<&str>;
}

/// Longest name of a sweep, in bytes.
const NAME_BYTES_MAX: usize = 64;
/// Most units a layer of a NRP network may have.
const UNITS_MAX: i64 = 65_536;
/// Most intermediate layers of a NRP network.
const DEPTH_MAX: i64 = 3;
/// How far the fractions' sum may be from 1.
const FRACTIONS_SLACK: f64 = 1e-9;
/// Most stimuli a mini-batch may have, and most epochs a trial may train.
pub(super) const COUNT_MAX: i64 = 1_000_000;

/// What a word of the file may be: offered now, and known but not offered yet.
pub(super) struct Words {
    pub(super) offered: &'static [&'static str],
    pub(super) planned: &'static [&'static str],
}

const SCHEMES: Words = Words {
    offered: &["holdout"],
    planned: &["shuffle", "validation-is-test"],
};
const INPUTS: Words = Words {
    offered: &["none", "centred", "per-unit"],
    planned: &[],
};
const TARGETS: Words = Words {
    offered: &["none", "centred", "standardised"],
    planned: &[],
};
/// `K` is a number of components.
const PROJECTIONS: [&str; 3] = ["none", "row-space", "pca:K"];
const BASELINES: Words = Words {
    offered: &[
        MEAN_PREDICTOR,
        Baseline::Ols.name(),
        Baseline::Ridge.name(),
        Baseline::Pls.name(),
    ],
    planned: &[],
};
const PREPROCESSING: Words = Words {
    offered: &["torch", "tf", "caffe", "none"],
    planned: &[],
};
const PRUNING: Words = Words {
    offered: &[Pruning::LAYER, Pruning::GLOBAL],
    planned: &[],
};

/// Collects mistakes.
#[derive(Default)]
pub(super) struct Found(Vec<Mistake>);

impl Found {
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

    /// A word that must be one of `words`.
    pub(super) fn word(&mut self, key: impl Into<String>, word: &str, words: &Words) {
        if words.offered.contains(&word) {
        } else if words.planned.contains(&word) {
            self.add(key, quote(word), not_offered(words.offered));
        } else {
            let all = [words.offered, words.planned].concat();
            let problem = format!("must be one of {}", backticked(&all));
            self.add_near(
                key,
                quote(word),
                problem,
                near_miss(word, all.iter().copied()),
            );
        }
    }

    /// An axis of the grid: not empty, every value good, none twice.
    fn axis<T: Copy + Debug>(
        &mut self,
        key: &str,
        values: &[T],
        good: impl Fn(T) -> bool,
        rule: &str,
    ) {
        if values.is_empty() {
            self.add(key, "[]", "is empty, so the grid has no cell");
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

const DUPLICATE: &str = "stands here twice, which makes duplicate cells";

fn quote(word: &str) -> String {
    format!("{word:?}")
}

fn backticked(words: &[&str]) -> String {
    words
        .iter()
        .map(|word| format!("`{word}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

fn not_offered(offered: &[&str]) -> String {
    format!(
        "this version does not offer it yet; it offers {}",
        backticked(offered)
    )
}

/// Indices of values that stood earlier already.
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
        self.check_name(&mut found);
        self.check_recordings(&mut found);
        self.check_split(&mut found);
        self.check_anns(catalogue, &mut found);
        check_grid(&self.grid, &mut found);
        self.search.check(self.training.max_epochs, &mut found);
        self.check_training(&mut found);
        match found.0.is_empty() {
            true => Ok(()),
            false => Err(SweepError::Mistakes(found.0)),
        }
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

    fn check_recordings(&self, found: &mut Found) {
        let recordings = &self.recordings;
        let files = [
            ("stimuli", &recordings.stimuli),
            ("images", &recordings.images),
        ];
        for (key, file) in files {
            let key = format!("recordings.{key}");
            match (recordings.assembly(), file) {
                (Assembly::Simulated, Some(file)) => {
                    found.add(
                        key,
                        quote(file),
                        "the simulated set brings its own; leave it out",
                    );
                }
                (Assembly::Ventral(_), Some(file)) => {
                    let problem = "a `.hdf5` brings its own; leave it out";
                    found.add(key, quote(file), problem);
                }
                (Assembly::File(_), None) => found.add(key, "", "is missing: name a file"),
                (Assembly::File(_), Some(file)) if file.is_empty() => {
                    found.add(key, quote(file), "names no file");
                }
                (Assembly::Simulated | Assembly::Ventral(_), None)
                | (Assembly::File(_), Some(_)) => {}
            }
        }
        if let Assembly::File(file) = recordings.assembly() {
            let extension = file.rsplit_once('.').map(|(_, extension)| extension);
            if !matches!(extension, Some("nc" | "npy" | "npz")) {
                found.add_near(
                    "recordings.assembly",
                    quote(file),
                    "must be a file ending in `.nc`, `.npy`, `.npz`, `.hdf5` or `.h5`, or \"simulated\"",
                    near_miss(file, ["simulated"]),
                );
            }
        }
        if let Some(levels) = &recordings.variations {
            let key = "recordings.variations";
            match recordings.assembly() {
                Assembly::Ventral(_) => {
                    let level = |level| (0..=i64::from(u8::MAX)).contains(&level);
                    found.axis(key, levels, level, "a variation level is 0 to 255");
                }
                Assembly::File(_) | Assembly::Simulated => {
                    let problem = "only a `.hdf5` has variation levels; leave it out";
                    found.add(key, format!("{levels:?}"), problem);
                }
            }
        }
        if recordings.regions.is_empty() {
            found.add(
                "recordings.regions",
                "[]",
                "is empty, so there is nothing to predict",
            );
        }
        for index in repeated(&recordings.regions) {
            let key = format!("recordings.regions[{index}]");
            found.add(key, quote(&recordings.regions[index]), DUPLICATE);
        }
    }

    fn check_split(&self, found: &mut Found) {
        let split = &self.split;
        found.word("split.scheme", &split.scheme, &SCHEMES);
        let shown = format!("{:?}", split.fractions);
        let sum: f64 = split.fractions.iter().sum();
        if split.fractions.len() != 3 {
            let problem = "must be three: train, validation, test";
            found.add("split.fractions", shown, problem);
        } else if split.fractions.iter().any(|f| !f.is_finite() || *f <= 0.0) {
            found.add("split.fractions", shown, "every fraction must be above 0");
        } else if (sum - 1.0).abs() > FRACTIONS_SLACK {
            found.add(
                "split.fractions",
                shown,
                format!("must sum to 1, not {}", rounded(sum)),
            );
        }
        if split.seed < 0 {
            found.add("split.seed", split.seed, "must not be negative");
        }
    }

    fn check_anns(&self, catalogue: &dyn Catalogue, found: &mut Found) {
        if self.ann.is_empty() {
            found.add("ann", "[]", "is empty, so the grid has no cell");
        }
        let same = |ann: &AnnTable| {
            let preprocessing = ann.preprocessing.as_deref();
            let preprocessing = preprocessing.unwrap_or(DEFAULT_PREPROCESSING).to_owned();
            (ann.name.clone(), ann.weights.clone(), preprocessing)
        };
        for index in repeated(self.ann.iter().map(same)) {
            found.add(
                format!("ann[{index}]"),
                quote(&self.ann[index].name),
                "stands here twice with the same weights; put all its layer sets into one",
            );
        }
        for (index, ann) in self.ann.iter().enumerate() {
            let key = |name: &str| format!("ann[{index}].{name}");
            let offered = catalogue.offered();
            if offered.contains(&ann.name.as_str()) {
                let layers = catalogue.layers(&ann.name);
                check_layer_sets(&key("layer_sets"), ann, layers.as_deref(), found);
                check_of_file(&key, ann, layers.is_none(), found);
            } else {
                let problem = format!("no such ANN; there are {}", backticked(&offered));
                let near = near_miss(&ann.name, offered.iter().copied());
                found.add_near(key("name"), quote(&ann.name), problem, near);
            }
            if let Some(seed) = ann.weights.strip_prefix(crate::id::RANDOM_PREFIX)
                && seed.parse::<u64>().is_err()
            {
                let problem = "after `random:` comes a seed, a whole number";
                found.add(key("weights"), quote(&ann.weights), problem);
            }
            if ann.weights.is_empty() {
                found.add(
                    key("weights"),
                    "\"\"",
                    "names no file; a file, or \"random:SEED\"",
                );
            }
            let range = |s: f64| (0.0..1.0).contains(&s);
            let rule = "a fraction of zero weights is at least 0 and below 1";
            found.axis(&key("sparsity"), &ann.sparsity, range, rule);
            match &ann.pruning {
                None => {}
                Some(Pruning::Rule(rule)) => found.word(key("pruning"), rule, &PRUNING),
                Some(Pruning::Checkpoints(files)) => {
                    check_checkpoints(&key("pruning"), &ann.sparsity, files, found);
                }
            }
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
        found.word("training.inputs", &training.inputs, &INPUTS);
        found.word("training.targets", &training.targets, &TARGETS);
        check_projection(&training.projection, found);
        for (index, baseline) in training.baselines.iter().enumerate() {
            found.word(format!("training.baselines[{index}]"), baseline, &BASELINES);
        }
        for index in repeated(&training.baselines) {
            let key = format!("training.baselines[{index}]");
            found.add(key, quote(&training.baselines[index]), "stands here twice");
        }
    }
}

fn check_projection(word: &str, found: &mut Found) {
    if word.parse::<Projection>().is_err() {
        let key = "training.projection";
        let problem = format!(
            "must be one of {}, K a whole number from 1 on",
            backticked(&PROJECTIONS)
        );
        found.add_near(key, quote(word), problem, near_miss(word, PROJECTIONS));
    }
}

/// One file for each sparsity above 0, and none besides.
fn check_checkpoints(
    key: &str,
    sparsity: &[f64],
    files: &BTreeMap<String, String>,
    found: &mut Found,
) {
    let mut of_files = Vec::new();
    for (asked, file) in files {
        let key = format!("{key}.{asked:?}");
        let number = asked.parse().ok();
        match number.filter(|number| *number > 0.0 && sparsity.contains(number)) {
            None => {
                let problem = "must be of a sparsity above 0 that stands in `sparsity`";
                found.add(&key, quote(file), problem);
            }
            Some(number) if of_files.contains(&number) => {
                found.add(&key, quote(file), "is the file of a sparsity that has one");
            }
            Some(number) => of_files.push(number),
        }
        if file.is_empty() {
            found.add(&key, "\"\"", "names no file");
        }
    }
    for sparsity in sparsity.iter().filter(|of| **of > 0.0) {
        if !of_files.contains(sparsity) {
            let key = format!("{key}.\"{sparsity:?}\"");
            found.add(key, "", "is missing: name the checkpoint of this sparsity");
        }
    }
}

/// What only an ANN that its file defines may have, and what it may not.
fn check_of_file(key: &dyn Fn(&str) -> String, ann: &AnnTable, of_file: bool, found: &mut Found) {
    if let Some(preprocessing) = &ann.preprocessing {
        match of_file {
            true => found.word(key("preprocessing"), preprocessing, &PREPROCESSING),
            false => found.add(
                key("preprocessing"),
                quote(preprocessing),
                format!("{} has its own; leave it out", ann.name),
            ),
        }
    }
    if of_file && (ann.sparsity != [0.0] || ann.pruning.is_some()) {
        let problem = format!(
            "{} runs with the weights it has; prune the net before you export it, and name each file \
             as an ANN of its own",
            ann.name
        );
        found.add(key("sparsity"), format!("{:?}", ann.sparsity), problem);
    }
    if of_file && ann.weights.starts_with(crate::id::RANDOM_PREFIX) {
        let problem = format!(
            "{} has no weights but its file's; name the file, saved untrained if need be",
            ann.name
        );
        found.add(key("weights"), quote(&ann.weights), problem);
    }
}

/// `layers` are the ANN's, where they are known without its file.
fn check_layer_sets(key: &str, ann: &AnnTable, layers: Option<&[String]>, found: &mut Found) {
    let sets = match &ann.layer_sets {
        LayerSets::Listed(sets) => sets,
        LayerSets::Shorthand(word) => return check_shorthand(key, word, &ann.name, found),
    };
    if sets.is_empty() {
        found.add(key, "[]", "is empty, so the grid has no cell");
    }
    for (set_index, set) in sets.iter().enumerate() {
        let key = format!("{key}[{set_index}]");
        if set.is_empty() {
            found.add(&key, "[]", "names no layer");
        }
        for (index, layer) in set.iter().enumerate() {
            let Some(layers) = layers else {
                continue;
            };
            if !layers.contains(layer) {
                found.add_near(
                    format!("{key}[{index}]"),
                    quote(layer),
                    format!(
                        "no layer of {name}; `nrp ann layers {name}` lists them",
                        name = ann.name
                    ),
                    near_miss(layer, layers.iter().map(String::as_str)),
                );
            }
        }
        for index in repeated(set) {
            found.add(
                format!("{key}[{index}]"),
                quote(&set[index]),
                "stands twice in its set",
            );
        }
    }
    let sorted = |set: &Vec<String>| {
        let mut set = set.clone();
        set.sort_unstable();
        set
    };
    for index in repeated(sets.iter().map(sorted)) {
        found.add(
            format!("{key}[{index}]"),
            format!("{:?}", sets[index]),
            DUPLICATE,
        );
    }
}

/// A word that could not be expanded.
fn check_shorthand(key: &str, word: &str, ann: &str, found: &mut Found) {
    let words = layer_sets::shorthands();
    let (problem, near) = match words.contains(&word) {
        true => (
            format!("{ann} has too few candidate layers for that; list the layer sets"),
            None,
        ),
        false => (
            format!(
                "must be a list of layer sets, or one of {}: every candidate layer of \
                 `nrp ann layers {ann}`, all pairs, all triples",
                backticked(&words)
            ),
            near_miss(word, words.iter().copied()),
        ),
    };
    found.add_near(key, quote(word), problem, near);
}

fn check_grid(grid: &GridTable, found: &mut Found) {
    let units = |n: i64| (1..=UNITS_MAX).contains(&n);
    let units_rule = format!("a layer has 1 to {UNITS_MAX} units");
    found.axis("grid.l1", &grid.l1, units, &units_rule);
    found.axis("grid.l2", &grid.l2, units, &units_rule);
    let depth = |n: i64| (0..=DEPTH_MAX).contains(&n);
    let depth_rule = format!("there are 0 to {DEPTH_MAX} intermediate layers");
    found.axis("grid.depth", &grid.depth, depth, &depth_rule);
    let positive = |x: f64| x.is_finite() && x > 0.0;
    let rate_rule = "a learning rate must be above 0";
    found.axis(
        "grid.learning_rate",
        &grid.learning_rate,
        positive,
        rate_rule,
    );
    let not_negative = |x: f64| x.is_finite() && x >= 0.0;
    let decay_rule = "a weight decay must not be negative";
    found.axis(
        "grid.weight_decay",
        &grid.weight_decay,
        not_negative,
        decay_rule,
    );
    let fraction = |x: f64| (0.0..1.0).contains(&x);
    let dropout_rule = "dropout is at least 0 and below 1";
    found.axis("grid.dropout", &grid.dropout, fraction, dropout_rule);
    found.axis(
        "grid.seed",
        &grid.seed,
        |n| n >= 0,
        "a seed must not be negative",
    );
}

/// A sum without the digits that only binary fractions have.
fn rounded(sum: f64) -> f64 {
    (sum * 1e9).round() / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Two;

    impl Catalogue for Two {
        fn offered(&self) -> Vec<&str> {
            vec!["mobilenet", "onnx"]
        }
        fn layers(&self, ann: &str) -> Option<Vec<String>> {
            let layers = ["conv_pw_3_relu", "conv_pw_13_relu"];
            (ann == "mobilenet").then(|| layers.map(str::to_owned).to_vec())
        }
        fn candidates(&self, ann: &str) -> Vec<&str> {
            match ann {
                "mobilenet" => vec!["conv_pw_3_relu", "conv_pw_13_relu"],
                _ => Vec::new(),
            }
        }
    }

    fn check(edit: &str) -> String {
        let mut file = toml::from_str::<toml::Table>(
            r#"
            name = "test"
            recordings = { assembly = "simulated", regions = ["V4"] }
            split = {}
            grid = {}
            search = {}
            training = {}
            [[ann]]
            name = "mobilenet"
            weights = "random:0"
            layer_sets = [["conv_pw_13_relu"]]
            "#,
        )
        .expect("base");
        for (table, value) in toml::from_str::<toml::Table>(edit).expect("edit") {
            match (file.get_mut(&table), value) {
                (Some(toml::Value::Table(into)), toml::Value::Table(from)) => into.extend(from),
                (_, value) => {
                    file.insert(table, value);
                }
            }
        }
        match SweepFile::parse(&file.to_string()).and_then(|file| file.expand(&Two).check(&Two)) {
            Ok(()) => "good".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_good_file_has_no_mistake() {
        assert_eq!(check(""), "good");
    }

    #[test]
    fn every_mistake_names_key_value_and_near_miss() {
        insta::assert_snapshot!(check(r#"
            name = "two words"
            [split]
            scheme = "holdot"
            fractions = [0.8, 0.1, 0.2]
            [grid]
            l1 = []
            l2 = [32, 32, 0]
            depth = [4]
            learning_rate = [0.0, 1e-3, -1.0, nan]
            dropout = [1.0]
            [training]
            batch_size = 0
            targets = "standardized"
            baselines = ["maen"]
            [[ann]]
            name = "mobilnet"
            weights = "random:x"
            layer_sets = []
            [[ann]]
            name = "mobilenet"
            weights = "w.h5"
            layer_sets = [["conv_pw_31_relu"], [], ["conv_pw_3_relu", "conv_pw_13_relu"],
                          ["conv_pw_13_relu", "conv_pw_3_relu"]]
        "#), @r#"
        the sweep file has 19 mistakes
          `name` = "two words": must be 1 to 64 letters, digits, `-`, `_` or `.`
          `split.scheme` = "holdot": must be one of `holdout`, `shuffle`, `validation-is-test`; did you mean `holdout`?
          `split.fractions` = [0.8, 0.1, 0.2]: must sum to 1, not 1.1
          `ann[0].name` = "mobilnet": no such ANN; there are `mobilenet`, `onnx`; did you mean `mobilenet`?
          `ann[0].weights` = "random:x": after `random:` comes a seed, a whole number
          `ann[1].layer_sets[0][0]` = "conv_pw_31_relu": no layer of mobilenet; `nrp ann layers mobilenet` lists them; did you mean `conv_pw_13_relu`?
          `ann[1].layer_sets[1]` = []: names no layer
          `ann[1].layer_sets[3]` = ["conv_pw_13_relu", "conv_pw_3_relu"]: stands here twice, which makes duplicate cells
          `grid.l1` = []: is empty, so the grid has no cell
          `grid.l2[1]` = 32: stands here twice, which makes duplicate cells
          `grid.l2[2]` = 0: a layer has 1 to 65536 units
          `grid.depth[0]` = 4: there are 0 to 3 intermediate layers
          `grid.learning_rate[0]` = 0.0: a learning rate must be above 0
          `grid.learning_rate[2]` = -1.0: a learning rate must be above 0
          `grid.learning_rate[3]` = NaN: a learning rate must be above 0
          `grid.dropout[0]` = 1.0: dropout is at least 0 and below 1
          `training.batch_size` = 0: must be 1 to 1000000
          `training.targets` = "standardized": must be one of `none`, `centred`, `standardised`; did you mean `standardised`?
          `training.baselines[0]` = "maen": must be one of `mean`, `ols`, `ridge`, `pls`; did you mean `mean`?
        "#);
    }

    #[test]
    fn what_is_not_offered_yet_is_refused_by_name() {
        insta::assert_snapshot!(check(r#"
            [split]
            scheme = "shuffle"
        "#), @r#"
        the sweep file has a mistake
          `split.scheme` = "shuffle": this version does not offer it yet; it offers `holdout`
        "#);
    }

    #[test]
    fn layer_sets_are_listed_or_a_word_for_sets_of_candidates() {
        let sets = |ann: &str, word: &str| {
            check(&format!(
                "[[ann]]\nname = {ann:?}\nweights = \"w\"\nlayer_sets = {word:?}"
            ))
        };
        for word in ["single", "pairs"] {
            assert_eq!(sets("mobilenet", word), "good", "{word}");
        }
        let said = ["pair", "triples", "region-map"].map(|word| sets("mobilenet", word));
        let said = [said.join("\n"), sets("onnx", "single")].join("\n");
        insta::assert_snapshot!(said.replace("the sweep file has a mistake\n", ""), @r#"
        `ann[0].layer_sets` = "pair": must be a list of layer sets, or one of `single`, `pairs`, `triples`: every candidate layer of `nrp ann layers mobilenet`, all pairs, all triples; did you mean `pairs`?
        `ann[0].layer_sets` = "triples": mobilenet has too few candidate layers for that; list the layer sets
        `ann[0].layer_sets` = "region-map": must be a list of layer sets, or one of `single`, `pairs`, `triples`: every candidate layer of `nrp ann layers mobilenet`, all pairs, all triples
        `ann[0].layer_sets` = "single": onnx has too few candidate layers for that; list the layer sets
        "#);
    }

    #[test]
    fn pruning_is_by_a_rule_or_by_a_checkpoint_for_each_sparsity() {
        let ann = |rest: &str| {
            let table = "name = \"mobilenet\"\nweights = \"m.h5\"";
            check(&format!(
                "[[ann]]\n{table}\nlayer_sets = [[\"conv_pw_3_relu\"]]\n{rest}"
            ))
        };
        for good in [
            "sparsity = [0.0, 0.8]",
            "sparsity = [0.0, 0.8]\npruning = \"layer\"",
            "sparsity = [0.8]\npruning = \"global\"",
            "sparsity = [0.0, 0.5, 0.8]\npruning = { \"0.80\" = \"8.h5\", \".5\" = \"5.h5\" }",
        ] {
            assert_eq!(ann(good), "good", "{good}");
        }
        insta::assert_snapshot!(check(r#"
            [[ann]]
            name = "mobilenet"
            weights = "a.h5"
            layer_sets = [["conv_pw_3_relu"]]
            sparsity = [0.0, 1.0, -0.2]
            pruning = "layers"
            [[ann]]
            name = "mobilenet"
            weights = "b.h5"
            layer_sets = [["conv_pw_3_relu"]]
            sparsity = [0.0, 0.5, 0.8]
            pruning = { "0.0" = "0.h5", "0.8" = "", "0.80" = "8.h5", "many" = "m.h5" }
            [[ann]]
            name = "onnx"
            weights = "net.onnx"
            layer_sets = [["a"]]
            sparsity = [0.5]
        "#), @r#"
        the sweep file has 9 mistakes
          `ann[0].sparsity[1]` = 1.0: a fraction of zero weights is at least 0 and below 1
          `ann[0].sparsity[2]` = -0.2: a fraction of zero weights is at least 0 and below 1
          `ann[0].pruning` = "layers": must be one of `layer`, `global`; did you mean `layer`?
          `ann[1].pruning."0.0"` = "0.h5": must be of a sparsity above 0 that stands in `sparsity`
          `ann[1].pruning."0.8"` = "": names no file
          `ann[1].pruning."0.80"` = "8.h5": is the file of a sparsity that has one
          `ann[1].pruning."many"` = "m.h5": must be of a sparsity above 0 that stands in `sparsity`
          `ann[1].pruning."0.5"`: is missing: name the checkpoint of this sparsity
          `ann[2].sparsity` = [0.5]: onnx runs with the weights it has; prune the net before you export it, and name each file as an ANN of its own
        "#);
        let wrong = SweepFile::parse(
            "name = \"a\"\nrecordings = { assembly = \"simulated\" }\n[[ann]]\nname = \"mobilenet\"\n\
             weights = \"m.h5\"\nlayer_sets = []\npruning = 0.8",
        );
        let error = wrong.expect_err("a number").to_string();
        assert!(
            error.contains("expected \"layer\", \"global\" or"),
            "{error}"
        );
    }

    #[test]
    fn every_baseline_is_offered() {
        let all = "[training]\nbaselines = [\"mean\", \"ols\", \"ridge\", \"pls\"]";
        assert_eq!(check(all), "good");
        assert_eq!(check("[training]\nbaselines = []"), "good");
    }

    #[test]
    fn a_projection_is_one_of_three_and_says_how_many_components() {
        let projection = |word: &str| check(&format!("[training]\nprojection = {word:?}"));
        for word in ["none", "row-space", "pca:1", "pca:200"] {
            assert_eq!(projection(word), "good", "{word}");
        }
        for (word, near) in [
            ("row_space", "; did you mean `row-space`?"),
            ("pca:0", "; did you mean `pca:K`?"),
            ("pca", "; did you mean `pca:K`?"),
            ("svd", ""),
        ] {
            assert_eq!(
                projection(word),
                format!(
                    "the sweep file has a mistake\n  `training.projection` = {word:?}: must be one of \
                     `none`, `row-space`, `pca:K`, K a whole number from 1 on{near}"
                )
            );
        }
    }

    #[test]
    fn a_search_says_what_it_needs_and_nothing_else() {
        assert_eq!(check("[search]\nstrategy = \"grid\""), "good");
        let random = "[search]\nstrategy = \"random\"\ntrials = 12\nseed = 3";
        assert_eq!(check(random), "good");
        let asha = "early_stopping = \"asha\"\nmin_epochs = 10\nreduction = 4";
        assert_eq!(check(&format!("[search]\n{asha}")), "good");
        assert_eq!(check(&format!("{random}\n{asha}")), "good");
        for (table, mistakes) in [
            (
                r#"strategy = "randon""#,
                vec![
                    r#"`search.strategy` = "randon": must be one of `grid`, `random`; did you mean `random`?"#,
                ],
            ),
            (
                "strategy = \"random\"\nseed = -1",
                vec![
                    "`search.trials`: is missing: say how many cells",
                    "`search.seed` = -1: must not be negative",
                ],
            ),
            (
                "strategy = \"random\"\ntrials = 0",
                vec!["`search.trials` = 0: must be 1 to 1000000"],
            ),
            (
                "trials = 12\nseed = 3",
                vec![
                    r#"`search.trials` = 12: only strategy "random" has it; leave it out"#,
                    r#"`search.seed` = 3: only strategy "random" has it; leave it out"#,
                ],
            ),
            (
                "early_stopping = \"ahsa\"",
                vec![
                    r#"`search.early_stopping` = "ahsa": must be one of `none`, `asha`; did you mean `asha`?"#,
                ],
            ),
            (
                "early_stopping = \"asha\"\nreduction = 1",
                vec![
                    "`search.min_epochs`: is missing: say at how many epochs the first trials stop",
                    "`search.reduction` = 1: must be 2 to 1000000",
                ],
            ),
            (
                "early_stopping = \"asha\"\nmin_epochs = 200",
                vec!["`search.min_epochs` = 200: must be 1 to 199, below `training.max_epochs`"],
            ),
            (
                "min_epochs = 10\nreduction = 4",
                vec![
                    r#"`search.min_epochs` = 10: only early stopping "asha" has it; leave it out"#,
                    r#"`search.reduction` = 4: only early stopping "asha" has it; leave it out"#,
                ],
            ),
            (
                "trails = 12",
                vec!["`search.trails` = 12: no such key; did you mean `trials`?"],
            ),
        ] {
            let found = check(&format!("[search]\n{table}"));
            let found: Vec<_> = found.lines().skip(1).map(str::trim).collect();
            assert_eq!(found, mistakes);
        }
    }

    #[test]
    fn recordings_of_every_format_are_taken_with_the_files_they_need() {
        for file in ["a.nc", "a.npy", "a.npz"] {
            let beside = r#"stimuli = "a.csv"
            images = "a.zip""#;
            let edit = format!("[recordings]\nassembly = {file:?}\n{beside}");
            assert_eq!(check(&edit), "good", "{file}");
        }
        for file in ["ventral_neural_data.hdf5", "a.h5"] {
            let edit = format!("[recordings]\nassembly = {file:?}\nvariations = [0, 3, 6]");
            assert_eq!(check(&edit), "good", "{file}");
        }
        insta::assert_snapshot!(check(r#"
            [recordings]
            assembly = "lab.hdf5"
            images = "a.zip"
            variations = [0, -1, 0]
        "#), @r#"
        the sweep file has 3 mistakes
          `recordings.images` = "a.zip": a `.hdf5` brings its own; leave it out
          `recordings.variations[1]` = -1: a variation level is 0 to 255
          `recordings.variations[2]` = 0: stands here twice, which makes duplicate cells
        "#);
        insta::assert_snapshot!(check(r#"
            [recordings]
            assembly = "rates.mat"
            variations = [3]
        "#), @r#"
        the sweep file has 4 mistakes
          `recordings.stimuli`: is missing: name a file
          `recordings.images`: is missing: name a file
          `recordings.assembly` = "rates.mat": must be a file ending in `.nc`, `.npy`, `.npz`, `.hdf5` or `.h5`, or "simulated"
          `recordings.variations` = [3]: only a `.hdf5` has variation levels; leave it out
        "#);
    }

    #[test]
    fn an_ann_that_its_file_defines_has_any_layer_its_own_preprocessing_and_no_seed() {
        let onnx = |rest: &str| check(&format!("[[ann]]\nname = \"onnx\"\n{rest}"));
        let file = "weights = \"net.onnx\"\nlayer_sets = [[\"/layer1/Relu\"], [\"conv\"]]\n";
        assert_eq!(onnx(file), "good");
        for word in ["torch", "tf", "caffe", "none"] {
            assert_eq!(onnx(&format!("{file}preprocessing = \"{word}\"")), "good");
        }
        insta::assert_snapshot!(check(r#"
            [[ann]]
            name = "onnx"
            weights = "net.onnx"
            layer_sets = [["a"], ["a"], ["b", "b"], []]
            preprocessing = "cafe"
            [[ann]]
            name = "onnx"
            weights = "random:1"
            layer_sets = [["a"]]
            [[ann]]
            name = "onnx"
            weights = "random:1"
            preprocessing = "torch"
            layer_sets = [["a"]]
            [[ann]]
            name = "mobilenet"
            weights = "m.h5"
            preprocessing = "tf"
            layer_sets = [["conv_pw_3_relu"]]
        "#), @r#"
        the sweep file has 8 mistakes
          `ann[2]` = "onnx": stands here twice with the same weights; put all its layer sets into one
          `ann[0].layer_sets[2][1]` = "b": stands twice in its set
          `ann[0].layer_sets[3]` = []: names no layer
          `ann[0].layer_sets[1]` = ["a"]: stands here twice, which makes duplicate cells
          `ann[0].preprocessing` = "cafe": must be one of `torch`, `tf`, `caffe`, `none`; did you mean `caffe`?
          `ann[1].weights` = "random:1": onnx has no weights but its file's; name the file, saved untrained if need be
          `ann[2].weights` = "random:1": onnx has no weights but its file's; name the file, saved untrained if need be
          `ann[3].preprocessing` = "tf": mobilenet has its own; leave it out
        "#);
    }
}
