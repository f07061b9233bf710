//! kill -9 at random moments: finished trials stay finished, and the scores are those of an
//! undisturbed run.

use crate::harness::{
    Chance, Killed, Place, SMALL_SWEEP, events, json, lasting, outcomes, signal, wait_for,
};
use serde_json::Value;
use std::time::{Duration, Instant};

/// How often a run is killed.
const KILLS: usize = 5;

/// Runs `sweep` undisturbed and again with [`KILLS`] kills, and compares.
fn killed_run_equals_untouched(sweep: &str, arguments: &[&str]) {
    let untouched = Place::new();
    let file = untouched.write("sweep.toml", sweep);
    // The first run may extract activations; the timed run is like the runs that will be killed.
    json(&untouched.run(&file).args(arguments).output().unwrap());
    std::fs::remove_dir_all(untouched.path("state")).unwrap();
    let started = Instant::now();
    let best = json(&untouched.run(&file).args(arguments).output().unwrap());
    let whole = started.elapsed();

    let place = Place::new();
    let file = place.write("sweep.toml", sweep);
    let mut chance = Chance::new();
    for kill in 0..KILLS {
        // Each moment leaves enough work for the kills after it, restarts included.
        let moment = whole.mul_f64((0.1 + 0.9 * chance.next()) * 0.9 / KILLS as f64);
        let mut run = Killed::spawn(place.run(&file).args(arguments));
        std::thread::sleep(moment.max(Duration::from_millis(20)));
        assert!(
            run.0.try_wait().unwrap().is_none(),
            "run ended before kill {kill}"
        );
        run.kill();
    }
    let resumed = json(&place.run(&file).args(arguments).output().unwrap());

    // The time of recording may differ.
    let [resumed, best] = [resumed, best].map(|best| {
        let mut rows = best.as_array().unwrap().clone();
        for row in rows.iter_mut().flat_map(Value::as_object_mut) {
            row.remove("recorded_at").unwrap();
        }
        rows
    });
    assert_eq!(resumed, best, "the best configuration differs");
    assert_eq!(lasting(&place.trials()), lasting(&untouched.trials()));
    let outcomes = outcomes(&place);
    assert_eq!(outcomes.len(), untouched.trials().len());
    assert!(
        outcomes.values().all(|&n| n == 1),
        "recorded more than once: {outcomes:?}"
    );
}

#[test]
fn a_run_killed_five_times_ends_with_identical_scores() {
    let sweep = SMALL_SWEEP
        .replace("l1 = [8, 16]", "l1 = [8, 16, 24, 32]")
        .replace("max_epochs = 12", "max_epochs = 60");
    killed_run_equals_untouched(&sweep, &[]);
}

#[test]
fn a_run_told_to_stop_says_so_and_goes_on_when_started_again() {
    let place = Place::new();
    let sweep = SMALL_SWEEP
        .replace("l1 = [8, 16]", "l1 = [8, 16, 24, 32]")
        .replace("max_epochs = 12", "max_epochs = 120");
    let file = place.write("sweep.toml", sweep);
    // Trials of a job mostly end together: with few trials per job, enough is left.
    let lanes = ["--lanes", "2"];
    for name in ["INT", "TERM"] {
        let before = events(&place, "outcome_recorded").len();
        let mut run = Killed::spawn(place.run(&file).args(lanes));
        wait_for("another outcome", || {
            let now = events(&place, "outcome_recorded").len();
            (now > before).then_some(())
        });
        signal(&run.0, name);
        assert_eq!(run.0.wait().unwrap().code(), Some(130), "SIG{name}");
    }
    assert!(outcomes(&place).len() < 16, "stopped before its end");
    json(&place.run(&file).output().unwrap());
    let outcomes = outcomes(&place);
    assert_eq!(outcomes.len(), 16);
    assert!(outcomes.values().all(|&n| n == 1), "{outcomes:?}");
}

#[test]
fn a_run_on_real_recordings_killed_five_times_ends_with_identical_scores() {
    let Some(data) = crate::harness::shared("data") else {
        return;
    };
    let manifest = env!("CARGO_MANIFEST_DIR");
    let sweep = std::fs::read_to_string(format!("{manifest}/sweeps/v4-mobilenet.toml")).unwrap();
    // The whole grid of the sample sweep with few epochs, because the real run takes minutes.
    let sweep = format!("{sweep}\n[training]\nmax_epochs = 2\n");
    killed_run_equals_untouched(&sweep, &["--data-dir", data.to_str().unwrap()]);
}
