//! Which sweep a question is about: every command has the same rule, and rows contain everything
//! that determines them.

use crate::harness::{Place, SMALL_SWEEP, json};
use serde_json::Value;
use std::collections::BTreeSet;
use std::process::Output;

/// Results of two sweeps, `small` and then `later`.
fn two() -> Place {
    let place = Place::new();
    let file = place.write("small.toml", SMALL_SWEEP);
    json(&place.run(&file).output().unwrap());
    let later = SMALL_SWEEP
        .replace("\"small\"", "\"later\"")
        .replace("l1 = [8, 16]", "l1 = [4]");
    let file = place.write("later.toml", later);
    json(&place.run(&file).output().unwrap());
    place
}

fn ask(place: &Place, arguments: &[&str]) -> Output {
    let mut command = place.nrp(arguments);
    let output = command.args(["--state", "state"]).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {error}");
    output
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn first_line(bytes: &[u8]) -> String {
    text(bytes).lines().next().unwrap_or_default().to_owned()
}

fn sweeps(document: &Value) -> BTreeSet<String> {
    let rows = document.as_array().unwrap().iter();
    rows.map(|row| row["sweep"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn every_command_takes_the_latest_sweep_and_says_so_in_its_first_line() {
    let place = two();
    let commands: [&[&str]; 3] = [&["best"], &["trials"], &["marginals", "--by", "l1"]];
    for command in commands {
        let with = |more: &[&str]| ask(&place, &[command, more].concat());
        let said = first_line(&with(&[]).stdout);
        assert!(
            said.starts_with("sweep `later` (") && said.contains("the latest of 2"),
            "{command:?}: {said}"
        );
        let named = first_line(&with(&["--sweep", "small"]).stdout);
        assert!(named.starts_with("sweep `small` ("), "{named}");
        let all = text(&with(&["--all-sweeps"]).stdout);
        assert!(all.starts_with("all 2 sweeps"), "{all}");
        let machine = |more: &[&str]| {
            let output = with(&[&["--output", "json"], more].concat());
            (json(&output), first_line(&output.stderr))
        };
        let (latest, said) = machine(&[]);
        assert_eq!(sweeps(&latest), ["later".to_owned()].into());
        assert!(said.starts_with("notice: sweep `later` ("), "{said}");
        let (small, _) = machine(&["--sweep", "small"]);
        assert_eq!(sweeps(&small), ["small".to_owned()].into());
        let (both, _) = machine(&["--all-sweeps"]);
        let expected: usize = [&latest, &small]
            .map(|of| of.as_array().unwrap().len())
            .iter()
            .sum();
        assert_eq!(both.as_array().unwrap().len(), expected, "{command:?}");
        assert_eq!(sweeps(&both).len(), 2);
    }
    let lines = |more: &[&str]| {
        let output = ask(&place, &[&["export", "--format", "csv"], more].concat());
        assert!(first_line(&output.stderr).starts_with("notice: "));
        text(&output.stdout).lines().count()
    };
    assert_eq!(lines(&[]), 1 + 4);
    assert_eq!(lines(&["--sweep", "small"]), 1 + 8);
    assert_eq!(lines(&["--all-sweeps"]), 1 + 4 + 8);
}

#[test]
fn every_row_has_what_determines_its_trial() {
    let place = Place::new();
    let sweep = SMALL_SWEEP
        .replace(
            "[grid]",
            "[split]\nfractions = [0.7, 0.2, 0.1]\nseed = 5\n[grid]",
        )
        .replace("patience = 0", "patience = 3\nbaselines = [\"ridge\"]");
    let file = place.write("small.toml", sweep);
    json(&place.run(&file).output().unwrap());
    let best = json(&ask(&place, &["best", "--output", "json"]));
    let trials = json(&ask(&place, &["trials", "--output", "json"]));
    let lines = text(&ask(&place, &["export", "--format", "jsonl"]).stdout);
    let lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines, *trials.as_array().unwrap());
    let network = |rows: &Value| {
        let mut rows = rows.as_array().unwrap().iter();
        let of = |row: &&Value| row["model"] == "nrp" && row["region"] == "V4";
        rows.find(of).unwrap().clone()
    };
    for row in [network(&best), network(&trials)] {
        let expected = serde_json::json!({
            "sweep": "small",
            "recordings": "simulated",
            "region": "V4",
            "scheme": "holdout",
            "train_fraction": 0.7,
            "validation_fraction": 0.2,
            "test_fraction": 0.1,
            "stratify": "object_name",
            "split_seed": 5,
            "split": 0,
            "seed": 0,
            "max_epochs": 12,
            "patience": 3,
            "cache_dtype": "f32",
            "worker_version": env!("CARGO_PKG_VERSION"),
        });
        for (name, value) in expected.as_object().unwrap() {
            assert_eq!(&row[name], value, "{name}");
        }
        for name in [
            "sweep_id",
            "recordings_digest",
            "preprocessing",
            "inputs",
            "targets",
            "device",
        ] {
            assert!(!row[name].as_str().unwrap().is_empty(), "{name}");
        }
        assert!(row["batch_size"].as_u64().unwrap() > 0);
        assert!(row["recorded_at"].as_str().unwrap().ends_with('Z'));
    }
    // A linear baseline has no epochs.
    let mut baselines = trials.as_array().unwrap().iter();
    let ridge = baselines.find(|row| row["model"] == "ridge").unwrap();
    for name in ["batch_size", "max_epochs", "patience", "seed"] {
        assert_eq!(ridge[name], Value::Null, "{name}");
    }
    let csv = text(&ask(&place, &["export", "--format", "csv"]).stdout);
    let header: BTreeSet<&str> = csv.lines().next().unwrap().split(',').collect();
    let names = lines[0].as_object().unwrap().keys();
    assert_eq!(header, names.map(String::as_str).collect());
}
