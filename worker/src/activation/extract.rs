//! Extraction: runs an ANN on the stimuli and writes its layers' activations, batch by batch.
//! Memory does not grow with the number of stimuli: it holds at most three batches of images and
//! three of activations, passed between the threads that decode, compute and write. Activations that
//! another program computed are copied from their file.

use super::cache::Claim;
use super::file::Header;
use super::partial::Partial;
use super::{ActivationError, Cache, CacheKey, CachedLayer};
use crate::ann::{
    self, AnnError, FeaturesFile, LoadedAnn, OpenedAnn, Pruning, Resize, RunnableAnn, Screen,
    WeightsSource,
};
use crate::device;
use crate::recording::Recordings;
use crate::totals;
use burn::tensor::Device;
use rayon::prelude::*;
use std::ops::{ControlFlow, Range};
use std::panic::resume_unwind;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Batches of images decoded ahead of the ANN.
const BATCHES_AHEAD: usize = 1;
/// Batches of activations that wait to be written while the ANN computes the next one.
const BATCHES_BEHIND: usize = 1;
/// How often to check whether another process is done.
const POLL: Duration = Duration::from_millis(100);

/// Most stimuli in a batch. On the CPU larger batches gain nothing and make progress coarse.
const BATCH_STIMULI: usize = 16;
const BATCH_STIMULI_GPU: usize = 64;

/// Stimuli in a batch: as many as memory allows.
fn batch_stimuli(net: &LoadedAnn, device: &Device) -> Result<usize, AnnError> {
    let most = if device::is_cpu(device) {
        BATCH_STIMULI.max(rayon::current_num_threads())
    } else {
        BATCH_STIMULI_GPU
    };
    let bytes = net.stimulus_bytes()?;
    Ok((device::batch_bytes(device) / bytes.max(1)).clamp(1, most))
}

/// What to extract.
pub struct Extraction<'a> {
    /// The ANN.
    pub ann: &'a OpenedAnn,
    /// Its weights.
    pub weights: &'a WeightsSource,
    /// Digest of the weights.
    pub weights_digest: &'a str,
    /// How they are pruned.
    pub pruning: Pruning,
    /// In which order images are resized.
    pub resize: Resize,
    /// The screen that they are placed on before, if there is one.
    pub screen: Option<Screen>,
    /// The stimuli.
    pub recordings: &'a Recordings,
    /// Digest of the stimuli.
    pub stimulus_digest: &'a str,
    /// The requested layers, in the order in which they are returned.
    pub layers: &'a [String],
    /// Layers that other jobs will need: extracted in the same pass if the ANN runs anyway and the
    /// budget allows.
    pub also: &'a [String],
}

/// A stage of making activations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// An ANN processes the stimuli; progress counts stimuli.
    Extracting,
    /// A layer is projected; progress counts its units.
    Projecting,
}

/// How far a stage is.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// The stage.
    pub stage: Stage,
    /// Stimuli or units done.
    pub done: usize,
    /// All stimuli or units of the stage.
    pub total: usize,
}

/// Called with the progress; decides whether to go on.
pub type OnProgress<'a> = &'a mut dyn FnMut(Progress) -> ControlFlow<()>;

/// One decoded batch: `[stimuli, height, width, channels]`, preprocessed.
type Batch = Result<Vec<f32>, ActivationError>;

/// The activations of one batch, `[stimuli, units]` for each layer.
type Answers = Vec<Vec<f32>>;

