//! The kind of value that each key of a sweep file takes: values of another kind are named in words,
//! all at once, with what to write instead. A key that is not listed is left to the format's types.

use super::preset::PRESET;
use super::{FEATURES, Mistake, layer_sets};
use crate::axis::{self, Axis};
use toml::{Table, Value};

/// What a key takes.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Text,
    /// The name of a file.
    File,
    Whole,
    Number,
    Texts,
    Wholes,
    Numbers,
    /// Ranges of sites, or a filter.
    Sites,
    /// Lists of layers, or a word for them.
    LayerSets,
    /// A word, or a table of files.
    Pruning,
}

use Kind::{File, LayerSets, Number, Numbers, Pruning, Sites, Text, Texts, Whole, Wholes};

type Keys = &'static [(&'static str, Kind)];

/// The tables, with the keys that each must have and all that it may have.
const TABLES: [(&str, &[&str], Keys); 9] = [
    ("", &["name"], &[("name", Text), (PRESET, Text)]),
    (
        "recordings",
        &["assembly"],
        &[
            ("assembly", File),
            ("stimuli", File),
            ("images", File),
            ("variations", Wholes),
            ("axes", Texts),
            ("variable", Text),
            ("window_ms", Wholes),
            ("sites", Sites),
            ("degrees", Number),
            ("ceiling", Text),
            ("time_bin", Numbers),
            ("time_bin_id", Whole),
            ("time_bins", Text),
            ("region", Text),
            ("subject", Text),
            ("subjects", Text),
            ("regions", Texts),
        ],
    ),
    (TRAIN, &FILES_NEEDED, &FILES),
    (TEST, &FILES_NEEDED, &FILES),
    (
        "split",
        &[],
        &[
            ("scheme", Text),
            ("fractions", Numbers),
            ("file", File),
            ("order", Texts),
            ("stratify", Text),
            ("duplicates", Text),
            ("seed", Whole),
        ],
    ),
    (
        ANN,
        &["name", "weights", "layer_sets"],
        &[
            ("name", Text),
            ("weights", File),
            ("weights_key", Text),
            ("preprocessing", Text),
            ("resize", Text),
            ("degrees", Number),
            ("layer_sets", LayerSets),
            ("sparsity", Numbers),
            ("pruning", Pruning),
        ],
    ),
    ("grid", &[], &GRID),
    (
        "search",
        &[],
        &[
            ("strategy", Text),
            ("trials", Whole),
            ("seed", Whole),
            ("early_stopping", Text),
            ("min_epochs", Whole),
            ("reduction", Whole),
        ],
    ),
    (
        "training",
        &[],
        &[
            ("batch_size", Whole),
            ("max_epochs", Whole),
            ("patience", Whole),
            ("inputs", Text),
            ("targets", Text),
            ("projection", Text),
            ("baselines", Texts),
        ],
    ),
];

/// The tables of the files that train, and of those that test.
const TRAIN: &str = "recordings.train";
const TEST: &str = "recordings.test";
const FILES_NEEDED: [&str; 3] = ["assembly", "stimuli", "images"];
const FILES: [(&str, Kind); 5] = [
    ("assembly", File),
    ("stimuli", File),
    ("images", File),
    ("variable", Text),
    ("axes", Texts),
];

/// The keys of the grid: a list of values for each of its axes.
const GRID: [(&str, Kind); Axis::GRID.len()] = {
    let mut keys = [("", Texts); Axis::GRID.len()];
    let mut at = 0;
    while at < keys.len() {
        let kind = match Axis::GRID[at].kind() {
            axis::Kind::Word => Texts,
            axis::Kind::Whole => Wholes,
            axis::Kind::Real => Numbers,
        };
        keys[at] = (Axis::GRID[at].name(), kind);
        at += 1;
    }
    keys
};

const ANN: &str = "ann";

/// What other programs take for weights that they download.
const DOWNLOADED: [&str; 5] = [
    "imagenet",
    "imagenet1k_v1",
    "imagenet1k_v2",
    "pretrained",
    "default",
];

