//! Exit codes: what a command's end says to a script. All of them are here.

use crate::failure::{CommandError, Ended};
use crate::ui;
use std::process::ExitCode;

/// An exit code: its number, and what it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Code {
    number: u8,
    meaning: &'static str,
}

/// The command did what was asked.
pub(crate) const DONE: Code = Code {
    number: 0,
    meaning: "done",
};
/// The command failed, or a check found something wrong.
pub(crate) const FAILED: Code = Code {
    number: 1,
    meaning: "failed, or a check found something wrong; the output says what, and what to do",
};
/// The command line is wrong. The parser exits with it.
pub(crate) const USAGE: Code = Code {
    number: 2,
    meaning: "the command line is wrong",
};
/// The user interrupted the command, by Ctrl-C or SIGTERM.
pub(crate) const INTERRUPTED: Code = Code {
    number: 130,
    meaning: "interrupted; the same command continues where it stopped",
};

/// Every exit code, in the order of their numbers.
pub(crate) const ALL: [Code; 4] = [DONE, FAILED, USAGE, INTERRUPTED];

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code.number)
    }
}

impl From<Ended> for Code {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Done => DONE,
            Ended::CheckFailed => FAILED,
            Ended::Interrupted => INTERRUPTED,
        }
    }
}

/// The exit code of a command, after its error, if any, was shown on stderr.
pub(crate) fn code(ended: miette::Result<Ended>) -> ExitCode {
    match ended {
        Ok(ended) => Code::from(ended).into(),
        // A reader that closed its end of the pipe has read enough: no error.
        Err(report) if is_closed_pipe(&report) => DONE.into(),
        Err(report) => {
            ui::error(&report);
            FAILED.into()
        }
    }
}

fn is_closed_pipe(report: &miette::Report) -> bool {
    matches!(
        report.downcast_ref::<CommandError>(),
        Some(CommandError::Stdout(error)) if error.kind() == std::io::ErrorKind::BrokenPipe
    )
}

/// What `nrp --help` says of them.
pub(crate) fn help() -> String {
    let lines = ALL.map(|code| format!("\n  {:3}  {}", code.number, code.meaning));
    format!(
        "Data goes to stdout, everything else to stderr. NRP_LOG=debug logs what happens inside.\n\n\
         Exit codes:{}",
        lines.concat()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_lists_every_exit_code() {
        insta::assert_snapshot!(help(), @r"
        Data goes to stdout, everything else to stderr. NRP_LOG=debug logs what happens inside.

        Exit codes:
            0  done
            1  failed, or a check found something wrong; the output says what, and what to do
            2  the command line is wrong
          130  interrupted; the same command continues where it stopped
        ");
    }

    #[test]
    fn the_docs_list_every_exit_code() {
        let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/formats.md");
        let docs = std::fs::read_to_string(docs).expect("the page is there");
        for code in ALL {
            let row = format!("\n| {} | {} |\n", code.number, code.meaning);
            assert!(docs.contains(&row), "{row}");
        }
    }

    #[test]
    fn the_parser_exits_with_the_code_for_a_wrong_command_line() {
        let wrong = clap::Command::new("nrp").try_get_matches_from(["nrp", "--no-such-flag"]);
        let code = wrong.expect_err("there is no such flag").exit_code();
        assert_eq!(code, i32::from(USAGE.number));
    }
}