impl Extraction<'_> {
    fn header(&self, cache: &Cache, layer: &str) -> Result<Header, ActivationError> {
        let preprocessing = match self.ann {
            OpenedAnn::Runs(_) => {
                let pictures = self.recordings.picture_facts()?;
                let id = self
                    .ann
                    .preprocessing_id(self.resize, self.screen, pictures);
                id.map_err(AnnError::from)?
            }
            OpenedAnn::Features(_) => String::new(),
        };
        Ok(Header {
            key: CacheKey {
                ann: self.ann.name().to_owned(),
                weights_digest: self.weights_digest.to_owned(),
                sparsity: self.pruning.sparsity(),
                pruning: self.pruning.name().to_owned(),
                preprocessing,
                stimulus_digest: self.stimulus_digest.to_owned(),
                layer: layer.to_owned(),
                arithmetic: self.ann.arithmetic(layer)?,
                dtype: cache.dtype(),
                row_space: None,
            },
            stimuli: self.recordings.stimuli.len(),
            units: self.ann.units(layer)?,
        })
    }

    pub(super) fn headers(
        &self,
        cache: &Cache,
        layers: &[String],
    ) -> Result<Vec<Header>, ActivationError> {
        let headers = layers.iter().map(|layer| self.header(cache, layer));
        headers.collect()
    }

    /// Completes all of `partials`.
    fn complete(
        &self,
        partials: &mut [Partial],
        device: &Device,
        progress: OnProgress<'_>,
    ) -> Result<(), ActivationError> {
        partials.iter_mut().try_for_each(Partial::resume)?;
        match self.ann {
            OpenedAnn::Runs(ann) => self.run(ann, partials, device, progress),
            OpenedAnn::Features(file) => self.copy(file, partials, progress),
        }
    }

    /// Copies the rows that `partials` lack from a file of activations, layer by layer: one that cannot be read
    /// by rows is then alone in memory.
    fn copy(
        &self,
        file: &FeaturesFile,
        partials: &mut [Partial],
        progress: OnProgress<'_>,
    ) -> Result<(), ActivationError> {
        let (stage, total) = (Stage::Extracting, self.recordings.stimuli.len());
        let layers = partials.len();
        for (copied, partial) in partials.iter_mut().enumerate() {
            if partial.rows() == total {
                continue;
            }
            // Progress counts stimuli, a layer's as its share of each.
            let told = |rows: usize| (copied * total + rows) / layers;
            tell(progress, stage, told(partial.rows()), total)?;
            let layer = &partial.header().key.layer;
            let features = file.of(layer, self.recordings).map_err(AnnError::from)?;
            tracing::info!(layer, total, "copying activations from a file");
            for start in (partial.rows()..total).step_by(features.batch()) {
                tell(progress, stage, told(start), total)?;
                let stimuli = start..total.min(start + features.batch());
                let values = features.read(stimuli).map_err(AnnError::from)?;
                self.refuse_unstorable(&values, start, partial.header())?;
                partial.append(start, &values)?;
            }
        }
        let done = total;
        let _ = progress(Progress { stage, done, total });
        Ok(())
    }

    /// Runs the ANN in one pass over the stimuli that any of `partials` lacks.
    fn run(
        &self,
        ann: &RunnableAnn,
        partials: &mut [Partial],
        device: &Device,
        progress: OnProgress<'_>,
    ) -> Result<(), ActivationError> {
        let total = self.recordings.stimuli.len();
        let first = partials.iter().map(Partial::rows).min().unwrap_or(total);
        if first == total {
            return Ok(());
        }
        let layers: Vec<String> = partials
            .iter()
            .map(|partial| partial.header().key.layer.clone())
            .collect();
        let net = ann.load(self.weights, self.pruning, &layers, device)?;
        tracing::info!(
            ann = self.ann.name(),
            pruning = self.pruning.name(),
            reached_sparsity = net.reached_sparsity(),
            layers = layers.join("+"),
            first,
            total,
            "running an ANN on the stimuli"
        );
        let batch = batch_stimuli(&net, device)?;
        std::thread::scope(|scope| {
            let (images_to, images) = mpsc::sync_channel::<Batch>(BATCHES_AHEAD);
            scope.spawn(move || {
                for start in (first..total).step_by(batch) {
                    let batch = self.decode(ann, start..total.min(start + batch));
                    // The receiver is gone if the ANN's side failed or was interrupted.
                    if images_to.send(batch).is_err() {
                        return;
                    }
                }
            });
            let (answers_to, answers) = mpsc::sync_channel::<Answers>(BATCHES_BEHIND);
            let writer = scope.spawn(move || self.write(first, partials, answers));
            let shown = show(ann, first..total, &net, images, &answers_to, progress);
            drop(answers_to);
            // Batches computed before a failure are kept.
            let written = writer.join().unwrap_or_else(|panic| resume_unwind(panic));
            written.and(shown)
        })
    }

    /// Writes the layers' activations to their files, batch by batch.
    fn write(
        &self,
        first: usize,
        partials: &mut [Partial],
        answers: mpsc::Receiver<Answers>,
    ) -> Result<(), ActivationError> {
        let mut done = first;
        for answers in answers {
            let mut stimuli = 0;
            for (values, partial) in answers.iter().zip(partials.iter_mut()) {
                self.refuse_unstorable(values, done, partial.header())?;
                partial.append(done, values)?;
                stimuli = values.len() / partial.header().units;
            }
            tracing::debug!(first = done, stimuli, "extracted a batch");
            done += stimuli;
        }
        Ok(())
    }

    fn decode(&self, ann: &RunnableAnn, stimuli: Range<usize>) -> Batch {
        let (input, mode) = (ann.input(), ann.preprocessing());
        let images = stimuli
            .into_par_iter()
            .map(|stimulus| {
                let mut image = self.recordings.image(stimulus)?;
                if let Some(screen) = &self.screen {
                    let placed = screen.place(image, self.recordings.degrees(stimulus));
                    image = placed.map_err(AnnError::from)?;
                }
                Ok(ann::preprocess(&image, input, mode, self.resize))
            })
            .collect::<Result<Vec<_>, ActivationError>>()?;
        Ok(images.concat())
    }

    /// Refuses values that are not finite, or that `dtype` cannot represent.
    fn refuse_unstorable(
        &self,
        values: &[f32],
        first: usize,
        header: &Header,
    ) -> Result<(), ActivationError> {
        let dtype = header.key.dtype;
        let Some(at) = values.iter().position(|value| !dtype.holds(*value)) else {
            return Ok(());
        };
        let layer = header.key.layer.clone();
        let stimulus = self.recordings.stimuli[first + at / header.units]
            .id
            .clone();
        let value = values[at];
        Err(if value.is_finite() {
            ActivationError::OutOfRange {
                layer,
                stimulus,
                value,
                dtype: dtype.name(),
            }
        } else {
            ActivationError::NotFinite { layer, stimulus }
        })
    }
}

