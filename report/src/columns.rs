//! Columns: the fields of a trial as JSON, CSV, Parquet and the tables for terminals have them, each
//! with its name, its header, its kind and where a row has it. This is the only list of them; its axes
//! and scores are those of the tables in `nrp-proto`.

use crate::row::{Row, TrialRow};
use crate::text;
use nrp_proto::axis::{self, Axis, Value};
use nrp_proto::plain;
use nrp_proto::score::Score;
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::sync::LazyLock;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A text.
    Text,
    /// Texts, which CSV, Parquet and tables join with `+`.
    Texts,
    /// True or false.
    Flag,
    /// A whole number.
    Whole,
    /// A number.
    Real,
}

/// A row's value in a column; a row that has none has no field.
#[derive(Debug, Clone, PartialEq)]
pub enum Field {
    /// A text.
    Text(String),
    /// Several texts.
    Texts(Vec<String>),
    /// True or false.
    Flag(bool),
    /// A whole number.
    Whole(u64),
    /// A number.
    Real(f64),
}

/// A column of the tables of trials.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// The name, as JSON, CSV and Parquet have it.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    get: Get,
}

/// Which table of `nrp-proto` a column is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// An axis.
    Axis(Axis),
    /// A score.
    Score(Score),
    /// Neither: what else there is to know of a trial.
    Other,
}

/// Where a row has its value.
#[derive(Debug, Clone, Copy)]
enum Get {
    Axis(Axis),
    Score(Score),
    /// Of every row.
    Row(fn(&Row) -> Option<Field>),
    /// Of rows that are one trial with its state.
    Trial(fn(&TrialRow) -> Option<Field>),
}

impl Column {
    const fn row(name: &'static str, kind: Kind, get: fn(&Row) -> Option<Field>) -> Self {
        let get = Get::Row(get);
        Self { name, kind, get }
    }

    const fn trial(name: &'static str, kind: Kind, get: fn(&TrialRow) -> Option<Field>) -> Self {
        let get = Get::Trial(get);
        Self { name, kind, get }
    }

    fn axis(axis: Axis) -> Self {
        Self {
            name: axis.name(),
            kind: match axis.kind() {
                axis::Kind::Word => Kind::Text,
                axis::Kind::Whole => Kind::Whole,
                axis::Kind::Real => Kind::Real,
            },
            get: Get::Axis(axis),
        }
    }

    fn score(score: Score) -> Self {
        Self {
            name: score.name(),
            kind: Kind::Real,
            get: Get::Score(score),
        }
    }

    /// The axis or score that it is, if it is one.
    pub fn source(&self) -> Source {
        match self.get {
            Get::Axis(axis) => Source::Axis(axis),
            Get::Score(score) => Source::Score(score),
            Get::Row(_) | Get::Trial(_) => Source::Other,
        }
    }

    /// Whether every row has it, and not only those that are one trial with its state.
    pub fn is_of_rows(&self) -> bool {
        match self.get {
            Get::Axis(_) | Get::Score(_) | Get::Row(_) => true,
            Get::Trial(_) => false,
        }
    }

    /// The value of a row, which may be a mean.
    pub fn of_row(&self, row: &Row) -> Option<Field> {
        match self.get {
            Get::Axis(axis) => row.cell.place.get(axis).map(|value| match value {
                Value::Word(word) => Field::Text(word.clone()),
                Value::Whole(number) => Field::Whole(*number),
                Value::Real(number) => Field::Real(*number),
            }),
            Get::Score(score) => row.scores.get(score).map(Field::Real),
            Get::Row(get) => get(row),
            Get::Trial(_) => None,
        }
    }

    /// The value of a trial with its state.
    pub fn of(&self, row: &TrialRow) -> Option<Field> {
        match self.get {
            Get::Axis(_) | Get::Score(_) | Get::Row(_) => self.of_row(&row.row),
            Get::Trial(get) => get(row),
        }
    }
}

/// Every column, in the order of JSON and Parquet.
pub static COLUMNS: LazyLock<Vec<Column>> = LazyLock::new(|| {
    let mut columns: Vec<Column> = SETTING.into();
    columns.extend(IDENTITY);
    // The layer set is a list in JSON.
    let axes = Axis::ALL.into_iter().filter(|axis| *axis != Axis::Layers);
    columns.extend(axes.map(Column::axis));
    columns.extend(Score::ALL.map(Column::score));
    columns.extend(TRAINED);
    columns
});

