//! `nrp sweep watch` outlives its coordinator: killed and restarted, the command continues.

use crate::harness::{ANY, Killed, Place, SMALL_SWEEP, coordinator, submit, wait_for, worker};
use serde_json::Value;
use std::fs::File;
use std::process::Stdio;

#[test]
fn a_watch_continues_when_its_coordinator_is_killed_and_restarted() {
    let place = Place::new();
    let (mut served, address) = coordinator(&place, ANY, &[]);
    submit(&place, &address, SMALL_SWEEP);
    let watch = ["sweep", "watch", "--coordinator", &address];
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
    let (_served, _) = coordinator(&place, &address, &[]);
    let _worker = worker(&place, &address, "w");
    let ended = wait_for("the end of the watch", || watch.0.try_wait().unwrap());
    assert!(ended.success(), "{ended}");
    let answer = std::fs::read_to_string(place.path("answer")).unwrap();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer[0]["state"], "finished");
    assert_eq!(answer[0]["finished"], answer[0]["trials"]);
}
