//! The sweep file's format: its tables, keys, types and defaults. `check` knows which values this
//! version can run.

use super::baseline::MEAN_PREDICTOR;
use super::preset::{self, PRESET};
use super::{
    AppliedPreset, Ceiling, Duplicates, GridTable, InputScaling, Mistake, NO_PROJECTION,
    ResponseFormat, Scheme, SearchTable, SweepError, TargetScaling, kinds,
};
use crate::near_miss;
use crate::word::word_enum;
use serde::Deserialize;
use std::collections::BTreeMap;

/// A sweep file, as written. Documented key by key in `sweeps/paper.toml`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[allow(missing_docs)]
pub struct SweepFile {
    pub name: String,
    /// What its preset set in it.
    #[serde(skip)]
    pub preset: Option<AppliedPreset>,
    pub recordings: RecordingsTable,
    #[serde(default)]
    pub split: SplitTable,
    pub ann: Vec<AnnTable>,
    #[serde(default)]
    pub grid: GridTable,
    #[serde(default)]
    pub search: SearchTable,
    #[serde(default)]
    pub training: TrainingTable,
}

/// `[recordings]`: which responses are predicted.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[allow(missing_docs)]
pub struct RecordingsTable {
    /// Empty where there are `train` and `test`.
    #[serde(default)]
    pub assembly: String,
    pub stimuli: Option<String>,
    pub images: Option<String>,
    pub variations: Option<Vec<i64>>,
    pub axes: Option<Vec<String>>,
    pub variable: Option<String>,
    pub window_ms: Option<Vec<i64>>,
    pub sites: Option<Sites>,
    /// Degrees of visual angle that every image's width has.
    pub degrees: Option<f64>,
    pub ceiling: Option<String>,
    pub time_bin: Option<Vec<f64>>,
    pub time_bin_id: Option<i64>,
    pub time_bins: Option<String>,
    pub region: Option<String>,
    /// The one subject whose sites are read.
    pub subject: Option<String>,
    /// A word of [`Subjects`].
    pub subjects: Option<String>,
    #[serde(default = "default_regions")]
    pub regions: Vec<String>,
    /// The recordings whose stimuli train, for the scheme "given".
    pub train: Option<FilesTable>,
    /// The recordings whose stimuli test.
    pub test: Option<FilesTable>,
}

/// `[recordings.train]` or `[recordings.test]`: what one of two files of responses has for itself.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[allow(missing_docs)]
pub struct FilesTable {
    pub assembly: String,
    pub stimuli: String,
    pub images: String,
    pub variable: Option<String>,
    pub axes: Option<Vec<String>>,
}

/// Which sites are read.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Sites {
    /// Those of each region, of an array that does not say it.
    Ranges(Vec<String>),
    /// Those that pass a filter.
    Filter(String),
}

/// What `recordings.assembly` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Assembly<'a> {
    /// A file of responses, relative to the data directory; its stimuli and images lie in others.
    File(&'a str),
    /// A file laid out as `ventral_neural_data.hdf5`, which brings its stimuli and images.
    Ventral(&'a str),
    /// The built-in simulated set.
    Simulated,
}

impl RecordingsTable {
    /// What `assembly` names.
    pub fn assembly(&self) -> Assembly<'_> {
        match &self.train {
            Some(train) => Assembly::named(&train.assembly, true),
            None => Assembly::named(&self.assembly, self.stimuli.is_some()),
        }
    }

    /// The file of responses, or the first of two.
    pub(super) fn file(&self) -> &str {
        let train = self.train.as_ref();
        train.map_or(&self.assembly, |train| &train.assembly)
    }

    /// The variation levels whose images are taken; the paper's where none are named.
    pub fn variations(&self) -> Vec<u32> {
        match (self.assembly(), &self.variations) {
            (Assembly::File(_) | Assembly::Simulated, _) => Vec::new(),
            (Assembly::Ventral(_), None) => vec![0, 3],
            (Assembly::Ventral(_), Some(levels)) => levels.iter().map(|&l| l as u32).collect(),
        }
    }
}

