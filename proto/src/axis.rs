//! Axes: what trials are told apart by, and conditions on them: `l1=16`, `learning_rate<=0.01`. This
//! table is the only list of axes: their names, headers, kinds, and where a trial has each. Filters,
//! marginals, tables and exports iterate over it. Pure.
//!
//! CONTRIBUTING.md shows how to add an axis.

use crate::wire::{AnnSpec, Scores, TrialRecord, TrialSpec};
use crate::word::{UnknownWord, word_enum};
use miette::Diagnostic;
use serde::{Serialize, Serializer};
use std::cmp::Ordering;
use std::fmt::{self, Display};
use std::str::FromStr;
use thiserror::Error;

/// The most characters of what was written that an error repeats.
const SHOWN_CHARS_MAX: usize = 64;

word_enum! {
    /// What a trial can be told apart by: an axis of the grid, or the size of its network.
    pub enum Axis: "axis" {
        /// The ANN's name.
        Ann = "ann",
        /// The region.
        Region = "region",
        /// What predicts the responses: `nrp`, `ols`, `ridge` or `pls`.
        Model = "model",
        /// The layer set, joined with `+`.
        Layers = "layers",
        /// Units of NRP-L1.
        L1 = "l1",
        /// Units of NRP-L2.
        L2 = "l2",
        /// Intermediate layers.
        Depth = "depth",
        /// The learning rate.
        LearningRate = "learning_rate",
        /// The weight decay.
        WeightDecay = "weight_decay",
        /// The dropout.
        Dropout = "dropout",
        /// The ANN's fraction of zero weights.
        Sparsity = "sparsity",
        /// What activations are projected onto: `none`, `row-space` or `pca:K`.
        Projection = "projection",
        /// What predicts beside the network: `none` or `ridge`.
        LinearPath = "linear_path",
        /// Networks whose predictions are averaged.
        Ensemble = "ensemble",
        /// Which of the splits of its scheme, from 0.
        Split = "split",
        /// The seed.
        Seed = "seed",
        /// Free parameters of the NRP network or baseline; of finished trials only.
        Parameters = "parameters",
    }
}

/// The kind of value that an axis has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A name.
    Word,
    /// A whole number from 0.
    Whole,
    /// A finite number.
    Real,
}

/// A trial's place on an axis. Values of one axis are of one kind, and ordered.
#[derive(Debug, Clone)]
pub enum Value {
    /// A name.
    Word(String),
    /// A whole number.
    Whole(u64),
    /// A number, finite.
    Real(f64),
}

/// What there is to know of an axis.
struct Row {
    /// The header of its column in tables.
    label: &'static str,
    kind: Kind,
    /// Whether linear baselines have no place on the axis, whatever their specification says.
    of_networks: bool,
    get: fn(&TrialSpec, Option<&Scores>) -> Option<Value>,
}

impl Row {
    const fn new(
        label: &'static str,
        kind: Kind,
        get: fn(&TrialSpec, Option<&Scores>) -> Option<Value>,
    ) -> Self {
        Self {
            label,
            kind,
            of_networks: false,
            get,
        }
    }

    const fn of_networks(self) -> Self {
        Self {
            of_networks: true,
            ..self
        }
    }
}

