//! Verifying: every line of the journal is read, and every record of the index compared with what
//! the journal makes of it. Changes nothing: opening an index writes to it, so a copy is compared.

use super::disk::{INDEX_DIR, Pending, index_pending};
use super::files::{Directory, Files};
use super::index::{self, Index};
use super::journal::FILE_NAME;
use super::lines::Lines;
use super::reading::Scratch;
use super::{IndexError, StoreError};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Most findings that are told one by one.
const FINDINGS_MAX: usize = 100;

/// Where the index that the journal makes lies meanwhile, in a temporary directory.
const CHECK_DIR: &str = "index.check";

/// Something that is wrong in a state directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// In this file or directory.
    pub path: PathBuf,
    /// In this line, counted from 1, where it has lines.
    pub line: Option<u64>,
    /// What it is.
    pub problem: String,
}

/// What verifying found.
#[derive(Debug, Default, Serialize)]
pub struct Verified {
    /// Lines of the journal that were read.
    pub lines: u64,
    /// The last entry's number.
    pub entries: u64,
    /// Records of the index that were compared.
    pub records: u64,
    /// What is wrong, up to a bound.
    pub findings: Vec<Finding>,
    /// How much more is wrong.
    pub further: u64,
    /// What is not wrong, and worth knowing.
    pub notices: Vec<String>,
}

/// Verifies the state in `dir`, which nothing else may be using.
///
/// # Errors
/// When it cannot be read at all, or is in use.
pub fn verify(dir: &Path) -> Result<Verified, StoreError> {
    if !dir.join(FILE_NAME).is_file() {
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
            let notice = match index_dir.exists() {
                true => "the index cannot be read, so it was not compared with the journal",
                false => "there is no index; the next start makes one from the journal",
            };
            verified.notices.push(notice.to_owned());
            return Ok(verified);
        }
        Some(found) => found.and_then(|(index, mut pending)| {
            let behind = verified.entries.saturating_sub(pending.applied());
            pending.finish(&index, verified.entries)?;
            if behind > 0 {
                let notice = format!(
                    "the index is {behind} entries behind, which the next start makes up for"
                );
                verified.notices.push(notice);
            }
            verified.compare(&index_dir, &index, &expected)
        }),
    };
    match compared {
        Ok(()) => {}
        // What an earlier version wrote is whole, and goes at the next start.
        Err(error @ IndexError::OtherFormat { .. }) => {
            let notice = format!("{error}; it was not compared, and the next start makes it again");
            verified.notices.push(notice);
        }
        Err(error) => verified.find(&index_dir, None, error.to_string()),
    }
    Ok(verified)
}

impl Verified {
    /// Whether nothing is wrong.
    pub fn is_whole(&self) -> bool {
        self.findings.is_empty()
    }

    fn find(&mut self, path: &Path, line: Option<u64>, problem: String) {
        match self.findings.len() < FINDINGS_MAX {
            true => self.findings.push(Finding {
                path: path.to_owned(),
                line,
                problem,
            }),
            false => self.further += 1,
        }
    }

    /// Reads all lines, also behind those that are wrong.
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
                "the last line of `{}` (line {}, {} bytes) is torn: nobody was told that it was \
                 recorded, and the next start drops it",
                files.path(FILE_NAME).display(),
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
