//! The files in `deploy/` work: the tests run their command lines.

use crate::harness::{
    Killed, Place, SMALL_SWEEP, asked, json, shared_cache, signal, status, submit, wait_for,
};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

fn deploy(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("deploy")
        .join(file)
}

/// The command of a systemd unit, with its paths replaced by those of `place`.
fn exec_start(place: &Place, unit: &str, replaced: &[(&str, &str)]) -> Command {
    let unit = std::fs::read_to_string(deploy(unit)).unwrap();
    let mut lines = unit.lines();
    let line = lines.find_map(|line| line.strip_prefix("ExecStart=/usr/local/bin/nrp "));
    let mut line = line.unwrap().to_owned();
    for (there, here) in replaced {
        assert!(line.contains(there), "`{there}` is not in `{line}`");
        line = line.replace(there, here);
    }
    place.nrp(&line.split_whitespace().collect::<Vec<_>>())
}

#[test]
fn services_and_slurm_workers_finish_a_sweep_and_leave_when_told() {
    let place = Place::new();
    let cache = shared_cache();
    let cache = cache.to_str().unwrap();
    let _served = Killed::spawn(&mut exec_start(
        &place,
        "systemd/nrp-coordinator.service",
        &[
            ("0.0.0.0:7321", "127.0.0.1:0"),
            ("${STATE_DIRECTORY}", "state"),
        ],
    ));
    let address = wait_for("the coordinator's address", || {
        std::fs::read_to_string(place.path("state/address")).ok()
    });
    let mut service = exec_start(
        &place,
        "systemd/nrp-worker.service",
        &[("%H", "host"), ("${CACHE_DIRECTORY}", cache)],
    );
    let mut workers = vec![Killed::spawn(service.env("NRP_COORDINATOR", &address))];
    for task in ["1", "2"] {
        let mut slurm = Command::new("bash");
        slurm
            .arg(deploy("slurm/nrp-workers.sbatch"))
            .env("NRP", env!("CARGO_BIN_EXE_nrp"))
            .env("NRP_COORDINATOR", &address)
            .env("NRP_CACHE", cache)
            .env("NRP_SPOOL", place.path("spool"))
            .env("SLURM_ARRAY_JOB_ID", "77")
            .env("SLURM_ARRAY_TASK_ID", task)
            .current_dir(place.path(""))
            .stdin(Stdio::null());
        workers.push(Killed::spawn(&mut slurm));
    }
    submit(&place, &address, SMALL_SWEEP);
    wait_for("three workers", || {
        let listed = asked(&place, &["workers", "list", "--coordinator", &address]);
        let workers = listed.as_array().unwrap().iter();
        let mut names: Vec<_> = workers
            .map(|worker| worker["worker"].as_str().unwrap())
            .collect();
        names.sort_unstable();
        (names == ["host", "slurm-77-1", "slurm-77-2"]).then_some(())
    });
    wait_for("the sweep's end", || {
        (status(&place, &address)["state"] == "finished").then_some(())
    });
    for worker in &mut workers {
        signal(&worker.0, "TERM");
        assert!(worker.0.wait().unwrap().success());
    }
    assert_eq!(place.trials().len(), 8);
    let best = place
        .nrp(&["best", "--coordinator", &address, "--output", "json"])
        .output();
    assert_eq!(json(&best.unwrap()).as_array().unwrap().len(), 3);
}

/// The grace that the job script gives a worker if `scontrol` prints this configuration.
fn slurm_grace(configuration: Option<&str>, given: Option<&str>) -> Duration {
    let place = Place::new();
    let scontrol = match configuration {
        Some(line) => format!("#!/bin/sh\necho 'KillOnBadExit = 0'\necho '{line}'\n"),
        None => "#!/bin/sh\nexit 1\n".to_owned(),
    };
    let scontrol = place.write("scontrol", scontrol);
    std::fs::set_permissions(&scontrol, PermissionsExt::from_mode(0o755)).unwrap();
    let path = std::env::var("PATH").unwrap();
    let mut script = Command::new("bash");
    script
        .arg(deploy("slurm/nrp-workers.sbatch"))
        .env("PATH", format!("{}:{path}", place.path("").display()))
        // `echo` prints the arguments that `nrp` would get.
        .env("NRP", "echo")
        .env("NRP_COORDINATOR", "head:7321")
        .env("SLURM_JOB_ID", "77");
    if let Some(given) = given {
        script.env("NRP_GRACE", given);
    }
    let output = script.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let line = String::from_utf8(output.stdout).unwrap();
    let mut words = line
        .split_whitespace()
        .skip_while(|word| *word != "--grace");
    humantime::parse_duration(words.nth(1).unwrap()).unwrap()
}

#[test]
fn a_worker_under_slurm_hands_back_before_it_is_killed() {
    let seconds = Duration::from_secs;
    let kill_wait = |seconds: u64| format!("KillWait                = {seconds} sec");
    assert_eq!(
        slurm_grace(None, None),
        seconds(20),
        "Slurm's own 30 s, less ten"
    );
    for (wait, grace) in [(30, 20), (60, 50), (300, 290), (12, 2), (10, 0), (5, 0)] {
        assert_eq!(
            slurm_grace(Some(&kill_wait(wait)), None),
            seconds(grace),
            "{wait}"
        );
    }
    assert_eq!(slurm_grace(Some(&kill_wait(30)), Some("1m")), seconds(60));
    // An additional signal before the end of the time would only end the job earlier.
    let script = std::fs::read_to_string(deploy("slurm/nrp-workers.sbatch")).unwrap();
    assert!(
        !script
            .lines()
            .any(|line| line.starts_with("#SBATCH --signal"))
    );
}
