//! `nrp data presets`: the benchmarks that `preset` in a sweep file stands for, and those that are no presets.

use crate::failure::CommandError;
use crate::output::{self, Format};
use nrp_proto::sweep::{BENCHMARKS, Benchmark, DEGREES_OF_ANN, LEFT_OUT, Preset, PresetSplit};
use serde::Serialize;
use std::collections::BTreeMap;

/// What a sweep file with the scheme `given` names, and any other.
const FILES: [&str; 3] = ["assembly", "stimuli", "images"];
const GIVEN_FILES: [&str; 2] = ["recordings.train", "recordings.test"];

#[derive(Serialize)]
struct Presets {
    presets: Vec<Row>,
    left_out: Vec<LeftOut>,
}

#[derive(Serialize)]
struct Row {
    name: String,
    /// Absent where the sweep file names it.
    region: Option<&'static str>,
    regression: &'static str,
    /// In words; absent where it is not known.
    window: Option<&'static str>,
    /// Visual angle of the images, and of an ANN that does not say its own.
    degrees: f64,
    ann_degrees: f64,
    /// In words.
    split: String,
    ceiling: &'static str,
    /// Absent where all sites are read.
    sites: Option<&'static str>,
    per_subject: bool,
    /// The keys of the sweep file that name its files.
    files: Vec<String>,
    public: bool,
    source: &'static str,
    /// What differs from Brain-Score; absent where nothing is known to.
    differs: Option<&'static str>,
    /// The keys that it sets, by their names in the sweep file, but those of degrees.
    sets: BTreeMap<String, serde_json::Value>,
}

#[derive(Serialize)]
struct LeftOut {
    name: &'static str,
    reason: &'static str,
}

/// Shows them.
pub(crate) fn show(format: Format) -> Result<(), CommandError> {
    let presets = Preset::all();
    let document = Presets {
        presets: presets.iter().map(row).collect(),
        left_out: LEFT_OUT
            .iter()
            .map(|(name, reason)| LeftOut { name, reason })
            .collect(),
    };
    format.show(&document, text)
}

fn row(preset: &Preset) -> Row {
    let of = preset.benchmark;
    let present = |text: &'static str| Some(text).filter(|text| !text.is_empty());
    let sets = preset.keys().into_iter();
    let files = match of.split {
        PresetSplit::Stratified(_) | PresetSplit::Plain => {
            FILES.map(|key| format!("recordings.{key}")).to_vec()
        }
        PresetSplit::Given => GIVEN_FILES
            .iter()
            .flat_map(|table| FILES.map(|key| format!("{table}.{key}")))
            .collect(),
    };
    Row {
        name: preset.to_string(),
        region: preset.region,
        regression: preset.regression.name(),
        window: present(of.window),
        degrees: of.degrees,
        ann_degrees: DEGREES_OF_ANN,
        split: of.split.in_words(),
        ceiling: preset.ceiling(),
        sites: present(of.sites),
        per_subject: of.per_subject,
        files,
        public: of.public,
        source: of.source,
        differs: present(of.differs),
        sets: sets
            .map(|(table, key, value)| {
                let value = serde_json::to_value(value).expect("texts and numbers");
                (format!("{table}.{key}"), value)
            })
            .collect(),
    }
}

fn text(_: &Presets) -> Result<(), CommandError> {
    for benchmark in &BENCHMARKS {
        output::line(&names(benchmark))?;
        for line in lines(benchmark) {
            output::line(&format!("  {line}"))?;
        }
    }
    output::line("")?;
    output::line(&format!(
        "ANNs see {DEGREES_OF_ANN} degrees unless they say otherwise."
    ))?;
    output::line("")?;
    output::line("no presets:")?;
    for (name, reason) in LEFT_OUT {
        output::line(&format!("  {name}: {reason}"))?;
    }
    Ok(())
}

/// The names of a benchmark's presets, those of several in braces.
fn names(of: &Benchmark) -> String {
    let braced = |names: Vec<&str>| match names.as_slice() {
        [one] => (*one).to_owned(),
        several => format!("{{{}}}", several.join(",")),
    };
    let region = match of.regions {
        [] => String::new(),
        regions => format!(".{}", braced(regions.to_vec())),
    };
    let regressions = of.regressions.iter().map(|of| of.name());
    format!("{}{region}-{}", of.data, braced(regressions.collect()))
}

/// What there is to say of a benchmark.
fn lines(of: &'static Benchmark) -> Vec<String> {
    let mut lines = Vec::new();
    let ceilings = of.regressions.iter().map(|regression| {
        let preset = Preset {
            benchmark: of,
            region: None,
            regression: *regression,
        };
        preset.ceiling()
    });
    let mut ceilings: Vec<&str> = ceilings.collect();
    ceilings.dedup();
    let mut protocol = vec![format!("{} degrees", of.degrees)];
    protocol.extend((!of.window.is_empty()).then(|| of.window.to_owned()));
    protocol.push(of.split.in_words());
    protocol.push(format!("ceiling {}", ceilings.join(" or ")));
    lines.push(protocol.join("; "));
    let sites = if of.sites.is_empty() {
        "all sites".to_owned()
    } else {
        format!("sites {}", of.sites)
    };
    let subjects = if of.per_subject {
        "each subject alone"
    } else {
        "subjects together"
    };
    lines.push(format!("{sites}; {subjects}"));
    let files = FILES.join(", ");
    lines.push(match of.split {
        PresetSplit::Stratified(_) | PresetSplit::Plain => format!("files: {files}"),
        PresetSplit::Given => format!("files: {}, each with {files}", GIVEN_FILES.join(" and ")),
    });
    let public = if of.public { "public, in " } else { "" };
    lines.push(format!("data: {public}{}", of.source));
    if !of.differs.is_empty() {
        lines.push(format!("differs: {}", of.differs));
    }
    lines
}
