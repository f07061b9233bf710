//! What is wrong with an `[[ann]]`: its name, layers, weights and pruning.

use super::{
    ANNS_MAX, Catalogue, DUPLICATE, Found, LAYER_SETS_MAX, SET_BYTES_MAX, TEXT_BYTES_MAX,
    backticked, quote, repeated,
};
use crate::near_miss;
use crate::sweep::{
    AnnTable, DEFAULT_PREPROCESSING, FEATURES, LayerSets, PILLOW_12, PILLOW_13, Pruning,
    PruningMethod, SweepFile, layer_sets,
};
use std::collections::BTreeMap;

const PREPROCESSING: [&str; 4] = ["torch", "tf", "caffe", "none"];
const RESIZE: [&str; 2] = [PILLOW_13, PILLOW_12];
/// The widest visual angle.
const DEGREES_MAX: f64 = 360.0;
const PRUNING: [&str; 2] = [PruningMethod::Layer.name(), PruningMethod::Global.name()];

impl SweepFile {
    pub(super) fn check_anns(&self, catalogue: &dyn Catalogue, found: &mut Found) {
        if self.ann.is_empty() {
            found.add("ann", "[]", "is empty, so the grid has no cell");
        }
        found.count("ann", self.ann.len(), ANNS_MAX);
        let same = |ann: &AnnTable| {
            let preprocessing = ann.preprocessing.as_deref();
            let preprocessing = preprocessing.unwrap_or(DEFAULT_PREPROCESSING).to_owned();
            let resize = ann.resize.as_deref().unwrap_or(PILLOW_13).to_owned();
            let degrees = ann.degrees.map(f64::to_bits);
            let key = ann.weights_key.clone();
            let weights = ann.weights.clone();
            (
                ann.name.clone(),
                weights,
                key,
                preprocessing,
                resize,
                degrees,
            )
        };
        for index in repeated(self.ann.iter().map(same)) {
            found.add(
                format!("ann[{index}]"),
                quote(&self.ann[index].name),
                "is listed twice with the same weights; put all its layer sets into one",
            );
        }
        for (index, ann) in self.ann.iter().enumerate() {
            let key = |name: &str| format!("ann[{index}].{name}");
            let offered = catalogue.offered();
            if offered.contains(&ann.name.as_str()) {
                let layers = catalogue.layers(ann);
                if let LayerSets::RegionMap(file) = &ann.layer_sets {
                    let known = catalogue.region_map(ann, file);
                    self.check_region_map(&key("layer_sets"), file, known, found);
                }
                check_layer_sets(&key("layer_sets"), ann, layers.as_deref(), found);
                if ann.name == FEATURES {
                    check_features(&key, ann, found);
                } else {
                    check_of_file(&key, ann, layers.is_none(), found);
                }
            } else {
                let problem = format!("no such ANN; there are {}", backticked(&offered));
                let near = near_miss(&ann.name, offered.iter().copied());
                found.add_near(key("name"), quote(&ann.name), problem, near);
            }
            check_weights(&key("weights"), &ann.weights, found);
            if let Some(resize) = ann.resize.as_ref().filter(|_| ann.name != FEATURES) {
                found.word(key("resize"), resize, &RESIZE);
            }
            if let Some(degrees) = ann.degrees.filter(|_| ann.name != FEATURES) {
                check_degrees(key("degrees"), degrees, found);
            }
            check_sparsity(&key("sparsity"), &ann.sparsity, found);
            match &ann.pruning {
                None => {}
                Some(Pruning::Rule(rule)) => found.word(key("pruning"), rule, &PRUNING),
                Some(Pruning::Checkpoints(files)) => {
                    check_checkpoints(&key("pruning"), &ann.sparsity, files, found);
                }
            }
        }
    }
}

