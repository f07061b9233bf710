//! Damage at every place of small journals: each journal is repaired or refused by name, everything
//! intact is kept, and the result contains nothing else.

use super::compacting::compacted;
use super::damage::{directory, journal, open};
use super::files::{Directory, JOURNAL};
use super::journal::Journal;
use super::line::{self, Line};
use super::reading::ReadStore;
use super::repair::Repair;
use super::salvage::Salvage;
use super::samples::{failed, finished, granted, id, stamped, submitted, sweep, trials};
use super::{Store, StoreError};
use crate::driver::Replayed;
use crate::scheduler::{Fact, Settings, TrialView};
use crate::upkeep::repair;
use miette::Diagnostic;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// A journal of six entries that was never compacted.
fn plain() -> TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    let spec = sweep("a", 2);
    let ids = trials(&spec);
    let facts = [
        submitted(&spec),
        granted(&ids),
        finished(ids[0], 0.5),
        failed(ids[1]),
        Fact::SweepResumed { sweep: id(&spec) },
        finished(ids[2], 0.25),
    ];
    let (mut store, _, _) = open(dir.path()).expect("opens");
    store.append(&stamped(facts)).expect("appends");
    dir
}

/// A line of a journal: its bytes with the line break, and its fact, if the line has one.
#[derive(Clone)]
struct Written {
    bytes: Vec<u8>,
    fact: Option<Fact>,
}

fn written(dir: &TempDir) -> Vec<Written> {
    let bytes = fs::read(journal(dir)).expect("reads");
    let lines = bytes.split_inclusive(|byte| *byte == b'\n');
    let lines = lines.map(|bytes| Written {
        bytes: bytes.to_vec(),
        fact: match line::decode(&bytes[..bytes.len() - 1]) {
            Ok(Line::Entry(entry)) => Some(entry.event),
            Ok(Line::SnapshotEnd(_)) | Err(_) => None,
        },
    });
    lines.collect()
}

fn joined(lines: &[Written]) -> Vec<u8> {
    lines.iter().flat_map(|line| line.bytes.clone()).collect()
}

fn facts(lines: &[Written]) -> Vec<Fact> {
    lines.iter().filter_map(|line| line.fact.clone()).collect()
}

/// What is read from a journal in `dir` with these bytes, after a repair if it needs one.
fn mended(dir: &Path, bytes: &[u8]) -> Result<Vec<Fact>, StoreError> {
    let path = dir.join(JOURNAL);
    let _ = fs::remove_file(dir.join("journal.jsonl.damaged-1"));
    // A new file, because the last one has a second name.
    let _ = fs::remove_file(&path);
    fs::write(&path, bytes).expect("writes");
    if let Some(repair) = Repair::find(dir, false)? {
        let kept = repair.make()?.expect("it was to be repaired");
        assert_eq!(fs::read(kept).expect("reads"), bytes, "the copy is whole");
    }
    let mut read = Vec::new();
    Journal::open(directory(dir), &mut |_, fact| {
        read.push(fact);
        Ok(())
    })?;
    Ok(read)
}

/// Like `mended`, but without writing, so that a whole journal is salvaged, too.
fn salvaged(dir: &Path, bytes: &[u8]) -> Result<Vec<Fact>, StoreError> {
    fs::write(dir.join(JOURNAL), bytes).expect("writes");
    let salvage = Salvage::find(&Directory::new(dir))?;
    let mut read = Vec::new();
    salvage.visit(&mut |_, fact| {
        read.push(fact);
        Ok(())
    })?;
    Ok(read)
}

/// Facts by their checksums, which keeps the message of a failed assertion short.
fn short(facts: &[Fact]) -> Vec<u32> {
    let lines = facts.iter().map(|fact| format!("{fact:?}"));
    lines.map(|line| crc32fast::hash(line.as_bytes())).collect()
}

/// Both in the same order, which does not matter.
fn assert_same(found: &[Fact], expected: &[Fact], what: &str) {
    let sorted = |facts: &[Fact]| {
        let mut facts = short(facts);
        facts.sort_unstable();
        facts
    };
    assert_eq!(sorted(found), sorted(expected), "{what}");
}

