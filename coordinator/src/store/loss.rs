//! Loss: what users are told about a damaged journal.

use serde::Serialize;
use std::fmt;
use std::path::{Path, PathBuf};

/// The most damaged places, and ids in them, that are listed one by one.
const TOLD_MAX: usize = 100;

/// How ids of trials and sweeps are written: the text before them and the number of their digits.
const IDS: [(&str, &[u8], usize); 2] = [
    ("trial", b"\"trial\":\"", 32),
    ("sweep", b"\"sweep\":\"", 16),
];

/// A defect of a state directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The file or directory with the defect.
    pub path: PathBuf,
    /// The line with the defect, counted from 1, if the file has lines.
    pub line: Option<u64>,
    /// What is wrong.
    pub problem: String,
}

/// What is damaged in a journal, and what is lost.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Damage {
    /// Damaged places, up to a limit.
    pub findings: Vec<Finding>,
    /// How many more damaged places there are.
    pub further: u64,
    /// Ranges of entries that are lost, by first and last number. Entries after the last intact one
    /// are not included.
    pub lost_entries: Vec<(u64, u64)>,
    /// The number of lost lines of the snapshot, if it is known.
    pub lost_of_snapshot: Option<u64>,
    /// Trials and sweeps that damaged places name, up to a limit.
    pub named: Vec<String>,
}

impl Damage {
    /// Adds a damaged place.
    pub(super) fn find(&mut self, path: &Path, line: u64, problem: String) {
        if self.findings.len() < TOLD_MAX {
            self.findings.push(Finding {
                path: path.to_owned(),
                line: Some(line),
                problem,
            })
        } else {
            self.further += 1
        }
    }

    /// Adds the trials and sweeps that a damaged place names.
    pub(super) fn name(&mut self, content: &[u8]) {
        for (what, before, digits) in IDS {
            for start in places(content, before) {
                let id = content.get(start + before.len()..).unwrap_or_default();
                let id = id.get(..digits);
                let Some(id) = id.filter(|id| id.iter().all(u8::is_ascii_hexdigit)) else {
                    continue;
                };
                let named = format!("{what} {}", String::from_utf8_lossy(id));
                if self.named.len() < TOLD_MAX && !self.named.contains(&named) {
                    self.named.push(named);
                }
            }
        }
    }

    /// How many entries are known to be lost, not counting those of the snapshot.
    pub fn lost(&self) -> u64 {
        let counts = self
            .lost_entries
            .iter()
            .map(|(first, last)| last - first + 1);
        counts.sum()
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = self.findings.len() as u64 + self.further;
        let plural = |count| if count == 1 { "" } else { "s" };
        write!(f, "{places} damaged place{}", plural(places))?;
        if let Some(first) = self.findings.first() {
            let line = first.line.unwrap_or_default();
            write!(f, " (line {line}: {})", first.problem)?;
        }
        match (self.lost(), self.lost_of_snapshot) {
            (0, None | Some(0)) => write!(f, ", no entry between others is lost"),
            (lost, of_snapshot) => {
                let lost = lost + of_snapshot.unwrap_or(0);
                match lost {
                    1 => write!(f, ", 1 entry is lost")?,
                    lost => write!(f, ", {lost} entries are lost")?,
                }
                for (number, (first, last)) in self.lost_entries.iter().take(8).enumerate() {
                    f.write_str(if number == 0 { ": " } else { ", " })?;
                    if first == last {
                        write!(f, "{first}")?
                    } else {
                        write!(f, "{first} to {last}")?
                    }
                }
                if self.lost_entries.len() > 8 {
                    write!(f, ", …")
                } else {
                    Ok(())
                }
            }
        }
    }
}

/// The positions at which `bytes` contain `pattern`.
pub(super) fn places<'a>(bytes: &'a [u8], pattern: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    let windows = bytes.windows(pattern.len()).enumerate();
    windows
        .filter(move |(_, window)| *window == pattern)
        .map(|(position, _)| position)
}
