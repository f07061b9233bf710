//! Operations on numbers that tract computes otherwise than onnxruntime: casts to integers, remainders,
//! rounding, and exponentials of large numbers.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::tract_core::ops::binary::{BinMiniOp, TypedBinOp};
use tract_onnx::tract_core::ops::cast::cast;
use tract_onnx::tract_core::ops::math;
use tract_onnx::tract_core::ops::nn::{Reduce, Reducer};
use tract_onnx::tract_hir::internal::*;

use super::mended::{Built, Mend, Place, Wired, Wires, from_first, mended, tracts};

/// `Cast`, whose 64-bit integers tract takes for dimensions, which lack most arithmetic.
pub(super) fn whole_numbers(context: &ParsingContext, node: &NodeProto) -> Built {
    let to = node.attribute.iter().find(|it| it.name == "to");
    if to.is_none_or(|to| to.i != DataType::Int64 as i64) {
        return tracts(context, node);
    }
    Ok((expand(WholeNumbers), vec![]))
}

/// A cast to 64-bit integers; dimensions stay dimensions.
#[derive(Debug, Clone)]
struct WholeNumbers;

impl WholeNumbers {
    fn of(from: DatumType) -> DatumType {
        if from == TDim::datum_type() {
            from
        } else {
            i64::datum_type()
        }
    }
}

impl Expansion for WholeNumbers {
    fn name(&self) -> StaticName {
        "Cast".into()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        s: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_input_arity(inputs, 1)?;
        check_output_arity(outputs, 1)?;
        s.equals(&outputs[0].rank, &inputs[0].rank)?;
        s.equals(&outputs[0].shape, &inputs[0].shape)?;
        s.given(&inputs[0].datum_type, |s, from| {
            s.equals(&outputs[0].datum_type, Self::of(from))
        })
    }

    fn wire(
        &self,
        prefix: &str,
        model: &mut TypedModel,
        inputs: &[OutletId],
    ) -> TractResult<TVec<OutletId>> {
        let from = model.outlet_fact(inputs[0])?.datum_type;
        model.wire_node(prefix, cast(Self::of(from)), inputs)
    }
}

/// `LogSoftmax` of any numbers; tract's is minus infinity where the softmax rounds to zero.
pub(super) fn log_softmax(context: &ParsingContext, node: &NodeProto) -> Built {
    let axis = node.attribute.iter().find(|it| it.name == "axis");
    let axis = axis.map(|axis| axis.i);
    // Before operator set 13 all axes from the stated one on are one.
    let mend = match context.onnx_operator_set_version {
        ..=12 => LogSoftmax {
            first: axis.unwrap_or(1),
            all: true,
        },
        _ => LogSoftmax {
            first: axis.unwrap_or(-1),
            all: false,
        },
    };
    mended(context, node, mend)
}

/// x - max - ln(Σ exp(x - max)).
#[derive(Debug, Clone)]
struct LogSoftmax {
    first: i64,
    /// Whether the sum is over all axes from `first` on.
    all: bool,
}

impl Mend for LogSoftmax {
    fn is_needed(&self, kind: DatumType) -> bool {
        kind == f32::datum_type()
    }

    fn wire(&self, place: Place<'_>) -> Wired {
        let Place {
            mut wires, inputs, ..
        } = place;
        let rank = wires.shape(inputs[0])?.len();
        let first = from_first(self.first, rank)?;
        let last = if self.all { rank } else { first + 1 };
        let axes: TVec<usize> = (first..last).collect();
        let largest = wires.add(Reduce::new(axes.clone(), Reducer::Max), inputs)?;
        let below = wires.add(math::sub(), &[inputs[0], largest])?;
        let powers = wires.add(math::exp(), &[below])?;
        let sum = wires.add(Reduce::new(axes, Reducer::Sum), &[powers])?;
        let log = wires.add(math::ln(), &[sum])?;
        Ok(tvec![wires.add(math::sub(), &[below, log])?])
    }
}

/// ln(1 + exp(x)) as max(x, 0) + ln(1 + exp(-|x|)); tract's is infinite above 88.
#[derive(Debug, Clone)]
struct Softplus;

impl Mend for Softplus {
    fn is_needed(&self, kind: DatumType) -> bool {
        kind == f32::datum_type()
    }

    fn wire(&self, place: Place<'_>) -> Wired {
        let Place {
            mut wires, inputs, ..
        } = place;
        let rank = wires.shape(inputs[0])?.len();
        let (zero, one) = (wires.number(0.0, rank)?, wires.number(1.0, rank)?);
        let size = wires.add(math::abs(), inputs)?;
        let negative = wires.add(math::neg(), &[size])?;
        let power = wires.add(math::exp(), &[negative])?;
        let more = wires.add(math::add(), &[power, one])?;
        let log = wires.add(math::ln(), &[more])?;
        let positive = wires.add(math::max(), &[inputs[0], zero])?;
        Ok(tvec![wires.add(math::add(), &[positive, log])?])
    }
}

/// `Softplus`.
pub(super) fn softplus(context: &ParsingContext, node: &NodeProto) -> Built {
    mended(context, node, Softplus)
}

/// `Mod`.
pub(super) fn modulo(context: &ParsingContext, node: &NodeProto) -> Built {
    mended(context, node, Modulo)
}

