//! Similarity: what a comparison of activations with responses found, which predicts no site.

use serde::Serialize;

/// A comparison of an ANN's activations with the responses of a region. Of several subjects, numbers are
/// means over them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Similarity {
    /// The comparison, as the sweep file spells it.
    pub model: String,
    /// The layer set: of several, the one with the highest similarity. No stimulus is held out of that
    /// choice.
    pub layers: Vec<String>,
    /// The similarity as it is, over all stimuli. Of reverse PLS, the mean over splits.
    pub similarity: f64,
    /// Over the splits' parts of the stimuli.
    pub over_splits: OverParts,
    /// How alike the RDM of each subject and the mean RDM of all subjects are. It depends on the number of
    /// subjects, and is 1 with one.
    pub upper: Option<f64>,
    /// How alike the RDM of each subject and the mean RDM of the others are.
    pub lower: Option<f64>,
    /// Of CKA, the mean over pairs of subjects of how alike their responses are; of one subject, over the
    /// pairs that it is in. Of reverse PLS, the reliability of the recordings.
    pub ceiling: Option<f64>,
    /// Standard error of `ceiling`, over pairs of subjects or halvings; absent with a single pair.
    pub ceiling_error: Option<f64>,
    /// The similarity over its upper bound; of reverse PLS, its square over the ceiling. Absent where there is
    /// neither, or it is not above 0, and of CKA.
    pub ceiled: Option<f64>,
    /// How many subjects it is a mean over; absent where all sites are compared as one subject's.
    pub subjects: Option<usize>,
    /// The same of each subject, where it is a mean over subjects; otherwise empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub per_subject: Vec<SubjectSimilarity>,
}

/// Similarities over the splits' parts of the stimuli.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OverParts {
    /// The mean; absent where no part has enough stimuli.
    pub mean: Option<f64>,
    /// The standard error (divisor n); absent with a single split.
    pub error: Option<f64>,
    /// How many splits have a similarity of their part.
    pub splits: usize,
}

/// The similarity of one of several subjects.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SubjectSimilarity {
    /// The subject.
    pub subject: String,
    /// What its comparison found.
    #[serde(flatten)]
    pub similarity: Similarity,
}