/// Values of the wrong kind, and what is missing. `unknown` are the mistakes among its keys: what one
/// of them was meant for is not missing.
pub(super) fn mistakes(file: &Table, unknown: &[Mistake]) -> Vec<Mistake> {
    let mut found = Found {
        mistakes: Vec::new(),
        unknown,
    };
    let recordings = file.get("recordings");
    let of_recordings = |key: &str| recordings.and_then(|of| of.get(key));
    let is_given = of_recordings("train").is_some() || of_recordings("test").is_some();
    for (name, needed, keys) in TABLES {
        let value = match name.split_once('.') {
            None => file.get(name),
            Some((_, key)) => of_recordings(key),
        };
        match (name, value) {
            // The two tables have an assembly each.
            ("recordings", Some(Value::Table(table))) if is_given => {
                found.table(name, table, &[], keys)
            }
            ("", _) => found.table("", file, needed, keys),
            (ANN, Some(Value::Array(entries))) => {
                for (index, entry) in entries.iter().enumerate() {
                    let key = format!("{ANN}[{index}]");
                    match entry {
                        Value::Table(table) => {
                            // A file of activations may have one layer only, which needs no word.
                            let is_features =
                                table.get("name").and_then(Value::as_str) == Some(FEATURES);
                            let needed = needed.iter().copied();
                            let needed: Vec<&str> = needed
                                .filter(|key| !is_features || *key != "layer_sets")
                                .collect();
                            found.table(&key, table, &needed, keys);
                        }
                        other => {
                            found.add(key, other, "expected a table: write `[[ann]]` above it")
                        }
                    }
                }
            }
            (ANN, Some(Value::Table(_))) => found.add_bare(
                ANN,
                "expected a list of tables: write `[[ann]]`, with two brackets on each side, above \
                 each ANN",
            ),
            (ANN, None) => found.missing(ANN, "expected a table `[[ann]]` for each ANN"),
            ("recordings", None) => found.missing(name, "expected a table `[recordings]`"),
            (_, None) => {}
            (_, Some(Value::Table(table))) => found.table(name, table, needed, keys),
            (_, Some(Value::Array(entries))) if entries.iter().all(Value::is_table) => found
                .add_bare(
                    name,
                    &format!("expected one table: write `[{name}]`, with one bracket on each side"),
                ),
            (_, Some(other)) => {
                let problem = format!("expected a table: write `[{name}]` above its keys");
                found.add(name.to_owned(), other, &problem);
            }
        }
    }
    found.mistakes
}

struct Found<'a> {
    mistakes: Vec<Mistake>,
    unknown: &'a [Mistake],
}

impl Found<'_> {
    fn add(&mut self, key: String, value: &Value, problem: &str) {
        self.mistakes.push(Mistake {
            key,
            value: match value {
                Value::Table(_) => String::new(),
                other => other.to_string(),
            },
            problem: problem.to_owned(),
            near_miss: None,
        });
    }

    fn add_bare(&mut self, key: &str, problem: &str) {
        self.mistakes.push(Mistake {
            key: key.to_owned(),
            value: String::new(),
            problem: problem.to_owned(),
            near_miss: None,
        });
    }

    fn missing(&mut self, key: &str, problem: &str) {
        let name = key.rsplit('.').next().unwrap_or(key);
        let meant = |mistake: &Mistake| mistake.near_miss.as_deref() == Some(name);
        if !self.unknown.iter().any(meant) {
            self.add_bare(key, &format!("is missing: {problem}"));
        }
    }

    fn table(&mut self, name: &str, table: &Table, needed: &[&str], keys: Keys) {
        let place = |key: &str| match name {
            "" => key.to_owned(),
            name => format!("{name}.{key}"),
        };
        for (key, kind) in keys {
            match table.get(*key) {
                Some(value) => self.value(&place(key), value, *kind),
                None if needed.contains(key) => {
                    self.missing(&place(key), &format!("expected {}", expected(*kind)));
                }
                None => {}
            }
        }
    }

    fn value(&mut self, key: &str, value: &Value, kind: Kind) {
        match (kind, value) {
            (File, Value::String(file)) => {
                if let Some(problem) = no_file(key, file) {
                    self.add(key.to_owned(), value, problem);
                }
            }
            (LayerSets, Value::String(word)) => {
                let file = word.strip_prefix(layer_sets::REGION_MAP_FILE);
                if let Some(problem) = file.and_then(|file| no_file("", file)) {
                    self.add(key.to_owned(), value, problem);
                }
            }
            (Text, Value::String(_))
            | (Whole, Value::Integer(_))
            | (Number, Value::Integer(_) | Value::Float(_))
            | (Pruning | Sites, Value::String(_)) => {}
            (Pruning, Value::Table(files)) => {
                for (sparsity, file) in files {
                    self.value(&format!("{key}.\"{sparsity}\""), file, File);
                }
            }
            (Texts | Sites, Value::Array(values)) => self.each(key, values, Text),
            (Wholes, Value::Array(values)) => self.each(key, values, Whole),
            (Numbers, Value::Array(values)) => self.each(key, values, Number),
            (LayerSets, Value::Array(sets)) => self.layer_sets(key, value, sets),
            (_, other) => {
                let problem = other_kind(key, kind, other);
                self.add(key.to_owned(), other, &problem);
            }
        }
    }

    fn each(&mut self, key: &str, values: &[Value], kind: Kind) {
        for (index, value) in values.iter().enumerate() {
            self.value(&format!("{key}[{index}]"), value, kind);
        }
    }

    fn layer_sets(&mut self, key: &str, value: &Value, sets: &[Value]) {
        if !sets.is_empty() && sets.iter().all(Value::is_str) {
            let each: Vec<String> = sets.iter().map(|layer| format!("[{layer}]")).collect();
            let problem = format!(
                "expected a list of lists, one for each layer set: `[{}]` tries each layer by itself, \
                 `[{value}]` all together",
                each.join(", ")
            );
            return self.add(key.to_owned(), value, &problem);
        }
        self.each(key, sets, Texts);
    }
}

