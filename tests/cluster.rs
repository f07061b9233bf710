//! A coordinator and two workers as processes of their own.

use crate::harness::{
    ANY, Place, SMALL_SWEEP, asked, coordinator, json, lasting, refusal, status, submit, wait_for,
    worker,
};
use serde_json::Value;

#[test]
fn two_workers_finish_a_sweep_though_one_and_the_coordinator_are_killed() {
    let sweep = SMALL_SWEEP
        .replace("l1 = [8, 16]", "l1 = [8, 16, 24, 32]")
        .replace("max_epochs = 12", "max_epochs = 40");
    let alone = Place::new();
    json(
        &alone
            .run(&alone.write("sweep.toml", &sweep))
            .output()
            .unwrap(),
    );

    let place = Place::new();
    let (mut served, address) = coordinator(&place, ANY, &[]);
    let submitted = submit(&place, &address, &sweep);
    assert_eq!(submitted["trials"], 16);
    let mut first = worker(&place, &address, "first");
    let _second = worker(&place, &address, "second");
    wait_for("a finished trial", || {
        (status(&place, &address)["finished"] != 0).then_some(())
    });
    first.kill();
    served.kill();
    let finished = lasting(&finished_in_journal(&place));
    // The same command restarts the coordinator at the same address.
    let (mut served, _) = coordinator(&place, &address, &[]);
    let _first = worker(&place, &address, "first");
    let watched = place
        .nrp(&[
            "sweep",
            "watch",
            "--coordinator",
            &address,
            "--output",
            "json",
        ])
        .output()
        .unwrap();
    assert_eq!(json(&watched)[0]["state"], "finished");
    assert!(watched.stderr.is_empty(), "no bars on a pipe");
    served.kill();
    let trials = lasting(&place.trials());
    assert_eq!(
        trials,
        lasting(&alone.trials()),
        "scores do not depend on who trained"
    );
    for trial in finished {
        assert!(
            trials.contains(&trial),
            "an acknowledged outcome changed: {trial}"
        );
    }
}

/// Trials that had an outcome when the coordinator was killed.
fn finished_in_journal(place: &Place) -> Vec<Value> {
    let trials = place.trials();
    trials
        .into_iter()
        .filter(|trial| trial["state"] == "finished")
        .collect()
}

#[test]
fn an_idle_worker_outlives_its_coordinator() {
    let place = Place::new();
    let (mut served, address) = coordinator(&place, ANY, &[]);
    let mut worker = worker(&place, &address, "idle");
    submit(&place, &address, SMALL_SWEEP);
    let finished = |trials: u64| {
        wait_for("the sweep's end", || {
            (status(&place, &address)["finished"] == trials).then_some(())
        });
    };
    finished(8);
    served.kill();
    let (_served, _) = coordinator(&place, &address, &[]);
    wait_for("the worker", || {
        let workers = asked(&place, &["workers", "list", "--coordinator", &address]);
        (workers[0]["worker"] == "idle").then_some(())
    });
    submit(
        &place,
        &address,
        &SMALL_SWEEP.replace("l2 = [8]", "l2 = [8, 12]"),
    );
    finished(16);
    assert!(worker.0.try_wait().unwrap().is_none(), "it is still there");
}

#[test]
fn a_cancelled_sweep_starts_no_trial_until_it_is_resumed() {
    let place = Place::new();
    let (_served, address) = coordinator(&place, ANY, &[]);
    submit(&place, &address, SMALL_SWEEP);
    let ask = |verb: &str, sweep: &str| {
        let arguments = [
            "sweep",
            verb,
            sweep,
            "--coordinator",
            &address,
            "--output",
            "json",
        ];
        place.nrp(&arguments).output().unwrap()
    };
    let cancelled = json(&ask("cancel", "small"))[0].clone();
    assert_eq!(cancelled["state"], "cancelled");
    assert_eq!(
        (&cancelled["cancelled"], &cancelled["waiting"]),
        (&8.into(), &0.into())
    );
    let _worker = worker(&place, &address, "w");
    assert!(
        refusal(&ask("cancel", "smal")).contains("small"),
        "a near miss is offered"
    );
    let resumed = json(&ask("resume", "small"))[0].clone();
    assert_eq!(resumed["cancelled"], 0);
    wait_for("the sweep's end", || {
        (status(&place, &address)["state"] == "finished").then_some(())
    });
    assert_eq!(status(&place, &address)["finished"], 8);
    let listed = place.nrp(&[
        "sweep",
        "list",
        "--coordinator",
        &address,
        "--output",
        "json",
    ]);
    assert_eq!(
        json(&{ listed }.output().unwrap()).as_array().map(Vec::len),
        Some(1)
    );
}

#[test]
fn a_paused_sweep_waits_and_says_why_until_it_is_resumed() {
    let place = Place::new();
    let (_served, address) = coordinator(&place, ANY, &[]);
    submit(&place, &address, SMALL_SWEEP);
    let ask = |words: &[&str]| {
        let arguments = [&["sweep"][..], words, &["--coordinator", &address]].concat();
        asked(&place, &arguments)
    };
    assert_eq!(ask(&["priority", "small", "-3"])[0]["priority"], -3);
    assert_eq!(ask(&["pause"])[0]["state"], "paused");
    let _worker = worker(&place, &address, "w");
    wait_for("the worker", || {
        let workers = asked(&place, &["workers", "list", "--coordinator", &address]);
        (workers[0]["worker"] == "w").then_some(())
    });
    let explained = ask(&["explain", "small"])["explanations"].clone();
    assert_eq!(
        (&explained[0]["why"], &explained[0]["trials"]),
        (&"paused".into(), &8.into())
    );
    let mut told = place.nrp(&["sweep", "explain", "--coordinator", &address]);
    let told = String::from_utf8(told.output().unwrap().stdout).unwrap();
    assert!(told.starts_with("8 wait: the sweep is paused"), "{told}");
    assert_eq!(ask(&["resume"])[0]["state"], "running");
    wait_for("the sweep's end", || {
        (status(&place, &address)["finished"] == 8).then_some(())
    });
    let trial = place.trials()[0]["trial"].clone();
    let explained = ask(&["explain", trial.as_str().unwrap()]);
    assert_eq!(explained["explanations"][0]["text"], "has scores");
}

#[test]
fn results_can_be_asked_of_a_directory_that_is_being_written() {
    let place = Place::new();
    let (_served, address) = coordinator(&place, ANY, &[]);
    submit(&place, &address, SMALL_SWEEP);
    assert_eq!(place.trials().len(), 8, "through the running coordinator");
}
