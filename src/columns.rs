//! Trials as Parquet: columns of a group of rows at a time, so that memory does not grow with trials.

use crate::row::TrialRow;
use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;
use serde_json::Value;
use std::io::Write;
use std::sync::Arc;
use thiserror::Error;

/// Rows of a group, which are held until they are written together.
const GROUP_ROWS: usize = 16_384;

/// What a column holds.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Text,
    Flag,
    Whole,
    Real,
}

/// The columns: [`TrialRow`]'s fields, as in JSON. A layer set is joined with `+`.
const COLUMNS: [(&str, Kind); 65] = [
    ("sweep", Kind::Text),
    ("sweep_id", Kind::Text),
    ("recordings", Kind::Text),
    ("recordings_digest", Kind::Text),
    ("train_fraction", Kind::Real),
    ("validation_fraction", Kind::Real),
    ("test_fraction", Kind::Real),
    ("stratify", Kind::Text),
    ("duplicates", Kind::Text),
    ("split_seed", Kind::Whole),
    ("inputs", Kind::Text),
    ("targets", Kind::Text),
    ("batch_size", Kind::Whole),
    ("max_epochs", Kind::Whole),
    ("patience", Kind::Whole),
    ("preprocessing", Kind::Text),
    ("worker_version", Kind::Text),
    ("device", Kind::Text),
    ("recorded_at", Kind::Text),
    ("trial", Kind::Text),
    ("state", Kind::Text),
    ("ann", Kind::Text),
    ("weights", Kind::Text),
    ("region", Kind::Text),
    ("model", Kind::Text),
    ("layers", Kind::Text),
    ("l1", Kind::Whole),
    ("l2", Kind::Whole),
    ("depth", Kind::Whole),
    ("learning_rate", Kind::Real),
    ("weight_decay", Kind::Real),
    ("dropout", Kind::Real),
    ("sparsity", Kind::Real),
    ("pruning", Kind::Text),
    ("projection", Kind::Text),
    ("linear_path", Kind::Text),
    ("ensemble", Kind::Whole),
    ("scheme", Kind::Text),
    ("split", Kind::Whole),
    ("seed", Kind::Whole),
    ("simulated", Kind::Flag),
    ("random_weights", Kind::Flag),
    ("nrp_error", Kind::Real),
    ("mean_predictor_error", Kind::Real),
    ("noise_floor", Kind::Real),
    ("r2_mean", Kind::Real),
    ("r2_median", Kind::Real),
    ("r2_pooled", Kind::Real),
    ("pearson_median", Kind::Real),
    ("ceiling_median", Kind::Real),
    ("pearson2_over_ceiling", Kind::Real),
    ("split_half_consistency", Kind::Real),
    ("validation_mse", Kind::Real),
    ("sites", Kind::Whole),
    ("sites_scored", Kind::Whole),
    ("sites_left_out", Kind::Whole),
    ("parameters", Kind::Whole),
    ("epochs", Kind::Whole),
    ("best_epoch", Kind::Whole),
    ("train_seconds", Kind::Real),
    ("cache_dtype", Kind::Text),
    ("reached_sparsity", Kind::Real),
    ("attempts", Kind::Whole),
    ("worker", Kind::Text),
    ("reason", Kind::Text),
];

/// A whole number that a signed column of 64 bits has no room for.
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

/// A column's values that wait to be written; `there` tells which rows have one.
struct Waiting {
    name: &'static str,
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
    fn new((name, kind): (&'static str, Kind)) -> Self {
        Self {
            name,
            there: Vec::new(),
            values: match kind {
                Kind::Text => Values::Text(Vec::new()),
                Kind::Flag => Values::Flag(Vec::new()),
                Kind::Whole => Values::Whole(Vec::new()),
                Kind::Real => Values::Real(Vec::new()),
            },
        }
    }

    fn push(&mut self, value: &Value) -> Result<(), TooLarge> {
        let there = match &mut self.values {
            Values::Text(values) => {
                let text = match value {
                    Value::Array(parts) => {
                        let parts: Vec<_> = parts.iter().filter_map(Value::as_str).collect();
                        Some(parts.join("+"))
                    }
                    other => other.as_str().map(str::to_owned),
                };
                text.map(|text| values.push(text.as_str().into()))
            }
            Values::Flag(values) => value.as_bool().map(|flag| values.push(flag)),
            // Signed, as every reader knows them: unsigned ones wrap around where one is taken from
            // another, and some readers know none.
            Values::Whole(values) => {
                let number = value.as_u64().map(|number| {
                    i64::try_from(number).map_err(|_| TooLarge {
                        column: self.name,
                        number,
                    })
                });
                number.transpose()?.map(|number| values.push(number))
            }
            Values::Real(values) => value.as_f64().map(|number| values.push(number)),
        };
        self.there.push(i16::from(there.is_some()));
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
            .map(|(name, kind)| field(name, *kind).map(Arc::new));
        let schema = Type::group_type_builder("trials")
            .with_fields(fields.collect::<Result<_, _>>()?)
            .build()?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .build();
        Ok(Self {
            writer: SerializedFileWriter::new(out, Arc::new(schema), Arc::new(properties))?,
            columns: COLUMNS.map(Waiting::new).into(),
            rows: 0,
        })
    }

    pub(crate) fn push(&mut self, row: &TrialRow) -> Result<(), ParquetError> {
        let row = serde_json::to_value(row).expect("strings, lists and finite numbers");
        for column in &mut self.columns {
            column.push(&row[column.name])?;
        }
        self.rows += 1;
        match self.rows >= GROUP_ROWS {
            true => self.write_group(),
            false => Ok(()),
        }
    }

    /// Writes what waits, and the end of the file.
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
        Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
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
            state: "finished".to_owned(),
            scores: (seed != 1).then_some(scores),
            ..TrialRecord::default()
        };
        TrialRow::new(record, &Origin::default())
    }

    #[test]
    fn every_field_of_a_row_has_its_column() {
        let row = serde_json::to_value(row(0)).expect("an object");
        let mut fields: Vec<_> = row.as_object().expect("an object").keys().collect();
        let mut columns: Vec<_> = COLUMNS.iter().map(|(name, _)| *name).collect();
        fields.sort();
        columns.sort_unstable();
        assert_eq!(fields, columns);
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