/// What is wrong with a value of another kind, and what to write.
fn other_kind(key: &str, kind: Kind, value: &Value) -> String {
    let expected = expected(kind);
    let fits = |one| match (one, value) {
        (Texts, Value::String(_)) | (Wholes, Value::Integer(_)) => true,
        (Numbers, Value::Integer(_) | Value::Float(_)) => true,
        (_, _) => false,
    };
    match (kind, value) {
        (Text, Value::Boolean(true)) if key == "search.early_stopping" => {
            "expected a word: `early_stopping = \"asha\"` stops trials that fall behind, beside \
             `min_epochs`"
                .to_owned()
        }
        (Text, Value::Boolean(false)) if key == "search.early_stopping" => {
            "expected a word: `early_stopping = \"none\"` trains each trial to its end".to_owned()
        }
        (Whole | Number, Value::String(text)) if text.parse::<f64>().is_ok() => {
            format!("expected {expected}: write {text}, without quotes")
        }
        (Whole, Value::Float(number)) if number.fract() == 0.0 => {
            format!("expected {expected}: write {number}, without a decimal point")
        }
        (Text | File, Value::Integer(_) | Value::Float(_)) => {
            format!("expected {expected}: write \"{value}\", with quotes")
        }
        _ if fits(kind) => format!("expected {expected}: write `[{value}]`, with brackets"),
        _ => format!("expected {expected}, found {}", in_words(value)),
    }
}

/// What is wrong with what stands in the place of a file's name.
fn no_file(key: &str, file: &str) -> Option<&'static str> {
    let is_weights = key.starts_with(ANN);
    if file == "~" || file.starts_with("~/") {
        return Some(
            "`~` does not stand for the home directory here; write the whole path, or one that starts \
             at the sweep file's directory",
        );
    }
    if file.starts_with('$') {
        return Some(
            "a variable is not replaced here; write the whole path, or one that starts at the sweep \
             file's directory",
        );
    }
    if is_weights && file == "random" {
        return Some("expected a seed behind it: `\"random:0\"`");
    }
    (is_weights && DOWNLOADED.contains(&file.to_lowercase().as_str())).then_some(
        "expected a file: nothing is downloaded. Save the trained weights, in Keras by \
         `model.save_weights(\"NAME.weights.h5\")`, in PyTorch by `torch.save(model.state_dict(), \
         \"NAME.pth\")`, and name that file; or write `\"random:0\"` for random weights",
    )
}

fn expected(kind: Kind) -> &'static str {
    match kind {
        Text => "text",
        File => "the name of a file",
        Whole => "a whole number",
        Number => "a number",
        Texts => "a list of texts",
        Wholes => "a list of whole numbers",
        Numbers => "a list of numbers",
        Sites => "a filter such as \"reliability > 0.3\", or a list of texts",
        LayerSets => {
            "a list of layer sets, as [[\"LAYER\"], [\"LAYER\", \"LAYER\"]], or \"single\", \
             \"pairs\", \"triples\", \"region-map\" or \"region-map:FILE\""
        }
        Pruning => "\"layer\", \"global\" or { \"0.8\" = \"FILE\" }",
    }
}

fn in_words(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "text",
        Value::Integer(_) | Value::Float(_) => "a number",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(_) => "a table",
    }
}

#[cfg(test)]
mod tests {
    use crate::sweep::SweepFile;

