//! `nrp data presets`: the benchmarks that `preset` in a sweep file stands for, and those that are no presets.

use crate::failure::CommandError;
use crate::output::{self, Format};
use nrp_proto::sweep::{DEGREES_OF_ANN, LEFT_OUT, Preset, PresetSplit};
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

fn text(document: &Presets) -> Result<(), CommandError> {
    let head = [
        "preset", "window", "degrees", "split", "ceiling", "sites", "subjects", "data",
    ];
    let mut table = output::table(&head);
    for row in &document.presets {
        table.add_row([
            row.name.clone(),
            row.window.unwrap_or("–").to_owned(),
            output::number(Some(row.degrees)),
            row.split.clone(),
            row.ceiling.to_owned(),
            row.sites.unwrap_or("all").to_owned(),
            if row.per_subject { "each" } else { "together" }.to_owned(),
            if row.public { "public" } else { "not public" }.to_owned(),
        ]);
    }
    output::print_table(&table)?;
    output::line("")?;
    output::line(&format!(
        "ANNs see {DEGREES_OF_ANN} degrees unless they say otherwise. A sweep file names assembly, stimuli and images, \
         of train and test recordings each where the split is theirs."
    ))?;
    section("where the data are", document, |row| Some(row.source))?;
    section("what differs from Brain-Score", document, |row| row.differs)?;
    output::line("")?;
    output::line("no presets:")?;
    for LeftOut { name, reason } in &document.left_out {
        output::line(&format!("  {name}: {reason}"))?;
    }
    Ok(())
}

/// What is said of some presets, once for all that it is said of.
fn section(
    title: &str,
    document: &Presets,
    said: impl Fn(&Row) -> Option<&'static str>,
) -> Result<(), CommandError> {
    let mut of: Vec<(&str, Vec<&str>)> = Vec::new();
    for row in &document.presets {
        let Some(text) = said(row) else { continue };
        // The recordings, whatever their region.
        let data = row.name.split(['.', '-']).next().unwrap_or(&row.name);
        match of.iter_mut().find(|(known, _)| *known == text) {
            Some((_, names)) if names.contains(&data) => {}
            Some((_, names)) => names.push(data),
            None => of.push((text, vec![data])),
        }
    }
    output::line("")?;
    output::line(&format!("{title}:"))?;
    for (text, names) in of {
        output::line(&format!("  {}: {text}", names.join(", ")))?;
    }
    Ok(())
}
