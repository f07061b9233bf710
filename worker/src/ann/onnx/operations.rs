//! Operations that tract lacks or misreads: which of a file's nodes it must not see, and ours in place
//! of its own.
//!
//! tract finds an operation by its name alone, whatever its domain.

use std::sync::LazyLock;

use tract_onnx::Onnx;
use tract_onnx::model::ParsingContext;
use tract_onnx::pb::{ModelProto, NodeProto};
use tract_onnx::tract_core::ops::array::{MultiBroadcastTo, Slice};
use tract_onnx::tract_core::ops::cast::cast;
use tract_onnx::tract_core::ops::einsum::EinSum;
use tract_onnx::tract_core::ops::logic::Iff;
use tract_onnx::tract_core::ops::math::{add, mul};
use tract_onnx::tract_core::ops::nn::Softmax;
use tract_onnx::tract_hir::internal::*;
use tract_onnx::tract_hir::ops::array::ConstantOfShape;

use super::guarded;

/// Domains whose operations tract knows: ONNX's own and Microsoft's.
const DOMAINS: [&str; 4] = ["", "ai.onnx", "ai.onnx.ml", "com.microsoft"];
/// Most elements of a constant that is stated by its shape.
const CONSTANT_MAX: usize = 1 << 28;

type Built = TractResult<(Box<dyn InferenceOp>, Vec<String>)>;
type Builder = fn(&ParsingContext, &NodeProto) -> Built;

static TRACTS_PAD: LazyLock<Option<Builder>> =
    LazyLock::new(|| tract_onnx::onnx().op_register.0.get("Pad").copied());

/// Replaces operations of tract's by ours.
pub(super) fn replace(onnx: &mut Onnx) {
    onnx.op_register.insert("Attention", attention);
    onnx.op_register
        .insert("ConstantOfShape", constant_of_shape);
    onnx.op_register.insert("Pad", pad);
}

/// For each of the graph's nodes, why it cannot be computed, if it cannot be read.
pub(super) fn unsupported(
    onnx: &Onnx,
    proto: &ModelProto,
    directory: Option<&str>,
) -> Vec<Option<String>> {
    let version = proto.opset_import.iter();
    let mut version = version.filter(|set| set.domain.is_empty() || set.domain == "ai.onnx");
    let context = ParsingContext {
        onnx_operator_set_version: version.next().map_or(0, |set| set.version),
        framework: onnx,
        model: proto,
        parent_graphs: proto.graph.iter().collect(),
        model_dir: directory,
        template: InferenceModel::default(),
    };
    let nodes = proto.graph.iter().flat_map(|graph| &graph.node);
    nodes.map(|node| refusal(&context, node)).collect()
}

fn refusal(context: &ParsingContext, node: &NodeProto) -> Option<String> {
    let NodeProto {
        domain, op_type, ..
    } = node;
    let known = context.framework.op_register.0.get(op_type);
    let Some(build) = known.filter(|_| DOMAINS.contains(&&**domain)) else {
        return Some(match &**domain {
            "" | "ai.onnx" => format!("unknown operation `{op_type}`"),
            _ => format!("unknown operation `{op_type}` of `{domain}`"),
        });
    };
    let states = |name: &str, value: i64| {
        let mut attributes = node.attribute.iter();
        attributes.any(|attribute| attribute.name == name && attribute.i == value)
    };
    // tract would compute them as in inference, `Swish` without its factor and `Celu` with a wrong one.
    if op_type == "BatchNormalization" && states("training_mode", 1) {
        return Some("`BatchNormalization` is in training mode".to_owned());
    }
    let alpha = node.attribute.iter().find(|it| it.name == "alpha");
    let with_factor = matches!(&**op_type, "Swish" | "Celu");
    if with_factor && alpha.is_some_and(|alpha| alpha.f != 1.0) {
        return Some(format!("`{op_type}` with a factor is not supported"));
    }
    guarded(|| build(context, node)).err()
}

/// tract's makes zeros of 64-bit floats where the value is left out; ONNX's are of 32 bits.
fn constant_of_shape(context: &ParsingContext, node: &NodeProto) -> Built {
    let stated = node.attribute.iter().find(|it| it.name == "value");
    let value = match stated.and_then(|attribute| attribute.t.as_ref()) {
        None => tensor0(0.0_f32),
        Some(value) => {
            let value = context.load_tensor(value)?;
            ensure!(value.len() == 1, "ConstantOfShape: several values");
            value.into_shape(&[])?
        }
    };
    let fill = ConstantOfShape::new(value.into_arc_tensor());
    Ok((expand(Fill(fill)), vec![]))
}

