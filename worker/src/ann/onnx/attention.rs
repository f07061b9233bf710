//! ONNX's attention, made of simpler operations.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::array::MultiBroadcastTo;
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::cast::cast;
use tract_onnx::tract_core::ops::einsum::EinSum;
use tract_onnx::tract_core::ops::logic::{Iff, comp_eq, comp_lte};
use tract_onnx::tract_core::ops::math::{add, mul};
use tract_onnx::tract_core::ops::nn::Softmax;
use tract_onnx::tract_hir::internal::*;

use super::bounded::within_limit;
use super::mended::{Built, Wires};

/// ONNX's attention; tract's does not tell the shape of its output.
pub(super) fn attention(_: &ParsingContext, node: &NodeProto) -> Built {
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

/// Softmax(query · keyᵀ · scale + mask) · value, for each head. As in onnxruntime, each of the three results
/// in it is rounded to 16 bits if the query has 16.
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
        let scale = wires.number(scale, 4)?;
        let query = wires.add(mul(), &[query, scale])?;
        within_limit(&[batch, heads, length, keys])?;
        let scores = wires.product("bhqc,bhkc->bhqk", query, key)?;
        let mut scores = wires.rounded(scores, given.datum_type)?;
        if self.mask {
            let kind = wires.kind(inputs[3])?;
            let hides = kind == given.datum_type;
            let mask = wires.mask(inputs[3], hides, [batch, heads, length, keys])?;
            scores = wires.add(add(), &[scores, mask])?;
            if hides {
                scores = wires.rounded(scores, kind)?;
            }
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
        let mut weights = wires.add(softmax, &[scores])?;
        if self.mask {
            // Of a query that may see no key the weights are zero.
            let unseen = wires.number(f32::NEG_INFINITY, 4)?;
            let unseen = wires.add(TypedBinOp(comp_eq(), None), &[scores, unseen])?;
            let zero = wires.number(0.0, 4)?;
            weights = wires.add(Iff, &[unseen, zero, weights])?;
        }
        let weights = wires.rounded(weights, given.datum_type)?;
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

impl Wires<'_> {
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

    /// `input`, which is computed in 32 bits, as onnxruntime keeps it where the query is of this `kind`.
    fn rounded(&mut self, input: OutletId, kind: DatumType) -> TractResult<OutletId> {
        if kind != f16::datum_type() {
            return Ok(input);
        }
        let input = self.add(cast(kind), &[input])?;
        self.add(cast(f32::datum_type()), &[input])
    }

    /// What is added to the scores: `mask`, or minus infinity where it is false. Where the mask is of the query's
    /// type, its lowest number `hides` a key, too.
    fn mask(
        &mut self,
        mut mask: OutletId,
        hides: bool,
        scores: [usize; 4],
    ) -> TractResult<OutletId> {
        for _ in self.model.outlet_fact(mask)?.rank()..4 {
            mask = self.add(AxisOp::Add(0), &[mask])?;
        }
        let sizes = self.sizes(mask)?;
        let fits = |(size, score): (&usize, &usize)| *size == 1 || size == score;
        let fits = sizes.iter().zip(&scores).all(fits);
        ensure!(fits, "a mask of {sizes:?} for scores of {scores:?}");
        let unseen = self.number(f32::NEG_INFINITY, 4)?;
        let kind = self.kind(mask)?;
        if kind == bool::datum_type() {
            let zero = self.number(0.0, 4)?;
            return self.add(Iff, &[mask, zero, unseen]);
        }
        let mask = self.add(cast(f32::datum_type()), &[mask])?;
        if !hides {
            return Ok(mask);
        }
        let lowest = if kind == f16::datum_type() {
            f16::MIN.to_f32()
        } else {
            f32::MIN
        };
        let lowest = self.number(lowest, 4)?;
        let hides = self.add(TypedBinOp(comp_lte(), None), &[mask, lowest])?;
        self.add(Iff, &[hides, unseen, mask])
    }
}
