//! Every kind of damage to a state directory: how the store reacts, and what it tells the user.

use super::files::{Append, Directory, Files, JOURNAL};
use super::journal::Journal;
use super::samples::{failed, finished, granted, id, stamped, submitted, sweep, trials};
use super::{DiskStore, Index, Store, StoreError, verify};
use crate::scheduler::Fact;
use miette::Diagnostic;
use std::fs;
use std::io::{self, BufRead};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

pub(super) fn open(dir: &Path) -> Result<(DiskStore, Vec<Fact>, Vec<String>), StoreError> {
    let mut facts = Vec::new();
    let (store, notices) = DiskStore::open(dir, &mut |fact| {
        facts.push(fact);
        Ok(())
    })?;
    Ok((store, facts, notices))
}

pub(super) fn directory(dir: &Path) -> Box<Directory> {
    Box::new(Directory::new(dir))
}

fn error(dir: &Path) -> StoreError {
    match open(dir) {
        Ok(_) => panic!("it opened"),
        Err(error) => error,
    }
}

/// A closed state directory with four facts.
fn written() -> (TempDir, Vec<Fact>) {
    let dir = tempfile::tempdir().expect("a directory");
    let spec = sweep("a", 1);
    let ids = trials(&spec);
    let facts = vec![
        submitted(&spec),
        granted(&ids),
        finished(ids[0], 0.1),
        failed(ids[1]),
    ];
    let (mut store, _, _) = open(dir.path()).expect("opens");
    for fact in &facts {
        store.append(&stamped([fact.clone()])).expect("appends");
    }
    (dir, facts)
}

pub(super) fn journal(dir: &TempDir) -> PathBuf {
    dir.path().join(JOURNAL)
}

#[test]
fn what_was_appended_is_read_back() {
    let (dir, facts) = written();
    let (store, read, notices) = open(dir.path()).expect("opens");
    assert_eq!(read, facts);
    assert_eq!(notices, Vec::<String>::new());
    assert_eq!(store.index().totals().expect("reads"), (2, 2));
}

#[test]
fn a_journal_torn_at_any_byte_of_its_last_record_loses_that_record_alone() {
    let (dir, facts) = written();
    let whole = fs::read(journal(&dir)).expect("reads");
    let last = whole[..whole.len() - 1]
        .iter()
        .rposition(|byte| *byte == b'\n')
        .expect("lines")
        + 1;
    for end in (last + 1)..whole.len() {
        fs::write(journal(&dir), &whole[..end]).expect("writes");
        let mut read = Vec::new();
        let visit = &mut |_, fact| {
            read.push(fact);
            Ok(())
        };
        let (mut torn, notice) = Journal::open(directory(dir.path()), visit).expect("opens");
        let notice = notice.expect("a notice");
        let bytes = end - last;
        assert!(
            notice.contains(&format!("line 5, {bytes} bytes")),
            "{notice}"
        );
        assert_eq!(read, facts[..3]);
        torn.append(&stamped([facts[3].clone()])).expect("appends");
        assert_eq!(fs::read(journal(&dir)).expect("reads"), whole);
    }
}

#[test]
fn a_journal_torn_at_any_byte_of_a_group_of_records_loses_those_that_are_not_whole() {
    let dir = tempfile::tempdir().expect("a directory");
    let spec = sweep("a", 2);
    let group: Vec<_> = trials(&spec).into_iter().map(failed).collect();
    let (mut journal_file, _) =
        Journal::open(directory(dir.path()), &mut |_, _| Ok(())).expect("opens");
    journal_file
        .append(&stamped([submitted(&spec)]))
        .expect("appends");
    let before = fs::read(journal(&dir)).expect("reads").len();
    journal_file
        .append(&stamped(group.clone()))
        .expect("appends");
    drop(journal_file);
    let whole = fs::read(journal(&dir)).expect("reads");
    for end in before..whole.len() {
        fs::write(journal(&dir), &whole[..end]).expect("writes");
        let mut read = Vec::new();
        let visit = &mut |_, fact| {
            read.push(fact);
            Ok(())
        };
        let (torn, notice) = Journal::open(directory(dir.path()), visit).expect("opens");
        let lines = whole[before..end]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count();
        assert_eq!(read[1..], group[..lines], "{end} bytes");
        assert_eq!(torn.last_seq(), 1 + lines as u64);
        assert_eq!(notice.is_none(), whole[end - 1] == b'\n', "{end} bytes");
    }
}

