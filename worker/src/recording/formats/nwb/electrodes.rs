//! Electrodes: what their table says of the units that refer to its rows.

use hdf5_reader::Hdf5File;

use super::table::Table;
use super::{Asked, RecordingError, bad, unread};
use crate::hdf5;
use crate::recording::site_filter::Column;

/// The table of electrodes, and the rows of each unit in it.
pub(super) struct Electrodes {
    pub(super) table: Table,
    of_units: Vec<Vec<f64>>,
}

impl Electrodes {
    /// Those that `units` refer to; none where the file does not say it.
    ///
    /// # Errors
    /// When the table or the units' column of it is damaged.
    pub(super) fn open(
        asked: &Asked<'_>,
        file: &Hdf5File,
        units: &Table,
    ) -> Result<Option<Self>, RecordingError> {
        let failed = |problem| bad(asked, problem);
        let group = hdf5::found(file.group("general/extracellular_ephys/electrodes"));
        let group = group.map_err(|source| unread(asked.path, source))?;
        let table = group.map(Table::open).transpose().map_err(failed)?;
        let Some(table) = table.filter(|_| units.has("electrodes")) else {
            return Ok(None);
        };
        let of_units = units.lists("electrodes").map_err(failed)?;
        Ok(Some(Self { table, of_units }))
    }

    /// A column as one of units, whose ids are `names`: what the electrodes of each have in common. A unit without
    /// electrodes has a number that is none, or an empty word.
    ///
    /// # Errors
    /// When the column cannot be read, a unit refers to no row, or its electrodes differ: the text names the unit.
    pub(super) fn column(&self, column: &str, names: &[String]) -> Result<Column, String> {
        Ok(match self.table.column(column)? {
            Column::Words(words) => {
                let is_same = |a: &String, b: &String| a == b;
                let in_words = |word: &String| format!("`{word}`");
                let of_units = self.each(column, names, &words, is_same, in_words)?;
                Column::Words(
                    of_units
                        .into_iter()
                        .map(Option::unwrap_or_default)
                        .collect(),
                )
            }
            Column::Numbers { values, rounded } => {
                // What is not a number equals nothing, but two of these say the same.
                let is_same = |a: &f64, b: &f64| a == b || (a.is_nan() && b.is_nan());
                let of_units = self.each(column, names, &values, is_same, f64::to_string)?;
                let values = of_units.into_iter().map(|of| of.unwrap_or(f64::NAN));
                Column::Numbers {
                    values: values.collect(),
                    rounded,
                }
            }
        })
    }

    /// The entry that the electrodes of each unit share.
    fn each<T: Clone>(
        &self,
        column: &str,
        names: &[String],
        entries: &[T],
        is_same: impl Fn(&T, &T) -> bool,
        in_words: impl Fn(&T) -> String,
    ) -> Result<Vec<Option<T>>, String> {
        if names.len() != self.of_units.len() {
            return Err(format!(
                "has electrodes of {} units, and {} units",
                self.of_units.len(),
                names.len()
            ));
        }
        let of_unit = |(unit, rows): (&String, &Vec<f64>)| {
            let mut shared: Option<&T> = None;
            for &row in rows {
                let is_row = row >= 0.0 && row.fract() == 0.0;
                let entry = is_row.then(|| entries.get(row as usize)).flatten();
                let entry = entry.ok_or_else(|| {
                    let electrodes = entries.len();
                    format!("has a unit `{unit}` on electrode {row} of {electrodes}")
                })?;
                match shared {
                    Some(other) if !is_same(other, entry) => {
                        return Err(format!(
                            "has no single `{column}` of unit `{unit}`: that of its electrodes is {} and {}",
                            in_words(other),
                            in_words(entry)
                        ));
                    }
                    Some(_) | None => shared = Some(entry),
                }
            }
            Ok(shared.cloned())
        };
        names.iter().zip(&self.of_units).map(of_unit).collect()
    }
}
