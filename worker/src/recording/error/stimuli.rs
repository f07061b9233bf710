//! What can be wrong with a stimulus set.

use std::path::PathBuf;

use miette::Diagnostic;
use nrp_proto::near_miss;
use thiserror::Error;

/// Why a stimulus set could not be read.
#[derive(Debug, Error, Diagnostic)]
pub enum StimuliError {
    /// The stimulus set is not readable as CSV.
    #[error("`{}` is not a readable CSV file", path.display())]
    #[diagnostic(help(
        "it must have a header line and as many fields on each line as in the header"
    ))]
    Csv {
        /// The stimulus set.
        path: PathBuf,
        /// The reader's error, with the line.
        source: csv::Error,
    },
    /// The stimulus set is not text in an encoding that is read.
    #[error("`{}` {problem}", path.display())]
    #[diagnostic(help(
        "save it as UTF-8 (\"CSV UTF-8\" in a spreadsheet, `encoding=\"utf-8\"` in pandas)"
    ))]
    NotText {
        /// The stimulus set.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The stimulus set has no column of ids.
    #[error("`{}` has neither a column `stimulus_id` nor `image_id`; its columns are {}", path.display(), columns.join(", "))]
    #[diagnostic(help("name the column of ids `stimulus_id`{}", offer_column(columns)))]
    NoIdColumn {
        /// The stimulus set.
        path: PathBuf,
        /// The columns there are.
        columns: Vec<String>,
    },
    /// The stimulus set has a header only.
    #[error("`{}` lists no stimulus", path.display())]
    #[diagnostic(help("it needs one line per stimulus below its header"))]
    NoStimuli {
        /// The stimulus set.
        path: PathBuf,
    },
    /// Two columns of one name.
    #[error("`{}`: columns {first} and {second} are both called `{column}`", path.display())]
    #[diagnostic(help("rename or drop one of them: only you know which is meant"))]
    ColumnTwice {
        /// The stimulus set.
        path: PathBuf,
        /// The name.
        column: String,
        /// The place of the earlier, counted from 1.
        first: usize,
        /// The place of the later.
        second: usize,
    },
    /// A line without an id.
    #[error("`{}` line {line}: the id is empty", path.display())]
    #[diagnostic(help("give each stimulus an id, the one the assembly uses"))]
    EmptyId {
        /// The stimulus set.
        path: PathBuf,
        /// The line, counted from 1.
        line: u64,
    },
    /// Two lines with one id.
    #[error("`{}` line {line}: stimulus `{id}` is already on line {first_line}", path.display())]
    #[diagnostic(help("each stimulus may be listed once"))]
    DuplicateStimulus {
        /// The stimulus set.
        path: PathBuf,
        /// The id.
        id: String,
        /// The line that lists it first.
        first_line: u64,
        /// The line that lists it again.
        line: u64,
    },
}

/// Which column may be the one of ids, or the separator that the header seems to have.
fn offer_column(columns: &[String]) -> String {
    let ids = ["stimulus_id", "image_id"];
    let separator = columns.iter().find_map(|column| {
        let small = column.to_ascii_lowercase();
        let after = ids.iter().find_map(|id| small.strip_prefix(id))?;
        after
            .chars()
            .find(|c| !c.is_alphanumeric() && !matches!(c, '_' | ' '))
    });
    if let Some(separator) = separator {
        return format!(
            "; if its fields are separated by `{separator}`, begin the file with a line `sep={separator}`"
        );
    }
    let near = ids
        .iter()
        .find_map(|id| near_miss(id, columns.iter().map(String::as_str)));
    near.map(|near| format!("; is it `{near}`?"))
        .unwrap_or_default()
}
