//! Ids of trials, sweeps and groups of trials. An id is the hash of what it names, so the same thing
//! has the same id on every machine and in every sweep.

use crate::sweep::Projection;
use crate::wire::{RecordingsFiles, SweepSpec, TrainingSpec, TrialSpec};
use prost::Message;

/// Prefix of the digest of recordings that are simulated.
pub const SIMULATED_PREFIX: &str = "simulated";

/// Prefix of the digest of weights that are random.
pub const RANDOM_PREFIX: &str = "random:";

pub use crate::sweep::NO_PROJECTION;

pub use crate::axis::NO_LINEAR_PATH;

/// Model of NRP networks, as users see it.
pub const NRP_NETWORK: &str = "nrp";

/// The domain that ids of trials are hashed under.
const TRIAL_DOMAIN: &str = "nrp trial 2026";

/// Hash of `bytes` under a `domain`, as `hex_digits` hexadecimal digits (64 at most).
fn hash(domain: &str, bytes: &[u8], hex_digits: usize) -> String {
    let mut hasher = blake3::Hasher::new_derive_key(domain);
    hasher.update(bytes);
    hasher.finalize().to_hex()[..hex_digits].to_owned()
}

impl TrialSpec {
    /// The trial's id: 32 hexadecimal digits, from everything that determines its outcome.
    pub fn id(&self) -> String {
        hash(TRIAL_DOMAIN, &self.encode_to_vec(), 32)
    }

    /// The id of what the trials of one job share: activations, responses, split, protocol and model.
    pub fn job_group(&self) -> String {
        let shared = self.without_cell();
        hash("nrp job group 2026", &shared.encode_to_vec(), 16)
    }

    /// The trial without its cell of the grid, which is what it shares with its job group.
    pub fn without_cell(&self) -> TrialSpec {
        self.with_cell(&TrialSpec::default())
    }

    /// The trial's cell of the grid alone.
    pub fn cell(&self) -> TrialSpec {
        TrialSpec::default().with_cell(self)
    }

    /// The same trial in the cell of `other`.
    pub fn with_cell(&self, other: &TrialSpec) -> TrialSpec {
        TrialSpec {
            ann: self.ann.clone(),
            recordings_digest: self.recordings_digest.clone(),
            region: self.region.clone(),
            split: self.split.clone(),
            layers: self.layers.clone(),
            training: self.training.clone(),
            model: self.model.clone(),
            // The axes of the grid.
            ..other.clone()
        }
    }

    /// The id of what trials share if one pass of the ANN computes their activations: ANN and stimuli.
    /// The recordings' digest stands for the stimuli.
    pub fn pass(&self) -> String {
        let shared = TrialSpec {
            ann: self.ann.clone(),
            recordings_digest: self.recordings_digest.clone(),
            ..Default::default()
        };
        hash("nrp pass 2026", &shared.encode_to_vec(), 16)
    }

    /// The id of what trials share if they are trained on the same activations: a pass and its layers.
    /// Projected activations also depend on the split, which says which stimuli train.
    pub fn activations(&self) -> String {
        let is_projected = self.projection() != NO_PROJECTION;
        let shared = TrialSpec {
            ann: self.ann.clone(),
            recordings_digest: self.recordings_digest.clone(),
            layers: self.layers.clone(),
            // Principal components are read from the row space's file.
            training: is_projected.then(|| TrainingSpec {
                projection: Projection::RowSpace.to_string(),
                ..Default::default()
            }),
            split: self.split.clone().filter(|_| is_projected),
            ..Default::default()
        };
        hash("nrp activations 2026", &shared.encode_to_vec(), 16)
    }

    /// The id of what trials must share to be ranked by their validation losses: ANN, weights,
    /// recordings, split, target scaling and model. Regions are rows within a group.
    pub fn comparable_group(&self) -> String {
        let ann = self.ann.as_ref();
        let shared = TrialSpec {
            ann: ann.map(|ann| crate::wire::AnnSpec {
                sparsity: 0.0,
                pruning: String::new(),
                ..ann.clone()
            }),
            recordings_digest: self.recordings_digest.clone(),
            split: self.split.clone(),
            training: self.training.as_ref().map(|training| TrainingSpec {
                targets: training.targets.clone(),
                ..Default::default()
            }),
            model: self.model.clone(),
            ..Default::default()
        };
        hash("nrp comparable group 2026", &shared.encode_to_vec(), 16)
    }

    /// Whether an NRP network predicts the responses, rather than a linear baseline.
    pub fn is_nrp_network(&self) -> bool {
        self.model.is_empty()
    }

    /// What predicts the responses: `nrp`, or the baseline as the sweep file spells it.
    pub fn model(&self) -> &str {
        if self.is_nrp_network() {
            NRP_NETWORK
        } else {
            &self.model
        }
    }