impl<'a> Assembly<'a> {
    /// What `assembly` of a sweep file names. An assembly may be called `.h5` too: then the sweep file names
    /// the stimuli beside it.
    pub fn named(assembly: &'a str, names_stimuli: bool) -> Self {
        match (assembly, ResponseFormat::of(assembly)) {
            ("simulated", _) => Self::Simulated,
            (file, Some(format)) if format.brings_stimuli() && !names_stimuli => {
                Self::Ventral(file)
            }
            (file, Some(_) | None) => Self::File(file),
        }
    }
}

fn default_regions() -> Vec<String> {
    vec!["V4".to_owned(), "IT".to_owned()]
}

/// `[split]`: how the stimuli are divided.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct SplitTable {
    pub scheme: String,
    /// Of stimuli that train, validate and test; absent: [`FRACTIONS`].
    pub fractions: Option<Vec<f64>>,
    /// The file that lists the splits.
    pub file: Option<String>,
    /// The columns by which stimuli are ordered before they are drawn; absent: by id.
    pub order: Option<Vec<String>>,
    /// Absent: by [`STRATIFY`], if the stimulus set has that column.
    pub stratify: Option<String>,
    pub duplicates: String,
    pub seed: i64,
}

/// The column that splits are stratified by if the sweep file names none and the stimulus set has it.
pub(super) const STRATIFY: &str = "object_name";

/// The fractions of stimuli that train, validate and test if the sweep file has none.
pub(super) const FRACTIONS: [f64; 3] = [0.8, 0.1, 0.1];

impl Default for SplitTable {
    fn default() -> Self {
        Self {
            scheme: Scheme::Holdout.to_string(),
            fractions: None,
            file: None,
            order: None,
            stratify: None,
            duplicates: Duplicates::Together.name().to_owned(),
            seed: 1,
        }
    }
}

/// `[[ann]]`: a network and the layer sets tried of it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[allow(missing_docs)]
pub struct AnnTable {
    pub name: String,
    pub weights: String,
    pub weights_key: Option<String>,
    pub preprocessing: Option<String>,
    /// Whose order of resizing is followed.
    pub resize: Option<String>,
    /// Degrees of visual angle that the ANN sees.
    pub degrees: Option<f64>,
    #[serde(default)]
    pub layer_sets: LayerSets,
    #[serde(default = "default_sparsity")]
    pub sparsity: Vec<f64>,
    pub pruning: Option<Pruning>,
}

/// Which layers feed one NRP network, of each that is tried: all of them, or a word for them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(
    untagged,
    expecting = "expected a list of layer sets, as [[\"LAYER\"], [\"LAYER\", \"LAYER\"]], or \"single\", \
                 \"pairs\", \"triples\", \"region-map\" or \"region-map:FILE\""
)]
#[allow(missing_docs)]
pub enum LayerSets {
    Listed(Vec<Vec<String>>),
    /// Until [`SweepFile::expand`].
    Shorthand(String),
    /// A file that names the layers of each region, until [`SweepFile::expand`].
    #[serde(skip)]
    RegionMap(String),
    /// The layers of each region, since [`SweepFile::expand`].
    #[serde(skip)]
    ByRegion(Vec<(String, Vec<String>)>),
    /// The only layer of a file of activations.
    #[serde(skip)]
    #[default]
    LeftOut,
}

/// Name in sweep files of an ANN that an ONNX file defines.
pub const ONNX: &str = "onnx";

/// Name in sweep files of an ANN whose activations another program computed: they are in a file.
pub const FEATURES: &str = "features";

/// Fraction of zero weights from which on an ANN no longer counts as dense. An ANN that was trained and
/// never pruned has next to none.
pub const ZEROS_OF_DENSE: f64 = 0.01;

/// Preprocessing of an ANN that its file defines, where the sweep file says none.
pub const DEFAULT_PREPROCESSING: &str = "torch";

