//! The activation cache with real processes: kills during extraction, two processes on one machine,
//! a budget that is too small, and `nrp cache`.

use crate::harness::{Killed, Place, SMALL_SWEEP, asked, json, refusal, wait_for};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Stimuli of the simulated set.
const STIMULI: usize = 320;

/// Three layer sets over two layers, and little training.
fn sweep() -> String {
    SMALL_SWEEP
        .replace(
            r#"[["global_average_pooling2d"]]"#,
            r#"[["global_average_pooling2d"], ["conv_pw_13_relu"],
                ["conv_pw_13_relu", "global_average_pooling2d"]]"#,
        )
        .replace("l1 = [8, 16]", "l1 = [8]")
        .replace("learning_rate = [1e-3, 3e-3]", "learning_rate = [1e-3]")
        .replace("max_epochs = 12", "max_epochs = 2")
}

/// `nrp run` with a cache of its own, which logs on stderr what it extracts.
fn run(place: &Place, file: &Path, arguments: &[&str]) -> Command {
    let mut command = place.nrp(&["run"]);
    command
        .arg(file)
        .args(["--state", "state", "--cache", "cache", "--output", "json"])
        .args(arguments)
        .env("NRP_LOG", "nrp_worker=debug");
    command
}

/// The first stimulus of each pass and of each batch in a log.
fn passes_and_batches(log: &str) -> (Vec<usize>, Vec<usize>) {
    let firsts = |what: &str| {
        let lines = log.lines().filter(|line| line.contains(what));
        let first = |line: &str| {
            let (_, rest) = line.split_once("first=").unwrap();
            rest.split(' ').next().unwrap().parse().unwrap()
        };
        lines.map(first).collect()
    };
    (
        firsts("running an ANN on the stimuli"),
        firsts("extracted a batch"),
    )
}

