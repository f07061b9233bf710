//! The values of an axis that a sweep tries, as its file lists them.

use super::Value;

/// Values of one kind.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// Words.
    Words(Vec<String>),
    /// Whole numbers, as TOML has them.
    Wholes(Vec<i64>),
    /// Numbers.
    Reals(Vec<f64>),
}

impl Values {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Values::Words(values) => values.len(),
            Values::Wholes(values) => values.len(),
            Values::Reals(values) => values.len(),
        }
    }

    /// The value at an index, if there is one.
    pub fn value(&self, at: usize) -> Option<Value> {
        match self {
            Values::Words(values) => values.get(at).cloned().map(Value::Word),
            Values::Wholes(values) => values.get(at).map(|value| Value::Whole(*value as u64)),
            Values::Reals(values) => values.get(at).copied().map(Value::Real),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn of_u32(values: &[u32]) -> Self {
        Values::Wholes(values.iter().map(|value| (*value).into()).collect())
    }

    /// Numbers beyond the range of TOML become negative, which no whole number of the wire is.
    pub(super) fn of_u64(values: &[u64]) -> Self {
        Values::Wholes(values.iter().map(|value| *value as i64).collect())
    }

    /// The words; none of values of another kind.
    pub(crate) fn words(&self) -> &[String] {
        match self {
            Values::Words(values) => values,
            Values::Wholes(_) | Values::Reals(_) => &[],
        }
    }

    /// The whole numbers; none of values of another kind.
    pub(crate) fn wholes(&self) -> &[i64] {
        match self {
            Values::Wholes(values) => values,
            Values::Words(_) | Values::Reals(_) => &[],
        }
    }

    /// The numbers; none of values of another kind.
    pub(super) fn reals(&self) -> &[f64] {
        match self {
            Values::Reals(values) => values,
            Values::Words(_) | Values::Wholes(_) => &[],
        }
    }

    pub(super) fn u32(&self, at: usize) -> u32 {
        self.wholes()[at] as u32
    }

    pub(super) fn u64(&self, at: usize) -> u64 {
        self.wholes()[at] as u64
    }

    pub(super) fn u32s(&self) -> Vec<u32> {
        self.wholes().iter().map(|value| *value as u32).collect()
    }

    pub(super) fn u64s(&self) -> Vec<u64> {
        self.wholes().iter().map(|value| *value as u64).collect()
    }
}
