//! Presets from the command line: what a file with little but a preset runs and says.

use crate::brain_score::{npy, over_subjects, read_json, stimulus_set};
use crate::harness::{Place, json, refusal, shared};
use crate::report::{document, report};
use serde_json::{Value, json};

/// A place with one of the assemblies that Brain-Score's packages wrote, and the units behind its responses.
fn place(assembly: &str) -> Option<(Place, Value)> {
    let folder = shared("brain-score")?;
    let place = Place::new();
    for file in [
        assembly,
        "stimulus_lab_Made2026.csv",
        "stimulus_lab_Made2026.zip",
    ] {
        std::fs::copy(folder.join(file), place.path(file)).unwrap();
    }
    let golden = read_json(&folder.join("golden.json"));
    let rows: Vec<Vec<f64>> = serde_json::from_value(golden["activations"].clone()).unwrap();
    place.write("m.npy", npy(&rows));
    Some((place, golden))
}

/// A sweep file that says its preset and its files.
fn sweep(preset: &str, assembly: &str, more: &str) -> String {
    format!(
        "name = \"preset\"\npreset = \"{preset}\"\n[recordings]\nassembly = \"{assembly}\"\nstimuli = \
         \"stimulus_lab_Made2026.csv\"\nimages = \"stimulus_lab_Made2026.zip\"\n[[ann]]\nname = \"features\"\n\
         weights = \"m.npy\"\n{more}"
    )
}

#[test]
fn a_preset_alone_has_brain_scores_numbers() {
    let assembly = "assy_lab_Made2026rep.nc";
    let Some((place, golden)) = place(assembly) else {
        return;
    };
    let file = place.write("p.toml", sweep("MajajHong2015.IT-pls", assembly, ""));
    let ran = place.run(&file).output().unwrap();
    let notes = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(
        notes.contains("notice: preset MajajHong2015.IT-pls sets recordings.regions = [\"IT\"]"),
        "{notes}"
    );
    assert!(
        notes.contains("grid.depth = [] (no NRP networks)"),
        "{notes}"
    );
    let best = json(&ran);
    let models: Vec<&Value> = best
        .as_array()
        .unwrap()
        .iter()
        .map(|row| &row["model"])
        .collect();
    assert!(
        !models.is_empty() && models.iter().all(|model| **model == "pls"),
        "{best}"
    );
    // Ten splits of one model on one layer, and no network.
    assert_eq!(place.trials().len(), 10);
    report(&place, &[]);
    let region = &document(&place)["networks"][0]["regions"][0];
    assert_eq!(
        (&region["region"], &region["trials"]),
        (&json!("IT"), &json!(0))
    );
    let score = &region["brain_score"];
    assert_eq!(score["model"], "pls");
    for (ours, theirs) in [
        ("center", &golden["pls"]["value"]),
        ("center_error", &golden["pls"]["error"]),
        ("score", &golden["pls"]["ceiled"]),
        ("ceiling", &golden["internal_consistency"]["value"]),
        ("ceiling_error", &golden["internal_consistency"]["error"]),
    ] {
        let (found, expected) = (score[ours].as_f64().unwrap(), theirs.as_f64().unwrap());
        // Cached activations have 32 bits, Brain-Score's 64.
        assert!(
            (found - expected).abs() < 1e-6,
            "{ours}: {found}, {expected}"
        );
    }
    // Other commands without a network.
    for arguments in [
        &["best"][..],
        &["best", "--pareto"],
        &["marginals", "--by", "l1"],
        &["sweep", "status", "preset"],
        &["sweep", "explain", "preset"],
        &["export", "--format", "csv"],
    ] {
        let mut command = place.nrp(arguments);
        let output = command.args(["--state", "state"]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {said}");
    }
}

#[test]
fn recordings_without_repetitions_have_no_ceiling_and_that_is_said() {
    let assembly = "assy_lab_Made2026norep.nc";
    let Some((place, _)) = place(assembly) else {
        return;
    };
    let file = place.write("p.toml", sweep("Cowley2026", assembly, ""));
    let ran = place.run(&file).output().unwrap();
    let notes = String::from_utf8_lossy(&ran.stderr).into_owned();
    json(&ran);
    assert!(
        notes.contains("no stimulus was shown twice, so there is no noise ceiling"),
        "{notes}"
    );
    assert!(
        notes.contains("recordings.ceiling = \"even-odd\""),
        "{notes}"
    );
    let committed = place
        .nrp(&["commit", "--state", "state", "--output", "json"])
        .output()
        .unwrap();
    let notes = String::from_utf8_lossy(&committed.stderr).into_owned();
    assert!(
        notes.contains("no ceiling above 0, so the highest center is chosen"),
        "{notes}"
    );
    let region = &json(&committed)["anns"][0]["regions"][0];
    assert_eq!(
        (&region["region"], &region["by"]),
        (&json!("V4"), &json!("center"))
    );
    assert_eq!(region["layer_sets"][0]["brain_score"]["score"], Value::Null);
    assert_eq!(region["layer"], "m");
}

#[test]
fn what_a_file_writes_wins_over_its_preset() {
    let assembly = "assy_lab_Made2026rep.nc";
    let Some((place, _)) = place(assembly) else {
        return;
    };
    let check = |preset: &str, more: &str| {
        let file = place.write("p.toml", sweep(preset, assembly, more));
        let mut command = place.nrp(&["sweep", "check", "--output", "json"]);
        command.arg(file).output().unwrap()
    };
    let more = "[training]\nbaselines = [\"ridge-1\", \"ridgecv\"]\n[grid]\nl1 = [2]\nl2 = [2]\nlearning_rate = [1e-3]\n";
    let output = check("MajajHong2015.public.V4-pls", more);
    let notes = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        notes.contains("as written in the file: training.baselines"),
        "{notes}"
    );
    let checked = json(&output);
    assert_eq!(checked["regions"], json!(["V4"]));
    // A network and two ridge regressions, in ten splits.
    assert_eq!(checked["trials"], 30);
    // Public recordings have a second benchmark of the region, from sites to units.
    let error = refusal(&check("MajajHong2015public.V4", ""));
    assert!(
        error.contains("`MajajHong2015public.V4-reverse_pls`: name one"),
        "{error}"
    );
}

