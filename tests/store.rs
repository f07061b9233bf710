//! `nrp store` checks, backs up and measures a state directory, whole or damaged, even while a
//! coordinator runs.

use crate::harness::{ANY, Place, SMALL_SWEEP, coordinator, json, lasting, refusal};
use serde_json::Value;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::SystemTime;

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

/// The findings of a verification that must have found some.
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

/// Every file and directory under a path, with its time and content.
fn tree(dir: &Path) -> BTreeMap<PathBuf, (SystemTime, Option<Vec<u8>>)> {
    let mut found = BTreeMap::new();
    let mut paths = vec![dir.to_owned()];
    while let Some(path) = paths.pop() {
        let modified = std::fs::metadata(&path).unwrap().modified().unwrap();
        let content = if path.is_dir() {
            let entries = std::fs::read_dir(&path).unwrap();
            paths.extend(entries.map(|entry| entry.unwrap().path()));
            None
        } else {
            Some(std::fs::read(&path).unwrap())
        };
        found.insert(path, (modified, content));
    }
    found
}

/// The commands that only read a state, with the file that each writes outside it.
const QUERIES: [&[&str]; 9] = [
    &["best"],
    &["trials"],
    &["marginals", "--by", "l1"],
    &["export", "--format", "csv"],
    &["sweep", "list"],
    &["sweep", "status"],
    &["sweep", "explain"],
    &["store", "verify"],
    &["store", "stats"],
];

/// The state of a killed coordinator, with the beginning of the line that it was writing.
fn killed(place: &Place) {
    let (mut served, _) = coordinator(place, ANY, &[]);
    served.kill();
    let mut bytes = std::fs::read(journal(place, "state")).unwrap();
    let length = bytes.len();
    let last = bytes[..length - 1].iter().rposition(|byte| *byte == b'\n');
    let torn = bytes[last.unwrap() + 1..length - 20].to_vec();
    bytes.extend(torn);
    std::fs::write(journal(place, "state"), bytes).unwrap();
}

#[test]
fn queries_leave_a_state_as_it_is() {
    let place = with_results();
    let trials = place.trials();
    json(&store(&place, &["backup", "copy", "--state", "state"]));
    killed(&place);
    for state in ["state", "copy"] {
        let before = tree(&place.path(state));
        for query in QUERIES {
            let output = place.nrp(query).args(["--state", state]).output().unwrap();
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{query:?} on {state}: {stderr}");
            assert!(!output.stdout.is_empty(), "{query:?}");
        }
        let report = place
            .nrp(&["report", "--out", "report", "--state", state])
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&report.stderr);
        assert!(report.status.success(), "{stderr}");
        assert_eq!(tree(&place.path(state)), before, "{state} is as it was");
        std::fs::remove_dir_all(place.path("report")).unwrap();
    }
    assert_eq!(place.trials(), trials);
    // A command that changes something still works, and drops the torn line.
    json(
        &place
            .nrp(&[
                "sweep", "priority", "small", "3", "--state", "state", "--output", "json",
            ])
            .output()
            .unwrap(),
    );
    let verified = json(&store(&place, &["verify", "--state", "state"]));
    assert_eq!(verified["notices"], Value::Array(Vec::new()), "{verified}");
}

#[test]
fn another_user_reads_a_state_that_he_may_not_write_to() {
    let place = with_results();
    let trials = place.trials();
    killed(&place);
    let writable = |is: bool| {
        for path in tree(&place.path("state")).keys() {
            let mode = match (path.is_dir(), is) {
                (true, true) => 0o755,
                (true, false) => 0o555,
                (false, true) => 0o644,
                (false, false) => 0o444,
            };
            let permissions = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(path, permissions).unwrap();
        }
    };
    writable(false);
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(place.path(""), open).unwrap();
    let as_nobody = |arguments: &[&str]| {
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
            .arg(env!("CARGO_BIN_EXE_nrp"))
            .args(arguments)
            .current_dir(place.path(""))
            .env_remove("NRP_COORDINATOR")
            .output()
    };
    if !as_nobody(&["--version"]).is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: this user cannot run nrp as another one");
        return writable(true);
    }
    let before = tree(&place.path("state"));
    for query in QUERIES {
        let output = as_nobody(&[query, &["--state", "state"]].concat()).unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{query:?}: {stderr}");
    }
    let read = as_nobody(&["trials", "--state", "state", "--output", "json"]).unwrap();
    assert_eq!(json(&read).as_array().unwrap(), &trials);
    assert_eq!(tree(&place.path("state")), before);
    let refused = as_nobody(&["sweep", "priority", "small", "3", "--state", "state"]).unwrap();
    assert!(refusal(&refused).contains("cannot be locked"));
    writable(true);
}

