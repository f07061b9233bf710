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
    /// Each layer set, with its best trial of each split.
    #[serde(skip)]
    pub(crate) layer_sets: Vec<SetOverSplits>,
}

/// A layer set, with the trial of the lowest validation loss in each split that has one.
#[derive(Debug)]
pub(crate) struct SetOverSplits {
    /// Its layers.
    pub(crate) layers: Vec<String>,
    /// The trials, by the number of the split.
    pub(crate) bests: BTreeMap<u32, Best>,
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
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BrainScore {
    /// The version of Brain-Score's formulas.
    pub version: &'static str,
    /// The layer set that is scored, the same in all splits: of several, the one with the lowest mean
    /// validation loss over splits.
    pub layers: Vec<String>,
    /// Mean over splits of the median Pearson's r over sites, with the sign of r. The median skips sites
    /// whose prediction is constant, and the mean a split in which every site's is.
    pub center: f64,
    /// Standard error of `center` over splits (divisor n), not divided by the ceiling; absent with a single
    /// split. Of several subjects, of the mean over subjects in each split.
    pub center_error: Option<f64>,
    /// As `center`, with r = 0 at sites whose prediction is constant; absent where the two are the same.
    pub center_with_constant: Option<f64>,
    /// Reliability of the recordings; absent if no stimulus was repeated. Of several subjects, over the sites of
    /// all of them together: each subject's r² is divided by its own, which is in `per_subject`.
    pub ceiling: Option<f64>,
    /// Standard error of `ceiling`.
    pub ceiling_error: Option<f64>,
    /// `center²/ceiling`, which may exceed 1. Absent unless there is a ceiling above 0.
    ///
    /// A square has no sign: an anticorrelated prediction scores as high as a correlated one. So the
    /// score is always shown together with the center.
    pub score: Option<f64>,
    /// `center_error`, which Brain-Score gives the score as it is. Absent if there is no score.
    pub score_error: Option<f64>,
    /// The mean over sites of r²/ceiling of each, with the mean r over splits, which skips a split in which the
    /// site's prediction is constant. Absent if the trials have no r of single sites, or the recordings no
    /// ceiling of them.
    pub score_site_wise: Option<f64>,
    /// As `score_site_wise`, with r = 0 where a prediction is constant; absent where the two are the same.
    pub score_site_wise_with_constant: Option<f64>,
    /// `(center/ceiling)²`, the score until January 2026.
    pub score_before_2026: Option<f64>,
    /// How many subjects the score is a mean over; absent where all sites are scored as one subject's.
    pub subjects: Option<usize>,
    /// How many splits it is over.
    pub splits: usize,
    /// The aggregate of each subject, where it is a mean over subjects; otherwise empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub per_subject: Vec<SubjectScore>,
}

/// A subject's aggregate.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SubjectScore {
    /// The subject.
    pub subject: String,
    /// Its aggregate.
    #[serde(flatten)]
    pub brain_score: BrainScore,
}

impl BrainScore {
    /// The version of Brain-Score that is followed: its scores since January 2026, as of brainscore-vision
    /// 2.4.2 and brainscore-core 2.5.0.
    pub const VERSION: &str = "2026-01";
}

/// Brain-Score's aggregate of the model that stands for a region.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelBrainScore {
    /// The model.
    pub model: String,
    /// Its aggregate.
    #[serde(flatten)]
    pub brain_score: BrainScore,
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
            layer_sets: Vec::new(),
        }
    }

    /// The layer set that is scored over splits: of those with a trial in every split that has finished,
    /// the one with the lowest mean validation loss over them, or the highest mean similarity; of equal ones
    /// the first.
    pub(crate) fn scored_set(&self) -> Option<&SetOverSplits> {
        let sets = self.layer_sets.iter();
        let sets = sets.filter_map(|set| Some((self.loss(set)?, set)));
        let best = sets.min_by(|(a, _), (b, _)| a.total_cmp(b));
        best.map(|(_, set)| set)
    }

    /// The sum of a layer set's validation losses over the splits that have finished, or of its similarities,
    /// negated; none if it has no trial in one of them.
    pub(crate) fn loss(&self, set: &SetOverSplits) -> Option<f64> {
        let losses = self.finished().map(|(split, _)| {
            let best = set.bests.get(&split)?;
            best.row.scores.rank()
        });
        let losses = losses.collect::<Option<Vec<f64>>>()?;
        Some(losses.iter().sum())
    }

    /// The best trial of each split that has one.
    pub fn bests(&self) -> impl Iterator<Item = &Best> {
        self.splits.iter().filter_map(|split| split.best.as_ref())
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
