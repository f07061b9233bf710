//! Listings: trials and sweeps as tables for a terminal. By default a table fits the terminal, and shows what
//! identifies a row, what varies between rows, and the NRP-error with its context. `--columns` and `--wide`
//! show the rest.

mod sweeps;
mod trials;

use crate::failure::CommandError;
use crate::table::{self, Shown};
use nrp_proto::word::UnknownWord;
pub(crate) use sweeps::of_sweeps;
pub(crate) use trials::{of_best, of_trials};

/// A listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listing {
    /// The best trials, and the means of some.
    Best,
    /// Trials with their states.
    Trials,
    /// Sweeps.
    Sweeps,
}

impl Listing {
    /// The names that `--columns` accepts.
    fn known(self) -> &'static [&'static str] {
        match self {
            Self::Best => &trials::NAMES_OF_ROWS,
            Self::Trials => &trials::NAMES,
            Self::Sweeps => &sweeps::NAMES,
        }
    }
}

/// The flags that select a table's columns.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Choice {
    /// Show these columns, by their names in JSON, such as `trial,l1,nrp_error`
    #[arg(
        long,
        value_name = "NAMES",
        value_delimiter = ',',
        num_args = 1,
        conflicts_with = "wide"
    )]
    pub(crate) columns: Vec<String>,
    /// Show all columns, however wide the table becomes
    #[arg(long)]
    pub(crate) wide: bool,
}

impl Choice {
    /// Checks the names of `--columns`, so that a command refuses them before it asks or writes anything.
    ///
    /// # Errors
    /// When a name is unknown, or named twice.
    pub(crate) fn check(&self, listing: Listing) -> Result<(), CommandError> {
        self.named(listing).map(|_| ())
    }

    /// Whether the table chooses its columns, and fits the terminal.
    fn is_fitted(&self) -> bool {
        !self.wide && self.columns.is_empty()
    }

    /// The columns that `--columns` names, in that order; none if the table chooses its columns.
    fn named(&self, listing: Listing) -> Result<Option<Vec<&'static str>>, CommandError> {
        if self.columns.is_empty() {
            return Ok(None);
        }
        let mut named: Vec<&'static str> = Vec::new();
        for name in &self.columns {
            let name = name.trim();
            let mut known = listing.known().iter().copied();
            let column = known
                .find(|known| *known == name)
                .ok_or_else(|| UnknownWord::new("column", name, listing.known()))?;
            if named.contains(&column) {
                return Err(CommandError::ColumnTwice { column });
            }
            named.push(column);
        }
        Ok(Some(named))
    }

    /// A table of the `columns` that fit into `width` characters, or of all or the named ones if the flags
    /// say so.
    ///
    /// # Errors
    /// When `--columns` names an unknown column, or one twice.
    fn table(
        &self,
        columns: Vec<Shown>,
        listing: Listing,
        marks: &[String],
        width: usize,
    ) -> Result<String, CommandError> {
        match self.named(listing)? {
            Some(names) => {
                let of = |name: &&str| columns.iter().find(|column| column.name == *name).cloned();
                let named: Vec<Shown> = names.iter().filter_map(of).collect();
                Ok(table::wide(&named))
            }
            None if self.wide => Ok(table::wide(&columns)),
            None => Ok(table::fitted(columns, marks, width)),
        }
    }
}

/// A cell's text, escaped so that a name in it cannot control the terminal.
fn plain(text: &str) -> String {
    nrp_proto::plain::line(text).into_owned()
}

#[cfg(test)]
mod tests {
    /// A table, of which no line is wider than `width`.
    pub(super) fn fits(text: String, width: usize) -> String {
        let widest = text.lines().map(|line| line.chars().count()).max();
        assert!(widest <= Some(width), "{widest:?}:\n{text}");
        text
    }
}
