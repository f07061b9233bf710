//! Conditions on axes: `l1=16`, `learning_rate<=0.01`. Clients and the coordinator filter trials by
//! them. Pure.

use super::{Axis, Kind, Value};
use crate::wire::TrialRecord;
use crate::word::UnknownWord;
use miette::Diagnostic;
use std::cmp::Ordering;
use std::str::FromStr;
use thiserror::Error;

/// The most characters of what was written that an error repeats.
const SHOWN_CHARS_MAX: usize = 64;

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

/// Reads a value of an axis.
fn value(axis: Axis, text: &str) -> Result<Value, AxisError> {
    let value = match axis.kind() {
        Kind::Word => Some(Value::Word(text.to_owned())).filter(|_| !text.is_empty()),
        Kind::Whole => text.parse().ok().map(Value::Whole),
        Kind::Real => text
            .parse()
            .ok()
            .filter(|value: &f64| value.is_finite())
            .map(Value::Real),
    };
    value.ok_or_else(|| AxisError::Value {
        axis,
        found: shown(text),
        expected: match axis.kind() {
            Kind::Word => "a name",
            Kind::Whole => "a whole number",
            Kind::Real => "a number",
        },
    })
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

    /// The value that a trial's is compared with.
    pub fn value(&self) -> &Value {
        &self.value
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
            value: self::value(axis, value.trim())?,
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
    use super::super::tests::trial;
    use super::*;

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
    fn an_invalid_condition_is_refused_with_what_to_do() {
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
}
