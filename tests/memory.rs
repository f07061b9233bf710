//! Memory: a sweep of very many trials takes little of it in every process involved: the client
//! that submits it, the coordinator, and `nrp store`.

use crate::harness::{ANY, Killed, Place, SMALL_SWEEP, coordinator, refusal, submit};
use std::process::Child;
use std::time::Duration;

/// A sweep over every combination of sizes, seed and rate.
fn sweep() -> String {
    let list = |n: u32| {
        let numbers: Vec<_> = (1..=n).map(|n| n.to_string()).collect();
        numbers.join(", ")
    };
    format!(
        r#"
name = "very-many"
[recordings]
assembly = "simulated"
[[ann]]
name = "mobilenet"
weights = "random:1"
layer_sets = [["global_average_pooling2d"]]
[grid]
l1 = [{}]
l2 = [{}]
seed = [{}]
learning_rate = [1e-3, 3e-3]
"#,
        list(50),
        list(20),
        list(25)
    )
}

/// The number of its trials: 50 × 20 × 25 × 2, in two regions.
const TRIALS: u64 = 100_000;

/// The peak memory of a process so far, in bytes; `None` once it has ended.
fn peak_bytes(process: &Child) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1_024)
}

/// Runs a command of `nrp`, which must succeed, and returns its peak memory as far as it was
/// observed.
fn peak_of(place: &Place, arguments: &[&str]) -> u64 {
    let mut running = Killed::spawn(&mut place.nrp(arguments));
    let mut peak = 0;
    loop {
        peak = peak.max(peak_bytes(&running.0).unwrap_or(0));
        match running.0.try_wait().unwrap() {
            Some(ended) => {
                assert!(ended.success(), "{arguments:?}: {ended}");
                return peak;
            }
            // The pause between two observations: a process with a million trials runs for seconds.
            None => std::thread::sleep(Duration::from_millis(2)),
        }
    }
}

/// A record of the index, sled's and the scheduler's share included, took 8,500 bytes when sled kept
/// what a batch had replaced; 1,000 bytes a trial in the client were the whole grid, expanded.
#[test]
#[cfg(target_os = "linux")]
fn a_sweep_of_very_many_trials_takes_little_memory_in_every_process() {
    let place = Place::new();
    let (mut serving, address) = coordinator(&place, ANY, &[]);
    let submit = |sweep: &str| {
        let file = place.write("sweep.toml", sweep);
        let file = file.to_str().unwrap();
        peak_of(
            &place,
            &["sweep", "submit", file, "--coordinator", &address],
        )
    };
    let small = submit(SMALL_SWEEP);
    let at_start = peak_bytes(&serving.0).unwrap();
    let per_trial = |peak: u64, before: u64| peak.saturating_sub(before) / TRIALS;
    let client = per_trial(submit(&sweep()), small);
    let coordinator = per_trial(peak_bytes(&serving.0).unwrap(), at_start);
    serving.kill();
    let store = |word| {
        let peak = peak_of(&place, &["store", word, "--state", "state"]);
        per_trial(peak, at_start)
    };
    let (verify, rebuild) = (store("verify"), store("rebuild"));
    let found = [client, coordinator, verify, rebuild];
    eprintln!("bytes a trial in client, coordinator, verify and rebuild: {found:?}");
    let most = [200, 2_000, 2_000, 2_000];
    assert!(
        found.iter().zip(most).all(|(found, most)| *found <= most),
        "{found:?} bytes a trial in client, coordinator, verify and rebuild; expected at most {most:?}"
    );
}

#[test]
fn trials_beyond_what_may_be_open_in_all_are_refused_with_what_to_do() {
    let place = Place::new();
    let (_serving, address) = coordinator(&place, ANY, &["--max-open-trials", "10"]);
    assert_eq!(submit(&place, &address, SMALL_SWEEP)["trials"], 8);
    let other = SMALL_SWEEP
        .replace("\"small\"", "\"other\"")
        .replace("8, 16", "32, 64");
    let file = place.write("other.toml", other);
    let submit = [
        "sweep",
        "submit",
        file.to_str().unwrap(),
        "--coordinator",
        &address,
    ];
    let refused = refusal(&place.nrp(&submit).output().unwrap());
    let expected = "sweep `other` is refused: it adds 8 trials to 8 that have no outcome yet, and the limit is 10";
    assert!(refused.replace("\n", " ").contains(expected), "{refused}");
    assert!(refused.contains("--max-open-trials"), "{refused}");
}
