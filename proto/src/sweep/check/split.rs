//! What is wrong with `[split]`: words, fractions, and the keys that only some schemes have.

use super::{Found, TEXT_BYTES_MAX, quote, repeated};
use crate::sweep::{Duplicates, Scheme, SplitTable, SweepFile};

/// How far the sum of the fractions may be from 1.
const FRACTIONS_SLACK: f64 = 1e-9;
/// The most columns that stimuli are ordered by.
const ORDER_MAX: usize = 100;

impl SweepFile {
    pub(super) fn check_split(&self, found: &mut Found) {
        let split = &self.split;
        found.word("split.scheme", &split.scheme, &Scheme::NAMES);
        found.word("split.duplicates", &split.duplicates, &Duplicates::NAMES);
        if let Some(fractions) = &split.fractions {
            check_fractions(fractions, found);
        }
        if let Some(column) = split.stratify.as_ref().filter(|column| !column.is_empty()) {
            found.text("split.stratify", column, TEXT_BYTES_MAX);
        }
        if split.seed < 0 {
            found.add("split.seed", split.seed, "must not be negative");
        }
        if let Ok(scheme) = split.scheme.parse() {
            check_scheme(scheme, split, found);
        }
    }
}

fn check_fractions(fractions: &[f64], found: &mut Found) {
    let shown = format!("{fractions:?}");
    let sum: f64 = fractions.iter().sum();
    if fractions.len() != 3 {
        let problem = "must be three: train, validation, test";
        found.add("split.fractions", shown, problem);
    } else if fractions.iter().any(|f| !f.is_finite() || *f <= 0.0) {
        found.add("split.fractions", shown, "every fraction must be above 0");
    } else if (sum - 1.0).abs() > FRACTIONS_SLACK {
        found.add(
            "split.fractions",
            shown,
            format!("must sum to 1, not {}", rounded(sum)),
        );
    }
}

/// What is wrong with a key that the scheme "given" has no use for.
const GIVEN: &str =
    "`[recordings.train]` and `[recordings.test]` say which stimuli train and test; leave it out";

/// What a scheme needs, and what it has no use for.
fn check_scheme(scheme: Scheme, split: &SplitTable, found: &mut Found) {
    let is_listed = scheme == Scheme::File;
    let is_given = scheme == Scheme::Given;
    let is_brain_score = scheme == Scheme::BrainScore;
    match &split.file {
        Some(file) if is_listed => found.path("split.file", file),
        None if is_listed => {
            let problem = "is missing: name a JSON file, a list of \
                           { \"train\": [IDS], \"test\": [IDS] }";
            found.add("split.file", "", problem);
        }
        Some(file) => {
            let problem = "only `scheme = \"file\"` reads a file; leave it out";
            found.add("split.file", quote(file), problem);
        }
        None => {}
    }
    if let Some(order) = &split.order {
        if !is_brain_score {
            let problem =
                "only `scheme = \"brain-score\"` draws from stimuli in an order; leave it out";
            found.add("split.order", format!("{order:?}"), problem);
        } else if found.count("split.order", order.len(), ORDER_MAX) {
            check_order(order, found);
        }
    }
    if let Some(fractions) = split
        .fractions
        .as_ref()
        .filter(|_| is_listed || is_given || is_brain_score)
    {
        let problem = if is_listed {
            "the file says which stimuli train and test; leave it out"
        } else if is_given {
            GIVEN
        } else {
            "Brain-Score trains on 0.9 of the stimuli and tests on 0.1; leave it out"
        };
        found.add("split.fractions", format!("{fractions:?}"), problem);
    }
    if let Some(column) = split.stratify.as_ref().filter(|of| !of.is_empty())
        && (is_listed || is_given)
    {
        let problem = if is_given {
            GIVEN
        } else {
            "the file says which stimuli train and test; leave it out"
        };
        found.add("split.stratify", quote(column), problem);
    }
    if is_brain_score && u64::try_from(split.seed).is_ok_and(|of| of > Scheme::BRAIN_SCORE_SEED_MAX)
    {
        let most = Scheme::BRAIN_SCORE_SEED_MAX;
        let problem = format!("NumPy's `RandomState` takes seeds up to {most}");
        found.add("split.seed", split.seed, problem);
    }
}

