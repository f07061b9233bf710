//! Workers that end: killed, told to leave by a signal or by the coordinator, or out of work. What
//! they have finished is kept, and the rest is handed back.

use crate::harness::{
    ANY, Killed, Place, SMALL_SWEEP, asked, coordinator, events, outcomes, refusal, signal, status,
    submit, wait_for, worker, worker_command,
};
use serde_json::Value;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// [`SMALL_SWEEP`] with eight times as many trials, each `epochs` long.
fn sweep(epochs: u32) -> String {
    let epochs = format!("max_epochs = {epochs}");
    SMALL_SWEEP
        .replace("l2 = [8]", "l2 = [8, 12, 16, 20, 24, 28, 32, 36]")
        .replace("max_epochs = 12", &epochs)
}

/// The files with this extension in the place's spool.
fn spooled(place: &Place, extension: &str) -> Vec<PathBuf> {
    let Ok(files) = std::fs::read_dir(place.path("spool")) else {
        return Vec::new();
    };
    let files = files.map(|file| file.unwrap().path());
    files
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect()
}

/// Waits until the sweep has a finished trial.
fn wait_for_an_outcome(place: &Place, address: &str) {
    wait_for("an outcome", || {
        (status(place, address)["finished"] != 0).then_some(())
    });
}

/// Waits for a worker that ends by itself with exit code 0.
fn assert_ends(worker: &mut Killed) {
    let ended = wait_for("the worker's end", || worker.0.try_wait().unwrap());
    assert_eq!(ended.code(), Some(0));
}

/// The trial and the training time of a spooled outcome.
fn spooled_outcome(path: &PathBuf) -> (String, f64) {
    let text = std::fs::read_to_string(path).unwrap();
    let entry: Value = serde_json::from_str(text.lines().nth(1).unwrap()).unwrap();
    let report = &entry["report"];
    let seconds = &report["outcome"]["result"]["scores"]["train_seconds"];
    let trial = report["trial"].as_str().unwrap().to_owned();
    (trial, seconds.as_f64().unwrap())
}