/// What all trials of a sweep share.
const SETTING: [Column; 17] = [
    Column::row("sweep", Kind::Text, |row| word(&row.cell.setting.sweep)),
    Column::row("sweep_id", Kind::Text, |row| {
        word(&row.cell.setting.sweep_id)
    }),
    Column::row("recordings", Kind::Text, |row| {
        word(&row.cell.setting.recordings)
    }),
    Column::row("recordings_digest", Kind::Text, |row| {
        word(&row.cell.setting.recordings_digest)
    }),
    Column::row("scheme", Kind::Text, |row| {
        some_word(&row.cell.setting.scheme)
    }),
    Column::row("train_fraction", Kind::Real, |row| {
        Some(Field::Real(row.cell.setting.train_fraction))
    }),
    Column::row("validation_fraction", Kind::Real, |row| {
        Some(Field::Real(row.cell.setting.validation_fraction))
    }),
    Column::row("test_fraction", Kind::Real, |row| {
        Some(Field::Real(row.cell.setting.test_fraction))
    }),
    Column::row("stratify", Kind::Text, |row| {
        some_word(&row.cell.setting.stratify)
    }),
    Column::row("duplicates", Kind::Text, |row| {
        some_word(&row.cell.setting.duplicates)
    }),
    Column::row("split_seed", Kind::Whole, |row| {
        Some(Field::Whole(row.cell.setting.split_seed))
    }),
    Column::row("split_digest", Kind::Text, |row| {
        some_word(&row.cell.setting.split_digest)
    }),
    Column::row("inputs", Kind::Text, |row| {
        some_word(&row.cell.setting.inputs)
    }),
    Column::row("targets", Kind::Text, |row| {
        some_word(&row.cell.setting.targets)
    }),
    Column::row("batch_size", Kind::Whole, |row| {
        whole(row.cell.setting.batch_size)
    }),
    Column::row("max_epochs", Kind::Whole, |row| {
        whole(row.cell.setting.max_epochs)
    }),
    Column::row("patience", Kind::Whole, |row| {
        whole(row.cell.setting.patience)
    }),
];

/// What else tells trials apart, beside the axes.
const IDENTITY: [Column; 8] = [
    Column::row("trial", Kind::Text, |row| some_word(&row.cell.trial)),
    Column::trial("state", Kind::Text, |row| word(&row.state)),
    Column::row("weights", Kind::Text, |row| word(&row.cell.weights)),
    Column::row("preprocessing", Kind::Text, |row| {
        some_word(&row.cell.preprocessing)
    }),
    Column::row("layers", Kind::Texts, |row| {
        row.cell.layers.clone().map(Field::Texts)
    }),
    Column::row("pruning", Kind::Text, |row| some_word(&row.cell.pruning)),
    Column::row("simulated", Kind::Flag, |row| {
        Some(Field::Flag(row.cell.simulated))
    }),
    Column::row("random_weights", Kind::Flag, |row| {
        Some(Field::Flag(row.cell.random_weights))
    }),
];

/// How, where and when a trial was trained.
const TRAINED: [Column; 15] = [
    Column::trial("sites", Kind::Whole, |row| whole(row.sites)),
    Column::trial("sites_scored", Kind::Whole, |row| whole(row.sites_scored)),
    Column::trial("sites_left_out", Kind::Whole, |row| {
        whole(row.sites_left_out)
    }),
    Column::row("epochs", Kind::Whole, |row| whole(row.provenance.epochs)),
    Column::row("best_epoch", Kind::Whole, |row| {
        whole(row.provenance.best_epoch)
    }),
    Column::row("alpha", Kind::Real, |row| {
        row.provenance.alpha.map(Field::Real)
    }),
    Column::row("cache_dtype", Kind::Text, |row| {
        some_word(&row.provenance.cache_dtype)
    }),
    Column::row("reached_sparsity", Kind::Real, |row| {
        row.provenance.reached_sparsity.map(Field::Real)
    }),
    Column::row("worker_version", Kind::Text, |row| {
        some_word(&row.provenance.worker_version)
    }),
    Column::row("device", Kind::Text, |row| {
        some_word(&row.provenance.device)
    }),
    Column::row("recorded_at", Kind::Text, |row| {
        some_word(&row.provenance.recorded_at)
    }),
    Column::trial("train_seconds", Kind::Real, |row| {
        row.train_seconds.map(Field::Real)
    }),
    Column::trial("attempts", Kind::Whole, |row| whole(Some(row.attempts))),
    Column::trial("worker", Kind::Text, |row| some_word(&row.worker)),
    Column::trial("reason", Kind::Text, |row| some_word(&row.reason)),
];