/// Word for resizing images as Pillow does since version 13, the default.
pub const PILLOW_13: &str = "pillow-13";

/// Word, in an ANN's preprocessing, before the degrees of visual angle that it sees.
pub const SCREEN: &str = "screen";

/// Word behind these, before the degrees that all images have; without it the stimulus set says them.
pub const DEGREES_OF: &str = "of";

/// Word for resizing images as Pillow did until version 12.
pub const PILLOW_12: &str = "pillow-12";

fn default_sparsity() -> Vec<f64> {
    vec![0.0]
}

/// How weights are zeroed: by a rule, or by checkpoints of the user's own, one a sparsity.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(
    untagged,
    expecting = "expected \"layer\", \"global\" or { \"0.8\" = \"FILE\" }"
)]
#[allow(missing_docs)]
pub enum Pruning {
    Rule(String),
    Checkpoints(BTreeMap<String, String>),
}

word_enum! {
    /// How an ANN's zeros were chosen, as trials spell it. Sweep files spell the first two.
    pub enum PruningMethod: "pruning" {
        /// The smallest weights of each kernel are zeroed; the default.
        Layer = "layer",
        /// The smallest weights of all kernels are zeroed.
        Global = "global",
        /// The author of the checkpoint chose them.
        Checkpoint = "checkpoint",
    }
}

impl Pruning {
    /// The word of [`PruningMethod::Layer`].
    pub const LAYER: &str = PruningMethod::Layer.name();
    /// The word of [`PruningMethod::Global`].
    pub const GLOBAL: &str = PruningMethod::Global.name();
    /// The word of [`PruningMethod::Checkpoint`].
    pub const CHECKPOINT: &str = PruningMethod::Checkpoint.name();

    /// The checkpoint for `sparsity`, if there is one.
    pub(super) fn checkpoint(&self, sparsity: f64) -> Option<&str> {
        let Self::Checkpoints(files) = self else {
            return None;
        };
        let mut files = files.iter();
        let file = files.find(|(key, _)| key.parse() == Ok(sparsity));
        file.map(|(_, file)| file.as_str())
    }
}

/// `[training]`: how a NRP network is fitted.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct TrainingTable {
    pub batch_size: i64,
    pub max_epochs: i64,
    pub patience: i64,
    pub inputs: Option<String>,
    pub targets: Option<String>,
    pub projection: String,
    pub baselines: Vec<String>,
}

impl Default for TrainingTable {
    fn default() -> Self {
        Self {
            batch_size: 64,
            max_epochs: 200,
            patience: 20,
            inputs: None,
            targets: None,
            projection: NO_PROJECTION.to_owned(),
            baselines: vec![MEAN_PREDICTOR.to_owned()],
        }
    }
}

/// The keys of the files that train or test.
const FILES: [&str; 5] = ["assembly", "stimuli", "images", "variable", "axes"];

/// The keys of each table; `pruning` of an `[[ann]]` may be a table with free keys.
pub(super) const KEYS: [(&str, &[&str]); 9] = [
    (
        "",
        &[
            "name",
            PRESET,
            "recordings",
            "split",
            "ann",
            "grid",
            "search",
            "training",
        ],
    ),
    (
        "recordings",
        &[
            "assembly",
            "stimuli",
            "images",
            "variations",
            "axes",
            "variable",
            "window_ms",
            "sites",
            "degrees",
            "ceiling",
            "time_bin",
            "time_bin_id",
            "time_bins",
            "region",
            "subject",
            "subjects",
            "regions",
            "train",
            "test",
        ],
    ),
    ("recordings.train", &FILES),
    ("recordings.test", &FILES),
    (
        "split",
        &[
            "scheme",
            "fractions",
            "file",
            "order",
            "stratify",
            "duplicates",
            "seed",
        ],
    ),
    (
        "ann",
        &[
            "name",
            "weights",
            "weights_key",
            "preprocessing",
            "resize",
            "degrees",
            "layer_sets",
            "sparsity",
            "pruning",
        ],
    ),
    ("grid", &super::grid_table::KEYS),
    (
        "search",
        &[
            "strategy",
            "trials",
            "seed",
            "early_stopping",
            "min_epochs",
            "reduction",
        ],
    ),
    (
        "training",
        &[
            "batch_size",
            "max_epochs",
            "patience",
            "inputs",
            "targets",
            "projection",
            "baselines",
        ],
    ),
];

