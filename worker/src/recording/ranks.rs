//! Ranks: the order of a column's values, as pandas reads them. If all are numbers they are ordered as
//! numbers, and otherwise as text by its characters' code points.

/// Below, each whole number is exact in `f64`.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// The rank of each value among the different ones, from 0.
pub(crate) fn ranks(values: &[&str]) -> Vec<usize> {
    let number = |value: &&str| value.parse().ok().filter(|n: &f64| n.abs() < EXACT);
    match values.iter().map(number).collect::<Option<Vec<f64>>>() {
        // No number is NaN, so all have an order; a zero has no sign.
        Some(numbers) => ranked(&numbers, |a, b| (a + 0.0).total_cmp(&(b + 0.0))),
        None => ranked(values, |a, b| a.cmp(b)),
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
        // As numbers they would be equal.
        let large = ["9007199254740993", "9007199254740992"];
        assert_eq!(ranks(&large), [1, 0]);
        assert!(ranks(&[]).is_empty());
    }
}