#[test]
fn an_index_ahead_of_a_torn_journal_is_rebuilt() {
    let (dir, facts) = written();
    let whole = fs::read(journal(&dir)).expect("reads");
    fs::write(journal(&dir), &whole[..whole.len() - 7]).expect("writes");
    let (store, read, notices) = open(dir.path()).expect("opens");
    assert_eq!(read, facts[..3]);
    assert_eq!(notices.len(), 2, "{notices:?}");
    assert!(
        notices[1].ends_with("it is at entry 4, the journal ends at 3"),
        "{notices:?}"
    );
    assert_eq!(store.index().totals().expect("reads"), (2, 1));
}

#[test]
fn a_flipped_byte_before_the_last_line_is_named() {
    let (dir, _) = written();
    let whole = fs::read(journal(&dir)).expect("reads");
    let third = whole
        .split_inclusive(|byte| *byte == b'\n')
        .take(2)
        .map(<[u8]>::len)
        .sum::<usize>();
    let mut damaged = whole.clone();
    damaged[third + 100] ^= 4;
    fs::write(journal(&dir), &damaged).expect("writes");
    let error = error(dir.path());
    let expected = format!(
        "journal `{}`, line 3: its checksum is ",
        journal(&dir).display()
    );
    assert!(error.to_string().starts_with(&expected), "{error}");
    assert!(error.help().is_some());
    assert_eq!(
        fs::read(journal(&dir)).expect("reads"),
        damaged,
        "nothing was changed"
    );
}

#[test]
fn every_flipped_byte_is_noticed() {
    let (dir, facts) = written();
    let whole = fs::read(journal(&dir)).expect("reads");
    for position in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[position] ^= 1;
        fs::write(journal(&dir), &damaged).expect("writes");
        let mut read = Vec::new();
        let opened = Journal::open(directory(dir.path()), &mut |_, fact| {
            read.push(fact);
            Ok(())
        });
        match opened {
            Err(StoreError::BadLine { .. } | StoreError::Version { .. }) => {}
            Err(other) => panic!("byte {position}: {other}"),
            // Only the last line may be lost: it may never have been acknowledged.
            Ok((_, notice)) => {
                assert!(notice.is_some(), "byte {position}");
                assert_eq!(read, facts[..3], "byte {position}");
            }
        }
    }
}

#[test]
fn a_line_that_is_missing_is_named() {
    let (dir, _) = written();
    let text = fs::read_to_string(journal(&dir)).expect("reads");
    let lines = text
        .split_inclusive('\n')
        .enumerate()
        .filter(|(number, _)| *number != 2);
    let without: String = lines.map(|(_, line)| line).collect();
    fs::write(journal(&dir), without).expect("writes");
    let error = error(dir.path()).to_string();
    assert!(
        error.ends_with("line 3: its number is 3, expected 2"),
        "{error}"
    );
}

#[test]
fn another_version_is_refused_by_name() {
    let dir = tempfile::tempdir().expect("a directory");
    fs::write(
        journal(&dir),
        r#"{"format":"nrp journal","version":7,"new":true}"#,
    )
    .expect("writes");
    let error = error(dir.path());
    let expected = format!(
        "state directory `{}` was written by format 7, this version reads 1 to 2",
        dir.path().display()
    );
    assert_eq!(error.to_string(), expected);
    assert!(
        error
            .help()
            .expect("help")
            .to_string()
            .starts_with("run the version of nrp")
    );
}

#[test]
fn another_file_is_no_journal() {
    let dir = tempfile::tempdir().expect("a directory");
    for text in [
        "",
        "\n",
        "seq,at_ms\n1,2\n",
        "{\"crc\":\"00000000\",\"a\":1}\n",
    ] {
        fs::write(journal(&dir), text).expect("writes");
        let error = error(dir.path()).to_string();
        assert!(
            error.ends_with("line 1: this is not a journal of nrp"),
            "{text:?}: {error}"
        );
    }
}

#[test]
fn an_index_that_is_gone_is_rebuilt() {
    let (dir, _) = written();
    fs::remove_dir_all(dir.path().join("index")).expect("removes");
    let (store, _, notices) = open(dir.path()).expect("opens");
    assert_eq!(notices.len(), 1);
    assert!(
        notices[0].ends_with("was rebuilt from the journal: it was missing"),
        "{notices:?}"
    );
    assert_eq!(store.index().totals().expect("reads"), (2, 2));
}

