//! Protocol: what all trials of a sweep share, and the values that each axis of its grid takes.

use super::axes::Axes;
use nrp_proto::sweep::Scheme;
use nrp_proto::wire::{
    Duplicates, EarlyStopping, RandomSearch, RecordingsFiles, SplitSpec, SweepSpec, TrainingSpec,
};
use serde::Serialize;

/// What all trials share, and the values that each axis of the grid takes.
#[derive(Debug, Default, Serialize)]
pub struct Protocol {
    /// The files of the recordings, as the sweep file names them.
    pub recordings: RecordingsFiles,
    /// Digest of the recordings.
    pub recordings_digest: String,
    /// The first split of the scheme.
    pub split: SplitSpec,
    /// Pictures that are shown under several ids; absent if there are none.
    pub duplicates: Option<Duplicates>,
    /// Number of splits of the scheme.
    pub splits: u32,
    /// Whether the test stimuli also selected.
    pub validation_is_test: bool,
    /// How NRP networks are trained.
    pub training: TrainingSpec,
    /// The values of each axis of the grid.
    #[serde(flatten)]
    pub axes: Axes,
    /// How cells were drawn at random; absent if every cell of the grid is a trial.
    pub random_search: Option<RandomSearch>,
    /// How trials are stopped early; absent if every trial is trained to its end.
    pub early_stopping: Option<EarlyStopping>,
    /// The linear baselines.
    pub baselines: Vec<String>,
    /// Formats in which activations were stored.
    pub cache_dtype: Vec<String>,
    /// Versions of the workers that trained the best trials; empty if their outcomes do not say.
    pub worker_versions: Vec<String>,
    /// Devices that the best trials were trained on; empty if their outcomes do not say.
    pub devices: Vec<String>,
}

impl Protocol {
    /// The protocol of a sweep as it was submitted; the values of the axes come from its trials.
    pub(crate) fn new(spec: &SweepSpec) -> Self {
        let split = spec.split.clone().unwrap_or_default();
        // A scheme from a later version is taken to have one split.
        let scheme = Scheme::of(&split).unwrap_or(Scheme::Holdout);
        Self {
            recordings: spec.files.clone().unwrap_or_default(),
            recordings_digest: spec.recordings_digest.clone(),
            splits: split.count(),
            validation_is_test: scheme == Scheme::ValidationIsTest,
            split,
            duplicates: spec.duplicates.clone(),
            training: spec.training.clone().unwrap_or_default(),
            random_search: spec.random,
            early_stopping: spec.early_stopping,
            baselines: spec.baselines.clone(),
            ..Self::default()
        }
    }
}
