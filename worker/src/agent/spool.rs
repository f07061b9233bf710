//! The spool: outcomes on disk until the coordinator has acknowledged them, so that none is lost
//! with its worker.
//!
//! One small file a trial, `TRIAL.outcome`: the BLAKE3 of its second line, and the report as JSON
//! with the coordinator it is for. It has its name once it is whole and synced. Files of one
//! directory may come from many workers: a process that starts reports what earlier ones of its name,
//! or others that died, left for the same coordinator. Reporting the same outcome twice is
//! harmless. An outcome that the coordinator does not accept is kept as `TRIAL.unknown`, and never
//! sent again.

use miette::Diagnostic;
use nrp_proto::wire::Report;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use thiserror::Error;

const WHOLE: &str = "outcome";
const PARTIAL: &str = "part";
const UNKNOWN: &str = "unknown";

/// Why the spool cannot be used.
#[derive(Debug, Error, Diagnostic)]
#[error("the spool of outcomes cannot use `{}`", path.display())]
#[diagnostic(help(
    "check free space and permissions there, or name another directory with `--spool`"
))]
pub struct SpoolError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// The directory in which outcomes wait.
#[derive(Debug, Clone)]
pub(super) struct Spool {
    directory: PathBuf,
    coordinator: String,
}

/// The content of a file.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    /// The address from which its worker got the job.
    coordinator: String,
    report: Report,
}

impl Spool {
    /// Opens the directory, which is created if it is missing, for outcomes that go to `coordinator`.
    pub(super) fn open(directory: PathBuf, coordinator: String) -> Result<Self, SpoolError> {
        match fs::create_dir_all(&directory) {
            Ok(()) => Ok(Self {
                directory,
                coordinator,
            }),
            Err(source) => Err(SpoolError {
                path: directory,
                source,
            }),
        }
    }

    /// Keeps an outcome; it is synced to disk when this returns.
    pub(super) fn keep(&self, report: &Report) -> io::Result<()> {
        let entry = Entry {
            coordinator: self.coordinator.clone(),
            report: report.clone(),
        };
        let json = serde_json::to_string(&entry)?;
        let partial = self.path(&report.trial, PARTIAL)?;
        let mut file = File::create(&partial)?;
        writeln!(file, "{}\n{json}", blake3::hash(json.as_bytes()))?;
        file.sync_all()?;
        fs::rename(&partial, self.path(&report.trial, WHOLE)?)?;
        File::open(&self.directory)?.sync_all()
    }

    /// The outcomes left by earlier processes of `workers`, or by any process with the same
    /// coordinator. Incomplete ones are dropped with a warning.
    pub(super) fn left(&self, workers: &[String]) -> Result<Vec<Report>, SpoolError> {
        let failed = |path: &Path, source| SpoolError {
            path: path.to_owned(),
            source,
        };
        let files = fs::read_dir(&self.directory)
            .and_then(|files| files.map(|file| Ok(file?.path())).collect());
        let mut files: Vec<PathBuf> = files.map_err(|source| failed(&self.directory, source))?;
        files.sort();
        let mut reports = Vec::new();
        for path in files {
            let extension = path.extension().and_then(|extension| extension.to_str());
            let read = match extension {
                Some(WHOLE) => fs::read(&path).map(|bytes| decode(&bytes)),
                Some(PARTIAL) => Ok(Err("writing it was interrupted".to_owned())),
                _ => continue,
            };
            match read {
                Ok(Ok(entry))
                    if workers.contains(&entry.report.worker)
                        || entry.coordinator == self.coordinator =>
                {
                    reports.push(entry.report);
                }
                Ok(Ok(_)) => {}
                Ok(Err(reason)) => {
                    tracing::warn!(
                        file = %path.display(), reason,
                        "dropping an incomplete spooled outcome; its trial runs again"
                    );
                    unless_missing(fs::remove_file(&path))
                        .map_err(|source| failed(&path, source))?;
                }
                // Another worker's report of it has just been acknowledged.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(failed(&path, source)),
            }
        }
        Ok(reports)
    }

    /// Removes an acknowledged outcome.
    pub(super) fn forget(&self, trial: &str) {
        let removed = self.path(trial, WHOLE).and_then(fs::remove_file);
        // At worst it is reported again as a duplicate.
        if let Err(error) = unless_missing(removed) {
            tracing::warn!(trial, %error, "cannot remove a spooled outcome");
        }
    }

    /// Sets aside an outcome that the coordinator does not accept, so that it is not sent again.
    pub(super) fn set_aside(&self, trial: &str, reason: &str) {
        tracing::warn!(
            trial,
            reason,
            "the coordinator does not accept an outcome; setting it aside in the spool"
        );
        let moved = self
            .path(trial, WHOLE)
            .and_then(|from| fs::rename(from, self.path(trial, UNKNOWN)?));
        if let Err(error) = unless_missing(moved) {
            tracing::warn!(trial, %error, "cannot set aside a spooled outcome");
        }
    }

