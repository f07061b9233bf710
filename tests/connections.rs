//! Silent sockets: a coordinator with few descriptors answers clients and keeps its workers' leases
//! alive, however many silent sockets are open.

use crate::harness::{
    ANY, Killed, Place, SMALL_SWEEP, events, json, status, submit, wait_for, worker,
};
use serde_json::Value;
use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// How many descriptors the coordinator may have.
const DESCRIPTORS: u32 = 256;
/// How many silent sockets are opened.
const SILENT: usize = 370;
/// How long a client may take: far less than any silent socket stays open.
const SECONDS: Duration = Duration::from_secs(10);

/// A coordinator with few descriptors, and its address; its log goes to the file `log`.
fn coordinator(place: &Place, arguments: &[&str]) -> (Killed, String) {
    let nrp = env!("CARGO_BIN_EXE_nrp");
    let script = format!("ulimit -n {DESCRIPTORS}; exec \"$@\"");
    let mut command = Command::new("sh");
    command
        .args(["-c", &script, "sh", nrp, "coordinator", "--state", "state"])
        .args(["--listen", ANY, "--lease", "3s"])
        .args(arguments)
        .current_dir(place.directory.path())
        .env_remove("NRP_LOG")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(place.path("log")).unwrap());
    let process = Killed(command.spawn().unwrap());
    let address = wait_for("the coordinator's address", || {
        std::fs::read_to_string(place.path("state/address")).ok()
    });
    (process, address)
}

fn log(place: &Place) -> String {
    std::fs::read_to_string(place.path("log")).unwrap()
}

/// Opens silent sockets, fewer if the other end's queue is full.
fn silent(address: &str) -> Vec<TcpStream> {
    let address = address.parse().unwrap();
    let connect = |_| TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok();
    (0..SILENT).filter_map(connect).collect()
}

/// The answer of a command, if it comes in time.
fn answer(place: &Place, arguments: &[&str]) -> Output {
    let mut command = place.nrp(arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let started = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if started.elapsed() > SECONDS {
            child.kill().unwrap();
            panic!(
                "`nrp {}` takes longer than {SECONDS:?}",
                arguments.join(" ")
            );
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    child.wait_with_output().unwrap()
}

#[test]
fn silent_sockets_keep_neither_clients_nor_workers_out() {
    let place = Place::new();
    let (_served, address) = coordinator(&place, &[]);
    // Longer than a lease, so that leases are renewed under siege.
    let sweep = SMALL_SWEEP
        .replace("l1 = [8, 16]", "l1 = [8, 16, 24, 32]")
        .replace("max_epochs = 12", "max_epochs = 250");
    submit(&place, &address, &sweep);
    let _worker = worker(&place, &address, "w");
    wait_for("a job", || {
        (!events(&place, "lease_granted").is_empty()).then_some(())
    });
    let mut held = silent(&address);
    assert!(held.len() > DESCRIPTORS as usize, "{} sockets", held.len());
    let arguments = [
        "sweep",
        "list",
        "--coordinator",
        &address,
        "--output",
        "json",
    ];
    for _ in 0..3 {
        let listed = json(&answer(&place, &arguments));
        assert_eq!(listed.as_array().unwrap().len(), 1);
        held.extend(silent(&address));
    }
    // A worker that joins now is accepted as well.
    let _late = worker(&place, &address, "late");
    wait_for("the sweep's end", || {
        (status(&place, &address)["state"] == "finished").then_some(())
    });
    drop(held);
    assert_eq!(events(&place, "lease_ended"), [] as [Value; 0]);
    let log = log(&place);
    assert!(log.contains("so many connections say nothing"), "{log}");
    let told = log.matches("so many connections say nothing").count();
    assert!(told <= 5, "at most once a minute: {log}");
}

#[test]
fn silent_sockets_do_not_keep_metrics_from_being_read() {
    let place = Place::new();
    let (_served, _) = coordinator(&place, &["--metrics-listen", ANY]);
    let address = wait_for("the metrics' address", || {
        let log = log(&place);
        let (_, rest) = log.split_once("metrics are at http://")?;
        Some(rest.split_once("/metrics\n")?.0.to_owned())
    });
    let _held = silent(&address);
    let mut stream = TcpStream::connect(&address).unwrap();
    stream.set_read_timeout(Some(SECONDS)).unwrap();
    let request = "GET /metrics HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    assert!(page.contains("# EOF"), "{page}");
}
