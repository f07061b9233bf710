//! Scores: what a finished trial is measured by. This table is the only list of them: their columns,
//! headers, units and ranges. Checks, tables, exports and means iterate over it.
//!
//! To add a score, add its field to `Scores` in `nrp.proto`, its row here, and its computation in the
//! worker; CONTRIBUTING.md has an example.

use crate::wire::Scores;
use serde::Serialize;

/// What a score is measured in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// The recordings' own unit, spikes per second for instance.
    Recordings,
    /// The square of the fitted (scaled) responses' unit.
    FittedSquared,
    /// None: a coefficient or a ratio.
    One,
}

impl Unit {
    /// The unit in words.
    pub const fn name(self) -> &'static str {
        match self {
            Unit::Recordings => "the recordings' unit",
            Unit::FittedSquared => "fitted units, squared",
            Unit::One => "1",
        }
    }
}

/// Which of two values of a score is the better one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// The lower, of errors and losses.
    Lower,
    /// The higher, of correlations and explained variance.
    Higher,
    /// Neither: the score is of the recordings, and context for others.
    Neither,
}

/// What kind of model scores are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One that predicts sites: an NRP network, or a linear baseline.
    Prediction,
    /// One that compares activations and responses, and predicts no site.
    Comparison,
}

impl Kind {
    /// Whether its models have the score.
    pub const fn has(self, score: Score) -> bool {
        match (score.row().of, self) {
            (Of::Both, _)
            | (Of::Predictions, Self::Prediction)
            | (Of::Comparisons, Self::Comparison) => true,
            (Of::Predictions, Self::Comparison) | (Of::Comparisons, Self::Prediction) => false,
        }
    }
}

/// Which models have a score.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    Predictions,
    Comparisons,
    Both,
}

impl Scores {
    /// What kind of model they are of.
    pub fn kind(&self) -> Kind {
        let compares = Score::ALL
            .into_iter()
            .any(|score| score.row().of == Of::Comparisons && score.is_set(self));
        if compares || !self.between_subjects.is_empty() {
            Kind::Comparison
        } else {
            Kind::Prediction
        }
    }

    /// What trials of one row are ranked by, the lowest first: the validation loss; of models that compare,
    /// the similarity, negated.
    pub fn rank(&self) -> f64 {
        self.similarity.map_or(self.validation_mse, |of| -of)
    }
}

impl TestScores {
    /// As [`Scores::rank`].
    pub fn rank(&self) -> Option<f64> {
        self.similarity.map(|of| -of).or(self.validation_mse)
    }
}

/// How far a coefficient may lie beyond its range by rounding.
const SLACK: f64 = 1e-6;

/// What there is to know of a score.
struct Row {
    label: &'static str,
    words: &'static str,
    unit: Unit,
    better: Better,
    of: Of,
    least: f64,
    most: f64,
}

/// Takes a score in and out of its field on the wire.
trait Slot {
    fn get(&self) -> Option<f64>;
    fn set(&mut self, value: Option<f64>);
    fn is_set(&self) -> bool;
}

/// A score that every trial has whose model has it. Not a number where it is set to none.
impl Slot for f64 {
    fn get(&self) -> Option<f64> {
        Some(*self)
    }

    fn set(&mut self, value: Option<f64>) {
        *self = value.unwrap_or(f64::NAN);
    }

    fn is_set(&self) -> bool {
        *self != 0.0
    }
}

/// A score that some trials lack.
impl Slot for Option<f64> {
    fn get(&self) -> Option<f64> {
        *self
    }

    fn set(&mut self, value: Option<f64>) {
        *self = value;
    }

    fn is_set(&self) -> bool {
        self.is_some()
    }
}

