//! Axes by name, and conditions on them: `l1=16`, `learning_rate<=0.01`. What users filter trials by
//! and tabulate them over; the same words for clients and coordinator. Pure.

use crate::near_miss;
use crate::wire::TrialRecord;
use miette::Diagnostic;
use std::cmp::Ordering;
use std::fmt::{self, Display};
use std::str::FromStr;
use thiserror::Error;

/// Most of a word that an error repeats.
const SHOWN_CHARS_MAX: usize = 64;

/// What a trial can be told apart by: an axis of the grid, or its network's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Axis {
    /// The ANN's name.
    Ann,
    /// The region.
    Region,
    /// What predicts the responses: `nrp`, `ols`, `ridge` or `pls`.
    Model,
    /// The layer set, joined with `+`.
    Layers,
    /// Units of NRP-L1.
    L1,
    /// Units of NRP-L2.
    L2,
    /// Intermediate layers.
    Depth,
    /// The learning rate.
    LearningRate,
    /// The weight decay.
    WeightDecay,
    /// The dropout.
    Dropout,
    /// The ANN's fraction of zero weights.
    Sparsity,
    /// What activations are projected onto: `none`, `row-space` or `pca:K`.
    Projection,
    /// What predicts beside the network: `none` or `ridge`.
    LinearPath,
    /// Networks whose predictions are averaged.
    Ensemble,
    /// Which of the splits of its scheme, from 0.
    Split,
    /// The seed.
    Seed,
    /// Free parameters of the NRP network or baseline; of finished trials only.
    Parameters,
}

/// What kind of value an axis has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Word,
    Whole,
    Real,
}

/// A trial's place on an axis. Ordered; values of one axis are of one kind.
#[derive(Debug, Clone)]
pub enum Value {
    /// A name.
    Word(String),
    /// A whole number.
    Whole(u64),
    /// A number, finite.
    Real(f64),
}

impl Axis {
    /// All of them, as they are listed.
    pub const ALL: [Axis; 17] = [
        Axis::Ann,
        Axis::Region,
        Axis::Model,
        Axis::Layers,
        Axis::L1,
        Axis::L2,
        Axis::Depth,
        Axis::LearningRate,
        Axis::WeightDecay,
        Axis::Dropout,
        Axis::Sparsity,
        Axis::Projection,
        Axis::LinearPath,
        Axis::Ensemble,
        Axis::Split,
        Axis::Seed,
        Axis::Parameters,
    ];

    /// Its word.
    pub fn name(self) -> &'static str {
        match self {
            Axis::Ann => "ann",
            Axis::Region => "region",
            Axis::Model => "model",
            Axis::Layers => "layers",
            Axis::L1 => "l1",
            Axis::L2 => "l2",
            Axis::Depth => "depth",
            Axis::LearningRate => "learning_rate",
            Axis::WeightDecay => "weight_decay",
            Axis::Dropout => "dropout",
            Axis::Sparsity => "sparsity",
            Axis::Projection => "projection",
            Axis::LinearPath => "linear_path",
            Axis::Ensemble => "ensemble",
            Axis::Split => "split",
            Axis::Seed => "seed",
            Axis::Parameters => "parameters",
        }
    }

    fn kind(self) -> Kind {
        match self {
            Axis::Ann
            | Axis::Region
            | Axis::Model
            | Axis::Layers
            | Axis::Projection
            | Axis::LinearPath => Kind::Word,
            Axis::L1
            | Axis::L2
            | Axis::Depth
            | Axis::Ensemble
            | Axis::Split
            | Axis::Seed
            | Axis::Parameters => Kind::Whole,
            Axis::LearningRate | Axis::WeightDecay | Axis::Dropout | Axis::Sparsity => Kind::Real,
        }
    }

    /// Where a trial lies on the axis; none where it has no such thing, as NRP-L2 at depth 1, or a
    /// learning rate of a linear baseline.
    pub fn of(self, trial: &TrialRecord) -> Option<Value> {
        let spec = trial.spec.as_ref()?;
        let ann = || spec.ann.as_ref();
        let is_of_networks = matches!(
            self,
            Axis::Depth
                | Axis::LearningRate
                | Axis::WeightDecay
                | Axis::Dropout
                | Axis::LinearPath
                | Axis::Ensemble
                | Axis::Seed
        );
        if is_of_networks && !spec.is_nrp_network() {
            return None;
        }
        Some(match self {
            Axis::Ann => Value::Word(ann()?.name.clone()),
            Axis::Region => Value::Word(spec.region.clone()),
            Axis::Model => Value::Word(spec.model().to_owned()),
            Axis::Layers => Value::Word(spec.layers.join("+")),
            Axis::L1 => Value::Whole(spec.l1?.into()),
            Axis::L2 => Value::Whole(spec.l2?.into()),
            Axis::Depth => Value::Whole(spec.depth.into()),
            Axis::LearningRate => Value::Real(spec.learning_rate),
            Axis::WeightDecay => Value::Real(spec.weight_decay),
            Axis::Dropout => Value::Real(spec.dropout),
            Axis::Sparsity => Value::Real(ann()?.sparsity),
            Axis::Projection => Value::Word(spec.projection().to_owned()),
            Axis::LinearPath => Value::Word(spec.linear_path().to_owned()),
            Axis::Ensemble => Value::Whole(spec.ensemble().into()),
            Axis::Split => Value::Whole(spec.split_number().into()),
            Axis::Seed => Value::Whole(spec.seed),
            Axis::Parameters => Value::Whole(trial.scores.as_ref()?.parameters),
        })
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
            wanted: match self.kind() {
                Kind::Word => "a name",
                Kind::Whole => "a whole number",
                Kind::Real => "a number",
            },
        })
    }
}

