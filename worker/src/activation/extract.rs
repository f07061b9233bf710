//! Extraction: shows the stimuli to an ANN and writes what its layers answer, batch by batch.
//! Memory does not grow with the number of stimuli: two batches of images, one of activations.

use super::key::Dtype;
use super::{ActivationError, Cache, CacheKey, CachedLayer};
use crate::ann::{self, Ann, AnnInfo, WeightsSource};
use crate::recording::Recordings;
use burn::tensor::Device;
use rayon::prelude::*;
use std::ops::ControlFlow;
use std::sync::mpsc;

/// Stimuli the ANN sees at once.
const BATCH_STIMULI: usize = 16;
/// Batches of images decoded ahead of the ANN.
const BATCHES_AHEAD: usize = 1;

/// What to extract.
pub struct Extraction<'a> {
    /// The ANN.
    pub ann: &'static AnnInfo,
    /// Its weights.
    pub weights: &'a WeightsSource,
    /// Their digest.
    pub weights_digest: &'a str,
    /// Fraction of zero weights.
    pub sparsity: f64,
    /// The stimuli.
    pub recordings: &'a Recordings,
    /// Their digest.
    pub stimulus_digest: &'a str,
    /// Layers wanted, in the order they are returned.
    pub layers: &'a [String],
}

/// How far an extraction is, in stimuli.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Stimuli done.
    pub done: usize,
    /// Stimuli in all.
    pub total: usize,
}

/// One decoded batch: `[stimuli, height, width, channels]`, preprocessed.
type Batch = Result<Vec<f32>, ActivationError>;

impl Extraction<'_> {
    fn key(&self, layer: &str) -> CacheKey {
        CacheKey {
            ann: self.ann.name.to_owned(),
            weights_digest: self.weights_digest.to_owned(),
            sparsity: self.sparsity,
            preprocessing: ann::preprocessing_id(self.ann),
            stimulus_digest: self.stimulus_digest.to_owned(),
            layer: layer.to_owned(),
            dtype: Dtype::F32,
        }
    }

    /// Runs the ANN over all stimuli and writes `layers` into the cache.
    fn run(
        &self,
        cache: &Cache,
        layers: &[String],
        device: &Device,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<(), ActivationError> {
        let net = Ann::load(self.ann, self.weights, device)?;
        let total = self.recordings.stimuli.len();
        let mut writers = layers
            .iter()
            .map(|layer| {
                let units = self.ann.layer(layer)?.units();
                cache.writer(&self.key(layer), total, units)
            })
            .collect::<Result<Vec<_>, _>>()?;
        std::thread::scope(|scope| {
            let (sender, batches) = mpsc::sync_channel::<Batch>(BATCHES_AHEAD);
            scope.spawn(move || {
                for start in (0..total).step_by(BATCH_STIMULI) {
                    let batch = self.decode(start..total.min(start + BATCH_STIMULI));
                    // The receiver is gone when the ANN's side failed or was interrupted.
                    if sender.send(batch).is_err() {
                        return;
                    }
                }
            });
            let mut done = 0;
            for batch in batches {
                if progress(Progress { done, total }).is_break() {
                    return Err(ActivationError::Interrupted);
                }
                let images = batch?;
                let stimuli = images.len() / self.ann.input.iter().product::<usize>();
                let answers = net.activations(&images, layers)?;
                for ((values, writer), layer) in answers.iter().zip(&mut writers).zip(layers) {
                    self.refuse_not_finite(values, stimuli, done, layer)?;
                    writer.append(values)?;
                }
                done += stimuli;
            }
            let _ = progress(Progress { done, total });
            writers.into_iter().try_for_each(|writer| writer.finish())
        })
    }

    fn decode(&self, stimuli: std::ops::Range<usize>) -> Batch {
        let images = stimuli
            .into_par_iter()
            .map(|stimulus| {
                let image = self.recordings.image(stimulus)?;
                Ok(ann::preprocess(&image, self.ann))
            })
            .collect::<Result<Vec<_>, ActivationError>>()?;
        Ok(images.concat())
    }

    fn refuse_not_finite(
        &self,
        values: &[f32],
        stimuli: usize,
        first: usize,
        layer: &str,
    ) -> Result<(), ActivationError> {
        match values.iter().position(|value| !value.is_finite()) {
            None => Ok(()),
            Some(at) => Err(ActivationError::NotFinite {
                layer: layer.to_owned(),
                stimulus: self.recordings.stimuli[first + at / (values.len() / stimuli)]
                    .id
                    .clone(),
            }),
        }
    }
}

/// The layers wanted, from the cache, extracted first where they are missing.
///
/// `progress` is called before each batch and may break off; nothing is then left behind but whole
/// layers.
///
/// # Errors
/// When an image or the weights cannot be read, the cache cannot be written, or on interruption.
pub fn ensure(
    cache: &Cache,
    extraction: &Extraction<'_>,
    device: &Device,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<Vec<CachedLayer>, ActivationError> {
    if let Some(layers) = all(cache, extraction)? {
        return Ok(layers);
    }
    let lock = cache.lock()?;
    // Another process may have extracted them while this one waited.
    let mut missing = Vec::new();
    for layer in extraction.layers {
        if cache.get(&extraction.key(layer))?.is_none() {
            missing.push(layer.clone());
        }
    }
    if !missing.is_empty() {
        extraction.run(cache, &missing, device, progress)?;
    }
    drop(lock);
    let layers = all(cache, extraction)?;
    layers.ok_or_else(|| ActivationError::Read {
        path: "extracted layers".into(),
        source: std::io::Error::other("a layer written just now is missing or damaged"),
    })
}

fn all(
    cache: &Cache,
    extraction: &Extraction<'_>,
) -> Result<Option<Vec<CachedLayer>>, ActivationError> {
    extraction
        .layers
        .iter()
        .map(|layer| cache.get(&extraction.key(layer)))
        .collect()
}
