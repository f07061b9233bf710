//! What the command says: answers as people or programs read them, and, on stderr, all that is not data.

use crate::failure::{self, CommandError};
use crate::output::{self, Format};
use serde::Serialize;

impl Format {
    /// Writes `answer` to stdout: as JSON, or as `text` writes it for people.
    pub(crate) fn show<T: Serialize + ?Sized>(
        self,
        answer: &T,
        text: impl FnOnce(&T) -> Result<(), CommandError>,
    ) -> Result<(), CommandError> {
        match self {
            Self::Json => output::json(&answer),
            Self::Text => text(answer),
        }
    }
}

/// Says how things are going.
pub(crate) fn status(text: &str) {
    output::note(text);
}

/// Says what the user should know and did not ask for.
pub(crate) fn notice(text: &str) {
    output::note(&format!("notice: {text}"));
}

/// Says what is wrong where the command does not end with it.
pub(crate) fn warning(text: &str) {
    output::note(&format!("warning: {text}"));
}

/// Says what is wrong, its causes and what to do.
pub(crate) fn error(report: &miette::Report) {
    output::note_lines(&failure::shown(report));
}

/// Says what to do.
pub(crate) fn hint(text: &str) {
    output::note(&format!("hint: {text}"));
}