fn check_order(order: &[String], found: &mut Found) {
    if order.is_empty() {
        let problem = "names no column; leave it out for the order of the ids";
        found.add("split.order", "[]", problem);
    }
    for (index, column) in order.iter().enumerate() {
        found.text(format!("split.order[{index}]"), column, TEXT_BYTES_MAX);
    }
    for index in repeated(order) {
        found.add(
            format!("split.order[{index}]"),
            quote(&order[index]),
            "is listed twice",
        );
    }
}

/// A sum without the digits of binary rounding.
fn rounded(sum: f64) -> f64 {
    (sum * 1e9).round() / 1e9
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Two, check};
    use super::*;
    use crate::wire::{SplitSpec, SweepSpec};

    #[test]
    fn keys_of_other_schemes_are_refused() {
        let split = |keys: &str| check(&format!("[split]\n{keys}"));
        let said = [
            split("order = [\"object_name\"]\nfile = \"splits.json\""),
            split("scheme = \"brain-score\"\nfractions = [0.7, 0.2, 0.1]\nseed = 4294967296"),
            split("scheme = \"brain-score\"\norder = [\"a\", \"\", \"a\"]"),
            split("scheme = \"brain-score\"\norder = []"),
            split("scheme = \"file\"\nstratify = \"object_name\"\nfractions = [0.5, 0.25, 0.25]"),
            split("scheme = \"file\"\nfile = \"../splits.json\""),
            // What they are without being written, too.
            split("scheme = \"brain-score\"\nfractions = [0.8, 0.1, 0.1]"),
        ];
        insta::assert_snapshot!(said.join("\n"), @r#"
        the sweep file has 2 mistakes
          `split.file` = "splits.json": only `scheme = "file"` reads a file; leave it out
          `split.order` = ["object_name"]: only `scheme = "brain-score"` draws from stimuli in an order; leave it out
        the sweep file has 2 mistakes
          `split.fractions` = [0.7, 0.2, 0.1]: Brain-Score trains on 0.9 of the stimuli and tests on 0.1; leave it out
          `split.seed` = 4294967296: NumPy's `RandomState` takes seeds up to 4294967295
        the sweep file has 2 mistakes
          `split.order[1]` = "": is empty
          `split.order[2]` = "a": is listed twice
        the sweep file has a mistake
          `split.order` = []: names no column; leave it out for the order of the ids
        the sweep file has 3 mistakes
          `split.file`: is missing: name a JSON file, a list of { "train": [IDS], "test": [IDS] }
          `split.fractions` = [0.5, 0.25, 0.25]: the file says which stimuli train and test; leave it out
          `split.stratify` = "object_name": the file says which stimuli train and test; leave it out
        the sweep file has a mistake
          `split.file` = "../splits.json": leads out of the data directory; `--data-dir DIR` names one that holds all files of the sweep
        the sweep file has a mistake
          `split.fractions` = [0.8, 0.1, 0.1]: Brain-Score trains on 0.9 of the stimuli and tests on 0.1; leave it out
        "#);
    }

    #[test]
    fn what_brain_score_leaves_out_is_as_brain_score_has_it() {
        let said = |keys: &str, training: &str| {
            let text = format!(
                "name = \"s\"\n[recordings]\nassembly = \"v4.nc\"\nstimuli = \"s.csv\"\nimages = \"i.zip\"\n\
                 {keys}\n[[ann]]\nname = \"mobilenet\"\nweights = \"w\"\nlayer_sets = [[\"a\"]]\n\
                 [training]\n{training}"
            );
            let spec = SweepFile::parse(&text).expect("parses").to_spec();
            let training = spec.training.clone().expect("a protocol");
            let files = spec.files.clone().expect("files");
            // The same file again, as a coordinator checks it.
            let mut found = Found::default();
            spec.file(&mut found).check_split(&mut found);
            spec.file(&mut found).check_recordings(&mut found);
            found.result().expect("good on the wire");
            [training.inputs, training.targets, files.ceiling]
        };
        let brain_score = "[split]\nscheme = \"brain-score\"";
        assert_eq!(said("", ""), ["centred", "standardised", ""]);
        assert_eq!(said(brain_score, ""), ["none", "none", "repetition"]);
        let written = "inputs = \"per-unit\"\ntargets = \"centred\"";
        let ceiling = format!("ceiling = \"even-odd\"\n{brain_score}");
        assert_eq!(said(&ceiling, written), ["per-unit", "centred", "even-odd"]);
    }

    #[test]
    fn a_ceiling_is_one_of_some_words_or_a_coordinate() {
        let of = |assembly: &str, word: &str| {
            let text = format!(
                "name = \"s\"\n[recordings]\nassembly = \"{assembly}\"\nceiling = \"{word}\"\n{}\n[[ann]]\n\
                 name = \"mobilenet\"\nweights = \"w\"\nlayer_sets = [[\"conv_pw_3_relu\"]]",
                if assembly == "simulated" {
                    ""
                } else {
                    "stimuli = \"s.csv\"\nimages = \"i.zip\""
                }
            );
            let file = SweepFile::parse(&text).expect("parses");
            file.check(&Two)
                .map_or_else(|error| error.to_string(), |()| "good".to_owned())
        };
        for word in [
            "repetition",
            "even-odd",
            "per-stimulus",
            "coordinate:reliability_window",
        ] {
            assert_eq!(of("v4.nc", word), "good");
        }
        let said = [
            of("v4.nc", "repetitions"),
            of("v4.nc", ""),
            of("simulated", "even-odd"),
        ];
        insta::assert_snapshot!(said.join("\n"), @r#"
        the sweep file has a mistake
          `recordings.ceiling` = "repetitions": must be one of `repetition`, `even-odd`, `per-stimulus`, `coordinate:NAME`; leave it out for all halvings of the repetitions; did you mean `repetition`?
        the sweep file has a mistake
          `recordings.ceiling` = "": must be one of `repetition`, `even-odd`, `per-stimulus`, `coordinate:NAME`; leave it out for all halvings of the repetitions
        the sweep file has a mistake
          `recordings.ceiling` = "even-odd": only an assembly, an array or an NWB file has a choice; leave it out
        "#);
    }

    #[test]
    fn only_a_file_of_splits_has_a_digest_and_a_number_on_the_wire() {
        let said = |change: fn(&mut SplitSpec)| {
            let mut split = SplitSpec {
                scheme: "file".to_owned(),
                digest: "d".to_owned(),
                splits: 3,
                ..SplitSpec::default()
            };
            change(&mut split);
            let spec = SweepSpec {
                split: Some(split),
                ..SweepSpec::default()
            };
            let text = spec
                .check()
                .expect_err("lacks nearly everything")
                .to_string();
            let of_split = text.lines().filter(|line| line.starts_with("  `split."));
            of_split.collect::<Vec<_>>().join("\n")
        };
        let said = [
            said(|_| ()),
            said(|split| split.splits = 1_001),
            said(|split| "holdout".clone_into(&mut split.scheme)),
        ];
        insta::assert_snapshot!(said.join("\n"), @r#"
        `split.file`: is missing: name a JSON file, a list of { "train": [IDS], "test": [IDS] }
        `split.splits` = 1001: the limit is 1000
        `split.file`: is missing: name a JSON file, a list of { "train": [IDS], "test": [IDS] }
        `split.splits` = 3: only a file that lists the splits has a digest and a number of them
        `split.fractions` = [0.0, 0.0, 0.0]: every fraction must be above 0
        "#);
    }
}
