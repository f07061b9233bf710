//! Operations that make shapes: constants without a value, pads that crop, and sizes that tract rounds
//! otherwise than onnxruntime.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::array::Slice;
use tract_onnx::tract_hir::internal::*;
use tract_onnx::tract_hir::ops::array::ConstantOfShape;

use super::mended::{Built, Mend, Place, Wired, from_first, mended, tracts};

/// tract's makes zeros of 64-bit floats where the value is left out; ONNX's are of 32 bits.
pub(super) fn constant_of_shape(context: &ParsingContext, node: &NodeProto) -> Built {
    let stated = node.attribute.iter().find(|it| it.name == "value");
    let value = match stated.and_then(|attribute| attribute.t.as_ref()) {
        None => tensor0(0.0_f32),
        Some(value) => {
            let value = context.load_tensor(value)?;
            ensure!(value.len() == 1, "ConstantOfShape: several values");
            value.into_shape(&[])?
        }
    };
    Ok((
        expand(ConstantOfShape::new(value.into_arc_tensor())),
        vec![],
    ))
}

/// `Pad` whose negative pads crop; tract's takes them for very large ones.
pub(super) fn pad(context: &ParsingContext, node: &NodeProto) -> Built {
    let mode = node.attribute.iter().find(|it| it.name == "mode");
    let given = |at: usize| node.input.get(at).is_some_and(|name| !name.is_empty());
    let mend = Pad {
        constant: mode.is_none_or(|mode| mode.s == b"constant"),
        axes: given(3).then(|| 2 + usize::from(given(2))),
    };
    // Before operator set 11 pads are attributes, of which tract refuses negative ones.
    mended(context, node, mend)
}

/// tract's `Pad`, of what negative pads leave of the input.
#[derive(Debug, Clone)]
struct Pad {
    /// Whether it fills with a constant.
    constant: bool,
    /// Which input tells the axes, if not all are meant.
    axes: Option<usize>,
}

impl Mend for Pad {
    fn wire(&self, place: Place<'_>) -> Wired {
        let Place {
            tracts,
            mut wires,
            inputs,
        } = place;
        let pads: Vec<i64> = wires.values(inputs[1])?;
        if pads.iter().all(|pad| *pad >= 0) {
            return wires.tracts(tracts, inputs);
        }
        ensure!(
            self.constant,
            "`Pad` crops, and fills with the input's own values"
        );
        let shape = wires.shape(inputs[0])?;
        let axes: Vec<i64> = match self.axes {
            Some(input) => wires.values(inputs[input])?,
            None => (0..).take(shape.len()).collect(),
        };
        ensure!(pads.len() == 2 * axes.len(), "{pads:?} pads of {axes:?}");
        let mut cropped = inputs[0];
        let (before, after) = pads.split_at(axes.len());
        for ((axis, before), after) in axes.iter().zip(before).zip(after) {
            let axis = from_first(*axis, shape.len())?;
            let size = shape[axis].to_i64()?;
            let (start, end) = (
                0.max(before.saturating_neg()),
                size.saturating_add(*after.min(&0)),
            );
            ensure!(start < end, "`Pad` crops {size} to nothing");
            if (start, end) != (0, size) {
                cropped = wires.add(Slice::new(axis, start, end), &[cropped])?;
            }
        }
        let pads: Vec<i64> = pads.iter().map(|pad| 0.max(*pad)).collect();
        let mut inputs = inputs.to_vec();
        inputs[0] = cropped;
        inputs[1] = wires.constant(tensor1(&pads))?;
        wires.tracts(tracts, &inputs)
    }
}

/// `Resize`, but where tract would put the last corner between two pixels, or a lone one outside the image.
pub(super) fn resize(context: &ParsingContext, node: &NodeProto) -> Built {
    let attribute = |name: &str| node.attribute.iter().find(|it| it.name == name);
    let mode = attribute("coordinate_transformation_mode");
    let corners = |mode: &[u8]| matches!(mode, b"align_corners" | b"tf_crop_and_resize");
    let cubic = attribute("mode").is_some_and(|it| it.s == b"cubic");
    let smooth = attribute("antialias").is_some_and(|it| it.i != 0);
    if mode.is_some_and(|mode| mode.s == b"pytorch_half_pixel") && (cubic || smooth) {
        return mended(context, node, NoLonePixel);
    }
    if !mode.is_some_and(|mode| corners(&mode.s)) {
        return tracts(context, node);
    }
    let policy = attribute("keep_aspect_ratio_policy");
    ensure!(
        policy.is_none_or(|policy| policy.s == b"stretch"),
        "`Resize` by corners that keeps the aspect ratio is not supported"
    );
    let given = |at: usize| node.input.get(at).is_some_and(|name| !name.is_empty());
    let scales = match context.onnx_operator_set_version {
        ..=10 => Some(1),
        _ => given(2).then(|| 1 + usize::from(given(1))),
    };
    let axes = attribute("axes").map(|axes| axes.ints.clone());
    mended(context, node, Resize { scales, axes })
}

/// tract's `Resize` to corners, by scales that give whole sizes.
#[derive(Debug, Clone)]
struct Resize {
    /// Which input tells the scales.
    scales: Option<usize>,
    /// Which axes they are of, if not all.
    axes: Option<Vec<i64>>,
}

impl Mend for Resize {
    fn wire(&self, place: Place<'_>) -> Wired {
        let Place {
            tracts,
            mut wires,
            inputs,
        } = place;
        if let Some(scales) = self.scales {
            let shape = wires.shape(inputs[0])?;
            let scales: Vec<f32> = wires.values(inputs[scales])?;
            let all = || (0..).take(shape.len()).collect();
            let axes: Vec<i64> = self.axes.clone().unwrap_or_else(all);
            for (axis, scale) in axes.iter().zip(scales).filter(|(_, scale)| *scale != 1.0) {
                let size = shape[from_first(*axis, shape.len())?].to_i64()?;
                ensure!(
                    (size as f32 * scale).fract() == 0.0,
                    "`Resize` by corners of {size} pixels by {scale} is not a whole size"
                );
            }
        }
        wires.tracts(tracts, inputs)
    }
}

/// tract's `Resize` by halves of pixels as PyTorch counts them, where no axis shrinks to one pixel: tract's is
/// then half a pixel before the first, and ONNX's the first.
#[derive(Debug, Clone)]
struct NoLonePixel;

impl Mend for NoLonePixel {
    fn wire(&self, place: Place<'_>) -> Wired {
        let Place {
            tracts,
            mut wires,
            inputs,
        } = place;
        let resized = wires.tracts(tracts, inputs)?;
        let (from, to) = (wires.shape(inputs[0])?, wires.shape(resized[0])?);
        let mut sizes = from.iter().zip(&to);
        ensure!(
            !sizes.any(|(from, to)| to.is_one() && !from.is_one()),
            "`Resize` by `pytorch_half_pixel` to one pixel is not supported, cubic or with `antialias`"
        );
        Ok(resized)
    }
}
