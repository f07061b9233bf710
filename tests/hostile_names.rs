//! Hostile names: escape sequences, marks that reorder text, line breaks and formulas in files that
//! a user gets from others. None of them reaches a terminal.

use crate::harness::{Place, shared_cache};
use std::path::Path;
use std::process::Output;

/// An escape sequence, the same as one character, a line that looks like ours, and a mark that
/// reorders text.
const HOSTILE: &str = "=A\u{1b}[2J\u{9b}31m\nhint: run `sh`\n\u{202e}";

/// The same, escaped for TOML.
fn in_toml(text: &str) -> String {
    serde_json::to_string(text)
        .unwrap()
        .replace('\u{9b}', "\\u009b")
        .replace('\u{202e}', "\\u202e")
}

#[track_caller]
fn assert_plain(what: &str, bytes: &[u8]) {
    let text = std::str::from_utf8(bytes).unwrap();
    let harmful = |letter: char| {
        letter.is_control() && letter != '\n' || ('\u{202a}'..='\u{202e}').contains(&letter)
    };
    assert!(!text.contains(harmful), "{what}: {text:?}");
    assert!(
        !text.lines().any(|line| line.starts_with("hint: run `sh`")),
        "{what}: {text}"
    );
}

#[track_caller]
fn said(place: &Place, arguments: &[&str]) -> Output {
    let output = place.nrp(arguments).output().unwrap();
    let code = output.status.code();
    assert!(matches!(code, Some(0 | 1)), "{arguments:?}: {output:?}");
    assert_plain(&format!("{arguments:?}"), &output.stdout);
    assert_plain(&format!("{arguments:?}"), &output.stderr);
    output
}

fn text(output: &Output) -> String {
    let both = [output.stdout.as_slice(), &output.stderr].concat();
    String::from_utf8(both).unwrap()
}

fn testdata(name: &str) -> Vec<u8> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::read(manifest.join("worker/src").join(name)).unwrap()
}

fn replaced(bytes: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    assert_eq!(old.len(), new.len());
    let mut bytes = bytes.to_vec();
    let mut found = 0;
    while let Some(at) = bytes.windows(old.len()).position(|window| window == old) {
        bytes[at..at + old.len()].copy_from_slice(new);
        found += 1;
    }
    assert!(found > 0, "{}", String::from_utf8_lossy(old));
    bytes
}

#[test]
fn a_name_in_a_net_or_in_recordings_moves_no_cursor() {
    let place = Place::new();
    let net = testdata("ann/testdata/conv.onnx");
    let name = "\u{1b}[2J\u{9b}\n=abc";
    place.write("net.onnx", replaced(&net, b"/inner/Conv", name.as_bytes()));
    let listed = said(&place, &["ann", "layers", "net.onnx"]);
    assert!(
        text(&listed).contains(r"\u001b[2J\u009b\n=abc"),
        "{}",
        text(&listed)
    );
    let listed = said(&place, &["ann", "layers", "net.onnx", "--output", "json"]);
    let layers: Vec<serde_json::Value> = serde_json::from_slice(&listed.stdout).unwrap();
    assert!(
        layers.iter().any(|layer| layer["node"] == name),
        "JSON keeps the name"
    );

    let recordings = testdata("recording/testdata/newer-netcdf4.nc");
    place.write(
        "assembly.nc",
        replaced(&recordings, b"V4", "\u{9b}".as_bytes()),
    );
    std::fs::create_dir(place.path("images")).unwrap();
    place.write(
        &format!("images/{}.png", HOSTILE.replace('`', "")),
        "no picture",
    );
    let csv = format!("stimulus_id,filename,\"{HOSTILE}\"\ns0,\"{HOSTILE}\",1\ns1,b,2\n");
    place.write("stimuli.csv", csv);
    for files in [&["assembly.nc"][..], &["stimuli.csv"], &["images"]] {
        said(&place, &[&["data", "check"], files].concat());
        said(
            &place,
            &[&["data", "check", "--output", "json"], files].concat(),
        );
    }
    let all = ["data", "check", "assembly.nc", "stimuli.csv", "images"];
    let checked = said(&place, &all);
    assert!(text(&checked).contains(r"\u009b"), "{}", text(&checked));
}

#[test]
fn a_sweep_file_writes_no_line_of_ours() {
    let place = Place::new();
    let name = in_toml(HOSTILE);
    let sweep = |recordings: &str, ann: &str, rest: &str| {
        format!(
            "name = \"s\"\nrecordings = {{ assembly = {recordings} }}\n[[ann]]\nname = {ann}\n\
             weights = \"random:1\"\nlayer_sets = [[\"global_average_pooling2d\"]]\n{rest}"
        )
    };
    let (simulated, net) = ("\"simulated\"", "\"mobilenet\"");
    for (what, file) in [
        ("an ANN", sweep(simulated, &name, "")),
        ("a file", sweep(&name, net, "")),
        ("a key", sweep(simulated, net, &format!("{name} = 1\n"))),
        (
            "a value",
            sweep(simulated, net, &format!("[grid]\nlinear_path = [{name}]\n")),
        ),
        (
            "a type",
            sweep(simulated, net, &format!("[grid]\nl1 = [{name}]\n")),
        ),
        ("no TOML", format!("name = \"{HOSTILE}\"")),
        ("no TOML", "name = 1 \u{1b}[2J \u{9b}31m\n".to_owned()),
    ] {
        let file = place.write("sweep.toml", file);
        let refused = said(&place, &["sweep", "check", file.to_str().unwrap()]);
        assert_eq!(refused.status.code(), Some(1), "{what}: {refused:?}");
    }
    let path = format!("{HOSTILE}.toml").replace('`', "");
    for arguments in [
        &["sweep", "check", &path][..],
        &["best", "--state", &path],
        &["ann", "layers", HOSTILE],
        &["cache", "list", "--cache", &path],
        &["worker", "--device", HOSTILE],
        &[
            "worker",
            "--name",
            HOSTILE,
            "--coordinator",
            "127.0.0.1:1",
            "--idle-timeout",
            "0s",
        ],
    ] {
        let refused = said(&place, arguments);
        assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    }
}

#[test]
fn questions_and_answers_are_plain() {
    let place = Place::new();
    let file = place.write("sweep.toml", crate::harness::SMALL_SWEEP);
    let mut run = place.nrp(&["run", "--state", "state", "--cache"]);
    run.arg(shared_cache()).arg(&file);
    let run = run.output().unwrap();
    assert!(run.status.success(), "{}", text(&run));
    assert_plain("run", &run.stdout);
    assert_plain("run", &run.stderr);
    let state = ["--state", "state"];
    for question in [
        &["best", "--sweep", HOSTILE][..],
        &["best", "--ann", HOSTILE],
        &["best", "--region", HOSTILE],
        &["best", "--where", HOSTILE],
        &["trials", "--sweep", HOSTILE],
        &["marginals", "--by", HOSTILE],
        &["sweep", "status", HOSTILE],
        &["sweep", "explain", HOSTILE],
        &["workers", "drain", HOSTILE],
    ] {
        let answer = said(&place, &[question, &state].concat());
        assert_eq!(answer.status.code(), Some(1), "{question:?}: {answer:?}");
    }
}