/// What is left out and depends on the scheme: with `"brain-score"` and `"given"`, activations and responses are
/// taken as they are and the ceiling is Brain-Score's, so that scores are too.
impl SweepFile {
    fn is_brain_score(&self) -> bool {
        [Scheme::BrainScore.name(), Scheme::Given.name()].contains(&self.split.scheme.as_str())
    }

    /// How activations are scaled.
    pub(super) fn inputs(&self) -> String {
        let default = if self.is_brain_score() {
            InputScaling::None
        } else {
            InputScaling::default()
        };
        let written = self.training.inputs.clone();
        written.unwrap_or_else(|| default.to_string())
    }

    /// How responses are scaled.
    pub(super) fn targets(&self) -> String {
        let default = if self.is_brain_score() {
            TargetScaling::None
        } else {
            TargetScaling::default()
        };
        let written = self.training.targets.clone();
        written.unwrap_or_else(|| default.to_string())
    }

    /// How the noise ceiling is measured; empty for the default.
    pub(super) fn ceiling(&self) -> String {
        let is_file = matches!(self.recordings.assembly(), Assembly::File(_));
        let default = if self.is_brain_score() && is_file {
            Ceiling::Repetition
        } else {
            Ceiling::default()
        };
        let written = self.recordings.ceiling.clone();
        written.unwrap_or_else(|| default.to_string())
    }
}

impl SweepFile {
    /// Reads the text of a sweep file.
    ///
    /// # Errors
    /// When the text is not TOML, has an unknown key, lacks a required key, or has a value of the wrong
    /// type.
    pub fn parse(text: &str) -> Result<Self, SweepError> {
        let unreadable = |error| SweepError::unreadable(text, &error);
        let mut table: toml::Table = toml::from_str(text).map_err(unreadable)?;
        let preset = preset::apply(&mut table);
        let preset = preset.map_err(|mistake| SweepError::Mistakes(vec![mistake]))?;
        let mut mistakes = unknown_keys(&table);
        mistakes.extend(kinds::mistakes(&table, &mistakes));
        if !mistakes.is_empty() {
            return Err(SweepError::Mistakes(mistakes));
        }
        let mut file: Self = match &preset {
            None => toml::from_str(text).map_err(unreadable)?,
            // No line of the text has what the preset set.
            Some(_) => table.clone().try_into().map_err(unreadable)?,
        };
        file.preset = preset;
        let recordings = table.get("recordings");
        let names_regions = recordings.is_some_and(|of| of.get("regions").is_some());
        if let (Some(region), false) = (&file.recordings.region, names_regions) {
            file.recordings.regions = vec![region.clone()];
        }
        for ann in &mut file.ann {
            ann.layer_sets.name_file();
        }
        Ok(file)
    }
}

/// Whether a key of the file's top is a table.
#[cfg(test)]
pub(super) fn is_table(key: &str) -> bool {
    let mut tables = KEYS.iter();
    tables.any(|(table, _)| table.rsplit('.').next() == Some(key))
}

/// The unknown keys of a sweep file.
fn unknown_keys(table: &toml::Table) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    unknown_keys_of("", "", table, &mut mistakes);
    for (name, value) in table {
        match value {
            toml::Value::Table(inner) => {
                unknown_keys_of(name, &format!("{name}."), inner, &mut mistakes);
            }
            toml::Value::Array(entries) => {
                for (index, entry) in entries.iter().enumerate() {
                    if let toml::Value::Table(inner) = entry {
                        let prefix = format!("{name}[{index}].");
                        unknown_keys_of(name, &prefix, inner, &mut mistakes);
                    }
                }
            }
            toml::Value::String(_)
            | toml::Value::Integer(_)
            | toml::Value::Float(_)
            | toml::Value::Boolean(_)
            | toml::Value::Datetime(_) => {}
        }
    }
    mistakes
}

