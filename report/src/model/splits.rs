//! Splits: the best trial of each split, chosen by that split's validation loss alone, and the scores
//! over all splits.

use super::spread::Spread;
use crate::row::Row;
use nrp_proto::score::Score;
use nrp_proto::wire::Details;
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;

/// NRP networks on an ANN, or one linear baseline, in every split.
#[derive(Debug, Serialize)]
pub struct ModelResult {
    /// `nrp`, or a linear baseline.
    pub model: String,
    /// The splits, by number.
    pub splits: Vec<SplitResult>,
    /// Scores over the finished splits; absent if none has finished.
    pub over_splits: Option<OverSplits>,
}

/// One split of the stimuli.
#[derive(Debug, Serialize)]
pub struct SplitResult {
    /// The split's number in its scheme, from 0.
    pub split: u32,
    /// Trials.
    pub trials: u64,
    /// Trials without an outcome.
    pub open: u64,
    /// The trial with the lowest validation loss.
    pub best: Option<Best>,
}

/// The trial with the split's lowest validation loss.
#[derive(Debug, Serialize)]
pub struct Best {
    /// The trial.
    #[serde(flatten)]
    pub row: Row,
    /// What its scores are made of; absent if it was recorded without.
    #[serde(skip)]
    pub details: Option<Details>,
}

/// Scores of the splits' best trials.
#[derive(Debug, PartialEq, Serialize)]
pub struct OverSplits {
    /// Splits in which all trials have an outcome and at least one has scores.
    pub finished: usize,
    /// The spread of each score of [`OverSplits::SCORES`]; none if a split lacks the score.
    #[serde(flatten, serialize_with = "by_name")]
    pub scores: BTreeMap<Score, Option<Spread>>,
    /// The correlations as Brain-Score aggregates them.
    pub brain_score: Option<BrainScore>,
}

/// Correlations of several splits as Brain-Score aggregates them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct BrainScore {
    /// Mean over splits of the median Pearson's r over sites, with the sign of r.
    pub center: f64,
    /// Population standard deviation over splits of the median r, not divided by the ceiling.
    pub error: f64,
    /// Reliability of the recordings, itself a correlation; absent if no stimulus was repeated.
    pub ceiling: Option<f64>,
    /// `(center / ceiling)²`, which may exceed 1. Absent unless there is a ceiling above 0.
    ///
    /// A square has no sign: an anticorrelated prediction scores as high as a correlated one. So the
    /// score is always shown together with the center.
    pub score: Option<f64>,
}

impl OverSplits {
    /// The scores that are shown over splits.
    pub const SCORES: [Score; 3] = [Score::NrpError, Score::PearsonMedian, Score::R2Median];

    /// The spread of a score; none if a split lacks it.
    pub fn get(&self, score: Score) -> Option<Spread> {
        self.scores.get(&score).copied().flatten()
    }
}

fn by_name<S: Serializer>(
    scores: &BTreeMap<Score, Option<Spread>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(scores.iter().map(|(score, spread)| (score.name(), spread)))
}

impl ModelResult {
    /// A model without trials.
    pub(crate) fn new(model: &str) -> Self {
        Self {
            model: model.to_owned(),
            splits: Vec::new(),
            over_splits: None,
        }
    }

    /// The best trial of each split that has one.
    pub fn bests(&self) -> impl Iterator<Item = &Best> {
        self.splits.iter().filter_map(|split| split.best.as_ref())
    }

    /// As [`ModelResult::bests`], to change them.
    pub(crate) fn bests_mut(&mut self) -> impl Iterator<Item = &mut Best> {
        let splits = self.splits.iter_mut();
        splits.filter_map(|split| split.best.as_mut())
    }

    /// The best trial of the first split.
    pub fn first(&self) -> Option<&Best> {
        let first = self.splits.iter().find(|split| split.split == 0)?;
        first.best.as_ref()
    }

    /// The number and the best trial of each split in which all trials have an outcome.
    pub fn finished(&self) -> impl Iterator<Item = (u32, &Best)> {
        let finished = self.splits.iter().filter(|split| split.open == 0);
        finished.filter_map(|split| Some((split.split, split.best.as_ref()?)))
    }
}
