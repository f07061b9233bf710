//! Places: where a trial lies on every axis.

use super::{Axis, Value};
use crate::wire::{Scores, TrialSpec};

/// Where a trial lies on every axis.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Place([Option<Value>; Axis::ALL.len()]);

impl Place {
    /// The place of a trial with these scores, where it has any.
    pub fn of(trial: &TrialSpec, scores: Option<&Scores>) -> Self {
        Self(Axis::ALL.map(|axis| axis.of_spec(trial, scores)))
    }

    /// What several places share: the values that all of them have.
    pub fn shared<'a>(places: impl IntoIterator<Item = &'a Place>) -> Self {
        let mut places = places.into_iter();
        let mut shared = places.next().cloned().unwrap_or_default();
        for place in places {
            for (shared, value) in shared.0.iter_mut().zip(&place.0) {
                if shared != value {
                    *shared = None;
                }
            }
        }
        shared
    }

    /// The value on an axis; none where the trial has no place on it.
    pub fn get(&self, axis: Axis) -> Option<&Value> {
        self.0[axis as usize].as_ref()
    }

    /// Sets the value on an axis.
    pub fn set(&mut self, axis: Axis, value: Option<Value>) {
        self.0[axis as usize] = value;
    }

    /// The name on an axis of words; none on other axes.
    pub fn word(&self, axis: Axis) -> Option<&str> {
        match self.get(axis)? {
            Value::Word(word) => Some(word),
            Value::Whole(_) | Value::Real(_) => None,
        }
    }

    /// The number on an axis of whole numbers; none on other axes.
    pub fn whole(&self, axis: Axis) -> Option<u64> {
        match self.get(axis)? {
            Value::Whole(number) => Some(*number),
            Value::Word(_) | Value::Real(_) => None,
        }
    }

    /// The number on an axis of numbers, whole ones among them; none on other axes.
    pub fn number(&self, axis: Axis) -> Option<f64> {
        match self.get(axis)? {
            Value::Whole(number) => Some(*number as f64),
            Value::Real(number) => Some(*number),
            Value::Word(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::trial;
    use super::*;
    use crate::wire::TrialRecord;

    #[test]
    fn a_place_has_every_axis_and_shares_what_is_equal() {
        let (one, mut other) = (trial(), trial());
        let place = |trial: &TrialRecord| {
            Place::of(trial.spec.as_ref().expect("a trial"), trial.scores.as_ref())
        };
        for axis in Axis::ALL {
            assert_eq!(place(&one).get(axis), axis.of(&one).as_ref(), "{axis}");
        }
        assert_eq!(place(&one).word(Axis::Region), Some("V4"));
        assert_eq!(place(&one).whole(Axis::L1), Some(16));
        assert_eq!(place(&one).number(Axis::LearningRate), Some(1e-3));
        other.spec.as_mut().expect("a trial").l1 = Some(32);
        let shared = Place::shared([&place(&one), &place(&other)]);
        assert_eq!(shared.get(Axis::L1), None);
        let mut expected = place(&one);
        expected.set(Axis::L1, None);
        assert_eq!(shared, expected);
    }
}
