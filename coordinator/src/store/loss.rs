//! Loss: what is said of a damaged journal.

use super::verify::Finding;
use serde::Serialize;
use std::fmt;
use std::path::Path;

/// Most damaged places, and most ids in them, that are told one by one.
const TOLD_MAX: usize = 100;

/// How ids of trials and of sweeps are written: what is before them, and how many digits they have.
const IDS: [(&str, &[u8], usize); 2] = [
    ("trial", b"\"trial\":\"", 32),
    ("sweep", b"\"sweep\":\"", 16),
];

/// What is damaged in a journal, and what of it is lost.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Damage {
    /// Damaged places, up to a bound.
    pub findings: Vec<Finding>,
    /// How many more there are.
    pub further: u64,
    /// Numbers of entries that are lost, first and last; none of those behind the last that is left.
    pub lost_entries: Vec<(u64, u64)>,
    /// Lines of the snapshot that are lost; none where there is no telling.
    pub lost_of_snapshot: Option<u64>,
    /// Trials and sweeps that damaged places name, up to a bound.
    pub named: Vec<String>,
}

impl Damage {
    /// Takes note of a damaged place.
    pub(super) fn find(&mut self, path: &Path, line: u64, problem: String) {
        match self.findings.len() < TOLD_MAX {
            true => self.findings.push(Finding {
                path: path.to_owned(),
                line: Some(line),
                problem,
            }),
            false => self.further += 1,
        }
    }

    /// Takes note of what a damaged place says that it is about.
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

    /// How many entries are known to be lost, beside those of the snapshot.
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
                    match first == last {
                        true => write!(f, "{first}")?,
                        false => write!(f, "{first} to {last}")?,
                    }
                }
                match self.lost_entries.len() > 8 {
                    true => write!(f, ", …"),
                    false => Ok(()),
                }
            }
        }
    }
}

/// Where `bytes` have `pattern`.
pub(super) fn places<'a>(bytes: &'a [u8], pattern: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    let windows = bytes.windows(pattern.len()).enumerate();
    windows
        .filter(move |(_, window)| *window == pattern)
        .map(|(position, _)| position)
}
