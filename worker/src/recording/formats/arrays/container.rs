//! Containers: files that hold arrays by name, whatever program wrote them.
//!
//! A container lists its arrays before it reads any: what is not needed is never read.

/// A file of arrays.
pub(in crate::recording::formats) trait Container {
    /// Its arrays, in the order of the file.
    fn listed(&self) -> &[Listed];

    /// Reads the array at `index` of the list, of numbers or words. The error says in words what is wrong.
    fn load(&mut self, index: usize) -> Result<Array, String>;

    /// Whether other things than responses are to be expected in it, as in a workspace that was saved
    /// whole: then an array of responses must fit the stimulus set, and a vector is none.
    fn is_workspace(&self) -> bool;
}

/// An array that was not read yet.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::recording::formats) struct Listed {
    /// Its name.
    pub(in crate::recording::formats) name: String,
    /// Length of each axis.
    pub(in crate::recording::formats) shape: Vec<usize>,
    /// What it holds.
    pub(in crate::recording::formats) kind: Kind,
}

/// What an array holds.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::recording::formats) enum Kind {
    /// Floats or whole numbers.
    Numbers,
    /// True and false, which are read as one and zero.
    Booleans,
    /// Text.
    Words,
    /// Something that is not read.
    Other(Unread),
}

/// Entries that are not read.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::recording::formats) struct Unread {
    /// What they are, in words: "Python objects".
    pub(in crate::recording::formats) what: String,
    /// What the user can do.
    pub(in crate::recording::formats) how: String,
}

/// An array: its shape, and its entries in the order of rows (C), however it was stored.
#[derive(Debug, PartialEq)]
pub(crate) struct Array {
    /// Length of each axis.
    pub(crate) shape: Vec<usize>,
    /// Its entries, the last axis fastest.
    pub(crate) entries: Entries,
}

/// The entries of an array.
#[derive(Debug, PartialEq)]
pub(crate) enum Entries {
    /// Floats or whole numbers.
    Numbers(Vec<f64>),
    /// Text.
    Words(Vec<String>),
}

impl Listed {
    /// How many of its axes have more than one entry.
    pub(in crate::recording::formats) fn long_axes(&self) -> usize {
        self.shape.iter().filter(|length| **length != 1).count()
    }

    /// "`V4` (60 x 12)", or what it is instead.
    pub(in crate::recording::formats) fn shown(&self) -> String {
        let what = match (&self.kind, &self.shape[..]) {
            (Kind::Other(unread), _) => unread.what.clone(),
            (Kind::Words, shape) if shape.iter().all(|length| *length == 1) => "a word".to_owned(),
            (Kind::Words, shape) => format!("{} words", times(shape)),
            (Kind::Booleans, []) => "true or false".to_owned(),
            (Kind::Booleans, shape) => format!("{} of true and false, not applied", times(shape)),
            (Kind::Numbers, []) => "a number".to_owned(),
            (Kind::Numbers, shape) => times(shape),
        };
        format!("`{}` ({what})", self.name)
    }
}

/// "60 x 12".
pub(in crate::recording::formats) fn times(shape: &[usize]) -> String {
    let axes: Vec<String> = shape.iter().map(usize::to_string).collect();
    axes.join(" x ")
}

/// Entries stored with the first axis fastest (Fortran, MATLAB), brought into the order of rows.
pub(in crate::recording::formats) fn by_rows<T: Clone>(shape: &[usize], stored: Vec<T>) -> Vec<T> {
    if shape.iter().filter(|length| **length > 1).count() < 2 {
        return stored;
    }
    // The distance between two entries along each axis, and where each axis is.
    let mut strides = vec![1; shape.len()];
    for axis in 1..shape.len() {
        strides[axis] = strides[axis - 1] * shape[axis - 1];
    }
    let mut place = vec![0; shape.len()];
    let mut at = 0;
    let mut rows = Vec::with_capacity(stored.len());
    for _ in 0..stored.len() {
        rows.push(stored[at].clone());
        for axis in (0..shape.len()).rev() {
            place[axis] += 1;
            at += strides[axis];
            if place[axis] < shape[axis] {
                break;
            }
            at -= strides[axis] * shape[axis];
            place[axis] = 0;
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_become_rows() {
        // NumPy: `numpy.arange(24).reshape(2, 3, 4).ravel("F")`, and back.
        let stored: Vec<usize> = (0..4)
            .flat_map(|c| (0..3).flat_map(move |b| (0..2).map(move |a| 12 * a + 4 * b + c)))
            .collect();
        let rows: Vec<usize> = (0..24).collect();
        assert_eq!(by_rows(&[2, 3, 4], stored), rows);
        assert_eq!(by_rows(&[1, 3], vec![0, 1, 2]), [0, 1, 2]);
        assert!(by_rows::<u8>(&[0, 3], Vec::new()).is_empty());
        assert_eq!(by_rows(&[], vec![7]), [7]);
    }
}