/// [`ConstantOfShape`] with a limit on its size: the shape is the file's.
#[derive(Debug, Clone)]
struct Fill(ConstantOfShape);

impl Expansion for Fill {
    fn name(&self) -> StaticName {
        "ConstantOfShape".into()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        s: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        s.given(&inputs[0].value, |_, shape| within_limit(&shape))?;
        self.0.rules(s, inputs, outputs)
    }

    fn wire(
        &self,
        prefix: &str,
        model: &mut TypedModel,
        inputs: &[OutletId],
    ) -> TractResult<TVec<OutletId>> {
        let shape = model.outlet_fact(inputs[0])?.konst.clone();
        let shape = shape.context("its shape is not a constant")?;
        within_limit(&shape)?;
        self.0.wire(prefix, model, inputs)
    }
}

fn within_limit(shape: &Tensor) -> TractResult<()> {
    let sizes = shape.cast_to::<i64>()?;
    let sizes = sizes.try_as_plain_ram()?.as_slice::<i64>()?;
    let mut sizes_found = sizes.iter().map(|size| usize::try_from(*size).ok());
    let elements = sizes_found.try_fold(1_usize, |all, size| all.checked_mul(size?));
    ensure!(
        elements.is_some_and(|elements| elements <= CONSTANT_MAX),
        "a constant of {sizes:?} elements; the limit is {CONSTANT_MAX}"
    );
    Ok(())
}

/// `Pad` whose negative pads crop; tract's takes them for very large ones.
fn pad(context: &ParsingContext, node: &NodeProto) -> Built {
    let stated = TRACTS_PAD.context("tract has no `Pad`")?;
    let (op, closed) = stated(context, node)?;
    let mode = node.attribute.iter().find(|it| it.name == "mode");
    let given = |at: usize| node.input.get(at).is_some_and(|name| !name.is_empty());
    // Before operator set 11 pads are attributes, of which tract refuses negative ones.
    let Some(inner) = op.as_op().downcast_ref::<Box<dyn Expansion>>() else {
        return Ok((op, closed));
    };
    let pad = Pad {
        inner: inner.clone(),
        constant: mode.is_none_or(|mode| mode.s == b"constant"),
        axes: given(3).then(|| 2 + usize::from(given(2))),
    };
    Ok((expand(pad), closed))
}

/// tract's `Pad`, of what negative pads leave of the input.
#[derive(Debug, Clone)]
struct Pad {
    inner: Box<dyn Expansion>,
    /// Whether it fills with a constant.
    constant: bool,
    /// Which input tells the axes, if not all are meant.
    axes: Option<usize>,
}

impl Expansion for Pad {
    fn name(&self) -> StaticName {
        "Pad".into()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        s: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        self.inner.rules(s, inputs, outputs)
    }

