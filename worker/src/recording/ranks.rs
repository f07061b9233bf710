//! Ranks: the order of a column's values. A column of a table is as pandas reads it: if all are numbers they are
//! ordered as numbers, and otherwise as text by its characters' code points. Labels that a file stores as text
//! stay text, digits too.

use std::ops::RangeInclusive;

/// The whole numbers that pandas has a type for, `int64` or `uint64`.
const WHOLE: [RangeInclusive<i128>; 2] =
    [i64::MIN as i128..=i64::MAX as i128, 0..=u64::MAX as i128];

/// Labels, and how their file stores them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Labels {
    pub words: Vec<String>,
    pub are_text: bool,
}

impl Labels {
    /// The labels from the one at `at`.
    pub(super) fn from(&self, at: usize) -> Self {
        Self {
            words: self.words[at..].to_vec(),
            are_text: self.are_text,
        }
    }

    /// The rank of each label among the different ones, from 0.
    pub(crate) fn ranks(&self) -> Vec<usize> {
        let words: Vec<&str> = self.words.iter().map(String::as_str).collect();
        ranks_as_stored(&words, self.are_text)
    }
}

/// The rank of each value of a table's column among the different ones, from 0.
pub(crate) fn ranks(values: &[&str]) -> Vec<usize> {
    let whole = values.iter().map(|value| value.parse::<i128>().ok());
    if let Some(whole) = whole.collect::<Option<Vec<i128>>>() {
        let fit = |range: &RangeInclusive<i128>| whole.iter().all(|of| range.contains(of));
        return if WHOLE.iter().any(fit) {
            ranked(&whole, Ord::cmp)
        } else {
            ranked(values, Ord::cmp)
        };
    }
    let number = |value: &&str| value.parse().ok().filter(|number: &f64| number.is_finite());
    match values.iter().map(number).collect::<Option<Vec<f64>>>() {
        // No number is NaN, so all have an order; a zero has no sign.
        Some(numbers) => ranked(&numbers, |a, b| (a + 0.0).total_cmp(&(b + 0.0))),
        None => ranked(values, Ord::cmp),
    }
}

/// The same of values that a file stores as text, if it does: then digits are text, too.
pub(crate) fn ranks_as_stored(values: &[&str], are_text: bool) -> Vec<usize> {
    if are_text {
        ranked(values, Ord::cmp)
    } else {
        ranks(values)
    }
}

fn ranked<T: Copy>(values: &[T], order: impl Fn(&T, &T) -> std::cmp::Ordering) -> Vec<usize> {
    let mut different = values.to_vec();
    different.sort_by(&order);
    different.dedup_by(|a, b| order(a, b).is_eq());
    let rank = |value: &T| different.partition_point(|of| order(of, value).is_lt());
    values.iter().map(rank).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_ordered_as_numbers_and_anything_else_as_text() {
        assert_eq!(
            ranks(&["10", "9", "010", "-0", "0", "1e1"]),
            [2, 1, 2, 0, 0, 2]
        );
        assert_eq!(ranks(&["10", "9", "x", "10"]), [0, 1, 2, 0]);
        // By code point, as Python sorts; capitals before small letters, accents last.
        assert_eq!(ranks(&["é", "b", "B", "a", ""]), [4, 3, 1, 2, 0]);
        assert_eq!(ranks(&["nan", "1", "2"]), [2, 0, 1]);
        // As `f64` they would be equal.
        let large = ["9007199254740993", "9007199254740992"];
        assert_eq!(ranks(&large), [1, 0]);
        // pandas 2.1.4, Brain-Score's: `int64`, `uint64`, and otherwise text.
        assert_eq!(ranks(&["10000000000000000", "9999999999999999"]), [1, 0]);
        assert_eq!(ranks(&["18446744073709551615", "9"]), [1, 0]);
        assert_eq!(ranks(&["18446744073709551616", "9"]), [0, 1]);
        assert_eq!(ranks(&["18446744073709551615", "-9", "5"]), [1, 0, 2]);
        assert_eq!(ranks(&["1e16", "9999999999999998"]), [1, 0]);
        assert_eq!(ranks_as_stored(&["10", "9"], true), [0, 1]);
        assert_eq!(ranks_as_stored(&["10", "9"], false), [1, 0]);
        assert!(ranks(&[]).is_empty());
    }

    /// NumPy 2.4: `numpy.unique(labels, return_inverse=True)`, of `str` and of `int`.
    #[test]
    fn labels_are_ordered_as_they_are_stored() {
        let of = |are_text| Labels {
            words: ["10", "9", "1", "11", "2", "10"].map(str::to_owned).into(),
            are_text,
        };
        assert_eq!(of(true).ranks(), [1, 4, 0, 2, 3, 1]);
        assert_eq!(of(false).ranks(), [3, 2, 0, 4, 1, 3]);
    }
}