impl Axis {
    const fn row(self) -> Row {
        use Kind::{Real, Whole, Word};
        match self {
            Axis::Ann => Row::new("ANN", Word, |trial, _| word(&ann(trial)?.name)),
            Axis::Region => Row::new("region", Word, |trial, _| word(&trial.region)),
            Axis::Model => Row::new("model", Word, |trial, _| word(trial.model())),
            Axis::Layers => Row::new("layers", Word, |trial, _| word(&trial.layers.join("+"))),
            Axis::L1 => Row::new("L1", Whole, |trial, _| whole(trial.l1?)),
            Axis::L2 => Row::new("L2", Whole, |trial, _| whole(trial.l2?)),
            Axis::Depth => Row::new("depth", Whole, |trial, _| whole(trial.depth)).of_networks(),
            Axis::LearningRate => {
                Row::new("rate", Real, |trial, _| real(trial.learning_rate)).of_networks()
            }
            Axis::WeightDecay => {
                Row::new("decay", Real, |trial, _| real(trial.weight_decay)).of_networks()
            }
            Axis::Dropout => {
                Row::new("dropout", Real, |trial, _| real(trial.dropout)).of_networks()
            }
            Axis::Sparsity => Row::new("sparsity", Real, |trial, _| real(ann(trial)?.sparsity)),
            Axis::Projection => Row::new("projection", Word, |trial, _| word(trial.projection())),
            Axis::LinearPath => {
                Row::new("linear path", Word, |trial, _| word(trial.linear_path())).of_networks()
            }
            Axis::Ensemble => {
                Row::new("ensemble", Whole, |trial, _| whole(trial.ensemble())).of_networks()
            }
            Axis::Split => Row::new("split", Whole, |trial, _| whole(trial.split_number())),
            Axis::Seed => Row::new("seed", Whole, |trial, _| whole(trial.seed)).of_networks(),
            Axis::Parameters => {
                Row::new("parameters", Whole, |_, scores| whole(scores?.parameters))
            }
        }
    }

    /// The header of its column in tables.
    pub const fn label(self) -> &'static str {
        self.row().label
    }

    /// The kind of its values.
    pub const fn kind(self) -> Kind {
        self.row().kind
    }

    /// Where a trial lies on the axis; none where it has no place on it, as NRP-L2 at depth 1 or the
    /// learning rate of a linear baseline.
    pub fn of(self, trial: &TrialRecord) -> Option<Value> {
        self.of_spec(trial.spec.as_ref()?, trial.scores.as_ref())
    }

    /// As [`Axis::of`], of a trial with these scores, where it has any.
    pub fn of_spec(self, trial: &TrialSpec, scores: Option<&Scores>) -> Option<Value> {
        let row = self.row();
        if row.of_networks && !trial.is_nrp_network() {
            return None;
        }
        (row.get)(trial, scores)
    }

    fn value(self, text: &str) -> Result<Value, AxisError> {
        let value = match self.kind() {
            Kind::Word => Some(Value::Word(text.to_owned())).filter(|_| !text.is_empty()),
            Kind::Whole => text.parse().ok().map(Value::Whole),
            Kind::Real => text
                .parse()
                .ok()
                .filter(|value: &f64| value.is_finite())
                .map(Value::Real),
        };
        value.ok_or_else(|| AxisError::Value {
            axis: self,
            found: shown(text),
            expected: match self.kind() {
                Kind::Word => "a name",
                Kind::Whole => "a whole number",
                Kind::Real => "a number",
            },
        })
    }
}

fn ann(trial: &TrialSpec) -> Option<&AnnSpec> {
    trial.ann.as_ref()
}

fn word(word: &str) -> Option<Value> {
    Some(Value::Word(word.to_owned()))
}

fn whole(number: impl Into<u64>) -> Option<Value> {
    Some(Value::Whole(number.into()))
}

fn real(number: f64) -> Option<Value> {
    Some(Value::Real(number))
}

impl Ord for Value {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Value::Word(a), Value::Word(b)) => a.cmp(b),
            (Value::Whole(a), Value::Whole(b)) => a.cmp(b),
            // -0 and 0 are one value.
            (Value::Real(a), Value::Real(b)) => (a + 0.0).total_cmp(&(b + 0.0)),
            (Value::Word(_), Value::Whole(_) | Value::Real(_))
            | (Value::Whole(_), Value::Real(_)) => Ordering::Less,
            (Value::Real(_), Value::Word(_) | Value::Whole(_))
            | (Value::Whole(_), Value::Word(_)) => Ordering::Greater,
        }
    }
}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Value {}

impl Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Word(word) => f.write_str(word),
            Value::Whole(number) => number.fmt(f),
            // Small rates are read as powers of ten.
            Value::Real(number) if *number != 0.0 && number.abs() < 1e-2 => write!(f, "{number:e}"),
            Value::Real(number) => number.fmt(f),
        }
    }
}

