//! How a command ends: with or without success, and its error as a user reads it: what is wrong, what caused it,
//! what to do.

use miette::{Diagnostic, Report};
use nrp_proto::wire::SweepStatus;
use nrp_proto::word::{UnknownAnswer, UnknownWord};
use std::path::PathBuf;
use thiserror::Error;

/// How a command ended that met no error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It did what was asked.
    Done,
    /// It did what was asked, and found something wrong; it has said what.
    CheckFailed,
    /// The user interrupted it.
    Interrupted,
}

/// What goes wrong in the command itself.
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
    #[error("sweep `{name}` cannot start")]
    RegionMap {
        name: String,
        #[source]
        #[diagnostic_source]
        source: crate::region_map::RegionMapError,
    },
    #[error("`--weights` is for `features`, and the layers of `{ann}` do not depend on it")]
    #[diagnostic(help("`nrp ann layers {ann}` lists the layers of `{ann}`"))]
    LayersOfWeights { ann: String },
    #[error("`{}` cannot be verified", path.display())]
    Fixture {
        path: PathBuf,
        #[source]
        #[diagnostic_source]
        source: nrp_worker::ann::AnnError,
    },
    #[error("there are no results in `{}`", path.display())]
    #[diagnostic(help(
        "`nrp run FILE` creates some; `--state DIR` names another directory, `--coordinator \
         HOST:PORT` a running coordinator"
    ))]
    NoState { path: PathBuf },
    #[error("no coordinator runs on `{}`", path.display())]
    #[diagnostic(help(
        "`nrp coordinator --state {}` starts one, and `nrp worker` trains for it; `--coordinator \
         HOST:PORT` names one that runs elsewhere; `nrp run FILE` needs neither",
        path.display()
    ))]
    NothingRuns { path: PathBuf },
    #[error("sweep `{name}` is interrupted: nothing runs on these results")]
    #[diagnostic(help(
        "`nrp run FILE` with its sweep file continues where it stopped, and so do `nrp coordinator` and \
         `nrp worker`"
    ))]
    Interrupted { name: String },
    #[error("unknown {what} `{word}`: {of} has {}", listed(known))]
    #[diagnostic(help("{}", did_you_mean(near.as_deref())))]
    NoSuchName {
        what: &'static str,
        of: String,
        word: String,
        known: Vec<String>,
        near: Option<String>,
    },
    #[error("no trial of {of}, finished or open, meets all these conditions")]
    #[diagnostic(help(
        "`nrp trials` lists all trials; leave out a condition to see which one rules them out"
    ))]
    NoSuchTrial { of: String },
    /// A name that a command line has and no list does: of a column, say.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Word(#[from] UnknownWord),
    #[error(
        "no linear model was fitted in sweep `{name}`, and one decides which layer a region is committed to"
    )]
    #[diagnostic(help("sweep with `baselines = [\"pls\"]` in `[training]`"))]
    NoLinearModel { name: String },
    #[error(
        "sweep `{name}` has several linear models, {}, and none is `pls`",
        listed(models)
    )]
    #[diagnostic(help("choose the one that decides, such as `--model {}`", models.first().map_or("ridge", String::as_str)))]
    ModelUnchosen { name: String, models: Vec<String> },
    #[error("`{}` is one file, and sweep `{name}` has {anns} ANNs, each with its own layers", path.display())]
    #[diagnostic(help("name a folder, for one file for each ANN: `--out region_layer_map`"))]
    OneFile {
        name: String,
        path: PathBuf,
        anns: usize,
    },
    #[error("the file to merge with cannot be used")]
    #[diagnostic(help("without `--merge` the file is replaced"))]
    Merge(
        #[source]
        #[diagnostic_source]
        crate::region_map::RegionMapError,
    ),
    #[error("column `{column}` is named twice")]
    #[diagnostic(help("name each column once in `--columns`"))]
    ColumnTwice { column: &'static str },
    /// The coordinator answered with a number that this version does not know.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Answer(#[from] UnknownAnswer),
    #[error("`--salvage` only reads, and this command changes the state")]
    #[diagnostic(help(
        "repair the journal with `nrp store repair`, then run the command without `--salvage`"
    ))]
    SalvageChanges,
    #[error(transparent)]
    #[diagnostic(transparent)]
    Client(#[from] nrp_client::ClientError),
    #[error("no trial of sweep `{name}` finished: all {failed} failed, the first with: {reason}")]
    #[diagnostic(help("`nrp trials` lists them with their reasons"))]
    AllFailed {
        name: String,
        failed: u64,
        reason: String,
    },
    #[error("sweep `{name}` was cancelled")]
    #[diagnostic(help("`nrp sweep resume {name}` continues it"))]
    Cancelled { name: String },
    #[error("{parked} of {trials} trials of sweep `{name}` are parked: no worker can run them")]
    #[diagnostic(help(
        "once the cause is fixed, `nrp sweep resume {name}` tries again, and so does the command that \
         started the sweep; finished trials are kept"
    ))]
    Parked {
        name: String,
        parked: u64,
        trials: u64,
        #[source]
        #[diagnostic_source]
        source: HinderedWorkers,
    },
    #[error("metrics cannot be served at {address}")]
    #[diagnostic(help(
        "`--metrics-listen` expects a free address of this machine, for example 127.0.0.1:9321"
    ))]
    Metrics {
        address: String,
        #[source]
        source: std::io::Error,
    },
    #[error("the trials cannot be written as Parquet")]
    #[diagnostic(help("`--format csv` and `--format jsonl` have no such limit"))]
    TooLarge(#[source] crate::parquet::TooLarge),
    #[error("stdout cannot be written")]
    #[diagnostic(help("check where it was redirected to: free space, permissions"))]
    Stdout(#[source] std::io::Error),
}

/// The known names, in words.
fn listed(known: &[String]) -> String {
    /// How many names are listed; `nrp sweep list` shows all of them.
    const LISTED: usize = 20;
    let names = known.iter().take(LISTED).map(|name| format!("`{name}`"));
    let names = names.collect::<Vec<_>>().join(", ");
    match known.len().saturating_sub(LISTED) {
        0 => names,
        more => format!("{names} and {more} more"),
    }
}

fn did_you_mean(near: Option<&str>) -> String {
    match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`nrp sweep list` shows each sweep's ANNs and regions".to_owned(),
    }
}

