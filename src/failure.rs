//! How a command ends: exit codes, and errors as a user reads them: what is wrong, what caused it,
//! what to do.

use miette::{Diagnostic, Report};
use std::path::PathBuf;
use std::process::ExitCode;
use thiserror::Error;

/// How a command ended that met no error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It did what was asked.
    Done,
    /// It did, and the answer is no: a check failed, and has said so.
    Refuted,
    /// The user broke it off.
    Interrupted,
}

/// What goes wrong in this room itself.
#[derive(Debug, Error, Diagnostic)]
pub(crate) enum CommandError {
    #[error("`{}` cannot be read", path.display())]
    #[diagnostic(help("check the path and its permissions"))]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("`{}` cannot be written", path.display())]
    #[diagnostic(help("check free space and permissions there"))]
    Write {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("sweep file `{}` cannot be run", path.display())]
    Sweep {
        path: PathBuf,
        #[source]
        #[diagnostic_source]
        source: nrp_proto::sweep::SweepError,
    },
    #[error("sweep `{name}` cannot start")]
    Resolve {
        name: String,
        #[source]
        #[diagnostic_source]
        source: nrp_worker::resolve::ResolveError,
    },
    #[error("`{}` cannot be verified", path.display())]
    Fixture {
        path: PathBuf,
        #[source]
        #[diagnostic_source]
        source: nrp_worker::ann::AnnError,
    },
    #[error("there are no results in `{}`", path.display())]
    #[diagnostic(help(
        "`nrp run FILE` makes some; `--state DIR` names another directory, `--coordinator \
         HOST:PORT` a running coordinator"
    ))]
    NoState { path: PathBuf },
    #[error("the coordinator at {address} cannot be reached")]
    #[diagnostic(help(
        "is it running there? `nrp coordinator --listen HOST:PORT` starts one; check address, \
         port and firewall"
    ))]
    Unreachable {
        address: String,
        #[source]
        source: tonic::transport::Error,
    },
    #[error("`{address}` is not an address of a coordinator")]
    #[diagnostic(help("write it as HOST:PORT, for example 127.0.0.1:7321"))]
    Address { address: String },
    #[error("the coordinator cannot do that")]
    Refused(
        #[source]
        #[diagnostic_source]
        nrp_proto::Refusal,
    ),
    #[error("no trial of sweep `{name}` finished: all {failed} failed, the first with: {reason}")]
    #[diagnostic(help("`nrp trials` lists them with their reasons"))]
    AllFailed {
        name: String,
        failed: u64,
        reason: String,
    },
    #[error("sweep `{name}` was cancelled")]
    #[diagnostic(help("`nrp sweep resume {name}` takes it up again"))]
    Cancelled { name: String },
    #[error("metrics cannot be served at {address}")]
    #[diagnostic(help("`--metrics-listen` takes a free address of this machine: 127.0.0.1:9321"))]
    Metrics {
        address: String,
        #[source]
        source: std::io::Error,
    },
    #[error("stdout cannot be written")]
    #[diagnostic(help("check where it was redirected to: free space, permissions"))]
    Stdout(#[source] std::io::Error),
}

impl From<tonic::Status> for CommandError {
    fn from(status: tonic::Status) -> Self {
        Self::Refused(status.into())
    }
}

/// The exit code of a command, after its error, if any, was shown on stderr.
pub(crate) fn exit_code(ended: miette::Result<Ended>) -> ExitCode {
    match ended {
        Ok(Ended::Done) => ExitCode::SUCCESS,
        Ok(Ended::Refuted) => ExitCode::from(1),
        Ok(Ended::Interrupted) => ExitCode::from(130),
        Err(report) => {
            // A reader that closed its end of the pipe wants no more, not an error.
            if is_closed_pipe(&report) {
                return ExitCode::SUCCESS;
            }
            show(&report);
            ExitCode::from(1)
        }
    }
}

/// Writes an error to stderr.
pub(crate) fn show(report: &Report) {
    eprint!("{}", shown(report));
}

fn is_closed_pipe(report: &Report) -> bool {
    matches!(
        report.downcast_ref::<CommandError>(),
        Some(CommandError::Stdout(error)) if error.kind() == std::io::ErrorKind::BrokenPipe
    )
}

fn shown(report: &Report) -> String {
    let mut text = format!("error: {report}\n");
    let mut last = report.to_string();
    for cause in report.chain().skip(1) {
        let cause = cause.to_string();
        if cause != last {
            text.push_str(&format!("  caused by: {cause}\n"));
        }
        last = cause;
    }
    let mut hints: Vec<String> = Vec::new();
    let mut part: Option<&dyn Diagnostic> = Some(report.as_ref());
    while let Some(diagnostic) = part {
        if let Some(hint) = diagnostic.help().map(|hint| hint.to_string())
            && !hints.contains(&hint)
        {
            hints.push(hint);
        }
        part = diagnostic.diagnostic_source();
    }
    for hint in hints {
        text.push_str(&format!("hint: {hint}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_why_and_what_to_do() {
        let report = Report::new(CommandError::Read {
            path: "sweep.toml".into(),
            source: std::io::Error::other("the disk is gone"),
        });
        insta::assert_snapshot!(shown(&report), @r#"
        error: `sweep.toml` cannot be read
          caused by: the disk is gone
        hint: check the path and its permissions
        "#);
    }

    #[test]
    fn hints_from_the_other_side_are_shown() {
        let status = nrp_proto::Refusal::status(tonic::Code::NotFound, "no sweep", Some("look"));
        insta::assert_snapshot!(shown(&Report::new(CommandError::from(status))), @r#"
        error: the coordinator cannot do that
          caused by: no sweep
        hint: look
        "#);
    }
}
