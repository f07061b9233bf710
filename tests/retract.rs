//! `nrp trials retract` takes an outcome back, and the sweep runs its trial again.

use crate::harness::{
    ANY, Place, SMALL_SWEEP, asked, coordinator, events, outcomes, refusal, status, submit,
    wait_for, worker,
};

#[test]
fn a_retracted_trial_is_run_again_and_the_reason_is_kept() {
    let place = Place::new();
    let (served, address) = coordinator(&place, ANY, &[]);
    submit(&place, &address, SMALL_SWEEP);
    let finished = || {
        wait_for("the sweep's end", || {
            (status(&place, &address)["state"] == "finished").then_some(())
        });
    };
    let first = worker(&place, &address, "w");
    finished();
    let trials = asked(&place, &["trials", "--coordinator", &address]);
    let trial = trials[0]["trial"].as_str().unwrap().to_owned();
    drop(first);

    let retract = |trial: &str, reason: &str| {
        let arguments = ["trials", "retract", trial, "--reason", reason];
        let mut command = place.nrp(&arguments);
        command.args(["--coordinator", &address]).output().unwrap()
    };
    let refused = refusal(&retract(&"0".repeat(32), "nobody has it"));
    assert!(refused.contains("unknown trial"), "{refused}");
    let retracted = retract(&trial, "a disk was full of noise");
    assert!(retracted.status.success(), "{retracted:?}");
    let said = String::from_utf8(retracted.stdout).unwrap();
    assert_eq!(said, format!("trial {trial} is waiting again\n"));
    assert_eq!(status(&place, &address)["state"], "running");
    let refused = refusal(&retract(&trial, "once more"));
    assert!(refused.contains("has no outcome"), "{refused}");
    let facts = events(&place, "outcome_retracted");
    assert_eq!(
        (facts.len(), &facts[0]["reason"]),
        (1, &"a disk was full of noise".into())
    );

    let _second = worker(&place, &address, "w");
    finished();
    assert_eq!(
        outcomes(&place)[&trial],
        2,
        "the second after the first was taken back"
    );
    let again = asked(&place, &["trials", "--coordinator", &address]);
    let scores = |trials: &serde_json::Value| trials[0]["nrp_error"].clone();
    assert_eq!(
        scores(&again),
        scores(&trials),
        "the same trial has the same scores"
    );
    drop(served);
    let verified = place.nrp(&["store", "verify", "--state", "state"]).output();
    let verified = verified.unwrap();
    assert!(verified.status.success(), "{verified:?}");
}
