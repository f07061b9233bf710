//! Verifying: reads every line of the journal, and compares every record of the index with what the
//! journal gives. It changes nothing: opening an index writes to it, so it compares a copy.

use super::disk::{Pending, index_pending};
use super::files::{Directory, Files, INDEX_DIR, JOURNAL};
use super::index::{self, Index};
use super::lines::Lines;
use super::loss::Finding;
use super::reading::Scratch;
use super::{IndexError, StoreError};
use serde::Serialize;
use std::path::Path;

/// The most findings that are listed one by one.
const FINDINGS_MAX: usize = 100;

/// The name of the index that is built from the journal, in a temporary directory.
const CHECK_DIR: &str = "index.check";

/// The result of verifying.
#[derive(Debug, Default, Serialize)]
pub struct Verified {
    /// How many lines of the journal were read.
    pub lines: u64,
    /// The last entry's number.
    pub entries: u64,
    /// How many records of the index were compared.
    pub records: u64,
    /// Defects, up to a limit.
    pub findings: Vec<Finding>,
    /// How many more defects there are.
    pub further: u64,
    /// Notices about things that are not wrong.
    pub notices: Vec<String>,
}

/// Verifies the state in `dir`, which nothing else may be using.
///
/// # Errors
/// When the state cannot be read at all, or is in use.
pub fn verify(dir: &Path) -> Result<Verified, StoreError> {
    if !dir.join(JOURNAL).is_file() {
        return Err(StoreError::NoState {
            dir: dir.to_owned(),
        });
    }
    let scratch = Scratch::new(dir)?;
    let mut verified = Verified::default();
    let expected = Index::open(&scratch.dir.path().join(CHECK_DIR))?;
    let mut making = Pending::of_nothing();
    let index_dir = dir.join(INDEX_DIR);
    let mut found = scratch.is_copied.then(|| index_pending(&scratch.index_dir));
    verified.journal(dir, &mut |place, fact| {
        making.take(&expected, place, &fact)?;
        if let Some(Ok((index, pending))) = &mut found
            && let Err(error) = pending.take(index, place, &fact)
        {
            found = Some(Err(error));
        }
        Ok(())
    })?;
    if !verified.findings.is_empty() {
        let notice = "the index was not compared with a journal that is damaged";
        verified.notices.push(notice.to_owned());
        return Ok(verified);
    }
    making.finish(&expected, verified.entries)?;
    let compared = match found {
        None => {
            let notice = if index_dir.exists() {
                "the index cannot be read, so it was not compared with the journal"
            } else {
                "there is no index; the next start builds one from the journal"
            };
            verified.notices.push(notice.to_owned());
            return Ok(verified);
        }
        Some(found) => found.and_then(|(index, mut pending)| {
            let behind = verified.entries.saturating_sub(pending.applied());
            pending.finish(&index, verified.entries)?;
            if behind > 0 {
                let notice =
                    format!("the index is {behind} entries behind; the next start catches up");
                verified.notices.push(notice);
            }
            verified.compare(&index_dir, &index, &expected)
        }),
    };
    match compared {
        Ok(()) => {}
        // An index that an earlier version wrote is whole; the next start replaces it.
        Err(error @ IndexError::OtherFormat { .. }) => {
            let notice = format!("{error}; it was not compared, and the next start rebuilds it");
            verified.notices.push(notice);
        }
        Err(error) => verified.find(&index_dir, None, error.to_string()),
    }
    Ok(verified)
}

impl Verified {
    /// Whether no defect was found.
    pub fn is_whole(&self) -> bool {
        self.findings.is_empty()
    }

    fn find(&mut self, path: &Path, line: Option<u64>, problem: String) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(Finding {
                path: path.to_owned(),
                line,
                problem,
            })
        } else {
            self.further += 1
        }
    }

    /// Reads all lines, including those after damaged ones.
    fn journal(
        &mut self,
        dir: &Path,
        visit: &mut super::journal::Visit<'_>,
    ) -> Result<(), StoreError> {
        let files = Directory::new(dir);
        let mut lines = match Lines::open(&files) {
            Ok(lines) => lines,
            Err(StoreError::BadLine {
                path,
                line,
                problem,
            }) => {
                self.find(&path, Some(line), problem);
                return Ok(());
            }
            Err(other) => return Err(other),
        };
        loop {
            match lines.next() {
                Ok(Some((place, entry))) if self.findings.is_empty() => visit(place, entry.event)?,
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(StoreError::BadLine {
                    path,
                    line,
                    problem,
                }) => self.find(&path, Some(line), problem),
                Err(other) => return Err(other),
            }
        }
        if let Some(torn) = lines.torn() {
            self.notices.push(format!(
                "the last line of `{}` (line {}, {} bytes) is torn: it was never acknowledged, and \
                 the next start drops it",
                files.path(JOURNAL).display(),
                torn.line,
                torn.bytes
            ));
        }
        self.lines = lines.number();
        self.entries = lines.last_seq();
        Ok(())
    }

    fn compare(
        &mut self,
        index_dir: &Path,
        found: &Index,
        expected: &Index,
    ) -> Result<(), IndexError> {
        let mut records = 0;
        index::compare(found, expected, &mut |difference| match difference {
            None => records += 1,
            Some(problem) => self.find(index_dir, None, problem),
        })?;
        self.records = records;
        Ok(())
    }
}