/// The remainder with the divisor's sign; that of tract's dimensions has the dividend's. tract takes a smaller
/// dividend for the divisor.
#[derive(Debug, Clone)]
struct Modulo;

impl Mend for Modulo {
    fn wire(&self, place: Place<'_>) -> Wired {
        let Place {
            tracts,
            mut wires,
            inputs,
        } = place;
        let dimension = TDim::datum_type();
        let (mut dimensions, mut constant) = (false, true);
        for input in inputs {
            dimensions |= wires.kind(*input)? == dimension;
            constant &= wires.model.outlet_fact(*input)?.konst.is_some();
        }
        if !dimensions || constant {
            return ordered(tracts, &mut wires, inputs);
        }
        let whole = inputs
            .iter()
            .map(|input| wires.add(cast(i64::datum_type()), &[*input]));
        let whole = whole.collect::<TractResult<TVec<_>>>()?;
        let remainder = ordered(tracts, &mut wires, &whole)?;
        Ok(tvec![wires.add(cast(dimension), &remainder)?])
    }
}

/// Adds `tracts` with our remainders in place of tract's.
fn ordered(tracts: &dyn Expansion, wires: &mut Wires<'_>, inputs: &[OutletId]) -> Wired {
    let before = wires.model.nodes().len();
    let outlets = wires.tracts(tracts, inputs)?;
    for node in &mut wires.model.nodes_mut()[before..] {
        let op = node.op_as::<TypedBinOp>();
        if let Some(TypedBinOp(_, kind)) = op.filter(|op| op.0.is::<math::Rem>()) {
            node.op = Box::new(TypedBinOp(Box::new(Remainder), *kind));
        }
    }
    Ok(outlets)
}

/// tract's remainder, whose operands tract swaps as if their order did not matter.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Remainder;

impl BinMiniOp for Remainder {
    fn name(&self) -> &'static str {
        math::Rem.name()
    }

    fn is_commutative(&self) -> bool {
        false
    }

    fn result_datum_type(&self, a: DatumType, b: DatumType) -> TractResult<DatumType> {
        math::Rem.result_datum_type(a, b)
    }

    fn eval_in_a(&self, a: &mut Tensor, b: &Tensor) -> TractResult<()> {
        math::Rem.eval_in_a(a, b)
    }

    fn eval_out_of_place(&self, c: &mut Tensor, a: &Tensor, b: &Tensor) -> TractResult<()> {
        math::Rem.eval_out_of_place(c, a, b)
    }

    fn eval(&self, a: TValue, b: TValue, kind: DatumType) -> TractResult<Tensor> {
        math::Rem.eval(a, b, kind)
    }
}

/// `QuantizeLinear` that rounds halves as a division by its scale does. tract multiplies by the reciprocal in
/// 32 bits, also in place of a division by a constant.
pub(super) fn quantize(context: &ParsingContext, node: &NodeProto) -> Built {
    let axis = node.attribute.iter().find(|it| it.name == "axis");
    let axis = axis.map_or(1, |axis| axis.i);
    mended(context, node, Quantize { axis })
}

/// x / scale, rounded to even, plus the zero point, within the type's limits.
#[derive(Debug, Clone)]
struct Quantize {
    /// The axis that scales are along, if there are several.
    axis: i64,
}

impl Mend for Quantize {
    fn wire(&self, place: Place<'_>) -> Wired {
        let Place {
            mut wires, inputs, ..
        } = place;
        let rank = wires.shape(inputs[0])?.len();
        let factors: Vec<f64> = wires.values(inputs[1])?;
        let factors: Vec<f64> = factors.iter().map(|scale| scale.recip()).collect();
        let point = inputs.get(2).map(|point| wires.value(*point)).transpose()?;
        let point = point.unwrap_or_else(|| rctensor0(0_u8));
        let kind = point.datum_type();
        let (lowest, highest) = match kind {
            DatumType::U8 => (f32::from(u8::MIN), f32::from(u8::MAX)),
            DatumType::I8 => (f32::from(i8::MIN), f32::from(i8::MAX)),
            DatumType::U16 => (f32::from(u16::MIN), f32::from(u16::MAX)),
            DatumType::I16 => (f32::from(i16::MIN), f32::from(i16::MAX)),
            other => bail!("`QuantizeLinear` to {other:?} is not supported"),
        };
        let along = |wires: &mut Wires, values: Tensor| {
            let mut shape = tvec![1; rank];
            if values.len() != 1 {
                shape[from_first(self.axis, rank)?] = values.len();
            }
            wires.constant(values.into_shape(&shape)?)
        };
        let factor = along(&mut wires, tensor1(&factors))?;
        let point = along(&mut wires, point.cast_to::<f32>()?.into_owned())?;
        let (lowest, highest) = (wires.number(lowest, rank)?, wires.number(highest, rank)?);
        let wide = wires.add(cast(f64::datum_type()), &inputs[..1])?;
        let scaled = wires.add(math::mul(), &[wide, factor])?;
        let scaled = wires.add(cast(f32::datum_type()), &[scaled])?;
        let rounded = wires.add(math::round_half_to_even(), &[scaled])?;
        let moved = wires.add(math::add(), &[rounded, point])?;
        let above = wires.add(math::max(), &[moved, lowest])?;
        let within = wires.add(math::min(), &[above, highest])?;
        Ok(tvec![wires.add(cast(kind), &[within])?])
    }
}
