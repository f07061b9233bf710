//! Reading a state leaves its directory unchanged, including the bytes and times of its files,
//! whatever it contains.

use super::damage::{journal, open};
use super::reading::{IN_MEMORY_BYTES_MAX, ReadStore};
use super::samples::{failed, finished, granted, stamped, submitted, sweep, trials};
use super::{Store, StoreError, backup, verify};
use crate::driver::Replayed;
use crate::scheduler::Settings;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use tempfile::TempDir;

/// Every file and directory with its time and content.
fn tree(dir: &Path) -> BTreeMap<PathBuf, (SystemTime, Option<Vec<u8>>)> {
    let mut found = BTreeMap::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).expect("is read") {
            let path = entry.expect("is read").path();
            let modified = fs::metadata(&path).and_then(|found| found.modified());
            let content = (!path.is_dir()).then(|| fs::read(&path).expect("is read"));
            dirs.extend(path.is_dir().then(|| path.clone()));
            found.insert(path, (modified.expect("is read"), content));
        }
        let modified = fs::metadata(&dir).and_then(|found| found.modified());
        found.insert(dir, (modified.expect("is read"), None));
    }
    found
}

/// A closed state with two trials that have ended and two that have not.
fn written() -> TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    let spec = sweep("a", 2);
    let ids = trials(&spec);
    let (mut store, _, _) = open(dir.path()).expect("opens");
    let facts = [
        submitted(&spec),
        granted(&ids),
        finished(ids[0], 0.1),
        failed(ids[1]),
    ];
    store.append(&stamped(facts)).expect("appends");
    dir
}

/// Opens a state for reading, and returns how many trials and outcomes its journal and its index
/// have.
fn totals(dir: &Path, in_memory_bytes_max: u64) -> Result<[(u64, u64); 2], StoreError> {
    let mut replayed = Replayed::new(Settings::default());
    let visit = &mut |fact| replayed.take(0, fact);
    let (mut store, _) = ReadStore::open_above(dir, in_memory_bytes_max, false, visit)?;
    store.check_index(replayed.core.totals())?;
    Ok([replayed.core.totals(), store.index().totals()?])
}

#[test]
fn a_state_that_is_read_is_not_touched() {
    let whole = || written();
    let torn = || {
        let dir = written();
        let bytes = fs::read(journal(&dir)).expect("reads");
        fs::write(journal(&dir), &bytes[..bytes.len() - 9]).expect("writes");
        dir
    };
    let without_index = || {
        let dir = written();
        fs::remove_dir_all(dir.path().join("index")).expect("removes");
        dir
    };
    let garbage = || {
        let dir = written();
        fs::write(dir.path().join("index/db"), [7; 4_000]).expect("writes");
        dir
    };
    let copy = || {
        let (from, to) = (written(), tempfile::tempdir().expect("a directory"));
        backup(from.path(), to.path()).expect("is backed up");
        to
    };
    let states: [(&str, &dyn Fn() -> TempDir, u64); 5] = [
        ("whole", &whole, 2),
        ("torn", &torn, 1),
        ("without an index", &without_index, 2),
        ("with a garbage index", &garbage, 2),
        ("a backup", &copy, 2),
    ];
    for (name, make, outcomes) in states {
        for in_memory_bytes_max in [0, IN_MEMORY_BYTES_MAX] {
            let dir = make();
            let before = tree(dir.path());
            let read = totals(dir.path(), in_memory_bytes_max).expect(name);
            assert_eq!(read, [(4, outcomes); 2], "{name}");
            verify(dir.path()).expect(name);
            assert_eq!(tree(dir.path()), before, "{name} is as it was");
        }
    }
}

#[test]
fn a_torn_line_is_told_and_stays() {
    let dir = written();
    let bytes = fs::read(journal(&dir)).expect("reads");
    fs::write(journal(&dir), &bytes[..bytes.len() - 9]).expect("writes");
    let (_, notices) = ReadStore::open(dir.path(), false, &mut |_| Ok(())).expect("opens");
    assert!(
        notices[0].contains("its last line (line 5, ") && notices[0].ends_with("does not count"),
        "{notices:?}"
    );
}

#[test]
fn a_state_that_somebody_has_open_is_not_read() {
    let dir = written();
    let held = open(dir.path()).expect("opens");
    for in_memory_bytes_max in [0, IN_MEMORY_BYTES_MAX] {
        let error = totals(dir.path(), in_memory_bytes_max).expect_err("is held");
        assert!(matches!(error, StoreError::InUse { .. }), "{error}");
    }
    drop(held);
    totals(dir.path(), 0).expect("is free");
}

#[test]
fn what_is_open_to_be_read_takes_no_fact() {
    let dir = written();
    let before = tree(dir.path());
    let (mut store, _) = ReadStore::open(dir.path(), false, &mut |_| Ok(())).expect("opens");
    let error = store
        .record(&stamped([submitted(&sweep("b", 1))]))
        .expect_err("is refused");
    assert!(matches!(error, StoreError::ReadOnly { .. }), "{error}");
    assert_eq!(tree(dir.path()), before);
}

#[test]
fn who_looks_whether_a_state_is_in_use_keeps_nobody_out() {
    let dir = written();
    let looking = fs::File::open(dir.path().join("lock")).expect("opens");
    looking.try_lock_shared().expect("is free");
    std::thread::scope(|scope| {
        let opening = scope.spawn(|| open(dir.path()).map(|_| ()));
        std::thread::sleep(std::time::Duration::from_millis(30));
        looking.unlock().expect("is unlocked");
        opening.join().expect("does not panic").expect("opens");
    });
}