#[test]
fn an_index_of_another_version_is_no_damage_and_is_rebuilt() {
    let (dir, facts) = written();
    let index = Index::open(&dir.path().join("index")).expect("opens");
    index.set_format(5);
    drop(index);
    let verified = verify(dir.path()).expect("reads");
    assert!(verified.is_whole(), "{:?}", verified.findings);
    let expected = "has format 5; this version expects ";
    assert!(
        verified
            .notices
            .iter()
            .any(|notice| notice.contains(expected)),
        "{:?}",
        verified.notices
    );
    let (store, found, notices) = open(dir.path()).expect("opens");
    assert_eq!(found, facts);
    assert!(notices[0].contains(expected), "{notices:?}");
    assert_ne!(store.index().totals().expect("reads"), (0, 0));
    drop(store);
    let verified = verify(dir.path()).expect("reads");
    assert!(verified.is_whole() && verified.records > 0, "{verified:?}");
}

#[test]
fn an_index_of_another_state_is_rebuilt() {
    let (dir, _) = written();
    let other = tempfile::tempdir().expect("a directory");
    {
        let (mut store, _, _) = open(other.path()).expect("opens");
        let facts = (0..5).map(|seeds| submitted(&sweep("b", seeds + 1)));
        store.append(&stamped(facts)).expect("appends");
    }
    fs::remove_dir_all(dir.path().join("index")).expect("removes");
    fs::rename(other.path().join("index"), dir.path().join("index")).expect("moves");
    let (store, _, notices) = open(dir.path()).expect("opens");
    assert_eq!(notices.len(), 1, "{notices:?}");
    assert!(
        notices[0].contains("was rebuilt from the journal: "),
        "{notices:?}"
    );
    assert_eq!(store.index().totals().expect("reads"), (2, 2));
}

#[test]
fn an_index_overwritten_with_garbage_is_rebuilt() {
    for file in ["db", "conf", "both"] {
        let (dir, _) = written();
        let index = dir.path().join("index");
        for name in ["db", "conf"] {
            if file == name || file == "both" {
                let bytes = fs::metadata(index.join(name)).expect("is there").len() as usize;
                let garbage: Vec<u8> = (0..bytes.max(64)).map(|at| (at * 31 % 251) as u8).collect();
                fs::write(index.join(name), garbage).expect("writes");
            }
        }
        let (mut store, facts, mut notices) = open(dir.path()).expect("opens");
        assert_eq!(facts.len(), 4);
        notices.extend(store.check_index((2, 2)).expect("checks"));
        assert_eq!(notices.len(), 1, "{file}: {notices:?}");
        assert_eq!(store.index().totals().expect("reads"), (2, 2));
    }
}

#[test]
fn an_index_that_is_behind_catches_up() {
    let (dir, facts) = written();
    let spec = sweep("b", 2);
    {
        let (mut journal, _) =
            Journal::open(directory(dir.path()), &mut |_, _| Ok(())).expect("opens");
        journal
            .append(&stamped([submitted(&spec)]))
            .expect("appends");
    }
    let (store, read, notices) = open(dir.path()).expect("opens");
    assert_eq!(read.len(), facts.len() + 1);
    assert_eq!(notices, Vec::<String>::new());
    let listed = store.index().stretch(id(&spec), 0).expect("reads");
    assert_eq!(listed, Some(trials(&spec)));
}

#[test]
fn an_index_that_differs_from_the_journal_is_rebuilt() {
    let (dir, _) = written();
    let (mut store, _, _) = open(dir.path()).expect("opens");
    assert_eq!(store.check_index((2, 2)).expect("checks"), None);
    let notice = store
        .check_index((3, 2))
        .expect("checks")
        .expect("a notice");
    assert!(
        notice.ends_with("it has 2 trials with 2 outcomes, the journal 3 with 2"),
        "{notice}"
    );
}

#[test]
fn a_second_process_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let first = open(dir.path()).expect("opens");
    let error = error(dir.path());
    assert!(matches!(error, StoreError::InUse { .. }));
    assert!(
        error
            .to_string()
            .contains(&dir.path().display().to_string()),
        "{error}"
    );
    drop(first);
    open(dir.path()).expect("opens once the first has gone");
}

/// A disk whose files accept a limited number of bytes and syncs.
struct Failing {
    disk: Directory,
    room: usize,
    syncs: usize,
}

struct FailingFile {
    file: Box<dyn Append>,
    room: usize,
    syncs: usize,
}

impl Files for Failing {
    fn path(&self, name: &str) -> PathBuf {
        Path::new("j").join(name)
    }

