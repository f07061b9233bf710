//! Numbers as files store them: float64, float32, float16, bfloat16, and 8-bit integers with a scale.

use half::{bf16, f16};
use hdf5_reader::{Dataset, Datatype};

use super::{FileTensor, WeightsFile};
use crate::ann::AnnError;
use crate::ann::graph::WeightSpec;

/// Where HDF5's message about a floating-point type has the size of the exponent, which tells float16
/// from bfloat16.
const EXPONENT_BITS: usize = 13;

/// One weight tensor, not read yet.
pub(super) struct Stored {
    pub(super) data: Dataset,
    /// A scale per output of a kernel that Keras quantized to 8 bits.
    pub(super) scale: Option<Dataset>,
}

/// Where the scale is among the tensors of a dense layer that Keras quantized to 8 bits, whose kernel is
/// the tensor `kernel`: behind its own variables it has a number per unit.
pub(super) fn scale_of(
    specs: &[WeightSpec],
    tensors: &[FileTensor],
    kernel: usize,
) -> Option<usize> {
    let last = tensors.len().checked_sub(1)?;
    let is_int8 = matches!(
        tensors.get(kernel)?.data.dtype(),
        Datatype::FixedPoint {
            size: 1,
            signed: true,
            ..
        }
    );
    let scale = &tensors[last];
    let is_scale = scale.variable == "kernel_scale" || scale.variable.parse::<usize>().is_ok();
    let per_unit = matches!(specs[0].shape[..], [_, units] if scale.shape == [units]);
    (is_int8 && is_scale && per_unit && tensors.len() == specs.len() + 1).then_some(last)
}

impl WeightsFile<'_> {
    /// The tensor's values, row-major; those that a requested layer needs are finite.
    pub(super) fn values(
        &self,
        spec: &WeightSpec,
        stored: Stored,
        needed: bool,
    ) -> Result<Vec<f32>, AnnError> {
        let mut values = self.floats(spec, &stored.data, stored.scale.is_some())?;
        if let Some(scale) = &stored.scale {
            let scale = self.floats(spec, scale, false)?;
            for units in values.chunks_exact_mut(scale.len()) {
                // As in Keras, whose scale is the largest integer over the largest weight.
                units
                    .iter_mut()
                    .zip(&scale)
                    .for_each(|(weight, scale)| *weight /= scale);
            }
        }
        if needed && values.iter().any(|x| !x.is_finite()) {
            return Err(AnnError::NotFinite {
                ann: self.ann,
                path: self.path(),
                layer: spec.layer.clone(),
                variable: spec.variable,
            });
        }
        Ok(values)
    }

    fn floats(
        &self,
        spec: &WeightSpec,
        data: &Dataset,
        has_scale: bool,
    ) -> Result<Vec<f32>, AnnError> {
        let at = format!("`{}` of layer `{}`", spec.variable, spec.layer);
        let broken = || self.broken(at.clone());
        let pairs = |to_f32: fn([u8; 2]) -> f32| {
            let bytes = data.read_native_bytes().map_err(broken())?;
            let pairs = bytes.chunks_exact(2);
            Ok(pairs.map(|pair| to_f32([pair[0], pair[1]])).collect())
        };
        let stored = match data.dtype() {
            Datatype::FloatingPoint { size: 8, .. } => {
                let values = data.read_array::<f64>().map_err(broken())?;
                return Ok(values.iter().map(|x| *x as f32).collect());
            }
            Datatype::FloatingPoint { size: 4, .. } => {
                let values = data.read_array::<f32>().map_err(broken())?;
                return Ok(values.iter().copied().collect());
            }
            Datatype::FloatingPoint { size: 2, .. } => {
                let raw = data.raw_datatype().map_err(broken())?;
                match raw.get(EXPONENT_BITS) {
                    Some(5) => return pairs(|pair| f16::from_ne_bytes(pair).to_f32()),
                    Some(8) => return pairs(|pair| bf16::from_ne_bytes(pair).to_f32()),
                    Some(bits) => format!("16-bit floats with an exponent of {bits} bits"),
                    None => "16-bit floats of an unknown kind".to_owned(),
                }
            }
            Datatype::FixedPoint {
                size: 1,
                signed: true,
                ..
            } if has_scale => {
                let values = data.read_array::<i8>().map_err(broken())?;
                return Ok(values.iter().map(|x| f32::from(*x)).collect());
            }
            // NumPy has no bfloat16, so Keras stores its bytes; Keras 3's own layout says so.
            Datatype::Opaque { size: 2, .. } => match self.mark(data, &at)? {
                None => return pairs(|pair| bf16::from_le_bytes(pair).to_f32()),
                Some(mark) if mark == "bfloat16" => {
                    return pairs(|pair| bf16::from_le_bytes(pair).to_f32());
                }
                Some(mark) => mark,
            },
            Datatype::Opaque { size, .. } => match self.mark(data, &at)? {
                Some(mark) => mark,
                None => format!("{size} opaque bytes each"),
            },
            Datatype::FixedPoint { size, .. } => format!("{}-bit integers", 8 * u32::from(*size)),
            other => format!("{other:?}"),
        };
        Err(AnnError::WeightsStored {
            ann: self.ann,
            path: self.path(),
            layer: spec.layer.clone(),
            variable: spec.variable,
            stored,
        })
    }

    /// What Keras 3 says that opaque values are.
    fn mark(&self, data: &Dataset, at: &str) -> Result<Option<String>, AnnError> {
        let attributes = data.attributes();
        let mark = attributes
            .iter()
            .find(|attribute| attribute.name == "dtype");
        let mark = mark.map(super::strings).transpose();
        let mark = mark.map_err(self.broken(format!("attribute `dtype` of {at}")))?;
        Ok(mark.and_then(|strings| strings.into_iter().next()))
    }
}
