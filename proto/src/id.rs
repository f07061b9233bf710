//! Ids: what a trial, a sweep and a group of trials are called. An id is the hash of what it names,
//! so that the same thing has the same id on every machine and in every sweep.

use crate::wire::{RecordingsFiles, SweepSpec, TrialSpec};
use prost::Message;

/// Prefix of the digest of recordings that are simulated.
pub const SIMULATED_PREFIX: &str = "simulated";

/// Prefix of the digest of weights that are random.
pub const RANDOM_PREFIX: &str = "random:";

/// Hash of `bytes` under a `domain`, as `hex_digits` hexadecimal digits (64 at most).
fn hash(domain: &str, bytes: &[u8], hex_digits: usize) -> String {
    let mut hasher = blake3::Hasher::new_derive_key(domain);
    hasher.update(bytes);
    hasher.finalize().to_hex()[..hex_digits].to_owned()
}

impl TrialSpec {
    /// The trial's id: 32 hexadecimal digits, from everything that determines its outcome.
    pub fn id(&self) -> String {
        hash("nrp trial 2026", &self.encode_to_vec(), 32)
    }

    /// What trials of one job share: activations, responses, split and protocol.
    pub fn job_group(&self) -> String {
        let shared = TrialSpec {
            l1: None,
            l2: None,
            depth: 0,
            learning_rate: 0.0,
            weight_decay: 0.0,
            dropout: 0.0,
            seed: 0,
            ..self.clone()
        };
        hash("nrp job group 2026", &shared.encode_to_vec(), 16)
    }

    /// What trials share whose activations one pass of the ANN gives: ANN and stimuli. The
    /// recordings' digest stands for the stimuli.
    pub fn pass(&self) -> String {
        let shared = TrialSpec {
            ann: self.ann.clone(),
            recordings_digest: self.recordings_digest.clone(),
            ..Default::default()
        };
        hash("nrp pass 2026", &shared.encode_to_vec(), 16)
    }

    /// What trials share that are trained on the same activations: a pass, and the layers of it.
    pub fn activations(&self) -> String {
        let shared = TrialSpec {
            ann: self.ann.clone(),
            recordings_digest: self.recordings_digest.clone(),
            layers: self.layers.clone(),
            ..Default::default()
        };
        hash("nrp activations 2026", &shared.encode_to_vec(), 16)
    }

    /// What trials must share for their validation losses to be comparable over the grid: ANN,
    /// weights, recordings, split and target scaling. Regions are rows within it.
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
            training: self
                .training
                .as_ref()
                .map(|training| crate::wire::TrainingSpec {
                    targets: training.targets.clone(),
                    ..Default::default()
                }),
            ..Default::default()
        };
        hash("nrp comparable group 2026", &shared.encode_to_vec(), 16)
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

impl SweepSpec {
    /// The sweep's id: 16 hexadecimal digits, from its name and what it computes. Where its files
    /// lie does not count, their content does.
    pub fn id(&self) -> String {
        let mut content = self.clone();
        content.data_dir.clear();
        content.files = Some(RecordingsFiles::default());
        for entry in &mut content.anns {
            entry.weights.clear();
        }
        hash("nrp sweep 2026", &content.encode_to_vec(), 16)
    }
}
