//! The image that an ONNX network takes: its size and the order of its axes, both deduced from the
//! shape of the graph's input.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tract_onnx::tract_hir::internal::{
    DatumType, DimLike, Factoid, InferenceFact, InferenceModel, ShapeFactoid, Tensor, TractResult,
};

/// Height and width if the graph leaves them open.
const OPEN_SIZE: usize = 224;
/// Most pixels of an image: 8192 × 8192.
const PIXELS_MAX: usize = 1 << 26;
/// Most stimuli of a fixed batch.
const BATCH_MAX: usize = 1024;
/// Channels of an image.
const CHANNELS: usize = 3;

/// The image that a network takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Input {
    kind: DatumType,
    /// Stimuli of a batch; one if that is open.
    pub batch: usize,
    layout: Layout,
    height: usize,
    width: usize,
}

/// The order of an image's axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    /// Batch, channels, height, width.
    ChannelsFirst,
    /// Batch, height, width, channels.
    ChannelsLast,
}

impl Input {
    /// The one image that `model` takes; the error says what it takes instead.
    pub(super) fn of(model: &InferenceModel, unresolved: &[String]) -> Result<Self, String> {
        if let [name, ..] = unresolved {
            return Err(format!("it reads `{name}`, which nothing writes"));
        }
        let [outlet] = model.inputs.as_slice() else {
            let names = model
                .inputs
                .iter()
                .map(|outlet| &model.node(outlet.node).name);
            let names = names.map(|name| format!("`{name}`")).collect::<Vec<_>>();
            return Err(format!(
                "it has {} inputs {}",
                names.len(),
                names.join(", ")
            ));
        };
        let node = model.node(outlet.node);
        let fact = &node.outputs[outlet.slot].fact;
        let found = || format!("its input `{}` is {fact:?}", node.name);
        let kind = fact.datum_type.concretize();
        let kind = kind.filter(|kind| kind.is_float()).ok_or_else(found)?;
        let [batch, a, b, c] = sizes(&fact.shape).ok_or_else(found)?;
        let batch = batch.unwrap_or(1);
        if !(1..=BATCH_MAX).contains(&batch) {
            return Err(format!("{}; the limit is a batch of {BATCH_MAX}", found()));
        }
        let (layout, height, width) = match (a, c) {
            (Some(CHANNELS), _) => (Layout::ChannelsFirst, b, c),
            (_, Some(CHANNELS)) => (Layout::ChannelsLast, a, b),
            (Some(_) | None, Some(_) | None) => return Err(found()),
        };
        let input = Self {
            kind,
            batch,
            layout,
            height: height.unwrap_or(OPEN_SIZE),
            width: width.unwrap_or(OPEN_SIZE),
        };
        match input.height.checked_mul(input.width) {
            Some(1..=PIXELS_MAX) => Ok(input),
            Some(0) => Err(found()),
            Some(_) | None => Err(format!("{}; the limit is {PIXELS_MAX} pixels", found())),
        }
    }

    /// Height, width, channels.
    pub(super) fn size(self) -> [usize; 3] {
        [self.height, self.width, CHANNELS]
    }

    fn shape(self, batch: usize) -> [usize; 4] {
        match self.layout {
            Layout::ChannelsFirst => [batch, CHANNELS, self.height, self.width],
            Layout::ChannelsLast => [batch, self.height, self.width, CHANNELS],
        }
    }

    /// The input's type and shape for the graph, for `batch` stimuli.
    pub(super) fn fact(self, batch: usize) -> InferenceFact {
        InferenceFact::dt_shape(self.kind, self.shape(batch))
    }

    /// The same noise at each call, of `images` images.
    pub(super) fn noise(self, images: usize) -> Vec<f32> {
        let mut random = ChaCha8Rng::seed_from_u64(0);
        let values = images * self.size().iter().product::<usize>();
        let noise = (0..values).map(|_| random.random_range(-2.0..2.0));
        noise.collect()
    }

