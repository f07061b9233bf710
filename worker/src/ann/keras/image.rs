//! Whether a described network reads the image as `nrp` preprocesses it: of the same size, and not scaled
//! again by layers in front of it or by the models around it.

use super::architecture::Comparison;
use super::config::Layer;
use super::operation::Difference;
use super::scaling::Scaling;
use super::setting;
use crate::ann::Preprocessing;

/// What layers do to a model's input.
#[derive(Clone, Copy, PartialEq)]
struct Path {
    scaling: Scaling,
    /// The layer that is the input.
    input: usize,
}

impl Comparison<'_> {
    /// How what `layer` makes differs from the preprocessed image.
    pub(super) fn image(&self, layer: usize) -> Option<Difference> {
        let found = self.read_image(layer).err()?;
        let [height, width, channels] = self.info.input;
        let expected = format!(
            "a layer that reads the image of {height} × {width} × {channels} as `{}` preprocesses it",
            self.info.preprocessing
        );
        Some((expected, found))
    }

    /// Refuses a layer that does not read the image, by what it reads in its place.
    fn read_image(&self, layer: usize) -> Result<(), String> {
        let Path { mut scaling, input } = self.path(self.model, layer)?;
        let (mut at, mut outermost) = (self.model, input);
        while let Some((outer, place)) = self.models[at].within {
            let inner = &self.models[at].layers[outermost];
            if is_whole(inner) {
                return Err(format!("one that reads `{}`, of whole numbers", inner.name));
            }
            let before = self.called(outer, place)?;
            scaling = scaling.after(before.scaling);
            (at, outermost) = (outer, before.input);
        }
        let Scaling { scale, offset } = scaling;
        let is = |other_scale: f64, other_offset: f64| {
            (scale - other_scale).abs() <= 1e-6 * other_scale
                && (offset - other_offset).abs() <= 1e-6
        };
        let is_own = self.info.preprocessing == Preprocessing::Tf && is(1.0 / 127.5, -1.0);
        let outermost = &self.models[at].layers[outermost];
        if !is_own && is_whole(outermost) {
            return Err(format!(
                "one that reads whole numbers, as `{}` is",
                outermost.name
            ));
        }
        if !is_own && !is(1.0, 0.0) {
            return Err(format!(
                "one that reads pixels multiplied by {scale}, plus {offset}"
            ));
        }
        Ok(())
    }

    /// What is done to the image before the model that is called at `place` of another.
    fn called(&self, outer: usize, place: usize) -> Result<Path, String> {
        let layers = &self.models[outer].layers;
        let calls = layers.iter().filter(|of| of.name == layers[place].name);
        let mut before: Option<Path> = None;
        for call in calls {
            let name = call.name;
            if call.in_training {
                return Err(format!("one in `{name}`, called with `training=True`"));
            }
            let [read] = call.inputs[..] else {
                return Err(format!("one in `{name}`, which does not read one tensor"));
            };
            let path = self.path(outer, read)?;
            if before.is_some_and(|before| before.scaling != path.scaling) {
                return Err(format!(
                    "one in `{name}`, called with images of different scales"
                ));
            }
            before = Some(path);
        }
        before.ok_or_else(|| "one that is never called".to_owned())
    }

    /// What the layers up to `layer` of a model do to its input, or which of them does more than scale.
    fn path(&self, model: usize, layer: usize) -> Result<Path, String> {
        let layers = &self.models[model].layers;
        let (mut input, mut scaling) = (layer, Scaling::NONE);
        for _ in 0..=layers.len() {
            let of = &layers[input];
            if of.class == "InputLayer" {
                return self.size(of).map(|()| Path { scaling, input });
            }
            let own = match of.model {
                Some(inner) => self.nested(of, inner)?,
                None => Scaling::of(of)?,
            };
            scaling = scaling.after(own);
            match of.inputs[..] {
                [read] => input = read,
                _ => break,
            }
        }
        Err(format!(
            "one that reads `{}`, which is not the model's input",
            layers[layer].name
        ))
    }

    /// What a model in front of the ANN does to the image: a chain of augmentations, for example.
    fn nested(&self, layer: &Layer, inner: usize) -> Result<Scaling, String> {
        match self.models[inner].output {
            Some(output) if !layer.in_training => self.path(inner, output).map(|path| path.scaling),
            Some(_) | None => Err(format!("one that reads `{}`", layer.name)),
        }
    }

    /// Refuses an input of another size.
    fn size(&self, input: &Layer) -> Result<(), String> {
        let shape = ["batch_shape", "batch_input_shape"];
        let shape = shape
            .iter()
            .find_map(|key| input.settings.get(key)?.as_array());
        let Some([_, size @ ..]) = shape.map(Vec::as_slice) else {
            // The first layer of a Sequential may say no shape, and the weights do.
            return Ok(());
        };
        let size: Vec<Option<u64>> = size.iter().map(|n| n.as_u64()).collect();
        let mut sizes = size.iter().zip(self.info.input);
        let fits = size.len() == self.info.input.len()
            && sizes.all(|(found, ours)| found.is_none_or(|found| found == ours as u64));
        if fits {
            return Ok(());
        }
        let size = size.iter();
        let shown: Vec<_> = size
            .map(|n| n.map_or("any".to_owned(), |n| n.to_string()))
            .collect();
        Err(format!("one that reads an image of {}", shown.join(" × ")))
    }
}

/// Whether an input is cast to whole numbers.
fn is_whole(input: &Layer) -> bool {
    let policy = setting::policy(input.settings);
    policy.is_some_and(|of| {
        ["int", "uint", "bool"]
            .iter()
            .any(|kind| of.starts_with(kind))
    })
}