/// Runs the ANN on one batch of images after the other.
fn show(
    ann: &RunnableAnn,
    stimuli: Range<usize>,
    net: &LoadedAnn,
    images: mpsc::Receiver<Batch>,
    answers_to: &mpsc::SyncSender<Answers>,
    progress: OnProgress<'_>,
) -> Result<(), ActivationError> {
    let (mut done, total) = (stimuli.start, stimuli.end);
    for batch in images {
        tell(progress, Stage::Extracting, done, total)?;
        let images = batch?;
        // The receiver is gone if the disk failed, which the writer reports.
        if answers_to.send(net.activations(&images)?).is_err() {
            return Ok(());
        }
        done += images.len() / ann.input().iter().product::<usize>();
    }
    let stage = Stage::Extracting;
    let _ = progress(Progress { stage, done, total });
    Ok(())
}

/// Returns the requested layers from the cache, and extracts the missing ones first.
///
/// Waits for layers that another process is extracting, and extracts the others here. No lock is
/// held while waiting for space, and a lock held while waiting for a layer does not keep any
/// process from completing it, so processes never deadlock.
///
/// `progress` is called before each batch and while waiting, and may stop the extraction; finished
/// batches are kept for the next time.
///
/// # Errors
/// When an image or the weights cannot be read, the cache cannot be written, the budget is too small
/// for the layers, or on interruption.
pub fn ensure(
    cache: &Cache,
    extraction: &Extraction<'_>,
    device: &Device,
    progress: OnProgress<'_>,
) -> Result<Vec<CachedLayer>, ActivationError> {
    let wanted = extraction.headers(cache, extraction.layers)?;
    let also: Vec<String> = extraction
        .also
        .iter()
        .filter(|layer| !extraction.layers.contains(layer))
        .cloned()
        .collect();
    let also = extraction.headers(cache, &also)?;
    cache.refuse_too_large(&wanted)?;
    let mut opened: Vec<Option<CachedLayer>> = wanted.iter().map(|_| None).collect();
    let mut waiting = false;
    let mut looked_up = false;
    loop {
        for (layer, header) in opened.iter_mut().zip(&wanted) {
            if layer.is_none() {
                *layer = cache.get(&header.key)?;
            }
        }
        let missing: Vec<Header> = wanted
            .iter()
            .zip(&opened)
            .filter(|(_, layer)| layer.is_none())
            .map(|(header, _)| header.clone())
            .collect();
        if !std::mem::replace(&mut looked_up, true) {
            totals::looked_up(wanted.len() - missing.len(), missing.len());
        }
        if missing.is_empty() {
            return Ok(opened.into_iter().flatten().collect());
        }
        match cache.claim(&missing, &also)? {
            Claim::Ours(mut partials) => {
                let started = Instant::now();
                let ran = extraction.complete(&mut partials, device, progress);
                totals::extracted(started.elapsed());
                ran?;
                for partial in partials {
                    let key = partial.header().key.clone();
                    let layer = cache.finish(partial)?;
                    if let Some(at) = wanted.iter().position(|header| header.key == key) {
                        opened[at] = Some(layer);
                    }
                }
            }
            Claim::Elsewhere => {
                if !std::mem::replace(&mut waiting, true) {
                    let layer = &missing[0].key.layer;
                    tracing::info!(layer, "waiting for another process that is extracting it");
                }
                pause(Stage::Extracting, wanted[0].stimuli, progress)?;
            }
            Claim::NoRoom => {
                tracing::warn!(
                    "waiting for space in the cache: other processes use too much of its budget"
                );
                opened.fill_with(|| None);
                while !cache.has_room(&missing)? {
                    pause(Stage::Extracting, wanted[0].stimuli, progress)?;
                }
            }
        }
    }
}

