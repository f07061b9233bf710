//! Devices: a worker with several, and what `--device` refuses.

use crate::harness::{
    ANY, Killed, Place, SMALL_SWEEP, asked, coordinator, events, json, lasting, outcomes, refusal,
    status, submit, wait_for, worker_command,
};
use serde_json::Value;
use std::collections::BTreeSet;

/// [`SMALL_SWEEP`] with eight times as many trials.
fn sweep() -> String {
    SMALL_SWEEP.replace("l2 = [8]", "l2 = [8, 12, 16, 20, 24, 28, 32, 36]")
}

fn worker(place: &Place, address: &str) -> Killed {
    let devices = ["--device", "flex", "--device", "flex"];
    Killed::spawn(&mut worker_command(place, address, "w", &devices))
}

fn both() -> BTreeSet<String> {
    ["w.0", "w.1"].map(str::to_owned).into()
}

/// Waits until both devices have had a job.
fn wait_for_both(place: &Place) {
    wait_for("a job for each device", || {
        let leased = events(place, "lease_granted");
        let workers = leased
            .iter()
            .map(|event| event["worker"].as_str().unwrap().to_owned());
        (workers.collect::<BTreeSet<_>>() == both()).then_some(())
    });
}

#[test]
fn two_devices_share_a_sweep_whose_scores_are_those_of_one() {
    let alone = Place::new();
    let file = alone.write("sweep.toml", sweep());
    json(
        &alone
            .run(&file)
            .args(["--device", "auto"])
            .output()
            .unwrap(),
    );

    let place = Place::new();
    let (mut served, address) = coordinator(&place, ANY, &[]);
    submit(&place, &address, &sweep());
    let mut first = worker(&place, &address);
    wait_for_both(&place);
    // When the worker is killed, its successor gets both jobs, since its devices have the same
    // names.
    first.kill();
    let _second = worker(&place, &address);
    wait_for("the sweep's end", || {
        (status(&place, &address)["state"] == "finished").then_some(())
    });
    served.kill();
    let outcomes = outcomes(&place);
    assert_eq!(outcomes.len(), 64);
    assert!(outcomes.values().all(|&n| n == 1), "{outcomes:?}");
    let trials = place.trials();
    let trained = trials
        .iter()
        .map(|trial| trial["worker"].as_str().unwrap().to_owned());
    assert_eq!(trained.collect::<BTreeSet<_>>(), both());
    assert_eq!(lasting(&trials), lasting(&alone.trials()));
}

#[test]
fn a_worker_of_two_devices_leaves_by_its_name() {
    let place = Place::new();
    let (_served, address) = coordinator(&place, ANY, &["--lease", "3s"]);
    submit(
        &place,
        &address,
        &sweep().replace("max_epochs = 12", "max_epochs = 60"),
    );
    let mut worker = worker(&place, &address);
    wait_for_both(&place);
    let told = asked(
        &place,
        &["workers", "drain", "w", "--coordinator", &address],
    );
    let told = told.as_array().unwrap().iter();
    let told: BTreeSet<_> = told
        .map(|status| status["worker"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(told, both());
    let ended = wait_for("the worker's end", || worker.0.try_wait().unwrap());
    assert_eq!(ended.code(), Some(0));
    let ended = events(&place, "lease_ended");
    let released = |event: &Value| event["reason"] == "released";
    assert!(ended.iter().all(released), "{ended:?}");
}

#[test]
fn a_device_that_is_not_there_is_refused_with_those_that_are() {
    let place = Place::new();
    let file = place.write("sweep.toml", SMALL_SWEEP);
    let refused = |device: &str| {
        refusal(
            &place
                .run(&file)
                .args(["--device", device])
                .output()
                .unwrap(),
        )
    };
    assert!(refused("flex,gpu").contains("unknown device `gpu`"));
    let error = refused("tch:cuda:99");
    assert!(
        error.contains("devices here: ") && error.contains("flex"),
        "{error}"
    );
    assert!(!place.path("state").exists(), "nothing was begun");

    let listed = asked(&place, &["devices"]);
    let devices = listed.as_array().unwrap();
    let named = |name: &str| devices.iter().find(|row| row["device"] == name).unwrap();
    assert_eq!(named("flex")["is_here"], true);
    let tch = named("tch:cpu");
    assert_ne!(tch["is_here"] == true, tch["missing"].is_string());
}
