//! `nrp store`: a state directory is checked, backed up and measured, whole and damaged, also while
//! a coordinator runs.

use crate::harness::{ANY, Place, SMALL_SWEEP, coordinator, json, refusal};
use serde_json::Value;
use std::path::PathBuf;
use std::process::Output;

/// Trials of the small sweep, in two regions.
const TRIALS: u64 = 8;

fn store(place: &Place, arguments: &[&str]) -> Output {
    let mut command = place.nrp(&["store"]);
    command.args(arguments).args(["--output", "json"]);
    command.output().unwrap()
}

/// A place with the results of the small sweep in `state`.
fn with_results() -> Place {
    let place = Place::new();
    let file = place.write("small.toml", SMALL_SWEEP);
    json(&place.run(&file).output().unwrap());
    place
}

fn journal(place: &Place, state: &str) -> PathBuf {
    place.path(state).join("journal.jsonl")
}

/// The findings of a verification that found some.
fn findings(output: &Output) -> Vec<Value> {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("hint: "), "{stderr}");
    let verified: Value = serde_json::from_slice(&output.stdout).unwrap();
    verified["findings"].as_array().unwrap().clone()
}

#[test]
fn a_state_is_verified_measured_rebuilt_and_backed_up() {
    let place = with_results();
    let verified = json(&store(&place, &["verify", "--state", "state"]));
    assert_eq!(verified["findings"], Value::Array(Vec::new()));
    assert!(verified["records"].as_u64().unwrap() > TRIALS, "{verified}");

    let stats = json(&store(&place, &["stats", "--state", "state"]));
    assert_eq!(stats["trials"]["finished"], TRIALS, "{stats}");
    assert_eq!(stats["sweeps"][0]["name"], "small");
    assert_eq!(stats["sweeps"][0]["state"], "finished");
    assert_eq!(stats["entries"], verified["entries"]);
    let bytes = std::fs::metadata(journal(&place, "state")).unwrap().len();
    assert_eq!(stats["journal_bytes"], bytes);
    let droppable = stats["droppable_bytes"].as_u64().unwrap();
    assert!(droppable > 0 && droppable < bytes, "{stats}");

    let backup = json(&store(&place, &["backup", "copy", "--state", "state"]));
    assert_eq!(backup["entries"], verified["entries"]);
    let again = store(&place, &["backup", "copy", "--state", "state"]);
    assert!(refusal(&again).contains("`copy` is not empty"));
    let best = |state: &str| {
        let command = place
            .nrp(&["best", "--state", state, "--output", "json"])
            .output();
        json(&command.unwrap())
    };
    assert_eq!(best("copy"), best("state"));

    std::fs::remove_dir_all(place.path("state/index")).unwrap();
    let noted = store(&place, &["verify", "--state", "state"]);
    assert!(
        json(&noted)["notices"][0]
            .as_str()
            .unwrap()
            .starts_with("there is no index")
    );
    let rebuilt = json(&store(&place, &["rebuild", "--state", "state"]));
    assert_eq!(
        (&rebuilt["trials"], &rebuilt["outcomes"]),
        (&TRIALS.into(), &TRIALS.into())
    );
    let verified = json(&store(&place, &["verify", "--state", "state"]));
    assert_eq!(verified["notices"], Value::Array(Vec::new()));
}

#[test]
fn what_is_wrong_is_told_by_line_and_name() {
    let place = with_results();
    let whole = std::fs::read(journal(&place, "state")).unwrap();
    let second = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let mut damaged = whole.clone();
    damaged[second + 60] ^= 1;
    std::fs::write(journal(&place, "state"), &damaged).unwrap();
    let found = findings(&store(&place, &["verify", "--state", "state"]));
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        (&found[0]["line"], &found[0]["path"]),
        (&2.into(), &"state/journal.jsonl".into())
    );
    assert!(
        found[0]["problem"]
            .as_str()
            .unwrap()
            .starts_with("its checksum is ")
    );
    for command in [
        ["rebuild", "--state", "state"].as_slice(),
        &["stats", "--state", "state"],
    ] {
        assert!(refusal(&store(&place, command)).contains("line 2: its checksum is "));
    }
    let backup = store(&place, &["backup", "copy", "--state", "state"]);
    assert!(refusal(&backup).contains("line 2: its checksum is "));

    let elsewhere = place
        .nrp(&["store", "verify", "--state", "elsewhere"])
        .output();
    assert!(refusal(&elsewhere.unwrap()).contains("there is no state in `elsewhere`"));
}

#[test]
fn a_running_coordinator_is_backed_up_and_not_disturbed() {
    let place = with_results();
    let (_served, _) = coordinator(&place, ANY, &[]);
    let verify = store(&place, &["verify", "--state", "state"]);
    assert!(refusal(&verify).contains("is in use by another process"));
    let stats = json(&store(&place, &["stats", "--state", "state"]));
    assert_eq!(stats["trials"]["all"], TRIALS);
    json(&store(&place, &["backup", "copy", "--state", "state"]));
    let verified = json(&store(&place, &["verify", "--state", "copy"]));
    assert_eq!(verified["entries"], stats["entries"]);
}