    /// The projection of its activations, as the sweep file spells it.
    pub fn projection(&self) -> &str {
        let training = self.training.as_ref();
        training.map_or(NO_PROJECTION, |training| &training.projection)
    }

    /// The number of its split within its scheme, from 0.
    pub fn split_number(&self) -> u32 {
        self.split.as_ref().map_or(0, |split| split.number)
    }

    /// Whether the recordings are simulated.
    pub fn simulated(&self) -> bool {
        self.recordings_digest.starts_with(SIMULATED_PREFIX)
    }

    /// Whether the ANN's weights are random rather than trained.
    pub fn random_weights(&self) -> bool {
        self.ann
            .as_ref()
            .is_some_and(|ann| ann.weights_digest.starts_with(RANDOM_PREFIX))
    }
}

/// Ids of trials that share all but their cell, which is hashed once for all of them: a million ids
/// take half a second rather than six.
pub struct CellIds {
    /// The state after hashing the fields before the cell; fields are encoded by their numbers.
    before: blake3::Hasher,
    /// The shared fields that are encoded among those of the cell.
    training: Option<TrainingSpec>,
    model: String,
    bytes: Vec<u8>,
}

impl CellIds {
    /// Of trials that share everything with `shared` but its cell.
    pub fn of(shared: &TrialSpec) -> Self {
        let before = TrialSpec {
            training: None,
            model: String::new(),
            ..shared.without_cell()
        };
        let mut hasher = blake3::Hasher::new_derive_key(TRIAL_DOMAIN);
        hasher.update(&before.encode_to_vec());
        Self {
            before: hasher,
            training: shared.training.clone(),
            model: shared.model.clone(),
            bytes: Vec::new(),
        }
    }

    /// The id, as a number, of the trial in the cell of `cell`, which must have nothing but the cell.
    pub fn id(&mut self, cell: &TrialSpec) -> u128 {
        let rest = TrialSpec {
            training: self.training.take(),
            model: std::mem::take(&mut self.model),
            ..cell.clone()
        };
        self.bytes.clear();
        rest.encode(&mut self.bytes).expect("memory takes all");
        (self.training, self.model) = (rest.training, rest.model);
        let mut hasher = self.before.clone();
        let hash = hasher.update(&self.bytes).finalize();
        let digits = hash.as_bytes().first_chunk().expect("32 bytes");
        u128::from_be_bytes(*digits)
    }
}

impl SweepSpec {
    /// The sweep's id: 16 hexadecimal digits, from its name and what it computes. Where its files
    /// lie does not count, their content does.
    pub fn id(&self) -> String {
        let mut content = self.clone();
        content.data_dir.clear();
        content.files = Some(RecordingsFiles::default());
        for entry in &mut content.anns {
            entry.weights.clear();
            entry.reached_sparsity = None;
        }
        content.sites.clear();
        content.duplicates = None;
        hash("nrp sweep 2026", &content.encode_to_vec(), 16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::SweepFile;
    use crate::wire::SplitSpec;

    #[test]
    fn activations_are_others_where_they_are_projected_onto_other_stimuli() {
        let trial = |projection: &str, seed: u64| TrialSpec {
            recordings_digest: "r".to_owned(),
            split: Some(SplitSpec {
                seed,
                ..Default::default()
            }),
            training: Some(TrainingSpec {
                projection: projection.to_owned(),
                ..Default::default()
            }),
            ..Default::default()
        };
        let [none, row_space] = ["none", "row-space"].map(|word| trial(word, 1).activations());
        assert_ne!(none, row_space);
        assert_eq!(trial("none", 2).activations(), none);
        // Workers know them by this name: it must not move.
        assert_eq!(none, "a0538b85108aa34c");
        assert_ne!(trial("row-space", 2).activations(), row_space);
        assert_eq!(trial("pca:20", 1).activations(), row_space);
    }

    #[test]
    fn an_id_is_the_same_by_its_cell() {
        let text = r#"
            name = "test"
            recordings = { assembly = "simulated" }
            [[ann]]
            name = "mobilenet"
            weights = "random:0"
            layer_sets = [["conv_pw_3_relu"], ["conv_pw_13_relu"]]
            [grid]
            depth = [0, 1, 2]
            dropout = [0.0, 0.5]
            seed = [0, 1]
            linear_path = ["none", "ridge"]
            ensemble = [1, 3]
            [training]
            baselines = ["mean", "ols", "ridge", "pls"]
        "#;
        let spec = SweepFile::parse(text).expect("parses").to_spec();
        for trial in spec.trials().expect("a grid") {
            let id = CellIds::of(&trial).id(&trial.cell());
            assert_eq!(format!("{id:032x}"), trial.id());
            assert_eq!(trial.without_cell().with_cell(&trial.cell()), trial);
        }
    }
}
