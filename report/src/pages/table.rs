//! A table for people and programs. CSV has every digit, and an empty field for a missing value.

use crate::text;
use nrp_proto::plain;
use std::borrow::Cow;

/// One table.
pub struct Table {
    /// The name of its CSV file, without the extension.
    pub name: &'static str,
    /// The title on the page.
    pub title: &'static str,
    /// How to read the table.
    pub note: String,
    /// The rows. All have the same columns.
    pub rows: Vec<Vec<Field>>,
    /// Which rows the page shows.
    pub on_page: OnPage,
}

/// Which rows the page shows. CSV has all rows.
pub enum OnPage {
    /// All rows.
    All,
    /// The rows with these indices.
    Some(Vec<usize>),
}

/// A field, with the name of its column.
pub struct Field {
    /// The column's heading on the page.
    pub head: Cow<'static, str>,
    /// The column's name in CSV.
    pub column: Cow<'static, str>,
    /// The value.
    pub value: Value,
}

/// The value of a field.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A word or a name; may be empty.
    Word(String),
    /// A whole number.
    Count(Option<u64>),
    /// A number that someone wrote down, in the grid or in a publication: shown in full.
    Number(Option<f64>),
    /// A measured number: the page shows four significant digits.
    Score(Option<f64>),
}

impl Table {
    /// The table as CSV, with a header.
    pub fn csv(&self) -> Vec<u8> {
        let mut csv = csv::Writer::from_writer(Vec::new());
        let header = self.rows[0].iter();
        let header = header.map(|field| plain::csv_field(&field.column).into_owned());
        let mut written = csv.write_record(header);
        for row in &self.rows {
            written = written.and_then(|()| csv.write_record(row.iter().map(Field::exact)));
        }
        written.expect("memory takes rows of one length");
        csv.into_inner().expect("memory takes a table")
    }

    /// The columns' headings, and whether their values are numbers.
    pub fn header(&self) -> Vec<(&str, bool)> {
        let is_number = |field: &Field| !matches!(field.value, Value::Word(_));
        let heads = self.rows[0].iter();
        heads
            .map(|field| (field.head.as_ref(), is_number(field)))
            .collect()
    }

    /// The values of the rows that the page shows, as text for people.
    pub fn shown(&self) -> Vec<Vec<String>> {
        let shown = |row: &Vec<Field>| row.iter().map(Field::shown).collect();
        match &self.on_page {
            OnPage::All => self.rows.iter().map(shown).collect(),
            OnPage::Some(rows) => rows.iter().map(|row| shown(&self.rows[*row])).collect(),
        }
    }

    /// The values of the column with this name in CSV.
    pub fn column<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Value> {
        let fields = self.rows.iter().flatten();
        let fields = fields.filter(move |field| field.column == name);
        fields.map(|field| &field.value)
    }

    /// What the page leaves out, in words; empty if it shows all rows.
    pub fn left_out(&self) -> String {
        match &self.on_page {
            OnPage::All => String::new(),
            OnPage::Some(rows) if rows.len() == self.rows.len() => String::new(),
            OnPage::Some(rows) if rows.is_empty() => {
                format!("Its {} rows are only in the file.", self.rows.len())
            }
            OnPage::Some(rows) => {
                format!(
                    "This page shows {} of {} rows.",
                    rows.len(),
                    self.rows.len()
                )
            }
        }
    }
}

impl Field {
    fn exact(&self) -> String {
        match &self.value {
            Value::Word(word) => plain::csv_field(word).into_owned(),
            Value::Count(count) => count.map(|n| n.to_string()).unwrap_or_default(),
            Value::Number(number) | Value::Score(number) => {
                number.map(|n| n.to_string()).unwrap_or_default()
            }
        }
    }

    fn shown(&self) -> String {
        match &self.value {
            Value::Word(word) => plain::line(word).into_owned(),
            Value::Count(count) => text::count(*count),
            Value::Number(number) => text::number(*number),
            Value::Score(score) => text::score(*score),
        }
    }
}

/// A field with its column's heading and name.
pub(crate) fn field(
    head: impl Into<Cow<'static, str>>,
    column: impl Into<Cow<'static, str>>,
    value: Value,
) -> Field {
    Field {
        head: head.into(),
        column: column.into(),
        value,
    }
}

/// A 32-bit number in 64 bits, without the digits that the conversion would add.
pub(crate) fn short(number: f32) -> f64 {
    number.to_string().parse().expect("a written number parses")
}

/// A name as part of a column's name: letters, digits and underscores.
pub(crate) fn column_part(name: &str) -> String {
    let words = name.split(|letter: char| !letter.is_alphanumeric());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    words.join("_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_may_have_fewer_rows_than_the_file() {
        let row = |n: u64| vec![field("n", "n", Value::Count(Some(n)))];
        let mut table = Table {
            name: "t",
            title: "T",
            note: String::new(),
            rows: (0..5).map(row).collect(),
            on_page: OnPage::Some(vec![0, 4]),
        };
        assert_eq!(table.csv(), b"n\n0\n1\n2\n3\n4\n");
        assert_eq!(table.shown(), [["0"], ["4"]]);
        assert_eq!(table.left_out(), "This page shows 2 of 5 rows.");
        table.on_page = OnPage::All;
        assert_eq!((table.shown().len(), table.left_out().as_str()), (5, ""));
    }

    #[test]
    fn columns_have_plain_names() {
        let name = "resnet50 (random weights), 40.0 % zeros";
        assert_eq!(column_part(name), "resnet50_random_weights_40_0_zeros");
    }
}
