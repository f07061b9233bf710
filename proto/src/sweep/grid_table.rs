//! `[grid]` of a sweep file: the values that are tried on each axis of the grid.

use super::check::Found;
use crate::axis::{Axis, GridAxis, Kind, Values};
use crate::wire::Grid;
use serde::de::{Deserialize, Deserializer, Error};

/// `[grid]`: what is searched, with the defaults of axes that the file does not name.
#[derive(Debug, Clone, PartialEq)]
pub struct GridTable(Vec<(Axis, Values)>);

/// The keys of the table.
pub(super) const KEYS: [&str; Axis::GRID.len()] = {
    let mut keys = [""; Axis::GRID.len()];
    let mut at = 0;
    while at < keys.len() {
        keys[at] = Axis::GRID[at].name();
        at += 1;
    }
    keys
};

/// The axes of the grid, with how files and the wire have them.
fn axes() -> impl Iterator<Item = (Axis, GridAxis)> {
    Axis::GRID
        .into_iter()
        .filter_map(|axis| Some((axis, axis.grid()?)))
}

impl Default for GridTable {
    fn default() -> Self {
        Self(
            axes()
                .map(|(axis, grid)| (axis, (grid.default)()))
                .collect(),
        )
    }
}

impl<'de> Deserialize<'de> for GridTable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let table = toml::Table::deserialize(deserializer)?;
        let mut grid = Self::default();
        for (axis, values) in &mut grid.0 {
            if let Some(found) = table.get(axis.name()) {
                let read = read(axis.kind(), found);
                let problem = || D::Error::custom(format!("`grid.{axis}` = {found}"));
                *values = read.ok_or_else(problem)?;
            }
        }
        Ok(grid)
    }
}

/// A list of values of one kind; none where it is something else.
fn read(kind: Kind, found: &toml::Value) -> Option<Values> {
    let values = found.as_array()?.iter();
    Some(match kind {
        Kind::Word => {
            let words = values.map(|value| value.as_str().map(str::to_owned));
            Values::Words(words.collect::<Option<_>>()?)
        }
        Kind::Whole => Values::Wholes(values.map(toml::Value::as_integer).collect::<Option<_>>()?),
        Kind::Real => {
            let real = |value: &toml::Value| {
                let whole = value.as_integer().map(|whole| whole as f64);
                value.as_float().or(whole)
            };
            Values::Reals(values.map(real).collect::<Option<_>>()?)
        }
    })
}

impl GridTable {
    /// The grid on the wire. Defaults of axes that there were not at first are left out: the sweep's
    /// id is what it was before there was a choice.
    pub(super) fn to_wire(&self) -> Grid {
        let mut wire = Grid::default();
        for ((_, values), (_, grid)) in self.0.iter().zip(axes()) {
            if !grid.is_optional || *values != (grid.default)() {
                (grid.put)(&mut wire, values);
            }
        }
        wire
    }

    /// The table that says what a grid on the wire says. A number that no file can have is a mistake.
    pub(super) fn of_wire(wire: &Grid, found: &mut Found) -> Self {
        let tables = axes().map(|(axis, grid)| {
            let values = match (grid.of)(wire) {
                values if values.is_empty() && grid.is_optional => (grid.default)(),
                Values::Wholes(values) => {
                    let values = values.into_iter().enumerate();
                    let values = values.map(|(index, value)| {
                        if value < 0 {
                            let key = format!("grid.{axis}[{index}]");
                            let problem = format!("must be 0 to {}", i64::MAX);
                            found.add(key, value as u64, problem);
                        }
                        value.max(0)
                    });
                    Values::Wholes(values.collect())
                }
                other @ (Values::Words(_) | Values::Reals(_)) => other,
            };
            (axis, values)
        });
        Self(tables.collect())
    }

    /// Whether there is no NRP network, as an empty list of depths says.
    pub(super) fn lacks_networks(&self) -> bool {
        self.0
            .iter()
            .any(|(axis, values)| *axis == Axis::Depth && values.is_empty())
    }

    /// Checks every value against its axis's rule. With `has_linear` baselines, there may be no network.
    pub(super) fn check(&self, has_linear: bool, found: &mut Found) {
        for ((axis, values), (_, grid)) in self.0.iter().zip(axes()) {
            let key = format!("grid.{axis}");
            if has_linear && *axis == Axis::Depth && values.is_empty() {
                continue;
            }
            match values {
                Values::Words(values) => {
                    let words: Vec<&str> = values.iter().map(String::as_str).collect();
                    let good = |word| grid.rule.allows_word(word);
                    found.axis(&key, &words, good, grid.rule_words);
                }
                Values::Wholes(values) => {
                    let good = |number| grid.rule.allows_whole(number);
                    found.axis(&key, values, good, grid.rule_words);
                }
                Values::Reals(values) => {
                    let good = |number| grid.rule.allows_real(number);
                    found.axis(&key, values, good, grid.rule_words);
                }
            }
        }
    }
}
