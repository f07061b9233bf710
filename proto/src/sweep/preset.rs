//! Presets: Brain-Score's benchmarks by name, as the keys of a sweep file that they stand for. What the file
//! writes itself wins.
//!
//! A preset says nothing of files: a sweep file names its own.

mod table;

use table::REPETITION;
pub use table::{BENCHMARKS, Benchmark, LEFT_OUT, PresetBins, PresetSplit, Regression};

use super::{FEATURES, Mistake, ResponseFormat, Scheme};
use crate::near_miss;
use std::fmt;
use toml::{Table, Value};

/// The key that names a preset.
pub(super) const PRESET: &str = "preset";

/// Degrees of visual angle that Brain-Score's models see, unless they say otherwise.
pub const DEGREES_OF_ANN: f64 = 8.0;

/// The key by which there are no NRP networks, if it is empty.
const NETWORKS: &str = "grid.depth";

/// Keys of which one says what another does, so that a written one keeps out the others.
const ALTERNATIVES: [&[&str]; 3] = [
    &["time_bin", "time_bin_id", "time_bins"],
    &["region", "regions"],
    &["subject", "subjects"],
];

/// A benchmark of one region, by its name.
#[derive(Debug, Clone, Copy)]
pub struct Preset {
    /// The recordings.
    pub benchmark: &'static Benchmark,
    /// The region; none where the sweep file names them.
    pub region: Option<&'static str>,
    /// What is fitted or compared.
    pub regression: Regression,
}

/// What a preset did to a sweep file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppliedPreset {
    /// The preset's whole name.
    pub name: String,
    /// The keys that it set, with their values.
    pub set: Vec<(String, String)>,
    /// The keys that it did not set, since the file says something else.
    pub written: Vec<String>,
    /// What differs from Brain-Score, in words; empty where nothing is known to.
    pub differs: &'static str,
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.benchmark.data)?;
        if let Some(region) = self.region {
            write!(f, ".{region}")?;
        }
        write!(f, "-{}", self.regression.name())
    }
}