#[test]
fn a_damaged_journal_is_read_past_repaired_and_its_lost_trial_run_again() {
    let place = with_results();
    let whole = place.trials();
    let bytes = std::fs::read(journal(&place, "state")).unwrap();
    let text = String::from_utf8(bytes.clone()).unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let number = lines
        .iter()
        .position(|line| line.contains("outcome_recorded"))
        .unwrap();
    let start: usize = lines[..number].iter().map(|line| line.len()).sum();
    let mut damaged = bytes.clone();
    // The damage is in the scores, after the trial's id.
    damaged[start + lines[number].len() / 2] ^= 1;
    std::fs::write(journal(&place, "state"), &damaged).unwrap();

    let best = |more: &[&str]| {
        let mut command = place.nrp(&["best", "--state", "state", "--output", "json"]);
        command.args(more).output().unwrap()
    };
    let refused = refusal(&best(&[]));
    assert!(
        refused.contains("`nrp store repair`") && refused.contains("`--salvage`"),
        "{refused}"
    );
    let read = best(&["--salvage"]);
    json(&read);
    let notice = String::from_utf8_lossy(&read.stderr).into_owned();
    assert!(notice.contains("1 entry is lost"), "{notice}");
    let changing = place
        .nrp(&["sweep", "resume", "small", "--state", "state", "--salvage"])
        .output();
    assert!(refusal(&changing.unwrap()).contains("`--salvage` only reads"));

    let dry = store(&place, &["repair", "state", "--dry-run"]);
    assert_eq!(dry.status.code(), Some(1));
    assert_eq!(std::fs::read(journal(&place, "state")).unwrap(), damaged);
    let repaired = json(&store(&place, &["repair", "state"]));
    let lost = repaired["lost_outcomes"].as_array().unwrap();
    assert_eq!(lost.len(), 1, "{repaired}");
    assert!(lines[number].contains(lost[0]["trial"].as_str().unwrap()));
    assert_eq!(repaired["outcomes"], TRIALS - 1);
    let kept = repaired["kept"].as_str().unwrap();
    assert_eq!(std::fs::read(place.path(kept)).unwrap(), damaged);
    let verified = json(&store(&place, &["verify", "--state", "state"]));
    assert_eq!(verified["findings"], Value::Array(Vec::new()));

    json(&place.run(&place.path("small.toml")).output().unwrap());
    assert_eq!(lasting(&place.trials()), lasting(&whole));
}

/// Four of the small sweep's eight trials.
fn part() -> String {
    SMALL_SWEEP
        .replace("\"small\"", "\"part\"")
        .replace("l1 = [8, 16]", "l1 = [8]")
}

fn delete(place: &Place, arguments: &[&str]) -> Output {
    let mut command = place.nrp(&["sweep", "delete"]);
    command.args(arguments).args(["--output", "json"]);
    command.output().unwrap()
}

