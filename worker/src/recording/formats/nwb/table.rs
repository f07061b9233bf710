//! Tables as NWB stores them: a dataset per column, and for a column of lists an index of where each ends.

use hdf5_reader::group::Group;
use hdf5_reader::{Dataset, Datatype};

use crate::hdf5::{found, layout, members, number_type};
use crate::recording::formats::hdf5::numbers;
use crate::recording::limits::MAX_RESPONSES;
use crate::recording::site_filter::Column;

/// Most rows of a table whose words are read.
const MAX_ROWS: u64 = 1 << 24;

/// A table.
pub(super) struct Table {
    group: Group,
    /// The names of its columns, in the order of the file.
    columns: Vec<String>,
}

impl Table {
    pub(super) fn open(group: Group) -> Result<Self, String> {
        let members = members::names(&group);
        let (_, columns) = members.map_err(|error| error.to_string())?;
        Ok(Self { group, columns })
    }

    pub(super) fn columns(&self) -> &[String] {
        &self.columns
    }

    pub(super) fn has(&self, column: &str) -> bool {
        self.columns.iter().any(|of| of == column)
    }

    fn dataset(&self, column: &str) -> Result<Dataset, String> {
        if !self.has(column) {
            let columns = self.columns.join(", ");
            return Err(format!("has no column `{column}` among {columns}"));
        }
        let dataset = layout::dataset(&self.group, column);
        dataset.map_err(|error| format!("has a column `{column}` that cannot be read ({error})"))
    }

    /// A column of numbers, one per row.
    pub(super) fn numbers(&self, column: &str) -> Result<Vec<f64>, String> {
        let data = self.dataset(column)?;
        numbers(&data).map_err(|problem| format!("has a column `{column}` that {problem}"))
    }

    /// A column of words or numbers, one per row, as words; of an enumerated column, the words it stands for.
    pub(super) fn words(&self, column: &str) -> Result<Vec<String>, String> {
        let data = self.dataset(column)?;
        let damaged = |error| format!("has a column `{column}` with damaged attributes ({error})");
        let attribute = |name| found(data.attribute(name)).map_err(damaged);
        let kind = match attribute("neurodata_type")? {
            Some(kind) => kind.read_string().map_err(damaged)?,
            None => String::new(),
        };
        let is_column = matches!(*data.shape(), [rows] if rows <= MAX_ROWS);
        if !is_column || self.has(&format!("{column}_index")) {
            return Err(format!("has more than one entry of `{column}` in a row"));
        }
        if kind == "DynamicTableRegion" || attribute("table")?.is_some() {
            return Err(format!(
                "has a column `{column}` of rows of another table, which is not looked up"
            ));
        }
        if kind != "EnumData" && attribute("elements")?.is_none() {
            return self.entries(column);
        }
        let elements = self.entries(&elements_of(column))?;
        let element = |row: f64| {
            let is_row = row >= 0.0 && row.fract() == 0.0;
            let element = is_row.then(|| elements.get(row as usize)).flatten();
            element.cloned().ok_or_else(|| {
                let elements = elements.len();
                format!("has an entry {row} of `{column}`, which has {elements} elements")
            })
        };
        self.numbers(column)?.into_iter().map(element).collect()
    }

    /// A column of one number or word per row.
    pub(super) fn column(&self, column: &str) -> Result<Column, String> {
        let words = self.words(column)?;
        let is_words = matches!(
            self.dataset(column)?.dtype(),
            Datatype::String { .. } | Datatype::VarLen { .. }
        ) || self.has(&elements_of(column));
        if is_words {
            return Ok(Column::Words(words));
        }
        let values = self.numbers(column)?;
        let number = number_type(&self.dataset(column)?);
        let number =
            number.map_err(|error| format!("has a damaged column `{column}` ({error})"))?;
        Ok(Column::Numbers {
            values,
            rounded: number.rounded(),
        })
    }

    /// Whether a column holds the elements of an enumerated one, and no entries of rows.
    pub(super) fn is_elements(&self, column: &str) -> bool {
        let mut columns = self.columns.iter();
        columns.any(|of| elements_of(of) == column)
    }

    /// The words or numbers of a column as they are stored, as words.
    fn entries(&self, column: &str) -> Result<Vec<String>, String> {
        let data = self.dataset(column)?;
        if !matches!(*data.shape(), [rows] if rows <= MAX_ROWS) {
            return Err(format!(
                "has a column `{column}` of another shape than rows"
            ));
        }
        match data.dtype() {
            Datatype::String { .. } | Datatype::VarLen { .. } => {
                let words = data.read_strings();
                words.map_err(|error| format!("has a damaged column `{column}` ({error})"))
            }
            _ => {
                let numbers = self.numbers(column)?;
                Ok(numbers.iter().map(f64::to_string).collect())
            }
        }
    }

    /// A column of lists of numbers, one list per row.
    pub(super) fn lists(&self, column: &str) -> Result<Vec<Vec<f64>>, String> {
        let all = self.numbers(column)?;
        let ends = self.numbers(&format!("{column}_index"))?;
        // Intervals have two numbers an entry.
        let width = match *self.dataset(column)?.shape() {
            [_, width] => width as usize,
            _ => 1,
        };
        if ends.len() > MAX_RESPONSES {
            return Err(format!("has {} lists of `{column}`", ends.len()));
        }
        let mut start = 0;
        let mut lists = Vec::new();
        for end in ends {
            let end = (end as usize).saturating_mul(width);
            let list = all.get(start..end);
            let list = list.ok_or_else(|| {
                format!(
                    "has an index of `{column}` that leaves its {} entries",
                    all.len()
                )
            })?;
            lists.push(list.to_vec());
            start = end;
        }
        Ok(lists)
    }
}

/// The column of the elements of an enumerated column.
fn elements_of(column: &str) -> String {
    format!("{column}_elements")
}
