//! Files that an earlier build wrote (`tests/earlier/README.md`): this build reads them, answers what the earlier
//! one answered, and exports the same values, CSV to the byte.

use crate::harness::{Place, json};
use parquet::file::reader::{FileReader, SerializedFileReader};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A file that the earlier build wrote.
fn earlier(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/earlier")
        .join(name)
}

/// Copies a directory of the earlier build's, and its directories, into `to`.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// A place with the earlier build's state, cache, sweep files and ANN.
fn place() -> Place {
    let place = Place::new();
    copy(&earlier(""), &place.path(""));
    let net = Path::new(env!("CARGO_MANIFEST_DIR")).join("worker/src/ann/testdata/conv.onnx");
    std::fs::copy(net, place.path("conv.onnx")).unwrap();
    place
}

/// What `nrp` prints on stdout; it must succeed.
fn stdout(place: &Place, arguments: &[&str]) -> Vec<u8> {
    let output = place.nrp(arguments).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {stderr}");
    output.stdout
}

/// JSON Lines, without the order of their keys.
fn json_lines(lines: &[u8]) -> Vec<Value> {
    let lines = serde_json::Deserializer::from_slice(lines).into_iter();
    lines.map(|line| line.unwrap()).collect()
}

/// The rows of a Parquet file: each column's value by its name.
fn parquet_rows(file: &Path) -> Vec<BTreeMap<String, String>> {
    let reader = SerializedFileReader::new(std::fs::File::open(file).unwrap()).unwrap();
    let rows = reader.get_row_iter(None).unwrap().map(|row| {
        let row = row.unwrap();
        let columns = row.get_column_iter();
        columns
            .map(|(name, value)| (name.clone(), format!("{value:?}")))
            .collect()
    });
    rows.collect()
}

/// Holds every answer from the state in `place` to the earlier build's.
fn same_answers(place: &Place) {
    let export = |format| {
        stdout(
            place,
            &[
                "export",
                "--state",
                "state",
                "--all-sweeps",
                "--format",
                format,
            ],
        )
    };
    let before = std::fs::read(earlier("trials.csv")).unwrap();
    assert!(export("csv") == before, "the CSV differs");
    let before = std::fs::read(earlier("trials.jsonl")).unwrap();
    assert_eq!(json_lines(&export("jsonl")), json_lines(&before));
    let now = place.write("now.parquet", export("parquet"));
    assert_eq!(parquet_rows(&now), parquet_rows(&earlier("trials.parquet")));
    let search = ["--state", "state", "--sweep", "search", "--output", "json"];
    for (question, file) in [
        (&["best"][..], "best-search.json"),
        (
            &["marginals", "--by", "l1", "--by", "l2"],
            "marginals-search.json",
        ),
    ] {
        let answer: Value =
            serde_json::from_slice(&stdout(place, &[question, &search].concat())).unwrap();
        let before = std::fs::read(earlier(file)).unwrap();
        let before: Value = serde_json::from_slice(&before).unwrap();
        assert_eq!(answer, before, "{file}");
    }
}

#[test]
fn a_state_directory_of_an_earlier_build_answers_as_it_did() {
    let place = place();
    same_answers(&place);
    let journal = std::fs::read(place.path("state/journal.jsonl")).unwrap();
    let before = std::fs::read(earlier("state/journal.jsonl")).unwrap();
    assert!(journal == before, "reading changed the journal");

    // The index says what the journal says: made again, it answers the same.
    std::fs::remove_dir_all(place.path("state/index")).unwrap();
    same_answers(&place);
}

#[test]
fn a_sweep_of_an_earlier_build_goes_on_with_its_trials_and_its_cache() {
    let place = place();
    let run = |file: &str, state: &str| {
        let run = [
            "run", file, "--state", state, "--cache", "cache", "--output", "json",
        ];
        json(&place.nrp(&run).output().unwrap())
    };
    // Nothing is left to train: the trials have the ids that they had.
    let again = run("search.toml", "state");
    let before: Value =
        serde_json::from_slice(&std::fs::read(earlier("best-search.json")).unwrap()).unwrap();
    assert_eq!(again, before);

    // In a state of its own the sweep trains anew, from the activations that are cached.
    let layers = || -> Vec<(PathBuf, Vec<u8>)> {
        let files = std::fs::read_dir(place.path("cache")).unwrap();
        let files = files.map(|entry| entry.unwrap().path());
        let layers = files.filter(|path| path.extension().is_some_and(|end| end == "act"));
        let read = layers.map(|path| (path.clone(), std::fs::read(&path).unwrap()));
        read.collect()
    };
    let cached = layers();
    assert_eq!(cached.len(), 1);
    run("other.toml", "new");
    assert!(layers() == cached, "activations were extracted again");
}