    fn wire(
        &self,
        prefix: &str,
        model: &mut TypedModel,
        inputs: &[OutletId],
    ) -> TractResult<TVec<OutletId>> {
        let whole = |input: usize| -> TractResult<Vec<i64>> {
            let value = model.outlet_fact(inputs[input])?.konst.as_ref();
            let value = value
                .context("its pads are not constant")?
                .cast_to::<i64>()?;
            Ok(value.try_as_plain_ram()?.as_slice::<i64>()?.to_vec())
        };
        let pads = whole(1)?;
        if pads.iter().all(|pad| *pad >= 0) {
            return self.inner.wire(prefix, model, inputs);
        }
        ensure!(
            self.constant,
            "`Pad` crops, and fills with the input's own values"
        );
        let shape = model.outlet_fact(inputs[0])?.shape.to_tvec();
        let axes = match self.axes {
            Some(input) => whole(input)?,
            None => (0..).take(shape.len()).collect(),
        };
        ensure!(pads.len() == 2 * axes.len(), "{pads:?} pads of {axes:?}");
        let mut wires = Wires { prefix, model };
        let mut cropped = inputs[0];
        let (before, after) = pads.split_at(axes.len());
        for ((axis, before), after) in axes.iter().zip(before).zip(after) {
            let axis = usize::try_from(if *axis < 0 {
                axis + shape.len() as i64
            } else {
                *axis
            })?;
            let size = shape.get(axis).context("no such axis")?.to_i64()?;
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
        self.inner.wire(prefix, model, &inputs)
    }
}

/// ONNX's attention; tract's does not tell the shape of its output.
fn attention(_: &ParsingContext, node: &NodeProto) -> Built {
    let attribute = |name: &str| node.attribute.iter().find(|it| it.name == name);
    let whole = |name: &str| attribute(name).map_or(0, |it| it.i);
    ensure!(
        matches!(&*node.domain, "" | "ai.onnx"),
        "`Attention` of `{}` is not supported",
        node.domain
    );
    let further = node.input.iter().skip(4).chain(node.output.iter().skip(1));
    ensure!(
        further.clone().all(String::is_empty),
        "`Attention` with a cache or several outputs is not supported"
    );
    ensure!(
        attribute("softcap").is_none_or(|it| it.f == 0.0),
        "`Attention` with a soft cap is not supported"
    );
    let heads = |name| attribute(name).and_then(|it| usize::try_from(it.i).ok());
    let op = Attention {
        heads: heads("q_num_heads").zip(heads("kv_num_heads")),
        scale: attribute("scale").map(|it| it.f),
        causal: whole("is_causal") != 0,
        mask: node.input.get(3).is_some_and(|name| !name.is_empty()),
    };
    let heads = op.heads.is_none_or(|(q, kv)| q > 0 && kv > 0);
    ensure!(heads, "`Attention` with {:?} heads", op.heads);
    Ok((expand(op), vec![]))
}

/// Softmax(query · keyᵀ · scale + mask) · value, for each head.
///
/// # Shapes
/// - query `[batch, heads, length, size]`, or `[batch, length, heads · size]`
/// - key, value `[batch, kv_heads, length, size]`, or `[batch, length, kv_heads · size]`; each serves
///   heads / kv_heads heads of the query
/// - mask: broadcasts to `[batch, heads, query's length, key's length]`
#[derive(Debug, Clone)]
struct Attention {
    /// Heads of query and of key, if these have three axes.
    heads: Option<(usize, usize)>,
    scale: Option<f32>,
    causal: bool,
    mask: bool,
}

impl Expansion for Attention {
    fn name(&self) -> StaticName {
        "Attention".into()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        s: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_input_arity(inputs, 3 + usize::from(self.mask))?;
        check_output_arity(outputs, 1)?;
        s.equals(&inputs[0].datum_type, &outputs[0].datum_type)?;
        s.equals(&inputs[0].rank, &outputs[0].rank)?;
        s.given_2(&inputs[0].shape, &inputs[2].shape, |s, query, value| {
            let mut shape = query.clone();
            let last = shape.last_mut().zip(value.last());
            let (last, size) = last.context("attention to a scalar")?;
            *last = match (query.len(), self.heads) {
                (3, Some((heads, kv_heads))) => size.clone() / kv_heads * heads,
                _ => size.clone(),
            };
            s.equals(&outputs[0].shape, ShapeFactoid::from(shape))
        })
    }

    fn wire(
        &self,
        prefix: &str,
        model: &mut TypedModel,
        inputs: &[OutletId],
    ) -> TractResult<TVec<OutletId>> {
        let mut wires = Wires { prefix, model };
        let given = wires.model.outlet_fact(inputs[0])?.clone();
        let [query, key, value] = match given.rank() {
            4 => [inputs[0], inputs[1], inputs[2]],
            3 => {
                let (q, kv) = self.heads.context("heads are not stated")?;
                let mut split = |at: usize, heads| wires.split_heads(inputs[at], heads);
                [split(0, q)?, split(1, kv)?, split(2, kv)?]
            }
            rank => bail!("attention to {rank} axes"),
        };
        let single = |wires: &mut Wires, input| wires.add(cast(f32::datum_type()), &[input]);
        let query = single(&mut wires, query)?;
        let key = single(&mut wires, key)?;
        let value = single(&mut wires, value)?;
        let [batch, heads, length, size] = wires.sizes(query)?;
        let key = wires.repeat_heads(key, heads)?;
        let value = wires.repeat_heads(value, heads)?;
        let [.., keys, _] = wires.sizes(key)?;

        let scale = self.scale.unwrap_or_else(|| (size as f32).sqrt().recip());
        let scale = wires.constant(tensor0(scale).broadcast_into_rank(4)?)?;
        let query = wires.add(mul(), &[query, scale])?;
        let mut scores = wires.product("bhqc,bhkc->bhqk", query, key)?;
        if self.mask {
            let mask = wires.mask(inputs[3], [batch, heads, length, keys])?;
            scores = wires.add(add(), &[scores, mask])?;
        }
        if self.causal {
            let later = |(_, _, query, key)| if key > query { f32::NEG_INFINITY } else { 0.0 };
            let later = tract_ndarray::Array4::from_shape_fn((1, 1, length, keys), later);
            let later = wires.constant(later.into_tensor())?;
            scores = wires.add(add(), &[scores, later])?;
        }
        let softmax = Softmax {
            axes: tvec![3],
            ..Softmax::default()
        };
        let weights = wires.add(softmax, &[scores])?;
        let answer = wires.product("bhqk,bhkc->bhqc", weights, value)?;
        let mut answer = wires.add(cast(given.datum_type), &[answer])?;
        if given.rank() == 3 {
            answer = wires.add(AxisOp::Move(1, 2), &[answer])?;
            let [.., heads, size] = wires.sizes(answer)?;
            let (from, to) = (tvec![heads.to_dim(), size.to_dim()], heads * size);
            answer = wires.add(AxisOp::Reshape(2, from, tvec![to.to_dim()]), &[answer])?;
        }
        Ok(tvec![answer])
    }
}

/// Adds the nodes that one operation consists of.
struct Wires<'a> {
    prefix: &'a str,
    model: &'a mut TypedModel,
}

