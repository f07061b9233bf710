//! A table, for people and for programs: CSV has every digit, and empty fields where there is no value.

use crate::output;
use nrp_proto::plain;
use std::borrow::Cow;

/// One table, and what its file is called.
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) note: String,
    /// As many fields in each row, with the same heads; at least one row.
    pub(super) rows: Vec<Vec<Field>>,
    pub(super) on_page: OnPage,
}

/// Which rows the page has; CSV has all.
pub(super) enum OnPage {
    All,
    /// Those of these numbers.
    Some(Vec<usize>),
}

/// A field, and the head of its column for people and for programs.
pub(super) struct Field {
    head: Cow<'static, str>,
    column: Cow<'static, str>,
    value: Value,
}

pub(super) enum Value {
    Word(String),
    Count(Option<u64>),
    /// A number of the grid, or one that is published: short.
    Number(Option<f64>),
    Score(Option<f64>),
}

impl Table {
    /// The table as CSV.
    pub(super) fn csv(&self) -> Vec<u8> {
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

    /// Heads of columns, and whether their fields are numbers.
    pub(super) fn header(&self) -> Vec<(&str, bool)> {
        let is_number = |field: &Field| !matches!(field.value, Value::Word(_));
        let heads = self.rows[0].iter();
        heads
            .map(|field| (field.head.as_ref(), is_number(field)))
            .collect()
    }

    /// The page's rows as people read them.
    pub(super) fn rows(&self) -> Vec<Vec<String>> {
        let shown = |row: &Vec<Field>| row.iter().map(Field::shown).collect();
        match &self.on_page {
            OnPage::All => self.rows.iter().map(shown).collect(),
            OnPage::Some(rows) => rows.iter().map(|row| shown(&self.rows[*row])).collect(),
        }
    }

    /// What the page leaves out, in words; empty where it has all.
    pub(super) fn left_out(&self) -> String {
        match &self.on_page {
            OnPage::All => String::new(),
            OnPage::Some(rows) if rows.len() == self.rows.len() => String::new(),
            OnPage::Some(rows) if rows.is_empty() => {
                format!("Its {} rows are in the file alone.", self.rows.len())
            }
            OnPage::Some(rows) => {
                format!("Here are {} of {} rows.", rows.len(), self.rows.len())
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
            Value::Count(count) => output::count(*count),
            Value::Number(number) => output::number(*number),
            Value::Score(score) => output::score(*score),
        }
    }
}

pub(super) fn field(
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

/// A number that was kept in 32 bits, without the digits that 64 would add.
pub(super) fn short(number: f32) -> f64 {
    number
        .to_string()
        .parse()
        .expect("a number as it is written")
}

/// A name as part of a column's: letters, digits and underscores.
pub(super) fn column_part(name: &str) -> String {
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
        assert_eq!(table.rows(), [["0"], ["4"]]);
        assert_eq!(table.left_out(), "Here are 2 of 5 rows.");
        table.on_page = OnPage::All;
        assert_eq!((table.rows().len(), table.left_out().as_str()), (5, ""));
    }

    #[test]
    fn columns_have_plain_names() {
        let name = "resnet50 (random weights), 40.0 % zeros";
        assert_eq!(column_part(name), "resnet50_random_weights_40_0_zeros");
    }
}