    /// The file of a trial; its id came over the wire and must not lead outside the directory.
    fn path(&self, trial: &str, extension: &str) -> io::Result<PathBuf> {
        let is_id = !trial.is_empty() && trial.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !is_id {
            let reason = format!("`{trial}` is not a trial's id");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
        }
        Ok(self.directory.join(format!("{trial}.{extension}")))
    }
}

fn decode(bytes: &[u8]) -> Result<Entry, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    let lines = text
        .strip_suffix('\n')
        .and_then(|text| text.split_once('\n'));
    let (digest, json) = lines.ok_or("it is not two lines")?;
    if blake3::hash(json.as_bytes()).to_hex().as_str() != digest {
        return Err("its content has another digest".to_owned());
    }
    serde_json::from_str(json).map_err(|error| error.to_string())
}

fn unless_missing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nrp_proto::wire::{LeaseRef, Outcome, Scores, outcome};
    use tempfile::TempDir;

    const ADDRESS: &str = "http://head:7321";

    fn spool(directory: &TempDir, coordinator: &str) -> Spool {
        let directory = directory.path().join("spool");
        Spool::open(directory, coordinator.to_owned()).expect("opens")
    }

    fn report(worker: &str, trial: &str) -> Report {
        let scores = Scores {
            nrp_error: 0.1 + 0.2,
            ..Scores::default()
        };
        Report {
            worker: worker.to_owned(),
            instance: "1".to_owned(),
            lease: Some(LeaseRef { job: 7, fence: 9 }),
            trial: trial.to_owned(),
            outcome: Some(Outcome {
                result: Some(outcome::Result::Scores(scores)),
            }),
        }
    }

    fn names(directory: &TempDir) -> Vec<String> {
        let files = fs::read_dir(directory.path().join("spool")).expect("lists");
        let mut names: Vec<_> = files
            .map(|file| {
                file.expect("lists")
                    .file_name()
                    .into_string()
                    .expect("text")
            })
            .collect();
        names.sort();
        names
    }

    #[test]
    fn what_was_kept_is_left_bit_for_bit_until_it_is_acknowledged() {
        let directory = TempDir::new().expect("a directory");
        let kept = report("w", "0a");
        spool(&directory, ADDRESS).keep(&kept).expect("is kept");
        let spool = spool(&directory, ADDRESS);
        assert_eq!(spool.left(&["w".to_owned()]).expect("reads"), [kept]);
        spool.forget("0a");
        assert_eq!(spool.left(&["w".to_owned()]).expect("reads"), []);
        spool.forget("0a");
    }

    #[test]
    fn the_dead_leave_theirs_to_whoever_speaks_with_the_same_coordinator() {
        let directory = TempDir::new().expect("a directory");
        let elsewhere = spool(&directory, "http://other:7321");
        elsewhere.keep(&report("host-17", "0a")).expect("is kept");
        let here = spool(&directory, ADDRESS);
        here.keep(&report("host-18", "0b")).expect("is kept");
        assert_eq!(
            here.left(&["host-19".to_owned()]).expect("reads"),
            [report("host-18", "0b")]
        );
        // The same name takes its own along to another address.
        assert_eq!(here.left(&["host-17".to_owned()]).expect("reads").len(), 2);
    }

    #[test]
    fn a_torn_entry_is_dropped_wherever_it_is_torn_and_the_others_stay() {
        let directory = TempDir::new().expect("a directory");
        let spool = spool(&directory, ADDRESS);
        spool.keep(&report("w", "0a")).expect("is kept");
        let whole = fs::read(spool.path("0a", WHOLE).expect("an id")).expect("reads");
        for length in 0..whole.len() {
            for (trial, extension) in [("0b", WHOLE), ("0c", PARTIAL)] {
                let path = spool.path(trial, extension).expect("an id");
                fs::write(path, &whole[..length]).expect("writes");
            }
            assert_eq!(
                spool.left(&["w".to_owned()]).expect("reads"),
                [report("w", "0a")]
            );
            assert_eq!(names(&directory), ["0a.outcome"]);
        }
    }

    #[test]
    fn what_nobody_wants_is_set_aside_for_good() {
        let directory = TempDir::new().expect("a directory");
        let spool = spool(&directory, ADDRESS);
        spool.keep(&report("w", "0a")).expect("is kept");
        spool.set_aside("0a", "nobody asked for it");
        assert_eq!(spool.left(&["w".to_owned()]).expect("reads"), []);
        assert_eq!(names(&directory), ["0a.unknown"]);
    }

    #[test]
    fn an_id_never_leads_out_of_the_directory() {
        let directory = TempDir::new().expect("a directory");
        let error = spool(&directory, ADDRESS).keep(&report("w", "../0a"));
        assert_eq!(
            error.expect_err("no id").kind(),
            io::ErrorKind::InvalidInput
        );
        assert_eq!(names(&directory), [] as [String; 0]);
    }
}