impl Wires<'_> {
    fn add(
        &mut self,
        op: impl Into<Box<dyn TypedOp>>,
        inputs: &[OutletId],
    ) -> TractResult<OutletId> {
        let name = format!("{}.{}", self.prefix, self.model.nodes().len());
        Ok(self.model.wire_node(name, op, inputs)?[0])
    }

    fn constant(&mut self, value: Tensor) -> TractResult<OutletId> {
        let name = format!("{}.{}", self.prefix, self.model.nodes().len());
        self.model.add_const(name, value)
    }

    fn sizes(&self, outlet: OutletId) -> TractResult<[usize; 4]> {
        let shape = self.model.outlet_fact(outlet)?.shape.to_tvec();
        let sizes = shape.iter().map(TDim::to_usize);
        let sizes: Vec<usize> = sizes.collect::<Result<_, _>>()?;
        let sizes = <[usize; 4]>::try_from(sizes);
        sizes.map_err(|sizes| format_err!("attention to {} axes", sizes.len()))
    }

    fn product(&mut self, axes: &str, a: OutletId, b: OutletId) -> TractResult<OutletId> {
        let product = EinSum::new(axes.parse()?, f32::datum_type());
        self.add(product, &[a, b])
    }

    /// `[batch, length, heads · size]` as `[batch, heads, length, size]`.
    fn split_heads(&mut self, input: OutletId, heads: usize) -> TractResult<OutletId> {
        let all = self.model.outlet_fact(input)?.shape[2].to_usize()?;
        ensure!(all % heads == 0, "{all} units of {heads} heads");
        let to = tvec![heads.to_dim(), (all / heads).to_dim()];
        let split = self.add(AxisOp::Reshape(2, tvec![all.to_dim()], to), &[input])?;
        self.add(AxisOp::Move(2, 1), &[split])
    }

    /// Each of the second axis's heads several times in a row, so that there are `heads`.
    fn repeat_heads(&mut self, input: OutletId, heads: usize) -> TractResult<OutletId> {
        let [batch, own, length, size] = self.sizes(input)?;
        if own == heads {
            return Ok(input);
        }
        ensure!(
            own > 0 && heads.is_multiple_of(own),
            "{heads} heads of {own}"
        );
        let times = heads / own;
        let shape = [batch, own, times, length, size].map(|size| size.to_dim());
        let input = self.add(AxisOp::Add(2), &[input])?;
        let input = self.add(MultiBroadcastTo::new(shape[..].into()), &[input])?;
        let from = tvec![own.to_dim(), times.to_dim()];
        self.add(AxisOp::Reshape(1, from, tvec![heads.to_dim()]), &[input])
    }

    /// What is added to the scores: `mask`, or minus infinity where it is false.
    fn mask(&mut self, mut mask: OutletId, scores: [usize; 4]) -> TractResult<OutletId> {
        for _ in self.model.outlet_fact(mask)?.rank()..4 {
            mask = self.add(AxisOp::Add(0), &[mask])?;
        }
        let sizes = self.sizes(mask)?;
        let fits = |(size, score): (&usize, &usize)| *size == 1 || size == score;
        let fits = sizes.iter().zip(&scores).all(fits);
        ensure!(fits, "a mask of {sizes:?} for scores of {scores:?}");
        if self.model.outlet_fact(mask)?.datum_type != bool::datum_type() {
            return self.add(cast(f32::datum_type()), &[mask]);
        }
        let zero = self.constant(tensor0(0.0_f32).broadcast_into_rank(4)?)?;
        let masked = tensor0(f32::NEG_INFINITY).broadcast_into_rank(4)?;
        let masked = self.constant(masked)?;
        self.add(Iff, &[mask, zero, masked])
    }
}
