//! Cache keys: everything that a layer's activations depend on, and nothing else. Two runs share
//! activations exactly when their keys are equal.

use crate::digest;
use serde::{Deserialize, Serialize};
use std::str::FromStr;
use thiserror::Error;

/// Identifies one cached layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CacheKey {
    /// The ANN's name.
    pub ann: String,
    /// Digest of its weights.
    pub weights_digest: String,
    /// Fraction of zero weights.
    pub sparsity: f64,
    /// How the zeros were chosen; empty at sparsity 0.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub pruning: String,
    /// How images are preprocessed.
    pub preprocessing: String,
    /// Digest of the stimulus set: its order, ids and images.
    pub stimulus_digest: String,
    /// The layer's name.
    pub layer: String,
    /// Version of the arithmetic that computes the layer; 0 where no build changed it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub arithmetic: u32,
    /// Stored number format.
    pub dtype: Dtype,
    /// What the activations are projected onto; absent for the ANN's own output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row_space: Option<RowSpace>,
}

/// The span of some stimuli's activations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowSpace {
    /// Version of the arithmetic that computes the coordinates.
    pub version: u32,
    /// Digest of those stimuli's positions in the set.
    pub stimuli: String,
    /// Number format of the activations that were read.
    pub dtype: Dtype,
}

/// Stored number format. Whatever is stored is read back as 32-bit float.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// 32-bit float: the ANN's output, bit for bit.
    #[default]
    F32,
    /// IEEE half: relative error at most 2⁻¹¹ from 6·10⁻⁵ to 65,504, absolute error 3·10⁻⁸ below;
    /// larger values cannot be stored.
    F16,
    /// bfloat16: relative error at most 2⁻⁸ over the range of [`Dtype::F32`].
    Bf16,
}

impl Dtype {
    /// Every format, in the order in which they are listed.
    pub const ALL: [Dtype; 3] = [Dtype::F32, Dtype::F16, Dtype::Bf16];

    /// Its name in flags, results and keys.
    pub fn name(self) -> &'static str {
        match self {
            Dtype::F32 => "f32",
            Dtype::F16 => "f16",
            Dtype::Bf16 => "bf16",
        }
    }

    /// Bytes of one value.
    pub(crate) fn bytes(self) -> usize {
        match self {
            Dtype::F32 => 4,
            Dtype::F16 | Dtype::Bf16 => 2,
        }
    }

    /// Whether a value is finite and does not round to infinity.
    pub(super) fn holds(self, value: f32) -> bool {
        // Halfway from the largest finite value to what would be the next one.
        let limit = match self {
            Dtype::F32 => f32::INFINITY,
            Dtype::F16 => 65_520.0,
            Dtype::Bf16 => f32::from_bits(0x7f7f_8000),
        };
        value.abs() < limit
    }
}

/// A word that names no [`Dtype`].
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[error("unknown number format `{0}`; use f32, f16 or bf16")]
pub struct UnknownDtype(String);

impl FromStr for Dtype {
    type Err = UnknownDtype;

    fn from_str(name: &str) -> Result<Self, UnknownDtype> {
        let mut all = Self::ALL.into_iter();
        all.find(|dtype| dtype.name() == name)
            .ok_or_else(|| UnknownDtype(name.to_owned()))
    }
}

fn is_zero(version: &u32) -> bool {
    *version == 0
}

impl CacheKey {
    /// The key's hash, 32 hexadecimal digits: the stem of its file's name.
    pub fn digest(&self) -> String {
        let content = serde_json::to_vec(self).expect("a key of strings and finite numbers");
        let mut hasher = blake3::Hasher::new_derive_key("nrp activation key 2026");
        hasher.update(&content);
        digest::shortened(&hasher)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use half::{bf16, f16};

    #[test]
    fn a_format_holds_what_does_not_round_to_infinity() {
        let below = |value: f32| f32::from_bits(value.to_bits() - 1);
        let bf16_limit = f32::from_bits(0x7f7f_8000);
        assert!(f16::from_f32(below(65_520.0)).is_finite() && Dtype::F16.holds(below(65_520.0)));
        assert!(f16::from_f32(65_520.0).is_infinite() && !Dtype::F16.holds(-65_520.0));
        assert!(
            bf16::from_f32(below(bf16_limit)).is_finite() && Dtype::Bf16.holds(-below(bf16_limit))
        );
        assert!(bf16::from_f32(bf16_limit).is_infinite() && !Dtype::Bf16.holds(bf16_limit));
        for dtype in Dtype::ALL {
            assert!(dtype.holds(0.0) && !dtype.holds(f32::NAN) && !dtype.holds(f32::INFINITY));
            assert_eq!(dtype.name().parse(), Ok(dtype));
        }
    }

    /// Existing cache files must stay valid, so the key's digest must never change.
    #[test]
    fn a_key_has_the_digest_it_always_had() {
        let key = CacheKey {
            ann: "mobilenet".to_owned(),
            weights_digest: "w".to_owned(),
            sparsity: 0.0,
            pruning: String::new(),
            preprocessing: "p".to_owned(),
            stimulus_digest: "s".to_owned(),
            layer: "relu".to_owned(),
            arithmetic: 0,
            dtype: Dtype::F32,
            row_space: None,
        };
        assert_eq!(key.digest(), "f314904010158535dd5cea38d43ac0e8");
        let half = CacheKey {
            dtype: Dtype::F16,
            ..key.clone()
        };
        assert_ne!(half.digest(), key.digest());
        let recomputed = CacheKey {
            arithmetic: 1,
            ..key.clone()
        };
        assert_ne!(recomputed.digest(), key.digest());
        let pruned = ["layer", "global"].map(|pruning| CacheKey {
            sparsity: 0.5,
            pruning: pruning.to_owned(),
            ..key.clone()
        });
        assert_ne!(pruned[0].digest(), pruned[1].digest());
        let projected = CacheKey {
            row_space: Some(RowSpace {
                version: 1,
                stimuli: "t".to_owned(),
                dtype: Dtype::F32,
            }),
            ..key.clone()
        };
        assert_eq!(projected.digest(), "86d942a787df9da3ef8e9bc257cbf4ca");
    }
}