/// A worker whose coordinator is away finishes an outcome and ends by `how`; another worker reports
/// the outcome.
fn outcome_outlives_its_worker(how: &str) {
    let place = Place::new();
    let (mut served, address) = coordinator(&place, ANY, &[]);
    submit(&place, &address, &sweep(60));
    let mut first = worker(&place, &address, "first");
    wait_for_an_outcome(&place, &address);
    // The worker continues training; a job that has just ended may leave nothing to train.
    let left = wait_for("an outcome in the spool", || {
        served.kill();
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline {
            let left = spooled(&place, "outcome");
            if !left.is_empty() {
                return Some(left);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        served = coordinator(&place, &address, &[]).0;
        // The worker waits longer and longer before it asks a coordinator that was away for a job.
        let before = &status(&place, &address)["finished"];
        wait_for("another outcome", || {
            (status(&place, &address)["finished"] != *before).then_some(())
        });
        None
    });
    match how {
        "KILL" => first.kill(),
        _ => {
            signal(&first.0, how);
            // The worker needs neither its grace nor a coordinator to end, and says what it leaves.
            signal(&first.0, how);
            assert_ends(&mut first);
        }
    }
    let left: Vec<_> = left.iter().map(spooled_outcome).collect();
    std::fs::write(place.path("spool/ab.outcome"), "torn").unwrap();
    let (_served, _) = coordinator(&place, &address, &[]);
    let _second = worker(&place, &address, "second");
    wait_for("an empty spool", || {
        (spooled(&place, "outcome").is_empty()).then_some(())
    });
    let recorded = events(&place, "outcome_recorded");
    for (trial, seconds) in left {
        let outcome = recorded
            .iter()
            .find(|event| event["trial"] == trial.as_str());
        let scores = &outcome.unwrap()["outcome"]["finished"];
        assert_eq!(scores["train_seconds"], seconds, "it was trained again");
    }
    wait_for("the sweep's end", || {
        (status(&place, &address)["state"] == "finished").then_some(())
    });
    let outcomes = outcomes(&place);
    assert_eq!(outcomes.len(), 64);
    assert!(outcomes.values().all(|&n| n == 1), "{outcomes:?}");
}

#[test]
fn an_outcome_outlives_a_worker_killed_while_the_coordinator_is_away() {
    outcome_outlives_its_worker("KILL");
}

#[test]
fn an_outcome_outlives_a_worker_told_to_leave_while_the_coordinator_is_away() {
    outcome_outlives_its_worker("TERM");
}

#[test]
fn an_outcome_of_another_cluster_is_set_aside() {
    let place = Place::new();
    let (_served, address) = coordinator(&place, ANY, &[]);
    let report = format!(
        r#"{{"coordinator":"http://{address}","report":{{"worker":"gone","instance":"1","lease":{{"job":1,"epoch":1}},"trial":"{}","outcome":{{"result":{{"failure":{{"reason":"the loss diverged","final":true}}}}}}}}}}"#,
        "ab".repeat(16)
    );
    let digest = blake3::hash(report.as_bytes());
    std::fs::create_dir(place.path("spool")).unwrap();
    let name = format!("spool/{}.outcome", "ab".repeat(16));
    place.write(&name, format!("{digest}\n{report}\n"));
    let idle = ["--idle-timeout", "0s"];
    let mut worker = Killed::spawn(&mut worker_command(&place, &address, "w", &idle));
    assert_ends(&mut worker);
    assert_eq!(spooled(&place, "outcome"), [] as [PathBuf; 0]);
    assert_eq!(spooled(&place, "unknown").len(), 1);
    assert_eq!(events(&place, "outcome_recorded"), [] as [Value; 0]);
}

#[test]
fn a_worker_told_to_leave_finishes_its_job_and_takes_no_other() {
    let place = Place::new();
    let (_served, address) = coordinator(&place, ANY, &[]);
    submit(&place, &address, &sweep(60));
    let grace = ["--grace", "10m"];
    let mut worker = Killed::spawn(&mut worker_command(&place, &address, "w", &grace));
    wait_for_an_outcome(&place, &address);
    signal(&worker.0, "TERM");
    assert_ends(&mut worker);
    // A job that was granted while the signal came is handed back completely.
    let ended = events(&place, "lease_ended");
    let released = |event: &Value| event["reason"] == "released";
    assert!(ended.iter().all(released), "{ended:?}");
    let kept = |event: &&Value| ended.iter().all(|ended| ended["job"] != event["job"]);
    let leased = events(&place, "lease_granted");
    let leased = leased
        .iter()
        .filter(kept)
        .map(|event| event["trials"].as_array().unwrap().len());
    assert_eq!(leased.sum::<usize>(), outcomes(&place).len());
    assert_eq!(status(&place, &address)["state"], "running");
}

#[test]
fn a_worker_hands_its_job_back_when_its_grace_ends_or_it_is_told_twice() {
    let place = Place::new();
    let (_served, address) = coordinator(&place, ANY, &[]);
    // None of its trials ends by itself during this test.
    submit(&place, &address, &sweep(1_000_000));
    for (grace, signals) in [("100ms", 1), ("10m", 2)] {
        let grace = ["--grace", grace];
        let mut worker = Killed::spawn(&mut worker_command(&place, &address, "w", &grace));
        wait_for("a job", || {
            (status(&place, &address)["leased"] == 2).then_some(())
        });
        for _ in 0..signals {
            signal(&worker.0, "TERM");
            // A signal that comes together with the one before it is not noticed.
            std::thread::sleep(Duration::from_millis(200));
        }
        assert_ends(&mut worker);
        assert_eq!(
            status(&place, &address)["leased"],
            0,
            "it waits again at once"
        );
    }
    let reasons = events(&place, "lease_ended");
    assert!(
        reasons.iter().all(|event| event["reason"] == "released"),
        "{reasons:?}"
    );
}

#[test]
fn a_worker_leaves_when_the_coordinator_tells_it_to() {
    let place = Place::new();
    let (_served, address) = coordinator(&place, ANY, &["--lease", "3s"]);
    submit(&place, &address, &sweep(60));
    let mut first = worker(&place, &address, "first");
    let mut second = worker(&place, &address, "second");
    wait_for("two workers", || {
        let workers = asked(&place, &["workers", "list", "--coordinator", &address]);
        (workers.as_array().unwrap().len() == 2).then_some(())
    });
    let drain = |name: &str| {
        let arguments = ["workers", "drain", name, "--coordinator", &address];
        place.nrp(&arguments).output().unwrap()
    };
    let hint = refusal(&drain("frist"));
    assert!(hint.contains("did you mean `first`?"), "{hint}");
    assert!(drain("first").status.success());
    assert_ends(&mut first);
    assert!(second.0.try_wait().unwrap().is_none(), "the other stays");
    let lapsed = events(&place, "lease_ended");
    assert!(
        lapsed.iter().all(|event| event["reason"] == "released"),
        "{lapsed:?}"
    );
}

#[test]
fn workers_that_left_in_order_are_gone_from_lists_at_once() {
    let place = Place::new();
    let (_served, address) = coordinator(&place, ANY, &["--lease", "24h"]);
    submit(&place, &address, &sweep(1_000_000));
    let workers = || {
        let workers = asked(&place, &["workers", "list", "--coordinator", &address]);
        workers.as_array().unwrap().len()
    };
    let mut busy = worker(&place, &address, "busy");
    wait_for("a job", || {
        (status(&place, &address)["leased"] != 0).then_some(())
    });
    let mut killed = worker(&place, &address, "killed");
    wait_for("two workers", || (workers() == 2).then_some(()));
    signal(&busy.0, "TERM");
    std::thread::sleep(Duration::from_millis(200));
    signal(&busy.0, "TERM");
    assert_ends(&mut busy);
    assert_eq!(workers(), 1, "one that was not killed said goodbye");
    killed.kill();
    assert_eq!(workers(), 1, "one that was killed may come back");
}

#[test]
fn a_worker_whose_coordinator_is_gone_leaves_after_its_idle_timeout() {
    let place = Place::new();
    let (mut served, address) = coordinator(&place, ANY, &[]);
    let idle = ["--idle-timeout", "2s"];
    let mut worker = Killed::spawn(&mut worker_command(&place, &address, "w", &idle));
    wait_for("the worker", || {
        let workers = asked(&place, &["workers", "list", "--coordinator", &address]);
        (workers.as_array().unwrap().len() == 1).then_some(())
    });
    served.kill();
    assert_ends(&mut worker);
    // A worker with outcomes that it cannot deliver leaves them in the spool.
    let (mut served, address) = coordinator(&place, &address, &[]);
    submit(&place, &address, &sweep(60));
    let mut worker = Killed::spawn(&mut worker_command(&place, &address, "w", &idle));
    wait_for("a job", || {
        (status(&place, &address)["leased"] != 0).then_some(())
    });
    served.kill();
    assert_ends(&mut worker);
    assert!(!spooled(&place, "outcome").is_empty());
}

#[test]
fn a_worker_that_has_nothing_to_do_leaves_after_its_idle_timeout() {
    let place = Place::new();
    let (_served, address) = coordinator(&place, ANY, &[]);
    submit(&place, &address, SMALL_SWEEP);
    let idle = ["--idle-timeout", "100ms"];
    let mut worker = Killed::spawn(&mut worker_command(&place, &address, "w", &idle));
    assert_ends(&mut worker);
    assert_eq!(status(&place, &address)["state"], "finished", "not before");
}