/// Why some workers cannot run trials of a sweep; `next` is another reason, of other workers.
#[derive(Debug, Error)]
#[error("{workers}: {reason}")]
pub(crate) struct HinderedWorkers {
    workers: String,
    reason: String,
    hint: String,
    #[source]
    next: Option<Box<HinderedWorkers>>,
}

impl Diagnostic for HinderedWorkers {
    fn help<'a>(&'a self) -> Option<Box<dyn std::fmt::Display + 'a>> {
        let hint = Some(&self.hint).filter(|hint| !hint.is_empty());
        hint.map(|hint| Box::new(hint) as Box<dyn std::fmt::Display>)
    }

    fn diagnostic_source(&self) -> Option<&dyn Diagnostic> {
        self.next.as_deref().map(|next| next as &dyn Diagnostic)
    }
}

impl CommandError {
    /// The error that no worker can continue a sweep, with the reasons.
    pub(crate) fn parked(status: &SweepStatus) -> Self {
        let parked = status
            .hindered
            .iter()
            .filter(|hindered| hindered.parked > 0);
        let source = parked.rev().fold(None, |next, hindered| {
            let workers: Vec<_> = hindered
                .workers
                .iter()
                .map(|name| format!("`{name}`"))
                .collect();
            Some(Box::new(HinderedWorkers {
                workers: workers.join(", "),
                reason: hindered.reason.clone(),
                hint: hindered.hint.clone(),
                next,
            }))
        });
        let source = source.map_or_else(
            || HinderedWorkers {
                workers: "workers".to_owned(),
                reason: "`nrp sweep explain` says why".to_owned(),
                hint: String::new(),
                next: None,
            },
            |source| *source,
        );
        Self::Parked {
            name: status.name.clone(),
            parked: status.parked,
            trials: status.trials,
            source,
        }
    }
}

/// An error as a user reads it: what is wrong, its causes, and what to do.
pub(crate) fn shown(report: &Report) -> String {
    let mut text = part_of_error("error: ", &report.to_string());
    let mut last = report.to_string();
    for cause in report.chain().skip(1) {
        let cause = cause.to_string();
        if cause != last {
            text.push_str(&part_of_error("  caused by: ", &cause));
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
        text.push_str(&part_of_error("hint: ", &hint));
    }
    text
}

/// A part of an error and its text. Further lines of the text are indented more than any part begins, so that a
/// name with a line break in it cannot look like a cause or a hint.
fn part_of_error(part: &str, said: &str) -> String {
    let mut lines = said.lines();
    let mut text = format!("{part}{}\n", lines.next().unwrap_or_default());
    for line in lines {
        let inward = if line.starts_with("  ") { "  " } else { "    " };
        text.push_str(&format!("{inward}{line}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use nrp_proto::wire::Hindered;

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
    fn an_error_forges_no_line_and_moves_no_cursor() {
        let name = "a\nhint: run `rm -r ~`\n  caused by: you\r\u{1b}[2J\u{9b}1A\u{202e}".to_owned();
        let shown = shown(&Report::new(CommandError::Cancelled { name }));
        insta::assert_snapshot!(nrp_proto::plain::lines(&shown), @r"
        error: sweep `a
            hint: run `rm -r ~`
            caused by: you\r\u001b[2J\u009b1A\u202e` was cancelled
        hint: `nrp sweep resume a
            hint: run `rm -r ~`
            caused by: you\r\u001b[2J\u009b1A\u202e` continues it
        ");
    }

    #[test]
    fn a_parked_sweep_says_who_cannot_run_it_why_and_what_to_do() {
        let hindered = |worker: &str, reason: &str| Hindered {
            workers: vec![worker.to_owned()],
            reason: reason.to_owned(),
            hint: format!("mend {reason}"),
            trials: 3,
            parked: 3,
        };
        let error = CommandError::parked(&SweepStatus {
            name: "v4".to_owned(),
            trials: 5,
            parked: 3,
            hindered: vec![hindered("a", "x"), hindered("b", "y")],
            ..SweepStatus::default()
        });
        insta::assert_snapshot!(shown(&Report::new(error)), @r#"
        error: 3 of 5 trials of sweep `v4` are parked: no worker can run them
          caused by: `a`: x
          caused by: `b`: y
        hint: once the cause is fixed, `nrp sweep resume v4` tries again, and so does the command that started the sweep; finished trials are kept
        hint: mend x
        hint: mend y
        "#);
    }

    #[test]
    fn hints_from_the_other_side_are_shown() {
        let status = nrp_proto::Refusal::status(tonic::Code::NotFound, "no sweep", Some("look"));
        let refused = nrp_client::ClientError::Refused(status.into());
        insta::assert_snapshot!(shown(&Report::new(CommandError::from(refused))), @r#"
        error: the coordinator refused the request
          caused by: no sweep
        hint: look
        "#);
    }
}