/// What happens to the trials of two sweeps.
fn views(facts: &[Fact]) -> Vec<Option<TrialView>> {
    let mut replayed = Replayed::new(Settings::default());
    for fact in facts {
        replayed.take(0, fact.clone()).expect("is taken in");
    }
    let all = [sweep("a", 2), sweep("a", 4), sweep("b", 6)];
    let ids = all.iter().flat_map(trials);
    ids.map(|id| replayed.core.trial(None, id)).collect()
}

#[test]
fn one_damaged_line_costs_that_line_alone_wherever_it_is() {
    for dir in [plain(), compacted()] {
        let lines = written(&dir);
        let whole = joined(&lines);
        let scratch = tempfile::tempdir().expect("a directory");
        let mut position = 0;
        for (number, line) in lines.iter().enumerate() {
            for at in 0..line.bytes.len() {
                let is_break = at + 1 == line.bytes.len();
                for pattern in [0x01, 0x20, 0x80, b'\n' ^ whole[position]] {
                    if pattern == 0 {
                        continue;
                    }
                    let mut damaged = whole.clone();
                    damaged[position] ^= pattern;
                    let mut left = lines.clone();
                    if !is_break {
                        left.remove(number);
                    }
                    let what = format!("line {}, byte {at}, {pattern:#x}", number + 1);
                    let found = salvaged(scratch.path(), &damaged).expect(&what);
                    assert_eq!(short(&found), short(&facts(&left)), "{what}");
                }
                position += 1;
            }
        }
    }
}

#[test]
fn a_damaged_journal_is_repaired_and_opens() {
    for dir in [plain(), compacted()] {
        let lines = written(&dir);
        let whole = joined(&lines);
        let scratch = tempfile::tempdir().expect("a directory");
        let (mut start, last) = (0, lines.len() - 1);
        for (number, line) in lines.iter().enumerate() {
            let end = start + line.bytes.len() - 1;
            for position in [start, start + 12, (start + end) / 2, end - 1, end] {
                let mut damaged = whole.clone();
                damaged[position] ^= 4;
                let mut left = lines.clone();
                // A last line without its break is torn.
                if position != end || number == last {
                    left.remove(number);
                }
                let what = format!("line {}, byte {position}", number + 1);
                let found = mended(scratch.path(), &damaged).expect(&what);
                assert_eq!(short(&found), short(&facts(&left)), "{what}");
                assert!(Repair::find(scratch.path(), true).expect("reads").is_none());
            }
            start = end + 1;
        }
    }
}

#[test]
fn a_journal_cut_anywhere_keeps_every_line_before_the_cut() {
    for dir in [plain(), compacted()] {
        let lines = written(&dir);
        let whole = joined(&lines);
        let scratch = tempfile::tempdir().expect("a directory");
        let header = lines[0].bytes.len();
        let mut complete = 0;
        for end in 0..whole.len() {
            complete += usize::from(end > 0 && whole[end - 1] == b'\n');
            let found = salvaged(scratch.path(), &whole[..end]);
            if end < header - 1 {
                let error = found.expect_err("nothing is left").to_string();
                assert!(error.contains("no line of it is intact"), "{error}");
                continue;
            }
            let found = found.expect("is read");
            let is_whole = whole[end] == b'\n';
            let kept = complete + usize::from(is_whole);
            assert_eq!(short(&found), short(&facts(&lines[..kept])), "{end} bytes");
            if end % 97 == 0 {
                // If nothing else is damaged, a last line without its break is torn.
                let found = short(&mended(scratch.path(), &whole[..end]).expect("is repaired"));
                let torn = short(&facts(&lines[..complete]));
                let salvaged = short(&facts(&lines[..kept]));
                assert!(found == torn || found == salvaged, "{end} bytes");
            }
        }
    }
}

