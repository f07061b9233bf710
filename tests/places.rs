//! Where commands look by default, what they call a sweep that no coordinator runs, and questions
//! that no trial can answer.

use crate::harness::{
    ANY, Killed, Place, SMALL_SWEEP, coordinator, json, refusal, shared_cache, signal, wait_for,
};
use std::process::{Output, Stdio};

/// A sweep whose trials do not end during a test.
fn endless() -> String {
    SMALL_SWEEP.replace("max_epochs = 12", "max_epochs = 1000000")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn submit_and_list_look_in_the_same_place_by_default() {
    let place = Place::new();
    place.write("sweep.toml", SMALL_SWEEP);
    let submit = || {
        place
            .nrp(&["sweep", "submit", "sweep.toml"])
            .output()
            .unwrap()
    };
    let list = || {
        place
            .nrp(&["sweep", "list", "--output", "json"])
            .output()
            .unwrap()
    };
    let start = ["coordinator", "--listen", ANY];
    let mut served = Killed::spawn(&mut place.nrp(&start));
    wait_for("the address", || {
        std::fs::read_to_string(place.path(".nrp/state/address")).ok()
    });
    let submitted = submit();
    assert!(submitted.status.success(), "{}", stderr(&submitted));
    assert_eq!(json(&list())[0]["name"], "small");
    assert_eq!(json(&list())[0]["state"], "running");
    // Commands must not ask the address of a killed coordinator: another program may listen there
    // by now.
    served.kill();
    let address = std::fs::read_to_string(place.path(".nrp/state/address")).unwrap();
    let elsewhere = Place::new();
    let (_other, _) = coordinator(&elsewhere, &address, &[]);
    let error = refusal(&submit());
    for says in [".nrp/state", "nrp coordinator", "--coordinator"] {
        assert!(error.contains(says), "{error}");
    }
    assert_eq!(json(&list())[0]["name"], "small");
}

#[test]
fn a_sweep_is_interrupted_and_not_running_after_ctrl_c() {
    let place = Place::new();
    let file = place.write("sweep.toml", endless());
    let mut run = place.run(&file);
    let mut run = Killed(
        run.stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap(),
    );
    wait_for("a job", || {
        let journal = std::fs::read_to_string(place.path("state/journal.jsonl")).ok()?;
        journal.contains("lease_granted").then_some(())
    });
    signal(&run.0, "INT");
    assert_eq!(run.0.wait().unwrap().code(), Some(130));
    let ask = |words: &[&str]| {
        let arguments = [&["sweep"], words, &["--state", "state", "--output", "json"]].concat();
        place.nrp(&arguments).output().unwrap()
    };
    for words in [&["list"][..], &["status"], &["priority", "small", "1"]] {
        let answer = ask(words);
        let status = &json(&answer)[0];
        assert_eq!(status["state"], "interrupted", "{words:?}");
        assert_eq!(status["leased"], 0);
        assert_eq!(status["waiting"], status["trials"]);
        assert!(
            stderr(&answer).contains("nrp run FILE"),
            "{}",
            stderr(&answer)
        );
    }
    let stats = place
        .nrp(&["store", "stats", "--state", "state", "--output", "json"])
        .output();
    assert_eq!(json(&stats.unwrap())["sweeps"][0]["state"], "interrupted");
    let report = ["report", "--state", "state", "--out", "report"];
    assert!(place.nrp(&report).output().unwrap().status.success());
    let report = std::fs::read_to_string(place.path("report/report.json")).unwrap();
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["sweep"]["state"], "interrupted");
    // It would wait forever.
    assert!(refusal(&ask(&["watch"])).contains("nrp run FILE"));
    assert_eq!(json(&ask(&["pause"]))[0]["state"], "paused");
    // A sweep that a coordinator runs is `running`.
    json(&ask(&["resume"]));
    let (_served, address) = coordinator(&place, ANY, &[]);
    let listed = place.nrp(&[
        "sweep",
        "list",
        "--coordinator",
        &address,
        "--output",
        "json",
    ]);
    assert_eq!(json(&{ listed }.output().unwrap())[0]["state"], "running");
}

#[test]
fn a_typo_in_a_question_is_an_error_and_does_not_look_like_waiting() {
    let place = Place::new();
    place.write("sweep.toml", SMALL_SWEEP);
    let mut run = place.nrp(&["run", "sweep.toml", "--state", "state", "--output", "json"]);
    json(&run.arg("--cache").arg(shared_cache()).output().unwrap());
    let ask = |words: &[&str]| {
        let arguments = [words, &["--state", "state"]].concat();
        place.nrp(&arguments).output().unwrap()
    };
    let commands: [&[&str]; 4] = [
        &["best"],
        &["trials"],
        &["marginals", "--by", "l1"],
        &["export", "--format", "csv"],
    ];
    for command in commands {
        for (wrong, says) in [
            (["--ann", "mobilnet"], "did you mean `mobilenet`?"),
            (["--ann", "vgg"], "sweep `small` has `mobilenet`"),
            (["--region", "V5"], "sweep `small` has `IT`, `V4`"),
            (["--region", "it"], "did you mean `IT`?"),
            (["--where", "l1=17"], "no trial of sweep `small`"),
            (["--where", "region=V5"], "no trial of sweep `small`"),
        ] {
            let error = refusal(&ask(&[command, &wrong].concat()));
            assert!(error.contains(says), "{command:?} {wrong:?}: {error}");
        }
        for right in [
            ["--ann", "mobilenet"],
            ["--region", "IT"],
            ["--where", "l1=8"],
        ] {
            let answer = ask(&[command, &right].concat());
            assert!(
                answer.status.success(),
                "{command:?} {right:?}: {}",
                stderr(&answer)
            );
        }
    }
    assert!(ask(&["best", "--region", "mean"]).status.success());
    // An empty list is a valid answer for a state that no trial has yet.
    assert!(ask(&["trials", "--in-state", "failed"]).status.success());
}