impl Preset {
    /// Every preset, in the order of the table.
    pub fn all() -> Vec<Self> {
        let of = |benchmark: &'static Benchmark| {
            let regions = benchmark.regions.iter().copied().map(Some);
            let regions: Vec<Option<&str>> = match benchmark.regions {
                [] => vec![None],
                _ => regions.collect(),
            };
            regions.into_iter().flat_map(move |region| {
                benchmark.regressions.iter().map(move |&regression| Self {
                    benchmark,
                    region,
                    regression,
                })
            })
        };
        BENCHMARKS.iter().flat_map(of).collect()
    }

    /// The preset of this name. Its region and regression may be left out where there is one only, and
    /// `.public` is read as `public`.
    fn find(name: &str) -> Result<Self, Mistake> {
        let plain = name.replacen(".public", "public", 1);
        let all = Self::all();
        if let Some(preset) = all.iter().find(|preset| preset.to_string() == plain) {
            return Ok(*preset);
        }
        let is_meant = |preset: &&Self| {
            let data = preset.benchmark.data;
            let rest = plain.strip_prefix(data);
            let rest = rest.filter(|rest| rest.is_empty() || rest.starts_with(['.', '-']));
            rest.is_some_and(|rest| {
                let whole = preset.to_string();
                let regression = format!("-{}", preset.regression.name());
                whole.strip_prefix(data).is_some_and(|whole| {
                    rest.is_empty()
                        || rest == regression
                        || Some(rest) == whole.strip_suffix(&regression)
                })
            })
        };
        let meant: Vec<&Self> = all.iter().filter(is_meant).collect();
        let problem = match meant.as_slice() {
            [one] => return Ok(**one),
            [] => "no such preset; `nrp data presets` lists them".to_owned(),
            several => {
                let names = several.iter().map(|preset| format!("`{preset}`"));
                format!(
                    "stands for {}: name one",
                    names.collect::<Vec<_>>().join(", ")
                )
            }
        };
        let names: Vec<String> = all.iter().map(Self::to_string).collect();
        let near = near_miss(&plain, names.iter().map(String::as_str));
        Err(Mistake {
            key: PRESET.to_owned(),
            value: format!("{name:?}"),
            problem,
            near_miss: near.filter(|_| meant.is_empty()).map(str::to_owned),
        })
    }

    /// Whether it compares without a fit.
    fn compares(&self) -> bool {
        match self.regression {
            Regression::Rdm | Regression::Cka => true,
            Regression::Pls | Regression::Ridge | Regression::RidgeCv | Regression::ReversePls => {
                false
            }
        }
    }

    /// How its ceiling is measured: as sweep files spell it or, without a fit, in words.
    pub fn ceiling(&self) -> &'static str {
        match self.regression {
            Regression::Rdm => "a subject's RDM against the mean of all",
            Regression::Cka => "between subjects",
            Regression::Pls | Regression::Ridge | Regression::RidgeCv | Regression::ReversePls => {
                self.benchmark.ceiling
            }
        }
    }

    /// The keys of tables that there is one of, each with its table and value. Those of the recordings' degrees
    /// depend on the ANNs.
    pub fn keys(&self) -> Vec<(&'static str, &'static str, Value)> {
        let of = self.benchmark;
        let text = |text: &str| Value::String(text.to_owned());
        let texts = |one: &str| Value::Array(vec![text(one)]);
        let mut keys = Vec::new();
        let mut recordings = |key, value| keys.push(("recordings", key, value));
        match self.region {
            Some(region) if of.lacks_region => recordings("region", text(region)),
            Some(region) => recordings("regions", texts(region)),
            None => {}
        }
        match of.bins {
            PresetBins::Only => {}
            PresetBins::Window(window) => {
                let window = window.map(Value::Float).to_vec();
                recordings("time_bin", Value::Array(window));
            }
            PresetBins::Id(id) => recordings("time_bin_id", Value::Integer(id)),
        }
        if !of.sites.is_empty() {
            recordings("sites", text(of.sites));
        }
        if of.per_subject {
            recordings("subjects", text("each"));
        }
        // The default of both schemes.
        if !self.compares() && of.ceiling != REPETITION {
            recordings("ceiling", text(of.ceiling));
        }
        match of.split {
            PresetSplit::Given => keys.push(("split", "scheme", text("given"))),
            PresetSplit::Plain => {
                keys.push(("split", "scheme", text(Scheme::BrainScore.name())));
                keys.push(("split", "stratify", text("")));
            }
            PresetSplit::Stratified(column) => {
                keys.push(("split", "scheme", text(Scheme::BrainScore.name())));
                keys.push(("split", "stratify", text(column)));
            }
        }
        keys.push(("training", "baselines", texts(self.regression.baseline())));
        keys
    }
}

/// Puts in a sweep file's table what its preset stands for and the file does not say. Returns what was put
/// there; none without a preset.
pub(super) fn apply(file: &mut Table) -> Result<Option<AppliedPreset>, Mistake> {
    let Some(Value::String(name)) = file.get(PRESET) else {
        return Ok(None);
    };
    let preset = Preset::find(name)?;
    let mut applied = AppliedPreset {
        name: preset.to_string(),
        set: Vec::new(),
        written: Vec::new(),
        differs: preset.benchmark.differs,
    };
    let scheme = file
        .get("split")
        .and_then(|split| split.get("scheme"))
        .cloned();
    for (table, key, value) in preset.keys() {
        // Another scheme has another use for the rest, or none.
        let is_other = key == "stratify"
            && scheme
                .as_ref()
                .is_some_and(|scheme| scheme.as_str() != Some(Scheme::BrainScore.name()));
        // An array's responses are of one window, which it does not say.
        let is_of_bins = key.starts_with("time_bin") && !may_have_bins(file);
        if !is_other && !is_of_bins {
            put(file, table, key, value, &mut applied);
        }
    }
    put_degrees(file, preset.benchmark.degrees, &mut applied);
    // Benchmarks have no NRP networks; a file that says anything of them wants some.
    if !["grid", "search"]
        .iter()
        .any(|table| file.contains_key(*table))
    {
        put(
            file,
            "grid",
            "depth",
            Value::Array(Vec::new()),
            &mut applied,
        );
    }
    Ok(Some(applied))
}