/// Reports progress; an error if the caller wants to stop.
pub(super) fn tell(
    progress: OnProgress<'_>,
    stage: Stage,
    done: usize,
    total: usize,
) -> Result<(), ActivationError> {
    match progress(Progress { stage, done, total }) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(ActivationError::Interrupted),
    }
}

/// Pauses briefly while other processes work.
pub(super) fn pause(
    stage: Stage,
    total: usize,
    progress: OnProgress<'_>,
) -> Result<(), ActivationError> {
    tell(progress, stage, 0, total)?;
    std::thread::sleep(POLL);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{CacheConfig, Dtype};
    use super::*;
    use crate::recording::Source;
    use std::path::Path;
    use std::sync::LazyLock;

    static MOBILENET: LazyLock<OpenedAnn> =
        LazyLock::new(|| OpenedAnn::built_in(ann::find("mobilenet").expect("offered")));

    fn recordings(stimuli: usize) -> Recordings {
        let source = Source::Simulated { seed: 1 };
        let mut recordings = Recordings::open(&source, &[]).expect("simulated");
        recordings.stimuli.truncate(stimuli);
        recordings
    }

    fn extraction<'a>(recordings: &'a Recordings, layers: &'a [String]) -> Extraction<'a> {
        Extraction {
            ann: &MOBILENET,
            weights: &WeightsSource::Random(1),
            weights_digest: "random:1",
            pruning: Pruning::None,
            resize: Resize::default(),
            screen: None,
            recordings,
            stimulus_digest: "s",
            layers,
            also: &[],
        }
    }

    fn cache(directory: &Path, dtype: Dtype, budget_bytes: Option<u64>) -> Cache {
        let config = CacheConfig {
            directory: directory.to_owned(),
            dtype,
            budget_bytes,
        };
        Cache::open(config).expect("opens")
    }

    #[test]
    fn an_extraction_waits_for_space_and_takes_over_from_a_process_that_died() {
        let recordings = recordings(2);
        let [one, other] = ["conv1", "conv1_relu"].map(|layer| [layer.to_owned()]);
        let (one, other) = (
            extraction(&recordings, &one),
            extraction(&recordings, &other),
        );
        let directory = tempfile::tempdir().expect("a directory");
        let unlimited = cache(directory.path(), Dtype::F32, None);
        let [header_one, header] = [(&one, "conv1"), (&other, "conv1_relu")]
            .map(|(extraction, layer)| extraction.header(&unlimited, layer).expect("a layer"));
        let cache = cache(
            directory.path(),
            Dtype::F32,
            Some(header.file_bytes() * 3 / 2),
        );
        let device = Device::flex();
        let mut on = |_| ControlFlow::Continue(());
        let held = ensure(&cache, &one, &device, &mut on).expect("extracts");

        let interrupted = ensure(&cache, &other, &device, &mut |_| ControlFlow::Break(()));
        assert!(matches!(interrupted, Err(ActivationError::Interrupted)));

        // The lock is released at the third check.
        fn until_third<T>(held: T) -> impl FnMut(Progress) -> ControlFlow<()> {
            let (mut held, mut looks) = (Some(held), 0);
            move |_| {
                looks += 1;
                if looks == 3 {
                    drop(held.take());
                }
                ControlFlow::Continue(())
            }
        }
        let layers = ensure(&cache, &other, &device, &mut until_third(held)).expect("waits");
        assert_eq!((layers.len(), layers[0].stimuli()), (1, 2));
        assert!(
            cache.get(&header_one.key).expect("reads").is_none(),
            "evicted"
        );
        drop(layers);

        let Ok(Claim::Ours(claimed)) = cache.claim(std::slice::from_ref(&header_one), &[]) else {
            panic!("not claimed")
        };
        let layers = ensure(&cache, &one, &device, &mut until_third(claimed)).expect("takes over");
        assert_eq!(layers.len(), 1);
    }

    #[test]
    fn a_value_that_cannot_be_stored_is_refused_with_its_layer_and_stimulus() {
        let recordings = recordings(9);
        let extraction = extraction(&recordings, &[]);
        let directory = tempfile::tempdir().expect("a directory");
        let refused = |dtype, values: &[f32]| {
            let cache = cache(directory.path(), dtype, None);
            let header = extraction.header(&cache, "conv_pw_6_relu");
            let header = Header {
                units: 2,
                ..header.expect("a layer")
            };
            let refused = extraction.refuse_unstorable(values, 7, &header);
            refused.map_err(|error| error.to_string())
        };
        let values = [0.0, 1.0, -70_000.0, 2.0];
        assert_eq!(refused(Dtype::F32, &values), Ok(()));
        assert_eq!(refused(Dtype::Bf16, &values), Ok(()));
        let stimulus = &recordings.stimuli[8].id;
        let said = |value: &str, rest: &str| {
            Err(format!(
                "layer `conv_pw_6_relu` has {value} for stimulus `{stimulus}`{rest}"
            ))
        };
        assert_eq!(
            refused(Dtype::F16, &values),
            said("the value -70000", ", which f16 cannot store")
        );
        assert_eq!(
            refused(Dtype::F16, &[0.0, 1.0, 2.0, f32::NAN]),
            said("a value", " that is not finite")
        );
    }
}