/// JSON has words as texts and numbers as numbers.
impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Word(word) => serializer.serialize_str(word),
            Value::Whole(number) => serializer.serialize_u64(*number),
            Value::Real(number) => serializer.serialize_f64(*number),
        }
    }
}

/// How a trial's value must compare with the one named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relation {
    Is,
    IsNot,
    AtMost,
    AtLeast,
    Below,
    Above,
}

impl Relation {
    /// A sign that begins with another stands before it.
    const SIGNS: [(&'static str, Relation); 6] = [
        ("!=", Relation::IsNot),
        ("<=", Relation::AtMost),
        (">=", Relation::AtLeast),
        ("=", Relation::Is),
        ("<", Relation::Below),
        (">", Relation::Above),
    ];

    fn holds(self, order: Ordering) -> bool {
        match self {
            Relation::Is => order.is_eq(),
            Relation::IsNot => order.is_ne(),
            Relation::AtMost => order.is_le(),
            Relation::AtLeast => order.is_ge(),
            Relation::Below => order.is_lt(),
            Relation::Above => order.is_gt(),
        }
    }
}

/// A condition on one axis. A trial without a place on the axis meets no condition on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    axis: Axis,
    relation: Relation,
    value: Value,
}

impl Condition {
    /// The condition that a trial lies at `value`.
    pub fn is(axis: Axis, value: Value) -> Self {
        Self {
            axis,
            relation: Relation::Is,
            value,
        }
    }

    /// The axis that the condition is on.
    pub fn axis(&self) -> Axis {
        self.axis
    }

    /// Whether a trial meets the condition.
    pub fn holds(&self, trial: &TrialRecord) -> bool {
        let found = self.axis.of(trial);
        found.is_some_and(|found| self.relation.holds(found.cmp(&self.value)))
    }
}

impl FromStr for Condition {
    type Err = AxisError;

    fn from_str(text: &str) -> Result<Self, AxisError> {
        let invalid = || AxisError::Shape { found: shown(text) };
        let at = text.find(['!', '<', '>', '=']).ok_or_else(invalid)?;
        let (name, rest) = text.split_at(at);
        let mut signs = Relation::SIGNS.into_iter();
        let (relation, value) = signs
            .find_map(|(sign, relation)| Some((relation, rest.strip_prefix(sign)?)))
            .ok_or_else(invalid)?;
        let axis: Axis = name.trim().parse()?;
        let ordered = !matches!(relation, Relation::Is | Relation::IsNot);
        if ordered && axis.kind() == Kind::Word {
            return Err(AxisError::Order { axis });
        }
        Ok(Self {
            axis,
            relation,
            value: axis.value(value.trim())?,
        })
    }
}

/// Why a text does not name an axis, or a condition on one.
#[derive(Debug, Clone, PartialEq, Eq, Error, Diagnostic)]
pub enum AxisError {
    /// No axis has this name.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Unknown(#[from] UnknownWord),
    /// The text has no relation in it.
    #[error("invalid condition `{found}`")]
    #[diagnostic(help(
        "write AXIS=VALUE, or with !=, <, <=, > or >=: `l1=16`, `learning_rate<=0.01`"
    ))]
    Shape {
        /// What was written.
        found: String,
    },
    /// The value is not of the axis's kind.
    #[error("`{axis}` must be {expected}, got `{found}`")]
    #[diagnostic(help("write it as the sweep file does: `l1=16`, `learning_rate<=0.01`"))]
    Value {
        /// The axis.
        axis: Axis,
        /// What was written.
        found: String,
        /// The kind of value that the axis has.
        expected: &'static str,
    },
    /// Names have no order.
    #[error("`{axis}` has no order")]
    #[diagnostic(help("use = or != with it"))]
    Order {
        /// The axis.
        axis: Axis,
    },
}

