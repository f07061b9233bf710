//! What can be wrong with an NWB file.

use std::path::PathBuf;

use miette::Diagnostic;
use thiserror::Error;

/// Why an NWB file could not be read.
#[derive(Debug, Error, Diagnostic)]
pub enum NwbError {
    /// An NWB file without what is read of it.
    #[error("`{}` {problem}", path.display())]
    #[diagnostic(help(
        "an NWB file needs `units` with spike times, and a table of `intervals` with a start and a stimulus per trial; save other responses as `.npz`"
    ))]
    Bad {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// An NWB file without a window in which its spikes are counted.
    #[error("`{}` holds spikes, and no window is given in which to count them", path.display())]
    #[diagnostic(help(
        "say it in milliseconds from each trial's start: `window_ms = [70, 170]` under `[recordings]`; in `nrp data check`, `--window-ms 70,170`"
    ))]
    NoWindow {
        /// The file.
        path: PathBuf,
    },
    /// An NWB file without the table of trials.
    #[error("`{}` has no table `{table}` of intervals; it has {}", path.display(), if known.is_empty() { "none".to_owned() } else { known.join(", ") })]
    #[diagnostic(help(
        "name the table of trials: `variable = \"{}\"` under `[recordings]`; in `nrp data check`, `--variable`", known.first().map_or("trials", String::as_str)
    ))]
    NoIntervals {
        /// The file.
        path: PathBuf,
        /// The table looked for.
        table: String,
        /// The tables there are.
        known: Vec<String>,
    },
    /// An NWB file whose trials do not say which stimulus they showed.
    #[error("`{}`: table `{table}` has neither a column `stimulus_id` nor `image_id`; its columns are {}", path.display(), columns.join(", "))]
    #[diagnostic(help(
        "name the column that holds the stimulus set's ids: `variable = \"{table}/COLUMN\"` under `[recordings]`; in `nrp data check`, `--variable {table}/COLUMN`"
    ))]
    NoStimulusColumn {
        /// The file.
        path: PathBuf,
        /// The table.
        table: String,
        /// Its columns.
        columns: Vec<String>,
    },
}