#[test]
fn a_line_that_is_dropped_takes_no_other_with_it() {
    for dir in [plain(), compacted()] {
        let lines = written(&dir);
        let scratch = tempfile::tempdir().expect("a directory");
        for number in 0..lines.len() {
            let mut left = lines.clone();
            left.remove(number);
            let found = mended(scratch.path(), &joined(&left)).expect("is repaired");
            assert_eq!(
                short(&found),
                short(&facts(&left)),
                "without line {}",
                number + 1
            );
        }
    }
}

#[test]
fn a_line_that_is_doubled_anywhere_counts_once() {
    for dir in [plain(), compacted()] {
        let lines = written(&dir);
        let scratch = tempfile::tempdir().expect("a directory");
        for number in 0..lines.len() {
            for at in 0..=lines.len() {
                let mut doubled = lines.clone();
                doubled.insert(at, lines[number].clone());
                let what = format!("line {} again as {}", number + 1, at + 1);
                let found = mended(scratch.path(), &joined(&doubled)).expect(&what);
                assert_same(&found, &facts(&lines), &what);
                assert_eq!(views(&found), views(&facts(&lines)), "{what}");
            }
        }
    }
}

#[test]
fn lines_that_are_swapped_make_what_they_made() {
    for dir in [plain(), compacted()] {
        let lines = written(&dir);
        let scratch = tempfile::tempdir().expect("a directory");
        for first in 0..lines.len() {
            for second in first + 1..lines.len() {
                let mut swapped = lines.clone();
                swapped.swap(first, second);
                let what = format!("lines {} and {}", first + 1, second + 1);
                let found = mended(scratch.path(), &joined(&swapped)).expect(&what);
                assert_same(&found, &facts(&lines), &what);
                assert_eq!(views(&found), views(&facts(&lines)), "{what}");
            }
        }
    }
}

#[test]
fn a_repaired_journal_is_repaired_again() {
    let dir = plain();
    let lines = written(&dir);
    let scratch = tempfile::tempdir().expect("a directory");
    let mut damaged = lines.clone();
    damaged[3].bytes[40] ^= 1;
    mended(scratch.path(), &joined(&damaged)).expect("is repaired");
    let again = written(&scratch);
    for number in 0..again.len() {
        let mut damaged = again.clone();
        damaged[number].bytes[40] ^= 1;
        let mut left = again.clone();
        left.remove(number);
        let found = mended(scratch.path(), &joined(&damaged)).expect("is repaired");
        assert_eq!(short(&found), short(&facts(&left)), "line {}", number + 1);
        let mut swapped = again.clone();
        swapped.swap(number, (number + 2) % again.len());
        let found = mended(scratch.path(), &joined(&swapped)).expect("is repaired");
        assert_eq!(views(&found), views(&facts(&again)), "line {}", number + 1);
    }
}

#[test]
fn intact_lines_that_contradict_each_other_are_refused_by_name() {
    let (dir, other) = (plain(), tempfile::tempdir().expect("a directory"));
    let lines = written(&dir);
    let (mut store, _, _) = open(other.path()).expect("opens");
    store
        .append(&stamped([submitted(&sweep("other", 1))]))
        .expect("appends");
    drop(store);
    let mut mixed = lines.clone();
    mixed.push(written(&other)[1].clone());
    let error = mended(other.path(), &joined(&mixed)).expect_err("is refused");
    assert!(
        error
            .to_string()
            .ends_with("line 8: it is entry 1, and so is line 2, which differs"),
        "{error}"
    );
    assert!(error.help().is_some());
    let bytes = fs::read(other.path().join(JOURNAL)).expect("reads");
    assert_eq!(bytes, joined(&mixed), "nothing was changed");
}

#[test]
fn what_a_newer_version_wrote_is_not_repaired() {
    let dir = plain();
    let mut lines = written(&dir);
    let mut unknown = br#"{"crc":"00000000","seq":7,"at_ms":1,"event":{"type":"later"}}"#.to_vec();
    let crc = line::digits(crc32fast::hash(&unknown[18..]));
    unknown[8..16].copy_from_slice(crc.as_bytes());
    unknown.push(b'\n');
    lines.push(Written {
        bytes: unknown,
        fact: None,
    });
    lines[3].bytes[40] ^= 1;
    let error = mended(dir.path(), &joined(&lines)).expect_err("is refused");
    assert!(
        error
            .to_string()
            .contains("line 8: this version does not understand"),
        "{error}"
    );
}

