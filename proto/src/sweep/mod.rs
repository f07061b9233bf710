//! Sweeps: the file a user writes, what is wrong with it, and the trials it stands for.
//!
//! `SweepFile::parse` knows the format, `SweepFile::expand` what words for layer sets stand for,
//! `SweepFile::check` what this version can run, `SweepFile::to_spec` what goes to a coordinator, and
//! `SweepSpec::trials` the grid and which of its cells are tried.

mod array_axes;
mod baseline;
mod ceiling;
mod check;
mod comparison;
mod duplicates;
mod file;
mod formats;
mod grid;
mod grid_table;
mod kinds;
mod layer_sets;
mod paths;
mod preset;
mod projection;
mod scaling;
mod scheme;
mod search;
mod site_filter;
mod site_ranges;
mod space;
mod subjects;
mod to_spec;

pub use array_axes::{ArrayAxis, UnknownAxes};
pub use baseline::{Baseline, LinearPath};
pub use ceiling::Ceiling;
pub use check::Catalogue;
pub use comparison::{Comparison, Model};
pub use duplicates::Duplicates;
pub use file::{
    AnnTable, Assembly, DEFAULT_PREPROCESSING, DEGREES_OF, FEATURES, FilesTable, LayerSets, ONNX,
    PILLOW_12, PILLOW_13, Pruning, PruningMethod, RecordingsTable, SCREEN, Sites, SplitTable,
    SweepFile, TrainingTable, ZEROS_OF_DENSE,
};
pub use formats::ResponseFormat;
pub use grid::{GridError, TRIALS_MAX};
pub use grid_table::GridTable;
pub use preset::{
    AppliedPreset, BENCHMARKS, Benchmark, DEGREES_OF_ANN, LEFT_OUT, Preset, PresetBins,
    PresetSplit, Regression,
};
pub use projection::{NO_PROJECTION, Projection};
pub use scaling::{InputScaling, TargetScaling};
pub use scheme::Scheme;
pub use search::SearchTable;
pub use site_filter::{BadSiteFilter, Condition, Sign, SiteFilter};
pub use site_ranges::{BadSiteRanges, SiteRanges};
pub use space::{Cells, GridTrial, Trials};
pub use subjects::Subjects;

use miette::Diagnostic;
use std::fmt;
use thiserror::Error;

/// How many of many mistakes are listed before the others are only counted.
pub const MISTAKES_LISTED: usize = 50;

/// One mistake in a sweep file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Where: `grid.learning_rate[1]`.
    pub key: String,
    /// What was found there, as written; empty where nothing was.
    pub value: String,
    /// What is wrong with it.
    pub problem: String,
    /// The word probably meant.
    pub near_miss: Option<String>,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.key)?;
        if !self.value.is_empty() {
            write!(f, " = {}", self.value)?;
        }
        write!(f, ": {}", self.problem)?;
        if let Some(word) = &self.near_miss {
            write!(f, "; did you mean `{word}`?")?;
        }
        Ok(())
    }
}

/// Why a sweep file was refused.
#[derive(Debug, Error, Diagnostic)]
pub enum SweepError {
    /// It is not TOML.
    #[error("the sweep file cannot be read: {problem}{place}")]
    #[diagnostic(help(
        "text stands in quotes, a list in brackets, and `true` and `false` in small letters; \
         `sweeps/paper.toml` shows every key with its type and default"
    ))]
    Syntax {
        /// What is wrong.
        problem: String,
        /// Where: the line, below the problem, with a mark; empty where it is not known.
        place: String,
    },
    /// It is TOML, but says what cannot be run.
    #[error("{}", list(.0))]
    #[diagnostic(help("`sweeps/paper.toml` shows every key with its type and default"))]
    Mistakes(Vec<Mistake>),
}

impl SweepError {
    /// What the TOML reader said of `text`, with the line.
    fn unreadable(text: &str, error: &toml::de::Error) -> Self {
        /// Letters of a line that are shown.
        const SHOWN: usize = 100;
        let problem = error.message().lines().collect::<Vec<_>>().join(", ");
        let place = error.span().map(|span| {
            let before = text.get(..span.start).unwrap_or(text);
            let number = before.matches('\n').count() + 1;
            let begin = before.rfind('\n').map_or(0, |newline| newline + 1);
            let column = before[begin..].chars().count();
            let line = text[begin..].lines().next().unwrap_or_default();
            let line: String = line.chars().take(SHOWN).collect();
            let margin = " ".repeat(number.to_string().len());
            let mark = if column < SHOWN {
                format!("\n  {margin} | {}^", " ".repeat(column))
            } else {
                String::new()
            };
            format!(
                ", in line {number}, column {}\n  {number} | {line}{mark}",
                column + 1
            )
        });
        Self::Syntax {
            problem,
            place: place.unwrap_or_default(),
        }
    }
}

fn list(mistakes: &[Mistake]) -> String {
    let mut text = match mistakes.len() {
        1 => "the sweep file has a mistake".to_owned(),
        n => format!("the sweep file has {n} mistakes"),
    };
    for mistake in mistakes.iter().take(MISTAKES_LISTED) {
        text.push_str(&format!("\n  {mistake}"));
    }
    if let more @ 1.. = mistakes.len().saturating_sub(MISTAKES_LISTED) {
        text.push_str(&format!("\n  and {more} more"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_mistakes_is_cut_after_the_first_fifty() {
        let mistake = |index: usize| Mistake {
            key: format!("grid.l1[{index}]"),
            value: "0".to_owned(),
            problem: "a layer has 1 to 65536 units".to_owned(),
            near_miss: None,
        };
        let listed = |mistakes: usize| list(&(0..mistakes).map(mistake).collect::<Vec<_>>());
        let lines = |mistakes: usize| listed(mistakes).lines().count();
        assert_eq!(
            [lines(1), lines(50), lines(51), lines(970)],
            [2, 51, 52, 52]
        );
        let text = listed(970);
        assert!(text.starts_with("the sweep file has 970 mistakes\n  `grid.l1[0]` = 0"));
        assert!(text.ends_with("`grid.l1[49]` = 0: a layer has 1 to 65536 units\n  and 920 more"));
    }
}
