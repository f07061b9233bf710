//! What can be wrong with a state directory, and how to fix it.

use miette::Diagnostic;
use std::io;
use std::path::PathBuf;
use thiserror::Error;

/// The reason why a state cannot be opened, read or written.
#[derive(Debug, Error, Diagnostic)]
pub enum StoreError {
    /// Another process has the directory open.
    #[error("state directory `{}` is in use by another process", .dir.display())]
    #[diagnostic(help(
        "stop the other `nrp coordinator` or `nrp run`, or give this one a state directory of its \
         own with `--state`"
    ))]
    InUse {
        /// The state directory.
        dir: PathBuf,
    },
    /// The directory contains no state.
    #[error("there is no state in `{}`", .dir.display())]
    #[diagnostic(help(
        "`--state` names the directory that `nrp run` or `nrp coordinator` was started with"
    ))]
    NoState {
        /// The directory.
        dir: PathBuf,
    },
    /// The store was opened for reading only.
    #[error("state directory `{}` was opened for reading and cannot be written", .dir.display())]
    #[diagnostic(help("`nrp coordinator --state DIR` opens it for changes; nothing was written"))]
    ReadOnly {
        /// The state directory.
        dir: PathBuf,
    },
    /// The temporary directory for a copy of the index cannot be created.
    #[error("cannot create a temporary directory in `{}`", .dir.display())]
    #[diagnostic(help("set the environment variable TMPDIR to another directory"))]
    Scratch {
        /// The directory in which it should have been.
        dir: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The target must be a new directory.
    #[error("`{}` is not empty", .dir.display())]
    #[diagnostic(help("name a directory that does not exist yet; it will be created"))]
    Occupied {
        /// The directory.
        dir: PathBuf,
    },
    /// The state has a format that this version does not read.
    #[error(
        "state directory `{}` was written by format {found}, this version reads {oldest} to {newest}",
        .dir.display()
    )]
    #[diagnostic(help(
        "run the version of nrp that wrote it, or choose another directory with `--state`; \
         nothing was changed"
    ))]
    Version {
        /// The state directory.
        dir: PathBuf,
        /// The format that the journal names.
        found: u64,
        /// The oldest format that this version reads.
        oldest: u64,
        /// The format that this version writes.
        newest: u64,
    },
    /// A line of the journal is damaged.
    #[error("journal `{}`, line {line}: {problem}", .path.display())]
    #[diagnostic(help(
        "the file was changed after it was written; restore it from a backup, or let `nrp store \
         repair` keep what is intact (`--dry-run` shows what is lost); queries read past the damage \
         with `--salvage`"
    ))]
    BadLine {
        /// The journal.
        path: PathBuf,
        /// The line's number, counted from 1.
        line: u64,
        /// What is wrong.
        problem: String,
    },
    /// A damaged journal cannot be put together from its intact lines.
    #[error("journal `{}` cannot be repaired: line {line}: {problem}", .path.display())]
    #[diagnostic(help(
        "nothing was changed; restore it from a backup, or, if a newer version of nrp wrote it, let \
         that one repair it"
    ))]
    Unrepairable {
        /// The journal.
        path: PathBuf,
        /// The line's number, counted from 1.
        line: u64,
        /// Why it cannot be repaired.
        problem: String,
    },
    /// The disk is full.
    #[error("journal cannot be written: no space left for `{}`", .path.display())]
    #[diagnostic(help("free some space and start again; nothing that was acknowledged is lost"))]
    NoSpace {
        /// The journal.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The journal cannot be written.
    #[error("journal cannot be written: `{}`", .path.display())]
    #[diagnostic(help("check the disk and start again; nothing that was acknowledged is lost"))]
    Write {
        /// The journal.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// An earlier write failed, so the content of the file is unknown.
    #[error("journal cannot be written: an earlier write to `{}` failed", .path.display())]
    #[diagnostic(help("start again; nothing that was acknowledged is lost"))]
    Poisoned {
        /// The journal.
        path: PathBuf,
    },
    /// A file or directory cannot be used.
    #[error("`{}` cannot be {action}", .path.display())]
    #[diagnostic(help(
        "check that the directory given with `--state` exists and that you have permission"
    ))]
    Io {
        /// What was tried, as a participle: `read`, `created`.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// This version cannot expand a sweep in the journal.
    #[error("sweep `{name}` in the journal cannot be expanded to its trials")]
    #[diagnostic(help("run the version of nrp that wrote it"))]
    Sweep {
        /// The sweep's name.
        name: String,
        /// Why it cannot be expanded.
        source: nrp_proto::sweep::GridError,
    },
    /// The index cannot be used.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Index(#[from] IndexError),
}

/// The reason why the index cannot be read or written. The journal still has everything.
#[derive(Debug, Error, Diagnostic)]
pub enum IndexError {
    /// The index is inconsistent.
    #[error("the index of the state directory is damaged: {problem}")]
    #[diagnostic(help(
        "stop the coordinator, delete the `index` directory inside the state directory and start \
         again: it is rebuilt from the journal, and nothing is lost"
    ))]
    Damaged {
        /// What is wrong.
        problem: String,
    },
    /// Another version of nrp wrote it.
    #[error("the index of the state directory has format {found}; this version expects {expected}")]
    #[diagnostic(help(
        "the next start of this version rebuilds it from the journal; nothing is lost"
    ))]
    OtherFormat {
        /// The format of the index.
        found: u64,
        /// The format that this version writes.
        expected: u64,
    },
    /// The system refuses to read or write the index.
    #[error("the index `{}` cannot be read or written", .path.display())]
    #[diagnostic(help(
        "check the disk, free some space and start again; nothing that was acknowledged is lost"
    ))]
    Disk {
        /// The index's directory.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

impl IndexError {
    pub(crate) fn new(problem: impl ToString) -> Self {
        Self::Damaged {
            problem: problem.to_string(),
        }
    }

    /// The error for a record that must exist and does not.
    pub(crate) fn missing(what: &str, id: impl std::fmt::Display) -> Self {
        Self::new(format!("it lacks {what} {id}"))
    }
}

impl From<nrp_proto::sweep::GridError> for IndexError {
    fn from(error: nrp_proto::sweep::GridError) -> Self {
        Self::new(format!("a sweep in the journal has no trials: {error}"))
    }
}
