//! Regions of an ANN: those that trials were run in and, where each subject is a region of its own, those of all
//! subjects.

use super::ann::RegionResult;
use super::similarity::Similarity;
use super::splits::{BrainScore, ModelBrainScore};
use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};
use std::ops::{Deref, DerefMut};

/// What was found in each region, in the order of the sweep's. A program reads one list: of the regions of all
/// subjects, which have no trials of their own, come last.
#[derive(Debug, Default)]
pub struct Regions {
    /// The regions that trials were run in.
    pub of_trials: Vec<RegionResult>,
    /// The regions of all subjects, where each subject is a region of its own.
    pub of_subjects: Vec<SubjectsResult>,
}

/// A region of several subjects, each of which is fitted and scored by itself.
#[derive(Debug, Serialize)]
pub struct SubjectsResult {
    /// The region.
    pub region: String,
    /// The subjects, in the order of the file.
    pub subjects: Vec<String>,
    /// The models that have scores in every subject.
    pub models: Vec<ModelOverSubjects>,
    /// Brain-Score's aggregate of the first linear baseline, or of the NRP networks if there is none.
    pub brain_score: Option<ModelBrainScore>,
    /// The comparisons that have similarities in every subject.
    pub similarities: Vec<Similarity>,
}

/// A model in a region of several subjects.
#[derive(Debug, Serialize)]
pub struct ModelOverSubjects {
    /// `nrp`, or a linear baseline.
    pub model: String,
    /// Its scores over subjects and splits.
    pub over_splits: OverSubjects,
}

/// Scores over subjects and splits.
#[derive(Debug, Serialize)]
pub struct OverSubjects {
    /// Splits that have finished in every subject.
    pub finished: usize,
    /// The mean over subjects of Brain-Score's aggregates.
    pub brain_score: BrainScore,
}

impl Serialize for Regions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let length = self.of_trials.len() + self.of_subjects.len();
        let mut list = serializer.serialize_seq(Some(length))?;
        for region in &self.of_trials {
            list.serialize_element(region)?;
        }
        for region in &self.of_subjects {
            list.serialize_element(region)?;
        }
        list.end()
    }
}

/// The regions that trials were run in.
impl Deref for Regions {
    type Target = Vec<RegionResult>;

    fn deref(&self) -> &Vec<RegionResult> {
        &self.of_trials
    }
}

impl DerefMut for Regions {
    fn deref_mut(&mut self) -> &mut Vec<RegionResult> {
        &mut self.of_trials
    }
}

impl<'a> IntoIterator for &'a Regions {
    type Item = &'a RegionResult;
    type IntoIter = std::slice::Iter<'a, RegionResult>;

    fn into_iter(self) -> Self::IntoIter {
        self.of_trials.iter()
    }
}

impl<'a> IntoIterator for &'a mut Regions {
    type Item = &'a mut RegionResult;
    type IntoIter = std::slice::IterMut<'a, RegionResult>;

    fn into_iter(self) -> Self::IntoIter {
        self.of_trials.iter_mut()
    }
}