    fn exists(&self, name: &str) -> io::Result<bool> {
        self.disk.exists(name)
    }

    fn read(&self, name: &str) -> io::Result<Box<dyn BufRead + Send>> {
        self.disk.read(name)
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn Append>> {
        self.disk.create(name)
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Append>> {
        Ok(Box::new(FailingFile {
            file: self.disk.open(name)?,
            room: self.room,
            syncs: self.syncs,
        }))
    }

    fn rewrite(&self, name: &str, from: u64) -> io::Result<()> {
        self.disk.rewrite(name, from)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }

    fn sync_names(&self) -> io::Result<()> {
        self.disk.sync_names()
    }
}

impl Append for FailingFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let fits = bytes.len().min(self.room);
        self.room -= fits;
        self.file.append(&bytes[..fits])?;
        if fits < bytes.len() {
            Err(io::ErrorKind::StorageFull.into())
        } else {
            Ok(())
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        self.syncs = self
            .syncs
            .checked_sub(1)
            .ok_or_else(|| io::Error::other("the disk has gone"))?;
        self.file.sync()
    }

    fn truncate(&mut self, bytes: u64) -> io::Result<()> {
        self.file.truncate(bytes)
    }
}

/// A new journal on a disk that fails, and its path.
fn failing(room: usize, syncs: usize) -> (TempDir, Journal) {
    let dir = tempfile::tempdir().expect("a directory");
    let failing = Failing {
        disk: Directory::new(dir.path()),
        room,
        syncs,
    };
    let (journal, _) = Journal::open(Box::new(failing), &mut |_, _| Ok(())).expect("opens");
    (dir, journal)
}

#[test]
fn a_full_disk_is_said_and_nothing_is_written_after_it() {
    let (dir, mut journal) = failing(10_000, 9);
    let small = stamped([Fact::SweepCancelled {
        sweep: crate::scheduler::SweepId(1),
    }]);
    let large = stamped([submitted(&sweep("a", 20_000))]);
    journal.append(&small).expect("appends");
    let before = fs::read(dir.path().join(JOURNAL)).expect("reads");
    let error = journal.append(&large).expect_err("is full");
    assert_eq!(
        error.to_string(),
        "journal cannot be written: no space left for `j/journal.jsonl`"
    );
    let error = journal.append(&small).expect_err("is poisoned");
    assert_eq!(
        error.to_string(),
        "journal cannot be written: an earlier write to `j/journal.jsonl` failed"
    );
    assert_eq!(journal.last_seq(), 1);
    assert_eq!(
        fs::read(dir.path().join(JOURNAL)).expect("reads"),
        before,
        "the part that fitted is taken back"
    );
}

#[test]
fn a_sync_that_fails_is_not_tried_again_and_what_it_left_is_not_read() {
    let (dir, mut journal) = failing(10_000, 2);
    let fact = stamped([Fact::SweepCancelled {
        sweep: crate::scheduler::SweepId(1),
    }]);
    journal.append(&fact).expect("appends");
    assert!(matches!(
        journal.append(&fact),
        Err(StoreError::Write { .. })
    ));
    assert!(matches!(
        journal.append(&fact),
        Err(StoreError::Poisoned { .. })
    ));
    drop(journal);
    let (journal, notice) =
        Journal::open(directory(dir.path()), &mut |_, _| Ok(())).expect("opens");
    assert_eq!((journal.last_seq(), notice), (1, None));
}

#[test]
fn much_at_once_is_synced_in_parts_and_those_that_were_are_kept() {
    let (dir, mut journal) = failing(usize::MAX, 3);
    let fact = |trials| submitted(&sweep("a", trials));
    let mut line = Vec::new();
    super::line::encode(1, 0, &fact(1_000), &mut line);
    let facts = vec![fact(1_000); 5 * (1 << 20) / line.len()];
    let failed = journal.append(&stamped(facts.clone()));
    assert!(matches!(failed, Err(StoreError::Write { .. })));
    let kept = journal.last_seq();
    let bytes = fs::metadata(dir.path().join(JOURNAL)).expect("is there");
    drop(journal);
    // Two syncs after the one at the start.
    assert!(
        (1 << 20..=(2 << 20) + 1_000).contains(&bytes.len()),
        "{bytes:?}"
    );
    assert!(0 < kept && kept < facts.len() as u64);
    let (journal, notice) =
        Journal::open(directory(dir.path()), &mut |_, _| Ok(())).expect("opens");
    assert_eq!((journal.last_seq(), notice), (kept, None));
}
