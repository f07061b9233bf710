//! Axes: which axis of an array is repetitions, which stimuli, which sites.
//!
//! An order is used if the user gives it, or if no other fits what is known: the stimulus set's
//! length, that regions share their repetitions, and how many sites are named. If several fit, the
//! user must choose: the numbers 5 × 48 × 3 alone do not tell whether there are three sites or
//! five.

use nrp_proto::sweep::ArrayAxis;

/// How the axes of arrays are told apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Axes {
    /// They are stimuli × sites, or repetitions × stimuli × sites.
    Documented,
    /// By what else is known; refused if that leaves a choice.
    Evident,
    /// These axes, in the words of sweep files.
    Given(Vec<String>),
}

/// The meaning of each of two or three axes.
pub(super) type Order = Vec<ArrayAxis>;

/// What is known of arrays before their axes are determined.
pub(super) struct Known<'a> {
    /// Their shapes, of two or three axes each.
    pub(super) shapes: Vec<&'a [usize]>,
    /// The stimuli that the stimulus set lists.
    pub(super) stimuli: Option<usize>,
    /// Lengths of lists that name the sites, or their regions.
    pub(super) named_sites: Vec<usize>,
}

/// How one array is read: its repetitions, stimuli and sites, each with the distance between two.
type Reading = [(usize, usize); 3];

impl Known<'_> {
    /// The orders that fit, the documented one first. If none fits, the nearest ones, so that the
    /// caller can say what is wrong with the first.
    pub(super) fn orders(&self) -> Vec<Order> {
        let axes = self.shapes.iter().map(|shape| shape.len()).max();
        let mut orders = permutations(axes.unwrap_or(2));
        let fits: [&dyn Fn(&Order) -> bool; 3] = [
            &|order| {
                let mut readings = self.readings(order).into_iter();
                readings.all(|[_, (stimuli, _), _]| self.stimuli.is_none_or(|of| of == stimuli))
            },
            &|order| {
                let readings = self.readings(order);
                let shared = |[(repetitions, _), (stimuli, _), _]: Reading| (repetitions, stimuli);
                readings.iter().all(|of| shared(*of) == shared(readings[0]))
            },
            &|order| {
                let sites = self
                    .readings(order)
                    .into_iter()
                    .map(|[_, _, (sites, _)]| sites);
                let sites: usize = sites.sum();
                self.named_sites.iter().all(|named| *named == sites)
            },
        ];
        for fit in fits {
            let fitting: Vec<Order> = orders.iter().filter(|of| fit(of)).cloned().collect();
            if fitting.is_empty() {
                orders.truncate(1);
                return orders;
            }
            orders = fitting;
        }
        let mut different: Vec<Order> = Vec::new();
        for order in orders {
            if !different.iter().any(|other| self.same(other, &order)) {
                different.push(order);
            }
        }
        different
    }

    /// Whether two orders mean the same of each array.
    pub(super) fn same(&self, one: &Order, other: &Order) -> bool {
        self.readings(one) == self.readings(other)
    }

    fn readings(&self, order: &Order) -> Vec<Reading> {
        let reading = |shape: &&[usize]| reading(order, shape);
        self.shapes.iter().map(reading).collect()
    }
}

/// The order that arrays have unless something else is said or evident.
pub(super) fn documented(axes: usize) -> Order {
    ArrayAxis::ALL[3 - axes.clamp(2, 3)..].to_vec()
}

/// How an array of `shape` is read in `order`; it has no repetitions where it has two axes.
pub(super) fn reading(order: &Order, shape: &[usize]) -> Reading {
    let has_repetitions = shape.len() > 2;
    let of_array: Vec<ArrayAxis> = order
        .iter()
        .copied()
        .filter(|axis| has_repetitions || *axis != ArrayAxis::Repetitions)
        .collect();
    ArrayAxis::ALL.map(|axis| {
        let at = of_array.iter().position(|of| *of == axis);
        let (length, stride) =
            at.map_or((1, 0), |at| (shape[at], shape[at + 1..].iter().product()));
        // A single entry has no distance to a next one.
        (length, if length == 1 { 0 } else { stride })
    })
}

/// "sites x stimuli x repetitions".
pub(super) fn shown(order: &[ArrayAxis]) -> String {
    let words: Vec<&str> = order.iter().map(|axis| axis.name()).collect();
    words.join(" x ")
}

fn permutations(axes: usize) -> Vec<Order> {
    let [a, b, c] = ArrayAxis::ALL;
    match axes {
        3 => [
            [a, b, c],
            [c, b, a],
            [b, c, a],
            [b, a, c],
            [c, a, b],
            [a, c, b],
        ]
        .map(|order| order.to_vec())
        .to_vec(),
        _ => vec![vec![b, c], vec![c, b]],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The orders that fit arrays of these shapes.
    fn fitting(shapes: &[&[usize]], stimuli: usize, named_sites: &[usize]) -> Vec<String> {
        let known = Known {
            shapes: shapes.to_vec(),
            stimuli: Some(stimuli),
            named_sites: named_sites.to_vec(),
        };
        known.orders().iter().map(|order| shown(order)).collect()
    }

    const DOCUMENTED: &str = "repetitions x stimuli x sites";
    const MATLAB: &str = "sites x stimuli x repetitions";

    #[test]
    fn an_order_is_taken_where_nothing_else_fits() {
        assert_eq!(fitting(&[&[48, 5]], 48, &[]), ["stimuli x sites"]);
        assert_eq!(fitting(&[&[5, 48]], 48, &[]), ["sites x stimuli"]);
        // Regions share their repetitions.
        let regions: [&[usize]; 2] = [&[3, 48, 5], &[3, 48, 8]];
        assert_eq!(fitting(&regions, 48, &[]), [DOCUMENTED]);
        let regions: [&[usize]; 2] = [&[5, 48, 3], &[8, 48, 3]];
        assert_eq!(fitting(&regions, 48, &[]), [MATLAB]);
        // Sites are named.
        assert_eq!(fitting(&[&[3, 48, 5]], 48, &[5]), [DOCUMENTED]);
        assert_eq!(fitting(&[&[5, 48, 3]], 48, &[5, 5]), [MATLAB]);
    }

    #[test]
    fn several_orders_that_fit_are_all_told() {
        assert_eq!(fitting(&[&[5, 48, 3]], 48, &[]), [DOCUMENTED, MATLAB]);
        assert_eq!(
            fitting(&[&[48, 5, 3]], 48, &[]),
            [
                "stimuli x sites x repetitions",
                "stimuli x repetitions x sites"
            ]
        );
        assert_eq!(
            fitting(&[&[48, 48]], 48, &[]),
            ["stimuli x sites", "sites x stimuli"]
        );
        assert_eq!(fitting(&[&[48, 48, 3]], 48, &[]).len(), 4);
        assert_eq!(fitting(&[&[1, 48, 3]], 48, &[]), [DOCUMENTED, MATLAB]);
    }

    #[test]
    fn orders_that_mean_the_same_are_one() {
        assert_eq!(fitting(&[&[1, 48, 1]], 48, &[]), [DOCUMENTED]);
        assert_eq!(fitting(&[&[1, 1]], 1, &[]), ["stimuli x sites"]);
    }

    #[test]
    fn what_nothing_fits_is_read_as_documented_and_refused_there() {
        assert_eq!(fitting(&[&[5, 48, 3]], 47, &[]), [DOCUMENTED]);
        assert_eq!(fitting(&[&[47, 3]], 48, &[]), ["stimuli x sites"]);
        assert_eq!(fitting(&[&[3, 48, 5]], 48, &[7]), [DOCUMENTED]);
    }
}