fn shown(text: &str) -> String {
    text.chars().take(SHOWN_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{AnnSpec, TrialSpec};

    fn trial() -> TrialRecord {
        TrialRecord {
            spec: Some(TrialSpec {
                ann: Some(AnnSpec {
                    name: "mobilenet".to_owned(),
                    sparsity: 0.5,
                    ..Default::default()
                }),
                region: "V4".to_owned(),
                layers: vec!["a".to_owned(), "b".to_owned()],
                l1: Some(16),
                depth: 1,
                learning_rate: 1e-3,
                seed: u64::MAX,
                ..Default::default()
            }),
            ..Default::default()
        }
    }

    #[test]
    fn conditions_hold_as_they_read() {
        for (text, holds) in [
            ("ann=mobilenet", true),
            ("region!=V4", false),
            ("layers=a+b", true),
            ("layers=a", false),
            ("l1=16", true),
            (" l1 >= 16 ", true),
            ("l1>16", false),
            ("l1!=32", true),
            ("depth<2", true),
            ("learning_rate=0.001", true),
            ("learning_rate<=1e-3", true),
            ("learning_rate<1e-3", false),
            ("weight_decay=-0", true),
            ("sparsity=0.5", true),
            ("seed=18446744073709551615", true),
            ("seed=18446744073709551614", false),
            // The trial has no place on these axes.
            ("l2=32", false),
            ("l2!=32", false),
            ("parameters>0", false),
        ] {
            let condition: Condition = text.parse().expect(text);
            assert_eq!(condition.holds(&trial()), holds, "{text}");
        }
    }

    #[test]
    fn a_baseline_lies_on_no_axis_of_networks() {
        let mut trial = trial();
        assert_eq!(Axis::Model.of(&trial), Some(Value::Word("nrp".to_owned())));
        let spec = trial.spec.as_mut().expect("a trial");
        (spec.model, spec.l1, spec.depth) = ("ridge".to_owned(), None, 0);
        let lies = Axis::ALL.map(|axis| axis.of(&trial).is_some().then_some(axis.name()));
        let lies: Vec<_> = lies.into_iter().flatten().collect();
        assert_eq!(
            lies,
            [
                "ann",
                "region",
                "model",
                "layers",
                "sparsity",
                "projection",
                "split"
            ]
        );
        for (text, holds) in [
            ("model=ridge", true),
            ("model!=nrp", true),
            ("depth=0", false),
        ] {
            let condition: Condition = text.parse().expect(text);
            assert_eq!(condition.holds(&trial), holds, "{text}");
        }
    }

    #[test]
    fn what_is_invalid_is_told_with_what_to_do() {
        let refused = |text: &str| {
            let error = text.parse::<Condition>().expect_err(text);
            format!("{error}; {}", error.help().expect("help"))
        };
        insta::assert_snapshot!(refused("lerning_rate=1"), @"unknown axis `lerning_rate`; did you mean `learning_rate`?; expected one of ann, region, model, layers, l1, l2, depth, learning_rate, weight_decay, dropout, sparsity, projection, linear_path, ensemble, split, seed, parameters");
        insta::assert_snapshot!(refused("l1 16"), @"invalid condition `l1 16`; write AXIS=VALUE, or with !=, <, <=, > or >=: `l1=16`, `learning_rate<=0.01`");
        insta::assert_snapshot!(refused("l1!16"), @"invalid condition `l1!16`; write AXIS=VALUE, or with !=, <, <=, > or >=: `l1=16`, `learning_rate<=0.01`");
        insta::assert_snapshot!(refused("l1=1.5"), @"`l1` must be a whole number, got `1.5`; write it as the sweep file does: `l1=16`, `learning_rate<=0.01`");
        insta::assert_snapshot!(refused("dropout=NaN"), @"`dropout` must be a number, got `NaN`; write it as the sweep file does: `l1=16`, `learning_rate<=0.01`");
        insta::assert_snapshot!(refused("region<V4"), @"`region` has no order; use = or != with it");
        assert!(refused("zebra=1").contains("; expected one of ann,"));
    }

    #[test]
    fn every_axis_is_found_by_its_name() {
        for axis in Axis::ALL {
            assert_eq!(axis.name().parse(), Ok(axis));
        }
    }
}
