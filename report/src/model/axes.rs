//! Axes: the values that a sweep's NRP networks have on each axis of the grid.

use nrp_proto::axis::{Axis, Value};
use nrp_proto::wire::TrialSpec;
use serde::{Serialize, Serializer};
use std::collections::BTreeSet;

/// The values on each axis of the grid, sorted.
#[derive(Debug, Clone)]
pub struct Axes([(Axis, BTreeSet<Value>); Axis::GRID.len()]);

impl Default for Axes {
    fn default() -> Self {
        Self(Axis::GRID.map(|axis| (axis, BTreeSet::new())))
    }
}

impl Axes {
    /// The values on an axis of the grid, sorted; none on another axis.
    pub fn get(&self, axis: Axis) -> impl Iterator<Item = &Value> {
        let of = self.0.iter().filter(move |(of, _)| *of == axis);
        of.flat_map(|(_, values)| values)
    }

    /// Takes in where a trial of an NRP network lies on each axis.
    pub(crate) fn take(&mut self, spec: &TrialSpec) {
        for (axis, values) in &mut self.0 {
            values.extend(axis.of_spec(spec, None));
        }
    }
}

/// A map of each axis' name to its values.
impl Serialize for Axes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(axis, values)| (axis.name(), values)))
    }
}
