//! Questions about results from the command line: filters, fronts, marginals, files for other
//! programs, and the page that Prometheus reads.

use crate::harness::{Killed, Place, SMALL_SWEEP, json, refusal};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Stdio;

fn numbers(rows: &Value, field: &str) -> Vec<f64> {
    let rows = rows.as_array().unwrap().iter();
    rows.map(|row| row[field].as_f64().unwrap()).collect()
}

#[test]
fn results_are_filtered_tabulated_and_exported() {
    let place = Place::new();
    let file = place.write("small.toml", SMALL_SWEEP);
    json(&place.run(&file).output().unwrap());
    let ask = |arguments: &[&str]| {
        let mut command = place.nrp(arguments);
        command.args(["--state", "state"]);
        command
    };
    let document = |arguments: &[&str]| {
        let mut command = ask(arguments);
        json(&command.args(["--output", "json"]).output().unwrap())
    };

    let best = document(&["best", "--top", "9", "--region", "V4"]);
    let losses = numbers(&best, "validation_mse");
    assert_eq!(losses.len(), 4);
    assert!(losses.is_sorted(), "{losses:?}");
    let filters = ["--where", "l1=16", "--where", "learning_rate<=0.001"];
    let best = document(&[&["best", "--top", "9"], &filters[..]].concat());
    assert_eq!(numbers(&best, "l1"), [16.0, 16.0], "one in each region");

    let front = document(&["best", "--pareto", "--region", "V4"]);
    assert!(numbers(&front, "parameters").is_sorted());
    let losses = numbers(&front, "validation_mse");
    assert!(losses.is_sorted_by(|a, b| a > b), "{losses:?}");

    let cells = document(&["marginals", "--by", "l1,learning_rate", "--region", "V4"]);
    assert_eq!(numbers(&cells, "l1"), [8.0, 8.0, 16.0, 16.0]);
    assert_eq!(numbers(&cells, "learning_rate"), [1e-3, 3e-3, 1e-3, 3e-3]);
    assert_eq!(numbers(&cells, "trials"), [1.0; 4]);
    let text = ask(&["marginals", "--by", "l1"]).output().unwrap().stdout;
    assert!(String::from_utf8_lossy(&text).contains("V4 (simulated)"));

    let error = refusal(&ask(&["best", "--where", "l7=1"]).output().unwrap());
    assert!(error.contains("unknown axis `l7`"), "{error}");

    let export = |format: &str| {
        let output = ask(&["export", "--where", "l1=8", "--format", format]).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{format}");
        output.stdout
    };
    let csv = export("csv");
    assert_eq!(String::from_utf8(csv).unwrap().lines().count(), 1 + 4);
    let parquet = export("parquet");
    assert!(parquet.starts_with(b"PAR1") && parquet.ends_with(b"PAR1"));
}

#[test]
fn prometheus_can_read_a_coordinator() {
    let place = Place::new();
    let mut command = place.nrp(&["coordinator", "--listen", "127.0.0.1:0", "--state", "state"]);
    command.args(["--metrics-listen", "127.0.0.1:0", "--log-format", "json"]);
    let spawned = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let mut coordinator = Killed(spawned.unwrap());
    let lines = BufReader::new(coordinator.0.stderr.take().unwrap()).lines();
    let mut lines = lines.map(|line| line.unwrap());
    let line = lines.find(|line| line.contains("/metrics")).unwrap();
    let address = line.split("http://").nth(1).unwrap();
    let address = address.strip_suffix("/metrics").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    assert!(page.contains("application/openmetrics-text"), "{page}");
    assert!(page.contains("\nnrp_workers 0\n"), "{page}");
}
