//! `Einsum`, whose ellipses tract places wrongly if only some operands have one.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::einsum::EinSum;
use tract_onnx::tract_hir::internal::*;

use super::mended::Built;

const ELLIPSIS: &str = "...";

pub(super) fn einsum(_: &ParsingContext, node: &NodeProto) -> Built {
    let equation = node.attribute.iter().find(|it| it.name == "equation");
    let equation = equation.context("`Einsum` without an equation")?;
    let equation = String::from_utf8_lossy(&equation.s).replace(' ', "");
    let (inputs, output) = match equation.split_once("->") {
        Some((inputs, output)) => (inputs, Some(output.to_owned())),
        None => (&*equation, None),
    };
    let inputs: Vec<String> = inputs.split(',').map(str::to_owned).collect();
    ensure!(
        inputs.len() == node.input.len(),
        "`{equation}` of {}",
        node.input.len()
    );
    let mut letters = equation.replace(ELLIPSIS, "").replace("->", "");
    letters.retain(|character| character != ',');
    ensure!(
        letters.chars().all(|letter| letter.is_ascii_alphabetic()),
        "`{equation}`"
    );
    let op = Equation {
        inputs,
        output,
        letters,
    };
    Ok((expand(op), vec![]))
}

/// A sum of products: a letter for each axis, and an ellipsis for those that are not named.
#[derive(Debug, Clone)]
struct Equation {
    inputs: Vec<String>,
    /// The axes of the result, if they are stated.
    output: Option<String>,
    letters: String,
}

impl Equation {
    /// The equation without ellipses, for operands of `ranks` axes.
    fn explicit(&self, ranks: &[usize]) -> TractResult<AxesMapping> {
        let mut open = None;
        for (input, rank) in self.inputs.iter().zip(ranks) {
            let named = input.replace(ELLIPSIS, "").len();
            if input.contains(ELLIPSIS) {
                let own = rank.checked_sub(named).context("fewer axes than letters")?;
                ensure!(
                    open.is_none_or(|open| open == own),
                    "ellipses of several sizes are not supported"
                );
                open = Some(own);
            }
        }
        let free = ('a'..='z').chain('A'..='Z');
        let free = free.filter(|letter| !self.letters.contains(*letter));
        let open: String = free.take(open.unwrap_or(0)).collect();
        let explicit = |axes: &String| axes.replace(ELLIPSIS, &open);
        let inputs: Vec<String> = self.inputs.iter().map(explicit).collect();
        let output = self.output.as_ref().map_or_else(
            || {
                // Those of the ellipsis, and in alphabetical order those that appear once.
                let mut letters: Vec<char> = self.letters.chars().collect();
                letters.sort_unstable();
                let once = letters
                    .chunk_by(|a, b| a == b)
                    .filter(|same| same.len() == 1);
                open.chars().chain(once.map(|same| same[0])).collect()
            },
            explicit,
        );
        AxesMapping::from_strs(&inputs, &[output])
    }
}

impl Expansion for Equation {
    fn name(&self) -> StaticName {
        "Einsum".into()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        s: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_input_arity(inputs, self.inputs.len())?;
        check_output_arity(outputs, 1)?;
        for input in inputs {
            s.equals(&input.datum_type, &outputs[0].datum_type)?;
        }
        let ranks: Vec<_> = inputs.iter().map(|input| &input.rank).collect();
        s.given_all(ranks, move |s, ranks| {
            let ranks: Vec<usize> = ranks.iter().map(|rank| *rank as usize).collect();
            let axes = self.explicit(&ranks)?;
            s.equals(&outputs[0].rank, axes.rank(InOut::Out(0)) as i64)?;
            for axis in axes.iter_all_axes() {
                let result = axis.outputs[0].iter();
                let mut same: Vec<_> = result.map(|at| outputs[0].shape[*at].bex()).collect();
                for (input, places) in inputs.iter().zip(&axis.inputs) {
                    same.extend(places.iter().map(|at| input.shape[*at].bex()));
                }
                s.equals_all(same)?;
            }
            Ok(())
        })
    }

    fn wire(
        &self,
        prefix: &str,
        model: &mut TypedModel,
        inputs: &[OutletId],
    ) -> TractResult<TVec<OutletId>> {
        let facts = inputs.iter().map(|input| model.outlet_fact(*input));
        let facts = facts.collect::<TractResult<Vec<_>>>()?;
        let ranks: Vec<usize> = facts.iter().map(|fact| fact.rank()).collect();
        let kind = facts.first().context("no operand")?.datum_type;
        let sum = EinSum::new(self.explicit(&ranks)?, kind);
        model.wire_node(prefix, sum, inputs)
    }
}
