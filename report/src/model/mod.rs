//! Model: the document that a report is, as plain types. Serialised, it is `report.json`.
//!
//! Nothing is computed here: `fold` and `compute` fill these types, `figures` and `pages` show them.

mod ann;
mod axes;
mod comparison;
mod outcomes;
mod protocol;
mod published;
mod similarity;
mod sites;
mod splits;
mod spread;
mod subjects;
mod time;

pub use ann::{AnnResult, AnnResults, LayerSet, RegionResult, Size, Winner};
pub use axes::Axes;
pub use comparison::{Comparison, Interval, Predictor};
pub use outcomes::Outcomes;
pub use protocol::Protocol;
pub use published::Published;
pub use similarity::{OverParts, Similarity, SubjectSimilarity};
pub use sites::{Curve, Predicted, RankedSites, Site};
pub(crate) use splits::SetOverSplits;
pub use splits::{
    Best, BrainScore, ModelBrainScore, ModelResult, OverSplits, SplitResult, SubjectScore,
};
pub use spread::Spread;
pub use subjects::{ModelOverSubjects, OverSubjects, Regions, SubjectsResult};
pub use time::{BinRegion, OverTime};

use nrp_proto::state::TrialState;
use serde::Serialize;
use std::collections::BTreeMap;

/// Everything that a report shows.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Version of the `nrp` that wrote the report.
    pub nrp_version: &'static str,
    /// When the report was written. Absent by default, so that writing it again gives the same bytes.
    pub written_at: Option<String>,
    /// Whether pages show Brain-Score's score until January 2026, too. It is always in `report.json`.
    #[serde(skip)]
    pub with_score_before_2026: bool,
    /// The sweep and its progress.
    pub sweep: SweepSummary,
    /// What all trials share, and the values of each axis.
    pub protocol: Protocol,
    /// The ANNs, in the order of the grid.
    pub networks: AnnResults,
    /// Losses of each ANN's best NRP network, epoch by epoch.
    pub curves: Vec<Curve>,
    /// Sites of each region, as each ANN's best NRP network predicts them.
    pub sites: Vec<RankedSites>,
    /// Regions of which each time bin is a region of its own, and those regions.
    pub over_time: Vec<OverTime>,
    /// Each pair of ANNs in each region.
    pub comparisons: Vec<Comparison>,
    /// The NRP networks of each ANN against each linear baseline, in each region.
    pub network_against_linear: Vec<Comparison>,
    /// What the results suggest for the next sweep; empty until the sweep has ended.
    pub advice: Vec<String>,
    /// What a reader may look for, and why it is missing.
    pub not_in_this_report: Vec<String>,
}

/// The sweep and its progress.
#[derive(Debug, Default, Serialize)]
pub struct SweepSummary {
    /// The sweep's id.
    pub id: String,
    /// The sweep's name in its file.
    pub name: String,
    /// The sweep's state, as `nrp sweep list` shows it.
    pub state: String,
    /// Whether the recordings are simulated.
    pub simulated: bool,
    /// All trials.
    pub trials: u64,
    /// Trials that have scores.
    pub finished: u64,
    /// Trials by state; states without trials are left out.
    pub in_state: BTreeMap<String, u64>,
    /// When the outcomes were recorded.
    pub outcomes: Outcomes,
}

impl SweepSummary {
    /// Trials that early stopping ended, as the sweep asks.
    pub fn stopped(&self) -> u64 {
        self.in_state
            .get(TrialState::Stopped.name())
            .copied()
            .unwrap_or(0)
    }

    /// Whether some trial has neither finished nor been stopped early by design.
    pub fn is_partial(&self) -> bool {
        self.finished + self.stopped() < self.trials
    }

    /// The progress in words.
    pub fn progress(&self) -> String {
        let stopped = match self.stopped() {
            0 => String::new(),
            1 => ", 1 was stopped early, as the sweep asks".to_owned(),
            stopped => format!(", {stopped} were stopped early, as the sweep asks"),
        };
        format!(
            "{} of {} trials have finished{stopped}",
            self.finished, self.trials
        )
    }
}