fn word(text: &str) -> Option<Field> {
    Some(Field::Text(text.to_owned()))
}

fn some_word(text: &Option<String>) -> Option<Field> {
    text.clone().map(Field::Text)
}

fn whole(number: Option<u32>) -> Option<Field> {
    number.map(|number| Field::Whole(number.into()))
}

impl Field {
    /// The field as text in CSV: no formula, and no escape sequence.
    pub fn csv(&self) -> String {
        match self {
            Field::Text(text) => plain::csv_field(text).into_owned(),
            Field::Texts(parts) => plain::csv_field(&parts.join("+")).into_owned(),
            Field::Flag(_) | Field::Whole(_) | Field::Real(_) => {
                let value = serde_json::to_string(self);
                value.expect("flags and finite numbers")
            }
        }
    }

    /// The field as a table for a terminal shows it: numbers of the grid as they were written,
    /// measured ones to the digits that they carry.
    pub fn shown(&self) -> String {
        match self {
            Field::Text(text) => text.clone(),
            Field::Texts(parts) => parts.join("+"),
            Field::Flag(flag) => if *flag { "yes" } else { "no" }.to_owned(),
            Field::Whole(number) => number.to_string(),
            Field::Real(number) => text::number(Some(*number)),
        }
    }
}

impl Serialize for Field {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Field::Text(text) => serializer.serialize_str(text),
            Field::Texts(parts) => parts.serialize(serializer),
            Field::Flag(flag) => serializer.serialize_bool(*flag),
            Field::Whole(number) => serializer.serialize_u64(*number),
            Field::Real(number) => serializer.serialize_f64(*number),
        }
    }
}

/// JSON has every column of a row, null where it has no value.
impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for column in COLUMNS.iter().filter(|column| column.is_of_rows()) {
            map.serialize_entry(column.name, &column.of_row(self))?;
        }
        map.end()
    }
}

impl Serialize for TrialRow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(COLUMNS.len()))?;
        for column in COLUMNS.iter() {
            map.serialize_entry(column.name, &column.of(self))?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setting::Origin;
    use nrp_proto::wire::{SplitSpec, TrialRecord, TrialSpec};
    use std::collections::BTreeSet;

    #[test]
    fn every_axis_and_score_is_a_column_of_its_kind() {
        let names: BTreeSet<_> = COLUMNS.iter().map(|column| column.name).collect();
        assert_eq!(names.len(), COLUMNS.len(), "each once");
        for axis in Axis::ALL {
            assert!(names.contains(axis.name()), "{axis}");
        }
        for score in Score::ALL {
            assert!(names.contains(score.name()), "{score:?}");
        }
    }

    #[test]
    fn trials_of_listed_splits_have_the_digest_of_their_file() {
        let of = |digest: &str| {
            let record = TrialRecord {
                spec: Some(TrialSpec {
                    split: Some(SplitSpec {
                        digest: digest.to_owned(),
                        ..SplitSpec::default()
                    }),
                    ..TrialSpec::default()
                }),
                ..TrialRecord::default()
            };
            let row = Row::new(&record, &Origin::default());
            let mut columns = COLUMNS.iter();
            let column = columns.find(|column| column.name == "split_digest");
            column.expect("a column").of_row(&row)
        };
        assert_eq!(of("0123abcd"), Some(Field::Text("0123abcd".to_owned())));
        assert_eq!(of(""), None);
    }

    #[test]
    fn exports_have_the_columns_that_other_programs_know() {
        let names: BTreeSet<_> = COLUMNS.iter().map(|column| column.name).collect();
        let known = "alpha ann attempts batch_size best_epoch cache_dtype ceiling_median depth device dropout \
                     duplicates ensemble epochs inputs l1 l2 layers learning_rate linear_path max_epochs \
                     mean_predictor_error model noise_floor nrp_error parameters patience \
                     pearson2_over_ceiling pearson_median preprocessing projection pruning r2_mean \
                     r2_median r2_pooled random_weights reached_sparsity reason recorded_at recordings \
                     recordings_digest region scheme seed similarity similarity_lower similarity_split \
                     similarity_upper simulated sites sites_left_out sites_scored \
                     sparsity split split_digest split_half_consistency split_seed state stratify sweep sweep_id \
                     targets test_fraction train_fraction train_seconds trial validation_fraction \
                     validation_mse weight_decay weights worker worker_version";
        assert_eq!(Vec::from_iter(names).join(" "), known);
    }
}