impl SweepFile {
    /// A file that could not be expanded: it names no layer for some region of the sweep.
    fn check_region_map(
        &self,
        key: &str,
        file: &str,
        known: &[(String, Vec<String>)],
        found: &mut Found,
    ) {
        if file.is_empty() {
            return found.add(key, quote(layer_sets::REGION_MAP_FILE), "names no file");
        }
        found.path(key, file);
        let names: Vec<&str> = known.iter().map(|(region, _)| region.as_str()).collect();
        let has = match names.as_slice() {
            [] => "no region".to_owned(),
            names => backticked(names),
        };
        let regions = self.recordings.regions.iter();
        for region in regions.filter(|region| !names.contains(&region.as_str())) {
            let problem = format!("the file names no layer for {region}; it has {has}");
            let near = near_miss(region, names.iter().copied());
            found.add_near(key, quote(file), problem, near);
        }
    }
}

/// Degrees of visual angle.
pub(super) fn check_degrees(key: impl Into<String>, degrees: f64, found: &mut Found) {
    if !(degrees > 0.0 && degrees <= DEGREES_MAX) {
        let problem = format!("must be degrees of visual angle above 0, at most {DEGREES_MAX}");
        found.add(key, degrees, problem);
    }
}

/// A file, or a seed.
pub(super) fn check_weights(key: &str, weights: &str, found: &mut Found) {
    if let Some(seed) = weights.strip_prefix(crate::id::RANDOM_PREFIX) {
        if seed.parse::<u64>().is_err() {
            let problem = "after `random:` comes a seed, a whole number";
            found.add(key, quote(weights), problem);
        }
    } else if weights.is_empty() {
        let problem = "names no file; a file, or \"random:SEED\"";
        found.add(key, "\"\"", problem);
    } else {
        found.path(key, weights);
    }
}

pub(super) fn check_sparsity(key: &str, sparsity: &[f64], found: &mut Found) {
    let range = |s: f64| (0.0..1.0).contains(&s);
    let rule = "a fraction of zero weights is at least 0 and below 1";
    found.axis(key, sparsity, range, rule);
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
            found.add(&key, "\"\"", "names no file")
        } else {
            found.path(&key, file)
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
        if of_file {
            found.word(key("preprocessing"), preprocessing, &PREPROCESSING)
        } else {
            found.add(
                key("preprocessing"),
                quote(preprocessing),
                format!("{} has its own; leave it out", ann.name),
            )
        }
    }
    if of_file && (ann.sparsity != [0.0] || ann.pruning.is_some()) {
        let problem = format!(
            "{} runs with the weights it has; prune the net before you export it, and name each file \
             as an ANN of its own",
            ann.name
        );
        let (name, value) = pruned(ann);
        found.add(key(name), value, problem);
    }
    if of_file && ann.weights.starts_with(crate::id::RANDOM_PREFIX) {
        let problem = format!(
            "{} has no weights but its file's; name the file, saved untrained if need be",
            ann.name
        );
        found.add(key("weights"), quote(&ann.weights), problem);
    }
}

/// What activations that another program computed may not have.
fn check_features(key: &dyn Fn(&str) -> String, ann: &AnnTable, found: &mut Found) {
    let degrees = ann.degrees.map(|degrees| degrees.to_string());
    let of_images = [
        ("preprocessing", ann.preprocessing.as_deref().map(quote)),
        ("resize", ann.resize.as_deref().map(quote)),
        ("degrees", degrees),
    ];
    for (name, value) in of_images {
        if let Some(value) = value {
            let problem =
                "activations of a file are read as they are, without images; leave it out";
            found.add(key(name), value, problem);
        }
    }
    if let Some(weights_key) = &ann.weights_key {
        let problem =
            "is for files of PyTorch's; name layers of a file of activations in `layer_sets`";
        found.add(key("weights_key"), quote(weights_key), problem);
    }
    if ann.sparsity != [0.0] || ann.pruning.is_some() {
        let problem = "activations of a file have no weights to prune; list those of each pruned network \
                       as an ANN of its own";
        let (name, value) = pruned(ann);
        found.add(key(name), value, problem);
    }
    if ann.weights.starts_with(crate::id::RANDOM_PREFIX) {
        let problem = "expected a file of activations: `.npy`, `.npz` or `.nc`";
        found.add(key("weights"), quote(&ann.weights), problem);
    }
}

/// The key that asks for pruning, and its value.
fn pruned(ann: &AnnTable) -> (&'static str, String) {
    match &ann.pruning {
        Some(Pruning::Rule(rule)) if ann.sparsity == [0.0] => ("pruning", quote(rule)),
        Some(Pruning::Rule(_) | Pruning::Checkpoints(_)) | None => {
            ("sparsity", format!("{:?}", ann.sparsity))
        }
    }
}

