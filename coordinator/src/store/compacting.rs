//! Tests of compaction: the shorter journal produces the same state, whatever happens while it is
//! written, and damage to it is noticed like any other.

use super::damage::{directory, journal, open};
use super::files::{Append, Directory, Files};
use super::journal::Journal;
use super::samples::{
    self, failed, finished, granted_as, id, retracted, rung, stamped, stopped, submitted, sweep,
    trials,
};
use super::{DiskStore, Store, StoreError};
use crate::driver::Replayed;
use crate::scheduler::{Event, Fact, Fence, JobId, LeaseEnd, Settings, durable};
use nrp_proto::wire::EarlyStopping;
use std::fs;
use std::io::{self, BufRead};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::TempDir;

/// A history with facts of every kind, most of them about things that have ended.
pub(super) fn history() -> Vec<Fact> {
    let (a, mut b) = (sweep("a", 4), sweep("b", 6));
    b.early_stopping = Some(EarlyStopping {
        min_epochs: 3,
        reduction: 3,
    });
    let ids = trials(&b);
    let attempt = |at: usize, attempts| Fact::AttemptFailed {
        trial: ids[at],
        worker: "w".to_owned(),
        reason: format!("attempt {attempts} had no luck"),
        attempts,
    };
    let ended = |job, reason| Fact::LeaseEnded {
        job: JobId(job),
        fence: Fence(job),
        reason,
        hindrance: None,
    };
    let mut moved = a.clone();
    moved.data_dir = "/elsewhere".to_owned();
    let mut facts = vec![
        submitted(&a),
        submitted(&b),
        granted_as(1, &ids[..4]),
        attempt(0, 1),
        finished(ids[1], 0.5),
        ended(1, LeaseEnd::Lapsed),
        granted_as(2, &ids[..1]),
        attempt(0, 2),
        granted_as(3, &ids[2..3]),
        failed(ids[2]),
        failed(ids[3]),
        rung(ids[10], 3, 0.5),
        stopped(ids[11], 3, 0.9),
        Fact::SweepCancelled { sweep: id(&a) },
        Fact::SweepResumed { sweep: id(&b) },
        failed(ids[3]),
        granted_as(4, &ids[4..6]),
        finished(ids[4], 0.25),
        submitted(&moved),
        // Finished, failed and stopped trials; the first has another outcome by now.
        retracted(ids[4], 4),
        retracted(ids[3], 4),
        retracted(ids[11], 4),
        finished(ids[4], 0.125),
    ];
    for job in 5..30 {
        facts.push(granted_as(job, &ids[6..8]));
        facts.push(ended(job, LeaseEnd::Released));
    }
    facts.extend([granted_as(30, &ids[6..8]), attempt(6, 1)]);
    facts
}

/// The state that a journal produces.
pub(super) fn state(dir: &Path) -> (u64, impl PartialEq + std::fmt::Debug + use<>) {
    let mut replayed = Replayed::new(Settings::default());
    let visit = &mut |_, fact| replayed.take(0, fact);
    let (journal, notice) = Journal::open(directory(dir), visit).expect("opens");
    assert_eq!(notice, None);
    let mut core = replayed.core;
    core.on_event(0, Event::ReplayEnded);
    core.check_invariants();
    (journal.last_seq(), durable(&core))
}

/// Appends facts to the journal among `files`, the last `behind` of them during its compaction.
fn compact(files: Box<dyn Files>, facts: &[Fact], behind: usize) -> Result<Journal, StoreError> {
    let mut replayed = Replayed::new(Settings::default());
    let (mut journal, _) = Journal::open(files, &mut |_, fact| replayed.take(0, fact))?;
    let (first, last) = facts.split_at(facts.len() - behind);
    for fact in first {
        journal.append(&stamped([fact.clone()]))?;
        replayed.take(0, fact.clone())?;
    }
    journal.compact_above(0);
    journal.compact(1_763_942_500_000, replayed.snapshot())?;
    for fact in last {
        journal.append(&stamped([fact.clone()]))?;
        journal.tidy()?;
    }
    journal.tidy_all()?;
    Ok(journal)
}

/// A closed state directory with a compacted journal and two entries after the snapshot.
pub(super) fn compacted() -> TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    compact(directory(dir.path()), &history(), 2).expect("compacts");
    dir
}

fn plain() -> TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    let (mut journal, _) = Journal::open(directory(dir.path()), &mut |_, _| Ok(())).expect("opens");
    journal.append(&stamped(history())).expect("appends");
    dir
}

#[test]
fn a_compacted_journal_is_shorter_and_makes_the_same_state() {
    let whole = plain();
    for behind in [0, 1, 2, 20, history().len() - 1] {
        let dir = tempfile::tempdir().expect("a directory");
        compact(directory(dir.path()), &history(), behind).expect("compacts");
        assert_eq!(state(dir.path()), state(whole.path()), "{behind} behind");
        let bytes = |dir: &TempDir| fs::metadata(journal(dir)).expect("is there").len();
        assert!(
            behind > 2 || bytes(&dir) * 3 < bytes(&whole) * 2,
            "{behind} behind"
        );
    }
}

