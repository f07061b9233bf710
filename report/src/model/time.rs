//! Time: regions that are time bins of one region.

use serde::Serialize;

/// A region in time, where each time bin is a region of its own.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OverTime {
    /// The region of all time bins.
    pub region: String,
    /// The unit of the bins' ends, as the recordings name it; empty where they do not.
    pub unit: String,
    /// The bins in the order of time.
    pub bins: Vec<BinRegion>,
}

/// A time bin that is a region of its own.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BinRegion {
    /// The region.
    pub region: String,
    /// Where the bin starts and ends.
    pub start: f64,
    /// Where it ends.
    pub end: f64,
}