/// The command that lists an ANN's layers.
fn listing(ann: &AnnTable) -> String {
    match ann.name.as_str() {
        FEATURES => format!("nrp ann layers {FEATURES} --weights {}", ann.weights),
        name => format!("nrp ann layers {name}"),
    }
}

/// `layers` are the ANN's, where they are known without its file.
fn check_layer_sets(key: &str, ann: &AnnTable, layers: Option<&[String]>, found: &mut Found) {
    let sets = match &ann.layer_sets {
        LayerSets::Listed(sets) => sets,
        LayerSets::Shorthand(word) => return check_shorthand(key, word, ann, found),
        LayerSets::ByRegion(sets) => {
            for (region, set) in sets {
                let sets = std::slice::from_ref(set);
                if let Some(layers) = layers {
                    check_layers(&format!("{key}.{region}"), ann, sets, layers, found);
                }
                check_sets(&format!("{key}.{region}"), sets, found);
            }
            return;
        }
        LayerSets::RegionMap(_) => return,
        LayerSets::LeftOut => {
            let layers = layers.map_or(0, <[String]>::len);
            let problem = format!(
                "is missing, and there are {layers} layers: list the sets, or write \"single\" for each \
                 layer by itself; `{}` lists them",
                listing(ann)
            );
            return found.add(key, "", problem);
        }
    };
    if let Some(layers) = layers {
        check_layers(key, ann, sets, layers, found);
    }
    check_sets(key, sets, found);
}

/// Layers that an ANN does not have.
fn check_layers(
    key: &str,
    ann: &AnnTable,
    sets: &[Vec<String>],
    layers: &[String],
    found: &mut Found,
) {
    for (set_index, set) in sets.iter().enumerate() {
        for (index, layer) in set.iter().enumerate() {
            if !layers.contains(layer) {
                found.add_near(
                    format!("{key}[{set_index}][{index}]"),
                    quote(layer),
                    format!("no layer of {}; `{}` lists them", ann.name, listing(ann)),
                    near_miss(layer, layers.iter().map(String::as_str)),
                );
            }
        }
    }
}

/// Layer sets, whatever ANN they are of.
pub(super) fn check_sets(key: &str, sets: &[Vec<String>], found: &mut Found) {
    if sets.is_empty() {
        found.add(key, "[]", "is empty, so the grid has no cell");
    }
    if !found.count(key, sets.len(), LAYER_SETS_MAX) {
        return;
    }
    for (set_index, set) in sets.iter().enumerate() {
        let key = format!("{key}[{set_index}]");
        if set.is_empty() {
            found.add(&key, "[]", "names no layer");
        }
        let bytes = set.iter().map(String::len).sum::<usize>();
        if bytes > SET_BYTES_MAX {
            let layers = set.len();
            let problem = format!(
                "its {layers} layers' names have {bytes} bytes together; the limit is {SET_BYTES_MAX}"
            );
            found.add(&key, "", problem);
            continue;
        }
        for (index, layer) in set.iter().enumerate() {
            found.text(format!("{key}[{index}]"), layer, TEXT_BYTES_MAX);
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
fn check_shorthand(key: &str, word: &str, table: &AnnTable, found: &mut Found) {
    let words = layer_sets::shorthands();
    let ann = &table.name;
    let (problem, near) = match words.contains(&word) {
        true if word == layer_sets::REGION_MAP => (
            format!(
                "Brain-Score has committed no layer of {ann} to one of these regions; list the layer sets"
            ),
            None,
        ),
        true => (
            format!("{ann} has too few candidate layers for that; list the layer sets"),
            None,
        ),
        false => (
            format!(
                "must be a list of layer sets, or one of {}: every candidate layer of `{}`, all pairs, all \
                 triples, or the layer that Brain-Score, or `region-map:FILE`, has committed to each region",
                backticked(&words),
                listing(table)
            ),
            near_miss(word, words.iter().copied()),
        ),
    };
    found.add_near(key, quote(word), problem, near);
}