#[test]
fn a_compacted_journal_is_compacted_again() {
    let dir = compacted();
    let before = state(dir.path());
    compact(directory(dir.path()), &[], 0).expect("compacts");
    assert_eq!(state(dir.path()), before);
    let text = fs::read_to_string(journal(&dir)).expect("reads");
    let more = granted_as(31, &trials(&sweep("b", 6))[9..10]);
    compact(directory(dir.path()), &[more], 1).expect("compacts");
    let again = fs::read_to_string(journal(&dir)).expect("reads");
    let outcomes = |text: &str| {
        let lines = text
            .lines()
            .filter(|line| line.contains("outcome_recorded"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(outcomes(&text).len(), 4);
    assert_eq!(outcomes(&text), outcomes(&again), "byte for byte");
}

#[test]
fn an_index_made_from_a_compacted_journal_is_the_same() {
    let (short, whole) = (compacted(), plain());
    let (short, _, notices) = open(short.path()).expect("opens");
    assert_eq!(notices.len(), 1, "{notices:?}");
    let (whole, _, _) = open(whole.path()).expect("opens");
    for trial in trials(&sweep("b", 6))
        .into_iter()
        .chain(trials(&sweep("a", 4)))
    {
        let records = [&short, &whole].map(|store| store.index().trial(trial).expect("reads"));
        assert_eq!(records[0], records[1]);
    }
    let totals = [&short, &whole].map(|store| store.index().totals().expect("reads"));
    assert_eq!(totals[0], totals[1]);
}

#[test]
fn an_index_from_within_what_was_compacted_is_rebuilt() {
    let dir = tempfile::tempdir().expect("a directory");
    {
        let (mut store, _, _) = open(dir.path()).expect("opens");
        store
            .append(&stamped(history()[..5].to_vec()))
            .expect("appends");
    }
    compact(directory(dir.path()), &history()[5..], 0).expect("compacts");
    let (store, _, notices) = open(dir.path()).expect("opens");
    assert!(
        notices[0].contains("it is at entry 5, within the snapshot of the journal"),
        "{notices:?}"
    );
    let (whole, _, _) = open(plain().path()).expect("opens");
    assert_eq!(
        store.index().totals().expect("reads"),
        whole.index().totals().expect("reads")
    );
}

#[test]
fn what_is_dropped_must_outweigh_what_is_kept() {
    let dir = tempfile::tempdir().expect("a directory");
    let (mut journal, _) = Journal::open(directory(dir.path()), &mut |_, _| Ok(())).expect("opens");
    journal.compact_above(2_000);
    let spec = sweep("a", 1);
    let ids = trials(&spec);
    let kept: Vec<_> = (0..8).map(|_| finished(ids[0], 0.5)).collect();
    journal.append(&stamped(kept)).expect("appends");
    let kept = samples::line_bytes(&finished(ids[0], 0.5)) * 8;
    let mut leases = 0;
    while !journal.wants_snapshot() {
        leases += 1;
        assert!(leases < 1_000, "never");
        journal
            .append(&stamped([granted_as(leases, &ids)]))
            .expect("appends");
    }
    // Numbers in lines may differ by a digit, and the first line is kept as well.
    let droppable = samples::line_bytes(&granted_as(leases, &ids));
    let due = kept / droppable;
    assert!((due..due + 3).contains(&(leases as usize)), "{leases}");
}

#[test]
fn a_journal_of_version_1_is_read_and_migrated() {
    let dir = plain();
    let text = fs::read_to_string(journal(&dir)).expect("reads");
    let (_, rest) = text.split_once('\n').expect("lines");
    let header = "{\"crc\":\"0410a738\",\"format\":\"nrp journal\",\"version\":1}\n";
    fs::write(journal(&dir), format!("{header}{rest}")).expect("writes");
    let before = state(dir.path());
    let mut replayed = Replayed::new(Settings::default());
    let (mut store, _) =
        DiskStore::open(dir.path(), &mut |fact| replayed.take(0, fact)).expect("opens");
    let notice = store
        .compact_if_due(0, || replayed.snapshot())
        .expect("compacts");
    let notice = notice.expect("a notice");
    assert!(
        notice.contains("was of format 1 and is now of format 2"),
        "{notice}"
    );
    drop(store);
    let text = fs::read_to_string(journal(&dir)).expect("reads");
    assert!(text.contains("\"version\":2,"), "{text}");
    assert_eq!(state(dir.path()), before);
    let (mut store, _, _) = open(dir.path()).expect("opens");
    let again = store.compact_if_due(0, || panic!("there is no need"));
    assert_eq!(again.expect("is as it should be"), None);
}

#[test]
fn every_flipped_byte_of_a_compacted_journal_is_noticed() {
    let dir = compacted();
    let whole = fs::read(journal(&dir)).expect("reads");
    for position in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[position] ^= 1;
        fs::write(journal(&dir), &damaged).expect("writes");
        let mut last = 0;
        let opened = Journal::open(directory(dir.path()), &mut |_, _| {
            last += 1;
            Ok(())
        });
        match opened {
            Err(StoreError::BadLine { .. } | StoreError::Version { .. }) => {}
            Err(other) => panic!("byte {position}: {other}"),
            // Only the last line may be lost: it may never have been acknowledged.
            Ok((journal, notice)) => {
                assert!(notice.is_some(), "byte {position}");
                assert_eq!(journal.last_seq(), history().len() as u64 - 1);
            }
        }
    }
}

#[test]
fn a_line_missing_from_a_snapshot_or_out_of_place_is_noticed() {
    let dir = compacted();
    let text = fs::read_to_string(journal(&dir)).expect("reads");
    let lines: Vec<_> = text.split_inclusive('\n').collect();
    let last = lines.len() - 1;
    for number in 0..last {
        let mut without = lines.clone();
        without.remove(number);
        fs::write(journal(&dir), without.concat()).expect("writes");
        open(dir.path())
            .err()
            .unwrap_or_else(|| panic!("line {} is missing", number + 1));
        let mut turned = lines.clone();
        turned.swap(number, number + 1);
        // A sweep that was submitted again may occur twice in a row.
        if turned == lines {
            continue;
        }
        fs::write(journal(&dir), turned.concat()).expect("writes");
        open(dir.path())
            .err()
            .unwrap_or_else(|| panic!("line {} is turned", number + 1));
    }
    for number in 1..=last - 2 {
        fs::write(journal(&dir), lines[..number].concat()).expect("writes");
        let error = open(dir.path()).err().expect("it ends within the snapshot");
        assert!(error.to_string().ends_with("does not end"), "{error}");
    }
}

/// The disk of a process that is killed after some steps.
pub(super) struct Halting {
    disk: Directory,
    steps: Steps,
}

struct HaltingFile {
    file: Box<dyn Append>,
    steps: Steps,
}

/// The number of steps before the kill.
#[derive(Clone)]
pub(super) struct Steps(Arc<AtomicUsize>);

impl Steps {
    pub(super) fn new(steps: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(steps)))
    }

    fn take(&self) -> io::Result<()> {
        let one_less = |left: usize| left.checked_sub(1);
        let taken = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less);
        taken
            .map(|_| ())
            .map_err(|_| io::Error::other("was killed"))
    }

    pub(super) fn left(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Halting {
    pub(super) fn new(dir: &Path, steps: &Steps) -> Self {
        Self {
            disk: Directory::new(dir),
            steps: steps.clone(),
        }
    }

    fn file(&self, file: Box<dyn Append>) -> Box<dyn Append> {
        let steps = self.steps.clone();
        Box::new(HaltingFile { file, steps })
    }
}

impl Files for Halting {
    fn path(&self, name: &str) -> PathBuf {
        self.disk.path(name)
    }

    fn exists(&self, name: &str) -> io::Result<bool> {
        self.disk.exists(name)
    }

    fn read(&self, name: &str) -> io::Result<Box<dyn BufRead + Send>> {
        self.steps.take()?;
        self.disk.read(name)
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn Append>> {
        self.steps.take()?;
        self.disk.create(name).map(|file| self.file(file))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Append>> {
        self.steps.take()?;
        self.disk.open(name).map(|file| self.file(file))
    }

    fn rewrite(&self, name: &str, from: u64) -> io::Result<()> {
        self.steps.take()?;
        self.disk.rewrite(name, from)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.steps.take()?;
        self.disk.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.steps.take()?;
        self.disk.remove(name)
    }

    fn sync_names(&self) -> io::Result<()> {
        self.steps.take()?;
        self.disk.sync_names()
    }
}

impl Append for HaltingFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.steps.take()?;
        self.file.append(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.steps.take()?;
        self.file.sync()
    }

    fn truncate(&mut self, bytes: u64) -> io::Result<()> {
        self.steps.take()?;
        self.file.truncate(bytes)
    }
}

#[test]
fn killed_at_any_step_one_whole_journal_is_left() {
    let whole = plain();
    let (all, again) = (history(), granted_as(40, &trials(&sweep("b", 6))[10..11]));
    for steps in 0.. {
        let dir = tempfile::tempdir().expect("a directory");
        compact(directory(dir.path()), &all, 5).expect("compacts");
        let steps = Steps::new(steps);
        let halting = Halting::new(dir.path(), &steps);
        // Compacts the compacted journal again, and appends an entry meanwhile.
        let appended = match compact(Box::new(halting), std::slice::from_ref(&again), 1) {
            Ok(journal) => journal.last_seq() > all.len() as u64,
            Err(_) => state(dir.path()).0 > all.len() as u64,
        };
        let more: &[Fact] = if appended {
            std::slice::from_ref(&again)
        } else {
            &[]
        };
        let expected = tempfile::tempdir().expect("a directory");
        fs::copy(journal(&whole), journal(&expected)).expect("copies");
        let (mut longer, _) =
            Journal::open(directory(expected.path()), &mut |_, _| Ok(())).expect("opens");
        longer.append(&stamped(more.to_vec())).expect("appends");
        assert_eq!(
            state(dir.path()),
            state(expected.path()),
            "{} steps",
            steps.left()
        );
        if steps.left() > 0 {
            return;
        }
    }
}