    /// What is said of a file whose only mistakes are of kind.
    fn said(text: &str) -> String {
        SweepFile::parse(text).expect_err("refused").to_string()
    }

    const SOUND: &str = r#"
        name = "sound"
        recordings = { assembly = "simulated" }
        [[ann]]
        name = "mobilenet"
        weights = "random:1"
        layer_sets = [["conv_pw_13_relu"]]
    "#;

    fn instead(old: &str, new: &str) -> String {
        assert!(SOUND.contains(old), "{old}");
        said(&SOUND.replace(old, new))
    }

    #[test]
    fn each_value_of_another_kind_is_named_in_words_with_what_to_write() {
        let rest = "[grid]\nl1 = 16\nl2 = [\"16\", 1.5, 32.0]\nlearning_rate = \"1e-3\"\n\
                    linear_path = \"none\"\n[training]\nmax_epochs = true\nbaselines = [1]\n\
                    [search]\nearly_stopping = true\n[split]\nfractions = { a = 1 }\n";
        insta::assert_snapshot!(said(&format!("{SOUND}\n{rest}")), @r#"
        the sweep file has 10 mistakes
          `split.fractions`: expected a list of numbers, found a table
          `grid.l1` = 16: expected a list of whole numbers: write `[16]`, with brackets
          `grid.l2[0]` = "16": expected a whole number: write 16, without quotes
          `grid.l2[1]` = 1.5: expected a whole number, found a number
          `grid.l2[2]` = 32.0: expected a whole number: write 32, without a decimal point
          `grid.learning_rate` = "1e-3": expected a list of numbers, found text
          `grid.linear_path` = "none": expected a list of texts: write `["none"]`, with brackets
          `search.early_stopping` = true: expected a word: `early_stopping = "asha"` stops trials that fall behind, beside `min_epochs`
          `training.max_epochs` = true: expected a whole number, found true or false
          `training.baselines[0]` = 1: expected text: write "1", with quotes
        "#);
    }

    #[test]
    fn what_beginners_write_gets_what_they_meant() {
        let answers = [
            instead("[[ann]]", "[ann]"),
            instead("random:1", "imagenet"),
            instead("random:1", "~/net.h5"),
            instead("\"simulated\"", "\"$HOME/v4.nc\""),
            instead("[[\"conv_pw_13_relu\"]]", "[\"a\", \"b\"]"),
            said(&format!("{SOUND}\n[[grid]]\nl1 = [1]")),
            said("name = \"s\""),
        ];
        insta::assert_snapshot!(answers.join("\n"), @r#"
        the sweep file has a mistake
          `ann`: expected a list of tables: write `[[ann]]`, with two brackets on each side, above each ANN
        the sweep file has a mistake
          `ann[0].weights` = "imagenet": expected a file: nothing is downloaded. Save the trained weights, in Keras by `model.save_weights("NAME.weights.h5")`, in PyTorch by `torch.save(model.state_dict(), "NAME.pth")`, and name that file; or write `"random:0"` for random weights
        the sweep file has a mistake
          `ann[0].weights` = "~/net.h5": `~` does not stand for the home directory here; write the whole path, or one that starts at the sweep file's directory
        the sweep file has a mistake
          `recordings.assembly` = "$HOME/v4.nc": a variable is not replaced here; write the whole path, or one that starts at the sweep file's directory
        the sweep file has a mistake
          `ann[0].layer_sets` = ["a", "b"]: expected a list of lists, one for each layer set: `[["a"], ["b"]]` tries each layer by itself, `[["a", "b"]]` all together
        the sweep file has a mistake
          `grid`: expected one table: write `[grid]`, with one bracket on each side
        the sweep file has 2 mistakes
          `recordings`: is missing: expected a table `[recordings]`
          `ann`: is missing: expected a table `[[ann]]` for each ANN
        "#);
    }

    #[test]
    fn a_misspelt_key_is_not_missing_too() {
        let text = instead("weights", "weigths");
        assert!(
            text.contains("has a mistake") && !text.contains("missing"),
            "{text}"
        );
    }

    #[test]
    fn every_key_of_the_format_has_its_kind() {
        for (table, keys) in crate::sweep::file::KEYS {
            let (_, _, kinds) = super::TABLES
                .iter()
                .find(|(name, ..)| *name == table)
                .expect(table);
            for key in keys.iter().filter(|key| !crate::sweep::file::is_table(key)) {
                assert!(kinds.iter().any(|(name, _)| name == key), "{table}.{key}");
            }
        }
    }
}
