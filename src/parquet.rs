//! Trials as Parquet: the [`COLUMNS`] of a group of rows at a time, so that memory does not grow with
//! trials. A layer set is joined with `+`.

use crate::row::TrialRow;
use nrp_report::columns::{COLUMNS, Column, Field, Kind};
use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;
use std::io::Write;
use std::sync::Arc;
use thiserror::Error;

/// Rows of a group, which are held in memory until they are written together.
const GROUP_ROWS: usize = 16_384;

/// A whole number that is too large for a signed column of 64 bits.
#[derive(Debug, Error)]
#[error(
    "{number} of column `{column}` is too large for Parquet's signed integers: the limit is {}",
    i64::MAX
)]
pub(crate) struct TooLarge {
    column: &'static str,
    number: u64,
}

impl From<TooLarge> for ParquetError {
    fn from(error: TooLarge) -> Self {
        ParquetError::External(Box::new(error))
    }
}

/// Values of a column that wait to be written.
struct Waiting {
    column: Column,
    /// 1 for each row that has a value, 0 for each that has none.
    there: Vec<i16>,
    values: Values,
}

enum Values {
    Text(Vec<ByteArray>),
    Flag(Vec<bool>),
    Whole(Vec<i64>),
    Real(Vec<f64>),
}

impl Waiting {
    fn new(column: &Column) -> Self {
        Self {
            column: *column,
            there: Vec::new(),
            values: match column.kind {
                Kind::Text | Kind::Texts => Values::Text(Vec::new()),
                Kind::Flag => Values::Flag(Vec::new()),
                Kind::Whole => Values::Whole(Vec::new()),
                Kind::Real => Values::Real(Vec::new()),
            },
        }
    }

    fn push(&mut self, row: &TrialRow) -> Result<(), TooLarge> {
        let field = self.column.of(row);
        self.there.push(i16::from(field.is_some()));
        match (&mut self.values, field) {
            (Values::Text(values), Some(Field::Text(text))) => values.push(text.as_str().into()),
            (Values::Text(values), Some(Field::Texts(parts))) => {
                values.push(parts.join("+").as_str().into());
            }
            (Values::Flag(values), Some(Field::Flag(flag))) => values.push(flag),
            // Signed, which every reader knows: unsigned ones wrap around where one is taken from
            // another, and some readers know none.
            (Values::Whole(values), Some(Field::Whole(number))) => {
                let column = self.column.name;
                let signed = i64::try_from(number).map_err(|_| TooLarge { column, number })?;
                values.push(signed);
            }
            (Values::Real(values), Some(Field::Real(number))) => values.push(number),
            (_, None) => {}
            (_, Some(other)) => {
                let column = self.column;
                panic!(
                    "column `{}` holds {:?}, not {other:?}",
                    column.name, column.kind
                );
            }
        }
        Ok(())
    }
}

/// A Parquet file that is being written.
pub(crate) struct Columns<W: Write + Send> {
    writer: SerializedFileWriter<W>,
    columns: Vec<Waiting>,
    rows: usize,
}

impl<W: Write + Send> Columns<W> {
    pub(crate) fn new(out: W) -> Result<Self, ParquetError> {
        let fields = COLUMNS
            .iter()
            .map(|column| field(column.name, column.kind).map(Arc::new));
        let schema = Type::group_type_builder("trials")
            .with_fields(fields.collect::<Result<_, _>>()?)
            .build()?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .build();
        Ok(Self {
            writer: SerializedFileWriter::new(out, Arc::new(schema), Arc::new(properties))?,
            columns: COLUMNS.iter().map(Waiting::new).collect(),
            rows: 0,
        })
    }

    pub(crate) fn push(&mut self, row: &TrialRow) -> Result<(), ParquetError> {
        for column in &mut self.columns {
            column.push(row)?;
        }
        self.rows += 1;
        if self.rows >= GROUP_ROWS {
            self.write_group()?;
        }
        Ok(())
    }

    /// Writes the rows that wait, and the end of the file.
    pub(crate) fn close(mut self) -> Result<(), ParquetError> {
        if self.rows > 0 {
            self.write_group()?;
        }
        self.writer.close().map(|_| ())
    }