#[test]
fn presets_are_listed_with_what_they_set() {
    let place = Place::new();
    let listed = json(
        &place
            .nrp(&["data", "presets", "--output", "json"])
            .output()
            .unwrap(),
    );
    let presets = listed["presets"].as_array().unwrap();
    let named = |name: &str| {
        let found = presets.iter().find(|preset| preset["name"] == name);
        found.unwrap_or_else(|| panic!("{name}"))
    };
    let cowley = named("Cowley2026.V4-pls");
    assert_eq!(cowley["degrees"], 11.2);
    assert_eq!(cowley["ceiling"], "even-odd");
    assert_eq!(cowley["public"], false);
    assert_eq!(cowley["sets"]["split.stratify"], "");
    let majaj = named("MajajHong2015public.IT-pls");
    assert_eq!(majaj["public"], true);
    assert_eq!(majaj["sets"]["training.baselines"], json!(["pls"]));
    assert_eq!(
        named("Papale2025.V1-ridgecv")["files"]
            .as_array()
            .unwrap()
            .len(),
        6
    );
    let left_out = listed["left_out"].as_array().unwrap();
    assert!(
        left_out
            .iter()
            .any(|of| of["name"].as_str().unwrap().starts_with("Gifford2022"))
    );
    let text = place.nrp(&["data", "presets"]).output().unwrap();
    let text = String::from_utf8(text.stdout).unwrap();
    for names in [
        "\nCowley2026.V4-pls\n  11.2 degrees; 50–150 ms; 10 × 90/10, not stratified; ceiling even-odd\n",
        "\nPapale2025.{V1,V4,IT}-{ridge,ridgecv}\n",
        "\nZerbe2026-cka\n",
        "\n  Kar2019-ost: ",
    ] {
        assert!(text.contains(names), "{names}: {text}");
    }
    assert!(
        text.lines().all(|line| line.chars().count() < 220),
        "{text}"
    );
    let file = place.write("p.toml", sweep("Majaj2015.IT-pls", "a.nc", ""));
    let mut command = place.nrp(&["sweep", "check"]);
    let error = refusal(&command.arg(file).output().unwrap());
    assert!(
        error.contains("did you mean `MajajHong2015.IT-pls`?"),
        "{error}"
    );
}

