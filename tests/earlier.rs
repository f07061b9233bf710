//! Files that an earlier build wrote (`tests/earlier/README.md`): this build reads them, answers what the earlier
//! one answered, and exports the same values. Fields that came later are empty.

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

/// An answer without the fields that `before` lacks, all of which must be empty.
fn as_before(answer: &Value, before: &Value) -> Value {
    match (answer, before) {
        (Value::Array(answers), Value::Array(befores)) => {
            assert_eq!(answers.len(), befores.len());
            let pairs = answers.iter().zip(befores);
            pairs
                .map(|(answer, before)| as_before(answer, before))
                .collect()
        }
        (Value::Object(answers), Value::Object(befores)) => {
            let mut kept = serde_json::Map::new();
            for (name, answer) in answers {
                match befores.get(name) {
                    Some(before) => {
                        kept.insert(name.clone(), as_before(answer, before));
                    }
                    None => assert!(answer.is_null(), "{name}: {answer}"),
                }
            }
            Value::Object(kept)
        }
        (answer, _) => answer.clone(),
    }
}

/// The fields of a CSV file in lines, each with its column's name.
fn csv_rows(text: &[u8]) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_reader(text);
    let names = reader.headers().unwrap().clone();
    let row = |record: csv::StringRecord| {
        let names = names.iter().map(str::to_owned);
        names.zip(record.iter().map(str::to_owned)).collect()
    };
    reader
        .records()
        .map(|record| row(record.unwrap()))
        .collect()
}

/// Rows without the columns that `before` lacks, whose fields must all be `empty`.
fn columns_as_before(
    mut rows: Vec<BTreeMap<String, String>>,
    before: &[BTreeMap<String, String>],
    empty: &str,
) -> Vec<BTreeMap<String, String>> {
    for row in &mut rows {
        row.retain(|name, field| {
            let was_there = before[0].contains_key(name);
            assert!(was_there || field == empty, "{name}: {field}");
            was_there
        });
    }
    rows
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
    let before = csv_rows(&std::fs::read(earlier("trials.csv")).unwrap());
    let now = csv_rows(&export("csv"));
    assert_eq!(columns_as_before(now, &before, ""), before);
    let before = json_lines(&std::fs::read(earlier("trials.jsonl")).unwrap()).into();
    let now = json_lines(&export("jsonl")).into();
    assert_eq!(as_before(&now, &before), before);
    let now = place.write("now.parquet", export("parquet"));
    let before = parquet_rows(&earlier("trials.parquet"));
    let now = columns_as_before(parquet_rows(&now), &before, "Null");
    assert_eq!(now, before);
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
        assert_eq!(as_before(&answer, &before), before, "{file}");
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
    assert_eq!(as_before(&again, &before), before);

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