    fn write_group(&mut self) -> Result<(), ParquetError> {
        let mut group = self.writer.next_row_group()?;
        for waiting in &mut self.columns {
            let mut column = group.next_column()?.expect("the schema has this column");
            let there = Some(&*waiting.there);
            match &mut waiting.values {
                Values::Text(values) => {
                    column
                        .typed::<ByteArrayType>()
                        .write_batch(values, there, None)?;
                    values.clear();
                }
                Values::Flag(values) => {
                    column
                        .typed::<BoolType>()
                        .write_batch(values, there, None)?;
                    values.clear();
                }
                Values::Whole(values) => {
                    column
                        .typed::<Int64Type>()
                        .write_batch(values, there, None)?;
                    values.clear();
                }
                Values::Real(values) => {
                    column
                        .typed::<DoubleType>()
                        .write_batch(values, there, None)?;
                    values.clear();
                }
            }
            column.close()?;
            waiting.there.clear();
        }
        self.rows = 0;
        group.close().map(|_| ())
    }
}

fn field(name: &str, kind: Kind) -> Result<Type, ParquetError> {
    let signed = LogicalType::integer(64, true);
    let (physical, logical) = match kind {
        Kind::Text | Kind::Texts => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        Kind::Flag => (Physical::BOOLEAN, None),
        Kind::Whole => (Physical::INT64, Some(signed)),
        Kind::Real => (Physical::DOUBLE, None),
    };
    Type::primitive_type_builder(name, physical)
        .with_repetition(Repetition::OPTIONAL)
        .with_logical_type(logical)
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setting::Origin;
    use nrp_proto::state::TrialState;
    use nrp_proto::wire::{Scores, TrialRecord, TrialSpec};
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::Field;

    fn row(seed: u64) -> TrialRow {
        let scores = Scores {
            nrp_error: seed as f64 / 3.0,
            ..Scores::default()
        };
        let record = TrialRecord {
            id: format!("{seed:032x}"),
            spec: Some(TrialSpec {
                layers: vec!["a".to_owned(), "b".to_owned()],
                l1: Some(16),
                seed,
                ..TrialSpec::default()
            }),
            state: TrialState::Finished.to_wire(),
            scores: (seed != 1).then_some(scores),
            ..TrialRecord::default()
        };
        TrialRow::new(record, &Origin::default())
    }

    #[test]
    fn what_is_written_reads_back_group_by_group() {
        let mut file = tempfile::tempfile().expect("a file");
        let mut columns = Columns::new(&mut file).expect("begins");
        let rows = GROUP_ROWS as u64 + 2;
        for seed in (0..rows).chain([i64::MAX as u64]) {
            columns.push(&row(seed)).expect("is taken");
        }
        columns.close().expect("ends");
        let reader = SerializedFileReader::new(file).expect("is Parquet");
        assert_eq!(reader.num_row_groups(), 2);
        let rows_read = reader.get_row_iter(None).expect("has rows");
        let read: Vec<_> = rows_read.map(|row| row.expect("reads")).collect();
        assert_eq!(read.len() as u64, rows + 1);
        let field = |row: usize, name: &str| {
            let mut columns = read[row].get_column_iter();
            let (_, field) = columns.find(|(column, _)| *column == name).expect(name);
            field.clone()
        };
        assert_eq!(field(0, "layers"), Field::Str("a+b".to_owned()));
        assert_eq!(field(1, "nrp_error"), Field::Null);
        assert_eq!(field(2, "nrp_error"), Field::Double(2.0 / 3.0));
        assert_eq!(field(2, "l2"), Field::Null);
        assert_eq!(field(rows as usize, "seed"), Field::Long(i64::MAX));
        assert_eq!(field(0, "l1"), Field::Long(16));
    }

    #[test]
    fn a_number_that_does_not_fit_is_refused_by_name() {
        let mut columns = Columns::new(Vec::new()).expect("begins");
        let error = columns.push(&row(u64::MAX)).expect_err("does not fit");
        let said = error.to_string();
        assert!(
            said.contains("18446744073709551615 of column `seed`"),
            "{said}"
        );
    }
}
