//! One pass through an ONNX graph, as far as the requested layers need it.
//!
//! The graph was optimised with every layer as an output and runs for those requested alone, so that
//! fusion of operations, and with it a layer's last digits, does not depend on the request.
//! Each thread runs one stimulus at a time.

use std::sync::Arc;

use rayon::prelude::*;
use tract_onnx::prelude::{IntoRunnable, TypedRunnableModel, tvec};
use tract_onnx::tract_hir::internal::{OutletId, TractResult, bail};

use super::{Layer, OnnxError, OnnxFile, guarded};

/// An ONNX graph, ready to run on images.
#[derive(Debug)]
pub struct OnnxPass {
    file: Arc<OnnxFile>,
    /// Units of each requested layer.
    units: Vec<usize>,
    plan: Arc<TypedRunnableModel>,
}

impl OnnxPass {
    /// Prepares `file` to compute `layers`.
    ///
    /// # Errors
    /// When it lacks a layer, or has operations that cannot be run.
    pub(in crate::ann) fn new(file: &Arc<OnnxFile>, layers: &[String]) -> Result<Self, OnnxError> {
        let requested = layers.iter().map(|layer| file.layer(layer));
        let requested: Vec<Layer<'_>> = requested.collect::<Result<_, _>>()?;
        let plan = guarded(|| {
            let plan = plan(file, &requested)?;
            if let Some(fixed) = &file.fixed {
                fixed.verify(&plan, &requested)?;
            }
            Ok(plan)
        });
        Ok(Self {
            units: requested
                .iter()
                .map(|layer| layer.shape.iter().product())
                .collect(),
            plan: plan.map_err(|why| file.cannot_run(why))?,
            file: file.clone(),
        })
    }

    /// Bytes that each stimulus of a batch takes: its image and its activations.
    pub(in crate::ann) fn stimulus_bytes(&self) -> usize {
        let image: usize = self.file.input().iter().product();
        (image + self.units.iter().sum::<usize>()) * size_of::<f32>()
    }

    /// Computes the requested layers' activations.
    ///
    /// # Shapes
    /// - `images`: `[stimuli, height, width, channels]`, preprocessed
    /// - returns one `[stimuli, units]` per layer, units in their tensor's order
    ///
    /// # Errors
    /// When an operation fails.
    ///
    /// # Panics
    /// When `images` does not consist of whole images.
    pub(in crate::ann) fn run(&self, images: &[f32]) -> Result<Vec<Vec<f32>>, OnnxError> {
        let pixels: usize = self.file.input().iter().product();
        assert_eq!(images.len() % pixels, 0, "images must be whole");
        let stimuli = images.par_chunks_exact(pixels);
        let answers = stimuli.map(|image| guarded(|| self.show(image)));
        let answers: Vec<Vec<Vec<f32>>> = answers
            .collect::<Result<_, _>>()
            .map_err(|why| self.file.cannot_run(why))?;
        let mut layers: Vec<Vec<f32>> = self
            .units
            .iter()
            .map(|units| Vec::with_capacity(units * answers.len()))
            .collect();
        for stimulus in answers {
            for (layer, values) in layers.iter_mut().zip(stimulus) {
                layer.extend(values);
            }
        }
        Ok(layers)
    }

    /// One stimulus's activations, layer by layer.
    fn show(&self, image: &[f32]) -> TractResult<Vec<Vec<f32>>> {
        let image = self.file.input.tensor(image)?;
        let answers = self.plan.run(tvec!(image.into()))?;
        let mut layers = Vec::with_capacity(answers.len());
        for (answer, units) in answers.iter().zip(&self.units) {
            let answer = answer.cast_to::<f32>()?;
            let values = answer.try_as_plain_ram()?.as_slice::<f32>()?.to_vec();
            if values.len() != *units {
                bail!("a layer of {units} units has {} values", values.len());
            }
            layers.push(values);
        }
        Ok(layers)
    }
}

/// The part of the graph that computes `requested`.
fn plan(file: &OnnxFile, requested: &[Layer<'_>]) -> TractResult<Arc<TypedRunnableModel>> {
    let mut model = file.model.clone();
    let outputs: Vec<OutletId> = requested.iter().map(|layer| layer.outlet).collect();
    model.select_output_outlets(&outputs)?;
    model.into_runnable()
}
