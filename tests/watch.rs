//! `nrp sweep watch` outlives its coordinator: killed and restarted, the command continues.

use crate::harness::{ANY, Killed, Place, SMALL_SWEEP, coordinator, submit, wait_for, worker};
use serde_json::Value;
use std::fs::File;
use std::process::Stdio;

#[test]
fn a_watch_continues_when_its_coordinator_is_killed_and_restarted() {
    outlives(
        |address| ["--coordinator".to_owned(), address.to_owned()],
        false,
    );
}

#[test]
fn a_watch_of_a_state_directory_finds_its_coordinator_at_another_address() {
    outlives(|_| ["--state", "state"].map(str::to_owned), true);
}

/// Watches a sweep on the results that `of` names by the coordinator's address, while the coordinator is killed
/// and restarted at the same address, or at another if `moves`.
fn outlives(of: impl Fn(&str) -> [String; 2], moves: bool) {
    let place = Place::new();
    let (mut served, address) = coordinator(&place, ANY, &[]);
    submit(&place, &address, SMALL_SWEEP);
    let results = of(&address);
    let watch = ["sweep", "watch", &results[0], &results[1]];
    let mut command = place.nrp(&watch);
    command
        .args(["--output", "json"])
        .env("NRP_LOG", "nrp=debug")
        .stdout(File::create(place.path("answer")).unwrap())
        .stderr(File::create(place.path("log")).unwrap())
        .stdin(Stdio::null());
    let mut watch = Killed(command.spawn().unwrap());
    let said = |text: &str| {
        let log = std::fs::read_to_string(place.path("log")).unwrap();
        log.contains(text).then_some(())
    };
    wait_for("the first status", || said("state=\"running\""));
    served.kill();
    wait_for("a notice", || said("notice: the coordinator at"));
    assert!(watch.0.try_wait().unwrap().is_none(), "it waits");
    let restarted = if moves { ANY } else { &address };
    let (_served, restarted) = coordinator(&place, restarted, &[]);
    let _worker = worker(&place, &restarted, "w");
    let ended = wait_for("the end of the watch", || watch.0.try_wait().unwrap());
    assert!(ended.success(), "{ended}");
    let answer = std::fs::read_to_string(place.path("answer")).unwrap();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer[0]["state"], "finished");
    assert_eq!(answer[0]["finished"], answer[0]["trials"]);
}