/// Brain-Score's own benchmark of train and test recordings, by its name alone. All sites pass the filter that the
/// preset sets.
#[test]
fn a_preset_of_train_and_test_recordings_has_brain_scores_numbers() {
    let assembly = "assy_lab_Made2026subjects.nc";
    let Some((place, golden)) = place(assembly) else {
        return;
    };
    let folder = shared("brain-score").unwrap();
    let benchmark = read_json(&folder.join("golden_benchmark.json"));
    let csv = std::fs::read_to_string(folder.join("stimulus_lab_Made2026.csv")).unwrap();
    let parts = [("train.csv", "train_ids"), ("test.csv", "test_ids")];
    let shown = parts.map(|(name, ids)| stimulus_set(&place, name, &csv, &benchmark[ids]));
    // Row i of the activations is line i of the one stimulus set, then of the other.
    let ids = golden["ids"].as_array().unwrap();
    let rows: Vec<Vec<f64>> = serde_json::from_value(golden["activations"].clone()).unwrap();
    let of = |id: &String| rows[ids.iter().position(|of| of == id).unwrap()].clone();
    place.write(
        "m.npy",
        npy(&shown.concat().iter().map(of).collect::<Vec<_>>()),
    );
    for (preset, model, theirs) in [
        (
            "Papale2025.IT-ridgecv",
            "ridgecv",
            "train_test_subject_ridgecv",
        ),
        ("Papale2025.IT-ridge", "ridge-1", "train_test_subject_ridge"),
    ] {
        let table = |part: &str| {
            format!(
                "[recordings.{part}]\nassembly = \"{assembly}\"\nstimuli = \"{part}.csv\"\nimages = \
                 \"stimulus_lab_Made2026.zip\"\n"
            )
        };
        let file = place.write(
            "given.toml",
            format!(
                "name = \"given\"\npreset = \"{preset}\"\n{}{}[[ann]]\nname = \"features\"\nweights = \"m.npy\"\n",
                table("train"),
                table("test")
            ),
        );
        json(&place.run(&file).output().unwrap());
        report(&place, &[]);
        let document = document(&place);
        let score = over_subjects(&document, "IT", model);
        let theirs = &benchmark[theirs];
        let committed = place
            .nrp(&["commit", "--state", "state", "--output", "json"])
            .output()
            .unwrap();
        let committed = json(&committed);
        let region = &committed["anns"][0]["regions"][0];
        assert_eq!(
            (&region["region"], &region["layer"]),
            (&json!("IT"), &json!("m"))
        );
        for field in [
            "center",
            "ceiling",
            "score",
            "score_error",
            "subjects",
            "splits",
        ] {
            let found = &region["layer_sets"][0]["brain_score"][field];
            assert_eq!(found, &score[field], "{model} {field}");
        }
        for (ours, of) in [
            ("score", "score"),
            ("center", "raw"),
            ("ceiling", "ceiling"),
        ] {
            let (found, expected) = (score[ours].as_f64().unwrap(), theirs[of].as_f64().unwrap());
            // Cached activations have 32 bits, Brain-Score's 64.
            assert!(
                (found - expected).abs() < 1e-6,
                "{model} {ours}: {found}, {expected}"
            );
        }
    }
}