impl Display for Axis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Axis {
    type Err = AxisError;

    fn from_str(name: &str) -> Result<Self, AxisError> {
        let named = Self::ALL.into_iter().find(|axis| axis.name() == name);
        named.ok_or_else(|| AxisError::Unknown {
            found: shown(name),
            near_miss: near_miss(&shown(name), Self::ALL.map(Axis::name)).map(str::to_owned),
        })
    }
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

/// How a trial's value must stand to the one named.
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
    /// Two signs before one of them alone.
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

/// A condition on one axis. A trial that has no such thing meets none on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    axis: Axis,
    relation: Relation,
    value: Value,
}

impl Condition {
    /// That a trial lies just there.
    pub fn is(axis: Axis, value: Value) -> Self {
        Self {
            axis,
            relation: Relation::Is,
            value,
        }
    }

    /// The axis it is on.
    pub fn axis(&self) -> Axis {
        self.axis
    }

    /// Whether a trial meets it.
    pub fn holds(&self, trial: &TrialRecord) -> bool {
        let found = self.axis.of(trial);
        found.is_some_and(|found| self.relation.holds(found.cmp(&self.value)))
    }
}

impl FromStr for Condition {
    type Err = AxisError;

    fn from_str(text: &str) -> Result<Self, AxisError> {
        let no_condition = || AxisError::Shape { found: shown(text) };
        let at = text.find(['!', '<', '>', '=']).ok_or_else(no_condition)?;
        let (name, rest) = text.split_at(at);
        let mut signs = Relation::SIGNS.into_iter();
        let (relation, value) = signs
            .find_map(|(sign, relation)| Some((relation, rest.strip_prefix(sign)?)))
            .ok_or_else(no_condition)?;
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

/// Why a text is no axis, or no condition on one.
#[derive(Debug, Clone, PartialEq, Eq, Error, Diagnostic)]
pub enum AxisError {
    /// There is no such axis.
    #[error("`{found}` is no axis")]
    #[diagnostic(help("{}an axis is one of {}", did_you_mean(.near_miss.as_deref()), names()))]
    Unknown {
        /// What was written.
        found: String,
        /// The axis probably meant.
        near_miss: Option<String>,
    },
    /// There is no relation in it.
    #[error("`{found}` is no condition")]
    #[diagnostic(help(
        "write AXIS=VALUE, or with !=, <, <=, > or >=: `l1=16`, `learning_rate<=0.01`"
    ))]
    Shape {
        /// What was written.
        found: String,
    },
    /// The value is not of the axis's kind.
    #[error("`{axis}` is {wanted}, and `{found}` is none")]
    #[diagnostic(help("write it as the sweep file does: `l1=16`, `learning_rate<=0.01`"))]
    Value {
        /// The axis.
        axis: Axis,
        /// What was written.
        found: String,
        /// What kind of value it has.
        wanted: &'static str,
    },
    /// Names are alike or not, no more.
    #[error("`{axis}` has no order")]
    #[diagnostic(help("only = and != apply to it"))]
    Order {
        /// The axis.
        axis: Axis,
    },
}

fn did_you_mean(near_miss: Option<&str>) -> String {
    near_miss.map_or_else(String::new, |word| format!("did you mean `{word}`? "))
}

fn names() -> String {
    Axis::ALL.map(Axis::name).join(", ")
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
            // It has none.
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
    fn what_is_no_condition_is_told_with_what_to_do() {
        let refused = |text: &str| {
            let error = text.parse::<Condition>().expect_err(text);
            format!("{error}; {}", error.help().expect("help"))
        };
        insta::assert_snapshot!(refused("lerning_rate=1"), @"`lerning_rate` is no axis; did you mean `learning_rate`? an axis is one of ann, region, model, layers, l1, l2, depth, learning_rate, weight_decay, dropout, sparsity, projection, linear_path, ensemble, split, seed, parameters");
        insta::assert_snapshot!(refused("l1 16"), @"`l1 16` is no condition; write AXIS=VALUE, or with !=, <, <=, > or >=: `l1=16`, `learning_rate<=0.01`");
        insta::assert_snapshot!(refused("l1!16"), @"`l1!16` is no condition; write AXIS=VALUE, or with !=, <, <=, > or >=: `l1=16`, `learning_rate<=0.01`");
        insta::assert_snapshot!(refused("l1=1.5"), @"`l1` is a whole number, and `1.5` is none; write it as the sweep file does: `l1=16`, `learning_rate<=0.01`");
        insta::assert_snapshot!(refused("dropout=NaN"), @"`dropout` is a number, and `NaN` is none; write it as the sweep file does: `l1=16`, `learning_rate<=0.01`");
        insta::assert_snapshot!(refused("region<V4"), @"`region` has no order; only = and != apply to it");
        assert!(refused("zebra=1").contains("; an axis is one of ann,"));
    }

    #[test]
    fn every_axis_is_found_by_its_name() {
        for axis in Axis::ALL {
            assert_eq!(axis.name().parse(), Ok(axis));
        }
    }
}
