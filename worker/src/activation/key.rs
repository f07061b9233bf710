//! Cache keys: everything that a layer's activations depend on, and nothing else. Two runs share
//! activations exactly when their keys are equal.

use serde::{Deserialize, Serialize};

/// What one cached layer is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CacheKey {
    /// The ANN's name.
    pub ann: String,
    /// Digest of its weights.
    pub weights_digest: String,
    /// Fraction of zero weights.
    pub sparsity: f64,
    /// How images are made into input.
    pub preprocessing: String,
    /// Digest of the stimulus set: its order, ids and images.
    pub stimulus_digest: String,
    /// The layer's name.
    pub layer: String,
    /// Stored number format.
    pub dtype: Dtype,
}

/// Stored number format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// 32-bit float, little endian.
    F32,
}

impl CacheKey {
    /// The key's hash, 32 hexadecimal digits: the stem of its file's name.
    pub fn digest(&self) -> String {
        let content = serde_json::to_vec(self).expect("a key of strings and finite numbers");
        let mut hasher = blake3::Hasher::new_derive_key("nrp activation key 2026");
        hasher.update(&content);
        hasher.finalize().to_hex()[..32].to_owned()
    }
}