#[test]
fn a_repair_says_what_is_lost_and_its_trial_is_open_again() {
    let dir = plain();
    let mut lines = written(&dir);
    let lost = trials(&sweep("a", 2))[0];
    // The damage is in the scores.
    let length = lines[3].bytes.len();
    lines[3].bytes[length - 30] ^= 1;
    let damaged = joined(&lines);
    fs::write(journal(&dir), &damaged).expect("writes");
    let before = repair(dir.path(), true).expect("is looked at");
    assert_eq!(fs::read(journal(&dir)).expect("reads"), damaged);
    let repaired = repair(dir.path(), false).expect("is repaired");
    assert_eq!(before.lost_outcomes, repaired.lost_outcomes);
    assert_eq!(before.damage, repaired.damage);
    assert_eq!((before.kept, repaired.kept.is_some()), (None, true));
    assert_eq!(repaired.damage.lost_entries, [(3, 3)]);
    assert_eq!(repaired.damage.named, [format!("trial {lost}")]);
    assert_eq!(repaired.lost_outcomes.len(), 1);
    assert_eq!(repaired.lost_outcomes[0].trial, lost.to_string());
    assert_eq!(repaired.lost_outcomes[0].sweep, "a");
    // The failed trial was given new attempts.
    assert_eq!((repaired.trials, repaired.outcomes), (4, 1));
    let (store, ..) = open(dir.path()).expect("opens");
    assert_eq!(store.index().totals().expect("reads"), (4, 1));
    drop(store);
    assert!(repair(dir.path(), false).expect("reads").is_whole);
}

#[test]
fn a_sweep_that_is_lost_takes_its_trials_with_it_and_may_be_submitted_again() {
    let dir = plain();
    let mut lines = written(&dir);
    lines[1].bytes[200] ^= 1;
    fs::write(journal(&dir), joined(&lines)).expect("writes");
    let repaired = repair(dir.path(), false).expect("is repaired");
    assert_eq!((repaired.trials, repaired.without_sweep), (0, 3));
    let spec = sweep("a", 2);
    assert_eq!(repaired.damage.named, [format!("sweep {}", id(&spec))]);
    let (mut store, ..) = open(dir.path()).expect("opens");
    store.append(&stamped([submitted(&spec)])).expect("appends");
    assert_eq!(store.index().totals().expect("reads"), (4, 0));
    drop(store);
    let (store, ..) = open(dir.path()).expect("opens again");
    assert_eq!(store.index().totals().expect("reads"), (4, 0));
}

#[test]
fn queries_read_past_damage_and_say_so() {
    let dir = plain();
    let mut lines = written(&dir);
    lines[3].bytes[40] ^= 1;
    let damaged = joined(&lines);
    fs::write(journal(&dir), &damaged).expect("writes");
    let refused = ReadStore::open(dir.path(), false, &mut |_| Ok(())).err();
    let help = refused.and_then(|error| Some(error.help()?.to_string()));
    let help = help.expect("it is refused");
    assert!(
        help.contains("`nrp store repair`") && help.contains("`--salvage`"),
        "{help}"
    );
    for in_memory_bytes_max in [0, u64::MAX] {
        let mut replayed = Replayed::new(Settings::default());
        let visit = &mut |fact| replayed.take(0, fact);
        let (mut store, notices) =
            ReadStore::open_above(dir.path(), in_memory_bytes_max, true, visit).expect("opens");
        store.check_index(replayed.core.totals()).expect("fits");
        assert_eq!(store.index().totals().expect("reads"), (4, 1));
        assert!(notices[0].contains("1 entry is lost: 3"), "{notices:?}");
    }
    assert_eq!(fs::read(journal(&dir)).expect("reads"), damaged);
}