fn unknown_keys_of(name: &str, prefix: &str, table: &toml::Table, mistakes: &mut Vec<Mistake>) {
    let Some((_, known)) = KEYS.iter().find(|(table, _)| *table == name) else {
        return;
    };
    for (key, value) in table {
        if known.contains(&key.as_str()) {
            if let toml::Value::Table(inner) = value {
                let inner_name = format!("{name}.{key}");
                unknown_keys_of(&inner_name, &format!("{prefix}{key}."), inner, mistakes);
            }
            continue;
        }
        // A key of another table is likelier than a misspelling.
        let elsewhere = KEYS
            .iter()
            .find(|(_, keys)| keys.contains(&key.as_str()))
            .map(|(table, _)| match *table {
                "" => key.clone(),
                table => format!("{table}.{key}"),
            });
        mistakes.push(Mistake {
            key: format!("{prefix}{key}"),
            value: match value {
                toml::Value::Table(_) => String::new(),
                other => other.to_string(),
            },
            problem: "no such key".to_owned(),
            near_miss: near_miss(key, known.iter().copied())
                .map(str::to_owned)
                .or(elsewhere),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: &str = r#"
        name = "least"
        recordings = { assembly = "simulated" }
        [[ann]]
        name = "mobilenet"
        weights = "random:0"
        layer_sets = [["conv_pw_13_relu"]]
    "#;

    #[test]
    fn what_is_left_out_takes_the_default() {
        let file = SweepFile::parse(LEAST).expect("parses");
        assert_eq!(file.split, SplitTable::default());
        assert_eq!(file.grid, GridTable::default());
        assert_eq!(file.search, SearchTable::default());
        assert_eq!(file.training, TrainingTable::default());
        assert_eq!(file.recordings.regions, ["V4", "IT"]);
        assert_eq!(file.recordings.assembly(), Assembly::Simulated);
        assert_eq!(file.ann[0].sparsity, [0.0]);
    }

    #[test]
    fn unknown_keys_are_named_with_the_likely_one() {
        let text =
            format!("{LEAST}\nlayer_set = []\n[grid]\nlearning_rat = [1e-3]\nbatch_size = 4");
        let error = SweepFile::parse(&text).expect_err("three mistakes");
        insta::assert_snapshot!(error, @r"
        the sweep file has 3 mistakes
          `ann[0].layer_set` = []: no such key; did you mean `layer_sets`?
          `grid.batch_size` = 4: no such key; did you mean `training.batch_size`?
          `grid.learning_rat` = [0.001]: no such key; did you mean `learning_rate`?
        ");
    }

    #[test]
    fn what_is_no_toml_is_told_once_with_its_line() {
        let files = [
            "name = \"s\"\nrecordings = [simulated]\n",
            "name = \"s\"\nname = \"t\"\n",
            "name = \"s",
            "[search]\n\nearly_stopping = True",
        ];
        let answers = files.map(|file| {
            let error = SweepFile::parse(file).expect_err("no TOML");
            let cause = std::error::Error::source(&error);
            assert!(cause.is_none(), "nothing is said twice");
            error.to_string()
        });
        insta::assert_snapshot!(answers.join("\n"), @r#"
        the sweep file cannot be read: string values must be quoted, expected literal string, in line 2, column 15
          2 | recordings = [simulated]
            |               ^
        the sweep file cannot be read: duplicate key, in line 2, column 1
          2 | name = "t"
            | ^
        the sweep file cannot be read: invalid basic string, expected `"`, in line 1, column 10
          1 | name = "s
            |          ^
        the sweep file cannot be read: invalid boolean, expected `true`, in line 3, column 18
          3 | early_stopping = True
            |                  ^
        "#);
    }
}
