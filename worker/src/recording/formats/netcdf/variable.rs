//! The variables of a netCDF file: their axes, and what their entries are.

use super::packing::Packing;

/// An axis of a variable.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Axis {
    /// The dimension; `None` where the file names none.
    pub(super) name: Option<String>,
    pub(super) length: u64,
}

/// What a variable's entries are.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Content {
    Numbers,
    /// Integers that stand for true and false.
    Booleans,
    /// Integers with a word for each.
    Enumeration(Vec<(i128, String)>),
    Words,
    /// Bytes, the last axis of which makes words.
    Characters,
    /// What is not read, in words.
    Other(String),
}

/// A variable.
#[derive(Debug, Clone)]
pub(super) struct Variable {
    /// Its name; in a group, `group/name`.
    pub(super) name: String,
    /// Its axes; without the last one of characters.
    pub(super) axes: Vec<Axis>,
    pub(super) content: Content,
    pub(super) packing: Packing,
    /// What a number is once it is stored in its type.
    pub(super) rounded: fn(f64) -> f64,
    /// Its attribute `units`.
    pub(super) units: Option<String>,
}

impl Variable {
    /// The group it is in; empty for the root.
    pub(super) fn group(&self) -> &str {
        self.name.rsplit_once('/').map_or("", |(group, _)| group)
    }

    /// Whether it has one entry per entry of `dimension`.
    pub(super) fn spans(&self, dimension: &str) -> bool {
        self.axes.len() == 1 && self.axes[0].name.as_deref() == Some(dimension)
    }

    /// Where its axis `dimension` is, if there is one.
    pub(super) fn axis(&self, dimension: &str) -> Option<usize> {
        let mut axes = self.axes.iter();
        axes.position(|axis| axis.name.as_deref() == Some(dimension))
    }

    /// "`rates` (neuroid x presentation)".
    pub(super) fn described(&self) -> String {
        let axes: Vec<String> = self
            .axes
            .iter()
            .map(|axis| axis.name.clone().unwrap_or_else(|| axis.length.to_string()))
            .collect();
        format!("`{}` ({})", self.name, axes.join(" x "))
    }
}
