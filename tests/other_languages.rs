//! Other programs: pyarrow and pandas read an export, a Python client knows the service by
//! reflection alone, and a collector receives traces. `NRP_TEST_PYTHON` names a Python that has
//! what they need; without it these tests skip.

use crate::harness::{ANY, Place, SMALL_SWEEP, coordinator, json};
use serde_json::Value;
use std::path::PathBuf;
use std::process::Command;

/// Runs a script with a Python that has `modules`; `None` if there is no such Python.
fn python(script: &str, modules: &str) -> Option<Command> {
    let program = std::env::var_os("NRP_TEST_PYTHON").unwrap_or("python3".into());
    let import = format!("import {modules}");
    let found = Command::new(&program).args(["-c", &import]).output();
    if !found.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: {} cannot import {modules}", program.display());
        return None;
    }
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/python")
        .join(script);
    let mut command = Command::new(program);
    command.arg(script);
    Some(command)
}

/// A place with the results of a small sweep.
fn finished() -> Place {
    let place = Place::new();
    let file = place.write("small.toml", SMALL_SWEEP);
    json(&place.run(&file).output().unwrap());
    place
}

/// The output of a script, which must have succeeded.
fn said(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn pyarrow_and_pandas_read_an_export() {
    let Some(mut compare) = python("compare.py", "pyarrow, pandas") else {
        return;
    };
    let place = finished();
    for (format, file) in [("parquet", "results.parquet"), ("jsonl", "results.jsonl")] {
        let export = place
            .nrp(&["export", "--state", "state", "--format", format])
            .output();
        compare.arg(place.write(file, export.unwrap().stdout));
    }
    let said = said(&mut compare);
    assert!(said.starts_with("8 rows"), "{said}");
}

#[test]
fn a_python_client_asks_by_reflection() {
    let Some(mut ask) = python("ask.py", "grpc_reflection.v1alpha") else {
        return;
    };
    let place = finished();
    let (_served, address) = coordinator(&place, ANY, &[]);
    let said: Value = serde_json::from_str(&said(ask.args([&address, "2"]))).unwrap();
    let services: Vec<&str> = said["services"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(Value::as_str)
        .collect();
    for service in [
        "grpc.health.v1.Health",
        "nrp.v1.Admin",
        "nrp.v1.Sweeps",
        "nrp.v1.Workers",
    ] {
        assert!(services.contains(&service), "{services:?}");
    }
    assert_eq!(said["health"]["status"], "SERVING");
    let best = place
        .nrp(&["best", "--state", "state", "--top", "2", "--output", "json"])
        .output();
    let expected = json(&best.unwrap());
    let rows = said["best"]["rows"].as_array().unwrap();
    let ids = |row: &Value| {
        row["best"]
            .as_array()
            .unwrap()
            .iter()
            .map(|trial| trial["id"].clone())
            .collect::<Vec<_>>()
    };
    let found: Vec<Value> = rows.iter().flat_map(ids).collect();
    let expected: Vec<Value> = expected
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["trial"].clone())
        .collect();
    assert_eq!(found, expected);
}

#[cfg(feature = "otlp")]
#[test]
fn a_collector_gets_the_calls_of_a_coordinator() {
    use crate::harness::{Killed, wait_for};
    use std::io::{BufRead, BufReader, Read};

    let Some(mut collect) = python("collect.py", "grpc, opentelemetry.proto.collector.trace.v1")
    else {
        return;
    };
    let place = Place::new();
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let endpoint = format!("127.0.0.1:{port}");
    let collecting = collect
        .arg(&endpoint)
        .stdout(std::process::Stdio::piped())
        .spawn();
    let mut collecting = Killed(collecting.unwrap());
    let mut said = BufReader::new(collecting.0.stdout.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    let mut serve = place.nrp(&["coordinator", "--state", "state", "--listen", ANY]);
    serve.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{endpoint}"));
    let _served = Killed::spawn(&mut serve);
    let address = wait_for("the coordinator's address", || {
        std::fs::read_to_string(place.path("state/address")).ok()
    });
    let listed = place
        .nrp(&["sweep", "list", "--coordinator", &address])
        .output();
    assert!(listed.unwrap().status.success());
    let mut spans = String::new();
    said.read_to_string(&mut spans).unwrap();
    assert!(spans.contains("nrp call /nrp.v1.Sweeps/List"), "{spans}");
}