#[test]
fn a_deleted_sweep_is_gone_its_shared_trials_stay_and_it_starts_afresh() {
    let place = with_results();
    let file = place.write("part.toml", part());
    json(&place.run(&file).output().unwrap());
    let whole = store_bytes(&place);
    let dry = json(&delete(&place, &["small", "--dry-run", "--state", "state"]));
    assert_eq!(
        (&dry["trials"], &dry["outcomes"], &dry["shared"]),
        (&4.into(), &4.into(), &4.into()),
        "{dry}"
    );
    assert_eq!(store_bytes(&place), whole, "nothing was changed");

    let deleted = json(&delete(&place, &["small", "--state", "state"]));
    assert_eq!(deleted, dry);
    assert!(store_bytes(&place) < whole);
    let stats = json(&store(&place, &["stats", "--state", "state"]));
    assert_eq!(stats["trials"]["finished"], 4, "{stats}");
    assert_eq!(stats["sweeps"].as_array().unwrap().len(), 1);
    let verified = json(&store(&place, &["verify", "--state", "state"]));
    assert_eq!(verified["findings"], Value::Array(Vec::new()));
    assert_eq!(place.trials().len(), 4);
    let again = refusal(&delete(&place, &["small", "--state", "state"]));
    assert!(again.contains("unknown sweep `small`"), "{again}");

    json(&place.run(&place.path("small.toml")).output().unwrap());
    assert_eq!(place.trials().len(), 8);
    let stats = json(&store(&place, &["stats", "--state", "state"]));
    assert_eq!(stats["trials"]["finished"], TRIALS, "{stats}");
    let compacted = json(&store(&place, &["compact", "--state", "state"]));
    let bytes = |name: &str| compacted[name].as_u64().unwrap();
    assert!(bytes("journal_bytes") < bytes("journal_bytes_before"));
    let verified = json(&store(&place, &["verify", "--state", "state"]));
    assert_eq!(verified["findings"], Value::Array(Vec::new()));
    assert_eq!(place.trials().len(), 8);
}

/// The journal's length.
fn store_bytes(place: &Place) -> u64 {
    std::fs::metadata(journal(place, "state")).unwrap().len()
}

#[test]
fn a_sweep_that_has_not_ended_is_not_deleted() {
    let place = Place::new();
    let file = place.write("small.toml", SMALL_SWEEP);
    let (_served, address) = coordinator(&place, ANY, &[]);
    let submit = place
        .nrp(&["sweep", "submit", "--coordinator", &address])
        .arg(&file)
        .output();
    assert!(submit.unwrap().status.success());
    let refused = refusal(&delete(&place, &["small", "--coordinator", &address]));
    assert!(
        refused.contains("is running and cannot be deleted")
            && refused.contains("`nrp sweep cancel small`"),
        "{refused}"
    );
    let cancel = place
        .nrp(&["sweep", "cancel", "small", "--coordinator", &address])
        .output();
    assert!(cancel.unwrap().status.success());
    let deleted = json(&delete(&place, &["small", "--coordinator", &address]));
    assert_eq!(
        (&deleted["trials"], &deleted["outcomes"]),
        (&TRIALS.into(), &0.into())
    );
    let list = place
        .nrp(&[
            "sweep",
            "list",
            "--coordinator",
            &address,
            "--output",
            "json",
        ])
        .output();
    assert_eq!(json(&list.unwrap()), Value::Array(Vec::new()));
}

#[test]
fn killed_while_it_deletes_a_coordinator_leaves_a_sweep_whole_or_gone() {
    let place = with_results();
    let file = place.write("part.toml", part());
    json(&place.run(&file).output().unwrap());
    std::fs::rename(place.path("state"), place.path("before")).unwrap();
    for round in 0..12 {
        let _ = std::fs::remove_dir_all(place.path("state"));
        let copied = Command::new("cp")
            .args(["-r", "before", "state"])
            .current_dir(place.path(""))
            .status();
        assert!(copied.unwrap().success());
        let (mut served, address) = coordinator(&place, ANY, &[]);
        let mut asked = place
            .nrp(&["sweep", "delete", "small", "--coordinator", &address])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(4 * round));
        served.kill();
        let answered = asked.wait().unwrap().success();
        let stats = json(&store(&place, &["stats", "--state", "state"]));
        let finished = stats["trials"]["finished"].as_u64().unwrap();
        assert!([4, TRIALS].contains(&finished), "{stats}");
        assert!(!answered || finished == 4, "what was answered stays");
        assert_eq!(place.trials().len(), 4, "the other is whole");
        json(&place.run(&place.path("small.toml")).output().unwrap());
        let stats = json(&store(&place, &["stats", "--state", "state"]));
        assert_eq!(stats["trials"]["finished"], TRIALS);
        let verified = json(&store(&place, &["verify", "--state", "state"]));
        assert_eq!(verified["findings"], Value::Array(Vec::new()), "{verified}");
    }
}