macro_rules! scores {
    (
        others: $($other:ident)+;
        $($(#[$about:meta])* $variant:ident = $field:ident {
            label: $label:literal,
            words: $words:literal,
            unit: $unit:ident,
            better: $better:ident,
            of: $of:ident,
            range: $least:expr, $most:expr,
        })+
    ) => {
        /// A score of a finished trial.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Score {
            $($(#[$about])* $variant,)+
        }

        /// The scores of a trial, or means of some; a score is absent where a trial has none.
        #[derive(Debug, Clone, Default, PartialEq, Serialize)]
        pub struct TestScores {
            $($(#[$about])* pub $field: Option<f64>,)+
        }

        impl Score {
            /// Every score, in the order of tables.
            pub const ALL: [Score; [$(stringify!($field)),+].len()] = [$(Score::$variant),+];

            /// The name, as JSON, CSV, Parquet and the wire spell it.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Score::$variant => stringify!($field),)+
                }
            }

            const fn row(self) -> Row {
                match self {
                    $(Score::$variant => Row {
                        label: $label,
                        words: $words,
                        unit: Unit::$unit,
                        better: Better::$better,
                        of: Of::$of,
                        least: $least,
                        most: $most,
                    },)+
                }
            }

            /// The score of a finished trial; none where it is undefined, or its model has no such score.
            pub fn of(self, scores: &Scores) -> Option<f64> {
                if !scores.kind().has(self) {
                    return None;
                }
                match self {
                    $(Score::$variant => scores.$field.get(),)+
                }
            }

            /// Whether the wire says anything in the score's field, whatever the model.
            pub fn is_set(self, scores: &Scores) -> bool {
                match self {
                    $(Score::$variant => scores.$field.is_set(),)+
                }
            }

            /// Sets the score on the wire. One that every trial has is not a number where `value` is none.
            pub fn set(self, scores: &mut Scores, value: Option<f64>) {
                match self {
                    $(Score::$variant => scores.$field.set(value),)+
                }
            }
        }

        impl TestScores {
            /// The score, where there is one.
            pub fn get(&self, score: Score) -> Option<f64> {
                match score {
                    $(Score::$variant => self.$field,)+
                }
            }

            /// Every score as `of` has it.
            pub fn each(of: impl Fn(Score) -> Option<f64>) -> Self {
                Self {
                    $($field: of(Score::$variant),)+
                }
            }
        }

        impl From<&Scores> for TestScores {
            /// Names every field of the wire: one that is neither a score nor listed under `others`
            /// does not compile.
            fn from(scores: &Scores) -> Self {
                let Scores { $($field: _,)+ $($other: _,)+ } = scores;
                Self::each(|score| score.of(scores))
            }
        }
    };
}

scores! {
    // Not scores: counts, times, penalties, and where the trial was computed.
    others: sites sites_scored epochs best_epoch train_seconds parameters cache_dtype reached_sparsity
        details recorded_at_ms sites_left_out alpha pearson_median_varying split_half_error
        between_subjects other_subjects;
    /// Mean absolute error over test stimuli and sites.
    NrpError = nrp_error {
        label: "NRP-error",
        words: "NRP-error",
        unit: Recordings,
        better: Lower,
        of: Predictions,
        range: 0.0, f64::INFINITY,
    }
    /// The same error for a predictor that always answers each site's training mean.
    MeanPredictorError = mean_predictor_error {
        label: "mean predictor",
        words: "mean predictor's error",
        unit: Recordings,
        better: Neither,
        of: Predictions,
        range: 0.0, f64::INFINITY,
    }
    /// Mean absolute error that the recordings' noise leaves to a predictor of the true rates. Absent,
    /// as the ceilings, where no stimulus was repeated.
    NoiseFloor = noise_floor {
        label: "noise floor",
        words: "noise floor",
        unit: Recordings,
        better: Neither,
        of: Predictions,
        range: 0.0, f64::INFINITY,
    }
    /// Coefficient of determination, mean over the sites that have one.
    R2Mean = r2_mean {
        label: "R² mean",
        words: "mean R2",
        unit: One,
        better: Higher,
        of: Predictions,
        range: f64::NEG_INFINITY, 1.0 + SLACK,
    }
    /// Coefficient of determination, median over the sites that have one.
    R2Median = r2_median {
        label: "R² median",
        words: "median R2",
        unit: One,
        better: Higher,
        of: Predictions,
        range: f64::NEG_INFINITY, 1.0 + SLACK,
    }
    /// One minus the squared error of all sites over their summed squared deviations.
    R2Pooled = r2_pooled {
        label: "R² pooled",
        words: "pooled R2",
        unit: One,
        better: Higher,
        of: Predictions,
        range: f64::NEG_INFINITY, 1.0 + SLACK,
    }
    /// Pearson correlation, median over the sites that have one.
    PearsonMedian = pearson_median {
        label: "r median",
        words: "median Pearson r",
        unit: One,
        better: Higher,
        of: Predictions,
        range: -1.0 - SLACK, 1.0 + SLACK,
    }
    /// Spearman-Brown corrected split-half correlation over all stimuli, median over sites.
    CeilingMedian = ceiling_median {
        label: "ceiling",
        words: "median noise ceiling",
        unit: One,
        better: Neither,
        of: Predictions,
        range: f64::NEG_INFINITY, 1.0 + SLACK,
    }
    /// The squared median correlation, its sign kept, over the ceiling. Any number is possible: a
    /// ceiling may be close to nothing.
    Pearson2OverCeiling = pearson2_over_ceiling {
        label: "r²/ceiling",
        words: "squared Pearson r over the ceiling",
        unit: One,
        better: Higher,
        of: Predictions,
        range: f64::NEG_INFINITY, f64::INFINITY,
    }
    /// The ceiling as Brain-Score aggregates it: median over sites, then mean over halvings.
    SplitHalfConsistency = split_half_consistency {
        label: "consistency",
        words: "split-half consistency",
        unit: One,
        better: Neither,
        of: Both,
        range: f64::NEG_INFINITY, 1.0 + SLACK,
    }
    /// Lowest mean squared error on the validation stimuli: the loss that selects.
    ValidationMse = validation_mse {
        label: "validation MSE",
        words: "validation loss",
        unit: FittedSquared,
        better: Lower,
        of: Predictions,
        range: 0.0, f64::INFINITY,
    }
    /// How alike activations and responses are, over all stimuli: the rank correlation of RDMs, or CKA. Of
    /// reverse PLS, the median over units of Pearson's r on the test stimuli.
    Similarity = similarity {
        label: "similarity",
        words: "similarity",
        unit: One,
        better: Higher,
        of: Comparisons,
        range: -1.0 - SLACK, 1.0 + SLACK,
    }
    /// The same over the split's part of the stimuli.
    SimilaritySplit = similarity_split {
        label: "similarity in split",
        words: "similarity in the split",
        unit: One,
        better: Higher,
        of: Comparisons,
        range: -1.0 - SLACK, 1.0 + SLACK,
    }
    /// The similarity of a subject's RDM with the mean RDM of all subjects.
    SimilarityUpper = similarity_upper {
        label: "upper bound",
        words: "similarity's upper bound",
        unit: One,
        better: Neither,
        of: Comparisons,
        range: -1.0 - SLACK, 1.0 + SLACK,
    }
    /// The similarity of a subject's RDM with the mean RDM of the other subjects.
    SimilarityLower = similarity_lower {
        label: "lower bound",
        words: "similarity's lower bound",
        unit: One,
        better: Neither,
        of: Comparisons,
        range: -1.0 - SLACK, 1.0 + SLACK,
    }
}

impl Score {
    /// The header of its column in tables.
    pub const fn label(self) -> &'static str {
        self.row().label
    }

    /// How sentences call it, after "the".
    pub const fn words(self) -> &'static str {
        self.row().words
    }

    /// Its unit.
    pub const fn unit(self) -> Unit {
        self.row().unit
    }

    /// Which of two values is the better one.
    pub const fn better(self) -> Better {
        self.row().better
    }

    /// The lowest and the highest value that a trial can have, infinite where there is no limit.
    pub const fn range(self) -> (f64, f64) {
        (self.row().least, self.row().most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn each_score_is_read_from_the_field_that_it_is_set_in() {
        for (number, score) in Score::ALL.into_iter().enumerate() {
            let mut scores = Scores::default();
            assert!(!score.is_set(&scores));
            score.set(&mut scores, Some(number as f64 + 0.5));
            assert!(score.is_set(&scores) && scores.kind().has(score));
            let of = |score: Score| score.of(&scores).filter(|value| *value != 0.0);
            let found = Score::ALL.map(of);
            assert_eq!(found.iter().flatten().count(), 1, "{score:?}");
            assert_eq!(found[number], Some(number as f64 + 0.5));
            assert_eq!(
                TestScores::from(&scores),
                TestScores::each(|of| of.of(&scores))
            );
            assert_eq!(TestScores::from(&scores).get(score), found[number]);
            let json = serde_json::to_value(&scores).expect("JSON");
            assert_eq!(json[score.name()], number as f64 + 0.5, "the wire's name");
        }
    }

    #[test]
    fn scores_of_a_comparison_have_none_of_a_prediction() {
        let mut scores = Scores::default();
        assert_eq!(scores.kind(), Kind::Prediction);
        assert_eq!(Score::NrpError.of(&scores), Some(0.0));
        scores.between_subjects = vec![0.5];
        assert_eq!(scores.kind(), Kind::Comparison);
        scores.similarity = Some(-0.25);
        for score in Score::ALL {
            let expected = (score == Score::Similarity).then_some(-0.25);
            assert_eq!(score.of(&scores), expected, "{score:?}");
        }
        assert_eq!(scores.rank(), 0.25, "the lowest is the best");
        assert_eq!(TestScores::from(&scores).rank(), Some(0.25));
        let predicted = Scores {
            validation_mse: 0.5,
            ..Scores::default()
        };
        assert_eq!(predicted.rank(), 0.5);
        assert_eq!(TestScores::from(&predicted).rank(), Some(0.5));
    }

    #[test]
    fn names_and_labels_tell_scores_apart() {
        for of in [Score::name, Score::label, Score::words] {
            assert_eq!(HashSet::from(Score::ALL.map(of)).len(), Score::ALL.len());
        }
    }

    #[test]
    fn every_score_is_documented_as_it_is_here() {
        let docs = include_str!("../../docs/formats.md");
        for score in Score::ALL {
            let row = format!("| `{}` | {} | ", score.name(), score.label());
            let line = docs.lines().find(|line| line.starts_with(&row));
            let line = line.unwrap_or_else(|| panic!("docs/formats.md lacks `{row}`"));
            let better = match score.better() {
                Better::Lower => "lower",
                Better::Higher => "higher",
                Better::Neither => "",
            };
            let end = format!(" | {} | {better}", score.unit().name());
            assert!(
                line.trim_end_matches([' ', '|'])
                    .ends_with(end.trim_end_matches([' ', '|'])),
                "{line}: {end}"
            );
        }
    }
}