/// Whether the recordings are of a format that may have time bins.
fn may_have_bins(file: &Table) -> bool {
    let recordings = file.get("recordings");
    let train = recordings.and_then(|of| of.get("train"));
    let assembly = [train, recordings].into_iter().flatten();
    let assembly = assembly.filter_map(|of| of.get("assembly")).next();
    let format = assembly
        .and_then(Value::as_str)
        .and_then(ResponseFormat::of);
    format.is_some_and(|format| format.has_time_bins() || format.brings_stimuli())
}

/// Puts `value` in a table, unless the table says it already.
fn put(file: &mut Table, table: &str, key: &str, value: Value, applied: &mut AppliedPreset) {
    let entry = file
        .entry(table)
        .or_insert_with(|| Value::Table(Table::new()));
    // What is no table is a mistake that is said elsewhere.
    let Value::Table(entry) = entry else { return };
    let alternatives = ALTERNATIVES.iter().find(|keys| keys.contains(&key));
    let alternatives = alternatives.copied().unwrap_or(&[]);
    let written = [key];
    let mut written = written.iter().chain(alternatives);
    match written.find(|key| entry.contains_key(**key)) {
        Some(written) if entry.get(*written) == Some(&value) => {}
        Some(written) => applied.written.push(format!("{table}.{written}")),
        None => {
            applied
                .set
                .push((format!("{table}.{key}"), value.to_string()));
            entry.insert(key.to_owned(), value);
        }
    }
}

/// Says how many degrees images have and ANNs see. An ANN that sees as many as the images have sees them whole
/// without a word.
fn put_degrees(file: &mut Table, degrees: f64, applied: &mut AppliedPreset) {
    let number = |table: &Value| {
        let degrees = table.get("degrees")?;
        degrees
            .as_float()
            .or(degrees.as_integer().map(|of| of as f64))
    };
    let written = file.get("recordings").and_then(number);
    let of_images = written.unwrap_or(degrees);
    let Some(Value::Array(anns)) = file.get_mut("ann") else {
        return;
    };
    let mut sees = false;
    for (at, ann) in anns.iter_mut().enumerate() {
        // Activations of a file are read as they are.
        if ann.get("name").and_then(Value::as_str) == Some(FEATURES) {
            continue;
        }
        let Value::Table(ann) = ann else { continue };
        if ann.contains_key("degrees") {
            sees = true;
            applied.written.push(format!("ann[{at}].degrees"));
        } else if of_images != DEGREES_OF_ANN {
            sees = true;
            let value = Value::Float(DEGREES_OF_ANN);
            applied
                .set
                .push((format!("ann[{at}].degrees"), value.to_string()));
            ann.insert("degrees".to_owned(), value);
        }
    }
    if sees {
        put(
            file,
            "recordings",
            "degrees",
            Value::Float(degrees),
            applied,
        );
    }
}

impl AppliedPreset {
    /// The preset in words: what it set, and what the file itself says.
    pub fn in_words(&self) -> String {
        let set = self.set.iter().map(|(key, value)| {
            let means = if key == NETWORKS {
                " (no NRP networks)"
            } else {
                ""
            };
            format!("{key} = {value}{means}")
        });
        let set = set.collect::<Vec<_>>().join(", ");
        let set = if set.is_empty() {
            "nothing".to_owned()
        } else {
            set
        };
        let written = match self.written.as_slice() {
            [] => String::new(),
            written => format!("; as written in the file: {}", written.join(", ")),
        };
        let differs = match self.differs {
            "" => String::new(),
            differs => format!("; {differs}"),
        };
        format!("preset {} sets {set}{written}{differs}", self.name)
    }

    /// Adds to mistakes in keys that the preset set where they come from.
    pub(super) fn explain(&self, mistakes: &mut [Mistake]) {
        for mistake in mistakes {
            let is_set = self.set.iter().any(|(key, _)| {
                mistake
                    .key
                    .strip_prefix(key.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('['))
            });
            if is_set {
                let name = &self.name;
                mistake.problem.push_str(&format!(
                    "; the preset {name} sets it, and what the file says itself wins"
                ));
            }
        }
    }
}

#[cfg(test)]
mod tests;
