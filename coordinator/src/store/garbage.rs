//! Garbage: whatever bytes a journal has, reading it ends. Either it gives what was written, up to
//! some point, or it is refused with the reason.

use super::files::{Directory, JOURNAL};
use super::journal::Journal;
use super::samples::{failed, finished, granted, stamped, submitted, sweep, trials};
use super::{StoreError, line};
use crate::scheduler::Fact;
use proptest::prelude::*;
use std::fs;
use std::path::Path;

fn open(dir: &Path) -> Result<(Journal, Vec<Fact>), StoreError> {
    let mut facts = Vec::new();
    let visit = &mut |_, fact| {
        facts.push(fact);
        Ok(())
    };
    let (journal, _) = Journal::open(Box::new(Directory::new(dir)), visit)?;
    Ok((journal, facts))
}

fn read(bytes: &[u8]) -> Result<Vec<Fact>, StoreError> {
    let dir = tempfile::tempdir().expect("a directory");
    fs::write(dir.path().join(JOURNAL), bytes).expect("is written");
    open(dir.path()).map(|(_, facts)| facts)
}

/// The bytes of a journal with some facts.
fn written() -> (Vec<u8>, Vec<Fact>) {
    let dir = tempfile::tempdir().expect("a directory");
    let (mut journal, _) = open(dir.path()).expect("opens");
    let spec = sweep("a", 2);
    let ids = trials(&spec);
    let facts = [
        submitted(&spec),
        granted(&ids),
        finished(ids[0], 0.5),
        failed(ids[1]),
        finished(ids[2], 0.25),
    ];
    journal.append(&stamped(facts.clone())).expect("appends");
    let bytes = fs::read(dir.path().join(JOURNAL)).expect("reads");
    (bytes, facts.into())
}

/// A change somewhere in a file: some bytes are replaced by others.
#[derive(Debug, Clone)]
struct Edit {
    at: proptest::sample::Index,
    taken: usize,
    put: Vec<u8>,
}

fn edit() -> impl Strategy<Value = Edit> {
    let put = proptest::collection::vec(
        prop_oneof![any::<u8>(), Just(b'\n'), Just(b'{'), Just(b'"')],
        0..12,
    );
    (any::<proptest::sample::Index>(), 0_usize..400, put).prop_map(|(at, taken, put)| Edit {
        at,
        taken,
        put,
    })
}

/// A line with a correct checksum, whatever its content.
fn sealed(content: &str) -> String {
    let crc = crc32fast::hash(content.as_bytes());
    format!("{{\"crc\":\"{crc:08x}\",{content}\n")
}

fn content() -> impl Strategy<Value = String> {
    let words = prop_oneof![
        "[^\n]{0,80}",
        Just("\"seq\":1}".to_owned()),
        Just("\"seq\":18446744073709551616,\"at_ms\":0,\"event\":{}}".to_owned()),
        Just("\"seq\":1,\"at_ms\":-1,\"event\":null}".to_owned()),
        Just("\"seq\":1,\"at_ms\":0,\"event\":{\"type\":\"nothing_known\"}}".to_owned()),
        Just(format!(
            "\"seq\":1,\"at_ms\":0,\"event\":{}",
            "[".repeat(100_000)
        )),
    ];
    proptest::collection::vec(words, 1..4).prop_map(|lines| {
        let lines: Vec<_> = lines.iter().map(|line| sealed(line)).collect();
        lines.concat()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_no_journal(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        let error = read(&bytes).expect_err("has no first line");
        prop_assert!(!error.to_string().is_empty());
    }

    #[test]
    fn a_line_that_is_whole_and_says_nothing_known_is_named(content in content()) {
        let mut bytes = Vec::new();
        line::encode_header(0, &mut bytes);
        bytes.extend(content.as_bytes());
        match read(&bytes) {
            Err(StoreError::BadLine { line, problem, .. }) => {
                prop_assert_eq!(line, 2);
                prop_assert!(!problem.is_empty());
            }
            other => prop_assert!(false, "{other:?}"),
        }
    }

    #[test]
    fn a_changed_journal_says_what_was_written_or_is_refused(
        edits in proptest::collection::vec(edit(), 1..4),
    ) {
        let (mut bytes, facts) = written();
        for Edit { at, taken, put } in edits {
            let at = at.index(bytes.len() + 1);
            let end = (at + taken).min(bytes.len());
            bytes.splice(at..end, put);
        }
        match read(&bytes) {
            Ok(read) => prop_assert!(facts.starts_with(&read), "{read:?}"),
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }
}
