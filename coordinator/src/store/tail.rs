//! The tail of a journal: its entries after a number, read while the journal is written to.
//!
//! Only durable entries are read, because a crash could undo the others. When a compaction or a
//! deletion replaces the journal, the old file stays open and is read to its end.

use super::files::Directory;
use super::lines::{Lines, Place};
use super::{Stamped, StoreError};
use std::path::{Path, PathBuf};

/// A journal whose tail can be read.
#[derive(Debug, Clone)]
pub(crate) enum History {
    /// The journal in this directory.
    Directory(PathBuf),
    /// No journal: the store is not on disk.
    #[cfg(test)]
    Nowhere,
}

impl History {
    pub(super) fn in_directory(dir: &Path) -> Self {
        Self::Directory(dir.to_owned())
    }

    /// The entries after number `since`, or `None` if the journal no longer has all of them,
    /// because it was compacted or a sweep was deleted.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub(crate) fn tail(&self, since: u64) -> Result<Option<Tail>, StoreError> {
        #[allow(clippy::infallible_destructuring_match, reason = "tests have another")]
        let dir = match self {
            History::Directory(dir) => dir,
            #[cfg(test)]
            History::Nowhere => return Ok(None),
        };
        let lines = Lines::open(&Directory::new(dir))?;
        let has_all = lines.snapshot_upto() <= since;
        Ok(has_all.then_some(Tail {
            lines,
            position: since,
        }))
    }
}

/// A journal's tail that is being read.
pub(crate) struct Tail {
    lines: Lines,
    /// The number of the last entry that was read or is not needed.
    position: u64,
}

impl Tail {
    /// The next entries up to number `upto`, which must be durable, but no more than `max`. Empty
    /// if this file has no more.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub(crate) fn page(
        &mut self,
        upto: u64,
        max: usize,
    ) -> Result<Vec<(u64, Stamped)>, StoreError> {
        let mut page = Vec::new();
        while self.position < upto && page.len() < max {
            let Some((place, entry)) = self.lines.next()? else {
                break;
            };
            match place {
                Place::Entry(seq) if seq > self.position => {
                    self.position = seq;
                    let at_ms = entry.at_ms;
                    let fact = entry.event;
                    page.push((seq, Stamped { at_ms, fact }));
                }
                Place::Entry(_) | Place::Snapshot { .. } => {}
            }
        }
        Ok(page)
    }
}

#[cfg(test)]
mod tests {
    use super::super::files::Directory;
    use super::super::journal::Journal;
    use super::super::samples::{finished, granted_as, stamped, submitted, sweep, trials};
    use super::*;
    use crate::driver::Replayed;
    use crate::scheduler::{Fact, Settings};

    fn numbers(page: &[(u64, Stamped)]) -> Vec<u64> {
        page.iter().map(|(seq, _)| *seq).collect()
    }

    #[test]
    fn a_tail_is_read_beside_the_writer_and_over_a_compaction() {
        let dir = tempfile::tempdir().expect("a directory");
        let history = History::in_directory(dir.path());
        let files = Box::new(Directory::new(dir.path()));
        let (mut journal, _) = Journal::open(files, &mut |_, _| Ok(())).expect("opens");
        let mut replayed = Replayed::new(Settings::default());
        let spec = sweep("a", 4);
        let ids = trials(&spec);
        let mut facts = vec![submitted(&spec)];
        facts.extend((1..20).map(|job| granted_as(job, &ids[..2])));
        facts.extend(ids[..4].iter().map(|id| finished(*id, 0.5)));
        let mut append = |journal: &mut Journal, facts: &[Fact]| {
            journal.append(&stamped(facts.to_vec())).expect("appends");
            for fact in facts {
                replayed.take(0, fact.clone()).expect("replays");
            }
            replayed.snapshot()
        };
        append(&mut journal, &facts[..20]);
        let mut tail = history.tail(3).expect("reads").expect("has all");
        let page = tail.page(10, 5).expect("reads");
        assert_eq!(numbers(&page), [4, 5, 6, 7, 8]);
        assert_eq!(page[0].1.fact, facts[3]);
        assert_eq!(numbers(&tail.page(10, 5).expect("reads")), [9, 10]);
        assert!(tail.page(10, 5).expect("reads").is_empty(), "not durable");

        let snapshot = append(&mut journal, &facts[20..22]);
        journal.compact_above(0);
        journal
            .compact(1_763_942_500_000, snapshot)
            .expect("begins");
        journal.tidy_all().expect("compacts");
        append(&mut journal, &facts[22..]);
        // The open file is read to its end; after that, another file is needed.
        let rest = numbers(&tail.page(24, 100).expect("reads"));
        assert_eq!(rest, (11..=22).collect::<Vec<_>>());
        assert!(tail.page(24, 100).expect("reads").is_empty());
        assert!(history.tail(21).expect("reads").is_none(), "was compacted");
        let mut tail = history.tail(22).expect("reads").expect("has all");
        let page = tail.page(24, 100).expect("reads");
        assert_eq!(numbers(&page), [23, 24]);
        let told: Vec<_> = page.into_iter().map(|(_, stamped)| stamped.fact).collect();
        assert_eq!(told, facts[22..]);
    }
}
