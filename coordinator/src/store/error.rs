//! What can be wrong with a state directory, and what to do about it.

use miette::Diagnostic;
use std::io;
use std::path::PathBuf;
use thiserror::Error;

/// Why the state cannot be opened, read or written.
#[derive(Debug, Error, Diagnostic)]
pub enum StoreError {
    /// Another process has it.
    #[error("state directory `{}` is in use by another process", .dir.display())]
    #[diagnostic(help(
        "stop the other `nrp coordinator` or `nrp run`, or give this one a state directory of its \
         own with `--state`"
    ))]
    InUse {
        /// The state directory.
        dir: PathBuf,
    },
    /// Nothing was ever recorded there.
    #[error("there is no state in `{}`", .dir.display())]
    #[diagnostic(help(
        "`--state` names the directory that `nrp run` or `nrp coordinator` was started with"
    ))]
    NoState {
        /// The directory.
        dir: PathBuf,
    },
    /// It was opened to be read.
    #[error("state directory `{}` was opened to be read, and something was to be written to it", .dir.display())]
    #[diagnostic(help("`nrp coordinator --state DIR` opens it for changes; nothing was written"))]
    ReadOnly {
        /// The state directory.
        dir: PathBuf,
    },
    /// There is no place for a copy of the index.
    #[error("a temporary directory cannot be made in `{}`", .dir.display())]
    #[diagnostic(help("the environment variable TMPDIR names another place"))]
    Scratch {
        /// Where it was to be.
        dir: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A new directory was asked for.
    #[error("`{}` is not empty", .dir.display())]
    #[diagnostic(help("name a directory that is not there yet; it will be made"))]
    Occupied {
        /// The directory.
        dir: PathBuf,
    },
    /// It is of another version.
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
        /// What its journal says.
        found: u64,
        /// The oldest that this version reads.
        oldest: u64,
        /// What it writes.
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
        /// Counted from 1.
        line: u64,
        /// What is wrong.
        problem: String,
    },
    /// A damaged journal that cannot be put together from its intact lines.
    #[error("journal `{}` cannot be repaired: line {line}: {problem}", .path.display())]
    #[diagnostic(help(
        "nothing was changed; restore it from a backup, or, if a newer version of nrp wrote it, let \
         that one repair it"
    ))]
    Unrepairable {
        /// The journal.
        path: PathBuf,
        /// Counted from 1.
        line: u64,
        /// What is in the way.
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
    /// A write failed before, so that what is in the file is not known.
    #[error("journal cannot be written: an earlier write to `{}` failed", .path.display())]
    #[diagnostic(help("start again; nothing that was acknowledged is lost"))]
    Poisoned {
        /// The journal.
        path: PathBuf,
    },
    /// A file or directory cannot be used.
    #[error("`{}` cannot be {action}", .path.display())]
    #[diagnostic(help(
        "check that the directory given with `--state` exists and that you may use it so"
    ))]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A sweep in the journal has no trials for this version.
    #[error("sweep `{name}` in the journal cannot be expanded to its trials")]
    #[diagnostic(help("run the version of nrp that wrote it"))]
    Sweep {
        /// Its name.
        name: String,
        /// Why not.
        source: nrp_proto::sweep::GridError,
    },
    /// The index cannot be used.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Index(#[from] IndexError),
}

/// Why the index cannot be read or written. The journal still has everything.
#[derive(Debug, Error, Diagnostic)]
pub enum IndexError {
    /// What is in it makes no sense.
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
    #[error(
        "the index of the state directory is of format {found}, and this version's is {expected}"
    )]
    #[diagnostic(help(
        "the next start of this version makes it again from the journal; nothing is lost"
    ))]
    OtherFormat {
        /// The format it is of.
        found: u64,
        /// The format that this version writes.
        expected: u64,
    },
    /// The system does not let it be read or written.
    #[error("the index `{}` cannot be read or written", .path.display())]
    #[diagnostic(help(
        "check the disk, free some space and start again; nothing that was acknowledged is lost"
    ))]
    Disk {
        /// Where it lies.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

impl IndexError {
    pub(super) fn new(problem: impl ToString) -> Self {
        Self::Damaged {
            problem: problem.to_string(),
        }
    }

    /// Of something that must be there.
    pub(crate) fn missing(what: &str, id: impl std::fmt::Display) -> Self {
        Self::new(format!("{what} {id} is not in it"))
    }
}

impl From<nrp_proto::sweep::GridError> for IndexError {
    fn from(error: nrp_proto::sweep::GridError) -> Self {
        Self::new(format!("a sweep in the journal has no trials: {error}"))
    }
}