    /// Images, each `[height, width, channels]`, as the graph takes them.
    pub(super) fn tensor(self, images: &[f32]) -> TractResult<Tensor> {
        let pixels = self.height * self.width * CHANNELS;
        let shape = self.shape(images.len() / pixels);
        let image = match self.layout {
            Layout::ChannelsLast => Tensor::from_shape(&shape, images)?,
            Layout::ChannelsFirst => {
                let channels = images.chunks_exact(pixels).flat_map(|image| {
                    (0..CHANNELS).flat_map(|c| image.iter().skip(c).step_by(CHANNELS).copied())
                });
                Tensor::from_shape(&shape, &channels.collect::<Vec<f32>>())?
            }
        };
        Ok(image.cast_to_dt(self.kind)?.into_owned())
    }
}

/// The four sizes of a shape, those that are fixed.
fn sizes(shape: &ShapeFactoid) -> Option<[Option<usize>; 4]> {
    if shape.is_open() {
        return None;
    }
    let sizes = shape.dims().map(|size| size.concretize()?.to_usize().ok());
    sizes.collect::<Vec<_>>().try_into().ok()
}

#[cfg(test)]
mod tests {
    use tract_onnx::tract_hir::internal::GenericFactoid;

    use super::*;

    #[test]
    fn an_image_is_laid_out_as_the_graph_takes_it() {
        let image: Vec<f32> = (0..12).map(|value| value as f32).collect();
        let of = |layout| {
            let input = Input {
                kind: DatumType::F32,
                batch: 1,
                layout,
                height: 2,
                width: 2,
            };
            let tensor = input.tensor(&image).expect("it fits");
            let plain = tensor.try_as_plain_ram().expect("in memory");
            plain.as_slice::<f32>().expect("floats").to_vec()
        };
        assert_eq!(of(Layout::ChannelsLast), image);
        let planes = [0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11].map(|value| value as f32);
        assert_eq!(of(Layout::ChannelsFirst), planes);
    }

    #[test]
    fn other_than_one_image_is_refused() {
        let of = |inputs: &[(DatumType, &[Option<usize>])]| {
            let mut model = InferenceModel::default();
            for (at, (kind, sizes)) in inputs.iter().enumerate() {
                let sizes = sizes.iter().map(|size| match size {
                    Some(size) => GenericFactoid::Only((*size).into()),
                    None => GenericFactoid::Any,
                });
                let shape = ShapeFactoid::closed(sizes.collect());
                let fact = InferenceFact::new()
                    .with_datum_type(*kind)
                    .with_shape(shape);
                let added = model.add_source(format!("in{at}"), fact);
                added.expect("an input");
            }
            Input::of(&model, &[]).map(Input::size)
        };
        let (any, three) = (None, Some(3));
        let float = DatumType::F32;
        assert_eq!(of(&[(float, &[any, three, any, any])]), Ok([224, 224, 3]));
        assert_eq!(
            of(&[(float, &[Some(1), three, Some(8), Some(9)])]),
            Ok([8, 9, 3])
        );
        assert_eq!(of(&[(float, &[any, Some(8), any, three])]), Ok([8, 224, 3]));
        let image: &[_] = &[any, three, any, any];
        for (inputs, says) in [
            (&[][..], "0 inputs"),
            (&[(float, image), (float, image)], "2 inputs `in0`, `in1`"),
            (&[(DatumType::U8, image)], "its input `in0`"),
            (
                &[(float, &[any, Some(1), Some(8), Some(8)])],
                "its input `in0`",
            ),
            (&[(float, &[any, any, any, any])], "its input `in0`"),
            (&[(float, &[any, three])], "its input `in0`"),
            (
                &[(float, &[Some(1 << 20), three, any, any])],
                "the limit is a batch of 1024",
            ),
        ] {
            let refusal = of(inputs).expect_err("refused");
            assert!(refusal.contains(says), "{refusal}");
        }
    }
}