fn with_extension(place: &Place, extension: &str) -> BTreeMap<PathBuf, Vec<u8>> {
    let Ok(entries) = std::fs::read_dir(place.path("cache")) else {
        return BTreeMap::new();
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    let paths = paths.filter(|path| path.extension().is_some_and(|e| e == extension));
    let named = |path: PathBuf| {
        let bytes = std::fs::read(&path).ok()?;
        Some((path.file_name().unwrap().into(), bytes))
    };
    paths.filter_map(named).collect()
}

/// The fewest rows that any progress log counts.
fn rows_logged(place: &Place) -> Option<usize> {
    let logs = with_extension(place, "rows");
    let rows = |log: &Vec<u8>| {
        let log = String::from_utf8_lossy(log).into_owned();
        let last = log.rsplit_terminator('\n').next()?;
        last.split(' ').next()?.parse().ok()
    };
    let rows: Option<Vec<usize>> = logs.values().map(rows).collect();
    rows?.into_iter().min()
}

#[test]
fn an_extraction_killed_twice_redoes_no_batch_and_ends_in_the_same_bytes() {
    let untouched = Place::new();
    let file = untouched.write("sweep.toml", sweep());
    let output = run(&untouched, &file, &[]).output().unwrap();
    json(&output);
    let (passes, batches) = passes_and_batches(&String::from_utf8_lossy(&output.stderr));
    assert_eq!(passes, [0], "three layer sets, one pass");
    let batch = batches[1];
    assert_eq!(batches, (0..STIMULI).step_by(batch).collect::<Vec<_>>());

    let place = Place::new();
    let file = place.write("sweep.toml", sweep());
    let mut kept = 0;
    let mut extracted = Vec::new();
    for kill in 0..2 {
        let log = place.path("stderr");
        let mut running = run(&place, &file, &[]);
        running.stdout(Stdio::null());
        running.stderr(std::fs::File::create(&log).unwrap());
        let mut running = Killed(running.spawn().unwrap());
        wait_for("another three batches", || {
            (rows_logged(&place)? >= kept + 3 * batch).then_some(())
        });
        running.kill();
        let log = std::fs::read_to_string(log).unwrap();
        let (passes, batches) = passes_and_batches(&log);
        assert_eq!(passes, [kept], "kill {kill}");
        // The batch that was being written when the process was killed may be there in part.
        extracted.extend(batches);
        let now = rows_logged(&place).unwrap();
        assert!(now > kept && now < STIMULI, "{now} after {kept}");
        extracted.extend((extracted.last().unwrap() + batch..now).step_by(batch));
        kept = now;
    }
    let output = run(&place, &file, &[]).output().unwrap();
    json(&output);
    let (passes, batches) = passes_and_batches(&String::from_utf8_lossy(&output.stderr));
    assert_eq!(passes, [kept]);
    extracted.extend(batches);
    assert_eq!(extracted, (0..STIMULI).step_by(batch).collect::<Vec<_>>());

    let layers = with_extension(&place, "act");
    assert_eq!(layers.len(), 2);
    assert!(layers == with_extension(&untouched, "act"), "other bytes");
    let left = ["part", "rows"].map(|extension| with_extension(&place, extension).len());
    assert_eq!(left, [0, 0]);
}

#[test]
fn two_workers_of_one_machine_extract_a_layer_once() {
    let place = Place::new();
    let address = "127.0.0.1:0";
    let mut served =
        Killed::spawn(&mut place.nrp(&["coordinator", "--listen", address, "--state", "state"]));
    let address = wait_for("the coordinator", || {
        let address = std::fs::read_to_string(place.path("state/address")).ok()?;
        let address = address.trim().to_owned();
        std::net::TcpStream::connect(&address).ok().map(|_| address)
    });
    let mut workers = Vec::new();
    for name in ["one", "other"] {
        let mut worker = place.nrp(&[
            "worker",
            "--coordinator",
            &address,
            "--name",
            name,
            "--cache",
            "cache",
            "--lanes",
            "1",
        ]);
        worker.env("NRP_LOG", "nrp_worker=debug");
        worker.stdout(Stdio::null());
        worker.stderr(std::fs::File::create(place.path(name)).unwrap());
        workers.push(Killed(worker.spawn().unwrap()));
    }
    // A worker that comes first would get everything, and one with several lanes everything that is
    // left.
    wait_for("two workers", || {
        let workers = asked(&place, &["workers", "list", "--coordinator", &address]);
        (workers.as_array().unwrap().len() == 2).then_some(())
    });
    // The jobs of V4 and IT need the same layer.
    let file = place.write("sweep.toml", SMALL_SWEEP);
    let submit = place
        .nrp(&["sweep", "submit", "--coordinator", &address])
        .arg(file)
        .output();
    assert!(submit.unwrap().status.success());
    let watch = place
        .nrp(&[
            "sweep",
            "watch",
            "--coordinator",
            &address,
            "--output",
            "json",
        ])
        .output();
    assert_eq!(json(&watch.unwrap())[0]["state"], "finished");
    for worker in &mut workers {
        worker.kill();
    }
    served.kill();
    let passes = ["one", "other"].map(|name| {
        let log = std::fs::read_to_string(place.path(name)).unwrap();
        passes_and_batches(&log).0.len()
    });
    assert_eq!(passes.iter().sum::<usize>(), 1, "{passes:?}");
    let trained: std::collections::BTreeSet<String> = place
        .trials()
        .iter()
        .map(|trial| trial["worker"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(trained.len(), 2, "both had work");
}

#[test]
fn a_budget_that_one_job_exceeds_is_refused_with_the_numbers() {
    let place = Place::new();
    let file = place.write("sweep.toml", SMALL_SWEEP);
    let refused = run(&place, &file, &["--cache-size", "1MB"])
        .output()
        .unwrap();
    let error = refusal(&refused);
    assert!(
        error.contains("take 1.3 MB as f32, and the cache may take 1.0 MB"),
        "{error}"
    );
    assert!(error.contains("--cache-size"), "{error}");
    assert_eq!(passes_and_batches(&error), (vec![], vec![]));
    let wrong = run(&place, &file, &["--cache-size", "much"])
        .output()
        .unwrap();
    assert_eq!(wrong.status.code(), Some(2));
    // Layers of half the size fit, and the trials say which format they were trained on.
    let arguments = ["--cache-size", "1MB", "--cache-dtype", "f16"];
    json(&run(&place, &file, &arguments).output().unwrap());
    for trial in place.trials() {
        assert_eq!(trial["cache_dtype"], "f16");
    }
}

#[test]
fn a_budget_for_one_layer_at_a_time_is_kept_to() {
    let place = Place::new();
    let sweep = SMALL_SWEEP
        .replace("[recordings]", "[recordings]\nregions = [\"V4\"]")
        .replace(
            r#"[["global_average_pooling2d"]]"#,
            r#"[["conv_pw_13_relu"], ["global_average_pooling2d"]]"#,
        )
        .replace("l1 = [8, 16]", "l1 = [8]")
        .replace("max_epochs = 12", "max_epochs = 2");
    let file = place.write("sweep.toml", sweep);
    // The wide layer has 64.2 MB, the narrow one 1.3 MB.
    let output = run(&place, &file, &["--cache-size", "65MB"]).output();
    let output = output.unwrap();
    json(&output);
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(passes_and_batches(&log).0, [0, 0], "no room for one pass");
    let layers = with_extension(&place, "act");
    assert_eq!(layers.len(), 1, "the one used last");
    assert!(layers.values().all(|bytes| bytes.len() < 2_000_000));
    for trial in place.trials() {
        assert_eq!(trial["state"], "finished");
    }
}

#[test]
fn a_cache_is_listed_verified_and_pruned() {
    let place = Place::new();
    let cache = |arguments: &[&str]| {
        let mut command = place.nrp(&["cache"]);
        command.args(arguments).args(["--output", "json"]);
        command.output().unwrap()
    };
    let missing = refusal(&cache(&["list", "--cache", "cache"]));
    assert!(missing.contains("no activation cache"), "{missing}");
    let file = place.write("sweep.toml", SMALL_SWEEP);
    json(&run(&place, &file, &[]).output().unwrap());

    let listed = json(&cache(&["list", "--cache", "cache"]));
    let row = &listed[0];
    for (field, value) in [
        ("layer", Value::from("global_average_pooling2d")),
        ("ann", "mobilenet".into()),
        ("weights", "random:1".into()),
        ("dtype", "f32".into()),
        ("state", "whole".into()),
    ] {
        assert_eq!(row[field], value, "{field}");
    }
    assert_eq!(listed.as_array().unwrap().len(), 1);
    let bytes = row["bytes"].as_u64().unwrap();
    assert!(bytes > 4 * 1024 * STIMULI as u64, "{bytes}");
    assert_eq!(
        cache(&["verify", "--cache", "cache"]).status.code(),
        Some(0)
    );

    let file = PathBuf::from(row["file"].as_str().unwrap());
    let file = place.path(file.to_str().unwrap());
    let mut content = std::fs::read(&file).unwrap();
    content[5_000] ^= 1;
    std::fs::write(&file, content).unwrap();
    let verified = cache(&["verify", "--cache", "cache"]);
    assert_eq!(verified.status.code(), Some(1));
    let rows: Value = serde_json::from_slice(&verified.stdout).unwrap();
    assert_eq!(rows[0]["state"], "damaged");
    let stderr = String::from_utf8_lossy(&verified.stderr).into_owned();
    assert!(
        stderr.contains(file.file_name().unwrap().to_str().unwrap()),
        "{stderr}"
    );

    assert_eq!(cache(&["prune", "--cache", "cache"]).status.code(), Some(2));
    for kept in [
        &["prune", "--cache", "cache", "--older-than", "1h"][..],
        &["prune", "--cache", "cache", "--to", "1GB"],
        &["prune", "--cache", "cache", "--partial"],
    ] {
        assert_eq!(json(&cache(kept)), Value::Array(vec![]));
    }
    let dry = json(&cache(&[
        "prune",
        "--cache",
        "cache",
        "--damaged",
        "--dry-run",
    ]));
    assert_eq!(
        (&dry[0]["state"], &dry[0]["in_use"]),
        (&"damaged".into(), &false.into())
    );
    assert!(file.exists());
    json(&cache(&["prune", "--cache", "cache", "--damaged"]));
    assert!(!file.exists());
    assert_eq!(
        json(&cache(&["list", "--cache", "cache"])),
        Value::Array(vec![])
    );
}
